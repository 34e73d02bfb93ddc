// The yardstick: what libpcap itself needs to hand over every packet of a file to a callback that does nothing.
// Prints the packets; the time is taken by whoever runs it (bench/compare).
#include <pcap/pcap.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: empty_loop FILE\n", stderr);
    return 2;
  }
  char problem[PCAP_ERRBUF_SIZE] = "";
  pcap_t* capture = pcap_open_offline(argv[1], problem);
  if (capture == nullptr) {
    std::fprintf(stderr, "empty_loop: %s\n", problem);
    return 2;
  }
  unsigned long packets = 0;
  const auto count = [](u_char* user, const pcap_pkthdr*, const u_char*) { ++*reinterpret_cast<unsigned long*>(user); };
  const int result = pcap_loop(capture, -1, count, reinterpret_cast<u_char*>(&packets));
  pcap_close(capture);
  std::printf("%lu\n", packets);
  return result == 0 ? 0 : 1;
}
