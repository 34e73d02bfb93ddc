// The batch entry: a fast path for what a cluster's links are full of, and the thorough way for the rest.
//
// Fast: Ethernet with one tag or none, or either SLL without tags, then IPv4 without options and fragments or IPv6 without
// extension headers, then TCP or UDP whose lengths agree. The fast path assigns every field; it answers exactly what the thorough
// way would, which a test holds it to.
#include <algorithm>
#include <bit>
#include <cstddef>

#include "decode/layers.h"

namespace lvsnat {
namespace {

using Kind = Packet::Kind;

// Several fields as one word. The compiler would not make one store of what is assigned in several places, and this is what
// every packet costs. `at` is the offset of the first of them.
template <typename Word>
[[gnu::always_inline]] inline void put(Packet& packet, std::size_t at, Word word) noexcept {
  std::memcpy(reinterpret_cast<char*>(&packet) + at, &word, sizeof word);
}

/// `number` and the six bytes at `mac` in the order in which they lie in a packet; reads two bytes before or behind them.
[[gnu::always_inline]] inline std::uint64_t tagged_mac(std::uint16_t number, const std::uint8_t* mac) noexcept {
  std::uint64_t word;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&word, mac, 8);
    return word << 16 | number;
  }
  std::memcpy(&word, mac - 2, 8);
  return (word & 0x0000ffffffffffff) | std::uint64_t{number} << 48;
}

[[gnu::always_inline]] inline void put_v4(Address& address, const std::uint8_t* network) noexcept {
  std::uint32_t host;
  std::memcpy(&host, network, 4);
  const std::uint64_t none = 0;
  const std::uint64_t low =
      std::endian::native == std::endian::little ? std::uint64_t{host} << 32 | 0xffff0000 : 0x0000ffff00000000 | host;
  std::memcpy(address.bytes.data(), &none, 8);
  std::memcpy(address.bytes.data() + 8, &low, 8);
}

/// All but `vantage`.
[[gnu::always_inline]] inline void start(const Frame& frame, Packet& packet) noexcept {
  packet.time = frame.time;
  packet.number = frame.number;
  packet.data = frame.data;
  packet.captured = frame.captured;
}

[[gnu::noinline]] void decode_slowly(const Frame& frame, Packet& packet) noexcept {
  packet = Packet{};
  start(frame, packet);
  packet.vantage = frame.vantage;
  packet.kind = layers::decode_link(frame, packet);
}

// A transport header of which 16 bytes (TCP) or 8 (UDP) are captured, in a packet of `length` bytes from there.
template <std::uint32_t kAt>
[[gnu::always_inline]] inline bool decode_tcp(const std::uint8_t* p, std::uint32_t length, Packet& packet) noexcept {
  const std::uint32_t header = (p[12] >> 4) * 4U;
  if (header < 20 || header > length) [[unlikely]]
    return false;
  packet.source_port = load_be16(p);
  packet.destination_port = load_be16(p + 2);
  packet.sequence = load_be32(p + 4);
  packet.acknowledgement = load_be32(p + 8);
  packet.tcp_flags = p[13];
  packet.window = load_be16(p + 14);
  packet.payload = length - header;
  packet.payload_offset = static_cast<std::uint16_t>(kAt + header);
  return true;
}

template <std::uint32_t kAt>
[[gnu::always_inline]] inline bool decode_udp(const std::uint8_t* p, std::uint32_t length, Packet& packet) noexcept {
  const std::uint32_t said = load_be16(p + 4);
  if (said < 8 || said > length) [[unlikely]]
    return false;
  packet.source_port = load_be16(p);
  packet.destination_port = load_be16(p + 2);
  packet.sequence = 0;
  packet.acknowledgement = 0;
  packet.tcp_flags = 0;
  packet.window = 0;
  packet.payload = said - 8;
  packet.payload_offset = kAt + 8;
  return true;
}

template <std::uint32_t kAt>
[[gnu::always_inline]] inline bool decode_ports(const Frame& frame, std::uint8_t protocol, std::uint32_t length,
                                                Packet& packet) noexcept {
  const std::uint8_t* p = frame.data + kAt;
  if (protocol == kTcp) {
    if (frame.captured < kAt + 16 || !decode_tcp<kAt>(p, length, packet)) return false;
  } else {
    if (protocol != kUdp || frame.captured < kAt + 8 || !decode_udp<kAt>(p, length, packet)) return false;
  }
  packet.protocol = protocol;
  packet.kind = Kind::transport;
  return true;
}

/// From Packet::interface_index on: it, the direction, v6, first_fragment (none is on the fast path) and has_macs.
[[gnu::always_inline]] inline std::uint64_t arrival(std::uint32_t interface_index, Direction direction, bool v6,
                                                    bool has_macs) noexcept {
  const auto way = static_cast<std::uint64_t>(direction);
  if constexpr (std::endian::native == std::endian::little)
    return interface_index | way << 32 | std::uint64_t{v6} << 40 | std::uint64_t{has_macs} << 56;
  return std::uint64_t{interface_index} << 32 | way << 24 | std::uint64_t{v6} << 16 | std::uint64_t{has_macs};
}
/// From Packet::network_offset on.
struct Offsets {
  std::uint16_t network, transport;
};
static_assert(offsetof(Packet, direction) == offsetof(Packet, interface_index) + 4 &&
              offsetof(Packet, v6) == offsetof(Packet, interface_index) + 5 &&
              offsetof(Packet, first_fragment) == offsetof(Packet, interface_index) + 6 &&
              offsetof(Packet, has_macs) == offsetof(Packet, interface_index) + 7 &&
              offsetof(Packet, transport_offset) == offsetof(Packet, network_offset) + 2 &&
              offsetof(Packet, source_mac) == offsetof(Packet, vantage) + 2 &&
              offsetof(Packet, destination_mac) == offsetof(Packet, vlan) + 2);

template <std::uint32_t kAt>
[[gnu::always_inline]] inline bool decode_ipv4(const Frame& frame, Packet& packet) noexcept {
  const std::uint8_t* p = frame.data + kAt;
  const std::uint32_t total = load_be16(p + 2);
  const std::uint16_t fragment = load_be16(p + 6);
  // A total length below 20 would wrap around in `length`.
  if (p[0] != 0x45 || (fragment & 0x3fff) != 0 || total < 20) [[unlikely]]
    return false;
  if (!decode_ports<kAt + 20>(frame, p[9], total - 20, packet)) [[unlikely]]
    return false;
  put_v4(packet.source, p + 12);
  put_v4(packet.destination, p + 16);
  packet.ip_length = total;
  packet.ip_id = load_be16(p + 4);
  packet.ttl = p[8];
  packet.dont_fragment = (fragment & 0x4000) != 0;
  put(packet, offsetof(Packet, network_offset), Offsets{kAt, kAt + 20});
  return true;
}

template <std::uint32_t kAt>
[[gnu::always_inline]] inline bool decode_ipv6(const Frame& frame, Packet& packet) noexcept {
  if (frame.captured < kAt + 40) [[unlikely]]
    return false;
  const std::uint8_t* p = frame.data + kAt;
  const std::uint32_t length = load_be16(p + 4);
  if (p[0] >> 4 != 6) [[unlikely]]
    return false;
  if (!decode_ports<kAt + 40>(frame, p[6], length, packet)) [[unlikely]]
    return false;
  packet.source = Address::from_v6(p + 8);
  packet.destination = Address::from_v6(p + 24);
  packet.ip_length = 40 + length;
  packet.ip_id = 0;
  packet.ttl = p[7];
  packet.dont_fragment = false;
  put(packet, offsetof(Packet, network_offset), Offsets{kAt, kAt + 40});
  return true;
}

/// 0: not on the fast path; else the version of IP.
template <std::uint32_t kAt>
[[gnu::always_inline]] inline unsigned decode_network(const Frame& frame, std::uint16_t type, Packet& packet) noexcept {
  if (type == layers::kTypeIpv4) [[likely]]
    return decode_ipv4<kAt>(frame, packet) ? 4 : 0;
  return type == layers::kTypeIpv6 && decode_ipv6<kAt>(frame, packet) ? 6 : 0;
}

[[gnu::always_inline]] inline bool decode_ethernet(const Frame& frame, Packet& packet) noexcept {
  constexpr std::uint32_t kHeader = 14;
  if (frame.captured < kHeader + 20) [[unlikely]]
    return false;
  const std::uint8_t* p = frame.data;
  const std::uint16_t type = load_be16(p + 12);
  std::uint16_t vlan = 0;
  unsigned version;
  // Frames of a capture are tagged or they are not: this branch is learnt.
  if (type == layers::kTypeVlan || type == layers::kTypeServiceVlan) {
    constexpr std::uint32_t kTag = 4;
    if (frame.captured < kHeader + kTag + 20) [[unlikely]]
      return false;
    vlan = static_cast<std::uint16_t>((load_be16(p + 14) & 0x0fff) + 1);
    version = decode_network<kHeader + kTag>(frame, load_be16(p + 16), packet);
  } else {
    version = decode_network<kHeader>(frame, type, packet);
  }
  if (version == 0) [[unlikely]]
    return false;
  put(packet, offsetof(Packet, vantage), tagged_mac(frame.vantage, p + 6));
  packet.vlan = vlan;
  std::memcpy(packet.destination_mac.data(), p, 6);
  put(packet, offsetof(Packet, interface_index), arrival(0, Direction::unknown, version == 6, true));
  return true;
}

// PACKET_HOST to PACKET_OUTGOING, as link.cc's direction_of() has them.
constexpr Direction kDirections[5] = {Direction::in, Direction::in, Direction::in, Direction::other_host, Direction::out};
constexpr std::uint16_t kArphrdEther = 1;

[[gnu::always_inline]] inline bool decode_sll(const Frame& frame, Packet& packet) noexcept {
  constexpr std::uint32_t kHeader = 16;
  if (frame.captured < kHeader + 20) [[unlikely]]
    return false;
  const std::uint8_t* p = frame.data;
  const std::uint16_t packet_type = load_be16(p);
  if (load_be16(p + 2) != kArphrdEther || packet_type > 4 || load_be16(p + 4) != 6) [[unlikely]]
    return false;
  const unsigned version = decode_network<kHeader>(frame, load_be16(p + 14), packet);
  if (version == 0) [[unlikely]]
    return false;
  const bool has_macs = (load_be32(p + 6) | load_be16(p + 10)) != 0;  // loopback has none
  put(packet, offsetof(Packet, vantage), tagged_mac(frame.vantage, p + 6));
  put(packet, offsetof(Packet, vlan), std::uint64_t{0});
  put(packet, offsetof(Packet, interface_index), arrival(0, kDirections[packet_type], version == 6, has_macs));
  return true;
}

[[gnu::always_inline]] inline bool decode_sll2(const Frame& frame, Packet& packet) noexcept {
  constexpr std::uint32_t kHeader = 20;
  if (frame.captured < kHeader + 20) [[unlikely]]
    return false;
  const std::uint8_t* p = frame.data;
  if (load_be16(p + 8) != kArphrdEther || p[10] > 4 || p[11] != 6) [[unlikely]]
    return false;
  const unsigned version = decode_network<kHeader>(frame, load_be16(p), packet);
  if (version == 0) [[unlikely]]
    return false;
  const bool has_macs = (load_be32(p + 12) | load_be16(p + 16)) != 0;  // loopback has none
  put(packet, offsetof(Packet, vantage), tagged_mac(frame.vantage, p + 12));
  put(packet, offsetof(Packet, vlan), std::uint64_t{0});
  put(packet, offsetof(Packet, interface_index), arrival(load_be32(p + 4), kDirections[p[10]], version == 6, has_macs));
  return true;
}

bool decode_nothing(const Frame&, Packet&) noexcept { return false; }

// Decodes frames of one link type in a row; returns how many there were, at least one.
template <bool (*kFast)(const Frame&, Packet&) noexcept>
std::size_t decode_run(const Frame* frame, Packet* packet, std::size_t count) noexcept {
  const LinkType link = frame->link;
  std::size_t i = 0;
  do {
    if (kFast(frame[i], packet[i])) [[likely]] {
      start(frame[i], packet[i]);
    } else {
      decode_slowly(frame[i], packet[i]);
    }
  } while (++i < count && frame[i].link == link);
  return i;
}

}  // namespace

void decode(std::span<const Frame> frames, std::span<Packet> packets) noexcept {
  const std::size_t count = std::min(frames.size(), packets.size());
  for (std::size_t done = 0; done < count;) {
    const Frame* frame = &frames[done];
    Packet* packet = &packets[done];
    switch (frame->link) {
      case LinkType::ethernet:
        done += decode_run<decode_ethernet>(frame, packet, count - done);
        break;
      case LinkType::linux_sll:
        done += decode_run<decode_sll>(frame, packet, count - done);
        break;
      case LinkType::linux_sll2:
        done += decode_run<decode_sll2>(frame, packet, count - done);
        break;
      default:
        done += decode_run<decode_nothing>(frame, packet, count - done);
        break;
    }
  }
}

std::span<const std::uint8_t> payload_of(const Packet& packet) noexcept {
  if (packet.payload_offset == 0 || packet.payload_offset >= packet.captured) return {};
  const std::size_t held = packet.captured - packet.payload_offset;
  return {packet.data + packet.payload_offset, std::min<std::size_t>(held, packet.payload)};
}

}  // namespace lvsnat
