// A report of lvstrace, read back for --with, and the diagnosis of a connection without replies that it is held against.
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "fuzz/fuzz.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/render.h"

namespace {

using namespace lvsnat;
using fuzz::demand;

constexpr std::size_t kHeaders = 14 + 20 + 20;

/// A SYN of 192.0.2.1:40000, to the VIP 198.51.100.1:80 or, forwarded, to the real server 10.0.0.2:80.
std::array<std::uint8_t, kHeaders> syn(bool forwarded) {
  std::array<std::uint8_t, kHeaders> bytes{0x02, 0,  0,    0, 0,  2, 0x02, 0, 0,   0, 0,    1, 0x08, 0,    0x45, 0, 0,    40,
                                           0,    7,  0x40, 0, 64, 6, 0,    0, 192, 0, 2,    1, 198,  51,   100,  1, 0x9c, 0x40,
                                           0,    80, 0,    0, 0,  9, 0,    0, 0,   0, 0x50, 2, 0xfa, 0xf0, 0,    0, 0,    0};
  if (!forwarded) return bytes;
  bytes[5] = 4;
  bytes[11] = 3;
  bytes[22] = 63;
  const std::array<std::uint8_t, 4> real_server = {10, 0, 0, 2};
  std::memcpy(&bytes[30], real_server.data(), real_server.size());
  return bytes;
}

std::string without_line_ends(std::string text) {
  std::erase(text, '\n');
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto read = read_json_report({reinterpret_cast<const char*>(data), size});
  if (!read) {
    demand(!read.error().message.empty() && fuzz::clean(read.error().message), "a clean sentence says why");
    return 0;
  }
  AnalyzerOptions options;
  options.max_connections = 16;
  options.hash_seed = 1;
  options.testimonies.push_back(Testimony{"report.json", std::move(*read)});
  Analyzer analyzer(options);
  const std::vector<Vantage> vantages{{"eth0", "eth0", LinkType::ethernet, 64, 0}, {"eth1", "eth1", LinkType::ethernet, 64, 1}};
  const std::array packets = {syn(false), syn(true)};
  std::vector<Frame> frames;
  for (std::uint32_t i = 0; i < 8; ++i) {
    Frame frame;
    frame.time = 1'700'000'000 * kSecond + static_cast<Timestamp>(i / 2) * kSecond * 3 + static_cast<Timestamp>(i % 2) * 1000;
    frame.data = packets[i % 2].data();
    frame.captured = frame.wire = kHeaders;
    frame.number = i / 2 + 1;
    frame.vantage = static_cast<std::uint16_t>(i % 2);
    frames.push_back(frame);
  }
  analyzer.feed(frames, vantages);
  const Report report = analyzer.report({});
  const std::string json = render_json(report);
  demand(nlohmann::json::accept(json), "the report is JSON");
  demand(json.find("\\u00") == std::string::npos, "no control character in the report");
  demand(fuzz::clean(without_line_ends(render_text(report))), "no control character on the screen");
  demand(fuzz::clean(without_line_ends(render_nagios(report))), "no control character in the monitor's line");
  const auto again = read_json_report(json);
  demand(again.has_value(), "our own report is readable");
  return 0;
}
