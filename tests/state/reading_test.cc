// Files and lines as they come from outside.
#include "state/reading.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

namespace lvsnat {
namespace {

namespace fs = std::filesystem;

TEST(Reading, CommandsThatFailedSaySo) {
  const CommandOutput out = split_command_output("partial\n# stderr: RTNETLINK answers: Network is unreachable\n# exit 2\n");
  EXPECT_TRUE(out.failed());
  EXPECT_EQ(out.exit_status, 2);
  EXPECT_EQ(out.error, "RTNETLINK answers: Network is unreachable");
  EXPECT_EQ(out.body, "partial\n");
  EXPECT_FALSE(split_command_output("[]").failed());
}

TEST(Reading, LineEndsOfAllKinds) {
  EXPECT_EQ(lines_of("\xef\xbb\xbf"
                     "a\r\nb\n\nc"),
            (std::vector<std::string_view>{"a", "b", "", "c"}));
  EXPECT_TRUE(lines_of("").empty());
  EXPECT_EQ(words_of("  a\t b "), (std::vector<std::string_view>{"a", "b"}));
}

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "lvsnat-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { fs::remove_all(directory_); }
  fs::path directory_;
};

TEST_F(Files, SpecialFilesAreRefusedWithoutBlocking) {
  ASSERT_EQ(::mkfifo((directory_ / "fifo").c_str(), 0600), 0);
  const auto fifo = read_file(directory_ / "fifo", 100);
  ASSERT_FALSE(fifo);
  EXPECT_EQ(fifo.error().code, ErrorCode::unsupported);
  EXPECT_EQ(read_file(directory_, 100).error().code, ErrorCode::unsupported);
  EXPECT_EQ(read_file("/dev/zero", 100).error().code, ErrorCode::unsupported);
  EXPECT_EQ(read_file(directory_ / "none", 100).error().code, ErrorCode::not_found);
}

TEST_F(Files, TheLimitIsExact) {
  std::ofstream(directory_ / "f") << std::string(100, 'x');
  EXPECT_TRUE(read_file(directory_ / "f", 100));
  const auto over = read_file(directory_ / "f", 99);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, ErrorCode::limit);
}

}  // namespace
}  // namespace lvsnat
