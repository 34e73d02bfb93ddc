// The rules of the house. Each is first shown to notice what breaks it, then held against the tree.
#include <gtest/gtest.h>

#include <string>

#include "tree.h"

namespace house {
namespace {

const std::filesystem::path kRoot = LVSNAT_SOURCE_DIR;

const std::vector<SourceFile>& tree() {
  static const std::vector<SourceFile> files = read_tree(kRoot);
  return files;
}

std::string joined(const Complaints& complaints) {
  std::string text;
  for (const std::string& complaint : complaints) text += complaint + "\n";
  return text;
}

template <typename Check>
std::string over_tree(Check check) {
  std::string text;
  for (const SourceFile& file : tree()) text += joined(check(file));
  return text;
}

std::string includes(const std::string& path, const std::string& line) {
  return joined(check_includes({path, "#pragma once\n" + line + "\n"}));
}

std::string text_of(const std::string& path, const std::string& line) { return joined(check_text({path, line + "\n"})); }

TEST(Layers, PointOneWay) {
  EXPECT_EQ(includes("lib/rules/a.cc", "#include \"facts/facts.h\""), "");
  EXPECT_EQ(includes("lib/rules/a.cc", "#include \"lvsnat/finding.h\""), "");
  EXPECT_EQ(includes("lib/facts/a.cc", "#include \"rules/rules.h\""),
            "lib/facts/a.cc:2: lib/facts must not include \"rules/rules.h\": layers point the other way\n");
  EXPECT_NE(includes("lib/base/a.cc", "#include \"decode/ip.h\""), "");
  EXPECT_EQ(includes("lib/track/a.cc", "#include <emmintrin.h>"), "");
  EXPECT_NE(includes("lib/rules/a.cc", "#include <emmintrin.h>"), "");
  EXPECT_NE(includes("lib/decode/a.h", "  #  include \"track/tracker.h\""), "");
  EXPECT_NE(includes("lib/capture/a.cc", "#include \"decode/ip.h\""), "");
  EXPECT_NE(includes("lib/render/a.cc", "#include \"capture/pcapng.h\""), "");
  EXPECT_NE(includes("tools/lvsdiag/a.cc", "#include \"rules/rules.h\""), "");
  EXPECT_NE(includes("lib/base/a.cc", "#include \"../track/tracker.h\""), "");
  EXPECT_NE(includes("lib/base/a.cc", "#include \"text.h\""), "");
}

TEST(Layers, HoldInTheTree) { EXPECT_EQ(over_tree(check_includes), ""); }

TEST(PublicHeaders, IncludeOnlyPublicOnesAndTheStandardLibrary) {
  EXPECT_EQ(includes("lib/include/lvsnat/a.h", "#include <span>"), "");
  EXPECT_NE(includes("lib/include/lvsnat/a.h", "#include <nlohmann/json.hpp>"), "");
  EXPECT_NE(includes("lib/include/lvsnat/a.h", "#include <sys/socket.h>"), "");
  EXPECT_NE(includes("lib/include/lvsnat/a.h", "#include \"base/text.h\""), "");
  EXPECT_NE(joined(check_includes({"lib/include/lvsnat/a.h", "int x;\n"})), "");
}

TEST(ThirdPartyHeaders, StayWhereTheyBelong) {
  EXPECT_EQ(includes("lib/capture/a.cc", "#include <pcap/pcap.h>"), "");
  EXPECT_NE(includes("lib/decode/a.cc", "#include <pcap/pcap.h>"), "");
  EXPECT_NE(includes("lib/state/a.cc", "#include <pcap.h>"), "");
  EXPECT_NE(includes("tools/lvsdiag/a.cc", "#include <tins/tins.h>"), "");
  EXPECT_NE(includes("lib/facts/a.cc", "#include <nlohmann/json.hpp>"), "");
  EXPECT_NE(includes("lib/config/a.cc", "#include <libmnl/libmnl.h>"), "");
  EXPECT_EQ(includes("tools/lvsdiag/a.cc", "#include <CLI/CLI.hpp>"), "");
  EXPECT_NE(includes("lib/config/a.cc", "#include <CLI/CLI.hpp>"), "");
  EXPECT_EQ(includes("tools/lvstop/a.cc", "#include <curses.h>"), "");
  EXPECT_NE(includes("tools/lvsdiag/a.cc", "#include <curses.h>"), "");
  EXPECT_NE(includes("lib/base/a.cc", "#include <fmt/format.h>"), "");
  EXPECT_NE(includes("lib/rules/a.cc", "#include <linux/netlink.h>"), "");
}

TEST(HotFolders, IncludeNothingCold) {
  EXPECT_EQ(includes("lib/decode/a.cc", "#include <span>"), "");
  EXPECT_NE(includes("lib/decode/a.cc", "#include <vector>"), "");
  EXPECT_NE(includes("lib/track/a.h", "#include <chrono>"), "");
  EXPECT_NE(includes("lib/track/a.h", "#include <sys/mman.h>"), "");
}

TEST(Text, WhatIsBannedIsNoticed) {
  EXPECT_EQ(text_of("lib/a.cc", "int filesystem(int);"), "");
  EXPECT_NE(text_of("lib/a.cc", "int r = system(\"true\");"), "");
  EXPECT_NE(text_of("tools/lvsdiag/a.cc", "FILE* f = popen(command, \"r\");"), "");
  EXPECT_NE(text_of("lib/a.cc", "// TODO: later"), "");
  EXPECT_NE(text_of("docs/a.md", "FIXME"), "");
  EXPECT_EQ(text_of("lib/a.cc", "mkstemp(\"XXXXXX\");"), "");
  EXPECT_NE(text_of("lib/a.cc", "using namespace std;"), "");
  EXPECT_NE(text_of("docs/a.md", "see /home/someone"), "");
  EXPECT_NE(text_of("lib/a.cc", "int x;\t// tab"), "");
  EXPECT_NE(text_of("lib/a.cc", "int x; "), "");
  EXPECT_NE(text_of("lib/a.cc", "int x;\r"), "");
  EXPECT_EQ(text_of("lib/a.cc", std::string(130, 'x')), "");
  EXPECT_NE(text_of("lib/a.cc", std::string(131, 'x')), "");
  EXPECT_EQ(text_of("lib/a.cc", "R\"j(" + std::string(131, 'x') + "\n" + std::string(131, 'x') + ")j\";"), "");
  EXPECT_NE(text_of("lib/a.cc", "R\"j(x)j\";\n" + std::string(131, 'x')), "");
  EXPECT_NE(text_of("lib/rules/a.cc", "std::chrono::system_clock::now();"), "");
  EXPECT_EQ(text_of("lib/capture/a.cc", "std::chrono::system_clock::now();"), "");
  EXPECT_NE(text_of("lib/rules/a.cc", "std::snprintf(b, n, \"x\"); printf(\"x\");"), "");
  EXPECT_NE(joined(check_text({"lib/a.cc", "int x;"})), "");
  EXPECT_NE(joined(check_text({"scripts/a", "#!/usr/bin/env bash\necho\n"})), "");
}

TEST(Text, TheTreeIsTidy) { EXPECT_EQ(over_tree(check_text), ""); }

TEST(Targets, AForgottenSourceIsNoticed) {
  const std::vector<SourceFile> files{{"lib/base/text.cc", ""}, {"lib/base/lost.cc", ""}, {"tests/base/lost_test.cc", ""}};
  EXPECT_EQ(joined(check_targets(files, R"([{"file": "/src/lib/base/text.cc"}])", "/src")),
            "lib/base/lost.cc: in no target\ntests/base/lost_test.cc: in no target\n");
}

TEST(Targets, EverySourceIsInOne) {
  const std::string commands = read_file(std::filesystem::path(LVSNAT_BINARY_DIR) / "compile_commands.json");
  ASSERT_FALSE(commands.empty());
  EXPECT_EQ(joined(check_targets(tree(), commands, kRoot.string())), "");
}

TEST(Links, ABrokenOneIsNoticed) {
  EXPECT_EQ(joined(check_links({"docs/a.md", "[up](../README.md#top) [web](https://example.org)\n"}, kRoot)), "");
  EXPECT_NE(joined(check_links({"docs/a.md", "[up](README-of-nobody.md)\n"}, kRoot)), "");
}

TEST(Links, LeadSomewhere) {
  EXPECT_EQ(over_tree([](const SourceFile& file) { return check_links(file, kRoot); }), "");
}

}  // namespace
}  // namespace house
