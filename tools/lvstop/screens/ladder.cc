#include "screens/ladder.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "grid_canvas.h"

namespace lvsnat::top {
namespace {

constexpr int kFourLanes = 76, kThreeLanes = 48;

/// Where lanes stand and which lanes a leg joins.
struct Lanes {
  std::vector<int> at;  // columns
  int time_width = 0;

  [[nodiscard]] std::pair<std::size_t, std::size_t> of(Leg leg) const {
    const std::size_t last = at.size() - 1, inside = at.size() == 4 ? 2 : 1;
    switch (leg) {
      case Leg::request:
        return {0, 1};
      case Leg::demasq:
        return {inside, last};
      case Leg::reply:
        return {last, inside};
      case Leg::masq:
        return {1, 0};
    }
    return {0, 1};
  }
};

Lanes lanes_for(int width) {
  Lanes lanes;
  const std::size_t count = width >= kFourLanes ? 4 : 3;
  lanes.time_width = width >= kFourLanes ? 16 : 9;
  const int left = lanes.time_width + 2, right = std::min(width, 160) - (count == 4 ? 10 : 6);
  if (count == 3) {
    lanes.at = {left, (left + right) / 2, right};
  } else {
    // The two sides of the director stand closer together: nothing travels between them on a wire.
    const int span = right - left;
    lanes.at = {left, left + span * 38 / 100, left + span * 62 / 100, right};
  }
  return lanes;
}

const ConnectionRow* find_row(const Snapshot& s, const ConnectionId& id) {
  const auto it =
      std::find_if(s.connections.begin(), s.connections.end(), [&](const ConnectionRow& r) { return id_of(r.connection) == id; });
  return it == s.connections.end() ? nullptr : &*it;
}

/// Without the packets themselves: one step a leg, from the counts.
std::vector<LadderStep> steps_from_counts(const Connection& c) {
  std::vector<LadderStep> steps;
  for (const Leg leg : kLegs) {
    const LegCount& count = c.leg(leg);
    if (count.packets == 0) continue;
    LadderStep step;
    step.leg = leg;
    step.time = count.first;
    step.frame = count.first_frame;
    step.text = (count.syn ? "SYN, " : "") + with_commas(count.packets) + (count.packets == 1 ? " packet" : " packets") +
                (count.rst ? ", RST" : "");
    step.suspicious = count.rst;
    steps.push_back(std::move(step));
  }
  std::stable_sort(steps.begin(), steps.end(), [](const LadderStep& a, const LadderStep& b) { return a.time < b.time; });
  return steps;
}

std::string delta_text(Timestamp ns) { return (ns < 0 ? "-" : "+") + short_duration(ns < 0 ? -ns : ns); }

std::string time_text(const Scene& scene, const LadderStep& step, std::optional<Timestamp> before, bool wide) {
  if (!before || !scene.view.deltas) {
    const std::string clock = to_clock(step.time);
    return wide ? clock : clock.substr(0, 8);
  }
  return delta_text(step.time - *before);
}

struct Drawing {
  Canvas& canvas;
  Area area;
  const Lanes& lanes;
  int row;    // next line, may lie outside the area
  int first;  // lines to skip (scroll)
  int drawn = 0;

  /// The canvas row of the next line, or -1 where it is scrolled away.
  int next() {
    const int line = drawn++ - first;
    return line < 0 || line >= area.height ? -1 : area.top + line;
  }
};

void draw_rails(Canvas& canvas, int row, const Lanes& lanes) {
  for (const int at : lanes.at) canvas.put(row, at, glyphs(canvas.unicode()).vertical, {Tone::faint, false, false});
}

/// An arrow between two lanes with words in its middle. `gap` draws it broken, for what did not come.
void draw_arrow(Canvas& canvas, int row, int from, int to, const std::string& words, bool gap, Style style) {
  const Glyphs& g = glyphs(canvas.unicode());
  const int left = std::min(from, to) + 1, right = std::max(from, to) - 1;
  for (int column = left; column <= right; ++column) {
    if (!gap || (column - left) % 2 == 0) canvas.put(row, column, gap ? g.dash : g.horizontal, style);
  }
  if (to > from) {
    canvas.put(row, right, g.arrow_right, style);
  } else {
    canvas.put(row, left, g.arrow_left, style);
  }
  const int room = right - left - 3;
  const std::string text = " " + cut(words, room, canvas.unicode()) + " ";
  canvas.put(row, left + std::max(1, (right - left + 1 - text_width(text)) / 2), text, style);
}

void draw_step(const Scene& scene, Drawing& d, const LadderStep& step, std::optional<Timestamp> before, const Connection& c) {
  const int row = d.next();
  if (row < 0) return;
  draw_rails(d.canvas, row, d.lanes);
  const bool wide = d.lanes.at.size() == 4;
  d.canvas.put(row, 0, fit(time_text(scene, step, before, wide), d.lanes.time_width, Align::right, d.canvas.unicode()),
               {Tone::faint, false, false});
  Style style{step.suspicious ? Tone::warning : Tone::good, false, false};
  if (step.kind == LadderStep::Kind::event) {
    const int at = d.lanes.at.front() + 2;
    d.canvas.put(row, at, cut("* " + step.text, d.area.width - at, d.canvas.unicode()),
                 {step.suspicious ? Tone::warning : Tone::accent, step.suspicious, false});
    return;
  }
  const auto [from, to] = d.lanes.of(step.leg);
  std::string words = std::to_string(lvsnat::index(step.leg) + 1);
  if (c.leg_string[step.leg] == '!') words += "! wrong source", style = {Tone::bad, true, false};
  words += " " + step.text + (step.repeat ? " again" : "");
  draw_arrow(d.canvas, row, d.lanes.at[from], d.lanes.at[to], words, false, style);
}

/// Legs that did not come, or that this capture cannot show.
void draw_missing(const Scene& scene, Drawing& d, const Connection& c) {
  for (const Leg leg : kLegs) {
    const char state = c.leg_string[leg];
    if (state != '-' && !(state == '?' && !c.saw(leg))) continue;
    const int row = d.next();
    if (row < 0) continue;
    draw_rails(d.canvas, row, d.lanes);
    const auto [from, to] = d.lanes.of(leg);
    const std::string number = std::to_string(lvsnat::index(leg) + 1);
    if (state == '-') {
      d.canvas.put(row, 0,
                   fit((d.lanes.at.size() == 4 ? "none in " : "none ") + short_duration(age_of(c, scene.now)), d.lanes.time_width,
                       Align::right, d.canvas.unicode()),
                   {Tone::bad, false, false});
      draw_arrow(d.canvas, row, d.lanes.at[from], d.lanes.at[to], number + " missing", true, {Tone::bad, true, false});
    } else {
      draw_arrow(d.canvas, row, d.lanes.at[from], d.lanes.at[to], number + " ? not captured", true, {Tone::faint, false, false});
    }
  }
}

void draw_headings(const Scene& scene, Canvas& canvas, Area area, const Lanes& lanes, const Connection& c) {
  const std::array<std::string_view, 4> four{"client", "director (outside)", "director (inside)", "real server"};
  const std::array<std::string_view, 3> three{"client", "director", "real server"};
  const std::size_t count = lanes.at.size();
  int after = 0;
  const auto centred = [&](int row, std::size_t lane, std::string_view text, Style style) {
    const int width = text_width(text);
    const int at = std::clamp(lanes.at[lane] - width / 2, after, std::max(after, area.width - width));
    after = canvas.put(row, at, text, style) + 1;
  };
  for (std::size_t i = 0; i < count; ++i) centred(area.top, i, count == 4 ? four[i] : three[i], {Tone::plain, true, false});
  after = 0;
  const std::string vip = c.vip ? endpoint_text(scene, *c.vip) : "VIP ?", rip = c.rip ? endpoint_text(scene, *c.rip) : "RIP ?";
  const auto room = [&](std::size_t lane) {
    const int left = lane == 0 ? 0 : (lanes.at[lane - 1] + lanes.at[lane]) / 2 + 1;
    const int right = lane + 1 == count ? area.width : (lanes.at[lane] + lanes.at[lane + 1]) / 2;
    return std::max(4, right - left);
  };
  centred(area.top + 1, 0, cut(endpoint_text(scene, c.client), room(0), canvas.unicode()), {Tone::faint, false, false});
  centred(area.top + 1, 1, cut(vip, room(1), canvas.unicode()), {Tone::faint, false, false});
  if (count == 4 && c.inside_client) {
    centred(area.top + 1, 2, cut(endpoint_text(scene, *c.inside_client), room(2), canvas.unicode()), {Tone::faint, false, false});
  }
  centred(area.top + 1, count - 1, cut(rip, room(count - 1), canvas.unicode()), {Tone::faint, false, false});
}

std::vector<Line> footer_lines(const Scene& scene, const ConnectionRow& row, int width) {
  std::vector<Line> lines;
  const Connection& c = row.connection;
  std::string times;
  const auto add = [&](std::string_view what, const std::optional<std::int64_t>& value) {
    if (value) times += (times.empty() ? "" : "   ") + std::string(what) + " " + short_duration(*value);
  };
  add("1>2 director", c.director_request), add("2>3 real server", c.real_server), add("3>4 director", c.director_reply);
  add("client answers", c.client_rtt), add("first data answered", c.response);
  if (!times.empty()) wrap_into(lines, times, width);
  bool first = true;
  for (const int code : row.codes) {
    const Finding* f = nullptr;
    for (const Finding& candidate : scene.snapshot.report.findings) {
      if (candidate.code != code) continue;
      if (f == nullptr || (c.rip && candidate.subject.real_server == to_string(c.rip->address))) f = &candidate;
    }
    if (f == nullptr) continue;
    wrap_into(lines, code_name(code) + " " + printable(f->title) + (first ? "   (e why, y cure)" : ""), width,
              {tone_of(f->severity), true, false}, 7);
    first = false;
  }
  return lines;
}

std::string title_text(const Scene& scene, const ConnectionRow& row, int width, bool unicode) {
  const Connection& c = row.connection;
  std::string text = "legs " + c.leg_string.str();
  if (!row.codes.empty()) text += "  " + codes_text(row.codes);
  text += "  " + protocol_name(c.protocol) + " " + endpoint_text(scene, c.client) + " > " +
          (c.vip ? endpoint_text(scene, *c.vip) : "?") + " > " + (c.rip ? endpoint_text(scene, *c.rip) : "?") + "  " +
          (row.ipvs_state.empty() ? std::string(name(c.state)) : row.ipvs_state);
  return cut(text, width, unicode);
}

/// Steps to draw: the packets where they are kept, else what the counts tell.
std::vector<LadderStep> steps_of(const Scene& scene, const Page& page, const Connection& c, std::vector<std::string>& remarks) {
  const auto& ladder = scene.snapshot.ladder;
  if (!ladder || ladder->id != page.connection || ladder->steps.empty()) {
    if (ladder && ladder->id == page.connection)
      remarks.emplace_back("its packets are no longer kept: one line a leg, from the counts");
    return steps_from_counts(c);
  }
  if (ladder->beginning_lost) remarks.emplace_back("its first packets are no longer kept");
  if (ladder->left_out != 0) remarks.push_back(with_commas(ladder->left_out) + " packets in the middle are left out");
  return ladder->steps;
}

int draw_words(const Scene& scene, const Page& page, Canvas& canvas, Area area, const ConnectionRow& row) {
  const Connection& c = row.connection;
  std::vector<Line> lines;
  lines.push_back({title_text(scene, row, area.width, canvas.unicode()), {tone_of_legs(c.leg_string), true, false}});
  lines.push_back({"client > director > real server", {Tone::plain, true, false}});
  std::vector<std::string> remarks;
  std::optional<Timestamp> before;
  static constexpr std::array<std::string_view, 4> ways{"client > director", "director > real server", "real server > director",
                                                        "director > client"};
  for (const LadderStep& step : steps_of(scene, page, c, remarks)) {
    std::string text = fit(time_text(scene, step, before, false), 8, Align::right, true) + " ";
    if (step.kind == LadderStep::Kind::event) {
      text += "* " + step.text;
    } else {
      text += std::to_string(lvsnat::index(step.leg) + 1) + " " + step.text + (step.repeat ? " again" : "") + ": " +
              std::string(ways[lvsnat::index(step.leg)]);
    }
    wrap_into(lines, text, area.width, {step.suspicious ? Tone::warning : Tone::plain, false, false}, 11);
    before = step.time;
  }
  for (const Leg leg : kLegs) {
    const std::string number = std::to_string(lvsnat::index(leg) + 1);
    if (c.leg_string[leg] == '-') {
      wrap_into(lines, "    none " + number + " missing: " + std::string(ways[lvsnat::index(leg)]), area.width,
                {Tone::bad, true, false}, 11);
    } else if (c.leg_string[leg] == '?' && !c.saw(leg)) {
      wrap_into(lines, "       ? " + number + " not captured", area.width, {Tone::faint, false, false}, 11);
    }
  }
  for (const std::string& remark : remarks) wrap_into(lines, "(" + remark + ")", area.width, {Tone::faint, false, false});
  for (Line& line : footer_lines(scene, row, area.width)) lines.push_back(std::move(line));
  const int most = draw_lines(canvas, area, lines, page.scroll);
  if (page.scroll < most) {
    constexpr std::string_view kMore = " more: PgDn ";
    canvas.put(area.top + area.height - 1, std::max(0, area.width - text_width(kMore)), kMore, {Tone::faint, false, true});
  }
  return most;
}

}  // namespace

int draw_ladder(const Scene& scene, const Page& page, Canvas& canvas, Area area) {
  const ConnectionRow* row = find_row(scene.snapshot, page.connection);
  if (row == nullptr) {
    draw_empty(canvas, area, {"This connection has left the table.", "Esc leads back to the others."});
    return 0;
  }
  if (area.width < kThreeLanes || area.height < 8) return draw_words(scene, page, canvas, area, *row);
  const Connection& c = row->connection;
  canvas.put(area.top, 0, title_text(scene, *row, area.width, canvas.unicode()), {tone_of_legs(c.leg_string), true, false});
  const Lanes lanes = lanes_for(area.width);
  draw_headings(scene, canvas, {area.top + 1, 2, area.width}, lanes, c);

  std::vector<std::string> remarks;
  const std::vector<LadderStep> steps = steps_of(scene, page, c, remarks);
  std::vector<Line> footer = footer_lines(scene, *row, area.width - 1);
  for (const std::string& remark : remarks) footer.push_back({"(" + remark + ")", {Tone::faint, false, false}});
  const int below = std::min(static_cast<int>(footer.size()) + 1, area.height / 3);
  const Area body{area.top + 3, area.height - 3 - below, area.width};

  const auto missing = static_cast<int>(std::count_if(kLegs.begin(), kLegs.end(), [&](Leg leg) {
    return c.leg_string[leg] == '-' || (c.leg_string[leg] == '?' && !c.saw(leg));
  }));
  const int most = std::max(0, static_cast<int>(steps.size()) + missing - body.height);
  Drawing drawing{canvas, body, lanes, body.top, std::clamp(page.scroll, 0, most)};
  std::optional<Timestamp> before;
  for (const LadderStep& step : steps) {
    draw_step(scene, drawing, step, before, c);
    before = step.time;
  }
  draw_missing(scene, drawing, c);
  const int used = std::min(drawing.drawn - drawing.first, body.height);
  for (int line = body.top + used; line < body.top + body.height; ++line) draw_rails(canvas, line, lanes);
  if (below > 1 || most > 0) {
    const int rule = area.top + area.height - below;
    for (int column = 0; column < area.width; ++column)
      canvas.put(rule, column, glyphs(canvas.unicode()).horizontal, {Tone::faint, false, false});
    if (most > 0) {
      const std::string place = " lines " + std::to_string(drawing.first + 1) + "-" + std::to_string(drawing.first + used) +
                                " of " + std::to_string(drawing.drawn) +
                                (drawing.first < most ? ", more: PgDn " : ", all shown ");
      canvas.put(rule, std::max(0, area.width - text_width(place) - 2), place, {Tone::faint, false, true});
    }
    draw_lines(canvas, {rule + 1, below - 1, area.width}, footer, 0);
  }
  return most;
}

std::string ladder_text(const Scene& scene, const Page& page, int width, bool unicode) {
  std::size_t lines = 24;
  if (scene.snapshot.ladder && scene.snapshot.ladder->id == page.connection) lines += scene.snapshot.ladder->steps.size() * 3 / 2;
  GridCanvas grid(width, static_cast<int>(std::min<std::size_t>(lines, 20'000)), unicode);
  draw_ladder(scene, page, grid, {0, grid.height(), grid.width()});
  return grid.text();
}

}  // namespace lvsnat::top
