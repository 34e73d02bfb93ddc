// What a plain packet says, in 64 bytes: enough to follow a connection by, and to make the whole Packet of where one is needed.
// Most packets of a busy link are never asked for more.
//
// Plain: Ethernet with one tag or none, or either SLL without tags, then IPv4 without options and fragments or IPv6 without
// extension headers, then TCP or UDP whose lengths agree. What else there is goes the thorough way; what is plain comes to
// exactly the Packet that this would have made, which a test holds it to.
//
// Hot: inline; reads nothing at or beyond Frame::captured. Threads: pure functions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/endpoint_word.h"
#include "decode/layers.h"
#include "lvsnat/frame.h"
#include "lvsnat/packet.h"

namespace lvsnat {

struct Skim {
  Timestamp time;
  std::uint64_t path[3];  // the three words of Packet from `vantage` on
  union {
    std::uint64_t words[2];  // IPv4: endpoint_word() of source and destination
    struct {
      const std::uint8_t* addresses;  // source, then destination, sixteen bytes each, where they lie; borrowed
      std::uint32_t ports;            // source port << 16 | destination port
    } v6;
  };
  std::uint32_t sequence;  // TCP, else 0
  std::uint32_t payload;   // as Packet's
  std::uint32_t ip_length;
  // From the lowest bit: TCP's flags (8 bits, else 0), protocol (8), low byte of the IPv4 ID (8, else 0), Packet::network_offset
  // (6), version of IP (kV4 or kV6). 0: not plain, and nothing else is assigned but the time.
  std::uint32_t nature;

  static constexpr std::uint32_t kV4 = 1U << 30, kV6 = 1U << 31;
  static constexpr unsigned kProtocol = 8, kIpId = 16, kNetwork = 24;
  [[nodiscard]] bool is_plain() const noexcept { return nature != 0; }
  [[nodiscard]] bool is_v4() const noexcept { return (nature & kV4) != 0; }
  [[nodiscard]] std::uint8_t tcp_flags() const noexcept { return static_cast<std::uint8_t>(nature); }
  [[nodiscard]] std::uint8_t protocol() const noexcept { return static_cast<std::uint8_t>(nature >> kProtocol); }
  [[nodiscard]] std::uint8_t ip_id() const noexcept { return static_cast<std::uint8_t>(nature >> kIpId); }
  [[nodiscard]] std::uint32_t network_offset() const noexcept { return nature >> kNetwork & 0x3f; }
  /// Of IPv6: 0: the source's, 1: the destination's.
  [[nodiscard]] std::uint16_t port_v6(unsigned end) const noexcept {
    return static_cast<std::uint16_t>(v6.ports >> (end ^ 1) * 16);
  }
};
static_assert(sizeof(Skim) == 64);

namespace skimming {

static_assert(offsetof(Packet, source_mac) == offsetof(Packet, vantage) + 2 &&
              offsetof(Packet, vlan) == offsetof(Packet, vantage) + 8 &&
              offsetof(Packet, destination_mac) == offsetof(Packet, vantage) + 10 &&
              offsetof(Packet, interface_index) == offsetof(Packet, vantage) + 16 &&
              offsetof(Packet, direction) == offsetof(Packet, vantage) + 20 &&
              offsetof(Packet, v6) == offsetof(Packet, vantage) + 21 &&
              offsetof(Packet, first_fragment) == offsetof(Packet, vantage) + 22 &&
              offsetof(Packet, has_macs) == offsetof(Packet, vantage) + 23);

/// `number` and the six bytes at `mac` in the order in which they lie in a packet; reads two bytes behind them.
[[gnu::always_inline]] inline std::uint64_t path_word(std::uint16_t number, const std::uint8_t* mac) noexcept {
  std::uint64_t word;
  std::memcpy(&word, mac, 8);
  return std::endian::native == std::endian::little ? word << 16 | number : word >> 16 | std::uint64_t{number} << 48;
}
/// The third: interface_index, direction, v6, first_fragment (none is plain) and has_macs.
[[gnu::always_inline]] inline std::uint64_t path_end(std::uint32_t interface_index, Direction direction, bool v6,
                                                     bool has_macs) noexcept {
  const auto way = static_cast<std::uint64_t>(direction);
  if constexpr (std::endian::native == std::endian::little)
    return interface_index | way << 32 | std::uint64_t{v6} << 40 | std::uint64_t{has_macs} << 56;
  return std::uint64_t{interface_index} << 32 | way << 24 | std::uint64_t{v6} << 16 | std::uint64_t{has_macs};
}

// Bytes of a TCP header that are looked at. Where fewer are captured nothing is plain: a UDP header of a datagram next to empty,
// without the padding of Ethernet, is not worth a branch.
inline constexpr std::uint32_t kTransport = 16;

/// A word as it lies where `value` stands in network order: what is compared as it lies need not be turned round.
constexpr std::uint32_t as_it_lies(std::uint32_t value) noexcept {
  return std::endian::native == std::endian::little ? __builtin_bswap32(value) : value;
}
inline std::uint32_t load_as_it_lies(const std::uint8_t* p) noexcept {
  std::uint32_t word;
  std::memcpy(&word, p, 4);
  return word;
}

/// A transport header behind a network header of `kHeader` bytes at `kAt`; `length` is what the latter says that follows it.
/// `tcp`, or else `udp`, as the network header says. `nature`: all of it but the protocol and its flags.
template <std::uint32_t kAt, std::uint32_t kHeader>
[[gnu::always_inline]] inline bool skim_transport(const Frame& frame, bool tcp, bool udp, std::int32_t length,
                                                  std::uint32_t nature, Skim& skim) noexcept {
  const std::uint8_t* p = frame.data + kAt + kHeader;
  if (tcp) [[likely]] {
    const std::int32_t header = (p[12] & 0xf0) >> 2, payload = length - header;
    if ((payload | (header - 20)) < 0) [[unlikely]]
      return false;
    skim.sequence = load_be32(p + 4);
    skim.payload = static_cast<std::uint32_t>(payload);
    skim.nature = nature | std::uint32_t{kTcp} << Skim::kProtocol | p[13];
  } else {
    const std::int32_t said = load_be16(p + 4);
    if (!udp || said < 8 || said > length) return false;
    skim.sequence = 0;
    skim.payload = static_cast<std::uint32_t>(said - 8);
    skim.nature = nature | std::uint32_t{kUdp} << Skim::kProtocol;
  }
  return true;
}

template <std::uint32_t kAt>
[[gnu::always_inline]] inline bool skim_ipv4(const Frame& frame, Skim& skim) noexcept {
  const std::uint8_t* p = frame.data + kAt;
  const std::uint32_t total = load_be16(p + 2);
  // Flags and fragment offset, time to live, protocol: all but "don't fragment" and the time to live are looked at at once.
  const std::uint32_t whole = load_as_it_lies(p + 6) & as_it_lies(0x3fff00ff);
  constexpr std::uint32_t version = Skim::kV4 | kAt << Skim::kNetwork;
  if (!skim_transport<kAt, 20>(frame, whole == as_it_lies(kTcp), whole == as_it_lies(kUdp), static_cast<std::int32_t>(total) - 20,
                               version | std::uint32_t{p[5]} << Skim::kIpId, skim)) [[unlikely]]
    return false;
  std::uint32_t host[2];
  std::memcpy(host, p + 12, 8);
  const std::uint32_t ports = load_be32(p + 20);
  skim.words[0] = endpoint_word(low_half_v4(host[0]), static_cast<std::uint16_t>(ports >> 16), skim.protocol());
  skim.words[1] = endpoint_word(low_half_v4(host[1]), static_cast<std::uint16_t>(ports), skim.protocol());
  skim.ip_length = total;
  return true;
}

template <std::uint32_t kAt>
[[gnu::always_inline]] inline bool skim_ipv6(const Frame& frame, Skim& skim) noexcept {
  const std::uint8_t* p = frame.data + kAt;
  const std::uint32_t length = load_be16(p + 4);
  constexpr std::uint32_t version = Skim::kV6 | kAt << Skim::kNetwork;
  if (!skim_transport<kAt, 40>(frame, p[6] == kTcp, p[6] == kUdp, static_cast<std::int32_t>(length), version, skim)) [[unlikely]]
    return false;
  skim.path[2] |= path_end(0, Direction::unknown, true, false);
  skim.v6 = {p + 8, load_be32(p + 40)};
  skim.ip_length = 40 + length;
  return true;
}

/// `begin`: what the link header says that follows, and above it nothing; below it the first byte of that.
template <std::uint32_t kAt>
[[gnu::always_inline]] inline bool skim_network(const Frame& frame, std::uint32_t begin, Skim& skim) noexcept {
  if (begin == (layers::kTypeIpv4 << 8 | 0x45)) [[likely]]
    return skim_ipv4<kAt>(frame, skim);
  return (begin & 0xfffff0) == (layers::kTypeIpv6 << 8 | 0x60) && frame.captured >= kAt + 40 + kTransport &&
         skim_ipv6<kAt>(frame, skim);
}

[[gnu::always_inline]] inline bool skim_ethernet(const Frame& frame, Skim& skim) noexcept {
  constexpr std::uint32_t kHeader = 14, kTag = 4;
  if (frame.captured < kHeader + 20 + kTransport) [[unlikely]]
    return false;
  const std::uint8_t* p = frame.data;
  const std::uint32_t begin = load_be32(p + 12) >> 8;
  skim.path[0] = path_word(frame.vantage, p + 6);
  skim.path[1] = path_word(0, p);
  skim.path[2] = path_end(0, Direction::unknown, false, true);
  if (!skim_network<kHeader>(frame, begin, skim)) {
    // Frames of a capture are tagged or they are not: this branch is learnt.
    if (begin >> 8 != layers::kTypeVlan && begin >> 8 != layers::kTypeServiceVlan) return false;
    if (frame.captured < kHeader + kTag + 20 + kTransport) [[unlikely]]
      return false;
    skim.path[1] = path_word(static_cast<std::uint16_t>((load_be16(p + 14) & 0x0fff) + 1), p);
    if (!skim_network<kHeader + kTag>(frame, load_be32(p + 16) >> 8, skim)) [[unlikely]]
      return false;
  }
  return true;
}

// PACKET_HOST to PACKET_OUTGOING, as link.cc's direction_of() has them.
inline constexpr Direction kDirections[5] = {Direction::in, Direction::in, Direction::in, Direction::other_host, Direction::out};
inline constexpr std::uint16_t kArphrdEther = 1;

/// The loopback device has an address of zeros, which is none.
[[gnu::always_inline]] inline bool has_mac(const std::uint8_t* mac) noexcept {
  return (load_be32(mac) | load_be16(mac + 4)) != 0;
}

[[gnu::always_inline]] inline bool skim_sll(const Frame& frame, Skim& skim) noexcept {
  constexpr std::uint32_t kHeader = 16;
  if (frame.captured < kHeader + 20 + kTransport) [[unlikely]]
    return false;
  const std::uint8_t* p = frame.data;
  const std::uint16_t packet_type = load_be16(p);
  if (load_be16(p + 2) != kArphrdEther || packet_type > 4 || load_be16(p + 4) != 6) [[unlikely]]
    return false;
  skim.path[0] = path_word(frame.vantage, p + 6);
  skim.path[1] = 0;
  skim.path[2] = path_end(0, kDirections[packet_type], false, has_mac(p + 6));
  return skim_network<kHeader>(frame, load_be32(p + 14) >> 8, skim);
}

[[gnu::always_inline]] inline bool skim_sll2(const Frame& frame, Skim& skim) noexcept {
  constexpr std::uint32_t kHeader = 20;
  if (frame.captured < kHeader + 20 + kTransport) [[unlikely]]
    return false;
  const std::uint8_t* p = frame.data;
  if (load_be16(p + 8) != kArphrdEther || p[10] > 4 || p[11] != 6) [[unlikely]]
    return false;
  skim.path[0] = path_word(frame.vantage, p + 12);
  skim.path[1] = 0;
  skim.path[2] = path_end(load_be32(p + 4), kDirections[p[10]], false, has_mac(p + 12));
  return skim_network<kHeader>(frame, std::uint32_t{load_be16(p)} << 8 | p[kHeader], skim);
}

inline bool skim_nothing(const Frame&, Skim&) noexcept { return false; }

/// Frames of one link type in a row, from `at` on; returns where the row ends.
template <bool (*kSkim)(const Frame&, Skim&) noexcept, typename Each>
[[gnu::always_inline]] inline std::size_t skim_row(const Frame* frames, std::size_t at, std::size_t count,
                                                   const Each& each) noexcept {
  const LinkType link = frames[at].link;
  do {
    each(
        at, [&](Skim & skim) __attribute__((always_inline)) { return kSkim(frames[at], skim); });
  } while (++at < count && frames[at].link == link);
  return at;
}

}  // namespace skimming

/// Calls `each(i, skim)` for every frame in turn, where `skim(Skim&)` is false for what is not plain, and otherwise assigns all
/// of it but the time.
template <typename Each>
[[gnu::always_inline]] inline void skim_each(const Frame* frames, std::size_t count, const Each& each) noexcept {
  for (std::size_t at = 0; at < count;) {
    switch (frames[at].link) {
      case LinkType::ethernet:
        at = skimming::skim_row<skimming::skim_ethernet>(frames, at, count, each);
        break;
      case LinkType::linux_sll:
        at = skimming::skim_row<skimming::skim_sll>(frames, at, count, each);
        break;
      case LinkType::linux_sll2:
        at = skimming::skim_row<skimming::skim_sll2>(frames, at, count, each);
        break;
      default:
        at = skimming::skim_row<skimming::skim_nothing>(frames, at, count, each);
        break;
    }
  }
}

/// Time to live or hop limit of a frame with this skim, which is a plain one's.
inline std::uint8_t ttl_of(const Frame& frame, const Skim& skim) noexcept {
  return frame.data[skim.network_offset() + (skim.is_v4() ? 8U : 7U)];
}

/// decode() of one frame; `plain` of one that is, with its skim.
void decode_plain(const Frame& frame, const Skim& skim, Packet& packet) noexcept;
void decode_slowly(const Frame& frame, Packet& packet) noexcept;

}  // namespace lvsnat
