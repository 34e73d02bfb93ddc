// A captured frame as a source hands it over, and the vantage it was captured at.
//
// Ownership: a Frame borrows its bytes from the source until the source's next read().
// Threads: values. Units: time in nanoseconds since 1970-01-01T00:00:00Z, lengths in bytes.
#pragma once

#include <cstdint>
#include <string>

namespace lvsnat {

/// Nanoseconds since the epoch (UTC). Captures reach from 1970 to 2262.
using Timestamp = std::int64_t;
inline constexpr Timestamp kSecond = 1'000'000'000;

/// LINKTYPE_ values as they stand in capture files (https://www.tcpdump.org/linktypes.html), not the
/// DLT_ values of libpcap, which differ for raw IP.
enum class LinkType : std::uint16_t {
  null = 0,  // BSD loopback, host-order family of the capturing machine
  ethernet = 1,
  raw = 101,        // IPv4 or IPv6, told by the version nibble
  loop = 108,       // OpenBSD loopback, network-order family
  linux_sll = 113,  // "cooked" v1: what `tcpdump -i any` wrote
  ipv4 = 228,
  ipv6 = 229,
  linux_sll2 = 276,  // "cooked" v2: with interface index and direction
};

/// Where frames were captured: one per interface of one file, or per live interface. A frame names
/// its vantage by index; the table of vantages belongs to the source.
struct Vantage {
  std::string source;     // file name as given, or interface name when live
  std::string interface;  // interface name where known (pcapng, live), else empty
  LinkType link = LinkType::ethernet;
  std::uint32_t snaplen = 0;       // 0: unknown
  std::uint16_t source_index = 0;  // which -r / -i this belongs to
};

struct Frame {
  Timestamp time = 0;
  const std::uint8_t* data = nullptr;  // `captured` bytes
  std::uint32_t captured = 0;          // bytes kept
  std::uint32_t wire = 0;              // bytes on the wire, >= captured unless the file lies
  std::uint32_t number = 0;            // 1-based in its source, as Wireshark numbers it
  std::uint16_t vantage = 0;           // index in PacketSource::vantages()
  LinkType link = LinkType::ethernet;
};

}  // namespace lvsnat
