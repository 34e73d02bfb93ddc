// What every screen is: something that draws a part of a scene into an area, and knows its rows.
//
// Screens have no state of their own: what the user chose is in View, what is shown is in Snapshot. So one object
// serves the live program, --once and the tests.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "canvas.h"
#include "table.h"
#include "view.h"

namespace lvsnat::top {

class Screen {
 public:
  Screen() = default;
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  virtual ~Screen();

  virtual void draw(const Scene&, Canvas&, Area) const = 0;
  /// Lines that a row of the list takes in an area of this width.
  [[nodiscard]] virtual int lines_per_row(int /*width*/) const { return 1; }
  /// Lines of the area that the list itself has (headings and details taken off).
  [[nodiscard]] virtual int list_height(const Scene&, Area area) const { return area.height - 1; }
  /// The order that a heading at this column of the area stands for; nullopt: none.
  [[nodiscard]] virtual std::optional<SortBy> sort_at(const Scene&, Area /*area*/, int /*column*/) const { return std::nullopt; }
  /// What only this screen does. True: done, nothing else looks at it.
  virtual bool on_key(Action, const Scene&, View&) const { return false; }
};

const Screen& overview_screen();
const Screen& connections_screen();
const Screen& findings_screen();
const Screen& real_servers_screen();
const Screen& host_screen();
const Screen& screen_of(ViewName);

/// A line of prose and how it looks.
struct Line {
  std::string text;
  Style style;
};
/// Breaks at blanks; words longer than a line are broken anywhere. `indent`: of the second and later lines.
void wrap_into(std::vector<Line>& lines, std::string_view text, int width, Style style = {}, int indent = 0);
/// Draws lines from `scroll` on; returns how far scroll can go.
int draw_lines(Canvas&, Area, const std::vector<Line>&, int scroll);

Tone tone_of(Severity);
Tone tone_of(Mark);
Tone tone_of(Health);
Tone tone_of_legs(const LegString&);
std::string_view word(Severity);  // "error", "warn", "info": five columns at most
const char* light(Health, bool unicode);
/// "LVS101", "LVS101 +2", or "".
std::string codes_text(const std::vector<int>&);
/// "0.4/3.1ms" or "-".
std::string quantiles_text(const std::optional<Quantiles>&);
/// Nothing to show: says why, in the middle of the area.
void draw_empty(Canvas&, Area, const std::vector<std::string>& sentences);

}  // namespace lvsnat::top
