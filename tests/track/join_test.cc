// Which packets become one connection, and which side of it is the VIP's.
#include <algorithm>

#include "support/packets.h"

namespace lvsnat::track {
namespace {

const Endpoint kClient = at("10.0.0.5:40000"), kVip = at("192.0.2.1:80"), kRip = at("172.16.0.2:8080");
const Endpoint kVip2 = at("192.0.2.2:443"), kRip2 = at("172.16.0.3:8443");

TEST(Join, FourLegsAreOneConnection) {
  Bench b;
  b.feed(dialogue(kClient, kVip, kRip));
  ASSERT_EQ(b.live().size(), 1U);
  const Record r = b.live()[0];
  EXPECT_EQ(Bench::legs(r), "5/5/4/4");
  EXPECT_EQ(b.endpoint(r, 0), kVip);
  EXPECT_EQ(b.endpoint(r, 1), kRip);
  EXPECT_EQ(r.flags & (kOriented | kInnerFirst | kAnswered), kOriented | kAnswered);
  EXPECT_EQ(r.way[0].bytes(), 5U * 40 + 100);
  EXPECT_EQ(r.way[3].bytes(), 4U * 40 + 1000);
  EXPECT_EQ(b.count(Observation::Kind::joined), 1U);
  EXPECT_EQ(b.count(Observation::Kind::repeat), 0U);
  for (const Way& w : r.way) {
    EXPECT_EQ(w.repeats(), 0);
    EXPECT_EQ(w.holes(), 0);
  }
}

// Two interfaces deliver from two rings: the forwarded copy may come first.
TEST(Join, OrderOfDeliveryDoesNotMatter) {
  const std::vector<Packet> in_order = dialogue(kClient, kVip, kRip);
  std::vector<Packet> swapped = in_order;
  for (std::size_t i = 0; i + 1 < swapped.size(); i += 2) std::swap(swapped[i], swapped[i + 1]);
  Bench b;
  b.feed(swapped);
  ASSERT_EQ(b.live().size(), 1U);
  const Record r = b.live()[0];
  EXPECT_EQ(Bench::legs(r), "5/5/4/4");
  EXPECT_NE(r.flags & kInnerFirst, 0);
  EXPECT_EQ(b.endpoint(r, 0), kRip);
  EXPECT_EQ(r.t0, in_order[0].time);
}

TEST(Join, MidStreamBySequenceNumbers) {
  std::vector<Packet> packets = dialogue(kClient, kVip, kRip);
  packets.erase(packets.begin(), packets.begin() + 6);
  Bench b;
  b.feed(packets);
  ASSERT_EQ(b.live().size(), 1U);
  EXPECT_EQ(Bench::legs(b.live()[0]), "3/3/3/3");
}

TEST(Join, Ipv6) {
  const Endpoint client = at("[2001:db8::5]:40000"), vip = at("[2001:db8:f::1]:80"), rip = at("[fd00::2]:8080");
  Bench b;
  b.feed(dialogue(client, vip, rip));
  ASSERT_EQ(b.live().size(), 1U);
  EXPECT_EQ(Bench::legs(b.live()[0]), "5/5/4/4");
  EXPECT_EQ(b.endpoint(b.live()[0], 0), vip);
}

TEST(Join, AnUsedPortBeginsAnew) {
  std::vector<Packet> packets = dialogue(kClient, kVip, kRip, 1000);
  const std::vector<Packet> again = dialogue(kClient, kVip, kRip, 90'000'000, kSecond);
  packets.insert(packets.end(), again.begin(), again.end());
  // The last acknowledgement of the first one is late.
  std::rotate(packets.begin() + 16, packets.begin() + 18, packets.begin() + 24);
  Bench b;
  b.feed(packets);
  ASSERT_EQ(b.live().size(), 2U);
  for (const Record& r : b.live()) EXPECT_EQ(Bench::legs(r), "5/5/4/4");
}

TEST(Join, AnUsedPortMayMeetAnotherRealServer) {
  std::vector<Packet> packets = dialogue(kClient, kVip, kRip, 1000);
  const std::vector<Packet> again = dialogue(kClient, kVip, kRip2, 90'000'000, kSecond);
  packets.insert(packets.end(), again.begin(), again.end());
  Bench b;
  b.feed(packets);
  ASSERT_EQ(b.live().size(), 2U);
  EXPECT_EQ(b.endpoint(b.live()[0], 1), kRip);
  EXPECT_EQ(b.endpoint(b.live()[1], 1), kRip2);
  for (const Record& r : b.live()) EXPECT_EQ(Bench::legs(r), "5/5/4/4");
}

TEST(Join, TwoServicesOnOneClientPort) {
  const std::vector<Packet> one = dialogue(kClient, kVip, kRip, 1000), two = dialogue(kClient, kVip2, kRip2, 80'000'000);
  std::vector<Packet> mixed;
  for (std::size_t i = 0; i < one.size(); ++i) {
    mixed.push_back(one[i]);
    mixed.push_back(two[i]);
  }
  Bench b;
  b.feed(mixed);
  ASSERT_EQ(b.live().size(), 2U);
  EXPECT_EQ(b.endpoint(b.live()[0], 1), kRip);
  EXPECT_EQ(b.endpoint(b.live()[1], 1), kRip2);
  for (const Record& r : b.live()) EXPECT_EQ(Bench::legs(r), "5/5/4/4");
}

// The same initial sequence number towards two VIPs: they are declared, so they never join.
TEST(Join, TwoOuterEndpointsNever) {
  Bench b;
  ASSERT_TRUE(b.tracker.declare(kVip.address, kVip.port, kTcp, true));
  ASSERT_TRUE(b.tracker.declare(kVip2.address, kVip2.port, kTcp, true));
  b.feed(
      {Made(kClient, kVip, Seen::request).flags(kSyn).seq(77), Made(kClient, kVip2, Seen::request).flags(kSyn).seq(77).ttl(62)});
  EXPECT_EQ(b.live().size(), 2U);
}

// A declaration knows better than TTLs do.
TEST(Join, DeclaredRolesDecideTheSides) {
  Bench b;
  ASSERT_TRUE(b.tracker.declare(kRip.address, kRip.port, kTcp, false));
  b.feed({Made(kClient, kRip, Seen::demasq).flags(kSyn).seq(77).ttl(64),
          Made(kClient, kVip, Seen::request).flags(kSyn).seq(77).ttl(63)});
  ASSERT_EQ(b.live().size(), 1U);
  EXPECT_NE(b.live()[0].flags & kInnerFirst, 0);
}

TEST(Join, UdpByIpIdAndTtl) {
  Bench b;
  b.feed({Made(kClient, kVip, Seen::request, kUdp).bytes(30).id(9),
          Made(kClient, kRip, Seen::demasq, kUdp).bytes(30).id(9).after(kMs),
          Made(kRip, kClient, Seen::reply, kUdp).bytes(90).id(5).after(2 * kMs),
          Made(kVip, kClient, Seen::masq, kUdp).bytes(90).id(5).after(3 * kMs)});
  ASSERT_EQ(b.live().size(), 1U);
  EXPECT_EQ(Bench::legs(b.live()[0]), "1/1/1/1");
  EXPECT_EQ(b.endpoint(b.live()[0], 1), kRip);
}

TEST(Join, UdpToSomebodyElseIsAnotherConnection) {
  Bench b;  // not one hop further: the client asks two servers
  b.feed({Made(kClient, kVip, Seen::request, kUdp).bytes(30).id(9),
          Made(kClient, kVip2, Seen::request, kUdp).bytes(30).id(9).after(kMs)});
  EXPECT_EQ(b.live().size(), 2U);
  Bench late;  // one hop further, and too late
  late.feed({Made(kClient, kVip, Seen::request, kUdp).bytes(30).id(9),
             Made(kClient, kRip, Seen::demasq, kUdp).bytes(30).id(9).after(5 * kSecond)});
  EXPECT_EQ(late.live().size(), 2U);
}

TEST(Join, UdpWithANewIpIdNeedsLengthHopAndPlace) {
  const Made first = Made(kClient, kVip, Seen::request, kUdp).bytes(30).id(9);
  const auto joins = [&](const Made& second) {
    Bench b;
    b.feed({first, second});
    return b.live().size() == 1;
  };
  EXPECT_TRUE(joins(Made(kClient, kRip, Seen::demasq, kUdp).bytes(30).id(10).after(kMs)));
  EXPECT_FALSE(joins(Made(kClient, kRip, Seen::demasq, kUdp).bytes(31).id(10).after(kMs)));
  EXPECT_FALSE(joins(Made(kClient, kRip, Seen::demasq, kUdp).bytes(30).id(10).ttl(61).after(kMs)));
  EXPECT_FALSE(joins(Made(kClient, kRip, Seen::request, kUdp).bytes(30).id(10).ttl(62).after(kMs)));
}

TEST(Join, UdpEndsWithSilence) {
  Bench b;
  b.feed({Made(kClient, kVip, Seen::request, kUdp).bytes(30),
          Made(kClient, kVip, Seen::request, kUdp).bytes(30).after(299 * kSecond),
          Made(kClient, kVip, Seen::request, kUdp).bytes(30).after(600 * kSecond)});
  EXPECT_EQ(b.live().size(), 2U);
}

TEST(Join, FindGivesTheNewestFirst) {
  Bench b;
  b.feed(dialogue(kClient, kVip, kRip, 1000));
  b.feed(dialogue(kClient, kVip, kRip, 90'000'000, kSecond));
  const std::uint32_t newest = b.tracker.find(kClient.address, kClient.port, kTcp);
  ASSERT_NE(newest, kNone);
  EXPECT_EQ(b.tracker.record(newest).client_isn, 90'000'000U);
  ASSERT_NE(b.tracker.record(newest).next, kNone);
  EXPECT_EQ(b.tracker.record(b.tracker.record(newest).next).client_isn, 1000U);
  EXPECT_EQ(b.tracker.find(kClient.address, kClient.port, kUdp), kNone);
}

}  // namespace
}  // namespace lvsnat::track
