// The whole answer: verdict, sources, topology, connection tallies, findings. What every output format
// renders. Plain values; mirrors docs/findings.schema.json.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lvsnat/connection.h"
#include "lvsnat/export.h"
#include "lvsnat/finding.h"
#include "lvsnat/forecast.h"
#include "lvsnat/service.h"
#include "lvsnat/source.h"
#include "lvsnat/state.h"

namespace lvsnat {

enum class Verdict : std::uint8_t { ok, warning, error, unknown };
LVSNAT_EXPORT std::string_view name(Verdict) noexcept;

/// Nanoseconds; nullopt members where nothing could be measured from this vantage.
struct Latency {
  std::uint64_t count = 0;
  std::int64_t p50 = 0, p90 = 0, p99 = 0, max = 0;
};

/// One destination of one service, as seen.
struct DestinationTally {
  Destination destination;
  std::uint64_t connections = 0, healthy = 0, broken = 0, undecided = 0;
  std::array<std::uint64_t, 4> legs{};           // connections on which each leg was seen
  std::optional<Latency> real_server, response;  // handshake and first data
};

struct ServiceTally {
  Service service;  // without destinations: those are below
  std::vector<DestinationTally> destinations;
  std::uint64_t connections = 0, healthy = 0, broken = 0, undecided = 0;
  std::uint64_t without_destination = 0;  // connections for which no destination was seen
  std::array<std::uint64_t, 4> legs{};
};

struct ConnectionTally {
  std::uint64_t total = 0, healthy = 0, broken = 0, undecided = 0;
  std::array<std::uint64_t, 4> legs{};
  std::optional<Latency> director_request, director_reply, real_server, client;
  // What was set aside, and the table's own state; said in text and JSON.
  std::uint64_t health_checks = 0, direct = 0, own_service = 0, unrelated = 0;
  std::uint64_t evicted_half_open = 0, evicted_closed = 0, evicted_other = 0, untracked_packets = 0;
};

/// How many packets of each Packet::Kind: every packet is counted in exactly one.
struct PacketTally {
  std::array<std::uint64_t, 11> by_kind{};
  std::uint64_t total = 0, duplicates = 0;
};

struct Report {
  std::string tool = "lvsdiag";
  std::string tool_version;
  std::optional<std::string> host;
  Verdict verdict = Verdict::unknown;
  std::vector<SourceStatistics> sources;
  std::vector<Origin> origin;  // where the services were learnt from
  struct Director {
    std::vector<Address> addresses;  // known or inferred addresses of the director
    std::vector<Mac> outside_macs, inside_macs;
    std::vector<Address> gateways;  // what real servers use (or should use) as gateway
  } director;
  std::vector<ServiceTally> services;
  ConnectionTally connections;
  PacketTally packets;
  std::vector<Finding> findings;         // most important first
  std::vector<Forecast> prediction;      // from the director's state; empty without it
  std::vector<std::string> notes;        // sentences that belong under the verdict but accuse nobody
  std::vector<std::string> differences;  // between what is configured and what runs, one sentence each
  std::vector<Gap> not_read;             // what of the kernel's state could not be read, and what it would have told
};

/// 0, 1, 2, 3 as in the contract.
LVSNAT_EXPORT int exit_status(const Report&) noexcept;

}  // namespace lvsnat
