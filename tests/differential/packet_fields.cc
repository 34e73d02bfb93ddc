// packet_fields FILE: what the decoder makes of each frame of a capture, a line each, in tshark's words, for comparison.
#include <array>
#include <cstdio>
#include <string>

#include "lvsnat/capture.h"
#include "lvsnat/packet.h"

namespace {

using namespace lvsnat;

std::string mac(const std::array<std::uint8_t, 6>& bytes) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                bytes[5]);
  return text.data();
}

void print(const Packet& p) {
  constexpr std::uint8_t kTcp = 6, kUdp = 17;
  std::printf("%u\t%d\t", p.number, static_cast<int>(p.kind));
  const bool transport = p.kind == Packet::Kind::transport && (p.protocol == kTcp || p.protocol == kUdp);
  if (!transport) {
    std::printf("\n");
    return;
  }
  std::printf("%s\t%s\t%s\t%u\t%u\t%u\t%u\t%u\t", p.protocol == kTcp ? "tcp" : "udp", to_string(p.source).c_str(),
              to_string(p.destination).c_str(), p.source_port, p.destination_port, p.payload, p.ttl, p.ip_id);
  std::printf("%s\t", p.has_macs ? mac(p.source_mac).c_str() : "");
  if (p.protocol == kTcp) std::printf("%u\t%u\t%u\t%u", p.sequence, p.acknowledgement, p.tcp_flags, p.window);
  std::printf("\n");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: packet_fields FILE\n");
    return 3;
  }
  auto source = open_capture_file(arguments[1]);
  if (!source) {
    std::fprintf(stderr, "%s\n", source.error().message.c_str());
    return 3;
  }
  std::array<Frame, 64> frames;
  std::array<Packet, 64> packets;
  while (const std::size_t n = (*source)->read(frames)) {
    decode({frames.data(), n}, {packets.data(), n});
    for (std::size_t i = 0; i < n; ++i) print(packets[i]);
  }
  return 0;
}
