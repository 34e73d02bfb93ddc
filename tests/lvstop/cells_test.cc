#include "cells.h"

#include <string>

#include <gtest/gtest.h>

#include "grid_canvas.h"

namespace lvsnat::top {
namespace {

TEST(Cells, WidthCountsCellsNotBytes) {
  EXPECT_EQ(text_width("abc"), 3);
  EXPECT_EQ(text_width("\u00e4\u25cf"), 2);
  EXPECT_EQ(text_width("\u65e5\u672c"), 4);
  EXPECT_EQ(text_width("\U0001F600"), 2);
}

TEST(Cells, CuttingNeverSplitsACharacter) {
  EXPECT_EQ(cut("\u65e5\u672c\u8a9e", 5, true), "\u65e5\u672c\u2026");
  EXPECT_EQ(cut("\u65e5\u672c\u8a9e", 4, true), "\u65e5\u2026");
  EXPECT_EQ(cut("abcdef", 4, false), "abc~");
  EXPECT_EQ(cut("abc", 0, true), "");
  EXPECT_EQ(fit("ab", 4, Align::right, true), "  ab");
  EXPECT_EQ(fit("ab", 4, Align::left, true), "ab  ");
  for (int width = 0; width < 12; ++width) {
    EXPECT_EQ(text_width(fit("a\u65e5b\u672cc\u8a9e", width, Align::left, true)), width) << width;
  }
}

TEST(Cells, BrokenUtf8IsOneSignAByte) {
  std::string_view text = "\xff\xc0\xaf\xed\xa0\x80z";
  int count = 0;
  while (text.size() > 1) {
    EXPECT_EQ(take_code_point(text), char32_t{0xfffd});
    ++count;
  }
  EXPECT_EQ(count, 6);
  EXPECT_EQ(take_code_point(text), U'z');
  std::string_view cut_off = "\xe2\x82";
  EXPECT_EQ(take_code_point(cut_off), char32_t{0xfffd});
}

TEST(Canvas, WhatSteersATerminalNeverReachesACell) {
  GridCanvas grid(40, 1, true);
  grid.put(0, 0, "a\x1b[31mb\r\n\t\u202ec\u200d\u2066d\u0301\ue000\x7f\u009b");
  const std::string line = grid.line(0);
  EXPECT_EQ(line, "a?[31mb????c??d????");
}

TEST(Canvas, AsciiTerminalsGetAscii) {
  GridCanvas grid(10, 1, false);
  grid.put(0, 0, "\u25cf\u65e5x");
  EXPECT_EQ(grid.line(0), "??x");
}

TEST(Canvas, EverythingOutsideIsClipped) {
  GridCanvas grid(4, 2, true);
  grid.put(-1, 0, "no");
  grid.put(2, 0, "no");
  grid.put(0, 2, "abcdef");
  grid.put(1, 3, "\u65e5");  // two cells do not fit into one
  EXPECT_EQ(grid.text(), "  ab\n");
}

TEST(Canvas, HalfAWideCharacterThatIsWrittenOverLeavesABlank) {
  GridCanvas grid(6, 1, true);
  grid.put(0, 0, "\u65e5\u672c");
  grid.put(0, 1, "x");
  EXPECT_EQ(grid.line(0), " x\u672c");
  grid.put(0, 2, "y");
  EXPECT_EQ(grid.line(0), " xy");
}

}  // namespace
}  // namespace lvsnat::top
