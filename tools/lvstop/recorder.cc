#include "recorder.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <tuple>
#include <unordered_map>

#include "base/text.h"

namespace lvsnat::top {
namespace {

constexpr std::size_t kMaxSteps = 2'000;
constexpr Timestamp kBefore = 1 * kSecond, kAfter = 5 * kSecond;  // what led to a connection, and what followed
constexpr Timestamp kRedirected = 300 * kSecond;                  // how long a redirect is believed (net.ipv4.route.gc_timeout)
constexpr std::size_t kMaxRedirects = 16;                         // long before a connection, of different contents
constexpr Timestamp kCopyWithin = 100'000'000;                    // two sightings of one packet on a bridge or a bond

std::string mac_text(const std::array<std::uint8_t, 6>& bytes) { return to_string(Mac{bytes}); }

bool concerns(const Connection& c, const Address& a) {
  return a == c.client.address || (c.vip && a == c.vip->address) || (c.rip && a == c.rip->address);
}

std::string flags_text(std::uint8_t flags) {
  std::string text;
  const auto add = [&](std::uint8_t bit, const char* word) {
    if ((flags & bit) != 0) text += (text.empty() ? "" : " ") + std::string(word);
  };
  add(kSyn, "SYN"), add(kFin, "FIN"), add(kRst, "RST"), add(kPsh, "PSH"), add(kAck, "ACK");
  return text.empty() ? "no flags" : text;
}

std::optional<LadderStep> event_step(const Packet& packet, const Connection& c) {
  LadderStep step;
  step.kind = LadderStep::Kind::event;
  step.time = packet.time;
  step.frame = packet.number;
  if (packet.kind == Packet::Kind::arp) {
    Arp arp;
    if (!decode_arp(packet, arp)) return std::nullopt;
    // Only what tells where replies go: someone asks for the client, or the connection's ends ask or answer.
    const bool asks_client = arp.target == c.client.address;
    const bool from_server = c.rip && arp.sender == c.rip->address;
    const bool for_server = c.rip && arp.target == c.rip->address;
    const bool for_vip = c.vip && arp.target == c.vip->address;
    if (!asks_client && !from_server && !for_server && !for_vip) return std::nullopt;
    if (arp.request) {
      step.text = "ARP who has " + to_string(arp.target) + ", asks " + to_string(arp.sender);
    } else {
      step.text = "ARP " + to_string(arp.sender) + " is at " + mac_text(arp.sender_mac);
    }
    step.suspicious = from_server && asks_client;
    return step;
  }
  if (packet.kind != Packet::Kind::icmp && packet.kind != Packet::Kind::neighbour) return std::nullopt;
  Icmp icmp;
  if (!decode_icmp(packet, icmp)) return std::nullopt;
  if (icmp.quotes) {
    if (!concerns(c, icmp.quoted_source) || !concerns(c, icmp.quoted_destination)) return std::nullopt;
    const bool other_port =
        icmp.quotes_ports && icmp.quoted_source_port != c.client.port && icmp.quoted_destination_port != c.client.port;
    // A redirect about replies of this real server to this client changes the way of all of them, whichever it quotes.
    const bool of_all =
        icmp.redirect && c.rip && icmp.quoted_source == c.rip->address && icmp.quoted_destination == c.client.address;
    if (other_port && !of_all) return std::nullopt;
    step.suspicious = true;
  }
  if (icmp.redirect) {
    if (!icmp.quotes && !concerns(c, packet.destination)) return std::nullopt;
    step.suspicious = true;
    step.text = "ICMP redirect to " + to_string(packet.destination) + ": " +
                to_string(icmp.quotes ? icmp.quoted_destination : icmp.target) + " by way of " + to_string(icmp.gateway) +
                ", says " + to_string(packet.source);
  } else if (icmp.unreachable) {
    if (!icmp.quotes) return std::nullopt;
    step.text = "ICMP unreachable (code " + std::to_string(icmp.code) + ") from " + to_string(packet.source) + " to " +
                to_string(packet.destination);
  } else if (icmp.too_big) {
    if (!icmp.quotes) return std::nullopt;
    step.text = "ICMP packet too big, MTU " + std::to_string(icmp.mtu) + ", from " + to_string(packet.source);
  } else if (icmp.time_exceeded) {
    if (!icmp.quotes) return std::nullopt;
    step.text = "ICMP time exceeded from " + to_string(packet.source);
  } else if (icmp.solicitation) {
    if (icmp.target != c.client.address && !(c.rip && (icmp.target == c.rip->address || packet.source == c.rip->address)))
      return std::nullopt;
    step.text = "ND who has " + to_string(icmp.target) + ", asks " + to_string(packet.source);
    step.suspicious = c.rip && packet.source == c.rip->address && icmp.target == c.client.address;
  } else if (icmp.advertisement) {
    if (icmp.target != c.client.address && !(c.rip && icmp.target == c.rip->address)) return std::nullopt;
    step.text = "ND " + to_string(icmp.target) + (icmp.has_link_address ? " is at " + mac_text(icmp.link_address) : " answers");
  } else {
    return std::nullopt;
  }
  return step;
}

}  // namespace

std::optional<LadderStep> ladder_step(const Packet& packet, const Connection& c) {
  if (packet.kind != Packet::Kind::transport) return event_step(packet, c);
  if (packet.protocol != c.protocol) return std::nullopt;
  const Endpoint from{packet.source, packet.source_port}, to{packet.destination, packet.destination_port};
  LadderStep step;
  step.time = packet.time;
  step.frame = packet.number;
  const Endpoint inside = c.inside_client.value_or(c.client);
  if (c.vip && from == c.client && to == *c.vip) {
    step.leg = Leg::request;
  } else if (c.rip && from == inside && to == *c.rip) {
    step.leg = Leg::demasq;
  } else if (c.rip && from == *c.rip && to == inside) {
    step.leg = Leg::reply;
  } else if (to == c.client && ((c.vip && from == *c.vip) || c.leg_string[Leg::masq] == '!')) {
    step.leg = Leg::masq;
  } else {
    return std::nullopt;
  }
  if (packet.protocol == kTcp) {
    step.text = flags_text(packet.tcp_flags);
    step.suspicious = (packet.tcp_flags & kRst) != 0;
    if (packet.payload != 0) step.text += ", " + with_commas(packet.payload) + " bytes";
  } else {
    step.text = with_commas(packet.payload) + " bytes";
  }
  return step;
}

Recorder::Recorder(std::size_t limit)
    : limit_(std::max<std::size_t>(limit, 1u << 20)), ring_(new std::uint8_t[std::max<std::size_t>(limit, 1u << 20)]) {}

std::uint32_t Recorder::hash(const Address& address, std::uint16_t port, std::uint8_t protocol) {
  // FNV-1a: finds candidates only, each is compared whole afterwards.
  std::uint32_t h = 2166136261u;
  const auto mix = [&](std::uint8_t byte) { h = (h ^ byte) * 16777619u; };
  for (const std::uint8_t byte : address.bytes) mix(byte);
  mix(static_cast<std::uint8_t>(port >> 8)), mix(static_cast<std::uint8_t>(port)), mix(protocol);
  return h == 0 ? 1 : h;
}

void Recorder::make_room(std::size_t from, std::size_t to) {
  while (!entries_.empty()) {
    const Entry& oldest = entries_.front();
    if (oldest.at >= to || oldest.at + oldest.captured <= from) break;
    used_ -= oldest.captured;
    ++overwritten_;
    entries_.pop_front();
  }
}

void Recorder::add(std::span<const Frame> frames, std::span<const Packet> packets) {
  // A flood of tiny frames must not outgrow the ring in bookkeeping.
  const std::size_t most_entries = limit_ / 40;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const Frame& frame = frames[i];
    if (frame.captured > limit_ / 4) {
      ++overwritten_;
      continue;
    }
    if (next_ + frame.captured > limit_) {
      make_room(next_, limit_);
      next_ = 0;
    }
    make_room(next_, next_ + std::max<std::size_t>(frame.captured, 1));
    while (entries_.size() >= most_entries) {
      used_ -= entries_.front().captured;
      ++overwritten_;
      entries_.pop_front();
    }
    if (frame.captured != 0) std::memcpy(ring_.get() + next_, frame.data, frame.captured);
    Entry entry;
    entry.time = frame.time;
    entry.at = next_;
    entry.captured = frame.captured, entry.wire = frame.wire, entry.number = frame.number;
    entry.vantage = frame.vantage;
    entry.link = frame.link;
    const Packet& packet = packets[i];
    entry.kind = packet.kind;
    if (packet.kind == Packet::Kind::transport) {
      entry.source_hash = hash(packet.source, packet.source_port, packet.protocol);
      entry.destination_hash = hash(packet.destination, packet.destination_port, packet.protocol);
    }
    next_ += frame.captured;
    used_ += frame.captured;
    entries_.push_back(entry);
  }
}

Frame Recorder::frame_of(const Entry& entry) const {
  Frame frame;
  frame.time = entry.time;
  frame.data = ring_.get() + entry.at;
  frame.captured = entry.captured, frame.wire = entry.wire, frame.number = entry.number;
  frame.vantage = entry.vantage;
  frame.link = entry.link;
  return frame;
}

bool Recorder::belongs(const Entry& entry, const Connection& c, Packet& packet) const {
  const bool transport = entry.kind == Packet::Kind::transport, icmp = entry.kind == Packet::Kind::icmp;
  if (entry.time < c.first - (transport ? 0
                              : icmp    ? kRedirected
                                        : kBefore) ||
      entry.time > c.last + (transport ? kSecond / 10 : kAfter))
    return false;
  if (transport) {
    const std::uint32_t outer = hash(c.client.address, c.client.port, c.protocol);
    const std::uint32_t inner = c.inside_client ? hash(c.inside_client->address, c.inside_client->port, c.protocol) : outer;
    if (entry.source_hash != outer && entry.destination_hash != outer && entry.source_hash != inner &&
        entry.destination_hash != inner)
      return false;
  } else if (entry.kind != Packet::Kind::arp && entry.kind != Packet::Kind::icmp && entry.kind != Packet::Kind::neighbour) {
    return false;
  }
  const Frame frame = frame_of(entry);
  decode({&frame, 1}, {&packet, 1});
  if (!icmp || entry.time >= c.first - kBefore) return true;
  Icmp said;
  return decode_icmp(packet, said) && said.redirect;
}

std::vector<std::size_t> Recorder::entries_of(std::span<const Connection> connections) const {
  // By the hashes of their clients: thousands of connections among a million packets are found in one pass.
  std::unordered_multimap<std::uint32_t, const Connection*> by_client;
  for (const Connection& c : connections) {
    const std::uint32_t outer = hash(c.client.address, c.client.port, c.protocol);
    by_client.emplace(outer, &c);
    if (!c.inside_client) continue;
    const std::uint32_t inner = hash(c.inside_client->address, c.inside_client->port, c.protocol);
    if (inner != outer) by_client.emplace(inner, &c);
  }
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const auto holds = [&](const Connection& c) {
      Packet packet;
      return belongs(entry, c, packet) && ladder_step(packet, c).has_value();
    };
    bool wanted = false;
    if (entry.kind == Packet::Kind::transport) {
      for (const std::uint32_t client : {entry.source_hash, entry.destination_hash}) {
        const auto [begin, end] = by_client.equal_range(client);
        wanted = wanted || std::any_of(begin, end, [&](const auto& candidate) { return holds(*candidate.second); });
      }
    } else {
      wanted = std::any_of(connections.begin(), connections.end(), holds);
    }
    if (wanted) found.push_back(i);
  }
  return found;
}

Ladder Recorder::ladder(const Connection& c, const std::vector<Vantage>& vantages) const {
  Ladder ladder;
  ladder.id = id_of(c);
  ladder.beginning_lost = overwritten_ != 0 && !entries_.empty() && entries_.front().time > c.first;
  // What makes two sightings one packet: leg, IP ID, sequence, flags and TTL. What makes a segment a repetition: the
  // same without the IP ID.
  std::map<std::tuple<int, std::uint16_t, std::uint32_t, std::uint32_t, std::uint8_t, std::uint8_t>, Timestamp> seen;
  std::set<std::tuple<int, std::uint32_t, std::uint32_t, std::uint8_t>> segments;
  std::map<std::string, Timestamp> events;
  std::map<std::string, LadderStep> redirects;  // long before it: the last of each is enough
  for (const Entry& entry : entries_) {
    Packet packet;
    if (!belongs(entry, c, packet)) continue;
    std::optional<LadderStep> step = ladder_step(packet, c);
    if (!step) continue;
    if (step->kind == LadderStep::Kind::packet) {
      const int leg = static_cast<int>(index(step->leg));
      const auto key = std::make_tuple(leg, packet.ip_id, packet.sequence, packet.payload, packet.tcp_flags, packet.ttl);
      const auto [it, fresh] = seen.emplace(key, packet.time);
      const bool one_id = packet.ip_id != 0 || packet.protocol == kTcp;
      if (!fresh && one_id && packet.time - it->second < (packet.ip_id != 0 ? kCopyWithin : kCopyWithin / 100)) continue;
      it->second = packet.time;
      if (packet.protocol == kTcp && (packet.payload != 0 || (packet.tcp_flags & (kSyn | kFin)) != 0)) {
        step->repeat =
            !segments.emplace(leg, packet.sequence, packet.payload, static_cast<std::uint8_t>(packet.tcp_flags & (kSyn | kFin)))
                 .second;
      }
    } else {
      const auto [it, fresh] = events.emplace(step->text, packet.time);
      if (!fresh && packet.time - it->second < kCopyWithin / 10) continue;
      it->second = packet.time;
    }
    if (entry.vantage < vantages.size()) {
      const Vantage& vantage = vantages[entry.vantage];
      step->source = printable(vantage.interface.empty() ? vantage.source : vantage.interface, 64);
    }
    if (packet.time >= c.first - kBefore) {
      ladder.steps.push_back(std::move(*step));
    } else if (redirects.size() < kMaxRedirects || redirects.contains(step->text)) {
      redirects.insert_or_assign(step->text, std::move(*step));
    }
  }
  for (auto& [text, step] : redirects) ladder.steps.push_back(std::move(step));
  std::stable_sort(ladder.steps.begin(), ladder.steps.end(),
                   [](const LadderStep& a, const LadderStep& b) { return a.time < b.time; });
  if (ladder.steps.size() > kMaxSteps) {
    ladder.left_out = ladder.steps.size() - kMaxSteps;
    const auto half = static_cast<std::ptrdiff_t>(kMaxSteps / 2);
    ladder.steps.erase(ladder.steps.begin() + half, ladder.steps.end() - half);
  }
  return ladder;
}

}  // namespace lvsnat::top
