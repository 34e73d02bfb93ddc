// What the decoder makes of a frame: fixed size, no pointers that outlive the frame.
//
// decode() is hot: it neither allocates, throws, nor reads a clock, and never reads past
// Frame::captured. Threads: pure function. Every frame ends in exactly one Packet::Kind.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lvsnat/address.h"
#include "lvsnat/export.h"
#include "lvsnat/frame.h"

namespace lvsnat {

enum : std::uint8_t { kTcp = 6, kUdp = 17, kSctp = 132, kIcmp = 1, kIcmp6 = 58, kIpip = 4, kIpv6 = 41, kGre = 47 };
enum TcpFlag : std::uint8_t { kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32 };

/// How the capture saw the frame travel; `unknown` for plain Ethernet captures.
enum class Direction : std::uint8_t { unknown, in, out, other_host };

struct Packet {
  enum class Kind : std::uint8_t {
    transport,    // TCP, UDP or SCTP with ports (also a first fragment)
    icmp,         // ICMP or ICMPv6: details by decode_icmp()
    arp,          // details by decode_arp()
    neighbour,    // ICMPv6 neighbour/router discovery incl. redirect: details by decode_icmp()
    tunnel,       // IP-in-IP or GRE around IP; `inner` of decode_tunnel()
    fragment,     // a later fragment: addresses but no ports
    other_ip,     // IP, but no protocol that we follow (ESP, VRRP, ...)
    not_ip,       // LLDP, STP, 802.1X, ...
    truncated,    // the snaplen cut it before what we need
    malformed,    // contradicts itself (a length that cannot be)
    unsupported,  // a link type or encapsulation that we do not know
  };
  static constexpr std::size_t kKinds = 11;

  // In an order that lets the decoder and the tracker move eight bytes at a time: the three words from `vantage` on are a path.
  Timestamp time = 0;
  Address source, destination;  // outer IP addresses; none for arp and not_ip
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint32_t sequence = 0, acknowledgement = 0;  // TCP
  std::uint32_t payload = 0;                        // transport payload bytes according to the headers
  std::uint32_t ip_length = 0;  // IP total length in bytes as the header says (0 with BIG TCP: wire length then)
  std::uint32_t number = 0;     // frame number in its source
  std::uint16_t vantage = 0;
  std::array<std::uint8_t, 6> source_mac{};
  std::uint16_t vlan = 0;  // outermost VLAN id + 1; 0: untagged
  std::array<std::uint8_t, 6> destination_mac{};
  std::uint32_t interface_index = 0;  // SLL2 only, else 0
  Direction direction = Direction::unknown;
  bool v6 = false;              // source and destination are IPv6 addresses
  bool first_fragment = false;  // more-fragments set, offset 0
  bool has_macs = false;        // SLL: only source_mac, and none on the loopback device
  /// Where things start in the frame's bytes; 0 where there is none. The network header starts within what was captured.
  /// The payload, and a transport header that was not decoded (kinds tunnel, fragment, other_ip, truncated, malformed),
  /// may start behind it.
  std::uint16_t network_offset = 0, transport_offset = 0, payload_offset = 0;
  std::uint16_t window = 0;
  std::uint16_t ip_id = 0;  // IPv4; 0 for IPv6
  bool dont_fragment = false;
  Kind kind = Kind::unsupported;
  std::uint8_t protocol = 0;  // innermost protocol number
  std::uint8_t ttl = 0;       // or hop limit
  std::uint8_t tcp_flags = 0;
  std::uint32_t captured = 0;
  const std::uint8_t* data = nullptr;  // Frame::data, borrowed like it
};

/// Decodes frames[i] into packets[i]; both spans have the same length. Whatever a packet's kind, the fields that could
/// be read before the decoder stopped are filled, so that a malformed or truncated packet may still have addresses and
/// ports; the others are 0. A TCP packet is `transport` once ports, numbers and flags are there; `window` may be missing.
/// The tiny first fragment of RFC 1858 has ports but no flags.
LVSNAT_EXPORT void decode(std::span<const Frame> frames, std::span<Packet> packets) noexcept;

/// An ICMP or ICMPv6 message in detail. IPv6 types keep their own numbers; `v6` tells.
struct Icmp {
  std::uint8_t type = 0, code = 0;
  bool v6 = false;
  // IPv6 redirects without a quote still tell the destination in `quoted_destination`.
  bool quotes = false;        // an error or redirect whose quoted addresses were readable
  bool quotes_ports = false;  // ... and whose quoted ports were
  Address quoted_source, quoted_destination;
  std::uint16_t quoted_source_port = 0, quoted_destination_port = 0, quoted_ip_id = 0;
  std::uint8_t quoted_protocol = 0, quoted_ttl = 0;
  std::uint32_t mtu = 0;  // fragmentation needed / packet too big
  Address gateway;        // redirect: the better next hop (IPv6: target)
  Address target;         // ND: target address of NS, NA, redirect
  // `unreachable` leaves out "fragmentation needed", which is too_big.
  bool solicitation = false, advertisement = false, router_advertisement = false, redirect = false, echo_request = false,
       echo_reply = false, unreachable = false, time_exceeded = false, too_big = false;
  bool has_link_address = false;  // ND source/target link-layer option
  std::array<std::uint8_t, 6> link_address{};
};
/// `packet.kind` must be icmp or neighbour; returns false where the message is cut before type and code.
LVSNAT_EXPORT bool decode_icmp(const Packet& packet, Icmp& out) noexcept;

struct Arp {
  bool request = false;     // else reply
  bool gratuitous = false;  // sender and target address equal
  bool probe = false;       // RFC 5227: sender 0.0.0.0
  Address sender, target;
  std::array<std::uint8_t, 6> sender_mac{}, target_mac{};
};
/// Returns false where `packet.kind` is not arp. MACs stay zero on hardware without six-byte addresses.
LVSNAT_EXPORT bool decode_arp(const Packet& packet, Arp& out) noexcept;

/// The packet inside IP-in-IP or GRE, decoded like a frame of raw IP; link-layer fields, time and number are the outer
/// packet's, offsets count from the same frame. Returns false where `packet` is no tunnel. A hostile packet nests
/// thousands deep: callers that go on with `inner` bound their own depth. `inner` may be `packet` itself.
LVSNAT_EXPORT bool decode_tunnel(const Packet& packet, Packet& inner) noexcept;

/// Payload bytes that were captured (may be fewer than Packet::payload).
LVSNAT_EXPORT std::span<const std::uint8_t> payload_of(const Packet& packet) noexcept;

}  // namespace lvsnat
