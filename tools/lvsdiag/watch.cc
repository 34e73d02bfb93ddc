// Live: this host's kernel state and its interfaces in, a report out.
//
// Order matters: everything that needs a right or a name in the file system comes first, then all rights are given up, and only
// then are packets, configuration files and saved state looked at.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <net/if.h>

#include "base/text.h"
#include "common/capture_plan.h"
#include "common/inputs.h"
#include "common/interruption.h"
#include "common/known.h"
#include "common/output.h"
#include "common/privileges.h"
#include "lvsdiag/answer.h"
#include "lvsdiag/cited.h"
#include "lvsdiag/live_view.h"
#include "lvsdiag/outputs.h"
#include "lvsdiag/testimonies.h"
#include "lvsdiag/verbs.h"
#include "lvsnat/analyzer.h"
#include "lvsnat/capture.h"
#include "lvsnat/state.h"

namespace lvsnat::tool {
namespace {

using Clock = std::chrono::steady_clock;

// ---- interfaces

std::set<std::string> interfaces_now() {
  std::set<std::string> names;
  struct if_nameindex* const table = if_nameindex();
  for (const struct if_nameindex* entry = table; entry != nullptr && entry->if_name != nullptr; ++entry) {
    names.insert(entry->if_name);
  }
  if (table != nullptr) if_freenameindex(table);
  return names;
}

/// Interfaces that came while we watched others. "any" sees them.
std::vector<std::string> came_later(const std::set<std::string>& before, const std::vector<std::string>& watched) {
  std::vector<std::string> names;
  if (std::find(watched.begin(), watched.end(), "any") != watched.end()) return names;
  for (const std::string& name : interfaces_now()) {
    if (!before.contains(name)) names.push_back(name);
  }
  return names;
}

// ---- what is waited for

std::string joined(const std::vector<std::string>& words, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(words.size(), most); ++i) text += (i == 0 ? "" : ", ") + printable(words[i], 64);
  if (words.size() > most) text += " and " + std::to_string(words.size() - most) + " more";
  return text;
}

/// A command that makes a connection of this service, to be typed on a client.
std::string attempt(const Service& service) {
  const std::string vip = service.vip.is_v4() ? to_string(service.vip) : "[" + to_string(service.vip) + "]";
  switch (service.protocol) {
    case ServiceProtocol::tcp:
      if (service.port == 80) return "curl -m 5 http://" + vip + "/";
      if (service.port == 443) return "curl -m 5 -k https://" + vip + "/";
      return service.port == 0 ? "" : "nc -vz -w 5 " + to_string(service.vip) + " " + std::to_string(service.port);
    case ServiceProtocol::udp:
      if (service.port == 53) return "dig @" + to_string(service.vip);
      return service.port == 0 ? "" : "echo | nc -u -w 5 " + to_string(service.vip) + " " + std::to_string(service.port);
    case ServiceProtocol::sctp:
    case ServiceProtocol::fwmark:
      break;
  }
  return {};
}

/// What stands in place of a diagnosis when no packet of a service came.
std::string waited_in_vain(const Report& report, const std::vector<std::string>& interfaces, std::int64_t watched) {
  std::vector<std::string> services;
  std::string example;
  for (const ServiceTally& tally : report.services) {
    services.push_back(to_string(tally.service));
    if (example.empty()) example = attempt(tally.service);
  }
  std::string text = "in " + to_duration(watched) + " on " + joined(interfaces, 8) + " ";
  text += services.empty() ? "no packet was forwarded as IPVS forwards, and no service is known to wait for"
                           : "no packet of " + joined(services, 6) + " was seen";
  text += "; connect from a client meanwhile";
  if (!example.empty()) text += " (" + example + ")";
  text += "; '--for 0' watches until interrupted";
  if (services.empty()) text += "; --config or --service says which services there are";
  return text;
}

/// Finds out what the program may look at, opens it, and steps down. Empty: all is ready.
struct Prepared {
  std::shared_ptr<const KernelState> host;  // nullptr: not asked
  CapturePlan plan;
  Inputs inputs;
  Outputs outputs;
  std::vector<std::string> notes;
};

Result<Prepared> prepare(const DiagnosisOptions& o) {
  static_cast<void>(capture_now());  // from now on it does not matter who sets the clock
  Prepared ready;
  const std::string missing = missing_capabilities();
  if (!o.no_state) {
    auto host = read_state_of_this_host();
    if (host) {
      ready.host = std::move(*host);
    } else {
      ready.notes.push_back("this host's kernel state was not read: " + host.error().message);
    }
  }
  // Only what the kernel and the command line say: files are not read with rights that their writers lack.
  auto services = service_options(o);
  if (!services) return services.error();
  if (ready.host) {
    services->insert(services->end(), ready.host->ipvs.services.begin(), ready.host->ipvs.services.end());
  }
  const bool others = !o.config.empty() || (!o.state.empty() && o.state != "live");
  ready.plan = plan_capture(o, ready.host.get(), *services, !others);
  ready.notes.insert(ready.notes.end(), ready.plan.notes.begin(), ready.plan.notes.end());
  ready.inputs = open_interfaces("lvsdiag", o, ready.plan);

  auto outputs = open_outputs_and_step_down(o);
  if (!outputs) return outputs.error();
  ready.outputs = std::move(*outputs);
  if (!missing.empty()) ready.notes.push_back(missing);
  return ready;
}

/// Reads until the time is over, the user interrupts or every interface is gone. When -w ends early, the diagnosis goes on.
void capture(const DiagnosisOptions& o, Prepared& ready, Analyzer& analyzer, ConnectionLines& lines) {
  PacketSource& source = *ready.inputs.source;
  const Interruptible interruptible(source);
  LiveView view(o);
  const Clock::time_point begin = Clock::now();
  LiveMoment moment;
  moment.where = joined(ready.plan.interfaces, 8);
  if (o.duration != 0) moment.until = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::nanoseconds(o.duration));
  Clock::time_point next_round = begin;
  bool stopping = false;
  std::array<Frame, 256> frames;  // few enough to stay in the first-level cache
  while (!source.finished()) {
    const std::size_t n = source.read(frames);
    const std::span<const Frame> batch(frames.data(), n);
    analyzer.feed(batch, source.vantages());
    if (ready.outputs.kept && !ready.outputs.kept->broken()) {
      if (const Status status = keep(*ready.outputs.kept, batch, source.vantages()); !status) {
        view.clear();
        failed(status.error());
      }
    }
    const Clock::time_point now = Clock::now();
    if (now < next_round) continue;
    next_round = now + std::chrono::milliseconds(100);
    // Packets that wait in another interface's ring must not make a silence.
    analyzer.advance(capture_now() - kSecond / 2);
    lines.flush();
    if (!stopping && o.duration != 0 && now - begin >= std::chrono::nanoseconds(o.duration)) {
      source.stop();
      stopping = true;
    }
    if (view.due()) {
      moment.since = std::chrono::duration_cast<std::chrono::seconds>(now - begin);
      const Report report = analyzer.report(statistics_of(ready.inputs));
      view.draw(report, moment, Clock::now() - now);
    }
  }
}

}  // namespace

int watch(const DiagnosisOptions& o) {
  if (!o.evidence.empty() && o.write.empty()) {
    return bad_usage("lvsdiag", "--evidence takes its packets from what is kept: with live capture give -w FILE, too");
  }
  if (const std::string wrong = collision(o); !wrong.empty()) return bad_usage("lvsdiag", wrong);
  if (!o.filter.empty()) {
    if (const Status valid = check_filter(o.filter); !valid) return bad_usage("lvsdiag", valid.error().message);
  }
  Result<Prepared> prepared = prepare(o);
  if (!prepared) {
    return prepared.error().code == ErrorCode::usage ? bad_usage("lvsdiag", prepared.error().message) : failed(prepared.error());
  }
  Prepared& ready = *prepared;

  // From here on without any right.
  AnalyzerOptions analysis;
  if (o.max_connections) analysis.max_connections = *o.max_connections;
  analysis.live = true;
  // An index of 2 MB: it is one page then, and need not grow while packets wait.
  analysis.expected_connections = 100'000;
  auto declared = read_declarations(o);
  if (!declared) {
    return declared.error().code == ErrorCode::usage ? bad_usage("lvsdiag", declared.error().message)
                                                     : give_up(o, declared.error().message, *ready.outputs.answer);
  }
  analysis.declared = std::move(*declared);
  auto saved = read_saved_state(o);
  if (!saved) return give_up(o, saved.error().message, *ready.outputs.answer);
  const bool own_state = *saved == nullptr && ready.host != nullptr;
  analysis.state = *saved ? std::move(*saved) : ready.host;
  analysis.clients = o.clients;
  auto testimonies = read_testimonies(o);
  if (!testimonies) return give_up(o, testimonies.error().message, *ready.outputs.answer);
  analysis.testimonies = std::move(*testimonies);

  Analyzer analyzer(std::move(analysis));
  ConnectionLines lines(ready.outputs.connections.get(), o.format == Format::ndjson ? ready.outputs.answer.get() : nullptr);
  if (lines.wanted()) analyzer.on_retired([&lines](const Connection& c, std::span<const int> codes) { lines(c, codes); });
  const Clock::time_point begin = Clock::now();
  const std::set<std::string> interfaces = interfaces_now();
  if (ready.inputs.source) {
    capture(o, ready, analyzer, lines);
  }
  analyzer.advance(capture_now());
  if (own_state) analyzer.looked_again(look_again(capture_now()));
  Report report = analyzer.report(statistics_of(ready.inputs));
  report.tool_version = LVSNAT_VERSION;
  report.notes.insert(report.notes.end(), ready.notes.begin(), ready.notes.end());
  if (const std::int64_t by = wall_clock_set_by(); by != 0) {
    report.notes.push_back("the clock of this host was set " + std::string(by < 0 ? "back" : "on") + " by " +
                           to_duration(by < 0 ? -by : by) + " meanwhile: times are those of the clock as it was before");
  }
  if (const auto later = came_later(interfaces, ready.plan.interfaces); !later.empty()) {
    report.notes.push_back("not captured, for they came while others were watched: " + joined(later, 8));
  }
  if (ready.inputs.source && report.connections.total == 0) {
    const std::int64_t watched = std::chrono::nanoseconds(Clock::now() - begin).count();
    const std::string why = waited_in_vain(report, ready.plan.interfaces, watched);
    report.notes.push_back(why);
    if (exit_status(report) == kUnknown) complain("lvsdiag", "nothing could be diagnosed: " + why);
  }
  if (lines.wanted())
    analyzer.for_each_connection([&lines](const Connection& c, std::span<const int> codes) { lines(c, codes); });
  Output& answer = *ready.outputs.answer;
  static_cast<void>(answer.write(rendered(o, report, answer.descriptor())).has_value());

  // What is beside the answer first: a status of 3 goes with files that did not come to be, and the answer all the same.
  bool complete = true;
  if (ready.outputs.kept) {
    const bool known = ready.outputs.kept->broken();
    const Status closed = ready.outputs.kept->close();
    if (!known) complete = told(closed);
    if (ready.outputs.evidence) complete = told(write_evidence(*ready.outputs.kept, report, *ready.outputs.evidence)) && complete;
    complete = commit_kept(ready.outputs) && complete;
  }
  complete = told(commit_connections(ready.outputs)) && complete;
  const int status = finish(answer, report);
  return complete ? status : kUnknown;
}

}  // namespace lvsnat::tool
