// Text that comes from outside (file names, interface names, packet bytes, /proc) on its way to a
// terminal, a report or a log. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/export.h"
#include "lvsnat/frame.h"

namespace lvsnat {

/// Valid UTF-8 without control characters, line breaks, or bidirectional/zero-width marks (Unicode Bidi_Control, U+200B..200F,
/// U+2028..202E, U+2060..206F, U+FEFF): each offending byte or code point becomes "\xNN" or "\u{NNNN}". Never longer than `limit`
/// bytes: what is cut ends in "...", and no escape or code point is cut in two.
LVSNAT_EXPORT std::string printable(std::string_view text, std::size_t limit = 4096);
/// Splits at `separator`; empty fields are kept.
std::vector<std::string_view> split(std::string_view text, char separator);
/// Without blanks, tabs, CR and LF at either end.
std::string_view trim(std::string_view text);
/// "1,234,567".
LVSNAT_EXPORT std::string with_commas(std::uint64_t value);
/// "2026-11-23T04:00:00.123456789Z" (RFC 3339, UTC).
LVSNAT_EXPORT std::string to_rfc3339(Timestamp);
/// What to_rfc3339() writes, with no, one to nine, or more digits of a fraction (more are cut), 'Z' or an offset; years 1970 to
/// 2261. nullopt for anything else.
LVSNAT_EXPORT std::optional<Timestamp> parse_rfc3339(std::string_view text);
/// "1795398655.400000000": seconds and nine digits, also for times before 1970.
LVSNAT_EXPORT std::string to_seconds(Timestamp);
/// "04:00:00.123456" (UTC, cut to the microsecond): for text reports.
LVSNAT_EXPORT std::string to_clock(Timestamp);
/// "850 ns", "850 us", "12.3 ms", "4.0 s", "15 min", "2.5 h", "3 d" from nanoseconds; seconds up to 2 min, minutes up to 2 h,
/// hours up to 48 h.
LVSNAT_EXPORT std::string to_duration(std::int64_t nanoseconds);
/// Decimal digits only, whole string, within [0, max]; nullopt-like: returns false.
LVSNAT_EXPORT bool parse_number(std::string_view text, std::uint64_t max, std::uint64_t& out);

}  // namespace lvsnat
