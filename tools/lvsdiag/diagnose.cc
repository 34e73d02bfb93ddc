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
#include "common/inputs.h"
#include "common/interruption.h"
#include "common/known.h"
#include "common/output.h"
#include "common/table_limit.h"
#include "lvsdiag/answer.h"
#include "lvsdiag/cited.h"
#include "lvsdiag/outputs.h"
#include "lvsdiag/testimonies.h"
#include "lvsdiag/verbs.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/capture.h"
#include "lvsnat/render.h"
#include "lvsnat/state.h"

namespace lvsnat::tool {
namespace {

using Clock = std::chrono::steady_clock;

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

/// About one connection in two thousand bytes of capture: enough that the table seldom grows, little enough to be free.
std::uint32_t expected_connections(const DiagnosisOptions& o, std::uint32_t limit) {
  std::uintmax_t bytes = 0;
  for (const std::string& path : o.read) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (!error) bytes += size;
  }
  return static_cast<std::uint32_t>(std::min<std::uintmax_t>(bytes / 2000, limit));
}

}  // namespace

int diagnose(const DiagnosisOptions& o) {
  if (o.read.empty()) return watch(o);
  if (const std::string wrong = collision(o); !wrong.empty()) return bad_usage("lvsdiag", wrong);
  if (!o.filter.empty()) {
    if (const Status valid = check_filter(o.filter); !valid) return bad_usage("lvsdiag", valid.error().message);
  }

  // The kernel is asked with the rights that there are; what strangers wrote is read without, after all outputs are open.
  std::shared_ptr<const KernelState> host;
  if (o.state == "live") {
    auto state = read_state_of_this_host();
    if (!state) return give_up(o, state.error().message);
    host = std::move(*state);
  }
  const std::uint64_t memory = usable_memory();
  auto opened = open_outputs_and_step_down(o);
  if (!opened) return failed(opened.error());
  Outputs& outputs = *opened;
  Output& answer = *outputs.answer;

  AnalyzerOptions analysis;
  analysis.max_connections = o.max_connections ? *o.max_connections : limit_of_connections(o.read, memory);
  analysis.expected_connections = expected_connections(o, analysis.max_connections);
  auto declared = read_declarations(o);
  if (!declared)
    return declared.error().code == ErrorCode::usage ? bad_usage("lvsdiag", declared.error().message)
                                                     : give_up(o, declared.error().message, answer);
  analysis.declared = std::move(*declared);
  auto saved = read_saved_state(o);
  if (!saved) return give_up(o, saved.error().message, answer);
  analysis.state = host ? host : std::move(*saved);
  analysis.clients = o.clients;
  auto testimonies = read_testimonies(o);
  if (!testimonies) return give_up(o, testimonies.error().message, answer);
  analysis.testimonies = std::move(*testimonies);

  Inputs inputs = open_files("lvsdiag", o);
  if (inputs.source) analysis.progress = [&inputs] { return inputs.source->progress(); };
  Analyzer analyzer(std::move(analysis));
  ConnectionLines lines(outputs.connections.get(), o.format == Format::ndjson ? &answer : nullptr);
  if (lines.wanted()) analyzer.on_retired([&lines](const Connection& c, std::span<const int> codes) { lines(c, codes); });
  if (inputs.source) {
    const Interruptible interruptible(*inputs.source);
    ProgressLine progress(!o.quiet);
    std::array<Frame, 256> frames;  // few enough to stay in the first-level cache
    std::uint64_t packets = 0;
    while (const std::size_t n = inputs.source->read(frames)) {
      const std::span<const Frame> batch(frames.data(), n);
      analyzer.feed(batch, inputs.source->vantages());
      if (outputs.kept && !outputs.kept->broken()) {
        if (const Status status = keep(*outputs.kept, batch, inputs.source->vantages()); !status) {
          progress.clear();
          failed(status.error());
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
  static_cast<void>(answer.write(rendered(o, report, answer.descriptor())).has_value());
  if (exit_status(report) == kUnknown && inputs.refused.size() < o.read.size()) tell_why_unknown(report);

  // What is beside the answer first: a status of 3 goes with files that did not come to be, and the answer all the same.
  bool complete = true;
  if (outputs.evidence) complete = told(write_evidence(o, report, *outputs.evidence)) && complete;
  complete = commit_kept(outputs) && complete;
  complete = told(commit_connections(outputs)) && complete;
  const int status = finish(answer, report);
  return complete ? status : kUnknown;
}

int check(const DiagnosisOptions& o) {
  // The kernel is asked with the rights that there are; files are read without any.
  std::shared_ptr<const KernelState> host;
  if (o.state.empty() || o.state == "live") {
    auto state = read_state_of_this_host();
    if (!state) return give_up(o, state.error().message);
    host = std::move(*state);
  }
  auto outputs = open_outputs_and_step_down(o);
  if (!outputs) return failed(outputs.error());
  Output& answer = *outputs->answer;
  auto declared = read_declarations(o);
  if (!declared)
    return declared.error().code == ErrorCode::usage ? bad_usage("lvsdiag", declared.error().message)
                                                     : give_up(o, declared.error().message, answer);
  auto saved = read_saved_state(o);
  if (!saved) return give_up(o, saved.error().message, answer);
  AnalyzerOptions analysis;
  analysis.declared = std::move(*declared);
  analysis.state = host ? host : std::move(*saved);
  analysis.clients = o.clients;
  auto testimonies = read_testimonies(o);
  if (!testimonies) return give_up(o, testimonies.error().message, answer);
  analysis.testimonies = std::move(*testimonies);
  Report report = Analyzer(std::move(analysis)).report({});
  report.tool_version = LVSNAT_VERSION;
  static_cast<void>(answer.write(rendered(o, report, answer.descriptor())).has_value());
  if (exit_status(report) == kUnknown) tell_why_unknown(report);
  return finish(answer, report);
}

int snapshot(const DiagnosisOptions& o) {
  // A snapshot is what one compares with later: it is not replaced by accident.
  if (std::error_code error; !o.force && o.snapshot != "-" && std::filesystem::is_regular_file(o.snapshot, error)) {
    return bad_usage("lvsdiag", printable(o.snapshot, 200) + ": exists; --force replaces it");
  }
  std::shared_ptr<const KernelState> state;
  if (o.state.empty() || o.state == "live") {
    auto host = read_state_of_this_host();
    if (!host) return failed(host.error());
    state = std::move(*host);
  }
  auto outputs = open_outputs_and_step_down(o);
  if (!outputs) return failed(outputs.error());
  if (!state) {
    auto saved = read_saved_state(o);
    if (!saved) return failed(saved.error());
    state = std::move(*saved);
  }
  Output& file = *outputs->answer;
  Status status = file.write(write_snapshot(*state));
  if (status) status = file.commit();
  return status || file.reader_gone() ? 0 : failed(status.error());
}

}  // namespace lvsnat::tool
