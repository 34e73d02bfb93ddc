// ICMP: RFC 792, 1191, 4884. ICMPv6: RFC 4443. Neighbour discovery: RFC 4861.
#include "decode/layers.h"

namespace lvsnat {
namespace layers {

Kind decode_icmp_header(const Extent& extent, std::uint32_t at, std::uint32_t end, Packet& packet) noexcept {
  if (end - at < 8) return Kind::malformed;
  if (!extent.holds(at + 2)) return extent.missing(at + 2);
  packet.payload_offset = static_cast<std::uint16_t>(at + 8);
  packet.payload = end - at - 8;
  const std::uint8_t type = extent.data[at];
  return packet.v6 && type >= 133 && type <= 137 ? Kind::neighbour : Kind::icmp;
}

}  // namespace layers

namespace {

using layers::Extent;

// Enough for every option that a router sends; a message full of empty ones is not worth more.
constexpr unsigned kMaxOptions = 32;

void take_quoted_ports(const Extent& quote, std::uint32_t at, Icmp& out) noexcept {
  if (out.quoted_protocol != kTcp && out.quoted_protocol != kUdp && out.quoted_protocol != kSctp) return;
  if (!quote.holds(at + 4)) return;
  out.quotes_ports = true;
  out.quoted_source_port = load_be16(quote.data + at);
  out.quoted_destination_port = load_be16(quote.data + at + 2);
}

// The quoted lengths may point behind the quote, since a quote is cut by nature: `quote.captured` bounds all.
void take_quote_v4(const Extent& quote, std::uint32_t at, Icmp& out) noexcept {
  if (!quote.holds(at + 20)) return;
  const std::uint8_t* p = quote.data + at;
  const std::uint32_t header = (p[0] & 15U) * 4;
  if (p[0] >> 4 != 4 || header < 20) return;
  out.quotes = true;
  out.quoted_source = Address::from_v4(p + 12);
  out.quoted_destination = Address::from_v4(p + 16);
  out.quoted_protocol = p[9];
  out.quoted_ttl = p[8];
  out.quoted_ip_id = load_be16(p + 4);
  if ((load_be16(p + 6) & 0x1fff) == 0) take_quoted_ports(quote, at + header, out);
}

void take_quote_v6(const Extent& quote, std::uint32_t at, Icmp& out) noexcept {
  if (!quote.holds(at + 40)) return;
  const std::uint8_t* p = quote.data + at;
  if (p[0] >> 4 != 6) return;
  out.quotes = true;
  out.quoted_source = Address::from_v6(p + 8);
  out.quoted_destination = Address::from_v6(p + 24);
  out.quoted_ttl = p[7];
  const layers::Chain chain = layers::walk_extensions(quote, p[6], at + 40, quote.wire);
  out.quoted_protocol = chain.protocol;
  if (chain.arrived && !chain.later_fragment) take_quoted_ports(quote, chain.at, out);
}

// RFC 4884: a length attribute says where the quote ends and extensions begin. Where it cannot be true (less
// than the smallest header) it is a field that older senders left dirty.
Extent quote_within(const Extent& message, std::uint32_t at, std::uint32_t attribute, std::uint32_t least) noexcept {
  if (attribute < least || at + attribute >= message.captured) return message;
  return {message.data, at + attribute, at + attribute};
}

void take_icmp(const Extent& message, std::uint32_t at, Icmp& out) noexcept {
  out.echo_request = out.type == 8;
  out.echo_reply = out.type == 0;
  out.too_big = out.type == 3 && out.code == 4;
  out.unreachable = out.type == 3 && !out.too_big;
  out.redirect = out.type == 5;
  out.time_exceeded = out.type == 11;
  if (!message.holds(at + 8)) return;
  const std::uint8_t* p = message.data + at;
  if (out.too_big) out.mtu = load_be16(p + 6);
  if (out.redirect) out.gateway = Address::from_v4(p + 4);
  switch (out.type) {
    case 3:
    case 11:
    case 12:
      take_quote_v4(quote_within(message, at + 8, p[5] * 4U, 20), at + 8, out);
      break;
    case 4:  // source quench
    case 5:
      take_quote_v4(message, at + 8, out);
      break;
    default:
      break;
  }
}

void take_options(const Extent& message, std::uint32_t at, Icmp& out) noexcept {
  for (unsigned seen = 0; seen < kMaxOptions && message.holds(at + 8); ++seen) {
    const std::uint8_t* p = message.data + at;
    const std::uint32_t size = p[1] * 8U;
    if (size == 0) return;  // RFC 4861 4.6: the whole message is void
    if ((p[0] == 1 || p[0] == 2) && size == 8) {
      out.has_link_address = true;
      std::memcpy(out.link_address.data(), p + 2, 6);
    } else if (p[0] == 4) {
      const std::uint32_t end = at + size;
      const std::uint32_t held = end < message.captured ? end : message.captured;
      take_quote_v6({message.data, held, held}, at + 8, out);
    }
    at += size;
  }
}

void take_icmp6(const Extent& message, std::uint32_t at, Icmp& out) noexcept {
  out.unreachable = out.type == 1;
  out.too_big = out.type == 2;
  out.time_exceeded = out.type == 3;
  out.echo_request = out.type == 128;
  out.echo_reply = out.type == 129;
  out.router_advertisement = out.type == 134;
  out.solicitation = out.type == 135;
  out.advertisement = out.type == 136;
  out.redirect = out.type == 137;
  if (!message.holds(at + 8)) return;
  const std::uint8_t* p = message.data + at;
  if (out.too_big) out.mtu = load_be32(p + 4);
  switch (out.type) {
    case 1:
    case 3:
      take_quote_v6(quote_within(message, at + 8, p[4] * 8U, 40), at + 8, out);
      break;
    case 2:
    case 4:
      take_quote_v6(message, at + 8, out);
      break;
    case 133:
      take_options(message, at + 8, out);
      break;
    case 134:
      take_options(message, at + 16, out);
      break;
    case 135:
    case 136:
      if (message.holds(at + 24)) out.target = Address::from_v6(p + 8);
      take_options(message, at + 24, out);
      break;
    case 137:
      if (message.holds(at + 24)) out.target = out.gateway = Address::from_v6(p + 8);
      if (message.holds(at + 40)) out.quoted_destination = Address::from_v6(p + 24);
      take_options(message, at + 40, out);
      break;
    default:
      break;
  }
}

}  // namespace

bool decode_icmp(const Packet& packet, Icmp& out) noexcept {
  out = Icmp{};
  if (packet.kind != Packet::Kind::icmp && packet.kind != Packet::Kind::neighbour) return false;
  const std::uint32_t at = packet.transport_offset;
  const std::uint32_t end = packet.network_offset + packet.ip_length;
  const std::uint32_t held = packet.captured < end ? packet.captured : end;
  const Extent message{packet.data, held, held};
  if (!message.holds(at + 2)) return false;
  out.v6 = packet.v6;
  out.type = packet.data[at];
  out.code = packet.data[at + 1];
  if (packet.v6) {
    take_icmp6(message, at, out);
  } else {
    take_icmp(message, at, out);
  }
  return true;
}

}  // namespace lvsnat
