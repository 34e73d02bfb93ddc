// RFC 826; probes and announcements: RFC 5227.
#include "decode/layers.h"

namespace lvsnat {
namespace {

constexpr std::uint32_t kFixed = 8;  // hardware and protocol type, both lengths, operation

}  // namespace

namespace layers {

// Only what asks or tells who has an IPv4 address is `arp`; inverse and other-protocol ARP is not_ip.
Kind decode_arp_header(const Extent& extent, std::uint32_t at, Packet& packet) noexcept {
  packet.network_offset = static_cast<std::uint16_t>(at);
  if (!extent.holds(at + kFixed)) return extent.missing(at + kFixed);
  const std::uint8_t* p = extent.data + at;
  const std::uint16_t operation = load_be16(p + 6);
  if (load_be16(p + 2) != kTypeIpv4 || (operation != 1 && operation != 2)) return Kind::not_ip;
  if (p[5] != 4) return Kind::malformed;
  const std::uint32_t end = at + kFixed + 2U * (p[4] + 4U);
  return extent.holds(end) ? Kind::arp : extent.missing(end);
}

}  // namespace layers

bool decode_arp(const Packet& packet, Arp& out) noexcept {
  out = Arp{};
  if (packet.kind != Packet::Kind::arp || packet.data == nullptr) return false;
  const std::uint8_t* p = packet.data + packet.network_offset;
  const std::uint32_t hardware = p[4];
  const std::uint8_t* sender = p + kFixed;
  const std::uint8_t* target = sender + hardware + 4;
  out.request = load_be16(p + 6) == 1;
  out.sender = Address::from_v4(sender + hardware);
  out.target = Address::from_v4(target + hardware);
  if (hardware == 6) {
    std::memcpy(out.sender_mac.data(), sender, 6);
    std::memcpy(out.target_mac.data(), target, 6);
  }
  out.gratuitous = out.sender == out.target && out.sender.v4_value() != 0;
  out.probe = out.request && out.sender.v4_value() == 0;
  return true;
}

}  // namespace lvsnat
