// When the next packet of a replayed capture is due. Pure arithmetic: the caller tells the time.
#pragma once

#include <cstdint>
#include <optional>

#include "lvsnat/frame.h"

namespace lvsnat::top {

class Replay {
 public:
  /// `real_time`: packets come as they came; else all at once.
  explicit Replay(bool real_time) : real_time_(real_time) {}

  /// Nanoseconds to wait before the packet of `packet_time` is shown; 0: now; nullopt: paused. `now`: a steady clock.
  [[nodiscard]] std::optional<std::int64_t> wait_for(Timestamp packet_time, std::int64_t now);
  /// A packet was shown: one step less to go.
  void shown();

  void play_or_pause(std::int64_t now);
  /// Playing in real time, at the same speed, from whatever packet comes next.
  void begin_again();
  void pause() { playing_ = false; }
  /// One packet more, then pause.
  void step();
  /// Packets of one second in 1/speed seconds.
  void set_speed(double speed, std::int64_t now);

  [[nodiscard]] bool playing() const { return playing_; }
  [[nodiscard]] double speed() const { return real_time_ ? speed_ : 0; }
  [[nodiscard]] bool real_time() const { return real_time_; }

 private:
  bool real_time_, playing_ = true;
  double speed_ = 1;
  unsigned steps_ = 0;
  // Packet time `from_packet_` belongs to steady time `from_clock_`; none until the first packet.
  std::optional<Timestamp> from_packet_;
  std::int64_t from_clock_ = 0;
};

}  // namespace lvsnat::top
