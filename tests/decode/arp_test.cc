#include <gtest/gtest.h>

#include "frames.h"

namespace lvsnat::frames {
namespace {

Bytes arp(unsigned operation, std::uint32_t sender, std::uint32_t target, unsigned hardware = 6, unsigned protocol = 0x0800,
          unsigned plen = 4) {
  return be16(1) + be16(protocol) + u8(hardware) + u8(plen) + be16(operation) + Bytes(hardware, 2) + be32(sender) +
         Bytes(hardware, 3) + be32(target);
}

TEST(Arp, RequestAndReply) {
  const Decoded d = decode_whole(ethernet(0x0806, arp(1, 0x0a010102, 0x0a010103) + zeros(18)));
  ASSERT_EQ(d->kind, Kind::arp);
  EXPECT_TRUE(d->source.is_none());
  Arp out;
  ASSERT_TRUE(decode_arp(d.packet, out));
  EXPECT_TRUE(out.request);
  EXPECT_FALSE(out.gratuitous || out.probe);
  EXPECT_EQ(to_string(out.sender), "10.1.1.2");
  EXPECT_EQ(to_string(out.target), "10.1.1.3");
  EXPECT_EQ(out.sender_mac[0], 2);
  EXPECT_EQ(out.target_mac[5], 3);
  const Decoded reply = decode_whole(ethernet(0x8100, vlan(5, 0x0806, arp(2, 0x0a010103, 0x0a010102))));
  ASSERT_TRUE(decode_arp(reply.packet, out));
  EXPECT_FALSE(out.request);
  EXPECT_EQ(reply->vlan, 6);
}

TEST(Arp, AnnouncementsAndProbes) {
  Arp out;
  ASSERT_TRUE(decode_arp(decode_whole(ethernet(0x0806, arp(1, 0x0a010102, 0x0a010102))).packet, out));
  EXPECT_TRUE(out.gratuitous);
  ASSERT_TRUE(decode_arp(decode_whole(ethernet(0x0806, arp(1, 0, 0x0a010102))).packet, out));
  EXPECT_TRUE(out.probe);
  EXPECT_FALSE(out.gratuitous);
}

TEST(Arp, OtherHardwareKeepsAddresses) {
  const Decoded d = decode_whole(ethernet(0x0806, arp(1, 0x0a010102, 0x0a010103, 20)));
  Arp out;
  ASSERT_TRUE(decode_arp(d.packet, out));
  EXPECT_EQ(to_string(out.target), "10.1.1.3");
  EXPECT_EQ(out.sender_mac[0], 0);
}

TEST(Arp, OthersAndCuts) {
  EXPECT_EQ(decode_whole(ethernet(0x0806, arp(8, 1, 2)))->kind, Kind::not_ip);
  EXPECT_EQ(decode_whole(ethernet(0x0806, arp(1, 1, 2, 6, 0x86dd)))->kind, Kind::not_ip);
  EXPECT_EQ(decode_whole(ethernet(0x0806, arp(1, 1, 2, 6, 0x0800, 16)))->kind, Kind::malformed);
  EXPECT_EQ(decode_whole(ethernet(0x0806, arp(1, 1, 2, 255)))->kind, Kind::arp);
  const Bytes frame = ethernet(0x0806, arp(1, 0x0a010102, 0x0a010103));
  for (std::size_t cut = 0; cut <= frame.size(); ++cut) {
    const Decoded d = decode_cut(frame, cut);
    EXPECT_EQ(d->kind, cut < frame.size() ? Kind::truncated : Kind::arp);
    Arp out;
    EXPECT_EQ(decode_arp(d.packet, out), cut == frame.size());
    if (cut < frame.size()) {
      EXPECT_EQ(decode_whole(Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(cut)))->kind, Kind::malformed);
    }
  }
}

}  // namespace
}  // namespace lvsnat::frames
