// What a record tells by itself, whatever holds it (`Any`: a track::Record or a track::Glimpse): its times, and whether it is
// plainly healthy.
#pragma once

#include <cstdint>

#include "lvsnat/connection.h"
#include "lvsnat/packet.h"
#include "track/record.h"

namespace lvsnat {

/// Which side of a record (0 or 1) is which. -1: no such side.
struct Sides {
  int outer = -1, inner = -1;
};

/// Of a record with both.
template <typename Any>
Sides sides_of_joined(const Any& r) {
  const int inner = (r.flags & track::kInnerFirst) != 0 ? 0 : 1;
  return Sides{1 - inner, inner};
}

/// A packet CIP -> RIP from the very MAC that sends the requests is the client's own (or its router's): it resets
/// a reply that it got past the director. Leg 2 is made by the director.
inline bool sent_by_client(const Path& request, const Path& demasq) {
  return request.vantage == demasq.vantage && request.interface_index == demasq.interface_index && !request.source.is_none() &&
         request.source == demasq.source;
}

inline constexpr std::int64_t kUnknownTime = -1;

/// Nanoseconds. kUnknownTime where not measurable.
struct Times {
  std::int64_t director_request = kUnknownTime, director_reply = kUnknownTime, real_server = kUnknownTime, client = kUnknownTime,
               response = kUnknownTime;
};

/// From one way's first packet to the other's.
inline std::int64_t difference(const track::Way& from, const track::Way& to) {
  return to.first != track::kFar && to.first >= from.first ? std::int64_t{to.first} - from.first : kUnknownTime;
}

/// `whole`: there were packets on all ways.
template <typename Any>
[[gnu::always_inline]] inline Times times_of(const Any& r, const Sides& s, bool whole = false) {
  const auto between = [&](int from, int to) {
    return whole || (r.way[from].packets != 0 && r.way[to].packets != 0) ? difference(r.way[from], r.way[to]) : kUnknownTime;
  };
  Times t;
  if (s.outer >= 0 && s.inner >= 0) {
    t.director_request = between(s.outer * 2, s.inner * 2);
    t.director_reply = between(s.inner * 2 + 1, s.outer * 2 + 1);
  }
  if (s.inner >= 0 && (r.flags & track::kSlowStart) == 0) t.real_server = between(s.inner * 2, s.inner * 2 + 1);
  if (s.outer >= 0 && (r.flags & track::kRttDone) != 0 && r.client_rtt != track::kFar && r.way[s.outer * 2].packets > 1 &&
      (whole || r.way[s.outer * 2 + 1].packets != 0)) {
    t.client = r.client_rtt;
  }
  if ((r.flags & track::kResponsePending) == 0 && r.response != track::kFar && r.response != track::kFar - 1)
    t.response = std::int64_t{r.response} * 1000;
  return t;
}

/// Packets that wait for their twin on the director's other side: of requests, and of replies.
inline bool any_unpaired(const track::Record& r, const Sides& s) {
  return (r.way[s.outer * 2].unpaired() | r.way[s.inner * 2 + 1].unpaired()) != 0;
}
inline bool any_unpaired(const track::Glimpse& r, const Sides& s) {
  constexpr std::uint32_t outer_first = 0xf00000f0, inner_first = 0x00f0f000;  // the upper four bits of each way's
  return (r.open & (s.outer == 0 ? outer_first : inner_first)) != 0;
}

/// All four legs, nothing repeated, reset, moved or left waiting: no rule has anything to say about it. Not of an opening.
template <typename Any>
[[gnu::always_inline]] inline bool plainly_healthy(const Any& r, const Sides& s) {
  if (s.outer < 0 || s.inner < 0) return false;
  const track::Way &a = r.way[s.outer * 2], &b = r.way[s.outer * 2 + 1], &c = r.way[s.inner * 2], &d = r.way[s.inner * 2 + 1];
  if (a.packets == 0 || b.packets == 0 || c.packets == 0 || d.packets == 0) return false;
  if (((a.repeats_holes | b.repeats_holes | c.repeats_holes | d.repeats_holes) & 15) != 0) return false;
  if (((a.flags | b.flags | c.flags | d.flags) & (track::kSawRst | track::kMoved | track::kForwarded)) != 0) return false;
  // A handshake that nobody completed is no proof of health.
  if (r.protocol == kTcp && (r.flags & track::kRttDone) == 0 && (r.way[0].flags & track::kSawSyn) != 0 &&
      (r.way[0].flags & track::kSawData) == 0)
    return false;
  return !any_unpaired(r, s);
}

template <typename Any>
std::uint64_t packets_of(const Any& r) {
  return std::uint64_t{r.way[0].packets} + r.way[1].packets + r.way[2].packets + r.way[3].packets;
}

}  // namespace lvsnat
