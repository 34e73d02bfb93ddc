// When roles that were assigned a while ago are assigned anew. A connection that leaves the table wants to know who is who, and
// finding out costs a pass over the table: whoever did so at each new pair of endpoints would never be done where there are many.
//
// Values. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lvsnat/frame.h"

namespace lvsnat {

/// Roles change with new pairs. They are due when there are pairs that were not known, and either these are an eighth more (so
/// few pairs are known at once, and 65,536 cost some hundred passes), or as many connections left as a pass visits records (so
/// passes cost each of them no more than one visit), or a second went by.
class RoleAge {
 public:
  /// `now`: of live captures; a time that does not pass is none.
  [[nodiscard]] bool is_due(std::size_t pairs, std::uint64_t departures, std::uint32_t records, Timestamp now) const {
    if (!assigned_) return true;
    if (pairs <= pairs_) return false;
    return (pairs - pairs_) * 8 >= pairs_ || departures - departures_ >= records || now - now_ >= kSecond;
  }
  void assigned(std::size_t pairs, std::uint64_t departures, Timestamp now) {
    assigned_ = true;
    pairs_ = pairs;
    departures_ = departures;
    now_ = now;
  }
  /// What is known of the cluster has changed.
  void forget() { assigned_ = false; }

 private:
  bool assigned_ = false;
  std::size_t pairs_ = 0;
  std::uint64_t departures_ = 0;
  Timestamp now_ = 0;
};

}  // namespace lvsnat
