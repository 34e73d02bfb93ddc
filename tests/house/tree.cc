#include "tree.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

namespace house {
namespace {

bool skipped_folder(const std::string& name) {
  return name == ".git" || name == ".cache" || name == "__pycache__" || name == "build" || name.starts_with("build-");
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

std::vector<SourceFile> read_tree(const std::filesystem::path& root) {
  std::vector<SourceFile> files;
  for (auto it = std::filesystem::recursive_directory_iterator(root); it != std::filesystem::recursive_directory_iterator();
       ++it) {
    if (it->is_directory() && (skipped_folder(it->path().filename().string()) || exists(it->path() / "CMakeCache.txt"))) {
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file() || it->is_symlink()) continue;
    if (it->path().filename() == ".git") continue;  // a work tree's pointer to its repository
    std::string text = read_file(it->path());
    if (text.find('\0') != std::string::npos) continue;
    files.push_back({it->path().lexically_relative(root).generic_string(), std::move(text)});
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

bool under(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

bool has_suffix(std::string_view path, std::string_view suffix) { return path.ends_with(suffix); }

bool is_cxx(std::string_view path) { return has_suffix(path, ".cc") || has_suffix(path, ".h"); }

std::string at(const SourceFile& file, std::size_t line_index, std::string_view what) {
  return file.path + ":" + std::to_string(line_index + 1) + ": " + std::string(what);
}

}  // namespace house
