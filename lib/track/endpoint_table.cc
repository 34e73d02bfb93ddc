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
  const bool shown = e.known >= Known::rewritten;
  e.known = known;
  if (known < Known::rewritten || shown) return;
  const std::uint32_t hash = hash_endpoint(key, e.address, e.port, e.protocol);
  renowned_[(hash >> 6) % kRenownWords] |= std::uint64_t{1} << (hash & 63);
  show(
      e.address.is_v4() ? endpoint_word(low_half(e.address), e.port, e.protocol) : endpoint_digest(e.address, e.port, e.protocol),
      id);
}

/// Enters all of them anew; returns how many have no entry of their own.
std::size_t EndpointTable::spread(std::uint64_t factor) noexcept {
  spread_ = factor;
  glances_.fill(0);
  std::size_t crowded = 0;
  for (std::size_t place = 1; place < shown_; ++place) {
    std::uint16_t& entry = glances_[(renowned_words_[place] * spread_) >> (64 - kGlanceBits)];
    if (entry == 0) {
      entry = static_cast<std::uint16_t>(place);
    } else {
      entry |= kCrowded;
      ++crowded;
    }
  }
  return crowded;
}

void EndpointTable::show(std::uint64_t word, std::uint32_t id) noexcept {
  if (shown_ == kRenowned) {
    // No place is left, but others must know that it may be the one they ask for.
    glances_[(word * spread_) >> (64 - kGlanceBits)] |= kCrowded;
    return;
  }
  renowned_words_[shown_] = word;
  renowned_ids_[shown_] = id;
  std::uint16_t& entry = glances_[(word * spread_) >> (64 - kGlanceBits)];
  const bool alone = entry == 0;
  if (alone)
    entry = static_cast<std::uint16_t>(shown_);
  else
    entry |= kCrowded;
  ++shown_;
  // Where there are many, two that meet are not worth starting over.
  constexpr std::size_t kFew = 512, kTries = 32;
  if (alone || shown_ > kFew) return;
  std::uint64_t best = spread_, factor = spread_;
  std::size_t least = spread(spread_);
  for (std::size_t i = 0; i < kTries && least != 0; ++i) {
    factor = factor * 0xd1342543de82ef95 + 0x9e3779b97f4a7c15;
    const std::size_t crowded = spread(factor | 1);
    if (crowded < least) {
      least = crowded;
      best = factor | 1;
    }
  }
  if (spread_ != best) spread(best);
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
