#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "tree.h"

namespace house {

Complaints check_targets(const std::vector<SourceFile>& tree, std::string_view compile_commands, std::string_view root) {
  std::set<std::string> compiled;
  for (const auto& command : nlohmann::json::parse(compile_commands)) {
    const std::filesystem::path path(command.at("file").get<std::string>());
    compiled.insert(path.lexically_relative(std::filesystem::path(root)).generic_string());
  }
  Complaints complaints;
  for (const SourceFile& file : tree) {
    const bool source = has_suffix(file.path, ".cc") && (under(file.path, "lib") || under(file.path, "tools"));
    // Harnesses need clang and are built by their own preset.
    const bool test = has_suffix(file.path, "_test.cc") && under(file.path, "tests") && !under(file.path, "tests/fuzz");
    if ((source || test) && !compiled.contains(file.path)) complaints.push_back(file.path + ": in no target");
  }
  return complaints;
}

Complaints check_links(const SourceFile& file, const std::filesystem::path& root) {
  Complaints complaints;
  if (!has_suffix(file.path, ".md")) return complaints;
  const auto lines = lines_of(file.text);
  bool fenced = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with("```")) fenced = !fenced;
    if (fenced || lines[i].starts_with("    ")) continue;
    for (std::size_t open = lines[i].find("]("); open != std::string_view::npos; open = lines[i].find("](", open + 2)) {
      const std::size_t close = lines[i].find(')', open);
      if (close == std::string_view::npos) break;
      std::string link(lines[i].substr(open + 2, close - open - 2));
      link.resize(std::min(link.find('#'), link.size()));
      if (link.empty() || link.find(':') != std::string::npos) continue;
      if (!exists(root / std::filesystem::path(file.path).parent_path() / link))
        complaints.push_back(at(file, i, "no such file: " + link));
    }
  }
  return complaints;
}

}  // namespace house
