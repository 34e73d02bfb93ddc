// `lvsdiag rules` and `lvsdiag explain`: what the program can find, from the rules themselves.
#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "common/output.h"
#include "lvsdiag/verbs.h"
#include "lvsnat/render.h"
#include "lvsnat/rule.h"

namespace lvsnat::tool {
namespace {

constexpr std::size_t kSuggestions = 3;

int put(const DiagnosisOptions& options, std::string_view text) {
  auto output = Output::open(options.output, {.force = options.force});
  if (!output) {
    complain("lvsdiag", output.error().message);
    return kUnknown;
  }
  Status status = (*output)->write(text);
  if (status) status = (*output)->commit();
  if (status || (*output)->reader_gone()) return 0;
  complain("lvsdiag", status.error().message);
  return kUnknown;
}

/// Letters to add, remove or replace to make one of the other (Levenshtein). Both are cut at kLongest bytes.
std::size_t edits(std::string_view a, std::string_view b) {
  constexpr std::size_t kLongest = 64;
  a = a.substr(0, kLongest);
  b = b.substr(0, kLongest);
  std::array<std::size_t, kLongest + 1> row{};
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0U : 1U);
      diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row[b.size()];
}

/// How far a rule is from what was typed: part of its id or title is near, a misspelling is farther.
std::size_t distance(std::string_view typed, const Rule& rule) {
  std::string title(rule.title);
  std::transform(title.begin(), title.end(), title.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (rule.id.find(typed) != std::string_view::npos || title.find(typed) != std::string::npos) return 0;
  std::string code = code_name(rule.code);
  std::transform(code.begin(), code.end(), code.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::min({edits(typed, rule.id), edits(typed, code) * 2, edits(typed, code.substr(3)) * 3});
}

std::string suggestions(std::string_view typed) {
  std::string lower(typed.substr(0, 64));
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::vector<std::pair<std::size_t, const Rule*>> near;
  for (const Rule* rule : all_rules()) near.emplace_back(distance(lower, *rule), rule);
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string out;
  for (std::size_t i = 0; i < std::min(near.size(), kSuggestions); ++i) {
    out += (i == 0 ? "" : ", ") + code_name(near[i].second->code) + " " + std::string(near[i].second->id);
  }
  return out;
}

}  // namespace

int list_rules(const DiagnosisOptions& options) {
  switch (options.format) {
    case Format::json:
      return put(options, render_rules_json(all_rules()));
    case Format::ndjson:
      return put(options, render_rules_json(all_rules(), true));
    case Format::text:
    case Format::nagios:
      break;
  }
  return put(options, render_rules_text(all_rules()));
}

int explain(const DiagnosisOptions& options) {
  const Rule* rule = find_rule(options.finding);
  if (rule != nullptr) return put(options, rule_page(*rule));
  return bad_usage("lvsdiag", "there is no finding '" + printable(options.finding, 64) +
                                  "'; near it: " + suggestions(options.finding) + "; 'lvsdiag rules' lists all");
}

}  // namespace lvsnat::tool
