#include <dlfcn.h>
#include <gtest/gtest.h>

#include "capture_bytes.h"

namespace lvsnat::test {
namespace {

class Merge : public testing::Test {
 protected:
  std::unique_ptr<PacketSource> file(const std::string& name, std::initializer_list<std::uint32_t> seconds) {
    std::string bytes = pcap_header();
    for (const std::uint32_t s : seconds) bytes += pcap_record({}, s, 0, name + std::to_string(s));
    return open(folder_.file(name, bytes));
  }
  std::unique_ptr<PacketSource> open(const std::string& path) {
    auto source = open_capture_file(path, {.filter = {}, .source_index = index_++});
    EXPECT_TRUE(source);
    return std::move(*source);
  }
  static std::string order(PacketSource& source, std::size_t batch) {
    std::string text;
    for (const Seen& s : drain(source, batch)) text += s.data + " ";
    return text;
  }
  template <typename... Sources>
  static std::unique_ptr<PacketSource> merged(Sources... sources) {
    std::vector<std::unique_ptr<PacketSource>> all;
    (all.push_back(std::move(sources)), ...);
    return merge_sources(std::move(all));
  }
  Folder folder_;
  std::uint16_t index_ = 0;
};

TEST_F(Merge, ByTimeAndStable) {
  for (const std::size_t batch : {1U, 2U, 3U, 64U}) {
    auto all = merged(file("a", {1, 3, 5, 5, 9}), file("b", {1, 2, 4, 5, 6}), file("c", {}), file("d", {0, 5, 10}));
    EXPECT_EQ(order(*all, batch), "d0 a1 b1 b2 a3 b4 a5 a5 b5 d5 b6 a9 d10 ") << batch;
    EXPECT_TRUE(all->finished());
  }
}

TEST_F(Merge, DisorderInsideASourceIsKept) {
  auto all = merged(file("a", {5, 1, 7}), file("b", {4, 6, 2}));
  EXPECT_EQ(order(*all, 64), "b4 a5 a1 b6 b2 a7 ");
}

TEST_F(Merge, ManyPacketsKeepBytesAndNumbers) {
  std::string even = pcap_header(), odd = pcap_header();
  constexpr std::uint32_t count = 24000;
  for (std::uint32_t i = 0; i < count; ++i) (i / 3 % 2 == 0 ? even : odd) += pcap_record({}, i, 0, std::to_string(i));
  auto all = merged(open(folder_.file("even", even)), open(folder_.file("odd", odd)));
  const auto frames = drain(*all, 64);
  ASSERT_EQ(frames.size(), count);
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_EQ(frames[i].data, std::to_string(i));
    ASSERT_EQ(frames[i].vantage, i / 3 % 2);
  }
  EXPECT_EQ(frames.back().number, count / 2);
}

TEST_F(Merge, VantagesAndStatisticsStandInOrder) {
  auto late = open(folder_.file(
      "ng", Pcapng().interface(1, "eth0").packet(0, 1'000000, "x").interface(113, "any").packet(1, 3'000000, "y").text));
  auto all = merged(std::move(late), file("b", {2}));
  const auto frames = drain(*all);
  ASSERT_EQ(frames.size(), 3U);
  const auto& vantages = all->vantages();
  ASSERT_EQ(vantages.size(), 3U);
  EXPECT_EQ(vantages[frames[0].vantage].interface, "eth0");
  EXPECT_EQ(vantages[frames[1].vantage].source, folder_.path("b"));
  EXPECT_EQ(vantages[frames[1].vantage].source_index, 1);
  EXPECT_EQ(vantages[frames[2].vantage].interface, "any");
  const auto statistics = all->statistics();
  ASSERT_EQ(statistics.size(), 2U);
  EXPECT_EQ(statistics[0].packets, 2U);
  EXPECT_EQ(statistics[1].name, folder_.path("b"));
  EXPECT_EQ(all->progress(), 1.0);
}

TEST_F(Merge, OneSourceIsItself) {
  auto one = file("a", {1});
  const PacketSource* const before = one.get();
  EXPECT_EQ(merged(std::move(one)).get(), before);
}

TEST_F(Merge, StopEndsAll) {
  auto all = merged(file("a", {1, 2}), file("b", {1, 2}));
  all->stop();
  drain(*all);
  EXPECT_TRUE(all->finished());
}

TEST(CaptureInterfaceTable, IsComplete) {
  const CaptureInterface* table = lvsnat_capture_interface();
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->abi_version, CaptureInterface::kAbiVersion);
  EXPECT_EQ(table->open_capture_file("/nonexistent", {}).error().code, ErrorCode::not_found);
  EXPECT_FALSE(table->open_live("no-such-if0", {}).has_value());
  EXPECT_FALSE(table->check_filter("nonsense", LinkType::ethernet).has_value());
  EXPECT_NE(table->merge_sources, nullptr);
  EXPECT_NE(table->describe_frame, nullptr);
  EXPECT_NE(table->create_writer, nullptr);
}

}  // namespace
}  // namespace lvsnat::test
