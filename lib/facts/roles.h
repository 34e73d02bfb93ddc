// Who is VIP, who is RIP, who is the director: from declarations, from the kernel's state, and from what
// the packets themselves prove (rewritten pairs; who sends the frames that only a director makes).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "facts/census.h"
#include "facts/facts.h"
#include "facts/journal.h"
#include "facts/vitals.h"
#include "track/tracker.h"

namespace lvsnat {

struct Roles {
  enum class Side : std::uint8_t { unknown, outer, inner };

  std::vector<Service> services;
  std::vector<Origin> origin;
  bool inferred = false;
  std::set<Address> vips, rips;
  /// By endpoint id of the tracker.
  std::vector<Side> side;
  std::vector<std::int32_t> service_of_outer;  // -1: none
  std::set<Mac> director_macs, outside_macs, inside_macs;
  std::set<Address> director_addresses;

  [[nodiscard]] Side side_of(std::uint32_t endpoint) const { return endpoint < side.size() ? side[endpoint] : Side::unknown; }
  [[nodiscard]] std::int32_t service_of(std::uint32_t outer) const {
    return outer < service_of_outer.size() ? service_of_outer[outer] : -1;
  }
};

Roles assign_roles(const track::Tracker& tracker, const Journal& journal, const std::vector<Declaration>& declared,
                   const KernelState* state, const Census& census);

/// A TTL or hop limit that no router has lowered yet: one of the values that systems begin with.
bool initial_ttl(std::uint8_t ttl);

/// `Any`: a track::Record or a track::Glimpse. Neither side where the record has but one endpoint of unknown role.
template <typename Any>
Sides sides_of(const Any& record, const Roles& roles) {
  if (record.endpoint[1] != track::kNone) return sides_of_joined(record);
  const Roles::Side side = roles.side_of(record.endpoint[0]);
  return Sides{side == Roles::Side::outer ? 0 : -1, side == Roles::Side::inner ? 0 : -1};
}

}  // namespace lvsnat
