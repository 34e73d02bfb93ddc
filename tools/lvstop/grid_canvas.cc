#include "grid_canvas.h"

#include <algorithm>

#include "cells.h"

namespace lvsnat::top {

GridCanvas::GridCanvas(int width, int height, bool unicode)
    : width_(std::max(width, 1)),
      height_(std::max(height, 1)),
      unicode_(unicode),
      cells_(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_)) {}

const Cell& GridCanvas::at(int row, int column) const {
  return cells_[static_cast<std::size_t>(row) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(column)];
}

void GridCanvas::set(int row, int column, const Cell& cell, int columns) {
  const auto index = static_cast<std::size_t>(row) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(column);
  // Half of a wide character that is written over leaves a blank, as terminals do.
  if (cells_[index].code == 0 && column > 0) cells_[index - 1].code = U' ';
  if (columns == 1 && column + 1 < width_ && cells_[index + 1].code == 0) cells_[index + 1].code = U' ';
  cells_[index] = cell;
  if (columns == 2) cells_[index + 1] = Cell{0, cell.style};
}

std::string GridCanvas::line(int row) const {
  std::string out;
  for (int column = 0; column < width_; ++column) {
    if (const char32_t code = at(row, column).code; code != 0) append_utf8(out, code);
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

std::string GridCanvas::text() const {
  std::string out;
  for (int row = 0; row < height_; ++row) out += line(row) + '\n';
  while (out.size() >= 2 && out[out.size() - 1] == '\n' && out[out.size() - 2] == '\n') out.pop_back();
  return out;
}

}  // namespace lvsnat::top
