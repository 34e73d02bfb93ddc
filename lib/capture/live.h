// A live interface as merge_sources() sees it: to be waited for together with others.
#pragma once

#include <cstdint>
#include <span>

#include "lvsnat/source.h"

namespace lvsnat::capture {

/// The longest that a read() of live sources waits for a packet.
inline constexpr int kPollMilliseconds = 100;

/// How long after its time a packet may still come out of a live source: the kernel hands packets over in blocks, each interface
/// at its own pace, and the reader wakes when it can.
inline constexpr std::int64_t kSettling = 2 * kPollMilliseconds * std::int64_t{1'000'000};

class LiveSource : public PacketSource {
 public:
  /// What has arrived, without waiting.
  virtual std::size_t drain(std::span<Frame> out) = 0;
  /// Readable when packets wait; -1 once finished.
  [[nodiscard]] virtual int packet_descriptor() const = 0;
  /// The present, on the clock that stamps the packets.
  [[nodiscard]] virtual Timestamp now() const = 0;
  /// Readable once stop() was called.
  [[nodiscard]] virtual int wake_descriptor() const = 0;
};

}  // namespace lvsnat::capture
