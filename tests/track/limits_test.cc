// What gives way when the table is full, and what leaves it when it is over.
#include "support/packets.h"

namespace lvsnat::track {
namespace {

const Endpoint kVip = at("192.0.2.1:80"), kRip = at("172.16.0.2:8080");

Endpoint client(std::uint32_t n) { return {Address::v4(0x0a000000 + n), static_cast<std::uint16_t>(40'000)}; }
Made syn(std::uint32_t n, Timestamp t = 0) { return Made(client(n), kVip, Seen::request).flags(kSyn).seq(n * 3 + 1).after(t); }

constexpr Tracker::Idle kIdle{10 * kSecond, 60 * kSecond, 900 * kSecond};

TEST(Limits, HalfOpenOnesMakeRoomFirst) {
  Bench b(16);
  b.feed(dialogue(client(1), kVip, kRip));
  for (std::uint32_t n = 2; n < 200; ++n) b.feed({syn(n, n * kMs)});
  EXPECT_EQ(b.tracker.live(), 16U);
  EXPECT_EQ(b.tracker.counters().evicted_half_open, 198U - 15U);
  EXPECT_EQ(b.tracker.counters().evicted_other + b.tracker.counters().evicted_closed, 0U);
  EXPECT_EQ(b.gone.size(), 183U);
  EXPECT_NE(b.tracker.find(client(1).address, 40'000, kTcp), kNone);
}

TEST(Limits, ThenThoseThatEnded) {
  Bench b(8);
  std::vector<Packet> open = dialogue(client(1), kVip, kRip);
  open.resize(12);  // no FIN
  b.feed(open);
  for (std::uint32_t n = 2; n < 40; ++n) b.feed(dialogue(client(n), kVip, kRip, n * 1000, n * kMs));
  EXPECT_EQ(b.tracker.counters().evicted_closed, 38U - 7U);
  EXPECT_EQ(b.tracker.counters().evicted_other, 0U);
  EXPECT_NE(b.tracker.find(client(1).address, 40'000, kTcp), kNone);
}

// A block of users as long as many views at what might go, and a flood around it: nobody who was answered goes.
TEST(Limits, AFloodTakesNobodysPlaceThatWasAnswered) {
  Bench b(2048, 4096);
  for (std::uint32_t n = 0; n < 300; ++n) {
    std::vector<Packet> open = dialogue(client(n), kVip, kRip, n * 1000, n * kMs);
    open.resize(n % 2 == 0 ? 12 : open.size());  // half of them have ended
    b.feed(open);
  }
  for (std::uint32_t n = 1000; n < 20'000; ++n) b.feed({syn(n, n * kMs)});
  EXPECT_EQ(b.tracker.live(), 2048U);
  EXPECT_EQ(b.tracker.counters().evicted_half_open, 19'000U - (2048U - 300U));
  EXPECT_EQ(b.tracker.counters().evicted_other + b.tracker.counters().evicted_closed, 0U);
  for (std::uint32_t n = 0; n < 300; ++n) ASSERT_NE(b.tracker.find(client(n).address, 40'000, kTcp), kNone) << n;
}

// Who came first goes first, and those that were answered are passed over each time round.
TEST(Limits, AFloodLeavesInTheOrderInWhichItCame) {
  Bench b(256, 1024);
  for (std::uint32_t n = 0; n < 256; ++n) {
    if (n % 8 == 0) {
      b.feed(dialogue(client(n), kVip, kRip, n * 1000, n * kMs));
    } else {
      b.feed({syn(n, n * kMs)});
    }
  }
  for (std::uint32_t n = 1000; n < 3000; ++n) b.feed({syn(n, n * kMs)});
  ASSERT_EQ(b.gone.size(), 2000U);
  for (std::size_t i = 1; i < b.gone.size(); ++i) ASSERT_LT(b.gone[i - 1].t0, b.gone[i].t0) << i;
  for (std::uint32_t n = 0; n < 256; n += 8) ASSERT_NE(b.tracker.find(client(n).address, 40'000, kTcp), kNone) << n;
}

// Nor who tries again.
TEST(Limits, WhoTriesAgainStaysLongerThanWhoDoesNot) {
  Bench b(256, 1024);
  for (std::uint32_t n = 0; n < 50; ++n) b.feed({syn(n), syn(n, kSecond)});
  for (std::uint32_t n = 1000; n < 5'000; ++n) b.feed({syn(n, kSecond + n * kMs)});
  for (std::uint32_t n = 0; n < 50; ++n) ASSERT_NE(b.tracker.find(client(n).address, 40'000, kTcp), kNone) << n;
}

// Users who have just come, in a table full of users: what has ended goes, not they.
TEST(Limits, WithoutAFloodTheYoungStay) {
  Bench b(256, 1024);
  for (std::uint32_t n = 0; n < 250; ++n) b.feed(dialogue(client(n), kVip, kRip, n * 1000, n * kMs));
  for (std::uint32_t n = 1000; n < 1200; ++n) {
    const std::vector<Packet> all = dialogue(client(n), kVip, kRip, n * 1000, n * kMs);
    b.feed({all[0]});
    b.feed(dialogue(client(n + 5000), kVip, kRip, n * 1000, n * kMs));
    b.feed({all.begin() + 1, all.end()});
  }
  EXPECT_EQ(b.tracker.counters().evicted_half_open, 0U);
  EXPECT_NE(b.tracker.counters().evicted_closed, 0U);
}

// Resets of connections that nobody knows push nobody out of a full table, and are counted.
TEST(Limits, StrayResetsTakeNoPlaceInAFullTable) {
  Bench b(64);
  for (std::uint32_t n = 0; n < 64; ++n) b.feed(dialogue(client(n), kVip, kRip, n * 1000, n * kMs));
  for (std::uint32_t n = 1000; n < 3'000; ++n) b.feed({Made(client(n), kVip, Seen::request).flags(kRst).seq(n).after(n * kMs)});
  EXPECT_EQ(b.tracker.counters().strays, 2'000U);
  EXPECT_EQ(b.tracker.counters().untracked, 2'000U);
  EXPECT_TRUE(b.gone.empty());
}

// One client endpoint, ever new sequence numbers: each SYN stays as small as a SYN is.
TEST(Limits, OpeningsOfOneClientEndpointNeedNoBodies) {
  Bench b(64, 256, {}, 64, 2);
  std::vector<Packet> packets;
  for (std::uint32_t n = 0; n < 7; ++n) packets.push_back(syn(1, n * kMs));
  for (std::uint32_t n = 0; n < 7; ++n) packets[n].sequence = n * 100'000'000;
  b.feed(packets);
  EXPECT_EQ(b.tracker.live(), 7U);
  EXPECT_EQ(b.tracker.counters().untracked, 0U);
}

TEST(Limits, WhatIsEvictedIsHandedOver) {
  Bench b(1);
  b.feed({syn(1), syn(2, kMs)});
  ASSERT_EQ(b.gone.size(), 1U);
  EXPECT_EQ(b.gone[0].client, client(1).address);
  EXPECT_EQ(b.count(Observation::Kind::retired), 1U);
  EXPECT_EQ(b.tracker.find(client(1).address, 40'000, kTcp), kNone);
  EXPECT_NE(b.tracker.find(client(2).address, 40'000, kTcp), kNone);
}

// Every record of the chain goes, then comes again: no slot may be left behind.
TEST(Limits, ChainsSurviveEviction) {
  Bench b(6, 16);
  for (std::uint32_t n = 0; n < 500; ++n) {
    b.feed({Made(client(n % 3), kVip, Seen::request).flags(kSyn).seq(n * 100'000'000).after(n * kMs)});
    ASSERT_LE(b.tracker.live(), 6U);
    std::size_t found = 0;
    for (std::uint32_t c = 0; c < 3; ++c) {
      for (std::uint32_t id = b.tracker.find(client(c).address, 40'000, kTcp); id != kNone; id = b.tracker.record(id).next) {
        ASSERT_NE(b.tracker.record(id).flags & kInUse, 0);
        ASSERT_EQ(b.tracker.record(id).client, client(c).address);
        ++found;
      }
    }
    ASSERT_EQ(found, b.tracker.live());
  }
}

// One client, one port, ever new sequence numbers: the search stays short, and says when it gave up.
TEST(Limits, AChainIsSearchedSoFarAndNoFurther) {
  Bench b(4096, 8192);
  std::vector<Packet> packets;
  for (std::uint32_t n = 0; n < 2000; ++n) packets.push_back(Made(client(1), kVip, Seen::request).flags(kSyn).seq(n * 2'000'003));
  b.feed(packets);
  EXPECT_EQ(b.tracker.live(), 2000U);
  EXPECT_GE(b.tracker.counters().chain_overflow, 1900U);
}

TEST(Limits, AFullEndpointTableIsCounted) {
  Bench b(64, 256, {}, 4);
  std::vector<Packet> packets;
  for (unsigned n = 0; n < 10; ++n) {
    packets.push_back(
        Made(client(n), Endpoint{kVip.address, static_cast<std::uint16_t>(80 + n)}, Seen::request).flags(kSyn).seq(n));
  }
  b.feed(packets);
  EXPECT_EQ(b.tracker.live(), 4U);
  EXPECT_EQ(b.tracker.counters().untracked, 6U);
  EXPECT_TRUE(b.tracker.wants_endpoints());
  std::vector<ServerEndpoint> entries(256);
  std::vector<EndpointTable::Slot> slots(1024);
  b.tracker.regrow_endpoints(entries, slots);
  b.feed(packets);
  EXPECT_EQ(b.tracker.live(), 10U);
  EXPECT_EQ(b.tracker.endpoints().size(), 10U);
}

TEST(Limits, TheIndexGrowsWhileFull) {
  Bench b(512, 64);
  for (std::uint32_t n = 0; n < 51; ++n) b.feed({syn(n)});
  EXPECT_FALSE(b.tracker.wants_index());
  b.feed({syn(51)});
  EXPECT_TRUE(b.tracker.wants_index());
  std::vector<IndexLine> larger(1024 / IndexLine::kSlots);
  b.tracker.regrow_index(larger);
  EXPECT_FALSE(b.tracker.wants_index());
  for (std::uint32_t n = 0; n < 52; ++n) EXPECT_NE(b.tracker.find(client(n).address, 40'000, kTcp), kNone) << n;
  // What comes afterwards still finds what was there before.
  for (std::uint32_t n = 0; n < 52; ++n) b.feed({Made(client(n), kRip, Seen::demasq).flags(kSyn).seq(n * 3 + 1).after(kMs)});
  EXPECT_EQ(b.tracker.live(), 52U);
  EXPECT_EQ(b.joined(), 52U);
  EXPECT_EQ(b.count(Observation::Kind::joined), 1U);  // of one pair, again and again
}

// With 60 of 64 slots taken most lines of the index reach into the next ones, and whatever leaves one has to close the gap.
TEST(Limits, WhatOverflowsItsLineIsFoundAsOthersLeave) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Bench b(60, 64, HashKey{seed * 0x9e3779b97f4a7c15, seed});
    for (std::uint32_t n = 0; n < 600; ++n) {
      b.feed({syn(n, n * kMs)});
      std::size_t found = 0;
      for (std::uint32_t earlier = 0; earlier <= n; ++earlier)
        found += b.tracker.find(client(earlier).address, 40'000, kTcp) != kNone ? 1U : 0U;
      ASSERT_EQ(found, b.tracker.live()) << seed << ' ' << n;
      // The next packet of each is none of a new connection, whether it comes alone or behind others.
      if (n % 50 == 49) {
        std::vector<Packet> twins;
        for (const Record& r : b.live())
          twins.push_back(Made({r.client, r.client_port}, kRip, Seen::demasq).flags(kSyn).seq(r.client_isn).after(n * kMs));
        b.feed(twins);
        ASSERT_EQ(b.tracker.live(), 60U < n + 1 ? 60U : n + 1) << seed << ' ' << n;
        ASSERT_EQ(b.gone.size(), n + 1 - b.tracker.live()) << seed << ' ' << n;
      }
    }
  }
}

// More servers with IPv6 than can be told at a glance: what shares a place with another is found by its hash.
TEST(Limits, ServersWithIpv6AreAsManyAsThereAre) {
  constexpr std::uint32_t kServers = 700;
  const auto host = [](const char* net, std::uint32_t n) {
    Address a = ip(net);
    a.bytes[14] = static_cast<std::uint8_t>(n >> 8);
    a.bytes[15] = static_cast<std::uint8_t>(n);
    return a;
  };
  Bench b(2 * kServers, 4096, {}, 4096);
  for (std::uint32_t round = 0; round < 2; ++round) {
    for (std::uint32_t n = 0; n < kServers; ++n) {
      // Ports tell nothing: the client's is the lower one.
      const Endpoint from{host("2001:db8:c::", n), static_cast<std::uint16_t>(300 + round)};
      const Endpoint vip{host("2001:db8:1::", n), 8080}, rip{host("fd00:2::", n), 8080};
      b.feed(dialogue(from, vip, rip, 1000 + n, round * kSecond));
    }
  }
  const std::vector<Record> all = b.live();
  ASSERT_EQ(all.size(), 2 * kServers);
  for (const Record& r : all) {
    const std::uint32_t n = std::uint32_t{r.client.bytes[14]} << 8 | r.client.bytes[15];
    const int outer = (r.flags & kInnerFirst) != 0 ? 1 : 0;
    ASSERT_NE(r.endpoint[1], kNone);
    EXPECT_EQ(b.endpoint(r, outer).address, host("2001:db8:1::", n));
    EXPECT_EQ(b.endpoint(r, 1 - outer).address, host("fd00:2::", n));
    EXPECT_EQ(Bench::legs(r), Bench::legs(all.front()));
  }
}

TEST(Limits, IdleOnesRetireByWhatTheyWaitFor) {
  Bench b;
  b.feed(dialogue(client(1), kVip, kRip));  // ended
  b.feed({syn(2)});                         // half open
  std::vector<Packet> open = dialogue(client(3), kVip, kRip, 5000);
  open.resize(12);
  b.feed(open);
  b.retire_idle(kStart + 9 * kSecond, kIdle, 100);
  EXPECT_EQ(b.tracker.live(), 3U);
  b.retire_idle(kStart + 20 * kSecond, kIdle, 100);
  EXPECT_EQ(b.tracker.live(), 2U);
  EXPECT_EQ(b.gone.back().client, client(1).address);
  b.retire_idle(kStart + 100 * kSecond, kIdle, 100);
  EXPECT_EQ(b.tracker.live(), 1U);
  EXPECT_EQ(b.gone.back().client, client(2).address);
  b.retire_idle(kStart + 1000 * kSecond, kIdle, 100);
  EXPECT_EQ(b.tracker.live(), 0U);
  b.feed({syn(9)});  // freed records are used again
  EXPECT_EQ(b.tracker.high_water(), 3U);
}

TEST(Limits, RetiringStopsAtItsBudget) {
  Bench b(512, 2048);
  for (std::uint32_t n = 0; n < 300; ++n) b.feed({syn(n)});
  b.retire_idle(kStart + 1000 * kSecond, kIdle, 10);
  EXPECT_EQ(b.gone.size(), 10U);
  b.retire_idle(kStart + 1000 * kSecond, kIdle, 1000);  // and at the room for what retires
  EXPECT_EQ(b.gone.size(), 10U + Tracker::kMaxRetired);
}

}  // namespace
}  // namespace lvsnat::track
