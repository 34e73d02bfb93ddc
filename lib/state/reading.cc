#include "state/reading.h"

#include <cstdint>

#include "base/text.h"

namespace lvsnat {

void Reading::note(std::size_t line, const std::string& what) {
  if (problem.empty()) problem = "line " + std::to_string(line) + ": " + what;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBlank = " \t";
  for (auto begin = line.find_first_not_of(kBlank); begin != std::string_view::npos;) {
    const auto end = line.find_first_of(kBlank, begin);
    words.push_back(line.substr(begin, end == std::string_view::npos ? end : end - begin));
    begin = end == std::string_view::npos ? end : line.find_first_not_of(kBlank, end);
  }
  return words;
}

CommandOutput split_command_output(std::string_view text) {
  constexpr std::string_view kStderr = "# stderr:";
  constexpr std::string_view kExit = "# exit ";
  constexpr std::size_t kMaxError = 1000;
  CommandOutput out;
  if (text.find("# stderr:") == std::string_view::npos && text.find("# exit ") == std::string_view::npos) {
    out.body = text;
    return out;
  }
  out.body.reserve(text.size());
  for (const std::string_view line : lines_of(text)) {
    if (line.starts_with(kStderr)) {
      if (out.error.size() < kMaxError) {
        if (!out.error.empty()) out.error += "; ";
        out.error += printable(trim(line.substr(kStderr.size())), 300);
      }
    } else if (line.starts_with(kExit)) {
      std::uint64_t status = 0;
      if (parse_number(trim(line.substr(kExit.size())), 255, status)) out.exit_status = static_cast<int>(status);
    } else {
      out.body.append(line).push_back('\n');
    }
  }
  return out;
}

}  // namespace lvsnat
