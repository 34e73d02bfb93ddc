#include <gtest/gtest.h>

#include "frames.h"

namespace lvsnat::frames {
namespace {

const Bytes kInner4 = ipv4({.source = 0xc0a80001, .destination = 0xc0a80002}, tcp({1, 2}));
const Bytes kInner6 = ipv6(kUdp, udp({1, 2, 3}));

Bytes four(unsigned protocol, const Bytes& payload) {
  return ethernet(0x8100, vlan(4, 0x0800, ipv4({.protocol = protocol}, payload)));
}
Bytes six(unsigned protocol, const Bytes& payload) { return ethernet(0x86dd, ipv6(protocol, payload)); }

void expect_inner(const Bytes& bytes, bool v6) {
  const Decoded d = decode_whole(bytes + zeros(5));
  ASSERT_EQ(d->kind, Kind::tunnel);
  Packet inner;
  ASSERT_TRUE(decode_tunnel(d.packet, inner));
  EXPECT_EQ(inner.kind, Kind::transport);
  EXPECT_EQ(inner.v6, v6);
  EXPECT_EQ(inner.vlan, d->vlan);
  EXPECT_EQ(inner.time, d->time);
  EXPECT_EQ(inner.number, d->number);
  EXPECT_EQ(inner.source_mac, d->source_mac);
  EXPECT_EQ(inner.payload, v6 ? 3U : 2U);
  EXPECT_EQ(payload_of(inner).size(), v6 ? 3U : 2U);
  EXPECT_EQ(payload_of(inner)[1], 2);
  EXPECT_EQ(to_string(inner.source), v6 ? "fd00::2" : "192.168.0.1");
}

TEST(Tunnel, IpInIp) {
  expect_inner(four(kIpip, kInner4), false);
  expect_inner(four(kIpv6, kInner6), true);
  expect_inner(six(kIpip, kInner4), false);
  expect_inner(six(kIpv6, kInner6), true);
}

TEST(Tunnel, Gre) {
  for (unsigned flags = 0; flags < 8; ++flags) {
    const unsigned bits = ((flags & 1) != 0 ? 0x8000U : 0) | ((flags & 2) != 0 ? 0x2000U : 0) | ((flags & 4) != 0 ? 0x1000U : 0);
    const Bytes fields = zeros(static_cast<std::size_t>(__builtin_popcount(flags)) * 4);
    expect_inner(four(kGre, be16(bits) + be16(0x0800) + fields + kInner4), false);
    expect_inner(six(kGre, be16(bits) + be16(0x86dd) + fields + kInner6), true);
  }
  EXPECT_EQ(decode_whole(four(kGre, be16(1) + be16(0x0800) + kInner4))->kind, Kind::other_ip);       // version
  EXPECT_EQ(decode_whole(four(kGre, be16(0x4000) + be16(0x0800) + kInner4))->kind, Kind::other_ip);  // routing
  EXPECT_EQ(decode_whole(four(kGre, be16(0) + be16(0x6558) + kInner4))->kind, Kind::other_ip);       // Ethernet
  EXPECT_EQ(decode_whole(four(kGre, be16(0xb000) + be16(0x0800) + zeros(11)))->kind, Kind::malformed);
  EXPECT_EQ(decode_whole(four(kGre, {0, 0, 8}))->kind, Kind::malformed);
}

TEST(Tunnel, CutBeforeTheInnerHeaderStarts) {
  Bytes outer = ipv4({.protocol = kIpip}, zeros(40) + kInner4);
  outer[0] = 0x4f;  // 40 bytes of options
  const Bytes bytes = ethernet(0x0800, outer);
  for (std::size_t cut = 34; cut < bytes.size(); ++cut) {
    const Decoded d = decode_cut(bytes, cut);
    ASSERT_EQ(d->kind, Kind::tunnel);
    Packet inner;
    ASSERT_TRUE(decode_tunnel(d.packet, inner));
    EXPECT_EQ(inner.network_offset, cut < 74 ? 0 : 74);
  }
}

TEST(Tunnel, CutAnywhere) {
  const Bytes bytes = ethernet(0x0800, ipv4({.protocol = kGre}, be16(0x2000) + be16(0x0800) + zeros(4) + kInner4));
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const Decoded d = decode_cut(bytes, cut);
    EXPECT_EQ(d->kind, cut < 38 ? Kind::truncated : Kind::tunnel);
    Packet inner;
    ASSERT_EQ(decode_tunnel(d.packet, inner), cut >= 38);
    if (cut >= 38) {
      EXPECT_EQ(inner.kind, cut < 42 + 20 + 14 ? Kind::truncated : Kind::transport) << cut;
    }
  }
}

TEST(Tunnel, InnerBeyondTheOuter) {
  const Decoded d = decode_whole(four(kIpip, Bytes(kInner4.begin(), kInner4.begin() + 30)) + zeros(40));
  Packet inner;
  ASSERT_TRUE(decode_tunnel(d.packet, inner));
  EXPECT_EQ(inner.kind, Kind::malformed);
}

TEST(Tunnel, NestsWithoutEnd) {
  Bytes bytes;
  for (int i = 0; i < 3200; ++i) bytes = bytes + ipv4({.protocol = kIpip, .total = 0}, {});
  Decoded d = decode_whole(bytes, LinkType::raw);
  int depth = 0;
  while (decode_tunnel(d.packet, d.packet)) ++depth;
  EXPECT_GT(depth, 2900);
  EXPECT_EQ(d->kind, Kind::unsupported);
  EXPECT_FALSE(decode_tunnel(Packet{}, d.packet));
}

}  // namespace
}  // namespace lvsnat::frames
