// lvsdiag probe: the way-back test. Everything that needs a right comes first; then all rights are given up, and the test begins.
#include <array>
#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/text.h"
#include "common/interruption.h"
#include "common/known.h"
#include "common/output.h"
#include "common/privileges.h"
#include "lvsdiag/answer.h"
#include "lvsdiag/cited.h"
#include "lvsdiag/outputs.h"
#include "lvsdiag/verbs.h"
#include "lvsnat/capture.h"
#include "lvsnat/probe.h"
#include "lvsnat/state.h"

namespace lvsnat::tool {
namespace {

Timestamp present() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return Timestamp{t.tv_sec} * kSecond + t.tv_nsec;
}

std::uint64_t drawn() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

/// What cannot go together with a test that is sent from this host, now. Empty: fine.
std::string contradiction_of(const DiagnosisOptions& o) {
  if (!o.read.empty()) return "probe sends packets; it reads no capture (-r)";
  if (!o.interfaces.empty()) return "probe sends by this host's routes and listens on every interface: leave out -i";
  if ((!o.state.empty() && o.state != "live") || o.no_state)
    return "probe needs this host's own routes: leave out --state and --no-state (--config or --service name real servers)";
  if (!o.evidence.empty() || !o.connections.empty())
    return "probe looks at no connections: leave out --evidence and --connections";
  if (!o.filter.empty()) return "probe has its own filter: leave out -F";
  return collision(o);
}

Result<std::vector<Address>> addresses_of(const std::vector<std::string>& texts) {
  std::vector<Address> out;
  for (const std::string& text : texts) {
    const auto address = parse_address(text);
    if (!address || address->is_unspecified() || address->is_loopback() || address->is_multicast())
      return Error{ErrorCode::usage, "probe " + printable(text, 100) + ": give an address of a host"};
    out.push_back(*address);
  }
  return out;
}

struct Opened {
  std::unique_ptr<ProbeSender> sender;
  std::unique_ptr<PacketSource> source;
};

Result<Opened> open_sockets(const DiagnosisOptions& o) {
  Opened opened;
  const std::array<Address, 2> both{Address::v4(0), Address{}};
  auto sender = ProbeSender::open(both);
  // A kernel without IPv6 still has a way back to test.
  if (!sender && sender.error().code == ErrorCode::unsupported) sender = ProbeSender::open(std::span(both).first(1));
  if (!sender) return sender.error();
  opened.sender = std::move(*sender);
  LiveOptions options;
  options.filter = "icmp or icmp6 or arp";
  if (o.snaplen) options.snaplen = std::max<std::uint32_t>(*o.snaplen, 128);
  options.buffer_mib = o.buffer_mib.value_or(4);
  auto source = open_live("any", options);
  if (!source) return source.error();
  opened.source = std::move(*source);
  return opened;
}

std::vector<Service> services_of(const KernelState& host, const std::vector<Declaration>& declared) {
  std::vector<Service> services = host.ipvs.services;
  for (const Declaration& d : declared) services.insert(services.end(), d.services.begin(), d.services.end());
  return services;
}

/// Sends and listens until everything is known or the user has had enough. When -w ends early, the test goes on.
void run_test(Opened& opened, WayBackTest& test, KeptCapture* kept) {
  const Interruptible interruptible(*opened.source);
  std::array<Frame, 256> frames;
  bool stopping = false;
  while (!opened.source->finished()) {
    const Timestamp now = present();
    if (!stopping) {
      if (const auto probe = test.next(now)) {
        if (const Status status = opened.sender->send(*probe); !status) test.refused(*probe, status.error().message);
      }
    }
    const std::size_t n = opened.source->read(frames);
    const std::span<const Frame> batch(frames.data(), n);
    test.feed(batch);
    if (kept != nullptr && !kept->broken()) static_cast<void>(told(keep(*kept, batch, opened.source->vantages())));
    if (!stopping && test.finished(present())) {
      opened.source->stop();
      stopping = true;
    }
  }
}

}  // namespace

int probe(const DiagnosisOptions& o) {
  if (const std::string wrong = contradiction_of(o); !wrong.empty()) return bad_usage("lvsdiag", wrong);
  auto only = addresses_of(o.real_servers);
  if (!only) return bad_usage("lvsdiag", only.error().message);
  for (const Address& client : o.clients) {
    if (client.is_unspecified() || client.is_loopback() || client.is_multicast())
      return bad_usage("lvsdiag", "--client " + to_string(client) + ": give an address of a host");
  }

  auto host = read_state_of_this_host();
  if (!host) return give_up(o, "this host's kernel state was not read: " + host.error().message);
  auto opened = open_sockets(o);
  if (!opened) return give_up(o, "the way-back test cannot be made: " + opened.error().message);
  auto outputs = open_outputs_and_step_down(o);
  if (!outputs) return failed(outputs.error());

  // From here on without any right.
  auto declared = read_declarations(o);
  if (!declared) {
    return declared.error().code == ErrorCode::usage ? bad_usage("lvsdiag", declared.error().message)
                                                     : give_up(o, declared.error().message, *outputs->answer);
  }
  const KernelState& state = **host;
  std::vector<std::string> untested;
  const std::uint64_t draw = drawn();
  std::vector<WayBackAttempt> attempts = plan_way_back(state, services_of(state, *declared), *only, o.clients, draw, untested);
  if (attempts.empty()) {
    return give_up(o,
                   untested.empty() ? std::string("no real server is known: name them ('lvsdiag probe 10.1.1.2'), or the "
                                                  "services with --config or --service")
                                    : "nothing can be tested: " + untested.front(),
                   *outputs->answer);
  }
  std::set<Address> own;
  for (const InterfaceAddress& a : state.addresses) own.insert(a.address);
  std::map<std::uint32_t, std::string> interfaces;
  for (const Link& link : state.links) interfaces.emplace(link.index, link.name);
  WayBackTest::Options options;
  options.id = static_cast<std::uint16_t>(draw >> 16 | 1);
  options.nonce = drawn();
  if (!o.quiet && isatty(STDERR_FILENO) == 1) {
    const std::string text = "lvsdiag: " + std::to_string(attempts.size()) + (attempts.size() == 1 ? " test" : " tests") +
                             " of the way back, at most 4 packets a second ...\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  }
  WayBackTest test(std::move(attempts), std::move(own), std::move(interfaces), options);
  run_test(*opened, test, outputs->kept.get());

  Report report = judge_way_back(&state, *declared, test.results(), std::move(untested), opened->source->statistics());
  report.packets = test.packets();
  report.tool_version = LVSNAT_VERSION;
  Output& answer = *outputs->answer;
  static_cast<void>(answer.write(rendered(o, report, answer.descriptor())).has_value());
  if (exit_status(report) == kUnknown) {
    std::string why = "nothing could be judged";
    for (const WayBackResult& r : report.way_back) {
      if (why.size() < 200)
        why += (&r == report.way_back.data() ? ": " : ", ") + to_string(r.rip) + " " + std::string(name(r.outcome));
    }
    complain("lvsdiag", why);
  }
  const bool complete = commit_kept(*outputs);
  const int status = finish(answer, report);
  return complete ? status : kUnknown;
}

}  // namespace lvsnat::tool
