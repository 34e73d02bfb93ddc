// How many connections are kept where nobody said it.
#include "common/table_limit.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "lvsnat/analyzer.h"

namespace lvsnat::tool {
namespace {

constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30;

class TableLimit : public testing::Test {
 protected:
  void SetUp() override { std::ofstream(file_) << "a capture"; }
  void TearDown() override { std::filesystem::remove(file_); }
  const std::string file_ = testing::TempDir() + "table_limit_test.pcap";
};

TEST_F(TableLimit, FilesAreKeptWholeAsFarAsAGibibyteGoes) {
  const std::uint32_t most = limit_of_connections({file_}, 64 * kGibibyte);
  EXPECT_GT(most, 5'000'010U) << "the largest flood that is measured";
  EXPECT_LE(std::uint64_t{most} * 205, kGibibyte);
  EXPECT_EQ(limit_of_connections({file_, file_}, 4 * kGibibyte), most);
}

TEST_F(TableLimit, AndAQuarterOfASmallMachine) {
  const std::uint32_t most = limit_of_connections({file_}, 2 * kGibibyte);
  EXPECT_GT(most, 2'000'000U);
  EXPECT_LE(std::uint64_t{most} * 205, kGibibyte / 2);
}

TEST_F(TableLimit, ButNeverLessThanOfCapturesWithoutAnEnd) {
  const std::uint32_t usual = AnalyzerOptions{}.max_connections;
  EXPECT_EQ(limit_of_connections({file_}, kGibibyte / 4), usual);
  EXPECT_EQ(limit_of_connections({file_}, 0), usual);
  EXPECT_EQ(limit_of_connections({"-"}, 64 * kGibibyte), usual);
  EXPECT_EQ(limit_of_connections({file_, "/dev/null"}, 64 * kGibibyte), usual);
  EXPECT_EQ(limit_of_connections({file_ + ".missing"}, 64 * kGibibyte), usual);
}

TEST(Memory, OfThisMachineIsKnown) { EXPECT_GT(usable_memory(), kGibibyte / 64); }

}  // namespace
}  // namespace lvsnat::tool
