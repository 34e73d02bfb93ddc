// Questions to a KernelState that need no route decision, and how its records are printed.
#include <algorithm>

#include "lvsnat/state.h"

namespace lvsnat {

const InterfaceAddress* find_address(const KernelState& state, const Address& address) {
  const auto found = std::find_if(state.addresses.begin(), state.addresses.end(),
                                  [&address](const InterfaceAddress& a) { return a.address == address; });
  return found == state.addresses.end() ? nullptr : &*found;
}

bool owns_address(const KernelState& state, const Address& address) {
  if (find_address(state, address) != nullptr) return true;
  // `ip route add local ...` (AnyIP) and 127/8 make an address the host's own without any interface holding it.
  return std::any_of(state.routes.begin(), state.routes.end(), [&address](const Route& r) {
    return r.type == RouteType::local && r.table == "local" && r.v6 == !address.is_v4() && r.destination.contains(address);
  });
}

const Link* find_link(const KernelState& state, std::string_view dev) {
  const auto found = std::find_if(state.links.begin(), state.links.end(), [dev](const Link& l) { return l.name == dev; });
  return found == state.links.end() ? nullptr : &*found;
}

std::string on_link_dev(const KernelState& state, const Address& address) {
  const InterfaceAddress* best = nullptr;
  for (const InterfaceAddress& a : state.addresses) {
    const Address network = a.peer.value_or(a.address);
    if (network.is_v4() != address.is_v4()) continue;
    const auto prefix = parse_prefix(to_string(network) + "/" + std::to_string(a.length));
    if (prefix && prefix->contains(address) && (best == nullptr || a.length > best->length)) best = &a;
  }
  return best == nullptr ? std::string{} : best->dev;
}

const InterfaceAddress* primary_address(const KernelState& state, std::string_view dev, bool v6) {
  const auto found = std::find_if(state.addresses.begin(), state.addresses.end(), [dev, v6](const InterfaceAddress& a) {
    return a.dev == dev && a.address.is_v4() == !v6 && !a.secondary && (!v6 || !a.address.is_link_local());
  });
  return found == state.addresses.end() ? nullptr : &*found;
}

const Neighbour* find_neighbour(const KernelState& state, const Address& address, std::string_view dev) {
  const auto found = std::find_if(state.neighbours.begin(), state.neighbours.end(), [&address, dev](const Neighbour& n) {
    return n.address == address && !n.proxy && (dev.empty() || n.dev == dev);
  });
  return found == state.neighbours.end() ? nullptr : &*found;
}

const RouteException* find_exception(const KernelState& state, const Address& destination) {
  const auto found = std::find_if(state.exceptions.begin(), state.exceptions.end(),
                                  [&destination](const RouteException& e) { return e.destination == destination; });
  return found == state.exceptions.end() ? nullptr : &*found;
}

bool has_module(const KernelState& state, std::string_view name) {
  return std::any_of(state.modules.begin(), state.modules.end(), [name](const Module& m) { return m.name == name; });
}

std::optional<bool> has_ftp_helper(const KernelState& state, std::uint16_t port) {
  if (state.known.helpers) {
    return std::any_of(state.ipvs.helpers.begin(), state.ipvs.helpers.end(),
                       [port](const IpvsHelper& h) { return h.name == "ftp" && h.port == port; });
  }
  if (!state.known.modules) return std::nullopt;
  // Which ports it was given is not told; 21 is what it takes by itself.
  return port == 21 && has_module(state, "ip_vs_ftp");
}

std::optional<std::int64_t> counter(const KernelState& state, std::string_view name) {
  const auto found = state.counters.find(std::string(name));
  return found == state.counters.end() ? std::nullopt : std::optional<std::int64_t>(found->second);
}

std::string_view name(RouteType type) noexcept {
  switch (type) {
    case RouteType::unicast:
      return "unicast";
    case RouteType::local:
      return "local";
    case RouteType::broadcast:
      return "broadcast";
    case RouteType::anycast:
      return "anycast";
    case RouteType::multicast:
      return "multicast";
    case RouteType::blackhole:
      return "blackhole";
    case RouteType::unreachable:
      return "unreachable";
    case RouteType::prohibit:
      return "prohibit";
    case RouteType::throw_:
      return "throw";
    case RouteType::nat:
      return "nat";
    case RouteType::other:
      break;
  }
  return "other";
}

std::string to_string(const Route& route) {
  std::string out;
  if (route.type != RouteType::unicast) out.append(name(route.type)).append(" ");
  const std::uint8_t full = route.destination.address.is_v4() ? 32 : 128;
  if (route.destination.length == 0) {
    out += "default";
  } else {
    out += route.destination.length == full ? to_string(route.destination.address) : to_string(route.destination);
  }
  if (route.source) out += " from " + to_string(*route.source);
  const auto hop_text = [&out](const NextHop& hop) {
    if (hop.gateway) out += " via " + to_string(*hop.gateway);
    if (!hop.dev.empty()) out += " dev " + hop.dev;
    if (hop.onlink) out += " onlink";
    if (hop.dead) out += " dead";
    if (hop.linkdown) out += " linkdown";
  };
  if (route.nexthops.size() == 1) hop_text(route.nexthops.front());
  if (route.table != "main") out += " table " + route.table;
  if (route.scope == "link") out += " scope link";
  if (route.prefsrc) out += " src " + to_string(*route.prefsrc);
  if (route.metric != 0) out += " metric " + std::to_string(route.metric);
  if (route.mtu) out += " mtu " + std::to_string(*route.mtu);
  if (route.nexthops.size() > 1) {
    for (const NextHop& hop : route.nexthops) {
      out += " nexthop";
      hop_text(hop);
      out += " weight " + std::to_string(hop.weight);
    }
  }
  return out;
}

std::string to_string(const RoutingRule& rule) {
  std::string out = std::to_string(rule.priority) + ":";
  const auto prefix_text = [](const Prefix& p) {
    return p.length == (p.address.is_v4() ? 32 : 128) ? to_string(p.address) : to_string(p);
  };
  const auto range = [](auto pair) {
    return pair.first == pair.second ? std::to_string(pair.first)
                                     : std::to_string(pair.first) + "-" + std::to_string(pair.second);
  };
  const auto hex = [](std::uint32_t value) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string digits;
    do {
      digits.insert(digits.begin(), kDigits[value & 15]);
      value >>= 4;
    } while (value != 0);
    return "0x" + digits;
  };
  if (rule.inverted) out += " not";
  out += " from " + (rule.from ? prefix_text(*rule.from) : std::string("all"));
  if (rule.to) out += " to " + prefix_text(*rule.to);
  if (rule.tos) out += " tos " + hex(*rule.tos);
  if (rule.fwmark) out += " fwmark " + hex(*rule.fwmark) + (rule.fwmask != UINT32_MAX ? "/" + hex(rule.fwmask) : "");
  if (!rule.iif.empty()) out += " iif " + rule.iif;
  if (!rule.oif.empty()) out += " oif " + rule.oif;
  if (rule.protocol) {
    out += " ipproto ";
    out += *rule.protocol == 6     ? "tcp"
           : *rule.protocol == 17  ? "udp"
           : *rule.protocol == 132 ? "sctp"
                                   : std::to_string(*rule.protocol);
  }
  if (rule.sport) out += " sport " + range(*rule.sport);
  if (rule.dport) out += " dport " + range(*rule.dport);
  if (rule.uidrange) out += " uidrange " + std::to_string(rule.uidrange->first) + "-" + std::to_string(rule.uidrange->second);
  using Action = RoutingRule::Action;
  switch (rule.action) {
    case Action::lookup:
      out += rule.l3mdev ? " lookup [l3mdev-table]" : " lookup " + rule.table;
      break;
    case Action::go_to:
      out += " goto " + std::to_string(rule.target);
      break;
    case Action::nop:
      out += " nop";
      break;
    case Action::blackhole:
      out += " blackhole";
      break;
    case Action::unreachable:
      out += " unreachable";
      break;
    case Action::prohibit:
      out += " prohibit";
      break;
    case Action::other:
      out += " (action not understood)";
      break;
  }
  if (rule.suppress_prefixlength) out += " suppress_prefixlength " + std::to_string(*rule.suppress_prefixlength);
  if (!rule.suppress_ifgroup.empty()) out += " suppress_ifgroup " + rule.suppress_ifgroup;
  for (const std::string& word : rule.not_understood) out += " [" + word + "]";
  return out;
}

}  // namespace lvsnat
