// The capture thread beside a screen, and the ring that ladders come from. No clock is asked here: tests wait for events.
#include "live.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "app.h"
#include "grid_canvas.h"
#include "recorder.h"
#include "replay.h"
#include "sample.h"

namespace lvsnat::top {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// Ethernet, IPv4, TCP without options or payload.
Bytes tcp(const char* from, const char* to, std::uint8_t flags, std::uint8_t ttl, std::uint16_t id, std::uint32_t sequence = 7) {
  const Endpoint a = sample::endpoint(from), b = sample::endpoint(to);
  Bytes f(54, 0);
  f[5] = 1, f[11] = 2, f[12] = 0x08;
  f[14] = 0x45, f[17] = 40, f[18] = static_cast<std::uint8_t>(id >> 8), f[19] = static_cast<std::uint8_t>(id);
  f[22] = ttl, f[23] = 6;
  std::memcpy(&f[26], &a.address.bytes[12], 4);
  std::memcpy(&f[30], &b.address.bytes[12], 4);
  f[34] = static_cast<std::uint8_t>(a.port >> 8), f[35] = static_cast<std::uint8_t>(a.port);
  f[36] = static_cast<std::uint8_t>(b.port >> 8), f[37] = static_cast<std::uint8_t>(b.port);
  f[38] = static_cast<std::uint8_t>(sequence >> 24), f[39] = static_cast<std::uint8_t>(sequence >> 16);
  f[40] = static_cast<std::uint8_t>(sequence >> 8), f[41] = static_cast<std::uint8_t>(sequence);
  f[46] = 0x50, f[47] = flags, f[48] = 0xff;
  return f;
}

struct Moment {
  Timestamp time;
  Bytes bytes;
};

Frame frame(const Moment& m, std::uint32_t number) {
  Frame f;
  f.time = m.time;
  f.data = m.bytes.data();
  f.captured = f.wire = static_cast<std::uint32_t>(m.bytes.size());
  f.number = number;
  return f;
}

class Film final : public PacketSource {
 public:
  explicit Film(std::vector<Moment> moments) : moments_(std::move(moments)) {
    vantages_.push_back({"film", "eth0", LinkType::ethernet, 0, 0});
  }
  std::size_t read(std::span<Frame> out) override {
    std::size_t n = 0;
    while (n < out.size() && next_ < moments_.size()) {
      out[n++] = frame(moments_[next_], static_cast<std::uint32_t>(next_) + 1);
      ++next_;
    }
    return n;
  }
  [[nodiscard]] bool finished() const override { return next_ >= moments_.size(); }
  [[nodiscard]] const std::vector<Vantage>& vantages() const override { return vantages_; }
  [[nodiscard]] std::vector<SourceStatistics> statistics() const override {
    SourceStatistics s;
    s.name = "film";
    s.packets = next_;
    return {s};
  }

 private:
  std::vector<Moment> moments_;
  std::size_t next_ = 0;
  std::vector<Vantage> vantages_;
};

/// What the kernel has taken and nobody has read when it is stopped, and how many it dropped, which only the end tells.
class Ring final : public PacketSource {
 public:
  explicit Ring(std::vector<Moment> moments) : moments_(std::move(moments)) {
    vantages_.push_back({"eth0", "eth0", LinkType::ethernet, 0, 0});
  }
  std::size_t read(std::span<Frame> out) override {
    if (!stopped_ || out.empty() || finished()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return 0;
    }
    out[0] = frame(moments_[next_], static_cast<std::uint32_t>(next_) + 1);
    ++next_;
    return 1;
  }
  [[nodiscard]] bool finished() const override { return next_ >= moments_.size(); }
  void stop() noexcept override { stopped_ = true; }
  [[nodiscard]] const std::vector<Vantage>& vantages() const override { return vantages_; }
  [[nodiscard]] std::vector<SourceStatistics> statistics() const override {
    SourceStatistics s;
    s.name = "eth0";
    s.live = true;
    s.packets = next_;
    s.dropped = finished() ? 5 : 0;
    return {s};
  }

 private:
  std::vector<Moment> moments_;
  std::size_t next_ = 0;
  std::atomic<bool> stopped_{false};
  std::vector<Vantage> vantages_;
};

constexpr const char *kClient = "192.168.1.254:48734", *kVip = "192.168.1.110:80", *kRip = "10.1.1.2:80";

std::vector<Moment> handshake() {
  const Timestamp t = sample::kNow;
  return {
      {t, tcp(kClient, kVip, kSyn, 64, 11)},
      {t + 20'000, tcp(kClient, kRip, kSyn, 63, 11)},
      {t + 25'000, tcp(kClient, kRip, kSyn, 63, 11)},  // a copy of the same packet
      {t + 400'000, tcp(kRip, kClient, kSyn | kAck, 64, 21)},
      {t + 410'000, tcp(kVip, kClient, kSyn | kAck, 63, 21)},
      {t + 500'000, tcp(kClient, kVip, kAck, 64, 12, 8)},
      {t + 510'000, tcp(kClient, kRip, kAck, 63, 12, 8)},
      {t + 1'000'000'000, tcp("192.168.1.7:1", "192.168.1.8:2", kSyn, 64, 1)},
  };
}

void record(Recorder& recorder, const std::vector<Moment>& moments) {
  std::uint32_t number = 0;
  for (const Moment& m : moments) {
    const Frame f = frame(m, ++number);
    Packet p;
    decode({&f, 1}, {&p, 1});
    recorder.add({&f, 1}, {&p, 1});
  }
}

Connection its_connection() {
  Connection c = sample::connection(1, kClient, kRip, "1234", 0);
  c.first = sample::kNow;
  c.last = sample::kNow + 510'000;
  return c;
}

TEST(Recorder, TheLadderOfAConnectionIsInOrderAndWithoutCopies) {
  Recorder recorder(1 << 20);
  record(recorder, handshake());
  const Ladder ladder = recorder.ladder(its_connection(), {{"film", "eth0", LinkType::ethernet, 0, 0}});
  ASSERT_EQ(ladder.steps.size(), 6u);
  const Leg legs[]{Leg::request, Leg::demasq, Leg::reply, Leg::masq, Leg::request, Leg::demasq};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(ladder.steps[i].leg, legs[i]) << i;
  EXPECT_EQ(ladder.steps[0].text, "SYN");
  EXPECT_EQ(ladder.steps[2].text, "SYN ACK");
  EXPECT_EQ(ladder.steps[0].source, "eth0");
  EXPECT_FALSE(ladder.steps[1].repeat);
  EXPECT_FALSE(ladder.beginning_lost);
}

TEST(Recorder, ARetransmissionIsSaidToBeOne) {
  auto moments = handshake();
  moments.resize(1);
  moments.push_back({sample::kNow + 400'000, tcp(kClient, kVip, kSyn, 64, 12)});
  Recorder recorder(1 << 20);
  record(recorder, moments);
  const Ladder ladder = recorder.ladder(its_connection(), {});
  ASSERT_EQ(ladder.steps.size(), 2u);
  EXPECT_TRUE(ladder.steps[1].repeat);
}

TEST(Recorder, TheRingForgetsItsOldestAndSaysSo) {
  Recorder recorder(1 << 20);
  std::vector<Moment> moments;
  for (int i = 0; i < 40'000; ++i)
    moments.push_back(
        {sample::kNow + i, tcp(kClient, kVip, kAck, 64, static_cast<std::uint16_t>(i), static_cast<std::uint32_t>(i))});
  record(recorder, moments);
  EXPECT_LE(recorder.bytes(), recorder.limit());
  EXPECT_EQ(recorder.packets() + recorder.overwritten(), 40'000u);
  EXPECT_GT(recorder.overwritten(), 0u);
  std::uint32_t expected = static_cast<std::uint32_t>(recorder.overwritten()) + 1;
  recorder.visit_all([&](const Frame& f) {
    EXPECT_EQ(f.number, expected++);
    EXPECT_EQ(std::memcmp(f.data, moments[f.number - 1].bytes.data(), f.captured), 0);
    return true;
  });
  Connection c = its_connection();
  c.last = sample::kNow + 50'000;
  const Ladder ladder = recorder.ladder(c, {});
  EXPECT_TRUE(ladder.beginning_lost);
  EXPECT_EQ(ladder.steps.size(), 2000u);
  EXPECT_EQ(ladder.steps.size() + ladder.left_out, recorder.packets());
}

/// Ethernet, IPv4, ICMP redirect of 10.1.1.9 to 10.1.1.2: what goes from 10.1.1.2:80 to that client's port goes by 10.1.1.254.
Bytes redirect(const char* client, std::uint16_t port) {
  const Endpoint from = sample::endpoint("10.1.1.9:0"), to = sample::endpoint("10.1.1.2:0"), of = sample::endpoint(client);
  Bytes f(70, 0);
  f[5] = 2, f[11] = 1, f[12] = 0x08;
  f[14] = 0x45, f[17] = 56, f[22] = 64, f[23] = 1;
  std::memcpy(&f[26], &from.address.bytes[12], 4);
  std::memcpy(&f[30], &to.address.bytes[12], 4);
  f[34] = 5, f[35] = 1;
  f[38] = 10, f[39] = 1, f[40] = 1, f[41] = 254;
  f[42] = 0x45, f[45] = 40, f[50] = 64, f[51] = 6;
  std::memcpy(&f[54], &to.address.bytes[12], 4);
  std::memcpy(&f[58], &of.address.bytes[12], 4);
  f[63] = 80, f[64] = static_cast<std::uint8_t>(port >> 8), f[65] = static_cast<std::uint8_t>(port);
  return f;
}

// It was sent for another connection, two minutes ago, and takes the replies of this one away.
TEST(Recorder, ARedirectAboutTheClientBelongsToEveryConnectionOfThatRealServer) {
  std::vector<Moment> moments{
      {sample::kNow - 400 * kSecond, redirect("192.168.1.254:0", 1111)},  // forgotten by now
      {sample::kNow - 121 * kSecond, redirect("192.168.1.254:0", 1111)},
      {sample::kNow - 120 * kSecond, redirect("192.168.1.254:0", 2222)},
      {sample::kNow - 60 * kSecond, redirect("192.168.1.253:0", 3333)},  // of somebody else
  };
  const auto after = handshake();
  moments.insert(moments.end(), after.begin(), after.end());
  Recorder recorder(1 << 20);
  record(recorder, moments);
  const Ladder ladder = recorder.ladder(its_connection(), {});
  ASSERT_EQ(ladder.steps.size(), 7u);
  EXPECT_EQ(ladder.steps[0].kind, LadderStep::Kind::event);
  EXPECT_EQ(ladder.steps[0].time, sample::kNow - 120 * kSecond) << "the last of them";
  EXPECT_EQ(ladder.steps[0].text, "ICMP redirect to 10.1.1.2: 192.168.1.254 by way of 10.1.1.254, says 10.1.1.9");
  EXPECT_TRUE(ladder.steps[0].suspicious);
}

TEST(Recorder, SelectedConnectionsOnly) {
  Recorder recorder(1 << 20);
  record(recorder, handshake());
  const Connection c = its_connection();
  std::size_t visited = 0;
  recorder.visit_connections({&c, 1}, [&](const Frame& f) {
    EXPECT_LE(f.number, 7u);
    return ++visited, true;
  });
  EXPECT_EQ(visited, 7u);
}

TEST(Replay, RealTimeWaitsAndSpeedDivides) {
  Replay replay(true);
  EXPECT_EQ(replay.wait_for(1000 * kSecond, 5), 0);
  EXPECT_EQ(replay.wait_for(1001 * kSecond, 5), kSecond);
  replay.set_speed(4, 5);
  EXPECT_EQ(replay.wait_for(1001 * kSecond, 5), 0);
  EXPECT_EQ(replay.wait_for(1002 * kSecond, 5), kSecond / 4);
  EXPECT_EQ(replay.wait_for(900 * kSecond, 6), 0) << "time that runs backward is not waited for";
}

TEST(Replay, PauseStepAndGoOn) {
  Replay replay(true);
  replay.play_or_pause(0);
  EXPECT_FALSE(replay.wait_for(0, 0).has_value());
  replay.step();
  EXPECT_EQ(replay.wait_for(100 * kSecond, 0), 0);
  replay.shown();
  EXPECT_FALSE(replay.wait_for(101 * kSecond, 0).has_value());
  replay.play_or_pause(0);
  EXPECT_EQ(replay.wait_for(101 * kSecond, 0), 0) << "the pause does not count";
}

TEST(Replay, AtOnceNeverWaits) {
  Replay replay(false);
  EXPECT_EQ(replay.wait_for(0, 0), 0);
  EXPECT_EQ(replay.wait_for(100 * kSecond, 0), 0);
  EXPECT_EQ(replay.speed(), 0);
}

/// Waits for the thing itself, however slow the machine: gives up only when nothing at all is heard for a minute.
template <typename Done>
bool wait_until(Live& live, Done done) {
  constexpr int kSilence = 60'000;  // milliseconds
  while (!done()) {
    pollfd woken{live.wake_descriptor(), POLLIN, 0};
    if (poll(&woken, 1, kSilence) == 0) return done();
    (void)live.take_messages();
  }
  return true;
}

TEST(Live, ReadsToTheEndAndStands) {
  FeedOptions options;
  options.mode = Mode::replay;
  options.history_bytes = 1 << 20;
  Live live(std::make_unique<Film>(handshake()), std::move(options));
  live.start();
  ASSERT_TRUE(wait_until(live, [&] { return live.finished() && live.latest()->capture.ended; }));
  const auto s = live.latest();
  EXPECT_EQ(s->report.packets.total, 8u);
  EXPECT_EQ(s->capture.recorded_packets, 8u);
  ASSERT_EQ(s->connections.size(), 1u);
  EXPECT_EQ(s->connections[0].connection.leg_string.str(), "1234");

  // It stands, but still answers: the ladder of the connection.
  live.focus(id_of(s->connections[0].connection));
  ASSERT_TRUE(wait_until(live, [&] { return live.latest()->ladder.has_value(); }));
  EXPECT_EQ(live.latest()->ladder->steps.size(), 6u);

  // Asked for the same once more it makes no new picture. The message says that the wish beside it was obeyed.
  const std::uint64_t before = live.latest()->sequence;
  live.focus(id_of(s->connections[0].connection));
  live.save_packets({});
  while (live.take_messages().empty()) {
    pollfd woken{live.wake_descriptor(), POLLIN, 0};
    ASSERT_EQ(poll(&woken, 1, 60'000), 1);
  }
  EXPECT_EQ(live.latest()->sequence, before);
  live.stop();
}

TEST(Live, WhatWaitsInTheKernelWhenItEndsIsTakenIn) {
  FeedOptions options;
  options.mode = Mode::live;
  std::size_t kept = 0;
  options.keep = [&kept](std::span<const Frame> frames, const std::vector<Vantage>&) {
    kept += frames.size();
    return ok();
  };
  Live live(std::make_unique<Ring>(handshake()), std::move(options));
  live.start();
  live.stop();
  const auto s = live.latest();
  EXPECT_TRUE(s->capture.ended);
  EXPECT_EQ(s->report.packets.total, 8u);
  EXPECT_EQ(kept, 8u);
  ASSERT_EQ(s->report.sources.size(), 1u);
  EXPECT_EQ(s->report.sources[0].dropped, 5u);
}

TEST(Live, NextFindingStepAndStopWhilePaused) {
  FeedOptions options;
  options.mode = Mode::replay;
  options.real_time = true;
  options.history_bytes = 1 << 20;
  Live live(std::make_unique<Film>(handshake()), std::move(options));
  live.play_or_pause();
  live.start();
  ASSERT_TRUE(wait_until(live, [&] { return live.latest()->capture.play == Play::paused; }));
  live.step();
  ASSERT_TRUE(wait_until(live, [&] { return live.latest()->report.packets.total == 1; }));
  live.stop();
  EXPECT_TRUE(live.latest()->capture.ended);
}

TEST(Live, PlaysAgainFromTheBeginningAndOnlyAtItsEnd) {
  FeedOptions options;
  options.mode = Mode::replay;
  options.history_bytes = 1 << 20;
  int opened = 0;
  std::size_t kept = 0;
  options.reopen = [&opened] {
    ++opened;
    auto moments = handshake();
    moments.pop_back();
    for (Moment& m : moments) m.time = sample::kNow;  // no waiting: only the times differ from what was read first
    return std::make_unique<Film>(std::move(moments));
  };
  options.keep = [&kept](std::span<const Frame> frames, const std::vector<Vantage>&) -> Status {
    kept += frames.size();
    return ok();
  };
  Live live(std::make_unique<Film>(handshake()), std::move(options));
  live.start();
  ASSERT_TRUE(wait_until(live, [&] { return live.finished() && live.latest()->capture.ended; }));
  ASSERT_EQ(live.latest()->report.packets.total, 8u);
  live.play_again();
  ASSERT_TRUE(wait_until(live, [&] { return live.latest()->report.packets.total == 7 && live.latest()->capture.ended; }));
  EXPECT_EQ(opened, 1);
  EXPECT_EQ(live.latest()->capture.recorded_packets, 7u) << "what was kept of the first time is gone";
  EXPECT_EQ(live.latest()->connections.size(), 1u);
  EXPECT_EQ(live.latest()->capture.play, Play::ended) << "it went in real time";
  live.stop();
  EXPECT_EQ(kept, 8u) << "-w gets every packet once";
}

TEST(Live, WhatCannotBeOpenedAgainSaysSo) {
  FeedOptions options;
  options.mode = Mode::replay;
  Live live(std::make_unique<Film>(handshake()), std::move(options));
  live.start();
  ASSERT_TRUE(wait_until(live, [&] { return live.finished() && live.latest()->capture.ended; }));
  live.play_again();
  std::vector<std::string> said;
  while (said.empty()) {
    pollfd woken{live.wake_descriptor(), POLLIN, 0};
    ASSERT_EQ(poll(&woken, 1, 60'000), 1);
    said = live.take_messages();
  }
  EXPECT_EQ(said[0], "what came through a pipe cannot be played again");
  EXPECT_EQ(live.latest()->report.packets.total, 8u);
}

// What snapshots list by record is what a pass over the whole table says of the same connections.
TEST(Live, ConnectionsByTheirRecordsAreThoseOfTheWholeTable) {
  Analyzer analyzer{AnalyzerOptions{}};
  std::vector<Moment> moments = handshake();
  for (int i = 0; i < 20; ++i) {
    const std::string client = "192.168.1.254:" + std::to_string(2000 + i);
    moments.push_back({sample::kNow + kSecond + i, tcp(client.c_str(), kVip, kSyn, 64, static_cast<std::uint16_t>(i))});
    if (i % 3 != 0)
      moments.push_back({sample::kNow + 2 * kSecond + i, tcp(client.c_str(), kRip, kSyn, 63, static_cast<std::uint16_t>(i))});
  }
  Film film(moments);
  std::array<Frame, 64> frames;
  while (const std::size_t n = film.read(frames)) analyzer.feed({frames.data(), n}, film.vantages());
  (void)analyzer.report(film.statistics());
  using Seen = std::pair<Connection, std::vector<int>>;
  std::vector<Seen> all, some;
  analyzer.for_each_connection([&](const Connection& c, std::span<const int> codes) {
    all.emplace_back(c, std::vector<int>{codes.begin(), codes.end()});
  });
  ASSERT_EQ(all.size(), 21u);
  std::vector<std::uint32_t> records{4'000'000'000};
  for (auto it = all.rbegin(); it != all.rend(); it += 1 + (all.rend() - it > 1)) records.push_back(it->first.record);
  analyzer.for_connections(records, [&](const Connection& c, std::span<const int> codes) {
    some.emplace_back(c, std::vector<int>{codes.begin(), codes.end()});
  });
  ASSERT_EQ(some.size(), records.size() - 1) << "one that is in no table is left out";
  for (std::size_t i = 0; i < some.size(); ++i) {
    const auto it = std::find_if(all.begin(), all.end(), [&](const Seen& s) { return s.first.record == records[i + 1]; });
    EXPECT_EQ(id_of(some[i].first), id_of(it->first));
    EXPECT_EQ(some[i].first.leg_string, it->first.leg_string);
    EXPECT_EQ(some[i].second, it->second);
  }
}

std::shared_ptr<const KernelState> state_with_weight(int weight) {
  auto state = std::make_shared<KernelState>();
  state->known.services = true;
  state->origin = Origin::netlink;
  Service service = sample::service();
  service.destinations = {sample::destination("10.1.1.2", weight)};
  service.destinations[0].active = 7;
  state->ipvs.present = true;
  state->ipvs.services = {service};
  return state;
}

// The table is full of connections that stand, so each half-open one makes room for the next, often in the very batch in which
// its second half was seen.
TEST(Live, AConnectionThatLeavesInTheBatchInWhichItJoined) {
  AnalyzerOptions options;
  options.max_connections = 64;
  Analyzer analyzer(options);
  std::set<std::string> legs;
  analyzer.on_retired([&](const Connection& c, std::span<const int>) { legs.insert(c.leg_string.str()); });
  std::vector<Moment> moments;
  const auto both = [&](const std::string& client, std::uint8_t flags, bool back, std::uint16_t id, std::uint32_t sequence) {
    const Timestamp t = sample::kNow + static_cast<Timestamp>(moments.size()) * 1000;
    moments.push_back(
        {t, back ? tcp(kRip, client.c_str(), flags, 64, id, sequence) : tcp(client.c_str(), kVip, flags, 64, id, sequence)});
    moments.push_back({t + 500, back ? tcp(kVip, client.c_str(), flags, 63, id, sequence)
                                     : tcp(client.c_str(), kRip, flags, 63, id, sequence)});
  };
  std::uint16_t id = 0;
  for (int i = 0; i < 63; ++i) {
    const std::string client = "192.168.1.254:" + std::to_string(1024 + i);
    both(client, kSyn, false, ++id, 7), both(client, kSyn | kAck, true, ++id, 9), both(client, kAck, false, ++id, 8);
  }
  moments.push_back({sample::kNow + kSecond, tcp("192.168.1.7:1", "192.168.1.8:2", kAck, 64, 1)});  // halves of a batch apart
  for (int i = 0; i < 1000; ++i) both("192.168.1.253:" + std::to_string(1024 + i), kSyn, false, ++id, 7);
  Film film(std::move(moments));
  std::array<Frame, 64> frames;
  while (const std::size_t n = film.read(frames)) analyzer.feed({frames.data(), n}, film.vantages());
  const Report report = analyzer.report(film.statistics());
  ASSERT_EQ(report.services.size(), 1u);
  EXPECT_EQ(report.services[0].destinations.size(), 1u) << "no pair is made of two connections' halves";
  EXPECT_FALSE(legs.empty());
}

// Forty times as many connections as the table holds: what was forgotten is counted and shown, and nothing grows with it.
TEST(Live, ATableThatIsFullForgetsAndSaysHowMany) {
  constexpr int kConnections = 4'000;
  std::vector<Moment> moments;
  for (int i = 0; i < kConnections; ++i) {
    const std::string client = "192.168.1.254:" + std::to_string(1024 + i);
    moments.push_back({sample::kNow + i * 1000, tcp(client.c_str(), kVip, kSyn, 64, static_cast<std::uint16_t>(i))});
  }
  FeedOptions options;
  options.mode = Mode::replay;
  options.history_bytes = 1 << 20;
  options.analyzer.max_connections = 100;
  options.analyzer.state = state_with_weight(1);
  Live live(std::make_unique<Film>(std::move(moments)), std::move(options));
  live.start();
  ASSERT_TRUE(wait_until(live, [&] { return live.finished() && live.latest()->capture.ended; }));
  const auto s = live.latest();
  EXPECT_EQ(s->tracked, 100u);
  EXPECT_EQ(s->evicted, static_cast<std::uint64_t>(kConnections) - 100);
  EXPECT_LE(s->connections.size(), 100u + 5'000u) << "those in the table, and those that left it lately";
  EXPECT_LE(s->capture.recorded_bytes, 1u << 20);
  GridCanvas line(80, 1, false);
  draw_status_line(line, *s, s->now);
  EXPECT_NE(line.text().find("FORGOTTEN 3900"), std::string::npos) << line.text();
  live.stop();
}

TEST(Live, ManyWishesFromTheScreenWhileItReads) {
  std::vector<Moment> moments;
  for (int i = 0; i < 2'000; ++i) {
    const std::string client = "192.168.1.254:" + std::to_string(1024 + i % 500);
    moments.push_back({sample::kNow + i * 1000, tcp(client.c_str(), kVip, kSyn, 64, static_cast<std::uint16_t>(i))});
    moments.push_back({sample::kNow + i * 1000 + 500, tcp(client.c_str(), kRip, kSyn, 63, static_cast<std::uint16_t>(i))});
  }
  FeedOptions options;
  options.mode = Mode::replay;
  options.history_bytes = 1 << 20;
  Live live(std::make_unique<Film>(std::move(moments)), std::move(options));
  live.start();
  std::uint64_t sequence = 0;
  ASSERT_TRUE(wait_until(live, [&] {
    const auto s = live.latest();
    EXPECT_GE(s->sequence, sequence) << "snapshots never go back";
    sequence = s->sequence;
    if (!s->connections.empty()) live.focus(id_of(s->connections[0].connection));
    live.refresh_every(0.2);
    return live.finished() && s->capture.ended;
  }));
  EXPECT_EQ(live.latest()->report.packets.total, 4'000u);
}

TEST(Live, ConnectionsThatLeaveTheTableKeepTheirLegs) {
  std::vector<Moment> moments = handshake();
  for (const char* to : {kVip, kRip}) {
    const std::uint8_t ttl = to == kVip ? 64 : 63;
    moments.push_back({sample::kNow + 10'000'000 + (to == kRip), tcp("192.168.1.254:50000", to, kSyn, ttl, 31)});
    moments.push_back({sample::kNow + 1'010'000'000 + (to == kRip), tcp("192.168.1.254:50000", to, kSyn, ttl, 32)});
  }
  std::stable_sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) { return a.time < b.time; });
  // So long ago that they leave as soon as the clock is asked.
  for (Moment& m : moments) m.time -= sample::kNow - 1'000'000'000 * kSecond;
  FeedOptions options;
  options.mode = Mode::live;
  options.analyzer.live = true;
  std::set<std::string> legs;
  options.on_retired = [&](const Connection& c, std::span<const int>) { legs.insert(c.leg_string.str()); };
  Live live(std::make_unique<Film>(std::move(moments)), std::move(options));
  live.start();
  ASSERT_TRUE(wait_until(live, [&] { return live.finished() && live.latest()->capture.ended; }));
  live.stop();
  EXPECT_EQ(legs, (std::set<std::string>{"1234", "12--"}));
}

TEST(Live, AStateThatIsReadAgainIsShown) {
  FeedOptions options;
  options.mode = Mode::replay;
  options.analyzer.state = state_with_weight(3);
  Live live(std::make_unique<Film>(handshake()), std::move(options));
  live.start();
  ASSERT_TRUE(wait_until(live, [&] { return live.finished() && live.latest()->capture.ended; }));
  const auto weight = [&] { return live.latest()->services.at(0).real_servers.at(0).destination.weight; };
  EXPECT_EQ(weight(), 3);
  EXPECT_EQ(live.latest()->services[0].tally.healthy, 1u);
  live.update_state(state_with_weight(0));
  ASSERT_TRUE(wait_until(live, [&] { return weight() == 0; }));
  EXPECT_EQ(live.latest()->services[0].real_servers[0].destination.active, 7u);
  EXPECT_EQ(live.latest()->services[0].tally.healthy, 1u) << "what was seen stays seen";
  live.stop();
}

TEST(Live, WhatIsKeptEndsAtItsFirstErrorAndSaysSo) {
  FeedOptions options;
  options.mode = Mode::replay;
  std::size_t kept = 0;
  options.keep = [&kept](std::span<const Frame> frames, const std::vector<Vantage>&) -> Status {
    if (kept != 0) ADD_FAILURE() << "written to after an error";
    kept += frames.size();
    return Error{ErrorCode::io, "all.pcapng: No space left on device"};
  };
  std::vector<Moment> moments;
  for (int i = 0; i < 1000; ++i) moments.push_back(handshake()[0]);
  Live live(std::make_unique<Film>(std::move(moments)), std::move(options));
  live.start();
  ASSERT_TRUE(wait_until(live, [&] { return live.finished() && live.latest()->capture.ended; }));
  EXPECT_EQ(live.latest()->capture.keep_problem, "all.pcapng: No space left on device");
  EXPECT_EQ(live.latest()->report.packets.total, 1000u) << "the capture goes on";
  live.stop();
  ASSERT_TRUE(live.keep_error().has_value());
}

TEST(Live, WithoutASourceItSaysSo) {
  FeedOptions options;
  options.mode = Mode::replay;
  SourceStatistics refused;
  refused.name = "no.pcap";
  refused.refused = true;
  options.refused.push_back(refused);
  Live live(nullptr, std::move(options));
  live.start();
  ASSERT_TRUE(wait_until(live, [&] { return live.finished(); }));
  EXPECT_EQ(live.latest()->report.verdict, Verdict::unknown);
}

}  // namespace
}  // namespace lvsnat::top
