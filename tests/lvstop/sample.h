// Snapshots made by hand: a healthy cluster, and one whose real server 10.1.1.2 answers past the director.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control.h"
#include "model.h"

namespace lvsnat::top::sample {

/// 2026-11-23T04:00:00Z.
inline constexpr Timestamp kNow = 1'795'406'400 * kSecond;

inline Endpoint endpoint(const char* text) { return parse_endpoint(text).value(); }

/// A connection begun `age` seconds before kNow whose legs are as told.
inline Connection connection(std::uint32_t record, const char* client, const char* rip, const char* legs, double age) {
  Connection c;
  c.record = record;
  c.protocol = 6;
  c.kind = ConnectionKind::masqueraded;
  c.client = endpoint(client);
  c.vip = endpoint(c.client.address.is_v4() ? "192.168.1.110:80" : "[2001:db8:1::110]:80");
  if (rip != nullptr) c.rip = endpoint(rip);
  c.service = 0;
  for (std::size_t i = 0; i < 4; ++i) c.leg_string.text[i] = legs[i];
  c.first = kNow - static_cast<Timestamp>(age * 1e9);
  c.last = c.first;
  c.saw_syn = true;
  const bool whole = std::string(legs) == "1234";
  c.state = whole ? ConnectionState::established : ConnectionState::half_open;
  for (const Leg leg : kLegs) {
    const char seen = c.leg_string[leg];
    if (seen == '-' || seen == '?') continue;
    LegCount& count = c.legs[index(leg)];
    count.packets = whole ? (leg == Leg::request || leg == Leg::demasq ? 7u : 5u) : 3u;
    count.bytes = count.packets * 60u;
    count.first = c.first + static_cast<Timestamp>(index(leg)) * 30'000;
    count.last = count.first + (whole ? 40'000'000 : 3'000'000'000);
    count.first_frame = 1 + static_cast<std::uint32_t>(index(leg));
    count.syn = true;
    count.repeats = whole ? 0 : 2;
    if (count.last > c.last) c.last = count.last;
  }
  if (c.saw(Leg::demasq)) c.director_request = 27'000;
  if (whole) {
    c.director_reply = 6'000;
    c.real_server = 410'000;
    c.client_rtt = 13'000;
    c.response = 1'200'000;
  }
  return c;
}

inline Service service() {
  Service s;
  s.protocol = ServiceProtocol::tcp;
  s.vip = parse_address("192.168.1.110").value();
  s.port = 80;
  s.scheduler = "rr";
  return s;
}

inline Destination destination(const char* rip, int weight) {
  Destination d;
  d.rip = parse_address(rip).value();
  d.port = 80;
  d.method = Method::masq;
  d.weight = weight;
  d.active = 2;
  d.inactive = 1;
  return d;
}

inline Finding bypass() {
  Finding f;
  f.code = 101;
  f.severity = Severity::error;
  f.confidence = Confidence::certain;
  f.title = "Replies of real server 10.1.1.2 bypass the director";
  f.subject.service = "tcp:192.168.1.110:80";
  f.subject.real_server = "10.1.1.2";
  f.count = 2;
  f.legs = LegString{{'1', '2', '-', '-'}};
  f.evidence.push_back(
      {"10.1.1.2 asks ARP for the client 192.168.1.254 on eth1", "eth1.pcap", 3u, kNow - 3 * kSecond, std::nullopt});
  f.cause =
      "10.1.1.2 holds a route to 192.168.1.0/24 that is its own, so it sends replies straight to the client, which drops them: "
      "they do not "
      "carry the VIP.";
  f.cure.push_back({Where::real_server, "ip route del 192.168.1.0/24 dev eth0", "remove it from /etc/network/interfaces"});
  f.unchecked.push_back("lvstrace on 10.1.1.2 shows which route it is");
  f.connections = {1, 2};
  return f;
}

struct Parts {
  Report report;
  std::vector<Connection> connections;
  std::vector<std::vector<int>> codes;
  Observed observed;
};

inline Parts parts() {
  Parts p;
  p.report.tool = "lvstop";
  p.report.host = "director";
  p.report.sources.push_back({});
  p.report.sources.back().name = "eth0";
  p.report.sources.back().live = true;
  p.report.sources.back().packets = 1200;
  p.report.sources.back().dropped = 0;
  p.report.origin = {Origin::netlink};
  ServiceTally tally;
  tally.service = service();
  for (const char* rip : {"10.1.1.2", "10.1.1.3", "10.1.1.4"}) {
    DestinationTally d;
    d.destination = destination(rip, rip[7] == '4' ? 0 : 1);
    tally.destinations.push_back(d);
  }
  p.report.services.push_back(tally);
  p.observed.sequence = 1;
  p.observed.capture.inputs = "eth0 eth1";
  p.observed.capture.dropped = 0;
  p.observed.capture.recorded_limit = 64u << 20;
  p.observed.capture.recorded_packets = 48;
  return p;
}

inline void add(Parts& p, Connection c, std::vector<int> codes = {}) {
  ServiceTally& tally = p.report.services[0];
  const bool healthy = c.leg_string.str() == "1234";
  const auto count = [&](auto& t) {
    ++t.connections;
    ++(healthy ? t.healthy : t.broken);
    for (const Leg leg : kLegs) t.legs[index(leg)] += c.saw(leg) ? 1u : 0u;
  };
  count(tally);
  for (DestinationTally& d : tally.destinations) {
    if (c.rip && c.rip->address == d.destination.rip) count(d);
  }
  ++p.report.connections.total;
  ++(healthy ? p.report.connections.healthy : p.report.connections.broken);
  p.connections.push_back(std::move(c));
  p.codes.push_back(std::move(codes));
}

inline std::shared_ptr<const Snapshot> finish(Parts p) {
  SnapshotBuilder builder(p.report, kNow);
  for (std::size_t i = 0; i < p.connections.size(); ++i) builder.count(p.connections[i], p.codes[i]);
  for (const std::uint32_t i : builder.choose()) builder.list(p.connections[i], p.codes[i]);
  p.observed.tracked = p.connections.size();
  return builder.finish(std::move(p.observed));
}

inline std::shared_ptr<const Snapshot> healthy() {
  Parts p = parts();
  p.report.verdict = Verdict::ok;
  add(p, connection(1, "192.168.1.254:48734", "10.1.1.2:80", "1234", 3.1));
  add(p, connection(2, "192.168.1.254:48736", "10.1.1.3:80", "1234", 2.5));
  add(p, connection(3, "192.168.1.253:50000", "10.1.1.2:80", "1234", 12));
  add(p, connection(4, "192.168.1.253:50002", "10.1.1.3:80", "1?34", 40));
  p.connections.back().leg_string.text = {'1', '2', '3', '4'};
  return finish(std::move(p));
}

/// Steps of the ladder of connection 1, as a capture of both interfaces shows them.
inline Ladder ladder(const Connection& c) {
  Ladder l;
  l.id = id_of(c);
  const auto step = [&](Timestamp after, Leg leg, const char* text, bool repeat) {
    LadderStep s;
    s.time = c.first + after;
    s.leg = leg;
    s.text = text;
    s.repeat = repeat;
    l.steps.push_back(s);
  };
  const bool whole = c.leg_string.str() == "1234";
  step(0, Leg::request, "SYN", false);
  step(27'000, Leg::demasq, "SYN", false);
  if (whole) {
    step(437'000, Leg::reply, "SYN ACK", false);
    step(443'000, Leg::masq, "SYN ACK", false);
    step(456'000, Leg::request, "ACK", false);
    step(470'000, Leg::demasq, "ACK", false);
    step(600'000, Leg::request, "PSH ACK, 78 bytes", false);
    step(612'000, Leg::demasq, "PSH ACK, 78 bytes", false);
  } else {
    LadderStep arp;
    arp.kind = LadderStep::Kind::event;
    arp.time = c.first + 95'000;
    arp.text = "ARP who has 192.168.1.254, asks 10.1.1.2";
    arp.suspicious = true;
    l.steps.push_back(arp);
    step(1'020'000'000, Leg::request, "SYN", true);
    step(1'020'030'000, Leg::demasq, "SYN", true);
  }
  return l;
}

inline std::shared_ptr<const Snapshot> broken(bool with_ladder = true) {
  Parts p = parts();
  p.report.verdict = Verdict::error;
  p.report.findings.push_back(bypass());
  Finding redirects;
  redirects.code = 202;
  redirects.severity = Severity::warning;
  redirects.title = "eth0 of the director may send ICMP redirects";
  redirects.subject.interface = "eth0";
  redirects.cure.push_back(
      {Where::director, "sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0", std::nullopt});
  p.report.findings.push_back(redirects);
  add(p, connection(1, "192.168.1.254:48734", "10.1.1.2:80", "12--", 3.1), {101});
  if (with_ladder) p.observed.ladder = ladder(p.connections[0]);
  add(p, connection(2, "192.168.1.253:50000", "10.1.1.2:80", "12--", 12), {101});
  add(p, connection(3, "192.168.1.254:48736", "10.1.1.3:80", "1234", 2.5));
  add(p, connection(4, "192.168.1.253:50002", "10.1.1.3:80", "1234", 40));
  return finish(std::move(p));
}

/// Remembers what the screen asked for.
class RecordingControl final : public Control {
 public:
  void focus(std::optional<ConnectionId> id) override { focused = id; }
  void save_packets(PacketSave save) override { saved.push_back(std::move(save)); }
  void refresh_every(double seconds) override { refresh = seconds; }
  void play_again() override { ++again; }
  void play_or_pause() override { ++plays; }
  void step() override { ++steps; }
  void speed(double value) override { speed_asked = value; }
  void to_next_finding() override { ++next_findings; }

  std::optional<ConnectionId> focused;
  std::vector<PacketSave> saved;
  double refresh = 0, speed_asked = 0;
  int plays = 0, steps = 0, next_findings = 0, again = 0;
};

}  // namespace lvsnat::top::sample
