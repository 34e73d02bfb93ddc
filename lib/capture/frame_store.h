// Bytes of one batch of frames whose own memory does not live long enough: libpcap gives a packet back to the
// kernel's ring, or overwrites it, before the batch is read. One thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace lvsnat::capture {

class FrameStore {
 public:
  void clear() noexcept {
    used_ = 0;
    extra_.clear();
    extra_bytes_ = 0;
  }
  /// Whether a packet of `bytes` may still be kept; always true in an empty store.
  [[nodiscard]] bool room_for(std::size_t bytes) const noexcept {
    return extra_bytes_ == 0 && (used_ == 0 || bytes > kSize || used_ + bytes <= kSize);
  }
  /// A copy that lives until clear().
  const std::uint8_t* keep(const std::uint8_t* data, std::size_t bytes) {
    if (used_ + bytes > kSize) {
      // Rare: an oversized packet gets memory of its own, and ends the batch.
      extra_bytes_ += bytes;
      extra_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(bytes));
      std::memcpy(extra_.back().get(), data, bytes);
      return extra_.back().get();
    }
    std::uint8_t* const to = bytes_.get() + used_;
    if (bytes > 0) std::memcpy(to, data, bytes);
    used_ += bytes;
    return to;
  }

 private:
  static constexpr std::size_t kSize = 1U << 20;
  std::unique_ptr<std::uint8_t[]> bytes_ = std::make_unique_for_overwrite<std::uint8_t[]>(kSize);
  std::size_t used_ = 0, extra_bytes_ = 0;
  std::vector<std::unique_ptr<std::uint8_t[]>> extra_;
};

}  // namespace lvsnat::capture
