#include "facts/census.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
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

  /// 1: the sample is drawn, and nothing depends on the order any more.
  [[nodiscard]] unsigned sampled() const { return sampled_ >= kSample ? 1 : 0; }
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
    std::uint64_t openings = 0;  // that were not added anywhere else
    std::uint64_t count = 0;     // of those that are counted for what they most probably are, half open
    // Of each 0 or 1.
    unsigned lone = 0;
    unsigned timed = 0;      // of openings: the rewritten SYN came second,
    unsigned backwards = 0;  // or first
    unsigned countable = 0;
    bool is_opening = false;
    std::uint8_t flags = 0, ways = 0;  // as HalfOpenKind's
    std::array<std::uint16_t, 2> path{};
    std::array<std::uint32_t, 2> endpoint{};
    Histogram real_server, response;
  };

  Kinds(const track::Tracker& tracker, std::span<const Path> paths) : tracker_(tracker), paths_(paths) {}

  /// What tells kinds apart.
  struct Key {
    std::uint64_t ends, rest;  // Head::ends without body; the ways on which packets were seen, which side is which, and paths
    friend bool operator==(const Key&, const Key&) = default;
  };
  static Key key_of_opening(const track::Head& head) {
    return key_of(head, kOpening, head.opening.path[0], head.opening.path[1]);
  }
  /// Of one with a body; `ways`: a bit each.
  static Key key_of_handshake(const track::Head& head, const Way* way, unsigned ways) {
    return key_of(head, std::uint64_t{ways} << 40, way[0].path, way[2].path);
  }
  /// nullptr: there are too many kinds.
  Kind* of(const Key& key) {
    Recent& recent = recent_[((key.ends ^ key.rest << 17) * 0x9e3779b97f4a7c15) >> 54];
    if (((recent.key.ends ^ key.ends) | (recent.key.rest ^ key.rest)) != 0) [[unlikely]]
      recent = Recent{key, find(key)};
    return recent.kind;
  }
  [[nodiscard]] std::deque<Kind>& all() { return kinds_; }

 private:
  static constexpr std::uint64_t kOpening = std::uint64_t{1} << 48;
  static constexpr std::uint64_t kBothEnds = (std::uint64_t{1} << 2 * track::kEndpointBits) - 1;
  static constexpr std::size_t kMost = 65'536;

  static Key key_of(const track::Head& head, std::uint64_t what, std::uint64_t path0, std::uint64_t path1) {
    const std::uint64_t inner_first = head.flags & std::uint64_t{track::kInnerFirst};
    return {head.ends & kBothEnds, what | inner_first << 32 | path1 << 16 | path0};
  }
  [[gnu::noinline]] Kind* find(const Key& key) {
    const auto known = index_.find(key);
    if (known != index_.end()) return known->second;
    if (kinds_.size() >= kMost) return nullptr;
    Kind& kind = kinds_.emplace_back();
    track::Head head{};
    head.ends = key.ends;
    kind.endpoint = {head.endpoint(0), head.endpoint(1)};
    kind.path = {static_cast<std::uint16_t>(key.rest), static_cast<std::uint16_t>(key.rest >> 16)};
    kind.flags = static_cast<std::uint8_t>(key.rest >> 32);
    kind.ways = static_cast<std::uint8_t>(key.rest >> 40 & 15);
    kind.is_opening = (key.rest & kOpening) != 0;
    kind.lone = kind.endpoint[1] == track::kNone ? 1 : 0;
    if (kind.is_opening) kind.ways = kind.lone != 0 ? 1 : 5;
    if (kind.lone != 0) {
      // Roles are told later; but what looks like a service now hardly turns out to be none.
      kind.countable = tracker_.endpoints()[kind.endpoint[0]].is_outer() ? 1 : 0;
    } else {
      const bool inner_first = (kind.flags & track::kInnerFirst) != 0, both = (kind.ways & 5) == 5;
      kind.timed = inner_first ? 0 : 1;
      kind.backwards = inner_first ? 1 : 0;
      const Path &request = paths_[kind.path[inner_first ? 1 : 0]], &demasq = paths_[kind.path[inner_first ? 0 : 1]];
      kind.countable = both && sent_by_client(request, demasq) ? 0 : 1;
    }
    index_.emplace(key, &kind);
    return &kind;
  }

  struct Hash {
    std::size_t operator()(const Key& k) const noexcept {
      return track::fold_multiply(k.ends ^ 0x9e3779b97f4a7c15, k.rest ^ 0xd1b54a32d192ed03);
    }
  };
  struct Recent {
    Key key{~std::uint64_t{0}, 0};  // of no record
    Kind* kind = nullptr;
  };
  const track::Tracker& tracker_;
  std::span<const Path> paths_;
  std::deque<Kind> kinds_;
  std::unordered_map<Key, Kind*, Hash> index_;
  std::array<Recent, 1024> recent_{};  // of those that came last
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
      : census_(census),
        t_(t),
        journal_(journal),
        limit_(limit),
        routes_(census, t.paths().paths()),
        kinds_(t, t.paths().paths()) {
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
  /// Of these, those that are no matter of routine.
  struct Exceptions {
    std::uint64_t clues, ftp, icmp;
  };

  void take(std::uint32_t from, std::uint32_t count) {
    const std::size_t at = from / 64;
    Exceptions but{journal_.noted().word(at), talks_ftp_.word(at), told_of_.word(at)};
    each(but.clues, [&](unsigned i, std::uint64_t bit) {
      if (journal_.clues(from + i) == nullptr) but.clues &= ~bit;
    });
    Word word;
    // From one word to the next, so that those that are kept all come before those that are counted.
    counting_ = listed_ >= limit_.kept;
    const std::uint64_t answered = take_openings(from, count, but.clues | but.icmp, word);
    take_answered(from, answered, but, word);
    census_.rest.set_word(at, word.rest);
    census_.half_open.records.set_word(at, word.half_open);
    census_.lone_openings.set_word(at, word.lone_openings);
    census_.lone_others.set_word(at, word.lone_others);
  }

  // Whether a SYN was forwarded is anybody's guess: of a flood's there is no branch that hangs on it. Returns who is none.
  std::uint64_t take_openings(std::uint32_t from, std::uint32_t count, std::uint64_t exceptions, Word& word) {
    const bool counting = counting_;
    const unsigned sampled = routes_.sampled();
    const Timestamp begun_by = limit_.begun_by;
    HalfOpenTally& tally = census_.half_open;
    std::array<std::uint32_t, 65> forwarded_after;  // ns until the rewritten SYN; one place more, for what does not count
    unsigned forwarded = 0;
    std::uint64_t answered = 0, counted = 0, lone = 0;
    std::uint64_t bit = 1;
    for (std::uint32_t id = from; id < from + count; ++id, bit += bit) {
      t_.fetch_ahead(id + 64);
      const track::Head& head = t_.head(id);
      if ((head.flags & track::kInUse) == 0) continue;
      if (head.body() != 0) {
        answered |= bit;
        continue;
      }
      Kinds::Kind* const kind = kinds_.of(Kinds::key_of_opening(head));
      const bool routine = counting && (exceptions & bit) == 0 && kind != nullptr &&
                           (kind->countable & (kind->lone | sampled)) != 0 && head.t0 <= begun_by;
      if (!routine) [[unlikely]] {
        take_opening(id, bit, (exceptions & bit) == 0, word);
        continue;
      }
      ++kind->openings;
      ++kind->count;
      counted |= bit;
      lone |= bit & -std::uint64_t{kind->lone};
      const std::uint32_t after = head.opening.first;
      forwarded_after[forwarded] = after;
      forwarded += kind->timed | (kind->backwards & (after == 0 ? 1u : 0u));
      tally.seconds.add(head.t0);
      tally.clients.add(head.client);
    }
    for (unsigned i = 0; i < forwarded; ++i) tally.director_request.add(forwarded_after[i]);
    word.half_open |= counted;
    word.lone_openings |= lone;
    return answered;
  }

  [[gnu::noinline]] void take_opening(std::uint32_t id, std::uint64_t bit, bool countable, Word& word) {
    const Glimpse r = t_.glimpse(id);
    Kinds::Kind* const kind = kinds_.of(Kinds::key_of_opening(t_.head(id)));
    if (r.endpoint[1] == track::kNone) {
      word.lone_openings |= bit;
      list_lone_openings(r.endpoint[0], r.opening->path[0], 1);
    } else {
      // A SYN on both sides, and nothing came back.
      const Sides s = sides_of_joined(r);
      routes_.add(r.opening->path[s.outer], r.opening->path[s.inner], Routes::kUnseen, Routes::kUnseen);
    }
    if (kind == nullptr || !kind->countable || !countable || r.t0 > limit_.begun_by || !counting_) {
      if (kind != nullptr && kind->countable && countable && r.t0 <= limit_.begun_by) ++listed_;
      word.rest |= bit;
      return;
    }
    word.half_open |= bit;
    if (kind->timed || (kind->backwards && r.opening->first == 0)) census_.half_open.director_request.add(r.opening->first);
    count(r, *kind);
  }

  void take_answered(std::uint32_t from, std::uint64_t answered, const Exceptions& but, Word& word) {
    each(answered, [&](unsigned i, std::uint64_t bit) {
      const Glimpse r = t_.glimpse(from + i);
      if (r.endpoint[1] == track::kNone) {
        ++census_.lone_ends[r.endpoint[0]].others;
        word.lone_others |= bit;
      } else {
        const Sides s = sides_of_joined(r);
        if (plainly_healthy(r, s) && ((but.clues | but.ftp) & bit) == 0) return count_healthy(census_, routes_, r, s);
        const auto path = [&](int way) { return r.way[way].packets != 0 ? r.way[way].path : Routes::kUnseen; };
        routes_.add(path(s.outer * 2), path(s.inner * 2), path(s.inner * 2 + 1), path(s.outer * 2 + 1));
      }
      const bool half_open = r.t0 <= limit_.begun_by && ((but.clues | but.icmp) & bit) == 0 && take_handshake(from + i, r);
      (half_open ? word.half_open : word.rest) |= bit;
    });
  }

  /// True: it was counted as half open.
  bool take_handshake(std::uint32_t id, const Glimpse& r) {
    const unsigned ways = half_open_ways(r);
    if (ways == 0) return false;
    Kinds::Kind* const kind = kinds_.of(Kinds::key_of_handshake(t_.head(id), r.way, ways));
    if (kind == nullptr || !kind->countable) return false;
    if (!counting_) {
      ++listed_;
      return false;
    }
    // Of a lone one only what is outside is counted.
    const Times t = times_of(r, kind->lone != 0 ? Sides{0, -1} : sides_of_joined(r));
    if (t.director_request != kUnknownTime) census_.half_open.director_request.add(t.director_request);
    if (t.director_reply != kUnknownTime) census_.half_open.director_reply.add(t.director_reply);
    if (t.real_server != kUnknownTime) kind->real_server.add(t.real_server);
    if (t.response != kUnknownTime) kind->response.add(t.response);
    census_.half_open.packets += packets_of(r);
    count(r, *kind);
    return true;
  }

  void count(const Glimpse& r, Kinds::Kind& kind) {
    ++kind.count;
    census_.half_open.seconds.add(r.t0);
    census_.half_open.clients.add(*r.client);
  }

  template <typename Visit>
  [[gnu::always_inline]] static void each(std::uint64_t bits, Visit visit) {
    for (; bits != 0; bits &= bits - 1) visit(static_cast<unsigned>(std::countr_zero(bits)), bits & -bits);
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
    HalfOpenTally& tally = census_.half_open;
    for (Kinds::Kind& kind : kinds_.all()) {
      const unsigned outer = (kind.flags & track::kInnerFirst) != 0 ? 1 : 0;
      if (kind.openings != 0 && kind.lone != 0) {
        list_lone_openings(kind.endpoint[0], kind.path[0], kind.openings);
      } else if (kind.openings != 0) {
        routes_.add_unsampled(kind.path[outer], kind.path[1 - outer], kind.openings);
      }
      if (kind.count == 0) continue;
      tally.count += kind.count;
      if (kind.is_opening) tally.packets += kind.count * (kind.lone != 0 ? 1 : 2);
      tally.kinds.push_back(
          {kind.endpoint, kind.flags, kind.ways, kind.count, std::move(kind.real_server), std::move(kind.response)});
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
  bool counting_ = false;          // enough are listed
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
