#include "live.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <exception>
#include <system_error>
#include <utility>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/text.h"
#include "lvsnat/capture.h"
#include "state_watch.h"

namespace lvsnat::top {
namespace {

constexpr std::size_t kBatch = 256;
constexpr std::size_t kMaxRetired = 5'000;
constexpr Timestamp kRetiredFor = 60 * kSecond;

std::int64_t steady_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
/// What this thread has computed so far.
std::int64_t processor_now() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::int64_t{t.tv_sec} * kSecond + t.tv_nsec;
}

}  // namespace

Live::Live(std::unique_ptr<PacketSource> source, FeedOptions options)
    : source_(std::move(source)),
      options_(std::move(options)),
      analyzer_(options_.analyzer),
      recorder_(options_.record ? options_.history_bytes : 0),
      replay_(options_.real_time),
      frames_(kBatch),
      packets_(kBatch) {
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  // Without it no screen would hear of news.
  if (wake_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  listen();
  if (options_.mode == Mode::live) newest_ = capture_now();
  entries_ = std::make_shared<const KernelEntries>(options_.analyzer.state);
  publish();
  last_publish_ = 0;  // that one knows of no source yet: the next comes at once
}

void Live::listen() {
  analyzer_.on_retired([this](const Connection& c, std::span<const int> codes) {
    if (options_.on_retired) options_.on_retired(c, codes);
    if (!options_.record) return;
    retired_.push_back({c, {codes.begin(), codes.end()}});
    if (retired_.size() > kMaxRetired) retired_.pop_front();
  });
}

Live::~Live() {
  stop();
  if (wake_ >= 0) close(wake_);
}

void Live::start() {
  // The thread inherits a mask without signals: they belong to the screen.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] {
    try {
      run();
    } catch (const std::exception& e) {
      problem_ = std::string("out of memory or worse: ") + e.what();
      ended_ = true;
      say(problem_);
      finished_ = true;
      wake();
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Live::stop() {
  stopping_ = true;
  {
    const std::lock_guard lock(mutex_);
    if (source_) source_->stop();
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<const Snapshot> Live::latest() const {
  const std::lock_guard lock(mutex_);
  return latest_;
}

std::vector<std::string> Live::take_messages() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(wake_, &count, sizeof count);
  const std::lock_guard lock(mutex_);
  return std::exchange(messages_, {});
}

void Live::for_each_connection(const Analyzer::ConnectionCallback& callback) const { analyzer_.for_each_connection(callback); }

void Live::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

void Live::say(std::string message) {
  {
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
  }
  wake();
}

// ---- wishes, from the thread of the screen

template <typename Change>
void Live::wish(Change change) {
  const std::lock_guard lock(mutex_);
  change(wishes_);
  changed_.notify_all();
}
void Live::focus(std::optional<ConnectionId> id) {
  wish([&](Wishes& w) { w.focus = id; });
}
void Live::save_packets(PacketSave save) {
  wish([&](Wishes& w) { w.saves.push_back(std::move(save)); });
}
void Live::update_state(std::shared_ptr<const KernelState> state) {
  auto entries = std::make_shared<const KernelEntries>(state);  // on the caller's thread
  wish([&](Wishes& w) {
    w.state = std::move(state);
    w.entries = std::move(entries);
  });
}
void Live::refresh_every(double seconds) {
  wish([&](Wishes& w) { w.refresh = seconds; });
}
void Live::play_or_pause() {
  wish([](Wishes& w) { ++w.play_or_pause; });
}
void Live::play_again() {
  wish([](Wishes& w) { w.again = true; });
}
void Live::step() {
  wish([](Wishes& w) { ++w.steps; });
}
void Live::speed(double value) {
  wish([&](Wishes& w) { w.speed = value; });
}
void Live::to_next_finding() {
  wish([](Wishes& w) { w.next_finding = true; });
}

// ---- the capture thread

bool Live::obey(Wishes wishes) {
  bool changed = false;
  const std::int64_t now = steady_now();
  if (wishes.refresh) refresh_ = std::max<std::int64_t>(static_cast<std::int64_t>(*wishes.refresh * 1e9), kSecond / 10);
  if (wishes.speed) replay_.set_speed(*wishes.speed, now), changed = true;
  for (; wishes.play_or_pause != 0; --wishes.play_or_pause) replay_.play_or_pause(now), seeking_beyond_.reset(), changed = true;
  for (; wishes.steps != 0; --wishes.steps) replay_.step(), changed = true;
  if (wishes.state) {
    fresh_state_ = fresh_state_ || !options_.analyzer.state || !same_services(*options_.analyzer.state, *wishes.state);
    options_.analyzer.state = wishes.state;
    entries_ = std::move(wishes.entries);
    analyzer_.update_state(std::move(wishes.state));
    changed = changed || (ended_ && fresh_state_);
  }
  if (wishes.again && ended_) rewind(), changed = true;
  if (wishes.next_finding && !ended_) seeking_beyond_ = latest()->report.findings.size();
  // Asked for the same again, nothing is to be done: the next snapshot carries it anyway.
  if (wishes.focus && *wishes.focus != focus_) {
    focus_ = *wishes.focus;
    republish_ladder();
  }
  for (const PacketSave& save : wishes.saves) {
    const std::vector<Connection> connections = find({save.connections.begin(), save.connections.end()});
    static const std::vector<Vantage> none;
    say(options_.write_packets
            ? options_.write_packets(save.path, recorder_, source_ ? source_->vantages() : none, save.all, connections)
            : "this program was built without writing captures");
  }
  return changed;
}

void Live::rewind() {
  std::unique_ptr<PacketSource> source = options_.reopen ? options_.reopen() : nullptr;
  if (!source) {
    say(options_.reopen ? "the files cannot be opened any more" : "what came through a pipe cannot be played again");
    return;
  }
  {
    const std::lock_guard lock(mutex_);  // stop() may ask for it
    source_ = std::move(source);
    finished_ = false;
  }
  analyzer_ = Analyzer(options_.analyzer);
  listen();
  recorder_ = Recorder(recorder_.limit());
  replay_.begin_again();
  retired_.clear();
  options_.keep = nullptr;  // once is enough
  pending_ = read_ = 0;
  length_ = newest_ - oldest_;
  oldest_ = newest_ = 0;
  problem_.clear();
  seeking_beyond_.reset();
  ended_ = false;
  published_packets_ = ~std::uint64_t{0};
}

void Live::take(std::span<const Frame> frames) {
  if (frames.empty()) return;
  if (options_.keep && !keep_error_) {
    if (const Status kept = options_.keep(frames, source_->vantages()); !kept) {
      keep_error_ = kept.error();
      say("-w: " + keep_error_->message);
    }
  }
  analyzer_.feed(frames, source_->vantages());
  if (options_.record) {
    decode(frames, {packets_.data(), frames.size()});
    recorder_.add(frames, {packets_.data(), frames.size()});
  }
  for (const Frame& frame : frames) {
    oldest_ = oldest_ == 0 ? frame.time : std::min(oldest_, frame.time);
    newest_ = std::max(newest_, frame.time);
  }
}

bool Live::read_some() {
  read_ = source_->read(frames_);
  pending_ = 0;
  return read_ != 0 || !source_->finished();
}

void Live::run() {
  ended_ = source_ == nullptr;
  begun_ = steady_now();
  if (ended_) publish();
  while (!stopping_) {
    Wishes wishes;
    {
      std::unique_lock lock(mutex_);
      // Nothing left to read: sleep until someone asks for something.
      if (ended_ && !wishes_.any()) {
        if (!finished_.exchange(true)) wake();
        changed_.wait(lock, [&] { return stopping_ || wishes_.any(); });
      }
      wishes = std::exchange(wishes_, {});
    }
    if (stopping_) break;
    const bool changed = wishes.any() && obey(std::move(wishes));
    if (ended_) {
      if (changed) publish();
      continue;
    }

    std::int64_t wait = 0;
    if (options_.mode == Mode::live) {
      if (!read_some()) ended_ = true;
      take({frames_.data(), read_});
      read_ = 0;
      newest_ = capture_now();
      analyzer_.advance(newest_);
    } else {
      if (pending_ == read_ && !read_some()) ended_ = true;
      // Frames whose time has come, at most a batch; while seeking, the whole batch.
      std::size_t due = pending_;
      while (due < read_) {
        const auto ahead = seeking_beyond_ ? std::optional<std::int64_t>(0) : replay_.wait_for(frames_[due].time, steady_now());
        if (!ahead) {
          wait = refresh_;
          break;
        }
        if (*ahead > 0) {
          wait = *ahead;
          break;
        }
        replay_.shown();
        ++due;
      }
      take({frames_.data() + pending_, due - pending_});
      pending_ = due;
    }

    const std::int64_t now = steady_now();
    const bool new_packets = analyzer_.packets() != published_packets_;
    // Without packets only the passing of time changes what can be said; that is looked at less often.
    // At the beginning the sources have not told yet what they drop.
    const bool settling = options_.mode == Mode::live && now - begun_ < 5 * kSecond;
    const bool due = now - last_publish_ >= interval(new_packets || fresh_state_ || settling) &&
                     (new_packets || fresh_state_ || options_.mode == Mode::live);
    const bool at_once = changed || ended_ || (wait > kSecond / 4 && new_packets);
    if (due || at_once) {
      publish();
      if (seeking_beyond_ && latest()->report.findings.size() > *seeking_beyond_) {
        seeking_beyond_.reset();
        replay_.pause();
        say("a new finding: view 3");
        publish();
      }
    }
    if (wait > 0 && !ended_) {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::nanoseconds(std::min(wait, kSecond / 4)), [&] { return stopping_ || wishes_.any(); });
    }
  }
  if (stopping_ && !ended_ && options_.mode == Mode::live) {
    // What came until then and waits in the kernel belongs to it, to -w too; and how many it dropped is asked for at the end.
    while (read_some()) take({frames_.data(), read_});
    newest_ = capture_now();
    analyzer_.advance(newest_);
  }
  if (!ended_ || stopping_) {
    ended_ = true;
    publish();
  }
  finished_ = true;
  wake();
}

std::int64_t Live::interval(bool news) const {
  // At once to the end: what is on screen meanwhile only shows that it goes on.
  if (options_.mode == Mode::replay && !replay_.real_time()) return std::max(kSecond / 4, 20 * cost_);
  // Without packets only the passing of time changes what can be said.
  return news ? std::max(refresh_, 20 * cost_) : std::max(5 * refresh_, 100 * cost_);
}

std::vector<SourceStatistics> Live::statistics() const {
  std::vector<SourceStatistics> all = source_ ? source_->statistics() : std::vector<SourceStatistics>{};
  all.insert(all.end(), options_.refused.begin(), options_.refused.end());
  return all;
}

CaptureStatus Live::status() const {
  CaptureStatus s;
  s.mode = options_.mode;
  s.ended = ended_;
  s.inputs = options_.inputs;
  s.problem = problem_;
  if (keep_error_) s.keep_problem = printable(keep_error_->message, 256);
  if (options_.mode == Mode::replay) {
    if (replay_.real_time()) s.play = ended_ ? Play::ended : replay_.playing() || seeking_beyond_ ? Play::playing : Play::paused;
    s.speed = replay_.speed();
    // By time, once that is known: a small file is read at once, however long it plays.
    const auto played = [this] {
      return std::clamp(static_cast<double>(newest_ - oldest_) / static_cast<double>(*length_), 0.0, 1.0);
    };
    s.progress = ended_ || !source_ ? 1.0 : length_.value_or(0) > 0 ? played() : source_->progress();
  }
  if (options_.mode == Mode::live) {
    s.picture_cost = cost_;
    s.picture_interval = interval(true);
  }
  if (options_.record) {
    s.recorded_packets = recorder_.packets(), s.recorded_bytes = recorder_.bytes();
    s.recorded_limit = recorder_.limit(), s.overwritten_packets = recorder_.overwritten();
  }
  return s;
}

std::vector<Connection> Live::find(const std::set<ConnectionId>& ids) const {
  std::vector<Connection> found;
  if (ids.empty()) return found;
  std::set<ConnectionId> left = ids;
  for (const Retired& r : retired_) {
    if (left.erase(id_of(r.connection)) != 0) found.push_back(r.connection);
  }
  std::vector<std::uint32_t> records;
  for (const ConnectionId& id : left) records.push_back(id.record);
  analyzer_.for_connections(records, [&](const Connection& c, std::span<const int>) {
    if (left.erase(id_of(c)) != 0) found.push_back(c);
  });
  return found;
}

std::optional<Ladder> Live::make_ladder() const {
  if (!focus_ || !source_) return std::nullopt;
  const std::vector<Connection> connection = find({*focus_});
  if (connection.empty()) return std::nullopt;
  return recorder_.ladder(connection.front(), source_->vantages());
}

void Live::republish_ladder() {
  auto copy = std::make_shared<Snapshot>(*latest());
  copy->ladder = make_ladder();
  copy->sequence = ++sequence_;
  {
    const std::lock_guard lock(mutex_);
    latest_ = std::move(copy);
  }
  wake();
}

void Live::publish() {
  const std::int64_t begin = processor_now();
  std::vector<SourceStatistics> sources = statistics();
  CaptureStatus capture = status();
  if (!sources.empty()) capture.dropped = 0;
  for (const SourceStatistics& s : sources) {
    if (s.dropped) {
      *capture.dropped += *s.dropped;
    } else if (!s.refused) {
      capture.dropped_partly_unknown = true;
    }
    if (s.problem && s.live && s.refused) capture.problem = s.name + ": " + *s.problem;
  }
  Report report = analyzer_.report(std::move(sources));
  if (!report.host && !options_.host.empty()) report.host = options_.host;
  report.notes.insert(report.notes.end(), options_.notes.begin(), options_.notes.end());
  if (const std::int64_t by = options_.mode == Mode::live ? wall_clock_set_by() : 0; by != 0) {
    report.notes.push_back("the clock of this host was set " + std::string(by < 0 ? "back" : "on") + " by " +
                           to_duration(by < 0 ? -by : by) + " meanwhile: times are those of the clock as it was before");
  }
  SnapshotBuilder builder(std::move(report), newest_);
  const auto shown = [](const Connection& c, std::span<const int> codes) {
    return c.kind == ConnectionKind::masqueraded || !codes.empty();
  };
  while (!retired_.empty() && retired_.front().connection.last < newest_ - kRetiredFor) retired_.pop_front();
  std::vector<const Retired*> ended;
  std::vector<std::uint32_t> living;
  for (const Retired& r : retired_) {
    if (!shown(r.connection, r.codes)) continue;
    ended.push_back(&r);
    builder.count(r.connection, r.codes);
  }
  analyzer_.for_each_connection([&](const Connection& c, std::span<const int> codes) {
    if (!shown(c, codes)) return;
    living.push_back(c.record);
    builder.count(c, codes);
  });
  std::vector<std::uint32_t> records;
  for (const std::uint32_t number : builder.choose()) {
    if (number < ended.size()) {
      builder.list(ended[number]->connection, ended[number]->codes);
    } else {
      records.push_back(living[number - ended.size()]);
    }
  }
  analyzer_.for_connections(records, [&](const Connection& c, std::span<const int> codes) { builder.list(c, codes); });
  Observed observed;
  observed.sequence = ++sequence_;
  observed.tracked = analyzer_.live_connections();
  observed.state = options_.analyzer.state.get();
  observed.entries = entries_.get();
  observed.capture = std::move(capture);
  observed.ladder = make_ladder();
  auto snapshot = builder.finish(std::move(observed));
  published_packets_ = analyzer_.packets();
  fresh_state_ = false;
  last_publish_ = steady_now();
  cost_ = processor_now() - begin;
  {
    const std::lock_guard lock(mutex_);
    latest_ = std::move(snapshot);
  }
  wake();
}

}  // namespace lvsnat::top
