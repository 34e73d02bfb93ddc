// What is reported depends on the packets alone: not on how they were cut into batches, on the seed of the hash, or on which
// file was named first.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "generate.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/capture.h"
#include "lvsnat/config.h"
#include "lvsnat/render.h"

namespace lvsnat::truth {
namespace {

struct Kept {
  Frame frame;
  std::vector<std::uint8_t> bytes;
};

Options mixed() {
  Options o;
  o.connections = 4'000;
  o.concurrency = 300;
  o.udp = 10;
  o.ipv6 = 20;
  o.faulty = 20;
  o.reuse = 10;
  o.noise = 5;
  return o;
}

std::vector<Kept> made_of(const Options& options) {
  std::vector<Kept> all;
  generate(options, [&](const Frame& f) { all.push_back({f, {f.data, f.data + f.captured}}); }, {});
  for (Kept& k : all) k.frame.data = k.bytes.data();
  return all;
}

/// A capture file in memory.
class Memory final : public PacketSource {
 public:
  Memory(std::string name, std::uint16_t source_index, const std::vector<Kept>& frames) : frames_(frames) {
    statistics_.name = name;
    statistics_.packets = frames.size();
    vantages_.push_back(Vantage{std::move(name), {}, frames.front().frame.link, 0, source_index});
  }
  std::size_t read(std::span<Frame> out) override {
    const std::size_t n = std::min(out.size(), frames_.size() - next_);
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = frames_[next_].frame;
      out[i].number = static_cast<std::uint32_t>(++next_);
    }
    return n;
  }
  [[nodiscard]] bool finished() const override { return next_ == frames_.size(); }
  [[nodiscard]] const std::vector<Vantage>& vantages() const override { return vantages_; }
  [[nodiscard]] std::vector<SourceStatistics> statistics() const override { return {statistics_}; }

 private:
  const std::vector<Kept>& frames_;
  std::size_t next_ = 0;
  std::vector<Vantage> vantages_;
  SourceStatistics statistics_;
};

/// The report, and a line for each connection.
std::string told(PacketSource& source, std::size_t batch, std::uint64_t seed, std::optional<double> progress = std::nullopt) {
  AnalyzerOptions options;
  options.hash_seed = seed;
  if (progress) options.progress = [progress] { return progress; };
  Analyzer analyzer(std::move(options));
  std::vector<Frame> frames(batch);
  while (const std::size_t n = source.read(frames)) analyzer.feed(std::span(frames).first(n), source.vantages());
  std::string text = render_json(analyzer.report(source.statistics()));
  std::array<char, kConnectionLineSize> line;
  analyzer.for_each_connection(
      [&](const Connection& c, std::span<const int> codes) { text.append(line.data(), render_connection_line(c, codes, line)); });
  return text;
}

std::unique_ptr<PacketSource> both(const std::vector<Kept>& outside, const std::vector<Kept>& inside, bool outside_first) {
  std::vector<std::unique_ptr<PacketSource>> sources;
  for (const bool is_outside : {outside_first, !outside_first}) {
    const auto index = static_cast<std::uint16_t>(sources.size());
    sources.push_back(std::make_unique<Memory>(is_outside ? "outside" : "inside", index, is_outside ? outside : inside));
  }
  return merge_sources(std::move(sources));
}

/// The report whose sources stand in the order of their names.
nlohmann::json sorted(const std::string& report) {
  auto json = nlohmann::json::parse(report);
  auto& sources = json["sources"];
  std::sort(sources.begin(), sources.end(), [](const auto& a, const auto& b) { return a["name"] < b["name"]; });
  return json;
}

TEST(Order, BatchesAndSeedsLeaveTheReportAlone) {
  const std::vector<Kept> frames = made_of(mixed());
  Memory first("capture", 0, frames);
  const std::string expected = told(first, 64, 1);
  ASSERT_GT(expected.size(), 100'000U);
  for (const std::size_t batch : {1U, 2U, 63U, 65U, 128U, 1'000'000U}) {
    Memory again("capture", 0, frames);
    EXPECT_TRUE(told(again, batch, 1) == expected) << "batches of " << batch;
  }
  for (const std::uint64_t seed : {2U, 3U, 4U}) {
    Memory again("capture", 0, frames);
    EXPECT_TRUE(told(again, 64, seed) == expected) << "seed " << seed;
  }
}

// More than the index has room for at first: however well or badly it is foreseen what comes, it grows to hold all.
TEST(Order, NorDoesHowTheIndexGrows) {
  Options flood;
  flood.connections = 30'000;
  flood.syn_flood = 50;
  const std::vector<Kept> frames = made_of(flood);
  Memory first("capture", 0, frames);
  const std::string expected = told(first, 64, 1);
  for (const double progress : {-1.0, 0.0, 1e-300, 0.001, 0.4, 1.0, 1e300}) {
    Memory again("capture", 0, frames);
    EXPECT_TRUE(told(again, 64, 2, progress) == expected) << progress;
  }
}

TEST(Order, FilesInAnyOrderGiveOneReport) {
  // The director's MACs end in its side: what goes to or comes from d0:01 was captured outside.
  std::vector<Kept> outside, inside;
  for (const Kept& k : made_of(mixed())) {
    const auto is = [&](std::size_t at) { return k.bytes[at + 4] == 0xd0 && k.bytes[at + 5] == 0x01; };
    (is(0) || is(6) ? outside : inside).push_back(k);
  }
  for (auto* side : {&outside, &inside}) {
    ASSERT_GT(side->size(), 10'000U);
    for (Kept& k : *side) k.frame.data = k.bytes.data();
  }
  const auto report = [&](bool outside_first) {
    const auto source = both(outside, inside, outside_first);
    Analyzer analyzer(AnalyzerOptions{});
    std::vector<Frame> frames(100);
    while (const std::size_t n = source->read(frames)) analyzer.feed(std::span(frames).first(n), source->vantages());
    return sorted(render_json(analyzer.report(source->statistics())));
  };
  const nlohmann::json one = report(true), other = report(false);
  EXPECT_EQ(one.dump(1), other.dump(1));
}

}  // namespace
}  // namespace lvsnat::truth
