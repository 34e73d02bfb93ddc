#include "track/path_table.h"

#include <cstring>

namespace lvsnat::track {
namespace {

/// In two loads as wide as the decoder's stores: one of eight bytes would wait for them, once a packet.
std::uint64_t word_of(const std::array<std::uint8_t, 6>& mac) noexcept {
  std::uint32_t low;
  std::uint16_t high;
  std::memcpy(&low, mac.data(), sizeof low);
  std::memcpy(&high, mac.data() + sizeof low, sizeof high);
  return std::uint64_t{high} << 32 | low;
}

}  // namespace

std::uint16_t PathTable::intern(const Packet& packet, const HashKey& key) noexcept {
  Key k;
  k.a = word_of(packet.source_mac) | std::uint64_t{packet.vantage} << 48;
  k.b = word_of(packet.destination_mac) | std::uint64_t{packet.vlan} << 48;
  k.c = std::uint64_t{packet.interface_index} << 8 | static_cast<std::uint8_t>(packet.direction);
  std::uint64_t h = fold_multiply(fold_multiply(k.a ^ key.a, k.b ^ key.b) ^ k.c, key.b | 1);
  for (std::uint32_t probe = 0; probe < 32; ++probe, ++h) {
    std::uint16_t& slot = slots_[h & (kSlots - 1)];
    if (slot == 0) {
      if (count_ == kCapacity) break;
      slot = static_cast<std::uint16_t>(count_);
      keys_[count_] = k;
      Path& path = paths_[count_];
      path.vantage = packet.vantage;
      path.interface_index = packet.interface_index;
      path.source.bytes = packet.source_mac;
      path.destination.bytes = packet.destination_mac;
      path.direction = static_cast<std::uint8_t>(packet.direction);
      path.vlan = packet.vlan;
      return static_cast<std::uint16_t>(count_++);
    }
    if (keys_[slot] == k) return slot;
  }
  ++overflow_;
  return 0;
}

}  // namespace lvsnat::track
