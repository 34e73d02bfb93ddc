// One host's kernel state as plain data, whether read live, from a snapshot file or from a directory of
// standard command output. Live netlink and files end in these structures; nothing here touches a kernel.
//
// Threads: values. Ownership: everything is owned. Errors: what could not be read is a Gap, not an error.
// Not seen is not absent: `known` says which tables were read at all; an empty vector of a table that is
// not known proves nothing. Every string is printable (no control characters). Units stand at each field.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/export.h"
#include "lvsnat/frame.h"
#include "lvsnat/result.h"
#include "lvsnat/service.h"

namespace lvsnat {

/// One network device (`ip -d link`).
struct Link {
  std::uint32_t index = 0;  // 0: not told
  std::string name;
  Mac mac;                // none for devices without a 6-byte address
  std::uint32_t mtu = 0;  // bytes; 0: not told
  bool up = false;        // IFF_UP: the admin's wish
  bool running = false;   // IFF_LOWER_UP: carrier
  bool noarp = false, loopback = false, point_to_point = false, promiscuous = false;
  std::string kind;        // "veth", "vlan", "bridge", "bond", "dummy", ...; empty for hardware
  std::string master;      // bridge, bond or VRF that it is a port of; empty: none
  std::string parent;      // the device below a VLAN or macvlan; empty: none
  std::uint16_t vlan = 0;  // VLAN id + 1; 0: none
  std::uint64_t rx_dropped = 0, tx_dropped = 0, rx_errors = 0, tx_errors = 0;
  friend bool operator==(const Link&, const Link&) = default;
};

struct InterfaceAddress {
  std::string dev;
  Address address;
  std::uint8_t length = 0;      // prefix length
  std::string scope;            // "global", "link", "host", "site" or a number
  std::optional<Address> peer;  // point-to-point: the other end; the prefix is the peer's
  std::string label;            // "eth0:110"
  bool secondary = false, dadfailed = false, tentative = false, deprecated = false, noprefixroute = false, temporary = false;
  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

/// RTN_* of linux/rtnetlink.h.
enum class RouteType : std::uint8_t {
  unicast,
  local,
  broadcast,
  anycast,
  multicast,
  blackhole,
  unreachable,
  prohibit,
  throw_,
  nat,
  other
};

struct NextHop {
  std::optional<Address> gateway;  // empty: on-link. May be IPv6 under an IPv4 route (RFC 5549)
  std::string dev;                 // empty for blackhole and the like
  std::uint32_t weight = 1;        // 1..256 of a multipath route
  bool onlink = false, linkdown = false, dead = false;
  friend auto operator<=>(const NextHop&, const NextHop&) = default;
  friend bool operator==(const NextHop&, const NextHop&) = default;
};

struct Route {
  bool v6 = false;
  std::string table = "main";  // "local", "main", "default", a number, or a name of rt_tables
  RouteType type = RouteType::unicast;
  Prefix destination;             // default is 0.0.0.0/0 or ::/0
  std::optional<Prefix> source;   // IPv6 source-specific routing (`from`)
  std::vector<NextHop> nexthops;  // one, or several for multipath; may be empty for unreachable and the like
  std::uint32_t metric = 0;
  std::uint8_t tos = 0;
  std::string scope;     // as printed; empty: not told (IPv4 default "global")
  std::string protocol;  // "kernel", "boot", "static", "dhcp", "ra", ...; empty: boot or not told
  std::optional<Address> prefsrc;
  std::optional<std::uint32_t> mtu;      // bytes
  std::optional<std::uint32_t> expires;  // seconds (router advertisements)
  friend auto operator<=>(const Route&, const Route&) = default;
  friend bool operator==(const Route&, const Route&) = default;
};

struct RoutingRule {
  bool v6 = false;
  std::uint32_t priority = 0;
  bool inverted = false;           // `not`: the selectors must fail
  std::optional<Prefix> from, to;  // empty: all
  std::string iif, oif;            // empty: any
  std::optional<std::uint32_t> fwmark;
  std::uint32_t fwmask = 0xffffffff;
  std::optional<std::uint8_t> tos;
  std::optional<std::uint8_t> protocol;                                 // ipproto
  std::optional<std::pair<std::uint16_t, std::uint16_t>> sport, dport;  // inclusive
  std::optional<std::pair<std::uint32_t, std::uint32_t>> uidrange;      // inclusive
  enum class Action : std::uint8_t { lookup, go_to, nop, blackhole, unreachable, prohibit, other } action = Action::lookup;
  std::string table;         // for lookup
  std::uint32_t target = 0;  // priority to jump to, for go_to
  std::optional<int> suppress_prefixlength;
  std::string suppress_ifgroup;
  bool l3mdev = false;                      // table of the VRF that the packet belongs to
  std::vector<std::string> not_understood;  // selectors that this library cannot evaluate, quoted
  friend bool operator==(const RoutingRule&, const RoutingRule&) = default;
};

struct Neighbour {
  Address address;
  std::string dev;
  Mac mac;            // none while unresolved
  std::string state;  // "REACHABLE", "STALE", "FAILED", "INCOMPLETE", "PERMANENT", "NOARP", ...
  bool router = false, proxy = false;
  friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

/// A cached next-hop exception (fib_nh_exception; rt6_exception), made by a redirect or by path MTU discovery.
struct RouteException {
  Address destination;
  std::optional<Address> source;   // IPv6 source-specific
  std::optional<Address> gateway;  // empty: on-link
  std::string dev;
  bool redirected = false;
  std::optional<std::uint32_t> expires;  // seconds left
  std::optional<std::uint32_t> mtu;      // bytes
  friend bool operator==(const RouteException&, const RouteException&) = default;
};

/// What `ip route get` answered when the state was saved: the kernel's own word.
struct RouteAnswer {
  std::string label;  // of "route-get-LABEL.json"
  std::optional<Address> destination, source;
  std::string iif;
  RouteType type = RouteType::unicast;
  std::optional<Address> gateway, prefsrc;
  std::string dev, table;
  bool redirected = false;
  bool will_redirect = false;  // RTCF_DOREDIRECT: the director is going to send an ICMP redirect
  std::optional<std::uint32_t> expires, mtu;
  std::optional<std::string> error;  // "RTNETLINK answers: Network is unreachable": then nothing above but the label holds
  int exit_status = 0;
  friend bool operator==(const RouteAnswer&, const RouteAnswer&) = default;
};

/// A row of /proc/net/ip_vs_conn.
struct IpvsConnection {
  std::uint8_t protocol = 0;            // IP protocol number; 0 for a template of a firewall mark ("IP")
  Endpoint client, vip, rip;            // client port 0: a persistence template
  std::optional<std::uint32_t> fwmark;  // templates of firewall mark services
  std::string state;                    // "ESTABLISHED", "SYN_RECV", "NONE", ...
  std::uint32_t expires = 0;            // seconds left
  friend bool operator==(const IpvsConnection&, const IpvsConnection&) = default;
};

struct SyncDaemon {
  bool master = false;  // else backup
  std::string interface;
  std::uint32_t sync_id = 0;
  friend bool operator==(const SyncDaemon&, const SyncDaemon&) = default;
};

/// A row of /proc/net/ip_vs_app: a helper that translates addresses inside the data of connections to this port.
struct IpvsHelper {
  std::uint8_t protocol = 6;
  std::uint16_t port = 0;
  std::string name;  // "ftp"
  friend bool operator==(const IpvsHelper&, const IpvsHelper&) = default;
};

struct Ipvs {
  bool present = false;          // the kernel has IPVS in this network namespace
  std::string version;           // "1.2.1"
  std::uint32_t table_size = 0;  // buckets of the connection hash; 0: not told
  std::vector<Service> services;
  std::optional<ServiceTimeouts> timeouts;
  std::vector<SyncDaemon> sync;
  std::vector<IpvsConnection> connections;  // at most kMaxIpvsConnections
  bool connections_complete = true;         // false: the table was longer than what is kept
  std::optional<ServiceCounters> totals;    // of /proc/net/ip_vs_stats
  std::vector<IpvsHelper> helpers;
  friend bool operator==(const Ipvs&, const Ipvs&) = default;
};

struct Module {
  std::string name;
  std::uint64_t users = 0;
  friend bool operator==(const Module&, const Module&) = default;
};

/// One tracked flow of `conntrack -L`.
struct ConntrackEntry {
  std::uint8_t protocol = 0;
  std::string state;  // TCP, SCTP; empty otherwise
  Endpoint original_source, original_destination, reply_source, reply_destination;
  bool unreplied = false, assured = false, offload = false;
  std::uint32_t mark = 0;
  friend bool operator==(const ConntrackEntry&, const ConntrackEntry&) = default;
};

struct Conntrack {
  std::vector<ConntrackEntry> entries;  // at most kMaxConntrackEntries
  std::uint64_t total = 0;              // entries seen, kept or not
  friend bool operator==(const Conntrack&, const Conntrack&) = default;
};

struct Listener {
  std::uint8_t protocol = 6;
  Endpoint local;           // address unspecified (0.0.0.0 or ::) for "any"
  bool any_family = false;  // "*:80": both families
  std::string dev;          // bound with SO_BINDTODEVICE ("0.0.0.0%eth1:80"); empty: any
  friend bool operator==(const Listener&, const Listener&) = default;
};

/// One line of a saved traceroute.
struct TraceHop {
  unsigned hop = 0;                // 1-based
  std::optional<Address> address;  // empty: "*"
  std::optional<double> milliseconds;
  std::string annotation;  // "!H", "!N", ...; empty: none
  friend bool operator==(const TraceHop&, const TraceHop&) = default;
};

struct Traceroute {
  std::string label;  // "cip" of traceroute-cip.txt
  std::optional<Address> target;
  std::vector<TraceHop> hops;
  std::optional<std::string> error;  // "connect: Network is unreachable"
  std::string text;
  friend bool operator==(const Traceroute&, const Traceroute&) = default;
};

/// Something that could not be read, and what it would have told.
struct Gap {
  std::string what;        // "nft.json", "IPVS services"
  std::string why;         // "no such file", "needs CAP_NET_ADMIN", "line 3: ..."
  std::string would_tell;  // "whether a filter rule drops requests or replies"
  friend bool operator==(const Gap&, const Gap&) = default;
};

/// Which tables were read. A family's tables are known apart.
struct Known {
  bool addresses = false, links = false;
  bool routes_v4 = false, routes_v6 = false;
  bool rules_v4 = false, rules_v6 = false;
  bool neighbours = false;
  bool exceptions_v4 = false, exceptions_v6 = false;
  bool sysctls = false;
  bool services = false, connections = false;  // of IPVS
  bool counters_of_services = false;           // InPkts and OutPkts per destination
  bool helpers = false;                        // of IPVS
  bool modules = false, conntrack = false;
  bool counters = false;  // snmp and netstat
  bool nft_json = false, nft_text = false;
  bool legacy_tables_v4 = false, legacy_tables_v6 = false;  // whether iptables-legacy has tables, not what is in them
  bool listeners = false;
  friend bool operator==(const Known&, const Known&) = default;
};

inline constexpr std::size_t kMaxIpvsConnections = 65'536;
inline constexpr std::size_t kMaxConntrackEntries = 65'536;

struct KernelState {
  std::string source;             // directory, file or "live"
  Origin origin = Origin::state;  // netlink or state
  std::string hostname;           // empty: not told
  std::optional<Timestamp> taken;
  std::string kernel;  // uname -r; empty: not told
  Known known;
  std::vector<Link> links;
  std::vector<InterfaceAddress> addresses;
  std::vector<Route> routes;       // every table, both families
  std::vector<RoutingRule> rules;  // both families, by priority
  std::vector<Neighbour> neighbours;
  std::vector<RouteException> exceptions;
  std::vector<RouteAnswer> route_answers;
  std::map<std::string, std::string> sysctls;  // "net.ipv4.conf.eth0.rp_filter" -> "1"; a '.' in a device's name is '/'
  Ipvs ipvs;
  std::vector<Module> modules;
  Conntrack conntrack;
  std::map<std::string, std::int64_t> counters;  // "IpExt:InNoRoutes"; /proc/net/snmp and netstat
  std::string nft_json, nft_text;                // as printed by nft, for the evaluation of rules; NOT made printable
  /// Tables of iptables-legacy, whose rules the nft listing does not hold: "filter", "nat", ...
  std::vector<std::string> legacy_tables_v4, legacy_tables_v6;
  std::string tc_text;  // `tc -s qdisc`
  std::vector<Listener> listeners;
  std::vector<Traceroute> traceroutes;
  std::vector<Gap> gaps;
};

/// Reads a state directory or a snapshot file, told apart by what PATH is. Errors: not_found, no_permission,
/// malformed (a snapshot that is none), unsupported (a FIFO, device or socket; a snapshot of a newer schema), limit.
/// A directory in which no file is known is an error; single bad files are gaps.
LVSNAT_EXPORT Result<KernelState> read_state(const std::filesystem::path& path);

/// This host's kernel as it is now, in the network namespace of the calling thread: links, addresses, routes of all
/// tables, rules, neighbours and route exceptions by rtnetlink, settings and counters from /proc, IPVS by generic netlink
/// (CAP_NET_ADMIN) or else from /proc, the ruleset of nftables by libnftables where that is installed (opened on demand;
/// CAP_NET_ADMIN). Nothing is written, no process is started, no module is loaded. `now` becomes
/// `taken`. What could not be read is a Gap; only a kernel that answers nothing at all is an error (io, no_permission).
/// May block for some seconds with huge tables.
LVSNAT_EXPORT Result<KernelState> read_live_state(Timestamp now);

/// What is looked at once more when a live look ends, because the answer depends on its having changed or not.
struct LaterLook {
  Timestamp at = 0;                              // when
  std::map<std::string, std::int64_t> counters;  // of /proc/net/snmp and netstat; empty: could not be read
  std::optional<std::set<Address>> addresses;    // of all interfaces that are up; nothing: could not be read
};
/// Looks once more, in the network namespace of the calling thread; needs no right, changes nothing.
LVSNAT_EXPORT LaterLook look_again(Timestamp now);

/// A question for the live kernel's own routing code: `ip route get DESTINATION [from SOURCE [iif IIF]] ...`.
struct RouteAsk {
  std::string label;
  Address destination;
  std::optional<Address> source;
  std::string iif;  // the packet comes in by this device; empty: it is this host's own
  std::optional<std::uint32_t> mark;
  std::optional<std::uint8_t> protocol;
  std::optional<std::uint16_t> sport, dport;
};
/// One answer for each question, in order; a refusal ("Network is unreachable") is an answer. `state` names the devices.
/// Errors: io, no_permission.
LVSNAT_EXPORT Result<std::vector<RouteAnswer>> ask_routes(const KernelState& state, const std::vector<RouteAsk>& questions);

/// Snapshot: one JSON object with `"lvsnat_snapshot": 1` that carries every field above; reading what was
/// written gives the same state. `text` need not be trusted.
LVSNAT_EXPORT std::string write_snapshot(const KernelState&);
LVSNAT_EXPORT Result<KernelState> read_snapshot(std::string_view text);

// ---- Look-ups. Pure; linear in the table.

/// The interface that holds this very address, or nullptr. Includes 127/8 on lo, as the kernel treats it (local table).
LVSNAT_EXPORT const InterfaceAddress* find_address(const KernelState&, const Address&);
/// True when the host owns the address: held by an interface, or covered by a `local` route of the local table.
LVSNAT_EXPORT bool owns_address(const KernelState&, const Address&);
LVSNAT_EXPORT const Link* find_link(const KernelState&, std::string_view dev);
/// The interface on whose own network (connected prefix) the address is; longest prefix wins; empty: none.
LVSNAT_EXPORT std::string on_link_dev(const KernelState&, const Address&);
/// First non-secondary address of that family on `dev`; what the kernel uses as ICMP source there. nullptr: none.
LVSNAT_EXPORT const InterfaceAddress* primary_address(const KernelState&, std::string_view dev, bool v6);
LVSNAT_EXPORT const Neighbour* find_neighbour(const KernelState&, const Address&, std::string_view dev = {});
/// A live exception for this destination, or nullptr.
LVSNAT_EXPORT const RouteException* find_exception(const KernelState&, const Address& destination);
LVSNAT_EXPORT bool has_module(const KernelState&, std::string_view name);
/// IPVS has its FTP helper for this port of the VIP: by the list of helpers, else for port 21 by that of modules. nullopt:
/// neither is known.
LVSNAT_EXPORT std::optional<bool> has_ftp_helper(const KernelState&, std::uint16_t port);
LVSNAT_EXPORT std::optional<std::int64_t> counter(const KernelState&, std::string_view name);
/// "net.ipv4.ip_forward" -> "1"; nullopt where not known.
LVSNAT_EXPORT std::optional<std::string> sysctl(const KernelState&, const std::string& name);
LVSNAT_EXPORT std::optional<long long> sysctl_number(const KernelState&, const std::string& name);

// ---- Effective per-device settings, by the kernel's own rule (include/linux/inetdevice.h, net/ipv6). nullopt: a value
// that decides it is not known. Where one known value decides alone (`all` on in an OR) it is enough.

/// The pair (all, dev) behind an effective value, for evidence texts.
struct DeviceSetting {
  std::optional<long long> all, device, effective;
  std::string all_name, device_name;  // full sysctl names
};
/// IN_DEV_ORCONF: all OR device. proxy_arp, send_redirects, secure_redirects, shared_media, log_martians, accept_local,
/// route_localnet, src_valid_mark, arp_filter.
LVSNAT_EXPORT DeviceSetting setting_or(const KernelState&, std::string_view dev, std::string_view name);
/// IN_DEV_MAXCONF: the larger. rp_filter, arp_ignore, arp_announce, arp_accept, arp_notify.
LVSNAT_EXPORT DeviceSetting setting_max(const KernelState&, std::string_view dev, std::string_view name);
/// IN_DEV_ANDCONF: both. accept_source_route, mc_forwarding, bc_forwarding, bootp_relay.
LVSNAT_EXPORT DeviceSetting setting_and(const KernelState&, std::string_view dev, std::string_view name);
/// The device's value alone (IN_DEV_CONF_GET of forwarding and the like; all IPv6 settings).
LVSNAT_EXPORT DeviceSetting setting_device(const KernelState&, std::string_view dev, std::string_view name, bool v6);

/// IN_DEV_FORWARD: per device only. IPv6: idev->cnf.forwarding for what the host is; ip6_forward() itself asks `all`.
LVSNAT_EXPORT DeviceSetting effective_forwarding(const KernelState&, std::string_view dev, bool v6);
/// IN_DEV_TX_REDIRECTS. IPv6 has no such switch (ndisc_send_redirect): effective 1 with empty names.
LVSNAT_EXPORT DeviceSetting effective_send_redirects(const KernelState&, std::string_view dev, bool v6);
/// IN_DEV_RX_REDIRECTS: forwarding ? all AND dev : all OR dev. IPv6: the device's accept_redirects, only while it does not
/// forward.
LVSNAT_EXPORT DeviceSetting effective_accept_redirects(const KernelState&, std::string_view dev, bool v6);
LVSNAT_EXPORT DeviceSetting effective_secure_redirects(const KernelState&, std::string_view dev);
LVSNAT_EXPORT DeviceSetting effective_shared_media(const KernelState&, std::string_view dev);
/// IN_DEV_RPFILTER: maximum; 0 off, 1 strict, 2 loose. IPv4 only.
LVSNAT_EXPORT DeviceSetting effective_rp_filter(const KernelState&, std::string_view dev);

LVSNAT_EXPORT std::string_view name(RouteType) noexcept;
/// "default via 10.1.1.9 dev eth0 metric 100", as `ip route` prints it.
LVSNAT_EXPORT std::string to_string(const Route&);
/// "1000: from 10.1.1.2 lookup 100", as `ip rule` prints it.
LVSNAT_EXPORT std::string to_string(const RoutingRule&);

/// As differences() of service.h, and besides: VIPs and gateways of the declaration that the host does not own.
LVSNAT_EXPORT std::vector<std::string> differences(const Declaration& configured, const KernelState& running);

}  // namespace lvsnat
