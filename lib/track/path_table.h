// Interns where packets travel (vantage, interface index, MACs, direction, VLAN) into 16-bit ids, so a
// leg can hold its path in two bytes and a changed MAC costs one comparison. Id 0: unknown (or full).
//
// Hot. Fixed size, owns its arrays; no allocation after construction of the enclosing object.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "lvsnat/connection.h"
#include "lvsnat/packet.h"
#include "track/hash.h"

namespace lvsnat::track {

class PathTable {
 public:
  static constexpr std::uint32_t kCapacity = 4096;

  [[nodiscard]] std::uint16_t intern(const Packet& packet, const HashKey& key) noexcept;
  [[nodiscard]] std::span<const Path> paths() const noexcept { return {paths_.data(), count_}; }
  [[nodiscard]] std::uint64_t overflow() const noexcept { return overflow_; }

 private:
  static constexpr std::uint32_t kSlots = kCapacity * 4;
  // What is compared: 6 + 6 MAC bytes, vantage, interface, vlan, direction, in three words.
  struct Key {
    std::uint64_t a = 0, b = 0, c = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  std::array<std::uint16_t, kSlots> slots_{};
  std::array<Key, kCapacity> keys_{};
  std::array<Path, kCapacity> paths_{};
  std::uint32_t count_ = 1;
  std::uint64_t overflow_ = 0;
};

}  // namespace lvsnat::track
