#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>

#include "tree.h"

namespace house {
namespace {

constexpr std::size_t kLineLimit = 130;  // columns; .clang-format says the same

struct Banned {
  std::string_view text;
  std::string_view where;   // folder, empty: anywhere
  std::string_view except;  // folder, empty: none
  std::string_view why;
};

constexpr std::array kBanned{
    Banned{"TODO", "", "tests/house", "finish it or leave it"},
    Banned{"FIXME", "", "tests/house", "finish it or leave it"},
    Banned{"XXX", "", "tests/house", "finish it or leave it"},
    Banned{"using namespace std;", "", "tests/house", "never comes out again"},
    Banned{"/home/", "", "tests/house", "a path of one machine"},
    Banned{"/Users/", "", "tests/house", "a path of one machine"},
    Banned{"strcpy(", "", "tests/house", "unbounded"},
    Banned{"strcat(", "", "tests/house", "unbounded"},
    Banned{"sprintf(", "", "tests/house", "unbounded"},
    Banned{"system(", "lib", "", "no shell is ever started"},
    Banned{"system(", "tools", "", "no shell is ever started"},
    Banned{"popen(", "lib", "", "no shell is ever started"},
    Banned{"popen(", "tools", "", "no shell is ever started"},
    Banned{"clock::now(", "lib", "lib/capture", "time is an argument"},
    Banned{"clock_gettime(", "lib", "lib/capture", "time is an argument"},
    Banned{"gettimeofday(", "lib", "lib/capture", "time is an argument"},
    Banned{"std::regex", "lib", "", "recursion without bound on hostile input"},
    Banned{"std::cout", "lib", "", "the library does not print"},
    Banned{"std::cerr", "lib", "", "the library does not print"},
    Banned{"printf(", "lib", "", "the library does not print"},
};

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// `text` stands in `line` with a word boundary on whichever side of it is a word.
bool contains_word(std::string_view line, std::string_view text) {
  for (std::size_t at = line.find(text); at != std::string_view::npos; at = line.find(text, at + 1)) {
    const std::size_t end = at + text.size();
    const bool left = at == 0 || !is_word(text.front()) || !is_word(line[at - 1]) || text.starts_with("clock::");
    const bool right = end == line.size() || !is_word(text.back()) || !is_word(line[end]);
    if (left && right) return true;
  }
  return false;
}

// Columns, not bytes: continuation bytes of UTF-8 take none.
std::size_t columns(std::string_view line) {
  return static_cast<std::size_t>(
      std::ranges::count_if(line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool is_code(std::string_view path) {
  return is_cxx(path) || has_suffix(path, "CMakeLists.txt") || has_suffix(path, ".cmake") || has_suffix(path, ".py") ||
         has_suffix(path, ".bash") || under(path, "scripts") || under(path, ".ci");
}

// Recorded text inside a raw string literal cannot be broken. Says whether `line` is part of one; `closing` is what ends
// the literal that the line began inside of or leaves open, empty outside of any.
bool touches_raw_string(std::string_view line, std::string& closing) {
  bool touched = !closing.empty();
  for (;;) {
    if (closing.empty()) {
      const std::size_t open = line.find("R\"");
      const std::size_t bracket = open == std::string_view::npos ? open : line.find('(', open);
      if (bracket == std::string_view::npos) return touched;
      touched = true;
      closing = ")" + std::string(line.substr(open + 2, bracket - open - 2)) + "\"";
      line.remove_prefix(bracket + 1);
    }
    const std::size_t end = line.find(closing);
    if (end == std::string_view::npos) return touched;
    line.remove_prefix(end + closing.size());
    closing.clear();
  }
}

// What a program or a host printed is kept as it came.
bool is_recorded(std::string_view path) {
  return under(path, "tests/corpus") || under(path, "tests/fuzz/inputs") || path.find("/golden/") != std::string_view::npos ||
         path.find("/data/") != std::string_view::npos || path.find("/recorded/") != std::string_view::npos;
}

}  // namespace

Complaints check_text(const SourceFile& file) {
  Complaints complaints;
  if (is_recorded(file.path) && !is_code(file.path)) return complaints;
  const auto lines = lines_of(file.text);
  std::string closing;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = lines[i];
    if (line.find('\r') != std::string_view::npos) complaints.push_back(at(file, i, "a carriage return"));
    if (line.find('\t') != std::string_view::npos) complaints.push_back(at(file, i, "a tab"));
    if (line.ends_with(' ')) complaints.push_back(at(file, i, "a blank at the end of the line"));
    const bool raw = is_cxx(file.path) && touches_raw_string(line, closing);
    if (!raw && is_code(file.path) && columns(line) > kLineLimit) complaints.push_back(at(file, i, "longer than 130 columns"));
    for (const Banned& banned : kBanned) {
      if (!banned.where.empty() && !under(file.path, banned.where)) continue;
      if (!banned.except.empty() && under(file.path, banned.except)) continue;
      if (contains_word(line, banned.text)) {
        complaints.push_back(at(file, i, std::string(banned.text) + ": " + std::string(banned.why)));
      }
    }
  }
  if (!file.text.empty() && file.text.back() != '\n') complaints.push_back(at(file, lines.size() - 1, "no newline at the end"));
  if (file.text.starts_with("#!") && file.text.find("bash") < file.text.find('\n') &&
      file.text.find("\nset -euo pipefail\n") == std::string::npos) {
    complaints.push_back(at(file, 0, "a bash script without set -euo pipefail"));
  }
  return complaints;
}

}  // namespace house
