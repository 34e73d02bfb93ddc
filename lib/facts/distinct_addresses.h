// How many different addresses there were, up to a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "lvsnat/address.h"
#include "track/hash.h"

namespace lvsnat {

class DistinctAddresses {
 public:
  /// Attackers choose the addresses, so the key is the tracker's.
  DistinctAddresses(const track::HashKey& key, std::size_t limit) : key_(key), limit_(limit) {}

  void add(const Address& address) {
    if (count_ < limit_) [[unlikely]]
      insert(address);
  }
  void merge(const DistinctAddresses& other) {
    if (other.none_) add(Address{});
    for (const Address& address : other.slots_) {
      if (!address.is_none()) add(address);
    }
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  [[gnu::noinline]] void insert(const Address& address) {
    if (address.is_none()) {
      if (!std::exchange(none_, true)) ++count_;
      return;
    }
    if (count_ * 2 >= slots_.size()) grow();
    Address& slot = slot_of(address);
    if (!slot.is_none()) return;
    slot = address;
    ++count_;
  }
  /// Where it stands, or would.
  [[nodiscard]] Address& slot_of(const Address& address) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = track::hash_endpoint(key_, address, 0, 0) & mask;
    while (!slots_[at].is_none() && slots_[at] != address) at = (at + 1) & mask;
    return slots_[at];
  }
  void grow() {
    const std::vector<Address> before = std::exchange(slots_, std::vector<Address>(slots_.empty() ? 256 : slots_.size() * 4));
    for (const Address& address : before) {
      if (!address.is_none()) slot_of(address) = address;
    }
  }

  track::HashKey key_;
  std::size_t limit_, count_ = 0;
  bool none_ = false;           // was one of them
  std::vector<Address> slots_;  // a power of two of them; none: free
};

}  // namespace lvsnat
