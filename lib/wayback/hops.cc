// The hop trace's plan: which probe is due, and which packet answers it.
//
// A probe is known again by the first eight bytes of its transport header, which every ICMP error quotes (RFC 792): the sequence
// of an echo request, the destination port of a datagram, the sequence number of a segment.
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

using Protocol = TraceAnswer::Protocol;
using Kind = TraceAnswer::Kind;

// traceroute's; nobody listens there.
constexpr std::uint16_t kFirstUdpPort = 33434;
// discard: clients do not connect from it, so that RIP:port -> CIP:9 is never the reply of a real connection.
constexpr std::uint16_t kTcpPort = 9;
constexpr std::uint16_t kFirstIpId = 0x4c56;
constexpr unsigned kProtocols = 3;
// A way that does not answer twice in a row is not followed further.
constexpr unsigned kSilentHops = 2;

/// The first eight bytes behind the IP header that an ICMP message quotes.
const std::uint8_t* quoted_transport(const Packet& packet) {
  const std::size_t icmp = packet.transport_offset;
  std::size_t at = icmp + 8;
  if (icmp == 0 || packet.captured < at + 20) return nullptr;
  const std::uint8_t* p = packet.data + at;
  if (p[0] >> 4 == 4) {
    at += std::size_t{p[0] & 15U} * 4;
  } else if (p[0] >> 4 == 6) {
    at += 40;  // our probes have no extension headers
  } else {
    return nullptr;
  }
  return packet.captured >= at + 8 ? packet.data + at : nullptr;
}

}  // namespace

std::string_view name(TraceAnswer::Protocol protocol) noexcept {
  return protocol == Protocol::icmp ? "icmp" : protocol == Protocol::udp ? "udp" : "tcp";
}

std::string_view name(TraceAnswer::Kind kind) noexcept {
  static constexpr std::array<std::string_view, 5> kNames{"none", "expired", "reached", "unreachable", "not-sent"};
  const auto at = static_cast<std::size_t>(kind);
  return at < kNames.size() ? kNames[at] : kNames.front();
}

HopTracer::HopTracer(const Address& rip, const Address& client, std::uint16_t port, const Options& options) : options_(options) {
  trace_.rip = rip;
  trace_.client = client;
  trace_.port = port;
  options_.rounds = std::clamp(options_.rounds, 1U, 16U);
  options_.far = std::clamp(options_.far, 2U, 30U);
}

Probe HopTracer::probe_of(std::size_t number) const {
  const TraceAnswer& a = trace_.answers[number];
  Probe probe;
  probe.source = trace_.rip;
  probe.destination = trace_.client;
  probe.ttl = static_cast<std::uint8_t>(a.hop);
  probe.nonce = options_.nonce;
  const auto n = static_cast<std::uint16_t>(number);
  probe.ip_id = static_cast<std::uint16_t>(std::max(1, (kFirstIpId + options_.id + n) & 0xffff));
  switch (a.protocol) {
    case Protocol::icmp:
      probe.kind = Probe::Kind::echo;
      probe.id = options_.id;
      probe.sequence = static_cast<std::uint16_t>(n + 1);
      break;
    case Protocol::udp:
      probe.kind = Probe::Kind::udp;
      // Above the ports that Linux gives to sockets by itself (32768 to 60999).
      probe.source_port = static_cast<std::uint16_t>(61000 + options_.id % 4000);
      probe.destination_port = static_cast<std::uint16_t>(kFirstUdpPort + n);
      break;
    case Protocol::tcp:
      probe.kind = Probe::Kind::tcp;
      probe.source_port = trace_.port;
      probe.destination_port = kTcpPort;
      probe.number = (std::uint32_t{options_.id} << 16) + n;
      break;
  }
  return probe;
}

/// Steps to the next probe; false when there is none.
bool HopTracer::advance() {
  const auto heard = [this](unsigned hop, auto matches) {
    return std::any_of(trace_.answers.begin(), trace_.answers.end(),
                       [&](const TraceAnswer& a) { return a.round == round_ && a.hop == hop && matches(a); });
  };
  while (!ended_) {
    // Every protocol for the two hops that matter; what lies behind is only shown, so one is enough.
    const unsigned protocols = hop_ <= 2 ? kProtocols : 1;
    if (protocol_ < protocols) {
      if (static_cast<Protocol>(protocol_) == Protocol::tcp && trace_.port == 0) {
        ++protocol_;
        continue;
      }
      return true;
    }
    const auto ends = [](const TraceAnswer& a) { return a.kind == Kind::reached || a.kind == Kind::unreachable; };
    const auto any = [](const TraceAnswer& a) { return a.kind != Kind::none && a.kind != Kind::not_sent; };
    bool over = hop_ >= (round_ == 1 ? options_.far : 2) || (hop_ >= 2 && heard(hop_, ends));
    if (!over && hop_ >= 2 + kSilentHops) {
      over = true;
      for (unsigned back = 0; back < kSilentHops; ++back) over = over && !heard(hop_ - back, any);
    }
    protocol_ = 0;
    ++hop_;
    if (!over) continue;
    hop_ = 1;
    ended_ = ++round_ > options_.rounds || std::all_of(trace_.answers.begin(), trace_.answers.end(),
                                                       [](const TraceAnswer& a) { return a.kind == Kind::not_sent; });
  }
  return false;
}

std::optional<Probe> HopTracer::next(Timestamp now) {
  if (last_ && now < *last_ + options_.gap) return std::nullopt;
  if (ended_ || !advance()) return std::nullopt;
  TraceAnswer a;
  a.protocol = static_cast<Protocol>(protocol_++);
  a.round = round_;
  a.hop = hop_;
  a.sent = now;
  trace_.answers.push_back(a);
  last_ = now;
  return probe_of(trace_.answers.size() - 1);
}

void HopTracer::refused(const Probe& probe, std::string why) {
  static_cast<void>(probe);  // always the last one
  if (trace_.answers.empty()) return;
  trace_.answers.back().kind = Kind::not_sent;
  trace_.answers.back().why = std::move(why);
}

bool HopTracer::finished(Timestamp now) const { return ended_ && (!last_ || now >= *last_ + options_.wait); }

void HopTracer::feed(std::span<const Frame> frames) {
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

void HopTracer::answer(std::size_t number, const Packet& packet, Kind kind, std::uint8_t code) {
  TraceAnswer& a = trace_.answers[number];
  if (a.kind != Kind::none) return;  // copies of stacked devices; the first is the one
  a.kind = kind;
  a.code = code;
  a.from = packet.source;
  if (packet.has_macs) a.mac.bytes = packet.source_mac;
  a.round_trip = std::max<std::int64_t>(0, packet.time - a.sent);
}

std::optional<std::size_t> HopTracer::quoted_probe(const Packet& packet, const Icmp& icmp) const {
  if (!icmp.quotes || icmp.quoted_source != trace_.rip || icmp.quoted_destination != trace_.client) return std::nullopt;
  const std::uint8_t* p = quoted_transport(packet);
  if (p == nullptr) return std::nullopt;
  std::size_t number = trace_.answers.size();
  switch (icmp.quoted_protocol) {
    case kIcmp:
    case kIcmp6:
      if (load_be16(p + 4) == options_.id) number = std::size_t{load_be16(p + 6)} - 1;
      break;
    case kUdp:
      if (load_be16(p + 2) >= kFirstUdpPort) number = std::size_t{load_be16(p + 2)} - kFirstUdpPort;
      break;
    case kTcp:
      if (load_be16(p + 2) == kTcpPort && load_be16(p + 4) == options_.id) number = load_be16(p + 6);
      break;
    default:
      break;
  }
  if (number >= trace_.answers.size()) return std::nullopt;
  const Protocol protocol = trace_.answers[number].protocol;
  const bool same = icmp.quoted_protocol == kUdp   ? protocol == Protocol::udp
                    : icmp.quoted_protocol == kTcp ? protocol == Protocol::tcp
                                                   : protocol == Protocol::icmp;
  return same ? std::optional(number) : std::nullopt;
}

void HopTracer::take(const Packet& packet) {
  if (packet.direction == Direction::out) return;
  if (packet.kind == Packet::Kind::transport) {
    // A RST to our SYN-ACK bears the number that we acknowledged (RFC 9293, 3.5.2).
    if (packet.protocol != kTcp || trace_.port == 0 || packet.source != trace_.client || packet.destination != trace_.rip) return;
    if (packet.source_port != kTcpPort || packet.destination_port != trace_.port || (packet.tcp_flags & kRst) == 0) return;
    if (packet.sequence >> 16 != options_.id) return;
    const std::size_t number = packet.sequence & 0xffff;
    if (number < trace_.answers.size() && trace_.answers[number].protocol == Protocol::tcp)
      answer(number, packet, Kind::reached, 0);
    return;
  }
  if (packet.kind != Packet::Kind::icmp && packet.kind != Packet::Kind::neighbour) return;
  Icmp icmp;
  if (!decode_icmp(packet, icmp)) return;
  if (icmp.echo_reply) {
    const std::size_t at = packet.transport_offset;
    if (packet.source != trace_.client || packet.destination != trace_.rip || at == 0 || packet.captured < at + 16) return;
    const std::uint8_t* p = packet.data + at;
    const std::uint64_t nonce = std::uint64_t{load_be32(p + 8)} << 32 | load_be32(p + 12);
    const std::size_t number = std::size_t{load_be16(p + 6)} - 1;
    if (load_be16(p + 4) != options_.id || nonce != options_.nonce || number >= trace_.answers.size()) return;
    if (trace_.answers[number].protocol == Protocol::icmp) answer(number, packet, Kind::reached, 0);
    return;
  }
  if (icmp.redirect) {
    // Whatever it was that provoked it: the route to this client is what it is about.
    if (icmp.quoted_destination != trace_.client || (icmp.quotes && icmp.quoted_source != trace_.rip)) return;
    const bool known = !trace_.redirects.empty() && trace_.redirects.back().time == packet.time;
    if (known || trace_.redirects.size() >= HopTrace::kMaxRedirects) return;
    HopTrace::Redirect redirect;
    redirect.from = packet.source;
    redirect.gateway = icmp.gateway;
    if (packet.has_macs) redirect.mac.bytes = packet.source_mac;
    redirect.round = trace_.answers.empty() ? 1 : trace_.answers.back().round;
    redirect.time = packet.time;
    trace_.redirects.push_back(redirect);
    return;
  }
  if (!icmp.time_exceeded && !icmp.unreachable) return;
  const auto number = quoted_probe(packet, icmp);
  if (!number) return;
  answer(*number, packet,
         packet.source == trace_.client ? Kind::reached
         : icmp.time_exceeded           ? Kind::expired
                                        : Kind::unreachable,
         icmp.code);
}

}  // namespace lvsnat
