// The host's packet filter as `nft list ruleset` tells it, parsed but not judged: tables' chains with their rules in order,
// sets, maps and flowtables. filter_walk.h says what becomes of a packet.
//
// Rules of iptables-nft are in this listing too; those of iptables-legacy are not, and nothing in it tells whether there are
// any. Threads: values. Errors: a listing that cannot be read is told in `notes` with `known` false; a statement that is not
// understood is kept and quoted, never skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nlohmann/json.hpp>

#include "lvsnat/result.h"
#include "lvsnat/state.h"

namespace lvsnat {

struct NftRule {
  std::uint64_t handle = 0;              // 0: not told (text listings)
  std::string text;                      // as nft prints it; printable, at most 300 bytes
  std::optional<std::uint64_t> packets;  // of the rule's own counter
  nlohmann::json statements;             // array, as libnftables-json(5) describes it
};

struct NftChain {
  std::string family, table, name;  // "inet", "filter", "forward"
  bool base = false;                // attached to a hook
  std::string type,
      hook;  // "filter", "nat", "route"; "prerouting", "input", "forward", "output", "postrouting", "ingress", "egress"
  std::vector<std::string> devices;  // ingress and egress
  int priority = 0;
  bool drops = false;  // its policy
  std::vector<NftRule> rules;
  /// "inet filter forward", as commands name it.
  [[nodiscard]] std::string path() const { return family + " " + table + " " + name; }
};

/// A named set, map or verdict map.
struct NftSet {
  std::string family, table, name;
  bool map = false;
  nlohmann::json elements;  // array; a map's are [key, value]
};

struct NftFlowtable {
  std::string family, table, name;
  std::vector<std::string> devices;
};

struct NftRules {
  bool known = false;            // a listing was there and could be read
  bool from_text = false;        // of `nft list ruleset`, without -j: fewer statements are understood
  std::vector<NftChain> chains;  // in the order listed
  std::vector<NftSet> sets;
  std::vector<NftFlowtable> flowtables;
  std::vector<std::string> notes;  // what could not be read, one sentence each
  std::string source;              // "nft.json", "nft.txt", "nft" (live): for evidence

  /// The chain or set of that family, table and name; nullptr if there is none.
  [[nodiscard]] const NftChain* chain(const std::string& family, const std::string& table, const std::string& name) const;
  [[nodiscard]] const NftSet* set(const std::string& family, const std::string& table, const std::string& name) const;
  void add(NftChain chain);
  void add(NftSet set);

 private:
  friend Result<NftRules> parse_nft_json(std::string_view text);
  std::unordered_map<std::string, std::size_t> chain_index_, set_index_;
};

/// Output of `nft -j list ruleset`. Errors: malformed, limit.
Result<NftRules> parse_nft_json(std::string_view text);
/// Output of `nft list ruleset`: policies, plain matches, verdicts, jumps and sets of plain values; of the rest, words to quote.
NftRules parse_nft_text(std::string_view text);
/// What the state holds: JSON if there is any, else text. `known` is false where there is neither.
NftRules read_nft_rules(const KernelState& state);

/// One statement in nft's own words: `iifname "eth1"`, `ct state invalid`, `counter packets 3 bytes 180`, `jump x`. What has
/// none is its JSON. Printable, cut at 200 bytes.
std::string nft_words(const nlohmann::json& statement);

}  // namespace lvsnat
