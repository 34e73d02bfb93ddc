// Half-open connections that are counted and not kept: of a flood nearly all, and alike but for their clients.
//
// The census counts them as it passes them, before anybody knows who is who; the survey takes the sums over once it knows, and
// looks at each of them where they turn out to be something else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "facts/distinct_addresses.h"
#include "facts/histogram.h"
#include "facts/record_set.h"
#include "lvsnat/frame.h"
#include "track/hash.h"

namespace lvsnat {

/// How many began in which second, of up to 100,000 seconds.
class Seconds {
 public:
  Seconds() = default;
  // The second that was asked for last is told by a place in what is moved: neither knows it afterwards.
  Seconds(Seconds&& other) noexcept : counts_(std::move(other.counts_)) { other.from_ = other.to_ = 0; }
  Seconds& operator=(Seconds&& other) noexcept {
    counts_ = std::move(other.counts_);
    from_ = to_ = other.from_ = other.to_ = 0;
    return *this;
  }
  [[gnu::always_inline]] void add(Timestamp time) {
    if (time < from_ || time >= to_) [[unlikely]]
      find(time);
    ++*count_;
  }
  /// `second`: its number.
  void add(Timestamp second, std::uint64_t count) {
    if (std::uint64_t* const sum = count_of(second); sum != nullptr) *sum += count;
  }
  void merge(const Seconds& other) {
    for (const auto& [second, count] : other.counts_) add(second, count);
  }
  /// By number of the second.
  [[nodiscard]] const std::map<Timestamp, std::uint64_t>& counts() const { return counts_; }

 private:
  static constexpr std::size_t kMost = 100'000;
  std::uint64_t* count_of(Timestamp second) {
    const auto known = counts_.find(second);
    if (known != counts_.end()) return &known->second;
    return counts_.size() < kMost ? &counts_[second] : nullptr;
  }
  [[gnu::noinline]] void find(Timestamp time) {
    const Timestamp second = time / kSecond;
    from_ = second * kSecond;
    to_ = from_ + kSecond;
    count_ = count_of(second);
    if (count_ == nullptr) count_ = &left_out_;
  }

  std::map<Timestamp, std::uint64_t> counts_;
  Timestamp from_ = 0, to_ = 0;  // the second that was asked for last,
  std::uint64_t left_out_ = 0;
  std::uint64_t* count_ = nullptr;  // and its count
};

/// Between the same endpoints, with packets on the same ways.
struct HalfOpenKind {
  std::array<std::uint32_t, 2> endpoint{};  // of the tracker; the second may be track::kNone
  std::uint8_t flags = 0;                   // RecordFlag, as far as it tells the sides
  std::uint8_t ways = 0;                    // a bit each
  std::uint64_t count = 0;
  Histogram real_server, response;
};

struct HalfOpenTally {
  RecordSet records;  // which they are
  std::uint64_t count = 0, packets = 0;
  std::vector<HalfOpenKind> kinds;
  Seconds seconds;
  DistinctAddresses clients;
  Histogram director_request, director_reply;

  explicit HalfOpenTally(const track::HashKey& key) : clients(key, kMostClients) {}
  static constexpr std::size_t kMostClients = 100'000;
};

/// Which half-open connections are counted: not the first `kept`, and none whose client had no time to try again.
struct HalfOpenLimit {
  std::size_t kept = ~std::size_t{0};
  Timestamp begun_by = 0;
  track::HashKey key{};  // the tracker's
};

}  // namespace lvsnat
