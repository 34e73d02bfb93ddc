// The source tree as the house tests see it: every text file, by its path from the top.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace house {

struct SourceFile {
  std::string path;  // "lib/base/text.h"
  std::string text;
};

/// "lib/base/text.h:12: what is wrong"; empty where nothing is.
using Complaints = std::vector<std::string>;

/// Empty where it cannot be read.
std::string read_file(const std::filesystem::path& path);
/// All text files below `root`, sorted by path. Left out: version control, build folders, binary files.
std::vector<SourceFile> read_tree(const std::filesystem::path& root);

std::vector<std::string_view> lines_of(std::string_view text);
bool under(std::string_view path, std::string_view folder);
bool has_suffix(std::string_view path, std::string_view suffix);
/// C++ source or header.
bool is_cxx(std::string_view path);
std::string at(const SourceFile& file, std::size_t line_index, std::string_view what);

/// Layers point one way; third-party headers stay where they belong; public headers are self-contained.
Complaints check_includes(const SourceFile& file);
/// Whitespace, line lengths, banned words, calls and paths.
Complaints check_text(const SourceFile& file);
/// Every source is compiled by some target. `compile_commands`: the JSON that CMake writes.
Complaints check_targets(const std::vector<SourceFile>& tree, std::string_view compile_commands, std::string_view root);
/// Relative links in Markdown lead to files that exist.
Complaints check_links(const SourceFile& file, const std::filesystem::path& root);

}  // namespace house
