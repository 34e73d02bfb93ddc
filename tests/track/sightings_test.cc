// The same packet seen twice, ways that move, repeats and gaps.
#include "support/packets.h"

namespace lvsnat::track {
namespace {

using Kind = Observation::Kind;
const Endpoint kClient = at("10.0.0.5:40000"), kVip = at("192.0.2.1:80"), kRip = at("172.16.0.2:8080");

Made data(std::uint32_t sequence, Seen seen = Seen::request) {
  return Made(kClient, kVip, seen).flags(kPsh | kAck).seq(sequence, 1).bytes(100).id(sequence);
}

// `any` shows a frame of a VLAN device on its parent too: other MACs or interface, the same TTL and ID.
TEST(Sightings, CopiesCountOnce) {
  Bench b;
  b.feed(
      {data(1000), data(1000, Seen::elsewhere).after(kMs / 100), data(1100).after(kMs), data(1100, Seen::elsewhere).after(kMs)});
  ASSERT_EQ(b.live().size(), 1U);
  EXPECT_EQ(b.live()[0].way[0].packets, 2U);
  EXPECT_EQ(b.live()[0].way[0].bytes(), 280U);
  EXPECT_EQ(b.tracker.counters().duplicates, 2U);
  EXPECT_EQ(b.seen.size(), 0U);
}

TEST(Sightings, OneThatLeavesUnchangedIsForwarded) {
  Bench b;
  b.feed({data(1000), data(1000, Seen::masq).ttl(62).after(kMs / 100), data(1100).after(kMs),
          data(1100, Seen::masq).ttl(62).after(kMs)});
  ASSERT_EQ(b.live().size(), 1U);
  EXPECT_EQ(b.live()[0].way[0].packets, 2U);
  EXPECT_NE(b.live()[0].way[0].flags & kForwarded, 0);
  EXPECT_EQ(b.count(Kind::forwarded), 1U);
}

TEST(Sightings, NewDataOnAnotherPathHasMoved) {
  Bench b;
  b.feed({data(1000), data(1100, Seen::elsewhere).after(kMs), data(1200, Seen::elsewhere).after(2 * kMs)});
  ASSERT_EQ(b.live().size(), 1U);
  EXPECT_EQ(b.live()[0].way[0].packets, 3U);
  EXPECT_NE(b.live()[0].way[0].flags & kMoved, 0);
  EXPECT_EQ(b.count(Kind::moved), 1U);
}

TEST(Sightings, RepeatsCountAndAreTold) {
  Bench b;
  b.feed({data(1000), data(1000).id(7).after(200 * kMs), data(1000).id(8).after(600 * kMs)});
  EXPECT_EQ(b.live()[0].way[0].packets, 3U);
  EXPECT_EQ(b.live()[0].way[0].repeats(), 2);
  EXPECT_EQ(b.count(Kind::repeat), 2U);
  EXPECT_EQ(b.tracker.counters().duplicates, 0U);
}

// A storm of repeats fills neither the observations nor the counters.
TEST(Sightings, RepeatsSaturate) {
  Bench b;
  std::vector<Packet> packets;
  for (unsigned i = 0; i < 1000; ++i) packets.push_back(data(1000).id(i + 1).after(i * 200 * kMs));
  b.feed(packets);
  EXPECT_EQ(b.live()[0].way[0].packets, 1000U);
  EXPECT_EQ(b.live()[0].way[0].repeats(), 15);
  EXPECT_EQ(b.live()[0].way[0].unanswered(), 15);
  EXPECT_EQ(b.count(Kind::repeat), 8U);
}

TEST(Sightings, KeepAlivesAreNoRepeats) {
  Bench b;
  b.feed({data(1000), Made(kClient, kVip, Seen::request).flags(kAck).seq(1099, 1).bytes(1).id(2).after(kSecond)});
  EXPECT_EQ(b.live()[0].way[0].repeats(), 0);
}

TEST(Sightings, GapsAreCounted) {
  Bench b;
  b.feed({data(1000), data(1300).after(kMs)});
  EXPECT_EQ(b.live()[0].way[0].holes(), 1);
  EXPECT_EQ(b.live()[0].way[0].repeats(), 0);
}

TEST(Sightings, ResetsAndNewServerNumbersAreTold) {
  Bench b;
  b.feed({Made(kClient, kVip, Seen::request).flags(kSyn).seq(10),
          Made(kVip, kClient, Seen::masq).flags(kSyn | kAck).seq(500, 11).after(kMs),
          Made(kVip, kClient, Seen::masq).flags(kSyn | kAck).seq(900, 11).id(4).after(2 * kMs),
          Made(kVip, kClient, Seen::masq).flags(kRst).seq(901).after(3 * kMs),
          Made(kVip, kClient, Seen::masq).flags(kRst).seq(901).after(4 * kMs)});
  ASSERT_EQ(b.live().size(), 1U);
  EXPECT_EQ(b.count(Kind::new_isn), 1U);
  EXPECT_EQ(b.count(Kind::reset), 1U);
}

TEST(Sightings, WhatWaitsForWhat) {
  Bench b;
  const std::vector<Packet> packets = dialogue(kClient, kVip, kRip);
  b.feed({packets.begin(), packets.begin() + 3});  // SYN on both sides, SYN-ACK on the inner one
  const Record r = b.live()[0];
  EXPECT_EQ(r.way[0].unanswered(), 1);  // no SYN-ACK has left yet
  EXPECT_EQ(r.way[0].unpaired(), 0);
  EXPECT_EQ(r.way[2].unanswered(), 0);
  EXPECT_EQ(r.way[3].unpaired(), 1);
  EXPECT_EQ(r.way[1].packets, 0U);
}

TEST(Sightings, WhatIsNoTransportIsHandedOn) {
  Packet arp;
  arp.kind = Packet::Kind::arp;
  Bench b;
  b.feed({arp, data(1000), arp});
  EXPECT_EQ(b.count(Kind::other), 2U);
  EXPECT_EQ(b.seen[1].packet, 2U);
}

TEST(Sightings, ActiveFtpDataComesFromTheServer) {
  const Endpoint control = at("192.0.2.1:20");
  Bench b;
  b.feed({Made(control, kClient, Seen::masq).flags(kSyn).seq(10),
          Made(kClient, control, Seen::request).flags(kSyn | kAck).seq(70, 11)});
  ASSERT_EQ(b.live().size(), 1U);
  EXPECT_EQ(b.endpoint(b.live()[0], 0), control);
}

}  // namespace
}  // namespace lvsnat::track
