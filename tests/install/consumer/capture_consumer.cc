// Reads a capture file through the installed headers alone: prints how many of its packets were transport, of how many.
#include <cstddef>
#include <cstdio>
#include <vector>

#include "lvsnat/capture.h"
#include "lvsnat/packet.h"

int main(int argc, char** argv) {
  if (argc != 2) return 3;
  auto source = lvsnat::open_capture_file(argv[1]);
  if (!source) {
    std::fprintf(stderr, "capture_consumer: %s\n", source.error().message.c_str());
    return 3;
  }
  std::vector<lvsnat::Frame> frames(64);
  std::vector<lvsnat::Packet> packets(64);
  std::size_t all = 0, transport = 0;
  while (!(*source)->finished()) {
    const std::size_t count = (*source)->read(frames);
    if (count == 0) break;
    lvsnat::decode(std::span(frames).first(count), std::span(packets).first(count));
    for (std::size_t i = 0; i < count; ++i) transport += packets[i].kind == lvsnat::Packet::Kind::transport ? 1 : 0;
    all += count;
  }
  std::printf("%zu of %zu\n", transport, all);
  return 0;
}
