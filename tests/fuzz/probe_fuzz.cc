// Answers to packets that we sent, for the way-back test and the hop trace: both believe what strangers put on the wire.
// Input: a script. Each packet sent takes a byte: whether the kernel refuses it. Then comes a step: a byte for what is heard and
// when, a byte for how much of it is changed, and the changes; heard is what would answer the last packet sent, or bytes of
// nobody's making.
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/fuzz.h"
#include "lvsnat/capture.h"
#include "lvsnat/probe.h"
#include "lvsnat/render.h"
#include "lvsnat/wayback.h"
#include "wayback/wire_bytes.h"

namespace {

using namespace lvsnat;
using namespace wire_bytes;
using fuzz::demand;

constexpr std::uint16_t kId = 4711;
constexpr std::uint64_t kNonce = 0x0123456789abcdef;
constexpr std::size_t kMaxSteps = 256;
constexpr Timestamp kBegin = 1'700'000'000 * kSecond;

/// What the network may say to the last packet sent.
Bytes answer_to(const std::optional<Probe>& sent, unsigned which, fuzz::Bytes& bytes) {
  if (!sent || which == 0) {
    const std::string_view text = bytes.text(bytes.u8());
    return {text.begin(), text.end()};
  }
  const Probe& p = *sent;
  const bool v6 = !p.source.is_v4();
  const Address router = v6 ? at("fd00:10::9") : at("10.1.1.9");
  switch (which) {
    case 1:
      return packet_of(p);
    case 2:
      return echo(p.destination, p.source, true, p.id, p.sequence, p.nonce);
    case 3:
      return error(router, p.source, v6 ? 3 : 11, 0, packet_of(p));
    case 4:
      return error(p.destination, p.source, v6 ? 1 : 3, bytes.u8(), packet_of(p));
    case 5:
      return v6 ? nd(false, p.destination, p.source, p.destination, mac(7)) : arp(false, p.destination, mac(7), p.source);
    case 6:
      return v6 ? nd_redirect(router, p.source, p.destination, p.destination)
                : redirect(router, p.source, p.destination, packet_of(p));
    default:
      // A reset bears the number that was acknowledged.
      return ip(
          p.destination, p.source, kTcp,
          be16(p.destination_port) + be16(p.source_port) + be32(p.number) + be32(0) + Bytes{0x50, 0x04} + be16(0) + be32(0));
  }
}

/// One step of the script: the frame, in a cooked capture of all interfaces, that stands in `heard`; its time lies before, at or
/// after that of the packet it answers.
void hear(const std::optional<Probe>& sent, Timestamp now, fuzz::Bytes& bytes, std::vector<std::vector<std::uint8_t>>& kept,
          std::vector<Frame>& frames) {
  const std::uint8_t what = bytes.u8();
  constexpr std::array kWays{in, broadcast, other_host, out};
  const Bytes packet = answer_to(sent, what & 7, bytes);
  const std::uint8_t version = packet.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(packet[0] >> 4);
  const unsigned type = version == 4 ? 0x0800 : version == 6 ? 0x86dd : 0x0806;
  Bytes frame = be16(type) + be16(0) + be32(what >> 3 & 3) + be16(1) + Bytes{static_cast<std::uint8_t>(kWays[what >> 5 & 3]), 6} +
                mac_bytes(mac(7)) + be16(0) + packet;
  std::uint32_t cut = 0;
  for (std::uint8_t changes = bytes.u8() & 7; changes != 0; --changes) {
    const std::uint16_t where = bytes.u16();
    const std::uint8_t value = bytes.u8();
    if ((where & 0x8000) != 0) {
      cut = value;
    } else {
      frame[where % frame.size()] ^= value;
    }
  }
  const auto wire = static_cast<std::uint32_t>(frame.size());
  // An allocation of exactly that size, so that a sanitizer sees the first byte too many.
  kept.emplace_back(frame.begin(), frame.end() - std::min(cut, wire));
  kept.back().shrink_to_fit();
  Frame f;
  f.time = (what & 0x80) != 0 ? now - kSecond : now + kSecond / 1000;
  f.data = kept.back().data();
  f.captured = static_cast<std::uint32_t>(kept.back().size());
  f.wire = wire;
  f.number = static_cast<std::uint32_t>(frames.size() + 1);
  f.link = LinkType::linux_sll2;
  frames.push_back(f);
}

/// Sends what is due and hears what the script says, until the plan is at its end: it always comes there, whatever is said.
template <typename Plan>
std::uint64_t play(Plan& plan, fuzz::Bytes bytes) {
  std::vector<std::vector<std::uint8_t>> kept;
  std::vector<Frame> frames;
  std::optional<Probe> sent;
  std::size_t steps = 0;
  Timestamp now = kBegin, last = 0;
  const Timestamp end = kBegin + 300 * kSecond;
  for (; !plan.finished(now) && now < end; now += kProbeGap / 2) {
    if (auto probe = plan.next(now)) {
      demand(last == 0 || now - last >= kProbeGap, "at most four packets a second");
      last = now;
      sent = std::move(probe);
      if (bytes.u8() == 0xff) plan.refused(*sent, "the kernel's words");
    }
    if (bytes.empty() || ++steps > kMaxSteps) continue;
    const std::size_t first = frames.size();
    hear(sent, now, bytes, kept, frames);
    plan.feed(std::span(frames).subspan(first));
  }
  demand(plan.finished(now), "a plan comes to its end");
  demand(plan.packets().total == frames.size(), "every frame is counted");
  return frames.size();
}

void check(const Report& report) {
  const std::string json = render_json(report);
  demand(nlohmann::json::accept(json), "the report is JSON");
  demand(json.find("\\u00") == std::string::npos, "no control character in the report");
  std::string text = render_text(report);
  std::erase(text, '\n');
  demand(fuzz::clean(text), "no control character on the screen");
  demand(read_json_report(json).has_value(), "our own report is readable");
}

void test_way_back(bool v6, fuzz::Bytes bytes) {
  const Address rip = v6 ? at("fd00:10::2") : at("10.1.1.2"), own = v6 ? at("fd00:10::1") : at("10.1.1.1");
  std::vector<WayBackAttempt> attempts;
  for (const auto& [client, kind] : {std::pair{v6 ? at("2001:db8::7") : at("192.0.2.7"), WayBackResult::Client::example},
                                     std::pair{v6 ? at("fd00:99::7") : at("192.168.9.7"), WayBackResult::Client::given}})
    attempts.push_back({rip, client, kind, "eth1", own, mac(1)});
  WayBackTest::Options options;
  options.id = kId;
  options.nonce = kNonce;
  WayBackTest test(attempts, {own}, {{1, "eth0"}, {2, "eth1"}}, options);
  play(test, bytes);
  const auto results = test.results();
  demand(results.size() == attempts.size(), "each attempt has a result");
  for (const WayBackResult& r : results) {
    using Outcome = WayBackResult::Outcome;
    const bool back = r.outcome == Outcome::returned || r.outcome == Outcome::elsewhere;
    demand(back == !r.came_by.empty(), "what came back came by some interface");
    demand(r.outcome != Outcome::past || r.seen_past, "what went past was seen");
    demand(r.outcome != Outcome::silent || (r.left && r.own_answers != 0), "who is silent was asked and is alive");
    demand(r.outcome != Outcome::down || (r.asked != 0 && r.neighbour.is_none()), "who is down was asked for");
    demand(!r.round_trip || *r.round_trip >= 0, "no negative time");
    demand(r.own_answers <= 3 && r.asks_for.size() <= 8, "the limits hold");
  }
  check(judge_way_back(nullptr, {}, results));
}

void trace_hops(bool v6, fuzz::Bytes bytes) {
  HopTracer::Options options;
  options.id = kId;
  options.nonce = kNonce;
  HopTracer tracer(v6 ? at("fd00:10::2") : at("10.1.1.2"), v6 ? at("2001:db8::7") : at("192.0.2.7"), 80, options);
  play(tracer, bytes);
  const HopTrace& trace = tracer.trace();
  demand(trace.redirects.size() <= HopTrace::kMaxRedirects, "the limit of redirects holds");
  for (const TraceAnswer& a : trace.answers) {
    const bool heard = a.kind != TraceAnswer::Kind::none && a.kind != TraceAnswer::Kind::not_sent;
    demand(heard || a.from.is_none(), "who was silent has no address");
    demand(!a.round_trip || *a.round_trip >= 0, "no negative time");
    demand(a.hop >= 1 && a.hop <= options.far, "a hop within the trace");
  }
  check(trace_way_back(nullptr, {}, nullptr, {}, {trace}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  const std::uint8_t head = bytes.u8();
  if ((head & 1) != 0) {
    trace_hops((head & 2) != 0, bytes);
  } else {
    test_way_back((head & 2) != 0, bytes);
  }
  return 0;
}
