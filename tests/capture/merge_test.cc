#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "capture/live.h"
#include "capture_bytes.h"

namespace lvsnat::test {
namespace {

class Merge : public testing::Test {
 protected:
  std::unique_ptr<PacketSource> file(const std::string& name, std::initializer_list<std::uint32_t> seconds) {
    std::string bytes = pcap_header();
    for (const std::uint32_t s : seconds) bytes += pcap_record({}, s, 0, name + std::to_string(s));
    return open(folder_.file(name, bytes));
  }
  std::unique_ptr<PacketSource> open(const std::string& path) {
    auto source = open_capture_file(path, {.filter = {}, .source_index = index_++});
    EXPECT_TRUE(source);
    return std::move(*source);
  }
  static std::string order(PacketSource& source, std::size_t batch) {
    std::string text;
    for (const Seen& s : drain(source, batch)) text += s.data + " ";
    return text;
  }
  template <typename... Sources>
  static std::unique_ptr<PacketSource> merged(Sources... sources) {
    std::vector<std::unique_ptr<PacketSource>> all;
    (all.push_back(std::move(sources)), ...);
    return merge_sources(std::move(all));
  }
  Folder folder_;
  std::uint16_t index_ = 0;
};

TEST_F(Merge, ByTimeAndStable) {
  for (const std::size_t batch : {1U, 2U, 3U, 64U}) {
    auto all = merged(file("a", {1, 3, 5, 5, 9}), file("b", {1, 2, 4, 5, 6}), file("c", {}), file("d", {0, 5, 10}));
    EXPECT_EQ(order(*all, batch), "d0 a1 b1 b2 a3 b4 a5 a5 b5 d5 b6 a9 d10 ") << batch;
    EXPECT_TRUE(all->finished());
  }
}

TEST_F(Merge, DisorderInsideASourceIsKept) {
  auto all = merged(file("a", {5, 1, 7}), file("b", {4, 6, 2}));
  EXPECT_EQ(order(*all, 64), "b4 a5 a1 b6 b2 a7 ");
}

TEST_F(Merge, ManyPacketsKeepBytesAndNumbers) {
  std::string even = pcap_header(), odd = pcap_header();
  constexpr std::uint32_t count = 24000;
  for (std::uint32_t i = 0; i < count; ++i) (i / 3 % 2 == 0 ? even : odd) += pcap_record({}, i, 0, std::to_string(i));
  auto all = merged(open(folder_.file("even", even)), open(folder_.file("odd", odd)));
  const auto frames = drain(*all, 64);
  ASSERT_EQ(frames.size(), count);
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_EQ(frames[i].data, std::to_string(i));
    ASSERT_EQ(frames[i].vantage, i / 3 % 2);
  }
  EXPECT_EQ(frames.back().number, count / 2);
}

TEST_F(Merge, VantagesAndStatisticsStandInOrder) {
  auto late = open(folder_.file(
      "ng", Pcapng().interface(1, "eth0").packet(0, 1'000000, "x").interface(113, "any").packet(1, 3'000000, "y").text));
  auto all = merged(std::move(late), file("b", {2}));
  const auto frames = drain(*all);
  ASSERT_EQ(frames.size(), 3U);
  const auto& vantages = all->vantages();
  ASSERT_EQ(vantages.size(), 3U);
  EXPECT_EQ(vantages[frames[0].vantage].interface, "eth0");
  EXPECT_EQ(vantages[frames[1].vantage].source, folder_.path("b"));
  EXPECT_EQ(vantages[frames[1].vantage].source_index, 1);
  EXPECT_EQ(vantages[frames[2].vantage].interface, "any");
  const auto statistics = all->statistics();
  ASSERT_EQ(statistics.size(), 2U);
  EXPECT_EQ(statistics[0].packets, 2U);
  EXPECT_EQ(statistics[1].name, folder_.path("b"));
  EXPECT_EQ(all->progress(), 1.0);
}

TEST_F(Merge, OneSourceIsItself) {
  auto one = file("a", {1});
  const PacketSource* const before = one.get();
  EXPECT_EQ(merged(std::move(one)).get(), before);
}

TEST_F(Merge, StopEndsAll) {
  auto all = merged(file("a", {1, 2}), file("b", {1, 2}));
  all->stop();
  drain(*all);
  EXPECT_TRUE(all->finished());
}

// A live interface whose packets, and whose clock, are ours.
class Wire final : public capture::LiveSource {
 public:
  explicit Wire(Timestamp& now) : now_(now) { vantages_.emplace_back(); }
  void bring(std::initializer_list<Timestamp> times) { waiting_.insert(waiting_.end(), times); }
  /// Once nothing is left to bring whoever asked sleeps for so long, and meanwhile this comes.
  void sleep_then_bring(Timestamp nap, Timestamp late) {
    nap_ = nap;
    late_ = late;
  }

  std::size_t read(std::span<Frame> out) override { return drain(out); }
  std::size_t drain(std::span<Frame> out) override {
    std::size_t count = 0;
    for (; count < out.size() && !waiting_.empty(); waiting_.erase(waiting_.begin())) {
      out[count] = {};
      out[count++].time = waiting_.front();
    }
    if (count == 0 && nap_ != 0) {
      now_ += std::exchange(nap_, 0);
      bring({late_});
    }
    return count;
  }
  [[nodiscard]] bool finished() const override { return stopped_ && waiting_.empty(); }
  [[nodiscard]] const std::vector<Vantage>& vantages() const override { return vantages_; }
  [[nodiscard]] std::vector<SourceStatistics> statistics() const override { return {{}}; }
  void stop() noexcept override { stopped_ = true; }
  [[nodiscard]] int packet_descriptor() const override { return -1; }
  [[nodiscard]] int wake_descriptor() const override { return -1; }
  [[nodiscard]] Timestamp now() const override { return now_; }

 private:
  Timestamp& now_;
  Timestamp nap_ = 0, late_ = 0;
  std::vector<Timestamp> waiting_;
  std::vector<Vantage> vantages_;
  bool stopped_ = false;
};

// The kernel hands over each interface's packets at its own pace: those of one are no reason to believe that the other had none.
TEST(MergeLive, ALateInterfaceIsWaitedFor) {
  constexpr Timestamp begin = 1'000 * kSecond;
  Timestamp now = begin + 1;
  auto owned_outside = std::make_unique<Wire>(now), owned_inside = std::make_unique<Wire>(now);
  Wire &outside = *owned_outside, &inside = *owned_inside;
  std::vector<std::unique_ptr<PacketSource>> both;
  both.push_back(std::move(owned_outside));
  both.push_back(std::move(owned_inside));
  const auto all = merge_sources(std::move(both));
  std::array<Frame, 8> frames;
  const auto seen = [&] {
    std::vector<Timestamp> times;
    const std::size_t count = all->read(frames);
    for (std::size_t i = 0; i < count; ++i) times.push_back(frames[i].time - begin);
    return times;
  };
  using Times = std::vector<Timestamp>;

  outside.bring({begin, begin + 1});
  EXPECT_EQ(seen(), Times());  // inside may have something earlier
  inside.bring({begin - 5, begin});
  EXPECT_EQ(seen(), (Times{-5, 0, 0})) << "what comes next inside may be earlier than the other packet outside";
  now += capture::kSettling;
  EXPECT_EQ(seen(), (Times{1})) << "nothing came";
  outside.bring({begin + 2 * kSecond});
  EXPECT_EQ(seen(), (Times{2 * kSecond})) << "stamped in the future: the clock was set back";
  outside.bring({now});
  EXPECT_EQ(seen(), Times());
  inside.stop();
  EXPECT_EQ(seen(), (Times{now - begin})) << "nothing more can come inside";
}

// More waits in its ring than is taken at a time: what the other interface brought is later than that, however old it is.
TEST(MergeLive, ABacklogIsFinishedFirst) {
  constexpr Timestamp begin = 1'000 * kSecond;
  Timestamp now = begin + 10 * kSecond;
  auto owned_busy = std::make_unique<Wire>(now), owned_quiet = std::make_unique<Wire>(now);
  for (Timestamp i = 0; i < 700; ++i) owned_busy->bring({begin + i});
  owned_quiet->bring({begin + 300, begin + 650, begin + 2'000});
  std::vector<std::unique_ptr<PacketSource>> both;
  both.push_back(std::move(owned_busy));
  both.push_back(std::move(owned_quiet));
  const auto all = merge_sources(std::move(both));
  std::array<Frame, 2'000> frames;
  std::vector<Timestamp> times;
  while (times.size() < 703) {
    const std::size_t count = all->read(frames);
    for (std::size_t i = 0; i < count; ++i) times.push_back(frames[i].time - begin);
  }
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
}

// Whether a quiet interface has something is known of the moment when it was asked, not of when the answer is used.
TEST(MergeLive, SleepIsNoSilence) {
  constexpr Timestamp begin = 1'000 * kSecond;
  Timestamp now = begin;
  auto owned_outside = std::make_unique<Wire>(now), owned_inside = std::make_unique<Wire>(now);
  Wire &outside = *owned_outside, &inside = *owned_inside;
  std::vector<std::unique_ptr<PacketSource>> both;
  both.push_back(std::move(owned_outside));
  both.push_back(std::move(owned_inside));
  const auto all = merge_sources(std::move(both));
  std::array<Frame, 8> frames;
  outside.bring({begin});
  inside.sleep_then_bring(kSecond, begin - 1);
  std::vector<Timestamp> times;
  while (times.size() < 2) {
    const std::size_t count = all->read(frames);
    for (std::size_t i = 0; i < count; ++i) times.push_back(frames[i].time - begin);
    now += capture::kSettling;
  }
  EXPECT_EQ(times, (std::vector<Timestamp>{-1, 0}));
}

TEST(Rest, AsLongAsTheRingHasRoom) {
  constexpr std::int64_t ms = 1'000'000;
  constexpr std::uint64_t mib = 1 << 20;
  EXPECT_EQ(capture::rest(10, 10 * 60, 100 * ms, 32 * mib), std::nullopt) << "hardly any packets";
  EXPECT_EQ(capture::rest(0, 0, 100 * ms, 32 * mib), std::nullopt);
  EXPECT_EQ(capture::rest(5'000, 500'000, 0, 32 * mib), std::nullopt) << "no time passed";
  EXPECT_EQ(capture::rest(1'000, 96'000, 100 * ms, 32 * mib), capture::kRestMilliseconds) << "some 10,000 a second";
  EXPECT_EQ(capture::rest(60'000, 60'000 * 88, 100 * ms, 32 * mib), capture::kRestMilliseconds) << "600,000 a second";
  EXPECT_EQ(capture::rest(60'000, 60'000 * 88, 100 * ms, 8 * mib), 8) << "an eighth of it: 1 MiB at 120 MB/s";
  EXPECT_EQ(capture::rest(60'000, 60'000 * 88, 100 * ms, mib / 2), 0) << "that small a ring is full before the reader is back";
  EXPECT_EQ(capture::rest(~std::uint64_t{0} >> 8, ~std::uint64_t{0} >> 1, 1, mib), 0);
  EXPECT_EQ(capture::rest(256, 0, std::int64_t{1} << 62, ~std::uint64_t{0}), capture::kRestMilliseconds);
}

TEST(CaptureInterfaceTable, IsComplete) {
  const CaptureInterface* table = lvsnat_capture_interface();
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->abi_version, CaptureInterface::kAbiVersion);
  EXPECT_EQ(table->open_capture_file("/nonexistent", {}).error().code, ErrorCode::not_found);
  EXPECT_FALSE(table->open_live("no-such-if0", {}).has_value());
  EXPECT_FALSE(table->check_filter("nonsense", LinkType::ethernet).has_value());
  EXPECT_NE(table->merge_sources, nullptr);
  EXPECT_NE(table->describe_frame, nullptr);
  EXPECT_NE(table->create_writer, nullptr);
}

}  // namespace
}  // namespace lvsnat::test
