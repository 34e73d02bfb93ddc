#include "cells.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

namespace lvsnat::top {
namespace {

struct Range {
  char32_t first, last;
};

// Combining marks and other zero-width code points (Unicode general categories Mn, Me, Cf), the blocks that a name can
// reasonably hold; sorted.
constexpr std::array kZeroWidth{
    Range{0x00ad, 0x00ad},   Range{0x0300, 0x036f},   Range{0x0483, 0x0489}, Range{0x0591, 0x05bd}, Range{0x05bf, 0x05bf},
    Range{0x05c1, 0x05c5},   Range{0x0600, 0x0605},   Range{0x0610, 0x061c}, Range{0x064b, 0x065f}, Range{0x0670, 0x0670},
    Range{0x06d6, 0x06dd},   Range{0x06df, 0x06e4},   Range{0x06e7, 0x06e8}, Range{0x06ea, 0x06ed}, Range{0x070f, 0x070f},
    Range{0x0711, 0x0711},   Range{0x0730, 0x074a},   Range{0x07a6, 0x07b0}, Range{0x0900, 0x0902}, Range{0x093c, 0x093c},
    Range{0x0941, 0x0948},   Range{0x094d, 0x094d},   Range{0x0e31, 0x0e31}, Range{0x0e34, 0x0e3a}, Range{0x0e47, 0x0e4e},
    Range{0x1160, 0x11ff},   Range{0x180b, 0x180f},   Range{0x1ab0, 0x1aff}, Range{0x1dc0, 0x1dff}, Range{0x200b, 0x200f},
    Range{0x2028, 0x202e},   Range{0x2060, 0x206f},   Range{0x20d0, 0x20ff}, Range{0x302a, 0x302f}, Range{0x3099, 0x309a},
    Range{0xfe00, 0xfe0f},   Range{0xfe20, 0xfe2f},   Range{0xfeff, 0xfeff}, Range{0xfff9, 0xfffb}, Range{0x1d165, 0x1d169},
    Range{0x1d173, 0x1d182}, Range{0xe0000, 0xe0fff},
};

// East Asian wide and fullwidth, and emoji that terminals draw two cells wide (UAX #11); sorted.
constexpr std::array kWide{
    Range{0x1100, 0x115f},   Range{0x231a, 0x231b},   Range{0x2329, 0x232a},   Range{0x23e9, 0x23ec},   Range{0x2614, 0x2615},
    Range{0x26a1, 0x26a1},   Range{0x2705, 0x2705},   Range{0x2728, 0x2728},   Range{0x274c, 0x274c},   Range{0x2753, 0x2755},
    Range{0x2e80, 0x303e},   Range{0x3041, 0x3098},   Range{0x309b, 0x33ff},   Range{0x3400, 0x4dbf},   Range{0x4e00, 0x9fff},
    Range{0xa000, 0xa4cf},   Range{0xa960, 0xa97f},   Range{0xac00, 0xd7a3},   Range{0xf900, 0xfaff},   Range{0xfe30, 0xfe6f},
    Range{0xff00, 0xff60},   Range{0xffe0, 0xffe6},   Range{0x1f300, 0x1f64f}, Range{0x1f680, 0x1f6ff}, Range{0x1f900, 0x1f9ff},
    Range{0x20000, 0x2fffd}, Range{0x30000, 0x3fffd},
};

template <std::size_t N>
bool within(const std::array<Range, N>& ranges, char32_t code) {
  const auto it = std::upper_bound(ranges.begin(), ranges.end(), code, [](char32_t c, const Range& r) { return c < r.first; });
  return it != ranges.begin() && code <= std::prev(it)->last;
}

bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

bool is_private(char32_t code) {
  return (code >= 0xe000 && code <= 0xf8ff) || code >= 0xf0000 || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) == 0xfffe;
}

}  // namespace

char32_t take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  int more = 0;
  char32_t code = lead, least = 0;
  if (lead >= 0xf0 && lead < 0xf5) {
    more = 3, code = lead & 0x07, least = 0x10000;
  } else if (lead >= 0xe0 && lead < 0xf0) {
    more = 2, code = lead & 0x0f, least = 0x800;
  } else if (lead >= 0xc2 && lead < 0xe0) {
    more = 1, code = lead & 0x1f, least = 0x80;
  } else if (lead >= 0x80) {
    text.remove_prefix(1);
    return 0xfffd;
  }
  for (int i = 1; i <= more; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (at >= text.size() || (byte(at) & 0xc0) != 0x80) {
      text.remove_prefix(1);
      return 0xfffd;
    }
    code = code << 6 | (byte(at) & 0x3f);
  }
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    text.remove_prefix(1);
    return 0xfffd;
  }
  text.remove_prefix(static_cast<std::size_t>(more) + 1);
  return code;
}

void append_utf8(std::string& out, char32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

int cell_width(char32_t code) {
  if (is_control(code) || within(kZeroWidth, code)) return 0;
  return within(kWide, code) ? 2 : 1;
}

char32_t safe_cell(char32_t code) { return cell_width(code) == 0 || is_private(code) ? U'?' : code; }

int text_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) width += cell_width(safe_cell(take_code_point(text)));
  return width;
}

std::string cut(std::string_view text, int width, bool unicode) {
  if (width <= 0) return {};
  if (text_width(text) <= width) return std::string(text);
  std::string out;
  int used = 0;
  while (!text.empty()) {
    std::string_view rest = text;
    const char32_t code = safe_cell(take_code_point(rest));
    if (used + cell_width(code) > width - 1) break;
    append_utf8(out, code);
    used += cell_width(code);
    text = rest;
  }
  out += unicode ? "…" : "~";
  return out;
}

std::string fit(std::string_view text, int width, Align align, bool unicode) {
  std::string out = cut(text, width, unicode);
  const int missing = width - text_width(out);
  if (missing <= 0) return out;
  const std::string blanks(static_cast<std::size_t>(missing), ' ');
  return align == Align::left ? out + blanks : blanks + out;
}

}  // namespace lvsnat::top
