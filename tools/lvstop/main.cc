// lvstop: opens what is to be watched, steps down from root, then hands over to the screen, or prints once, or streams.
//
// Order matters: what needs a right or a name in the file system comes first, then all rights are given up (but for the process
// that goes on asking the kernel, which looks at nothing else), and only then is anything looked at that strangers wrote.
#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "app.h"
#include "base/text.h"
#include "batch.h"
#include "common/capture_plan.h"
#include "common/inputs.h"
#include "common/kept_capture.h"
#include "common/known.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/output.h"
#include "common/privileges.h"
#include "common/step_down.h"
#include "live.h"
#include "lvsnat/capture.h"
#include "lvsnat/config.h"
#include "lvsnat/render.h"
#include "options.h"
#include "save.h"
#include "state_reader.h"
#include "state_watch.h"
#include "terminal.h"

namespace lvsnat::top {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return {};
  return printable(name.data(), 64);
}

std::string explain(int code) {
  const Rule* rule = find_rule(code);
  return rule == nullptr ? std::string() : rule_page(*rule);
}

/// What is watched, and what it is written to.
struct Opened {
  std::unique_ptr<StateReader> reader;  // live, where this host's kernel is asked
  std::shared_ptr<const KernelState> state;
  tool::Inputs inputs;
  std::string inputs_text;  // for the first line
  std::unique_ptr<tool::Output> output;
  std::unique_ptr<tool::KeptCapture> kept;
  std::vector<std::string> notes;
};

/// The files once more. Without a word: a screen stands where complaints would go. nullptr: none can be opened.
std::unique_ptr<PacketSource> reopen(const Options& o) {
  std::vector<std::unique_ptr<PacketSource>> sources;
  for (std::size_t i = 0; i < o.read.size(); ++i) {
    auto opened = open_capture_file(o.read[i], {.filter = o.filter, .source_index = static_cast<std::uint16_t>(i)});
    if (opened) sources.push_back(std::move(*opened));
  }
  return sources.empty() ? nullptr : merge_sources(std::move(sources));
}

int failed(const Error& error) {
  if (error.code == ErrorCode::usage) return tool::bad_usage("lvstop", error.message);
  tool::complain("lvstop", error.message);
  return tool::kUnknown;
}

std::string short_names(const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) {
    text += (text.empty() ? "" : " ") + printable(path.substr(path.rfind('/') + 1), 64);
    if (text.size() > 256) break;
  }
  return text;
}

/// This host's kernel and its interfaces, with all the rights that there are.
Status open_host(const Options& o, Opened& opened) {
  const std::string missing = tool::missing_capabilities();
  if (!o.no_state) {
    auto reader = StateReader::start();
    if (!reader) return reader.error();
    opened.reader = std::move(*reader);
    auto state = opened.reader->read();
    if (state) {
      opened.state = std::move(*state);
    } else {
      opened.reader.reset();
      opened.notes.push_back("this host's kernel state was not read: " + state.error().message);
    }
  }
  // Only what the kernel and the command line say: files are not read with rights that their writers lack.
  auto services = tool::service_options(o);
  if (!services) return services.error();
  if (opened.state) services->insert(services->end(), opened.state->ipvs.services.begin(), opened.state->ipvs.services.end());
  // Services may come while we watch, so the kernel must not leave out what belongs to none now.
  const tool::CapturePlan plan = tool::plan_capture(o, opened.state.get(), *services, false);
  opened.notes.insert(opened.notes.end(), plan.notes.begin(), plan.notes.end());
  if (!missing.empty()) opened.notes.push_back(missing);
  opened.inputs = tool::open_interfaces("lvstop", o, plan);
  opened.inputs_text = short_names(plan.interfaces);
  return ok();
}

/// Everything up to the step down from root, and that. `printed`: the answer goes to -o, not to a screen.
Status open_all(const Options& o, bool printed, Opened& opened) {
  if (o.read.empty()) {
    if (Status status = open_host(o, opened); !status) return status;
  } else if (o.state == "live") {
    auto state = tool::read_state_of_this_host();
    if (!state) return state.error();
    opened.state = std::move(*state);
  }
  const auto outputs = [&]() -> Status {
    if (printed) {
      auto output = tool::Output::open(o.output, {.force = o.force});
      if (!output) return output.error();
      opened.output = std::move(*output);
    }
    if (!o.write.empty()) {
      auto kept = tool::KeptCapture::create(o.write, o.force, {"lvstop " LVSNAT_VERSION, "Packets that lvstop read"});
      if (!kept) return kept.error();
      opened.kept = std::move(*kept);
    }
    return ok();
  };
  tool::Remaining remaining = tool::remaining_of(o);
  for (const std::string& path : {o.output, o.write}) {
    if (!path.empty() && path != "-") remaining.outputs.push_back(path);
  }
  // Keys on the screen ask for names, and for files to save to.
  remaining.terminal = !printed;
  remaining.new_files = !printed;
  remaining.names = remaining.names || !printed;
  if (opened.reader) remaining.child = opened.reader->process();
  const auto confined = tool::step_down(remaining, !o.read.empty(), outputs);
  if (!confined) return confined.error();
  if (o.verbose) tool::complain("lvstop", confined->words());
  if (o.read.empty()) return ok();
  opened.inputs = tool::open_files("lvstop", o);
  opened.inputs_text = short_names(o.read);
  return ok();
}

/// Names that the command line gives.
NameMap given_names(const Options& o) {
  NameMap names;
  for (const std::string& text : o.host_names) {
    if (const auto pair = parse_name_option(text)) names.emplace(pair->second, pair->first);
  }
  return names;
}

/// The signal that ended it, or 0.
Result<int> show(const Options& o, Live& live, Names& names) {
  App::Hooks hooks;
  hooks.save_text = save_text;
  hooks.save_directory = save_directory;
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
  screen.unicode = o.unicode;
  screen.color = tool::wants_color(o.color, STDOUT_FILENO);
  tool::before_the_end(CursesCanvas::give_back);
  const Result<int> ended = run_terminal(live, names, app, screen);
  // The terminal has its second behind it; what waits in the kernel is still taken in.
  constexpr unsigned kTakenIn = 10;
  if (alarm(0) != 0) alarm(kTakenIn);
  live.stop();
  alarm(0);
  if (!ended) return ended.error();
  return *ended == SIGINT ? 0 : *ended;
}

/// -w gets its name. What went wrong while packets came is told here: a screen is gone by now.
int keep(Opened& opened, int status) {
  if (!opened.kept) return status;
  // What was written until then is kept, too.
  const Status kept = opened.kept->commit();
  return kept ? status : failed(kept.error());
}

int run(const Options& o) {
  if (const std::string wrong = tool::collision({{"-o", o.output}, {"-w", o.write}}, o.read); !wrong.empty())
    return tool::bad_usage("lvstop", wrong);
  if (!o.filter.empty()) {
    if (const Status valid = check_filter(o.filter); !valid) return tool::bad_usage("lvstop", valid.error().message);
  }
  const bool streams = o.format == tool::Format::ndjson;
  const bool terminal =
      isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && std::find(o.read.begin(), o.read.end(), "-") == o.read.end();
  bool interactive = terminal && !streams && !o.once && o.output == "-";

  Opened opened;
  if (Status status = open_all(o, !interactive, opened); !status) return failed(status.error());
  // From here on without any right.
  if (interactive) {
    if (const auto unusable = CursesCanvas::unusable()) {
      tool::complain("lvstop", *unusable + ": printing once");
      interactive = false;
      auto output = tool::Output::open("-", {});
      if (!output) return failed(output.error());
      opened.output = std::move(*output);
    }
  }
  const bool all_refused = opened.inputs.source == nullptr;
  if (all_refused && interactive) return tool::kUnknown;  // each was complained about

  FeedOptions feed;
  feed.mode = o.read.empty() ? Mode::live : Mode::replay;
  feed.real_time = o.play;
  feed.analyzer.tool = "lvstop";
  feed.analyzer.live = feed.mode == Mode::live;
  if (o.max_connections) feed.analyzer.max_connections = *o.max_connections;
  feed.history_bytes = std::size_t{o.history_mib} << 20;
  feed.record = interactive;
  feed.write_packets = save_packets;
  if (!o.read.empty() && std::find(o.read.begin(), o.read.end(), "-") == o.read.end()) feed.reopen = [&o] { return reopen(o); };
  feed.inputs = opened.inputs_text;
  feed.notes = opened.notes;
  if (feed.mode == Mode::live) feed.host = host_name();
  auto declared = tool::read_declarations(o);
  if (!declared) return failed(declared.error());
  feed.analyzer.declared = std::move(*declared);
  auto saved = tool::read_saved_state(o);
  if (!saved) return failed(saved.error());
  // Who gives a saved state wants that one.
  if (*saved) opened.reader.reset();
  feed.analyzer.state = *saved ? std::move(*saved) : opened.state;
  for (auto& [position, statistics] : opened.inputs.refused) feed.refused.push_back(std::move(statistics));
  if (opened.kept) {
    feed.keep = [&kept = *opened.kept](std::span<const Frame> frames, const std::vector<Vantage>& vantages) {
      for (const Frame& frame : frames) {
        if (Status status = kept.write(frame, vantages); !status) return status;
      }
      return ok();
    };
  }
  std::optional<Stream> stream;
  if (streams) {
    stream.emplace(*opened.output);
    feed.on_retired = [&stream](const Connection& c, std::span<const int> codes) { stream->connection(c, codes); };
  }
  Names names(given_names(o), tool::look_up_name);
  Live live(std::move(opened.inputs.source), std::move(feed));
  int status = 0, ended_by = 0;
  {
    std::optional<StateWatch> watch;
    if (opened.reader && !all_refused) {
      StateReader& reader = *opened.reader;
      watch.emplace(StateWatch::Calls{[&reader] { return reader.read(); }, [&reader] { return reader.cost(); },
                                      [&reader] { reader.interrupt(); },
                                      [&live](std::shared_ptr<const KernelState> state) { live.update_state(std::move(state)); },
                                      [&live](std::string trouble) { live.say(std::move(trouble)); }});
    }
    if (interactive) {
      const Result<int> shown = show(o, live, names);
      if (shown) ended_by = *shown;
      if (!shown) status = failed(shown.error());
    } else if (stream) {
      status = stream->run(o, live, all_refused);
    } else {
      live.start();
      status = print_once(o, live, names, all_refused, *opened.output);
    }
  }
  status = keep(opened, status);
  if (ended_by == 0) return status;
  opened.reader.reset();
  // The shell, or whoever waits, sees what ended us.
  std::signal(ended_by, SIG_DFL);
  std::raise(ended_by);
  return 128 + ended_by;
}

}  // namespace
}  // namespace lvsnat::top

int main(int argc, char** argv) {
  lvsnat::tool::end_tidily_without_memory("lvstop");
  try {
    // A locale that is not there is no matter: it will be ASCII. One for which there was no memory is, where errno tells; asking
    // again would not help, for the C library remembers that it failed.
    errno = 0;
    const char* const locale = std::setlocale(LC_CTYPE, "");  // NOLINT(concurrency-mt-unsafe): before there are threads
    if (locale == nullptr && errno == ENOMEM) throw std::bad_alloc();
    lvsnat::tool::prepare_standard_streams();
    auto parsed = lvsnat::top::parse_options(argc, argv);
    if (const int* status = std::get_if<int>(&parsed)) return *status;
    return lvsnat::top::run(std::get<lvsnat::top::Options>(parsed));
  } catch (const std::exception& error) {
    return lvsnat::tool::run_out("lvstop", error);
  }
}
