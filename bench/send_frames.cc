// Sends the frames of a pcap file (little-endian, Ethernet, as lvsnat-generate writes it) on an interface as fast as one
// processor can, past the queueing discipline. Only for interfaces made for the purpose: bench/live makes a pair.
// Prints the frames sent and how many a second.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: send_frames FILE INTERFACE FRAMES\n", stderr);
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary | std::ios::ate);
  std::vector<char> bytes(file ? static_cast<std::size_t>(file.tellg()) : 0);
  file.seekg(0);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) bytes.clear();
  std::vector<iovec> frames;
  for (std::size_t at = 24; at + 16 <= bytes.size();) {
    std::uint32_t captured;
    std::memcpy(&captured, &bytes[at + 8], sizeof captured);
    if (at + 16 + captured > bytes.size()) break;
    frames.push_back({&bytes[at + 16], captured});
    at += 16 + captured;
  }
  const int socket = ::socket(AF_PACKET, SOCK_RAW, 0);
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(if_nametoindex(argv[2]));
  const int on = 1;
  if (frames.empty() || socket < 0 || to.sll_ifindex == 0 ||
      setsockopt(socket, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0 ||
      bind(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    std::perror("send_frames");
    return 2;
  }
  const auto wanted = static_cast<std::uint64_t>(std::atoll(argv[3]));
  std::array<mmsghdr, 64> messages{};
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t sent = 0;
  while (sent < wanted) {
    const auto batch = static_cast<unsigned>(std::min<std::uint64_t>(messages.size(), wanted - sent));
    for (unsigned i = 0; i < batch; ++i) {
      messages[i].msg_hdr.msg_iov = &frames[(sent + i) % frames.size()];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int done = sendmmsg(socket, messages.data(), batch, 0);
    if (done > 0) sent += static_cast<std::uint64_t>(done);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("sent %llu per_second %.0f\n", static_cast<unsigned long long>(sent), static_cast<double>(sent) / took.count());
  return 0;
}
