#include "screens/connections.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace lvsnat::top {
namespace {

constexpr int kTwoLines = 60;  // below this many columns a connection takes two lines

std::string lights(const LegString& legs, bool unicode) {
  const Glyphs& g = glyphs(unicode);
  std::string text;
  for (const char c : legs.text) text += c == '-' ? g.none : c == '?' ? g.no_data : c == '!' ? g.wrong : g.good;
  return text;
}

std::string per_leg(const Connection& c) {
  std::string text;
  for (const Leg leg : kLegs) {
    text += text.empty() ? "" : "/";
    text += c.leg_string[leg] == '?' && !c.saw(leg) ? "?" : short_count(c.leg(leg).packets);
  }
  return text;
}

std::string state_text(const ConnectionRow& row) {
  return row.ipvs_state.empty() ? std::string(name(row.connection.state)) : row.ipvs_state;
}

std::string left_text(const ConnectionRow& row, const Scene& scene) {
  if (!row.expires) return "-";
  // A saved table stands still; a live one goes on from when it was read.
  const Snapshot& s = scene.snapshot;
  const std::int64_t gone = s.capture.mode == Mode::live ? (scene.now - s.state_taken.value_or(s.now)) / kSecond : 0;
  const std::int64_t left = std::max<std::int64_t>(0, std::int64_t{*row.expires} - std::max<std::int64_t>(gone, 0));
  const std::string seconds = std::to_string(left % 60);
  return std::to_string(left / 60) + ":" + (seconds.size() < 2 ? "0" : "") + seconds;
}

std::string time_text(const std::optional<std::int64_t>& ns) { return ns ? short_duration(*ns) : "-"; }

std::vector<Column> all_columns() {
  return {
      {"LEGS", 5, 5, Align::left, 0},          {"LIGHTS", 6, 6, Align::left, 9},   {"CODE", 6, 8, Align::left, 0},
      {"PROTO", 4, 5, Align::left, 12},        {"CLIENT", 19, 47, Align::left, 0}, {"VIP", 15, 47, Align::left, 5},
      {"REAL SERVER", 13, 47, Align::left, 0}, {"STATE", 9, 12, Align::left, 1},   {"AGE", 5, 6, Align::right, 4},
      {"LEFT", 5, 6, Align::right, 3},         {"IDLE", 5, 6, Align::right, 6},    {"PKTS 1/2/3/4", 12, 24, Align::left, 2},
      {"ANSWER", 6, 6, Align::right, 7},       {"1>2", 5, 6, Align::right, 10},    {"2>3", 5, 6, Align::right, 10},
      {"3>4", 5, 6, Align::right, 10},         {"RTT", 5, 6, Align::right, 11},    {"BYTES", 6, 6, Align::right, 8},
      {"AGAIN", 5, 5, Align::right, 8},
  };
}

/// The order that a click on the heading of each of all_columns() asks for.
constexpr std::array<std::optional<SortBy>, 19> kSortOfColumn{
    SortBy::legs,      SortBy::legs, SortBy::finding, std::nullopt,  SortBy::client,  SortBy::vip,    SortBy::real_server,
    SortBy::state,     SortBy::age,  SortBy::left,    SortBy::idle,  SortBy::packets, SortBy::answer, SortBy::director,
    SortBy::handshake, std::nullopt, SortBy::rtt,     SortBy::bytes, SortBy::repeats};

TableRow row_cells(const Scene& scene, const ConnectionRow& row, bool unicode) {
  const Connection& c = row.connection;
  const Style legs{tone_of_legs(c.leg_string), is_broken(c), false};
  std::uint64_t bytes = 0, repeats = 0;
  for (const LegCount& leg : c.legs) bytes += leg.bytes, repeats += leg.repeats;
  return {
      {c.leg_string.str() + (scene.view.tagged.contains(id_of(c)) ? "*" : " "), legs},
      {lights(c.leg_string, unicode), legs},
      {row.codes.empty() ? "-" : codes_text(row.codes), {row.worst ? tone_of(*row.worst) : Tone::plain, false, false}},
      {protocol_name(c.protocol), {}},
      {endpoint_text(scene, c.client), {}},
      {c.vip ? endpoint_text(scene, *c.vip) : "?", {}},
      {c.rip ? endpoint_text(scene, *c.rip) : "?", {}},
      {state_text(row), {c.state == ConnectionState::reset ? Tone::warning : Tone::plain, false, false}},
      {short_duration(age_of(c, scene.now)), {}},
      {left_text(row, scene), {}},
      {short_duration(idle_of(c, scene.now)), {}},
      {per_leg(c), {}},
      {time_text(c.response), {}},
      {time_text(c.director_request), {}},
      {time_text(c.real_server), {}},
      {time_text(c.director_reply), {}},
      {time_text(c.client_rtt), {}},
      {short_count(bytes), {}},
      {repeats == 0 ? "-" : short_count(repeats), {repeats == 0 ? Tone::plain : Tone::warning, false, false}},
  };
}

/// The rows in sight, and where their columns stand.
struct ShownTable {
  std::vector<Column> columns;
  std::vector<std::optional<SortBy>> sorts;  // of each column
  std::vector<TableRow> cells;
  std::vector<PlacedColumn> placed;
};

ShownTable shown_table(const Scene& scene, Area area, bool unicode) {
  const auto& rows = scene.listing.connections;
  const Snapshot& s = scene.snapshot;
  const int top = scene.view.selection().top;
  ShownTable table;
  // Columns that were switched off, and the time left where no kernel table tells it, do not take part.
  std::vector<std::size_t> kept;
  const std::vector<Column> all = all_columns();
  const bool any_left =
      std::any_of(s.connections.begin(), s.connections.end(), [](const ConnectionRow& r) { return r.expires.has_value(); });
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (scene.view.hidden_columns.contains(all[i].heading)) continue;
    if (all[i].heading == "LEFT" && !any_left) continue;
    kept.push_back(i);
    table.columns.push_back(all[i]);
    table.sorts.push_back(kSortOfColumn[i]);
  }
  for (int i = 0; i < area.height - 1 && i + top < static_cast<int>(rows.size()); ++i) {
    TableRow whole = row_cells(scene, s.connections[rows[static_cast<std::size_t>(i + top)]], unicode);
    TableRow shown;
    for (const std::size_t k : kept) shown.push_back(std::move(whole[k]));
    table.cells.push_back(std::move(shown));
  }
  table.placed = layout(table.columns, table.cells, area.width);
  return table;
}

void draw_two_lines(const Scene& scene, Canvas& canvas, Area area, int row, const ConnectionRow& r, bool selected) {
  const Connection& c = r.connection;
  const auto style = [&](Tone tone, bool bold = false) { return Style{tone, bold, selected}; };
  if (selected) {
    canvas.fill(row, 0, area.width, U' ', style(Tone::plain));
    canvas.fill(row + 1, 0, area.width, U' ', style(Tone::plain));
  }
  int at = canvas.put(row, 0, c.leg_string.str(), style(tone_of_legs(c.leg_string), true));
  at = canvas.put(row, at, scene.view.tagged.contains(id_of(c)) ? "*" : " ", style(Tone::plain));
  const std::string code = r.codes.empty() ? "-" : codes_text(r.codes);
  at = canvas.put(row, at, fit(code, 9, Align::left, canvas.unicode()), style(r.worst ? tone_of(*r.worst) : Tone::plain));
  std::string rest = state_text(r) + " " + short_duration(age_of(c, scene.now));
  if (r.expires) rest += " left " + left_text(r, scene);
  canvas.put(row, at, cut(rest, area.width - at, canvas.unicode()), style(Tone::plain));
  if (row + 1 >= area.top + area.height) return;
  const std::string client = endpoint_text(scene, c.client), server = c.rip ? endpoint_text(scene, *c.rip) : "?";
  const int room = area.width - 5;
  std::string line = "  " + client + " > " + server;
  if (text_width(line) > area.width)
    line = "  " + cut(client, room / 2, canvas.unicode()) + " > " + cut(server, room - room / 2, canvas.unicode());
  canvas.put(row + 1, 0, line, style(Tone::plain));
}

}  // namespace

std::vector<std::string> ConnectionsScreen::optional_columns() {
  std::vector<std::string> headings;
  for (const Column& column : all_columns()) {
    if (column.keep > 0) headings.push_back(column.heading);
  }
  return headings;
}

int ConnectionsScreen::lines_per_row(int width) const { return width < kTwoLines ? 2 : 1; }

int ConnectionsScreen::list_height(const Scene&, Area area) const {
  return area.width < kTwoLines ? area.height : area.height - 1;
}

void ConnectionsScreen::draw(const Scene& scene, Canvas& canvas, Area area) const {
  const auto& rows = scene.listing.connections;
  const Snapshot& s = scene.snapshot;
  if (rows.empty()) {
    if (!s.connections.empty()) {
      draw_empty(canvas, area,
                 {"No connection passes. " +
                  std::string(scene.view.problems_only ? "Only problems are shown (a shows all)." : "Esc lifts the filter.")});
    } else {
      draw_empty(canvas, area, {"No connection to a service was seen yet.", "View 5 says what was captured."});
    }
    return;
  }
  const Selection& selection = scene.view.selection();
  if (lines_per_row(area.width) == 2) {
    for (int i = 0; 2 * i < area.height && i + selection.top < static_cast<int>(rows.size()); ++i) {
      const int at = i + selection.top;
      draw_two_lines(scene, canvas, area, area.top + 2 * i, s.connections[rows[static_cast<std::size_t>(at)]],
                     at == selection.row);
    }
    return;
  }
  const ShownTable table = shown_table(scene, area, canvas.unicode());
  draw_headings(canvas, area.top, table.columns, table.placed, area.width, {Tone::faint, true, false});
  for (const PlacedColumn& p : table.placed) {
    if (table.sorts[p.column] != (scene.view.follow ? SortBy::age : scene.view.sort)) continue;
    canvas.put(area.top, p.at, fit(table.columns[p.column].heading, p.width, table.columns[p.column].align, canvas.unicode()),
               {Tone::accent, true, false});
  }
  for (std::size_t i = 0; i < table.cells.size(); ++i) {
    const int row = static_cast<int>(i);
    draw_row(canvas, area.top + 1 + row, table.columns, table.placed, table.cells[i], area.width,
             row + selection.top == selection.row);
  }
}

std::optional<SortBy> ConnectionsScreen::sort_at(const Scene& scene, Area area, int column) const {
  if (lines_per_row(area.width) == 2) return std::nullopt;
  const ShownTable table = shown_table(scene, area, true);
  for (const PlacedColumn& p : table.placed) {
    if (column >= p.at && column <= p.at + p.width) return table.sorts[p.column];
  }
  return std::nullopt;
}

const Screen& connections_screen() {
  static const ConnectionsScreen screen;
  return screen;
}

}  // namespace lvsnat::top
