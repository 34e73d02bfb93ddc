// Server endpoints: the VIP:port and RIP:port sides of connections, declared or learnt.
//
// A packet belongs to the client endpoint that stands opposite a known server endpoint, so this table
// answers "which of the two is the server?" for every packet. Ids are dense, never reused, and stable.
//
// Hot, except declare() and regrow(). Storage is handed in by the owner, who regrows between batches.
#pragma once

#include <array>
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
  /// As many as records can tell apart; what storage holds beyond them stays unused.
  static constexpr std::size_t kMost = kNoEndpoint;

  /// Both spans are owned by the caller and outlive this; slots.size() is a power of two.
  void use(std::span<ServerEndpoint> entries, std::span<Slot> slots) noexcept;
  [[nodiscard]] std::uint32_t find(const HashKey& key, const Address& address, std::uint16_t port,
                                   std::uint8_t protocol) const noexcept {
    return find(hash_endpoint(key, address, port, protocol), address, port, protocol);
  }
  /// `hash`: hash_endpoint() of the other three.
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, const Address& address, std::uint16_t port,
                                   std::uint8_t protocol) const noexcept {
    for (std::uint32_t i = hash;; ++i) {
      const Slot& slot = slots_[i & mask_];
      if (slot.id == kNone) return kNone;
      if (slot.hash == hash) {
        const ServerEndpoint& e = entries_[slot.id];
        if (e.port == port && e.protocol == protocol && e.address == address) return slot.id;
      }
    }
  }
  /// An endpoint that is known by more than its handshakes, where that can be told at a glance: by its endpoint_word(), or of an
  /// IPv6 one by its endpoint_digest(), and then it is still to be compared. Nearly every packet has one such end; asking this of
  /// both ends takes no branch that is hard to predict.
  struct Glance {
    bool found;
    bool crowded;         // where not found: another endpoint's place, with which this one may have to share it
    std::uint32_t place;  // for seen(); of some endpoint where not found
  };
  [[nodiscard]] Glance glance(std::uint64_t word) const noexcept {
    const std::uint32_t entry = glances_[(word * spread_) >> (64 - kGlanceBits)], place = entry & ~kCrowded;
    return {renowned_words_[place] == word, (entry & kCrowded) != 0, place};
  }
  /// Id of the endpoint that a glance found.
  [[nodiscard]] std::uint32_t seen(std::uint32_t place) const noexcept { return renowned_ids_[place]; }
  [[nodiscard]] bool is(std::uint32_t id, const Address& address, std::uint16_t port, std::uint8_t protocol) const noexcept {
    const ServerEndpoint& e = entries_[id];
    return e.port == port && e.protocol == protocol && e.address == address;
  }
  /// The same of any endpoint, by its hash; false is certain.
  [[nodiscard]] bool may_be_renowned(std::uint32_t hash) const noexcept {
    return (renowned_[(hash >> 6) % kRenownWords] >> (hash & 63) & 1) != 0;
  }
  /// Has any endpoint payload that is worth a look?
  [[nodiscard]] bool any_ftp_control() const noexcept { return any_ftp_control_; }
  void mark_ftp_control(std::uint32_t id) noexcept { entries_[id].ftp_control = any_ftp_control_ = true; }
  /// Makes an endpoint better known; `known` is no less than it was.
  void promote(const HashKey& key, std::uint32_t id, Known known) noexcept;
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
  static constexpr std::size_t kRenownWords = 128, kGlanceBits = 12, kGlances = 1 << kGlanceBits, kRenowned = 2048;
  static constexpr std::uint32_t kCrowded = 0x8000;
  void show(std::uint64_t word, std::uint32_t id) noexcept;
  std::size_t spread(std::uint64_t factor) noexcept;
  void place(std::uint32_t hash, std::uint32_t id) noexcept;
  std::span<ServerEndpoint> entries_;
  std::span<Slot> slots_;
  std::uint32_t mask_ = 0, count_ = 0;
  bool any_ftp_control_ = false;
  std::array<std::uint64_t, kRenownWords> renowned_{};  // a bit for each hash of those that are rewritten or declared
  // Those that a glance tells, from 1 on: place 0 is nobody's. Of two with one entry the first has it, which is marked; the other
  // is found by its hash. That is rare: another factor is tried then.
  std::uint64_t spread_ = 0x9e3779b97f4a7c15;
  std::size_t shown_ = 1;
  std::array<std::uint16_t, kGlances> glances_{};
  std::array<std::uint64_t, kRenowned> renowned_words_{};
  std::array<std::uint32_t, kRenowned> renowned_ids_{};
};

}  // namespace lvsnat::track
