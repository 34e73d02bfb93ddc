// Captures in, report out: open, merge, analyze, render, say how it ended.
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "common/known.h"
#include "common/output.h"
#include "lvsdiag/cited.h"
#include "lvsdiag/verbs.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/capture.h"
#include "lvsnat/render.h"
#include "lvsnat/state.h"

namespace lvsnat::tool {
namespace {

using Clock = std::chrono::steady_clock;

// ---- interruption: what has been read until then is diagnosed

std::atomic<PacketSource*> interrupted_source{nullptr};

void on_interrupt(int) {
  if (PacketSource* source = interrupted_source.exchange(nullptr)) source->stop();
}

/// SIGINT and SIGTERM end the reading once; a second one ends the program.
class Interruptible {
 public:
  explicit Interruptible(PacketSource& source) {
    interrupted_source = &source;
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, &old_interrupt_);
    sigaction(SIGTERM, &action, &old_terminate_);
  }
  ~Interruptible() {
    sigaction(SIGINT, &old_interrupt_, nullptr);
    sigaction(SIGTERM, &old_terminate_, nullptr);
    interrupted_source = nullptr;
  }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  struct sigaction old_interrupt_ {
  }, old_terminate_{};
};

// ---- progress

/// One line on a terminal's standard error for reading that takes long; otherwise nothing.
class ProgressLine {
 public:
  explicit ProgressLine(bool wanted)
      : shown_(wanted && isatty(STDERR_FILENO) == 1), next_(Clock::now() + std::chrono::seconds(1)) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void update(const PacketSource& source, std::uint64_t packets) {
    if (!shown_ || Clock::now() < next_) return;
    next_ = Clock::now() + std::chrono::milliseconds(200);
    const std::optional<double> share = source.progress();
    std::string text = "\rreading: " + with_commas(packets) + " packets";
    if (share) text += ", " + std::to_string(std::lround(*share * 100)) + " %";
    put(text + "\x1b[K");
    drawn_ = true;
  }
  void clear() {
    if (std::exchange(drawn_, false)) put("\r\x1b[K");
  }

 private:
  static void put(const std::string& text) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  }
  bool shown_, drawn_ = false;
  Clock::time_point next_;
};

// ---- files

bool same_file(const std::string& a, const std::string& b) {
  if (a == "-" || b == "-") return false;
  if (a == b) return true;
  struct stat first {
  }, second{};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 && S_ISREG(first.st_mode) &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// A capture must not be replaced by what is said about it.
std::string collision(const DiagnosisOptions& o) {
  const std::array<std::pair<std::string_view, const std::string*>, 4> outputs{
      {{"-o", &o.output}, {"--connections", &o.connections}, {"--evidence", &o.evidence}, {"-w", &o.write}}};
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string& path = *outputs[i].second;
    if (path.empty()) continue;
    for (const std::string& input : o.read) {
      if (same_file(path, input)) return std::string(outputs[i].first) + " would replace the capture " + printable(input, 200);
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (!outputs[j].second->empty() && (same_file(path, *outputs[j].second) || (path == "-" && *outputs[j].second == "-"))) {
        return std::string(outputs[j].first) + " and " + std::string(outputs[i].first) + " name the same file";
      }
    }
  }
  return {};
}

/// About one connection in two thousand bytes of capture: enough that the table seldom grows, little enough to be free.
std::uint32_t expected_connections(const DiagnosisOptions& o) {
  std::uintmax_t bytes = 0;
  for (const std::string& path : o.read) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (!error) bytes += size;
  }
  return static_cast<std::uint32_t>(std::min<std::uintmax_t>(bytes / 2000, o.max_connections));
}

struct Inputs {
  std::unique_ptr<PacketSource> source;             // nullptr: every file was refused
  std::map<std::size_t, SourceStatistics> refused;  // by position on the command line
};

Inputs open_inputs(const DiagnosisOptions& o) {
  Inputs inputs;
  std::vector<std::unique_ptr<PacketSource>> sources;
  for (std::size_t i = 0; i < o.read.size(); ++i) {
    auto opened = open_capture_file(o.read[i], {.filter = o.filter, .source_index = static_cast<std::uint16_t>(i)});
    if (opened) {
      sources.push_back(std::move(*opened));
      continue;
    }
    complain("lvsdiag", opened.error().message);
    SourceStatistics statistics;
    statistics.name = o.read[i];
    statistics.refused = true;
    statistics.problem = opened.error().message;
    inputs.refused.emplace(i, std::move(statistics));
  }
  if (!sources.empty()) inputs.source = merge_sources(std::move(sources));
  return inputs;
}

/// One entry for each -r, in the order given.
std::vector<SourceStatistics> statistics_of(const Inputs& inputs) {
  std::vector<SourceStatistics> all;
  if (inputs.source) all = inputs.source->statistics();
  for (const auto& [position, statistics] : inputs.refused) {
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(std::min(position, all.size())), statistics);
  }
  return all;
}

// ---- the answer

TextOptions text_options(const DiagnosisOptions& o, int descriptor) {
  TextOptions text;
  text.width = text_width(descriptor);
  text.color = wants_color(o.color, descriptor);
  text.quiet = o.quiet;
  text.verbose = o.verbose;
  return text;
}

std::string rendered(const DiagnosisOptions& o, const Report& report, int descriptor) {
  const HostNames names = o.names ? look_up_names(report) : HostNames();
  switch (o.format) {
    case Format::json:
      return render_json(report, names);
    case Format::ndjson:
      return render_ndjson(report, names);
    case Format::nagios:
      return render_nagios(report);
    case Format::text:
      break;
  }
  TextOptions text = text_options(o, descriptor);
  text.names = names;
  std::map<Citation, std::string> words;
  if (o.verbose) {
    words = describe_cited(o, report);
    text.describe = [&words](std::string_view source, std::uint32_t frame) {
      const auto found = words.find({std::string(source), frame});
      return found == words.end() ? std::string() : found->second;
    };
  }
  return render_text(report, text);
}

int failed(const Error& error) {
  complain("lvsdiag", error.message);
  return kUnknown;
}

/// What stands on standard error with status 3.
void tell_why_unknown(const Report& report) {
  std::string line = "nothing could be diagnosed";
  if (!report.findings.empty()) {
    const Finding& finding = report.findings.front();
    line += ": " + finding.title;
    if (!finding.unchecked.empty()) line += "; " + finding.unchecked.front();
  } else {
    line +=
        ": no traffic of any service was seen; capture while a client tries to connect, and name the services with --config or "
        "--service";
  }
  complain("lvsdiag", line);
}

/// Something without which no diagnosis can begin: told in words, and as a report where a program reads the answer.
int give_up(const DiagnosisOptions& o, const std::string& why) {
  complain("lvsdiag", why);
  if (o.format == Format::text) return kUnknown;
  Report report = Analyzer(AnalyzerOptions{}).report({});
  report.tool_version = LVSNAT_VERSION;
  report.verdict = Verdict::unknown;
  report.notes.push_back(why);
  auto output = Output::open(o.output, {.force = o.force});
  if (!output) return failed(output.error());
  Status status = (*output)->write(rendered(o, report, (*output)->descriptor()));
  if (status) status = (*output)->commit();
  return status ? kUnknown : failed(status.error());
}

/// Where lines about connections go: --connections, and the answer itself with --format ndjson.
class ConnectionLines {
 public:
  ConnectionLines(Output* file, Output* stream) : file_(file), stream_(stream) {}
  [[nodiscard]] bool wanted() const { return file_ != nullptr || stream_ != nullptr; }
  void operator()(const Connection& connection, std::span<const int> codes) {
    if (file_ != nullptr) put(*file_, connection, codes, false);
    if (stream_ != nullptr) put(*stream_, connection, codes, true);
  }

 private:
  // Errors stick to the output and are told by its commit().
  void put(Output& output, const Connection& connection, std::span<const int> codes, bool typed) {
    const std::size_t n = render_connection_line(connection, codes, line_, typed);
    static_cast<void>(output.write({line_.data(), n}).has_value());
  }
  Output *file_, *stream_;
  std::array<char, kConnectionLineSize> line_{};
};

int finish(Output& output, const Report& report) {
  const Status status = output.commit();
  if (!status && !output.reader_gone()) return failed(status.error());
  return exit_status(report);
}

}  // namespace

int diagnose(const DiagnosisOptions& o) {
  if (!o.reports.empty()) return failed({ErrorCode::unsupported, "--with: this version does not read reports of lvstrace yet"});
  if (o.state == "live")
    return failed({ErrorCode::unsupported, "--state live: this version reads saved state only; give --state PATH"});
  if (o.read.empty()) {
    return failed({ErrorCode::unsupported,
                   "this version reads captures and does not capture: run 'tcpdump -i any -w any.pcap' while a client tries to "
                   "connect, then "
                   "'lvsdiag -r any.pcap' ('lvsdiag --help' shows more)"});
  }
  if (const std::string wrong = collision(o); !wrong.empty()) return bad_usage("lvsdiag", wrong);
  if (!o.filter.empty()) {
    if (const Status valid = check_filter(o.filter); !valid) return bad_usage("lvsdiag", valid.error().message);
  }

  AnalyzerOptions analysis;
  analysis.max_connections = o.max_connections;
  analysis.expected_connections = expected_connections(o);
  auto declared = read_declarations(o);
  if (!declared)
    return declared.error().code == ErrorCode::usage ? bad_usage("lvsdiag", declared.error().message)
                                                     : give_up(o, declared.error().message);
  analysis.declared = std::move(*declared);
  auto state = read_saved_state(o);
  if (!state) return give_up(o, state.error().message);
  analysis.state = std::move(*state);

  // Everything that is written is opened before the first packet is read.
  auto output = Output::open(o.output, {.force = o.force});
  if (!output) return failed(output.error());
  std::unique_ptr<Output> connections;
  if (!o.connections.empty()) {
    auto opened = Output::open(o.connections, {.force = o.force});
    if (!opened) return failed(opened.error());
    connections = std::move(*opened);
  }
  std::unique_ptr<KeptCapture> evidence, kept;
  if (!o.evidence.empty()) {
    auto created = KeptCapture::create(o.evidence, o.force, "Packets that the findings of lvsdiag cite");
    if (!created) return failed(created.error());
    evidence = std::move(*created);
  }
  if (!o.write.empty()) {
    auto created = KeptCapture::create(o.write, o.force, "Packets that lvsdiag read");
    if (!created) return failed(created.error());
    kept = std::move(*created);
  }

  Inputs inputs = open_inputs(o);
  Analyzer analyzer(std::move(analysis));
  ConnectionLines lines(connections.get(), o.format == Format::ndjson ? output->get() : nullptr);
  if (lines.wanted()) analyzer.on_retired([&lines](const Connection& c, std::span<const int> codes) { lines(c, codes); });
  if (inputs.source) {
    const Interruptible interruptible(*inputs.source);
    ProgressLine progress(!o.quiet);
    std::array<Frame, 512> frames;
    std::uint64_t packets = 0;
    while (const std::size_t n = inputs.source->read(frames)) {
      const std::span<const Frame> batch(frames.data(), n);
      analyzer.feed(batch, inputs.source->vantages());
      if (kept) {
        for (const Frame& frame : batch) {
          if (Status status = kept->write(frame, inputs.source->vantages()); !status) return failed(status.error());
        }
      }
      packets += n;
      progress.update(*inputs.source, packets);
    }
  }

  Report report = analyzer.report(statistics_of(inputs));
  report.tool_version = LVSNAT_VERSION;
  if (lines.wanted())
    analyzer.for_each_connection([&lines](const Connection& c, std::span<const int> codes) { lines(c, codes); });
  static_cast<void>((*output)->write(rendered(o, report, (*output)->descriptor())).has_value());
  if (exit_status(report) == kUnknown && inputs.refused.size() < o.read.size()) tell_why_unknown(report);

  // What is beside the answer first: it must not claim files that did not come to be.
  if (evidence) {
    if (Status status = write_evidence(o, report, *evidence); !status) return failed(status.error());
  }
  if (kept) {
    if (Status status = kept->commit(); !status) return failed(status.error());
  }
  if (connections) {
    if (Status status = connections->commit(); !status && !connections->reader_gone()) return failed(status.error());
  }
  return finish(**output, report);
}

int check(const DiagnosisOptions& o) {
  if (o.state.empty() || o.state == "live") {
    return failed(
        {ErrorCode::unsupported, "check: this version reads saved state only; give --state with a directory of command output"});
  }
  auto declared = read_declarations(o);
  if (!declared)
    return declared.error().code == ErrorCode::usage ? bad_usage("lvsdiag", declared.error().message)
                                                     : give_up(o, declared.error().message);
  auto state = read_saved_state(o);
  if (!state) return give_up(o, state.error().message);
  AnalyzerOptions analysis;
  analysis.declared = std::move(*declared);
  analysis.state = std::move(*state);
  auto output = Output::open(o.output, {.force = o.force});
  if (!output) return failed(output.error());
  Report report = Analyzer(std::move(analysis)).report({});
  report.tool_version = LVSNAT_VERSION;
  static_cast<void>((*output)->write(rendered(o, report, (*output)->descriptor())).has_value());
  if (exit_status(report) == kUnknown) tell_why_unknown(report);
  return finish(**output, report);
}

int snapshot(const DiagnosisOptions& o) {
  if (o.state.empty() || o.state == "live") {
    return failed({ErrorCode::unsupported,
                   "snapshot: this version reads saved state only; give --state with a directory of command output"});
  }
  auto state = read_saved_state(o);
  if (!state) return failed(state.error());
  auto output = Output::open(o.snapshot, {.mode = 0600, .force = o.force});
  if (!output) return failed(output.error());
  Status status = (*output)->write(write_snapshot(**state));
  if (status) status = (*output)->commit();
  return status || (*output)->reader_gone() ? 0 : failed(status.error());
}

}  // namespace lvsnat::tool
