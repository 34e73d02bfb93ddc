// IPVS services and destinations as plain data: what an admin declared and what a kernel runs have
// one shape, so that they can be compared and so that nothing else needs to know where they came from.
//
// Threads: values. Ownership: everything is owned. Units: seconds for times, bytes for bytes, ports in
// host order. An empty optional means "not told by this source", never zero.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/export.h"

namespace lvsnat {

/// What selects a service's packets: a transport protocol with VIP and port, or a firewall mark.
enum class ServiceProtocol : std::uint8_t { tcp, udp, sctp, fwmark };

/// IP_VS_CONN_F_FWD_MASK of linux/ip_vs.h: 0 masq, 1 local, 2 tunnel, 3 route (4 bypass never configured).
enum class Method : std::uint8_t { masq, route, tunnel, local, unknown };

/// Counters of a service or a destination since it was added (or zeroed with `ipvsadm -Z`). The kernel
/// refreshes them every 2 s, so they are 0 right after a first connection.
struct ServiceCounters {
  std::uint64_t connections = 0;
  std::uint64_t packets_in = 0, packets_out = 0;  // in: client to real server; out: replies that passed IPVS
  std::uint64_t bytes_in = 0, bytes_out = 0;
  friend bool operator==(const ServiceCounters&, const ServiceCounters&) = default;
};

struct Destination {
  Address rip;
  std::uint16_t port = 0;  // 0: that of the service (always so with firewall marks and VIP:0)
  Method method = Method::unknown;
  std::optional<int> weight;                                      // 0: draining, gets no new connections
  std::optional<std::uint32_t> upper_threshold, lower_threshold;  // connections; upper 0: no limit
  std::optional<std::uint32_t> active, inactive;                  // connections now
  std::optional<ServiceCounters> counters;
  friend bool operator==(const Destination&, const Destination&) = default;
};

struct Service {
  ServiceProtocol protocol = ServiceProtocol::tcp;
  Address vip;                          // none with fwmark
  std::uint16_t port = 0;               // 0 with fwmark; else 0 means every port (persistent services)
  std::optional<std::uint32_t> fwmark;  // set exactly when protocol is fwmark
  bool v6 = false;
  std::string scheduler;                     // "rr", "wlc", ...; empty: not told
  std::optional<std::uint32_t> persistence;  // seconds; empty: not persistent
  /// Mask that groups clients for persistence, as `-M` takes it: IPv4 prefix length or IPv6 prefix length.
  std::optional<std::uint8_t> persistence_prefix;
  bool one_packet = false;         // `--ops`
  std::string persistence_engine;  // "sip" or empty
  std::vector<Destination> destinations;
  std::optional<ServiceCounters> counters;
  friend bool operator==(const Service&, const Service&) = default;
};

/// `ipvsadm --set`: seconds. tcp is ESTABLISHED, tcp_fin is FIN_WAIT.
struct ServiceTimeouts {
  std::uint32_t tcp = 900, tcp_fin = 120, udp = 300;
  friend bool operator==(const ServiceTimeouts&, const ServiceTimeouts&) = default;
};

/// Where services are known from; the words of the JSON report's `topology.origin`.
enum class Origin : std::uint8_t { netlink, state, ipvsadm_save, keepalived, lvs_conf, option, inferred };

/// What someone says the cluster is, as opposed to what a kernel was seen to run.
struct Declaration {
  Origin origin = Origin::option;
  std::string source;  // file name or option, for messages; may be empty
  std::vector<Service> services;
  /// What the real servers are told to use as gateway (SERVER_DEFAULT_GW of lvs_nat.conf). Empty: not told.
  std::vector<Address> gateways;
  /// The director's addresses on the real servers' side (DIRECTOR_INSIDEIP). Empty: not told.
  std::vector<Address> director_inside;
  /// The director's own addresses that hold VIPs, where a file says so beyond the services (VIP=).
  std::vector<Address> vips;
  std::optional<ServiceTimeouts> timeouts;
  std::vector<std::string> notes;  // what was skipped or assumed while reading, one sentence each, printable
};

/// "tcp", "udp", "sctp", "fwmark".
LVSNAT_EXPORT std::string_view name(ServiceProtocol) noexcept;
/// "masq", "route", "tunnel", "local", "unknown".
LVSNAT_EXPORT std::string_view name(Method) noexcept;
/// "netlink", "state", "ipvsadm-save", "keepalived", "lvs-conf", "option", "inferred".
LVSNAT_EXPORT std::string_view name(Origin) noexcept;
/// "tcp:192.168.1.110:80", "tcp:[fd00::1]:80", "fwmark:1" (IPv6 marks: "fwmark:1" too; the kernel keeps them apart by family).
LVSNAT_EXPORT std::string to_string(const Service&);
/// The port that a request to `requested` (the VIP's port) is sent to at this destination.
LVSNAT_EXPORT std::uint16_t destination_port(const Service&, const Destination&, std::uint16_t requested = 0);
/// Same protocol, VIP, port, mark and family: what the kernel keeps at most one of.
LVSNAT_EXPORT bool same_service(const Service&, const Service&);

/// The sentences that tell how a running set of services departs from a declared one: services and destinations missing or
/// added, methods, weights, schedulers, persistence, one-packet scheduling, thresholds, timeouts. Empty: they agree.
/// What either side does not tell is not compared.
LVSNAT_EXPORT std::vector<std::string> differences(const Declaration& configured, const std::vector<Service>& running,
                                                   const std::optional<ServiceTimeouts>& running_timeouts = std::nullopt);

}  // namespace lvsnat
