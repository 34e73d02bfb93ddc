// Time as a live capture tells it: the wall clock as it was when the first capture began, going on whatever is done to that clock
// since. The kernel stamps packets by the wall clock: set back by an hour between a request and its reply, it would make the
// reply come first.
//
// Clocks are injected. Threads: values; present() and wall_clock_set_by() any.
#pragma once

#include <cstdint>
#include <functional>

#include "lvsnat/frame.h"

namespace lvsnat::capture {

/// Both clocks at one moment, nanoseconds.
struct ClockReading {
  std::int64_t elapsed = 0;  // since boot, also while suspended; nobody sets it
  Timestamp wall = 0;
  std::int64_t uncertainty = 0;  // how far apart the moments of the two may be
};

ClockReading read_clocks();

/// The stamps of one interface's packets, turned into that time. Packets come nearly in order, some 100 ms after their stamps.
class StampClock {
 public:
  /// `base`: what the wall clock was when `elapsed` was zero. `read` is called now and then, read_clocks() but in tests.
  StampClock(Timestamp base, std::function<ClockReading()> read);
  /// Whether the clock was set since. Call it before each batch of packets.
  void look();
  Timestamp of(Timestamp stamp);
  /// Whatever came until the last look has been read.
  void emptied();

 private:
  [[nodiscard]] Timestamp distance(Timestamp time) const;
  Timestamp base_;
  std::function<ClockReading()> read_;
  std::int64_t elapsed_ = 0;             // at the last look
  std::int64_t shift_ = 0, before_ = 0;  // how far the wall clock was set, and before it was set last
  std::int64_t set_at_ = 0;              // elapsed
  Timestamp earliest_;                   // no packet that is still to come is older
};

/// The base of this process: that of the first call.
Timestamp clock_base();

}  // namespace lvsnat::capture
