#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "tree.h"

namespace house {
namespace {

struct Layer {
  std::string_view folder;
  std::string_view may_include;  // folders of lib/, blank-separated; public headers always
};

// The direction of the whole tree. Each layer may include itself and what stands here; lib/capture is a library of its own.
constexpr std::array kLayers{
    Layer{"lib/base", ""},
    Layer{"lib/decode", "base"},
    Layer{"lib/state", "base decode"},
    Layer{"lib/config", "base decode state"},
    Layer{"lib/track", "base decode state config"},
    Layer{"lib/facts", "base decode state config track"},
    Layer{"lib/rules", "base decode state config track facts"},
    Layer{"lib/wayback", "base decode state rules"},
    Layer{"lib/analyzer", "base decode state config track facts rules wayback"},
    Layer{"lib/render", "base decode state config track facts rules"},
    Layer{"lib/capture", "base"},
    // The shared libraries hide what is not public; of base, what is inline can be used all the same.
    Layer{"tools", "base"},
};

struct Foreign {
  std::string_view header;   // prefix of what stands between < and >
  std::string_view allowed;  // folders, blank-separated
};

// Third-party headers: named in few places, never in ours that are public.
constexpr std::array kForeign{
    Foreign{"pcap", "lib/capture tests bench"},
    Foreign{"tins/", "lib/capture tests bench"},
    Foreign{"zlib.h", "lib/capture tests"},
    Foreign{"zstd", "lib/capture tests"},
    Foreign{"lzma", "lib/capture tests"},
    Foreign{"libmnl/", "lib/state tests"},
    Foreign{"nlohmann/", "lib/state lib/config lib/render tests"},
    Foreign{"CLI/", "tools tests/truth"},
    Foreign{"curses", "tools/lvstop"},
    Foreign{"ncurses", "tools/lvstop"},
    Foreign{"panel.h", "tools/lvstop"},
    Foreign{"menu.h", "tools/lvstop"},
    Foreign{"form.h", "tools/lvstop"},
    Foreign{"gtest/", "tests"},
    Foreign{"gmock/", "tests"},
    Foreign{"benchmark/", "bench tests"},
};

// The system's own headers in folders: sockets, kernel interfaces.
constexpr std::array<std::string_view, 6> kSystemFolders{"arpa/", "asm/", "linux/", "net/", "netinet/", "sys/"};
constexpr std::string_view kSystemAllowed = "lib/base lib/state lib/config lib/capture lib/analyzer tools tests bench";

// Hot code has no use for these, whatever they would be used for.
constexpr std::array<std::string_view, 12> kColdHeaders{"chrono",   "ctime",         "fstream",       "functional",
                                                        "iostream", "map",           "memory",        "thread",
                                                        "sstream",  "unordered_map", "unordered_set", "vector"};

bool listed(std::string_view word, std::string_view list) {
  while (!list.empty()) {
    const std::size_t end = list.find(' ');
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  }
  return false;
}

bool under_any(std::string_view path, std::string_view folders) {
  while (!folders.empty()) {
    const std::size_t end = folders.find(' ');
    if (under(path, folders.substr(0, end))) return true;
    folders.remove_prefix(end == std::string_view::npos ? folders.size() : end + 1);
  }
  return false;
}

struct Include {
  std::string_view name;
  bool quoted = false;
};

std::optional<Include> include_of(std::string_view line) {
  const auto blank = [&] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
  blank();
  if (!line.starts_with('#')) return std::nullopt;
  line.remove_prefix(1);
  blank();
  if (!line.starts_with("include")) return std::nullopt;
  line.remove_prefix(7);
  blank();
  if (line.empty() || (line[0] != '"' && line[0] != '<')) return std::nullopt;
  const bool quoted = line[0] == '"';
  const std::size_t end = line.find(quoted ? '"' : '>', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return Include{line.substr(1, end - 1), quoted};
}

std::string check_quoted(std::string_view path, std::string_view name) {
  if (name.starts_with("lvsnat/")) return {};
  if (under(path, "lib/include")) return "a public header includes \"" + std::string(name) + "\", which is not public";
  if (name.find("..") != std::string_view::npos) return "includes by way of '..'; name the layer instead";
  const std::string_view first = name.substr(0, name.find('/'));
  for (const Layer& layer : kLayers) {
    if (!under(path, layer.folder)) continue;
    const bool is_layer = std::ranges::any_of(kLayers, [&](const Layer& l) { return l.folder == "lib/" + std::string(first); });
    if (name.find('/') == std::string_view::npos) {
      return under(path, "lib") ? "names no layer: \"" + std::string(name) + "\"" : std::string();
    }
    if (is_layer && layer.folder != "lib/" + std::string(first) && !listed(first, layer.may_include)) {
      return std::string(layer.folder) + " must not include \"" + std::string(name) + "\": layers point the other way";
    }
    if (!is_layer && under(path, "lib")) return "includes \"" + std::string(name) + "\", which is no layer of lib/";
  }
  return {};
}

std::string check_angled(std::string_view path, std::string_view name) {
  const bool standard = name.find_first_of("./") == std::string_view::npos;
  if (under(path, "lib/include") && !standard) return "a public header includes <" + std::string(name) + ">";
  if (name.starts_with("lvsnat/")) return "write our own header in quotes: <" + std::string(name) + ">";
  if (under(path, "lib/decode") || under(path, "lib/track")) {
    if (name == "emmintrin.h") return {};  // instructions, no code: SSE2, where the compiler has it
    if (!standard || std::ranges::find(kColdHeaders, name) != kColdHeaders.end()) {
      return "hot code includes <" + std::string(name) + ">";
    }
  }
  if (standard) return {};
  for (const Foreign& foreign : kForeign) {
    if (name.starts_with(foreign.header)) {
      return under_any(path, foreign.allowed)
                 ? std::string()
                 : "<" + std::string(name) + "> belongs in " + std::string(foreign.allowed) + " only";
    }
  }
  const bool in_folder = name.find('/') != std::string_view::npos;
  const bool system = !in_folder || std::ranges::any_of(kSystemFolders, [&](std::string_view f) { return name.starts_with(f); });
  if (!system) return "<" + std::string(name) + "> is no library that this tree uses";
  return under_any(path, kSystemAllowed) ? std::string() : "<" + std::string(name) + ">: this layer does not talk to the system";
}

}  // namespace

Complaints check_includes(const SourceFile& file) {
  Complaints complaints;
  if (!is_cxx(file.path)) return complaints;
  const auto lines = lines_of(file.text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto include = include_of(lines[i]);
    if (!include) continue;
    const std::string why = include->quoted ? check_quoted(file.path, include->name) : check_angled(file.path, include->name);
    if (!why.empty()) complaints.push_back(at(file, i, why));
  }
  if (has_suffix(file.path, ".h") && file.text.find("#pragma once") == std::string::npos) {
    complaints.push_back(at(file, 0, "a header without #pragma once"));
  }
  return complaints;
}

}  // namespace house
