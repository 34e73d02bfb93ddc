#include "facts/half_open_tally.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "facts/survey.h"
#include "support/packets.h"

namespace lvsnat {
namespace {

using track::at;
using track::Bench;
using track::kMs;
using track::kStart;
using track::Made;
using track::Seen;

const Endpoint kVip = at("192.0.2.1:80"), kRips[] = {at("172.16.0.2:8080"), at("172.16.0.3:8080")};

/// A flood for twenty seconds, of all that may be in one; among it what is none.
std::vector<Packet> flood() {
  std::vector<Packet> packets;
  for (unsigned n = 0; n < 4'000; ++n) {
    Endpoint client = at("10.0.0.1:1024");
    client.address.bytes[14] = static_cast<std::uint8_t>(n / 8 % 256);
    client.port = static_cast<std::uint16_t>(1024 + n);
    const Endpoint& rip = kRips[n / 16 % 2];
    const Timestamp t = n * 5 * kMs;
    const auto made = [&](Seen seen, unsigned flags, Timestamp after) {
      const Endpoint& server = seen == Seen::request || seen == Seen::masq ? kVip : rip;
      const bool asks = seen == Seen::request || seen == Seen::demasq;
      return Made(asks ? client : server, asks ? server : client, seen)
          .flags(flags)
          .seq(asks ? n * 7 + 1 : n * 9 + 1, (flags & kAck) == 0 ? 0
                                             : asks              ? n * 9 + 2
                                                                 : n * 7 + 2)
          .id(n)
          .after(t + after);
    };
    const unsigned what = n % 10;
    if (what == 7) {  // to nobody's service
      packets.push_back(Made(client, at("192.0.2.9:22"), Seen::elsewhere).flags(kSyn).seq(n * 7 + 1).after(t));
      continue;
    }
    if (what == 8) {  // seen inside alone
      packets.push_back(made(Seen::demasq, kSyn, 0));
      continue;
    }
    if (what == 2) {  // the two sides in the wrong order, or at one time
      packets.push_back(made(Seen::demasq, kSyn, 0));
      packets.push_back(made(Seen::request, kSyn, n % 20 == 2 ? 0 : 700));
      continue;
    }
    packets.push_back(made(Seen::request, kSyn, 0));
    if (what == 0) continue;
    packets.push_back(made(Seen::demasq, kSyn, 300 + n));
    if (what == 1) continue;
    packets.push_back(made(Seen::reply, kSyn | kAck, 2 * kMs + n));
    if (what == 3) continue;
    packets.push_back(made(Seen::masq, kSyn | kAck, 3 * kMs));
    if (what == 4 || what == 9) continue;
    if (what == 5) {  // the client tries again
      packets.push_back(made(Seen::request, kSyn, 4 * kMs));
      packets.push_back(made(Seen::demasq, kSyn, 4 * kMs + 400));
      continue;
    }
    packets.push_back(made(Seen::request, kAck, 4 * kMs).seq(n * 7 + 2, n * 9 + 2));
    packets.push_back(made(Seen::demasq, kAck, 4 * kMs + 400).seq(n * 7 + 2, n * 9 + 2));
  }
  return packets;
}

struct Surveyed {
  Facts facts;
  std::uint64_t counted = 0;
};

/// `kept`: by the census; nullopt: it counts none.
Surveyed surveyed(const Bench& b, std::optional<std::size_t> kept, std::size_t max_suspects) {
  const std::vector<Vantage> vantages(1);
  const Journal journal;
  Service service;
  service.vip = kVip.address;
  service.port = kVip.port;
  for (const Endpoint& rip : kRips) {
    Destination& d = service.destinations.emplace_back();
    d.rip = rip.address;
    d.port = rip.port;
  }
  std::vector<Declaration> declared(1);
  declared[0].services.push_back(service);
  SurveyInput in;
  in.tracker = &b.tracker;
  in.journal = &journal;
  in.declared = &declared;
  in.vantages = &vantages;
  in.first = kStart;
  in.last = kStart + 20 * kSecond;
  Census census =
      take_census(b.tracker, journal, kept ? HalfOpenLimit{*kept, in.last - 2 * kSecond, in.key} : HalfOpenLimit{.key = in.key});
  const Roles roles = assign_roles(b.tracker, journal, declared, nullptr, census);
  in.roles = &roles;
  const std::uint64_t counted = census.half_open.count;
  return {survey(in, std::move(census), max_suspects), counted};
}

void expect_same(const std::optional<Latency>& a, const std::optional<Latency>& b) {
  ASSERT_EQ(a.has_value(), b.has_value());
  if (!a) return;
  EXPECT_EQ(a->count, b->count);
  EXPECT_EQ(a->p50, b->p50);
  EXPECT_EQ(a->p99, b->p99);
  EXPECT_EQ(a->max, b->max);
}

void expect_same(const Facts& a, const Facts& b) {
  EXPECT_EQ(a.connections.total, b.connections.total);
  EXPECT_EQ(a.connections.healthy, b.connections.healthy);
  EXPECT_EQ(a.connections.legs, b.connections.legs);
  EXPECT_EQ(a.connections.unrelated, b.connections.unrelated);
  expect_same(a.connections.director_request, b.connections.director_request);
  expect_same(a.connections.director_reply, b.connections.director_reply);
  expect_same(a.connections.real_server, b.connections.real_server);
  expect_same(a.connections.client, b.connections.client);
  EXPECT_EQ(a.half_open, b.half_open);
  EXPECT_EQ(a.half_open_clients, b.half_open_clients);
  EXPECT_EQ(a.half_open_peak, b.half_open_peak);
  EXPECT_EQ(a.half_open_from, b.half_open_from);
  EXPECT_EQ(a.half_open_to, b.half_open_to);
  EXPECT_EQ(a.completed, b.completed);
  EXPECT_EQ(a.service_packets, b.service_packets);
  EXPECT_EQ(a.suspects_left_out, b.suspects_left_out);
  ASSERT_EQ(a.tallies.size(), b.tallies.size());
  for (std::size_t i = 0; i < a.tallies.size(); ++i) {
    EXPECT_EQ(a.tallies[i].connections, b.tallies[i].connections);
    EXPECT_EQ(a.tallies[i].legs, b.tallies[i].legs);
    ASSERT_EQ(a.tallies[i].destinations.size(), b.tallies[i].destinations.size());
    for (std::size_t d = 0; d < a.tallies[i].destinations.size(); ++d) {
      EXPECT_EQ(a.tallies[i].destinations[d].connections, b.tallies[i].destinations[d].connections);
      EXPECT_EQ(a.tallies[i].destinations[d].legs, b.tallies[i].destinations[d].legs);
      expect_same(a.tallies[i].destinations[d].real_server, b.tallies[i].destinations[d].real_server);
    }
  }
  const auto records = [](const Facts& f) {
    std::vector<std::uint32_t> all;
    for (const Suspect& s : f.suspects) all.push_back(s.connection.record);
    return all;
  };
  EXPECT_EQ(records(a), records(b));
}

class HalfOpen : public testing::Test {
 protected:
  HalfOpen() : bench_(8'192, 16'384) {
    bench_.tracker.declare(kVip.address, kVip.port, kTcp, true);
    for (const Endpoint& rip : kRips) bench_.tracker.declare(rip.address, rip.port, kTcp, false);
    bench_.feed(flood());
  }
  Bench bench_;
};

TEST_F(HalfOpen, CountedTellAsMuchAsLookedAt) {
  const Surveyed one_by_one = surveyed(bench_, std::nullopt, 800), counted = surveyed(bench_, 200, 800);
  EXPECT_EQ(one_by_one.counted, 0U);
  EXPECT_GT(counted.counted, 1'500U);
  EXPECT_GT(one_by_one.facts.half_open, 1'700U);
  EXPECT_EQ(one_by_one.facts.half_open_clients, 256U);
  EXPECT_GT(one_by_one.facts.connections.unrelated, 300U);
  expect_same(counted.facts, one_by_one.facts);
}

// The census counts too early for this survey, which then looks at each of those that were counted.
TEST_F(HalfOpen, CountedTooEarlyAreLookedAt) {
  const Surveyed one_by_one = surveyed(bench_, std::nullopt, 800), counted = surveyed(bench_, 20, 800);
  EXPECT_GT(counted.counted, 1'700U);
  expect_same(counted.facts, one_by_one.facts);
}

TEST(Seconds, AreCountedByTheirNumber) {
  Seconds a, b;
  for (const Timestamp time : {5 * kSecond, 5 * kSecond + 1, 6 * kSecond - 1, 6 * kSecond, 5 * kSecond}) a.add(time);
  b.add(6 * kSecond);
  b.add(9, 3);
  a.merge(b);
  EXPECT_EQ(a.counts(), (std::map<Timestamp, std::uint64_t>{{5, 4}, {6, 2}, {9, 3}}));
}

TEST(Seconds, BeyondTheLimitAreLeftOut) {
  Seconds seconds;
  for (Timestamp second = 1; second <= 100'001; ++second) seconds.add(second * kSecond);
  seconds.add(7 * kSecond);
  EXPECT_EQ(seconds.counts().size(), 100'000U);
  EXPECT_EQ(seconds.counts().at(7), 2U);
}

}  // namespace
}  // namespace lvsnat
