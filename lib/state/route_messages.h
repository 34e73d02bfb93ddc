// rtnetlink messages (links, addresses, routes, rules, neighbours, exceptions, answers) into KernelState. Pure: the bytes after a
// message's nlmsghdr in, records appended; nothing here speaks to a kernel. Shapes: include/uapi/linux/rtnetlink.h, if_link.h,
// if_addr.h, fib_rules.h, neighbour.h (Linux 6.1); attributes that a newer kernel adds are passed over, selectors of rules that
// are not understood are named.
//
// Errors: false for a message that contradicts itself; then its table must not be called known.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "lvsnat/state.h"
#include "state/attributes.h"

namespace lvsnat {

/// What messages give as numbers and people as names. Links come first.
struct DeviceNames {
  std::map<std::uint32_t, std::string> names;  // by interface index
  /// "if7" where the device is in another namespace, or gone.
  [[nodiscard]] std::string of(std::uint32_t index) const;
};

/// RTM_NEWLINK. `lower` and `master` of a link are numbers until resolve_links().
struct LinkRelations {
  std::map<std::string, std::uint32_t> parent, master;
};
bool read_link_message(Bytes body, KernelState& state, DeviceNames& names, LinkRelations& relations);
void resolve_links(KernelState& state, const DeviceNames& names, const LinkRelations& relations);

bool read_address_message(Bytes body, const DeviceNames& names, KernelState& state);  // RTM_NEWADDR
bool read_route_message(Bytes body, const DeviceNames& names, KernelState& state);    // RTM_NEWROUTE of a table
bool read_rule_message(Bytes body, KernelState& state);                               // RTM_NEWRULE
bool read_neighbour_message(Bytes body, const DeviceNames& names,
                            KernelState& state);  // RTM_NEWNEIGH; multicast ones are left out
/// RTM_NEWROUTE with RTM_F_CLONED. Lifetimes are in clock ticks of `ticks` a second.
bool read_exception_message(Bytes body, const DeviceNames& names, std::uint32_t ticks, KernelState& state);
/// RTM_NEWROUTE that answers a question. What was asked (destination, source, iif) is filled in by who asked.
bool read_answer_message(Bytes body, const DeviceNames& names, std::uint32_t ticks, RouteAnswer& answer);

}  // namespace lvsnat
