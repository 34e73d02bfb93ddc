#include "state/filter_match.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace lvsnat {
namespace {

using nlohmann::json;

constexpr unsigned kDepth = 24;
constexpr std::uint8_t kTcp = 6, kUdp = 17, kSctp = 132;

using Word = std::pair<std::string_view, std::uint64_t>;
constexpr std::array<Word, 14> kProtocols{{{"icmp", 1},
                                           {"igmp", 2},
                                           {"ipencap", 4},
                                           {"tcp", 6},
                                           {"udp", 17},
                                           {"dccp", 33},
                                           {"ipv6", 41},
                                           {"gre", 47},
                                           {"esp", 50},
                                           {"ah", 51},
                                           {"icmpv6", 58},
                                           {"ipv6-icmp", 58},
                                           {"sctp", 132},
                                           {"udplite", 136}}};
constexpr std::array<Word, 3> kFamilies{{{"ipv4", 2}, {"ipv6", 10}, {"inet", 1}}};
constexpr std::array<Word, 6> kEthertypes{
    {{"ip", 0x0800}, {"arp", 0x0806}, {"ip6", 0x86dd}, {"vlan", 0x8100}, {"8021q", 0x8100}, {"8021ad", 0x88a8}}};
constexpr std::array<Word, 5> kPacketTypes{{{"host", 0}, {"unicast", 0}, {"broadcast", 1}, {"multicast", 2}, {"other", 3}}};
constexpr std::array<Word, 8> kTcpFlags{
    {{"fin", 1}, {"syn", 2}, {"rst", 4}, {"psh", 8}, {"ack", 16}, {"urg", 32}, {"ecn", 64}, {"cwr", 128}}};
constexpr std::array<Word, 5> kStates{{{"invalid", 1}, {"established", 2}, {"related", 4}, {"new", 8}, {"untracked", 64}}};
constexpr std::array<Word, 7> kStatus{
    {{"expected", 1}, {"seen-reply", 2}, {"assured", 4}, {"confirmed", 8}, {"snat", 16}, {"dnat", 32}, {"dying", 512}}};
constexpr std::array<Word, 2> kDirections{{{"original", 0}, {"reply", 1}}};

template <std::size_t N>
std::optional<std::uint64_t> look_up(const std::array<Word, N>& words, std::string_view text) {
  const auto found = std::find_if(words.begin(), words.end(), [text](const Word& w) { return w.first == text; });
  return found == words.end() ? std::nullopt : std::optional(found->second);
}

Tri negate(Tri t) { return t == Tri::yes ? Tri::no : t == Tri::no ? Tri::yes : Tri::maybe; }
Tri tri(bool b) { return b ? Tri::yes : Tri::no; }

/// Interface names: "eth*" is a prefix.
bool text_matches(std::string_view pattern, std::string_view text) {
  if (pattern.ends_with('*') && !pattern.ends_with("\\*")) return text.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == text;
}

std::string member(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<Address> address_in(const json& v) {
  return v.is_string() ? parse_address(v.get_ref<const std::string&>()) : std::nullopt;
}

}  // namespace

FilterMatcher::Value FilterMatcher::payload(const json& field) const {
  const auto port = [&](const std::optional<std::uint16_t>& p) { return p ? Value::of(*p) : Value{}; };
  const bool v4 = !packet_.v6;
  const bool has_ports = packet_.protocol == kTcp || packet_.protocol == kUdp || packet_.protocol == kSctp ||
                         packet_.protocol == 33 || packet_.protocol == 136;
  if (!field.contains("protocol")) {
    // Raw: @th,16,16 is a destination port.
    const auto at = [&](const char* key) {
      return field.contains(key) && field[key].is_number_unsigned() ? field[key].get<std::uint64_t>() : UINT64_MAX;
    };
    if (member(field, "base") != "th" || !has_ports || at("len") != 16) return {};
    return at("offset") == 0 ? port(packet_.sport) : at("offset") == 16 ? port(packet_.dport) : Value{};
  }
  const std::string protocol = member(field, "protocol"), name = member(field, "field");
  if (protocol == "ip" || protocol == "ip6") {
    if (v4 != (protocol == "ip")) return Value::absent();
    if (name == "saddr") return packet_.source.is_none() ? Value{} : Value::of(packet_.source);
    if (name == "daddr") return packet_.destination.is_none() ? Value{} : Value::of(packet_.destination);
    if (name == "protocol" || name == "nexthdr") return Value::of(packet_.protocol, Value::Words::protocol);
    if (name == "version") return Value::of(v4 ? 4 : 6);
    if (name == "frag-off") return Value::of(0x4000);  // DF, no fragment
    return {};
  }
  if (protocol == "ether" || protocol == "vlan" || protocol == "arp")
    return name == "type" && protocol == "ether" ? Value::of(v4 ? 0x0800 : 0x86dd, Value::Words::ethertype)
           : protocol == "arp"                   ? Value::absent()
                                                 : Value{};
  if (protocol != "th") {
    const std::optional<std::uint64_t> wanted = look_up(kProtocols, protocol);
    if (!wanted) return {};
    if (*wanted != packet_.protocol) return Value::absent();
  }
  if (!has_ports) return protocol == "th" ? Value::absent() : Value{};
  if (name == "sport") return port(packet_.sport);
  if (name == "dport") return port(packet_.dport);
  if (name == "flags" && packet_.protocol == kTcp && packet_.tcp_flags)
    return Value::of(*packet_.tcp_flags, Value::Words::tcp_flags);
  return {};
}

FilterMatcher::Value FilterMatcher::meta(const std::string& key) const {
  using Kind = Value::Kind;
  Value v;
  const auto device = [&](const std::string& dev) {
    // At hooks without such a device the name is empty: it equals nothing, and is unequal to everything.
    v.kind = Kind::text;
    v.text = dev;
    return v;
  };
  const auto number = [&](std::uint64_t n, Value::Words words = Value::Words::none) {
    v.kind = Kind::number;
    v.words = words;
    v.number = n;
    return v;
  };
  const bool v4 = !packet_.v6;
  if (key == "iifname" || key == "iif") return device(packet_.iif);
  if (key == "oifname" || key == "oif") return device(packet_.oif);
  if (key == "mark") return packet_.mark ? number(*packet_.mark) : v;
  if (key == "nfproto") return number(v4 ? 2 : 10, Value::Words::nfproto);
  if (key == "l4proto") return number(packet_.protocol, Value::Words::protocol);
  if (key == "protocol") return number(v4 ? 0x0800 : 0x86dd, Value::Words::ethertype);
  if (key == "pkttype") return number(0, Value::Words::pkttype);
  if (key == "ipsec" || key == "secpath") return number(0);
  // What IPVS forwards belongs to no local socket.
  if (key == "skuid" || key == "skgid" || key == "cgroup") v.kind = Kind::absent;
  return v;
}

FilterMatcher::Value FilterMatcher::ct(const json& field) const {
  using Kind = Value::Kind;
  const std::string key = member(field, "key");
  Value v;
  const bool tracked = packet_.ct != CtState::invalid && packet_.ct != CtState::untracked;
  if (key == "state") {
    v.kind = Kind::number;
    v.words = Value::Words::ct_state;
    v.number = static_cast<std::uint64_t>(packet_.ct);
    return v;
  }
  // nft_ct_get_eval(): without an entry everything but the state breaks the rule.
  if (!tracked) {
    v.kind = Kind::absent;
    return v;
  }
  if (key == "direction") {
    v.kind = Kind::number;
    v.words = Value::Words::direction;
    v.number = packet_.reply ? 1 : 0;
  } else if (key == "status") {
    // IPVS marks no translation in the entry, so `ct status dnat` does not hold for its connections.
    v.kind = Kind::number;
    v.words = Value::Words::ct_status;
    v.number = packet_.ct == CtState::new_ ? 0 : 2 | 8;
  } else if (key == "zone") {
    v.kind = Kind::number;
  } else if (key == "mark" && packet_.ct == CtState::new_) {
    v.kind = Kind::number;
  }
  return v;
}

FilterMatcher::Value FilterMatcher::fib(const json& field) const {
  using Kind = Value::Kind;
  Value v;
  const std::string result = member(field, "result");
  const auto flags = field.find("flags");
  const auto has = [&](const char* flag) {
    if (flags == field.end()) return false;
    if (flags->is_string()) return flags->get_ref<const std::string&>() == flag;
    return flags->is_array() && std::any_of(flags->begin(), flags->end(), [flag](const json& f) {
             return f.is_string() && f.get_ref<const std::string&>() == flag;
           });
  };
  if (result == "type") {
    const std::string& type = has("daddr") ? packet_.destination_type : packet_.source_type;
    if (type.empty()) return v;
    v.kind = Kind::text;
    v.text = type;
  } else if (has("saddr") && has("iif") && packet_.reverse_route) {
    v.kind = Kind::number;
    v.number = *packet_.reverse_route ? 1 : 0;
  }
  return v;
}

FilterMatcher::Value FilterMatcher::arithmetic(const std::string& op, const json& operands, unsigned depth) {
  using Kind = Value::Kind;
  if (!operands.is_array() || operands.size() < 2) return {};
  Value left = value(operands[0], depth + 1);
  for (std::size_t i = 1; i < operands.size() && i < 64; ++i) {
    if (left.kind == Kind::address && op == "&") {
      const auto mask = address_in(operands[i]);
      if (!mask) return {};
      for (std::size_t b = left.address.is_v4() ? 12 : 0; b < 16; ++b) left.address.bytes[b] &= mask->bytes[b];
      continue;
    }
    if (left.kind != Kind::number) return left;
    const std::optional<std::uint64_t> right = constant(operands[i], left.words, depth + 1);
    if (!right) return {};
    if (op == "&") {
      left.number &= *right;
    } else if (op == "|") {
      left.number |= *right;
    } else if (op == "^") {
      left.number ^= *right;
    } else if (*right < 64) {
      left.number = op == "<<" ? left.number << *right : left.number >> *right;
    } else {
      left.number = 0;
    }
  }
  return left;
}

FilterMatcher::Value FilterMatcher::value(const json& expression, unsigned depth) {
  using Kind = Value::Kind;
  if (depth > kDepth || !expression.is_object() || expression.size() != 1) return {};
  const std::string& key = expression.begin().key();
  const json& inner = *expression.begin();
  if (key == "&" || key == "|" || key == "^" || key == "<<" || key == ">>") return arithmetic(key, inner, depth);
  if (key == "concat" && inner.is_array() && inner.size() <= 16) {
    Value v;
    v.kind = Kind::list;
    for (const json& one : inner) v.list.push_back(value(one, depth + 1));
    return v;
  }
  if (!inner.is_object()) return {};
  if (key == "payload") return payload(inner);
  if (key == "meta") return meta(member(inner, "key"));
  if (key == "ct") return ct(inner);
  if (key == "fib") return fib(inner);
  // No socket on the director is this packet's, and it carries no IPv6 extension header.
  if (key == "socket") return Value::absent();
  if (key == "exthdr" || key == "ipsec") {
    Value v;
    v.kind = Kind::number;
    return v;
  }
  return {};
}

std::optional<std::uint64_t> FilterMatcher::constant(const json& right, Value::Words words, unsigned depth) {
  if (depth > kDepth) return std::nullopt;
  if (right.is_number_unsigned()) return right.get<std::uint64_t>();
  if (right.is_number_integer())
    return right.get<std::int64_t>() < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(right.get<std::int64_t>()));
  if (right.is_boolean()) return right.get<bool>() ? 1 : 0;
  if (right.is_string()) {
    const std::string& text = right.get_ref<const std::string&>();
    std::uint64_t number = 0;
    if (parse_number(text, UINT64_MAX, number)) return number;
    switch (words) {
      case Value::Words::protocol:
        return look_up(kProtocols, text);
      case Value::Words::nfproto:
        return look_up(kFamilies, text);
      case Value::Words::ethertype:
        return look_up(kEthertypes, text);
      case Value::Words::pkttype:
        return look_up(kPacketTypes, text);
      case Value::Words::tcp_flags:
        return look_up(kTcpFlags, text);
      case Value::Words::ct_state:
        return look_up(kStates, text);
      case Value::Words::ct_status:
        return look_up(kStatus, text);
      case Value::Words::direction:
        return look_up(kDirections, text);
      case Value::Words::none:
        return std::nullopt;
    }
    return std::nullopt;
  }
  // Several flags: {"|": ["syn", "ack"]} or ["syn", "ack"].
  const json* list = right.is_array()                                                       ? &right
                     : right.is_object() && right.size() == 1 && right.begin().key() == "|" ? &*right.begin()
                                                                                            : nullptr;
  if (list == nullptr || !list->is_array()) return std::nullopt;
  std::uint64_t bits = 0;
  for (const json& one : *list) {
    const auto bit = constant(one, words, depth + 1);
    if (!bit) return std::nullopt;
    bits |= *bit;
  }
  return bits;
}

std::optional<std::uint64_t> FilterMatcher::number(const NftChain&, const json& expression) {
  if (const auto fixed = constant(expression, Value::Words::none, 0)) return fixed;
  const Value v = value(expression, 0);
  return v.kind == Value::Kind::number ? std::optional(v.number) : std::nullopt;
}

const json* FilterMatcher::elements(const NftChain& in, const json& set, bool map) const {
  if (set.is_object() && set.size() == 1 && set.begin().key() == "set" && set.begin()->is_array()) return &*set.begin();
  if (!set.is_string()) return nullptr;
  const std::string& name = set.get_ref<const std::string&>();
  if (!name.starts_with("@")) return nullptr;
  const NftSet* found = rules_.set(in.family, in.table, printable(name.substr(1), 256));
  return found == nullptr || found->map != map ? nullptr : &found->elements;
}

Tri FilterMatcher::holds(const NftChain& in, const Value& left, const json& right, unsigned depth) {
  using Kind = Value::Kind;
  if (left.kind == Kind::absent) return Tri::no;
  if (depth > kDepth || ++steps_ > kMaxSteps) return Tri::maybe;
  // Sets, named and anonymous.
  const bool named = right.is_string() && right.get_ref<const std::string&>().starts_with("@");
  if (named || (right.is_object() && right.size() == 1 && right.begin().key() == "set")) {
    const json* all = elements(in, right, false);
    if (all == nullptr) return Tri::maybe;
    Tri found = Tri::no;
    for (const json& element : *all) {
      found = std::max(found, holds(in, left, element, depth + 1));
      if (found == Tri::yes) break;
    }
    return found;
  }
  if (right.is_object() && right.size() == 1 && right.begin().key() == "elem" && right.begin()->is_object()) {
    const auto inner = right.begin()->find("val");
    return inner == right.begin()->end() ? Tri::maybe : holds(in, left, *inner, depth + 1);
  }
  if (right.is_string() && right.get_ref<const std::string&>() == "*" && left.kind != Kind::text) return Tri::yes;
  if (left.kind == Kind::list) {
    const json* parts = right.is_object() && right.size() == 1 && right.begin().key() == "concat" ? &*right.begin() : nullptr;
    if (parts == nullptr || !parts->is_array() || parts->size() != left.list.size()) return Tri::maybe;
    Tri all = Tri::yes;
    for (std::size_t i = 0; i < left.list.size(); ++i) all = std::min(all, holds(in, left.list[i], (*parts)[i], depth + 1));
    return all;
  }
  if (left.kind == Kind::unknown) return Tri::maybe;
  if (left.kind == Kind::text) {
    if (right.is_string()) return tri(text_matches(right.get_ref<const std::string&>(), left.text));
    return Tri::maybe;
  }
  if (right.is_object() && right.size() == 1) {
    const std::string& key = right.begin().key();
    const json& inner = *right.begin();
    if (key == "prefix" && inner.is_object() && left.kind == Kind::address) {
      const auto address = inner.contains("addr") ? address_in(inner["addr"]) : std::nullopt;
      if (!address || !inner.contains("len") || !inner["len"].is_number_unsigned() || inner["len"].get<std::uint64_t>() > 128)
        return Tri::maybe;
      Prefix prefix;
      prefix.address = *address;
      prefix.length = static_cast<std::uint8_t>(inner["len"].get<std::uint64_t>());
      return tri(prefix.contains(left.address));
    }
    if (key == "range" && inner.is_array() && inner.size() == 2) {
      if (left.kind == Kind::address) {
        const auto from = address_in(inner[0]), to = address_in(inner[1]);
        return from && to ? tri(*from <= left.address && left.address <= *to) : Tri::maybe;
      }
      const auto from = constant(inner[0], left.words, depth), to = constant(inner[1], left.words, depth);
      return from && to ? tri(*from <= left.number && left.number <= *to) : Tri::maybe;
    }
  }
  if (left.kind == Kind::address) {
    if (!right.is_string()) return Tri::maybe;
    if (const auto prefix = parse_prefix(right.get_ref<const std::string&>())) return tri(prefix->contains(left.address));
    return Tri::maybe;
  }
  if (const auto fixed = constant(right, left.words, depth)) return tri(left.number == *fixed);
  // Another expression on the right, as in `meta mark == ct mark`.
  const Value other = value(right, depth + 1);
  return other.kind == Kind::number ? tri(left.number == other.number) : Tri::maybe;
}

Tri FilterMatcher::equals(const NftChain& in, const json& left, const json& right) { return holds(in, value(left, 0), right, 0); }

Tri FilterMatcher::match(const NftChain& in, const json& match) {
  using Kind = Value::Kind;
  if (!match.is_object() || !match.contains("left") || !match.contains("right")) return Tri::maybe;
  const std::string op = member(match, "op");
  const json& right = match["right"];
  const Value left = value(match["left"], 0);
  if (left.kind == Kind::absent) return Tri::no;
  if (op == "==" || op.empty()) return holds(in, left, right, 0);
  if (op == "!=") return negate(holds(in, left, right, 0));
  if (left.kind == Kind::unknown) return Tri::maybe;
  if (op == "in") {
    // Implicit: for flags and states any of the bits, else equality.
    const bool bits =
        left.words == Value::Words::ct_state || left.words == Value::Words::ct_status || left.words == Value::Words::tcp_flags;
    if (bits && left.kind == Kind::number) {
      if (const auto mask = constant(right, left.words, 0)) return tri((left.number & *mask) != 0);
    }
    if (right.is_array()) {
      Tri any = Tri::no;
      for (const json& one : right) any = std::max(any, holds(in, left, one, 1));
      return any;
    }
    return holds(in, left, right, 0);
  }
  if (left.kind != Kind::number) return Tri::maybe;
  const auto bound = constant(right, left.words, 0);
  if (!bound) return Tri::maybe;
  if (op == "<") return tri(left.number < *bound);
  if (op == ">") return tri(left.number > *bound);
  if (op == "<=") return tri(left.number <= *bound);
  if (op == ">=") return tri(left.number >= *bound);
  return Tri::maybe;
}

}  // namespace lvsnat
