// Where the bytes come from: compressed files, pipes, and what must not be opened.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <thread>

#include "capture_bytes.h"
#include "lvsnat/capture.h"

namespace lvsnat::test {
namespace {

std::string some_pcap(std::uint32_t count) {
  std::string bytes = pcap_header();
  for (std::uint32_t i = 0; i < count; ++i) bytes += pcap_record({}, i, 0, "packet " + std::to_string(i * 2654435761U));
  return bytes;
}

std::string gzipped(const std::string& in) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(in.size() + 1024, '\0'), copy = in;
  z.next_in = reinterpret_cast<Bytef*>(copy.data());
  z.avail_in = static_cast<uInt>(copy.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
std::string zstandard(const std::string& in) {
  std::string out(ZSTD_compressBound(in.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), in.data(), in.size(), 3));
  return out;
}
std::string xzipped(const std::string& in) {
  std::string out(lzma_stream_buffer_bound(in.size()), '\0');
  std::size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(in.data()), in.size(),
                                    reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size()),
            LZMA_OK);
  out.resize(size);
  return out;
}

class CaptureInput : public testing::TestWithParam<std::string (*)(const std::string&)> {
 protected:
  Folder folder_;
};

TEST_P(CaptureInput, CompressedFilesAreToldByContent) {
  const std::string plain = some_pcap(20000);
  auto source = open_capture_file(folder_.file("no-suffix", GetParam()(plain)));
  ASSERT_TRUE(source) << source.error().message;
  const auto frames = drain(**source, 64);
  ASSERT_EQ(frames.size(), 20000U);
  EXPECT_EQ(frames.back().data, "packet " + std::to_string(19999U * 2654435761U));
  const auto s = (*source)->statistics().at(0);
  EXPECT_FALSE(s.truncated);
  EXPECT_FALSE(s.problem);
  EXPECT_EQ((*source)->progress(), 1.0);
}

TEST_P(CaptureInput, PartsThatWerePutTogether) {
  const std::string plain = some_pcap(100);
  auto source = open_capture_file(folder_.file("f", GetParam()(plain.substr(0, 999)) + GetParam()(plain.substr(999))));
  ASSERT_TRUE(source) << source.error().message;
  EXPECT_EQ(drain(**source).size(), 100U);
  EXPECT_FALSE((*source)->statistics().at(0).problem);
}

TEST_P(CaptureInput, CompressedAndCutAnywhere) {
  const std::string packed = GetParam()(some_pcap(40));
  for (std::size_t cut = 0; cut < packed.size(); ++cut) {
    auto source = open_capture_file(folder_.file("f", packed.substr(0, cut)));
    if (!source) continue;
    const auto frames = drain(**source);
    const auto s = (*source)->statistics().at(0);
    EXPECT_EQ(frames.size(), s.packets);
    EXPECT_TRUE(s.truncated) << cut;
    EXPECT_TRUE(s.problem.has_value()) << cut;
  }
}

TEST_P(CaptureInput, DamagedInTheMiddle) {
  std::string packed = GetParam()(some_pcap(20000));
  for (std::size_t i = packed.size() / 2; i < packed.size() / 2 + 64; ++i) packed[i] = static_cast<char>(~packed[i]);
  auto source = open_capture_file(folder_.file("f", packed));
  if (!source) return;  // one block that is checked as a whole
  EXPECT_LE(drain(**source, 64).size(), 20000U);
  EXPECT_TRUE((*source)->statistics().at(0).problem.has_value());
}

INSTANTIATE_TEST_SUITE_P(Kinds, CaptureInput, testing::Values(&gzipped, &zstandard, &xzipped));

TEST(CapturePaths, StandardInputIsAPipe) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const int saved = ::dup(STDIN_FILENO);
  ::dup2(ends[0], STDIN_FILENO);
  ::close(ends[0]);
  std::thread writer([&] {
    for (const char c : some_pcap(30)) EXPECT_EQ(::write(ends[1], &c, 1), 1);
    ::close(ends[1]);
  });
  auto source = open_capture_file("-");
  ASSERT_TRUE(source) << source.error().message;
  EXPECT_EQ(drain(**source).size(), 30U);
  EXPECT_EQ((*source)->statistics().at(0).name, "-");
  EXPECT_FALSE((*source)->progress());
  writer.join();
  ::dup2(saved, STDIN_FILENO);
  ::close(saved);
}

TEST(CapturePaths, PipeByDescriptorAndStop) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const std::string bytes = some_pcap(3);
  ASSERT_EQ(::write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  auto source = open_capture_file("/dev/fd/" + std::to_string(ends[0]));
  ASSERT_TRUE(source) << source.error().message;
  std::vector<Frame> frames(8);
  EXPECT_EQ((*source)->read(frames), 3U) << "what is there comes without waiting for more";
  std::thread stopper([&] { (*source)->stop(); });
  EXPECT_EQ((*source)->read(frames), 0U);  // hangs where stop() does not reach a waiting read
  stopper.join();
  EXPECT_TRUE((*source)->finished());
  EXPECT_FALSE((*source)->statistics().at(0).truncated) << "stopping is no damage";
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(CapturePaths, WhatCouldBlockIsRefused) {
  Folder folder;
  ASSERT_EQ(::mkfifo(folder.path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(open_capture_file(folder.path("fifo")).error().code, ErrorCode::usage);
  EXPECT_EQ(open_capture_file("/dev/zero").error().code, ErrorCode::usage);
  EXPECT_EQ(open_capture_file(folder.path(".")).error().code, ErrorCode::usage);
  const Error missing = open_capture_file(folder.path("missing\x1b[31m")).error();
  EXPECT_EQ(missing.code, ErrorCode::not_found);
  EXPECT_EQ(missing.message.find('\x1b'), std::string::npos);
}

TEST(CapturePaths, ProgressGrows) {
  Folder folder;
  auto source = open_capture_file(folder.file("f", some_pcap(100000)));
  ASSERT_TRUE(source);
  std::vector<Frame> frames(64);
  ASSERT_GT((*source)->read(frames), 0U);
  const auto early = (*source)->progress();
  ASSERT_TRUE(early);
  EXPECT_LT(*early, 0.5);
  drain(**source, 64);
  EXPECT_EQ((*source)->progress(), 1.0);
}

}  // namespace
}  // namespace lvsnat::test
