#include "rules/claims.h"

#include <gtest/gtest.h>

#include <vector>

namespace lvsnat {
namespace {

std::vector<int> codes(const Claims& claims, std::uint32_t record) {
  const std::span<const int> said = claims.codes(record);
  return {said.begin(), said.end()};
}

TEST(Claims, EachCodeOnceInOrderOfAccusation) {
  Claims claims;
  EXPECT_TRUE(claims.empty());
  EXPECT_FALSE(claims.contains(0));
  claims.add(0, 106, false);
  claims.add(0, 102, true);
  claims.add(0, 106, false);
  claims.add(0x80000001, 102, false);
  EXPECT_EQ(codes(claims, 0), (std::vector{106, 102}));
  EXPECT_EQ(codes(claims, 0x80000001), std::vector{102});
  EXPECT_TRUE(claims.is_broken(0));  // once is enough
  EXPECT_FALSE(claims.is_broken(0x80000001));
  EXPECT_TRUE(codes(claims, 1).empty());
}

TEST(Claims, ManyAndThoseThatLeft) {
  Claims claims;
  for (std::uint32_t record = 0; record < 10'000; ++record) claims.add(record * 3, record % 2 == 0 ? 101 : 103, record % 2 == 0);
  for (std::uint32_t record = 0; record < 10'000; record += 5) claims.erase(record * 3);
  claims.erase(1);
  for (std::uint32_t record = 0; record < 10'000; ++record) {
    const bool left = record % 5 == 0;
    ASSERT_EQ(claims.contains(record * 3), !left) << record;
    ASSERT_EQ(claims.is_broken(record * 3), !left && record % 2 == 0) << record;
    ASSERT_FALSE(claims.contains(record * 3 + 1)) << record;
    const std::vector<int> said = left ? std::vector<int>{} : std::vector{record % 2 == 0 ? 101 : 103};
    ASSERT_EQ(codes(claims, record * 3), said) << record;
  }
  claims.add(0, 124, false);
  EXPECT_EQ(codes(claims, 0), std::vector{124});
  EXPECT_FALSE(claims.is_broken(0));
  for (std::uint32_t record = 0; record < 10'000; ++record) claims.erase(record * 3);
  EXPECT_TRUE(claims.empty());
}

}  // namespace
}  // namespace lvsnat
