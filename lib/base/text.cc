#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>

#include "base/append.h"

namespace lvsnat {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// One UTF-8 sequence (RFC 3629: shortest form, no surrogates, at most U+10FFFF). `length` 0: not valid here.
struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;
};

CodePoint code_point_at(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return {first, 1};
  std::size_t length = 0;
  std::uint32_t value = 0;
  std::uint32_t least = 0;
  if ((first & 0xe0) == 0xc0) {
    length = 2, value = first & 0x1fU, least = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    length = 3, value = first & 0x0fU, least = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    length = 4, value = first & 0x07U, least = 0x10000;
  } else {
    return {};
  }
  if (text.size() - at < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3fU);
  }
  if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, length};
}

bool is_offending(std::uint32_t c) noexcept {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

void append_escaped(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += "\\x";
    out += kHex[c >> 4];
    out += kHex[c & 15];
    return;
  }
  out += "\\u{";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[c >> shift & 15];
  out += '}';
}

void append_padded(std::string& out, std::uint64_t value, std::size_t digits) {
  char text[kNumberLength];
  const std::string_view written(text, static_cast<std::size_t>(append(text, value) - text));
  if (written.size() < digits) out.append(digits - written.size(), '0');
  out += written;
}

struct Split {
  std::int64_t second;       // since 1970, rounded down
  std::uint32_t nanosecond;  // 0..999,999,999
};

Split split_time(Timestamp time) noexcept {
  std::int64_t second = time / kSecond;
  std::int64_t rest = time % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --second;
  }
  return {second, static_cast<std::uint32_t>(rest)};
}

void append_clock(std::string& out, std::int64_t second_of_day) {
  const auto s = static_cast<std::uint64_t>(second_of_day);
  append_padded(out, s / 3600, 2);
  out += ':';
  append_padded(out, s / 60 % 60, 2);
  out += ':';
  append_padded(out, s % 60, 2);
}

/// Nothing but ASCII that can be printed.
bool is_plain(std::string_view text) noexcept {
  constexpr std::uint64_t each = ~std::uint64_t{0} / 255, top = each * 0x80;
  for (; text.size() >= 8; text.remove_prefix(8)) {
    std::uint64_t bytes;
    std::memcpy(&bytes, text.data(), 8);
    if (((((bytes - each * 0x20) & ~bytes) | (bytes + each) | bytes) & top) != 0) return false;  // below a blank; DEL and above
  }
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

constexpr std::int64_t kDay = 86400;

std::int64_t day_of(std::int64_t second) noexcept { return second >= 0 ? second / kDay : -((-second + kDay - 1) / kDay); }

// `tenths` of a unit; ".0" stands only where a measured value is meant.
std::string with_unit(std::uint64_t tenths, bool keep_zero, std::string_view unit) {
  std::string out;
  append_padded(out, tenths / 10, 1);
  if (keep_zero || tenths % 10 != 0) {
    out += '.';
    append_padded(out, tenths % 10, 1);
  }
  out += ' ';
  out += unit;
  return out;
}

}  // namespace

std::string printable(std::string_view text, std::size_t limit) {
  static constexpr std::string_view kDots = "...";
  if (text.size() <= limit && is_plain(text)) return std::string(text);
  std::string out;
  out.reserve(text.size() < limit ? text.size() : limit);
  std::size_t cut = 0;  // the longest prefix of `out` that leaves room for the dots
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint point = code_point_at(text, i);
    if (point.length == 0) {
      const auto byte = static_cast<std::uint8_t>(text[i]);
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else if (is_offending(point.value)) {
      append_escaped(out, point.value);
    } else {
      out += text.substr(i, point.length);
    }
    if (out.size() > limit) {
      out.resize(cut);
      out += kDots.substr(0, limit - cut < kDots.size() ? limit - cut : kDots.size());
      return out;
    }
    if (out.size() + kDots.size() <= limit) cut = out.size();
    i += point.length == 0 ? 1 : point.length;
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t at = text.find(separator);
    fields.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return fields;
    text.remove_prefix(at + 1);
  }
}

std::string_view trim(std::string_view text) {
  static constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return text.substr(0, 0);
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::string with_commas(std::uint64_t value) {
  char text[kNumberLength];
  const auto length = static_cast<std::size_t>(append(text, value) - text);
  std::string out;
  for (std::size_t i = 0; i < length; ++i) {
    if (i != 0 && (length - i) % 3 == 0) out += ',';
    out += text[i];
  }
  return out;
}

std::string to_rfc3339(Timestamp time) {
  const Split t = split_time(time);
  const std::int64_t day = day_of(t.second);
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  std::string out;
  append_padded(out, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_clock(out, t.second - day * kDay);
  out += '.';
  append_padded(out, t.nanosecond, 9);
  out += 'Z';
  return out;
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  const auto take = [&text](std::size_t digits, std::uint64_t max) -> std::optional<std::int64_t> {
    std::uint64_t value = 0;
    if (text.size() < digits || !parse_number(text.substr(0, digits), max, value)) return std::nullopt;
    text.remove_prefix(digits);
    return static_cast<std::int64_t>(value);
  };
  const auto skip = [&text](std::string_view any) {
    if (text.empty() || any.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
  };
  const auto year = take(4, 2261);
  if (!year || *year < 1970 || !skip("-")) return std::nullopt;
  const auto month = take(2, 12);
  if (!month || !skip("-")) return std::nullopt;
  const auto day = take(2, 31);
  if (!day || !skip("Tt ")) return std::nullopt;
  const auto hour = take(2, 23);
  if (!hour || !skip(":")) return std::nullopt;
  const auto minute = take(2, 59);
  if (!minute || !skip(":")) return std::nullopt;
  const auto second = take(2, 60);
  if (!second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  std::int64_t fraction = 0;
  if (skip(".")) {
    std::int64_t unit = kSecond / 10;
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      fraction += (text.front() - '0') * unit;
      unit /= 10;
      text.remove_prefix(1);
    }
  }
  std::int64_t offset = 0;
  if (!skip("Zz")) {
    const bool west = !text.empty() && text.front() == '-';
    if (!skip("+-")) return std::nullopt;
    const auto hours = take(2, 23);
    if (!hours || !skip(":")) return std::nullopt;
    const auto minutes = take(2, 59);
    if (!minutes) return std::nullopt;
    offset = (*hours * 60 + *minutes) * (west ? -60 : 60);
  }
  if (!text.empty()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  return (days * kDay + *hour * 3600 + *minute * 60 + *second - offset) * kSecond + fraction;
}

char* append_seconds(char* out, Timestamp time) noexcept {
  auto magnitude = static_cast<std::uint64_t>(time);
  if (time < 0) {
    *out++ = '-';
    magnitude = 0 - magnitude;
  }
  out = append(out, magnitude / std::uint64_t{kSecond});
  *out++ = '.';
  auto rest = static_cast<std::uint32_t>(magnitude % std::uint64_t{kSecond});
  for (int i = 8; i >= 0; --i) {
    out[i] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  }
  return out + 9;
}

std::string to_seconds(Timestamp time) {
  char text[kSecondsLength];
  return {text, append_seconds(text, time)};
}

std::string to_clock(Timestamp time) {
  const Split t = split_time(time);
  std::string out;
  append_clock(out, t.second - day_of(t.second) * kDay);
  out += '.';
  append_padded(out, t.nanosecond / 1000, 6);
  return out;
}

std::string to_duration(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return "0 s";
  auto value = static_cast<std::uint64_t>(nanoseconds);
  std::string sign;
  if (nanoseconds < 0) {
    sign = "-";
    value = 0 - value;
  }
  // The unit is chosen after rounding: 999.96 ms is 1.0 s, never "1000.0 ms".
  const auto rounded = [value](std::uint64_t unit) { return (value + unit / 2) / unit; };
  static constexpr std::uint64_t kMicro = 1000, kMilli = 1'000'000, kWhole = 1'000'000'000, kMinute = 60 * kWhole;
  if (value < kMicro) return sign + with_unit(value * 10, false, "ns");
  if (rounded(kMicro) < 1000) return sign + with_unit(rounded(kMicro) * 10, false, "us");
  if (rounded(kMilli / 10) < 10'000) return sign + with_unit(rounded(kMilli / 10), true, "ms");
  if (rounded(kWhole / 10) < 1200) return sign + with_unit(rounded(kWhole / 10), true, "s");
  if (rounded(kMinute / 10) < 1200) return sign + with_unit(rounded(kMinute / 10), false, "min");
  if (rounded(kMinute * 6) < 480) return sign + with_unit(rounded(kMinute * 6), false, "h");
  return sign + with_unit(rounded(kMinute * 144), false, "d");
}

bool parse_number(std::string_view text, std::uint64_t max, std::uint64_t& out) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end || value > max) return false;
  out = value;
  return true;
}

}  // namespace lvsnat
