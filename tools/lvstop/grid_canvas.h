// A canvas that is only memory: for --once, for saving a screen as text, and for tests.
#pragma once

#include <string>
#include <vector>

#include "canvas.h"

namespace lvsnat::top {

class GridCanvas final : public Canvas {
 public:
  /// Sizes below 1 count as 1.
  GridCanvas(int width, int height, bool unicode);

  [[nodiscard]] int width() const override { return width_; }
  [[nodiscard]] int height() const override { return height_; }
  [[nodiscard]] bool unicode() const override { return unicode_; }
  [[nodiscard]] const Cell& at(int row, int column) const;
  /// One row as UTF-8 without trailing blanks.
  [[nodiscard]] std::string line(int row) const;
  /// All rows, each ended by a newline, trailing blanks and trailing empty rows left away.
  [[nodiscard]] std::string text() const;

 protected:
  void set(int row, int column, const Cell& cell, int columns) override;

 private:
  int width_, height_;
  bool unicode_;
  std::vector<Cell> cells_;
};

}  // namespace lvsnat::top
