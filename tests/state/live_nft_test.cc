// What may be asked of a kernel's netfilter without loading anything, and both listings of one ruleset as one.
#include "state/live_nft.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <stdlib.h>

#include "state/filter_walk.h"
#include "state/nft_rules.h"
#include "state/proc_net.h"

namespace lvsnat {
namespace {

namespace fs = std::filesystem;

class Presence : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "lvsnat-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    state_.kernel = "6.1.0-1-amd64";
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void modules(const std::string& text) {
    write("proc/modules", text);
    static_cast<void>(parse_proc_modules(text, state_));
  }
  NftPresence presence() { return nft_presence(root_ / "proc", root_ / "modules", state_); }

  fs::path root_;
  KernelState state_;
};

TEST_F(Presence, LoadedModule) {
  modules("nf_tables 307200 12 nft_ct,nft_chain_nat, Live 0x0\n");
  EXPECT_EQ(presence(), NftPresence::present);
}

TEST_F(Presence, BuiltIn) {
  modules("ip_vs 200704 0 - Live 0x0\n");
  write("modules/6.1.0-1-amd64/modules.builtin", "kernel/net/ipv4/tcp_cubic.ko\nkernel/net/netfilter/nf_tables.ko\n");
  EXPECT_EQ(presence(), NftPresence::present);
}

TEST_F(Presence, NeitherLoadedNorBuiltIn) {
  modules("ip_vs 200704 0 - Live 0x0\n");
  write("modules/6.1.0-1-amd64/modules.builtin", "kernel/net/ipv4/tcp_cubic.ko\n");
  EXPECT_EQ(presence(), NftPresence::absent);
}

TEST_F(Presence, WithoutTheListOfWhatIsBuiltInItMustNotBeAsked) {
  modules("ip_vs 200704 0 - Live 0x0\n");
  EXPECT_EQ(presence(), NftPresence::not_told);
  // Another kernel's list says nothing of this one.
  write("modules/5.10.0-1-amd64/modules.builtin", "kernel/net/netfilter/nf_tables.ko\n");
  EXPECT_EQ(presence(), NftPresence::not_told);
}

TEST_F(Presence, AKernelWithoutModulesHasNoneToLoad) {
  fs::create_directories(root_ / "proc");
  EXPECT_EQ(presence(), NftPresence::present);
}

TEST_F(Presence, AListOfModulesThatCannotBeReadTellsNothing) {
  write("proc/modules", "nonsense\n");
  EXPECT_EQ(presence(), NftPresence::not_told);
}

TEST_F(Presence, AbsenceIsKnownAndLeavesNoGap) {
  modules("ip_vs 200704 0 - Live 0x0\n");
  write("modules/6.1.0-1-amd64/modules.builtin", "kernel/net/ipv4/tcp_cubic.ko\n");
  read_live_nft(root_ / "proc", root_ / "modules", state_);
  EXPECT_TRUE(state_.known.nft_json);
  EXPECT_TRUE(state_.gaps.empty());
  EXPECT_TRUE(read_nft_rules(state_).known);
  EXPECT_TRUE(read_nft_rules(state_).chains.empty());
}

TEST_F(Presence, WhatMustNotBeAskedIsAGap) {
  modules("ip_vs 200704 0 - Live 0x0\n");
  read_live_nft(root_ / "proc", root_ / "modules", state_);
  EXPECT_FALSE(state_.known.nft_json);
  ASSERT_EQ(state_.gaps.size(), 1u);
  EXPECT_EQ(state_.gaps[0].what, "nft ruleset");
}

// As nft 1.0.6 prints rules that iptables-nft made.
constexpr const char* kJson = R"({"nftables": [{"metainfo": {"version": "1.0.6"}},
  {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter", "hook": "forward", "prio": 0,
   "policy": "accept"}},
  {"rule": {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 2, "expr": [
   {"xt": {"type": "match", "name": "conntrack"}}, {"counter": {"packets": 7, "bytes": 420}}, {"drop": null}]}},
  {"rule": {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 3, "expr": [
   {"xt": {"type": "match", "name": "recent"}}, {"counter": {"packets": 0, "bytes": 0}}, {"drop": null}]}}]})";
constexpr const char* kText =
    "table ip filter {\n"
    "\tchain FORWARD {\n"
    "\t\ttype filter hook forward priority filter; policy accept;\n"
    "\t\tct state invalid  counter packets 7 bytes 420 drop\n"
    "\t\txt match \"recent\" counter packets 0 bytes 0 drop\n"
    "\t}\n"
    "}\n";

KernelState listed(const char* json, const char* text) {
  KernelState state;
  state.nft_json = json;
  state.known.nft_json = true;
  state.nft_text = text;
  state.known.nft_text = *text != '\0';
  return state;
}

FilterResult reply_through(const NftRules& rules, CtState ct) {
  FilterPacket p;
  p.iif = "eth1";
  p.oif = "eth0";
  p.source = *parse_address("10.1.1.2");
  p.destination = *parse_address("192.168.1.254");
  p.protocol = 6;
  p.ct = ct;
  return walk_filter(rules, "forward", p);
}

TEST(BothListings, WhatJsonDoesNotTranslateIsReadFromTheText) {
  const NftRules json = read_nft_rules(listed(kJson, ""));
  EXPECT_EQ(reply_through(json, CtState::invalid).verdict, FilterVerdict::unknown);
  const NftRules both = read_nft_rules(listed(kJson, kText));
  ASSERT_EQ(both.chains.size(), 1u);
  ASSERT_EQ(both.chains[0].rules.size(), 2u);
  EXPECT_EQ(both.chains[0].rules[0].handle, 2u) << "only JSON tells handles";
  EXPECT_EQ(both.chains[0].rules[0].text, "ct state invalid counter packets 7 bytes 420 drop");
  const FilterResult dropped = reply_through(both, CtState::invalid);
  EXPECT_EQ(dropped.verdict, FilterVerdict::drop);
  ASSERT_TRUE(dropped.ending);
  EXPECT_EQ(dropped.ending->packets, 7u);
  // What neither understands stays open.
  EXPECT_EQ(reply_through(both, CtState::established).verdict, FilterVerdict::unknown);
}

TEST(BothListings, OfAnotherMomentAreNotMixed) {
  std::string longer = kText;
  longer.insert(longer.find("\t\tct state"), "\t\tcounter packets 1 bytes 1 accept\n");
  const NftRules rules = read_nft_rules(listed(kJson, longer.c_str()));
  EXPECT_EQ(reply_through(rules, CtState::invalid).verdict, FilterVerdict::unknown);
}

TEST(BothListings, QuotedBlanksStay) {
  const NftRules rules = parse_nft_text(
      "table ip t {\n chain c {\n  type filter hook forward priority 0; policy accept;\n  counter  drop comment \"a  b\"\n "
      "}\n}\n");
  ASSERT_EQ(rules.chains.size(), 1u);
  EXPECT_EQ(rules.chains[0].rules.at(0).text, "counter drop comment \"a  b\"");
}

TEST(LegacyTables, AreNamedOnceAndMissed) {
  KernelState state;
  parse_legacy_tables("filter\nnat\nfilter\n", false, state);
  tell_legacy_tables(false, state);
  EXPECT_EQ(state.legacy_tables_v4, (std::vector<std::string>{"filter", "nat"}));
  EXPECT_TRUE(state.known.legacy_tables_v4);
  ASSERT_EQ(state.gaps.size(), 1u);
  EXPECT_NE(state.gaps[0].why.find("filter, nat"), std::string::npos);
  EXPECT_NE(state.gaps[0].why.find("iptables-legacy-save"), std::string::npos);
}

TEST(LegacyTables, NoneAreNoGap) {
  KernelState state;
  parse_legacy_tables("", true, state);
  tell_legacy_tables(true, state);
  EXPECT_TRUE(state.known.legacy_tables_v6);
  EXPECT_TRUE(state.gaps.empty());
}

}  // namespace
}  // namespace lvsnat
