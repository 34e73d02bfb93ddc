// TCP: RFC 9293. UDP: RFC 768. SCTP: RFC 9260.
#include "decode/layers.h"

namespace lvsnat::layers {
namespace {

// What the snaplen must leave of a TCP header: ports, both numbers, data offset and flags.
constexpr std::uint32_t kTcpNeeded = 14;

void take_ports(const std::uint8_t* p, Packet& packet) noexcept {
  packet.source_port = load_be16(p);
  packet.destination_port = load_be16(p + 2);
}

Kind decode_tcp(const Extent& extent, std::uint32_t at, std::uint32_t end, Packet& packet) noexcept {
  const std::uint8_t* p = extent.data + at;
  const std::uint32_t length = end - at;
  if (extent.holds(at + 4) && length >= 4) take_ports(p, packet);
  if (extent.holds(at + 8) && length >= 8) packet.sequence = load_be32(p + 4);
  if (length < 20) {
    // RFC 1858's tiny fragment: the flags travel in the next one.
    if (!packet.first_fragment || length < 8) return Kind::malformed;
    return extent.holds(at + 8) ? Kind::transport : extent.missing(at + 8);
  }
  if (!extent.holds(at + kTcpNeeded)) return extent.missing(at + kTcpNeeded);
  packet.acknowledgement = load_be32(p + 8);
  packet.tcp_flags = p[13];
  if (extent.holds(at + 16)) packet.window = load_be16(p + 14);
  const std::uint32_t header = (p[12] >> 4) * 4U;
  if (header < 20) return Kind::malformed;
  if (header > length) return packet.first_fragment ? Kind::transport : Kind::malformed;
  packet.payload_offset = static_cast<std::uint16_t>(at + header);
  packet.payload = length - header;
  return Kind::transport;
}

// A UDP length that disagrees with IP's does not stop a director from forwarding by ports, so it is no
// reason to lose the packet: the smaller of the two counts. 0 is a jumbogram (RFC 2675) or offload.
Kind decode_udp(const Extent& extent, std::uint32_t at, std::uint32_t end, Packet& packet) noexcept {
  const std::uint32_t length = end - at;
  if (length < 8) return Kind::malformed;
  if (!extent.holds(at + 4)) return extent.missing(at + 4);
  take_ports(extent.data + at, packet);
  const std::uint32_t said = extent.holds(at + 6) ? load_be16(extent.data + at + 4) : 0;
  const std::uint32_t used = said == 0 || said > length ? length : said < 8 ? 8 : said;
  packet.payload_offset = static_cast<std::uint16_t>(at + 8);
  packet.payload = used - 8;
  return Kind::transport;
}

Kind decode_sctp(const Extent& extent, std::uint32_t at, std::uint32_t end, Packet& packet) noexcept {
  if (end - at < 12) return Kind::malformed;
  if (!extent.holds(at + 4)) return extent.missing(at + 4);
  take_ports(extent.data + at, packet);
  packet.payload_offset = static_cast<std::uint16_t>(at + 12);
  packet.payload = end - at - 12;
  return Kind::transport;
}

}  // namespace

Kind decode_upper(const Extent& extent, std::uint8_t protocol, std::uint32_t at, std::uint32_t end, Packet& packet) noexcept {
  packet.transport_offset = static_cast<std::uint16_t>(at);
  switch (protocol) {
    case kTcp:
      return decode_tcp(extent, at, end, packet);
    case kUdp:
      return decode_udp(extent, at, end, packet);
    case kSctp:
      return decode_sctp(extent, at, end, packet);
    case kIcmp:
      if (!packet.v6) return decode_icmp_header(extent, at, end, packet);
      break;
    case kIcmp6:
      if (packet.v6) return decode_icmp_header(extent, at, end, packet);
      break;
    case kGre:
      return decode_gre(extent, at, end, packet);
    case kIpip:
    case kIpv6:
      packet.payload_offset = static_cast<std::uint16_t>(at);
      packet.payload = end - at;
      return Kind::tunnel;
    default:
      break;
  }
  packet.payload_offset = static_cast<std::uint16_t>(at);
  packet.payload = end - at;
  return Kind::other_ip;
}

}  // namespace lvsnat::layers
