// Latencies in logarithmic buckets (32 to an octave, so within 2.2 %): percentiles without keeping values.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "lvsnat/report.h"

namespace lvsnat {

class Histogram {
 public:
  void add(std::int64_t nanoseconds) {
    const std::size_t at = bucket(static_cast<std::uint64_t>(nanoseconds < 0 ? 0 : nanoseconds)) - from_;
    if (at >= buckets_.size()) [[unlikely]]
      return widen_and_add(nanoseconds);
    ++buckets_[at];
    ++count_;
    if (nanoseconds > max_) max_ = nanoseconds;
  }
  void merge(const Histogram& other) {
    if (other.count_ == 0) return;
    cover(other.from_, other.from_ + other.buckets_.size());
    for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[other.from_ + i - from_] += other.buckets_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// Nearest-rank percentiles (the middle of their buckets, never above the maximum).
  [[nodiscard]] std::optional<Latency> summary() const {
    if (count_ == 0) return std::nullopt;
    constexpr std::array<unsigned, 3> percents{50, 90, 99};
    std::array<std::int64_t, 3> values{max_, max_, max_};
    std::size_t next = 0;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size() && next < percents.size(); ++i) {
      if (buckets_[i] == 0) continue;
      seen += buckets_[i];
      while (next < percents.size() && seen >= (count_ * percents[next] + 99) / 100)
        values[next++] = std::min<std::int64_t>(middle(from_ + i), max_);
    }
    return Latency{count_, values[0], values[1], values[2], max_};
  }

 private:
  static constexpr unsigned kBits = 5, kLow = 1u << kBits;
  static std::size_t bucket(std::uint64_t v) noexcept {
    const unsigned octave = static_cast<unsigned>(std::bit_width(v | kLow)) - kBits - 1;
    return octave * kLow + static_cast<std::size_t>(v >> octave);  // those below kLow are of octave 0
  }
  static std::int64_t middle(std::size_t i) noexcept {
    if (i < kLow) return static_cast<std::int64_t>(i);
    const std::size_t octave = i / kLow - 1;
    return static_cast<std::int64_t>(((kLow + i % kLow) << octave) + ((std::uint64_t{1} << octave) >> 1));
  }
  /// Room for buckets [from, to), by whole octaves.
  void cover(std::size_t from, std::size_t to) {
    const std::size_t low = buckets_.empty() ? from : std::min(from, from_), high = std::max(to, from_ + buckets_.size());
    const std::size_t first = low / kLow * kLow, last = (high + kLow - 1) / kLow * kLow;
    if (!buckets_.empty() && first == from_ && last == from_ + buckets_.size()) return;
    std::vector<std::uint32_t> wider(last - first);
    std::copy(buckets_.begin(), buckets_.end(),
              wider.begin() + static_cast<std::ptrdiff_t>(buckets_.empty() ? 0 : from_ - first));
    buckets_ = std::move(wider);
    from_ = first;
  }
  [[gnu::noinline]] void widen_and_add(std::int64_t nanoseconds) {
    const std::size_t at = bucket(static_cast<std::uint64_t>(nanoseconds < 0 ? 0 : nanoseconds));
    cover(at, at + 1);
    add(nanoseconds);
  }

  // There is one for each pair of endpoints, and times of one pair are of a few octaves: room is made as they come.
  std::vector<std::uint32_t> buckets_;  // the first is number `from_`
  std::size_t from_ = 0;
  std::uint64_t count_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace lvsnat
