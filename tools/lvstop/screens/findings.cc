#include "screens/findings.h"

#include <algorithm>

#include "base/text.h"
#include "screens/finding_page.h"

namespace lvsnat::top {
namespace {

int detail_height(const Scene& scene, Area area) {
  if (area.height < 11) return 0;
  const auto rows = static_cast<int>(scene.listing.findings.size());
  return std::max(area.height / 2, area.height - 1 - rows);
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {"", 5, 5, Align::left, 0},       {"CODE", 6, 6, Align::left, 0},       {"LEGS", 4, 4, Align::left, 3},
      {"COUNT", 5, 7, Align::right, 2}, {"FINDING", 18, 110, Align::left, 0}, {"REAL SERVER", 11, 40, Align::left, 4},
      {"SURE", 8, 8, Align::left, 5},   {"SERVICE", 12, 52, Align::left, 6},
  };
  return all;
}

TableRow row_cells(const Finding& f) {
  return {
      {std::string(word(f.severity)), {tone_of(f.severity), true, false}},
      {code_name(f.code), {tone_of(f.severity), false, false}},
      {f.legs ? f.legs->str() : "", {}},
      {f.count == 0 ? "" : short_count(f.count), {}},
      {printable(f.title), {}},
      {printable(f.subject.real_server.value_or("")), {}},
      {std::string(name(f.confidence)), {}},
      {printable(f.subject.service.value_or("")), {}},
  };
}

}  // namespace

int FindingsScreen::list_height(const Scene& scene, Area area) const {
  return std::max(1, area.height - 1 - detail_height(scene, area));
}

void FindingsScreen::draw(const Scene& scene, Canvas& canvas, Area area) const {
  const auto& rows = scene.listing.findings;
  const Report& report = scene.snapshot.report;
  if (rows.empty()) {
    if (!report.findings.empty()) {
      draw_empty(canvas, area, {"No finding passes the filter. Esc lifts it."});
    } else {
      std::vector<std::string> sentences{report.connections.healthy != 0
                                             ? "Nothing is wrong with the " + with_commas(report.connections.healthy) +
                                                   " connections that were seen whole."
                                             : "No finding. No connection was seen whole either: this proves nothing yet."};
      for (const std::string& note : report.notes) sentences.push_back(printable(note));
      draw_empty(canvas, area, sentences);
    }
    return;
  }
  const Selection& selection = scene.view.selection();
  const int height = list_height(scene, area), details = detail_height(scene, area);
  std::vector<TableRow> cells;
  for (int i = 0; i < height && i + selection.top < static_cast<int>(rows.size()); ++i) {
    cells.push_back(row_cells(report.findings[rows[static_cast<std::size_t>(i + selection.top)]]));
  }
  const auto placed = layout(columns(), cells, area.width);
  draw_headings(canvas, area.top, columns(), placed, area.width, {Tone::faint, true, false});
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const int row = static_cast<int>(i);
    draw_row(canvas, area.top + 1 + row, columns(), placed, cells[i], area.width, row + selection.top == selection.row);
  }
  if (details < 2 || selection.row >= static_cast<int>(rows.size())) return;
  const int top = area.top + area.height - details;
  for (int column = 0; column < area.width; ++column)
    canvas.put(top, column, glyphs(canvas.unicode()).horizontal, {Tone::faint, false, false});
  const Finding& f = report.findings[rows[static_cast<std::size_t>(selection.row)]];
  const std::vector<Line> lines = finding_lines(f, area.width - 1);
  const int more = draw_lines(canvas, {top + 1, details - 1, area.width}, lines, 0);
  if (more > 0) {
    const std::string text = " " + std::to_string(more) + " lines more: Enter ";
    canvas.put(top, std::max(0, area.width - text_width(text) - 2), text, {Tone::faint, false, false});
  }
}

const Screen& findings_screen() {
  static const FindingsScreen screen;
  return screen;
}

}  // namespace lvsnat::top
