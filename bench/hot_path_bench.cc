// The hot path in parts: decoding, one look-up, the join, for as many live connections as the argument says. Frames are made
// once, in memory; nothing here reads a file.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <span>
#include <vector>

#include "generate.h"
#include "lvsnat/packet.h"
#include "track/tracker.h"

namespace lvsnat {
namespace {

using track::Tracker;

/// Headers of a capture with this many connections alive, in one block; a million packets at most.
struct Capture {
  std::vector<std::uint8_t> bytes;
  std::vector<Frame> frames;

  explicit Capture(std::uint32_t alive, truth::Link link = truth::Link::ethernet) {
    truth::Options o;
    o.connections = alive;
    o.concurrency = alive;
    o.requests = 1000;
    o.udp = 0;
    o.snaplen = 64;
    o.clients = 16'000'000;
    o.link = link;
    o.packets = std::clamp<std::uint64_t>(std::uint64_t{alive} * 8, 100'000, 4'000'000);
    std::vector<std::size_t> at;
    truth::generate(o,
                    [&](const Frame& f) {
                      at.push_back(bytes.size());
                      bytes.insert(bytes.end(), f.data, f.data + f.captured);
                      frames.push_back(f);
                    },
                    {});
    for (std::size_t i = 0; i < frames.size(); ++i) frames[i].data = bytes.data() + at[i];
  }
};

const Capture& capture_of(std::uint32_t alive) {
  static std::uint32_t which = 0;
  static std::unique_ptr<Capture> capture;
  if (which != alive) {
    capture.reset();
    capture = std::make_unique<Capture>(alive);
    which = alive;
  }
  return *capture;
}

struct Table {
  std::vector<track::Head> heads;
  std::vector<track::Body> bodies;
  std::vector<track::IndexLine> index;
  std::vector<track::ServerEndpoint> endpoints{1024};
  std::vector<track::EndpointTable::Slot> endpoint_slots{4096};
  std::unique_ptr<Tracker> tracker;
  Batch batch;
  std::vector<track::Observation> observations{Tracker::kMaxObservations};
  std::vector<track::Record> retired{Tracker::kMaxRetired};

  explicit Table(std::uint32_t alive) : heads(alive * 2 + 1), bodies(alive * 2 + 1), index(std::bit_ceil(alive / 4U)) {
    tracker = std::make_unique<Tracker>(Tracker::Storage{heads, bodies, index, endpoints, endpoint_slots}, track::HashKey{});
  }
  void feed(std::span<const Frame> frames) {
    Tracker::Output out{observations, retired, 0, 0};
    batch.take(frames);
    tracker->feed(batch, out);
  }
};

void decode_frames(benchmark::State& state) {
  const Capture capture(1000, static_cast<truth::Link>(state.range(0)));
  std::array<Packet, Tracker::kBatch> packets;
  std::size_t at = 0;
  for (auto _ : state) {
    if (at + packets.size() > capture.frames.size()) at = 0;
    decode(std::span(capture.frames).subspan(at, packets.size()), packets);
    benchmark::DoNotOptimize(packets.data());
    at += packets.size();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(packets.size()));
}
BENCHMARK(decode_frames)->ArgName("link")->DenseRange(0, 4);

void look_up(benchmark::State& state) {
  const auto alive = static_cast<std::uint32_t>(state.range(0));
  const Capture& capture = capture_of(alive);
  Table table(alive);
  std::vector<Packet> packets(capture.frames.size());
  decode(capture.frames, packets);
  for (std::size_t i = 0; i + Tracker::kBatch <= packets.size(); i += Tracker::kBatch)
    table.feed(std::span(capture.frames).subspan(i, Tracker::kBatch));
  std::size_t i = 0;
  for (auto _ : state) {
    const Packet& p = packets[i];
    benchmark::DoNotOptimize(table.tracker->find(p.source, p.source_port, p.protocol));
    if (++i == packets.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(look_up)->ArgName("alive")->RangeMultiplier(10)->Range(1'000, 1'000'000);

void join_packets(benchmark::State& state) {
  const auto alive = static_cast<std::uint32_t>(state.range(0));
  const Capture& capture = capture_of(alive);
  Table table(alive);
  std::size_t at = 0;
  for (auto _ : state) {
    if (at + Tracker::kBatch > capture.frames.size()) at = 0;
    table.feed(std::span(capture.frames).subspan(at, Tracker::kBatch));
    at += Tracker::kBatch;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(Tracker::kBatch));
}
BENCHMARK(join_packets)->ArgName("alive")->RangeMultiplier(10)->Range(1'000, 1'000'000);

}  // namespace
}  // namespace lvsnat

BENCHMARK_MAIN();
