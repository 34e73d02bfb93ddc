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
    if (other.count_ >= limit_) count_ = limit_;
    if (other.special_.first) add(Address::v4(0));
    if (other.special_.second) add(Address{});
    for (const std::uint32_t address : other.v4_) {
      if (address != 0) add(Address::v4(address));
    }
    for (const Address& address : other.v6_) {
      if (!address.is_none()) add(address);
    }
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  [[gnu::noinline]] void insert(const Address& address) {
    if (address.is_v4()) {
      const std::uint32_t word = address.v4_value();
      return word == 0 ? insert_special(special_.first) : insert(v4_, count_v4_, word);
    }
    address.is_none() ? insert_special(special_.second) : insert(v6_, count_v6_, address);
  }
  void insert_special(bool& there) {
    if (!std::exchange(there, true)) ++count_;
  }
  template <typename Any>
  void insert(std::vector<Any>& slots, std::size_t& used, const Any& address) {
    if (used * 2 >= slots.size()) {
      const std::vector<Any> before = std::exchange(slots, std::vector<Any>(slots.empty() ? 1024 : slots.size() * 4));
      for (const Any& other : before) {
        if (other != Any{}) slot_of(slots, other) = other;
      }
    }
    Any& slot = slot_of(slots, address);
    if (slot != Any{}) return;
    slot = address;
    ++used;
    ++count_;
  }
  /// Where it stands, or would.
  template <typename Any>
  [[nodiscard]] Any& slot_of(std::vector<Any>& slots, const Any& address) const {
    const std::size_t mask = slots.size() - 1;
    std::size_t at = hash(address) & mask;
    while (slots[at] != Any{} && slots[at] != address) at = (at + 1) & mask;
    return slots[at];
  }
  [[nodiscard]] std::uint32_t hash(std::uint32_t v4) const noexcept { return track::hash_word(key_, v4); }
  [[nodiscard]] std::uint32_t hash(const Address& address) const noexcept { return track::hash_endpoint(key_, address, 0, 0); }

  track::HashKey key_;
  std::size_t limit_, count_ = 0, count_v4_ = 0, count_v6_ = 0;
  std::pair<bool, bool> special_{};  // 0.0.0.0 and none were among them
  // A power of two of slots each, free ones zero.
  std::vector<std::uint32_t> v4_;
  std::vector<Address> v6_;
};

}  // namespace lvsnat
