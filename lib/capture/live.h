// A live interface as merge_sources() sees it: to be waited for together with others.
#pragma once

#include <span>

#include "lvsnat/source.h"

namespace lvsnat::capture {

/// The longest that a read() of live sources waits for a packet.
inline constexpr int kPollMilliseconds = 100;

class LiveSource : public PacketSource {
 public:
  /// What has arrived, without waiting.
  virtual std::size_t drain(std::span<Frame> out) = 0;
  /// Readable when packets wait; -1 once finished.
  [[nodiscard]] virtual int packet_descriptor() const = 0;
  /// Readable once stop() was called.
  [[nodiscard]] virtual int wake_descriptor() const = 0;
};

}  // namespace lvsnat::capture
