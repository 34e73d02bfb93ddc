// Which interfaces and packets lvsdiag and lvstop ask the kernel for.
#include "common/capture_plan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lvsnat/capture.h"

namespace lvsnat::tool {
namespace {

Address address(const char* text) { return parse_address(text).value(); }

Service web(const char* vip, const std::vector<const char*>& rips) {
  Service service;
  service.vip = address(vip);
  service.v6 = !service.vip.is_v4();
  service.port = 80;
  for (const char* rip : rips) {
    Destination destination;
    destination.rip = address(rip);
    destination.port = 8000;
    service.destinations.push_back(destination);
  }
  return service;
}

void add_interface(KernelState& state, const std::string& name, const char* own, const char* network, bool up = true) {
  Link link;
  link.name = name;
  link.up = up;
  state.links.push_back(link);
  InterfaceAddress held;
  held.dev = name;
  held.address = address(own);
  held.length = parse_prefix(network)->length;
  state.addresses.push_back(held);
  Route route;
  route.destination = *parse_prefix(network);
  route.nexthops.push_back({.gateway = {}, .dev = name});
  state.routes.push_back(route);
}

KernelState director() {
  KernelState state;
  add_interface(state, "eth0", "192.168.1.1", "192.168.1.0/24");
  add_interface(state, "eth1", "10.1.1.9", "10.1.1.0/24");
  add_interface(state, "eth2", "172.16.0.1", "172.16.0.0/24");
  add_interface(state, "eth3", "172.17.0.1", "172.17.0.0/24", false);
  add_interface(state, "dummy0", "192.168.1.110", "192.168.1.110/32");
  state.links.back().kind = "dummy";
  return state;
}

TEST(CapturePlan, EveryInterfaceThatLeadsSomewhere) {
  const std::vector<Service> services{web("192.168.1.110", {"10.1.1.2"})};
  // Real servers first; clients may come by the third; down, dummy and loopback carry no leg.
  EXPECT_EQ(interfaces_of(director(), services), (std::vector<std::string>{"eth1", "eth0", "eth2"}));
}

TEST(CapturePlan, TheUserChooses) {
  CommonOptions options;
  options.interfaces = {"bond0", "eth9"};
  const KernelState state = director();
  EXPECT_EQ(plan_capture(options, &state, {}, true).interfaces, options.interfaces);
}

TEST(CapturePlan, NothingKnownIsEverything) {
  const CapturePlan plan = plan_capture({}, nullptr, {}, true);
  EXPECT_EQ(plan.interfaces, std::vector<std::string>{"any"});
  EXPECT_EQ(plan.filter, "");
}

TEST(CapturePlan, TheFilterNamesAllThatARuleMayWantToSee) {
  const KernelState state = director();
  const std::string filter = filter_of(&state, {web("192.168.1.110", {"10.1.1.2"})});
  for (const char* part : {"arp", "icmp", "icmp6", "host 192.168.1.110", "host 10.1.1.2", "host 192.168.1.1", "host 10.1.1.9",
                           "port 80", "port 8000"}) {
    EXPECT_NE(filter.find(part), std::string::npos) << part << " in " << filter;
  }
}

TEST(CapturePlan, WhereNotAllCanBeNamedNothingIsLeftOut) {
  Service marked = web("192.168.1.110", {"10.1.1.2"});
  EXPECT_EQ(filter_of(nullptr, {}), "");
  marked.protocol = ServiceProtocol::fwmark;
  EXPECT_EQ(filter_of(nullptr, {marked}), "");
  std::vector<Service> many;
  for (int i = 0; i < 300; ++i)
    many.push_back(web(("10.2." + std::to_string(i / 200) + "." + std::to_string(i % 200)).c_str(), {}));
  EXPECT_EQ(filter_of(nullptr, many), "");
  const std::vector<Service> services{web("192.168.1.110", {"10.1.1.2"})};
  EXPECT_EQ(plan_capture({}, nullptr, services, false).filter, "");
}

TEST(CapturePlan, FiltersCompile) {
  CommonOptions options;
  options.filter = "tcp or udp";
  const KernelState state = director();
  const std::vector<Service> services{web("192.168.1.110", {"10.1.1.2"}), web("fd00::110", {"fd00:1::2"})};
  const CapturePlan plan = plan_capture(options, &state, services, true);
  EXPECT_TRUE(check_filter(plan.filter).has_value()) << plan.filter;
  EXPECT_TRUE(check_filter(plan.filter_untagged, LinkType::linux_sll2).has_value()) << plan.filter_untagged;
}

}  // namespace
}  // namespace lvsnat::tool
