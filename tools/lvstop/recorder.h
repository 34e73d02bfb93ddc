// The packets of the last while, kept for ladders and for saving: a ring of bytes that forgets its oldest.
//
// Memory: `limit` bytes for packets, touched as they come, and 40 bytes for each packet kept. Threads: one (the capture
// thread). Frames handed to visit() borrow from the ring until the next add().
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lvsnat/connection.h"
#include "lvsnat/frame.h"
#include "lvsnat/packet.h"
#include "model.h"

namespace lvsnat::top {

class Recorder {
 public:
  explicit Recorder(std::size_t limit);

  /// Keeps copies of frames, and from their decoding what finds them again. Both spans have the same length.
  void add(std::span<const Frame> frames, std::span<const Packet> packets);

  [[nodiscard]] std::uint64_t packets() const { return entries_.size(); }
  [[nodiscard]] std::uint64_t bytes() const { return used_; }
  [[nodiscard]] std::uint64_t limit() const { return limit_; }
  [[nodiscard]] std::uint64_t overwritten() const { return overwritten_; }

  /// The connection's packets in order, and what else on the wire belongs to it: ARP and ND for its addresses, redirects
  /// and ICMP errors that quote it. Copies of one packet appear once.
  [[nodiscard]] Ladder ladder(const Connection&, const std::vector<Vantage>& vantages) const;

  /// Every kept frame in order, or only those of the connections and what belongs to them.
  /// `visit` returns false to stop.
  template <typename Visit>
  void visit_all(Visit visit) const {
    for (const Entry& entry : entries_) {
      if (!visit(frame_of(entry))) return;
    }
  }
  template <typename Visit>
  void visit_connections(std::span<const Connection> connections, Visit visit) const {
    for (const std::size_t i : entries_of(connections)) {
      if (!visit(frame_of(entries_[i]))) return;
    }
  }

 private:
  struct Entry {
    Timestamp time = 0;
    std::size_t at = 0;
    std::uint32_t captured = 0, wire = 0, number = 0;
    std::uint32_t source_hash = 0, destination_hash = 0;  // of address, port and protocol; 0: no transport
    std::uint16_t vantage = 0;
    LinkType link = LinkType::ethernet;
    Packet::Kind kind = Packet::Kind::unsupported;
  };
  static std::uint32_t hash(const Address&, std::uint16_t port, std::uint8_t protocol);
  [[nodiscard]] Frame frame_of(const Entry&) const;
  [[nodiscard]] bool belongs(const Entry&, const Connection&, Packet&) const;
  [[nodiscard]] std::vector<std::size_t> entries_of(std::span<const Connection>) const;
  void make_room(std::size_t from, std::size_t to);

  std::size_t limit_;
  std::unique_ptr<std::uint8_t[]> ring_;
  std::size_t next_ = 0;  // where the next frame goes
  std::deque<Entry> entries_;
  std::uint64_t used_ = 0, overwritten_ = 0;
};

/// The step of a ladder that a packet makes on this connection; nullopt: none of its packets. Pure.
std::optional<LadderStep> ladder_step(const Packet&, const Connection&);

}  // namespace lvsnat::top
