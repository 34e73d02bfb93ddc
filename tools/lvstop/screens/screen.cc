#include "screens/screen.h"

#include <algorithm>

namespace lvsnat::top {

Screen::~Screen() = default;

const Screen& screen_of(ViewName v) {
  switch (v) {
    case ViewName::overview:
      return overview_screen();
    case ViewName::connections:
      return connections_screen();
    case ViewName::findings:
      return findings_screen();
    case ViewName::real_servers:
      return real_servers_screen();
    case ViewName::host:
      return host_screen();
  }
  return overview_screen();
}

void wrap_into(std::vector<Line>& lines, std::string_view text, int width, Style style, int indent) {
  width = std::max(width, 8);
  indent = std::clamp(indent, 0, width / 2);
  std::size_t blanks = text.find_first_not_of(' ');
  if (blanks == std::string_view::npos) {
    lines.push_back({"", style});
    return;
  }
  std::string line(std::min(blanks, static_cast<std::size_t>(width / 2)), ' ');
  int used = static_cast<int>(line.size());
  bool fresh = true;
  const auto finish = [&] {
    lines.push_back({line, style});
    line.assign(static_cast<std::size_t>(indent), ' ');
    used = indent;
    fresh = true;
  };
  text.remove_prefix(blanks);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const int columns = text_width(word);
    if (!fresh && used + 1 + columns > width) finish();
    if (!fresh) line += ' ', ++used;
    while (!word.empty()) {
      std::string_view rest = word;
      const char32_t code = safe_cell(take_code_point(rest));
      if (used + cell_width(code) > width) finish();
      append_utf8(line, code);
      used += cell_width(code);
      word = rest;
    }
    fresh = false;
  }
  lines.push_back({line, style});
}

int draw_lines(Canvas& canvas, Area area, const std::vector<Line>& lines, int scroll) {
  const int most = std::max(0, static_cast<int>(lines.size()) - area.height);
  scroll = std::clamp(scroll, 0, most);
  for (int i = 0; i < area.height && i + scroll < static_cast<int>(lines.size()); ++i) {
    const Line& line = lines[static_cast<std::size_t>(i + scroll)];
    canvas.put(area.top + i, 0, cut(line.text, area.width, canvas.unicode()), line.style);
  }
  return most;
}

Tone tone_of(Severity severity) {
  return severity == Severity::error ? Tone::bad : severity == Severity::warning ? Tone::warning : Tone::accent;
}
Tone tone_of(Mark mark) {
  switch (mark) {
    case Mark::good:
      return Tone::good;
    case Mark::warning:
      return Tone::warning;
    case Mark::bad:
      return Tone::bad;
    case Mark::unknown:
      return Tone::accent;
    case Mark::none:
      break;
  }
  return Tone::plain;
}
Tone tone_of(Health health) {
  switch (health) {
    case Health::good:
      return Tone::good;
    case Health::some:
      return Tone::warning;
    case Health::none:
      return Tone::bad;
    default:
      return Tone::faint;
  }
}
Tone tone_of_legs(const LegString& legs) {
  Tone tone = Tone::good;
  for (const char c : legs.text) {
    if (c == '-' || c == '!') return Tone::bad;
    if (c == '?') tone = Tone::plain;
  }
  return tone;
}

std::string_view word(Severity severity) {
  return severity == Severity::error ? "error" : severity == Severity::warning ? "warn" : "info";
}

const char* light(Health health, bool unicode) {
  const Glyphs& g = glyphs(unicode);
  switch (health) {
    case Health::good:
      return g.good;
    case Health::some:
      return g.some;
    case Health::none:
      return g.none;
    case Health::draining:
      return g.draining;
    case Health::unknown:
      break;
  }
  return g.no_data;
}

std::string codes_text(const std::vector<int>& codes) {
  if (codes.empty()) return {};
  std::string text = code_name(codes.front());
  if (codes.size() > 1) text += "+" + std::to_string(codes.size() - 1);
  return text;
}

std::string quantiles_text(const std::optional<Quantiles>& q) {
  return q ? short_duration(q->p50) + "/" + short_duration(q->p95) : "-";
}

void draw_empty(Canvas& canvas, Area area, const std::vector<std::string>& sentences) {
  std::vector<Line> lines;
  for (const std::string& sentence : sentences) wrap_into(lines, sentence, area.width - 4);
  for (Line& line : lines) line.text.insert(0, "  ");
  draw_lines(canvas, {area.top + (area.height > 6 ? 1 : 0), area.height, area.width}, lines, 0);
}

}  // namespace lvsnat::top
