// Latencies in logarithmic buckets (32 to an octave, so within 2.2 %): percentiles without keeping values.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "lvsnat/report.h"

namespace lvsnat {

class Histogram {
 public:
  void add(std::int64_t nanoseconds) noexcept {
    const auto v = static_cast<std::uint64_t>(nanoseconds < 0 ? 0 : nanoseconds);
    ++buckets_[bucket(v)];
    ++count_;
    if (nanoseconds > max_) max_ = nanoseconds;
  }
  void merge(const Histogram& other) noexcept {
    for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  /// Nearest-rank percentile (the middle of its bucket, never above the maximum).
  [[nodiscard]] std::int64_t percentile(unsigned percent) const noexcept {
    if (count_ == 0) return 0;
    const std::uint64_t rank = (count_ * percent + 99) / 100;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= rank && seen > 0) return std::min<std::int64_t>(middle(i), max_);
    }
    return max_;
  }
  [[nodiscard]] std::optional<Latency> summary() const {
    if (count_ == 0) return std::nullopt;
    return Latency{count_, percentile(50), percentile(90), percentile(99), max_};
  }

 private:
  static constexpr unsigned kBits = 5, kLow = 1u << kBits;
  static std::size_t bucket(std::uint64_t v) noexcept {
    if (v < kLow) return static_cast<std::size_t>(v);
    const unsigned octave = static_cast<unsigned>(std::bit_width(v)) - kBits - 1;
    return std::min<std::size_t>((octave + 1) * kLow + ((v >> octave) - kLow), 40 * kLow - 1);
  }
  static std::int64_t middle(std::size_t i) noexcept {
    if (i < kLow) return static_cast<std::int64_t>(i);
    const std::size_t octave = i / kLow - 1;
    return static_cast<std::int64_t>(((kLow + i % kLow) << octave) + ((std::uint64_t{1} << octave) >> 1));
  }
  std::array<std::uint32_t, 40 * kLow> buckets_{};
  std::uint64_t count_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace lvsnat
