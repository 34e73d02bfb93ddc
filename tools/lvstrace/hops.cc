#include "lvstrace/hops.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>

#include <unistd.h>

#include "base/text.h"
#include "common/privileges.h"
#include "lvsnat/probe.h"

namespace lvsnat::tool {
namespace {

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) { interrupted = 1; }

/// While it lives, the first SIGINT or SIGTERM ends the trace and not the program.
class Interruption {
 public:
  Interruption() {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, &old_interrupt_);
    sigaction(SIGTERM, &action, &old_terminate_);
  }
  ~Interruption() {
    sigaction(SIGINT, &old_interrupt_, nullptr);
    sigaction(SIGTERM, &old_terminate_, nullptr);
  }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

 private:
  struct sigaction old_interrupt_ {
  }, old_terminate_{};
};

Timestamp present() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return Timestamp{t.tv_sec} * kSecond + t.tv_nsec;
}

std::uint64_t drawn() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

/// The service's own port, as far as somebody said it; 0: nobody did.
std::uint16_t service_port(const WayBackQuestion& question) {
  for (const auto& [protocol, port] : question.ports) {
    if (protocol == kTcp && port != 0) return port;
  }
  return 0;
}

/// Hops as they come, on a terminal.
class Shown {
 public:
  explicit Shown(bool wanted) : wanted_(wanted && isatty(STDERR_FILENO) == 1) {}

  void begin(const HopTrace& trace) {
    answers_ = redirects_ = 0;
    put("lvstrace: hops from " + to_string(trace.rip) + " to " + to_string(trace.client) +
        ", at most 4 packets a second: ICMP, UDP" +
        (trace.port != 0 ? ", TCP from port " + std::to_string(trace.port) : std::string()));
  }
  void update(const HopTrace& trace, Timestamp now, bool last) {
    for (; redirects_ < trace.redirects.size(); ++redirects_) {
      const HopTrace::Redirect& r = trace.redirects[redirects_];
      put("           redirect from " + to_string(r.from) + ": " + to_string(trace.client) +
          (r.gateway == trace.client ? " directly" : " by " + to_string(r.gateway)));
    }
    for (; answers_ < trace.answers.size(); ++answers_) {
      const TraceAnswer& a = trace.answers[answers_];
      if (a.kind == TraceAnswer::Kind::none && !last && now < a.sent + kSecond) return;
      std::string text = "  round " + std::to_string(a.round) + "  hop " + std::to_string(a.hop) + "  " +
                         std::string(name(a.protocol)) + std::string(a.protocol == TraceAnswer::Protocol::icmp ? "  " : "   ");
      if (a.kind == TraceAnswer::Kind::none) {
        text += "*";
      } else if (a.kind == TraceAnswer::Kind::not_sent) {
        text += "not sent: " + printable(a.why, 100);
      } else {
        text += to_string(a.from) + (a.round_trip ? "  " + to_duration(*a.round_trip) : "") +
                (a.kind == TraceAnswer::Kind::unreachable ? "  unreachable"
                 : a.kind == TraceAnswer::Kind::reached   ? "  the client"
                                                          : "");
      }
      put(text);
    }
  }

 private:
  void put(std::string text) const {
    if (!wanted_) return;
    text += '\n';
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  }
  bool wanted_;
  std::size_t answers_ = 0, redirects_ = 0;
};

HopTrace run_trace(HopTracer& tracer, ProbeSender& sender, PacketSource& source, Shown& shown) {
  std::array<Frame, 256> frames;
  shown.begin(tracer.trace());
  while (interrupted == 0 && !source.finished()) {
    const Timestamp now = present();
    if (const auto probe = tracer.next(now)) {
      if (const Status status = sender.send(*probe); !status) tracer.refused(*probe, status.error().message);
    }
    const std::size_t n = source.read(frames);
    tracer.feed(std::span<const Frame>(frames.data(), n));
    const bool last = tracer.finished(present());
    shown.update(tracer.trace(), now, last);
    if (last) break;
  }
  return tracer.trace();
}

}  // namespace

Result<HopTraces> trace_hops(const TraceOptions& o, const CaptureInterface& capture, const KernelState& state,
                             const WayBackQuestion& question) {
  HopTraces out;
  const std::uint64_t draw = drawn();
  const auto pairs = traces_to_make(state, question, draw);
  if (pairs.empty())
    return Error{ErrorCode::usage, "--probe: this host has no address that replies to these clients could come from"};
  const std::uint16_t port = service_port(question);
  if (port == 0) out.notes.push_back("No TCP probes were sent: nobody said which port the service has (--service, --config).");
  std::set<Address> rips;
  std::string hosts;
  for (const auto& [rip, client] : pairs) {
    rips.insert(rip);
    hosts += (hosts.empty() ? "host " : " or host ") + to_string(client);
  }
  const std::vector<Address> sources(rips.begin(), rips.end());
  auto sender = capture.open_probe_sender(sources);
  if (!sender) return Error{sender.error().code, "--probe: " + sender.error().message};
  LiveOptions options;
  options.filter = "icmp or icmp6 or (tcp and (" + hosts + "))";
  options.buffer_mib = 4;
  auto source = capture.open_live("any", options);
  if (!source) return Error{source.error().code, "--probe: " + source.error().message};

  // What comes in was made by strangers.
  const WithoutCapabilities without;
  const Interruption interruption;
  Shown shown(!o.quiet);
  for (const auto& [rip, client] : pairs) {
    HopTracer::Options plan;
    plan.id = static_cast<std::uint16_t>(drawn() | 1);
    plan.nonce = drawn();
    HopTracer tracer(rip, client, port, plan);
    out.traces.push_back(run_trace(tracer, **sender, **source, shown));
    if (interrupted != 0) {
      out.notes.emplace_back("The trace was interrupted.");
      break;
    }
  }
  return out;
}

}  // namespace lvsnat::tool
