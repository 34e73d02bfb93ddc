// The catalogue of findings as a table and as JSON.
#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include "base/paragraph.h"
#include "lvsnat/render.h"
#include "lvsnat/rule.h"

namespace lvsnat {
namespace {

nlohmann::ordered_json rule_json(const Rule& rule) {
  return {{"code", code_name(rule.code)},
          {"id", rule.id},
          {"severity", name(rule.severity)},
          {"where", rule.where},
          {"title", rule.title}};
}

}  // namespace

std::string render_rules_text(std::span<const Rule* const> rules) {
  std::string out =
      "Where: P packets at the director, S its kernel state, R lvstrace on the real\n"
      "server, C a capture at the client.\n\n"
      "CODE    SEVERITY  WHERE  ID\n";
  for (const Rule* rule : rules) {
    out += left(code_name(rule->code), 8) + left(name(rule->severity), 10) + left(rule->where, 7) + std::string(rule->id) + "\n";
    append_paragraph(out, "        ", "        ", rule->title, 80);
  }
  return out + "\nlvsdiag explain ID prints a finding's page.\n";
}

std::string render_rules_json(std::span<const Rule* const> rules, bool lines) {
  std::string out;
  if (lines) {
    for (const Rule* rule : rules) out += rule_json(*rule).dump() + "\n";
    return out;
  }
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Rule* rule : rules) list.push_back(rule_json(*rule));
  return list.dump(2) + "\n";
}

}  // namespace lvsnat
