// What every parser of this layer answers: whether the text was what it should be, and the first thing
// in it that was not understood. Commands that failed leave their error in the file: that is an answer.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lvsnat {

struct Reading {
  /// The text is of this format and everything in it was understood: its tables may be called known.
  bool known = false;
  /// The first damage, with line or position; empty: none. With damage `known` is false for tables from which
  /// absence would be concluded (routes, rules, addresses): a line that was lost might be the one.
  std::string problem;

  /// Notes damage, unless there was some before.
  void note(std::size_t line, const std::string& what);
};

/// A command's saved output without the lines `# stderr: ...` and `# exit N` that the collector added.
struct CommandOutput {
  std::string body;
  std::string error;  // the stderr lines, joined with "; "; printable
  int exit_status = 0;
  [[nodiscard]] bool failed() const { return exit_status != 0; }
};
CommandOutput split_command_output(std::string_view text);

/// Lines without their line ends (LF or CRLF); the last may lack one. A UTF-8 byte order mark is dropped.
std::vector<std::string_view> lines_of(std::string_view text);
/// Fields between blanks and tabs.
std::vector<std::string_view> words_of(std::string_view line);

}  // namespace lvsnat
