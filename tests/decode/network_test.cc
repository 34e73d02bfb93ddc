#include <gtest/gtest.h>

#include "frames.h"

namespace lvsnat::frames {
namespace {

Decoded four(const Ip4& ip, const Bytes& payload) { return decode_whole(ethernet(0x0800, ipv4(ip, payload))); }
Decoded six(unsigned next, const Bytes& payload, int length = -1) {
  return decode_whole(ethernet(0x86dd, ipv6(next, payload, length)));
}

TEST(Ipv4, Fields) {
  const Decoded d = four({}, tcp({1, 2, 3}));
  EXPECT_EQ(to_string(d->source), "10.1.1.2");
  EXPECT_EQ(to_string(d->destination), "10.1.1.3");
  EXPECT_EQ(d->ip_length, 43U);
  EXPECT_EQ(d->ip_id, 0x1234);
  EXPECT_EQ(d->ttl, 63);
  EXPECT_EQ(d->protocol, kTcp);
  EXPECT_TRUE(d->dont_fragment);
  EXPECT_FALSE(d->first_fragment);
  EXPECT_FALSE(d->v6);
}

TEST(Ipv4, Options) {
  const Decoded d = four({.options = 40}, tcp({1, 2, 3}));
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_EQ(d->transport_offset, 14 + 60);
  EXPECT_EQ(d->payload, 3U);
}

TEST(Ipv4, Contradictions) {
  EXPECT_EQ(four({.first = 0x55}, tcp())->kind, Kind::malformed);
  for (int ihl = 0; ihl < 5; ++ihl) EXPECT_EQ(four({.first = 0x40 | ihl}, tcp())->kind, Kind::malformed);
  for (int total : {1, 19, 20, 21, 39}) EXPECT_EQ(four({.total = total}, tcp())->kind, Kind::malformed) << total;
  EXPECT_EQ(four({.total = 40}, tcp())->kind, Kind::transport);
  EXPECT_EQ(four({.total = 30, .first = 0x4f}, tcp())->kind, Kind::malformed);
  EXPECT_EQ(to_string(four({.total = 21}, tcp())->source), "10.1.1.2");
}

// Some writers keep no wire length: what the header says is believed as long as the bytes needed are there.
TEST(Ipv4, LengthBeyondTheFrame) {
  const Decoded d = four({.total = 1500}, tcp());
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_EQ(d->payload, 1460U);
  EXPECT_TRUE(payload_of(d.packet).empty());
}

TEST(Ipv4, OffloadedLengthZero) {
  const Decoded d = four({.total = 0}, tcp(zeros(100)));
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_EQ(d->ip_length, 140U);
  EXPECT_EQ(d->payload, 100U);
  const Bytes big = ethernet(0x0800, ipv4({.total = 0}, tcp(zeros(190000))));
  EXPECT_EQ(decode_cut(big, 96)->payload, 190000U);
  EXPECT_EQ(decode_cut(big, 96)->ip_length, 190040U);
}

TEST(Ipv4, Fragments) {
  const Decoded first = four({.fragment = 0x2000}, tcp(zeros(100)));
  EXPECT_EQ(first->kind, Kind::transport);
  EXPECT_TRUE(first->first_fragment);
  EXPECT_FALSE(first->dont_fragment);
  EXPECT_EQ(first->source_port, 40000);
  const Decoded later = four({.fragment = 0x2010}, tcp(zeros(100)));
  EXPECT_EQ(later->kind, Kind::fragment);
  EXPECT_FALSE(later->first_fragment);
  EXPECT_EQ(later->source_port, 0);
  EXPECT_EQ(later->protocol, kTcp);
  EXPECT_EQ(later->payload, 120U);
  EXPECT_EQ(four({.fragment = 0x0010}, zeros(3))->kind, Kind::fragment);
  const Decoded tiny = four({.fragment = 0x2000}, be16(40000) + be16(80) + be32(7));
  EXPECT_EQ(tiny->kind, Kind::transport);
  EXPECT_EQ(tiny->destination_port, 80);
  EXPECT_EQ(tiny->sequence, 7U);
  EXPECT_EQ(tiny->tcp_flags, 0);
  EXPECT_EQ(four({.protocol = kUdp, .fragment = 0x2000}, udp(zeros(16), 2000))->payload, 16U);
}

TEST(Ipv4, OtherProtocols) {
  for (unsigned protocol : {2U, 50U, 51U, 58U, 89U, 112U}) {
    const Decoded d = four({.protocol = protocol}, zeros(20));
    EXPECT_EQ(d->kind, Kind::other_ip);
    EXPECT_EQ(d->protocol, protocol);
    EXPECT_EQ(d->payload, 20U);
    EXPECT_EQ(d->transport_offset, 34);
  }
}

TEST(Ipv6, Fields) {
  const Decoded d = six(kTcp, tcp({1, 2, 3}));
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_TRUE(d->v6);
  EXPECT_EQ(to_string(d->source), "fd00::2");
  EXPECT_EQ(to_string(d->destination), "fd00::3");
  EXPECT_EQ(d->ip_length, 63U);
  EXPECT_EQ(d->ttl, 64);
  EXPECT_EQ(d->payload, 3U);
  EXPECT_EQ(d->ip_id, 0);
}

TEST(Ipv6, Contradictions) {
  EXPECT_EQ(decode_whole(ethernet(0x86dd, ipv6(kTcp, tcp(), -1, 0x40)))->kind, Kind::malformed);
  EXPECT_EQ(six(kTcp, tcp(), 19)->kind, Kind::malformed);
  EXPECT_EQ(decode_whole(ethernet(0x86dd, Bytes(39, 0x60)))->kind, Kind::malformed);
  EXPECT_EQ(six(0, {6, 255, 0, 0, 0, 0, 0, 0})->kind, Kind::malformed);
  EXPECT_EQ(six(0, {6})->kind, Kind::malformed);
}

TEST(Ipv6, ExtensionHeaders) {
  for (unsigned next : {0U, 43U, 60U, 135U}) {
    const Decoded d = six(next, Bytes{kTcp, 1} + zeros(14) + tcp({1}));
    EXPECT_EQ(d->kind, Kind::transport);
    EXPECT_EQ(d->protocol, kTcp);
    EXPECT_EQ(d->transport_offset, 14 + 40 + 16);
    EXPECT_EQ(d->payload, 1U);
  }
  EXPECT_EQ(six(51, Bytes{kTcp, 4} + zeros(22) + tcp({1}))->transport_offset, 14 + 40 + 24);  // AH counts in fours
  const Decoded all = six(0, Bytes{60, 0} + zeros(6) + Bytes{43, 0} + zeros(6) + Bytes{51, 0} + zeros(6) + Bytes{51, 1} +
                                 zeros(10) + Bytes{60, 0} + zeros(6) + Bytes{kUdp, 0} + zeros(6) + udp({1, 2}));
  EXPECT_EQ(all->kind, Kind::transport);
  EXPECT_EQ(all->payload, 2U);
  const Decoded esp = six(0, Bytes{50, 0} + zeros(6) + zeros(20));
  EXPECT_EQ(esp->kind, Kind::other_ip);
  EXPECT_EQ(esp->protocol, 50);
  EXPECT_EQ(six(59, {1, 2, 3})->kind, Kind::other_ip);
  EXPECT_EQ(six(59, {})->ip_length, 40U);
  EXPECT_EQ(six(kIcmp, zeros(8))->kind, Kind::other_ip);
}

TEST(Ipv6, ExtensionHeadersAreBounded) {
  const auto chain = [](unsigned count, unsigned units) {
    Bytes bytes;
    for (unsigned i = 0; i < count; ++i)
      bytes = bytes + Bytes{static_cast<std::uint8_t>(i + 1 < count ? 60 : kTcp), static_cast<std::uint8_t>(units)} +
              zeros(6 + 8 * units);
    return bytes + tcp();
  };
  EXPECT_EQ(six(60, chain(16, 0))->kind, Kind::transport);
  EXPECT_EQ(six(60, chain(17, 0))->kind, Kind::unsupported);
  EXPECT_EQ(six(60, chain(200, 0))->kind, Kind::unsupported);
  EXPECT_EQ(six(60, chain(1, 159))->kind, Kind::transport);  // 1280 bytes
  EXPECT_EQ(six(60, chain(1, 160))->kind, Kind::unsupported);
}

TEST(Ipv6, Fragments) {
  const Decoded first = six(44, Bytes{kUdp, 0, 0, 1, 0, 0, 0, 9} + udp(zeros(16), 2000));
  EXPECT_EQ(first->kind, Kind::transport);
  EXPECT_TRUE(first->first_fragment);
  EXPECT_EQ(first->payload, 16U);
  const Decoded atomic = six(44, Bytes{kTcp, 0, 0, 0, 0, 0, 0, 9} + tcp());
  EXPECT_EQ(atomic->kind, Kind::transport);
  EXPECT_FALSE(atomic->first_fragment);
  const Decoded later = six(44, Bytes{kUdp, 0, 5, 0x80, 0, 0, 0, 9} + zeros(16));
  EXPECT_EQ(later->kind, Kind::fragment);
  EXPECT_EQ(later->protocol, kUdp);
  EXPECT_EQ(later->payload, 16U);
  EXPECT_EQ(later->source_port, 0);
}

TEST(Ipv6, JumboLengthZero) {
  const Bytes jumbo = ethernet(0x86dd, ipv6(0, Bytes{kTcp, 0, 0xc2, 4, 0, 2, 0xe6, 0x48} + tcp(zeros(190000)), 0));
  const Decoded d = decode_cut(jumbo, 128);
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_EQ(d->payload, 190000U);
  EXPECT_EQ(d->ip_length, 40U + 8 + 20 + 190000);
  EXPECT_EQ(six(kTcp, tcp(zeros(50)), 0)->payload, 50U);
}

}  // namespace
}  // namespace lvsnat::frames
