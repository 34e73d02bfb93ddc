// What the census left, one by one: connections become facts, tallies and suspects.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "facts/census.h"
#include "facts/facts.h"
#include "facts/histogram.h"
#include "facts/journal.h"
#include "facts/roles.h"
#include "track/tracker.h"

namespace lvsnat {

/// What plainly healthy connections leave behind when they leave the table, by pair of endpoints.
struct RetiredTally {
  std::uint64_t connections = 0;
  std::uint64_t completed = 0, packets = 0;          // of TCP: as Facts::completed and service_packets
  std::unique_ptr<Histogram> real_server, response;  // for the first few hundred pairs
};
using RetiredTallies = std::unordered_map<std::uint64_t, RetiredTally>;  // key: outer endpoint id << 32 | inner

struct SurveyInput {
  const track::Tracker* tracker = nullptr;
  const Journal* journal = nullptr;
  track::HashKey key;  // the tracker's
  const std::vector<Declaration>* declared = nullptr;
  const KernelState* state = nullptr;
  const NftRules* filter = nullptr;
  const RetiredTallies* retired = nullptr;
  const Roles* roles = nullptr;  // of all the above and the census
  const std::vector<Vantage>* vantages = nullptr;
  std::vector<SourceStatistics> sources;
  PacketTally packets;
  Timestamp first = 0, last = 0;
  bool live = false;
};

/// How many connections that are not plainly healthy are kept whole; the rest are counted. No more than a quarter of them are
/// half open.
inline constexpr std::size_t kMaxSuspects = 200'000;
Facts survey(const SurveyInput& input, Census census, std::size_t max_suspects = kMaxSuspects);

/// The connection as it stands in a record, with roles applied. `facts` may be unfinished: only roles, places and capture facts
/// are asked.
Connection to_connection(std::uint32_t id, const track::Record& record, const Roles& roles, const track::Tracker& tracker);

/// Fills Connection::leg_string from what was seen and what could have been.
void set_leg_string(Connection& connection, const Facts& facts);

}  // namespace lvsnat
