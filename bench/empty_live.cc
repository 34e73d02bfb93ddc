// A yardstick for live captures: libpcap's own loop with a callback that does nothing, with a filter (without one the kernel
// keeps whole packets) and lvsdiag's defaults. Ends by SIGINT, SIGTERM or after the given seconds.
// Prints packets, drops, and the nanoseconds of processor time that a packet took.
#include <pcap/pcap.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

namespace {

pcap_t* capture = nullptr;

double seconds_used() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: empty_live INTERFACE SECONDS [RING-MIB]\n", stderr);
    return 2;
  }
  char problem[PCAP_ERRBUF_SIZE] = "";
  capture = pcap_create(argv[1], problem);
  const int ring = argc > 3 ? std::atoi(argv[3]) : 32;
  if (capture == nullptr || pcap_set_snaplen(capture, 256) != 0 || pcap_set_buffer_size(capture, ring << 20) != 0 ||
      pcap_set_timeout(capture, 100) != 0 || pcap_activate(capture) < 0) {
    std::fprintf(stderr, "empty_live: %s\n", capture == nullptr ? problem : pcap_geterr(capture));
    return 2;
  }
  bpf_program filter{};
  if (pcap_compile(capture, &filter, "ip or ip6 or arp or vlan", 1, PCAP_NETMASK_UNKNOWN) != 0 ||
      pcap_setfilter(capture, &filter) != 0) {
    std::fprintf(stderr, "empty_live: %s\n", pcap_geterr(capture));
    return 2;
  }
  const auto stop = [](int) { pcap_breakloop(capture); };
  struct sigaction action {};
  action.sa_handler = stop;
  for (const int signal : {SIGINT, SIGTERM, SIGALRM}) sigaction(signal, &action, nullptr);
  alarm(static_cast<unsigned>(std::atoi(argv[2])));
  const double before = seconds_used();
  unsigned long packets = 0;
  pcap_loop(
      capture, -1, [](u_char* user, const pcap_pkthdr*, const u_char*) { ++*reinterpret_cast<unsigned long*>(user); },
      reinterpret_cast<u_char*>(&packets));
  const double used = seconds_used() - before;
  pcap_stat counts{};
  pcap_stats(capture, &counts);
  std::printf("packets %lu dropped %u ns_per_packet %.1f\n", packets, counts.ps_drop,
              packets == 0 ? 0.0 : used / static_cast<double>(packets) * 1e9);
  pcap_freecode(&filter);
  pcap_close(capture);
  return 0;
}
