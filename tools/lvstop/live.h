// The capture thread: reads packets, feeds the analyzer, keeps packets, publishes snapshots.
//
// Threads: run by one thread of its own; every public function may be called from the thread of the screen and returns
// without waiting for capture. The capture never waits for the screen: a snapshot that nobody looked at is replaced.
// Signals are left to the other threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/result.h"
#include "lvsnat/source.h"
#include "lvsnat/state.h"
#include "model.h"
#include "recorder.h"
#include "replay.h"

namespace lvsnat::top {

struct FeedOptions {
  Mode mode = Mode::live;
  bool real_time = false;  // replay: --play
  AnalyzerOptions analyzer;
  std::string inputs;  // for the first line
  std::string host;
  std::vector<std::string> notes;         // what the user should know, one sentence each
  std::vector<SourceStatistics> refused;  // inputs that could not be opened
  std::size_t history_bytes = 64u << 20;  // what the recorder keeps
  /// Writes packets: injected, so that this file needs no capture library. Returns what to say.
  using Writer = std::function<std::string(const std::string& path, const Recorder&, const std::vector<Vantage>&, bool all,
                                           std::span<const Connection>)>;
  Writer write_packets;
  /// -w: called on the capture thread with every batch of packets. The first error ends it, and is shown from then on.
  std::function<Status(std::span<const Frame>, const std::vector<Vantage>&)> keep;
  /// Called on the capture thread for each connection that left the table (live): `--format ndjson`.
  Analyzer::ConnectionCallback on_retired;
  bool record = true;  // false: no ladders, no saving (--once, ndjson)
  /// Replay: the same files once more, from their beginnings. Called on the capture thread. None where that cannot be.
  std::function<std::unique_ptr<PacketSource>()> reopen;
};

class Live final : public Control {
 public:
  /// `source` may be nullptr: every input was refused, and one snapshot says so.
  Live(std::unique_ptr<PacketSource> source, FeedOptions options);
  ~Live() override;

  void start();
  /// Asks the thread to end, and waits for it: at most as long as a read() takes (about 100 ms).
  void stop();

  /// Becomes readable when there is something new. Owned by this object.
  [[nodiscard]] int wake_descriptor() const { return wake_; }
  /// The newest snapshot; never null.
  [[nodiscard]] std::shared_ptr<const Snapshot> latest() const;
  /// Messages since the last call; also makes the descriptor quiet.
  std::vector<std::string> take_messages();
  /// No more packets will come and the last snapshot is published.
  [[nodiscard]] bool finished() const { return finished_; }
  /// The kernel's state as it is now: shown, and used for diagnosis, with the next snapshot.
  void update_state(std::shared_ptr<const KernelState>);
  /// For the bottom line of the screen.
  void say(std::string message);
  /// Why -w ended before the capture did; nullopt: it did not. Only after stop().
  [[nodiscard]] const std::optional<Error>& keep_error() const { return keep_error_; }
  /// Where connections go when everything has been read, with the codes of the last report. Only after stop().
  void for_each_connection(const Analyzer::ConnectionCallback&) const;

  void focus(std::optional<ConnectionId>) override;
  void save_packets(PacketSave) override;
  void refresh_every(double seconds) override;
  void play_or_pause() override;
  void play_again() override;
  void step() override;
  void speed(double) override;
  void to_next_finding() override;

 private:
  struct Wishes {
    std::optional<std::optional<ConnectionId>> focus;
    std::shared_ptr<const KernelState> state;
    std::shared_ptr<const KernelEntries> entries;  // of `state`
    std::vector<PacketSave> saves;
    std::optional<double> refresh, speed;
    unsigned play_or_pause = 0, steps = 0;
    bool next_finding = false, again = false;
    [[nodiscard]] bool any() const {
      return focus || state || !saves.empty() || refresh || speed || play_or_pause != 0 || steps != 0 || next_finding || again;
    }
  };
  struct Retired {
    Connection connection;
    std::vector<int> codes;
  };

  void run();
  bool read_some();
  /// To connections that leave the table.
  void listen();
  /// To the beginning of the files, as if nothing had been read.
  void rewind();
  void take(std::span<const Frame> frames);
  /// True when something that a snapshot shows has changed.
  bool obey(Wishes wishes);
  void publish();
  void republish_ladder();
  void wake();
  /// Those that are in the table or left it lately.
  std::vector<Connection> find(const std::set<ConnectionId>& ids) const;
  std::optional<Ladder> make_ladder() const;
  CaptureStatus status() const;
  /// Nanoseconds from one snapshot to the next, so that making them stays a small part of what the thread does.
  std::int64_t interval(bool news) const;
  std::vector<SourceStatistics> statistics() const;
  template <typename Change>
  void wish(Change change);

  std::unique_ptr<PacketSource> source_;
  FeedOptions options_;
  Analyzer analyzer_;
  Recorder recorder_;
  Replay replay_;
  std::vector<Frame> frames_;
  std::vector<Packet> packets_;
  std::size_t pending_ = 0, read_ = 0;  // frames_[pending_ .. read_) wait for their time
  std::deque<Retired> retired_;
  std::shared_ptr<const KernelEntries> entries_;  // of options_.analyzer.state
  std::optional<ConnectionId> focus_;
  std::uint64_t sequence_ = 0;
  std::uint64_t published_packets_ = ~std::uint64_t{0};
  std::int64_t begun_ = 0;                             // by the steady clock
  std::int64_t last_publish_ = 0, refresh_ = kSecond;  // by the steady clock; between snapshots while packets come
  std::int64_t cost_ = 0;                              // processor time of the last snapshot
  bool fresh_state_ = false;                           // no snapshot has shown the kernel's state as it is now
  std::optional<std::size_t> seeking_beyond_;          // to the next finding: how many there were
  Timestamp oldest_ = 0, newest_ = 0;                  // of the packets read
  std::optional<std::int64_t> length_;                 // of what is replayed, once it was read to its end
  bool ended_ = false;
  std::string problem_;
  std::optional<Error> keep_error_;

  int wake_ = -1;
  std::thread thread_;
  std::atomic<bool> stopping_{false}, finished_{false};
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Wishes wishes_;
  std::vector<std::string> messages_;
  std::shared_ptr<const Snapshot> latest_;
};

}  // namespace lvsnat::top
