#include "track/client_index.h"

namespace lvsnat::track {

std::uint32_t ClientIndex::slot_of(std::uint32_t hash, std::uint32_t entry) const noexcept {
  std::uint32_t slot = home_of(hash);
  while (entry_at(slot) != entry) slot = (slot + 1) & slot_mask();
  return slot;
}

void ClientIndex::insert(std::uint32_t hash, std::uint32_t entry) noexcept {
  const std::uint32_t slot = slot_of(hash, 0);
  hash_at(slot) = hash;
  entry_at(slot) = entry;
  ++used_;
}

void ClientIndex::replace(std::uint32_t hash, std::uint32_t from, std::uint32_t to) noexcept {
  entry_at(slot_of(hash, from)) = to;
}

// What stands behind moves up, so that there are neither gaps nor tombstones.
void ClientIndex::erase(std::uint32_t hash, std::uint32_t entry) noexcept {
  const std::uint32_t mask = slot_mask();
  std::uint32_t hole = slot_of(hash, entry);
  for (std::uint32_t at = (hole + 1) & mask; entry_at(at) != 0; at = (at + 1) & mask) {
    if (((at - home_of(hash_at(at))) & mask) < ((at - hole) & mask)) continue;
    hash_at(hole) = hash_at(at);
    entry_at(hole) = entry_at(at);
    hole = at;
  }
  hash_at(hole) = 0;
  entry_at(hole) = 0;
  --used_;
}

void ClientIndex::regrow(std::span<IndexLine> larger) noexcept {
  const std::span<const IndexLine> old = lines_;
  use(larger);
  used_ = 0;
  for (const IndexLine& line : old) {
    for (std::uint32_t at = 0; at < IndexLine::kSlots; ++at) {
      if (line.entry[at] != 0) insert(line.hash[at], line.entry[at]);
    }
  }
}

}  // namespace lvsnat::track
