#include "base/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace lvsnat {
namespace {

using namespace std::string_view_literals;

TEST(Printable, KeepsWhatIsSafe) {
  EXPECT_EQ(printable("eth0.100@bond0 äöü 漢字 😀 \\"), "eth0.100@bond0 äöü 漢字 😀 \\");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, EscapesControls) {
  EXPECT_EQ(printable("a\nb\tc\x1b[2J\x7f\0d"sv), "a\\x0ab\\x09c\\x1b[2J\\x7f\\x00d");
  EXPECT_EQ(printable("\xc2\x9b\x31m"), "\\u{009b}1m");  // CSI as one C1 code point
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "gpj"),
            "\\u{202e}gpj");
  EXPECT_EQ(printable("\xd8\x9c\xe2\x80\x8b\xe2\x80\xa8\xe2\x81\xa6\xef\xbb\xbf"),
            "\\u{061c}\\u{200b}\\u{2028}\\u{2066}\\u{feff}");
}

TEST(Printable, EscapesWhatIsNotUtf8) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(printable("a\xe6\xbc"), "a\\xe6\\xbc");                  // cut
  EXPECT_EQ(printable("\xe6\xbc\x41"),
            "\\xe6\\xbc"
            "A");
}

TEST(Printable, CutsAtTheLimit) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdefg", 6), "abc...");
  EXPECT_EQ(printable("ab\n\n", 8), "ab...");    // an escape is never cut in two
  EXPECT_EQ(printable("abä漢漢", 7), "abä...");  // nor is a code point
  EXPECT_EQ(printable("abc", 2), "..");
  EXPECT_EQ(printable("abc", 0), "");
  for (std::size_t limit = 0; limit < 40; ++limit)
    EXPECT_LE(printable("a\n漢\xff😀\u202e text that is longer", limit).size(), limit);
  EXPECT_EQ(printable(std::string(5000, 'x')).size(), 4096U);
}

TEST(Split, KeepsEmptyFields) {
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string_view>{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), (std::vector<std::string_view>{""}));
}

TEST(Trim, TakesBlanksOff) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
}

TEST(Commas, GroupsByThree) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(with_commas(std::numeric_limits<std::uint64_t>::max()), "18,446,744,073,709,551,615");
}

TEST(Time, Rfc3339) {
  EXPECT_EQ(to_rfc3339(1795406400123456789), "2026-11-23T04:00:00.123456789Z");
  EXPECT_EQ(to_rfc3339(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(to_rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(to_rfc3339(-86400 * kSecond), "1969-12-31T00:00:00.000000000Z");
  EXPECT_EQ(to_rfc3339(951782400 * kSecond), "2000-02-29T00:00:00.000000000Z");
  EXPECT_EQ(to_rfc3339(std::numeric_limits<Timestamp>::max()), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(to_rfc3339(std::numeric_limits<Timestamp>::min()), "1677-09-21T00:12:43.145224192Z");
}

TEST(Time, Seconds) {
  EXPECT_EQ(to_seconds(1795398655400000000), "1795398655.400000000");
  EXPECT_EQ(to_seconds(7), "0.000000007");
  EXPECT_EQ(to_seconds(-500000000), "-0.500000000");
  EXPECT_EQ(to_seconds(std::numeric_limits<Timestamp>::max()), "9223372036.854775807");
  EXPECT_EQ(to_seconds(std::numeric_limits<Timestamp>::min()), "-9223372036.854775808");
}

TEST(Time, Clock) {
  EXPECT_EQ(to_clock(1795406400123456789), "04:00:00.123456");
  EXPECT_EQ(to_clock(-1), "23:59:59.999999");
  EXPECT_EQ(to_clock(0), "00:00:00.000000");
}

TEST(Duration, ChoosesTheUnit) {
  EXPECT_EQ(to_duration(0), "0 s");
  EXPECT_EQ(to_duration(850), "850 ns");
  EXPECT_EQ(to_duration(850'000), "850 us");
  EXPECT_EQ(to_duration(999'400), "999 us");
  EXPECT_EQ(to_duration(999'600), "1.0 ms");
  EXPECT_EQ(to_duration(12'300'000), "12.3 ms");
  EXPECT_EQ(to_duration(999'960'000), "1.0 s");
  EXPECT_EQ(to_duration(4 * kSecond), "4.0 s");
  EXPECT_EQ(to_duration(119 * kSecond), "119.0 s");
  EXPECT_EQ(to_duration(120 * kSecond), "2 min");
  EXPECT_EQ(to_duration(150 * kSecond), "2.5 min");
  EXPECT_EQ(to_duration(900 * kSecond), "15 min");
  EXPECT_EQ(to_duration(9000 * kSecond), "2.5 h");
  EXPECT_EQ(to_duration(3 * 86400 * kSecond), "3 d");
  EXPECT_EQ(to_duration(-12'300'000), "-12.3 ms");
  EXPECT_EQ(to_duration(std::numeric_limits<std::int64_t>::min()), "-106752 d");
}

TEST(Number, OnlyDigitsWithinTheLimit) {
  std::uint64_t value = 5;
  EXPECT_TRUE(parse_number("0", 0, value));
  EXPECT_EQ(value, 0U);
  EXPECT_TRUE(parse_number("18446744073709551615", std::numeric_limits<std::uint64_t>::max(), value));
  EXPECT_EQ(value, std::numeric_limits<std::uint64_t>::max());
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "1.0", "0x1", "18446744073709551616", "a"}) {
    EXPECT_FALSE(parse_number(bad, std::numeric_limits<std::uint64_t>::max(), value)) << bad;
  }
  EXPECT_FALSE(parse_number("101", 100, value));
  EXPECT_TRUE(parse_number("100", 100, value));
}

TEST(Text, TimesAreReadBack) {
  for (const Timestamp time : {Timestamp{0}, Timestamp{1795406400123456789}, Timestamp{951782400} * kSecond})
    EXPECT_EQ(parse_rfc3339(to_rfc3339(time)), time);
  EXPECT_EQ(parse_rfc3339("2026-11-23T06:00:00+02:00"), Timestamp{1795406400} * kSecond);
  EXPECT_EQ(parse_rfc3339("2026-11-23T04:00:00.5Z"), Timestamp{1795406400} * kSecond + kSecond / 2);
  for (const char* text :
       {"", "2026-11-23", "2026-02-30T04:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T04:00:00", "1969-12-31T23:59:59Z",
        "2026-11-23T04:00:00.Z", "2026-11-23T04:00:00Zx", "9999-11-23T04:00:00Z", "+026-11-23T04:00:00Z"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

}  // namespace
}  // namespace lvsnat
