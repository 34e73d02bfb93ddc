// Up to 256 frames on their way to the tracker: skimmed at once, and decoded where somebody asks for more.
//
// Hot: no allocation, no exception, no clock. Threads: one. Frames are borrowed from take() to the next one, and so is what the
// packets refer to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "decode/skim.h"
#include "lvsnat/frame.h"
#include "lvsnat/packet.h"

namespace lvsnat {

/// Of any transport packet. Addresses of IPv6 are the packet's: borrowed.
[[nodiscard]] Skim skim_of(const Packet& packet) noexcept;

class Batch {
 public:
  static constexpr std::size_t kSize = 256;

  /// The first kSize of them.
  void take(std::span<const Frame> frames) noexcept;
  /// The same of packets that are decoded already. They are copied.
  void take(std::span<const Packet> packets) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] const Skim& skim(std::size_t i) const noexcept { return skims_[i]; }
  [[nodiscard]] Timestamp time(std::size_t i) const noexcept { return skims_[i].time; }
  /// Packet::number and Packet::ttl of a plain one, without making a Packet of it.
  [[nodiscard]] std::uint32_t number(std::size_t i) const noexcept {
    return decoded_[i] ? packets_[i].number : frames_[i].number;
  }
  [[nodiscard]] std::uint8_t ttl(std::size_t i) const noexcept {
    return decoded_[i] ? packets_[i].ttl : ttl_of(frames_[i], skims_[i]);
  }
  /// Earliest and latest; of an empty batch neither means anything.
  [[nodiscard]] Timestamp first() const noexcept { return first_; }
  [[nodiscard]] Timestamp last() const noexcept { return last_; }
  /// Those that are not plain, in order; all others are transport packets.
  [[nodiscard]] std::span<const std::uint8_t> odd() const noexcept { return {odd_.data(), odd_count_}; }
  [[nodiscard]] const Packet& packet(std::size_t i) noexcept {
    if (!decoded_[i]) {
      decode_plain(frames_[i], skims_[i], packets_[i]);
      decoded_[i] = true;
    }
    return packets_[i];
  }

 private:
  std::array<Skim, kSize> skims_;
  std::array<Packet, kSize> packets_;
  std::array<bool, kSize> decoded_;
  std::array<std::uint8_t, kSize> odd_;
  static_assert(kSize - 1 <= UINT8_MAX);
  const Frame* frames_ = nullptr;
  std::size_t count_ = 0, odd_count_ = 0;
  Timestamp first_ = 0, last_ = 0;
};

}  // namespace lvsnat
