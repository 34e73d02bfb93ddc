#include "facts/record_set.h"

#include <gtest/gtest.h>

#include <algorithm>
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

TEST(RecordSet, PartsAreVisitedToTheRecord) {
  RecordSet set(300), none;
  EXPECT_EQ(set.first(), 0U);
  std::vector<std::uint32_t> ids{5, 63, 64, 127, 128, 299};
  for (const std::uint32_t id : ids) set.insert(id);
  EXPECT_EQ(set.first(), 5U);
  for (std::uint32_t cut = 0; cut <= 300; ++cut) {
    std::vector<std::uint32_t> visited;
    const auto visit = [&](std::uint32_t id) { visited.push_back(id); };
    set.for_each(0, cut, visit);
    const std::size_t before = visited.size();
    RecordSet::for_each(none, set, cut, visit);
    EXPECT_EQ(visited, ids) << cut;
    EXPECT_EQ(before, static_cast<std::size_t>(std::count_if(ids.begin(), ids.end(), [&](auto id) { return id < cut; }))) << cut;
  }
}

TEST(RecordSet, WordsAreOfSixtyFour) {
  RecordSet set(130);
  set.set_word(1, 0x8000000000000001);
  EXPECT_TRUE(set.contains(64));
  EXPECT_TRUE(set.contains(127));
  EXPECT_EQ(set.count(), 2U);
  EXPECT_EQ(set.word(1), 0x8000000000000001);
  EXPECT_EQ(set.word(7), 0U);
}

}  // namespace
}  // namespace lvsnat
