// The tracker's fixed record: one client endpoint, up to two server endpoints, four directions.
//
// A record knows nothing of roles. Its key is the client endpoint (CIP, port, protocol), which NAT
// leaves alone on all four legs; each of its two sides is one server endpoint (the VIP's or a RIP's,
// whichever came first), and each side has two directions. Which side is the outer one is decided when
// both are there (Record::inner_first) or, later, by what is known of the endpoint.
//
// 192 bytes, three cache lines, no pointers: records live in one mapping and never move.
#pragma once

#include <array>
#include <cstdint>

#include "lvsnat/address.h"
#include "lvsnat/frame.h"

namespace lvsnat::track {

inline constexpr std::uint32_t kNone = 0xffffffff;
/// Saturation value of 32-bit offsets.
inline constexpr std::uint32_t kFar = 0xffffffff;

enum LegFlag : std::uint8_t { kSawSyn = 1, kSawFin = 2, kSawRst = 4, kSawData = 8, kMoved = 16, kForwarded = 32, kSawDsack = 64 };

/// One direction of one side. 32 bytes.
struct Way {
  std::uint32_t packets;
  std::uint32_t bytes_low;
  std::uint32_t sequence_end;  // TCP: highest sequence number seen, plus one
  std::uint32_t first_frame;
  std::uint32_t first;         // ns after Record::t0, saturating at kFar (4.29 s)
  std::uint32_t last;          // 65.536 us units after t0, saturating
  std::uint16_t path;          // PathTable id of the first packet
  std::uint8_t bytes_high;     // 40-bit byte count: 1 TiB a leg
  std::uint8_t ip_id;          // low byte of the last packet's; a fingerprint, no more
  std::uint8_t ttl;            // of the first packet
  std::uint8_t flags;          // LegFlag
  std::uint8_t repeats_holes;  // 4 bits each, saturating: retransmissions, sequence gaps
  std::uint8_t open;           // 4 bits each, saturating: unanswered, unpaired

  [[nodiscard]] std::uint64_t bytes() const noexcept { return std::uint64_t{bytes_high} << 32 | bytes_low; }
  [[nodiscard]] std::uint8_t repeats() const noexcept { return repeats_holes & 15; }
  [[nodiscard]] std::uint8_t holes() const noexcept { return repeats_holes >> 4; }
  [[nodiscard]] std::uint8_t unanswered() const noexcept { return open & 15; }
  [[nodiscard]] std::uint8_t unpaired() const noexcept { return open >> 4; }
};
static_assert(sizeof(Way) == 32);

enum RecordFlag : std::uint8_t {
  kInUse = 1,
  kInnerFirst = 2,        // side 0 is the RIP's
  kOriented = 4,          // kInnerFirst is known from this record's own packets
  kAnswered = 8,          // something came from a server
  kSlowStart = 16,        // a request was repeated before the first answer: no latency from it
  kResponsePending = 32,  // Record::response holds a start
  kRttPending = 64,       // Record::client_rtt holds a start
  kRttDone = 128,
};

/// Way index: side * 2 + direction (0: client to server, 1: server to client).
struct Record {
  Address client;
  std::uint16_t client_port;
  std::uint8_t protocol;
  std::uint8_t flags;
  std::uint32_t endpoint[2];  // ids in the EndpointTable; kNone
  std::uint32_t next;         // older record of the same client endpoint; kNone
  Timestamp t0, last;
  std::uint32_t client_isn;  // TCP: of the SYN; UDP: ip id and payload length of the first packet. 0: unknown
  std::uint32_t server_isn;
  std::uint32_t client_rtt;  // ns; start offset while pending; kFar: unknown
  std::uint32_t response;    // us; start offset while pending; kFar: unknown
  Way way[4];
};
static_assert(sizeof(Record) == 192);

}  // namespace lvsnat::track
