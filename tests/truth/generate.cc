#include "generate.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <random>
#include <span>

#include "frame_maker.h"
#include "lvsnat/connection.h"
#include "lvsnat/packet.h"

namespace lvsnat::truth {
namespace {

constexpr Timestamp kMicrosecond = 1'000;
constexpr Timestamp kBegin = 1'717'200'000 * kSecond;  // 2024-06-01T00:00:00Z
constexpr std::uint16_t kSegment4 = 1448, kSegment6 = 1428;

/// Random numbers that come out the same everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t any() { return engine_(); }
  /// Less than `limit`.
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>((any() >> 32) * limit >> 32); }
  bool percent(double p) { return below(1'000'000) < static_cast<std::uint32_t>(p * 10'000); }
  /// Between half of `mean` and one and a half.
  Timestamp around(Timestamp mean) {
    const auto m = static_cast<std::uint64_t>(mean);
    return static_cast<Timestamp>(m / 2 + ((any() >> 40) * m >> 24));
  }

 private:
  std::mt19937_64 engine_;
};

/// One thing that happens in a connection: a packet (or an ICMP message about the connection) on one or both of its legs.
struct Step {
  bool from_client = true;
  bool icmp = false;
  bool arrives = true, leaves = true;  // at the director, from the director
  std::uint8_t flags = 0;
  std::uint16_t payload = 0;
  std::uint16_t patience = 1;  // how many think times pass before the next step; 0: the segments of one flight
};

constexpr Step client(std::uint8_t flags, std::uint16_t payload = 0, std::uint16_t patience = 1) {
  return {true, false, true, true, flags, payload, patience};
}
constexpr Step server(std::uint8_t flags, std::uint16_t payload = 0, std::uint16_t patience = 1) {
  return {false, false, true, true, flags, payload, patience};
}
constexpr Step lost_at_director(Step s) {
  s.leaves = false;
  return s;
}
constexpr Step icmp_from(bool client_side, bool by_director) { return {client_side, true, !by_director, true, 0, 0, 1}; }

// Faults that need no more than a list. Steps of repeated SYNs wait twice as long each time.
constexpr std::array kNoReply{client(kSyn, 0, 4), client(kSyn, 0, 8), client(kSyn, 0, 16), client(kSyn, 0, 32)};
constexpr std::array kNoForward{lost_at_director(kNoReply[0]), lost_at_director(kNoReply[1]), lost_at_director(kNoReply[2]),
                                lost_at_director(kNoReply[3])};
constexpr std::array kRefused{client(kSyn), server(kRst | kAck)};
constexpr std::array kNoServer{lost_at_director(client(kSyn)), icmp_from(false, true)};
constexpr std::array kUnreachable{client(kSyn), icmp_from(false, false)};
constexpr std::array kNoLeg4{client(kSyn), lost_at_director(server(kSyn | kAck, 0, 4)),
                             client(kSyn), lost_at_director(server(kSyn | kAck, 0, 8)),
                             client(kSyn), lost_at_director(server(kSyn | kAck))};
constexpr std::array kRedirect{client(kSyn),
                               server(kSyn | kAck),
                               icmp_from(false, true),
                               client(kAck),
                               client(kPsh | kAck, 300, 4),
                               client(kPsh | kAck, 300, 8),
                               client(kPsh | kAck, 300, 16),
                               client(kRst)};
constexpr std::array kHandshake{client(kSyn), server(kSyn | kAck), client(kAck)};
constexpr std::array kGoodbye{server(kFin | kAck), client(kFin | kAck), server(kAck)};

std::span<const Step> list_of(Fault fault) {
  switch (fault) {
    case Fault::noreply:
      return kNoReply;
    case Fault::nofwd:
      return kNoForward;
    case Fault::refused:
      return kRefused;
    case Fault::nors:
      return kNoServer;
    case Fault::unreach:
      return kUnreachable;
    case Fault::noleg4:
      return kNoLeg4;
    case Fault::redirect:
      return kRedirect;
    case Fault::none:
    case Fault::rstmid:
    case Fault::fragneeded:
      break;
  }
  return {};
}

struct Dialogue {
  Row row;                   // the truth, as it grows
  std::uint32_t client = 0;  // number of the client address
  std::uint32_t client_sequence = 0, server_sequence = 0, client_isn = 0;
  std::uint16_t client_ip_id = 0, server_ip_id = 0;
  std::uint8_t client_ttl = 64;
  bool begun = false;
  // Where the script stands.
  std::uint32_t step = 0;
  std::uint32_t requests_left = 0, segments_left = 0, unacknowledged = 0;
  enum class Stage : std::uint8_t { opening, exchange, closing, over } stage = Stage::opening;
  std::optional<Step> leaving;  // has arrived and waits in the director
};

Address v6(std::uint32_t first, std::uint32_t second, std::uint64_t last) {
  Address a;
  for (unsigned i = 0; i < 4; ++i) {
    a.bytes[i] = static_cast<std::uint8_t>(first >> (24 - 8 * i));
    a.bytes[4 + i] = static_cast<std::uint8_t>(second >> (24 - 8 * i));
  }
  for (unsigned i = 0; i < 8; ++i) a.bytes[8 + i] = static_cast<std::uint8_t>(last >> (56 - 8 * i));
  return a;
}
// Documentation addresses for VIPs (RFC 5737, RFC 3849), private ones for everyone else.
Address vip(std::uint32_t i, bool is_v6) { return is_v6 ? v6(0x20010db8, 0x00f00000, 16 + i) : Address::v4(0xc0000210 + i); }
Address rip(std::uint32_t i, bool is_v6) {
  return is_v6 ? v6(0xfd000000, 0x00100000, 2 + i) : Address::v4(0xac100000 + ((i / 250) << 8) + 2 + i % 250);
}
Address dip(bool is_v6) { return is_v6 ? v6(0xfd000000, 0x00100000, 1) : Address::v4(0xac10fffe); }
Address client_address(std::uint32_t i, bool is_v6) {
  const std::uint32_t scattered = i * 0x9e3779b1u & 0xffffff;  // an odd factor maps 24 bits one to one
  return is_v6 ? v6(0x20010db8, 0xc0000000 | scattered, (std::uint64_t{i} + 1) * 0xd6e8feb86659fd93)
               : Address::v4(0x0a000000 | scattered);
}
std::pair<std::uint32_t, std::uint32_t> rips_of(std::uint32_t vip_number, const Options& o) {
  const auto share = [&](std::uint32_t n) { return static_cast<std::uint32_t>(std::uint64_t{n} * o.rips / o.vips); };
  const std::uint32_t low = share(vip_number), high = share(vip_number + 1);
  if (o.shared_rips || low == high) return {0, o.rips};
  return {low, high};
}

class Simulation {
 public:
  Simulation(const Options& options, const FrameCallback& on_frame, const RowCallback& on_row);
  Totals run();

 private:
  struct Due {
    Timestamp time;
    std::uint32_t slot;
    friend bool operator>(const Due& a, const Due& b) { return a.time != b.time ? a.time > b.time : a.slot > b.slot; }
  };

  void begin(Dialogue& d, const Dialogue* before);
  void finish(const Dialogue& d) const;
  /// The next step of the script; nullopt: it is over.
  std::optional<Step> next(Dialogue& d);
  std::optional<Step> next_tcp(Dialogue& d);
  std::optional<Step> next_udp(Dialogue& d);
  /// Time until the slot's next turn; nullopt: nothing more comes in this slot.
  std::optional<Timestamp> turn(Dialogue& d, Timestamp now);
  [[nodiscard]] Segment segment_of(const Dialogue& d, const Step& step, Leg leg, Timestamp now) const;
  void put(Dialogue& d, const Step& step, bool leaving, Timestamp now);
  void put_icmp(Dialogue& d, bool leaving, Timestamp now);
  void put_noise(Timestamp now);
  void hand_over(Frame& frame, Timestamp now);
  void advance(Dialogue& d, const Step& step) const;
  std::uint32_t response_segments();
  [[nodiscard]] Timestamp as_captured(Timestamp t) const { return o_.microseconds ? t - t % kMicrosecond : t; }
  [[nodiscard]] bool full() const { return o_.packets != 0 && totals_.packets >= o_.packets; }

  const Options& o_;
  const FrameCallback& on_frame_;
  const RowCallback& on_row_;
  std::vector<Fault> faults_;
  Dice dice_;
  FrameMaker maker_;
  Timestamp think_, crossing_;  // mean times between packets of a connection, and inside the director
  Totals totals_;
};

Simulation::Simulation(const Options& options, const FrameCallback& on_frame, const RowCallback& on_row)
    : o_(options),
      on_frame_(on_frame),
      on_row_(on_row),
      faults_(options.faults),
      dice_(options.seed),
      maker_(options.link, options.snaplen) {
  if (faults_.empty()) {
    for (std::size_t f = 1; f < kFaults; ++f) faults_.push_back(static_cast<Fault>(f));
  }
  // A turn of a connection makes two packets as a rule.
  think_ = o_.think != 0 ? o_.think : static_cast<Timestamp>(std::uint64_t{2 * kSecond} * o_.concurrency / o_.packets_per_second);
  think_ = std::max<Timestamp>(think_, 16);
  crossing_ = std::min<Timestamp>(think_ / 3 + 1, 20 * kMicrosecond);
}

std::uint32_t Simulation::response_segments() {
  // Fifteen sixteenths lie around a base, one sixteenth around four times that: the mean is 19/16 of the base.
  auto base = static_cast<std::uint64_t>(o_.mean_segments * 256 * 16 / 19);
  if (dice_.below(16) == 0) base *= 4;
  const std::uint64_t drawn = (dice_.any() >> 40) * 2 * base >> 32;  // [0, 2 * base) in whole segments
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(drawn, 1, 60'000));
}

void Simulation::begin(Dialogue& d, const Dialogue* before) {
  const std::uint64_t number = totals_.connections++;
  const std::uint64_t turn_of_client = number / o_.connections_per_client;
  d = Dialogue{};
  Row& row = d.row;
  bool is_v6 = dice_.percent(o_.ipv6);
  bool udp = dice_.percent(o_.udp);
  d.client = static_cast<std::uint32_t>(turn_of_client % o_.clients);
  const std::uint64_t round = turn_of_client / o_.clients * o_.connections_per_client + number % o_.connections_per_client;
  const std::uint32_t first_port = d.client * 0x85ebca6bu >> 17;
  std::uint16_t port = static_cast<std::uint16_t>(32'768 + ((first_port + round) & 32'767));
  row.fault = dice_.percent(o_.faulty) ? faults_[dice_.below(static_cast<std::uint32_t>(faults_.size()))] : Fault::none;
  if (o_.syn_flood >= 0) {
    udp = false;
    row.fault = dice_.percent(o_.syn_flood) ? Fault::nofwd : Fault::noreply;
  }
  std::uint32_t vip_number = dice_.below(o_.vips);
  PortPair ports = udp ? o_.udp_port : o_.tcp_ports[dice_.below(static_cast<std::uint32_t>(o_.tcp_ports.size()))];
  const auto [low, high] = rips_of(vip_number, o_);
  const std::uint32_t rip_number = low + dice_.below(high - low);
  row.vip = Endpoint{vip(vip_number, is_v6), ports.vip};
  row.rip = Endpoint{rip(rip_number, is_v6), ports.rip};
  row.client = Endpoint{client_address(d.client, is_v6), port};
  if (before != nullptr && before->begun && before->row.protocol == kTcp) {
    // The same client endpoint comes to the same VIP again; the director may choose another real server of that VIP.
    is_v6 = !before->row.client.address.is_v4();
    udp = false;
    row.client = before->row.client;
    row.vip = before->row.vip;
    std::uint32_t same = 0;
    while (vip(same, is_v6) != row.vip.address) ++same;
    const auto [from, to] = rips_of(same, o_);
    row.rip = Endpoint{rip(from + dice_.below(to - from), is_v6), before->row.rip.port};
  }
  row.protocol = udp ? kUdp : kTcp;
  // What the other protocol or family does not know becomes its nearest kin.
  if (udp && (row.fault == Fault::rstmid || row.fault == Fault::refused || row.fault == Fault::fragneeded))
    row.fault = Fault::unreach;
  if (is_v6 && row.fault == Fault::redirect) row.fault = Fault::noreply;
  d.client_isn = d.client_sequence = static_cast<std::uint32_t>(dice_.any());
  d.server_sequence = row.fault == Fault::refused ? 0 : static_cast<std::uint32_t>(dice_.any());
  d.client_ip_id = static_cast<std::uint16_t>(dice_.any());
  d.server_ip_id = static_cast<std::uint16_t>(dice_.any());
  d.client_ttl = static_cast<std::uint8_t>(48 + dice_.below(15));
  d.requests_left = o_.requests;
  ++totals_.by_fault[static_cast<std::size_t>(row.fault)];
}

void Simulation::finish(const Dialogue& d) const {
  if (d.begun && on_row_) on_row_(d.row);
}

std::optional<Step> Simulation::next(Dialogue& d) {
  if (o_.syn_flood >= 0) {
    if (d.step++ != 0) return std::nullopt;
    return d.row.fault == Fault::nofwd ? kNoForward[0] : kNoReply[0];
  }
  return d.row.protocol == kUdp ? next_udp(d) : next_tcp(d);
}

std::optional<Step> Simulation::next_udp(Dialogue& d) {
  const std::span<const Step> list = list_of(d.row.fault);
  if (!list.empty()) {
    // The same lists, with a query for every SYN and an answer for every SYN-ACK; UDP has no more to say.
    if (d.step >= list.size()) return std::nullopt;
    Step s = list[d.step++];
    if (!s.icmp && (s.flags & kSyn) == 0) return std::nullopt;
    if (!s.icmp) s.payload = s.from_client ? 40 : 120;
    s.flags = 0;
    return s;
  }
  if (d.step++ % 2 != 0) {
    --d.requests_left;
    return server(0, static_cast<std::uint16_t>(60 + dice_.below(1'200)));
  }
  if (d.requests_left == 0) return std::nullopt;
  return client(0, static_cast<std::uint16_t>(30 + dice_.below(60)));
}

std::optional<Step> Simulation::next_tcp(Dialogue& d) {
  using Stage = Dialogue::Stage;
  const std::span<const Step> list = list_of(d.row.fault);
  if (!list.empty()) {
    if (d.step >= list.size()) return std::nullopt;
    return list[d.step++];
  }
  switch (d.stage) {
    case Stage::opening: {
      const Step s = kHandshake[d.step++];
      if (d.step == kHandshake.size()) d.stage = Stage::exchange;
      return s;
    }
    case Stage::exchange:
      break;
    case Stage::closing:
      if (d.step == kGoodbye.size()) return std::nullopt;
      return kGoodbye[d.step++];
    case Stage::over:
      return std::nullopt;
  }
  if (d.segments_left == 0 && d.unacknowledged == 0) {
    if (d.requests_left == 0) {
      d.stage = Stage::closing;
      d.step = 1;
      return kGoodbye[0];
    }
    --d.requests_left;
    d.segments_left = response_segments();
    return client(kPsh | kAck, static_cast<std::uint16_t>(120 + dice_.below(600)));
  }
  if (d.row.fault == Fault::rstmid) {
    d.stage = Stage::over;
    return server(kRst | kAck);
  }
  if (d.unacknowledged == 2 || d.segments_left == 0) {
    d.unacknowledged = 0;
    if (d.row.fault == Fault::fragneeded && d.row.icmp == 0) return icmp_from(true, false);
    return client(kAck);
  }
  ++d.unacknowledged;
  --d.segments_left;
  const std::uint16_t full = d.row.client.address.is_v4() ? kSegment4 : kSegment6;
  if (d.segments_left != 0) return server(kAck, full, 0);
  return server(kPsh | kAck, static_cast<std::uint16_t>(200 + dice_.below(full - 200u)), 0);
}

Segment Simulation::segment_of(const Dialogue& d, const Step& step, Leg leg, Timestamp now) const {
  const bool to_server = leg == Leg::request || leg == Leg::demasq;
  const bool outside = leg == Leg::request || leg == Leg::masq;
  const Endpoint& service_end = outside ? d.row.vip : d.row.rip;
  Segment s;
  s.source = to_server ? d.row.client : service_end;
  s.destination = to_server ? service_end : d.row.client;
  s.protocol = d.row.protocol;
  s.flags = step.flags;
  s.payload = step.payload;
  s.ttl = to_server ? d.client_ttl : 64;
  if (leg == Leg::demasq || leg == Leg::masq) --s.ttl;  // the director is a hop
  s.ip_id = to_server ? d.client_ip_id : d.server_ip_id;
  s.sequence = to_server ? d.client_sequence : d.server_sequence;
  if ((step.flags & kAck) != 0) {
    const bool of_syn = !to_server && ((step.flags & kSyn) != 0 || d.row.fault == Fault::refused);
    s.acknowledgement = of_syn ? d.client_isn + 1 : to_server ? d.server_sequence : d.client_sequence;
  }
  s.milliseconds = static_cast<std::uint32_t>(now / 1'000'000);
  return s;
}

void Simulation::hand_over(Frame& frame, Timestamp now) {
  frame.time = as_captured(now);
  frame.number = static_cast<std::uint32_t>(++totals_.packets);
  totals_.wire_bytes += frame.wire;
  if (on_frame_) on_frame_(frame);
}

void Simulation::put(Dialogue& d, const Step& step, bool leaving, Timestamp now) {
  if (step.icmp) {
    put_icmp(d, leaving, now);
    return;
  }
  const Leg leg = step.from_client ? (leaving ? Leg::demasq : Leg::request) : (leaving ? Leg::masq : Leg::reply);
  const bool inside = leg == Leg::demasq || leg == Leg::reply;
  Frame frame;
  const std::uint32_t length = maker_.segment(segment_of(d, step, leg, now), Place{inside, !leaving}, frame);
  hand_over(frame, now);
  if (!d.begun) d.row.first = frame.time;
  d.begun = true;
  d.row.last = frame.time;
  ++d.row.packets[index(leg)];
  d.row.bytes[index(leg)] += length;
}

void Simulation::put_icmp(Dialogue& d, bool leaving, Timestamp now) {
  const Address &cip = d.row.client.address, &vip_address = d.row.vip.address, &rip_address = d.row.rip.address;
  const bool is_v6 = !cip.is_v4();
  // Type and code in the words of RFC 792 and RFC 4443.
  const std::uint8_t unreachable = is_v6 ? 1 : 3, port_unreachable = is_v6 ? 4 : 3;
  const auto quote = [&](Leg leg) {
    const bool to_server = leg == Leg::request || leg == Leg::demasq;
    Step first{to_server, false, true, true, static_cast<std::uint8_t>(to_server ? kSyn : kAck), 0, 1};
    if (!to_server && d.row.protocol == kTcp) first.payload = is_v6 ? kSegment6 : kSegment4;
    return segment_of(d, first, leg, now);
  };
  IcmpMessage m;
  m.type = unreachable;
  m.code = port_unreachable;
  m.ip_id = static_cast<std::uint16_t>(totals_.packets);
  Place place{false, false};
  switch (d.row.fault) {
    case Fault::nors:
      m.source = vip_address;
      m.destination = cip;
      m.quoted = quote(Leg::request);
      break;
    case Fault::unreach:
      m.source = leaving ? vip_address : rip_address;
      m.destination = cip;
      m.quoted = quote(leaving ? Leg::request : Leg::demasq);
      if (!leaving) place = Place{true, true};
      break;
    case Fault::redirect:
      m.source = dip(false);
      m.destination = rip_address;
      m.type = 5;  // redirect
      m.code = 1;  // for the host
      m.rest = 0xac10fffd;
      m.quoted = quote(Leg::reply);
      place = Place{true, false};
      break;
    default: {  // fragneeded
      Address router = cip;
      router.bytes[15] ^= 1;
      m.source = router;
      m.destination = leaving ? rip_address : vip_address;
      m.type = is_v6 ? 2 : 3;  // packet too big; fragmentation needed
      m.code = is_v6 ? 0 : 4;
      m.rest = 1400;
      m.quoted = quote(leaving ? Leg::reply : Leg::masq);
      place = leaving ? Place{true, false} : Place{false, true};
      break;
    }
  }
  Frame frame;
  maker_.icmp(m, place, frame);
  hand_over(frame, now);
  ++d.row.icmp;
}

void Simulation::put_noise(Timestamp now) {
  Frame frame;
  const Address target = rip(dice_.below(o_.rips), false);
  if (o_.link != Link::raw && dice_.below(2) == 0) {
    maker_.arp_request(dip(false), target, frame);
  } else {
    Segment check;
    check.source = Endpoint{dip(false), static_cast<std::uint16_t>(32'768 + dice_.below(28'000))};
    check.destination = Endpoint{target, o_.tcp_ports.front().rip};
    check.protocol = kTcp;
    check.flags = kSyn;
    check.sequence = static_cast<std::uint32_t>(dice_.any());
    check.ip_id = static_cast<std::uint16_t>(dice_.any());
    maker_.segment(check, Place{true, false}, frame);
  }
  hand_over(frame, now);
}

// Sequence numbers move when a packet is through. What will be repeated has not been taken.
void Simulation::advance(Dialogue& d, const Step& step) const {
  ++(step.from_client ? d.client_ip_id : d.server_ip_id);
  if (step.icmp || d.row.protocol != kTcp) return;
  const bool repeats = d.row.fault == Fault::noleg4 || d.row.fault == Fault::noreply || d.row.fault == Fault::nofwd;
  if ((step.flags & kSyn) != 0 && repeats) return;
  if (step.payload != 0 && d.row.fault == Fault::redirect) return;
  const std::uint32_t taken = step.payload + ((step.flags & (kSyn | kFin)) != 0 ? 1u : 0u);
  (step.from_client ? d.client_sequence : d.server_sequence) += taken;
}

std::optional<Timestamp> Simulation::turn(Dialogue& d, Timestamp now) {
  if (d.leaving) {
    const Step step = *d.leaving;
    d.leaving.reset();
    put(d, step, true, now);
    advance(d, step);
    return step.patience == 0 ? crossing_ : dice_.around(think_ * step.patience);
  }
  const std::optional<Step> step = next(d);
  if (!step) {
    finish(d);
    if (totals_.connections >= o_.connections) {
      d.begun = false;
      return std::nullopt;
    }
    const bool again = dice_.percent(o_.reuse);
    const Dialogue before = d;
    begin(d, again ? &before : nullptr);
    return dice_.around(think_);
  }
  if (step->arrives) put(d, *step, false, now);
  if (step->leaves) {
    d.leaving = step;
    return dice_.around(crossing_);
  }
  advance(d, *step);
  return dice_.around(think_ * std::max<Timestamp>(step->patience, 1));
}

Totals Simulation::run() {
  std::vector<Dialogue> slots(std::min<std::uint64_t>(o_.concurrency, o_.connections));
  // Spread the first ones over a connection's whole life, so that they do not march in step.
  const double turns = o_.syn_flood >= 0 || o_.at_once ? 1 : 9 + 1.5 * o_.mean_segments * o_.requests;
  const auto span = static_cast<std::uint64_t>(static_cast<double>(think_) * turns);
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
  for (std::uint32_t i = 0; i < slots.size(); ++i) {
    begin(slots[i], nullptr);
    due.push(Due{kBegin + static_cast<Timestamp>(dice_.any() % span), i});
  }
  while (!due.empty() && !full()) {
    const Due now = due.top();
    due.pop();
    if (o_.noise > 0 && dice_.percent(o_.noise)) {
      put_noise(now.time);
      if (full()) break;
    }
    const std::optional<Timestamp> later = turn(slots[now.slot], now.time);
    if (later) due.push(Due{now.time + *later, now.slot});
  }
  for (const Dialogue& d : slots) finish(d);  // cut short
  return totals_;
}

}  // namespace

Totals generate(const Options& options, const FrameCallback& on_frame, const RowCallback& on_row) {
  return Simulation(options, on_frame, on_row).run();
}

LinkType link_type(Link link) {
  switch (link) {
    case Link::ethernet:
    case Link::vlan:
      return LinkType::ethernet;
    case Link::sll:
      return LinkType::linux_sll;
    case Link::sll2:
      return LinkType::linux_sll2;
    case Link::raw:
      return LinkType::raw;
  }
  return LinkType::ethernet;
}

std::string services(const Options& o) {
  std::string text;
  const auto add = [&](bool is_v6, std::uint8_t protocol, PortPair ports) {
    const std::string_view flag = protocol == kUdp ? " -u " : " -t ";
    for (std::uint32_t v = 0; v < o.vips; ++v) {
      const std::string service = std::string(flag) + to_string(Endpoint{vip(v, is_v6), ports.vip});
      text += "-A" + service + " -s rr\n";
      const auto [low, high] = rips_of(v, o);
      for (std::uint32_t r = low; r < high; ++r) {
        text += "-a" + service + " -r " + to_string(Endpoint{rip(r, is_v6), ports.rip}) + " -m -w 1\n";
      }
    }
  };
  for (const bool is_v6 : {false, true}) {
    if (is_v6 ? o.ipv6 <= 0 : o.ipv6 >= 100) continue;
    for (const PortPair& ports : o.tcp_ports) add(is_v6, kTcp, ports);
    add(is_v6, kUdp, o.udp_port);
  }
  return text;
}

}  // namespace lvsnat::truth
