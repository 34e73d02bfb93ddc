// The batch entry: what is plain by what its skim says, and the thorough way for the rest.
#include <algorithm>
#include <cstddef>

#include "decode/layers.h"
#include "decode/skim.h"

namespace lvsnat {
namespace {

[[gnu::always_inline]] inline void start(const Frame& frame, Packet& packet) noexcept {
  packet.time = frame.time;
  packet.number = frame.number;
  packet.data = frame.data;
  packet.captured = frame.captured;
}

/// Every field is assigned.
[[gnu::always_inline]] inline void complete(const Frame& frame, const Skim& skim, Packet& packet) noexcept {
  start(frame, packet);
  const std::uint8_t* network = frame.data + skim.network_offset();
  std::uint32_t header;
  if (skim.is_v4()) [[likely]] {
    packet.source = address_of_word(skim.words[0]);
    packet.destination = address_of_word(skim.words[1]);
    packet.dont_fragment = (network[6] & 0x40) != 0;
    packet.ip_id = load_be16(network + 4);
    header = 20;
  } else {
    packet.source = Address::from_v6(skim.v6.addresses);
    packet.destination = Address::from_v6(skim.v6.addresses + 16);
    packet.dont_fragment = false;
    packet.ip_id = 0;
    header = 40;
  }
  const std::uint8_t* transport = network + header;
  packet.ttl = ttl_of(frame, skim);
  packet.source_port = load_be16(transport);
  packet.destination_port = load_be16(transport + 2);
  packet.sequence = skim.sequence;
  packet.payload = skim.payload;
  packet.ip_length = skim.ip_length;
  std::memcpy(reinterpret_cast<char*>(&packet) + offsetof(Packet, vantage), skim.path, sizeof skim.path);
  std::uint32_t payload_at = skim.network_offset() + header;
  packet.network_offset = static_cast<std::uint16_t>(skim.network_offset());
  packet.transport_offset = static_cast<std::uint16_t>(payload_at);
  if (skim.protocol() == kTcp) [[likely]] {
    packet.acknowledgement = load_be32(transport + 8);
    packet.window = load_be16(transport + 14);
    payload_at += (transport[12] >> 4) * 4U;
  } else {
    packet.acknowledgement = 0;
    packet.window = 0;
    payload_at += 8;
  }
  packet.payload_offset = static_cast<std::uint16_t>(payload_at);
  packet.kind = Packet::Kind::transport;
  packet.protocol = skim.protocol();
  packet.tcp_flags = skim.tcp_flags();
}

}  // namespace

void decode_plain(const Frame& frame, const Skim& skim, Packet& packet) noexcept { complete(frame, skim, packet); }

void decode_slowly(const Frame& frame, Packet& packet) noexcept {
  packet = Packet{};
  start(frame, packet);
  packet.vantage = frame.vantage;
  packet.kind = layers::decode_link(frame, packet);
}

void decode(std::span<const Frame> frames, std::span<Packet> packets) noexcept {
  skim_each(
      frames.data(), std::min(frames.size(), packets.size()), [&](std::size_t i, auto&& skim) __attribute__((always_inline)) {
        Skim said;
        if (skim(said)) [[likely]] {
          complete(frames[i], said, packets[i]);
        } else {
          decode_slowly(frames[i], packets[i]);
        }
      });
}

std::span<const std::uint8_t> payload_of(const Packet& packet) noexcept {
  if (packet.payload_offset == 0 || packet.payload_offset >= packet.captured) return {};
  const std::size_t held = packet.captured - packet.payload_offset;
  return {packet.data + packet.payload_offset, std::min<std::size_t>(held, packet.payload)};
}

}  // namespace lvsnat
