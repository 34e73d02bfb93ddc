#include "common/cgroup.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <system_error>

#include "base/file.h"

namespace lvsnat::tool {
namespace {

// Whoever can nest groups deeper, or mount more, gets no answer of them.
constexpr std::size_t kMostLevels = 64, kMostFiles = 512;

/// What stands before the next `separator`, which `text` loses with it.
std::string_view cut(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

bool lists(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    if (cut(words, ',') == word) return true;
  }
  return false;
}

/// Blanks and the like stand as three octal digits in mountinfo.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](std::size_t n) { return i + n < text.size() && text[i + n] >= '0' && text[i + n] <= '7'; };
    if (text[i] == '\\' && digit(1) && digit(2) && digit(3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// The group's own path, where it is one from the root of the hierarchy down.
bool leads_down(std::string_view path) {
  return path.starts_with('/') && path != "/.." && path.find("/../") == std::string_view::npos && !path.ends_with("/..");
}

/// `file` of the group and of those above it, up to what is mounted at `at`: the group `root`.
void add_levels(std::string group, const std::string& root, const std::string& at, std::string_view file,
                std::vector<std::string>& out) {
  // In a container its own group is mounted, and may be called something else: then that one is looked at.
  if (!leads_down(group) || (root != "/" && group != root && !group.starts_with(root + "/"))) group = root;
  std::string below = root == "/" ? group : group.substr(root.size());
  if (below == "/") below.clear();
  for (std::size_t level = 0; level < kMostLevels && out.size() < kMostFiles; ++level) {
    std::string path = at;
    path.append(below).append("/").append(file);
    out.push_back(std::move(path));
    if (below.empty()) return;
    below.resize(std::min(below.rfind('/'), below.size()));
  }
}

}  // namespace

std::vector<std::string> memory_limit_files(std::string_view groups, std::string_view mounts) {
  std::optional<std::string> unified, memory;
  while (!groups.empty()) {
    std::string_view line = cut(groups, '\n');
    const std::string_view hierarchy = cut(line, ':'), controllers = cut(line, ':');
    if (hierarchy == "0" && controllers.empty()) unified = line;
    if (lists(controllers, "memory")) memory = line;
  }
  std::vector<std::string> files;
  while (!mounts.empty() && files.size() < kMostFiles) {
    std::string_view line = cut(mounts, '\n');
    for (int i = 0; i < 3; ++i) cut(line, ' ');  // ids, and the device
    const std::string root = unescaped(cut(line, ' ')), at = unescaped(cut(line, ' '));
    while (!line.empty() && cut(line, ' ') != "-") {
    }
    const std::string_view type = cut(line, ' ');
    cut(line, ' ');  // the source
    if (!root.starts_with('/') || !at.starts_with('/')) continue;
    if (type == "cgroup2" && unified) add_levels(*unified, root, at, "memory.max", files);
    if (type == "cgroup" && memory && lists(line, "memory")) add_levels(*memory, root, at, "memory.limit_in_bytes", files);
  }
  return files;
}

std::optional<std::uint64_t> memory_limit(std::string_view text) {
  std::uint64_t bytes = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, bytes);
  if (error != std::errc() || (rest != end && *rest != '\n')) return std::nullopt;
  return bytes;
}

std::optional<std::uint64_t> memory_of_groups() {
  constexpr std::size_t most = std::size_t{1} << 20;
  const auto groups = read_file("/proc/self/cgroup", most), mounts = read_file("/proc/self/mountinfo", most);
  if (!groups || !mounts) return std::nullopt;
  std::optional<std::uint64_t> least;
  for (const std::string& path : memory_limit_files(*groups, *mounts)) {
    const auto text = read_file(path, 64);
    const std::optional<std::uint64_t> limit = text ? memory_limit(*text) : std::nullopt;
    if (limit) least = std::min(least.value_or(std::numeric_limits<std::uint64_t>::max()), *limit);
  }
  return least;
}

}  // namespace lvsnat::tool
