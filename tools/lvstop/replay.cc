#include "replay.h"

#include <algorithm>
#include <limits>

namespace lvsnat::top {

std::optional<std::int64_t> Replay::wait_for(Timestamp packet_time, std::int64_t now) {
  if (steps_ != 0) return 0;
  if (!playing_) return std::nullopt;
  if (!real_time_) return 0;
  if (!from_packet_) {
    from_packet_ = packet_time;
    from_clock_ = now;
  }
  const double ahead = (static_cast<double>(packet_time) - static_cast<double>(*from_packet_)) / speed_;
  const double due = ahead - static_cast<double>(now - from_clock_);
  if (due <= 0) return 0;
  return static_cast<std::int64_t>(std::min(due, 9e18));
}

void Replay::shown() {
  if (steps_ == 0) return;
  --steps_;
  playing_ = false;
  from_packet_.reset();
}

void Replay::play_or_pause(std::int64_t) {
  playing_ = !playing_;
  from_packet_.reset();  // the pause does not count
}

void Replay::begin_again() {
  playing_ = real_time_ = true;
  steps_ = 0;
  from_packet_.reset();
}

void Replay::step() {
  if (steps_ < std::numeric_limits<unsigned>::max()) ++steps_;
  real_time_ = true;
  playing_ = false;
}

void Replay::set_speed(double speed, std::int64_t) {
  speed_ = std::clamp(speed, 1.0 / 64, 4096.0);
  real_time_ = true;
  from_packet_.reset();
}

}  // namespace lvsnat::top
