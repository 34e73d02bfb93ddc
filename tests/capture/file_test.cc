#include <gtest/gtest.h>

#include <limits>

#include "capture_bytes.h"

namespace lvsnat::test {
namespace {

struct Read {
  std::vector<Seen> frames;
  SourceStatistics statistics;
  std::vector<Vantage> vantages;
};

class CaptureFile : public testing::Test {
 protected:
  Read read(std::string_view bytes, const CaptureFileOptions& options = {}) {
    auto source = open_capture_file(folder_.file("f", bytes), options);
    if (!source) {
      ADD_FAILURE() << source.error().message;
      return {};
    }
    Read all{drain(**source), {}, (*source)->vantages()};
    EXPECT_TRUE((*source)->finished());
    all.statistics = (*source)->statistics().at(0);
    return all;
  }
  Error refused(std::string_view bytes, const CaptureFileOptions& options = {}) {
    auto source = open_capture_file(folder_.file("f", bytes), options);
    EXPECT_FALSE(source.has_value());
    return source ? Error{} : source.error();
  }
  Folder folder_;
};

TEST_F(CaptureFile, PcapOfBothByteOrdersAndResolutions) {
  struct Case {
    PcapShape shape;
    std::uint32_t fraction;
  };
  for (const Case& c :
       {Case{{false, 0xa1b2c3d4}, 123456}, Case{{true, 0xa1b2c3d4}, 123456}, Case{{false, 0xa1b23c4d}, 123456000},
        Case{{true, 0xa1b23c4d}, 123456000}, Case{{false, 0xa1b2cd34}, 123456}, Case{{true, 0xa1b2cd34}, 123456}}) {
    const auto all = read(pcap_header(c.shape) + pcap_record(c.shape, 1700000000, c.fraction, "hello", 60) +
                          pcap_record(c.shape, 4294967295, c.fraction, "") + pcap_record(c.shape, 5, c.fraction, "abc", 2));
    ASSERT_EQ(all.frames.size(), 3U) << std::hex << c.shape.magic << c.shape.big;
    EXPECT_EQ(all.frames[0].time, 1700000000123456000);
    EXPECT_EQ(all.frames[0].data, "hello");
    EXPECT_EQ(all.frames[0].wire, 60U);
    EXPECT_EQ(all.frames[1].time, 4294967295123456000);  // 2106, not 1969
    EXPECT_EQ(all.frames[2].wire, 3U) << "a wire length below the captured one is a lie";
    EXPECT_EQ(all.frames[2].number, 3U);
    EXPECT_EQ(all.statistics.packets, 3U);
    EXPECT_EQ(all.statistics.first, 5123456000);
    EXPECT_EQ(all.statistics.last, 4294967295123456000);
    EXPECT_FALSE(all.statistics.truncated);
    EXPECT_FALSE(all.statistics.problem);
  }
}

TEST_F(CaptureFile, LinkTypePassesWithoutItsUpperBits) {
  EXPECT_EQ(read(pcap_header({.link = 0x24000001}) + pcap_record({}, 1, 0, "x")).frames.at(0).link, LinkType::ethernet);
  EXPECT_EQ(read(pcap_header({.link = 276})).vantages.at(0).link, LinkType::linux_sll2);
  EXPECT_EQ(read(pcap_header({.link = 12})).vantages.at(0).link, LinkType::raw);
  EXPECT_EQ(static_cast<int>(read(pcap_header({.link = 999}) + pcap_record({}, 1, 0, "x")).frames.at(0).link), 999);
}

TEST_F(CaptureFile, OldPcapGoesThroughLibpcap) {
  const auto all = read(pcap_header({.minor = 3}) + pcap_record({}, 7, 8, "old", 9));
  ASSERT_EQ(all.frames.size(), 1U);
  EXPECT_EQ(all.frames[0].data, "old");
  EXPECT_EQ(all.frames[0].time, 7000008000);
  const auto cut = read((pcap_header({.minor = 3}) + pcap_record({}, 7, 8, "old", 9)).substr(0, 42));
  EXPECT_TRUE(cut.statistics.truncated);
}

TEST_F(CaptureFile, ManyRecordsAcrossTheWindow) {
  std::string bytes = pcap_header();
  constexpr std::uint32_t count = 3000;
  for (std::uint32_t i = 0; i < count; ++i)
    bytes += pcap_record({}, i, 0, std::string(i % 1500, static_cast<char>('a' + i % 26)));
  bytes += pcap_record({}, count, 0, std::string(262144, 'L'));
  bytes += pcap_record({}, count + 1, 0, "end");
  const auto all = read(bytes);
  ASSERT_EQ(all.frames.size(), count + 2);
  for (std::uint32_t i = 0; i < count; ++i) {
    ASSERT_EQ(all.frames[i].number, i + 1);
    ASSERT_EQ(all.frames[i].data, std::string(i % 1500, static_cast<char>('a' + i % 26)));
  }
  EXPECT_EQ(all.frames[count].data.size(), 262144U);
  EXPECT_EQ(all.frames[count + 1].data, "end");
}

TEST_F(CaptureFile, ImpossibleLengthStopsAndKeepsWhatCameBefore) {
  for (const std::uint32_t length : {262145U, 0x7fffffffU, 0xffffffffU}) {
    const auto all =
        read(pcap_header() + pcap_record({}, 1, 0, "good") + Bytes().u32(2).u32(0).u32(length).u32(length).text + "rest");
    EXPECT_EQ(all.frames.size(), 1U);
    EXPECT_FALSE(all.statistics.truncated);
    EXPECT_TRUE(all.statistics.damaged);
    EXPECT_TRUE(all.statistics.incomplete());
    ASSERT_TRUE(all.statistics.problem);
    EXPECT_NE(all.statistics.problem->find("packet 2 claims " + std::to_string(length)), std::string::npos)
        << *all.statistics.problem;
    EXPECT_NE(all.statistics.problem->find("at byte 44"), std::string::npos) << *all.statistics.problem;
  }
}

TEST_F(CaptureFile, CutAnywhere) {
  const std::string pcap =
      pcap_header() + pcap_record({}, 1, 0, "one") + pcap_record({}, 2, 0, "three") + pcap_record({}, 3, 0, "");
  const std::vector<std::size_t> ends = {24, 24 + 19, 24 + 19 + 21, 24 + 19 + 21 + 16};
  ASSERT_EQ(pcap.size(), ends.back());
  for (std::size_t cut = 0; cut <= pcap.size(); ++cut) {
    if (cut < 24) {
      EXPECT_EQ(refused(pcap.substr(0, cut)).code, ErrorCode::malformed) << cut;
      continue;
    }
    const auto all = read(pcap.substr(0, cut));
    const auto whole = std::upper_bound(ends.begin(), ends.end(), cut) - ends.begin() - 1;
    EXPECT_EQ(all.frames.size(), static_cast<std::size_t>(whole)) << cut;
    EXPECT_EQ(all.statistics.packets, static_cast<std::uint64_t>(whole)) << cut;
    EXPECT_EQ(all.statistics.truncated, cut != ends[static_cast<std::size_t>(whole)]) << cut;
    EXPECT_EQ(all.statistics.truncated, all.statistics.problem.has_value()) << cut;
    EXPECT_FALSE(all.statistics.damaged) << cut;
  }
}

TEST_F(CaptureFile, PcapngCutAnywhere) {
  for (const bool big : {false, true}) {
    Pcapng file(big);
    file.interface(1, "eth0");
    const std::size_t headers = file.text.size();
    file.packet(0, 1, "one").packet(0, 2, "three", 4);
    const std::string bytes = file.text;
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      auto source = open_capture_file(folder_.file("f", bytes.substr(0, cut)));
      if (!source) {
        EXPECT_LT(cut, headers);
        continue;
      }
      const auto frames = drain(**source);
      const auto s = (*source)->statistics().at(0);
      EXPECT_EQ(frames.size(), s.packets);
      EXPECT_EQ(s.packets, cut == bytes.size() ? 2U : cut >= headers + 36 ? 1U : 0U) << cut;
      const bool whole = cut == bytes.size() || cut == headers || cut == headers + 36 || cut == 28;
      EXPECT_EQ(s.truncated, !whole) << cut;
    }
  }
}

TEST_F(CaptureFile, PcapngInterfacesAreVantages) {
  for (const bool big : {false, true}) {
    Pcapng file(big);
    file.interface(1, "eth0").interface(276, "any", 9).interface(101, "", 0x8a, 100).interface(1, "eth0", 0, -5);
    file.packet(1, 1700000000'123456789, "sll2")
        .packet(0, 1700000000'123456, "ether")
        .packet(2, 1536, "raw")
        .packet(3, 7, "late");
    file.interface(113, "late0", 3).packet(4, 1234, "cooked");
    const auto all = read(file.text, {.filter = {}, .source_index = 9});
    ASSERT_EQ(all.frames.size(), 5U);
    ASSERT_EQ(all.vantages.size(), 5U);
    EXPECT_EQ(all.frames[0].time, 1700000000'123456789);
    EXPECT_EQ(all.frames[0].vantage, 1);
    EXPECT_EQ(all.frames[0].link, LinkType::linux_sll2);
    EXPECT_EQ(all.frames[1].time, 1700000000'123456000);
    EXPECT_EQ(all.frames[2].time, 101'500000000);  // 1536 / 2^10 seconds after 100
    EXPECT_EQ(all.frames[2].link, LinkType::raw);
    EXPECT_EQ(all.frames[3].time, 2'000000000);
    EXPECT_EQ(all.frames[4].time, 1'234000000);
    EXPECT_EQ(all.frames[4].number, 5U);
    EXPECT_EQ(all.vantages[1].interface, "any");
    EXPECT_EQ(all.vantages[4].interface, "late0");
    EXPECT_EQ(all.vantages[4].link, LinkType::linux_sll);
    EXPECT_EQ(all.vantages[2].source_index, 9);
    EXPECT_FALSE(all.statistics.problem) << *all.statistics.problem;
  }
}

TEST_F(CaptureFile, PcapngTimesAreClamped) {
  const auto max = std::numeric_limits<std::uint64_t>::max();
  Pcapng file;
  file.interface(1, "", 0, std::numeric_limits<std::int64_t>::max())
      .interface(1, "", 9, std::numeric_limits<std::int64_t>::min());
  file.interface(1, "", 19).interface(1, "", 0xbf).interface(1, "", 6);
  for (std::uint32_t i = 0; i < 5; ++i) file.packet(i, max, "x");
  const auto all = read(file.text);
  ASSERT_EQ(all.frames.size(), 5U);
  EXPECT_EQ(all.frames[0].time, 8'000'000'000 * kSecond) << "a time that others can be taken from";
  EXPECT_EQ(all.frames[1].time, -1'000'000'000 * kSecond);
  EXPECT_EQ(all.frames[2].time, 1'844674407);  // 2^64 - 1 ticks of 10^-19 s
  EXPECT_EQ(all.frames[3].time, 1'999999999);
  EXPECT_EQ(all.frames[4].time, 8'000'000'000 * kSecond);
  Pcapng finer;
  finer.interface(1, "", 20).packet(0, 1, "x");
  EXPECT_NE(refused(finer.text).message.find("resolution"), std::string::npos);
}

TEST_F(CaptureFile, PcapngSectionsChangeByteOrderAndKeepVantages) {
  const std::string little = Pcapng(false).interface(1, "eth0").packet(0, 1, "little").text;
  const std::string big = Pcapng(true).interface(1, "eth0").packet(0, 2, "big").text;
  const std::string other = Pcapng(true).interface(113, "any").packet(0, 3, "cooked").text;
  const auto all = read(little + big + other + little);
  ASSERT_EQ(all.frames.size(), 4U);
  EXPECT_EQ(all.frames[1].data, "big");
  EXPECT_EQ(all.frames[1].vantage, 0);
  EXPECT_EQ(all.frames[2].vantage, 1);
  EXPECT_EQ(all.frames[2].link, LinkType::linux_sll);
  EXPECT_EQ(all.frames[3].vantage, 0);
  EXPECT_EQ(all.vantages.size(), 2U);
}

TEST_F(CaptureFile, PcapngPacketsOfEveryKindAreNumberedAsInWireshark) {
  Pcapng file;
  file.interface(1, "eth0", 255, 0, 4);
  file.packet(0, 5'000000, "epb");
  file.block(3, Bytes().u32(9).raw("cut!").text);                                                 // simple, cut by the snaplen
  file.block(2, Bytes().u16(0).u16(3).u32(0).u32(6'000000).u32(3).u32(3).raw("old").pad().text);  // obsolete, 3 dropped
  file.block(0xbad, Bytes().u32(32473).u32(0).text);                                              // custom: numbered, no packet
  file.block(0x12345678, Bytes().u32(0).text);                                                    // unknown: neither
  file.packet(0, 7'000000, "epb", 2);
  file.block(5, Bytes().u32(0).u64(0).u16(5).u16(8).u64(10).u16(7).u16(8).u64(1).u32(0).text);  // statistics: 11 dropped
  const auto all = read(file.text);
  ASSERT_EQ(all.frames.size(), 4U);
  EXPECT_EQ(all.frames[1].data, "cut!");
  EXPECT_EQ(all.frames[1].wire, 9U);
  EXPECT_EQ(all.frames[1].time, 5'000000000) << "the time of the packet before";
  EXPECT_EQ(all.frames[2].number, 3U);
  EXPECT_EQ(all.frames[3].number, 5U);
  EXPECT_EQ(all.statistics.packets, 4U);
  EXPECT_EQ(all.statistics.dropped, 11U);
  ASSERT_EQ(all.statistics.gaps.size(), 1U) << "two that touch are one";
  EXPECT_EQ(all.statistics.gaps[0].from, 5'000000000);
  EXPECT_EQ(all.statistics.gaps[0].to, 7'000000000);
}

TEST_F(CaptureFile, PcapngDamageKeepsWhatCameBefore) {
  const auto good = [] { return Pcapng().interface(1, "eth0").packet(0, 1, "good"); };
  const auto body = [](std::uint32_t interface, std::uint32_t captured) {
    return Bytes().u32(interface).u64(0).u32(captured).u32(captured).u32(0).text;
  };
  auto trailer = good().packet(0, 2, "bad");
  trailer.text.back() = 1;
  const std::vector<std::string> damaged = {
      good().block(6, body(1, 4)).text,           // no such interface
      good().block(6, body(0, 5)).text,           // longer than its block
      good().block(6, body(0, 0xfffffffd)).text,  // rounding up wraps
      good().block(6, "short").text.substr(0),    // a length that is no multiple of 4
      good().block(6, "shor").text,
      good().text + Bytes().u32(6).u32(8).text + "padding.",
      good().text + Bytes().u32(6).u32(0x01000004).text + std::string(64, 'x'),
      trailer.text,
  };
  for (std::size_t i = 0; i < damaged.size(); ++i) {
    const auto all = read(damaged[i]);
    EXPECT_EQ(all.frames.size(), 1U) << i;
    EXPECT_TRUE(all.statistics.problem.has_value()) << i;
    EXPECT_FALSE(all.statistics.truncated) << i;
  }
}

TEST_F(CaptureFile, PcapngWithFarTooManyInterfaces) {
  Pcapng file;
  for (int i = 0; i < 3000; ++i) file.interface(1, "if" + std::to_string(i));
  file.packet(5, 1, "x").packet(2999, 2, "y");
  const auto all = read(file.text);
  ASSERT_EQ(all.frames.size(), 2U);
  EXPECT_EQ(all.vantages.size(), 1024U);
  EXPECT_EQ(all.frames[1].vantage, 1023);
  EXPECT_TRUE(all.statistics.problem.has_value());
}

TEST_F(CaptureFile, InterfaceNamesAreMadePrintable) {
  const auto all = read(Pcapng().interface(1, "e\x1b[31mX").packet(0, 1, "x").text);
  EXPECT_EQ(all.vantages.at(0).interface.find('\x1b'), std::string::npos);
}

TEST_F(CaptureFile, WhatIsNoCaptureIsRefused) {
  EXPECT_NE(refused("").message.find("empty"), std::string::npos);
  EXPECT_EQ(refused(std::string(64, '\0')).code, ErrorCode::malformed);
  EXPECT_EQ(refused("This is a text file, and a long one at that.").code, ErrorCode::malformed);
  EXPECT_NE(refused("BZh91AY&SY and so on, and so on").message.find("bunzip2"), std::string::npos);
  EXPECT_EQ(refused(Pcapng().packet(0, 1, "no interface").text).code, ErrorCode::malformed);
}

std::string udp_frame(unsigned char last_byte, unsigned char first_port_byte) {
  std::string f(42, '\0');
  f[12] = 8;
  f[14] = 0x45;
  f[17] = 28;
  f[23] = 17;
  f[26] = 10;
  f[29] = static_cast<char>(last_byte);
  f[36] = static_cast<char>(first_port_byte);
  return f;
}

TEST_F(CaptureFile, FilterLeavesOutAndStillNumbers) {
  const std::string wanted = udp_frame(2, 53), other = udp_frame(3, 53);
  const auto all =
      read(pcap_header() + pcap_record({}, 1, 0, other) + pcap_record({}, 2, 0, wanted) + pcap_record({}, 3, 0, other),
           {.filter = "src host 10.0.0.2 and udp", .source_index = 0});
  ASSERT_EQ(all.frames.size(), 1U);
  EXPECT_EQ(all.frames[0].number, 2U);
  EXPECT_EQ(all.statistics.packets, 1U);
  EXPECT_EQ(all.statistics.filtered, 2U);
}

TEST_F(CaptureFile, FilterFitsEachLinkType) {
  const std::string ether = udp_frame(2, 53), raw = ether.substr(14);
  Pcapng file;
  file.interface(1, "eth0")
      .interface(101, "tun0")
      .packet(0, 1, ether)
      .packet(1, 2, raw)
      .packet(1, 3, udp_frame(3, 53).substr(14));
  EXPECT_EQ(read(file.text, {.filter = "host 10.0.0.2", .source_index = 0}).frames.size(), 2U);
  // What cannot be asked of raw IP leaves its packets out, and says so.
  const auto all = read(file.text, {.filter = "ether src 00:00:00:00:00:00", .source_index = 0});
  EXPECT_EQ(all.frames.size(), 1U);
  EXPECT_EQ(all.statistics.filtered, 2U);
  EXPECT_TRUE(all.statistics.problem.has_value());
}

TEST_F(CaptureFile, BadFilterIsAnErrorThatQuotesIt) {
  for (const std::string& bytes : {pcap_header(), Pcapng().interface(1, "eth0").text}) {
    const Error error = refused(bytes, {.filter = "host and and", .source_index = 0});
    EXPECT_EQ(error.code, ErrorCode::usage);
    EXPECT_NE(error.message.find("'host and and'"), std::string::npos) << error.message;
  }
  EXPECT_TRUE(check_filter("tcp port 80").has_value());
  EXPECT_FALSE(check_filter("tcp prt 80").has_value());
}

}  // namespace
}  // namespace lvsnat::test
