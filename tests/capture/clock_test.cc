// The time of live captures: whatever is done to the wall clock meanwhile, packets keep their order and their distances.
#include "capture/clock.h"

#include <cstdint>
#include <cstdlib>
#include <vector>

#include <gtest/gtest.h>

#include "lvsnat/capture.h"

namespace lvsnat::capture {
namespace {

constexpr Timestamp kBase = 1'795'000'000 * kSecond;
constexpr std::int64_t kMillisecond = 1'000'000, kHour = 3600 * kSecond;

/// A machine whose clock is set while packets come: one a millisecond, read in batches a while after.
class Machine {
 public:
  std::int64_t elapsed = 100 * kSecond, set = 0, uncertainty = 0;
  std::vector<Timestamp> stamps, truth;
  StampClock clock{kBase, [this] { return ClockReading{elapsed, kBase + elapsed + set, uncertainty}; }};

  void packets(int count) {
    for (int i = 0; i < count; ++i) {
      elapsed += kMillisecond;
      stamps.push_back(kBase + elapsed + set);
      truth.push_back(kBase + elapsed);
    }
  }
  /// The farthest that a packet's time is from the truth.
  std::int64_t error() {
    std::int64_t most = 0;
    clock.look();
    for (std::size_t i = 0; i < stamps.size(); ++i) most = std::max<std::int64_t>(most, std::abs(clock.of(stamps[i]) - truth[i]));
    stamps.clear();
    truth.clear();
    return most;
  }
};

TEST(StampClock, AClockThatNobodySetsIsTaken) {
  Machine machine;
  for (int i = 0; i < 50; ++i) {
    machine.packets(100);
    EXPECT_EQ(machine.error(), 0);
  }
}

TEST(StampClock, SetBetweenBatches) {
  for (const std::int64_t by : {-kHour, kHour, -kSecond, kSecond, -24 * 365 * kHour, 24 * 365 * kHour}) {
    Machine machine;
    machine.packets(100);
    EXPECT_EQ(machine.error(), 0);
    machine.set = by;
    for (int i = 0; i < 40; ++i) {
      machine.packets(100);
      EXPECT_EQ(machine.error(), 0) << by << ", batch " << i;
    }
  }
}

TEST(StampClock, SetWithinABatch) {
  for (const std::int64_t by : {-kHour, kHour, -kSecond, kSecond, -300 * kMillisecond, 400 * kMillisecond}) {
    Machine machine;
    machine.packets(100);
    EXPECT_EQ(machine.error(), 0);
    machine.packets(37);
    machine.set = by;
    machine.packets(63);
    EXPECT_EQ(machine.error(), 0) << by;
    machine.packets(100);
    EXPECT_EQ(machine.error(), 0) << by;
  }
}

TEST(StampClock, SetBackAndOnAgain) {
  Machine machine;
  for (int i = 0; i < 30; ++i) {
    machine.packets(50);
    machine.set = i % 2 == 0 ? -kHour : 0;
    machine.packets(50);
    EXPECT_EQ(machine.error(), 0) << i;
  }
}

TEST(StampClock, ASmallStepIsNeverMoreThanThatAndSoonGone) {
  for (const std::int64_t by : {-40 * kMillisecond, 40 * kMillisecond, -5 * kMillisecond, 5 * kMillisecond}) {
    Machine machine;
    machine.packets(100);
    machine.error();
    machine.packets(50);
    machine.set = by;
    machine.packets(50);
    EXPECT_LE(machine.error(), std::abs(by));
    for (int i = 0; i < 25; ++i) {
      machine.packets(100);
      machine.error();
    }
    machine.packets(100);
    EXPECT_EQ(machine.error(), 0) << by;
  }
}

TEST(StampClock, AStepWhileABatchIsTakenIsFoundByItsFirstPacket) {
  Machine machine;
  machine.packets(10);
  EXPECT_EQ(machine.error(), 0);
  machine.clock.look();
  machine.set = -kHour;
  machine.elapsed += kMillisecond;
  EXPECT_EQ(machine.clock.of(kBase + machine.elapsed - kHour), kBase + machine.elapsed);
}

TEST(StampClock, TheFirstPacketComesAfterTheClockWasSet) {
  for (const std::int64_t by : {-kHour, kHour}) {
    Machine machine;
    machine.clock.look();
    machine.set = by;
    machine.packets(10);
    EXPECT_EQ(machine.error(), 0) << by;
  }
}

TEST(StampClock, SetAfterAnHourOfSilence) {
  for (const std::int64_t by : {-kHour / 2, kHour / 2}) {
    Machine machine;
    machine.packets(10);
    EXPECT_EQ(machine.error(), 0);
    for (int i = 0; i < 36'000; ++i) {
      machine.elapsed += 100 * kMillisecond;
      machine.error();
      machine.clock.emptied();
    }
    machine.set = by;
    machine.packets(10);
    EXPECT_EQ(machine.error(), 0) << by;
  }
}

TEST(StampClock, AnUncertainReadingSetsNothing) {
  Machine machine;
  machine.packets(10);
  EXPECT_EQ(machine.error(), 0);
  machine.uncertainty = 50 * kMillisecond;
  machine.set = 20 * kMillisecond;
  machine.clock.look();
  machine.set = 0;
  machine.packets(10);
  EXPECT_EQ(machine.error(), 0);
}

TEST(CaptureNow, GoesOnlyOn) {
  const Timestamp first = capture_now();
  EXPECT_GE(capture_now(), first);
  EXPECT_EQ(wall_clock_set_by(), 0);
}

}  // namespace
}  // namespace lvsnat::capture
