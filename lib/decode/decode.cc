// The batch entry: a fast path for what a cluster's links are full of, and the thorough way for the rest.
//
// Fast: Ethernet or SLL2 without tags, then IPv4 without options and fragments or IPv6 without extension headers,
// then TCP or UDP whose lengths agree. The fast path assigns every field; it answers exactly what the thorough way
// would, which a test holds it to.
#include <algorithm>

#include "decode/layers.h"

namespace lvsnat {
namespace {

using Kind = Packet::Kind;

inline void start(const Frame& frame, Packet& packet) noexcept {
  packet.time = frame.time;
  packet.number = frame.number;
  packet.vantage = frame.vantage;
  packet.data = frame.data;
  packet.captured = frame.captured;
}

[[gnu::noinline]] void decode_slowly(const Frame& frame, Packet& packet) noexcept {
  packet = Packet{};
  start(frame, packet);
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
  packet.transport_offset = kAt;
  packet.kind = Kind::transport;
  packet.first_fragment = false;
  packet.vlan = 0;
  return true;
}

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
  packet.source = Address::from_v4(p + 12);
  packet.destination = Address::from_v4(p + 16);
  packet.ip_length = total;
  packet.ip_id = load_be16(p + 4);
  packet.ttl = p[8];
  packet.v6 = false;
  packet.dont_fragment = (fragment & 0x4000) != 0;
  packet.network_offset = kAt;
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
  packet.v6 = true;
  packet.dont_fragment = false;
  packet.network_offset = kAt;
  return true;
}

template <std::uint32_t kAt>
[[gnu::always_inline]] inline bool decode_network(const Frame& frame, std::uint16_t type, Packet& packet) noexcept {
  if (type == layers::kTypeIpv4) [[likely]]
    return decode_ipv4<kAt>(frame, packet);
  return type == layers::kTypeIpv6 && decode_ipv6<kAt>(frame, packet);
}

[[gnu::always_inline]] inline bool decode_ethernet(const Frame& frame, Packet& packet) noexcept {
  constexpr std::uint32_t kHeader = 14;
  if (frame.captured < kHeader + 20) [[unlikely]]
    return false;
  const std::uint8_t* p = frame.data;
  if (!decode_network<kHeader>(frame, load_be16(p + 12), packet)) [[unlikely]]
    return false;
  packet.interface_index = 0;
  packet.direction = Direction::unknown;
  packet.has_macs = true;
  std::memcpy(packet.destination_mac.data(), p, 6);
  std::memcpy(packet.source_mac.data(), p + 6, 6);
  return true;
}

[[gnu::always_inline]] inline bool decode_sll2(const Frame& frame, Packet& packet) noexcept {
  constexpr std::uint32_t kHeader = 20;
  // PACKET_HOST to PACKET_OUTGOING, as link.cc's direction_of() has them.
  static constexpr Direction directions[5] = {Direction::in, Direction::in, Direction::in, Direction::other_host, Direction::out};
  constexpr std::uint16_t kArphrdEther = 1;
  if (frame.captured < kHeader + 20) [[unlikely]]
    return false;
  const std::uint8_t* p = frame.data;
  if (load_be16(p + 8) != kArphrdEther || p[10] > 4 || p[11] != 6) [[unlikely]]
    return false;
  if (!decode_network<kHeader>(frame, load_be16(p), packet)) [[unlikely]]
    return false;
  packet.interface_index = load_be32(p + 4);
  packet.direction = directions[p[10]];
  std::memcpy(packet.source_mac.data(), p + 12, 6);
  packet.has_macs = layers::is_address(packet.source_mac);
  packet.destination_mac = {};
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
