// Before any packet is seen: what the director's kernel will do with each leg of a connection, worked out from its saved
// tables by the order in which a packet meets them.
//
//   request  prerouting -> is the VIP local, reverse path -> input -> IPVS
//   demasq   route to the RIP -> output -> postrouting                    (never forward, whatever ip_forward says)
//   reply    prerouting -> route to the client: forwarding, reverse path, redirect -> forward, as RIP -> CIP
//   masq     route of VIP -> CIP (snat_reroute) -> postrouting
//
// (net/netfilter/ipvs/ip_vs_core.c ip_vs_ops4, Linux 6.1.) Each leg is judged for itself, as if the ones before had passed.
// Threads: pure functions. Errors: none; what the tables do not tell is `not_known` or stands in `doubts`.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/connection.h"
#include "lvsnat/service.h"
#include "lvsnat/state.h"
#include "state/filter_walk.h"
#include "state/route_decision.h"

namespace lvsnat {

enum class LegFate : std::uint8_t {
  passes,
  dies,
  may_die,      // depends on something that is not understood or not known
  not_known,    // the tables that decide it were not read
  not_on_wire,  // the destination is this host itself, or replies do not come back (direct routing, tunnels)
};
std::string_view name(LegFate) noexcept;  // "passes", "dies", "may-die", "not-known", "not-on-wire"

enum class LegCause : std::uint8_t {
  none,
  vip_not_local,         // nobody here: IPVS never sees it
  diverted,              // a DNAT or redirect rule takes it before IPVS
  mark_missing,          // the service is a firewall mark's, and no rule sets that mark
  reverse_path,          // rp_filter
  not_forwarding,        // ip_forward, or that of the device
  martian,               // impossible source or destination
  no_route,              // none, or one that refuses
  loopback_destination,  // 127/8 for a client from outside
  filter,                // a rule or a policy
};
std::string_view name(LegCause) noexcept;  // "none", "vip-not-local", ...

struct PredictedLeg {
  LegFate fate = LegFate::not_known;
  LegCause cause = LegCause::none;
  std::string in_dev, out_dev;         // empty: none, or not known
  std::optional<Address> via;          // next hop of what goes out
  std::string decides;                 // a sentence: what lets it pass, or what does not
  std::optional<FilterEnding> filter;  // cause filter: what drops it, and at which hook
  std::string hook;
  bool needs_conntrack = false;  // cause filter: it would pass if IPVS tracked connections (net.ipv4.vs.conntrack=1)
  RouteDecision route;
  std::vector<std::string> doubts;  // why it may be otherwise; quoted expressions among them
};

struct PredictionQuestion {
  Endpoint client;             // port 0: not known
  bool any_client = false;     // `client` stands for all: routes are asked for it, filters for any address
  std::string iif, reply_iif;  // devices that packets were seen to come in by; empty: worked out
  Service service;
  Destination destination;
  Endpoint vip;  // of firewall mark services; none: not known
};

struct Prediction {
  Endpoint client, vip, rip;
  std::string service;  // "tcp:192.168.1.110:80"
  std::array<PredictedLeg, 4> legs;
  bool arrival_doubtful = false;  // where requests come in was guessed, and the route to the client leads elsewhere
  bool local_destination = false;
  std::optional<bool> will_redirect;  // an ICMP redirect goes to the real server for each reply; empty: not known
  std::optional<Address> redirect_gateway, redirect_source;
  std::optional<bool> tracked;  // IPVS keeps conntrack entries for this service; empty: not known
  /// Leg 2 leaves with the director as source.
  std::optional<FilterResult::Translation> full_nat;
  /// It would, if IPVS kept conntrack entries: what IPVS takes out of tracking meets no rule of a nat chain.
  std::optional<FilterResult::Translation> idle_full_nat;
  /// What a reply of which IPVS knows nothing would be turned into.
  std::optional<FilterResult::Translation> late_reply;
  std::optional<FilterEnding> offload;  // a `flow add` rule that replies reach, and the flowtable's devices
  std::string flowtable;
  std::vector<std::string> flowtable_devices;

  [[nodiscard]] const PredictedLeg& leg(Leg l) const { return legs[index(l)]; }
};

Prediction predict(const KernelState& state, const NftRules& rules, const PredictionQuestion& question);

/// The device that requests to the VIP come in by, as far as tables tell: that of the client's own network, else that of the
/// network which the VIP belongs to, else that of the route to the client. `doubtful`: the last two differ.
std::string arrival_device(const KernelState& state, const Address& vip, const Address& client, bool* doubtful = nullptr);

/// A client to ask about where none is known: an address for documentation (RFC 5737, RFC 3849) if there is a route to it,
/// else a free one of the network that the VIP belongs to; none if there is neither.
Address example_client(const KernelState& state, const Address& vip);
/// A free address of the network that the VIP belongs to; none if the VIP belongs to no connected network.
Address neighbour_client(const KernelState& state, const Address& vip, const Service& service);

}  // namespace lvsnat
