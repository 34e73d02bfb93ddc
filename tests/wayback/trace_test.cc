// The way back worked out from tables alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "lvsnat/wayback.h"
#include "wayback/way.h"

namespace lvsnat {
namespace {

Address at(const char* text) { return *parse_address(text); }
Prefix net(const char* text) { return *parse_prefix(text); }

Route route(const char* destination, const char* via, const char* dev, const char* table = "main", std::uint32_t metric = 0) {
  Route r;
  r.destination = net(destination);
  r.v6 = !r.destination.address.is_v4();
  r.table = table;
  r.metric = metric;
  NextHop hop;
  if (*via != '\0') hop.gateway = at(via);
  hop.dev = dev;
  r.nexthops = {hop};
  return r;
}

/// 10.1.1.2/24 on eth0, default by the director 10.1.1.9.
KernelState real_server() {
  KernelState s;
  s.source = "test";
  s.known.addresses = s.known.links = s.known.routes_v4 = s.known.rules_v4 = s.known.neighbours = s.known.exceptions_v4 = true;
  s.known.sysctls = true;
  for (const char* dev : {"all", "eth0", "eth1"}) {
    const std::string conf = std::string("net.ipv4.conf.") + dev + ".";
    for (const char* key : {"accept_redirects", "rp_filter", "forwarding", "accept_local", "send_redirects"})
      s.sysctls[conf + key] = "0";
    s.sysctls[conf + "shared_media"] = s.sysctls[conf + "secure_redirects"] = "1";
  }
  Link link;
  link.name = "eth0";
  link.up = link.running = true;
  s.links = {link};
  InterfaceAddress address;
  address.dev = "eth0";
  address.address = at("10.1.1.2");
  address.length = 24;
  address.scope = "global";
  s.addresses = {address};
  s.routes = {route("0.0.0.0/0", "10.1.1.9", "eth0"), route("10.1.1.0/24", "", "eth0")};
  Route own = route("10.1.1.2/32", "", "eth0", "local");
  own.type = RouteType::local;
  s.routes.push_back(own);
  RoutingRule rule;
  rule.table = "local";
  s.rules = {rule};
  rule.priority = 32766;
  rule.table = "main";
  s.rules.push_back(rule);
  return s;
}

WayBackQuestion ask(std::initializer_list<const char*> clients = {}) {
  WayBackQuestion q;
  q.directors = {at("10.1.1.9")};
  for (const char* client : clients) q.clients.push_back(net(client));
  return q;
}

std::set<int> codes(const Report& report, Severity least = Severity::error) {
  std::set<int> out;
  for (const Finding& f : report.findings) {
    if (f.severity >= least) out.insert(f.code);
  }
  return out;
}

TEST(WayBack, ByTheDirectorIsHealthy) {
  const KernelState s = real_server();
  for (const auto& q : {ask(), ask({"192.168.1.254"}), ask({"192.168.0.0/16"})}) {
    const Report report = trace_way_back(&s, q);
    EXPECT_TRUE(report.findings.empty());
    EXPECT_EQ(report.verdict, Verdict::ok);
    ASSERT_FALSE(report.reply_ways.empty());
    EXPECT_EQ(report.reply_ways[0].way, ReplyWay::Way::director);
    EXPECT_EQ(report.reply_ways[0].gateway, at("10.1.1.9"));
    EXPECT_EQ(report.reply_ways[0].code, 0);
  }
}

TEST(WayBack, AnotherGateway) {
  KernelState s = real_server();
  s.routes[0].nexthops[0].gateway = at("10.1.1.1");
  const Report report = trace_way_back(&s, ask({"192.168.1.254"}));
  ASSERT_EQ(codes(report), std::set<int>{301});
  EXPECT_EQ(report.findings[0].subject.real_server, "10.1.1.2");
  EXPECT_EQ(report.findings[0].subject.gateway, "10.1.1.1");
  EXPECT_EQ(report.findings[0].confidence, Confidence::certain);
  EXPECT_EQ(codes(trace_way_back(&s, ask())), std::set<int>{301});
}

TEST(WayBack, WithoutADirectorNobodyIsAccused) {
  KernelState s = real_server();
  WayBackQuestion q = ask({"192.168.1.254"});
  q.directors.clear();
  Report report = trace_way_back(&s, q);
  EXPECT_TRUE(codes(report, Severity::warning).empty());
  // A way straight to a client of another network is past any director.
  s.routes.push_back(route("192.168.1.0/24", "", "eth0"));
  report = trace_way_back(&s, q);
  EXPECT_EQ(codes(report), std::set<int>{303});
}

TEST(WayBack, TheMacOfADirectorMakesADirector) {
  KernelState s = real_server();
  s.routes[0].nexthops[0].gateway = at("10.1.1.8");
  Neighbour n;
  n.dev = "eth0";
  n.state = "REACHABLE";
  n.mac = *parse_mac("02:00:00:00:00:09");
  n.address = at("10.1.1.8");
  s.neighbours = {n};
  n.address = at("10.1.1.9");
  s.neighbours.push_back(n);
  EXPECT_TRUE(codes(trace_way_back(&s, ask({"192.168.1.254"}))).empty());
  s.neighbours.back().mac = *parse_mac("02:00:00:00:00:0a");
  EXPECT_EQ(codes(trace_way_back(&s, ask({"192.168.1.254"}))), std::set<int>{301});
}

TEST(WayBack, EveryClientPrefixIsNamed) {
  KernelState s = real_server();
  s.routes.push_back(route("192.168.1.0/24", "", "eth1"));
  s.routes.push_back(route("172.16.0.0/12", "10.1.1.1", "eth0"));
  s.routes.push_back(route("172.20.0.0/16", "10.1.1.9", "eth0"));
  const Report report = trace_way_back(&s, ask());
  EXPECT_TRUE(codes(report).empty()) << "nobody said that there are clients";
  EXPECT_EQ(codes(report, Severity::warning), (std::set<int>{301, 303}));
  bool complete = true;
  const WayBackQuestion q = ask();
  const auto directors = wayback::find_directors(s, q, nullptr);
  std::set<std::string> past;
  for (const wayback::Piece& piece : wayback::ways_of(s, directors, q, at("10.1.1.2"), Prefix{Address::v4(0), 0}, complete)) {
    if (piece.way.kind == wayback::WayKind::gateway || piece.way.kind == wayback::WayKind::direct)
      past.insert(to_string(piece.clients));
  }
  EXPECT_TRUE(complete);
  EXPECT_EQ(past, (std::set<std::string>{"10.1.1.0/24", "192.168.1.0/24", "172.16.0.0/14", "172.21.0.0/16", "172.22.0.0/15",
                                         "172.24.0.0/13"}));
  // Named clients make it an error, and only theirs.
  EXPECT_EQ(codes(trace_way_back(&s, ask({"192.168.1.0/24"}))), std::set<int>{303});
  EXPECT_TRUE(codes(trace_way_back(&s, ask({"172.20.0.0/16"}))).empty());
}

TEST(WayBack, TheOwnNetworkIsAFaultOnlyWithClientsInIt) {
  const KernelState s = real_server();
  EXPECT_EQ(codes(trace_way_back(&s, ask({"10.1.1.50"}))), std::set<int>{303});
  EXPECT_TRUE(codes(trace_way_back(&s, ask({"10.0.0.0/8"})), Severity::warning).empty());
  EXPECT_EQ(codes(trace_way_back(&s, ask({"10.1.1.0/24"}))), std::set<int>{303});
  EXPECT_TRUE(codes(trace_way_back(&s, ask({"10.1.1.9"}))).empty()) << "the director itself";
}

TEST(WayBack, ARuleIsToldFromAWrongTable) {
  KernelState s = real_server();
  RoutingRule rule;
  rule.priority = 1000;
  rule.from = net("10.1.1.2/32");
  rule.table = "100";
  s.rules.insert(s.rules.begin() + 1, rule);
  s.routes.push_back(route("0.0.0.0/0", "10.1.1.1", "eth0", "100"));
  EXPECT_EQ(codes(trace_way_back(&s, ask({"192.168.1.254"}))), std::set<int>{305});
  s.routes[0].nexthops[0].gateway = at("10.1.1.1");
  EXPECT_EQ(codes(trace_way_back(&s, ask({"192.168.1.254"}))), std::set<int>{301});
  // Only the clients that the rule selects.
  s = real_server();
  rule.to = net("172.16.0.0/12");
  s.rules.insert(s.rules.begin() + 1, rule);
  s.routes.push_back(route("0.0.0.0/0", "10.1.1.1", "eth0", "100"));
  EXPECT_TRUE(codes(trace_way_back(&s, ask({"192.168.1.254"}))).empty());
  EXPECT_EQ(codes(trace_way_back(&s, ask({"172.17.0.1"}))), std::set<int>{305});
  EXPECT_EQ(codes(trace_way_back(&s, ask()), Severity::warning), std::set<int>{305});
}

TEST(WayBack, ARedirectIsFoundWhoeverAsks) {
  KernelState s = real_server();
  RouteException e;
  e.destination = at("192.168.1.254");
  e.gateway = at("192.168.1.254");
  e.dev = "eth0";
  e.redirected = true;
  e.expires = 271;
  s.exceptions = {e};
  for (const auto& q : {ask(), ask({"192.168.1.254"}), ask({"192.168.0.0/16"})}) {
    const Report report = trace_way_back(&s, q);
    ASSERT_EQ(codes(report), std::set<int>{304});
    EXPECT_EQ(report.findings[0].subject.client, "192.168.1.254");
    EXPECT_NE(report.findings[0].title.find("271 s"), std::string::npos);
  }
  EXPECT_TRUE(codes(trace_way_back(&s, ask({"192.168.1.253"}))).empty());
  // Beside it is the broadcast address of a network: not told with it.
  Route broadcast = route("192.168.1.255/32", "", "eth0", "local");
  broadcast.type = RouteType::broadcast;
  s.routes.push_back(broadcast);
  const Report any = trace_way_back(&s, ask());
  ASSERT_EQ(codes(any), std::set<int>{304});
  EXPECT_EQ(any.findings[0].subject.client, "192.168.1.254");
  for (const ReplyWay& way : any.reply_ways) EXPECT_FALSE(way.rest && way.redirected);
  s.exceptions[0].redirected = false;  // path MTU discovery
  s.exceptions[0].gateway = at("10.1.1.9");
  EXPECT_TRUE(codes(trace_way_back(&s, ask())).empty());
}

TEST(WayBack, NoRouteAndBlackholes) {
  KernelState s = real_server();
  s.routes.erase(s.routes.begin());
  Report report = trace_way_back(&s, ask({"192.168.1.254"}));
  ASSERT_EQ(codes(report), std::set<int>{302});
  EXPECT_TRUE(std::any_of(report.findings[0].unchecked.begin(), report.findings[0].unchecked.end(),
                          [](const std::string& u) { return u.find("full NAT") != std::string::npos; }));
  EXPECT_EQ(codes(trace_way_back(&s, ask())), std::set<int>{302});
  s = real_server();
  Route hole = route("192.168.0.0/16", "", "");
  hole.type = RouteType::blackhole;
  hole.nexthops.clear();
  s.routes.push_back(hole);
  EXPECT_EQ(codes(trace_way_back(&s, ask({"192.168.1.254"}))), std::set<int>{302});
}

TEST(WayBack, OneOfSeveralNextHops) {
  KernelState s = real_server();
  NextHop other;
  other.gateway = at("10.1.1.1");
  other.dev = "eth0";
  s.routes[0].nexthops.push_back(other);
  const Report report = trace_way_back(&s, ask({"192.168.1.254"}));
  ASSERT_EQ(codes(report), std::set<int>{301});
  EXPECT_EQ(report.findings[0].subject.gateway, "10.1.1.1");
  EXPECT_EQ(report.findings[0].confidence, Confidence::likely);
}

TEST(WayBack, TheKernelsWordStandsAboveTheTables) {
  KernelState s = real_server();
  RouteAnswer a;
  a.destination = at("192.168.1.254");
  a.source = at("10.1.1.2");
  a.gateway = at("10.1.1.1");
  a.dev = "eth0";
  s.route_answers = {a};
  const Report report = trace_way_back(&s, ask({"192.168.1.254"}));
  ASSERT_EQ(codes(report), std::set<int>{301});
  EXPECT_TRUE(std::any_of(report.findings[0].evidence.begin(), report.findings[0].evidence.end(), [](const Evidence& e) {
    return e.text.find("worked out from the tables instead") != std::string::npos;
  }));
  // An answer to a question that was not understood is none.
  s.route_answers[0].error = "RTNETLINK answers: Invalid argument";
  EXPECT_TRUE(codes(trace_way_back(&s, ask({"192.168.1.254"}))).empty());
}

TEST(WayBack, RedirectsThatWouldBeBelieved) {
  KernelState s = real_server();
  s.sysctls["net.ipv4.conf.eth0.accept_redirects"] = "1";
  // By default every host would, and most never get one: a note. Clients on the same wire, or redirects received, are another
  // case.
  const Report plain = trace_way_back(&s, ask({"192.168.1.254"}));
  EXPECT_TRUE(plain.findings.empty());
  EXPECT_EQ(plain.verdict, Verdict::ok);
  EXPECT_TRUE(std::any_of(plain.notes.begin(), plain.notes.end(), [](const std::string& n) {
    return n.find("eth0 would believe ICMP redirects: accept_redirects 1 (all 0 or eth0 1)") != std::string::npos;
  }));
  s.counters["Icmp:InRedirects"] = 3;
  EXPECT_EQ(codes(trace_way_back(&s, ask({"192.168.1.254"})), Severity::warning), std::set<int>{306});
  s.counters["Icmp:InRedirects"] = 0;
  WayBackQuestion one_wire = ask({"192.168.1.254"});
  one_wire.vips = {at("10.1.1.110")};
  EXPECT_EQ(codes(trace_way_back(&s, one_wire), Severity::warning), std::set<int>{306});
  s.sysctls["net.ipv4.conf.eth0.shared_media"] = s.sysctls["net.ipv4.conf.all.shared_media"] = "0";
  EXPECT_TRUE(codes(trace_way_back(&s, ask({"192.168.1.254"})), Severity::warning).empty()) << "secure_redirects refuses them";
}

TEST(WayBack, RequestsThatRpFilterDrops) {
  KernelState s = real_server();
  s.routes.push_back(route("192.168.1.0/24", "", "eth1"));
  s.sysctls["net.ipv4.conf.all.rp_filter"] = "1";
  EXPECT_EQ(codes(trace_way_back(&s, ask({"192.168.1.254"}))), (std::set<int>{206, 303}));
}

TEST(WayBack, ManyRoutesEndSoon) {
  KernelState s = real_server();
  for (std::uint32_t i = 0; i < 3000; ++i) {
    Route r = route("1.0.0.0/32", i % 2 == 0 ? "10.1.1.9" : "10.1.1.1", "eth0");
    r.destination.address = Address::v4(0x14000000u + i * 77u);
    s.routes.push_back(r);
  }
  bool complete = true;
  const WayBackQuestion q = ask();
  const auto pieces =
      wayback::ways_of(s, wayback::find_directors(s, q, nullptr), q, at("10.1.1.2"), Prefix{Address::v4(0), 0}, complete);
  std::size_t past = 0;
  for (const auto& piece : pieces) past += piece.way.kind == wayback::WayKind::gateway ? 1u : 0u;
  EXPECT_EQ(past, 1500u);
}

TEST(WayBack, NetworksOfGuestsAreNoClients) {
  KernelState s = real_server();
  s.routes.push_back(route("172.17.0.0/16", "", "docker0"));
  Link bridge;
  bridge.name = "docker0";
  bridge.kind = "bridge";
  bridge.up = true;
  s.links.push_back(bridge);
  Link guest;
  guest.name = "veth1";
  guest.kind = "veth";
  guest.master = "docker0";
  s.links.push_back(guest);
  EXPECT_TRUE(trace_way_back(&s, ask()).findings.empty());
  EXPECT_EQ(codes(trace_way_back(&s, ask({"172.17.0.5"}))), std::set<int>{303});
  // A bridge with a port to the outside is a network like any other.
  guest.name = "eth2";
  guest.kind.clear();
  s.links.push_back(guest);
  const Report report = trace_way_back(&s, ask());
  ASSERT_EQ(codes(report, Severity::warning), std::set<int>{303});
  EXPECT_EQ(report.findings[0].confidence, Confidence::possible);
  for (const Cure& cure : report.findings[0].cure) {
    EXPECT_EQ(cure.command.find("route del"), std::string::npos) << "on a guess nobody is told to cut a network off";
  }
}

TEST(WayBack, NothingReadIsNotHealthy) {
  KernelState s;
  EXPECT_EQ(trace_way_back(&s, ask({"192.168.1.254"})).verdict, Verdict::unknown);
  EXPECT_EQ(trace_way_back(nullptr, {}).verdict, Verdict::unknown);
}

}  // namespace
}  // namespace lvsnat
