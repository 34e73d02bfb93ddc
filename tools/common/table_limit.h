// How many connections may be kept where nobody said it: by what they come from, and by how much memory there is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lvsnat::tool {

/// What there is for this process, in bytes: the machine's memory, or what its control groups leave of it. 0: nobody tells.
/// Ask before rights are given up: the limits stand in files.
std::uint64_t usable_memory();

/// Capture files end, and what is in them is kept as a whole if it can be, the worst flood included: as many connections as fit
/// in 1 GiB, or in a quarter of `memory` (bytes) where that is less, if both sides of all of them were seen; one that is nothing
/// but a SYN takes a third of that. Never fewer than of a capture whose end nobody knows (a pipe, standard input):
/// AnalyzerOptions'.
std::uint32_t limit_of_connections(const std::vector<std::string>& files, std::uint64_t memory);

}  // namespace lvsnat::tool
