// Captures as a LVS-NAT director would take them, made up whole, with the truth about every connection in them.
//
// Every packet that the director forwards stands there twice, once as it arrives and once as it leaves: requests as CIP -> VIP
// and CIP -> RIP, replies as RIP -> CIP and VIP -> CIP. Connections run through handshake, requests, responses and end (or
// through a fault), many at a time, their packets interleaved by time. All checksums are valid, also those of packets that the
// snaplen cut. The same options make the same frames on every machine: std::mt19937_64 is laid down by the standard, and no
// distribution of the standard library and no floating-point function of libm has a part in it.
//
// Threads: generate() is a pure function of its options. Frames are borrowed until the callback returns. Units: nanoseconds,
// bytes. Errors: none; options are checked by whoever reads them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lvsnat/frame.h"
#include "row.h"

namespace lvsnat::truth {

enum class Link : std::uint8_t { ethernet, vlan, sll, sll2, raw };

struct PortPair {
  std::uint16_t vip = 0, rip = 0;
};

struct Options {
  std::uint64_t connections = 10'000;  // to start
  std::uint64_t packets = 0;           // stop there, in the middle of things; 0: run to the end
  std::uint32_t concurrency = 1'000;   // connections alive at a time
  bool at_once = false;                // the first ones begin in one turn, instead of spread over a connection's whole life
  std::uint32_t requests = 1;          // of a connection
  double mean_segments = 3.67;         // of a response; one in sixteen is four times as long
  // Percentages of the connections that are UDP, are IPv6, go wrong, or reuse the client endpoint of the one before.
  double udp = 5, ipv6 = 0, faulty = 0, reuse = 0;
  std::vector<Fault> faults;  // of which the faulty have one; empty: all
  /// Lone SYNs only; this percentage of them is not forwarded. Negative: an ordinary capture.
  double syn_flood = -1;
  double noise = 0;                   // per cent of packets besides: ARP and the director's own health checks
  std::uint32_t vips = 4, rips = 32;  // a VIP owns its share of the RIPs ...
  bool shared_rips = false;           // ... or uses them all
  std::vector<PortPair> tcp_ports{{80, 8080}, {443, 8443}};  // services of every VIP
  PortPair udp_port{5005, 5006};
  std::uint32_t clients = 1'000'000;         // addresses, at most 2^24
  std::uint32_t connections_per_client = 1;  // one after the other, before the next client's turn
  std::uint64_t packets_per_second = 500'000;
  Timestamp think = 0;  // mean time between a connection's packets; 0: what packets_per_second asks for
  Link link = Link::ethernet;
  std::uint32_t snaplen = 262'144;
  bool microseconds = false;  // times are whole microseconds
  std::uint64_t seed = 1;
};

struct Totals {
  std::uint64_t packets = 0, wire_bytes = 0, connections = 0;
  std::array<std::uint64_t, kFaults> by_fault{};
};

using FrameCallback = std::function<void(const Frame&)>;
using RowCallback = std::function<void(const Row&)>;

/// Either callback may be empty.
Totals generate(const Options& options, const FrameCallback& on_frame, const RowCallback& on_row);

LinkType link_type(Link link);
/// The services that the capture is about, as `ipvsadm -Sn` prints them.
std::string services(const Options& options);

}  // namespace lvsnat::truth
