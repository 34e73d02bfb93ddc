// What the screens show: one immutable picture of the capture at one moment.
//
// The capture thread builds a Snapshot (SnapshotBuilder: of what the analyzer says, nothing else) and publishes it by
// shared_ptr; nobody changes it afterwards, so screens read it without locks and a frozen screen just keeps its own.
// Every string is printable. Units: nanoseconds, bytes. Not seen is not absent: an empty optional is "not known".
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lvsnat/connection.h"
#include "lvsnat/report.h"
#include "lvsnat/state.h"

namespace lvsnat::top {

/// Connections that a snapshot lists at most; beyond it those with findings and the newest are kept, and the number
/// left out is shown.
inline constexpr std::size_t kMaxListed = 10'000;
inline constexpr std::size_t kHistorySeconds = 60;

/// Tells one connection from all others, also when the tracker uses its record again.
struct ConnectionId {
  std::uint32_t record = 0;
  std::uint8_t protocol = 0;
  Endpoint client;
  Timestamp first = 0;
  friend bool operator==(const ConnectionId&, const ConnectionId&) = default;
  friend auto operator<=>(const ConnectionId&, const ConnectionId&) = default;
};
ConnectionId id_of(const Connection&);

/// How a connection, destination or service fares: what the lights show.
enum class Health : std::uint8_t { unknown, good, some, none, draining };

struct ConnectionRow {
  Connection connection;
  std::vector<int> codes;  // findings that cite it, worst first
  std::optional<Severity> worst;
  std::string ipvs_state;                // of the kernel's table; empty: not known
  std::optional<std::uint32_t> expires;  // seconds left there when the table was read
};

struct Quantiles {
  std::uint64_t count = 0;
  std::int64_t p50 = 0, p95 = 0;
};

/// Connections begun in each of the last 60 seconds, the newest last.
using History = std::array<std::uint32_t, kHistorySeconds>;

/// Counts and times of one destination of one service, or of a service as a whole.
struct Tally {
  std::uint64_t connections = 0, healthy = 0, broken = 0, undecided = 0;
  std::uint64_t open = 0;  // of those listed: neither closed nor reset
  std::array<std::uint64_t, 4> legs{};
  std::uint64_t repeats = 0, resets = 0;  // of those listed: retransmitted segments, connections that ended by RST
  std::optional<Quantiles> director, real_server, client, response;
  History history{};
  std::vector<int> codes;  // worst first
  std::optional<Severity> worst;
  [[nodiscard]] Health health() const;
  /// Whole connections in percent of those decided; nullopt where none is decided.
  [[nodiscard]] std::optional<int> percent() const;
  /// Mean of the last ten whole seconds.
  [[nodiscard]] double new_per_second() const;
};

struct RealServerRow {
  std::size_t service = 0;   // index into Snapshot::services
  std::string service_name;  // "tcp:192.168.1.110:80"
  Destination destination;
  std::uint16_t port = 0;  // where requests go: the destination's own or the service's
  Tally tally;
  /// Median over the other real servers of the service; empty where there are none to compare with.
  std::optional<std::int64_t> peers_response, peers_real_server;
};

struct ServiceRow {
  Service service;  // without destinations
  std::string name;
  Tally tally;
  std::uint64_t without_destination = 0;
  std::vector<RealServerRow> real_servers;
};

enum class Mark : std::uint8_t { none, good, warning, bad, unknown };

/// One line of the view "host and capture".
struct Fact {
  std::string section, name, value;
  Mark mark = Mark::none;
  std::string note;  // why it matters, or what was not read and why
};

/// A moment of the ladder: a packet of one leg, or something else on the wire that belongs to the connection.
struct LadderStep {
  enum class Kind : std::uint8_t { packet, event } kind = Kind::packet;
  Timestamp time = 0;
  Leg leg = Leg::request;   // packets
  std::string text;         // "SYN", "data 512", "ARP who-has 192.168.1.254 tell 10.1.1.2"
  bool repeat = false;      // a segment that this leg carried before
  bool suspicious = false;  // RST, redirect, unreachable, ARP for the client
  std::string source;
  std::uint32_t frame = 0;  // 1-based in that source; 0: none
};

struct Ladder {
  ConnectionId id;
  std::vector<LadderStep> steps;  // in time order
  std::uint64_t left_out = 0;     // more packets than a ladder shows
  bool beginning_lost = false;    // the oldest packets are no longer kept
};

enum class Mode : std::uint8_t { live, replay };
enum class Play : std::uint8_t { none, playing, paused, ended };

struct CaptureStatus {
  Mode mode = Mode::live;
  Play play = Play::none;
  bool ended = false;                    // nothing more will come
  double speed = 1;                      // replay; 0: as fast as it goes
  std::optional<double> progress;        // 0..1
  std::string inputs;                    // "eth0 eth1" or file names, for the first line
  std::optional<std::uint64_t> dropped;  // sum over the sources that tell
  bool dropped_partly_unknown = false;   // some source does not tell
  std::uint64_t recorded_packets = 0, recorded_bytes = 0, recorded_limit = 0, overwritten_packets = 0;
  std::string problem;       // why the capture ended early, or empty
  std::string keep_problem;  // why -w no longer writes, or empty
  // Nanoseconds: processor time that the picture before took, and least time from it to the next. 0: not known.
  std::int64_t picture_cost = 0, picture_interval = 0;
};

struct Snapshot {
  std::uint64_t sequence = 0;  // grows with each snapshot
  Timestamp now = 0;           // live: when it was built; else the newest packet's time
  Report report;
  CaptureStatus capture;
  std::vector<ServiceRow> services;
  std::vector<ConnectionRow> connections;  // at most kMaxListed
  std::uint64_t tracked = 0;               // connections in the tracker
  std::uint64_t evicted = 0;               // forgotten because the table was full
  std::vector<Fact> facts;
  History history{};                     // all services together
  std::optional<Ladder> ladder;          // of the connection that the ladder screen asked for
  std::optional<Timestamp> state_taken;  // when the kernel state was read, where that is told
};

/// The kernel's table of IPVS connections, found by client. Made once for each reading of the state: the table may be large.
class KernelEntries {
 public:
  explicit KernelEntries(std::shared_ptr<const KernelState> state);
  /// nullptr: the table was not read, or has no such entry.
  [[nodiscard]] const IpvsConnection* find(const Connection&) const;

 private:
  std::shared_ptr<const KernelState> state_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> by_client_;  // hash and position, ascending
};

/// What the capture thread knows besides the report and the connections.
struct Observed {
  std::uint64_t sequence = 0;
  std::uint64_t tracked = 0;
  const KernelState* state = nullptr;      // borrowed for the call
  const KernelEntries* entries = nullptr;  // of `state`; borrowed for the call
  CaptureStatus capture;
  std::optional<Ladder> ladder;
};

/// A table of any size, summed up whole and listed up to a limit, in two passes: each connection is counted, and those that
/// are chosen are listed. Copying a connection costs far more than counting it.
///
///   for (const Connection& c : table) builder.count(c, codes);
///   for (const std::uint32_t n : builder.choose()) builder.list(table[n], codes);
///   snapshot = builder.finish(observed);
///
/// Memory: `limit` rows, 16 bytes for each connection counted, and kMostTimes times of a kind for each destination.
class SnapshotBuilder {
 public:
  /// Medians and percentiles are those of at most so many connections, evenly spread over all; of at least half as many.
  static constexpr std::size_t kMostTimes = 4'096;

  SnapshotBuilder(Report report, Timestamp now, std::size_t limit = kMaxListed);
  ~SnapshotBuilder();
  SnapshotBuilder(const SnapshotBuilder&) = delete;
  SnapshotBuilder& operator=(const SnapshotBuilder&) = delete;

  /// `codes`: the findings that accuse it.
  void count(const Connection& connection, std::span<const int> codes);
  /// Which of them are to be listed, by the number of the call that counted them, from 0, ascending. Once, after the last.
  std::vector<std::uint32_t> choose();
  void list(const Connection& connection, std::span<const int> codes);
  /// Once.
  std::shared_ptr<const Snapshot> finish(Observed observed);

 private:
  struct Sums;
  std::shared_ptr<Snapshot> snapshot_;
  std::unique_ptr<Sums> sums_;
  std::size_t limit_;
};

/// The finding that a row of codes leads to, or nullptr.
const Finding* find_finding(const Snapshot&, int code);
/// "tcp", "udp", "sctp", or the number.
std::string protocol_name(std::uint8_t protocol);
/// The leg string has all four digits, or no absence and no wrong leg.
bool is_broken(const Connection&);
/// "12us", "0.4ms", "250ms", "1.2s", "3.1m", "14h": at most six columns.
std::string short_duration(std::int64_t nanoseconds);
/// "812", "41.2k", "3.1M": at most six columns.
std::string short_count(std::uint64_t count);
/// Time that a connection has existed, and since its last packet, at `now`; never negative.
std::int64_t age_of(const Connection&, Timestamp now);
std::int64_t idle_of(const Connection&, Timestamp now);

}  // namespace lvsnat::top
