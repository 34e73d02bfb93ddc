// Words on a screen of fixed width: how wide text is, where it may be broken. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lvsnat/export.h"

namespace lvsnat {

/// Columns that valid UTF-8 takes on a terminal: 2 for East Asian wide characters, 0 for combining marks, else 1.
LVSNAT_EXPORT std::size_t columns(std::string_view utf8);

/// Pads with blanks to `width` columns; longer text stays as it is.
LVSNAT_EXPORT std::string left(std::string_view text, std::size_t width);
LVSNAT_EXPORT std::string right(std::string_view text, std::size_t width);

/// Appends `text` broken at blanks so that no line is wider than `width` columns, where words allow: a longer word (an IPv6
/// address, a file name) stands on a line of its own, whole, so that it can be copied. The first line begins with `first`, the
/// others with `rest`. A '\n' in the text ends a line. Every line passes printable().
LVSNAT_EXPORT void append_paragraph(std::string& out, std::string_view first, std::string_view rest, std::string_view text,
                                    std::size_t width);

/// Appends each line of `text` behind `indent`, unbroken: commands that are to be pasted.
LVSNAT_EXPORT void append_verbatim(std::string& out, std::string_view indent, std::string_view text);

}  // namespace lvsnat
