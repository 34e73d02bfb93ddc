#include "batch.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <thread>

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app.h"
#include "common/known.h"
#include "common/options.h"
#include "lvsnat/render.h"

namespace lvsnat::top {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> interrupted{false};
void on_signal(int) { interrupted = true; }

/// Until everything is read, the time is up (0: never), or a signal asks to end. `on_news` is called now and then in between.
void wait_for_the_end(Live& live, std::int64_t nanoseconds, const std::function<void()>& on_news) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
  const auto until = Clock::now() + std::chrono::nanoseconds(nanoseconds);
  const auto pass_on = [&] {
    for (const std::string& message : live.take_messages()) tool::complain("lvstop", message);
  };
  while (!interrupted && !live.finished() && (nanoseconds == 0 || Clock::now() < until)) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count() + 1;
    pollfd woken{live.wake_descriptor(), POLLIN, 0};
    poll(&woken, 1, nanoseconds == 0 ? 500 : static_cast<int>(std::clamp<std::int64_t>(left, 1, 500)));
    pass_on();
    on_news();
  }
  pass_on();  // what it ended with
}

int output_width() {
  struct winsize size {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
  if (const char* columns = std::getenv("COLUMNS")) {
    const int width = std::atoi(columns);
    if (width >= 20 && width <= 1000) return width;
  }
  return 120;
}

/// With status 3 there is always a line that says what to do.
int tell_status(const Report& report, bool refused) {
  const int status = exit_status(report);
  if (status == tool::kUnknown && !refused) {
    tool::complain(
        "lvstop",
        report.findings.empty()
            ? "nothing could be diagnosed: no traffic of any service was seen; capture while a client connects, and name the "
              "services with --config or --service"
            : "nothing could be diagnosed: " + report.findings.front().title);
  }
  return status;
}

int commit(tool::Output& output, int status) {
  const Status written = output.commit();
  if (written || output.reader_gone()) return status;
  tool::complain("lvstop", written.error().message);
  return tool::kUnknown;
}

std::string key_of(const Finding& f) {
  std::string key = std::to_string(f.code);
  for (const auto& part : {f.subject.service, f.subject.real_server, f.subject.client, f.subject.interface, f.subject.gateway})
    key += '|' + part.value_or("");
  return key + '|' + std::string(name(f.severity)) + '|' + std::string(name(f.confidence));
}

}  // namespace

int print_once(const Options& o, Live& live, Names& names, bool refused, tool::Output& output) {
  wait_for_the_end(live, o.read.empty() ? o.duration : 0, [] {});
  live.stop();
  const auto snapshot = live.latest();
  View view;
  view.current = o.view;
  view.filter = o.show;
  view.show_names = o.names;
  view.names = names.known();
  std::set<Address> nameless;
  std::string text = once_text(*snapshot, view, output_width(), o.unicode, &nameless);
  if (!nameless.empty()) {
    // A table that waits for a name server is still wanted soon.
    names.want(nameless);
    const auto until = Clock::now() + std::chrono::seconds(5);
    while (!interrupted && !names.idle() && Clock::now() < until) {
      pollfd woken{names.wake_descriptor(), POLLIN, 0};
      poll(&woken, 1, 50);
    }
    view.names = names.known();
    text = once_text(*snapshot, view, output_width(), o.unicode, nullptr);
  }
  (void)output.write(text).has_value();
  return commit(output, tell_status(snapshot->report, refused));
}

void Stream::connection(const Connection& c, std::span<const int> codes) {
  std::array<char, kConnectionLineSize> line{};
  const std::size_t size = render_connection_line(c, codes, line, true);
  const std::lock_guard lock(mutex_);
  (void)output_.write({line.data(), size}).has_value();
}

void Stream::news_of(const Snapshot& snapshot) {
  const std::lock_guard lock(mutex_);
  for (const Finding& finding : snapshot.report.findings) {
    if (findings_.insert(key_of(finding)).second) (void)output_.write(render_finding_line(finding)).has_value();
  }
  const auto& sources = snapshot.report.sources;
  dropped_.resize(std::max(dropped_.size(), sources.size()));
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::uint64_t dropped = sources[i].dropped.value_or(0);
    if (dropped <= dropped_[i]) continue;
    (void)output_.write(render_lost_line(sources[i], dropped - dropped_[i])).has_value();
    dropped_[i] = dropped;
  }
  (void)output_.flush().has_value();
}

int Stream::run(const Options& o, Live& live, bool refused) {
  live.start();
  std::uint64_t seen = 0;
  wait_for_the_end(live, o.read.empty() && o.once ? o.duration : 0, [&] {
    // A capture that is read to its end tells its findings there.
    const auto snapshot = live.latest();
    if (!o.read.empty() || snapshot->sequence == seen) return;
    seen = snapshot->sequence;
    news_of(*snapshot);
    if (output_.reader_gone()) interrupted = true;
  });
  live.stop();
  live.for_each_connection([&](const Connection& c, std::span<const int> codes) { connection(c, codes); });
  const auto snapshot = live.latest();
  news_of(*snapshot);
  (void)output_.write(render_report_line(snapshot->report, o.names ? tool::look_up_names(snapshot->report) : HostNames()))
      .has_value();
  return commit(output_, tell_status(snapshot->report, refused));
}

}  // namespace lvsnat::top
