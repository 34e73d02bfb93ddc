// One pass over the table's records, before anybody knows who is who: plainly healthy connections, nearly all as a rule, are
// counted by their pair of endpoints and need no second look; the others are listed.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "facts/half_open_tally.h"
#include "facts/histogram.h"
#include "facts/journal.h"
#include "facts/pair_tally.h"
#include "facts/record_set.h"
#include "track/tracker.h"

namespace lvsnat {

/// How many connections were seen on each leg, by the path of its first packet: there are few of them, and many connections.
using LegsByPath = std::vector<std::array<std::uint64_t, 4>>;

struct Census {
  explicit Census(const track::HashKey& key) : half_open(key) {}

  // ---- Connections of which both sides were seen: who is who in them, their own packets tell.
  PairTallies pairs;  // of the plainly healthy
  std::uint64_t healthy = 0;
  std::uint64_t completed = 0, packets = 0;  // of these, of TCP
  Histogram director_request, director_reply, client;
  LegsByPath legs;  // of all of them
  /// Of a sample: first packets of legs that a director made, and those that it made them of.
  struct Crossings {
    std::uint32_t demasq = 0, masq = 0, request = 0;
  };
  std::vector<Crossings> crossings;  // by path
  bool any_joined = false;

  // ---- The others.
  RecordSet rest;           // all that are neither plainly healthy nor in the next
  HalfOpenTally half_open;  // of which the survey has to say whether they are
  /// Of which but one endpoint was seen: openings, and those of which more than an opening was seen.
  RecordSet lone_openings, lone_others;
  struct LoneEnd {
    std::uint32_t openings = 0, others = 0;
    std::uint16_t path = 0;    // of the openings,
    bool other_paths = false;  // unless they came on several
  };
  std::vector<LoneEnd> lone_ends;  // by id of the endpoint

  /// Calls `visit(id)` for records of which but one endpoint was seen, in rising order, where `wanted(endpoint)`.
  template <typename Wanted, typename Visit>
  void for_each_lone(const track::Tracker& tracker, Wanted wanted, Visit visit) const {
    // Of a flood it is half a million openings at one endpoint: those need not be asked one by one.
    bool openings = false, others = false;
    for (std::uint32_t end = 0; end < lone_ends.size() && !(openings && others); ++end) {
      if (!wanted(end)) continue;
      openings = openings || lone_ends[end].openings != 0;
      others = others || lone_ends[end].others != 0;
    }
    static const RecordSet kNobody;
    RecordSet::for_each(openings ? lone_openings : kNobody, others ? lone_others : kNobody, [&](std::uint32_t id) {
      if (wanted(tracker.endpoint_of(id, 0))) visit(id);
    });
  }
};

Census take_census(const track::Tracker& tracker, const Journal& journal, const HalfOpenLimit& limit);
/// To tell roles by.
inline Census take_census(const track::Tracker& tracker, const Journal& journal) { return take_census(tracker, journal, {}); }

}  // namespace lvsnat
