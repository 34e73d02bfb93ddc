#include "facts/survey.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "facts/distinct_addresses.h"
#include "facts/signs.h"
#include "facts/vitals.h"

namespace lvsnat {
namespace {

using track::Glimpse;
using track::kFar;
using track::Record;
using track::Way;

/// A capture that was written to several files, one after the other, is one wire still: what was asked in one file and again in
/// the next was asked on. Two interfaces that see one packet see it at one time.
std::vector<Question> joined_pieces(const std::vector<Question>& asked) {
  constexpr Timestamp copy = kSecond / 20, on_and_on = kSecond * 7 / 2;
  std::map<std::tuple<Address, Address, Mac, std::uint32_t>, std::size_t> known;
  std::vector<Question> out;
  for (const Question& q : asked) {  // by their first times
    const auto [found, is_new] = known.try_emplace({q.asker, q.target, q.asker_mac, q.interface_index}, out.size());
    const Timestamp gap = is_new ? 0 : q.first.time - out[found->second].last.time;
    if (is_new || gap <= copy) {
      out.push_back(q);
      continue;
    }
    Question& before = out[found->second];
    const bool without_rest = before.run == before.count && q.run == q.count && gap <= on_and_on;
    before.run = without_rest ? before.run + q.run : std::max(before.run, q.run);
    before.count += q.count;
    before.last = q.last;
    before.unicast = before.unicast && q.unicast;
  }
  return out;
}

/// `back`: the opposite direction of the same side, whose acknowledgements tell of `w`.
LegCount to_leg(const Way& w, const Way& back, const Record& r) {
  const bool dsack = (back.flags & track::kSawDsack) != 0;
  LegCount leg;
  leg.packets = w.packets;
  leg.bytes = w.bytes();
  if (w.packets == 0) return leg;
  leg.first = r.t0 + (w.first == kFar ? (Timestamp{w.last} << 16) : Timestamp{w.first});
  leg.last = std::min(r.last, r.t0 + (Timestamp{w.last} << 16) + 65'535);
  leg.first_frame = w.first_frame;
  leg.path = w.path;
  leg.ttl = w.ttl;
  leg.syn = (w.flags & track::kSawSyn) != 0;
  leg.fin = (w.flags & track::kSawFin) != 0;
  leg.rst = (w.flags & track::kSawRst) != 0;
  leg.data = (w.flags & track::kSawData) != 0;
  leg.moved = (w.flags & track::kMoved) != 0;
  leg.dsack = dsack;
  leg.leaked = (w.flags & track::kForwarded) != 0;
  leg.repeats = w.repeats();
  leg.holes = w.holes();
  leg.unanswered = w.unanswered();
  leg.unpaired = w.unpaired();
  return leg;
}

std::optional<std::int64_t> optional_time(std::int64_t t) {
  return t == kUnknownTime ? std::nullopt : std::optional<std::int64_t>{t};
}

ConnectionState state_of(const Record& r) {
  const std::uint8_t to = r.way[0].flags | r.way[2].flags, from = r.way[1].flags | r.way[3].flags;
  if (((to | from) & track::kSawRst) != 0) return ConnectionState::reset;
  if ((to & track::kSawFin) != 0 && (from & track::kSawFin) != 0) return ConnectionState::closed;
  if (((to | from) & track::kSawFin) != 0) return ConnectionState::closing;
  if (r.protocol == kTcp && ((to | from) & track::kSawSyn) == 0) return ConnectionState::mid_stream;
  return (r.flags & track::kAnswered) != 0 ? ConnectionState::established : ConnectionState::half_open;
}

bool sent_by_client(const Way& request, const Way& demasq, std::span<const Path> paths) {
  return request.packets != 0 && demasq.packets != 0 && sent_by_client(paths[request.path], paths[demasq.path]);
}

/// A record that a note is about: in the table, or retired.
std::optional<Record> record_of(const SurveyInput& in, std::uint32_t id) {
  if (const RetiredRecord* gone = in.journal->find_retired(id); gone != nullptr) return gone->record;
  return id < in.tracker->high_water() ? std::optional(in.tracker->record(id)) : std::nullopt;
}

Leg leg_of(bool outer, bool reply) { return outer ? (reply ? Leg::masq : Leg::request) : (reply ? Leg::reply : Leg::demasq); }

/// Adds those of records with one endpoint, now that it is known who that is.
void count_lone_legs(const track::Tracker& tracker, const Roles& roles, const Census& census, LegsByPath& legs) {
  bool by_one = false;  // openings at one endpoint came on several paths
  for (std::uint32_t id = 0; id < census.lone_ends.size(); ++id) {
    const Census::LoneEnd& end = census.lone_ends[id];
    const Roles::Side side = roles.side_of(id);
    if (end.openings == 0 || side == Roles::Side::unknown) continue;
    by_one = by_one || end.other_paths;
    if (!end.other_paths) legs[end.path][index(leg_of(side == Roles::Side::outer, false))] += end.openings;
  }
  const auto count = [&](std::uint32_t id) {
    const Glimpse r = tracker.glimpse(id);
    const bool outer = roles.side_of(r.endpoint[0]) == Roles::Side::outer;
    if (r.opening != nullptr) {
      if (census.lone_ends[r.endpoint[0]].other_paths) ++legs[r.opening->path[0]][index(leg_of(outer, false))];
      return;
    }
    for (const bool reply : {false, true}) {
      const Way& w = r.way[reply ? 1 : 0];
      if (w.packets != 0) ++legs[w.path][index(leg_of(outer, reply))];
    }
  };
  const auto counted_one_by_one = [&](std::uint32_t end) {
    return roles.side_of(end) != Roles::Side::unknown && (census.lone_ends[end].others != 0 || census.lone_ends[end].other_paths);
  };
  census.for_each_lone(tracker, counted_one_by_one, count);
}

struct Surveyor {
  const SurveyInput& in;
  Facts& facts;
  const Roles& roles;
  const std::size_t max_suspects;
  const std::span<const Path> paths;
  PairTallies pairs;
  Histogram director_request, director_reply, client;
  struct HalfFullNat {
    std::uint32_t id;
    bool used = false;
    bool taken_for_check = false;
  };
  std::unordered_map<std::uint64_t, HalfFullNat> inner_by_isn =
      {};                                  // full NAT: halves are joined by their initial sequence number
  std::set<std::uint32_t> told_of = {};    // records that an ICMP message was about
  std::set<std::uint32_t> talks_ftp = {};  // records whose announcements are among the facts: rules want to see them whole
  DistinctAddresses half_open_clients;
  Seconds half_open_seconds = {};
  std::size_t half_open_taken = 0;
  struct OpeningKind {
    std::uint64_t ends = 0, rest = 0;  // endpoints; paths and which of them is the inner one
    bool joined = false, outer_first = false;
    PairTally* pair = nullptr;  // nullptr: to be looked at one by one
  };
  std::array<OpeningKind, 256> opening_kinds{};
  std::array<std::uint64_t, 2> counted_half_open{};  // by count_half_open(): on the outside alone, and forwarded

  PairTally& pair(std::uint32_t outer, std::uint32_t inner);
  void place(PairTally& p, std::uint32_t outer, std::uint32_t inner) const;
  bool count_healthy(std::uint32_t id, const Record& r, const Sides& s, const std::vector<WayClue>* clues);
  const OpeningKind& kind_of(const Glimpse& r);
  bool count_half_open(std::uint32_t id);
  void add_half_open();
  bool add_half_open(const HalfOpenTally& tally);
  [[nodiscard]] bool is_half(std::uint32_t id) const;
  void note_half_open(const Address& from, Timestamp first);
  void take(std::uint32_t id, const Record& r, const std::vector<WayClue>* clues, const RetiredRecord* gone);
  void count_forgotten();
  void suspect(const Connection& c, const Record& r, const Sides& s, const std::vector<WayClue>* clues);
  void strange(std::uint32_t id, const Record& r);
  void index_full_nat(const Census& census);
  void ftp_data(std::uint32_t id, const Record& r);
  void find_flood();
  [[nodiscard]] ConnectionKind inner_kind(const Connection& c, const Record& r) const;
};

PairTally& Surveyor::pair(std::uint32_t outer, std::uint32_t inner) {
  PairTally& p = pairs.of(outer, inner);
  if (!p.placed) place(p, outer, inner);
  return p;
}

// Which service and which of its destinations a pair is of.
void Surveyor::place(PairTally& p, std::uint32_t outer, std::uint32_t inner) const {
  p.placed = true;
  const track::EndpointTable& endpoints = in.tracker->endpoints();
  p.service = outer == track::kNone ? -1 : roles.service_of(outer);
  if (p.service < 0 && inner != track::kNone) {
    // Inner legs alone: the RIP tells the service when it serves but one.
    const track::ServerEndpoint& e = endpoints[inner];
    int found = 0;
    for (std::size_t i = 0; i < roles.services.size(); ++i) {
      for (const Destination& d : roles.services[i].destinations) {
        if (d.rip == e.address && destination_port(roles.services[i], d) == e.port) {
          p.service = static_cast<std::int32_t>(i);
          ++found;
        }
      }
    }
    if (found != 1) p.service = -1;
  }
  if (p.service >= 0 && inner != track::kNone) {
    const Service& s = roles.services[static_cast<std::size_t>(p.service)];
    const track::ServerEndpoint& e = endpoints[inner];
    const std::uint16_t requested = outer == track::kNone ? std::uint16_t{0} : endpoints[outer].port;
    for (std::size_t i = 0; i < s.destinations.size(); ++i) {
      if (s.destinations[i].rip != e.address) continue;
      if (p.destination < 0 || destination_port(s, s.destinations[i], requested) == e.port)
        p.destination = static_cast<std::int32_t>(i);
    }
  }
}

// Of those that left the table; the census has counted the others. True: it was, and no more is to be told of it.
bool Surveyor::count_healthy(std::uint32_t id, const Record& r, const Sides& s, const std::vector<WayClue>* clues) {
  if (!plainly_healthy(r, s) || clues != nullptr || talks_ftp.contains(id)) return false;
  const Times t = times_of(r, s);
  PairTally& p = pair(r.endpoint[s.outer], r.endpoint[s.inner]);
  ++p.connections;
  ++p.healthy;
  ++facts.connections.total;
  ++facts.connections.healthy;
  for (std::size_t leg = 0; leg < 4; ++leg) {
    ++facts.connections.legs[leg];
    ++p.legs[leg];
  }
  if (t.director_request != kUnknownTime) director_request.add(t.director_request);
  if (t.director_reply != kUnknownTime) director_reply.add(t.director_reply);
  if (t.real_server != kUnknownTime) p.real_server.add(t.real_server);
  if (t.client != kUnknownTime) client.add(t.client);
  if (t.response != kUnknownTime) p.response.add(t.response);
  if (r.protocol == kTcp) {
    ++facts.completed;
    facts.service_packets += packets_of(r);
  }
  return true;
}

inline void Surveyor::note_half_open(const Address& from, Timestamp first) {
  ++facts.half_open;
  half_open_clients.add(from);
  half_open_seconds.add(first);
}

// Openings between the same endpoints on the same paths are all alike: answers that were given last are at hand.
const Surveyor::OpeningKind& Surveyor::kind_of(const Glimpse& r) {
  const std::uint64_t ends = std::uint64_t{r.endpoint[0]} << 32 | r.endpoint[1];
  const std::uint64_t rest =
      std::uint64_t{r.opening->path[0]} << 32 | std::uint32_t{r.opening->path[1]} << 8 | (r.flags & track::kInnerFirst);
  OpeningKind& kind = opening_kinds[((ends ^ rest << 17) * 0x9e3779b97f4a7c15) >> 56];
  if (kind.ends == ends && kind.rest == rest) [[likely]]
    return kind;
  kind = OpeningKind{ends, rest};
  const Sides s = sides_of(r, roles);
  kind.joined = s.inner >= 0;
  kind.outer_first = s.outer == 0;
  if (s.outer < 0) return kind;
  if (kind.joined && sent_by_client(paths[r.opening->path[s.outer]], paths[r.opening->path[s.inner]])) return kind;
  kind.pair = &pair(r.endpoint[s.outer], kind.joined ? r.endpoint[s.inner] : track::kNone);
  return kind;
}

// What take() would do with a SYN of a flood, once there are so many that one more is not kept. False: left to that.
bool Surveyor::count_half_open(std::uint32_t id) {
  if (half_open_taken < max_suspects / 4 || !in.tracker->is_opening(id)) return false;
  const Glimpse r = in.tracker->glimpse(id);
  if (!had_time_to_retry(facts, r.t0) || in.journal->clues(id) != nullptr) return false;
  if (!told_of.empty() && told_of.contains(id)) return false;
  const OpeningKind& kind = kind_of(r);
  if (kind.pair == nullptr || (!kind.joined && !inner_by_isn.empty() && is_half(id))) return false;
  ++kind.pair->connections;
  ++kind.pair->legs[index(Leg::request)];
  if (kind.joined) {
    ++kind.pair->legs[index(Leg::demasq)];
    if (kind.outer_first || r.opening->first == 0) director_request.add(r.opening->first);
  }
  ++counted_half_open[kind.joined ? 1 : 0];
  note_half_open(*r.client, r.t0);
  return true;
}

// What count_half_open() leaves for the end.
void Surveyor::add_half_open() {
  const std::uint64_t joined = counted_half_open[1], all = counted_half_open[0] + joined;
  facts.connections.total += all;
  facts.connections.legs[index(Leg::request)] += all;
  facts.connections.legs[index(Leg::demasq)] += joined;
  facts.service_packets += all + joined;
  facts.suspects_left_out += all;
}

void Surveyor::index_full_nat(const Census& census) {
  const track::Tracker& t = *in.tracker;
  // Only worth the pass when there are outer halves without inner ones.
  bool lonely_outer = false;
  for (std::uint32_t end = 0; end < census.lone_ends.size() && !lonely_outer; ++end) {
    const Census::LoneEnd& lone = census.lone_ends[end];
    lonely_outer = (lone.openings != 0 || lone.others != 0) && roles.side_of(end) == Roles::Side::outer;
  }
  if (!lonely_outer) return;
  const auto not_outer = [&](std::uint32_t end) { return roles.side_of(end) != Roles::Side::outer; };
  census.for_each_lone(t, not_outer, [&](std::uint32_t id) {
    const Record r = t.record(id);
    if (r.client_isn == 0) return;
    inner_by_isn.try_emplace(std::uint64_t{r.protocol} << 32 | r.client_isn, HalfFullNat{id});
  });
}

// Inner legs alone: the director's own check, a client that went round the director, or a masqueraded
// connection whose outer half this capture does not show.
ConnectionKind Surveyor::inner_kind(const Connection& c, const Record& r) const {
  const Way& request = r.way[0];
  if (roles.director_addresses.contains(c.client.address)) {
    // Its own packets leave with a full TTL; one less, and it passes on somebody else's with its address on it (full NAT).
    const bool passed_on = request.packets != 0 && request.ttl != 64 && request.ttl != 128 && request.ttl != 255;
    return passed_on ? ConnectionKind::masqueraded : ConnectionKind::health_check;
  }
  // The outer half may have been given up before the inner one came.
  const track::Tracker::Counters& counters = in.tracker->counters();
  const bool outside_shown = facts.outside_captured && counters.evicted_half_open + counters.evicted_other == 0;
  if (request.packets == 0) return outside_shown ? ConnectionKind::direct : ConnectionKind::masqueraded;
  const Path& path = in.tracker->paths().paths()[request.path];
  const bool forwarded = !initial_ttl(request.ttl);
  if (!forwarded && (path.source.is_none() || roles.director_macs.empty() || roles.director_macs.contains(path.source))) {
    // Nobody forwarded it: the host on which this was captured asks for itself.
    return ConnectionKind::health_check;
  }
  if (path.direction == static_cast<std::uint8_t>(Direction::out)) return ConnectionKind::masqueraded;
  if (!path.source.is_none() && !roles.director_macs.empty()) {
    return roles.director_macs.contains(path.source) ? ConnectionKind::masqueraded : ConnectionKind::direct;
  }
  // Somebody forwarded it, and who is the director is not known: a capture on a real server looks like this.
  if (roles.director_macs.empty() && !path.source.is_none()) return ConnectionKind::masqueraded;
  return outside_shown ? ConnectionKind::direct : ConnectionKind::masqueraded;
}

// May this be the outer half of a full-NAT connection whose inner half goes by the director's own endpoint? Of a lone one.
bool Surveyor::is_half(std::uint32_t id) const {
  const Glimpse seen = in.tracker->glimpse(id);
  if (seen.opening != nullptr && !inner_by_isn.contains(std::uint64_t{seen.protocol} << 32 | seen.opening->isn)) return false;
  const Record r = in.tracker->record(id);
  return r.client_isn != 0 && inner_by_isn.contains(std::uint64_t{r.protocol} << 32 | r.client_isn);
}

// What take() would do with each of those that the census counted. False: they have to be looked at one by one.
bool Surveyor::add_half_open(const HalfOpenTally& tally) {
  if (half_open_taken < max_suspects / 4) return false;
  bool any_lone = false;
  for (const HalfOpenKind& kind : tally.kinds) {
    if (kind.endpoint[1] != track::kNone) continue;
    if (roles.side_of(kind.endpoint[0]) != Roles::Side::outer) return false;
    any_lone = true;
  }
  if (any_lone && !inner_by_isn.empty()) {
    bool any_half = false;
    tally.records.for_each([&](std::uint32_t id) { any_half = any_half || (!in.tracker->is_joined(id) && is_half(id)); });
    if (any_half) return false;
  }
  for (const HalfOpenKind& kind : tally.kinds) {
    const Sides s = kind.endpoint[1] != track::kNone ? sides_of_joined(kind) : Sides{0, -1};
    PairTally& p = pair(kind.endpoint[static_cast<std::size_t>(s.outer)],
                        s.inner >= 0 ? kind.endpoint[static_cast<std::size_t>(s.inner)] : track::kNone);
    p.connections += kind.count;
    for (int way = 0; way < (s.inner >= 0 ? 4 : 2); ++way) {
      if ((kind.ways >> way & 1) == 0) continue;
      const std::size_t leg = index(leg_of(way / 2 == s.outer, way % 2 == 1));
      facts.connections.legs[leg] += kind.count;
      p.legs[leg] += kind.count;
    }
    p.real_server.merge(kind.real_server);
    p.response.merge(kind.response);
  }
  director_request.merge(tally.director_request);
  director_reply.merge(tally.director_reply);
  facts.connections.total += tally.count;
  facts.service_packets += tally.packets;
  facts.suspects_left_out += tally.count;
  facts.half_open += tally.count;
  half_open_clients.merge(tally.clients);
  half_open_seconds.merge(tally.seconds);
  return true;
}

// The time in which half-open connections came thick: the seconds around the busiest ten.
void Surveyor::find_flood() {
  const std::map<Timestamp, std::uint64_t>& half_open_by_second = half_open_seconds.counts();
  auto oldest = half_open_by_second.begin();
  std::uint64_t sum = 0;
  for (auto newest = half_open_by_second.begin(); newest != half_open_by_second.end(); ++newest) {
    sum += newest->second;
    for (; oldest->first + 10 <= newest->first; ++oldest) sum -= oldest->second;
    facts.half_open_peak = std::max(facts.half_open_peak, sum);
  }
  const std::uint64_t thick = std::max<std::uint64_t>(facts.half_open_peak / 50, 2);
  for (const auto& [second, count] : half_open_by_second) {
    if (count < thick) continue;
    if (facts.half_open_from == 0) facts.half_open_from = second * kSecond;
    facts.half_open_to = (second + 1) * kSecond;
  }
}

// Active FTP: the real server opens the data connection. Unrewritten, RIP:20 -> CIP:port is nobody's connection.
void Surveyor::ftp_data(std::uint32_t id, const Record& r) {
  if (r.protocol != kTcp || r.endpoint[1] != track::kNone || facts.ftp_leaks.size() >= 1024) return;
  const track::ServerEndpoint& e = in.tracker->endpoints()[r.endpoint[0]];
  const Way& out = r.way[1];
  if (e.port != 20 || (out.flags & track::kSawSyn) == 0) return;
  const bool serves = std::any_of(roles.services.begin(), roles.services.end(), [&](const Service& s) {
    return s.protocol == ServiceProtocol::tcp && s.port == 21 &&
           std::any_of(s.destinations.begin(), s.destinations.end(), [&](const Destination& d) { return d.rip == e.address; });
  });
  if (!serves) return;
  FtpDataLeak leak;
  leak.record = id;
  leak.rip = Endpoint{e.address, e.port};
  leak.client = Endpoint{r.client, r.client_port};
  leak.packets = out.packets;
  leak.first = FrameRef{in.tracker->paths().paths()[out.path].vantage, out.first_frame, r.t0 + out.first};
  leak.forwarded = (out.flags & track::kForwarded) != 0;
  facts.ftp_leaks.push_back(leak);
}

// A reply to a client endpoint from a source that is no part of its connection, with its sequence numbers.
void Surveyor::strange(std::uint32_t id, const Record& r) {
  const track::Tracker& t = *in.tracker;
  if (r.endpoint[1] != track::kNone || r.way[1].packets == 0 || (r.way[0].flags & track::kSawSyn) != 0) return;
  if (roles.side_of(r.endpoint[0]) != Roles::Side::unknown) return;
  const track::ServerEndpoint& source = t.endpoints()[r.endpoint[0]];
  for (std::uint32_t other = t.find(r.client, r.client_port, r.protocol); other != track::kNone; other = t.record(other).next) {
    if (other == id) continue;
    const Record m = t.record(other);
    const Sides s = sides_of(m, roles);
    if (s.inner < 0 || m.way[s.inner * 2 + 1].packets == 0) continue;
    const auto apart = static_cast<std::int32_t>(r.way[1].sequence_end - m.way[s.inner * 2 + 1].sequence_end);
    const Path& path = t.paths().paths()[r.way[1].path];
    const bool by_director = roles.director_addresses.contains(source.address) ||
                             (!path.source.is_none() && roles.director_macs.contains(path.source));
    if (r.protocol == kTcp ? (apart > 1 << 24 || apart < -(1 << 24)) : !by_director) continue;
    StrangeSource found;
    found.record = other;
    found.source = Endpoint{source.address, source.port};
    found.packets = r.way[1].packets;
    found.first = FrameRef{path.vantage, r.way[1].first_frame, r.t0 + r.way[1].first};
    found.path = r.way[1].path;
    found.client_reset = (r.way[0].flags & track::kSawRst) != 0;
    facts.strange.push_back(found);
    return;
  }
}

void Surveyor::suspect(const Connection& c, const Record& r, const Sides& s, const std::vector<WayClue>* clues) {
  if (facts.suspects.size() >= max_suspects) {
    ++facts.suspects_left_out;
    return;
  }
  Suspect& found = facts.suspects.emplace_back();
  found.connection = c;
  if (clues != nullptr) {
    found.clues.reserve(clues->size());
    for (const WayClue& wc : *clues) {
      Clue clue = wc.clue;
      const int side = wc.way / 2;
      const bool reply = wc.way % 2 == 1;
      if (side == s.outer) {
        clue.leg = reply ? Leg::masq : Leg::request;
      } else {
        clue.leg = reply ? Leg::reply : Leg::demasq;
      }
      found.clues.push_back(clue);
    }
  }
  found.waited = std::max<Timestamp>(0, (c.forgotten != 0 ? c.forgotten : facts.last) - r.last);
  found.begins_inside =
      r.protocol == kTcp && ((r.way[0].flags | r.way[2].flags | r.way[1].flags | r.way[3].flags) & track::kSawSyn) == 0;
  found.ends_inside = found.waited < kSecond && found.connection.state != ConnectionState::closed &&
                      found.connection.state != ConnectionState::reset;
}

// Connections of which no more than a number is left.
void Surveyor::count_forgotten() {
  for (const auto& [ends, tally] : in.journal->forgotten()) {
    Record r{};
    r.endpoint[0] = static_cast<std::uint32_t>(ends >> 32);
    r.endpoint[1] = static_cast<std::uint32_t>(ends);
    const Sides s = sides_of(r, roles);
    if (s.outer < 0 && s.inner < 0) {
      facts.connections.unrelated += tally.connections;
      continue;
    }
    PairTally& p = pair(s.outer >= 0 ? r.endpoint[s.outer] : track::kNone, s.inner >= 0 ? r.endpoint[s.inner] : track::kNone);
    facts.connections.total += tally.connections;
    facts.suspects_left_out += tally.connections;
    facts.half_open += tally.half_open;
    facts.completed += tally.completed;
    facts.service_packets += tally.packets;
    p.connections += tally.connections;
    for (int way = 0; way < 4; ++way) {
      const bool outer = way / 2 == s.outer, reply = way % 2 == 1;
      if (!outer && way / 2 != s.inner) continue;
      const std::size_t leg = index(outer ? (reply ? Leg::masq : Leg::request) : (reply ? Leg::reply : Leg::demasq));
      const std::uint64_t count = tally.ways[static_cast<std::size_t>(way)];
      facts.connections.legs[leg] += count;
      p.legs[leg] += count;
    }
  }
  for (const auto& [second, count] : in.journal->forgotten_openings()) half_open_seconds.add(second, count);
}

void Surveyor::take(std::uint32_t id, const Record& r, const std::vector<WayClue>* clues, const RetiredRecord* gone) {
  const Sides s = sides_of(r, roles);
  if (s.outer < 0 && s.inner < 0) {
    const track::ServerEndpoint& e = in.tracker->endpoints()[r.endpoint[0]];
    const bool whole = r.way[0].packets != 0 && (r.way[1].flags & track::kSawData) != 0;
    // The director's own services need no look; a port of the VIP where nobody answers does.
    if (!roles.vips.contains(e.address) || whole) {
      ++(roles.vips.contains(e.address) ? facts.connections.own_service : facts.connections.unrelated);
      ftp_data(id, r);
      return;
    }
  }
  if (count_healthy(id, r, s, clues)) return;

  Connection c = to_connection(id, r, roles, *in.tracker);
  if (gone != nullptr) c.forgotten = gone->forgotten;
  if (s.outer >= 0 && s.inner >= 0 && sent_by_client(r.way[s.outer * 2], r.way[s.inner * 2], in.tracker->paths().paths())) {
    c.legs[index(Leg::demasq)] = LegCount{};  // no director made this; its RST stays among the clues
  }
  // Full NAT: the inner half goes by the director's own endpoint.
  if (s.outer >= 0 && s.inner < 0 && r.client_isn != 0) {
    const auto half = inner_by_isn.find(std::uint64_t{r.protocol} << 32 | r.client_isn);
    if (half != inner_by_isn.end() && !half->second.used) {
      const Record inner = in.tracker->record(half->second.id);
      const bool close_in_time = inner.t0 - r.t0 < 5 * kSecond && r.t0 - inner.t0 < 5 * kSecond;
      if (half->second.id != id && close_in_time && inner.client != r.client && inner.way[0].ttl != r.way[0].ttl) {
        half->second.used = true;
        const track::ServerEndpoint& e = in.tracker->endpoints()[inner.endpoint[0]];
        c.rip = Endpoint{e.address, e.port};
        c.inside_client = Endpoint{inner.client, inner.client_port};
        c.legs[index(Leg::demasq)] = to_leg(inner.way[0], inner.way[1], inner);
        c.legs[index(Leg::reply)] = to_leg(inner.way[1], inner.way[0], inner);
        c.last = std::max(c.last, inner.last);
        const Times it = times_of(inner, Sides{-1, 0});
        c.real_server = optional_time(it.real_server);
        ++facts.full_nat_connections;
      }
    }
  }
  if (c.kind == ConnectionKind::masqueraded && s.outer < 0 && !c.vip) {
    c.kind = inner_kind(c, r);
  }

  switch (c.kind) {
    case ConnectionKind::health_check: {
      ++facts.connections.health_checks;
      const auto half = inner_by_isn.find(std::uint64_t{r.protocol} << 32 | r.client_isn);
      if (half != inner_by_isn.end() && half->second.id == id) half->second.taken_for_check = true;
      return;
    }
    case ConnectionKind::full_nat_inside:
      return;
    case ConnectionKind::direct:
      ++facts.connections.direct;
      break;
    case ConnectionKind::own_service:
      ++facts.connections.own_service;
      break;
    case ConnectionKind::unrelated:
      ++facts.connections.unrelated;
      return;
    case ConnectionKind::masqueraded: {
      if (gone != nullptr && gone->quoted) {
        if (facts.suspects_left_out != 0) --facts.suspects_left_out;
        const PairTally& p =
            pair(s.outer >= 0 ? r.endpoint[s.outer] : track::kNone, s.inner >= 0 ? r.endpoint[s.inner] : track::kNone);
        if (p.service >= 0) c.service = static_cast<std::uint32_t>(p.service);
        break;
      }
      ++facts.connections.total;
      // Full NAT: destinations are found by the inner half's endpoint.
      std::uint32_t inner = s.inner >= 0 ? r.endpoint[s.inner] : track::kNone;
      if (c.inside_client) {
        const auto half = inner_by_isn.find(std::uint64_t{r.protocol} << 32 | r.client_isn);
        if (half != inner_by_isn.end()) inner = in.tracker->endpoint_of(half->second.id, 0);
      }
      PairTally& p = pair(s.outer >= 0 ? r.endpoint[s.outer] : track::kNone, inner);
      if (p.service >= 0) c.service = static_cast<std::uint32_t>(p.service);
      ++p.connections;
      for (const Leg leg : kLegs) {
        if (!c.saw(leg)) continue;
        ++facts.connections.legs[index(leg)];
        ++p.legs[index(leg)];
      }
      if (c.director_request) director_request.add(*c.director_request);
      if (c.director_reply) director_reply.add(*c.director_reply);
      if (c.real_server) p.real_server.add(*c.real_server);
      if (c.client_rtt) client.add(*c.client_rtt);
      if (c.response) p.response.add(*c.response);
      break;
    }
  }
  if (r.protocol == kTcp && c.kind == ConnectionKind::masqueraded) facts.service_packets += packets_of(r);
  const bool half_open = is_half_open(facts, c);
  if (half_open) {
    note_half_open(r.client, r.t0);
  } else if (r.protocol == kTcp && c.kind == ConnectionKind::masqueraded &&
             ((r.flags & track::kRttDone) != 0 ||
              ((r.way[0].flags | r.way[2].flags) & (track::kSawData | track::kSawFin)) != 0)) {
    ++facts.completed;
  }
  set_leg_string(c, facts);
  // A flood of nothing but SYNs must not crowd out the few connections that tell more.
  if (half_open && ++half_open_taken > max_suspects / 4 && !told_of.contains(id)) {
    ++facts.suspects_left_out;
    return;
  }
  suspect(c, r, s, clues);
}

void find_places(Facts& facts, const SurveyInput& in, const Roles& roles, const LegsByPath& legs) {
  const track::Tracker& t = *in.tracker;
  const std::span<const Path> paths = t.paths().paths();
  std::map<std::pair<std::uint16_t, std::uint32_t>, std::size_t> where;
  const auto place = [&](std::uint16_t vantage, std::uint32_t interface_index) -> Place& {
    const auto [at, fresh] = where.try_emplace({vantage, interface_index}, facts.places.size());
    if (fresh) {
      Place p;
      p.vantage = vantage;
      p.interface_index = interface_index;
      if (vantage < facts.vantages.size()) {
        const LinkType link = facts.vantages[vantage].link;
        p.cooked = link == LinkType::linux_sll || link == LinkType::linux_sll2;
      }
      facts.places.push_back(p);
    }
    return facts.places[at->second];
  };
  for (std::size_t v = 0; v < facts.vantages.size(); ++v) place(static_cast<std::uint16_t>(v), 0);
  for (std::size_t i = 1; i < paths.size(); ++i) place(paths[i].vantage, paths[i].interface_index);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (legs[i] == std::array<std::uint64_t, 4>{}) continue;
    Place& p = place(paths[i].vantage, paths[i].interface_index);
    for (std::size_t leg = 0; leg < 4; ++leg) p.legs[leg] += legs[i][leg];
  }
  const bool any_cooked = std::any_of(facts.places.begin(), facts.places.end(), [](const Place& p) { return p.cooked; });
  facts.cooked_only = !facts.vantages.empty() && std::all_of(facts.vantages.begin(), facts.vantages.end(), [](const Vantage& v) {
    return v.link == LinkType::linux_sll || v.link == LinkType::linux_sll2;
  });
  const auto outside = [](const Place& p) { return p.legs[0] + p.legs[3] != 0; };
  const auto inside = [](const Place& p) { return p.legs[1] + p.legs[2] != 0; };
  facts.outside_captured = any_cooked || std::any_of(facts.places.begin(), facts.places.end(), outside);
  facts.inside_captured = any_cooked || std::any_of(facts.places.begin(), facts.places.end(), inside);
  // ARP or ND about a real server shows its wire too. That one asks somebody else does not: it may have a second NIC there.
  for (const Question& q : facts.questions) {
    const bool asks_director = roles.rips.contains(q.asker) && facts.director_addresses.contains(q.target);
    if (roles.rips.contains(q.target) || asks_director) facts.inside_captured = true;
    if (roles.vips.contains(q.target)) facts.outside_captured = true;
  }
  for (const Claim& c : facts.claims) {
    if (c.as_reply && roles.rips.contains(c.address)) facts.inside_captured = true;
  }
  // Two or more captures and one side found: whatever shows nothing of that side was taken on the other.
  std::set<std::uint16_t> sources_outside, sources;
  for (const Vantage& v : facts.vantages) sources.insert(v.source_index);
  for (const Place& p : facts.places) {
    if (p.vantage < facts.vantages.size() && outside(p)) sources_outside.insert(facts.vantages[p.vantage].source_index);
  }
  const std::size_t given = std::max(sources.size(), facts.sources.size());
  if (given > 1 && !sources_outside.empty() && sources_outside.size() < given) facts.inside_captured = true;
}

}  // namespace

Connection to_connection(std::uint32_t id, const Record& r, const Roles& roles, const track::Tracker& tracker) {
  const Sides s = sides_of(r, roles);
  Connection c;
  c.record = id;
  c.protocol = r.protocol;
  c.state = state_of(r);
  c.client = Endpoint{r.client, r.client_port};
  c.first = r.t0;
  c.last = r.last;
  c.client_isn = r.client_isn;
  c.server_isn = r.server_isn;
  c.saw_syn = ((r.way[0].flags | r.way[2].flags) & track::kSawSyn) != 0;
  const auto endpoint = [&](int side) {
    const track::ServerEndpoint& e = tracker.endpoints()[r.endpoint[side]];
    return Endpoint{e.address, e.port};
  };
  if (s.outer >= 0) {
    c.vip = endpoint(s.outer);
    c.legs[index(Leg::request)] = to_leg(r.way[s.outer * 2], r.way[s.outer * 2 + 1], r);
    c.legs[index(Leg::masq)] = to_leg(r.way[s.outer * 2 + 1], r.way[s.outer * 2], r);
    const std::int32_t service = roles.service_of(r.endpoint[s.outer]);
    if (service >= 0) c.service = static_cast<std::uint32_t>(service);
  }
  if (s.inner >= 0) {
    c.rip = endpoint(s.inner);
    c.legs[index(Leg::demasq)] = to_leg(r.way[s.inner * 2], r.way[s.inner * 2 + 1], r);
    c.legs[index(Leg::reply)] = to_leg(r.way[s.inner * 2 + 1], r.way[s.inner * 2], r);
  }
  const Times t = times_of(r, s);
  c.director_request = optional_time(t.director_request);
  c.director_reply = optional_time(t.director_reply);
  c.real_server = optional_time(t.real_server);
  c.client_rtt = optional_time(t.client);
  c.response = optional_time(t.response);
  if (s.outer >= 0 || s.inner >= 0) {
    c.kind = ConnectionKind::masqueraded;
  } else {
    const track::ServerEndpoint& e = tracker.endpoints()[r.endpoint[0]];
    if (roles.vips.contains(e.address)) {
      c.kind = ConnectionKind::own_service;
      c.vip = Endpoint{e.address, e.port};
      c.legs[index(Leg::request)] = to_leg(r.way[0], r.way[1], r);
      c.legs[index(Leg::masq)] = to_leg(r.way[1], r.way[0], r);
    }
  }
  return c;
}

void set_leg_string(Connection& c, const Facts& facts) {
  for (const Leg leg : kLegs) {
    char& at = c.leg_string.text[index(leg)];
    at = c.saw(leg) ? static_cast<char>('1' + index(leg)) : facts.could_have_seen(c, leg) ? '-' : '?';
  }
}

Facts survey(const SurveyInput& in, Census census, std::size_t max_suspects) {
  Facts facts;
  const Roles& roles = *in.roles;
  facts.services = roles.services;
  facts.origin = roles.origin;
  facts.inferred = roles.inferred;
  facts.vips = roles.vips;
  facts.rips = roles.rips;
  facts.director_addresses = roles.director_addresses;
  facts.director_macs = roles.director_macs;
  facts.outside_macs = roles.outside_macs;
  facts.inside_macs = roles.inside_macs;
  facts.state = in.state;
  facts.filter = in.filter;
  facts.first = in.first;
  facts.last = in.last;
  facts.paths = in.tracker->paths().paths();
  facts.vantages = *in.vantages;
  facts.sources = in.sources;
  facts.packets = in.packets;
  facts.questions = joined_pieces(in.journal->questions());
  facts.claims = in.journal->claims();
  for (const auto& [address, turns] : in.journal->turns()) {
    const bool held = in.state != nullptr && in.state->known.addresses && find_address(*in.state, address) != nullptr;
    if (turns.size() > 1 || held) facts.turns.emplace(address, turns);
  }
  facts.tunnels = in.journal->tunnels();
  facts.icmp_left_out = in.journal->icmp_left_out();
  for (const SourceStatistics& s : in.sources) {
    if (s.incomplete()) facts.lossy = true;
  }
  for (const Claim& c : facts.claims) facts.macs[c.address].insert(c.mac);
  for (Question& q : facts.questions) {
    q.answered = std::any_of(facts.claims.begin(), facts.claims.end(),
                             [&](const Claim& c) { return c.address == q.target && c.last.time >= q.first.time; });
  }
  count_lone_legs(*in.tracker, roles, census, census.legs);
  find_places(facts, in, roles, census.legs);
  Surveyor surveyor{.in = in,
                    .facts = facts,
                    .roles = roles,
                    .max_suspects = max_suspects,
                    .paths = facts.paths,
                    .pairs = std::move(census.pairs),
                    .director_request = std::move(census.director_request),
                    .director_reply = std::move(census.director_reply),
                    .client = std::move(census.client),
                    .half_open_clients = DistinctAddresses(in.key, HalfOpenTally::kMostClients)};
  facts.connections.total = facts.connections.healthy = census.healthy;
  facts.connections.legs.fill(census.healthy);
  facts.completed = census.completed;
  facts.service_packets = census.packets;
  for (const FtpLine& line : in.journal->ftp()) surveyor.talks_ftp.insert(line.announcement.record);
  // Gateways: what real servers ask for and the director claims.
  for (const Question& q : facts.questions) {
    if (roles.rips.contains(q.asker) && !roles.rips.contains(q.target) && roles.director_addresses.contains(q.target))
      facts.gateways.insert(q.target);
  }
  for (const Declaration& d : *in.declared) facts.gateways.insert(d.gateways.begin(), d.gateways.end());

  for (const IcmpNote& note : in.journal->icmp()) {
    if (note.sighting.record) surveyor.told_of.insert(*note.sighting.record);
  }
  surveyor.index_full_nat(census);
  if (in.retired != nullptr) {
    for (const auto& [key, tally] : *in.retired) {
      PairTally& p = surveyor.pair(static_cast<std::uint32_t>(key >> 32), static_cast<std::uint32_t>(key));
      p.connections += tally.connections;
      p.healthy += tally.connections;
      facts.connections.total += tally.connections;
      facts.connections.healthy += tally.connections;
      facts.completed += tally.completed;
      facts.service_packets += tally.packets;
      for (std::size_t leg = 0; leg < 4; ++leg) {
        p.legs[leg] += tally.connections;
        facts.connections.legs[leg] += tally.connections;
      }
      if (tally.real_server) p.real_server.merge(*tally.real_server);
      if (tally.response) p.response.merge(*tally.response);
    }
  }
  surveyor.count_forgotten();
  // Room that is not used costs nothing; growing would copy, and hold it twice.
  facts.suspects.reserve(std::min(max_suspects, census.rest.count() + static_cast<std::size_t>(census.half_open.count) +
                                                    in.journal->retired().size() + in.journal->retired_openings().size()));
  for (const auto* gone : {&in.journal->retired(), &in.journal->retired_openings()}) {
    for (const RetiredRecord& r : *gone) {
      if (r.record.protocol != 0) surveyor.take(r.id, r.record, r.clues.empty() ? nullptr : &r.clues, &r);
    }
  }
  const auto take = [&](std::uint32_t id) {
    if (surveyor.count_half_open(id)) return;
    const Record r = in.tracker->record(id);
    surveyor.strange(id, r);
    surveyor.take(id, r, in.journal->clues(id), nullptr);
  };
  if (const std::uint32_t first = census.half_open.records.first(); census.half_open.count == 0) {
    census.rest.for_each(take);
  } else {
    // The sum stands for them only if as many as are kept came before them.
    census.rest.for_each(0, first, take);
    static const RecordSet kNobody;
    const bool added = surveyor.add_half_open(census.half_open);
    RecordSet::for_each(census.rest, added ? kNobody : census.half_open.records, first, take);
  }
  surveyor.add_half_open();

  // Halves of full NAT were taken for connections of their own where they came first; they are not.
  std::set<std::uint32_t> halves;
  for (const auto& [key, half] : surveyor.inner_by_isn) {
    if (half.used) halves.insert(half.id);
    if (half.used && half.taken_for_check) --facts.connections.health_checks;
  }
  const auto is_half = [&](const Suspect& s) {
    if (!halves.contains(s.connection.record)) return false;
    if (s.connection.kind == ConnectionKind::direct) --facts.connections.direct;
    if (s.connection.kind == ConnectionKind::masqueraded) --facts.connections.total;
    return true;
  };
  if (!halves.empty()) std::erase_if(facts.suspects, is_half);

  // Wrong masquerade addresses show as '!' on the connection they broke.
  std::set<std::uint32_t> broken_by_strangers;
  for (const StrangeSource& strange : facts.strange) broken_by_strangers.insert(strange.record);
  if (!broken_by_strangers.empty()) {
    for (Suspect& s : facts.suspects) {
      if (broken_by_strangers.contains(s.connection.record)) s.connection.leg_string.text[index(Leg::masq)] = '!';
    }
  }

  for (const IcmpNote& note : in.journal->icmp()) {
    IcmpSighting sighting = note.sighting;
    if (const std::optional<Record> r = note.on_way ? record_of(in, *sighting.record) : std::nullopt) {
      const Sides s = sides_of(*r, roles);
      const bool reply = note.way % 2 == 1;
      if (note.way / 2 == s.outer) sighting.quoted_leg = reply ? Leg::masq : Leg::request;
      if (note.way / 2 == s.inner) sighting.quoted_leg = reply ? Leg::reply : Leg::demasq;
    }
    facts.icmp.push_back(sighting);
  }
  facts.index_icmp();
  for (const FtpLine& line : in.journal->ftp()) {
    FtpAnnouncement a = line.announcement;
    const std::optional<Record> r = record_of(in, a.record);
    if (!r) continue;
    const Sides s = sides_of(*r, roles);
    const bool reply = line.way % 2 == 1;
    if (s.outer < 0 && s.inner < 0) continue;
    a.leg = line.way / 2 == s.outer ? (reply ? Leg::masq : Leg::request) : (reply ? Leg::reply : Leg::demasq);
    facts.ftp.push_back(a);
  }

  // Tallies by service and destination.
  facts.tallies.reserve(facts.services.size());
  for (const Service& s : facts.services) {
    ServiceTally tally;
    tally.service = s;
    tally.service.destinations.clear();
    for (const Destination& d : s.destinations) {
      DestinationTally dt;
      dt.destination = d;
      dt.destination.port = d.port != 0 ? d.port : s.port;
      tally.destinations.push_back(dt);
    }
    facts.tallies.push_back(std::move(tally));
  }
  Histogram real_server;
  surveyor.pairs.for_each([&](std::uint32_t outer, std::uint32_t inner, PairTally& p) {
    real_server.merge(p.real_server);
    if (!p.placed) surveyor.place(p, outer, inner);
    if (p.service < 0) return;
    ServiceTally& tally = facts.tallies[static_cast<std::size_t>(p.service)];
    tally.connections += p.connections;
    tally.healthy += p.healthy;
    for (std::size_t leg = 0; leg < 4; ++leg) tally.legs[leg] += p.legs[leg];
    if (p.destination < 0) {
      tally.without_destination += p.connections;
      return;
    }
    DestinationTally& d = tally.destinations[static_cast<std::size_t>(p.destination)];
    d.connections += p.connections;
    d.healthy += p.healthy;
    for (std::size_t leg = 0; leg < 4; ++leg) d.legs[leg] += p.legs[leg];
    // A destination reached through several endpoints (firewall marks, FTP data): the busiest pair's times stand for it.
    if (const auto l = p.real_server.summary(); l && (!d.real_server || d.real_server->count < l->count)) d.real_server = l;
    if (const auto l = p.response.summary(); l && (!d.response || d.response->count < l->count)) d.response = l;
  });
  facts.connections.director_request = surveyor.director_request.summary();
  facts.connections.director_reply = surveyor.director_reply.summary();
  facts.connections.real_server = real_server.summary();
  facts.connections.client = surveyor.client.summary();
  const track::Tracker::Counters& counters = in.tracker->counters();
  facts.connections.evicted_half_open = counters.evicted_half_open;
  facts.connections.evicted_closed = counters.evicted_closed;
  facts.connections.evicted_other = counters.evicted_other;
  facts.connections.untracked_packets = counters.untracked;
  facts.half_open_clients = surveyor.half_open_clients.count();
  surveyor.find_flood();
  note_missing(facts);
  return facts;
}

}  // namespace lvsnat
