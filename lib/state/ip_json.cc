#include "state/ip_json.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include "base/text.h"
#include "state/json_text.h"

namespace lvsnat {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxName = 64;  // device names have 15 bytes; altnames and odd dumps more
// Tables that are searched linearly while they are filled; far beyond any real host.
constexpr std::size_t kMaxLinks = 20'000, kMaxAddresses = 20'000, kMaxRules = 10'000, kMaxExceptions = 20'000;

std::string beyond(std::size_t limit) { return "is beyond the limit of " + with_commas(limit); }

/// Parses and calls `each(record)` for every object of the array; `each` answers "" or what it did not understand.
template <typename Each>
Reading for_each_record(std::string_view text, Each each) {
  Reading reading;
  // `ip -j` prints nothing at all, not [], when an object type has no records in some versions.
  if (trim(text).empty()) {
    reading.known = true;
    return reading;
  }
  const auto parsed = parse_json(text);
  if (!parsed) {
    reading.problem = parsed.error().message;
    return reading;
  }
  if (!parsed->is_array()) {
    reading.problem = "no JSON array of records";
    return reading;
  }
  std::size_t number = 0;
  for (const json& record : *parsed) {
    ++number;
    // iproute2 leaves {} for records that its filters hid.
    if (record.is_object() && record.empty()) continue;
    const std::string problem = record.is_object() ? each(record) : "is no object";
    if (!problem.empty() && reading.problem.empty()) reading.problem = "record " + std::to_string(number) + " " + problem;
  }
  reading.known = reading.problem.empty();
  return reading;
}

std::uint32_t small(const json& object, const char* key) {
  return static_cast<std::uint32_t>(number_of(object, key, UINT32_MAX).value_or(0));
}

void read_link_flags(const json& record, Link& link) {
  link.up = lists(record, "flags", "UP");
  link.running = lists(record, "flags", "LOWER_UP") && !lists(record, "flags", "NO-CARRIER");
  link.noarp = lists(record, "flags", "NOARP");
  link.loopback = lists(record, "flags", "LOOPBACK");
  link.point_to_point = lists(record, "flags", "POINTOPOINT");
  link.promiscuous = lists(record, "flags", "PROMISC") || number_of(record, "promiscuity").value_or(0) > 0;
}

bool has_lower_device(std::string_view kind) {
  constexpr std::string_view kKinds[] = {"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec", "vxlan"};
  return std::find(std::begin(kKinds), std::end(kKinds), kind) != std::end(kKinds);
}

Link read_link(const json& record) {
  Link link;
  link.index = small(record, "ifindex");
  link.name = text_of(record, "ifname", kMaxName);
  if (const auto mac = parse_mac(text_of(record, "address", kMaxName)); mac && text_of(record, "link_type") == "ether")
    link.mac = *mac;
  link.mtu = small(record, "mtu");
  read_link_flags(record, link);
  link.master = text_of(record, "master", kMaxName);
  if (const auto info = record.find("linkinfo"); info != record.end() && info->is_object()) {
    link.kind = text_of(*info, "info_kind", kMaxName);
    if (const auto data = info->find("info_data"); link.kind == "vlan" && data != info->end()) {
      if (const auto id = number_of(*data, "id", 4095)) link.vlan = static_cast<std::uint16_t>(*id + 1);
    }
  }
  // `link` of a veth is its peer, not a device below it.
  if (has_lower_device(link.kind)) link.parent = text_of(record, "link", kMaxName);
  if (const auto stats = record.find("stats64"); stats != record.end() && stats->is_object()) {
    if (const auto rx = stats->find("rx"); rx != stats->end()) {
      link.rx_dropped = number_of(*rx, "dropped").value_or(0);
      link.rx_errors = number_of(*rx, "errors").value_or(0);
    }
    if (const auto tx = stats->find("tx"); tx != stats->end()) {
      link.tx_dropped = number_of(*tx, "dropped").value_or(0);
      link.tx_errors = number_of(*tx, "errors").value_or(0);
    }
  }
  return link;
}

Link* link_named(KernelState& state, std::string_view name) {
  const auto found = std::find_if(state.links.begin(), state.links.end(), [name](const Link& l) { return l.name == name; });
  return found == state.links.end() ? nullptr : &*found;
}

std::optional<RouteType> route_type(std::string_view word) {
  constexpr std::pair<std::string_view, RouteType> kTypes[] = {{"", RouteType::unicast},
                                                               {"unicast", RouteType::unicast},
                                                               {"local", RouteType::local},
                                                               {"broadcast", RouteType::broadcast},
                                                               {"anycast", RouteType::anycast},
                                                               {"multicast", RouteType::multicast},
                                                               {"blackhole", RouteType::blackhole},
                                                               {"unreachable", RouteType::unreachable},
                                                               {"prohibit", RouteType::prohibit},
                                                               {"throw", RouteType::throw_},
                                                               {"nat", RouteType::nat}};
  for (const auto& [name, type] : kTypes) {
    if (name == word) return type;
  }
  return std::nullopt;
}

/// `gateway`, or `via` where its family is not the route's.
bool read_gateway(const json& record, std::optional<Address>& gateway) {
  if (record.contains("gateway")) {
    gateway = address_of(record, "gateway");
    return gateway.has_value();
  }
  if (const auto via = record.find("via"); via != record.end()) {
    gateway = address_of(*via, "host");
    return gateway.has_value();
  }
  return true;
}

bool read_nexthop(const json& record, NextHop& hop) {
  hop.dev = text_of(record, "dev", kMaxName);
  hop.weight = static_cast<std::uint32_t>(number_of(record, "weight", 256).value_or(1));
  hop.onlink = lists(record, "flags", "onlink");
  hop.linkdown = lists(record, "flags", "linkdown");
  hop.dead = lists(record, "flags", "dead");
  return read_gateway(record, hop.gateway);
}

std::optional<std::uint32_t> mtu_of(const json& record) {
  const auto metrics = record.find("metrics");
  if (metrics == record.end() || !metrics->is_array() || metrics->empty()) return std::nullopt;
  const auto mtu = number_of(metrics->front(), "mtu", UINT32_MAX);
  return mtu ? std::optional<std::uint32_t>(static_cast<std::uint32_t>(*mtu)) : std::nullopt;
}

std::optional<std::uint32_t> expires_of(const json& record) {
  const auto seconds = number_of(record, "expires", UINT32_MAX);
  return seconds ? std::optional<std::uint32_t>(static_cast<std::uint32_t>(*seconds)) : std::nullopt;
}

/// "default" and "10.1.1.0/24" alike.
std::optional<Prefix> read_prefix(const std::string& text, bool v6) {
  if (text == "default" || text == "all" || text == "any") {
    return Prefix{v6 ? Address{} : Address::v4(0), 0};
  }
  return parse_prefix(text);
}

/// An IPv6 prefix within ::ffff:0:0/96, which parse_prefix() answers as IPv4. No packet on a wire has such an address; some
/// distributions install routes that refuse the whole of it.
bool is_mapped(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return false;
  const auto prefix = parse_prefix(text);
  return prefix && prefix->address.is_v4();
}

bool is_v6_route(const json& record, const std::string& destination, bool hint) {
  if (const auto prefix = parse_prefix(destination)) return !prefix->address.is_v4();
  if (record.contains("pref")) return true;  // router preference: IPv6 only
  for (const char* key : {"prefsrc", "gateway"}) {
    if (const auto address = address_of(record, key)) return !address->is_v4();
  }
  if (const auto hops = record.find("nexthops"); hops != record.end() && hops->is_array()) {
    for (const json& hop : *hops) {
      if (const auto address = address_of(hop, "gateway")) return !address->is_v4();
    }
  }
  return hint;
}

std::string read_route(const json& record, bool v6_hint, KernelState& state) {
  Route route;
  const std::string destination = text_of(record, "dst");
  if (is_mapped(destination)) return {};  // as a default route of IPv4 it would decide everything
  route.v6 = is_v6_route(record, destination, v6_hint);
  const auto type = route_type(text_of(record, "type"));
  const auto prefix = read_prefix(destination, route.v6);
  if (!prefix) return "has no destination that is understood";
  route.type = type.value_or(RouteType::other);
  route.destination = *prefix;
  if (record.contains("from")) {
    route.source = read_prefix(text_of(record, "from"), route.v6);
    if (!route.source) return "has a source that is not understood";
  }
  if (std::string table = text_of(record, "table", kMaxName); !table.empty()) route.table = std::move(table);
  route.metric = small(record, "metric");
  if (record.contains("tos")) {
    const auto tos = number_of(record, "tos", 255);
    if (!tos) return "has a tos that is not understood";
    route.tos = static_cast<std::uint8_t>(*tos);
  }
  route.scope = text_of(record, "scope", kMaxName);
  route.protocol = text_of(record, "protocol", kMaxName);
  route.prefsrc = address_of(record, "prefsrc");
  route.mtu = mtu_of(record);
  route.expires = expires_of(record);
  if (const auto hops = record.find("nexthops"); hops != record.end() && hops->is_array()) {
    for (const json& one : *hops) {
      NextHop hop;
      if (!one.is_object() || !read_nexthop(one, hop)) return "has a next hop that is not understood";
      route.nexthops.push_back(std::move(hop));
    }
  } else if (record.contains("dev") || record.contains("gateway") || record.contains("via")) {
    NextHop hop;
    if (!read_nexthop(record, hop)) return "has a gateway that is not understood";
    route.nexthops.push_back(std::move(hop));
  }
  (route.v6 ? state.known.routes_v6 : state.known.routes_v4) = true;
  state.routes.push_back(std::move(route));
  return {};
}

std::optional<std::uint8_t> ip_protocol(const std::string& word) {
  constexpr std::pair<std::string_view, std::uint8_t> kProtocols[] = {
      {"icmp", 1}, {"tcp", 6}, {"udp", 17}, {"ipv6-icmp", 58}, {"sctp", 132}, {"icmpv6", 58}, {"gre", 47}, {"ipip", 4}};
  for (const auto& [name, number] : kProtocols) {
    if (name == word) return number;
  }
  std::string_view digits = word;
  if (digits.starts_with("ipproto-")) digits.remove_prefix(8);  // how iproute2 prints a number without a name
  std::uint64_t number = 0;
  if (!parse_number(digits, 255, number)) return std::nullopt;
  return static_cast<std::uint8_t>(number);
}

/// A selector's prefix from "src"/"srclen"; empty optional inside means "all".
bool read_selector(const json& record, const char* key, const char* length_key, std::optional<Prefix>& out) {
  const std::string text = text_of(record, key);
  if (text.empty() || text == "all" || text == "any") return true;
  if (text == "0" || text == "default") return true;
  const auto address = parse_address(text);
  if (!address) {
    out = parse_prefix(text);
    return out.has_value();
  }
  const std::uint64_t full = address->is_v4() ? 32 : 128;
  const auto length = number_of(record, length_key, full);
  if (record.contains(length_key) && !length) return false;
  out = parse_prefix(to_string(*address) + "/" + std::to_string(length.value_or(full)));
  return out.has_value();
}

template <typename Number>
bool read_range(const json& record, const char* one, const char* from, const char* to,
                std::optional<std::pair<Number, Number>>& out) {
  constexpr std::uint64_t kMax = std::numeric_limits<Number>::max();
  if (record.contains(one)) {
    const auto value = number_of(record, one, kMax);
    if (!value) return false;
    out = {static_cast<Number>(*value), static_cast<Number>(*value)};
  } else if (record.contains(from) || record.contains(to)) {
    const auto first = number_of(record, from, kMax), last = number_of(record, to, kMax);
    if (!first || !last || *first > *last) return false;
    out = {static_cast<Number>(*first), static_cast<Number>(*last)};
  }
  return true;
}

std::string read_rule(const json& record, bool v6_hint, KernelState& state) {
  if (state.rules.size() >= kMaxRules) return beyond(kMaxRules);
  RoutingRule rule;
  const auto priority = number_of(record, "priority", UINT32_MAX);
  if (!priority) return "has no priority";
  rule.priority = static_cast<std::uint32_t>(*priority);
  rule.inverted = flag_of(record, "not");
  bool mapped = false;
  for (const auto& [key, length, selector] : {std::tuple("src", "srclen", &rule.from), std::tuple("dst", "dstlen", &rule.to)}) {
    if (is_mapped(text_of(record, key))) {
      mapped = true;
    } else if (!read_selector(record, key, length, *selector)) {
      return *key == 's' ? "has a source that is not understood" : "has a destination that is not understood";
    }
  }
  rule.v6 = rule.from ? !rule.from->address.is_v4() : rule.to ? !rule.to->address.is_v4() : v6_hint;
  if (mapped) {
    rule.v6 = true;
    rule.not_understood.emplace_back("a prefix of IPv4-mapped addresses");
  }
  rule.iif = text_of(record, "iif", kMaxName);
  rule.oif = text_of(record, "oif", kMaxName);
  if (record.contains("fwmark")) {
    const auto mark = number_of(record, "fwmark", UINT32_MAX);
    const auto mask =
        record.contains("fwmask") ? number_of(record, "fwmask", UINT32_MAX) : std::optional<std::uint64_t>(UINT32_MAX);
    if (!mark || !mask) return "has a firewall mark that is not understood";
    rule.fwmark = static_cast<std::uint32_t>(*mark);
    rule.fwmask = static_cast<std::uint32_t>(*mask);
  }
  if (record.contains("tos")) {
    const auto tos = number_of(record, "tos", 255);
    if (!tos) return "has a tos that is not understood";
    rule.tos = static_cast<std::uint8_t>(*tos);
  }
  if (record.contains("ipproto")) {
    rule.protocol = ip_protocol(text_of(record, "ipproto"));
    if (!rule.protocol) return "has a protocol that is not understood";
  }
  if (!read_range(record, "sport", "sport_start", "sport_end", rule.sport) ||
      !read_range(record, "dport", "dport_start", "dport_end", rule.dport) ||
      !read_range(record, "uid", "uid_start", "uid_end", rule.uidrange)) {
    return "has a range that is not understood";
  }
  rule.l3mdev = record.contains("l3mdev");
  if (const auto suppress = record.find("suppress_prefixlen"); suppress != record.end() && suppress->is_number_integer()) {
    rule.suppress_prefixlength = suppress->get<int>();
  }
  rule.suppress_ifgroup = text_of(record, "suppress_ifgroup", kMaxName);
  for (const char* odd : {"tun_id", "dscp", "flowlabel"}) {
    if (record.contains(odd)) rule.not_understood.emplace_back(odd);
  }
  using Action = RoutingRule::Action;
  const std::string action = text_of(record, "action");
  if (record.contains("goto")) {
    // "none": the target is gone; the kernel skips such a rule (fib_rules_lookup: unresolved goto).
    const auto target = number_of(record, "goto", UINT32_MAX);
    rule.action = target && !record.contains("unresolved") ? Action::go_to : Action::nop;
    rule.target = static_cast<std::uint32_t>(target.value_or(0));
  } else if (record.contains("nop")) {
    rule.action = Action::nop;
  } else if (action == "blackhole") {
    rule.action = Action::blackhole;
  } else if (action == "unreachable") {
    rule.action = Action::unreachable;
  } else if (action == "prohibit") {
    rule.action = Action::prohibit;
  } else if (!action.empty() && action != "unicast") {
    rule.action = Action::other;
    rule.not_understood.push_back(action);
  } else {
    rule.table = text_of(record, "table", kMaxName);
    if (rule.table.empty() && !rule.l3mdev) return "names neither table nor action";
  }
  (rule.v6 ? state.known.rules_v6 : state.known.rules_v4) = true;
  state.rules.push_back(std::move(rule));
  return {};
}

}  // namespace

Reading parse_ip_address(std::string_view text, KernelState& state) {
  Reading reading = for_each_record(text, [&state](const json& record) -> std::string {
    const std::string dev = text_of(record, "ifname", kMaxName);
    if (dev.empty()) return "has no ifname";
    if (state.links.size() >= kMaxLinks) return beyond(kMaxLinks);
    if (link_named(state, dev) == nullptr) state.links.push_back(read_link(record));
    const auto list = record.find("addr_info");
    if (list == record.end() || !list->is_array()) return {};
    for (const json& one : *list) {
      if (!one.is_object() || one.empty()) continue;
      InterfaceAddress address;
      const auto local = address_of(one, "local");
      const auto length = number_of(one, "prefixlen", local && local->is_v4() ? 32 : 128);
      if (!local || !length) return "(" + dev + ") has an address that is not understood";
      if (state.addresses.size() >= kMaxAddresses) return beyond(kMaxAddresses);
      address.dev = dev;
      address.address = *local;
      address.length = static_cast<std::uint8_t>(*length);
      address.scope = text_of(one, "scope", kMaxName);
      address.peer = address_of(one, "address");
      address.label = text_of(one, "label", kMaxName);
      address.secondary = flag_of(one, "secondary");
      address.dadfailed = flag_of(one, "dadfailed");
      address.tentative = flag_of(one, "tentative");
      address.deprecated = flag_of(one, "deprecated");
      address.noprefixroute = flag_of(one, "noprefixroute");
      address.temporary = flag_of(one, "temporary");
      if (std::find(state.addresses.begin(), state.addresses.end(), address) == state.addresses.end()) {
        state.addresses.push_back(std::move(address));
      }
    }
    return {};
  });
  state.known.addresses = reading.known;
  return reading;
}

Reading parse_ip_link(std::string_view text, KernelState& state) {
  Reading reading = for_each_record(text, [&state](const json& record) -> std::string {
    Link link = read_link(record);
    if (link.name.empty()) return "has no ifname";
    if (Link* old = link_named(state, link.name)) {
      *old = std::move(link);
    } else {
      if (state.links.size() >= kMaxLinks) return beyond(kMaxLinks);
      state.links.push_back(std::move(link));
    }
    return {};
  });
  state.known.links = reading.known;
  return reading;
}

Reading parse_ip_route(std::string_view text, bool v6_hint, KernelState& state) {
  const bool knew_v4 = state.known.routes_v4, knew_v6 = state.known.routes_v6;
  Reading reading = for_each_record(text, [&](const json& record) { return read_route(record, v6_hint, state); });
  if (!reading.known) {
    // A route that was lost might be the one that decides.
    state.known.routes_v4 = knew_v4;
    state.known.routes_v6 = knew_v6;
  } else {
    (v6_hint ? state.known.routes_v6 : state.known.routes_v4) = true;
  }
  return reading;
}

Reading parse_ip_rule(std::string_view text, bool v6_hint, KernelState& state) {
  const bool knew_v4 = state.known.rules_v4, knew_v6 = state.known.rules_v6;
  std::vector<RoutingRule> before = state.rules;
  Reading reading = for_each_record(text, [&](const json& record) { return read_rule(record, v6_hint, state); });
  if (!reading.known) {
    state.known.rules_v4 = knew_v4;
    state.known.rules_v6 = knew_v6;
  } else {
    (v6_hint ? state.known.rules_v6 : state.known.rules_v4) = true;
  }
  // Rules that a second file repeats count once; the same rule twice in one file is what the kernel has.
  for (const RoutingRule& old : before) {
    const auto repeated = std::find(state.rules.begin() + static_cast<std::ptrdiff_t>(before.size()), state.rules.end(), old);
    if (repeated != state.rules.end()) state.rules.erase(repeated);
  }
  std::stable_sort(state.rules.begin(), state.rules.end(),
                   [](const RoutingRule& a, const RoutingRule& b) { return a.priority < b.priority; });
  return reading;
}

Reading parse_ip_neighbour(std::string_view text, KernelState& state) {
  Reading reading = for_each_record(text, [&state](const json& record) -> std::string {
    Neighbour neighbour;
    const auto address = address_of(record, "dst");
    if (!address) return "has no address";
    neighbour.address = *address;
    neighbour.dev = text_of(record, "dev", kMaxName);
    if (const auto mac = parse_mac(text_of(record, "lladdr", kMaxName))) neighbour.mac = *mac;
    if (const auto states = record.find("state"); states != record.end() && states->is_array()) {
      constexpr std::size_t kMaxStates = 8;  // linux/neighbour.h: as many bits, NUD_INCOMPLETE to NUD_PERMANENT
      std::size_t kept = 0;
      for (const json& word : *states) {
        const auto* one = word.get_ptr<const std::string*>();
        if (one == nullptr) continue;
        if (++kept > kMaxStates) return "has more states than there are";
        if (!neighbour.state.empty()) neighbour.state += ',';
        neighbour.state += printable(*one, kMaxName);
      }
    }
    neighbour.router = flag_of(record, "router");
    neighbour.proxy = flag_of(record, "proxy");
    state.neighbours.push_back(std::move(neighbour));
    return {};
  });
  state.known.neighbours = reading.known;
  return reading;
}

void add_exception(KernelState& state, RouteException exception) {
  const bool there = std::any_of(state.exceptions.begin(), state.exceptions.end(), [&exception](const RouteException& e) {
    return e.destination == exception.destination && e.source == exception.source && e.gateway == exception.gateway &&
           e.dev == exception.dev && e.redirected == exception.redirected;
  });
  if (!there) state.exceptions.push_back(std::move(exception));
}

Reading parse_ip_exceptions(std::string_view text, KernelState& state) {
  return for_each_record(text, [&state](const json& record) -> std::string {
    const auto destination = parse_prefix(text_of(record, "dst"));
    if (!destination) return "has no destination that is understood";
    if (is_mapped(text_of(record, "dst"))) return {};
    const bool v4 = destination->address.is_v4();
    if (destination->length != (v4 ? 32 : 128)) return {};  // a plain route in the listing, no exception
    RouteException exception;
    exception.destination = destination->address;
    exception.source = address_of(record, "from");
    if (exception.source && exception.source->is_unspecified()) exception.source.reset();
    if (!read_gateway(record, exception.gateway)) return "has a gateway that is not understood";
    // An on-link exception is listed with the destination itself as gateway (rt_fill_info of the redirected rtable).
    exception.dev = text_of(record, "dev", kMaxName);
    // IPv6 has no cache flags: rt6_fill_node() tells RTF_DYNAMIC as protocol "redirect".
    exception.redirected = lists(record, "cache", "redirected") || text_of(record, "protocol") == "redirect";
    exception.expires = expires_of(record);
    exception.mtu = mtu_of(record);
    if (state.exceptions.size() >= kMaxExceptions) return beyond(kMaxExceptions);
    add_exception(state, std::move(exception));
    return {};
  });
}

Reading parse_route_cache_text(std::string_view text, KernelState& state) {
  Reading reading;
  reading.known = true;
  std::optional<RouteException> current;
  const auto flush = [&] {
    if (current) add_exception(state, std::move(*current));
    current.reset();
  };
  for (const std::string_view line : lines_of(text)) {
    const auto words = words_of(line);
    if (words.empty()) continue;
    const bool continues = words[0] == "cache";
    if (!continues) {
      flush();
      const std::size_t at = route_type(words[0]) ? 1 : 0;
      const auto destination = words.size() > at ? parse_address(words[at]) : std::nullopt;
      if (!destination) {
        if (reading.problem.empty()) reading.problem = "a line that is no cached route: " + printable(line, 80);
        continue;
      }
      current.emplace();
      current->destination = *destination;
    }
    if (!current) continue;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string_view next = i + 1 < words.size() ? words[i + 1] : std::string_view{};
      if (words[i] == "via") current->gateway = parse_address(next);
      if (words[i] == "dev") current->dev = printable(next, kMaxName);
      if (words[i].starts_with('<') && words[i].find("redirected") != std::string_view::npos) current->redirected = true;
      std::uint64_t number = 0;
      if (words[i] == "expires" && next.ends_with("sec") && parse_number(next.substr(0, next.size() - 3), UINT32_MAX, number)) {
        current->expires = static_cast<std::uint32_t>(number);
      }
      if (words[i] == "mtu" && parse_number(next, UINT32_MAX, number)) current->mtu = static_cast<std::uint32_t>(number);
    }
  }
  flush();
  reading.known = reading.problem.empty();
  return reading;
}

Reading parse_ip_route_get(const CommandOutput& output, std::string_view label, KernelState& state) {
  RouteAnswer answer;
  answer.label = printable(label, kMaxName);
  answer.exit_status = output.exit_status;
  if (output.failed()) {
    answer.error = output.error.empty() ? "exit status " + std::to_string(output.exit_status) : output.error;
    state.route_answers.push_back(std::move(answer));
    Reading reading;
    reading.known = true;
    return reading;
  }
  return for_each_record(output.body, [&](const json& record) -> std::string {
    RouteAnswer one = answer;
    one.destination = address_of(record, "dst");
    if (!one.destination) return "has no destination that is understood";
    one.source = address_of(record, "from");
    if (one.source && one.source->is_unspecified()) one.source.reset();
    one.iif = text_of(record, "iif", kMaxName);
    one.type = route_type(text_of(record, "type")).value_or(RouteType::other);
    if (!read_gateway(record, one.gateway)) return "has a gateway that is not understood";
    one.prefsrc = address_of(record, "prefsrc");
    one.dev = text_of(record, "dev", kMaxName);
    one.table = text_of(record, "table", kMaxName);
    one.redirected = lists(record, "cache", "redirected") || text_of(record, "protocol") == "redirect";
    one.will_redirect = lists(record, "cache", "redirect");
    one.expires = expires_of(record);
    one.mtu = mtu_of(record);
    state.route_answers.push_back(std::move(one));
    return {};
  });
}

void put_in_order(KernelState& state) {
  std::set<Route> seen;
  std::erase_if(state.routes, [&seen](const Route& route) {
    Route key = route;
    key.expires.reset();
    return !seen.insert(std::move(key)).second;
  });
  std::set<std::tuple<Address, std::string, bool>> neighbours;
  std::erase_if(state.neighbours,
                [&neighbours](const Neighbour& n) { return !neighbours.emplace(n.address, n.dev, n.proxy).second; });
  const auto service_before = [](const Service& a, const Service& b) {
    return std::tie(a.protocol, a.vip, a.port, a.fwmark) < std::tie(b.protocol, b.vip, b.port, b.fwmark);
  };
  std::stable_sort(state.ipvs.services.begin(), state.ipvs.services.end(), service_before);
  for (Service& service : state.ipvs.services) {
    std::stable_sort(service.destinations.begin(), service.destinations.end(), [](const Destination& a, const Destination& b) {
      return std::tie(a.rip, a.port) < std::tie(b.rip, b.port);
    });
  }
}

}  // namespace lvsnat
