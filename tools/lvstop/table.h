// Columns that give way: the first ones stay, the later ones leave when there is no room, and what stays shrinks.
//
// Pure: layout() says where columns stand for a width; draw_row() puts one row. Columns are ordered by how they stand
// from left to right; `keep` orders how long they stay (0 stays always, larger numbers leave first).
#pragma once

#include <string>
#include <vector>

#include "canvas.h"
#include "cells.h"

namespace lvsnat::top {

struct Column {
  std::string heading;
  int least = 4;  // columns below which it is not worth showing
  int most = 40;  // columns beyond which it does not grow
  Align align = Align::left;
  int keep = 0;
};

struct TableCell {
  std::string text;
  Style style;
};

struct PlacedColumn {
  std::size_t column;
  int at, width;
};

using TableRow = std::vector<TableCell>;  // as many as columns

/// Widths come from the headings and from the rows that will be seen.
std::vector<PlacedColumn> layout(const std::vector<Column>& columns, const std::vector<TableRow>& seen, int width);
void draw_headings(Canvas&, int row, const std::vector<Column>&, const std::vector<PlacedColumn>&, int width, Style);
/// `selected`: the whole line is drawn reversed.
void draw_row(Canvas&, int row, const std::vector<Column>&, const std::vector<PlacedColumn>&, const TableRow&, int width,
              bool selected);

/// A rectangle of a canvas.
struct Area {
  int top = 0, height = 0, width = 0;
};

/// A history as eight-step bars, scaled to its largest value; `columns` newest values.
template <typename Range>
std::string sparkline(const Range& values, int columns, bool unicode) {
  const auto size = static_cast<int>(values.size());
  const int count = columns < size ? columns : size;
  double largest = 0;
  for (int i = size - count; i < size; ++i) {
    const auto v = static_cast<double>(values[static_cast<std::size_t>(i)]);
    if (v > largest) largest = v;
  }
  std::string out;
  for (int i = size - count; i < size; ++i) {
    const auto v = static_cast<double>(values[static_cast<std::size_t>(i)]);
    const int level = v <= 0 ? 0 : 1 + static_cast<int>(v / largest * 7);
    out += glyphs(unicode).bars[level > 8 ? 8 : level];
  }
  return out;
}

}  // namespace lvsnat::top
