// Decodes a hand-made frame through the installed headers alone, and says what is in it.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "lvsnat/address.h"
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
  std::printf("%s > %s\n", to_string(syn.source).c_str(), to_string(syn.destination).c_str());
  return wrong == 0 ? 0 : 1;
}
