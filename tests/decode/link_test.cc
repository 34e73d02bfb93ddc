#include <gtest/gtest.h>

#include "frames.h"

namespace lvsnat::frames {
namespace {

const Bytes kIp = ipv4({}, tcp({1, 2, 3}));

TEST(Link, Ethernet) {
  const Decoded d = decode_whole(ethernet(0x0800, kIp));
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_TRUE(d->has_macs);
  EXPECT_EQ(d->source_mac, (std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1}));
  EXPECT_EQ(d->destination_mac, (std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 2}));
  EXPECT_EQ(d->vlan, 0);
  EXPECT_EQ(d->direction, Direction::unknown);
  EXPECT_EQ(d->network_offset, 14);
  EXPECT_EQ(d->number, 17U);
  EXPECT_EQ(d->vantage, 3);
  EXPECT_EQ(d->time, 1795398655400000000);
}

TEST(Link, PaddingIsNoPayload) {
  const Decoded d = decode_whole(ethernet(0x0800, ipv4({}, tcp())) + zeros(6));
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_EQ(d->payload, 0U);
  EXPECT_TRUE(payload_of(d.packet).empty());
  EXPECT_EQ(d->ip_length, 40U);
}

TEST(Link, Tags) {
  EXPECT_EQ(decode_whole(ethernet(0x8100, vlan(0x6064, 0x0800, kIp)))->vlan, 101);
  EXPECT_EQ(decode_whole(ethernet(0x8100, vlan(0, 0x0800, kIp)))->vlan, 1);
  const Decoded d = decode_whole(ethernet(0x88a8, vlan(7, 0x9100, vlan(8, 0x8100, vlan(9, 0x86dd, ipv6(kTcp, tcp()))))));
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_EQ(d->vlan, 8);
  EXPECT_EQ(d->network_offset, 26);
  EXPECT_EQ(decode_cut(ethernet(0x8100, vlan(7, 0x0800, kIp)), 16)->kind, Kind::truncated);
  EXPECT_EQ(decode_whole(ethernet(0x8100, {0, 7}))->kind, Kind::malformed);
}

TEST(Link, TagDepthIsBounded) {
  const auto nested = [](int depth) {
    Bytes bytes = vlan(1, 0x0800, kIp);
    for (int i = 1; i < depth; ++i) bytes = vlan(1, 0x8100, bytes);
    return ethernet(0x8100, bytes);
  };
  EXPECT_EQ(decode_whole(nested(8))->kind, Kind::transport);
  EXPECT_EQ(decode_whole(nested(9))->kind, Kind::unsupported);
  EXPECT_EQ(decode_whole(nested(1000))->kind, Kind::unsupported);
}

TEST(Link, NotIpAndUnsupported) {
  EXPECT_EQ(decode_whole(ethernet(0x88cc, zeros(46)))->kind, Kind::not_ip);                         // LLDP
  EXPECT_EQ(decode_whole(ethernet(0x888e, zeros(46)))->kind, Kind::not_ip);                         // 802.1X
  EXPECT_EQ(decode_whole(ethernet(0x0026, Bytes{0x42, 0x42, 3} + zeros(43)))->kind, Kind::not_ip);  // STP
  EXPECT_EQ(decode_whole(ethernet(0x8847, zeros(46)))->kind, Kind::unsupported);
  EXPECT_EQ(decode_whole(ethernet(0x8864, zeros(46)))->kind, Kind::unsupported);
  EXPECT_EQ(decode_whole(ethernet(71, Bytes{0xaa, 0xaa, 3, 0, 0, 0, 8, 0} + kIp))->kind, Kind::transport);
  EXPECT_EQ(decode_whole(ethernet(71, Bytes{0xaa, 0xaa, 3, 0, 0, 0x0c, 1, 0x0b} + kIp))->kind, Kind::not_ip);
  EXPECT_EQ(decode_whole(kIp, static_cast<LinkType>(127))->kind, Kind::unsupported);
  EXPECT_EQ(decode_whole(kIp, static_cast<LinkType>(127))->network_offset, 0);
}

TEST(Link, Runts) {
  EXPECT_EQ(decode_whole(zeros(13))->kind, Kind::malformed);
  EXPECT_EQ(decode_cut(ethernet(0x0800, kIp), 13)->kind, Kind::truncated);
  EXPECT_EQ(decode_cut(ethernet(0x0800, kIp), 0)->kind, Kind::truncated);
  EXPECT_EQ(decode_whole({})->kind, Kind::malformed);
  for (const LinkType link : {LinkType::linux_sll, LinkType::linux_sll2, LinkType::raw, LinkType::ipv4, LinkType::ipv6,
                              LinkType::null, LinkType::loop}) {
    EXPECT_EQ(decode_whole({}, link)->kind, Kind::malformed);
    EXPECT_EQ(decode_cut(zeros(100), 0, link)->kind, Kind::truncated);
  }
}

Bytes sll(unsigned direction, unsigned type, const Bytes& payload, unsigned hardware = 1, unsigned length = 6) {
  return be16(direction) + be16(hardware) + be16(length) + Bytes{2, 0, 0, 0, 0, 1, 0, 0} + be16(type) + payload;
}
Bytes sll2(unsigned direction, unsigned type, const Bytes& payload, unsigned hardware = 1, unsigned length = 6) {
  return be16(type) + be16(0) + be32(5) + be16(hardware) + u8(direction) + u8(length) + Bytes{2, 0, 0, 0, 0, 1, 0, 0} + payload;
}

TEST(Link, Cooked) {
  const Direction directions[] = {Direction::in,         Direction::in,  Direction::in,
                                  Direction::other_host, Direction::out, Direction::unknown};
  for (unsigned i = 0; i < 6; ++i) {
    const Decoded one = decode_whole(sll(i, 0x0800, kIp), LinkType::linux_sll);
    const Decoded two = decode_whole(sll2(i, 0x0800, kIp), LinkType::linux_sll2);
    EXPECT_EQ(one->kind, Kind::transport);
    EXPECT_EQ(two->kind, Kind::transport);
    EXPECT_EQ(one->direction, directions[i]);
    EXPECT_EQ(two->direction, directions[i]);
    EXPECT_TRUE(one->has_macs && two->has_macs);
    EXPECT_EQ(one->source_mac, (std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1}));
    EXPECT_EQ(two->source_mac, one->source_mac);
    EXPECT_EQ(two->destination_mac, (std::array<std::uint8_t, 6>{}));
    EXPECT_EQ(one->interface_index, 0U);
    EXPECT_EQ(two->interface_index, 5U);
    EXPECT_EQ(one->network_offset, 16);
    EXPECT_EQ(two->network_offset, 20);
  }
  EXPECT_FALSE(decode_whole(sll2(0, 0x0800, kIp, 512, 0), LinkType::linux_sll2)->has_macs);  // PPP
  EXPECT_EQ(decode_whole(sll2(0, 0x8100, vlan(9, 0x0800, kIp)), LinkType::linux_sll2)->vlan, 10);
  EXPECT_EQ(decode_whole(sll(4, 0, kIp, 824), LinkType::linux_sll)->kind, Kind::not_ip);
  EXPECT_EQ(decode_whole(sll(0, 4, Bytes{0x42, 0x42, 3} + zeros(40)), LinkType::linux_sll)->kind, Kind::not_ip);
  EXPECT_EQ(decode_whole(sll2(0, 0x86dd, ipv6(kUdp, udp({1}))), LinkType::linux_sll2)->payload, 1U);
}

TEST(Link, LoopbackHasNoMac) {
  Bytes bytes = sll2(4, 0x0800, kIp, 1);
  bytes[12] = bytes[17] = 0;
  EXPECT_FALSE(decode_whole(bytes, LinkType::linux_sll2)->has_macs);
  bytes[9] = 0x04;  // ARPHRD_LOOPBACK is 772
  bytes[8] = 0x03;
  EXPECT_FALSE(decode_whole(bytes, LinkType::linux_sll2)->has_macs);
}

TEST(Link, Raw) {
  EXPECT_EQ(decode_whole(kIp, LinkType::raw)->kind, Kind::transport);
  EXPECT_EQ(decode_whole(ipv6(kTcp, tcp()), LinkType::raw)->kind, Kind::transport);
  EXPECT_EQ(decode_whole(kIp, LinkType::ipv4)->kind, Kind::transport);
  EXPECT_EQ(decode_whole(kIp, LinkType::ipv6)->kind, Kind::malformed);
  EXPECT_EQ(decode_whole(ipv6(kTcp, tcp()), LinkType::ipv6)->kind, Kind::transport);
  EXPECT_EQ(decode_whole(ipv6(kTcp, tcp()), LinkType::ipv4)->kind, Kind::malformed);
  EXPECT_EQ(decode_whole(Bytes{0x50} + zeros(60), LinkType::raw)->kind, Kind::malformed);
}

TEST(Link, Family) {
  for (const LinkType link : {LinkType::null, LinkType::loop}) {
    EXPECT_EQ(decode_whole(Bytes{2, 0, 0, 0} + kIp, link)->kind, Kind::transport);
    EXPECT_EQ(decode_whole(Bytes{0, 0, 0, 2} + kIp, link)->kind, Kind::transport);
    for (const unsigned six : {10U, 24U, 28U, 30U})
      EXPECT_EQ(decode_whole(zeros(3) + u8(six) + ipv6(kTcp, tcp()), link)->kind, Kind::transport);
    EXPECT_EQ(decode_whole(Bytes{0, 0, 0, 7} + kIp, link)->kind, Kind::not_ip);
  }
}

}  // namespace
}  // namespace lvsnat::frames
