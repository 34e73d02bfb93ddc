#include "reports.h"

#include <string>
#include <utility>
#include <vector>

namespace lvsnat::test {
namespace {

constexpr Timestamp kStart = 1'795'398'655'000'000'000;  // 2026-11-23T01:50:55Z
constexpr std::int64_t kMicrosecond = 1'000;
constexpr std::int64_t kMillisecond = 1'000'000;

SourceStatistics source(std::string name, std::string interface, std::uint64_t packets) {
  SourceStatistics s;
  s.name = std::move(name);
  s.interface = std::move(interface);
  s.packets = packets;
  s.first = kStart;
  s.last = kStart + 12 * kSecond + 300 * kMillisecond;
  return s;
}

DestinationTally destination(const char* rip, std::uint64_t ok, std::uint64_t broken, std::array<std::uint64_t, 4> legs) {
  DestinationTally d;
  d.destination.rip = *parse_address(rip);
  d.destination.port = 80;
  d.destination.method = Method::masq;
  d.destination.weight = 1;
  d.connections = ok + broken;
  d.healthy = ok;
  d.broken = broken;
  d.legs = legs;
  if (ok != 0) {
    d.real_server = Latency{ok, 420 * kMicrosecond, 610 * kMicrosecond, 700 * kMicrosecond, 704 * kMicrosecond};
    d.response = Latency{ok, 2 * kMillisecond, 3 * kMillisecond, 4 * kMillisecond, 5 * kMillisecond};
  }
  return d;
}

void put(Report& report, std::vector<DestinationTally> destinations) {
  ServiceTally s;
  s.service.protocol = ServiceProtocol::tcp;
  s.service.vip = *parse_address("192.168.1.110");
  s.service.port = 80;
  s.service.scheduler = "rr";
  ConnectionTally& all = report.connections;
  for (const DestinationTally& d : destinations) {
    s.connections += d.connections;
    s.healthy += d.healthy;
    s.broken += d.broken;
    s.undecided += d.undecided;
    for (std::size_t i = 0; i < 4; ++i) s.legs[i] += d.legs[i];
  }
  s.destinations = std::move(destinations);
  all.total = s.connections;
  all.healthy = s.healthy;
  all.broken = s.broken;
  all.undecided = s.undecided;
  all.legs = s.legs;
  report.services.push_back(std::move(s));
}

Report both_sides() {
  Report r;
  r.tool_version = "0.1.0";
  r.sources = {source("eth0.pcap", "eth0", 1234), source("eth1.pcap", "eth1", 1240)};
  r.sources[0].dropped = 0;
  r.origin = {Origin::inferred};
  r.director.addresses = {*parse_address("10.1.1.9")};
  r.director.inside_macs = {*parse_mac("02:00:00:00:01:09")};
  r.director.gateways = {*parse_address("10.1.1.9")};
  r.packets.total = 2474;
  r.packets.by_kind = {2440, 4, 20, 0, 0, 0, 0, 10, 0, 0, 0};
  return r;
}

Evidence evidence(std::string text, std::string from, std::uint32_t frame, Timestamp time, std::optional<Leg> leg = {}) {
  return {std::move(text), std::move(from), frame, time, leg};
}

LegString legs(const char* text) {
  LegString l;
  for (std::size_t i = 0; i < 4; ++i) l.text[i] = text[i];
  return l;
}

}  // namespace

Report healthy_report() {
  Report r = both_sides();
  r.verdict = Verdict::ok;
  put(r, {destination("10.1.1.2", 4, 0, {4, 4, 4, 4}), destination("10.1.1.3", 3, 0, {3, 3, 3, 3})});
  ConnectionTally& c = r.connections;
  c.director_request = Latency{7, 22 * kMicrosecond, 31 * kMicrosecond, 55 * kMicrosecond, 55 * kMicrosecond};
  c.director_reply = Latency{7, 6 * kMicrosecond, 7 * kMicrosecond, 9 * kMicrosecond, 9 * kMicrosecond};
  c.real_server = Latency{7, 420 * kMicrosecond, 610 * kMicrosecond, 700 * kMicrosecond, 704 * kMicrosecond};
  c.client = Latency{7, 12 * kMillisecond, 19 * kMillisecond, 80 * kMillisecond, 80 * kMillisecond};
  c.health_checks = 12;
  return r;
}

Report redirect_report() {
  Report r = both_sides();
  r.verdict = Verdict::error;
  put(r, {destination("10.1.1.2", 0, 2, {2, 2, 2, 2})});
  Finding f;
  f.code = 111;
  f.severity = Severity::error;
  f.confidence = Confidence::certain;
  f.title = "The director sends 10.1.1.2 straight to the client 10.1.1.254, and replies went that way";
  f.subject.service = "tcp:192.168.1.110:80";
  f.subject.director = "10.1.1.9";
  f.subject.real_server = "10.1.1.2";
  f.subject.client = "10.1.1.254";
  f.subject.interface = "eth0";
  f.count = 2;
  f.legs = legs("1234");
  f.evidence = {
      evidence("ICMP redirect: 10.1.1.9 tells 10.1.1.2 that 10.1.1.254 is better reached by way of 10.1.1.254", "eth0.pcap", 41,
               kStart + 158 * kMillisecond),
      evidence("the last reply that came back to the director; 5 retransmitted requests after it stay without one", "eth0.pcap",
               44, kStart + 160 * kMillisecond, Leg::reply),
  };
  f.cause =
      "Client and real server are on one network, and the director is allowed to send redirects there. A real server that heeds "
      "them "
      "answers the client directly, with its own address instead of the VIP, and the client drops that.";
  f.cure = {{Where::director, "sysctl -w net.ipv4.conf.all.send_redirects=0\nsysctl -w net.ipv4.conf.eth0.send_redirects=0",
             "printf 'net.ipv4.conf.all.send_redirects = 0\\nnet.ipv4.conf.eth0.send_redirects = 0\\n' > "
             "/etc/sysctl.d/60-lvs-nat.conf"},
            {Where::real_server, "ip route flush cache", std::nullopt}};
  f.consequences = {{101, {}, 2}};
  f.consequences[0].subject.real_server = "10.1.1.2";
  r.findings.push_back(std::move(f));
  return r;
}

Report wrong_gateway_report() {
  Report r = both_sides();
  r.verdict = Verdict::error;
  put(r, {destination("10.1.1.2", 0, 4, {4, 4, 0, 0}), destination("10.1.1.3", 3, 0, {3, 3, 3, 3})});
  Finding f;
  f.code = 101;
  f.severity = Severity::error;
  f.confidence = Confidence::certain;
  f.title = "Replies of 10.1.1.2 go round the director";
  f.subject.service = "tcp:192.168.1.110:80";
  f.subject.real_server = "10.1.1.2";
  f.subject.client = "192.168.1.254";
  f.subject.gateway = "10.1.1.250";
  f.count = 4;
  f.legs = legs("12--");
  f.evidence = {
      evidence("the request, forwarded to 10.1.1.2", "eth1.pcap", 12, kStart + 2 * kMillisecond, Leg::demasq),
      evidence("ARP who-has 10.1.1.250 tell 10.1.1.2: the real server asks for a gateway that is not the director", "eth1.pcap",
               13, kStart + 3 * kMillisecond),
  };
  f.cause =
      "The default route of 10.1.1.2 leads to 10.1.1.250 instead of the director (10.1.1.9). Its replies reach the client with "
      "the "
      "address of the real server, not the VIP, or not at all.";
  f.cure = {{Where::real_server, "ip route replace default via 10.1.1.9", "/etc/network/interfaces: gateway 10.1.1.9"}};
  f.unchecked = {"lvstrace --client 192.168.1.254 --director 10.1.1.9 on 10.1.1.2 shows the route that wins"};
  r.findings.push_back(std::move(f));
  return r;
}

Report no_traffic_report() {
  Report r = both_sides();
  r.verdict = Verdict::unknown;
  r.connections.unrelated = 3;
  r.origin.clear();
  Finding f;
  f.code = 903;
  f.severity = Severity::info;
  f.confidence = Confidence::certain;
  f.title = "No traffic of any service was seen";
  f.cause = "Nothing in these captures was forwarded to a real server, and no service was declared.";
  f.unchecked = {"capture on both sides of the director while a client tries to connect",
                 "name the services with --config or --service"};
  r.findings.push_back(std::move(f));
  return r;
}

Report one_side_report() {
  Report r = both_sides();
  r.verdict = Verdict::ok;
  r.sources.pop_back();
  r.sources[0].dropped = std::nullopt;
  put(r, {});
  r.services[0].connections = r.connections.total = 5;
  r.services[0].undecided = r.connections.undecided = 5;
  r.services[0].without_destination = 5;
  r.services[0].legs = r.connections.legs = {5, 0, 0, 5};
  Finding f;
  f.code = 902;
  f.severity = Severity::info;
  f.confidence = Confidence::certain;
  f.title = "Only the clients' side was captured";
  f.legs = legs("1??4");
  f.cause = "Legs 2 and 3 travel between the director and the real servers; no capture of that side was given.";
  f.unchecked = {"a capture of the director's inside interface, taken at the same time"};
  r.findings.push_back(std::move(f));
  return r;
}

Report hostile_report() {
  static const std::string kHostile =
      "a\x1b[31m|b\nc\x07\xe2\x80\xae"
      "d\xff\"\\'e";
  Report r = wrong_gateway_report();
  r.host = kHostile;
  for (SourceStatistics& s : r.sources) {
    s.name = kHostile;
    s.interface = kHostile;
    s.problem = kHostile;
    s.gaps.push_back({kStart, kStart + kSecond, kHostile});
  }
  Finding& f = r.findings[0];
  f.title = kHostile;
  f.cause = kHostile;
  f.subject = {kHostile, kHostile, kHostile, kHostile, kHostile, kHostile};
  f.evidence[0].text = kHostile;
  f.evidence[0].source = kHostile;
  f.cure[0].command = kHostile;
  f.cure[0].persistent = kHostile;
  f.unchecked = {kHostile};
  f.consequences = {{102, f.subject, 1}};
  r.notes = {kHostile};
  r.services[0].service.scheduler = kHostile;
  return r;
}

}  // namespace lvsnat::test
