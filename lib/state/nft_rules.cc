#include "state/nft_rules.h"

#include <algorithm>

#include "base/text.h"
#include "state/json_text.h"

namespace lvsnat {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxName = 256;

/// A string, or each string of an array.
std::vector<std::string> names_of(const json& object, const char* key) {
  std::vector<std::string> out;
  const auto found = object.find(key);
  if (found == object.end()) return out;
  if (found->is_string()) out.push_back(printable(found->get_ref<const std::string&>(), kMaxName));
  if (found->is_array()) {
    for (const json& one : *found) {
      if (one.is_string()) out.push_back(printable(one.get_ref<const std::string&>(), kMaxName));
    }
  }
  return out;
}

/// Names hold no NUL: printable() has seen to that.
std::string key_of(const std::string& family, const std::string& table, const std::string& name) {
  return family + std::string(1, '\0') + table + std::string(1, '\0') + name;
}

void read_chain(const json& object, NftRules& rules) {
  NftChain chain;
  chain.family = text_of(object, "family");
  chain.table = text_of(object, "table");
  chain.name = text_of(object, "name");
  chain.hook = text_of(object, "hook");
  chain.base = !chain.hook.empty();
  chain.type = text_of(object, "type");
  chain.devices = names_of(object, "dev");
  const auto priority = object.find("prio");
  if (priority != object.end() && priority->is_number_integer()) {
    chain.priority = static_cast<int>(std::clamp<std::int64_t>(priority->get<std::int64_t>(), INT32_MIN, INT32_MAX));
  }
  chain.drops = text_of(object, "policy") == "drop";
  rules.add(std::move(chain));
}

void read_rule(const json& object, NftChain& chain) {
  NftRule rule;
  rule.handle = number_of(object, "handle").value_or(0);
  const auto statements = object.find("expr");
  rule.statements = statements != object.end() && statements->is_array() ? *statements : json::array();
  for (const json& statement : rule.statements) {
    if (!rule.text.empty()) rule.text += ' ';
    if (rule.text.size() < 300) rule.text += nft_words(statement);
    if (statement.is_object() && statement.contains("counter") && statement["counter"].is_object()) {
      rule.packets = number_of(statement["counter"], "packets");
    }
  }
  rule.text = printable(rule.text, 300);
  chain.rules.push_back(std::move(rule));
}

void read_set(const json& object, bool map, NftRules& rules) {
  NftSet set;
  set.family = text_of(object, "family");
  set.table = text_of(object, "table");
  set.name = text_of(object, "name");
  set.map = map;
  const auto elements = object.find("elem");
  set.elements = elements != object.end() && elements->is_array() ? *elements : json::array();
  rules.add(std::move(set));
}

bool has_extension(const NftRule& rule) {
  return std::any_of(rule.statements.begin(), rule.statements.end(),
                     [](const json& statement) { return statement.is_object() && statement.contains("xt"); });
}

/// nft translates the extensions of iptables into words of its own when it prints text, never in JSON. Where both listings are
/// of the same ruleset, such rules are read from the text.
void take_translations(const NftRules& text, NftRules& rules) {
  for (NftChain& chain : rules.chains) {
    const NftChain* same = text.chain(chain.family, chain.table, chain.name);
    if (same == nullptr || same->rules.size() != chain.rules.size()) continue;
    for (std::size_t i = 0; i < chain.rules.size(); ++i) {
      NftRule& rule = chain.rules[i];
      const NftRule& translated = same->rules[i];
      if (!has_extension(rule) || translated.statements.empty()) continue;
      rule.text = translated.text;
      rule.statements = translated.statements;
    }
  }
}

}  // namespace

const NftChain* NftRules::chain(const std::string& family, const std::string& table, const std::string& name) const {
  const auto found = chain_index_.find(key_of(family, table, name));
  return found == chain_index_.end() ? nullptr : &chains[found->second];
}

const NftSet* NftRules::set(const std::string& family, const std::string& table, const std::string& name) const {
  const auto found = set_index_.find(key_of(family, table, name));
  return found == set_index_.end() ? nullptr : &sets[found->second];
}

void NftRules::add(NftChain chain) {
  chain_index_.emplace(key_of(chain.family, chain.table, chain.name), chains.size());
  chains.push_back(std::move(chain));
}

void NftRules::add(NftSet set) {
  set_index_.emplace(key_of(set.family, set.table, set.name), sets.size());
  sets.push_back(std::move(set));
}

Result<NftRules> parse_nft_json(std::string_view text) {
  auto document = parse_json(text);
  if (!document) return document.error();
  if (!document->is_object() || !document->contains("nftables") || !(*document)["nftables"].is_array()) {
    return Error{ErrorCode::malformed, "no list named \"nftables\": not what `nft -j list ruleset` prints"};
  }
  NftRules rules;
  rules.known = true;
  const json& list = (*document)["nftables"];
  // Chains first: a hostile order must not lose rules.
  for (const json& entry : list) {
    if (entry.is_object() && entry.contains("chain") && entry["chain"].is_object()) read_chain(entry["chain"], rules);
  }
  for (const json& entry : list) {
    if (!entry.is_object() || entry.empty() || !entry.begin()->is_object()) continue;
    const std::string& kind = entry.begin().key();
    const json& object = *entry.begin();
    if (kind == "rule") {
      const auto chain =
          rules.chain_index_.find(key_of(text_of(object, "family"), text_of(object, "table"), text_of(object, "chain")));
      if (chain != rules.chain_index_.end()) read_rule(object, rules.chains[chain->second]);
    }
    if (kind == "set") read_set(object, false, rules);
    if (kind == "map") read_set(object, true, rules);
    if (kind == "flowtable") {
      rules.flowtables.push_back(
          {text_of(object, "family"), text_of(object, "table"), text_of(object, "name"), names_of(object, "dev")});
    }
  }
  return rules;
}

NftRules read_nft_rules(const KernelState& state) {
  NftRules rules;
  const bool live = state.origin == Origin::netlink;
  if (state.known.nft_json) {
    auto parsed = parse_nft_json(state.nft_json);
    if (parsed) {
      rules = std::move(parsed).value();
      rules.source = live ? "nft" : "nft.json";
      if (state.known.nft_text) take_translations(parse_nft_text(state.nft_text), rules);
      return rules;
    }
    rules.notes.push_back("nft.json: " + parsed.error().message);
  }
  if (state.known.nft_text) {
    std::vector<std::string> notes = std::move(rules.notes);
    rules = parse_nft_text(state.nft_text);
    rules.notes.insert(rules.notes.begin(), notes.begin(), notes.end());
    rules.source = live ? "nft" : "nft.txt";
  }
  return rules;
}

}  // namespace lvsnat
