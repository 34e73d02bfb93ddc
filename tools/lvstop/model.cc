#include "model.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "host_facts.h"

namespace lvsnat::top {
namespace {

void add_code(std::vector<int>& codes, std::optional<Severity>& worst, const Finding& finding) {
  if (std::find(codes.begin(), codes.end(), finding.code) == codes.end()) codes.push_back(finding.code);
  if (!worst || finding.severity > *worst) worst = finding.severity;
}

/// Times of many connections: an evenly spread part of them once there are too many.
class Times {
 public:
  void add(std::int64_t value) {
    if ((count_++ & (stride_ - 1)) != 0) return;
    if (values_.size() == SnapshotBuilder::kMostTimes) {
      for (std::size_t i = 0; i < values_.size() / 2; ++i) values_[i] = values_[2 * i];
      values_.resize(values_.size() / 2);
      stride_ *= 2;
      if (((count_ - 1) & (stride_ - 1)) != 0) return;
    }
    values_.push_back(value);
  }
  std::optional<Quantiles> quantiles() {
    if (values_.empty()) return std::nullopt;
    const auto nth = [this](double q) {
      const auto at = static_cast<std::size_t>(q * static_cast<double>(values_.size() - 1) + 0.5);
      const auto it = values_.begin() + static_cast<std::ptrdiff_t>(at);
      std::nth_element(values_.begin(), it, values_.end());
      return *it;
    };
    return Quantiles{count_, nth(0.5), nth(0.95)};
  }

 private:
  std::vector<std::int64_t> values_;
  std::uint64_t count_ = 0, stride_ = 1;  // a power of two
};

void add_begin(History& history, const Connection& c, Timestamp now) {
  const Timestamp begun = now - c.first;
  if (begun < 0 || begun >= static_cast<Timestamp>(kHistorySeconds) * kSecond) return;
  ++history[kHistorySeconds - 1 - static_cast<std::size_t>(begun / kSecond)];
}

/// What the connections of one destination or service add up to.
struct Gathered {
  Times director, real_server, client, response;
  std::uint64_t open = 0, repeats = 0, resets = 0;
  History history{};

  void add(const Connection& c, Timestamp now) {
    if (c.director_request) director.add(*c.director_request + c.director_reply.value_or(0));
    if (c.real_server) real_server.add(*c.real_server);
    if (c.client_rtt) client.add(*c.client_rtt);
    if (c.response) response.add(*c.response);
    if (c.state != ConnectionState::closed && c.state != ConnectionState::reset) ++open;
    if (c.state == ConnectionState::reset) ++resets;
    for (const LegCount& leg : c.legs) repeats += leg.repeats;
    add_begin(history, c, now);
  }
  void into(Tally& tally) {
    tally.director = director.quantiles();
    tally.real_server = real_server.quantiles();
    tally.client = client.quantiles();
    tally.response = response.quantiles();
    tally.open = open, tally.repeats = repeats, tally.resets = resets;
    tally.history = history;
  }
};

std::optional<std::int64_t> median_of_others(const std::vector<RealServerRow>& rows, std::size_t self,
                                             std::optional<Quantiles> Tally::*quantity) {
  std::vector<std::int64_t> others;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i != self && rows[i].tally.*quantity) others.push_back((rows[i].tally.*quantity)->p50);
  }
  if (others.empty()) return std::nullopt;
  const auto middle = others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2);
  std::nth_element(others.begin(), middle, others.end());
  return *middle;
}

void sort_codes(std::vector<int>& codes, const std::map<int, Severity>& severity) {
  const auto rank = [&](int code) {
    const auto it = severity.find(code);
    return it == severity.end() ? 0 : static_cast<int>(it->second) + 1;
  };
  std::stable_sort(codes.begin(), codes.end(), [&](int a, int b) { return rank(a) > rank(b); });
}

/// Worst finding first; unknown codes last.
std::optional<Severity> worst_of(const std::vector<int>& codes, const std::map<int, Severity>& severity) {
  std::optional<Severity> worst;
  for (const int code : codes) {
    if (const auto it = severity.find(code); it != severity.end() && (!worst || it->second > *worst)) worst = it->second;
  }
  return worst;
}

void put_findings_on_services(Snapshot& s, const std::map<int, Severity>& severity) {
  for (ServiceRow& service : s.services) {
    for (const Finding& f : s.report.findings) {
      if (f.subject.service && *f.subject.service != service.name) continue;
      bool touched = f.subject.service && !f.subject.real_server;
      for (RealServerRow& server : service.real_servers) {
        if (!f.subject.real_server || to_string(server.destination.rip) != *f.subject.real_server) continue;
        add_code(server.tally.codes, server.tally.worst, f);
        touched = true;
      }
      if (touched) add_code(service.tally.codes, service.tally.worst, f);
    }
    sort_codes(service.tally.codes, severity);
    for (RealServerRow& server : service.real_servers) sort_codes(server.tally.codes, severity);
  }
}

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}
std::uint64_t hash_of(const Address& address) {
  std::array<std::uint64_t, 2> halves{};
  std::memcpy(halves.data(), address.bytes.data(), sizeof halves);
  return mixed(mixed(1, halves[0]), halves[1]);
}
std::uint64_t hash_of(std::uint8_t protocol, const Endpoint& client) {
  return mixed(hash_of(client.address), std::uint64_t{client.port} << 8 | protocol);
}

}  // namespace

ConnectionId id_of(const Connection& c) { return {c.record, c.protocol, c.client, c.first}; }

std::optional<int> Tally::percent() const {
  const std::uint64_t decided = healthy + broken;
  if (decided == 0) return std::nullopt;
  // Neither 0 nor 100 by rounding: those are claims.
  const auto rounded = static_cast<int>(static_cast<double>(healthy) * 100 / static_cast<double>(decided) + 0.5);
  if (rounded == 0 && healthy != 0) return 1;
  if (rounded == 100 && broken != 0) return 99;
  return rounded;
}

Health Tally::health() const {
  if (healthy + broken == 0) return Health::unknown;
  if (broken == 0) return Health::good;
  return healthy == 0 ? Health::none : Health::some;
}

double Tally::new_per_second() const {
  std::uint64_t sum = 0;
  for (std::size_t i = kHistorySeconds - 11; i < kHistorySeconds - 1; ++i) sum += history[i];
  return static_cast<double>(sum) / 10;
}

bool is_broken(const Connection& c) {
  return std::any_of(c.leg_string.text.begin(), c.leg_string.text.end(), [](char leg) { return leg == '-' || leg == '!'; });
}

struct SnapshotBuilder::Sums {
  struct Place {
    std::size_t service = 0;
    Address rip;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct HashOfPlace {
    std::size_t operator()(const Place& p) const { return mixed(hash_of(p.rip), p.service); }
  };
  /// A connection that may be listed: the worthier, the larger.
  struct Candidate {
    std::uint64_t worth = 0;  // whether something is wrong with it, then when its last packet came
    std::uint32_t number = 0;
  };
  std::unordered_map<Place, std::vector<std::size_t>, HashOfPlace> slots;  // real servers; one RIP may stand twice
  std::vector<Gathered> of_service;
  std::vector<std::vector<Gathered>> of_server;
  std::vector<Candidate> candidates;
  History history{};
  std::map<int, Severity> severity;
};

SnapshotBuilder::SnapshotBuilder(Report report, Timestamp now, std::size_t limit)
    : snapshot_(std::make_shared<Snapshot>()), sums_(std::make_unique<Sums>()), limit_(std::max<std::size_t>(limit, 1)) {
  Snapshot& s = *snapshot_;
  s.report = std::move(report);
  s.now = now;
  for (const Finding& f : s.report.findings) {
    auto [it, fresh] = sums_->severity.emplace(f.code, f.severity);
    if (!fresh) it->second = std::max(it->second, f.severity);
  }
  for (std::size_t i = 0; i < s.report.services.size(); ++i) {
    const ServiceTally& tally = s.report.services[i];
    ServiceRow row;
    row.service = tally.service;
    row.name = printable(to_string(tally.service));
    row.tally.connections = tally.connections, row.tally.healthy = tally.healthy;
    row.tally.broken = tally.broken, row.tally.undecided = tally.undecided;
    row.tally.legs = tally.legs;
    row.without_destination = tally.without_destination;
    for (const DestinationTally& d : tally.destinations) {
      RealServerRow server;
      server.service = i;
      server.service_name = row.name;
      server.destination = d.destination;
      server.port = d.destination.port != 0 ? d.destination.port : tally.service.port;
      server.tally.connections = d.connections, server.tally.healthy = d.healthy;
      server.tally.broken = d.broken, server.tally.undecided = d.undecided;
      server.tally.legs = d.legs;
      sums_->slots[{i, d.destination.rip}].push_back(row.real_servers.size());
      row.real_servers.push_back(std::move(server));
    }
    sums_->of_server.emplace_back(row.real_servers.size());
    s.services.push_back(std::move(row));
  }
  sums_->of_service.resize(s.services.size());
}

SnapshotBuilder::~SnapshotBuilder() = default;

void SnapshotBuilder::count(const Connection& c, std::span<const int> codes) {
  Snapshot& s = *snapshot_;
  add_begin(sums_->history, c, s.now);
  if (c.service && *c.service < s.services.size()) {
    sums_->of_service[*c.service].add(c, s.now);
    const auto it = c.rip ? sums_->slots.find({*c.service, c.rip->address}) : sums_->slots.end();
    if (it != sums_->slots.end()) {
      // One RIP may stand twice in a service, with different ports.
      std::size_t chosen = it->second.front();
      for (const std::size_t slot : it->second) {
        if (s.services[*c.service].real_servers[slot].port == c.rip->port) chosen = slot;
      }
      sums_->of_server[*c.service][chosen].add(c, s.now);
    }
  }
  constexpr std::uint64_t kWrong = std::uint64_t{1} << 63;
  const auto last = static_cast<std::uint64_t>(std::max<Timestamp>(c.last, 0));
  sums_->candidates.push_back(
      {(codes.empty() && !is_broken(c) ? 0 : kWrong) | last, static_cast<std::uint32_t>(sums_->candidates.size())});
}

std::vector<std::uint32_t> SnapshotBuilder::choose() {
  std::vector<Sums::Candidate>& all = sums_->candidates;
  if (all.size() > limit_) {
    // Of equals the earlier, so that one table always gives one list.
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(limit_), all.end(),
                     [](const Sums::Candidate& a, const Sums::Candidate& b) {
                       return a.worth != b.worth ? a.worth > b.worth : a.number < b.number;
                     });
    all.resize(limit_);
  }
  std::vector<std::uint32_t> numbers;
  numbers.reserve(all.size());
  for (const Sums::Candidate& c : all) numbers.push_back(c.number);
  std::sort(numbers.begin(), numbers.end());
  snapshot_->connections.reserve(numbers.size());
  return numbers;
}

void SnapshotBuilder::list(const Connection& c, std::span<const int> codes) {
  ConnectionRow& row = snapshot_->connections.emplace_back();
  row.connection = c;
  if (codes.empty()) return;
  row.codes.assign(codes.begin(), codes.end());
  sort_codes(row.codes, sums_->severity);
  row.worst = worst_of(row.codes, sums_->severity);
}

std::shared_ptr<const Snapshot> SnapshotBuilder::finish(Observed observed) {
  Snapshot& s = *snapshot_;
  s.sequence = observed.sequence;
  s.capture = std::move(observed.capture);
  s.tracked = observed.tracked;
  s.ladder = std::move(observed.ladder);
  const ConnectionTally& tally = s.report.connections;
  s.evicted = tally.evicted_half_open + tally.evicted_closed + tally.evicted_other;
  if (observed.state != nullptr) {
    s.state_taken = observed.state->taken;
  }
  if (observed.entries != nullptr) {
    for (ConnectionRow& row : s.connections) {
      if (const IpvsConnection* entry = observed.entries->find(row.connection)) {
        row.ipvs_state = printable(entry->state, 32);
        row.expires = entry->expires;
      }
    }
  }
  s.history = sums_->history;
  for (std::size_t i = 0; i < s.services.size(); ++i) {
    std::vector<RealServerRow>& servers = s.services[i].real_servers;
    sums_->of_service[i].into(s.services[i].tally);
    for (std::size_t j = 0; j < servers.size(); ++j) sums_->of_server[i][j].into(servers[j].tally);
    for (std::size_t j = 0; j < servers.size(); ++j) {
      servers[j].peers_response = median_of_others(servers, j, &Tally::response);
      servers[j].peers_real_server = median_of_others(servers, j, &Tally::real_server);
    }
  }
  put_findings_on_services(s, sums_->severity);
  s.facts = capture_facts(s);
  if (observed.state != nullptr) {
    for (Fact& fact : host_facts(*observed.state)) s.facts.push_back(std::move(fact));
  } else {
    s.facts.push_back({"Host", "kernel state", "not read", Mark::unknown,
                       s.capture.mode == Mode::replay ? "a capture is read without this host's kernel; --state PATH gives one"
                                                      : "--no-state, or no privilege to read it"});
  }
  return std::move(snapshot_);
}

KernelEntries::KernelEntries(std::shared_ptr<const KernelState> state) : state_(std::move(state)) {
  if (!state_ || !state_->known.connections) return;
  const std::vector<IpvsConnection>& entries = state_->ipvs.connections;
  by_client_.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].client.port != 0)
      by_client_.emplace_back(hash_of(entries[i].protocol, entries[i].client), static_cast<std::uint32_t>(i));
  }
  std::sort(by_client_.begin(), by_client_.end());
}

const IpvsConnection* KernelEntries::find(const Connection& c) const {
  const std::uint64_t hash = hash_of(c.protocol, c.client);
  const auto from = std::lower_bound(by_client_.begin(), by_client_.end(), std::make_pair(hash, std::uint32_t{0}));
  for (auto it = from; it != by_client_.end() && it->first == hash; ++it) {
    const IpvsConnection& entry = state_->ipvs.connections[it->second];
    if (entry.protocol == c.protocol && entry.client == c.client && (!c.vip || *c.vip == entry.vip)) return &entry;
  }
  return nullptr;
}

const Finding* find_finding(const Snapshot& s, int code) {
  for (const Finding& f : s.report.findings) {
    if (f.code == code) return &f;
  }
  return nullptr;
}

std::string protocol_name(std::uint8_t protocol) {
  switch (protocol) {
    case 6:
      return "tcp";
    case 17:
      return "udp";
    case 132:
      return "sctp";
    default:
      return std::to_string(protocol);
  }
}

std::string short_duration(std::int64_t ns) {
  char text[32];
  const bool negative = ns < 0;
  const double v = static_cast<double>(negative ? -ns : ns);
  const auto print = [&](double value, const char* unit) {
    std::snprintf(text, sizeof text, value < 9.95 ? "%s%.1f%s" : "%s%.0f%s", negative ? "-" : "", value, unit);
  };
  if (v < 999.5e3) {
    std::snprintf(text, sizeof text, "%s%.0fus", negative ? "-" : "", v / 1e3);
  } else if (v < 999.5e6) {
    print(v / 1e6, "ms");
  } else if (v < 119.5e9) {
    print(v / 1e9, "s");
  } else if (v < 7200e9) {
    print(v / 60e9, "m");
  } else if (v < 172'800e9) {
    print(v / 3600e9, "h");
  } else {
    print(v / 86'400e9, "d");
  }
  return text;
}

std::string short_count(std::uint64_t count) {
  if (count < 10'000) return std::to_string(count);
  char text[32];
  double v = static_cast<double>(count);
  for (const char unit : {'k', 'M', 'G', 'T', 'P', 'E'}) {
    v /= 1000;
    if (v < 999.5 || unit == 'E') {
      std::snprintf(text, sizeof text, v < 99.95 ? "%.1f%c" : "%.0f%c", v, unit);
      return text;
    }
  }
  return {};
}

std::int64_t age_of(const Connection& c, Timestamp now) { return std::max<std::int64_t>(now - c.first, 0); }
std::int64_t idle_of(const Connection& c, Timestamp now) { return std::max<std::int64_t>(now - c.last, 0); }

}  // namespace lvsnat::top
