#include "common/table_limit.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include <unistd.h>

#include "common/cgroup.h"
#include "lvsnat/analyzer.h"

namespace lvsnat::tool {

std::uint64_t usable_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGESIZE);
  const std::uint64_t all = pages > 0 && page > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) : 0;
  const std::optional<std::uint64_t> ours = memory_of_groups();
  return ours && (all == 0 || *ours < all) ? *ours : all;
}

std::uint32_t limit_of_connections(const std::vector<std::string>& files, std::uint64_t memory) {
  constexpr std::uint64_t most_memory = std::uint64_t{1} << 30;
  constexpr std::uint64_t bytes_each = 205;  // a record with its ways is 192; and a slot of the index, some of which stay empty
  const std::uint32_t of_unknown = AnalyzerOptions{}.max_connections;
  const auto ends = [](const std::string& path) {
    std::error_code error;
    return std::filesystem::is_regular_file(path, error);
  };
  if (!std::all_of(files.begin(), files.end(), ends)) return of_unknown;
  return std::max(of_unknown, static_cast<std::uint32_t>(std::min(most_memory, memory / 4) / bytes_each));
}

}  // namespace lvsnat::tool
