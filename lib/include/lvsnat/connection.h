// One client connection through a LVS-NAT director, with its four legs joined.
//
// These are copies made on request from the tracker's fixed records (lib/track): plain values, owned by
// whoever asked. Units: nanoseconds and bytes. Frame numbers are 1-based within their source.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/export.h"
#include "lvsnat/frame.h"

namespace lvsnat {

/// The legs in the order in which a packet meets them.
///   request  CIP -> VIP   outside, in    made by the client
///   demasq   CIP -> RIP   inside, out    made by the director (DIP -> RIP under full NAT)
///   reply    RIP -> CIP   inside, in     made by the real server
///   masq     VIP -> CIP   outside, out   made by the director
enum class Leg : std::uint8_t { request, demasq, reply, masq };
inline constexpr std::array<Leg, 4> kLegs{Leg::request, Leg::demasq, Leg::reply, Leg::masq};
inline constexpr std::size_t index(Leg leg) noexcept { return static_cast<std::size_t>(leg); }
/// "request", "demasq", "reply", "masq": the names used in JSON.
LVSNAT_EXPORT std::string_view name(Leg) noexcept;

/// The four characters of contract: a digit (seen), '-' (could have been seen and was not), '?' (could
/// not have been seen), '!' (seen and wrong).
struct LegString {
  std::array<char, 4> text{'?', '?', '?', '?'};
  [[nodiscard]] std::string str() const { return {text.data(), 4}; }
  [[nodiscard]] char operator[](Leg leg) const { return text[index(leg)]; }
  friend bool operator==(const LegString&, const LegString&) = default;
};

/// Where a leg's packets travelled: a vantage (and, in `any` captures, an interface index) and the two
/// MACs. Interned by the tracker; index 0 is "unknown".
struct Path {
  std::uint16_t vantage = 0;
  std::uint32_t interface_index = 0;  // SLL2, else 0
  Mac source, destination;            // none where the link type has none (SLL: no destination)
  std::uint8_t direction = 0;         // Direction of packet.h
  std::uint16_t vlan = 0;             // id + 1; 0 untagged
  friend bool operator==(const Path&, const Path&) = default;
};

struct FrameRef {
  std::uint16_t vantage = 0;
  std::uint32_t number = 0;  // 0: none
  Timestamp time = 0;
};

/// What was seen of one leg. Copies of one packet (bridge, bond, `any`) count once.
struct LegCount {
  std::uint32_t packets = 0;
  std::uint64_t bytes = 0;        // IP total length
  Timestamp first = 0, last = 0;  // `last` to 65 us
  std::uint32_t first_frame = 0;  // in the source of path.vantage
  std::uint16_t path = 0;         // index into Tracker::paths(): where the first packet was seen
  std::uint8_t ttl = 0;           // of the first packet
  bool syn = false, fin = false, rst = false, data = false;
  bool moved = false;        // later packets took another path (other MACs or interface)
  bool dsack = false;        // the receiver said (RFC 2883) that it had got a repeat of this leg already: it was spurious
  bool leaked = false;       // the same packet was seen again, forwarded (TTL one less) and unchanged
  std::uint8_t repeats = 0;  // retransmitted segments (keep-alives are none); saturates
  std::uint8_t holes = 0;    // sequence gaps: packets that this capture never saw; saturates
  std::uint8_t unanswered =
      0;  // packets that wanted an answer since the last one of the opposite direction on this side; saturates
  std::uint8_t unpaired = 0;  // packets since the last one of the same direction on the director's other side; saturates
};

enum class ConnectionState : std::uint8_t {
  half_open,    // SYN (or first datagram) only
  established,  // answered
  closing,      // FIN of one side
  closed,       // FIN of both sides
  reset,        // RST
  mid_stream,   // begun before the capture
};
LVSNAT_EXPORT std::string_view name(ConnectionState) noexcept;

/// What this is, once roles are known.
enum class ConnectionKind : std::uint8_t {
  masqueraded,      // client of a VIP
  health_check,     // the director's own connection to a RIP
  direct,           // a client that talks straight to a RIP
  full_nat_inside,  // the inner half of a full-NAT connection, folded into its outer half
  own_service,      // to the VIP or the director, but no service of IPVS
  unrelated,
};

struct Connection {
  std::uint32_t record = 0;   // the tracker's record; stable until retired
  std::uint8_t protocol = 0;  // kTcp, kUdp, kSctp
  ConnectionKind kind = ConnectionKind::unrelated;
  ConnectionState state = ConnectionState::half_open;
  Endpoint client;  // CIP:port, on all four legs
  std::optional<Endpoint> vip, rip;
  std::optional<Endpoint> inside_client;  // full NAT: DIP:port on the inner legs
  std::optional<std::uint32_t> service;   // index into Topology::services
  std::array<LegCount, 4> legs{};
  LegString leg_string;
  Timestamp first = 0, last = 0;
  Timestamp forgotten = 0;  // when a full table gave it up; what came later is not known to belong to it. 0: it did not
  std::uint32_t client_isn = 0, server_isn = 0;
  bool saw_syn = false;  // the beginning was captured
  /// Nanoseconds; nullopt where not measurable. As `latency_us` in the schema.
  std::optional<std::int64_t> director_request, director_reply, real_server, client_rtt;
  /// First request data on leg 2 (or 1) to the first data that answers it.
  std::optional<std::int64_t> response;

  [[nodiscard]] const LegCount& leg(Leg l) const { return legs[index(l)]; }
  [[nodiscard]] bool saw(Leg l) const { return legs[index(l)].packets != 0; }
};

}  // namespace lvsnat
