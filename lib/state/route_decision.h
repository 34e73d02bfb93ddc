// What a kernel would do with a packet, worked out from saved tables: the same answer as `ip route get` without the
// kernel. Pure; mirrors Linux 6.1's own functions, named at each step, rather than a textbook's idea of routing.
//
// Exactness over breadth: what the tables cannot decide (a multipath hash, a mark that nobody knows, a table that was
// not read) is said in `doubts`, and the decision is then the likeliest, not a certain one.
//
// Threads: pure functions. Errors: none; a question that cannot be answered has Outcome::unknown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lvsnat/state.h"

namespace lvsnat {

/// The packet that is asked about. What is not known stays empty; rules that depend on it are named in `doubts`.
struct RouteQuestion {
  Address destination;
  std::optional<Address> source;  // empty: not chosen yet (output only)
  std::string iif;                // decide_input(): the device that it came in by
  std::optional<std::uint32_t> mark = 0;
  std::optional<std::uint8_t> protocol;
  std::optional<std::uint16_t> sport, dport;
  std::optional<std::uint32_t> uid;  // of the sending socket's owner (output only)
  std::uint8_t tos = 0;
};

enum class Outcome : std::uint8_t {
  unicast,         // goes out by `dev`, to `via` or straight to the destination
  local,           // delivered to this host
  broadcast,       // a broadcast (or multicast, anycast) address: neither forwarded nor sent by LVS-NAT
  no_route,        // ENETUNREACH: no rule and no route matched
  unreachable,     // an `unreachable` route: EHOSTUNREACH (a rule: ENETUNREACH)
  prohibited,      // EACCES
  blackhole,       // EINVAL, silent
  not_forwarding,  // input only: forwarding is off on `iif` (EHOSTUNREACH; dropped silently, Ip:InAddrErrors)
  martian,         // input: impossible source or destination (EINVAL); output: the source is not this host's own
  reverse_path,    // input only: rp_filter drops it (EXDEV, TcpExt:IPReversePathFilter)
  unknown,         // the tables of this family were not read
};
std::string_view name(Outcome) noexcept;  // "unicast", "no-route", ...

/// What fib_validate_source() says of a packet's source on the device that it came in by.
struct ReversePath {
  bool checked = false;  // false: rp_filter is off and nothing else asked for it
  bool passes = true;
  bool on_link = false;                // the source is a neighbour on that very device (return value 1: may be redirected)
  std::optional<long long> rp_filter;  // effective value; empty: not known
  std::optional<Route> route;          // the route back to the source, and where it leads
  std::string dev;
};

struct RouteDecision {
  Outcome outcome = Outcome::unknown;
  std::optional<Address> via;  // next hop; empty: the destination is on-link
  std::string dev;
  std::optional<Address> prefsrc;  // source address that the kernel would choose (output)
  std::string table;
  std::optional<RoutingRule> rule;  // that led there
  std::optional<Route> route;
  std::optional<RouteException> exception;  // that replaced the route's next hop or MTU
  std::vector<NextHop> alternatives;        // every next hop of a multipath route, the chosen one among them; empty: no choice
  ReversePath reverse;                      // decide_input() only
  std::optional<bool> will_redirect;        // decide_input(): an ICMP redirect goes to the source; empty: not known
  std::optional<Address> redirect_gateway;  // the "better" next hop that the redirect would name
  std::vector<std::string> doubts;          // why this may be otherwise; empty: certain
  std::string explanation;                  // one sentence or two: rule, route, exception, and what refused it

  /// The address that the frame is sent to: via, or the destination itself.
  [[nodiscard]] Address next_hop(const Address& destination) const { return via.value_or(destination); }
};

/// A packet of this host's own: ip_route_output_key_hash_rcu() / ip6_route_output(). `ip route get DST [from SRC]`.
RouteDecision decide_output(const KernelState&, const RouteQuestion&);
/// A packet that came in by `question.iif`: ip_route_input_slow() / ip6_route_input() and ip6_forward(). Needs a source.
RouteDecision decide_input(const KernelState&, const RouteQuestion&);

}  // namespace lvsnat
