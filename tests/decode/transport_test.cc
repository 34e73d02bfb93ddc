#include <gtest/gtest.h>

#include "frames.h"

namespace lvsnat::frames {
namespace {

Decoded four(unsigned protocol, const Bytes& payload) {
  return decode_whole(ethernet(0x0800, ipv4({.protocol = protocol}, payload)));
}
Decoded six(unsigned protocol, const Bytes& payload) { return decode_whole(ethernet(0x86dd, ipv6(protocol, payload))); }

TEST(Tcp, Fields) {
  for (const Decoded& d : {four(kTcp, tcp({'a', 'b', 'c'}, 8)), six(kTcp, tcp({'a', 'b', 'c'}, 8))}) {
    EXPECT_EQ(d->kind, Kind::transport);
    EXPECT_EQ(d->source_port, 40000);
    EXPECT_EQ(d->destination_port, 80);
    EXPECT_EQ(d->sequence, 0x11223344U);
    EXPECT_EQ(d->acknowledgement, 0x55667788U);
    EXPECT_EQ(d->tcp_flags, kAck | kPsh);
    EXPECT_EQ(d->window, 501);
    EXPECT_EQ(d->payload, 3U);
    EXPECT_EQ(d->payload_offset, d->transport_offset + 32);
    const auto payload = payload_of(d.packet);
    EXPECT_EQ(std::string(payload.begin(), payload.end()), "abc");
  }
}

TEST(Tcp, DataOffset) {
  for (unsigned offset = 0; offset < 5; ++offset) {
    const Decoded d = four(kTcp, tcp(zeros(60), offset));
    EXPECT_EQ(d->kind, Kind::malformed);
    EXPECT_EQ(d->destination_port, 80);
  }
  EXPECT_EQ(four(kTcp, tcp({}, 15))->kind, Kind::transport);
  Bytes past = tcp(zeros(39));
  past[12] = 0xf0;
  EXPECT_EQ(four(kTcp, past)->kind, Kind::malformed);
  past.push_back(0);
  EXPECT_EQ(four(kTcp, past)->kind, Kind::transport);
}

TEST(Tcp, EveryFlag) {
  for (unsigned flags = 0; flags < 256; ++flags) EXPECT_EQ(four(kTcp, tcp({}, 5, flags))->tcp_flags, flags);
}

// What the snaplen leaves: 14 bytes of the header are all that we need, and lengths come from the headers.
TEST(Tcp, CutByTheSnaplen) {
  const Bytes bytes = ethernet(0x0800, ipv4({}, tcp(zeros(1000), 8)));
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const Decoded d = decode_cut(bytes, cut);
    if (cut < 34 + 14) {
      EXPECT_EQ(d->kind, Kind::truncated) << cut;
    } else {
      EXPECT_EQ(d->kind, Kind::transport) << cut;
      EXPECT_EQ(d->payload, 1000U);
      EXPECT_EQ(d->tcp_flags, kAck | kPsh);
      EXPECT_EQ(d->window, cut >= 50 ? 501 : 0);
    }
    if (cut >= 34) {
      EXPECT_EQ(to_string(d->source), "10.1.1.2");
    }
    if (cut >= 38) {
      EXPECT_EQ(d->destination_port, 80);
    }
    EXPECT_EQ(payload_of(d.packet).size(), cut > 66 ? cut - 66 : 0);
  }
}

TEST(Tcp, CutInIpv6) {
  const Bytes bytes = ethernet(0x86dd, ipv6(0, Bytes{kTcp, 0} + zeros(6) + tcp(zeros(1000))));
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    EXPECT_EQ(decode_cut(bytes, cut)->kind, cut < 14 + 48 + 14 ? Kind::truncated : Kind::transport) << cut;
  }
}

// The wire itself ended too early: nobody's snaplen is to blame.
TEST(Tcp, EndsOnTheWire) {
  EXPECT_EQ(decode_whole(ethernet(0x0800, ipv4({.total = 40}, {1, 2, 3, 4, 5})))->kind, Kind::malformed);
  EXPECT_EQ(four(kTcp, zeros(19))->kind, Kind::malformed);
}

TEST(Udp, Lengths) {
  const Decoded d = four(kUdp, udp({1, 2, 3}));
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_EQ(d->source_port, 5353);
  EXPECT_EQ(d->destination_port, 53);
  EXPECT_EQ(d->payload, 3U);
  EXPECT_EQ(d->tcp_flags, 0);
  EXPECT_EQ(d->sequence, 0U);
  EXPECT_EQ(payload_of(d.packet).size(), 3U);
  EXPECT_EQ(four(kUdp, udp(zeros(20), 10))->payload, 2U);
  EXPECT_EQ(four(kUdp, udp(zeros(20), 8))->payload, 0U);
  EXPECT_EQ(four(kUdp, udp(zeros(20), 65535))->payload, 20U);
  EXPECT_EQ(four(kUdp, udp(zeros(20), 0))->payload, 20U);
  EXPECT_EQ(four(kUdp, udp(zeros(20), 7))->kind, Kind::transport);
  EXPECT_EQ(four(kUdp, udp(zeros(20), 7))->payload, 0U);
  EXPECT_EQ(four(kUdp, zeros(7))->kind, Kind::malformed);
  const Bytes bytes = ethernet(0x0800, ipv4({.protocol = kUdp}, udp(zeros(20))));
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const Decoded c = decode_cut(bytes, cut);
    EXPECT_EQ(c->kind, cut < 38 ? Kind::truncated : Kind::transport);
    EXPECT_EQ(c->payload, cut < 38 ? 0U : 20U);
  }
}

TEST(Sctp, Ports) {
  const Decoded d = six(kSctp, be16(40000) + be16(2905) + zeros(8) + zeros(16));
  EXPECT_EQ(d->kind, Kind::transport);
  EXPECT_EQ(d->protocol, kSctp);
  EXPECT_EQ(d->destination_port, 2905);
  EXPECT_EQ(d->payload, 16U);
  EXPECT_EQ(four(kSctp, zeros(11))->kind, Kind::malformed);
}

}  // namespace
}  // namespace lvsnat::frames
