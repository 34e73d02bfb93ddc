#include "base/paragraph.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/text.h"

namespace lvsnat {
namespace {

struct Range {
  std::uint32_t from, to;
};
// Blocks that terminals draw two columns wide (Unicode Annex 11, W and F, by whole blocks).
constexpr std::array<Range, 9> kWide{{{0x1100, 0x115f},
                                      {0x2e80, 0xa4cf},
                                      {0xac00, 0xd7a3},
                                      {0xf900, 0xfaff},
                                      {0xfe30, 0xfe6f},
                                      {0xff00, 0xff60},
                                      {0xffe0, 0xffe6},
                                      {0x1f300, 0x1faff},
                                      {0x20000, 0x3fffd}}};
constexpr std::array<Range, 5> kCombining{
    {{0x0300, 0x036f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}}};

template <std::size_t N>
bool within(const std::array<Range, N>& ranges, std::uint32_t code_point) {
  for (const Range& range : ranges) {
    if (code_point >= range.from && code_point <= range.to) return true;
  }
  return false;
}

}  // namespace

std::size_t columns(std::string_view utf8) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto lead = static_cast<std::uint8_t>(utf8[i]);
    if (lead < 0x80) {
      ++total;
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    std::uint32_t code_point = lead & (0xffU >> (length + 1));
    std::size_t end = i + 1;
    for (; end < i + length && end < utf8.size(); ++end) {
      code_point = code_point << 6 | (static_cast<std::uint8_t>(utf8[end]) & 0x3fU);
    }
    i = end;
    if (!within(kCombining, code_point)) total += within(kWide, code_point) ? 2U : 1U;
  }
  return total;
}

std::string left(std::string_view text, std::size_t width) {
  std::string out(text);
  const std::size_t used = columns(text);
  if (used < width) out.append(width - used, ' ');
  return out;
}

std::string right(std::string_view text, std::size_t width) {
  const std::size_t used = columns(text);
  return (used < width ? std::string(width - used, ' ') : std::string()) + std::string(text);
}

void append_paragraph(std::string& out, std::string_view first, std::string_view rest, std::string_view text, std::size_t width) {
  std::string_view lead = first;
  for (const std::string_view line : split(text, '\n')) {
    const std::string clean = printable(line, 16384);
    std::string current;
    std::size_t used = columns(lead);
    for (const std::string_view word : split(clean, ' ')) {
      if (word.empty()) continue;
      const std::size_t wide = columns(word);
      if (!current.empty() && used + 1 + wide > width) {
        out.append(lead).append(current).append("\n");
        lead = rest;
        current.clear();
        used = columns(lead);
      }
      if (!current.empty()) {
        current += ' ';
        ++used;
      }
      current += word;
      used += wide;
    }
    if (current.empty()) {
      if (lead == first && !first.empty()) continue;
      out += "\n";
      continue;
    }
    out.append(lead).append(current).append("\n");
    lead = rest;
  }
}

void append_verbatim(std::string& out, std::string_view indent, std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    out.append(indent).append(printable(line, 16384)).append("\n");
  }
}

}  // namespace lvsnat
