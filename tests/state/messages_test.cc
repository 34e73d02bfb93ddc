// Netlink messages as the kernel lays them out, and as nobody should.
#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include "state/ipvs_messages.h"
#include "state/netlink.h"
#include "state/route_messages.h"

namespace lvsnat {
namespace {

/// Attributes after a fixed head, built as a request is.
template <std::size_t N>
Request message(const std::uint8_t (&head)[N]) {
  Request r(0);
  std::array<std::uint8_t, N> bytes{};
  std::memcpy(bytes.data(), head, N);
  r.head(bytes);
  return r;
}

const std::uint8_t kDip[] = {10, 1, 1, 9};
const std::uint8_t kRip[] = {10, 1, 1, 2};
const std::uint8_t kClient[] = {192, 168, 1, 254};

DeviceNames devices() {
  DeviceNames names;
  names.names = {{2, "eth0"}, {3, "eth1"}};
  return names;
}

// family, destination length, source length, tos, table, protocol, scope, type, flags
TEST(Messages, ARoute) {
  Request r = message({2, 0, 0, 0, 254, 16, 0, 1, 0, 0, 0, 0});
  r.put(5, kDip).put_u32(4, 2).put_u32(6, 100);
  KernelState s;
  ASSERT_TRUE(read_route_message(r.body(), devices(), s));
  EXPECT_EQ(to_string(s.routes.at(0)), "default via 10.1.1.9 dev eth0 metric 100");
  EXPECT_EQ(s.routes[0].table, "main");
  EXPECT_EQ(s.routes[0].protocol, "dhcp");
}

TEST(Messages, ARouteWithSeveralNextHops) {
  Request r = message({2, 12, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0});
  const std::uint8_t net[] = {172, 16, 0, 0};
  // struct rtnexthop twice: length 16, flags, weight - 1, index, RTA_GATEWAY.
  const std::uint8_t hops[] = {16, 0, 0, 0, 2, 0, 0, 0, 8, 0, 5, 0, 10, 1, 1, 9,
                               16, 0, 1, 4, 3, 0, 0, 0, 8, 0, 5, 0, 10, 1, 1, 1};
  r.put(1, net).put(9, hops).put_u32(15, 1000);
  KernelState s;
  ASSERT_TRUE(read_route_message(r.body(), devices(), s));
  ASSERT_EQ(s.routes.at(0).nexthops.size(), 2u);
  EXPECT_EQ(s.routes[0].table, "1000");
  EXPECT_EQ(s.routes[0].nexthops[1].weight, 5u);
  EXPECT_TRUE(s.routes[0].nexthops[1].dead);
  EXPECT_EQ(s.routes[0].nexthops[1].dev, "eth1");
}

TEST(Messages, ARouteOfMappedAddressesIsNoDefaultRoute) {
  const std::uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
  Request r = message({10, 96, 0, 0, 254, 3, 0, 7, 0, 0, 0, 0});
  r.put(1, mapped).put_u32(4, 2);
  KernelState s;
  EXPECT_TRUE(read_route_message(r.body(), devices(), s)) << "nothing was lost";
  EXPECT_TRUE(s.routes.empty());
  Request rule = message({10, 0, 96, 0, 254, 0, 0, 1, 0, 0, 0, 0});
  rule.put(2, mapped);
  ASSERT_TRUE(read_rule_message(rule.body(), s));
  EXPECT_EQ(s.rules.at(0).not_understood.size(), 1u) << "it must not look like a rule for everything";
}

TEST(Messages, AddressesOfTheOtherFamilyAreRefused) {
  KernelState s;
  for (const std::uint16_t type : std::initializer_list<std::uint16_t>{1, 2, 5, 7}) {  // RTA_DST, _SRC, _GATEWAY, _PREFSRC
    Request r = message({10, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0});
    r.put(type, kDip);
    EXPECT_FALSE(read_route_message(r.body(), devices(), s)) << type;
  }
  Request rule = message({10, 0, 108, 0, 254, 0, 0, 1, 0, 0, 0, 0});
  rule.put(2, kRip);
  EXPECT_FALSE(read_rule_message(rule.body(), s));
}

TEST(Messages, AnExceptionWithItsCountdown) {
  Request r = message({2, 32, 0, 0, 254, 0, 0, 1, 0, 0x02, 0x04, 0});        // RTM_F_CLONED | RTCF_REDIRECTED
  const std::uint8_t info[32] = {0, 0, 0, 0, 0, 0, 0, 0, 0xdc, 0x69, 0, 0};  // 27100 ticks
  r.put(1, kClient).put(5, kClient).put_u32(4, 2).put(12, info);
  KernelState s;
  ASSERT_TRUE(read_exception_message(r.body(), devices(), 100, s));
  EXPECT_TRUE(s.exceptions.at(0).redirected);
  EXPECT_EQ(s.exceptions[0].expires, 271u);
  EXPECT_EQ(s.exceptions[0].dev, "eth0");
}

TEST(Messages, ARule) {
  // family, lengths, tos, table, reserved, action, flags
  Request r = message({2, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0, 0});
  r.put(2, kRip).put_u32(6, 1000).put_u32(15, 100).put_u32(10, 7).put_u32(16, 0xff);
  KernelState s;
  ASSERT_TRUE(read_rule_message(r.body(), s));
  EXPECT_TRUE(s.rules.at(0).inverted);
  EXPECT_EQ(s.rules[0].table, "100");
  EXPECT_EQ(s.rules[0].fwmask, 0xffu);
  EXPECT_EQ(to_string(*s.rules[0].from), "10.1.1.2/32");
  // A selector that a newer kernel knows is not passed over.
  r.put_u8(99, 1);
  ASSERT_TRUE(read_rule_message(r.body(), s));
  EXPECT_EQ(s.rules.at(1).not_understood.size(), 1u);
}

TEST(Messages, AnAddressAndItsPeer) {
  Request r = message({2, 24, 0, 0, 2, 0, 0, 0});
  r.put(1, kRip).put(2, kRip).put_u32(8, 1);
  KernelState s;
  ASSERT_TRUE(read_address_message(r.body(), devices(), s));
  EXPECT_FALSE(s.addresses.at(0).peer);
  EXPECT_TRUE(s.addresses[0].secondary);
  EXPECT_EQ(s.addresses[0].scope, "global");
}

TEST(Messages, ANeighbour) {
  Request r = message({2, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0});
  const std::uint8_t mac[] = {2, 0, 0, 0, 0, 9};
  r.put(1, kDip).put(2, mac);
  KernelState s;
  ASSERT_TRUE(read_neighbour_message(r.body(), devices(), s));
  EXPECT_EQ(s.neighbours.at(0).state, "STALE");
  EXPECT_EQ(to_string(s.neighbours[0].mac), "02:00:00:00:00:09");
}

TEST(Messages, AServiceAndItsDestination) {
  const std::uint8_t vip[16] = {192, 168, 1, 110}, rip[16] = {10, 1, 1, 2}, port[] = {0, 80},
                     flags[] = {1, 0, 0, 0, 255, 255, 255, 255};
  Request inner(0);
  inner.put_u16(1, 2).put_u16(2, 6).put(3, vip).put(4, port).put(7, flags).put_u32(8, 360).put_u32(9, 0x00ffffff);
  const std::uint8_t scheduler[] = "wlc";
  inner.put(6, scheduler);
  Request outer(0);
  outer.put(0x8001, inner.body());
  const auto service = read_service_message(outer.body());
  ASSERT_TRUE(service);
  EXPECT_EQ(to_string(service->service), "tcp:192.168.1.110:80");
  EXPECT_EQ(service->service.persistence, 360u);
  EXPECT_EQ(service->service.persistence_prefix, 24);
  EXPECT_EQ(service->service.scheduler, "wlc");

  Request dest(0);
  dest.put(1, rip).put(2, port).put_u32(3, 0x100).put_u32(4, 3);
  Request destination(0);
  destination.put(0x8002, dest.body());
  const auto d = read_destination_message(destination.body(), false);
  ASSERT_TRUE(d);
  EXPECT_EQ(to_string(d->rip), "10.1.1.2");
  EXPECT_EQ(d->method, Method::masq);
  EXPECT_EQ(d->weight, 3);
}

TEST(Messages, HostileBytesAreRefusedOrPassed) {
  Request r = message({2, 12, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0});
  const std::uint8_t net[] = {172, 16, 0, 0};
  const std::uint8_t hops[] = {16, 0, 0, 0, 2, 0, 0, 0, 8, 0, 5, 0, 10, 1, 1, 9};
  r.put(1, net).put(9, hops);
  const std::vector<std::uint8_t> good = r.body();
  for (std::size_t cut = 0; cut < good.size(); ++cut) {
    KernelState s;
    const std::vector<std::uint8_t> head(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(cut));
    read_route_message(head, devices(), s);
    read_rule_message(head, s);
    read_neighbour_message(head, devices(), s);
    read_address_message(head, devices(), s);
    read_exception_message(head, devices(), 0, s);
    read_service_message(head);
  }
  // Every byte turned into every other: no read beyond the end, no endless loop (a sanitizer watches).
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const std::uint8_t value : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{3}, std::uint8_t{0x7f}, std::uint8_t{0xff}}) {
      std::vector<std::uint8_t> bad = good;
      bad[at] = value;
      KernelState s;
      read_route_message(bad, devices(), s);
      read_exception_message(bad, devices(), 100, s);
    }
  }
  // A prefix longer than its family has bits, and a length that says more than there is.
  KernelState s;
  Request longer = message({2, 33, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0});
  longer.put(1, net);
  EXPECT_FALSE(read_route_message(longer.body(), devices(), s));
  std::vector<std::uint8_t> lying = good;
  lying[12] = 0xff;
  EXPECT_FALSE(read_route_message(lying, devices(), s));
  EXPECT_TRUE(s.routes.empty());
}

}  // namespace
}  // namespace lvsnat
