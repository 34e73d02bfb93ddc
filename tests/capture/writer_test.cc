#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "capture_bytes.h"

namespace lvsnat::test {
namespace {

Frame frame(const std::string& data, Timestamp time, std::uint16_t vantage, LinkType link = LinkType::ethernet) {
  return {time,
          reinterpret_cast<const std::uint8_t*>(data.data()),
          static_cast<std::uint32_t>(data.size()),
          static_cast<std::uint32_t>(data.size()) + 100,
          1,
          vantage,
          link};
}

const std::vector<Vantage> kVantages = {{"d.pcap", "eth0", LinkType::ethernet, 96, 0},
                                        {"any.pcap", "", LinkType::linux_sll2, 0, 1}};

CaptureWriter::Options options(CaptureWriter::Format format, bool overwrite = false) {
  CaptureWriter::Options o;
  o.format = format;
  o.overwrite = overwrite;
  return o;
}

class Writer : public testing::Test {
 protected:
  Folder folder_;
};

TEST_F(Writer, PcapngRoundTrip) {
  const std::string path = folder_.path("out");
  {
    auto writer = CaptureWriter::create(
        path, {.format = CaptureWriter::Format::pcapng, .overwrite = false, .application = "test", .comment = "why"});
    ASSERT_TRUE(writer) << writer.error().message;
    ASSERT_TRUE((*writer)->write(frame("one", 1700000000'123456789, 1, LinkType::linux_sll2), kVantages, "the redirect\x1b[31m"));
    ASSERT_TRUE((*writer)->write(frame("three", 1700000001'000000001, 0), kVantages));
    ASSERT_TRUE((*writer)->write(frame("", 1700000002'000000000, 1, LinkType::linux_sll2), kVantages, "second"));
    EXPECT_EQ((*writer)->packets(), 3U);
    ASSERT_TRUE((*writer)->close());
    EXPECT_TRUE((*writer)->close()) << "closing twice is no error";
    EXPECT_FALSE((*writer)->write(frame("late", 0, 0), kVantages));
  }
  struct stat about {};
  ASSERT_EQ(::stat(path.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  auto source = open_capture_file(path);
  ASSERT_TRUE(source);
  const auto frames = drain(**source);
  ASSERT_EQ(frames.size(), 3U);
  const auto& vantages = (*source)->vantages();
  EXPECT_EQ(frames[0].time, 1700000000'123456789);
  EXPECT_EQ(frames[0].data, "one");
  EXPECT_EQ(frames[0].wire, 103U);
  EXPECT_EQ(frames[0].link, LinkType::linux_sll2);
  EXPECT_EQ(vantages[frames[0].vantage].interface, "any.pcap") << "named by its file where the interface is not known";
  EXPECT_EQ(vantages[frames[1].vantage].interface, "eth0");
  EXPECT_EQ(vantages[frames[1].vantage].snaplen, 96U);
  EXPECT_EQ(frames[2].vantage, frames[0].vantage);
  EXPECT_FALSE((*source)->statistics()[0].problem);
  const std::string bytes = folder_.content("out");
  EXPECT_NE(bytes.find(std::string("\1\0", 2)), std::string::npos);
  EXPECT_NE(bytes.find("the redirect"), std::string::npos);
  EXPECT_NE(bytes.find("why"), std::string::npos);
  EXPECT_EQ(bytes.find('\x1b'), std::string::npos);
}

TEST_F(Writer, PcapRoundTripAndOneLinkType) {
  auto writer = CaptureWriter::create(folder_.path("out"), options(CaptureWriter::Format::pcap));
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->write(frame("one", 1700000000'123456789, 0), kVantages));
  EXPECT_EQ((*writer)->write(frame("two", 1, 1, LinkType::linux_sll2), kVantages).error().code, ErrorCode::unsupported);
  EXPECT_EQ((*writer)->write(frame("two", 1, 2), kVantages).error().code, ErrorCode::usage);
  ASSERT_TRUE((*writer)->write(frame("three", -5, 0), kVantages));
  ASSERT_TRUE((*writer)->close());
  auto source = open_capture_file(folder_.path("out"));
  ASSERT_TRUE(source);
  const auto frames = drain(**source);
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(frames[0].time, 1700000000'123456789);
  EXPECT_EQ(frames[1].time, 0);
}

TEST_F(Writer, EmptyFilesAreCaptures) {
  for (const auto format : {CaptureWriter::Format::pcap, CaptureWriter::Format::pcapng}) {
    auto writer = CaptureWriter::create(folder_.path("out"), options(format, true));
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->close());
    auto source = open_capture_file(folder_.path("out"));
    ASSERT_TRUE(source) << source.error().message;
    EXPECT_EQ(drain(**source).size(), 0U);
  }
}

TEST_F(Writer, NeverOverwritesUnasked) {
  const std::string path = folder_.file("precious", "precious");
  EXPECT_EQ(CaptureWriter::create(path, {}).error().code, ErrorCode::usage);
  EXPECT_EQ(folder_.content("precious"), "precious");
  auto writer = CaptureWriter::create(path, options(CaptureWriter::Format::pcap, true));
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->close());
  EXPECT_EQ(folder_.content("precious").size(), 24U);
}

TEST_F(Writer, NeverFollowsLinksOrWaitsForReaders) {
  const std::string target = folder_.file("target", "target");
  std::filesystem::create_symlink(target, folder_.path("link"));
  std::filesystem::create_symlink(folder_.path("new"), folder_.path("dangling"));
  ASSERT_EQ(::mkfifo(folder_.path("fifo").c_str(), 0600), 0);
  for (const bool overwrite : {false, true}) {
    for (const char* name : {"link", "dangling", "fifo", "."}) {
      EXPECT_FALSE(CaptureWriter::create(folder_.path(name), options(CaptureWriter::Format::pcap, overwrite))) << name;
    }
  }
  EXPECT_EQ(folder_.content("target"), "target");
  EXPECT_FALSE(std::filesystem::exists(folder_.path("new")));
  EXPECT_EQ(CaptureWriter::create(folder_.path("no/where"), {}).error().code, ErrorCode::not_found);
}

TEST_F(Writer, FullDiskIsAnError) {
  auto writer = CaptureWriter::create("/dev/full", options(CaptureWriter::Format::pcapng, true));
  ASSERT_TRUE(writer) << writer.error().message;
  ASSERT_TRUE((*writer)->write(frame("x", 1, 0), kVantages)) << "still in the buffer";
  const Status flushed = (*writer)->flush();
  ASSERT_FALSE(flushed);
  EXPECT_EQ(flushed.error().code, ErrorCode::io);
  EXPECT_NE(flushed.error().message.find("/dev/full"), std::string::npos);
  EXPECT_FALSE((*writer)->write(frame("x", 1, 0), kVantages));
  EXPECT_FALSE((*writer)->close());
}

// A limit on the size of files stands in for a full disk: write(2) fails half-way in the same manner.
TEST_F(Writer, FullDiskKeepsWholeRecords) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{100'000, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (const auto format : {CaptureWriter::Format::pcap, CaptureWriter::Format::pcapng}) {
    const std::string data(997, 'd');
    auto writer = CaptureWriter::create(folder_.path("out"), options(format, true));
    ASSERT_TRUE(writer);
    bool failed = false;
    for (int i = 0; i < 1000 && !failed; ++i) failed = !(*writer)->write(frame(data, i, 0), kVantages);
    EXPECT_TRUE(failed);
    EXPECT_FALSE((*writer)->close());
    auto source = open_capture_file(folder_.path("out"));
    ASSERT_TRUE(source);
    const auto frames = drain(**source);
    EXPECT_GT(frames.size(), 90U);
    EXPECT_FALSE((*source)->statistics()[0].truncated);
    EXPECT_FALSE((*source)->statistics()[0].problem);
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
}

}  // namespace
}  // namespace lvsnat::test
