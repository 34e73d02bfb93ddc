#include "table.h"

#include <algorithm>

namespace lvsnat::top {
namespace {
constexpr int kGap = 1;
}

std::vector<PlacedColumn> layout(const std::vector<Column>& columns, const std::vector<TableRow>& seen, int width) {
  std::vector<int> wanted(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    wanted[i] = std::max(text_width(columns[i].heading), columns[i].least);
    for (const TableRow& row : seen) wanted[i] = std::max(wanted[i], text_width(row[i].text));
    wanted[i] = std::min(wanted[i], std::max(columns[i].most, columns[i].least));
  }
  std::vector<bool> gone(columns.size(), false);
  const auto total = [&](const std::vector<int>& widths) {
    int sum = 0;
    for (std::size_t i = 0; i < columns.size(); ++i) sum += gone[i] ? 0 : widths[i] + kGap;
    return sum - kGap;
  };
  while (total(wanted) > width) {
    std::size_t victim = columns.size();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!gone[i] && columns[i].keep > 0 && (victim == columns.size() || columns[i].keep >= columns[victim].keep)) victim = i;
    }
    if (victim == columns.size()) break;
    gone[victim] = true;
  }
  // A column that left may come back when it fits beside those that stayed.
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!gone[i]) continue;
    gone[i] = false;
    if (total(wanted) > width) gone[i] = true;
  }
  // What cannot leave shrinks, the widest first.
  while (total(wanted) > width) {
    std::size_t widest = columns.size();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!gone[i] && wanted[i] > columns[i].least && (widest == columns.size() || wanted[i] >= wanted[widest])) widest = i;
    }
    if (widest == columns.size()) break;
    --wanted[widest];
  }
  std::vector<PlacedColumn> placed;
  int at = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (gone[i] || at >= width) continue;
    placed.push_back({i, at, std::min(wanted[i], width - at)});
    at += wanted[i] + kGap;
  }
  // The last column takes what is left, so that its text is not cut beside blank space.
  if (!placed.empty() && columns[placed.back().column].align == Align::left) {
    PlacedColumn& last = placed.back();
    last.width = std::clamp(width - last.at, last.width, std::max(columns[last.column].most, last.width));
  }
  return placed;
}

void draw_headings(Canvas& canvas, int row, const std::vector<Column>& columns, const std::vector<PlacedColumn>& placed,
                   int width, Style style) {
  canvas.fill(row, 0, width, U' ', style);
  for (const PlacedColumn& p : placed) {
    canvas.put(row, p.at, fit(columns[p.column].heading, p.width, columns[p.column].align, canvas.unicode()), style);
  }
}

void draw_row(Canvas& canvas, int row, const std::vector<Column>& columns, const std::vector<PlacedColumn>& placed,
              const TableRow& cells, int width, bool selected) {
  Style base;
  base.reverse = selected;
  if (selected) canvas.fill(row, 0, width, U' ', base);
  for (const PlacedColumn& p : placed) {
    Style style = cells[p.column].style;
    style.reverse = selected;
    canvas.put(row, p.at, fit(cells[p.column].text, p.width, columns[p.column].align, canvas.unicode()), style);
  }
}

}  // namespace lvsnat::top
