// What a live kernel tells by files: settings under /proc/sys/net, counters, modules, IPVS's tables. Internal to lib/state.
#pragma once

#include <filesystem>

#include "lvsnat/state.h"

namespace lvsnat {

/// `proc` is /proc. Missing files are gaps where that hides something.
void read_live_files(const std::filesystem::path& proc, KernelState& state);
/// The bounded head of /proc/net/ip_vs_conn: whole lines; `complete` tells whether it is all.
Result<std::string> read_head(const std::filesystem::path& path, std::size_t limit, bool& complete);

}  // namespace lvsnat
