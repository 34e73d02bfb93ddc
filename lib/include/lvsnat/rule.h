// What can be found: the catalogue. A rule is one file in lib/rules, with metadata, the page that
// `lvsdiag explain` prints, and the check. Codes never change meaning; a retired one keeps its page.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "lvsnat/export.h"
#include "lvsnat/finding.h"

namespace lvsnat {

struct Facts;       // lib/facts/facts.h
class FindingSink;  // lib/rules/sink.h

struct Rule {
  int code;                // 101
  std::string_view id;     // "reply-bypasses-director": the fault, never the cure
  Severity severity;       // its usual severity
  std::string_view where;  // "P", "S", "P S", "R", "C", "probe", "any": who can see it (contract)
  std::string_view title;  // one line, general: "The real server's reply goes round the director"
  std::string_view page;   // Markdown: what it means, how it looks, how it comes about, how to check by hand, cure, look-alikes
  void (*check)(const Facts&, FindingSink&);  // nullptr: found by something else than packets and state (probe)
};

/// All rules in code order.
LVSNAT_EXPORT std::span<const Rule* const> all_rules() noexcept;
/// By id or code ("LVS101", "lvs101", "101", "reply-bypasses-director"); nullptr if there is none.
LVSNAT_EXPORT const Rule* find_rule(std::string_view id_or_code) noexcept;
LVSNAT_EXPORT const Rule* find_rule(int code) noexcept;
/// The page of a rule as Markdown with title and metadata: docs/findings/<CODE>.md and `explain`.
LVSNAT_EXPORT std::string rule_page(const Rule&);

}  // namespace lvsnat
