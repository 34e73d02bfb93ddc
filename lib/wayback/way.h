// One reply's way, and the ways of all clients: the address space cut where any route, rule or exception begins or ends, so that
// every client of a piece shares one decision. Pure; internal to lib/wayback.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lvsnat/state.h"
#include "lvsnat/wayback.h"
#include "state/route_decision.h"

namespace lvsnat::wayback {

/// Who the directors are, by address and by MAC. One family may be known and the other not.
struct Directors {
  std::set<Address> addresses;                        // given, and those that share a MAC with one
  std::set<Mac> macs;                                 // of neighbours that are directors, and of requests that were seen
  std::optional<Address> taken_for_v4, taken_for_v6;  // nobody said it: the gateway that all routes of the family use
  bool known_v4 = false, known_v6 = false;

  [[nodiscard]] bool known(bool v6) const { return v6 ? known_v6 : known_v4; }
  [[nodiscard]] const std::optional<Address>& taken_for(bool v6) const { return v6 ? taken_for_v6 : taken_for_v4; }
  /// By address, else by the MAC that the neighbour table has for it.
  [[nodiscard]] bool holds(const KernelState& state, const Address& hop, std::string_view dev) const;
};

Directors find_directors(const KernelState& state, const WayBackQuestion& question, const Wire* wire);

enum class WayKind : std::uint8_t {
  director,  // next hop is a director
  gateway,   // next hop is somebody else, or somebody of whom nobody said what it is
  direct,    // no next hop: the client is taken for a neighbour
  none,      // no route, or one that refuses
  local,     // the client is this host itself
  unknown,   // the tables were not read
};

struct Way {
  WayKind kind = WayKind::unknown;
  RouteDecision decision;
  std::optional<Address> via;
  std::string dev;
  bool redirected = false;               // a cached exception chose the next hop
  std::optional<std::uint32_t> expires;  // seconds left of it
  bool by_rule = false;                  // a rule chose the table, and without it the reply would go by the director
  std::vector<NextHop> strays;           // next hops of a multipath route that are not the director, when others are
  const RouteAnswer* answer = nullptr;   // the kernel's own word for this very reply
  bool differs = false;                  // ... and it is not what the tables say
  std::string fate;                      // one text for all replies that share it
};

/// What a reply from `rip` to `client` does. Ports as in the question, where a rule asks for them.
Way way_of(const KernelState& state, const Directors& directors, const WayBackQuestion& question, const Address& rip,
           const Address& client);

struct Piece {
  Prefix clients;
  Way way;
};

/// The pieces of `clients`, in order of address, neighbours of one fate joined. Addresses that no client can have (0/8, 127/8,
/// multicast, link-local) are left out. At most kMaxPieces; `complete` is false when there would be more.
inline constexpr std::size_t kMaxPieces = 100'000;
std::vector<Piece> ways_of(const KernelState& state, const Directors& directors, const WayBackQuestion& question,
                           const Address& rip, const Prefix& clients, bool& complete);

/// Addresses of this host that services can be reached at: given ones, else those that share a network with a director, else
/// every global one. `v6` picks the family.
std::vector<Address> find_real_servers(const KernelState& state, const Directors& directors, const WayBackQuestion& question,
                                       bool v6);

/// The connected network of this host that holds the address, longest first; nullopt: none.
std::optional<Prefix> own_network(const KernelState& state, const Address& address);

/// The device that requests to this RIP come in by: the one towards the director, else the one that holds the RIP.
std::string arrival_device(const KernelState& state, const Directors& directors, const Address& rip);

/// The client prefixes that are asked for, `any` as one per family of the RIPs.
std::vector<Prefix> clients_of(const WayBackQuestion& question, bool v6);

}  // namespace lvsnat::wayback
