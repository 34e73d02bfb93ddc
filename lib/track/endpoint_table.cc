#include "track/endpoint_table.h"

namespace lvsnat::track {

void EndpointTable::use(std::span<ServerEndpoint> entries, std::span<Slot> slots) noexcept {
  entries_ = entries;
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
  e.known = known;
  e.ftp_control = protocol == 6 && port == 21;
  place(hash_endpoint(key, address, port, protocol), id);
  return id;
}

void EndpointTable::regrow(const HashKey& key, std::span<ServerEndpoint> entries, std::span<Slot> slots) noexcept {
  for (std::uint32_t id = 0; id < count_; ++id) entries[id] = entries_[id];
  entries_ = entries;
  slots_ = slots;
  mask_ = static_cast<std::uint32_t>(slots.size() - 1);
  for (Slot& slot : slots_) slot = Slot{};
  for (std::uint32_t id = 0; id < count_; ++id) {
    const ServerEndpoint& e = entries_[id];
    place(hash_endpoint(key, e.address, e.port, e.protocol), id);
  }
}

}  // namespace lvsnat::track
