// Decodes hand-made frames, and joins them to client, VIP and real server, through the installed headers alone.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/frame.h"
#include "lvsnat/packet.h"

namespace {

// A SYN of a client to a virtual service: Ethernet (14 bytes), IPv4 (20), TCP (20); network byte order.
constexpr std::uint8_t kSyn[] = {
    0x02, 0x00, 0x5e, 0x00, 0x10, 0x00, 0x02, 0x00, 0x5e, 0x00, 0x01, 0x01, 0x08, 0x00,  // MACs, IPv4
    0x45, 0x00, 0x00, 0x28, 0x12, 0x34, 0x40, 0x00, 0x3f, 0x06, 0x00, 0x00,              // TTL 63, TCP
    0xac, 0x10, 0x05, 0xfe, 0xc0, 0xa8, 0x01, 0x6e,                                      // 172.16.5.254 > 192.168.1.110
    0xa3, 0x72, 0x00, 0x50, 0x00, 0x00, 0x03, 0xe8, 0x00, 0x00, 0x00, 0x00, 0x50, 0x02, 0xfa, 0xf0,  // 41842 > 80, SYN
    0x00, 0x00, 0x00, 0x00,
};

int wrong = 0;
void expect(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "consumer: %s\n", what);
    ++wrong;
  }
}

/// The SYN above with other ends, flags and numbers: what the four legs of a handshake look like.
std::array<std::uint8_t, sizeof kSyn> handshake(std::uint32_t from, std::uint16_t from_port, std::uint32_t to,
                                                std::uint16_t to_port, std::uint8_t flags, std::uint32_t sequence,
                                                std::uint32_t acknowledgement, std::uint8_t ttl) {
  std::array<std::uint8_t, sizeof kSyn> f{};
  std::memcpy(f.data(), kSyn, sizeof kSyn);
  const auto put32 = [&f](std::size_t at, std::uint32_t v) {
    for (std::size_t i = 0; i < 4; ++i) f[at + i] = static_cast<std::uint8_t>(v >> (24 - 8 * i));
  };
  f[11] = static_cast<std::uint8_t>(ttl);  // every leg is sent by another machine or interface
  f[22] = ttl;
  put32(26, from);
  put32(30, to);
  f[34] = static_cast<std::uint8_t>(from_port >> 8);
  f[35] = static_cast<std::uint8_t>(from_port);
  f[36] = static_cast<std::uint8_t>(to_port >> 8);
  f[37] = static_cast<std::uint8_t>(to_port);
  put32(38, sequence);
  put32(42, acknowledgement);
  f[47] = flags;
  return f;
}

/// The triplet CIP, VIP, RIP out of four frames, with nothing declared.
void joins_four_legs() {
  constexpr std::uint32_t kClient = 0xac1005fe, kVip = 0xc0a8016e, kRip = 0x0a010102;
  constexpr std::uint8_t kSynAck = lvsnat::kSyn | lvsnat::kAck;
  const std::array legs{
      handshake(kClient, 41842, kVip, 80, lvsnat::kSyn, 1000, 0, 63),
      handshake(kClient, 41842, kRip, 8080, lvsnat::kSyn, 1000, 0, 62),
      handshake(kRip, 8080, kClient, 41842, kSynAck, 9000, 1001, 64),
      handshake(kVip, 80, kClient, 41842, kSynAck, 9000, 1001, 61),
  };
  std::vector<lvsnat::Frame> frames(legs.size());
  for (std::size_t i = 0; i < legs.size(); ++i) {
    frames[i].time = static_cast<lvsnat::Timestamp>(i) * 1'000'000;
    frames[i].data = legs[i].data();
    frames[i].captured = frames[i].wire = sizeof kSyn;
    frames[i].number = static_cast<std::uint32_t>(i + 1);
  }
  lvsnat::Vantage here;
  here.source = "memory";
  lvsnat::Analyzer analyzer({});
  analyzer.feed(frames, {here});
  const lvsnat::Report report = analyzer.report({});
  expect(report.connections.total == 1 && report.services.size() == 1, "four frames are one connection of one service");
  int seen = 0;
  analyzer.for_each_connection([&seen](const lvsnat::Connection& c, std::span<const int>) {
    ++seen;
    expect(to_string(c.client) == "172.16.5.254:41842", "of that client");
    expect(c.vip && to_string(*c.vip) == "192.168.1.110:80", "to the VIP");
    expect(c.rip && to_string(*c.rip) == "10.1.1.2:8080", "at the real server");
    expect(c.leg_string.str() == "1234", "with all four legs");
  });
  expect(seen == 1, "which is handed over once");
}

}  // namespace

int main() {
  lvsnat::Frame frames[2];
  frames[0].data = kSyn;
  frames[0].captured = frames[0].wire = sizeof kSyn;
  frames[0].number = 1;
  frames[1] = frames[0];
  frames[1].captured = 20;  // cut inside the IPv4 header
  frames[1].number = 2;

  std::vector<lvsnat::Packet> packets(2);
  lvsnat::decode(frames, packets);

  const lvsnat::Packet& syn = packets[0];
  expect(syn.kind == lvsnat::Packet::Kind::transport, "the SYN is a transport packet");
  expect(syn.protocol == lvsnat::kTcp, "of TCP");
  expect(syn.tcp_flags == lvsnat::kSyn, "with SYN alone");
  expect(to_string(lvsnat::Endpoint{syn.source, syn.source_port}) == "172.16.5.254:41842", "from the client");
  expect(to_string(lvsnat::Endpoint{syn.destination, syn.destination_port}) == "192.168.1.110:80", "to the service");
  expect(syn.ttl == 63 && syn.ip_id == 0x1234 && syn.sequence == 1000, "with the header's TTL, id and sequence number");
  expect(packets[1].kind == lvsnat::Packet::Kind::truncated, "the cut frame is known as cut");
  expect(lvsnat::parse_address("fd00::2").has_value() && !lvsnat::parse_address("10.1.1").has_value(), "addresses parse");
  joins_four_legs();
  std::printf("%s > %s\n", to_string(syn.source).c_str(), to_string(syn.destination).c_str());
  return wrong == 0 ? 0 : 1;
}
