// What screens draw on: a rectangle of cells, each a character and a style. Screens know nothing of terminals, so a
// test compares them as text.
//
// Ownership: the canvas owns its cells. Threads: one thread. Everything outside the rectangle is clipped.
#pragma once

#include <string_view>

namespace lvsnat::top {

/// What a cell means. How it looks is the canvas's business: a colour where there are colours, else bold, dim, or
/// nothing, because colour never carries a meaning alone.
enum class Tone : unsigned char { plain, good, warning, bad, accent, faint };

struct Style {
  Tone tone = Tone::plain;
  bool bold = false;
  bool reverse = false;  // the selected row, the tab of the current view
  friend bool operator==(const Style&, const Style&) = default;
};

struct Cell {
  char32_t code = U' ';  // 0: the right half of a wide character
  Style style;
  friend bool operator==(const Cell&, const Cell&) = default;
};

class Canvas {
 public:
  Canvas() = default;
  Canvas(const Canvas&) = delete;
  Canvas& operator=(const Canvas&) = delete;
  virtual ~Canvas();

  [[nodiscard]] virtual int width() const = 0;
  [[nodiscard]] virtual int height() const = 0;
  /// False: the terminal's character set is not UTF-8, so everything beyond ASCII becomes '?'; screens draw with
  /// glyphs() that fit.
  [[nodiscard]] virtual bool unicode() const = 0;

  /// Writes text from a cell to the right, clipped; returns the column after it. Control characters, direction marks
  /// and invalid UTF-8 become '?', whatever the caller passes.
  int put(int row, int column, std::string_view text, Style style = {});
  /// `count` times one character.
  void fill(int row, int column, int count, char32_t code, Style style = {});

 protected:
  /// Stores one cell within the rectangle; the character is safe and its columns are given (1 or 2).
  virtual void set(int row, int column, const Cell& cell, int columns) = 0;
};

/// The characters that differ between UTF-8 and ASCII terminals.
struct Glyphs {
  const char *horizontal, *vertical, *arrow_right, *arrow_left, *dash;  // one column each
  const char *good, *some, *none, *no_data, *draining, *wrong;          // lights
  const char *branch, *last_branch, *open, *closed;                     // the tree of the overview
  const char* bars[9];                                                  // sparkline: nothing to full
  const char *full, *empty;                                             // meters
  const char* play;
  const char* pause;
  const char* between;  // separates parts of a line
};
const Glyphs& glyphs(bool unicode);

}  // namespace lvsnat::top
