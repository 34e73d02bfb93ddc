// Where to capture on a director and which packets the kernel hands over, worked out from what is known of the cluster.
//
// Not seen is not absent: an interface or a packet that is left out here can make a leg look missing. So every interface by which
// a client or real server could be reached is taken, and packets are filtered only where all of what matters can be named.
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "common/options.h"
#include "lvsnat/service.h"
#include "lvsnat/state.h"

namespace lvsnat::tool {

struct CapturePlan {
  std::vector<std::string> interfaces;
  /// pcap filter with the user's own; empty: every packet.
  std::string filter;
  /// The same without its part for VLAN tags inside frames, which not every kind of interface knows.
  std::string filter_untagged;
  std::vector<std::string> notes;  // what the user should know, one sentence each
};

/// `state`: this host's, or nullptr. `services`: all that are known, wherever from. `complete`: no others can turn up later.
CapturePlan plan_capture(const CommonOptions& options, const KernelState* state, const std::vector<Service>& services,
                         bool complete);

/// Interfaces towards VIPs, real servers and clients: those that hold addresses or carry routes. Most telling first.
std::vector<std::string> interfaces_of(const KernelState& state, const std::vector<Service>& services);

/// What any rule can want to see of these services: their addresses, the director's own, their ports, ARP, ICMP, ICMPv6. Empty
/// where that cannot be named: no service, firewall marks, too many addresses for a kernel filter.
std::string filter_of(const KernelState* state, const std::vector<Service>& services);

}  // namespace lvsnat::tool
