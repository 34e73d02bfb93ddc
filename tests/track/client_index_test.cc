// The index of client endpoints, against a map of the standard library.
#include "track/client_index.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace lvsnat::track {
namespace {

std::uint32_t found(const ClientIndex& index, std::uint32_t hash, std::uint32_t entry) {
  return index.find(hash, [&](std::uint32_t other) { return other == entry; });
}

TEST(ClientIndex, AnEmptyOneFindsNothing) {
  std::vector<IndexLine> lines(1);
  const ClientIndex index(lines);
  EXPECT_EQ(*index.look(0), 0U);
  EXPECT_EQ(*index.look(77), 0U);
  EXPECT_EQ(found(index, 0, 1), 0U);
  EXPECT_FALSE(index.wants_more());
}

TEST(ClientIndex, WhatDoesNotFitInALineStandsInTheNextOne) {
  std::vector<IndexLine> lines(2);
  ClientIndex index(lines);
  const std::uint32_t last = 64;  // at home in the second line: what is too much goes on in the first
  for (std::uint32_t entry = 1; entry <= 10; ++entry) index.insert(last + 128 * entry, entry);
  for (std::uint32_t entry = 1; entry <= 10; ++entry) {
    EXPECT_EQ(*index.look(last + 128 * entry), entry);
    EXPECT_EQ(found(index, last + 128 * entry, entry), entry);
  }
  EXPECT_EQ(lines[1].entry[7], 8U);
  EXPECT_EQ(lines[0].entry[0], 9U);
  EXPECT_EQ(*index.look(last), 0U);
  // One of the second line leaves: those that had to go on move up, so that nobody stops too early.
  index.erase(last + 128 * 3, 3);
  EXPECT_EQ(found(index, last + 128 * 3, 3), 0U);
  for (const std::uint32_t entry : {1U, 2U, 4U, 9U, 10U}) EXPECT_EQ(*index.look(last + 128 * entry), entry);
  EXPECT_EQ(lines[1].entry[7], 9U);
}

TEST(ClientIndex, OneHashMayHaveSeveralEntries) {
  std::vector<IndexLine> lines(4);
  ClientIndex index(lines);
  std::uint32_t* slot = index.look(5);
  ASSERT_EQ(*slot, 0U);
  index.fill(slot, 5, 1);
  index.insert(5, 2);
  EXPECT_EQ(*index.look(5), 1U);
  EXPECT_EQ(found(index, 5, 2), 2U);
  index.replace(5, 2, 7);
  EXPECT_EQ(found(index, 5, 2), 0U);
  EXPECT_EQ(found(index, 5, 7), 7U);
  index.erase(5, 1);
  EXPECT_EQ(*index.look(5), 7U);
}

TEST(ClientIndex, ComesAndGoesAsAMapDoes) {
  std::mt19937 engine(20'261'123);
  const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
  std::vector<IndexLine> lines(8), larger;
  ClientIndex index(lines);
  std::map<std::uint32_t, std::uint32_t> expected;  // hash by entry
  for (std::uint32_t step = 1; step < 20'000; ++step) {
    if (step == 10'000) {
      larger.resize(64);
      index.regrow(larger);
    }
    const std::size_t most = (step < 10'000 ? 64 : 512) * 13 / 16;
    if (expected.size() < most && random() % 3 != 0) {
      const std::uint32_t hash = random() % 4 == 0 ? random() % 3 * 64 : random();  // some have one home, or 0
      index.insert(hash, step);
      expected[step] = hash;
    } else if (!expected.empty()) {
      auto gone = expected.lower_bound(random() % step);
      if (gone == expected.end()) gone = expected.begin();
      index.erase(gone->second, gone->first);
      expected.erase(gone);
    }
    if (step % 100 != 0) continue;
    for (const auto& [entry, hash] : expected) ASSERT_EQ(found(index, hash, entry), entry) << step;
    std::size_t held = 0;
    for (const IndexLine& line : larger.empty() ? lines : larger) {
      for (std::uint32_t at = 0; at < IndexLine::kSlots; ++at) {
        held += line.entry[at] != 0 ? 1U : 0U;
        // Lines fill from their beginnings.
        EXPECT_TRUE(at == 0 || line.entry[at] == 0 || line.entry[at - 1] != 0) << step;
        EXPECT_TRUE(line.entry[at] != 0 || line.hash[at] == 0) << step;
      }
    }
    ASSERT_EQ(held, expected.size());
    ASSERT_EQ(index.wants_more(), expected.size() * 16 >= (larger.empty() ? 64U : 512U) * 13);
  }
}

}  // namespace
}  // namespace lvsnat::track
