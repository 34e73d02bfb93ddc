#include "facts/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <tuple>
#include <vector>

namespace lvsnat {
namespace {

/// Times from nanoseconds to minutes, small and large in any order.
std::vector<std::int64_t> times(unsigned seed, std::size_t count) {
  std::mt19937_64 random(seed);
  std::vector<std::int64_t> out(count);
  for (std::int64_t& t : out) t = static_cast<std::int64_t>(random() >> (28 + random() % 36));
  return out;
}

void expect_near(std::int64_t value, std::int64_t exact) {
  EXPECT_LE(value, exact + exact * 22 / 1000 + 1);
  EXPECT_GE(value, exact - exact * 22 / 1000 - 1);
}

TEST(Histogram, NothingTellsNothing) { EXPECT_FALSE(Histogram().summary()); }

TEST(Histogram, PercentilesAreThoseOfTheSortedValues) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::vector<std::int64_t> values = times(seed, 1 + seed * 37);
    Histogram h;
    for (const std::int64_t v : values) h.add(v);
    std::sort(values.begin(), values.end());
    const auto rank = [&](std::size_t percent) { return values[(values.size() * percent + 99) / 100 - 1]; };
    const Latency all = h.summary().value();
    EXPECT_EQ(all.count, values.size());
    EXPECT_EQ(all.max, values.back());
    expect_near(all.p50, rank(50));
    expect_near(all.p90, rank(90));
    expect_near(all.p99, rank(99));
  }
}

TEST(Histogram, MergedIsAsIfAddedToOne) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    Histogram one, two, both, none;
    for (const std::int64_t v : times(seed, seed)) one.add(v), both.add(v);
    for (const std::int64_t v : times(seed + 100, 100)) two.add(v), both.add(v);
    one.merge(two);
    one.merge(none);
    none.merge(one);
    for (const Histogram* h : {&one, &none}) {
      const Latency x = h->summary().value(), y = both.summary().value();
      EXPECT_EQ(std::tie(x.count, x.p50, x.p90, x.p99, x.max), std::tie(y.count, y.p50, y.p90, y.p99, y.max));
    }
  }
}

TEST(Histogram, AnyTimeHasABucket) {
  Histogram h;
  for (const std::int64_t v : {std::int64_t{-5}, std::int64_t{0}, std::int64_t{1}, INT64_MAX}) h.add(v);
  EXPECT_EQ(h.summary()->count, 4U);
  EXPECT_EQ(h.summary()->max, INT64_MAX);
  EXPECT_EQ(h.summary()->p50, 0);
}

}  // namespace
}  // namespace lvsnat
