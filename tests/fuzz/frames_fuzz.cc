// Frames of nobody's making through the whole analysis, and through a real server's. Input: frames, each as a byte for vantage
// and time, a byte for its length, and its bytes.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fuzz/fuzz.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/render.h"
#include "lvsnat/wayback.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace lvsnat;
  using fuzz::demand;
  const std::vector<Vantage> vantages{{"eth0", "eth0", LinkType::ethernet, 256, 0}, {"eth1", "eth1", LinkType::raw, 256, 1}};
  fuzz::Bytes bytes(data, size);
  std::vector<std::unique_ptr<std::uint8_t[]>> kept;
  std::vector<Frame> frames;
  Timestamp now = 1'700'000'000 * kSecond;
  while (!bytes.empty() && frames.size() < 256) {
    const std::uint8_t head = bytes.u8();
    const std::string_view text = bytes.text(bytes.u8());
    kept.push_back(std::make_unique<std::uint8_t[]>(text.size()));
    std::copy(text.begin(), text.end(), kept.back().get());
    Frame frame;
    frame.time = now += (head >> 1) * (head >> 1) * kSecond / 1000;
    frame.data = kept.back().get();
    frame.captured = frame.wire = static_cast<std::uint32_t>(text.size());
    frame.number = static_cast<std::uint32_t>(frames.size() + 1);
    frame.vantage = head & 1;
    frame.link = vantages[frame.vantage].link;
    frames.push_back(frame);
  }
  AnalyzerOptions options;
  options.max_connections = 64;
  options.hash_seed = 1;
  Analyzer analyzer(options);
  analyzer.feed(frames, vantages);
  const Report report = analyzer.report({});
  demand(analyzer.packets() == frames.size(), "every frame is counted");
  demand(analyzer.live_connections() <= 64, "the limit holds");
  demand(nlohmann::json::accept(render_json(report)), "the report is JSON");
  (void)render_text(report);
  analyzer.for_each_connection([](const Connection& connection, std::span<const int> codes) {
    std::array<char, 4096> line;
    const std::size_t length = render_connection_line(connection, codes, line);
    demand(length <= line.size(), "a connection's line fits");
  });

  Wire wire;
  wire.feed(frames, vantages);
  demand(nlohmann::json::accept(render_json(trace_way_back(nullptr, {}, &wire))), "the real server's report is JSON");
  return 0;
}
