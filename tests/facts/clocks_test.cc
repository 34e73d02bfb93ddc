#include "facts/clocks.h"

#include <gtest/gtest.h>

#include <array>

#include "lvsnat/packet.h"

namespace lvsnat {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr Timestamp kBegin = 1'700'000'000 * kSecond;

/// Two captures, "outside" and "inside", of one minute each; path 1 is seen in the first, 2 in the second.
struct Scene {
  std::array<Path, 3> paths{};
  std::vector<Vantage> vantages{2};
  std::vector<SourceStatistics> sources{2};

  Scene() {
    paths[1].vantage = 0, paths[2].vantage = 1;
    vantages[0].source_index = 0, vantages[1].source_index = 1;
    sources[0].name = "outside.pcap", sources[1].name = "inside.pcap";
    for (SourceStatistics& s : sources) s.packets = 1000, s.first = kBegin, s.last = kBegin + 60 * kSecond;
  }
  [[nodiscard]] Clocks clocks() const { return {paths, vantages, sources}; }
};

LegCount leg(std::uint16_t path, Timestamp first, Timestamp last, std::uint32_t packets = 5) {
  LegCount l;
  l.path = path, l.first = first, l.last = last, l.packets = packets;
  l.syn = l.fin = true;
  return l;
}

/// Whole, in a director that takes 0.2 ms, its inside timed by a clock that is `ahead` of the other.
Connection connection(Timestamp at, std::int64_t ahead) {
  Connection c;
  c.protocol = kTcp;
  c.kind = ConnectionKind::masqueraded;
  constexpr std::int64_t kTook = kMs / 5, kLasts = 900 * kMs;
  c.legs[index(Leg::request)] = leg(1, at, at + kLasts);
  c.legs[index(Leg::demasq)] = leg(2, at + kTook + ahead, at + kTook + kLasts + ahead);
  c.legs[index(Leg::reply)] = leg(2, at + 2 * kMs + ahead, at + 2 * kMs + kLasts + ahead);
  c.legs[index(Leg::masq)] = leg(1, at + 2 * kMs + kTook, at + 2 * kMs + kTook + kLasts);
  c.first = c.legs[0].first;
  for (const LegCount& l : c.legs) c.first = std::min(c.first, l.first);
  return c;
}

/// Of it only the requests, of which nobody answered any.
Connection unanswered(Timestamp at, std::int64_t ahead) {
  Connection c = connection(at, ahead);
  c.legs[index(Leg::reply)] = c.legs[index(Leg::masq)] = {};
  for (const Leg l : {Leg::request, Leg::demasq}) c.legs[index(l)].fin = false;
  return c;
}

std::vector<ClockSkew> after(const Scene& scene, std::initializer_list<Connection> connections) {
  Clocks clocks = scene.clocks();
  for (const Connection& c : connections) clocks.add(c);
  return clocks.skews();
}

TEST(Clocks, OneClockIsNotTwo) {
  const Scene scene;
  for (const std::int64_t ahead : {std::int64_t{0}, kMs / 2, -kMs / 2}) {
    Clocks clocks = scene.clocks();
    for (int n = 0; n < 100; ++n) clocks.add(connection(kBegin + n * kSecond / 4, ahead));
    EXPECT_TRUE(clocks.skews().empty()) << ahead;
  }
}

TEST(Clocks, WhatLeftBeforeItCameTellsByHowMuch) {
  const Scene scene;
  for (const std::int64_t ahead : {-1100 * kMs, 1100 * kMs, 20 * kMs, -20 * kMs, 3600 * kSecond, -3600 * kSecond}) {
    Clocks clocks = scene.clocks();
    for (int n = 0; n < 9; ++n) clocks.add(connection(kBegin + n * kSecond, ahead));
    const std::vector<ClockSkew> skews = clocks.skews();
    ASSERT_EQ(skews.size(), 1u) << ahead;
    EXPECT_EQ(skews[0].behind, ahead < 0 ? 1 : 0);
    EXPECT_EQ(skews[0].ahead, ahead < 0 ? 0 : 1);
    EXPECT_EQ(skews[0].connections, 9u);
    EXPECT_TRUE(skews[0].is_known());
    EXPECT_LE(skews[0].least, std::abs(ahead));
    EXPECT_GE(skews[0].least, std::abs(ahead) - kMs);
    ASSERT_TRUE(skews[0].most);
    EXPECT_GE(*skews[0].most, std::abs(ahead));
  }
}

TEST(Clocks, TheSentenceNamesBothAndTheCure) {
  const Scene scene;
  const auto skews = after(scene, {connection(kBegin, -1100 * kMs), connection(kBegin + kSecond, -1100 * kMs),
                                   connection(kBegin + 2 * kSecond, -1100 * kMs)});
  ASSERT_EQ(skews.size(), 1u);
  const std::string text = sentence(skews[0], scene.sources);
  EXPECT_NE(text.find("inside.pcap was timed by a clock that is behind that of outside.pcap, by about 1.1 s: packets of 3 "),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("editcap -t 1.100 inside.pcap OUTPUT"), std::string::npos) << text;
}

TEST(Clocks, RequestsAloneTellHowMuchAtLeast) {
  const Scene scene;
  const auto skews = after(scene, {unanswered(kBegin + 5 * kSecond, -kSecond), unanswered(kBegin + 6 * kSecond, -kSecond),
                                   unanswered(kBegin + 7 * kSecond, -kSecond)});
  ASSERT_EQ(skews.size(), 1u);
  EXPECT_FALSE(skews[0].is_known());
  const std::string text = sentence(skews[0], scene.sources);
  EXPECT_NE(text.find("by at least 999.8 ms"), std::string::npos) << text;
  EXPECT_EQ(text.find("inside.pcap OUTPUT"), std::string::npos) << text;
  // A request that takes long proves nothing.
  EXPECT_TRUE(after(scene, {unanswered(kBegin + 5 * kSecond, kSecond), unanswered(kBegin + 6 * kSecond, kSecond),
                            unanswered(kBegin + 7 * kSecond, kSecond)})
                  .empty());
}

TEST(Clocks, TwoConnectionsProveNothing) {
  EXPECT_TRUE(after(Scene(), {connection(kBegin, -kSecond), connection(kBegin + kSecond, -kSecond)}).empty());
}

TEST(Clocks, OneThatContradictsWithdrawsIt) {
  const Scene scene;
  const Connection late = connection(kBegin, -kSecond), other = connection(kBegin + kSecond, -kSecond);
  // Set right in between: less behind than was proved, or not at all.
  EXPECT_TRUE(after(scene, {late, other, late, connection(kBegin, 0)}).empty());
  EXPECT_TRUE(after(scene, {late, other, late, connection(kBegin, kSecond)}).empty());
  EXPECT_TRUE(after(scene, {late, other, late, connection(kBegin, -3 * kSecond)}).empty());
  const Connection request = unanswered(kBegin + 5 * kSecond, -kSecond);
  EXPECT_FALSE(after(scene, {request, request, request}).empty());
  EXPECT_TRUE(after(scene, {request, request, request, unanswered(kBegin + 5 * kSecond, 0)}).empty());
}

TEST(Clocks, ACaptureThatBeganLateIsNoOtherClock) {
  Scene scene;
  // The outside began half a second later and ended later: of SYNs sent each second it has the second to fourth, the inside the
  // first to third.
  scene.sources[0].first = kBegin + kSecond / 2;
  Clocks clocks = scene.clocks();
  for (int n = 1; n < 9; ++n) {
    const Timestamp at = kBegin + n * 50 * kMs;
    Connection c = unanswered(at, 0);
    c.legs[index(Leg::request)] = leg(1, at + kSecond, at + 3 * kSecond, 3);
    c.legs[index(Leg::demasq)] = leg(2, at, at + 2 * kSecond, 3);
    c.first = at;
    clocks.add(c);
  }
  EXPECT_TRUE(clocks.skews().empty());
}

TEST(Clocks, CapturesWithNoMomentInCommonNeedNotHaveRunAtOnce) {
  Scene scene;
  scene.sources[1].first = kBegin - 3600 * kSecond, scene.sources[1].last = kBegin - 3500 * kSecond;
  Clocks clocks = scene.clocks();
  for (int n = 0; n < 3; ++n) clocks.add(unanswered(kBegin + n * kSecond, -3600 * kSecond));
  EXPECT_EQ(clocks.skews().size(), 1u);
}

TEST(Clocks, ALostSynIsNoOtherClock) {
  const Scene scene;
  Clocks clocks = scene.clocks();
  for (int n = 0; n < 9; ++n) {
    // The outside's capture missed the first SYN and its answer, and nothing else.
    Connection c = connection(kBegin + n * kSecond, 0);
    for (const Leg l : {Leg::request, Leg::masq}) c.legs[index(l)].first += kSecond, --c.legs[index(l)].packets;
    clocks.add(c);
    // Or it had something else twice: of the last packets nothing is wrong.
    for (const Leg l : {Leg::request, Leg::masq}) ++c.legs[index(l)].packets;
    clocks.add(c);
  }
  EXPECT_TRUE(clocks.skews().empty());
}

TEST(Clocks, OfOneFileOrLiveThereIsOneClock) {
  Scene one;
  one.vantages[1].source_index = 0;  // two interfaces of one pcapng file
  one.sources.pop_back();
  EXPECT_FALSE(one.clocks().may_differ());
  Scene live;
  for (SourceStatistics& s : live.sources) s.live = true;
  EXPECT_FALSE(live.clocks().may_differ());
  for (const Scene& scene : {one, live}) {
    const Connection c = connection(kBegin, -kSecond);
    EXPECT_TRUE(after(scene, {c, c, c, c}).empty());
  }
}

}  // namespace
}  // namespace lvsnat
