#include "common/capture_plan.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "lvsnat/address.h"

namespace lvsnat::tool {
namespace {

// The kernel takes filters of 4096 instructions; a host costs about 12 of them (both families, source and destination, tagged
// and untagged).
constexpr std::size_t kMostHosts = 96, kMostPorts = 64;
// A handle each, with a ring each; beyond that "any" is the better tool.
constexpr std::size_t kMostInterfaces = 24;

bool worth_naming(const Address& a) { return !a.is_none() && !a.is_unspecified() && !a.is_loopback(); }

std::string all_of(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return a + b;
  return "(" + a + ") and (" + b + ")";
}

}  // namespace

std::vector<std::string> interfaces_of(const KernelState& state, const std::vector<Service>& services) {
  std::vector<std::string> chosen;
  const auto add = [&chosen, &state](const std::string& dev) {
    const Link* link = find_link(state, dev);
    // A device that is down cannot be captured on; one that nobody described can be tried. Addresses are parked on loopback and
    // dummy devices, but no leg crosses one.
    if (dev.empty() || (link != nullptr && (!link->up || link->loopback || link->kind == "dummy"))) return;
    if (std::find(chosen.begin(), chosen.end(), dev) == chosen.end()) chosen.push_back(dev);
  };
  for (const Service& service : services) {
    for (const Destination& destination : service.destinations) add(on_link_dev(state, destination.rip));
    if (const InterfaceAddress* vip = find_address(state, service.vip)) add(vip->dev);
  }
  for (const Route& route : state.routes) {
    if (route.type != RouteType::unicast || route.destination.length != 0) continue;
    for (const NextHop& hop : route.nexthops) add(hop.dev);
  }
  // Clients may come by any other interface that leads somewhere.
  for (const Route& route : state.routes) {
    if (route.type != RouteType::unicast || route.destination.length == 0 || route.destination.address.is_link_local()) continue;
    for (const NextHop& hop : route.nexthops) add(hop.dev);
  }
  return chosen;
}

std::string filter_of(const KernelState* state, const std::vector<Service>& services) {
  std::set<Address> hosts;
  std::set<std::uint16_t> ports;
  if (services.empty()) return {};
  for (const Service& service : services) {
    // Which packets carry a mark is not in the packets.
    if (service.protocol == ServiceProtocol::fwmark) return {};
    if (worth_naming(service.vip)) hosts.insert(service.vip);
    if (service.port != 0) ports.insert(service.port);
    for (const Destination& destination : service.destinations) {
      if (worth_naming(destination.rip)) hosts.insert(destination.rip);
      if (destination.port != 0) ports.insert(destination.port);
    }
  }
  if (state != nullptr) {
    // A reply that leaves with a wrong source has one of these, as a rule; the ports catch the others.
    for (const InterfaceAddress& own : state->addresses) {
      if (worth_naming(own.address) && !own.address.is_link_local()) hosts.insert(own.address);
    }
  }
  if (hosts.size() > kMostHosts || ports.size() > kMostPorts) return {};
  std::string filter = "arp or icmp or icmp6";
  for (const Address& host : hosts) filter += " or host " + to_string(host);
  for (const std::uint16_t port : ports) filter += " or port " + std::to_string(port);
  return filter;
}

CapturePlan plan_capture(const CommonOptions& options, const KernelState* state, const std::vector<Service>& services,
                         bool complete) {
  CapturePlan plan;
  plan.interfaces = options.interfaces;
  if (plan.interfaces.empty() && state != nullptr) {
    plan.interfaces = interfaces_of(*state, services);
    if (plan.interfaces.size() > kMostInterfaces) {
      plan.notes.push_back("this host has " + std::to_string(plan.interfaces.size()) +
                           " interfaces with routes: captured on 'any'; -i chooses");
      plan.interfaces = {"any"};
    }
  }
  if (plan.interfaces.empty()) plan.interfaces = {"any"};

  const std::string own = complete ? filter_of(state, services) : std::string();
  plan.filter_untagged = all_of(own, options.filter);
  plan.filter = plan.filter_untagged;
  // Tags that the card did not take out stand in the frame; "vlan" shifts every offset of what stands after it.
  if (!plan.filter.empty()) plan.filter = "(" + plan.filter + ") or (vlan and (" + plan.filter + "))";
  return plan;
}

}  // namespace lvsnat::tool
