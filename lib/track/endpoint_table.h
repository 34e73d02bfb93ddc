// Server endpoints: the VIP:port and RIP:port sides of connections, declared or learnt.
//
// A packet belongs to the client endpoint that stands opposite a known server endpoint, so this table
// answers "which of the two is the server?" for every packet. Ids are dense, never reused, and stable.
//
// Hot, except declare() and regrow(). Storage is handed in by the owner, who regrows between batches.
#pragma once

#include <cstdint>
#include <span>

#include "lvsnat/address.h"
#include "track/hash.h"
#include "track/record.h"

namespace lvsnat::track {

/// How a server endpoint is known. Stronger evidence wins where both ends are known as servers.
enum class Known : std::uint8_t {
  guessed,    // by port number, for lack of anything better
  handshake,  // a SYN was sent to it, or it sent a SYN-ACK
  rewritten,  // seen as one side of a rewritten pair
  declared,   // configuration or kernel state says so
};

struct ServerEndpoint {
  Address address;
  std::uint16_t port = 0;
  std::uint8_t protocol = 0;
  Known known = Known::guessed;
  bool declared_outer = false, declared_inner = false;
  bool ftp_control = false;                        // payload is worth a look
  std::uint32_t outer_votes = 0, inner_votes = 0;  // rewritten pairs in which it was the VIP's, a RIP's side

  [[nodiscard]] bool is_outer() const noexcept { return declared_outer || (!declared_inner && outer_votes > inner_votes); }
  [[nodiscard]] bool is_inner() const noexcept { return declared_inner || (!declared_outer && inner_votes > outer_votes); }
};

class EndpointTable {
 public:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t id = kNone;
  };

  /// Both spans are owned by the caller and outlive this; slots.size() is a power of two.
  void use(std::span<ServerEndpoint> entries, std::span<Slot> slots) noexcept;
  [[nodiscard]] std::uint32_t find(const HashKey& key, const Address& address, std::uint16_t port,
                                   std::uint8_t protocol) const noexcept {
    const std::uint32_t hash = hash_endpoint(key, address, port, protocol);
    for (std::uint32_t i = hash;; ++i) {
      const Slot& slot = slots_[i & mask_];
      if (slot.id == kNone) return kNone;
      if (slot.hash == hash) {
        const ServerEndpoint& e = entries_[slot.id];
        if (e.port == port && e.protocol == protocol && e.address == address) return slot.id;
      }
    }
  }
  /// kNone when full. The endpoint must not be there yet.
  std::uint32_t insert(const HashKey& key, const Address& address, std::uint16_t port, std::uint8_t protocol,
                       Known known) noexcept;
  [[nodiscard]] ServerEndpoint& operator[](std::uint32_t id) noexcept { return entries_[id]; }
  [[nodiscard]] const ServerEndpoint& operator[](std::uint32_t id) const noexcept { return entries_[id]; }
  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }
  [[nodiscard]] std::uint32_t capacity() const noexcept { return static_cast<std::uint32_t>(entries_.size()); }
  /// Moves everything into larger storage; ids stay.
  void regrow(const HashKey& key, std::span<ServerEndpoint> entries, std::span<Slot> slots) noexcept;

 private:
  void place(std::uint32_t hash, std::uint32_t id) noexcept;
  std::span<ServerEndpoint> entries_;
  std::span<Slot> slots_;
  std::uint32_t mask_ = 0, count_ = 0;
};

}  // namespace lvsnat::track
