// A rule's page: what `explain` prints and what docs/findings/LVSNNN.md holds.
#include <string>
#include <string_view>

#include "lvsnat/finding.h"
#include "lvsnat/rule.h"

namespace lvsnat {
namespace {

/// "P S" -> "packets at the director, the director's kernel state".
std::string seen_in(std::string_view where) {
  static constexpr struct {
    std::string_view mark, words;
  } kMarks[] = {
      {"P", "packets at the director"}, {"S", "the director's kernel state"}, {"R", "lvstrace on the real server"},
      {"C", "a capture on the client"}, {"probe", "the way-back test"},       {"any", "any capture"},
  };
  std::string out;
  while (!where.empty()) {
    const std::size_t blank = where.find(' ');
    const std::string_view mark = where.substr(0, blank);
    where.remove_prefix(blank == std::string_view::npos ? where.size() : blank + 1);
    for (const auto& known : kMarks) {
      if (known.mark != mark) continue;
      if (!out.empty()) out += ", ";
      out += known.words;
    }
  }
  return out;
}

}  // namespace

std::string rule_page(const Rule& rule) {
  std::string out = "# " + code_name(rule.code);
  out += ' ';
  out += rule.id;
  out += "\n\n";
  out += rule.title;
  out += ".\n\nSeverity: ";
  out += name(rule.severity);
  out += ". Seen in: " + seen_in(rule.where) + ".\n";
  std::string_view body = rule.page;
  while (!body.empty() && body.front() == '\n') body.remove_prefix(1);
  while (!body.empty() && body.back() == '\n') body.remove_suffix(1);
  out += '\n';
  out += body;
  out += '\n';
  return out;
}

}  // namespace lvsnat
