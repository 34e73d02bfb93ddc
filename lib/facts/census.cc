#include "facts/census.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <unordered_map>

#include "facts/vitals.h"

namespace lvsnat {
namespace {

using track::Glimpse;
using track::Way;

/// So many joined connections tell well enough which frames only a director makes.
constexpr std::uint32_t kSample = 50'000;

/// Connections by the paths that the first packets of their legs took: few ways of it are common.
class Routes {
 public:
  static constexpr std::uint64_t kUnseen = 0xffff;

  explicit Routes(Census& census, std::span<const Path> paths) : census_(census), paths_(paths) {}
  ~Routes() {
    for (const Route& route : routes_) settle(route);
    census_.any_joined = sampled_ != 0;
  }
  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;

  /// Has the sample been drawn? Then nothing depends on the order any more.
  [[nodiscard]] bool sampled() const { return sampled_ >= kSample; }
  void add_unsampled(std::uint64_t request, std::uint64_t demasq, std::uint64_t count) {
    if (request != kUnseen) census_.legs[request][index(Leg::request)] += count;
    if (demasq != kUnseen) census_.legs[demasq][index(Leg::demasq)] += count;
  }
  /// By leg, kUnseen for none.
  void add(std::uint64_t request, std::uint64_t demasq, std::uint64_t reply, std::uint64_t masq) {
    const std::uint64_t paths = request | demasq << 16 | reply << 32 | masq << 48;
    Route& route = routes_[(paths * 0x9e3779b97f4a7c15) >> 56];
    if (route.paths != paths) [[unlikely]] {
      settle(route);
      route = Route{paths};
    }
    ++route.count;
    if (sampled_ >= kSample) return;
    ++sampled_;
    ++route.sampled;
  }

 private:
  struct Route {
    std::uint64_t paths = ~std::uint64_t{0};
    std::uint32_t count = 0, sampled = 0;
  };

  void settle(const Route& route) {
    const auto path = [&](Leg leg) { return static_cast<std::uint16_t>(route.paths >> (16 * index(leg))); };
    const auto seen = [&](Leg leg) { return path(leg) != kUnseen; };
    for (const Leg leg : kLegs) {
      if (seen(leg)) census_.legs[path(leg)][index(leg)] += route.count;
    }
    if (seen(Leg::request) && seen(Leg::demasq)) {
      const Mac& source = paths_[path(Leg::request)].source;
      if (!source.is_none() && source == paths_[path(Leg::demasq)].source) return;  // both are the client's own
      census_.crossings[path(Leg::demasq)].demasq += route.sampled;
      census_.crossings[path(Leg::request)].request += route.sampled;
    }
    if (seen(Leg::reply) && seen(Leg::masq)) census_.crossings[path(Leg::masq)].masq += route.sampled;
  }

  Census& census_;
  std::span<const Path> paths_;
  std::uint32_t sampled_ = 0;
  std::array<Route, 256> routes_{};  // of those that came last
};

[[gnu::always_inline]] inline void count_healthy(Census& census, Routes& routes, const Glimpse& r, const Sides& s) {
  const track::Way *const outer = r.way + s.outer * 2, *const inner = r.way + s.inner * 2;
  const Times t = times_of(r, s, true);
  const std::uint64_t packets = r.protocol == kTcp ? packets_of(r) : 0;
  routes.add(outer[0].path, inner[0].path, inner[1].path, outer[1].path);
  PairTally& p = census.pairs.of(r.endpoint[s.outer], r.endpoint[s.inner]);
  ++p.healthy;
  census.completed += r.protocol == kTcp ? 1 : 0;
  census.packets += packets;
  if (t.director_request != kUnknownTime) census.director_request.add(t.director_request);
  if (t.director_reply != kUnknownTime) census.director_reply.add(t.director_reply);
  if (t.real_server != kUnknownTime) p.real_server.add(t.real_server);
  if (t.client != kUnknownTime) census.client.add(t.client);
  if (t.response != kUnknownTime) p.response.add(t.response);
}

/// Half-open connections by their kind, and all that are nothing but a SYN: those are told apart by no more than that.
class Kinds {
 public:
  struct Kind {
    std::uint64_t ends = 0, rest = 0;  // endpoints; the ways on which packets were seen, which side is which, and paths
    std::uint64_t openings = 0;        // that were not added anywhere else
    std::uint64_t count = 0;           // of those that are counted for what they most probably are, half open
    std::array<std::uint16_t, 2> path{};
    bool timed = false;    // of openings: the rewritten SYN came second
    bool countable = false;
    bool is_opening = false;
    Histogram real_server, response;
  };

  Kinds(const track::Tracker& tracker, std::span<const Path> paths) : tracker_(tracker), paths_(paths) {}

  /// Of an opening. nullptr: there are too many kinds.
  Kind* of_opening(const Glimpse& r) {
    const std::uint64_t paths = std::uint64_t{r.opening->path[0]} | std::uint64_t{r.opening->path[1]} << 16;
    return of(r, kOpening | inner_first(r) << 32 | paths, r.opening->path[0], r.opening->path[1]);
  }
  /// Of one with a body; `ways`: a bit each.
  Kind* of_handshake(const Glimpse& r, unsigned ways) {
    const std::uint64_t paths = std::uint64_t{r.way[0].path} | std::uint64_t{r.way[2].path} << 16;
    return of(r, std::uint64_t{ways} << 40 | inner_first(r) << 32 | paths, r.way[0].path,
              r.way[2].path);
  }
  [[nodiscard]] std::vector<Kind>& all() { return kinds_; }

 private:
  static constexpr std::uint64_t kOpening = std::uint64_t{1} << 48;
  static std::uint64_t inner_first(const Glimpse& r) { return r.flags & std::uint64_t{track::kInnerFirst}; }
  static constexpr std::size_t kMost = 65'536;
  static constexpr std::uint32_t kTooMany = ~std::uint32_t{0};

  Kind* of(const Glimpse& r, std::uint64_t rest, std::uint16_t path0, std::uint16_t path1) {
    const std::uint64_t ends = std::uint64_t{r.endpoint[0]} << 32 | r.endpoint[1];
    Recent& recent = recent_[((ends ^ rest << 17) * 0x9e3779b97f4a7c15) >> 54];
    if (recent.ends != ends || recent.rest != rest) [[unlikely]]
      recent = Recent{ends, rest, find(r, ends, rest, path0, path1)};
    return recent.kind == kTooMany ? nullptr : &kinds_[recent.kind];
  }
  std::uint32_t find(const Glimpse& r, std::uint64_t ends, std::uint64_t rest, std::uint16_t path0, std::uint16_t path1) {
    const auto known = index_.find(Key{ends, rest});
    if (known != index_.end()) return known->second;
    if (kinds_.size() >= kMost) return kTooMany;
    Kind& kind = kinds_.emplace_back();
    kind.ends = ends;
    kind.rest = rest;
    kind.path = {path0, path1};
    kind.is_opening = (rest & kOpening) != 0;
    if (r.endpoint[1] == track::kNone) {
      // Roles are told later; but what looks like a service now hardly turns out to be none.
      kind.countable = tracker_.endpoints()[r.endpoint[0]].is_outer();
    } else {
      const Sides s = sides_of_joined(r);
      const bool both = kind.is_opening || (r.way[0].packets != 0 && r.way[2].packets != 0);
      kind.timed = s.outer == 0;
      kind.countable = !both || !sent_by_client(paths_[kind.path[s.outer == 0 ? 0 : 1]], paths_[kind.path[s.outer == 0 ? 1 : 0]]);
    }
    const auto number = static_cast<std::uint32_t>(kinds_.size() - 1);
    index_.emplace(Key{ends, rest}, number);
    return number;
  }

  struct Key {
    std::uint64_t ends, rest;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& k) const noexcept {
      return track::fold_multiply(k.ends ^ 0x9e3779b97f4a7c15, k.rest ^ 0xd1b54a32d192ed03);
    }
  };
  struct Recent {
    std::uint64_t ends = ~std::uint64_t{0}, rest = 0;  // `ends` of no record
    std::uint32_t kind = 0;
  };
  const track::Tracker& tracker_;
  std::span<const Path> paths_;
  std::vector<Kind> kinds_;
  std::unordered_map<Key, std::uint32_t, Hash> index_;
  std::vector<Recent> recent_ = std::vector<Recent>(1024);  // of those that came last
};

/// A bit for each way on which there were packets, of a connection that is plainly no more than the beginning of a handshake:
/// a SYN once on each side where it was seen, and what the server says to that. 0: it is something else.
unsigned half_open_ways(const Glimpse& r) {
  const Way *const a = &r.way[0], *const c = &r.way[2];
  if (r.protocol != kTcp || a->packets > 1 || c->packets > 1 || ((a->flags | c->flags) & track::kSawSyn) == 0) return 0;
  const unsigned seen = a->flags | c->flags, answers = r.way[1].flags | r.way[3].flags;
  if (((seen & (track::kSawData | track::kSawFin)) | ((seen | answers) & track::kSawRst)) != 0) return 0;
  if (((a->repeats_holes | c->repeats_holes) & 15) != 0) return 0;
  return (a->packets != 0 ? 1u : 0u) | (r.way[1].packets != 0 ? 2u : 0u) | (c->packets != 0 ? 4u : 0u) |
         (r.way[3].packets != 0 ? 8u : 0u);
}

/// Passes over all records.
class Pass {
 public:
  Pass(Census& census, const track::Tracker& t, const Journal& journal, const HalfOpenLimit& limit)
      : census_(census), t_(t), journal_(journal), limit_(limit), routes_(census, t.paths().paths()), kinds_(t, t.paths().paths()) {
    for (const FtpLine& line : journal.ftp()) {
      if (line.announcement.record < kRetiredIds) talks_ftp_.insert(line.announcement.record);
    }
    for (const IcmpNote& note : journal.icmp()) {
      if (note.sighting.record && *note.sighting.record < kRetiredIds) told_of_.insert(*note.sighting.record);
    }
  }
  void run() {
    const std::uint32_t records = t_.high_water();
    for (std::uint32_t from = 0; from < records; from += 64) take(from, std::min(records - from, 64u));
    settle();
  }

 private:
  /// Of 64 records in a row, a bit each.
  struct Word {
    std::uint64_t rest = 0, half_open = 0, lone_openings = 0, lone_others = 0;
  };

  void take(std::uint32_t from, std::uint32_t count) {
    const std::size_t at = from / 64;
    const std::uint64_t noted = journal_.noted().word(at), ftp = talks_ftp_.word(at), icmp = told_of_.word(at);
    Word word;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t id = from + i;
      if (!t_.in_use(id)) continue;
      const std::uint64_t bit = std::uint64_t{1} << i;
      const bool clues = (noted & bit) != 0 && journal_.clues(id) != nullptr;
      const Glimpse r = t_.glimpse(id);
      if (r.opening != nullptr) {
        take_opening(id, r, bit, clues || (icmp & bit) != 0, word);
        continue;
      }
      if (r.endpoint[1] == track::kNone) {
        ++census_.lone_ends[r.endpoint[0]].others;
        word.lone_others |= bit;
      } else {
        const Sides s = sides_of_joined(r);
        if (plainly_healthy(r, s) && !clues && (ftp & bit) == 0) {
          count_healthy(census_, routes_, r, s);
          continue;
        }
        const auto path = [&](int way) { return r.way[way].packets != 0 ? r.way[way].path : Routes::kUnseen; };
        routes_.add(path(s.outer * 2), path(s.inner * 2), path(s.inner * 2 + 1), path(s.outer * 2 + 1));
      }
      const bool counted = r.t0 <= limit_.begun_by && !clues && (icmp & bit) == 0 && take_handshake(id, r);
      (counted ? word.half_open : word.rest) |= bit;
    }
    census_.rest.set_word(at, word.rest);
    census_.half_open.records.set_word(at, word.half_open);
    census_.lone_openings.set_word(at, word.lone_openings);
    census_.lone_others.set_word(at, word.lone_others);
  }

  void take_opening(std::uint32_t id, const Glimpse& r, std::uint64_t bit, bool exceptional, Word& word) {
    const bool joined = r.endpoint[1] != track::kNone;
    Kinds::Kind* const kind = kinds_.of_opening(r);
    if (joined) {
      if (kind == nullptr || !routes_.sampled()) {
        // A SYN on both sides, and nothing came back.
        const bool outer_first = (r.flags & track::kInnerFirst) == 0;
        routes_.add(r.opening->path[outer_first ? 0 : 1], r.opening->path[outer_first ? 1 : 0], Routes::kUnseen, Routes::kUnseen);
      } else {
        ++kind->openings;
      }
    } else {
      word.lone_openings |= bit;
      if (kind == nullptr) {
        list_lone_openings(r.endpoint[0], r.opening->path[0], 1);
      } else {
        ++kind->openings;
      }
    }
    if (kind == nullptr || !kind->countable || exceptional || r.t0 > limit_.begun_by) {
      word.rest |= bit;
      return;
    }
    if (listed_ < limit_.kept) {
      ++listed_;
      word.rest |= bit;
      return;
    }
    word.half_open |= bit;
    if (joined && (kind->timed || r.opening->first == 0)) census_.half_open.director_request.add(r.opening->first);
    count(id, r, *kind, joined ? 2 : 1);
  }

  /// Of one with a body. True: it was counted as half open.
  bool take_handshake(std::uint32_t id, const Glimpse& r) {
    const unsigned ways = half_open_ways(r);
    if (ways == 0) return false;
    Kinds::Kind* const kind = kinds_.of_handshake(r, ways);
    if (kind == nullptr || !kind->countable) return false;
    if (listed_ < limit_.kept) {
      ++listed_;
      return false;
    }
    const bool joined = r.endpoint[1] != track::kNone;
    // Of a lone one only what is outside is counted.
    const Times t = times_of(r, joined ? sides_of_joined(r) : Sides{0, -1});
    if (t.director_request != kUnknownTime) census_.half_open.director_request.add(t.director_request);
    if (t.director_reply != kUnknownTime) census_.half_open.director_reply.add(t.director_reply);
    if (t.real_server != kUnknownTime) kind->real_server.add(t.real_server);
    if (t.response != kUnknownTime) kind->response.add(t.response);
    count(id, r, *kind, packets_of(r));
    return true;
  }

  void count(std::uint32_t id, const Glimpse& r, Kinds::Kind& kind, std::uint64_t packets) {
    HalfOpenTally& all = census_.half_open;
    if (all.count++ == 0) all.first = id;
    ++kind.count;
    all.packets += packets;
    all.seconds.add(r.t0);
    all.clients.add(*r.client);
  }

  void list_lone_openings(std::uint32_t endpoint, std::uint16_t path, std::uint64_t count) {
    Census::LoneEnd& end = census_.lone_ends[endpoint];
    if (end.openings == 0) {
      end.path = path;
    } else {
      end.other_paths |= end.path != path;
    }
    end.openings += static_cast<std::uint32_t>(count);
  }

  void settle() {
    for (Kinds::Kind& kind : kinds_.all()) {
      const std::array<std::uint32_t, 2> endpoint{static_cast<std::uint32_t>(kind.ends >> 32),
                                                  static_cast<std::uint32_t>(kind.ends)};
      const auto flags = static_cast<std::uint8_t>(kind.rest >> 32);
      const bool joined = endpoint[1] != track::kNone;
      if (kind.openings != 0 && joined) {
        const bool outer_first = (flags & track::kInnerFirst) == 0;
        routes_.add_unsampled(kind.path[outer_first ? 0 : 1], kind.path[outer_first ? 1 : 0], kind.openings);
      } else if (kind.openings != 0) {
        list_lone_openings(endpoint[0], kind.path[0], kind.openings);
      }
      if (kind.count == 0) continue;
      HalfOpenKind& counted = census_.half_open.kinds.emplace_back();
      counted.endpoint = endpoint;
      counted.flags = flags;
      counted.ways = kind.is_opening ? (joined ? 5 : 1) : static_cast<std::uint8_t>(kind.rest >> 40 & 15);
      counted.count = kind.count;
      counted.real_server = std::move(kind.real_server);
      counted.response = std::move(kind.response);
    }
  }

  Census& census_;
  const track::Tracker& t_;
  const Journal& journal_;
  const HalfOpenLimit& limit_;
  Routes routes_;
  Kinds kinds_;
  RecordSet talks_ftp_, told_of_;  // rules want to see these whole
  std::size_t listed_ = 0;         // that would have been counted, had they not been among the first
};

}  // namespace

Census take_census(const track::Tracker& t, const Journal& journal, const HalfOpenLimit& limit) {
  Census census(limit.key);
  const std::size_t paths = t.paths().paths().size();
  census.legs.resize(paths);
  census.crossings.resize(paths);
  census.rest = census.lone_openings = census.lone_others = census.half_open.records = RecordSet(t.high_water());
  census.lone_ends.resize(t.endpoints().size());
  Pass(census, t, journal, limit).run();
  census.pairs.for_each([&](std::uint32_t, std::uint32_t, PairTally& p) {
    p.connections = p.healthy;
    p.legs.fill(p.healthy);
    census.healthy += p.healthy;
  });
  return census;
}

}  // namespace lvsnat
