#include "track/endpoint_table.h"

#include <algorithm>

namespace lvsnat::track {

void EndpointTable::use(std::span<ServerEndpoint> entries, std::span<Slot> slots) noexcept {
  entries_ = entries.first(std::min(entries.size(), kMost));
  slots_ = slots;
  mask_ = static_cast<std::uint32_t>(slots.size() - 1);
  for (Slot& slot : slots_) slot = Slot{};
}

void EndpointTable::place(std::uint32_t hash, std::uint32_t id) noexcept {
  std::uint32_t i = hash & mask_;
  while (slots_[i].id != kNone) i = (i + 1) & mask_;
  slots_[i] = Slot{hash, id};
}

std::uint32_t EndpointTable::insert(const HashKey& key, const Address& address, std::uint16_t port, std::uint8_t protocol,
                                    Known known) noexcept {
  if (count_ == entries_.size()) return kNone;
  const std::uint32_t id = count_++;
  ServerEndpoint& e = entries_[id];
  e = ServerEndpoint{};
  e.address = address;
  e.port = port;
  e.protocol = protocol;
  if (protocol == 6 && port == 21) mark_ftp_control(id);
  place(hash_endpoint(key, address, port, protocol), id);
  promote(key, id, known);
  return id;
}

void EndpointTable::promote(const HashKey& key, std::uint32_t id, Known known) noexcept {
  ServerEndpoint& e = entries_[id];
  e.known = known;
  if (known < Known::rewritten) return;
  const std::uint32_t hash = hash_endpoint(key, e.address, e.port, e.protocol);
  renowned_[(hash >> 6) % kRenownWords] |= std::uint64_t{1} << (hash & 63);
  const bool v4 = e.address.is_v4();
  const std::uint64_t word = v4 ? word_of(low_half(e.address), e.port, e.protocol) : word_of(e.address, e.port, e.protocol);
  const std::size_t at = v4 ? place_of(word) : place_of(word) / (kGlances / kGlancesV6);
  std::uint64_t& there = v4 ? renowned_words_[at] : renowned_words_v6_[at];
  std::uint32_t& its = v4 ? renowned_ids_[at] : renowned_ids_v6_[at];
  if (there == 0) {
    there = word;
    its = id;
  } else if (there != word || !v4) {
    if ((its & ~kCrowded) != id) its |= kCrowded;
  }
}

void EndpointTable::regrow(const HashKey& key, std::span<ServerEndpoint> entries, std::span<Slot> slots) noexcept {
  for (std::uint32_t id = 0; id < count_; ++id) entries[id] = entries_[id];
  entries_ = entries.first(std::min(entries.size(), kMost));
  slots_ = slots;
  mask_ = static_cast<std::uint32_t>(slots.size() - 1);
  for (Slot& slot : slots_) slot = Slot{};
  for (std::uint32_t id = 0; id < count_; ++id) {
    const ServerEndpoint& e = entries_[id];
    place(hash_endpoint(key, e.address, e.port, e.protocol), id);
  }
}

}  // namespace lvsnat::track
