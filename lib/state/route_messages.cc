#include "state/route_messages.h"

#include <algorithm>
#include <array>
#include <utility>

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "state/ip_json.h"

namespace lvsnat {
namespace {

constexpr std::size_t kMaxRoutes = 4'000'000, kMaxRules = 100'000, kMaxLinks = 100'000, kMaxAddresses = 1'000'000,
                      kMaxNeighbours = 1'000'000, kMaxHops = 1'024;
// Newer than the headers that this may be built with; the numbers are the kernel's for good.
constexpr std::uint16_t kRuleDscp = 25, kRuleFlowLabel = 26;
constexpr std::uint32_t kIffLowerUp = 1u << 16;                              // net/if.h does not have it
constexpr std::uint32_t kRedirected = 0x00040000, kDoRedirect = 0x01000000;  // RTCF_ of linux/in_route.h

struct RouteHead {
  std::uint8_t family, destination_length, source_length, tos, table, protocol, scope, type;
  std::uint32_t flags;
};
static_assert(sizeof(RouteHead) == sizeof(rtmsg));

bool is_ip(std::uint8_t family) { return family == AF_INET || family == AF_INET6; }

/// `address` is of the family that `v6` tells. See is_mapped() for what becomes of IPv4-mapped ones.
std::optional<Prefix> prefix_of(const std::optional<Address>& address, std::uint8_t length, bool v6) {
  if (length > (v6 ? 128 : 32)) return std::nullopt;
  if (!address) return length == 0 ? std::optional<Prefix>(Prefix{v6 ? Address{} : Address::v4(0), 0}) : std::nullopt;
  Prefix prefix{*address, length};
  const unsigned begin = length + (v6 ? 0u : 96u);
  for (unsigned bit = begin; bit < 128; ++bit) {
    prefix.address.bytes[bit / 8] = static_cast<std::uint8_t>(prefix.address.bytes[bit / 8] & ~(0x80u >> (bit % 8)));
  }
  if (v6 && prefix.address.is_v4()) prefix.length = static_cast<std::uint8_t>(length - 96);
  return prefix;
}

/// An IPv6 prefix within ::ffff:0:0/96, which this program holds as IPv4. No packet on a wire has such an address; some
/// distributions install routes that refuse the whole of it.
bool is_mapped(const Prefix& prefix, bool v6) { return v6 && prefix.address.is_v4(); }

std::string table_name(std::uint32_t table) {
  switch (table) {
    case RT_TABLE_LOCAL:
      return "local";
    case RT_TABLE_MAIN:
      return "main";
    case RT_TABLE_DEFAULT:
      return "default";
    default:
      return std::to_string(table);
  }
}

/// As iproute2 prints them; "boot" is left out there too.
std::string protocol_name(std::uint8_t protocol) {
  switch (protocol) {
    case RTPROT_UNSPEC:
    case RTPROT_BOOT:
      return {};
    case RTPROT_REDIRECT:
      return "redirect";
    case RTPROT_KERNEL:
      return "kernel";
    case RTPROT_STATIC:
      return "static";
    case RTPROT_RA:
      return "ra";
    case RTPROT_DHCP:
      return "dhcp";
    case RTPROT_ZEBRA:
      return "zebra";
    case RTPROT_BIRD:
      return "bird";
    case RTPROT_KEEPALIVED:
      return "keepalived";
    case RTPROT_BGP:
      return "bgp";
    case RTPROT_OSPF:
      return "ospf";
    default:
      return std::to_string(protocol);
  }
}

std::string scope_name(std::uint8_t scope) {
  switch (scope) {
    case RT_SCOPE_UNIVERSE:
      return "global";
    case RT_SCOPE_SITE:
      return "site";
    case RT_SCOPE_LINK:
      return "link";
    case RT_SCOPE_HOST:
      return "host";
    case RT_SCOPE_NOWHERE:
      return "nowhere";
    default:
      return std::to_string(scope);
  }
}

RouteType type_of(std::uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return RouteType::unicast;
    case RTN_LOCAL:
      return RouteType::local;
    case RTN_BROADCAST:
      return RouteType::broadcast;
    case RTN_ANYCAST:
      return RouteType::anycast;
    case RTN_MULTICAST:
      return RouteType::multicast;
    case RTN_BLACKHOLE:
      return RouteType::blackhole;
    case RTN_UNREACHABLE:
      return RouteType::unreachable;
    case RTN_PROHIBIT:
      return RouteType::prohibit;
    case RTN_THROW:
      return RouteType::throw_;
    case RTN_NAT:
      return RouteType::nat;
    default:
      return RouteType::other;
  }
}

/// struct rtvia: u16 family, address bytes.
std::optional<Address> via_of(Bytes payload) {
  const auto family = number_in<std::uint16_t>(payload);
  if (!family) return std::nullopt;
  const Attribute rest{0, payload.subspan(2)};
  return *family == AF_INET || *family == AF_INET6 ? rest.address() : std::nullopt;
}

void take_flags(std::uint32_t flags, NextHop& hop) {
  hop.onlink = (flags & RTNH_F_ONLINK) != 0;
  hop.linkdown = (flags & RTNH_F_LINKDOWN) != 0;
  hop.dead = (flags & RTNH_F_DEAD) != 0;
}

/// RTA_MULTIPATH: struct rtnexthop (u16 length, u8 flags, u8 weight - 1, s32 index), then its attributes.
bool read_hops(Bytes bytes, const DeviceNames& names, bool v6, std::vector<NextHop>& hops) {
  constexpr std::size_t kHeader = 8;
  while (bytes.size() >= kHeader) {
    const std::size_t length = *number_in<std::uint16_t>(bytes);
    if (length < kHeader || length > bytes.size() || hops.size() >= kMaxHops) return false;
    NextHop hop;
    take_flags(bytes[2], hop);
    hop.weight = std::uint32_t{bytes[3]} + 1;
    hop.dev = names.of(*number_in<std::uint32_t>(bytes, 4));
    bool good = true;
    good = for_each_attribute(bytes.subspan(kHeader, length - kHeader),
                              [&](const Attribute& a) {
                                if (a.type == RTA_GATEWAY) hop.gateway = a.address(v6);
                                if (a.type == RTA_VIA) hop.gateway = via_of(a.payload);
                              }) &&
           good;
    if (!good) return false;
    hops.push_back(std::move(hop));
    bytes = bytes.subspan(std::min(bytes.size(), (length + 3) & ~std::size_t{3}));
  }
  return bytes.empty();
}

/// What a route message tells, whatever it is for.
struct RouteFields {
  RouteHead head{};
  std::optional<Address> destination, source, gateway, prefsrc;
  std::optional<std::uint32_t> oif, iif, priority, table, mtu, expires_in;  // expires_in: seconds (RTA_EXPIRES)
  std::optional<std::int32_t> expires_ticks;                                // rta_cacheinfo
  std::vector<NextHop> hops;
  bool nexthop_object = false;
};

bool read_fields(Bytes body, const DeviceNames& names, RouteFields& f) {
  const auto head = number_in<RouteHead>(body);
  if (!head || !is_ip(head->family)) return false;
  f.head = *head;
  const bool v6 = head->family == AF_INET6;
  bool good = true;
  good = for_each_attribute(body.subspan(sizeof(RouteHead)),
                            [&](const Attribute& a) {
                              switch (a.type) {
                                case RTA_DST:
                                  f.destination = a.address(v6);
                                  good = good && f.destination;
                                  break;
                                case RTA_SRC:
                                  f.source = a.address(v6);
                                  good = good && f.source;
                                  break;
                                case RTA_GATEWAY:
                                  f.gateway = a.address(v6);
                                  good = good && f.gateway;
                                  break;
                                case RTA_VIA:
                                  f.gateway = via_of(a.payload);
                                  good = good && f.gateway;
                                  break;
                                case RTA_PREFSRC:
                                  f.prefsrc = a.address(v6);
                                  good = good && f.prefsrc;
                                  break;
                                case RTA_OIF:
                                  f.oif = a.u32();
                                  break;
                                case RTA_IIF:
                                  f.iif = a.u32();
                                  break;
                                case RTA_PRIORITY:
                                  f.priority = a.u32();
                                  break;
                                case RTA_TABLE:
                                  f.table = a.u32();
                                  break;
                                case RTA_MULTIPATH:
                                  good = read_hops(a.payload, names, v6, f.hops) && good;
                                  break;
                                case RTA_NH_ID:
                                  f.nexthop_object = true;
                                  break;
                                case RTA_EXPIRES:
                                  f.expires_in = a.u32();
                                  break;
                                case RTA_CACHEINFO:
                                  f.expires_ticks = number_in<std::int32_t>(a.payload, 8);
                                  break;
                                case RTA_METRICS:
                                  for_each_attribute(a.payload, [&](const Attribute& m) {
                                    if (m.type == RTAX_MTU) f.mtu = m.u32();
                                  });
                                  break;
                                default:
                                  break;
                              }
                            }) &&
         good;
  return good;
}

std::optional<std::uint32_t> seconds_left(const RouteFields& f, std::uint32_t ticks) {
  if (!f.expires_ticks || *f.expires_ticks <= 0 || ticks == 0) return std::nullopt;
  return static_cast<std::uint32_t>(*f.expires_ticks) / ticks;
}

}  // namespace

std::string DeviceNames::of(std::uint32_t index) const {
  if (index == 0) return {};
  const auto found = names.find(index);
  return found == names.end() ? "if" + std::to_string(index) : found->second;
}

bool read_link_message(Bytes body, KernelState& state, DeviceNames& names, LinkRelations& relations) {
  struct Head {
    std::uint8_t family, pad;
    std::uint16_t type;
    std::uint32_t index, flags, change;
  };
  static_assert(sizeof(Head) == sizeof(ifinfomsg));
  const auto head = number_in<Head>(body);
  if (!head || state.links.size() >= kMaxLinks) return false;
  Link link;
  link.index = head->index;
  link.up = (head->flags & IFF_UP) != 0;
  link.running = (head->flags & kIffLowerUp) != 0;
  link.noarp = (head->flags & IFF_NOARP) != 0;
  link.loopback = (head->flags & IFF_LOOPBACK) != 0;
  link.point_to_point = (head->flags & IFF_POINTOPOINT) != 0;
  link.promiscuous = (head->flags & IFF_PROMISC) != 0;
  std::uint32_t lower = 0, master = 0;
  bool elsewhere = false;
  const bool good = for_each_attribute(body.subspan(sizeof(Head)), [&](const Attribute& a) {
    switch (a.type) {
      case IFLA_IFNAME:
        link.name = a.text();
        break;
      case IFLA_ADDRESS:
        if (a.payload.size() == 6 && head->type == 1) std::copy(a.payload.begin(), a.payload.end(), link.mac.bytes.begin());
        break;
      case IFLA_MTU:
        link.mtu = a.u32();
        break;
      case IFLA_LINK:
        lower = a.u32();
        break;
      case IFLA_MASTER:
        master = a.u32();
        break;
      case IFLA_LINK_NETNSID:
        elsewhere = true;
        break;
      case IFLA_PROMISCUITY:
        link.promiscuous = link.promiscuous || a.u32() != 0;
        break;
      case IFLA_STATS64:
        // struct rtnl_link_stats64: rx_packets, tx_packets, rx_bytes, tx_bytes, then these.
        link.rx_errors = number_in<std::uint64_t>(a.payload, 32).value_or(0);
        link.tx_errors = number_in<std::uint64_t>(a.payload, 40).value_or(0);
        link.rx_dropped = number_in<std::uint64_t>(a.payload, 48).value_or(0);
        link.tx_dropped = number_in<std::uint64_t>(a.payload, 56).value_or(0);
        break;
      case IFLA_LINKINFO:
        for_each_attribute(a.payload, [&](const Attribute& info) {
          if (info.type == IFLA_INFO_KIND) link.kind = info.text();
          if (info.type == IFLA_INFO_DATA && link.kind == "vlan") {
            for_each_attribute(info.payload, [&](const Attribute& data) {
              if (data.type == IFLA_VLAN_ID) link.vlan = static_cast<std::uint16_t>((data.u16() & 0xfff) + 1);
            });
          }
        });
        break;
      default:
        break;
    }
  });
  if (!good || link.name.empty()) return false;
  // `link` of a veth is its peer, not a device below it.
  static constexpr std::array<std::string_view, 7> kStacked{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec", "vxlan"};
  if (lower != 0 && !elsewhere && std::find(kStacked.begin(), kStacked.end(), link.kind) != kStacked.end())
    relations.parent.emplace(link.name, lower);
  if (master != 0) relations.master.emplace(link.name, master);
  names.names.insert_or_assign(link.index, link.name);
  state.links.push_back(std::move(link));
  return true;
}

void resolve_links(KernelState& state, const DeviceNames& names, const LinkRelations& relations) {
  for (Link& link : state.links) {
    if (const auto at = relations.parent.find(link.name); at != relations.parent.end()) link.parent = names.of(at->second);
    if (const auto at = relations.master.find(link.name); at != relations.master.end()) link.master = names.of(at->second);
  }
}

bool read_address_message(Bytes body, const DeviceNames& names, KernelState& state) {
  struct Head {
    std::uint8_t family, length, flags, scope;
    std::uint32_t index;
  };
  static_assert(sizeof(Head) == sizeof(ifaddrmsg));
  const auto head = number_in<Head>(body);
  if (!head || !is_ip(head->family) || state.addresses.size() >= kMaxAddresses) return false;
  const bool v6 = head->family == AF_INET6;
  InterfaceAddress out;
  std::optional<Address> local, address;
  std::uint32_t flags = head->flags;
  const bool good = for_each_attribute(body.subspan(sizeof(Head)), [&](const Attribute& a) {
    if (a.type == IFA_LOCAL) local = a.address();
    if (a.type == IFA_ADDRESS) address = a.address();
    if (a.type == IFA_LABEL) out.label = a.text();
    if (a.type == IFA_FLAGS) flags = a.u32();
  });
  const std::optional<Address> own = local ? local : address;
  if (!good || !own || own->is_v4() == v6 || head->length > (v6 ? 128 : 32)) return false;
  out.dev = names.of(head->index);
  out.address = *own;
  out.length = head->length;
  out.scope = scope_name(head->scope);
  if (local && address && *local != *address) out.peer = address;
  // One flag, two names: a secondary IPv4 address, a temporary IPv6 one.
  out.secondary = !v6 && (flags & IFA_F_SECONDARY) != 0;
  out.temporary = v6 && (flags & IFA_F_TEMPORARY) != 0;
  out.dadfailed = (flags & IFA_F_DADFAILED) != 0;
  out.tentative = (flags & IFA_F_TENTATIVE) != 0;
  out.deprecated = (flags & IFA_F_DEPRECATED) != 0;
  out.noprefixroute = (flags & IFA_F_NOPREFIXROUTE) != 0;
  state.addresses.push_back(std::move(out));
  return true;
}

bool read_route_message(Bytes body, const DeviceNames& names, KernelState& state) {
  RouteFields f;
  if (!read_fields(body, names, f) || state.routes.size() >= kMaxRoutes) return false;
  if ((f.head.flags & RTM_F_CLONED) != 0) return true;  // an exception among the routes, as kernels without strict checking send
  Route route;
  route.v6 = f.head.family == AF_INET6;
  const auto destination = prefix_of(f.destination, f.head.destination_length, route.v6);
  if (!destination) return false;
  if (is_mapped(*destination, route.v6)) return true;  // as a default route of IPv4 it would decide everything
  route.destination = *destination;
  if (f.head.source_length != 0) {
    route.source = prefix_of(f.source, f.head.source_length, route.v6);
    if (!route.source) return false;
  }
  route.type = type_of(f.head.type);
  route.table = table_name(f.table.value_or(f.head.table));
  route.tos = f.head.tos;
  route.metric = f.priority.value_or(0);
  if (!route.v6 && f.head.scope != RT_SCOPE_UNIVERSE) route.scope = scope_name(f.head.scope);
  route.protocol = protocol_name(f.head.protocol);
  route.prefsrc = f.prefsrc;
  route.mtu = f.mtu;
  route.expires = f.expires_in;
  if (!f.hops.empty()) {
    route.nexthops = std::move(f.hops);
  } else if (f.oif || f.gateway) {
    NextHop hop;
    hop.gateway = f.gateway;
    hop.dev = names.of(f.oif.value_or(0));
    take_flags(f.head.flags, hop);
    route.nexthops.push_back(std::move(hop));
  } else if (f.nexthop_object) {
    route.type = RouteType::other;  // a nexthop object that the kernel does not spell out (nexthop_compat_mode=0)
  }
  state.routes.push_back(std::move(route));
  return true;
}

bool read_exception_message(Bytes body, const DeviceNames& names, std::uint32_t ticks, KernelState& state) {
  RouteFields f;
  if (!read_fields(body, names, f)) return false;
  if ((f.head.flags & RTM_F_CLONED) == 0) return true;  // a route: the kernel does not know the filter
  if (!f.destination) return false;
  RouteException e;
  e.destination = *f.destination;
  if (f.head.source_length != 0) e.source = f.source;
  e.gateway = f.gateway;
  e.dev = names.of(f.oif.value_or(0));
  // rt6_fill_node() has no such flag: a cached IPv6 route that RTPROT_REDIRECT or a redirect made carries the protocol.
  e.redirected = (f.head.flags & kRedirected) != 0 || f.head.protocol == RTPROT_REDIRECT;
  e.expires = seconds_left(f, ticks);
  e.mtu = f.mtu;
  add_exception(state, std::move(e));
  return true;
}

bool read_answer_message(Bytes body, const DeviceNames& names, std::uint32_t ticks, RouteAnswer& answer) {
  RouteFields f;
  if (!read_fields(body, names, f)) return false;
  answer.type = type_of(f.head.type);
  answer.gateway = f.gateway;
  answer.prefsrc = f.prefsrc;
  answer.dev = names.of(f.oif.value_or(0));
  const std::uint32_t table = f.table.value_or(f.head.table);
  if (table != RT_TABLE_MAIN) answer.table = table_name(table);
  answer.redirected = (f.head.flags & kRedirected) != 0 || f.head.protocol == RTPROT_REDIRECT;
  answer.will_redirect = (f.head.flags & kDoRedirect) != 0;
  answer.expires = seconds_left(f, ticks);
  answer.mtu = f.mtu;
  return true;
}

bool read_rule_message(Bytes body, KernelState& state) {
  struct Head {
    std::uint8_t family, destination_length, source_length, tos, table, reserved1, reserved2, action;
    std::uint32_t flags;
  };
  static_assert(sizeof(Head) == sizeof(fib_rule_hdr));
  const auto head = number_in<Head>(body);
  if (!head || !is_ip(head->family) || state.rules.size() >= kMaxRules) return false;
  RoutingRule rule;
  rule.v6 = head->family == AF_INET6;
  rule.inverted = (head->flags & FIB_RULE_INVERT) != 0;
  if (head->tos != 0) rule.tos = head->tos;
  std::optional<Address> from, to;
  std::uint32_t table = head->table;
  std::optional<std::uint32_t> target;
  bool good = true;
  good = for_each_attribute(
             body.subspan(sizeof(Head)),
             [&](const Attribute& a) {
               const auto range = [&](auto& into) {
                 const auto first = number_in<std::uint16_t>(a.payload), last = number_in<std::uint16_t>(a.payload, 2);
                 if (first && last) into = {*first, *last};
                 good = good && first && last;
               };
               switch (a.type) {
                 case FRA_SRC:
                   from = a.address(rule.v6);
                   break;
                 case FRA_DST:
                   to = a.address(rule.v6);
                   break;
                 case FRA_IIFNAME:
                   rule.iif = a.text();
                   break;
                 case FRA_OIFNAME:
                   rule.oif = a.text();
                   break;
                 case FRA_PRIORITY:
                   rule.priority = a.u32();
                   break;
                 case FRA_FWMARK:
                   rule.fwmark = a.u32();
                   break;
                 case FRA_FWMASK:
                   rule.fwmask = a.u32();
                   break;
                 case FRA_TABLE:
                   table = a.u32();
                   break;
                 case FRA_GOTO:
                   target = a.u32();
                   break;
                 case FRA_SUPPRESS_PREFIXLEN:
                   if (a.u32() != UINT32_MAX) rule.suppress_prefixlength = static_cast<int>(a.u32());
                   break;
                 case FRA_SUPPRESS_IFGROUP:
                   if (a.u32() != UINT32_MAX) rule.suppress_ifgroup = std::to_string(a.u32());
                   break;
                 case FRA_L3MDEV:
                   rule.l3mdev = a.u8() != 0;
                   break;
                 case FRA_IP_PROTO:
                   rule.protocol = a.u8();
                   break;
                 case FRA_SPORT_RANGE:
                   range(rule.sport);
                   break;
                 case FRA_DPORT_RANGE:
                   range(rule.dport);
                   break;
                 case FRA_UID_RANGE: {
                   const auto first = number_in<std::uint32_t>(a.payload), last = number_in<std::uint32_t>(a.payload, 4);
                   if (first && last) rule.uidrange = {*first, *last};
                   break;
                 }
                 case FRA_TUN_ID:
                   rule.not_understood.emplace_back("tun_id");
                   break;
                 case FRA_PROTOCOL:
                 case FRA_FLOW:
                 case FRA_PAD:
                   break;
                 default:
                   // A selector of a newer kernel narrows the rule in a way that cannot be evaluated here.
                   rule.not_understood.push_back(a.type == kRuleDscp        ? "dscp"
                                                 : a.type == kRuleFlowLabel ? "flowlabel"
                                                                            : "selector " + std::to_string(a.type));
                   break;
               }
             }) &&
         good;
  if (!good) return false;
  if (head->source_length != 0) {
    rule.from = prefix_of(from, head->source_length, rule.v6);
    if (!rule.from) return false;
  }
  if (head->destination_length != 0) {
    rule.to = prefix_of(to, head->destination_length, rule.v6);
    if (!rule.to) return false;
  }
  for (std::optional<Prefix>* selector : {&rule.from, &rule.to}) {
    if (!*selector || !is_mapped(**selector, rule.v6)) continue;
    rule.not_understood.emplace_back("a prefix of IPv4-mapped addresses");
    selector->reset();
  }
  using Action = RoutingRule::Action;
  switch (head->action) {
    case FR_ACT_TO_TBL:
      rule.action = Action::lookup;
      if (!rule.l3mdev || table != 0) rule.table = table_name(table);
      break;
    case FR_ACT_GOTO:
      // An unresolved goto is skipped by the kernel.
      rule.action = target && (head->flags & FIB_RULE_UNRESOLVED) == 0 ? Action::go_to : Action::nop;
      rule.target = target.value_or(0);
      break;
    case FR_ACT_NOP:
      rule.action = Action::nop;
      break;
    case FR_ACT_BLACKHOLE:
      rule.action = Action::blackhole;
      break;
    case FR_ACT_UNREACHABLE:
      rule.action = Action::unreachable;
      break;
    case FR_ACT_PROHIBIT:
      rule.action = Action::prohibit;
      break;
    default:
      rule.action = Action::other;
      rule.not_understood.push_back("action " + std::to_string(head->action));
      break;
  }
  state.rules.push_back(std::move(rule));
  return true;
}

bool read_neighbour_message(Bytes body, const DeviceNames& names, KernelState& state) {
  struct Head {
    std::uint8_t family, pad1;
    std::uint16_t pad2;
    std::uint32_t index;
    std::uint16_t state;
    std::uint8_t flags, type;
  };
  static_assert(sizeof(Head) == sizeof(ndmsg));
  const auto head = number_in<Head>(body);
  if (!head) return false;
  if (!is_ip(head->family)) return true;  // a bridge's forwarding table
  if (state.neighbours.size() >= kMaxNeighbours) return false;
  Neighbour n;
  std::optional<Address> address;
  const bool good = for_each_attribute(body.subspan(sizeof(Head)), [&](const Attribute& a) {
    if (a.type == NDA_DST) address = a.address();
    if (a.type == NDA_LLADDR && a.payload.size() == 6) std::copy(a.payload.begin(), a.payload.end(), n.mac.bytes.begin());
  });
  if (!good || !address) return false;
  // `ip neigh` leaves these out as well: multicast and addresses that need no resolution.
  if (head->state == NUD_NONE || head->state == NUD_NOARP) return true;
  n.address = *address;
  n.dev = names.of(head->index);
  n.router = (head->flags & NTF_ROUTER) != 0;
  n.proxy = (head->flags & NTF_PROXY) != 0;
  constexpr std::array<std::pair<std::uint16_t, std::string_view>, 7> kStates{{{NUD_INCOMPLETE, "INCOMPLETE"},
                                                                               {NUD_REACHABLE, "REACHABLE"},
                                                                               {NUD_STALE, "STALE"},
                                                                               {NUD_DELAY, "DELAY"},
                                                                               {NUD_PROBE, "PROBE"},
                                                                               {NUD_FAILED, "FAILED"},
                                                                               {NUD_PERMANENT, "PERMANENT"}}};
  for (const auto& [bit, word] : kStates) {
    if ((head->state & bit) != 0) n.state = word;
  }
  state.neighbours.push_back(std::move(n));
  return true;
}

}  // namespace lvsnat
