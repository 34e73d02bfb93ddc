#include <gtest/gtest.h>

#include "frames.h"

namespace lvsnat::frames {
namespace {

struct Told {
  Decoded decoded;
  Icmp icmp;
  bool readable;
};
Told tell(Decoded decoded) {
  Told told{std::move(decoded), {}, false};
  told.readable = decode_icmp(told.decoded.packet, told.icmp);
  return told;
}
Told four(const Bytes& message) { return tell(decode_whole(ethernet(0x0800, ipv4({.protocol = kIcmp}, message)))); }
Told six(const Bytes& message) { return tell(decode_whole(ethernet(0x86dd, ipv6(kIcmp6, message)))); }

const Bytes kQuote = ipv4({.source = 0x0a010103, .destination = 0x0a020001}, tcp());
const Bytes kQuote6 = ipv6(kUdp, udp(zeros(9)));

TEST(Icmp, Unreachable) {
  const Told t = four(icmp(3, 3, zeros(4) + kQuote));
  ASSERT_TRUE(t.readable);
  EXPECT_EQ(t.decoded->kind, Kind::icmp);
  EXPECT_EQ(t.decoded->payload, 40U);
  EXPECT_TRUE(t.icmp.unreachable);
  EXPECT_FALSE(t.icmp.too_big);
  EXPECT_EQ(t.icmp.code, 3);
  EXPECT_TRUE(t.icmp.quotes && t.icmp.quotes_ports);
  EXPECT_EQ(to_string(t.icmp.quoted_source), "10.1.1.3");
  EXPECT_EQ(to_string(t.icmp.quoted_destination), "10.2.0.1");
  EXPECT_EQ(t.icmp.quoted_source_port, 40000);
  EXPECT_EQ(t.icmp.quoted_destination_port, 80);
  EXPECT_EQ(t.icmp.quoted_ip_id, 0x1234);
  EXPECT_EQ(t.icmp.quoted_protocol, kTcp);
  EXPECT_EQ(t.icmp.quoted_ttl, 63);
}

TEST(Icmp, TooBigAndRedirectAndTime) {
  const Told big = four(icmp(3, 4, be16(0) + be16(1400) + kQuote));
  EXPECT_TRUE(big.icmp.too_big);
  EXPECT_FALSE(big.icmp.unreachable);
  EXPECT_EQ(big.icmp.mtu, 1400U);
  EXPECT_TRUE(big.icmp.quotes_ports);
  const Told redirect = four(icmp(5, 1, be32(0x0a0101fe) + kQuote));
  EXPECT_TRUE(redirect.icmp.redirect && redirect.icmp.quotes_ports);
  EXPECT_EQ(to_string(redirect.icmp.gateway), "10.1.1.254");
  EXPECT_TRUE(four(icmp(11, 0, zeros(4) + kQuote)).icmp.time_exceeded);
  EXPECT_TRUE(four(icmp(8, 0, zeros(4))).icmp.echo_request);
  EXPECT_TRUE(four(icmp(0, 0, zeros(4))).icmp.echo_reply);
  EXPECT_FALSE(four(icmp(8, 0, zeros(4) + kQuote)).icmp.quotes);
}

TEST(Icmp, QuoteCutAnywhere) {
  const Bytes message = icmp(3, 1, zeros(4) + kQuote);
  for (std::size_t kept = 0; kept <= message.size(); ++kept) {
    const Told t = four(Bytes(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(kept)));
    EXPECT_EQ(t.decoded->kind, kept < 8 ? Kind::malformed : Kind::icmp);
    EXPECT_EQ(t.icmp.quotes, kept >= 28);
    EXPECT_EQ(t.icmp.quotes_ports, kept >= 32);
  }
  const Bytes frame = ethernet(0x0800, ipv4({.protocol = kIcmp}, message));
  for (std::size_t cut = 34; cut <= frame.size(); ++cut) {
    const Told t = tell(decode_cut(frame, cut));
    EXPECT_EQ(t.decoded->kind, cut < 36 ? Kind::truncated : Kind::icmp);
    EXPECT_EQ(t.readable, cut >= 36);
    EXPECT_EQ(t.icmp.quotes_ports, cut >= 34 + 32);
  }
}

TEST(Icmp, QuoteContradictions) {
  Bytes quote = kQuote;
  quote[0] = 0x4f;  // options behind the quote's end
  Told t = four(icmp(3, 1, zeros(4) + quote));
  EXPECT_TRUE(t.icmp.quotes);
  EXPECT_FALSE(t.icmp.quotes_ports);
  quote[0] = 0x44;
  EXPECT_FALSE(four(icmp(3, 1, zeros(4) + quote)).icmp.quotes);
  quote[0] = 0x65;
  EXPECT_FALSE(four(icmp(3, 1, zeros(4) + quote)).icmp.quotes);
  EXPECT_FALSE(four(icmp(3, 1, zeros(4) + ipv4({.fragment = 0x0010}, tcp()))).icmp.quotes_ports);
  EXPECT_FALSE(four(icmp(3, 1, zeros(4) + ipv4({.protocol = kIcmp}, tcp()))).icmp.quotes_ports);
  EXPECT_TRUE(four(icmp(3, 1, zeros(4) + ipv4({.protocol = kSctp, .options = 8}, tcp()))).icmp.quotes_ports);
}

TEST(Icmp, PaddingIsNoQuote) {
  const Bytes cut(kQuote.begin(), kQuote.begin() + 20);
  const Told t = tell(decode_whole(ethernet(0x0800, ipv4({.protocol = kIcmp}, icmp(3, 1, zeros(4) + cut))) + zeros(40)));
  EXPECT_TRUE(t.icmp.quotes);
  EXPECT_FALSE(t.icmp.quotes_ports);
}

TEST(Icmp, LengthAttribute) {
  const auto with = [](unsigned words) {
    return icmp(3, 1, u8(0) + u8(words) + be16(0) + kQuote + Bytes{0x20, 0, 0, 0} + zeros(100));
  };
  EXPECT_TRUE(four(with(0)).icmp.quotes_ports);
  EXPECT_TRUE(four(with(32)).icmp.quotes_ports);
  EXPECT_TRUE(four(with(255)).icmp.quotes_ports);
  EXPECT_FALSE(four(with(5)).icmp.quotes_ports);  // what follows the header is an extension, no ports
  EXPECT_TRUE(four(with(1)).icmp.quotes_ports);   // cannot be meant
}

TEST(Icmp6, Errors) {
  const Told unreachable = six(icmp(1, 4, zeros(4) + kQuote6));
  EXPECT_EQ(unreachable.decoded->kind, Kind::icmp);
  EXPECT_TRUE(unreachable.icmp.v6 && unreachable.icmp.unreachable && unreachable.icmp.quotes_ports);
  EXPECT_EQ(to_string(unreachable.icmp.quoted_destination), "fd00::3");
  EXPECT_EQ(unreachable.icmp.quoted_destination_port, 53);
  EXPECT_EQ(unreachable.icmp.quoted_ttl, 64);
  const Told big = six(icmp(2, 0, be32(1280) + kQuote6));
  EXPECT_TRUE(big.icmp.too_big && big.icmp.quotes_ports);
  EXPECT_EQ(big.icmp.mtu, 1280U);
  EXPECT_TRUE(six(icmp(3, 0, zeros(4) + kQuote6)).icmp.time_exceeded);
  EXPECT_TRUE(six(icmp(128, 0, zeros(4))).icmp.echo_request);
  EXPECT_TRUE(six(icmp(129, 0, zeros(4))).icmp.echo_reply);
  const Told walked = six(icmp(1, 4, zeros(4) + ipv6(0, Bytes{44, 0} + zeros(6) + Bytes{kTcp, 0, 0, 1, 0, 0, 0, 9} + tcp())));
  EXPECT_TRUE(walked.icmp.quotes_ports);
  EXPECT_EQ(walked.icmp.quoted_protocol, kTcp);
  const Told later = six(icmp(1, 4, zeros(4) + ipv6(44, Bytes{kTcp, 0, 1, 0, 0, 0, 0, 9} + tcp())));
  EXPECT_TRUE(later.icmp.quotes);
  EXPECT_FALSE(later.icmp.quotes_ports);
}

TEST(Icmp6, CutBeforeThePorts) {
  const Bytes frame = ethernet(0x86dd, ipv6(kIcmp6, icmp(1, 4, zeros(4) + kQuote6)));
  for (std::size_t cut = 0; cut <= frame.size(); ++cut) {
    const Told t = tell(decode_cut(frame, cut));
    EXPECT_EQ(t.decoded->kind, cut < 56 ? Kind::truncated : Kind::icmp);
    EXPECT_EQ(t.icmp.quotes, cut >= 102);
    EXPECT_EQ(t.icmp.quotes_ports, cut >= 106);
  }
}

const Bytes kLinkOption1 = {1, 1, 2, 0, 0, 0, 0, 9};
const Bytes kLinkOption2 = {2, 1, 2, 0, 0, 0, 0, 8};

TEST(Neighbour, SolicitationAndAdvertisement) {
  const Told ask = six(icmp(135, 0, zeros(4) + address6(7) + kLinkOption1));
  EXPECT_EQ(ask.decoded->kind, Kind::neighbour);
  EXPECT_TRUE(ask.icmp.solicitation && ask.icmp.has_link_address);
  EXPECT_EQ(to_string(ask.icmp.target), "fd00::7");
  EXPECT_EQ(ask.icmp.link_address[5], 9);
  const Told tells = six(icmp(136, 0, zeros(4) + address6(7) + Bytes{14, 1} + zeros(6) + kLinkOption2));
  EXPECT_TRUE(tells.icmp.advertisement && tells.icmp.has_link_address);
  EXPECT_EQ(tells.icmp.link_address[5], 8);
  EXPECT_FALSE(six(icmp(135, 0, zeros(4) + address6(7))).icmp.has_link_address);
  EXPECT_FALSE(six(icmp(135, 0, zeros(4) + address6(7) + Bytes{14, 0} + zeros(6) + kLinkOption1)).icmp.has_link_address);
  EXPECT_FALSE(six(icmp(135, 0, zeros(4) + address6(7) + Bytes{1, 1, 2, 0})).icmp.has_link_address);
  EXPECT_TRUE(six(icmp(135, 0, zeros(4) + Bytes{1, 2, 3})).icmp.target.is_none());
}

TEST(Neighbour, Routers) {
  const Told ask = six(icmp(133, 0, zeros(4) + kLinkOption1));
  EXPECT_EQ(ask.decoded->kind, Kind::neighbour);
  EXPECT_TRUE(ask.icmp.has_link_address);
  const Told tells = six(icmp(134, 0, zeros(12) + Bytes{3, 4} + zeros(30) + kLinkOption1));
  EXPECT_TRUE(tells.icmp.router_advertisement && tells.icmp.has_link_address);
}

TEST(Neighbour, Redirect) {
  const Bytes header = icmp(137, 0, zeros(4) + address6(1) + address6(3) + kLinkOption2);
  const Bytes quote = ipv6(kTcp, tcp());
  const Told t = six(header + Bytes{4, static_cast<std::uint8_t>((8 + quote.size() + 7) / 8)} + zeros(6) + quote +
                     zeros((8 - quote.size() % 8) % 8));
  EXPECT_EQ(t.decoded->kind, Kind::neighbour);
  EXPECT_TRUE(t.icmp.redirect && t.icmp.quotes && t.icmp.quotes_ports && t.icmp.has_link_address);
  EXPECT_EQ(to_string(t.icmp.gateway), "fd00::1");
  EXPECT_EQ(to_string(t.icmp.target), "fd00::1");
  EXPECT_EQ(t.icmp.quoted_source_port, 40000);
  const Told bare = six(header);
  EXPECT_FALSE(bare.icmp.quotes);
  EXPECT_EQ(to_string(bare.icmp.quoted_destination), "fd00::3");
}

TEST(Icmp, RefusesOtherKinds) {
  Icmp out;
  EXPECT_FALSE(decode_icmp(decode_whole(ethernet(0x0800, ipv4({}, tcp()))).packet, out));
  EXPECT_FALSE(decode_icmp(Packet{}, out));
}

}  // namespace
}  // namespace lvsnat::frames
