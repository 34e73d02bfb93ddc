// docs/findings is generated from the catalogue and must agree with it. With LVSNAT_WRITE_PAGES set
// (scripts/pages) the files are written instead of compared.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "lvsnat/finding.h"
#include "lvsnat/rule.h"

namespace lvsnat {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(LVSNAT_SOURCE_DIR) / "docs" / "findings";

std::string table() {
  std::string out =
      "# Findings\n\n"
      "Everything that `lvsdiag`, `lvstrace` and `lvstop` can find. The pages are what `lvsdiag explain ID` prints; they\n"
      "are written from the rules in `lib/rules` by `scripts/pages`. Codes and ids never change their meaning.\n\n"
      "Seen in: P packets at the director, S the director's kernel state, R lvstrace on the real server, probe the\n"
      "way-back test (`lvsdiag probe`), any: any capture.\n\n"
      "| code | id | severity | seen in | what it says |\n|---|---|---|---|---|\n";
  for (const Rule* rule : all_rules()) {
    const std::string code = code_name(rule->code);
    out += "| [" + code + "](" + code + ".md) | `";
    out += rule->id;
    out += "` | ";
    out += name(rule->severity);
    out += " | ";
    out += rule->where;
    out += " | ";
    out += rule->title;
    out += " |\n";
  }
  return out;
}

std::map<std::string, std::string> expected() {
  std::map<std::string, std::string> files;
  files["README.md"] = table();
  for (const Rule* rule : all_rules()) files[code_name(rule->code) + ".md"] = rule_page(*rule);
  return files;
}

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST(Pages, AgreeWithTheCatalogue) {
  const auto files = expected();
  const bool write = std::getenv("LVSNAT_WRITE_PAGES") != nullptr;
  if (write) fs::create_directories(kFolder);
  ASSERT_TRUE(fs::is_directory(kFolder)) << kFolder;
  for (const auto& [file, text] : files) {
    if (write) {
      std::ofstream out(kFolder / file, std::ios::binary | std::ios::trunc);
      out << text;
      ASSERT_TRUE(out.flush()) << file;
    }
    EXPECT_TRUE(fs::exists(kFolder / file)) << file << " is missing; run scripts/pages";
    EXPECT_TRUE(read(kFolder / file) == text) << file << " is stale; run scripts/pages";
  }
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const std::string file = entry.path().filename().string();
    if (files.contains(file)) continue;
    if (write && file.ends_with(".md")) fs::remove(entry.path());
    EXPECT_FALSE(fs::exists(entry.path())) << file << " belongs to no finding; run scripts/pages";
  }
}

TEST(Pages, BeginWithCodeSeverityAndVantage) {
  const Rule* rule = find_rule(109);
  ASSERT_NE(rule, nullptr);
  const std::string page = rule_page(*rule);
  EXPECT_TRUE(page.starts_with("# LVS109 no-destination-available\n\n")) << page.substr(0, 80);
  EXPECT_NE(
      page.find("\n\nSeverity: error. Seen in: packets at the director, the director's kernel state.\n\n## What it means\n"),
      std::string::npos)
      << page.substr(0, 300);
  EXPECT_FALSE(page.ends_with("\n\n"));
}

}  // namespace
}  // namespace lvsnat
