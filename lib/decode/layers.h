// The decoder's inner seams: each layer looks at its own header and hands on to the next.
//
// Everything here is the thorough way, taken by whatever is not plain (skim.h). Offsets
// count from the start of the frame. All functions return the packet's kind and fill what they could read
// on the way, so that a malformed packet still has its addresses. None reads at or beyond `captured`.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "lvsnat/frame.h"
#include "lvsnat/packet.h"

namespace lvsnat::layers {

using Kind = Packet::Kind;

// Limits on what a hostile frame can make us walk; beyond them a frame is `unsupported`.
inline constexpr unsigned kMaxTags = 8;
inline constexpr unsigned kMaxExtensions = 16;
inline constexpr std::uint32_t kMaxExtensionBytes = 1280;
// No network header starts behind this, so that every offset fits its 16 bits.
inline constexpr std::uint32_t kMaxNetworkOffset = 60000;

enum Ethertype : std::uint16_t {
  kTypeIpv4 = 0x0800,
  kTypeArp = 0x0806,
  kTypeIpv6 = 0x86dd,
  kTypeVlan = 0x8100,
  kTypeServiceVlan = 0x88a8,
  kTypeOldServiceVlan = 0x9100,
};

/// A frame's bytes. `wire` is at least `captured`, also where the file says otherwise.
struct Extent {
  const std::uint8_t* data;
  std::uint32_t captured;
  std::uint32_t wire;

  [[nodiscard]] bool holds(std::uint32_t end) const noexcept { return end <= captured; }
  /// Why bytes before `end` cannot be read: the snaplen cut them off, or they never were on the wire.
  [[nodiscard]] Kind missing(std::uint32_t end) const noexcept { return end <= wire ? Kind::truncated : Kind::malformed; }
};

inline Extent extent_of(const Frame& frame) noexcept {
  return {frame.data, frame.captured, frame.wire > frame.captured ? frame.wire : frame.captured};
}

/// The loopback device claims six bytes of address and fills them with zeros: that is none.
inline bool is_address(const std::array<std::uint8_t, 6>& mac) noexcept {
  return (load_be32(mac.data()) | load_be16(mac.data() + 4)) != 0;
}

// link.cc
Kind decode_link(const Frame& frame, Packet& packet) noexcept;

// network.cc
Kind decode_ipv4(const Extent& extent, std::uint32_t at, Packet& packet) noexcept;
Kind decode_ipv6(const Extent& extent, std::uint32_t at, Packet& packet) noexcept;
/// IPv4 or IPv6 by the version nibble.
Kind decode_ip(const Extent& extent, std::uint32_t at, Packet& packet) noexcept;

/// Where a chain of IPv6 extension headers leads.
struct Chain {
  std::uint8_t protocol = 0;  // of the first header that is none of the chain's, or of the last one reached
  std::uint32_t at = 0;       // where that header starts
  bool arrived = false;       // else `failure` says why not
  bool more_fragments = false;
  bool later_fragment = false;  // the chain ends with a fragment's bytes at `at`
  Kind failure = Kind::unsupported;
};
/// `next` is the protocol number of the header at `at`; `end` is where the packet ends by its own length.
Chain walk_extensions(const Extent& extent, std::uint8_t next, std::uint32_t at, std::uint32_t end) noexcept;

// transport.cc: the header at `at` of a packet that ends at `end`.
Kind decode_upper(const Extent& extent, std::uint8_t protocol, std::uint32_t at, std::uint32_t end, Packet& packet) noexcept;

// icmp.cc, arp.cc, tunnel.cc
Kind decode_icmp_header(const Extent& extent, std::uint32_t at, std::uint32_t end, Packet& packet) noexcept;
Kind decode_arp_header(const Extent& extent, std::uint32_t at, Packet& packet) noexcept;
Kind decode_gre(const Extent& extent, std::uint32_t at, std::uint32_t end, Packet& packet) noexcept;

}  // namespace lvsnat::layers
