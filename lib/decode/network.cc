// IPv4: RFC 791. IPv6: RFC 8200, AH RFC 4302, mobility RFC 6275.
#include "decode/layers.h"

namespace lvsnat::layers {

Kind decode_ip(const Extent& extent, std::uint32_t at, Packet& packet) noexcept {
  if (!extent.holds(at + 1)) return extent.missing(at + 1);
  switch (extent.data[at] >> 4) {
    case 4:
      return decode_ipv4(extent, at, packet);
    case 6:
      return decode_ipv6(extent, at, packet);
    default:
      return Kind::malformed;
  }
}

Kind decode_ipv4(const Extent& extent, std::uint32_t at, Packet& packet) noexcept {
  if (at > kMaxNetworkOffset) return Kind::unsupported;
  packet.network_offset = static_cast<std::uint16_t>(at);
  if (!extent.holds(at + 20)) return extent.missing(at + 20);
  const std::uint8_t* p = extent.data + at;
  if (p[0] >> 4 != 4) return Kind::malformed;
  packet.source = Address::from_v4(p + 12);
  packet.destination = Address::from_v4(p + 16);
  packet.protocol = p[9];
  packet.ttl = p[8];
  packet.ip_id = load_be16(p + 4);
  const std::uint16_t fragment = load_be16(p + 6);
  packet.dont_fragment = (fragment & 0x4000) != 0;
  // Segmentation offload leaves 0 where the length does not fit: net/ipv4/ip_output.c, iph_set_totlen().
  const std::uint32_t total = load_be16(p + 2);
  packet.ip_length = total != 0 ? total : extent.wire - at;
  const std::uint32_t header = (p[0] & 15U) * 4;
  if (header < 20 || packet.ip_length < header) return Kind::malformed;

  const std::uint32_t upper = at + header;
  const std::uint32_t end = at + packet.ip_length;
  if ((fragment & 0x1fff) != 0) {
    packet.payload_offset = static_cast<std::uint16_t>(upper);
    packet.payload = end - upper;
    return Kind::fragment;
  }
  packet.first_fragment = (fragment & 0x2000) != 0;
  return decode_upper(extent, packet.protocol, upper, end, packet);
}

Kind decode_ipv6(const Extent& extent, std::uint32_t at, Packet& packet) noexcept {
  if (at > kMaxNetworkOffset) return Kind::unsupported;
  packet.network_offset = static_cast<std::uint16_t>(at);
  if (!extent.holds(at + 40)) return extent.missing(at + 40);
  const std::uint8_t* p = extent.data + at;
  if (p[0] >> 4 != 6) return Kind::malformed;
  packet.v6 = true;
  packet.source = Address::from_v6(p + 8);
  packet.destination = Address::from_v6(p + 24);
  packet.ttl = p[7];
  // 0 is a jumbogram (RFC 2675) or BIG TCP, save where nothing follows anyway.
  const std::uint32_t length = load_be16(p + 4);
  packet.ip_length = length != 0 || p[6] == 59 ? 40 + length : extent.wire - at;
  const std::uint32_t end = at + packet.ip_length;

  const Chain chain = walk_extensions(extent, p[6], at + 40, end);
  packet.protocol = chain.protocol;
  if (!chain.arrived) return chain.failure;
  if (chain.later_fragment) {
    packet.payload_offset = static_cast<std::uint16_t>(chain.at);
    packet.payload = end - chain.at;
    return Kind::fragment;
  }
  packet.first_fragment = chain.more_fragments;
  return decode_upper(extent, chain.protocol, chain.at, end, packet);
}

Chain walk_extensions(const Extent& extent, std::uint8_t next, std::uint32_t at, std::uint32_t end) noexcept {
  Chain chain;
  const std::uint32_t begin = at;
  for (unsigned walked = 0;; ++walked) {
    chain.protocol = next;
    chain.at = at;
    bool fragment = false;
    bool authentication = false;
    switch (next) {
      case 0:    // hop-by-hop options
      case 43:   // routing
      case 60:   // destination options
      case 135:  // mobility
      case 139:  // host identity
      case 140:  // shim6
        break;
      case 44:
        fragment = true;
        break;
      case 51:
        authentication = true;
        break;
      default:
        chain.arrived = true;
        return chain;
    }
    if (walked == kMaxExtensions) return chain;
    const std::uint32_t needed = at + (fragment ? 8 : 2);
    if (needed > end) {
      chain.failure = Kind::malformed;
      return chain;
    }
    if (!extent.holds(needed)) {
      chain.failure = extent.missing(needed);
      return chain;
    }
    const std::uint8_t* p = extent.data + at;
    const std::uint32_t size = fragment ? 8 : authentication ? (p[1] + 2U) * 4 : (p[1] + 1U) * 8;
    if (at + size > end) {
      chain.failure = Kind::malformed;
      return chain;
    }
    if (at + size - begin > kMaxExtensionBytes) return chain;
    next = p[0];
    at += size;
    if (!fragment) continue;
    const std::uint16_t field = load_be16(p + 2);
    if ((field & 0xfff8) != 0) {
      chain.protocol = next;
      chain.at = at;
      chain.arrived = true;
      chain.later_fragment = true;
      return chain;
    }
    chain.more_fragments = (field & 1) != 0;
  }
}

}  // namespace lvsnat::layers
