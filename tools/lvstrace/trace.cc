#include "lvstrace/trace.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/text.h"
#include "common/interruption.h"
#include "common/known.h"
#include "common/output.h"
#include "common/step_down.h"
#include "lvsnat/render.h"
#include "lvsnat/wayback.h"
#include "lvstrace/capture.h"
#include "lvstrace/hops.h"

namespace lvsnat::tool {
namespace {

std::string rendered(const TraceOptions& o, const Report& report, int descriptor) {
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
  TextOptions text;
  text.width = text_width(descriptor);
  text.color = wants_color(o.color, descriptor);
  text.quiet = o.quiet;
  text.verbose = o.verbose;
  text.names = names;
  return render_text(report, text);
}

int failed(const Error& error) {
  complain("lvstrace", error.message);
  return kUnknown;
}

/// `output`: opened already, or nullptr.
int answer(const TraceOptions& o, Report report, std::unique_ptr<Output> output = nullptr) {
  report.tool_version = LVSNAT_VERSION;
  if (output == nullptr) {
    auto opened = Output::open(o.output, {.force = o.force});
    if (!opened) return failed(opened.error());
    output = std::move(*opened);
  }
  Status status = output->write(rendered(o, report, output->descriptor()));
  if (status) status = output->commit();
  if (!status && !output->reader_gone()) return failed(status.error());
  return exit_status(report);
}

/// Something without which nothing can be judged: told in words, and as a report where a program reads the answer.
int give_up(const TraceOptions& o, const std::string& why) {
  complain("lvstrace", why);
  if (o.format == Format::text) return kUnknown;
  Report report = trace_way_back(nullptr, {});
  report.notes.push_back(why);
  (void)answer(o, std::move(report));
  return kUnknown;
}

Result<WayBackQuestion> question_of(const TraceOptions& o) {
  WayBackQuestion question;
  for (const std::string& text : o.clients) {
    const auto prefix = parse_prefix(text);
    if (!prefix)
      return Error{ErrorCode::usage,
                   "--client " + printable(text, 100) + ": give an address or a network (192.168.1.254, 10.0.0.0/8)"};
    question.clients.push_back(*prefix);
  }
  for (const std::string& text : o.directors) {
    const auto address = parse_address(text);
    if (!address || address->is_unspecified())
      return Error{ErrorCode::usage, "--director " + printable(text, 100) + ": give an address"};
    question.directors.push_back(*address);
  }
  auto declared = read_declarations(o);
  if (!declared) return declared.error();
  for (const Declaration& declaration : *declared) {
    const auto add = [](std::vector<Address>& list, const Address& address) {
      if (!address.is_none() && std::find(list.begin(), list.end(), address) == list.end()) list.push_back(address);
    };
    for (const Address& address : declaration.director_inside) add(question.directors, address);
    for (const Address& address : declaration.gateways) add(question.directors, address);
    for (const Address& address : declaration.vips) add(question.vips, address);
    for (const Service& service : declaration.services) {
      add(question.vips, service.vip);
      for (const Destination& destination : service.destinations) {
        add(question.real_servers, destination.rip);
        if (service.protocol == ServiceProtocol::fwmark) continue;
        const std::uint8_t protocol = service.protocol == ServiceProtocol::tcp   ? kTcp
                                      : service.protocol == ServiceProtocol::udp ? kUdp
                                                                                 : kSctp;
        question.ports.emplace_back(protocol, destination_port(service, destination));
      }
    }
  }
  return question;
}

/// This host's kernel, asked about each reply as well.
Result<std::shared_ptr<const KernelState>> read_live(const WayBackQuestion& question) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  auto state = read_live_state(static_cast<Timestamp>(now.tv_sec) * kSecond + now.tv_nsec);
  if (!state) return Error{state.error().code, "this host's kernel state: " + state.error().message};
  std::vector<RouteAsk> questions;
  for (const ReplyToAsk& reply : replies_to_ask(*state, question)) {
    RouteAsk ask;
    ask.label = "reply " + to_string(reply.rip) + " to " + to_string(reply.client);
    ask.destination = reply.client;
    ask.source = reply.rip;
    if (!question.ports.empty()) {
      ask.protocol = question.ports.front().first;
      ask.sport = question.ports.front().second;
    }
    questions.push_back(ask);
    if (reply.arrives.empty()) continue;
    ask.label = "request " + to_string(reply.client) + " to " + to_string(reply.rip);
    std::swap(ask.destination, *ask.source);
    std::swap(ask.sport, ask.dport);
    ask.iif = reply.arrives;
    questions.push_back(std::move(ask));
  }
  auto answers = ask_routes(*state, questions);
  if (!answers) {
    state->gaps.push_back({"route questions", answers.error().message, "the kernel's own word on each reply"});
  } else {
    for (RouteAnswer& answer : *answers) state->route_answers.push_back(std::move(answer));
  }
  return std::shared_ptr<const KernelState>(std::make_shared<KernelState>(std::move(*state)));
}

struct Sources {
  std::unique_ptr<PacketSource> source;             // nullptr: every one was refused
  std::map<std::size_t, SourceStatistics> refused;  // by position on the command line
};

Sources open_sources(const TraceOptions& o, const CaptureInterface& capture) {
  Sources out;
  std::vector<std::unique_ptr<PacketSource>> opened;
  const bool live = o.read.empty();
  const std::vector<std::string>& names = live ? o.interfaces : o.read;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto index = static_cast<std::uint16_t>(i);
    LiveOptions options;
    options.promiscuous = o.promiscuous;
    options.filter = o.filter;
    options.source_index = index;
    if (o.snaplen) options.snaplen = *o.snaplen;
    if (o.buffer_mib) options.buffer_mib = *o.buffer_mib;
    auto one = live ? capture.open_live(names[i], options)
                    : capture.open_capture_file(names[i], {.filter = o.filter, .source_index = index});
    if (one) {
      opened.push_back(std::move(*one));
      continue;
    }
    complain("lvstrace", one.error().message);
    SourceStatistics statistics;
    statistics.name = names[i];
    statistics.live = live;
    statistics.refused = true;
    statistics.problem = one.error().message;
    out.refused.emplace(i, std::move(statistics));
  }
  if (!opened.empty()) out.source = capture.merge_sources(std::move(opened));
  return out;
}

/// Looks at this host's route exceptions once a second while packets are watched, and counts down on a terminal what they have
/// left.
class ExceptionLook {
 public:
  /// `now` tells time as the capture does.
  ExceptionLook(const KernelState& state, bool shown, Timestamp (*now)() noexcept)
      : state_(state), now_(now), shown_(shown && isatty(STDERR_FILENO) == 1) {
    look();
  }
  ~ExceptionLook() {
    if (drawn_) put("\r\x1b[K");
  }
  ExceptionLook(const ExceptionLook&) = delete;
  ExceptionLook& operator=(const ExceptionLook&) = delete;

  void update() {
    if (std::chrono::steady_clock::now() < next_) return;
    look();
  }
  [[nodiscard]] const ExceptionWatch* watch() const { return possible_ ? &watch_ : nullptr; }

 private:
  void look() {
    next_ = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    if (!possible_) return;
    const auto now = read_route_exceptions(state_);
    if (!now) {
      possible_ = false;
      return;
    }
    watch_.look(*now, now_());
    if (shown_) draw();
  }
  void draw() {
    constexpr std::size_t kShown = 3;
    std::string text;
    std::size_t there = 0;
    for (const ExceptionWatch::Seen& one : watch_.seen()) {
      if (one.gone || ++there > kShown) continue;
      text += (text.empty() ? "" : "; ") + to_string(one.exception.destination) + " redirected" +
              (one.exception.gateway && *one.exception.gateway != one.exception.destination
                   ? " to " + to_string(*one.exception.gateway)
                   : std::string(" straight to the client")) +
              (one.exception.expires ? ", " + std::to_string(*one.exception.expires) + " s left" : std::string());
    }
    if (there > kShown) text += "; and " + std::to_string(there - kShown) + " more";
    put("\rwatching: " + (text.empty() ? std::string("no redirected route") : text) + "\x1b[K");
    drawn_ = true;
  }
  static void put(const std::string& text) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  }

  const KernelState& state_;
  Timestamp (*now_)() noexcept;
  ExceptionWatch watch_;
  std::chrono::steady_clock::time_point next_;
  bool shown_, possible_ = true, drawn_ = false;
};

/// Where the answer and the packets go.
struct Outputs {
  std::unique_ptr<Output> answer;
  std::unique_ptr<CaptureWriter> kept;  // nullptr: no -w
};

/// Outputs are opened and every privilege is given up: strangers' packets come next.
Result<Outputs> open_outputs_and_step_down(const TraceOptions& o, const CaptureInterface& capture) {
  Outputs outputs;
  const auto open = [&]() -> Status {
    outputs = {};
    auto answer = Output::open(o.output, {.force = o.force});
    if (!answer) return answer.error();
    outputs.answer = std::move(*answer);
    if (o.write.empty()) return ok();
    CaptureWriter::Options options;
    options.overwrite = o.force;
    options.application = std::string("lvstrace ") + LVSNAT_VERSION;
    auto created = capture.create_writer(o.write, options);
    if (!created) return created.error();
    outputs.kept = std::move(*created);
    return ok();
  };
  // Interfaces and configuration are open or read already; capture files are opened without any right.
  Remaining remaining;
  remaining.names = o.names;
  remaining.read = o.read;
  for (const std::string& path : {o.output, o.write}) {
    if (!path.empty() && path != "-") remaining.outputs.push_back(path);
  }
  const auto confined = step_down(remaining, !o.read.empty(), open);
  if (!confined) return confined.error();
  if (o.verbose) complain("lvstrace", confined->words());
  return outputs;
}

/// What a second reading could not read again, because the right to it was given up, is what the first one read.
void keep_filter_rules(KernelState& now, const KernelState& before) {
  if (now.known.nft_json || now.known.nft_text || !(before.known.nft_json || before.known.nft_text)) return;
  now.known.nft_json = before.known.nft_json;
  now.known.nft_text = before.known.nft_text;
  now.nft_json = before.nft_json;
  now.nft_text = before.nft_text;
}

Status watch(const TraceOptions& o, PacketSource& source, Wire& wire, ExceptionLook* look, std::unique_ptr<CaptureWriter> kept) {
  const Interruptible interruptible(source);
  const bool live = o.read.empty();
  const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(o.duration);
  std::array<Frame, 512> frames;
  Status status = ok();
  while (true) {
    const std::size_t n = source.read(frames);
    if (n == 0 && source.finished()) break;
    const std::span<const Frame> batch(frames.data(), n);
    wire.feed(batch, source.vantages());
    if (look != nullptr) look->update();
    if (kept && status) {
      for (const Frame& frame : batch) {
        status = kept->write(frame, source.vantages());
        if (!status) break;
      }
    }
    if (live && o.duration != 0 && std::chrono::steady_clock::now() >= end) source.stop();
  }
  if (kept) {
    const Status closed = kept->close();
    if (status) status = closed;
  }
  return status;
}

}  // namespace

int trace(const TraceOptions& o) {
  if (o.probe && (!o.read.empty() || o.no_state || (!o.state.empty() && o.state != "live")))
    return bad_usage("lvstrace", "--probe sends packets from this host, now: leave out -r, --state and --no-state");
  auto question = question_of(o);
  if (!question) {
    return question.error().code == ErrorCode::usage ? bad_usage("lvstrace", question.error().message)
                                                     : give_up(o, question.error().message);
  }
  const bool packets = !o.read.empty() || !o.interfaces.empty();
  auto state = read_saved_state(o);
  if (!state) return give_up(o, state.error().message);
  // A capture that is read is read the same everywhere; otherwise this host is the one that is asked about.
  if (!o.no_state && (o.state == "live" || (o.state.empty() && o.read.empty()))) {
    auto live = read_live(*question);
    if (!live) return give_up(o, live.error().message);
    *state = std::move(*live);
  }

  HopTraces hops;
  if (o.probe) {
    auto capture = load_capture();
    if (!capture) return give_up(o, capture.error().message);
    auto traced = trace_hops(o, **capture, **state, *question);
    if (!traced) return give_up(o, traced.error().message);
    hops = std::move(*traced);
    // A redirect that the trace provoked has moved a route since.
    auto after = read_live(*question);
    if (!after) return give_up(o, after.error().message);
    *state = std::move(*after);
  }

  std::optional<Wire> wire;
  std::vector<SourceStatistics> statistics;
  std::optional<ExceptionLook> look;
  std::unique_ptr<Output> output;
  bool complete = true;  // -w is
  if (packets) {
    auto capture = load_capture();
    if (!capture) return give_up(o, capture.error().message);
    if (!o.filter.empty()) {
      if (const Status valid = (*capture)->check_filter(o.filter, LinkType::ethernet); !valid)
        return bad_usage("lvstrace", valid.error().message);
    }
    std::set<Address> own(question->real_servers.begin(), question->real_servers.end());
    if (*state != nullptr) {
      own.clear();
      for (const InterfaceAddress& a : (*state)->addresses) {
        if (!a.address.is_loopback()) own.insert(a.address);
      }
    }
    // What captures needs rights to be opened; files are looked at without.
    const bool live = o.read.empty();
    std::optional<Outputs> opened;
    const auto step = [&]() -> Status {
      auto outputs = open_outputs_and_step_down(o, **capture);
      if (!outputs) return outputs.error();
      opened = std::move(*outputs);
      return ok();
    };
    if (!live) {
      if (Status status = step(); !status) return failed(status.error());
    }
    Sources sources = open_sources(o, **capture);
    wire.emplace(std::move(own));
    if (sources.source) {
      // What exceptions do meanwhile is seen only where packets and kernel are this host's, now.
      if (live && *state != nullptr && (*state)->origin == Origin::netlink)
        look.emplace(**state, !o.quiet, (*capture)->capture_now);
      if (live) {
        if (Status status = step(); !status) return failed(status.error());
      }
      const Status status = watch(o, *sources.source, *wire, look ? &*look : nullptr, std::move(opened->kept));
      if (!status) {
        failed(status.error());
        complete = false;
      }
      statistics = sources.source->statistics();
    }
    if (opened) output = std::move(opened->answer);
    for (auto& [position, refused] : sources.refused) {
      statistics.insert(statistics.begin() + static_cast<std::ptrdiff_t>(std::min(position, statistics.size())), refused);
    }
  }
  if (*state == nullptr && !wire) return give_up(o, "nothing to look at: give --state, or -i or -r");
  std::optional<ExceptionWatch> exceptions;
  if (look) {
    // The tables may have moved while packets were watched: what is said is of the end.
    if (look->watch() != nullptr) exceptions = *look->watch();
    look.reset();
    if (auto again = read_live(*question)) {
      auto now = std::make_shared<KernelState>(**again);
      keep_filter_rules(*now, **state);
      *state = std::move(now);
    }
  }
  Report report = trace_way_back(state->get(), *question, wire ? &*wire : nullptr, std::move(statistics), std::move(hops.traces),
                                 exceptions ? &*exceptions : nullptr);
  report.notes.insert(report.notes.end(), hops.notes.begin(), hops.notes.end());
  const int status = exit_status(report);
  if (status == kUnknown)
    complain("lvstrace", "nothing could be judged: " +
                             (report.notes.empty() ? std::string("no route and no connection was seen") : report.notes.front()));
  const int answered = answer(o, std::move(report), std::move(output));
  return complete ? answered : kUnknown;
}

}  // namespace lvsnat::tool
