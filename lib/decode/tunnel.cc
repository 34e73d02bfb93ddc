// IP-in-IP: RFC 2003, 4213, 2473. GRE: RFC 2784, 2890.
#include "decode/layers.h"

namespace lvsnat {
namespace layers {

Kind decode_gre(const Extent& extent, std::uint32_t at, std::uint32_t end, Packet& packet) noexcept {
  if (end - at < 4) return Kind::malformed;
  if (!extent.holds(at + 4)) return extent.missing(at + 4);
  const std::uint16_t flags = load_be16(extent.data + at);
  const std::uint16_t type = load_be16(extent.data + at + 2);
  const std::uint32_t header =
      4 + ((flags & 0x8000) != 0 ? 4U : 0) + ((flags & 0x2000) != 0 ? 4U : 0) + ((flags & 0x1000) != 0 ? 4U : 0);
  if (end - at < header) return Kind::malformed;
  packet.payload_offset = static_cast<std::uint16_t>(at + header);
  packet.payload = end - at - header;
  // Version 1 is PPTP; the routing bit of RFC 1701 brings a list that Linux refuses too.
  if ((flags & 0x4007) != 0 || (type != kTypeIpv4 && type != kTypeIpv6)) return Kind::other_ip;
  return Kind::tunnel;
}

}  // namespace layers

bool decode_tunnel(const Packet& packet, Packet& inner) noexcept {
  if (packet.kind != Packet::Kind::tunnel) return false;
  // The outer header's length ends the inner packet, not the frame's padding.
  const std::uint32_t end = packet.network_offset + packet.ip_length;
  const layers::Extent extent{packet.data, packet.captured < end ? packet.captured : end, end};
  Packet p;
  p.time = packet.time;
  p.number = packet.number;
  p.interface_index = packet.interface_index;
  p.vantage = packet.vantage;
  p.vlan = packet.vlan;
  p.direction = packet.direction;
  p.has_macs = packet.has_macs;
  p.source_mac = packet.source_mac;
  p.destination_mac = packet.destination_mac;
  p.data = packet.data;
  p.captured = packet.captured;
  switch (packet.protocol) {
    case kIpip:
      p.kind = layers::decode_ipv4(extent, packet.payload_offset, p);
      break;
    case kIpv6:
      p.kind = layers::decode_ipv6(extent, packet.payload_offset, p);
      break;
    default:
      p.kind = layers::decode_ip(extent, packet.payload_offset, p);
      break;
  }
  // The outer header's options may be all that was captured: then the inner one starts nowhere in the frame.
  if (p.network_offset > p.captured) p.network_offset = 0;
  inner = p;  // only now: the two may be the same object
  return true;
}

}  // namespace lvsnat
