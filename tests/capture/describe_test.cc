#include <gtest/gtest.h>
#include <tins/arp.h>
#include <tins/dot1q.h>
#include <tins/ethernetII.h>
#include <tins/icmp.h>
#include <tins/icmpv6.h>
#include <tins/ip.h>
#include <tins/ipv6.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/udp.h>

#include <random>

#include "lvsnat/capture.h"

namespace lvsnat::test {
namespace {

std::string describe(const std::vector<std::uint8_t>& bytes, LinkType link = LinkType::ethernet) {
  // An exact copy on the heap: reading past it is seen by the sanitizer.
  const std::vector<std::uint8_t> exact(bytes);
  Frame frame;
  frame.data = exact.data();
  frame.captured = frame.wire = static_cast<std::uint32_t>(exact.size());
  frame.link = link;
  return describe_frame(frame);
}

Tins::EthernetII ethernet() { return {"02:00:00:00:00:02", "02:00:00:00:00:01"}; }

Tins::TCP syn_ack() {
  Tins::TCP tcp(40000, 80);
  tcp.flags(Tins::TCP::SYN | Tins::TCP::ACK);
  tcp.seq(7);
  tcp.ack_seq(9);
  tcp.window(64240);
  tcp.mss(1460);
  return tcp;
}

TEST(Describe, TcpOverVlan) {
  auto frame = ethernet() / Tins::Dot1Q(7) / Tins::IP("192.168.1.254", "10.1.1.2") / syn_ack();
  EXPECT_EQ(describe(frame.serialize()),
            "VLAN 7, 10.1.1.2 > 192.168.1.254, TCP 80 > 40000 [SYN ACK] seq 7 ack 9 win 64240, no data, TTL 128 id 1, MAC "
            "02:00:00:00:00:01 "
            "> 02:00:00:00:00:02");
}

TEST(Describe, SnaplenTakesNothingFromTheHeaders) {
  for (const bool v6 : {false, true}) {
    const auto payload = Tins::RawPDU(std::string(1000, 'p'));
    auto v4_frame = Tins::IP("192.168.1.254", "10.1.1.2") / syn_ack() / payload;
    auto v6_frame = Tins::IPv6("fd00::254", "fd00:1::2") / syn_ack() / payload;
    auto bytes = v6 ? v6_frame.serialize() : v4_frame.serialize();
    bytes.resize(96);
    const std::string text = describe(bytes, LinkType::raw);
    EXPECT_NE(text.find(v6 ? "fd00:1::2 > fd00::254" : "10.1.1.2 > 192.168.1.254"), std::string::npos) << text;
    EXPECT_NE(text.find("1000 bytes of data"), std::string::npos) << text;
    bytes.resize(v6 ? 44 : 24);
    EXPECT_NE(describe(bytes, LinkType::raw).find("TCP 80 > 40000, its header cut"), std::string::npos)
        << describe(bytes, LinkType::raw);
  }
}

TEST(Describe, RedirectNamesGatewayAndQuotedPacket) {
  auto inner = Tins::IP("192.168.1.254", "10.1.1.2") / Tins::TCP(40000, 80);
  Tins::ICMP icmp(Tins::ICMP::REDIRECT);
  icmp.gateway("10.1.1.254");
  auto quote = inner.serialize();
  auto frame = Tins::IP("10.1.1.2", "10.1.1.9") / icmp / Tins::RawPDU(quote);
  const std::string text = describe(frame.serialize(), LinkType::raw);
  EXPECT_NE(text.find("ICMP redirect to 10.1.1.254, about {10.1.1.2 > 192.168.1.254, TCP 80 > 40000"), std::string::npos) << text;
}

TEST(Describe, ArpAndUdpAndTunnel) {
  auto arp = Tins::ARP::make_arp_request("10.1.1.9", "10.1.1.2", "02:00:00:00:00:01");
  EXPECT_NE(describe(arp.serialize()).find("ARP who has 10.1.1.9, tell 10.1.1.2 (02:00:00:00:00:01)"), std::string::npos)
      << describe(arp.serialize());
  auto tunnel =
      Tins::IP("10.1.1.2", "10.1.1.9") / Tins::IP("192.168.1.110", "192.168.1.254") / Tins::UDP(53, 4000) / Tins::RawPDU("abc");
  EXPECT_NE(
      describe(tunnel.serialize(), LinkType::raw).find("IP-in-IP {192.168.1.254 > 192.168.1.110, UDP 4000 > 53, 3 bytes of data"),
      std::string::npos)
      << describe(tunnel.serialize(), LinkType::raw);
}

TEST(Describe, OddFramesGetASentence) {
  EXPECT_EQ(describe({}), "a frame that is cut inside its link header");
  EXPECT_EQ(describe({1, 2, 3}, LinkType::linux_sll2), "a frame that is cut inside its link header");
  EXPECT_EQ(describe({1, 2, 3}, static_cast<LinkType>(127)), "a frame of link type 127");
}

TEST(Describe, NestingIsBounded) {
  std::vector<std::uint8_t> vlans(12, 0);
  for (int i = 0; i < 65000; ++i) vlans.insert(vlans.end(), {0x81, 0x00, 0x00, 0x01});
  EXPECT_NE(describe(vlans).find("more VLAN tags"), std::string::npos);
  std::vector<std::uint8_t> tunnels;
  for (int i = 0; i < 2000; ++i) {
    const auto header = Tins::IP("10.0.0.1", "10.0.0.2").serialize();
    tunnels.insert(tunnels.end(), header.begin(), header.end());
    tunnels[tunnels.size() - 20 + 9] = 4;
    tunnels[tunnels.size() - 20 + 2] = 0xff;
  }
  EXPECT_LE(describe(tunnels, LinkType::raw).size(), 300U);
}

TEST(Describe, AnyBytesGiveOneCleanLine) {
  std::mt19937 random(1);
  auto good = (ethernet() / Tins::IPv6("fd00::1", "fd00::2") / Tins::ICMPv6(Tins::ICMPv6::NEIGHBOUR_SOLICIT)).serialize();
  auto other = (ethernet() / Tins::IP("10.0.0.1", "10.0.0.2") / syn_ack() / Tins::RawPDU("x")).serialize();
  for (int i = 0; i < 20000; ++i) {
    auto bytes = i % 2 == 0 ? good : other;
    for (int k = 0; k < 1 + i % 5; ++k) bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    bytes.resize(random() % (bytes.size() + 1));
    const std::string text = describe(bytes);
    ASSERT_FALSE(text.empty());
    for (const char c : text) ASSERT_TRUE(c >= ' ' && c <= '~') << text;
  }
}

}  // namespace
}  // namespace lvsnat::test
