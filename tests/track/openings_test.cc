// Connections of which no more was seen than a SYN: they take a head and no body, and tell as much as others.
#include "support/packets.h"

namespace lvsnat::track {
namespace {

const Endpoint kClient = at("10.0.0.5:40000"), kVip = at("192.0.2.1:80"), kRip = at("172.16.0.2:8080");

Made syn(Timestamp after = 0) { return Made(kClient, kVip, Seen::request).flags(kSyn).seq(1000).id(7).after(after); }
Made rewritten(Timestamp after = kMs) { return Made(kClient, kRip, Seen::demasq).flags(kSyn).seq(1000).id(7).after(after); }

void expect_same(const Record& a, const Record& b) {
  EXPECT_EQ(a.client, b.client);
  EXPECT_EQ(a.client_port, b.client_port);
  EXPECT_EQ(a.protocol, b.protocol);
  EXPECT_EQ(a.flags, b.flags);
  EXPECT_EQ(a.endpoint[0], b.endpoint[0]);
  EXPECT_EQ(a.endpoint[1], b.endpoint[1]);
  EXPECT_EQ(a.next, b.next);
  EXPECT_EQ(a.t0, b.t0);
  EXPECT_EQ(a.last, b.last);
  EXPECT_EQ(a.client_isn, b.client_isn);
  EXPECT_EQ(a.server_isn, b.server_isn);
  EXPECT_EQ(a.client_rtt, b.client_rtt);
  EXPECT_EQ(a.response, b.response);
  for (int way = 0; way < 4; ++way) EXPECT_EQ(std::memcmp(&a.way[way], &b.way[way], sizeof(Way)), 0) << way;
}

TEST(Openings, TakeNoBody) {
  Bench b(1000, 4096, {}, 1024, 1);  // there is none to be had
  for (unsigned n = 0; n < 500; ++n) {
    const Endpoint client{kClient.address, static_cast<std::uint16_t>(2000 + n)};
    b.feed({Made(client, kVip, Seen::request).flags(kSyn).seq(n), Made(client, kRip, Seen::demasq).flags(kSyn).seq(n)});
  }
  EXPECT_EQ(b.live().size(), 500U);
  EXPECT_EQ(b.joined(), 500U);
  EXPECT_EQ(b.count(Observation::Kind::joined), 1U);  // one pair
  EXPECT_EQ(b.tracker.counters().untracked, 0U);
  EXPECT_EQ(Bench::legs(b.live()[499]), "1/1/0/0");
  // What would need one is counted as not followed, and does no harm.
  const Endpoint client{kClient.address, 2000};
  b.feed(
      {Made(kVip, client, Seen::masq).flags(kSyn | kAck).seq(9, 1), Made(at("10.0.0.6:4000"), kVip, Seen::request).flags(kAck)});
  EXPECT_EQ(b.tracker.counters().untracked, 2U);
  EXPECT_EQ(b.live().size(), 500U);
  EXPECT_EQ(Bench::legs(b.live()[0]), "1/1/0/0");
}

// A copy of a packet changes nothing, but shows an opening to be more than one: the record reads the same before and after.
TEST(Openings, ReadAsRecordsDo) {
  for (const bool joined : {false, true}) {
    Bench b;
    b.feed({syn()});
    if (joined) b.feed({rewritten()});
    const Record before = b.live().at(0);
    b.feed({Made(kClient, kVip, Seen::elsewhere).flags(kSyn).seq(1000).id(7).after(kMs / 10)});
    EXPECT_EQ(b.tracker.counters().duplicates, 1U);
    expect_same(b.live().at(0), before);
    EXPECT_EQ(before.way[0].first, 0U);
    EXPECT_EQ(before.way[0].unanswered(), 1);
    EXPECT_EQ(before.way[0].unpaired(), joined ? 0 : 1);
    EXPECT_EQ(before.way[2].packets, joined ? 1U : 0U);
    EXPECT_EQ(before.way[2].first, joined ? kMs : 0U);
    EXPECT_EQ(before.last, kStart + (joined ? kMs : 0));
  }
}

// Whatever two SYNs an opening cannot hold both of: the record is the one that it would have been anyway.
TEST(Openings, GiveWayToWhatTheyCannotHold) {
  const auto with = [](Packet second) {
    Bench b;
    b.feed({syn(), second});
    return b.live();
  };
  Packet longer = rewritten();
  longer.ip_length = 44;
  EXPECT_EQ(with(longer).at(0).way[2].bytes(), 44U);
  EXPECT_EQ(with(rewritten().id(9)).at(0).way[2].ip_id, 9);
  EXPECT_EQ(with(rewritten(5 * kSecond)).at(0).way[2].first, kFar);
  const Packet earlier = rewritten(-kMs);  // another interface's file came first
  ASSERT_EQ(with(earlier).size(), 1U);
  EXPECT_EQ(with(earlier)[0].t0, kStart - kMs);
  EXPECT_EQ(with(earlier)[0].way[0].first, kMs);
  EXPECT_EQ(with(syn(3 * kSecond).id(8)).at(0).way[0].repeats(), 1);
  EXPECT_EQ(with(rewritten().seq(2000)).size(), 2U);  // another connection's
  EXPECT_EQ(with(rewritten().flags(kSyn | kFin)).at(0).way[2].flags & kSawFin, kSawFin);
}

TEST(Openings, BodiesAreUsedAgain) {
  Bench b(64, 256, {}, 1024, 2);  // one
  constexpr Tracker::Idle idle{kSecond, kSecond, kSecond};
  for (unsigned n = 0; n < 10; ++n) {
    const Timestamp begin = n * 100 * kSecond;
    b.feed(dialogue({kClient.address, static_cast<std::uint16_t>(2000 + n)}, kVip, kRip, 5000, begin));
    EXPECT_EQ(Bench::legs(b.live().at(0)), "5/5/4/4") << n;
    b.retire_idle(kStart + begin + 50 * kSecond, idle, 100);
    EXPECT_EQ(b.live().size(), 0U);
  }
  EXPECT_EQ(b.tracker.counters().untracked, 0U);
}

}  // namespace
}  // namespace lvsnat::track
