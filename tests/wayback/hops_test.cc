// Hop traces through networks that are made up, with redirects that are believed, ignored or never sent.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include "lvsnat/probe.h"
#include "lvsnat/wayback.h"
#include "wire_bytes.h"

namespace lvsnat {
namespace {

using namespace wire_bytes;
using Kind = TraceAnswer::Kind;

const Address kRip = at("192.168.1.2"), kDip = at("192.168.1.9"), kClient = at("192.168.1.254"), kOther = at("192.168.1.1");

/// 192.168.1.2 on eth0 without a route for its network, as the HOWTO wants it; default by 192.168.1.9.
KernelState real_server() {
  KernelState s;
  s.source = "test";
  s.known.addresses = s.known.links = s.known.routes_v4 = s.known.rules_v4 = s.known.neighbours = s.known.exceptions_v4 = true;
  s.known.sysctls = true;
  for (const char* dev : {"all", "eth0"}) {
    for (const char* key : {"accept_redirects", "rp_filter", "forwarding"}) {
      s.sysctls[std::string("net.ipv4.conf.") + dev + "." + key] = "0";
    }
  }
  Link link;
  link.name = "eth0";
  link.up = link.running = true;
  s.links = {link};
  InterfaceAddress address;
  address.dev = "eth0";
  address.address = kRip;
  address.length = 24;
  address.scope = "global";
  s.addresses = {address};
  const auto route = [&s](const char* to, const Address* via) {
    Route r;
    r.destination = *parse_prefix(to);
    r.table = "main";
    NextHop hop;
    if (via != nullptr) hop.gateway = *via;
    hop.dev = "eth0";
    r.nexthops = {hop};
    s.routes.push_back(r);
  };
  route("0.0.0.0/0", &kDip);
  route("192.168.1.9/32", nullptr);
  RoutingRule rule;
  rule.table = "local";
  s.rules = {rule};
  rule.priority = 32766;
  rule.table = "main";
  s.rules.push_back(rule);
  return s;
}

WayBackQuestion question() {
  WayBackQuestion q;
  q.directors = {kDip};
  q.clients = {*parse_prefix("192.168.1.254")};
  return q;
}

using Network = std::function<void(const Probe&, Timestamp, Heard&)>;

HopTrace traced(const Network& network, const Address& rip = kRip, const Address& client = kClient, std::uint16_t port = 80) {
  HopTracer::Options options;
  options.id = 4711;
  options.nonce = 99;
  HopTracer tracer(rip, client, port, options);
  Timestamp before = 0;
  for (Timestamp now = kSecond; now < 120 * kSecond && !tracer.finished(now); now += kSecond / 100) {
    const auto probe = tracer.next(now);
    if (!probe) continue;
    EXPECT_GE(now - before, before == 0 ? 0 : kSecond / 4) << "more than a few a second";
    before = now;
    Heard heard;
    network(*probe, now + kSecond / 1000, heard);
    if (!heard.empty()) tracer.feed(heard.frames());
  }
  return tracer.trace();
}

Bytes expired(const Address& by, const Probe& p) { return error(by, p.source, p.source.is_v4() ? 11 : 3, 0, packet_of(p)); }
/// What the client itself makes of a probe.
Bytes answered(const Probe& p) {
  switch (p.kind) {
    case Probe::Kind::echo:
      return echo(p.destination, p.source, true, p.id, p.sequence, p.nonce);
    case Probe::Kind::udp:
      return error(p.destination, p.source, p.source.is_v4() ? 3 : 1, p.source.is_v4() ? 3 : 4, packet_of(p));
    default:
      return ip(
          p.destination, p.source, 6,
          be16(p.destination_port) + be16(p.source_port) + be32(p.number) + be32(0) + Bytes{0x50, 0x04} + be16(0) + be32(0));
  }
}

/// The director first, then the client.
void healthy(const Probe& p, Timestamp t, Heard& h) {
  if (p.ttl == 1) {
    h.add(t, in, 2, mac(9), expired(p.source.is_v4() ? kDip : at("fd00::9"), p));
  } else {
    h.add(t, in, 2, mac(9), answered(p));
  }
}

std::set<int> codes(const Report& report, Severity least = Severity::warning) {
  std::set<int> out;
  for (const Finding& f : report.findings) {
    if (f.severity >= least) out.insert(f.code);
  }
  return out;
}
Report judged(const HopTrace& trace, const KernelState& state = real_server(), const WayBackQuestion& q = question()) {
  return trace_way_back(&state, q, nullptr, {}, {trace});
}
bool notes_say(const Report& report, const char* what) {
  return std::any_of(report.notes.begin(), report.notes.end(),
                     [what](const std::string& n) { return n.find(what) != std::string::npos; });
}

TEST(HopTracer, TwoHopsInEveryProtocolAndRound) {
  const HopTrace trace = traced(healthy);
  ASSERT_EQ(trace.answers.size(), 4u * 2 * 3);
  std::set<TraceAnswer::Protocol> protocols;
  for (const TraceAnswer& a : trace.answers) {
    protocols.insert(a.protocol);
    EXPECT_EQ(a.kind, a.hop == 1 ? Kind::expired : Kind::reached);
    EXPECT_EQ(a.from, a.hop == 1 ? kDip : kClient);
    EXPECT_EQ(a.mac, mac(9));
    EXPECT_EQ(a.round_trip, kSecond / 1000);
  }
  EXPECT_EQ(protocols.size(), 3u);
  const Report report = judged(trace);
  EXPECT_EQ(codes(report), std::set<int>{});
  EXPECT_EQ(codes(report, Severity::info), std::set<int>{308});
}

TEST(HopTracer, AClientThatDoesNotAnswerIsNormal) {
  const Report report = judged(traced([](const Probe& p, Timestamp t, Heard& h) {
    if (p.ttl == 1) healthy(p, t, h);
  }));
  EXPECT_EQ(codes(report, Severity::info), std::set<int>{});
  EXPECT_EQ(report.verdict, Verdict::ok);
  EXPECT_TRUE(notes_say(report, "normal in production"));
}

TEST(HopTracer, OneHop) {
  const Report report = judged(traced([](const Probe& p, Timestamp t, Heard& h) { h.add(t, in, 2, mac(0xfe), answered(p)); }));
  ASSERT_EQ(codes(report), std::set<int>{307});
  EXPECT_EQ(report.findings[0].subject.client, "192.168.1.254");
  EXPECT_EQ(report.findings[0].subject.gateway, std::nullopt);
}

TEST(HopTracer, ARedirectMovesTheWayInTheSecondRound) {
  bool moved = false;
  const HopTrace trace = traced([&moved](const Probe& p, Timestamp t, Heard& h) {
    if (moved) {
      h.add(t, in, 2, mac(0xfe), answered(p));
      return;
    }
    healthy(p, t, h);
    if (p.ttl == 2 && p.kind == Probe::Kind::tcp) {
      h.add(t, in, 2, mac(9), redirect(kDip, kRip, kClient, packet_of(p)));
      moved = true;
    }
  });
  ASSERT_EQ(trace.redirects.size(), 1u);
  EXPECT_EQ(trace.redirects[0].from, kDip);
  EXPECT_EQ(trace.redirects[0].gateway, kClient);
  EXPECT_EQ(trace.redirects[0].round, 1u);
  KernelState s = real_server();
  RouteException e;
  e.destination = kClient;
  e.gateway = kClient;
  e.dev = "eth0";
  e.redirected = true;
  e.expires = 295;
  s.exceptions = {e};
  const Report report = judged(trace, s);
  ASSERT_EQ(codes(report), (std::set<int>{304, 307}));
  for (const Finding& f : report.findings) {
    EXPECT_TRUE(std::any_of(f.evidence.begin(), f.evidence.end(), [](const Evidence& x) {
      return x.text.find("redirect: 192.168.1.254") != std::string::npos;
    })) << code_name(f.code);
  }
  const Finding& hop = report.findings.back();
  EXPECT_NE(hop.cause.find("At first the way led by the director"), std::string::npos);
  EXPECT_EQ(codes(report, Severity::info), (std::set<int>{304, 307})) << "reached past the director is no LVS308";
}

TEST(HopTracer, ARedirectThatIsNotBelieved) {
  const Report report = judged(traced([](const Probe& p, Timestamp t, Heard& h) {
    healthy(p, t, h);
    if (p.ttl == 2) h.add(t, in, 2, mac(9), redirect(kDip, kRip, kClient, packet_of(p)));
  }));
  EXPECT_EQ(codes(report), std::set<int>{});
  EXPECT_TRUE(notes_say(report, "not followed"));
}

TEST(HopTracer, AnotherRouterFirst) {
  KernelState s = real_server();
  s.routes[0].nexthops[0].gateway = kOther;
  const HopTrace trace = traced([](const Probe& p, Timestamp t, Heard& h) {
    if (p.ttl == 1) h.add(t, in, 2, mac(1), expired(kOther, p));
  });
  const Report report = judged(trace, s);
  ASSERT_TRUE(codes(report).contains(307));
  EXPECT_TRUE(codes(report).contains(301));
  for (const Finding& f : report.findings) {
    if (f.code == 307) {
      EXPECT_EQ(f.subject.gateway, "192.168.1.1");
    }
  }
}

TEST(HopTracer, AnotherAddressOfTheDirectorIsTheDirector) {
  const auto by = [](const Address& address, unsigned last) {
    return traced([=](const Probe& p, Timestamp t, Heard& h) {
      if (p.ttl == 1) h.add(t, in, 2, mac(last), expired(address, p));
    });
  };
  // By its MAC.
  KernelState s = real_server();
  Neighbour n;
  n.dev = "eth0";
  n.state = "REACHABLE";
  n.address = kDip;
  n.mac = mac(9);
  s.neighbours = {n};
  const Report by_mac = judged(by(at("192.168.1.110"), 9), s);
  EXPECT_EQ(codes(by_mac), std::set<int>{});
  EXPECT_TRUE(notes_say(by_mac, "192.168.1.110, the director"));
  // A virtual router answers with its own MAC and address: the route still leads to the director.
  const Report report = judged(by(at("192.168.1.10"), 0x10), s);
  EXPECT_EQ(codes(report), std::set<int>{});
  EXPECT_TRUE(notes_say(report, "another address of it"));
  // By declaration.
  WayBackQuestion q = question();
  q.directors.push_back(at("192.168.1.10"));
  EXPECT_TRUE(notes_say(judged(by(at("192.168.1.10"), 0x10), s, q), "192.168.1.10, the director"));
}

TEST(HopTracer, WithoutADirectorNobodyIsAccused) {
  WayBackQuestion q = question();
  q.directors.clear();
  KernelState s = real_server();
  s.routes.push_back(s.routes[0]);
  s.routes.back().destination = *parse_prefix("172.16.0.0/12");
  s.routes.back().nexthops[0].gateway = kOther;
  const Report report = judged(traced([](const Probe& p, Timestamp t, Heard& h) {
                                 if (p.ttl == 1) h.add(t, in, 2, mac(9), expired(kDip, p));
                               }),
                               s, q);
  EXPECT_FALSE(codes(report, Severity::info).contains(307));
  EXPECT_TRUE(notes_say(report, "is that the director?"));
}

TEST(HopTracer, SilenceSaysNothing) {
  const HopTrace trace = traced([](const Probe&, Timestamp, Heard&) {});
  EXPECT_LE(trace.answers.size(), 30u) << "a way that does not answer is not followed to its end";
  const Report report = judged(trace);
  EXPECT_EQ(codes(report, Severity::info), std::set<int>{});
  EXPECT_TRUE(notes_say(report, "says nothing"));
}

TEST(HopTracer, WhatIsNotOursIsNoAnswer) {
  const HopTrace trace = traced([](const Probe& p, Timestamp t, Heard& h) {
    Probe q = p;
    q.id = static_cast<std::uint16_t>(q.id + 1);
    q.number += 1U << 16;
    q.destination_port = p.kind == Probe::Kind::udp ? 53 : q.destination_port;
    h.add(t, in, 2, mac(9), expired(kDip, q));  // somebody else's traceroute
    h.add(t, in, 2, mac(9), answered(q));
    h.add(t, Way::out, 2, mac(2), answered(p));  // our own kernel
    Probe r = p;
    r.destination = kOther;
    h.add(t, in, 2, mac(9), expired(kDip, r));  // to another client
    h.add(t, in, 2, mac(9), redirect(kDip, kRip, kOther, packet_of(r)));
  });
  for (const TraceAnswer& a : trace.answers) EXPECT_EQ(a.kind, Kind::none) << name(a.protocol);
  EXPECT_TRUE(trace.redirects.empty());
}

TEST(HopTracer, CutPacketsAreHarmless) {
  traced([](const Probe& p, Timestamp t, Heard& h) {
    const Bytes whole = expired(kDip, p);
    for (std::size_t size = 1; size < whole.size(); ++size)
      h.add(t, in, 2, mac(9), Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), 0x0800);
  });
}

TEST(HopTracer, NothingThatTheKernelRefusesIsRepeatedForEver) {
  HopTracer tracer(kRip, kClient, 0, {});
  std::size_t sent = 0;
  for (Timestamp now = kSecond; now < 120 * kSecond && !tracer.finished(now); now += kSecond / 100) {
    const auto probe = tracer.next(now);
    if (!probe) continue;
    EXPECT_NE(probe->kind, Probe::Kind::tcp) << "no port was told";
    ++sent;
    tracer.refused(*probe, "Network is unreachable");
  }
  EXPECT_LE(sent, 8u);
  EXPECT_TRUE(notes_say(judged(tracer.trace()), "Network is unreachable"));
}

TEST(HopTracer, TcpLooksLikeAReplyOfTheServiceAndDisturbsNoConnection) {
  HopTracer tracer(kRip, kClient, 80, {});
  for (Timestamp now = kSecond; now < 20 * kSecond; now += kSecond / 100) {
    const auto probe = tracer.next(now);
    if (!probe || probe->kind != Probe::Kind::tcp) continue;
    EXPECT_EQ(probe->source_port, 80);
    EXPECT_EQ(probe->destination_port, 9) << "no client connects from there";
  }
}

TEST(HopTracer, Ipv6WithRedirect) {
  const Address rip = at("fd00::2"), dip = at("fd00::9"), client = at("fd00::254");
  bool moved = false;
  const HopTrace trace = traced(
      [&](const Probe& p, Timestamp t, Heard& h) {
        if (moved) {
          h.add(t, in, 2, mac(0xfe), answered(p));
          return;
        }
        healthy(p, t, h);
        if (p.ttl == 2) {
          h.add(t, in, 2, mac(9), nd_redirect(at("fe80::9"), rip, client, client));
          moved = true;
        }
      },
      rip, client);
  ASSERT_EQ(trace.redirects.size(), 1u);
  EXPECT_EQ(trace.redirects[0].gateway, client);
  EXPECT_EQ(trace.answers.front().from, dip);
  EXPECT_EQ(trace.answers.back().kind, Kind::reached);
  EXPECT_EQ(trace.answers.back().hop, 2u);
  EXPECT_TRUE(std::any_of(trace.answers.begin(), trace.answers.end(),
                          [](const TraceAnswer& a) { return a.hop == 1 && a.kind == Kind::reached; }));
}

TEST(HopPlan, WhomToTraceTo) {
  const KernelState s = real_server();
  const auto one = traces_to_make(s, question(), 7);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0], std::pair(kRip, kClient));
  WayBackQuestion q = question();
  q.clients = {*parse_prefix("10.0.0.0/8")};
  EXPECT_EQ(traces_to_make(s, q, 7)[0].second, at("10.0.0.1"));
  q.clients.clear();
  EXPECT_TRUE(parse_prefix("203.0.113.0/24")->contains(traces_to_make(s, q, 7)[0].second));
  EXPECT_NE(traces_to_make(s, q, 7), traces_to_make(s, q, 8));
  q.clients = {*parse_prefix("fd00::1")};
  EXPECT_TRUE(traces_to_make(s, q, 7).empty()) << "this host has no IPv6";
}

}  // namespace
}  // namespace lvsnat
