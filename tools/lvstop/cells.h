// Text measured in terminal cells: UTF-8 in, columns out, the same on every machine and in every locale.
//
// Pure functions. What reaches a screen has passed printable() (lib/base/text.h) where it entered the model;
// safe_cell() is the second lock, for whatever slipped by.
#pragma once

#include <string>
#include <string_view>

namespace lvsnat::top {

/// Takes one code point off `text` (which must not be empty). Bytes that are no UTF-8 give U+FFFD, one byte each.
char32_t take_code_point(std::string_view& text);
/// Appends the UTF-8 of a code point.
void append_utf8(std::string& out, char32_t code);
/// Columns that a terminal gives this code point: 0 (combining, control, format), 1, or 2 (East Asian wide, emoji).
int cell_width(char32_t code);
/// The code point itself, or '?' for what must not reach a terminal: C0 and C1 controls, direction and zero-width
/// marks, line separators, tags, private use, and combining marks (which would sit on the neighbour's cell).
char32_t safe_cell(char32_t code);
/// Columns that put() of this text fills.
int text_width(std::string_view text);

enum class Align { left, right };
/// Exactly `width` columns: padded, or cut with an ellipsis at the end ("~" where the terminal has no UTF-8).
std::string fit(std::string_view text, int width, Align align, bool unicode);
/// At most `width` columns, not padded.
std::string cut(std::string_view text, int width, bool unicode);

}  // namespace lvsnat::top
