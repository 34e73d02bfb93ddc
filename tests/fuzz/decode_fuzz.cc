// A frame of any link type through the decoder, its details, and the words for it.
// Input: link type, bytes cut off by the snaplen, then the frame.
#include <algorithm>
#include <array>
#include <memory>

#include "fuzz/fuzz.h"
#include "lvsnat/capture.h"
#include "lvsnat/packet.h"

namespace {

using namespace lvsnat;
using fuzz::demand;

// Where a header starts that decode() has read must lie in the frame.
void check(const Packet& packet, const Frame& frame) {
  demand(packet.network_offset <= frame.captured, "network_offset lies in the frame");
  using Kind = Packet::Kind;
  const bool read = packet.kind == Kind::transport || packet.kind == Kind::icmp || packet.kind == Kind::neighbour;
  demand(!read || packet.transport_offset <= frame.captured, "transport_offset lies in the frame");
  demand(packet.payload_offset == 0 || packet.payload_offset >= packet.network_offset, "the payload stands behind the header");
  demand(packet.kind <= Packet::Kind::unsupported, "the kind is one of the kinds");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array kLinks{LinkType::ethernet,  LinkType::null,       LinkType::raw,  LinkType::loop,
                              LinkType::linux_sll, LinkType::linux_sll2, LinkType::ipv4, LinkType::ipv6};
  fuzz::Bytes bytes(data, size);
  const LinkType link = kLinks[bytes.u8() % kLinks.size()];
  const std::uint8_t cut = bytes.u8();
  const std::string_view rest = bytes.rest();
  const auto exact = std::make_unique<std::uint8_t[]>(rest.size());
  std::copy(rest.begin(), rest.end(), exact.get());

  Frame frame;
  frame.data = exact.get();
  frame.captured = static_cast<std::uint32_t>(rest.size());
  frame.wire = frame.captured + cut;
  frame.number = 1;
  frame.link = link;
  Packet packet;
  decode({&frame, 1}, {&packet, 1});
  check(packet, frame);
  Icmp icmp;
  if (packet.kind == Packet::Kind::icmp || packet.kind == Packet::Kind::neighbour) decode_icmp(packet, icmp);
  Arp arp;
  demand(!decode_arp(packet, arp) || packet.kind == Packet::Kind::arp, "only ARP is ARP");
  Packet inner = packet;
  for (int depth = 0; depth < 8 && decode_tunnel(inner, inner); ++depth) check(inner, frame);

  const std::string words = describe_frame(frame);
  demand(words.size() <= 300, "at most 300 bytes of words");
  demand(fuzz::clean(words), "no control characters in the words");
  return 0;
}
