// Several sources as one, by time. Hot: every packet of a run with more than one -r passes here.
#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <optional>

#include <poll.h>

#include "capture/live.h"
#include "lvsnat/capture.h"

namespace lvsnat {
namespace capture {
namespace {

constexpr std::size_t kBatch = 256;

class MergedSource final : public PacketSource {
 public:
  explicit MergedSource(std::vector<std::unique_ptr<PacketSource>> sources) {
    for (auto& source : sources) {
      Input input;
      input.live = dynamic_cast<LiveSource*>(source.get());
      input.source = std::move(source);
      inputs_.push_back(std::move(input));
    }
    for (Input& input : inputs_) take_vantages(input);
  }

  std::size_t read(std::span<Frame> out) override {
    if (out.empty()) return 0;
    for (;;) {
      bool live = false;
      std::size_t waiting = 0;
      for (Input& input : inputs_) {
        if (input.next == input.count) refill(input);
        live |= input.live != nullptr && !input.source->finished();
        waiting += input.count - input.next;
      }
      if (waiting > 0) {
        if (const std::size_t count = merge(out); count > 0) return count;
      } else if (finished()) {
        return 0;
      }
      if (live) {
        if (waited_) {
          waited_ = false;
          return 0;
        }
        wait();
        waited_ = true;
      }
    }
  }

  [[nodiscard]] bool finished() const override {
    return std::all_of(inputs_.begin(), inputs_.end(),
                       [](const Input& input) { return input.next == input.count && input.source->finished(); });
  }
  [[nodiscard]] const std::vector<Vantage>& vantages() const override { return vantages_; }

  [[nodiscard]] std::vector<SourceStatistics> statistics() const override {
    std::vector<SourceStatistics> all;
    for (const Input& input : inputs_) {
      for (auto& s : input.source->statistics()) all.push_back(std::move(s));
    }
    return all;
  }

  [[nodiscard]] std::optional<double> progress() const override {
    double sum = 0;
    for (const Input& input : inputs_) {
      const auto one = input.source->progress();
      if (!one) return std::nullopt;
      sum += *one;
    }
    return sum / static_cast<double>(inputs_.size());
  }

  void stop() noexcept override {
    for (const Input& input : inputs_) input.source->stop();
  }

 private:
  struct Input {
    std::unique_ptr<PacketSource> source;
    LiveSource* live = nullptr;  // the same, where it is one
    std::vector<Frame> frames = std::vector<Frame>(kBatch);
    std::size_t next = 0, count = 0;
    Timestamp asked = 0;                 // live: when it was asked for packets last
    std::vector<std::uint16_t> vantage;  // theirs -> ours
  };

  void refill(Input& input) {
    input.next = input.count = 0;
    if (input.source->finished()) return;
    if (input.live != nullptr) input.asked = input.live->now();
    input.count = input.live != nullptr ? input.live->drain(input.frames) : input.source->read(input.frames);
    if (input.vantage.size() < input.source->vantages().size()) take_vantages(input);
    for (std::size_t i = 0; i < input.count; ++i) input.frames[i].vantage = input.vantage[input.frames[i].vantage];
  }

  void take_vantages(Input& input) {
    constexpr std::size_t most = std::numeric_limits<std::uint16_t>::max();
    const auto& theirs = input.source->vantages();
    for (std::size_t i = input.vantage.size(); i < theirs.size(); ++i) {
      // 64 files of 1,024 interfaces each: no capture of ours, but no overflow either.
      if (vantages_.size() < most) vantages_.push_back(theirs[i]);
      input.vantage.push_back(static_cast<std::uint16_t>(vantages_.size() - 1));
    }
  }

  /// A live input that has nothing at hand may yet bring packets that are earlier than those of the others: for so long, these
  /// are kept back. Stamps of the future, after the clock was set back, wait for nothing.
  struct Unsettled {
    Timestamp after = std::numeric_limits<Timestamp>::max(), until = 0;
    [[nodiscard]] bool has(Timestamp time) const { return time > after && time <= until; }
  };
  [[nodiscard]] Unsettled unsettled() const {
    Unsettled all;
    for (const Input& input : inputs_) {
      if (input.live == nullptr || input.next != input.count || input.source->finished()) continue;
      // Since it was asked this process may have been put to sleep: what came meanwhile is not known.
      all.after = std::min(all.after, input.asked - kSettling);
      all.until = input.live->now();
    }
    return all;
  }

  std::size_t merge(std::span<Frame> out) {
    std::size_t count = 0;
    while (count < out.size()) {
      Input* best = nullptr;
      // The best one runs on until it passes the next best: `limit`, and equal times only against later sources.
      Timestamp limit = std::numeric_limits<Timestamp>::max();
      bool limit_is_earlier = false;
      for (Input& input : inputs_) {
        if (input.next == input.count) continue;
        const Timestamp time = input.frames[input.next].time;
        if (best == nullptr) {
          best = &input;
          continue;
        }
        const Timestamp leader = best->frames[best->next].time;
        if (time < leader) {
          // Every source looked at so far stands before the new best one.
          limit = leader;
          limit_is_earlier = true;
          best = &input;
        } else if (time < limit) {
          limit = time;
          limit_is_earlier = false;
        }
      }
      if (best == nullptr) break;
      const Unsettled unsettled = this->unsettled();
      while (count < out.size() && best->next < best->count) {
        const Timestamp time = best->frames[best->next].time;
        if (time > limit || (time == limit && limit_is_earlier)) break;
        if (unsettled.has(time)) return count;
        out[count++] = best->frames[best->next++];
      }
      // What it brings next may be earlier than all others, and reading it would move the frames handed out already.
      if (best->next == best->count && !best->source->finished()) break;
    }
    return count;
  }

  void wait() {
    std::vector<pollfd> wakes, all;
    std::optional<int> rest;
    int most = kPollMilliseconds;
    for (const Input& input : inputs_) {
      if (input.live == nullptr || input.live->finished()) continue;
      wakes.push_back({input.live->wake_descriptor(), POLLIN, 0});
      if (const std::optional<int> own = input.live->rest()) rest = std::min(rest.value_or(*own), *own);
      // What is kept back is at hand already; the others are waited for, but not after that one may go.
      if (input.next == input.count) {
        all.push_back({input.live->packet_descriptor(), POLLIN, 0});
      } else {
        const std::int64_t settled = (input.frames[input.next].time + kSettling - input.live->now()) / 1'000'000;
        most = static_cast<int>(std::clamp<std::int64_t>(settled, 1, most));
      }
    }
    if (rest.value_or(0) > 0 && ::poll(wakes.data(), wakes.size(), *rest) > 0) return;
    all.insert(all.end(), wakes.begin(), wakes.end());
    ::poll(all.data(), all.size(), most);
  }

  std::vector<Input> inputs_;
  std::vector<Vantage> vantages_;
  bool waited_ = false;
};

}  // namespace
}  // namespace capture

std::unique_ptr<PacketSource> merge_sources(std::vector<std::unique_ptr<PacketSource>> sources) {
  assert(!sources.empty());
  if (sources.size() == 1) return std::move(sources.front());
  return std::make_unique<capture::MergedSource>(std::move(sources));
}

}  // namespace lvsnat
