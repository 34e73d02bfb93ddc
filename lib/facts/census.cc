#include "facts/census.h"

#include <array>
#include <span>

#include "facts/vitals.h"

namespace lvsnat {
namespace {

using track::Glimpse;

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

void list_lone(Census& census, std::uint32_t id, const Glimpse& r) {
  Census::LoneEnd& end = census.lone_ends[r.endpoint[0]];
  if (r.opening == nullptr) {
    ++end.others;
    census.lone_others.insert(id);
    return;
  }
  if (end.openings++ == 0) {
    end.path = r.opening->path[0];
  } else {
    end.other_paths |= end.path != r.opening->path[0];
  }
  census.lone_openings.insert(id);
}

}  // namespace

Census take_census(const track::Tracker& t, const Journal& journal) {
  const std::span<const Path> paths = t.paths().paths();
  const std::uint32_t records = t.high_water();
  Census census;
  census.legs.resize(paths.size());
  census.crossings.resize(paths.size());
  census.rest = census.lone_openings = census.lone_others = RecordSet(records);
  census.lone_ends.resize(t.endpoints().size());
  RecordSet talks_ftp;  // rules want to see these whole
  for (const FtpLine& line : journal.ftp()) {
    if (line.announcement.record < kRetiredIds) talks_ftp.insert(line.announcement.record);
  }
  const bool any_ftp = talks_ftp.count() != 0;
  {
    Routes routes(census, paths);
    for (std::uint32_t id = 0; id < records; ++id) {
      if (!t.in_use(id)) continue;
      const Glimpse r = t.glimpse(id);
      if (r.endpoint[1] == track::kNone) {
        list_lone(census, id, r);
        census.rest.insert(id);
        continue;
      }
      const Sides s = sides_of_joined(r);
      if (r.opening != nullptr) {
        // A SYN on both sides, and nothing came back.
        routes.add(r.opening->path[s.outer], r.opening->path[s.inner], Routes::kUnseen, Routes::kUnseen);
        census.rest.insert(id);
        continue;
      }
      if (plainly_healthy(r, s) && journal.clues(id) == nullptr && !(any_ftp && talks_ftp.contains(id))) {
        count_healthy(census, routes, r, s);
        continue;
      }
      const auto path = [&](int way) { return r.way[way].packets != 0 ? r.way[way].path : Routes::kUnseen; };
      routes.add(path(s.outer * 2), path(s.inner * 2), path(s.inner * 2 + 1), path(s.outer * 2 + 1));
      census.rest.insert(id);
    }
  }
  census.pairs.for_each([&](std::uint32_t, std::uint32_t, PairTally& p) {
    p.connections = p.healthy;
    p.legs.fill(p.healthy);
    census.healthy += p.healthy;
  });
  return census;
}

}  // namespace lvsnat
