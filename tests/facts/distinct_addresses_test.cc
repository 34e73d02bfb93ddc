#include "facts/distinct_addresses.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace lvsnat {
namespace {

TEST(DistinctAddresses, CountsEachOnce) {
  std::mt19937_64 random(7);
  DistinctAddresses counted(track::HashKey{}, 100'000);
  std::set<Address> exact;
  for (int i = 0; i < 20'000; ++i) {
    Address a = Address::v4(static_cast<std::uint32_t>(random() % 5'000));
    if (i % 3 == 0) a.bytes[0] = 0x20;  // an IPv6 one
    if (i % 1'000 == 0) a = Address{};  // ::
    counted.add(a);
    exact.insert(a);
    ASSERT_EQ(counted.count(), exact.size());
  }
}

TEST(DistinctAddresses, StopsAtItsLimit) {
  DistinctAddresses counted(track::HashKey{}, 1'000);
  for (std::uint32_t i = 0; i < 3'000; ++i) counted.add(Address::v4(i));
  EXPECT_EQ(counted.count(), 1'000U);
}

}  // namespace
}  // namespace lvsnat
