// Does a match of an nft rule hold for a packet: payload, meta, ct and fib expressions against values, prefixes, ranges, sets
// and concatenations. Three-valued. Internal to lib/state; filter_walk.h is what to ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "state/filter_walk.h"

namespace lvsnat {

enum class Tri : std::uint8_t { no, maybe, yes };

class FilterMatcher {
 public:
  /// Both are borrowed; `packet` may change while rules run (marks).
  FilterMatcher(const NftRules& rules, const FilterPacket& packet) : rules_(rules), packet_(packet) {}

  /// {"op": ..., "left": ..., "right": ...}
  Tri match(const NftChain& in, const nlohmann::json& match);
  /// The expression `left` against one value, prefix, range, set or concatenation.
  Tri equals(const NftChain& in, const nlohmann::json& left, const nlohmann::json& right);
  /// The elements of an anonymous or named set or map; nullptr if there is none such.
  const nlohmann::json* elements(const NftChain& in, const nlohmann::json& set, bool map) const;
  /// The value of an expression where it is a number that is known.
  std::optional<std::uint64_t> number(const NftChain& in, const nlohmann::json& expression);

  std::vector<std::string> quotes;  // what could not be evaluated; the walk adds to them

 private:
  /// What an expression says of the packet. `absent`: the packet has no such field, so the rule does not match (NFT_BREAK).
  struct Value {
    enum class Kind : std::uint8_t { unknown, absent, number, address, text, list } kind = Kind::unknown;
    enum class Words : std::uint8_t {
      none,
      protocol,
      nfproto,
      ethertype,
      pkttype,
      tcp_flags,
      ct_state,
      ct_status,
      direction
    } words = Words::none;
    std::uint64_t number = 0;
    Address address;
    std::string text;
    std::vector<Value> list;  // of a concatenation

    static Value absent() {
      Value v;
      v.kind = Kind::absent;
      return v;
    }
    static Value of(std::uint64_t n, Words w = Words::none) {
      Value v;
      v.kind = Kind::number;
      v.words = w;
      v.number = n;
      return v;
    }
    static Value of(const Address& a) {
      Value v;
      v.kind = Kind::address;
      v.address = a;
      return v;
    }
  };
  Value value(const nlohmann::json& expression, unsigned depth);
  Value payload(const nlohmann::json& field) const;
  Value meta(const std::string& key) const;
  Value ct(const nlohmann::json& field) const;
  Value fib(const nlohmann::json& field) const;
  Value arithmetic(const std::string& op, const nlohmann::json& operands, unsigned depth);
  Tri holds(const NftChain& in, const Value& left, const nlohmann::json& right, unsigned depth);
  static std::optional<std::uint64_t> constant(const nlohmann::json& right, Value::Words words, unsigned depth);

  const NftRules& rules_;
  const FilterPacket& packet_;
  std::size_t steps_ = 0;
};

}  // namespace lvsnat
