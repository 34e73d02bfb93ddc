#include "facts/record_set.h"

#include <gtest/gtest.h>

#include <vector>

namespace lvsnat {
namespace {

TEST(RecordSet, HoldsWhatWasPutInAndGrows) {
  RecordSet set(10);
  const std::vector<std::uint32_t> ids{0, 9, 63, 64, 200'000};
  for (const std::uint32_t id : ids) set.insert(id);
  set.insert(64);
  EXPECT_EQ(set.count(), ids.size());
  for (const std::uint32_t id : ids) EXPECT_TRUE(set.contains(id)) << id;
  for (const std::uint32_t id : {1U, 62U, 65U, 199'999U, 200'001U, 0xffffffffU}) EXPECT_FALSE(set.contains(id)) << id;
  std::vector<std::uint32_t> visited;
  set.for_each([&](std::uint32_t id) { visited.push_back(id); });
  EXPECT_EQ(visited, ids);
}

TEST(RecordSet, TwoAreVisitedAsOneInRisingOrder) {
  RecordSet small(1), large(1'000);
  for (const std::uint32_t id : {3U, 40U}) small.insert(id);
  for (const std::uint32_t id : {2U, 40U, 700U}) large.insert(id);
  for (const bool swapped : {false, true}) {
    std::vector<std::uint32_t> visited;
    RecordSet::for_each(swapped ? large : small, swapped ? small : large, [&](std::uint32_t id) { visited.push_back(id); });
    EXPECT_EQ(visited, (std::vector<std::uint32_t>{2, 3, 40, 700}));
  }
}

}  // namespace
}  // namespace lvsnat
