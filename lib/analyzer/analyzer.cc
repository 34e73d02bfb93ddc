#include "lvsnat/analyzer.h"

#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "facts/clocks.h"
#include "facts/histogram.h"
#include "facts/journal.h"
#include "facts/role_age.h"
#include "facts/signs.h"
#include "facts/survey.h"
#include "lvsnat/packet.h"
#include "lvsnat/version.h"
#include "rules/diagnose.h"
#include "state/nft_rules.h"
#include "track/tracker.h"
#include "wayback/testimony.h"

namespace lvsnat {
namespace {

using track::Tracker;

/// Zeroed memory that is touched only as it is used, in huge pages where the kernel gives them: a look-up in a
/// table of a million connections misses the cache anyhow, and need not miss the TLB too.
template <typename T>
class Mapping {
 public:
  Mapping() = default;
  explicit Mapping(std::size_t count) : count_(count) {
    const std::size_t bytes = std::max<std::size_t>(count * sizeof(T), 1);
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    ::madvise(at, bytes, MADV_HUGEPAGE);
    data_ = static_cast<T*>(at);
  }
  Mapping(Mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~Mapping() {
    if (data_ != nullptr) ::munmap(data_, std::max<std::size_t>(count_ * sizeof(T), 1));
  }
  [[nodiscard]] std::span<T> span() const { return {data_, count_}; }

 private:
  T* data_ = nullptr;
  std::size_t count_ = 0;
};

track::HashKey make_key(std::uint64_t seed) {
  track::HashKey key;
  if (seed != 0) {
    key.a ^= seed * 0xff51afd7ed558ccd;
    key.b += seed;
    return key;
  }
  std::uint64_t random[2];
  if (::getrandom(random, sizeof random, 0) == static_cast<ssize_t>(sizeof random)) {
    key.a = random[0];
    key.b = random[1];
  }
  return key;
}

/// Room for `connections` at 60 % load, a power of two.
std::size_t index_lines(std::uint64_t connections) {
  return std::bit_ceil(std::max<std::size_t>(connections * 10 / 6 + 64, 1 << 14) / track::IndexLine::kSlots);
}

}  // namespace

struct Analyzer::Impl {
  AnalyzerOptions options;
  NftRules filter;  // of options.state
  std::optional<LaterLook> later;
  track::HashKey key;
  Mapping<track::Head> heads;
  Mapping<track::Body> bodies;
  Mapping<track::IndexLine> index;
  Mapping<track::ServerEndpoint> endpoints;
  Mapping<track::EndpointTable::Slot> endpoint_slots;
  std::unique_ptr<Tracker> tracker;
  Journal journal;
  Batch batch;
  std::array<track::Observation, Tracker::kMaxObservations> observations{};
  std::array<track::Record, Tracker::kMaxRetired> retired{};
  PacketTally tally;
  std::vector<Vantage> vantages;
  std::vector<std::uint64_t> malformed;  // by source index
  Timestamp first = 0, last = 0, now = 0;
  ConnectionCallback retirement;
  mutable Facts sight;                      // what could be seen, as far as legs of connections that leave the table depend on it
  mutable std::uint64_t sight_packets = 0;  // how many packets that was judged by
  RetiredTallies retired_tallies;           // plainly healthy ones that left the table
  static constexpr std::size_t kMaxRetiredPairs = 65'536, kMaxRetiredHistograms = 256;
  mutable std::vector<SourceStatistics> statistics;  // of the last report
  mutable Claims claims;                             // of the last report, by record
  mutable std::optional<Facts> surveyed;             // of the last report, while nothing has changed since
  mutable Roles surveyed_roles;                      // of the last survey

  explicit Impl(AnalyzerOptions o) : options(std::move(o)), key(make_key(options.hash_seed)) {
    options.max_connections = std::max<std::uint32_t>(options.max_connections, 64);
    heads = Mapping<track::Head>(std::size_t{options.max_connections} + 1);
    bodies = Mapping<track::Body>(std::min(std::size_t{options.max_connections} + 1, Tracker::kMostBodies));
    index = Mapping<track::IndexLine>(index_lines(std::min(options.expected_connections, options.max_connections)));
    endpoints = Mapping<track::ServerEndpoint>(1024);
    endpoint_slots = Mapping<track::EndpointTable::Slot>(4096);
    tracker = std::make_unique<Tracker>(
        Tracker::Storage{heads.span(), bodies.span(), index.span(), endpoints.span(), endpoint_slots.span()}, key);
    for (const Declaration& d : options.declared) declare(d.services);
    if (options.state) filter = read_nft_rules(*options.state);
    if (options.state && options.state->known.services) declare(options.state->ipvs.services);
    journal.on_retirement(&Impl::retire, this);
  }

  void declare(const std::vector<Service>& services) {
    for (const Service& s : services) {
      if (s.protocol == ServiceProtocol::fwmark) continue;  // a mark has no endpoint; its pairs are learnt
      const std::uint8_t protocol = s.protocol == ServiceProtocol::tcp ? kTcp : s.protocol == ServiceProtocol::udp ? kUdp : kSctp;
      make_room_for_endpoints();
      if (s.port != 0) tracker->declare(s.vip, s.port, protocol, true);
      for (const Destination& d : s.destinations) {
        make_room_for_endpoints();
        const std::uint16_t port = destination_port(s, d);
        // Direct routing and tunnelling do not rewrite: the RIP is no endpoint of those.
        if (port != 0 && (d.method == Method::masq || d.method == Method::unknown || d.method == Method::local))
          tracker->declare(d.rip, port, protocol, false);
      }
    }
  }

  void make_room_for_endpoints() {
    if (!tracker->wants_endpoints() || tracker->endpoints().capacity() >= track::EndpointTable::kMost) return;
    const std::size_t capacity = std::size_t{tracker->endpoints().capacity()} * 4;
    Mapping<track::ServerEndpoint> entries(capacity);
    Mapping<track::EndpointTable::Slot> slots(capacity * 4);
    tracker->regrow_endpoints(entries.span(), slots.span());
    endpoints = std::move(entries);
    endpoint_slots = std::move(slots);
  }

  /// Twice as large, or for all that will come if the rest of the input is like what was read: clearing memory and moving slots
  /// to it is worth doing once. Captures may begin with more connections than they go on with: eight times as large at most.
  [[nodiscard]] std::size_t larger_index() const {
    const std::size_t twice = index.span().size() * 2;
    const std::optional<double> part = options.progress ? options.progress() : std::nullopt;
    if (!part || !(*part > 0)) return twice;
    const double all = std::min(tracker->live() / *part, static_cast<double>(options.max_connections));
    return std::clamp(std::bit_ceil(static_cast<std::size_t>(all * 16 / 13 / track::IndexLine::kSlots) + 1), twice, 4 * twice);
  }

  void make_room() {
    make_room_for_endpoints();
    if (tracker->wants_index()) {
      Mapping<track::IndexLine> larger(larger_index());
      tracker->regrow_index(larger.span());
      index = std::move(larger);
    }
  }

  static bool retire(void* self, std::uint32_t id, const track::Record& record, const std::vector<WayClue>* clues,
                     Timestamp forgotten) {
    return static_cast<Impl*>(self)->retire(id, record, clues, forgotten);
  }

  struct Times {
    std::optional<std::int64_t> real_server, response;
  };
  Times times_of(const track::Record& record) {
    const Connection c = to_connection(0, record, retirement_roles(), *tracker);
    return {c.real_server, c.response};
  }

  bool retire(std::uint32_t id, const track::Record& record, const std::vector<WayClue>* clues, Timestamp forgotten) {
    ++departures;
    bool plain = clues == nullptr && record.endpoint[1] != track::kNone;
    for (const track::Way& w : record.way) {
      plain =
          plain && w.packets != 0 && w.repeats() == 0 && (w.flags & (track::kSawRst | track::kMoved | track::kForwarded)) == 0;
    }
    const bool inner_first = (record.flags & track::kInnerFirst) != 0;
    const std::uint64_t pair = std::uint64_t{record.endpoint[inner_first ? 1 : 0]} << 32 | record.endpoint[inner_first ? 0 : 1];
    if (plain && (retired_tallies.size() < kMaxRetiredPairs || retired_tallies.contains(pair))) {
      RetiredTally& left = retired_tallies[pair];
      ++left.connections;
      if (record.protocol == kTcp) {
        ++left.completed;
        for (const track::Way& w : record.way) left.packets += w.packets;
      }
      if (left.connections == 1 && retired_tallies.size() <= kMaxRetiredHistograms) {
        left.real_server = std::make_unique<Histogram>();
        left.response = std::make_unique<Histogram>();
      }
      if (left.real_server) {
        const Times times = times_of(record);
        if (times.real_server) left.real_server->add(*times.real_server);
        if (times.response) left.response->add(*times.response);
      }
    }
    if (retirement) {
      const Roles& roles = retirement_roles();
      Connection c = to_connection(id, record, roles, *tracker);
      c.forgotten = forgotten;
      set_leg_string(c, sight);
      if (c.kind == ConnectionKind::masqueraded) retirement(c, codes_of(id));
    }
    claims.erase(id);
    return !plain;
  }

  /// How many records are looked at in one go for those that are silent: so many that ten seconds see all of them, within reason.
  [[nodiscard]] std::uint32_t records_due(Timestamp then) const {
    constexpr Timestamp round = 10 * kSecond;
    constexpr double least = 512, most = 4096;
    if (now == 0) return static_cast<std::uint32_t>(most);
    const double part = static_cast<double>(std::clamp<Timestamp>(then - now, 0, round)) / static_cast<double>(round);
    return static_cast<std::uint32_t>(std::clamp(part * tracker->high_water(), least, most));
  }

  // Roles cost a pass over the table; connections end by the thousand.
  Roles cached_roles;
  RoleAge role_age;
  std::uint64_t departures = 0;  // connections that left the table
  const Roles& retirement_roles() {
    const std::size_t pairs = journal.pairs().size();
    if (role_age.is_due(pairs, departures, tracker->high_water(), now)) {
      cached_roles = assign_roles(*tracker, journal, options.declared, options.state.get(), take_census(*tracker, journal));
      role_age.assigned(pairs, departures, now);
    }
    return cached_roles;
  }

  /// Of the findings of the last report that accuse a connection.
  [[nodiscard]] std::span<const int> codes_of(std::uint32_t record) const { return claims.codes(record); }

  void note_sight(const Facts& facts) const {
    sight.outside_captured = facts.outside_captured;
    sight.inside_captured = facts.inside_captured;
    sight.sources = facts.sources;
    sight_packets = tally.total;
  }

  /// Which clients each real server answered, and whom each finding is about: what a real server's own report is held against.
  std::map<Address, wayback::Witnessed> witnessed(const Facts& facts, const std::vector<Finding>& findings) const {
    std::map<Address, wayback::Witnessed> out;
    std::unordered_map<std::uint32_t, std::pair<Address, Address>> ends;  // record -> RIP, CIP
    const Roles& roles = surveyed_roles;
    for (std::uint32_t id = 0; id < tracker->high_water(); ++id) {
      if (!tracker->in_use(id)) continue;
      const track::Record record = tracker->record(id);
      const Connection c = to_connection(id, record, roles, *tracker);
      if (c.kind != ConnectionKind::masqueraded || !c.rip) continue;
      const bool whole = c.saw(Leg::request) && c.saw(Leg::demasq) && c.saw(Leg::reply) && c.saw(Leg::masq);
      wayback::Witnessed& seen = out[c.rip->address];
      const bool claimed = claims.contains(id);
      if (whole && !claimed && seen.answered.size() < wayback::kMaxWitnessed) seen.answered.insert(c.client.address);
      if (claimed) ends.emplace(id, std::make_pair(c.rip->address, c.client.address));
    }
    for (const Suspect& s : facts.suspects) {
      if (s.connection.rip)
        ends.emplace(s.connection.record, std::make_pair(s.connection.rip->address, s.connection.client.address));
    }
    for (const Finding& f : findings) {
      for (const std::uint32_t record : f.connections) {
        const auto end = ends.find(record);
        if (end == ends.end()) continue;
        auto& clients = out[end->second.first].failed[f.code];
        if (clients.size() < wayback::kMaxWitnessed) clients.insert(end->second.second);
      }
    }
    return out;
  }

  /// What the connections in the table tell of the clocks that captures were timed by; a sample of them, evenly spread.
  void compare_clocks(Report& report, const Facts& facts) const {
    Clocks clocks(facts.paths, vantages, facts.sources);
    if (!clocks.may_differ()) return;
    const std::uint32_t step = tracker->high_water() / Clocks::kSample + 1;
    for (std::uint32_t id = 0; id < tracker->high_water(); id += step) {
      if (tracker->in_use(id) && tracker->is_joined(id))
        clocks.add(to_connection(id, tracker->record(id), surveyed_roles, *tracker));
    }
    for (const ClockSkew& skew : clocks.skews()) report.notes.push_back(sentence(skew, facts.sources));
  }

  Facts facts(std::vector<SourceStatistics> of_sources) const {
    SurveyInput in;
    in.tracker = tracker.get();
    in.key = key;
    in.journal = &journal;
    in.declared = &options.declared;
    in.state = options.state.get();
    in.filter = options.state ? &filter : nullptr;
    in.vantages = &vantages;
    in.sources = std::move(of_sources);
    for (std::size_t i = 0; i < in.sources.size() && i < malformed.size(); ++i) in.sources[i].malformed += malformed[i];
    in.packets = tally;
    in.packets.duplicates = tracker->counters().duplicates;
    in.first = first;
    in.last = options.live ? std::max(last, now) : last;
    in.live = options.live;
    in.retired = &retired_tallies;
    Census census = take_census(*tracker, journal, HalfOpenLimit{kMaxSuspects / 4, in.last - kRetryTime, key});
    surveyed_roles = assign_roles(*tracker, journal, options.declared, options.state.get(), census);
    in.roles = &surveyed_roles;
    Facts facts = survey(in, std::move(census));
    facts.clients = options.clients;
    facts.later = later ? &*later : nullptr;
    return facts;
  }
};

Analyzer::Analyzer(AnalyzerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Analyzer::~Analyzer() = default;
Analyzer::Analyzer(Analyzer&&) noexcept = default;
Analyzer& Analyzer::operator=(Analyzer&&) noexcept = default;

void Analyzer::feed(std::span<const Frame> frames, const std::vector<Vantage>& vantages) {
  Impl& i = *impl_;
  i.surveyed.reset();
  if (i.vantages.size() != vantages.size()) i.vantages = vantages;
  // Connections leave whether or not a report is asked for. Judged anew each time the packets have doubled: which sides are
  // captured shows early.
  if (i.retirement && i.tally.total > 2 * i.sight_packets) i.note_sight(i.facts(i.statistics));
  while (!frames.empty()) {
    Batch& batch = i.batch;
    batch.take(frames);
    const std::size_t n = batch.size();
    i.first = i.tally.total == 0 ? batch.first() : std::min(i.first, batch.first());
    i.last = i.tally.total == 0 ? batch.last() : std::max(i.last, batch.last());
    i.tally.by_kind[static_cast<std::size_t>(Packet::Kind::transport)] += n - batch.odd().size();
    for (const std::size_t odd : batch.odd()) {
      const Packet& p = batch.packet(odd);
      ++i.tally.by_kind[static_cast<std::size_t>(p.kind)];
      if (p.kind == Packet::Kind::malformed && p.vantage < i.vantages.size()) [[unlikely]] {
        const std::size_t source = i.vantages[p.vantage].source_index;
        if (i.malformed.size() <= source) i.malformed.resize(source + 1);
        ++i.malformed[source];
      }
    }
    i.tally.total += n;
    i.make_room();
    Tracker::Output out{i.observations, i.retired, 0, 0};
    i.tracker->feed(batch, out);
    if (out.observed != 0) i.journal.note(batch, out, *i.tracker);
    frames = frames.subspan(n);
  }
}

void Analyzer::advance(Timestamp now) {
  Impl& i = *impl_;
  if (now > i.now) i.surveyed.reset();
  const std::uint32_t budget = i.records_due(now);
  i.now = std::max(i.now, now);
  if (!i.options.live) return;
  if (i.retirement && i.sight_packets == 0 && i.tally.total != 0) i.note_sight(i.facts(i.statistics));
  // What IPVS itself would have forgotten is no connection any more; the margins keep late packets attached.
  constexpr Tracker::Idle kIdle{10 * kSecond, 130 * kSecond, 7200 * kSecond};
  Batch nothing;
  for (int round = 0; round < 64; ++round) {
    Tracker::Output out{i.observations, i.retired, 0, 0};
    i.tracker->retire_idle(i.now, kIdle, budget, out);
    if (out.observed == 0) break;
    i.journal.note(nothing, out, *i.tracker);
  }
}

void Analyzer::update_state(std::shared_ptr<const KernelState> state) {
  Impl& i = *impl_;
  i.surveyed.reset();
  i.options.state = std::move(state);
  i.filter = i.options.state ? read_nft_rules(*i.options.state) : NftRules{};
  if (i.options.state && i.options.state->known.services) i.declare(i.options.state->ipvs.services);
  i.role_age.forget();
}

void Analyzer::looked_again(LaterLook look) { impl_->later = std::move(look); }

Report Analyzer::report(std::vector<SourceStatistics> statistics) const {
  const Impl& i = *impl_;
  i.statistics = std::move(statistics);
  const Facts& facts = i.surveyed.emplace(i.facts(i.statistics));
  i.note_sight(facts);
  Diagnosis diagnosis = diagnose(facts);
  Report r = make_report(facts, diagnosis);
  i.claims = std::move(diagnosis.claims);
  i.compare_clocks(r, facts);
  r.tool = i.options.tool;
  r.tool_version = kVersion;
  if (i.options.state) {
    const KernelState& state = *i.options.state;
    if (!state.hostname.empty()) r.host = state.hostname;
    r.not_read = state.gaps;
    for (const Declaration& d : i.options.declared) {
      // Options say what is looked at, files what should run.
      if (d.origin == Origin::option) continue;
      for (const std::string& difference : differences(d, state)) r.differences.push_back(d.source + ": " + difference);
    }
  }
  if (i.options.state) r.taken = i.options.state->taken;
  if (!i.options.testimonies.empty()) {
    wayback::Scene scene;
    scene.witnessed = i.witnessed(facts, r.findings);
    if (i.tally.total != 0) {
      scene.time = wayback::Span{i.first, std::max(i.last, i.now)};
    } else if (r.taken) {
      scene.time = wayback::Span{*r.taken, *r.taken};
    }
    scene.settings_known = i.options.state && i.options.state->known.sysctls;
    wayback::hear(r, i.options.testimonies, scene);
  }
  return r;
}

namespace {

/// The living connections among the suspects, by record: as a survey leaves them, so nothing is sorted twice.
std::vector<const Suspect*> living_suspects(const Facts& facts) {
  std::vector<const Suspect*> living;
  for (const Suspect& s : facts.suspects) {
    if (s.connection.record < kRetiredIds) living.push_back(&s);
  }
  const auto by_record = [](const Suspect* a, const Suspect* b) { return a->connection.record < b->connection.record; };
  if (!std::is_sorted(living.begin(), living.end(), by_record)) std::stable_sort(living.begin(), living.end(), by_record);
  return living;
}

}  // namespace

/// Hands connections over as the last report saw them.
struct Analyzer::Handover {
  const Impl& analyzer;
  const Facts& facts;
  const Roles& roles;
  const ConnectionCallback& callback;

  void give(const Connection& c) const { callback(c, analyzer.codes_of(c.record)); }
  /// `suspect`: nullptr where the record is of none.
  void give(std::uint32_t id, const Suspect* suspect) const {
    if (!analyzer.tracker->in_use(id)) return;
    const track::Record record = analyzer.tracker->record(id);
    if (suspect != nullptr) {
      const Connection& c = suspect->connection;
      if (c.kind == ConnectionKind::masqueraded || c.kind == ConnectionKind::direct) give(c);
      return;
    }
    const Sides sides = sides_of(record, roles);
    if (sides.outer < 0 && sides.inner < 0) return;
    // One-sided ones are among the suspects, unless those were too many to keep (a flood).
    if ((sides.outer < 0 || sides.inner < 0) && facts.suspects_left_out == 0) return;
    Connection c = to_connection(id, record, roles, *analyzer.tracker);
    set_leg_string(c, facts);
    give(c);
  }
};

Analyzer::Handover Analyzer::hand_over_to(const ConnectionCallback& callback) const {
  const Impl& i = *impl_;
  const Facts& facts = i.surveyed ? *i.surveyed : i.surveyed.emplace(i.facts(i.statistics));
  return {i, facts, i.surveyed_roles, callback};
}

void Analyzer::for_each_connection(const ConnectionCallback& callback) const {
  const Handover handover = hand_over_to(callback);
  const std::vector<const Suspect*> suspects = living_suspects(handover.facts);
  auto next = suspects.begin();
  for (std::uint32_t id = 0; id < impl_->tracker->high_water(); ++id) {
    while (next != suspects.end() && (*next)->connection.record < id) ++next;
    handover.give(id, next != suspects.end() && (*next)->connection.record == id ? *next : nullptr);
  }
}

void Analyzer::for_connections(std::span<const std::uint32_t> records, const ConnectionCallback& callback) const {
  const Handover handover = hand_over_to(callback);
  const std::vector<const Suspect*> suspects = living_suspects(handover.facts);
  for (const std::uint32_t id : records) {
    if (id >= impl_->tracker->high_water()) continue;
    const auto at = std::lower_bound(suspects.begin(), suspects.end(), id,
                                     [](const Suspect* s, std::uint32_t record) { return s->connection.record < record; });
    handover.give(id, at != suspects.end() && (*at)->connection.record == id ? *at : nullptr);
  }
}

void Analyzer::on_retired(ConnectionCallback callback) { impl_->retirement = std::move(callback); }
std::span<const Path> Analyzer::paths() const { return impl_->tracker->paths().paths(); }
const std::vector<Vantage>& Analyzer::vantages() const { return impl_->vantages; }
std::uint64_t Analyzer::packets() const { return impl_->tally.total; }
std::uint32_t Analyzer::live_connections() const { return impl_->tracker->live(); }

}  // namespace lvsnat
