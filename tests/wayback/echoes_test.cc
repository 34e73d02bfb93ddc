// The way-back test against networks that are made up: who answers whom, and what is made of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include "lvsnat/probe.h"
#include "lvsnat/render.h"
#include "wire_bytes.h"

namespace lvsnat {
namespace {

using namespace wire_bytes;
using Outcome = WayBackResult::Outcome;
using Client = WayBackResult::Client;

constexpr std::uint32_t kOutside = 2, kInside = 3;
constexpr std::uint64_t kNonce = 0x0123456789abcdef;

KernelState director(bool v6 = false) {
  KernelState s;
  s.source = "test";
  s.known.addresses = s.known.links = s.known.routes_v4 = s.known.routes_v6 = s.known.rules_v4 = s.known.rules_v6 = true;
  s.known.sysctls = s.known.neighbours = s.known.exceptions_v4 = s.known.exceptions_v6 = true;
  const auto link = [&](const char* name, std::uint32_t index, unsigned last) {
    Link l;
    l.name = name;
    l.index = index;
    l.up = l.running = true;
    l.mac = mac(last);
    s.links.push_back(l);
  };
  link("eth0", kOutside, 1);
  link("eth1", kInside, 9);
  const auto address = [&](const char* dev, const char* text, std::uint8_t length) {
    InterfaceAddress a;
    a.dev = dev;
    a.address = at(text);
    a.length = length;
    a.scope = "global";
    s.addresses.push_back(a);
    Route r;
    r.v6 = !a.address.is_v4();
    r.destination = {a.address, length};
    for (unsigned bit = length + (r.v6 ? 0U : 96U); bit < 128; ++bit)
      r.destination.address.bytes[bit / 8] =
          static_cast<std::uint8_t>(r.destination.address.bytes[bit / 8] & ~(0x80U >> bit % 8));
    r.table = "main";
    NextHop hop;
    hop.dev = dev;
    r.nexthops = {hop};
    s.routes.push_back(r);
  };
  address("eth0", v6 ? "fd00:1::1" : "192.168.1.1", v6 ? 64 : 24);
  address("eth1", v6 ? "fd00:10::9" : "10.1.1.9", v6 ? 64 : 24);
  for (const auto& [priority, table] : {std::pair{0U, "local"}, std::pair{32766U, "main"}}) {
    RoutingRule rule;
    rule.priority = priority;
    rule.table = table;
    rule.v6 = v6;
    s.rules.push_back(rule);
  }
  for (const char* dev : {"all", "eth0", "eth1"}) {
    s.sysctls[std::string("net.ipv4.conf.") + dev + ".forwarding"] = "1";
    s.sysctls[std::string("net.ipv4.conf.") + dev + ".send_redirects"] = "0";
    s.sysctls[std::string("net.ipv4.conf.") + dev + ".shared_media"] = "1";
    s.sysctls[std::string("net.ipv4.conf.") + dev + ".rp_filter"] = "0";
  }
  s.sysctls["net.ipv4.ip_forward"] = "1";
  return s;
}

WayBackAttempt attempt(const char* rip, const char* client = "203.0.113.7", Client kind = Client::example) {
  WayBackAttempt a;
  a.rip = at(rip);
  a.client = at(client);
  a.kind = kind;
  a.interface = "eth1";
  a.own = at(a.rip.is_v4() ? "10.1.1.9" : "fd00:10::9");
  a.own_mac = mac(9);
  return a;
}

/// What the network makes of a probe; the probe itself is seen to leave unless `leaves` says otherwise.
using Network = std::function<void(const Probe&, Timestamp, Heard&)>;

struct Outing {
  std::vector<WayBackResult> results;
  std::vector<std::pair<Timestamp, Probe>> sent;
};

Outing run(std::vector<WayBackAttempt> attempts, const Network& network, bool leaves = true, Timestamp until = 60 * kSecond) {
  WayBackTest::Options options;
  options.id = 4711;
  options.nonce = kNonce;
  const std::set<Address> own{at("10.1.1.9"), at("192.168.1.1"), at("fd00:10::9"), at("fd00:1::1")};
  WayBackTest test(std::move(attempts), own, {{kOutside, "eth0"}, {kInside, "eth1"}}, options);
  Outing out;
  for (Timestamp now = kSecond; now < until && !test.finished(now); now += kSecond / 100) {
    const auto probe = test.next(now);
    if (!probe) continue;
    out.sent.emplace_back(now, *probe);
    Heard heard;
    if (leaves && probe->kind == Probe::Kind::echo) heard.add(now, Way::out, kInside, mac(9), packet_of(*probe));
    network(*probe, now + kSecond / 1000, heard);
    test.feed(heard.frames());
  }
  out.results = test.results();
  return out;
}

Bytes reply_to(const Probe& p, unsigned ttl = 64) { return echo(p.destination, p.source, true, p.id, p.sequence, p.nonce, ttl); }
bool foreign(const Probe& p) { return p.source != at("10.1.1.9") && p.source != at("fd00:10::9"); }

Report judged(const Outing& r, const KernelState& state) { return judge_way_back(&state, {}, r.results); }
std::set<int> codes(const Report& report, Severity least = Severity::warning) {
  std::set<int> out;
  for (const Finding& f : report.findings) {
    if (f.severity >= least) out.insert(f.code);
  }
  return out;
}

TEST(WayBackTest, OneReplyIsEnough) {
  const Outing r =
      run({attempt("10.1.1.2")}, [](const Probe& p, Timestamp t, Heard& h) { h.add(t, in, kInside, mac(2), reply_to(p)); });
  ASSERT_EQ(r.results.size(), 1u);
  EXPECT_EQ(r.results[0].outcome, Outcome::returned);
  EXPECT_EQ(r.results[0].came_by, std::set<std::string>{"eth1"});
  EXPECT_EQ(r.sent.size(), 1u);
  const Report report = judged(r, director());
  EXPECT_EQ(report.verdict, Verdict::ok);
  EXPECT_TRUE(report.findings.empty());
  EXPECT_FALSE(report.notes.empty()) << "the limits are part of the answer";
}

TEST(WayBackTest, SilenceOfOneThatIsAlive) {
  const Outing r = run({attempt("10.1.1.2"), attempt("10.1.1.3")}, [](const Probe& p, Timestamp t, Heard& h) {
    if (p.kind == Probe::Kind::echo && (p.destination == at("10.1.1.2") || !foreign(p)))
      h.add(t, in, kInside, mac(3), reply_to(p));
    if (p.kind == Probe::Kind::neighbour) h.add(t, in, kInside, mac(3), arp(false, at("10.1.1.3"), mac(3), at("10.1.1.9")));
  });
  EXPECT_EQ(r.results[0].outcome, Outcome::returned);
  ASSERT_EQ(r.results[1].outcome, Outcome::silent);
  EXPECT_EQ(r.results[1].tries, 3u);
  EXPECT_EQ(r.results[1].own_answers, 3u);
  const Report report = judged(r, director());
  ASSERT_EQ(report.findings.size(), 1u);
  const Finding& f = report.findings[0];
  EXPECT_EQ(f.code, 214);
  EXPECT_EQ(f.severity, Severity::error);
  EXPECT_EQ(f.confidence, Confidence::likely);
  EXPECT_EQ(f.subject.real_server, "10.1.1.3");
  EXPECT_EQ(f.subject.client, std::nullopt);
  EXPECT_FALSE(f.unchecked.empty());
  ASSERT_FALSE(f.cure.empty());
  EXPECT_NE(f.cure[0].command.find("default via 10.1.1.9"), std::string::npos);
  EXPECT_EQ(exit_status(report), 2);
}

TEST(WayBackTest, NeverMoreThanAFewASecond) {
  std::vector<WayBackAttempt> many;
  for (int i = 2; i < 40; ++i) many.push_back(attempt(("10.1.1." + std::to_string(i)).c_str()));
  const Outing r = run(
      many, [](const Probe&, Timestamp, Heard&) {}, true, 600 * kSecond);
  for (std::size_t i = 1; i < r.sent.size(); ++i) ASSERT_GE(r.sent[i].first - r.sent[i - 1].first, kSecond / 4);
  std::set<std::uint16_t> sequences;
  for (const auto& [time, probe] : r.sent) EXPECT_TRUE(sequences.insert(probe.sequence).second);
  EXPECT_TRUE(std::all_of(r.results.begin(), r.results.end(), [](const WayBackResult& x) { return x.outcome == Outcome::down; }));
}

TEST(WayBackTest, AHostThatIsDownIsNotAccusedOfItsRoutes) {
  const Outing r = run(
      {attempt("10.1.1.3")}, [](const Probe&, Timestamp, Heard&) {}, false);
  EXPECT_EQ(r.results[0].outcome, Outcome::down);
  EXPECT_EQ(codes(judged(r, director())), std::set<int>{107});
}

TEST(WayBackTest, OneThatAnswersNoEchoAtAllIsNotJudged) {
  const Outing r = run({attempt("10.1.1.3")}, [](const Probe& p, Timestamp t, Heard& h) {
    if (p.kind == Probe::Kind::neighbour) h.add(t, in, kInside, mac(3), arp(false, at("10.1.1.3"), mac(3), at("10.1.1.9")));
  });
  EXPECT_EQ(r.results[0].outcome, Outcome::mute);
  const Report report = judged(r, director());
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(report.verdict, Verdict::unknown);
}

TEST(WayBackTest, AReplyToAnotherMacIsProof) {
  const Outing r = run({attempt("10.1.1.3")}, [](const Probe& p, Timestamp t, Heard& h) {
    if (p.kind == Probe::Kind::echo) h.add(t, foreign(p) ? other_host : in, kInside, mac(3), reply_to(p));
  });
  EXPECT_EQ(r.results[0].outcome, Outcome::past);
  const Report report = judged(r, director());
  ASSERT_EQ(codes(report), std::set<int>{214});
  EXPECT_EQ(report.findings[0].confidence, Confidence::certain);
}

TEST(WayBackTest, AVirtualMacOnTopIsThisDirector) {
  // A frame for a macvlan's MAC is another host's for the device below it.
  const Outing r = run({attempt("10.1.1.2")}, [](const Probe& p, Timestamp t, Heard& h) {
    h.add(t, other_host, kInside, mac(2), reply_to(p));
    h.add(t, in, kInside, mac(2), reply_to(p));
  });
  EXPECT_EQ(r.results[0].outcome, Outcome::returned);
}

TEST(WayBackTest, AQuestionForTheClientIsProof) {
  const Outing r = run({attempt("192.168.1.4", "192.168.1.200", Client::given)}, [](const Probe& p, Timestamp t, Heard& h) {
    if (p.kind != Probe::Kind::echo) return;
    if (foreign(p)) {
      h.add(t, broadcast, kInside, mac(4), arp(true, at("192.168.1.4"), mac(4), at("192.168.1.200")));
    } else {
      h.add(t, in, kInside, mac(4), reply_to(p));
    }
  });
  ASSERT_EQ(r.results[0].outcome, Outcome::silent);
  EXPECT_TRUE(r.results[0].asks_for_client);
  const Report report = judged(r, director());
  ASSERT_EQ(codes(report, Severity::error), std::set<int>{214});
  EXPECT_EQ(report.findings[0].confidence, Confidence::certain);
  EXPECT_EQ(report.findings[0].subject.client, "192.168.1.200");
}

TEST(WayBackTest, ANetworkWithoutKnownClientsIsNoError) {
  // The default route is right, the VIP's network is answered directly.
  const auto network = [](const Probe& p, Timestamp t, Heard& h) {
    if (p.kind == Probe::Kind::echo && p.source != at("192.168.1.253")) h.add(t, in, kInside, mac(3), reply_to(p));
  };
  const Outing r = run({attempt("10.1.1.3"), attempt("10.1.1.3", "192.168.1.253", Client::neighbour)}, network);
  ASSERT_EQ(r.results[0].outcome, Outcome::returned);
  ASSERT_EQ(r.results[1].outcome, Outcome::silent);
  KernelState s = director();
  Report report = judged(r, s);
  EXPECT_EQ(report.verdict, Verdict::warning);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].confidence, Confidence::possible);
  EXPECT_FALSE(report.findings[0].unchecked.empty());
  // A client was seen there.
  IpvsConnection c;
  c.client = {at("192.168.1.77"), 40000};
  s.ipvs.connections.push_back(c);
  report = judged(r, s);
  EXPECT_EQ(report.verdict, Verdict::error);
}

TEST(WayBackTest, ARealServerWithoutAnyWayBackIsOneFinding) {
  const Outing r = run({attempt("10.1.1.3"), attempt("10.1.1.3", "192.168.1.253", Client::neighbour)},
                       [](const Probe& p, Timestamp t, Heard& h) {
                         if (p.kind == Probe::Kind::echo && !foreign(p)) h.add(t, in, kInside, mac(3), reply_to(p));
                       });
  EXPECT_EQ(judged(r, director()).findings.size(), 1u);
}

TEST(WayBackTest, FullNatSaysNothing) {
  WayBackTest::Options options;
  options.id = 4711;
  options.nonce = kNonce;
  WayBackTest test({attempt("10.1.1.2")}, {at("10.1.1.9")}, {{kInside, "eth1"}}, options);
  for (Timestamp now = kSecond; now < 20 * kSecond; now += kSecond / 100) {
    auto probe = test.next(now);
    if (!probe || probe->kind != Probe::Kind::echo) continue;
    Probe as = *probe;
    as.source = at("10.1.1.9");
    Heard h;
    h.add(now, Way::out, kInside, mac(9), packet_of(as)).add(now + 1000, in, kInside, mac(2), reply_to(as));
    test.feed(h.frames());
  }
  ASSERT_EQ(test.results()[0].outcome, Outcome::translated);
  const KernelState s = director();
  const Report report = judge_way_back(&s, {}, test.results());
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(report.verdict, Verdict::unknown);
}

TEST(WayBackTest, WhereClientsAreHiddenRoutesDoNotMatter) {
  const Outing r = run({attempt("10.1.1.2")}, [](const Probe& p, Timestamp t, Heard& h) {
    if (p.kind == Probe::Kind::echo && !foreign(p)) h.add(t, in, kInside, mac(2), reply_to(p));
  });
  ASSERT_EQ(r.results[0].outcome, Outcome::silent);
  KernelState s = director();
  s.ipvs.present = true;
  Service service;
  service.vip = at("192.168.1.1");
  service.port = 80;
  Destination d;
  d.rip = at("10.1.1.2");
  d.port = 80;
  d.method = Method::masq;
  service.destinations = {d};
  s.ipvs.services = {service};
  Route local;
  local.destination = *parse_prefix("192.168.1.1/32");
  local.type = RouteType::local;
  local.table = "local";
  NextHop hop;
  hop.dev = "eth0";
  local.nexthops = {hop};
  s.routes.push_back(local);
  // Nobody read the rules, and they could hide clients.
  s.sysctls["net.ipv4.vs.conntrack"] = "1";
  Report report = judged(r, s);
  EXPECT_EQ(report.verdict, Verdict::warning);
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].confidence, Confidence::possible);
  // They do, for TCP alone.
  s.known.nft_text = true;
  s.nft_text =
      "table ip nat {\n chain postrouting {\n  type nat hook postrouting priority srcnat; policy accept;\n"
      "  oifname \"eth1\" ip daddr 10.1.1.0/24 tcp dport 80 masquerade\n }\n}\n";
  report = judged(r, s);
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(report.verdict, Verdict::ok);
  // They do not.
  s.nft_text = "table ip nat {\n chain postrouting {\n  type nat hook postrouting priority srcnat; policy accept;\n }\n}\n";
  EXPECT_EQ(judged(r, s).verdict, Verdict::error);
  // They cannot.
  s.known.nft_text = false;
  s.sysctls["net.ipv4.vs.conntrack"] = "0";
  EXPECT_EQ(judged(r, s).verdict, Verdict::error);
}

TEST(WayBackTest, ANoByItselfNeedsTheSameWay) {
  const Outing r = run({attempt("10.1.1.2")}, [](const Probe& p, Timestamp t, Heard& h) {
    if (p.kind == Probe::Kind::echo) h.add(t, in, kInside, mac(2), error(p.destination, p.source, 3, 13, packet_of(p)));
  });
  EXPECT_EQ(r.results[0].outcome, Outcome::returned);
  EXPECT_TRUE(r.results[0].refused);
}

TEST(WayBackTest, WhatIsNotOursIsNoAnswer) {
  for (const int what : {0, 1, 2, 3}) {
    const Outing r = run({attempt("10.1.1.2")}, [what](const Probe& p, Timestamp t, Heard& h) {
      if (p.kind != Probe::Kind::echo) return;
      if (!foreign(p)) {
        h.add(t, in, kInside, mac(2), reply_to(p));
        return;
      }
      const auto rip = what == 0 ? at("10.1.1.3") : p.destination;
      h.add(t, in, kInside, mac(2),
            echo(rip, p.source, true, what == 1 ? p.id + 1U : p.id, what == 2 ? p.sequence + 100U : p.sequence,
                 what == 3 ? p.nonce + 1 : p.nonce));
    });
    EXPECT_EQ(r.results[0].outcome, Outcome::silent) << what;
  }
}

TEST(WayBackTest, WhatNeverLeftAccusesNobody) {
  WayBackTest::Options options;
  WayBackTest test({attempt("10.1.1.2")}, {at("10.1.1.9")}, {{kInside, "eth1"}}, options);
  for (Timestamp now = kSecond; now < 20 * kSecond; now += kSecond / 100) {
    if (auto probe = test.next(now)) test.refused(*probe, "this host's own filter drops it");
  }
  ASSERT_EQ(test.results()[0].outcome, Outcome::not_sent);
  const KernelState s = director();
  const Report report = judge_way_back(&s, {}, test.results());
  EXPECT_EQ(report.verdict, Verdict::unknown);
  EXPECT_TRUE(std::any_of(report.notes.begin(), report.notes.end(),
                          [](const std::string& n) { return n.find("own filter") != std::string::npos; }));
}

TEST(WayBackTest, AnInterruptedTestAccusesNobody) {
  const Outing r = run(
      {attempt("10.1.1.2"), attempt("10.1.1.3")},
      [](const Probe& p, Timestamp t, Heard& h) {
        if (!foreign(p) && p.kind == Probe::Kind::echo) h.add(t, in, kInside, mac(2), reply_to(p));
      },
      true, 3 * kSecond);
  for (const WayBackResult& x : r.results) EXPECT_EQ(x.outcome, Outcome::untested);
  EXPECT_TRUE(judged(r, director()).findings.empty());
}

TEST(WayBackTest, ByAnotherInterfaceIsAWarning) {
  const Outing r = run({attempt("10.1.1.2")},
                       [](const Probe& p, Timestamp t, Heard& h) { h.add(t, in, kOutside, mac(0xfe), reply_to(p, 63)); });
  EXPECT_EQ(r.results[0].outcome, Outcome::elsewhere);
  const Report report = judged(r, director());
  EXPECT_EQ(report.verdict, Verdict::warning);
  EXPECT_EQ(report.findings[0].confidence, Confidence::possible);
}

TEST(WayBackTest, Ipv6) {
  const Outing r = run({attempt("fd00:10::2", "2001:db8:ff::7"), attempt("fd00:10::3", "2001:db8:ff::7")},
                       [](const Probe& p, Timestamp t, Heard& h) {
                         if (p.kind == Probe::Kind::neighbour) {
                           h.add(t, in, kInside, mac(3), nd(false, p.destination, p.source, p.destination, mac(3)));
                         } else if (p.destination == at("fd00:10::2") || !foreign(p)) {
                           h.add(t, in, kInside, mac(3), reply_to(p));
                         } else {
                           h.add(t, in, kInside, mac(3), nd(true, p.destination, at("ff02::1:ff00:7"), p.source, mac(3)));
                         }
                       });
  EXPECT_EQ(r.results[0].outcome, Outcome::returned);
  EXPECT_EQ(r.results[1].outcome, Outcome::silent);
  EXPECT_TRUE(r.results[1].asks_for_client);
  const Report report = judged(r, director(true));
  ASSERT_EQ(report.findings.size(), 1u);
  EXPECT_EQ(report.findings[0].confidence, Confidence::certain);
}

// ---- the plan

Service service(const char* vip, std::initializer_list<const char*> rips, Method method = Method::masq) {
  Service s;
  s.vip = at(vip);
  s.v6 = !s.vip.is_v4();
  s.port = 80;
  for (const char* rip : rips) {
    Destination d;
    d.rip = at(rip);
    d.method = method;
    s.destinations.push_back(d);
  }
  return s;
}

TEST(WayBackPlan, EachRealServerFromAfarAndFromTheVipsNetwork) {
  const KernelState s = director();
  std::vector<std::string> untested;
  const auto plan = plan_way_back(s, {service("192.168.1.110", {"10.1.1.3", "10.1.1.2"}), service("192.168.1.111", {"10.1.1.2"})},
                                  {}, {}, 12345, untested);
  EXPECT_TRUE(untested.empty());
  ASSERT_EQ(plan.size(), 4u);
  EXPECT_EQ(plan[0].rip, at("10.1.1.2"));
  EXPECT_EQ(plan[0].kind, Client::example);
  EXPECT_TRUE(parse_prefix("203.0.113.0/24")->contains(plan[0].client));
  EXPECT_EQ(plan[0].interface, "eth1");
  EXPECT_EQ(plan[0].own, at("10.1.1.9"));
  EXPECT_EQ(plan[0].own_mac, mac(9));
  EXPECT_EQ(plan[1].kind, Client::neighbour);
  EXPECT_TRUE(parse_prefix("192.168.1.0/24")->contains(plan[1].client));
  // Another run asks in another name.
  const auto again = plan_way_back(s, {service("192.168.1.110", {"10.1.1.2"})}, {}, {}, 12346, untested);
  EXPECT_NE(again[0].client, plan[0].client);
}

TEST(WayBackPlan, WhoIsLeftOutAndWhy) {
  const KernelState s = director();
  std::vector<std::string> untested;
  EXPECT_TRUE(plan_way_back(s, {service("192.168.1.110", {"10.1.1.2"}, Method::route)}, {}, {}, 1, untested).empty());
  EXPECT_TRUE(plan_way_back(s, {service("192.168.1.110", {"10.1.1.9", "172.16.0.1"})}, {}, {}, 1, untested).empty());
  EXPECT_EQ(untested.size(), 3u);
  // Named ones are tested whatever their method.
  EXPECT_FALSE(
      plan_way_back(s, {service("192.168.1.110", {"10.1.1.2"}, Method::route)}, {at("10.1.1.2")}, {}, 1, untested).empty());
  const auto own = plan_way_back(s, {}, {at("10.1.1.2")}, {at("192.168.1.1")}, 1, untested);
  EXPECT_TRUE(own.empty());
}

TEST(WayBackPlan, NobodyIsRedirectedByATest) {
  KernelState s = director();
  // Client and real server on one wire: the reply would be forwarded out of the device that it came in by.
  std::vector<std::string> untested;
  EXPECT_EQ(plan_way_back(s, {}, {at("10.1.1.2")}, {at("10.1.1.200")}, 1, untested).size(), 1u);
  s.sysctls["net.ipv4.conf.eth1.send_redirects"] = "1";
  EXPECT_TRUE(plan_way_back(s, {}, {at("10.1.1.2")}, {at("10.1.1.200")}, 1, untested).empty());
  ASSERT_EQ(untested.size(), 1u);
  EXPECT_NE(untested[0].find("LVS202"), std::string::npos);
  // Nor in the name of somebody on that wire, whose address would be the same in the next test.
  untested.clear();
  const auto plan = plan_way_back(s, {service("10.1.1.110", {"10.1.1.2"})}, {}, {}, 1, untested);
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_EQ(plan[0].kind, Client::example);
  ASSERT_EQ(untested.size(), 1u);
  EXPECT_NE(untested[0].find("LVS202"), std::string::npos);
}

TEST(WayBackPlan, DocumentationNetworksInUseAreNotUsed) {
  KernelState s = director();
  Route r;
  r.destination = *parse_prefix("203.0.113.0/24");
  r.table = "main";
  NextHop hop;
  hop.dev = "eth0";
  hop.gateway = at("192.168.1.254");
  r.nexthops = {hop};
  s.routes.push_back(r);
  std::vector<std::string> untested;
  const auto plan = plan_way_back(s, {}, {at("10.1.1.2")}, {}, 1, untested);
  ASSERT_EQ(plan.size(), 1u);
  EXPECT_TRUE(parse_prefix("198.51.100.0/24")->contains(plan[0].client));
}

}  // namespace
}  // namespace lvsnat
