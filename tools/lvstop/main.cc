// lvstop: opens what is to be watched, then hands over to the screen, or prints once, or streams.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <langinfo.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app.h"
#include "base/text.h"
#include "common/known.h"
#include "common/options.h"
#include "common/output.h"
#include "live.h"
#include "lvsnat/capture.h"
#include "lvsnat/render.h"
#include "options.h"
#include "save.h"
#include "terminal.h"

namespace lvsnat::top {
namespace {

struct Inputs {
  std::unique_ptr<PacketSource> source;  // nullptr: every one was refused
  std::vector<SourceStatistics> refused;
  std::string names;  // for the first line
};

Inputs open_inputs(const Options& o) {
  Inputs inputs;
  std::vector<std::unique_ptr<PacketSource>> sources;
  const bool live = o.read.empty();
  std::vector<std::string> wanted = live ? o.interfaces : o.read;
  if (wanted.empty()) wanted.emplace_back("any");
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto position = static_cast<std::uint16_t>(i);
    inputs.names += (i == 0 ? "" : " ") + printable(wanted[i].substr(wanted[i].rfind('/') + 1), 64);
    auto opened = [&] {
      if (!live) return open_capture_file(wanted[i], {.filter = o.filter, .source_index = position});
      lvsnat::LiveOptions options;
      if (o.snaplen) options.snaplen = *o.snaplen;
      if (o.buffer_mib) options.buffer_mib = *o.buffer_mib;
      options.promiscuous = o.promiscuous;
      options.filter = o.filter;
      options.source_index = position;
      return open_live(wanted[i], options);
    }();
    if (opened) {
      sources.push_back(std::move(*opened));
      continue;
    }
    tool::complain("lvstop", opened.error().message);
    SourceStatistics statistics;
    statistics.name = wanted[i];
    statistics.live = live;
    statistics.refused = true;
    statistics.problem = opened.error().message;
    inputs.refused.push_back(std::move(statistics));
  }
  if (!sources.empty()) inputs.source = merge_sources(std::move(sources));
  return inputs;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return {};
  return printable(name.data(), 64);
}

bool utf8_locale() { return std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }

std::string explain(int code) {
  const Rule* rule = find_rule(code);
  return rule == nullptr ? std::string() : rule_page(*rule);
}

/// Until everything is read, the time is up, or a signal asks to end.
std::atomic<bool> interrupted{false};
void on_signal(int) { interrupted = true; }

void wait_for_the_end(Live& live, std::int64_t nanoseconds) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
  const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(nanoseconds);
  while (!interrupted && !live.finished() && (nanoseconds == 0 || std::chrono::steady_clock::now() < until)) {
    const auto left = until - std::chrono::steady_clock::now();
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(left).count() + 1;
    pollfd woken{live.wake_descriptor(), POLLIN, 0};
    poll(&woken, 1, nanoseconds == 0 ? 500 : static_cast<int>(std::clamp<std::int64_t>(milliseconds, 1, 500)));
    (void)live.take_messages();
  }
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

int print_once(const Options& o, Live& live, bool refused, tool::Output& output) {
  wait_for_the_end(live, o.read.empty() ? o.duration : 0);
  live.stop();
  const auto snapshot = live.latest();
  View view;
  view.current = o.view;
  view.filter = o.show;
  view.show_names = o.names;
  (void)output.write(once_text(*snapshot, view, output_width(), utf8_locale() && !o.ascii)).has_value();
  return commit(output, tell_status(snapshot->report, refused));
}

/// Connections as they leave the table, findings as they appear, the rest and the report at the end.
int stream(const Options& o, Live& live, bool refused, tool::Output& output) {
  live.start();
  wait_for_the_end(live, o.read.empty() && o.once ? o.duration : 0);
  live.stop();
  std::array<char, kConnectionLineSize> line{};
  live.for_each_connection([&](const Connection& c, std::span<const int> codes) {
    (void)output.write({line.data(), render_connection_line(c, codes, line, true)}).has_value();
  });
  const auto snapshot = live.latest();
  (void)output.write(render_ndjson(snapshot->report, snapshot->names)).has_value();
  return commit(output, tell_status(snapshot->report, refused));
}

int show(const Options& o, Live& live) {
  App::Hooks hooks;
  hooks.save_text = save_text;
  hooks.explain = explain;
  hooks.to_ndjson = to_ndjson;
  App app(live, std::move(hooks), live.latest());
  app.view().current = o.view;
  app.view().filter = o.show;
  app.view().show_names = o.names;
  ++app.view().revision;
  if (o.speed != 1) live.speed(o.speed);
  live.start();
  CursesCanvas::Options screen;
  screen.unicode = utf8_locale() && !o.ascii;
  screen.color = tool::wants_color(o.color, STDOUT_FILENO);
  const int signal = run_terminal(live, app, screen);
  live.stop();
  alarm(0);
  if (signal == 0 || signal == SIGINT) return 0;
  // The shell, or whoever waits, sees what ended us.
  std::signal(signal, SIG_DFL);
  std::raise(signal);
  return 128 + signal;
}

int run(const Options& o) {
  if (o.state == "live") {
    tool::complain("lvstop", "--state live: give --state PATH, or a capture alone");
    return tool::kUnknown;
  }
  FeedOptions feed;
  feed.mode = o.read.empty() ? Mode::live : Mode::replay;
  feed.real_time = o.play;
  feed.analyzer.tool = "lvstop";
  feed.analyzer.live = feed.mode == Mode::live;
  feed.analyzer.max_connections = o.max_connections;
  feed.history_bytes = std::size_t{o.history_mib} << 20;
  feed.write_packets = save_packets;
  if (feed.mode == Mode::live) feed.host = host_name();
  auto declared = tool::read_declarations(o);
  if (!declared) {
    if (declared.error().code == ErrorCode::usage) return tool::bad_usage("lvstop", declared.error().message);
    tool::complain("lvstop", declared.error().message);
    return tool::kUnknown;
  }
  feed.analyzer.declared = std::move(*declared);
  auto state = tool::read_saved_state(o);
  if (!state) {
    tool::complain("lvstop", state.error().message);
    return tool::kUnknown;
  }
  feed.analyzer.state = std::move(*state);
  if (!o.filter.empty()) {
    if (const Status valid = check_filter(o.filter); !valid) return tool::bad_usage("lvstop", valid.error().message);
  }

  const bool terminal =
      isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && std::find(o.read.begin(), o.read.end(), "-") == o.read.end();
  const bool streams = o.format == tool::Format::ndjson;
  std::optional<std::string> unusable;
  if (terminal && !streams && !o.once) {
    unusable = CursesCanvas::unusable();
    if (unusable) tool::complain("lvstop", *unusable + ": printing once");
  }
  const bool interactive = terminal && !streams && !o.once && !unusable && o.output == "-";

  Inputs inputs = open_inputs(o);
  const bool all_refused = inputs.source == nullptr;
  if (all_refused && interactive) return tool::kUnknown;  // each was complained about
  feed.inputs = inputs.names;
  feed.refused = std::move(inputs.refused);
  feed.record = interactive;

  std::unique_ptr<tool::Output> output;
  if (!interactive) {
    auto opened = tool::Output::open(o.output, {.force = o.force});
    if (!opened) {
      tool::complain("lvstop", opened.error().message);
      return tool::kUnknown;
    }
    output = std::move(*opened);
  }
  std::array<char, kConnectionLineSize> line{};
  if (streams) {
    feed.on_retired = [&](const Connection& c, std::span<const int> codes) {
      (void)output->write({line.data(), render_connection_line(c, codes, line, true)}).has_value();
    };
  }
  Live live(std::move(inputs.source), std::move(feed));
  if (interactive) return show(o, live);
  if (streams) return stream(o, live, all_refused, *output);
  live.start();
  return print_once(o, live, all_refused, *output);
}

}  // namespace
}  // namespace lvsnat::top

int main(int argc, char** argv) {
  std::setlocale(LC_CTYPE, "");  // NOLINT(concurrency-mt-unsafe): before there are threads
  lvsnat::tool::prepare_standard_streams();
  auto parsed = lvsnat::top::parse_options(argc, argv);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  return lvsnat::top::run(std::get<lvsnat::top::Options>(parsed));
}
