#include "capture/clock.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <utility>

#include "lvsnat/capture.h"

namespace lvsnat {
namespace capture {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
// Less is what two clocks that are read one after the other differ by on a busy machine.
constexpr std::int64_t kSet = 1 * kMillisecond;
// Packets of two processors are not quite in order; and some come while a batch is taken.
constexpr std::int64_t kEarly = 10 * kMillisecond, kLate = 250 * kMillisecond;
// How long a packet lies in a block of the ring before the kernel hands it over, and some.
constexpr std::int64_t kInBlock = 500 * kMillisecond;
// By then the packets of before have been read.
constexpr std::int64_t kRemembered = 2 * kSecond;

std::int64_t value(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return std::int64_t{t.tv_sec} * kSecond + t.tv_nsec;
}

}  // namespace

ClockReading read_clocks() {
  ClockReading best;
  best.uncertainty = std::numeric_limits<std::int64_t>::max();
  // Whoever is put to sleep between the two looks again.
  for (int i = 0; i < 5 && best.uncertainty > kSet / 10; ++i) {
    const std::int64_t before = value(CLOCK_BOOTTIME);
    const Timestamp wall = value(CLOCK_REALTIME);
    const std::int64_t after = value(CLOCK_BOOTTIME);
    if (after - before < best.uncertainty) best = {before + (after - before) / 2, wall, after - before};
  }
  return best;
}

Timestamp clock_base() {
  static const Timestamp base = [] {
    const ClockReading now = read_clocks();
    return now.wall - now.elapsed;
  }();
  return base;
}

StampClock::StampClock(Timestamp base, std::function<ClockReading()> read)
    : base_(base), read_(std::move(read)), earliest_(std::numeric_limits<Timestamp>::min()) {
  look();
  before_ = shift_;
  earliest_ = base_ + elapsed_ - kEarly;
}

void StampClock::emptied() { earliest_ = std::max(earliest_, base_ + elapsed_ - kInBlock); }

void StampClock::look() {
  const ClockReading now = read_();
  elapsed_ = now.elapsed;
  const std::int64_t shift = now.wall - now.elapsed - base_;
  if (std::abs(shift - shift_) > std::max(kSet, 2 * now.uncertainty)) {
    before_ = shift_;
    shift_ = shift;
    set_at_ = elapsed_;
  } else if (before_ != shift_ && elapsed_ - set_at_ > kRemembered) {
    before_ = shift_;
  }
}

/// How far a time is from those at which this packet can have come.
Timestamp StampClock::distance(Timestamp time) const {
  const Timestamp latest = base_ + elapsed_ + kLate;
  if (time > latest) return time - latest;
  return time < earliest_ ? earliest_ - time : 0;
}

Timestamp StampClock::of(Timestamp stamp) {
  // Until a look tells otherwise it was not set.
  if (distance(stamp - shift_) != 0) look();
  Timestamp time = stamp - shift_;
  // A packet of before: then what comes later can be of before, too.
  if (before_ != shift_ && distance(stamp - before_) <= distance(time)) time = stamp - before_;
  earliest_ = std::max(earliest_, time - kEarly);
  return time;
}

}  // namespace capture

Timestamp capture_now() noexcept { return capture::clock_base() + capture::value(CLOCK_BOOTTIME); }

std::int64_t wall_clock_set_by() noexcept {
  const Timestamp base = capture::clock_base();
  const capture::ClockReading now = capture::read_clocks();
  const std::int64_t by = now.wall - now.elapsed - base;
  return std::abs(by) > std::max(capture::kSet, 2 * now.uncertainty) ? by : 0;
}

}  // namespace lvsnat
