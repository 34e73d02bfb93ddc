// What real servers say of themselves (reports of lvstrace) joined to what the director's packets show of them. Pure; internal
// to the library.
//
// A report is a stranger's word, and of another moment: it names a cause where it covers the clients that fail; it never makes
// a packet unseen, and where it contradicts packets, that is said. How old it is bounds how sure it makes anybody.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>

#include "lvsnat/report.h"

namespace lvsnat::wayback {

/// What packets showed of one real server. Lists are cut at kMaxWitnessed clients each.
inline constexpr std::size_t kMaxWitnessed = 65'536;
struct Witnessed {
  std::set<Address> answered;               // clients of whom all four legs were seen
  std::map<int, std::set<Address>> failed;  // clients of the connections that each finding cites, by code
};

/// The time that a diagnosis speaks of: of the packets, or of the state.
struct Span {
  Timestamp first = 0, last = 0;
};

/// What else the director's side knows.
struct Scene {
  std::map<Address, Witnessed> witnessed;  // by RIP
  std::optional<Span> time;                // nullopt: nothing tells it
  bool settings_known = false;             // the director's settings were read, so that what it does not say is not so
};

/// Takes the testimonies into the report: findings of theirs become the named cause of packet findings, or findings of their own;
/// order and verdict are made anew.
void hear(Report& report, std::span<const Testimony> testimonies, const Scene& scene);

}  // namespace lvsnat::wayback
