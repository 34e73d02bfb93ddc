#include "screens/help.h"

#include <algorithm>

#include "base/text.h"
#include "keys.h"

namespace lvsnat::top {

std::vector<Line> help_lines(std::uint8_t scope, bool replay, int width) {
  std::vector<Line> lines;
  const Style heading{Tone::accent, true, false};
  std::vector<std::string> own, others;
  for (const Binding& b : bindings()) {
    if (b.says.empty() || (b.scope & scope) == 0 || (b.replay_only && !replay)) continue;
    std::string text(b.spelled);
    text.resize(std::max<std::size_t>(text.size() + 1, 10), ' ');
    text += b.says;
    (b.scope == kEverywhere ? others : own).push_back(std::move(text));
  }
  // Two columns where there is room for both.
  const auto print = [&](const std::vector<std::string>& items) {
    const int half = width / 2;
    const bool two = width >= 100;
    const std::size_t rows = two ? (items.size() + 1) / 2 : items.size();
    for (std::size_t i = 0; i < rows; ++i) {
      std::string line = " " + items[i];
      if (two && i + rows < items.size()) line = fit(line, half, Align::left, true) + items[i + rows];
      wrap_into(lines, line, width, {}, 11);
    }
  };
  if (!own.empty()) {
    lines.push_back({"This view", heading});
    print(own);
  }
  lines.push_back({"Everywhere", heading});
  print(others);
  lines.push_back({"Legs", heading});
  wrap_into(lines, " 1 client > VIP, 2 director > real server, 3 real server > director, 4 VIP > client", width, {}, 1);
  wrap_into(lines, " a digit was seen, - is missing, ? cannot be seen from here, ! is wrong", width, {}, 1);
  lines.push_back({"Filter", heading});
  wrap_into(lines, " legs:12-- rip:10.1.1.2 ms>50 | code:LVS1 !state:closed", width, {}, 1);
  wrap_into(lines,
            " fields: cip vip rip port proto state legs code, and with > < = age idle ms director rtt packets bytes repeats; ! "
            "negates, | is or",
            width, {}, 1);
  return lines;
}

std::vector<Line> markdown_lines(std::string_view text, int width) {
  std::vector<Line> lines;
  bool code = false;
  // A paragraph or an item of a list, gathered until it ends: the page was broken for another width.
  std::string gathered;
  int indent = 0;
  const auto finish = [&] {
    if (!gathered.empty()) wrap_into(lines, gathered, width, {}, indent);
    gathered.clear();
    indent = 0;
  };
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line = printable(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = line.find_first_not_of(' ');
    if (line.starts_with("```")) {
      finish();
      code = !code;
    } else if (code || (gathered.empty() && line.starts_with("    "))) {
      wrap_into(lines, code ? "    " + line : line, width, {Tone::accent, false, false}, 6);
    } else if (first == std::string::npos) {
      finish();
      lines.push_back({"", {}});
    } else if (line.starts_with("#")) {
      finish();
      const std::size_t at = line.find_first_not_of("# ");
      if (at != std::string::npos) wrap_into(lines, line.substr(at), width, {Tone::plain, true, false});
    } else if (line[first] == '|') {
      finish();  // the row of a table
      wrap_into(lines, line, width);
    } else if (line.compare(first, 2, "- ") == 0 || line.compare(first, 2, "* ") == 0) {
      finish();
      gathered = line;
      indent = static_cast<int>(first) + 2;
    } else {
      gathered += (gathered.empty() ? "" : " ") + line.substr(gathered.empty() ? 0 : first);
    }
  }
  finish();
  return lines;
}

}  // namespace lvsnat::top
