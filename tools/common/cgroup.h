// How much memory the control groups of this process let it have, cgroups(7): of containers and of services it is less than the
// machine has, as a rule.
//
// Plain text in, plain data out; only memory_of_groups() looks at this host. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lvsnat::tool {

/// The files in which limits stand, of the process' own groups and of all above them as far as they can be seen here: version 2's
/// memory.max, version 1's memory.limit_in_bytes. `groups`: /proc/self/cgroup, `mounts`: /proc/self/mountinfo (proc(5)). None for
/// what cannot be understood.
std::vector<std::string> memory_limit_files(std::string_view groups, std::string_view mounts);

/// What stands in one: bytes. nullopt: no limit ("max"), or no number.
std::optional<std::uint64_t> memory_limit(std::string_view text);

/// The least of all limits, in bytes; nullopt: none is known.
std::optional<std::uint64_t> memory_of_groups();

}  // namespace lvsnat::tool
