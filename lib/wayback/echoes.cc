// The way-back test's plan: echo requests that seem to come from a client, and what is heard of them.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "lvsnat/probe.h"

namespace lvsnat {
namespace {

constexpr std::size_t kMaxQuestions = 8;
constexpr std::uint16_t kFirstIpId = 0x4c56;

Mac mac_of(const std::array<std::uint8_t, 6>& bytes) {
  Mac mac;
  mac.bytes = bytes;
  return mac;
}

/// Identifier, sequence and nonce of an echo message; false where it is cut before their end.
bool read_echo(const Packet& packet, std::uint16_t& id, std::uint16_t& sequence, std::uint64_t& nonce) {
  const std::size_t at = packet.transport_offset;
  if (at == 0 || packet.captured < at + 16) return false;
  const std::uint8_t* p = packet.data + at;
  id = load_be16(p + 4);
  sequence = load_be16(p + 6);
  nonce = std::uint64_t{load_be32(p + 8)} << 32 | load_be32(p + 12);
  return true;
}

}  // namespace

std::string_view name(WayBackResult::Client client) noexcept {
  switch (client) {
    case WayBackResult::Client::example:
      return "example";
    case WayBackResult::Client::neighbour:
      return "neighbour";
    case WayBackResult::Client::given:
      break;
  }
  return "given";
}

std::string_view name(WayBackResult::Outcome outcome) noexcept {
  static constexpr std::array<std::string_view, 9> kNames{"returned", "elsewhere",  "past",     "silent",  "mute",
                                                          "down",     "translated", "not-sent", "untested"};
  const auto at = static_cast<std::size_t>(outcome);
  return at < kNames.size() ? kNames[at] : kNames.back();
}

WayBackTest::WayBackTest(std::vector<WayBackAttempt> attempts, std::set<Address> own,
                         std::map<std::uint32_t, std::string> interfaces, const Options& options)
    : attempts_(std::move(attempts)), own_(std::move(own)), interfaces_(std::move(interfaces)), options_(options) {
  if (attempts_.size() > kMaxAttempts) attempts_.resize(kMaxAttempts);
  // One request is enough for whoever is right. The others are asked what they are: there at all, alive, and again.
  steps_.push_back(Step::foreign);
  for (unsigned i = 1; i < std::max(1U, options_.tries); ++i) {
    steps_.push_back(Step::neighbour);
    steps_.push_back(Step::own);
    steps_.push_back(Step::foreign);
  }
  steps_.push_back(Step::own);
  states_.resize(attempts_.size());
  for (std::size_t i = 0; i < attempts_.size(); ++i) {
    WayBackResult& r = states_[i].result;
    r.rip = attempts_[i].rip;
    r.client = attempts_[i].client;
    r.kind = attempts_[i].kind;
    r.interface = attempts_[i].interface;
    r.director = attempts_[i].own;
  }
}

std::optional<Probe> WayBackTest::next(Timestamp now) {
  if (last_ && now < *last_ + options_.gap) return std::nullopt;
  while (true) {
    State* chosen = nullptr;
    for (State& s : states_) {
      if (!s.done && s.due <= now && (chosen == nullptr || s.due < chosen->due)) chosen = &s;
    }
    if (chosen == nullptr) return std::nullopt;
    State& s = *chosen;
    const auto index = static_cast<std::size_t>(chosen - states_.data());
    const WayBackAttempt& attempt = attempts_[index];
    if (s.step == steps_.size() || sequence_ == 0xffff) {
      s.done = true;
      continue;
    }
    const Step step = steps_[s.step++];
    if ((step == Step::neighbour && attempt.own_mac.is_none()) || (step != Step::foreign && attempt.own.is_none())) continue;
    Probe probe;
    probe.kind = step == Step::neighbour ? Probe::Kind::neighbour : Probe::Kind::echo;
    probe.source = step == Step::foreign ? attempt.client : attempt.own;
    probe.destination = attempt.rip;
    probe.interface = attempt.interface;
    probe.mac = attempt.own_mac;
    probe.id = options_.id;
    probe.sequence = ++sequence_;
    probe.nonce = options_.nonce;
    probe.ip_id = static_cast<std::uint16_t>(kFirstIpId + sequence_);
    if (probe.ip_id == 0) probe.ip_id = 1;
    ++(step == Step::foreign ? s.result.tries : step == Step::own ? s.result.own_tries : s.result.asked);
    if (!s.result.first_sent) s.result.first_sent = now;
    sent_[sequence_] = {index, step, now};
    // Each silence is waited for; a question to the neighbour or from ourselves is not, it goes on beside.
    s.due = step == Step::foreign || s.step == steps_.size() ? now + options_.wait : now;
    last_ = now;
    return probe;
  }
}

void WayBackTest::refused(const Probe& probe, std::string why) {
  const auto sent = sent_.find(probe.sequence);
  if (sent == sent_.end()) return;
  WayBackResult& r = states_[sent->second.attempt].result;
  unsigned& count = sent->second.step == Step::foreign ? r.tries : sent->second.step == Step::own ? r.own_tries : r.asked;
  if (count != 0) --count;
  if (sent->second.step == Step::foreign) r.why = std::move(why);
  sent_.erase(sent);
}

void WayBackTest::feed(std::span<const Frame> frames) {
  std::array<Packet, 64> packets;
  while (!frames.empty()) {
    const std::size_t n = std::min(frames.size(), packets.size());
    const std::span<Packet> batch(packets.data(), n);
    decode(frames.first(n), batch);
    for (const Packet& packet : batch) {
      ++packets_.by_kind[static_cast<std::size_t>(packet.kind)];
      ++packets_.total;
      take(packet);
    }
    frames = frames.subspan(n);
  }
}

void WayBackTest::take(const Packet& packet) {
  if (packet.kind == Packet::Kind::arp) {
    Arp arp;
    if (packet.direction == Direction::out || !decode_arp(packet, arp)) return;
    if (arp.request && !arp.gratuitous) asked(arp.sender, arp.target);
    if (!arp.probe) found(arp.sender, mac_of(arp.sender_mac));
    return;
  }
  if (packet.kind != Packet::Kind::icmp && packet.kind != Packet::Kind::neighbour) return;
  Icmp icmp;
  if (!decode_icmp(packet, icmp)) return;
  if (icmp.solicitation || icmp.advertisement) {
    if (packet.direction == Direction::out) return;
    if (icmp.solicitation) asked(packet.source, icmp.target);
    if (icmp.advertisement) found(icmp.target, icmp.has_link_address ? mac_of(icmp.link_address) : mac_of(packet.source_mac));
    return;
  }
  if (icmp.echo_request || icmp.echo_reply) return take_echo(packet, icmp);
  if (icmp.quotes && !icmp.redirect) take_error(packet, icmp);
}

void WayBackTest::take_echo(const Packet& packet, const Icmp& icmp) {
  std::uint16_t id = 0, sequence = 0;
  std::uint64_t nonce = 0;
  if (!read_echo(packet, id, sequence, nonce) || nonce != options_.nonce) return;
  const auto known = sent_.find(sequence);
  if (known == sent_.end()) return;
  Sent& sent = known->second;
  State& s = states_[sent.attempt];
  WayBackResult& r = s.result;
  if (icmp.echo_request) {
    if (packet.direction != Direction::out || packet.destination != r.rip || sent.step != Step::foreign) return;
    r.left = true;
    r.left_as = packet.source;
    return;
  }
  if (id != options_.id || packet.source != r.rip) return;
  if (sent.step == Step::own) {
    // Stacked devices show one packet more than once.
    if (!own_.contains(packet.destination) || packet.direction == Direction::out || sent.answered) return;
    sent.answered = true;
    ++r.own_answers;
    return;
  }
  if (packet.destination == r.client && sent.step == Step::foreign) came(s, packet, sent.time, device_of(packet));
}

/// An error about our request, from the real server itself: sent to the client's address, it needs the same way back.
void WayBackTest::take_error(const Packet& packet, const Icmp& icmp) {
  if (icmp.quoted_protocol != kIcmp && icmp.quoted_protocol != kIcmp6) return;
  for (State& s : states_) {
    WayBackResult& r = s.result;
    if (r.tries == 0 || packet.source != r.rip || icmp.quoted_source != r.client || icmp.quoted_destination != r.rip) continue;
    if (packet.destination != r.client) continue;
    r.refused = true;
    came(s, packet, r.first_sent.value_or(packet.time), device_of(packet));
  }
}

std::string WayBackTest::device_of(const Packet& packet) const {
  const auto name = interfaces_.find(packet.interface_index);
  return name != interfaces_.end() ? name->second : std::string();
}

void WayBackTest::came(State& s, const Packet& packet, Timestamp sent, std::string interface) {
  WayBackResult& r = s.result;
  switch (packet.direction) {
    case Direction::out:  // forwarded: it had come in before
      return;
    case Direction::other_host:
      r.seen_past = true;
      // Not the end: the same frame may reach a device above this one, whose MAC it bears.
      break;
    default:
      r.came_by.insert(std::move(interface));
      r.ttl = packet.ttl;
      s.done = true;
  }
  if (!r.answered) {
    r.answered = packet.time;
    r.round_trip = std::max<std::int64_t>(0, packet.time - sent);
  }
}

void WayBackTest::asked(const Address& who, const Address& target) {
  for (State& s : states_) {
    WayBackResult& r = s.result;
    if (r.tries == 0 || r.rip != who) continue;
    if (target == r.client) {
      r.asks_for_client = true;
    } else if (!own_.contains(target) && target != r.rip && r.asks_for.size() < kMaxQuestions) {
      r.asks_for.insert(target);
    }
  }
}

void WayBackTest::found(const Address& who, const Mac& mac) {
  for (State& s : states_) {
    if (s.result.rip == who) s.result.neighbour = mac;
  }
}

bool WayBackTest::finished(Timestamp now) const {
  return std::all_of(states_.begin(), states_.end(),
                     [&](const State& s) { return s.done || (s.step == steps_.size() && s.due <= now); });
}

std::vector<WayBackResult> WayBackTest::results() const {
  using Outcome = WayBackResult::Outcome;
  std::vector<WayBackResult> out;
  for (const State& s : states_) {
    WayBackResult r = s.result;
    const bool complete = s.done || s.step == steps_.size();
    if (!r.came_by.empty()) {
      r.outcome = r.interface.empty() || r.came_by.contains(r.interface) || r.came_by.contains("") ? Outcome::returned
                                                                                                   : Outcome::elsewhere;
    } else if (r.seen_past) {
      r.outcome = Outcome::past;
    } else if (r.left && r.left_as != r.client) {
      r.outcome = Outcome::translated;
    } else if (r.tries == 0) {
      r.outcome = r.why.empty() ? Outcome::untested : Outcome::not_sent;
    } else if (!complete) {
      r.outcome = Outcome::untested;
    } else if (r.own_answers == 0 && r.neighbour.is_none() && r.asked != 0) {
      // The kernel asks, too, and sends nothing as long as nobody answers.
      r.outcome = Outcome::down;
    } else if (!r.left) {
      r.outcome = Outcome::not_sent;
    } else if (r.own_answers != 0) {
      r.outcome = Outcome::silent;
    } else {
      r.outcome = r.neighbour.is_none() ? Outcome::untested : Outcome::mute;
    }
    out.push_back(std::move(r));
  }
  return out;
}

}  // namespace lvsnat
