// The tracker's fixed record: one client endpoint, up to two server endpoints, four directions.
//
// A record knows nothing of roles. Its key is the client endpoint (CIP, port, protocol), which NAT
// leaves alone on all four legs; each of its two sides is one server endpoint (the VIP's or a RIP's,
// whichever came first), and each side has two directions. Which side is the outer one is decided when
// both are there (Record::inner_first) or, later, by what is known of the endpoint.
//
// In the table a record is a head, one cache line, and a body of two: the ways. A connection of which no more was seen than
// a client's SYN, and the same SYN rewritten, needs no body: a flood of them costs a third of the memory. Heads and bodies
// live in two mappings without pointers; heads never move, so that a record keeps its number.
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
  std::uint32_t first;         // ns after Head::t0, saturating at kFar (4.29 s)
  std::uint32_t last;          // 65.536 us units after t0, saturating
  std::uint16_t path;          // PathTable id of the first packet
  std::uint8_t bytes_high;     // 40-bit byte count: 1 TiB a leg
  std::uint8_t ip_id;          // low byte of the last packet's; a fingerprint, no more
  std::uint8_t ttl;            // of the first packet
  std::uint8_t flags;          // LegFlag
  std::uint8_t repeats_holes;  // 4 bits each, saturating: retransmissions, sequence gaps
  std::uint8_t open;           // 4 bits each, saturating: unanswered, unpaired; in a Body something else

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
  kResponsePending = 32,  // Progress::response holds a start
  kRttPending = 64,       // Progress::client_rtt holds a start
  kRttDone = 128,
};

/// Ids of server endpoints and numbers of bodies fit in so many bits.
inline constexpr unsigned kEndpointBits = 20, kBodyBits = 24;
inline constexpr std::uint32_t kNoEndpoint = (1U << kEndpointBits) - 1;

/// What goes on between the first packet and the last.
struct Progress {
  Timestamp last;
  std::uint32_t client_isn;  // TCP: of the SYN; UDP: ip id and payload length of the first packet. 0: unknown
  std::uint8_t open[4];      // Way::open of each way: next to no packet has to do with more than one side's ways, then
  std::uint32_t client_rtt;  // ns; start offset while pending; kFar: unknown
  std::uint32_t response;    // us; start offset while pending; kFar: unknown

  /// `open` as one number, way 0 lowest.
  [[nodiscard]] std::uint32_t open_word() const noexcept {
    return std::uint32_t{open[3]} << 24 | std::uint32_t{open[2]} << 16 | std::uint32_t{open[1]} << 8 | open[0];
  }
  void set_open_word(std::uint32_t word) noexcept {
    for (unsigned at = 0; at < 4; ++at) open[at] = static_cast<std::uint8_t>(word >> 8 * at);
  }
};
/// A SYN of the client, and where there is a second endpoint the same SYN rewritten: each once, without payload.
struct Opening {
  std::uint32_t isn;
  std::uint32_t first_frame[2];  // by side
  std::uint32_t first;           // of the second, in ns after t0
  std::uint16_t path[2];
  std::uint8_t ttl[2];
  std::uint8_t ip_length, ip_id;  // of both
};
static_assert(sizeof(Progress) == 24 && sizeof(Opening) == 24);

/// Way index: side * 2 + direction (0: client to server, 1: server to client).
struct Body {
  Way way[4];  // instead of Way::open a byte each of:

  /// TCP: of the SYN-ACK. 0: unknown
  [[nodiscard]] std::uint32_t server_isn() const noexcept {
    return std::uint32_t{way[0].open} << 24 | std::uint32_t{way[1].open} << 16 | std::uint32_t{way[2].open} << 8 | way[3].open;
  }
  void set_server_isn(std::uint32_t isn) noexcept {
    for (unsigned at = 0; at < 4; ++at) way[at].open = static_cast<std::uint8_t>(isn >> (24 - 8 * at));
  }
};

struct Head {
  Address client;
  std::uint16_t client_port;
  std::uint8_t protocol;
  std::uint8_t flags;
  std::uint32_t next;  // older record of the same client endpoint; kNone
  std::uint64_t ends;  // ids of both server endpoints, the first lowest, and above them the body's number; 0: none
  Timestamp t0;
  union {
    Progress progress;  // of a record with a body
    Opening opening;    // of one without
  };

  [[nodiscard]] bool is_at(unsigned side, std::uint32_t endpoint) const noexcept {
    return (static_cast<std::uint32_t>(ends >> side * kEndpointBits) & kNoEndpoint) == endpoint;
  }
  [[nodiscard]] std::uint32_t endpoint(unsigned side) const noexcept {
    const std::uint32_t id = static_cast<std::uint32_t>(ends >> side * kEndpointBits) & kNoEndpoint;
    return id == kNoEndpoint ? kNone : id;
  }
  [[nodiscard]] bool has_second() const noexcept { return !is_at(1, kNoEndpoint); }
  [[nodiscard]] std::uint32_t body() const noexcept { return static_cast<std::uint32_t>(ends >> 2 * kEndpointBits); }
  void set_ends(std::uint32_t first, std::uint32_t second, std::uint32_t body) noexcept {
    ends =
        (first & kNoEndpoint) | std::uint64_t{second & kNoEndpoint} << kEndpointBits | std::uint64_t{body} << 2 * kEndpointBits;
  }
};
static_assert(sizeof(Head) == 64 && sizeof(Body) == 128 && 2 * kEndpointBits + kBodyBits == 64);

/// A record as the slow half reads it: a copy of everything, whatever the table keeps of it.
struct Record {
  Address client;
  std::uint16_t client_port;
  std::uint8_t protocol;
  std::uint8_t flags;
  std::uint32_t endpoint[2];  // ids in the EndpointTable; kNone
  std::uint32_t next;         // older record of the same client endpoint; kNone
  Timestamp t0, last;
  std::uint32_t client_isn, server_isn, client_rtt, response;  // Progress has what they are
  Way way[4];
};

/// The same where it lies, for whoever passes over all records: borrowed, and valid until the tracker is fed.
struct Glimpse {
  const Way* way;          // four, but for Way::open; nullptr: an opening
  const Opening* opening;  // nullptr: none
  const Address* client;
  Timestamp t0;
  std::uint32_t endpoint[2];
  std::uint32_t client_rtt, response;
  std::uint32_t open;  // Way::open of each way, way 0 lowest
  std::uint8_t protocol, flags;
};

}  // namespace lvsnat::track
