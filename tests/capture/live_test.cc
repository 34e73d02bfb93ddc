// What can be told without the right to capture; the rest needs a director.
#include <gtest/gtest.h>

#include "lvsnat/capture.h"

namespace lvsnat::test {
namespace {

TEST(Live, MissingInterfaceIsToldFromMissingRight) {
  const auto source = open_live("no-such-if0");
  ASSERT_FALSE(source.has_value());
  EXPECT_EQ(source.error().code, ErrorCode::not_found);
  EXPECT_NE(source.error().message.find("no-such-if0"), std::string::npos);
}

TEST(Live, ImpossibleNames) {
  EXPECT_EQ(open_live("").error().code, ErrorCode::usage);
  const auto longest = open_live("a-name-that-no-interface-can-have\x1b[31m");
  EXPECT_EQ(longest.error().code, ErrorCode::usage);
  EXPECT_EQ(longest.error().message.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace lvsnat::test
