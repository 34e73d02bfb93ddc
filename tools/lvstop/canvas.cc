#include "canvas.h"

#include "cells.h"

namespace lvsnat::top {

Canvas::~Canvas() = default;

int Canvas::put(int row, int column, std::string_view text, Style style) {
  while (!text.empty()) {
    char32_t code = safe_cell(take_code_point(text));
    if (!unicode() && code > 0x7e) code = U'?';
    const int columns = cell_width(code);
    if (column + columns > width()) return width();
    if (row >= 0 && row < height() && column >= 0) set(row, column, Cell{code, style}, columns);
    column += columns;
  }
  return column;
}

void Canvas::fill(int row, int column, int count, char32_t code, Style style) {
  std::string one;
  append_utf8(one, code);
  for (int i = 0; i < count && column < width(); ++i) column = put(row, column, one, style);
}

const Glyphs& glyphs(bool unicode) {
  static constexpr Glyphs utf8{"─", "│", ">", "<",  "-",  "●", "◐", "○",
                               "◌", "◍", "!", "├ ", "└ ", "▼", "▶", {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
                               "█", "░", "▶", "‖",  "│"};
  static constexpr Glyphs ascii{"-", "|", ">", "<",  "-",  "O", "o", ".",
                                "-", "~", "!", "|-", "`-", "v", ">", {" ", "_", ".", ":", "-", "=", "+", "*", "#"},
                                "#", ".", ">", "=",  "|"};
  return unicode ? utf8 : ascii;
}

}  // namespace lvsnat::top
