// Prints client, VIP, real server and the legs that were seen, one line a connection as it ends:
//   live_triplets -i eth0 eth1        (until interrupted)         live_triplets -r eth0.pcap eth1.pcap
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "lvsnat/analyzer.h"
#include "lvsnat/capture.h"

namespace {
lvsnat::PacketSource* running = nullptr;
void print(const lvsnat::Connection& c, std::span<const int>) {
  std::printf("%s -> %s -> %s  %s\n", to_string(c.client).c_str(), to_string(c.vip.value_or(lvsnat::Endpoint{})).c_str(),
              to_string(c.rip.value_or(lvsnat::Endpoint{})).c_str(), c.leg_string.str().c_str());
}
}  // namespace

int main(int argc, char** argv) {
  const bool live = argc > 2 && std::string_view(argv[1]) == "-i";
  std::vector<std::unique_ptr<lvsnat::PacketSource>> sources;
  for (int i = 2; i < argc; ++i) {
    lvsnat::LiveOptions wire;
    lvsnat::CaptureFileOptions file;
    wire.source_index = file.source_index = static_cast<std::uint16_t>(i - 2);
    auto source = live ? lvsnat::open_live(argv[i], wire) : lvsnat::open_capture_file(argv[i], file);
    if (!source) return std::fprintf(stderr, "%s\n", source.error().message.c_str()), 3;
    sources.push_back(std::move(*source));
  }
  if (sources.empty()) return std::fputs("usage: live_triplets -i IF... | -r FILE...\n", stderr), 3;
  const auto source = lvsnat::merge_sources(std::move(sources));
  running = source.get();
  std::signal(SIGINT, [](int) { running->stop(); });

  lvsnat::AnalyzerOptions options;
  options.live = live;
  lvsnat::Analyzer analyzer(options);
  analyzer.on_retired(print);
  std::array<lvsnat::Frame, 256> frames;
  while (!source->finished()) {
    analyzer.feed({frames.data(), source->read(frames)}, source->vantages());
    if (live) analyzer.advance(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
    std::fflush(stdout);
  }
  const lvsnat::Report report = analyzer.report(source->statistics());
  analyzer.for_each_connection(print);
  return exit_status(report);
}
