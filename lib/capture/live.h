// A live interface as merge_sources() sees it: to be waited for together with others.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "lvsnat/source.h"

namespace lvsnat::capture {

/// The longest that a read() of live sources waits for a packet.
inline constexpr int kPollMilliseconds = 100;
/// How often the kernel looks for a block of the ring that has packets and was not full for so long. One that began meanwhile
/// has to wait for the next time.
inline constexpr int kBlockMilliseconds = 40;

/// Each time the reader wakes it finds what it needs gone from the processor's caches, and other programs were stopped for it. So
/// a busy ring, once it has been emptied, is left alone for so long: a few times as much then comes at a time. No longer than it
/// takes to fill an eighth of the ring at the pace of the packets that came last.
inline constexpr int kRestMilliseconds = 20;
inline constexpr std::uint64_t kRestShare = 8, kBusyPackets = 256;

/// How many milliseconds that is where `packets` of so many `bytes` came in an `interval` of nanoseconds to a ring of so many
/// bytes; 0: they come too fast. nullopt: too few came for a rest to gain anything.
[[nodiscard]] std::optional<int> rest(std::uint64_t packets, std::uint64_t bytes, std::int64_t interval, std::uint64_t ring);

/// How long after its time a packet may still come out of a live source that is asked: the kernel hands packets over in blocks,
/// each interface at its own pace, and a busy machine is late. As long, a quiet interface holds up what came on a busy one, and
/// the ring of that one has to keep it.
inline constexpr std::int64_t kSettling = (2 * kBlockMilliseconds + 40) * std::int64_t{1'000'000};

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
  /// How many milliseconds its ring can be left alone, now that it is empty, as rest() has it. Asked once a wait.
  virtual std::optional<int> rest() { return std::nullopt; }
};

}  // namespace lvsnat::capture
