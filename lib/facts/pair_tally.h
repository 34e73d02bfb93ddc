// What was counted of the connections between two server endpoints, a VIP's and a RIP's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "facts/histogram.h"

namespace lvsnat {

struct PairTally {
  bool placed = false;  // the next two are known
  std::int32_t service = -1, destination = -1;
  std::uint64_t connections = 0, healthy = 0;
  std::array<std::uint64_t, 4> legs{};
  Histogram real_server, response;
};

/// By pairs of the tracker's endpoint ids, of which either may be track::kNone.
class PairTallies {
 public:
  /// Made where there is none yet; stays where it is.
  PairTally& of(std::uint32_t outer, std::uint32_t inner) {
    const std::uint64_t key = std::uint64_t{outer} << 32 | inner;
    Recent& recent = recent_[(outer * 61 + inner) % kRecent];
    if (recent.key != key) [[unlikely]]
      recent = Recent{key, &tallies_[key]};
    return *recent.tally;
  }
  /// Calls `visit(outer, inner, tally)` for each.
  template <typename Visit>
  void for_each(Visit visit) {
    for (auto& [key, tally] : tallies_) visit(static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key), tally);
  }

 private:
  std::unordered_map<std::uint64_t, PairTally> tallies_;
  struct Recent {
    std::uint64_t key = ~std::uint64_t{0};  // of no pair that is asked for
    PairTally* tally = nullptr;
  };
  static constexpr std::size_t kRecent = 1024;
  std::vector<Recent> recent_ = std::vector<Recent>(kRecent);  // every connection asks, and nearly all of them for one of these
};

}  // namespace lvsnat
