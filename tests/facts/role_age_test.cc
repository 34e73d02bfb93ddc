// How often roles are assigned anew.
#include "facts/role_age.h"

#include <gtest/gtest.h>

namespace lvsnat {
namespace {

TEST(RoleAge, FewPairsAreKnownAtOnce) {
  RoleAge age;
  for (std::size_t pairs = 0; pairs < 8; ++pairs) {
    EXPECT_TRUE(age.is_due(pairs, 0, 1'000'000, 0)) << pairs;
    age.assigned(pairs, 0, 0);
    EXPECT_FALSE(age.is_due(pairs, 1'000'000'000, 1, 1'000 * kSecond)) << "no new pair, no new roles";
  }
}

TEST(RoleAge, ManyPairsCostNoPassEach) {
  RoleAge age;
  std::uint64_t visits = 0, departures = 0;
  int passes = 0;
  constexpr std::uint32_t records = 1'000'000;
  for (std::size_t pairs = 1; pairs <= 65'536; ++pairs) {
    departures += 100;
    if (!age.is_due(pairs, departures, records, 0)) continue;
    age.assigned(pairs, departures, 0);
    visits += records;
    ++passes;
  }
  EXPECT_LT(passes, 150);
  EXPECT_LE(visits, std::uint64_t{150} * records + departures);
}

TEST(RoleAge, LateComersAreKnownInTheEnd) {
  RoleAge age;
  age.assigned(10'000, 500, 50 * kSecond);
  EXPECT_FALSE(age.is_due(10'001, 501, 1'000, 50 * kSecond + 1));
  EXPECT_TRUE(age.is_due(10'001, 1'500, 1'000, 50 * kSecond + 1)) << "as many left as a pass visits";
  EXPECT_TRUE(age.is_due(10'001, 501, 1'000, 51 * kSecond)) << "a second";
  EXPECT_TRUE(age.is_due(11'250, 501, 1'000, 50 * kSecond)) << "an eighth more";
  age.forget();
  EXPECT_TRUE(age.is_due(10'000, 500, 1'000, 50 * kSecond)) << "another configuration";
}

}  // namespace
}  // namespace lvsnat
