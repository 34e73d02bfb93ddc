// Probes as they leave, read by our own decoder and summed up by hand; sending needs rights and is tested with a network.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lvsnat/capture.h"
#include "lvsnat/packet.h"
#include "lvsnat/probe.h"

namespace lvsnat::test {
namespace {

Probe probe_of(Probe::Kind kind, const char* source, const char* destination) {
  Probe p;
  p.kind = kind;
  p.source = *parse_address(source);
  p.destination = *parse_address(destination);
  p.ttl = 2;
  p.ip_id = 0x4711;
  p.id = 0x1234;
  p.sequence = 0x5678;
  p.source_port = 80;
  p.destination_port = 9;
  p.number = 0xdeadbeef;
  p.nonce = 0x0102030405060708;
  p.mac = *parse_mac("02:00:00:00:00:09");
  p.interface = "eth1";
  return p;
}

Packet decoded(const std::vector<std::uint8_t>& bytes) {
  Frame frame;
  frame.data = bytes.data();
  frame.captured = frame.wire = static_cast<std::uint32_t>(bytes.size());
  frame.link = LinkType::raw;
  Packet packet;
  decode({&frame, 1}, {&packet, 1});
  return packet;
}

/// RFC 1071 over pseudo-header and transport, or over nothing but the bytes: 0xffff when the checksum in them is right.
std::uint32_t sum(std::vector<std::uint8_t> bytes) {
  if (bytes.size() % 2 != 0) bytes.push_back(0);
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) total += std::uint32_t{bytes[i]} << 8 | bytes[i + 1];
  while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
  return total;
}
std::uint32_t transport_sum(const std::vector<std::uint8_t>& packet) {
  const bool v6 = packet[0] >> 4 == 6;
  const std::size_t header = v6 ? 40 : 20;
  std::vector<std::uint8_t> text;
  if (v6 || packet[9] != 1) {
    text.assign(packet.begin() + (v6 ? 8 : 12), packet.begin() + static_cast<std::ptrdiff_t>(header));
    const std::size_t size = packet.size() - header;
    text.push_back(0);
    text.push_back(v6 ? packet[6] : packet[9]);
    text.push_back(static_cast<std::uint8_t>(size >> 8));
    text.push_back(static_cast<std::uint8_t>(size));
  }
  text.insert(text.end(), packet.begin() + static_cast<std::ptrdiff_t>(header), packet.end());
  return sum(text);
}

class Made : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] Probe probe(Probe::Kind kind) const {
    return GetParam() ? probe_of(kind, "fd00:10::2", "fd00:1::254") : probe_of(kind, "10.1.1.2", "192.168.1.254");
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes(Probe::Kind kind) const {
    auto made = probe_bytes(probe(kind));
    EXPECT_TRUE(made.has_value());
    return made ? *made : std::vector<std::uint8_t>();
  }
};

TEST_P(Made, Echo) {
  const auto raw = bytes(Probe::Kind::echo);
  const Packet p = decoded(raw);
  Icmp icmp;
  ASSERT_TRUE(decode_icmp(p, icmp));
  EXPECT_TRUE(icmp.echo_request);
  EXPECT_EQ(p.source, probe(Probe::Kind::echo).source);
  EXPECT_EQ(p.destination, probe(Probe::Kind::echo).destination);
  EXPECT_EQ(p.ttl, 2);
  if (!GetParam()) {
    EXPECT_EQ(p.ip_id, 0x4711);
  }
  const std::vector<std::uint8_t> body(raw.begin() + p.transport_offset + 4, raw.end());
  EXPECT_EQ(body, (std::vector<std::uint8_t>{0x12, 0x34, 0x56, 0x78, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(transport_sum(raw), 0xffffU);
}

TEST_P(Made, Udp) {
  const auto raw = bytes(Probe::Kind::udp);
  const Packet p = decoded(raw);
  EXPECT_EQ(p.kind, Packet::Kind::transport);
  EXPECT_EQ(p.protocol, kUdp);
  EXPECT_EQ(p.source_port, 80);
  EXPECT_EQ(p.destination_port, 9);
  EXPECT_EQ(p.payload, 8u);
  EXPECT_EQ(transport_sum(raw), 0xffffU);
}

TEST_P(Made, Tcp) {
  const auto raw = bytes(Probe::Kind::tcp);
  const Packet p = decoded(raw);
  EXPECT_EQ(p.kind, Packet::Kind::transport);
  EXPECT_EQ(p.protocol, kTcp);
  EXPECT_EQ(p.source_port, 80);
  EXPECT_EQ(p.tcp_flags, kSyn | kAck);
  EXPECT_EQ(p.sequence, 0xdeadbeefU);
  EXPECT_EQ(p.acknowledgement, 0xdeadbeefU);
  EXPECT_EQ(p.payload, 0u);
  EXPECT_EQ(transport_sum(raw), 0xffffU);
}

INSTANTIATE_TEST_SUITE_P(Families, Made, testing::Bool());

TEST(MadeNeighbour, Arp) {
  const auto made = probe_bytes(probe_of(Probe::Kind::neighbour, "10.1.1.9", "10.1.1.2"));
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(*made,
            (std::vector<std::uint8_t>{0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 1, 1, 9, 0, 0, 0, 0, 0, 0, 10, 1, 1, 2}));
}

TEST(MadeNeighbour, Solicitation) {
  const auto made = probe_bytes(probe_of(Probe::Kind::neighbour, "fd00:10::9", "fd00:10::2"));
  ASSERT_TRUE(made.has_value());
  const Packet p = decoded(*made);
  EXPECT_EQ(p.ttl, 255);
  EXPECT_EQ(p.destination, *parse_address("ff02::1:ff00:2"));
  Icmp icmp;
  ASSERT_TRUE(decode_icmp(p, icmp));
  EXPECT_TRUE(icmp.solicitation);
  EXPECT_EQ(icmp.target, *parse_address("fd00:10::2"));
  EXPECT_TRUE(icmp.has_link_address);
  EXPECT_EQ(icmp.link_address, parse_mac("02:00:00:00:00:09")->bytes);
  EXPECT_EQ(transport_sum(*made), 0xffffU);
}

TEST(MadeOfTwoFamilies, IsAnError) {
  EXPECT_EQ(probe_bytes(probe_of(Probe::Kind::echo, "10.1.1.2", "fd00::1")).error().code, ErrorCode::usage);
  EXPECT_EQ(probe_bytes(probe_of(Probe::Kind::echo, "0.0.0.0", "10.1.1.2")).error().code, ErrorCode::usage);
}

}  // namespace
}  // namespace lvsnat::test
