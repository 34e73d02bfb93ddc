// Decisions over saved tables. The expected answers are those that a kernel gave to `ip route get` for the same tables.
#include "state/route_decision.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "state/ip_json.h"

namespace lvsnat {
namespace {

Address ip(const char* text) { return parse_address(text).value(); }

KernelState sample(const char* name) {
  auto state = read_state(std::string(LVSNAT_SOURCE_DIR "/tests/state/data/") + name);
  EXPECT_TRUE(state) << state.error().message;
  return std::move(state).value();
}

RouteDecision out(const KernelState& s, const char* destination, const char* source = nullptr) {
  RouteQuestion q;
  q.destination = ip(destination);
  if (source != nullptr) q.source = ip(source);
  return decide_output(s, q);
}

RouteDecision in(const KernelState& s, const char* destination, const char* source, const char* iif, std::uint32_t mark = 0) {
  RouteQuestion q;
  q.destination = ip(destination);
  q.source = ip(source);
  q.iif = iif;
  q.mark = mark;
  return decide_input(s, q);
}

TEST(RouteDecision, AgreesWithEverySavedAnswer) {
  int compared = 0;
  for (const char* name : {"director", "director-v6", "rs-redirected", "rs-no-route", "rs-policy"}) {
    const KernelState s = sample(name);
    for (const RouteAnswer& answer : s.route_answers) {
      if (!answer.destination) continue;
      RouteQuestion q;
      q.destination = *answer.destination;
      q.source = answer.source;
      const RouteDecision d = decide_output(s, q);
      EXPECT_EQ(d.outcome, Outcome::unicast) << name << ' ' << d.explanation;
      EXPECT_EQ(d.dev, answer.dev) << name << ' ' << d.explanation;
      EXPECT_EQ(d.next_hop(q.destination), answer.gateway.value_or(q.destination)) << name << ' ' << d.explanation;
      EXPECT_EQ(d.exception && d.exception->redirected, answer.redirected) << name;
      EXPECT_TRUE(d.doubts.empty()) << name << ' ' << d.doubts[0];
      ++compared;
    }
  }
  EXPECT_EQ(compared, 12);
  EXPECT_EQ(out(sample("rs-no-route"), "192.168.1.254").outcome, Outcome::no_route);
}

TEST(RouteDecision, ExplainsWhatDecided) {
  EXPECT_EQ(out(sample("rs-policy"), "172.16.5.254", "10.1.1.2").explanation,
            "172.16.5.254 is reached via 10.1.1.254 dev eth0 by route default via 10.1.1.254 dev eth0 table 100 (by rule 1000: "
            "from 10.1.1.2 lookup 100).");
  EXPECT_EQ(out(sample("rs-policy"), "172.16.5.254").via, ip("10.1.1.9")) << "without a source the rule does not match";
  EXPECT_EQ(out(sample("rs-redirected"), "192.168.1.254").explanation,
            "192.168.1.254 is reached on-link dev eth0 by a cached redirect (expires in 283 s), against route default via "
            "192.168.1.9 dev eth0.");
}

TEST(RouteDecision, LegsOnTheDirector) {
  KernelState s = sample("director");
  EXPECT_EQ(in(s, "192.168.1.110", "192.168.1.254", "eth0").outcome, Outcome::local);
  RouteDecision reply = in(s, "192.168.1.254", "10.1.1.2", "eth1");
  EXPECT_EQ(reply.outcome, Outcome::unicast);
  EXPECT_EQ(reply.dev, "eth0");
  EXPECT_EQ(reply.will_redirect, false) << "another device";
  EXPECT_TRUE(reply.doubts.empty());
  s.sysctls["net.ipv4.conf.eth1.forwarding"] = "0";
  EXPECT_EQ(in(s, "192.168.1.254", "10.1.1.2", "eth1").outcome, Outcome::not_forwarding);
  s.sysctls.erase("net.ipv4.conf.eth1.forwarding");
  EXPECT_EQ(in(s, "192.168.1.254", "10.1.1.2", "eth1").doubts.size(), 1u);
}

TEST(RouteDecision, RedirectsOnOneNetwork) {
  KernelState s = sample("director");
  // A real server and a client on one wire: the source is on-link and the packet goes back where it came from.
  RouteDecision d = in(s, "192.168.1.254", "192.168.1.7", "eth0");
  EXPECT_EQ(d.will_redirect, true);
  EXPECT_EQ(d.redirect_gateway, ip("192.168.1.254"));
  s.sysctls["net.ipv4.conf.all.send_redirects"] = "0";
  EXPECT_EQ(in(s, "192.168.1.254", "192.168.1.7", "eth0").will_redirect, true) << "an OR";
  s.sysctls["net.ipv4.conf.eth0.send_redirects"] = "0";
  EXPECT_EQ(in(s, "192.168.1.254", "192.168.1.7", "eth0").will_redirect, false);
  s.sysctls.erase("net.ipv4.conf.eth0.send_redirects");
  EXPECT_EQ(in(s, "192.168.1.254", "192.168.1.7", "eth0").will_redirect, std::nullopt);
}

TEST(RouteDecision, ReversePath) {
  KernelState s = sample("director");
  // A real server's address that comes in by the outside device.
  EXPECT_EQ(in(s, "192.168.1.110", "10.1.1.2", "eth0").outcome, Outcome::local) << "rp_filter is off";
  s.sysctls["net.ipv4.conf.eth0.rp_filter"] = "1";
  const RouteDecision strict = in(s, "192.168.1.110", "10.1.1.2", "eth0");
  EXPECT_EQ(strict.outcome, Outcome::reverse_path);
  EXPECT_EQ(strict.reverse.dev, "eth1");
  EXPECT_NE(strict.explanation.find("the way back to it is 10.1.1.0/24 dev eth1"), std::string::npos) << strict.explanation;
  s.sysctls["net.ipv4.conf.all.rp_filter"] = "2";
  EXPECT_EQ(in(s, "192.168.1.110", "10.1.1.2", "eth0").outcome, Outcome::local) << "loose wins: the maximum";
  s.sysctls.erase("net.ipv4.conf.all.rp_filter");
  const RouteDecision unknown = in(s, "192.168.1.110", "10.1.1.2", "eth0");
  EXPECT_EQ(unknown.outcome, Outcome::local);
  EXPECT_FALSE(unknown.doubts.empty());
}

TEST(RouteDecision, Martians) {
  const KernelState s = sample("director");
  EXPECT_EQ(in(s, "192.168.1.110", "127.0.0.1", "eth0").outcome, Outcome::martian);
  EXPECT_EQ(in(s, "192.168.1.110", "192.168.1.1", "eth0").outcome, Outcome::martian) << "its own address from outside";
  EXPECT_EQ(out(s, "192.168.1.254", "10.1.1.2").outcome, Outcome::martian) << "not its own";
}

TEST(RouteDecision, RulesTablesAndRefusals) {
  KernelState s;
  s.known.addresses = s.known.exceptions_v4 = true;
  parse_ip_route(R"([{"dst":"default","gateway":"192.168.1.254","dev":"d1"},{"dst":"192.168.1.0/24","dev":"d1","scope":"link"},
                     {"dst":"172.16.0.0/12","gateway":"10.1.1.3","dev":"d0","metric":50},{"dst":"172.16.0.0/12",
            "gateway":"192.168.1.3","dev":"d1","metric":60},
                     {"type":"blackhole","dst":"198.51.100.0/25"},{"type":"prohibit","dst":"198.51.100.192/26"},
            {"type":"unreachable","dst":"198.51.100.128/26"},
                     {"dst":"203.0.113.0/24","nexthops":[{"gateway":"10.1.1.1","dev":"d0","weight":1,"flags":[]},
            {"gateway":"192.168.1.2","dev":"d1","weight":1,"flags":[]}]},
                     {"dst":"8.8.8.0/24","gateway":"10.9.0.7","dev":"d2","table":"200"},{"dst":"default",
            "gateway":"10.9.0.8","dev":"d2","table":"200"},
                     {"type":"throw","dst":"10.7.0.0/16","table":"300"},{"dst":"default","gateway":"10.9.0.9","dev":"d2",
            "table":"300"}])",
                 false, s);
  parse_ip_rule(
      R"([{"priority":0,"src":"all","table":"local"},{"priority":1002,"src":"all","fwmark":"0x5","fwmask":"0xff",
            "table":"200","suppress_prefixlen":0},
                    {"priority":1003,"src":"all","dst":"4.4.4.4","goto":2000},{"priority":1004,"src":"all","dst":"4.4.4.0",
            "dstlen":24,"action":"unreachable"},
                    {"priority":1500,"src":"all","dst":"10.7.0.0","dstlen":16,"table":"300"},{"priority":1501,"src":"all",
            "dst":"10.0.0.0","dstlen":8,"ipproto":"tcp","dport":80,"table":"300"},
                    {"priority":2000,"src":"all","dst":"4.4.4.5","action":"blackhole"},{"priority":32766,"src":"all",
            "table":"main"}])",
      false, s);
  EXPECT_EQ(out(s, "172.16.1.1").via, ip("10.1.1.3")) << "the smaller metric";
  EXPECT_EQ(out(s, "198.51.100.1").outcome, Outcome::blackhole);
  EXPECT_EQ(out(s, "198.51.100.200").outcome, Outcome::prohibited);
  EXPECT_EQ(out(s, "198.51.100.130").outcome, Outcome::unreachable);
  EXPECT_EQ(out(s, "4.4.4.6").outcome, Outcome::unreachable);
  EXPECT_EQ(out(s, "4.4.4.4").via, ip("192.168.1.254")) << "goto jumps over the refusal";
  EXPECT_EQ(out(s, "10.7.0.1").via, ip("192.168.1.254")) << "throw goes on with the next rule";
  RouteQuestion marked;
  marked.destination = ip("8.8.8.8");
  marked.mark = 0x105;
  EXPECT_EQ(decide_output(s, marked).via, ip("10.9.0.7"));
  marked.destination = ip("9.9.9.9");
  EXPECT_EQ(decide_output(s, marked).via, ip("192.168.1.254")) << "a default route is suppressed";
  marked.mark.reset();
  EXPECT_EQ(decide_output(s, marked).doubts.size(), 1u) << "a mark that nobody knows";
  RouteQuestion web;
  web.destination = ip("10.3.0.1");
  web.protocol = 6;
  web.dport = 80;
  EXPECT_EQ(decide_output(s, web).via, ip("10.9.0.9"));
  web.dport = 81;
  EXPECT_EQ(decide_output(s, web).via, ip("192.168.1.254"));
  web.dport.reset();
  EXPECT_FALSE(decide_output(s, web).doubts.empty());
  const RouteDecision many = out(s, "203.0.113.9");
  EXPECT_EQ(many.alternatives.size(), 2u);
  EXPECT_EQ(many.doubts.size(), 1u) << "which next hop a flow hashes to cannot be known";
}

TEST(RouteDecision, WhatWasNotReadIsNotAbsent) {
  KernelState s;
  EXPECT_EQ(out(s, "1.2.3.4").outcome, Outcome::unknown);
  s.known.routes_v4 = true;
  const RouteDecision d = out(s, "1.2.3.4");
  EXPECT_EQ(d.outcome, Outcome::no_route);
  EXPECT_EQ(d.doubts.size(), 1u) << "the rules were not read";
}

TEST(RouteDecision, Ipv6RedirectsWithoutAnySwitch) {
  KernelState s = sample("director-v6");
  const RouteDecision d = in(s, "fd00:1::254", "fd00:1::7", "eth0");
  EXPECT_EQ(d.outcome, Outcome::unicast);
  EXPECT_EQ(d.will_redirect, true);
  s.sysctls["net.ipv6.conf.all.forwarding"] = "0";
  EXPECT_EQ(in(s, "fd00:1::254", "fd00:1::7", "eth0").outcome, Outcome::not_forwarding);
}

}  // namespace
}  // namespace lvsnat
