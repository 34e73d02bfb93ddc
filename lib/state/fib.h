// Rules and tables: which route a flow finds. The part that both directions share. Internal to lib/state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lvsnat/state.h"
#include "state/route_decision.h"

namespace lvsnat {

/// The kernel's struct flowi4 / flowi6, as far as rules and tables ask for it.
struct Flow {
  Address destination, source;  // source may be unspecified
  std::string iif = "lo";       // output uses LOOPBACK_IFINDEX
  std::string oif;              // empty: any
  std::optional<std::uint32_t> mark = 0;
  std::optional<std::uint8_t> protocol;
  std::optional<std::uint16_t> sport, dport;
  std::optional<std::uint32_t> uid;
  bool uid_invalid = false;  // forwarded packets belong to nobody
  std::uint8_t tos = 0;
  bool v6 = false;
  bool ignore_linkstate = false;  // FIB_LOOKUP_IGNORE_LINKSTATE
};

struct FibResult {
  Outcome outcome = Outcome::no_route;  // unicast, local, broadcast, or why not
  std::optional<RoutingRule> rule;
  std::optional<Route> route;
  std::vector<NextHop> usable;  // next hops that are alive; more than one: multipath
  std::vector<std::string> doubts;
};

/// fib_lookup(): rules by priority, tables by longest prefix, TOS and metric.
FibResult fib_lookup(const KernelState&, const Flow&);

/// True where rules other than the kernel's own three (two) exist.
bool has_custom_rules(const KernelState&, bool v6);

}  // namespace lvsnat
