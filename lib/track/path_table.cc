#include "track/path_table.h"

namespace lvsnat::track {

std::uint16_t PathTable::intern_slowly(const Key& k, const Packet& packet, const HashKey& key) noexcept {
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
