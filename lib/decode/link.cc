// Link layers: https://www.tcpdump.org/linktypes.html
#include "decode/layers.h"

namespace lvsnat::layers {
namespace {

constexpr std::uint16_t kFirstEthertype = 0x0600;  // IEEE 802.3 3.2.6: smaller values are lengths
constexpr std::uint16_t kLinux8022 = 0x0004;       // SLL: LLC follows, linux/if_ether.h ETH_P_802_2

Kind decode_by_type(const Extent& extent, std::uint16_t type, std::uint32_t at, Packet& packet) noexcept;

// RFC 1042: IP behind LLC/SNAP. Everything else with a length field is spanning tree and its like.
Kind decode_llc(const Extent& extent, std::uint32_t at, Packet& packet) noexcept {
  static constexpr std::uint8_t snap[6] = {0xaa, 0xaa, 0x03, 0, 0, 0};
  if (!extent.holds(at + 8) || std::memcmp(extent.data + at, snap, sizeof snap) != 0) return Kind::not_ip;
  const std::uint16_t type = load_be16(extent.data + at + 6);
  return type < kFirstEthertype ? Kind::not_ip : decode_by_type(extent, type, at + 8, packet);
}

Kind decode_by_type(const Extent& extent, std::uint16_t type, std::uint32_t at, Packet& packet) noexcept {
  switch (type) {
    case kTypeIpv4:
      return decode_ipv4(extent, at, packet);
    case kTypeIpv6:
      return decode_ipv6(extent, at, packet);
    case kTypeArp:
      return decode_arp_header(extent, at, packet);
    // Encapsulations that may well hold IP, which we would be wrong to call anything else.
    case kTypeVlan:
    case kTypeServiceVlan:
    case kTypeOldServiceVlan:
    case 0x22f3:  // TRILL
    case 0x8847:  // MPLS
    case 0x8848:  // MPLS multicast
    case 0x8864:  // PPPoE session
    case 0x88e5:  // MACsec
    case 0x88fb:  // PRP
    case 0x8903:  // FabricPath
    case 0x892f:  // HSR
    case 0x894f:  // NSH
      return Kind::unsupported;
    default:
      return Kind::not_ip;
  }
}

Kind decode_tagged(const Extent& extent, std::uint16_t type, std::uint32_t at, Packet& packet) noexcept {
  for (unsigned tags = 0; type == kTypeVlan || type == kTypeServiceVlan || type == kTypeOldServiceVlan; ++tags) {
    if (tags == kMaxTags) return Kind::unsupported;
    if (!extent.holds(at + 4)) return extent.missing(at + 4);
    if (tags == 0) packet.vlan = static_cast<std::uint16_t>((load_be16(extent.data + at) & 0x0fff) + 1);
    type = load_be16(extent.data + at + 2);
    at += 4;
  }
  if (type < kFirstEthertype) return decode_llc(extent, at, packet);
  return decode_by_type(extent, type, at, packet);
}

Kind decode_ethernet(const Extent& extent, Packet& packet) noexcept {
  if (!extent.holds(14)) return extent.missing(14);
  std::memcpy(packet.destination_mac.data(), extent.data, 6);
  std::memcpy(packet.source_mac.data(), extent.data + 6, 6);
  packet.has_macs = true;
  return decode_tagged(extent, load_be16(extent.data + 12), 14, packet);
}

// linux/if_packet.h PACKET_HOST, _BROADCAST, _MULTICAST, _OTHERHOST, _OUTGOING
Direction direction_of(std::uint16_t packet_type) noexcept {
  switch (packet_type) {
    case 0:
    case 1:
    case 2:
      return Direction::in;
    case 3:
      return Direction::other_host;
    case 4:
      return Direction::out;
    default:
      return Direction::unknown;
  }
}

void take_source_mac(const std::uint8_t* address, std::uint32_t length, Packet& packet) noexcept {
  if (length != 6) return;
  std::memcpy(packet.source_mac.data(), address, 6);
  packet.has_macs = is_address(packet.source_mac);
}

Kind decode_cooked_payload(const Extent& extent, std::uint16_t hardware, std::uint16_t type, std::uint32_t at,
                           Packet& packet) noexcept {
  if (hardware == 824) return Kind::not_ip;  // ARPHRD_NETLINK: the field holds a netlink family
  if (type == kLinux8022) return decode_llc(extent, at, packet);
  if (type < kFirstEthertype) return Kind::not_ip;
  return decode_tagged(extent, type, at, packet);
}

Kind decode_sll(const Extent& extent, Packet& packet) noexcept {
  if (!extent.holds(16)) return extent.missing(16);
  const std::uint8_t* p = extent.data;
  packet.direction = direction_of(load_be16(p));
  take_source_mac(p + 6, load_be16(p + 4), packet);
  return decode_cooked_payload(extent, load_be16(p + 2), load_be16(p + 14), 16, packet);
}

Kind decode_sll2(const Extent& extent, Packet& packet) noexcept {
  if (!extent.holds(20)) return extent.missing(20);
  const std::uint8_t* p = extent.data;
  packet.interface_index = load_be32(p + 4);
  packet.direction = direction_of(p[10]);
  take_source_mac(p + 12, p[11], packet);
  return decode_cooked_payload(extent, load_be16(p + 8), load_be16(p), 20, packet);
}

// The family is in the capturing machine's byte order, which need not be ours, and AF_INET6 differs by system.
Kind decode_family(const Extent& extent, Packet& packet) noexcept {
  if (!extent.holds(4)) return extent.missing(4);
  std::uint32_t family = load_be32(extent.data);
  if (family > 0xffff) family = load_le32(extent.data);
  switch (family) {
    case 2:
      return decode_ipv4(extent, 4, packet);
    case 10:  // Linux
    case 24:  // NetBSD, OpenBSD
    case 28:  // FreeBSD
    case 30:  // Darwin
      return decode_ipv6(extent, 4, packet);
    default:
      return Kind::not_ip;
  }
}

}  // namespace

Kind decode_link(const Frame& frame, Packet& packet) noexcept {
  const Extent extent = extent_of(frame);
  switch (frame.link) {
    case LinkType::ethernet:
      return decode_ethernet(extent, packet);
    case LinkType::linux_sll:
      return decode_sll(extent, packet);
    case LinkType::linux_sll2:
      return decode_sll2(extent, packet);
    case LinkType::raw:
      return decode_ip(extent, 0, packet);
    case LinkType::ipv4:
      return decode_ipv4(extent, 0, packet);
    case LinkType::ipv6:
      return decode_ipv6(extent, 0, packet);
    case LinkType::null:
    case LinkType::loop:
      return decode_family(extent, packet);
  }
  return Kind::unsupported;
}

}  // namespace lvsnat::layers
