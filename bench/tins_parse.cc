// A yardstick: libtins parses every packet of a file, and nobody looks at what it made of it. It gives up packets that the
// snaplen cut (they are counted). Prints the packets.
#include <tins/tins.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: tins_parse FILE\n", stderr);
    return 2;
  }
  unsigned long packets = 0;
  try {
    Tins::FileSniffer sniffer(argv[1]);
    sniffer.sniff_loop([&packets](const Tins::PDU&) {
      ++packets;
      return true;
    });
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "tins_parse: %s\n", problem.what());
    return 1;
  }
  std::printf("%lu\n", packets);
  return 0;
}
