// The batch entry: one kind for every frame, the fast path's answers against the thorough way's, libtins as a second opinion.
#include <gtest/gtest.h>

#include <random>

#include <tins/tins.h>

#include "decode/batch.h"
#include "decode/layers.h"
#include "frames.h"

namespace lvsnat::frames {
namespace {

#define LVSNAT_SAME(field) EXPECT_EQ(a.field, b.field) << #field
void expect_same(const Packet& a, const Packet& b) {
  LVSNAT_SAME(time);
  LVSNAT_SAME(source);
  LVSNAT_SAME(destination);
  LVSNAT_SAME(source_port);
  LVSNAT_SAME(destination_port);
  LVSNAT_SAME(sequence);
  LVSNAT_SAME(acknowledgement);
  LVSNAT_SAME(ip_length);
  LVSNAT_SAME(payload);
  LVSNAT_SAME(number);
  LVSNAT_SAME(interface_index);
  LVSNAT_SAME(vantage);
  LVSNAT_SAME(ip_id);
  LVSNAT_SAME(vlan);
  LVSNAT_SAME(window);
  LVSNAT_SAME(protocol);
  LVSNAT_SAME(ttl);
  LVSNAT_SAME(tcp_flags);
  LVSNAT_SAME(kind);
  LVSNAT_SAME(direction);
  LVSNAT_SAME(v6);
  LVSNAT_SAME(dont_fragment);
  LVSNAT_SAME(first_fragment);
  LVSNAT_SAME(has_macs);
  LVSNAT_SAME(source_mac);
  LVSNAT_SAME(destination_mac);
  LVSNAT_SAME(network_offset);
  LVSNAT_SAME(transport_offset);
  LVSNAT_SAME(payload_offset);
  LVSNAT_SAME(data);
  LVSNAT_SAME(captured);
}
#undef LVSNAT_SAME

Packet thorough(const Frame& frame) {
  Packet packet;
  packet.time = frame.time;
  packet.number = frame.number;
  packet.vantage = frame.vantage;
  packet.data = frame.data;
  packet.captured = frame.captured;
  packet.kind = layers::decode_link(frame, packet);
  return packet;
}

Bytes sll2(unsigned type, const Bytes& payload, unsigned direction = 4) {
  return be16(type) + be16(0) + be32(5) + be16(1) + u8(direction) + u8(6) + Bytes{2, 0, 0, 0, 0, 1, 0, 0} + payload;
}
Bytes sll(unsigned type, const Bytes& payload) {
  return be16(0) + be16(1) + be16(6) + Bytes{2, 0, 0, 0, 0, 1, 0, 0} + be16(type) + payload;
}

struct Sample {
  LinkType link;
  Bytes bytes;
};
std::vector<Sample> samples() {
  const Bytes t = tcp(zeros(30), 8);
  const Bytes u = udp(zeros(30));
  std::vector<Bytes> fours = {ipv4({}, t),
                              ipv4({}, tcp()),
                              ipv4({.protocol = kUdp}, u),
                              ipv4({.protocol = kSctp, .options = 8}, zeros(40)),
                              ipv4({.fragment = 0x2000}, t),
                              ipv4({.fragment = 0x0010}, t),
                              ipv4({.total = 0}, t),
                              ipv4({.protocol = kIcmp}, icmp(3, 1, zeros(4) + ipv4({.options = 4}, t))),
                              ipv4({.protocol = kGre}, be16(0xb000) + be16(0x0800) + zeros(12) + ipv4({}, t)),
                              ipv4({.protocol = kIpip}, ipv4({.protocol = kIpip}, ipv4({}, t))),
                              ipv4({.protocol = 112}, zeros(20))};
  std::vector<Bytes> sixes = {
      ipv6(kTcp, t),
      ipv6(kUdp, u),
      ipv6(kTcp, t, 0),
      ipv6(0, Bytes{43, 0} + zeros(6) + Bytes{44, 1} + zeros(14) + Bytes{kTcp, 0, 0, 1, 0, 0, 0, 1} + t),
      ipv6(kIcmp6, icmp(1, 0, zeros(4) + ipv6(60, Bytes{kUdp, 0} + zeros(6) + u))),
      ipv6(kIcmp6,
           icmp(137, 0, zeros(4) + address6(1) + address6(2) + Bytes{2, 1, 1, 2, 3, 4, 5, 6, 4, 12} + zeros(6) + ipv6(kTcp, t))),
      ipv6(kIcmp6, icmp(135, 0, zeros(4) + address6(1) + Bytes{1, 1, 1, 2, 3, 4, 5, 6})),
      ipv6(51, Bytes{kIpip, 4} + zeros(22) + ipv4({}, t))};
  std::vector<Sample> all;
  for (const auto& [type, list] : {std::pair{0x0800U, &fours}, std::pair{0x86ddU, &sixes}}) {
    for (const Bytes& ip : *list) {
      all.push_back({LinkType::ethernet, ethernet(type, ip)});
      all.push_back({LinkType::ethernet, ethernet(0x8100, vlan(7, type, ip))});
      all.push_back({LinkType::linux_sll2, sll2(type, ip)});
      all.push_back({LinkType::linux_sll, sll(type, ip)});
      all.push_back({LinkType::raw, ip});
      all.push_back({LinkType::null, Bytes{static_cast<std::uint8_t>(type == 0x0800 ? 2 : 10), 0, 0, 0} + ip});
    }
  }
  const Bytes arp = be16(1) + be16(0x0800) + u8(6) + u8(4) + be16(1) + zeros(20);
  all.push_back({LinkType::ethernet, ethernet(0x0806, arp) + zeros(18)});
  all.push_back({LinkType::linux_sll2, sll2(0x0806, arp)});
  all.push_back({LinkType::ethernet, ethernet(0x88cc, zeros(46))});
  return all;
}

// Everything a caller may ask of a packet, whatever is in it; a sanitizer watches the block's ends.
void probe(const Packet& packet) {
  ASSERT_LT(static_cast<std::size_t>(packet.kind), Packet::kKinds);
  ASSERT_LE(payload_of(packet).size(), packet.payload);
  Icmp icmp;
  Arp arp;
  Packet inner;
  const bool is_icmp = packet.kind == Kind::icmp || packet.kind == Kind::neighbour;
  ASSERT_EQ(decode_icmp(packet, icmp), is_icmp);
  if (icmp.quotes_ports) {
    ASSERT_TRUE(icmp.quotes);
  }
  ASSERT_EQ(decode_arp(packet, arp), packet.kind == Kind::arp);
  ASSERT_EQ(decode_tunnel(packet, inner), packet.kind == Kind::tunnel);
  if (packet.kind == Kind::tunnel) probe(inner);
  if (packet.kind == Kind::transport) {
    ASSERT_FALSE(packet.source.is_none() && packet.destination.is_none() && !packet.v6);
    ASSERT_GE(packet.captured, packet.transport_offset + 4U);
  }
}

TEST(Decode, EveryLengthOfEveryFrame) {
  for (const Sample& sample : samples()) {
    const Decoded whole = decode_whole(sample.bytes, sample.link);
    EXPECT_NE(whole->kind, Kind::malformed);
    EXPECT_NE(whole->kind, Kind::truncated);
    for (std::size_t cut = 0; cut <= sample.bytes.size(); ++cut) {
      const Decoded d = decode_cut(sample.bytes, cut, sample.link);
      // A cut frame is the same packet as far as it goes, or it is truncated: never something else.
      EXPECT_TRUE(d->kind == whole->kind || d->kind == Kind::truncated) << cut;
      if (d->kind == whole->kind) {
        EXPECT_EQ(d->payload, whole->payload);
        EXPECT_EQ(d->source_port, whole->source_port);
        EXPECT_EQ(d->sequence, whole->sequence);
      }
      expect_same(d.packet, thorough(frame_of(d.block.get(), cut, sample.bytes.size(), sample.link)));
      probe(d.packet);
    }
  }
}

TEST(Decode, FastAndThoroughAgreeOnDamage) {
  std::mt19937 random(20261123);
  const std::vector<Sample> all = samples();
  for (int i = 0; i < 60000; ++i) {
    Sample sample = all[random() % all.size()];
    for (unsigned changes = random() % 4; changes > 0; --changes) {
      // The headers are where it hurts.
      sample.bytes[random() % std::min<std::size_t>(sample.bytes.size(), 120)] = static_cast<std::uint8_t>(random());
    }
    const std::size_t cut = random() % 2 != 0 ? sample.bytes.size() : random() % (sample.bytes.size() + 1);
    const auto block = block_of(std::span(sample.bytes).first(cut));
    Frame frame = frame_of(block.get(), cut, random() % 4 != 0 ? sample.bytes.size() : random() % 300, sample.link);
    Packet packet;
    std::memset(static_cast<void*>(&packet), 0xa5, sizeof packet);
    decode({&frame, 1}, {&packet, 1});
    expect_same(packet, thorough(frame));
    probe(packet);
    if (testing::Test::HasFailure()) FAIL() << "frame " << i;
  }
}

TEST(Decode, BatchesOfMixedLinkTypes) {
  const std::vector<Sample> all = samples();
  std::vector<Frame> frames;
  for (std::size_t i = 0; i < 500; ++i) {
    const Sample& sample = all[i * 7 % all.size()];
    frames.push_back(frame_of(sample.bytes.data(), sample.bytes.size(), sample.bytes.size(), sample.link));
    frames.back().number = static_cast<std::uint32_t>(i + 1);
  }
  std::vector<Packet> packets(frames.size());
  decode(frames, packets);
  for (std::size_t i = 0; i < frames.size(); ++i) expect_same(packets[i], thorough(frames[i]));
  decode({}, {});
}

// A batch skims what is plain and decodes it when asked; the rest is decoded at once. Skims of frames are those of their packets.
TEST(Decode, BatchesSayWhatPacketsSay) {
  const std::vector<Sample> all = samples();
  std::vector<Frame> frames;
  std::vector<Packet> packets;
  for (std::size_t i = 0; i < Batch::kSize + 10; ++i) {
    const Sample& sample = all[i * 7 % all.size()];
    frames.push_back(frame_of(sample.bytes.data(), sample.bytes.size(), sample.bytes.size(), sample.link));
    frames.back().number = static_cast<std::uint32_t>(i + 1);
    frames.back().time = static_cast<Timestamp>(1000 + i * 7919 % 101);
    frames.back().vantage = static_cast<std::uint16_t>(i % 3);
    packets.push_back(thorough(frames.back()));
  }
  Batch of_frames, of_packets;
  of_frames.take(frames);
  of_packets.take(packets);
  ASSERT_EQ(of_frames.size(), Batch::kSize);
  ASSERT_EQ(of_packets.size(), Batch::kSize);
  EXPECT_EQ(of_frames.first(), 1000);
  EXPECT_EQ(of_frames.last(), 1100);
  EXPECT_EQ(of_packets.first(), 1000);
  EXPECT_EQ(of_packets.last(), 1100);
  std::size_t plain = 0, odd = 0;
  for (std::size_t i = 0; i < Batch::kSize; ++i) {
    const Skim &a = of_frames.skim(i), &b = of_packets.skim(i);
    EXPECT_EQ(a.time, packets[i].time);
    if (!a.is_plain()) {
      EXPECT_EQ(of_frames.odd()[odd++], i);
    } else {
      ++plain;
      ASSERT_TRUE(b.is_plain());
      EXPECT_TRUE(std::equal(a.path, a.path + 3, b.path)) << i;
      EXPECT_EQ(a.is_v4(), !packets[i].v6);
      if (packets[i].v6) {
        EXPECT_EQ(std::memcmp(a.v6.addresses, packets[i].source.bytes.data(), 16), 0);
        EXPECT_EQ(std::memcmp(a.v6.addresses + 16, packets[i].destination.bytes.data(), 16), 0);
        EXPECT_EQ(std::memcmp(a.v6.addresses, b.v6.addresses, 32), 0);
        EXPECT_EQ(a.port_v6(0), packets[i].source_port);
        EXPECT_EQ(a.port_v6(1), packets[i].destination_port);
        EXPECT_EQ(a.v6.ports, b.v6.ports);
      } else {
        EXPECT_EQ(address_of_word(a.words[0]), packets[i].source);
        EXPECT_EQ(address_of_word(a.words[1]), packets[i].destination);
        EXPECT_EQ(port_of_word(a.words[0]), packets[i].source_port);
        EXPECT_EQ(port_of_word(a.words[1]), packets[i].destination_port);
        EXPECT_TRUE(a.words[0] == b.words[0] && a.words[1] == b.words[1]);
      }
      EXPECT_EQ(a.protocol(), packets[i].protocol);
      EXPECT_EQ(a.network_offset(), packets[i].network_offset);
      EXPECT_EQ(a.tcp_flags(), packets[i].tcp_flags);
      EXPECT_EQ(a.ip_id(), packets[i].ip_id & 0xff);
      EXPECT_TRUE(a.sequence == b.sequence && a.payload == b.payload && a.ip_length == b.ip_length && a.nature == b.nature);
    }
    expect_same(of_frames.packet(i), packets[i]);
    expect_same(of_packets.packet(i), packets[i]);
  }
  EXPECT_EQ(of_frames.odd().size(), odd);
  EXPECT_GT(plain, 20U);
  EXPECT_GT(odd, 20U);
  // The last ones come in a batch of their own, and nothing of the one before is left.
  of_frames.take(std::span(frames).last(10));
  ASSERT_EQ(of_frames.size(), 10U);
  for (std::size_t i = 0; i < 10; ++i) expect_same(of_frames.packet(i), packets[Batch::kSize + i]);
  of_frames.take(std::span<const Frame>{});
  EXPECT_EQ(of_frames.size(), 0U);
}

TEST(Decode, EqualsLibtins) {
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {
    const auto source = static_cast<std::uint32_t>(random());
    Tins::TCP tcp(static_cast<std::uint16_t>(random()), static_cast<std::uint16_t>(random()));
    tcp.seq(static_cast<std::uint32_t>(random()));
    tcp.ack_seq(static_cast<std::uint32_t>(random()));
    tcp.window(static_cast<std::uint16_t>(random()));
    tcp.flags(static_cast<std::uint16_t>(random() & 0xff));
    if (random() % 2 != 0) tcp.mss(1460);
    if (random() % 2 != 0) tcp.timestamp(1, 2);
    const std::size_t length = random() % 200;
    Tins::IP ip(Tins::IPv4Address("10.1.1.3"), Tins::IPv4Address(__builtin_bswap32(source)));
    ip.ttl(static_cast<std::uint8_t>(random()));
    ip.id(static_cast<std::uint16_t>(random()));
    Tins::EthernetII frame =
        Tins::EthernetII("02:00:00:00:00:02", "02:00:00:00:00:01") / ip / tcp / Tins::RawPDU(std::string(length, 'x'));
    const Decoded d = decode_whole(frame.serialize());
    ASSERT_EQ(d->kind, Kind::transport);
    EXPECT_EQ(d->source, Address::v4(source));
    EXPECT_EQ(to_string(d->destination), "10.1.1.3");
    EXPECT_EQ(d->source_port, tcp.sport());
    EXPECT_EQ(d->destination_port, tcp.dport());
    EXPECT_EQ(d->sequence, tcp.seq());
    EXPECT_EQ(d->acknowledgement, tcp.ack_seq());
    EXPECT_EQ(d->window, tcp.window());
    EXPECT_EQ(d->tcp_flags, tcp.flags() & 0xff);
    EXPECT_EQ(d->ttl, ip.ttl());
    EXPECT_EQ(d->ip_id, ip.id());
    EXPECT_EQ(d->payload, length);
  }
}

TEST(Decode, EqualsLibtinsElsewhere) {
  Tins::EthernetII tagged = Tins::EthernetII("02:00:00:00:00:02", "02:00:00:00:00:01") / Tins::Dot1Q(100) /
                            Tins::IPv6("fd00::3", "fd00::2") / Tins::UDP(53, 5353) / Tins::RawPDU("abc");
  const Decoded udp = decode_whole(tagged.serialize());
  EXPECT_EQ(udp->kind, Kind::transport);
  EXPECT_EQ(udp->vlan, 101);
  EXPECT_EQ(udp->source_port, 5353);
  EXPECT_EQ(udp->payload, 3U);
  EXPECT_EQ(to_string(udp->source), "fd00::2");

  Tins::EthernetII request = Tins::ARP::make_arp_request("10.1.1.3", "10.1.1.2", "02:00:00:00:00:01");
  const Decoded arp = decode_whole(request.serialize());
  Arp out;
  ASSERT_TRUE(decode_arp(arp.packet, out));
  EXPECT_TRUE(out.request);
  EXPECT_EQ(to_string(out.target), "10.1.1.3");
  EXPECT_EQ(to_string(out.sender), "10.1.1.2");

  Tins::ICMP unreachable(Tins::ICMP::DEST_UNREACHABLE);
  unreachable.code(4);
  unreachable.mtu(1400);
  Tins::IP quoted = Tins::IP("10.1.1.3", "10.1.1.2") / Tins::TCP(80, 40000);
  Tins::EthernetII error = Tins::EthernetII("02:00:00:00:00:02", "02:00:00:00:00:01") / Tins::IP("10.1.1.2", "10.1.1.254") /
                           unreachable / Tins::RawPDU(quoted.serialize());
  const Decoded icmp = decode_whole(error.serialize());
  Icmp told;
  ASSERT_TRUE(decode_icmp(icmp.packet, told));
  EXPECT_TRUE(told.too_big && told.quotes_ports);
  EXPECT_EQ(told.mtu, 1400U);
  EXPECT_EQ(told.quoted_destination_port, 80);
}

}  // namespace
}  // namespace lvsnat::frames
