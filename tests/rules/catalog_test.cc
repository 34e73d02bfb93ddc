// The catalogue keeps the promise of the contract: codes, ids, severities and vantages never change.
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/finding.h"
#include "lvsnat/rule.h"

namespace lvsnat {
namespace {

struct Promise {
  int code;
  std::string_view id, where;
  Severity severity;
};

// One row a finding, in code order; scripts/new-finding adds rows here.
constexpr Promise kPromises[] = {
    {101, "reply-bypasses-director", "P", Severity::error},
    {102, "no-reply-from-real-server", "P", Severity::error},
    {103, "reply-not-masqueraded", "P", Severity::error},
    {104, "reply-leaves-unmasqueraded", "P", Severity::error},
    {105, "wrong-masquerade-address", "P", Severity::error},
    {106, "request-not-forwarded", "P", Severity::error},
    {107, "real-server-unreachable", "P", Severity::error},
    {108, "real-server-refuses", "P", Severity::error},
    {109, "no-destination-available", "P S", Severity::error},
    {110, "no-such-service", "P", Severity::warning},
    {111, "icmp-redirect-sent", "P", Severity::error},
    {112, "connection-forgotten", "P", Severity::error},
    {113, "client-bypasses-director", "P", Severity::warning},
    {114, "real-server-is-its-own-client", "P", Severity::error},
    {115, "client-in-real-server-network", "P", Severity::error},
    {116, "vip-unclaimed", "P S", Severity::error},
    {117, "duplicate-vip", "P", Severity::error},
    {118, "gateway-unanswered", "P", Severity::error},
    {119, "gateway-address-conflict", "P", Severity::error},
    {120, "vip-sent-to-other-host", "P", Severity::error},
    {121, "path-mtu-black-hole", "P", Severity::error},
    {122, "not-nat-forwarding", "P S", Severity::error},
    {123, "ftp-data-not-translated", "P", Severity::error},
    {124, "syn-flood", "P", Severity::warning},
    {125, "packet-loss", "P", Severity::warning},
    {126, "slow-real-server", "P", Severity::warning},
    {127, "full-nat", "P", Severity::info},
    {201, "ip-forward-off", "S", Severity::error},
    {202, "send-redirects-on", "S", Severity::warning},
    {203, "filter-drops-replies", "S", Severity::error},
    {204, "filter-drops-requests", "S", Severity::error},
    {205, "conntrack-drops-replies", "S", Severity::error},
    {206, "rp-filter-drops", "S R", Severity::error},
    {207, "masquerade-rule-takes-replies", "S", Severity::warning},
    {208, "gateway-address-missing", "S", Severity::error},
    {209, "ftp-helper-missing", "S", Severity::warning},
    {210, "idle-timeout-short", "S", Severity::warning},
    {211, "one-packet-scheduling", "S", Severity::warning},
    {212, "ipvs-absent", "S", Severity::error},
    {213, "flowtable-bypasses-ipvs", "S P", Severity::error},
    {214, "way-back-not-through-director", "probe", Severity::error},
    {215, "destination-is-local", "S", Severity::warning},
    {301, "wrong-gateway", "R", Severity::error},
    {302, "no-route-to-client", "R", Severity::error},
    {303, "direct-route-to-client", "R", Severity::error},
    {304, "redirected-route", "R", Severity::error},
    {305, "policy-route-bypasses-director", "R", Severity::error},
    {306, "accepts-redirects", "R", Severity::warning},
    {307, "hop-count-not-two", "R", Severity::warning},
    {308, "client-reachable-directly", "R", Severity::info},
    {309, "reply-sent-to-other-mac", "R", Severity::error},
    {901, "capture-incomplete", "any", Severity::warning},
    {902, "one-side-only", "any", Severity::info},
    {903, "no-traffic", "any", Severity::info},
};

constexpr std::string_view kSections[] = {
    "## What it means",
    "## How it looks",
    "## How it comes about",
    "## How to check by hand",
    "## Cure",
    "## Nearest look-alikes",
    "## What this tool needs to see to say so",
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

/// Characters, not bytes: a dash or an arrow is one column.
std::size_t columns(std::string_view line) {
  std::size_t n = 0;
  for (const char c : line) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return n;
}

TEST(Catalog, KeepsEveryPromiseInCodeOrder) {
  const auto rules = all_rules();
  ASSERT_EQ(rules.size(), std::size(kPromises));
  for (std::size_t i = 0; i < rules.size(); ++i) {
    SCOPED_TRACE(rules[i]->id);
    EXPECT_EQ(rules[i]->code, kPromises[i].code);
    EXPECT_EQ(rules[i]->id, kPromises[i].id);
    EXPECT_EQ(rules[i]->where, kPromises[i].where);
    EXPECT_EQ(rules[i]->severity, kPromises[i].severity);
    if (i > 0) {
      EXPECT_LT(rules[i - 1]->code, rules[i]->code);
    }
  }
}

TEST(Catalog, IdsAreUniqueAndWellFormed) {
  const std::regex pattern("^[a-z0-9]+(-[a-z0-9]+)*$");  // findings.schema.json
  std::set<std::string_view> seen;
  for (const Rule* rule : all_rules()) {
    EXPECT_TRUE(std::regex_match(std::string(rule->id), pattern)) << rule->id;
    EXPECT_TRUE(seen.insert(rule->id).second) << rule->id;
    EXPECT_FALSE(rule->title.empty()) << rule->id;
    EXPECT_LE(columns(rule->title), 80U) << rule->id;
    EXPECT_NE(rule->title.back(), '.') << rule->id;
  }
}

TEST(Catalog, IsFoundByCodeAndId) {
  for (const Rule* rule : all_rules()) {
    const std::string digits = std::to_string(rule->code);
    EXPECT_EQ(find_rule(rule->code), rule);
    EXPECT_EQ(find_rule(rule->id), rule);
    EXPECT_EQ(find_rule(digits), rule);
    EXPECT_EQ(find_rule("LVS" + digits), rule);
    EXPECT_EQ(find_rule("lvs" + digits), rule);
    EXPECT_EQ(code_name(rule->code), "LVS" + digits);
  }
}

TEST(Catalog, FindsNothingElse) {
  for (const std::string_view word : {"", "LVS", "lvs", "100", "LVS1010", "LVS-101", "+101", " 101", "0101", "reply", "LVS999",
                                      "99999999999999999999", "Reply-Bypasses-Director"}) {
    EXPECT_EQ(find_rule(word), nullptr) << word;
  }
  EXPECT_EQ(find_rule(0), nullptr);
  EXPECT_EQ(find_rule(-101), nullptr);
}

TEST(Catalog, EveryPageHasItsSectionsInOrderAndFitsATerminal) {
  for (const Rule* rule : all_rules()) {
    SCOPED_TRACE(code_name(rule->code));
    std::vector<std::string_view> headings;
    for (const std::string_view line : lines_of(rule->page)) {
      if (line.starts_with("#")) headings.push_back(line);
      const bool verbatim = line.starts_with("    ");
      EXPECT_LE(columns(line), verbatim ? 100U : 80U) << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
      EXPECT_EQ(line.find('\t'), std::string_view::npos) << line;
    }
    EXPECT_EQ(headings, std::vector<std::string_view>(std::begin(kSections), std::end(kSections)));
    for (std::size_t i = 0; i < std::size(kSections); ++i) {
      const std::size_t at = rule->page.find(kSections[i]);
      ASSERT_NE(at, std::string_view::npos) << kSections[i];
      const std::string_view rest = rule->page.substr(at + kSections[i].size());
      const std::string_view body = rest.substr(0, rest.find("\n## "));
      EXPECT_GT(body.size(), 40U) << kSections[i] << " is empty";
    }
  }
}

TEST(Catalog, PagesNameOnlyFindingsThatExist) {
  const std::regex code("LVS([0-9]{3})");
  for (const Rule* rule : all_rules()) {
    const std::string page(rule->page);
    bool other = false;
    for (std::sregex_iterator it(page.begin(), page.end(), code), end; it != end; ++it) {
      const int named = std::stoi((*it)[1].str());
      EXPECT_NE(find_rule(named), nullptr) << code_name(rule->code) << " names " << it->str();
      other = other || named != rule->code;
    }
    EXPECT_TRUE(other) << code_name(rule->code) << " names no look-alike";
  }
}

}  // namespace
}  // namespace lvsnat
