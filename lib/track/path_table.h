// Interns where packets travel (vantage, interface index, MACs, direction, VLAN) into 16-bit ids, so a
// leg can hold its path in two bytes and a changed MAC costs one comparison. Id 0: unknown (or full).
//
// Hot. Fixed size, owns its arrays; no allocation after construction of the enclosing object.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "lvsnat/connection.h"
#include "lvsnat/packet.h"
#include "track/hash.h"

namespace lvsnat::track {

class PathTable {
 public:
  static constexpr std::uint32_t kCapacity = 4096;

  PathTable() noexcept { keys_[0].c = ~std::uint64_t{0}; }  // no packet has this one
  /// Packets of a few paths take turns, so the answer is nearly always one that was given a moment ago.
  [[nodiscard]] std::uint16_t intern(const Packet& packet, const HashKey& key) noexcept {
    const Key k = key_of(packet);
    std::uint16_t& recent = recent_[place_of(k)];
    if (keys_[recent] != k) [[unlikely]]
      recent = intern_slowly(k, packet, key);
    return recent;
  }
  /// The same of a packet with these words (Skim::path), if it was asked for a moment ago; else 0.
  [[nodiscard]] std::uint16_t recall(const std::uint64_t (&words)[3]) const noexcept {
    const Key k{words[0], words[1], words[2] & kPlace};
    const std::uint16_t recent = recent_[place_of(k)];
    return keys_[recent] == k ? recent : std::uint16_t{0};
  }
  /// Did a packet with these words (Skim::path) take this path? False for path 0. What stays on its path needs no more than this.
  [[nodiscard]] bool is(std::uint16_t path, const std::uint64_t (&words)[3]) const noexcept {
    const Key& k = keys_[path];
    return ((words[0] ^ k.a) | (words[1] ^ k.b) | ((words[2] & kPlace) ^ k.c)) == 0;
  }
  [[nodiscard]] std::span<const Path> paths() const noexcept { return {paths_.data(), count_}; }
  [[nodiscard]] std::uint64_t overflow() const noexcept { return overflow_; }

 private:
  static constexpr std::uint32_t kSlots = kCapacity * 4;
  // Of the third word: interface index and direction, without the flags that follow them.
  static constexpr std::uint64_t kPlace = std::endian::native == std::endian::little ? 0x000000ffffffffff : 0xffffffffff000000;
  // What is compared: 6 + 6 MAC bytes, vantage, interface, vlan, direction, in three words as they lie in a packet.
  struct Key {
    std::uint64_t a = 0, b = 0, c = 0;
    friend bool operator==(const Key& x, const Key& y) noexcept { return ((x.a ^ y.a) | (x.b ^ y.b) | (x.c ^ y.c)) == 0; }
  };
  static Key key_of(const Packet& packet) noexcept {
    static_assert(offsetof(Packet, source_mac) == offsetof(Packet, vantage) + 2 &&
                  offsetof(Packet, vlan) == offsetof(Packet, vantage) + 8 &&
                  offsetof(Packet, destination_mac) == offsetof(Packet, vantage) + 10 &&
                  offsetof(Packet, interface_index) == offsetof(Packet, vantage) + 16 &&
                  offsetof(Packet, direction) == offsetof(Packet, vantage) + 20);
    Key k;
    std::memcpy(&k, reinterpret_cast<const char*>(&packet) + offsetof(Packet, vantage), sizeof k);
    k.c &= kPlace;
    return k;
  }
  static std::size_t place_of(const Key& k) noexcept {
    constexpr std::uint64_t spread = 0x9e3779b97f4a7c15;
    return ((k.a + (k.b ^ k.c) * spread) * spread) >> 56;
  }
  std::uint16_t intern_slowly(const Key& k, const Packet& packet, const HashKey& key) noexcept;
  // Of keys that were asked for last, by a cheap hash; no attacker gains from filling it. 0: the key of no path.
  std::array<std::uint16_t, 256> recent_{};
  std::array<std::uint16_t, kSlots> slots_{};
  std::array<Key, kCapacity> keys_{};
  std::array<Path, kCapacity> paths_{};
  std::uint32_t count_ = 1;
  std::uint64_t overflow_ = 0;
};

}  // namespace lvsnat::track
