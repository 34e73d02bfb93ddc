// ipvsadm: listings of a kernel, and rules as an admin writes them.
#include "state/ipvsadm_text.h"

#include <gtest/gtest.h>

#include "state/proc_net.h"

namespace lvsnat {
namespace {

Address ip(const char* text) { return parse_address(text).value(); }

std::string error_of(std::string_view text) {
  const auto rules = parse_ipvsadm_rules(text, "f", NameLookup{});
  return rules ? "(none)" : rules.error().message;
}

TEST(IpvsadmRules, AsSaved) {
  const auto rules = parse_ipvsadm_rules(
      "-A -t 192.168.1.110:80 -s rr -p 360 -M 255.255.255.0\n"
      "-a -t 192.168.1.110:80 -r 10.1.1.2:8000 -m -w 3 -x 100 -y 50\n"
      "-a -t 192.168.1.110:80 -r 10.1.1.3 -i\n"
      "-A -u [fd00:1::110]:53 -s wlc -o\r\n"
      "-a -u [fd00:1::110]:53 -r [fd00:10::2]:53 -m\n"
      "\n# a comment\n"
      "-A -f 1 -6 -s rr\n"
      "-a -f 1 -6 -r [fd00:10::2]:0 -m -w 0\n"
      "-A --sctp-service 192.168.1.110:5000\n"
      "--set 3600 60 30",
      "f", NameLookup{});
  ASSERT_TRUE(rules) << rules.error().message;
  ASSERT_EQ(rules->services.size(), 4u);
  const Service& web = rules->services[0];
  EXPECT_EQ(to_string(web), "tcp:192.168.1.110:80");
  EXPECT_EQ(web.persistence, 360u);
  EXPECT_EQ(web.persistence_prefix, 24);
  ASSERT_EQ(web.destinations.size(), 2u);
  EXPECT_EQ(web.destinations[0].method, Method::masq);
  EXPECT_EQ(web.destinations[0].weight, 3);
  EXPECT_EQ(web.destinations[0].upper_threshold, 100u);
  EXPECT_EQ(web.destinations[0].lower_threshold, 50u);
  EXPECT_EQ(web.destinations[1].method, Method::tunnel);
  EXPECT_EQ(web.destinations[1].port, 80) << "without a port the service's";
  EXPECT_EQ(web.destinations[1].weight, 1);
  EXPECT_EQ(to_string(rules->services[1]), "udp:[fd00:1::110]:53");
  EXPECT_TRUE(rules->services[1].one_packet);
  EXPECT_EQ(to_string(rules->services[2]), "fwmark:1");
  EXPECT_TRUE(rules->services[2].v6);
  EXPECT_EQ(rules->services[2].destinations[0].weight, 0);
  EXPECT_EQ(to_string(rules->services[3]), "sctp:192.168.1.110:5000");
  EXPECT_EQ(rules->services[3].scheduler, "wlc") << "ipvsadm's default";
  EXPECT_EQ(rules->timeouts, (ServiceTimeouts{3600, 60, 30}));
}

TEST(IpvsadmRules, AScriptWithLongOptions) {
  const auto rules = parse_ipvsadm_rules(
      "ipvsadm -C\n"
      "/sbin/ipvsadm --add-service --tcp-service=1.2.3.4:80 --scheduler=rr --persistent\n"
      "ipvsadm --add-server --tcp-service 1.2.3.4:80 --real-server 10.0.0.1:80 --masquerading --weight 2\n"
      "ipvsadm -a -t 1.2.3.4:80 -r 10.0.0.2:80\n"
      "ipvsadm -e -t 1.2.3.4:80 -r 10.0.0.1:80 -m -w 9\n"
      "ipvsadm -a -t 1.2.3.4:80 -r 10.0.0.3:80 -m\n"
      "ipvsadm -d -t 1.2.3.4:80 -r 10.0.0.3:80\n"
      "ipvsadm -A -t 1.2.3.4:81\nipvsadm -D -t 1.2.3.4:81\n"
      "ipvsadm --start-daemon master\n",
      "f", NameLookup{});
  ASSERT_TRUE(rules) << rules.error().message;
  ASSERT_EQ(rules->services.size(), 1u);
  EXPECT_EQ(rules->services[0].persistence, 300u);
  ASSERT_EQ(rules->services[0].destinations.size(), 2u);
  EXPECT_EQ(rules->services[0].destinations[0].weight, 9);
  // The commonest typo: -a without -m is direct routing.
  EXPECT_EQ(rules->services[0].destinations[1].method, Method::route);
  EXPECT_EQ(rules->notes.size(), 1u);
}

TEST(IpvsadmRules, NamesAreLookedUp) {
  NameLookup lookup;
  lookup.host = [](std::string_view n) { return n == "lvs" ? std::optional(ip("192.168.1.110")) : std::nullopt; };
  lookup.port = [](std::string_view n, std::string_view p) {
    return n == "http" && p == "tcp" ? std::optional<std::uint16_t>(std::uint16_t{80}) : std::nullopt;
  };
  const auto rules = parse_ipvsadm_rules("-A -t lvs:http -s rr\n", "f", lookup);
  ASSERT_TRUE(rules) << rules.error().message;
  EXPECT_EQ(to_string(rules->services[0]), "tcp:192.168.1.110:80");
}

TEST(IpvsadmRules, ErrorsNameFileLineAndColumn) {
  EXPECT_EQ(error_of("-A -t 1.2.3.4:80 -s rr\n-a -t 1.2.3.4:80 -r 10.0.0.1:99999 -m\n"),
            "f:2:21: '10.0.0.1:99999' is no RIP:PORT");
  EXPECT_EQ(error_of("-A -t host:80\n"),
            "f:1:7: 'host:80' is no VIP:PORT (is it a name? save with `ipvsadm -Sn`, or give --name NAME=ADDRESS)");
  EXPECT_EQ(error_of("-a -t 1.2.3.4:80 -r 10.0.0.1:80 -m\n"), "f:1:1: service tcp:1.2.3.4:80 was not added before this line");
  EXPECT_EQ(error_of("-A -t 1.2.3.4:80\n-A -t 1.2.3.4:80\n"), "f:2:1: service tcp:1.2.3.4:80 stands twice");
  EXPECT_EQ(error_of("-A -f 0\n"), "f:1:7: '0' is no firewall mark (1 to 4294967295)");
  EXPECT_EQ(error_of("-A -f 4294967296\n"), "f:1:7: '4294967296' is no firewall mark (1 to 4294967295)");
  EXPECT_EQ(error_of("-A -t 1.2.3.4:80 --frob\n"), "f:1:18: '--frob' is no option of ipvsadm");
  EXPECT_EQ(error_of("-A -t\n"), "f:1:4: -t wants a value");
  EXPECT_EQ(error_of("-t 1.2.3.4:80\n"), "f:1:1: no command (-A, -a, ...) on this line");
  for (const char* bad : {"1.2.3.4:", ":80", "[::1:80", "[1.2.3.4]:80", "%", "1.2.3.4:80x", "1.2.3.4:-1"}) {
    EXPECT_NE(error_of(std::string("-A -t ") + bad + "\n"), "(none)") << bad;
  }
  EXPECT_NE(error_of("-A -t 1.2.3.4:80\x1b[2J\n").find("\\x1b"), std::string::npos) << "no control characters come through";
  EXPECT_EQ(error_of(std::string_view("-A -t 1.2.3.4\0:80\n", 18)).find('\0'), std::string::npos);
}

TEST(IpvsadmRules, Limits) {
  RuleLimits limits;
  limits.services = 2;
  std::string text;
  for (int i = 1; i <= 3; ++i) text += "-A -t 1.2.3.4:" + std::to_string(i) + "\n";
  const auto rules = parse_ipvsadm_rules(text, "f", NameLookup{}, limits);
  ASSERT_FALSE(rules);
  EXPECT_EQ(rules.error().code, ErrorCode::limit);
  EXPECT_TRUE(parse_ipvsadm_rules(text.substr(0, text.rfind("-A")), "f", NameLookup{}, limits));
}

TEST(IpvsadmList, ServicesWithFlags) {
  KernelState s;
  const Reading reading = parse_ipvsadm_list(
      "IP Virtual Server version 1.2.1 (size=4096)\n"
      "Prot LocalAddress:Port Scheduler Flags\n"
      "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
      "TCP  192.168.1.110:80 rr persistent 360 mask 255.255.255.0 ops\n"
      "  -> 10.1.1.2:80                  Masq    1      2          3         \n"
      "  -> 10.1.1.3:80                  Local   0      0          0         \n"
      "FWM  7 IPv6 wlc pe sip\n"
      "  -> [fd00::2]:0                  Tunnel  1      0          0         \n",
      s);
  ASSERT_TRUE(reading.known) << reading.problem;
  EXPECT_TRUE(s.ipvs.present);
  EXPECT_EQ(s.ipvs.version, "1.2.1");
  EXPECT_EQ(s.ipvs.table_size, 4096u);
  ASSERT_EQ(s.ipvs.services.size(), 2u);
  EXPECT_EQ(s.ipvs.services[0].persistence, 360u);
  EXPECT_TRUE(s.ipvs.services[0].one_packet);
  EXPECT_EQ(s.ipvs.services[0].destinations[0].active, 2u);
  EXPECT_EQ(s.ipvs.services[0].destinations[1].method, Method::local);
  EXPECT_EQ(s.ipvs.services[1].fwmark, 7u);
  EXPECT_TRUE(s.ipvs.services[1].v6);
  EXPECT_EQ(s.ipvs.services[1].persistence_engine, "sip");
}

TEST(IpvsadmList, StatsFillWhatTheListingLacks) {
  KernelState s;
  parse_ipvsadm_list("IP Virtual Server version 1.2.1 (size=4096)\nTCP  192.168.1.110:80 rr\n  -> 10.1.1.2:80 Masq 1 0 0\n", s);
  const Reading reading = parse_ipvsadm_stats(
      "IP Virtual Server version 1.2.1 (size=4096)\n"
      "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n"
      "  -> RemoteAddress:Port\n"
      "TCP  192.168.1.110:80                    7       68       50     4649    39300\n"
      "  -> 10.1.1.2:80                         2       16        0   123456K      12M\n",
      s);
  ASSERT_TRUE(reading.known) << reading.problem;
  ASSERT_EQ(s.ipvs.services.size(), 1u);
  ASSERT_EQ(s.ipvs.services[0].destinations.size(), 1u);
  EXPECT_EQ(s.ipvs.services[0].destinations[0].method, Method::masq);
  EXPECT_EQ(s.ipvs.services[0].destinations[0].counters, (ServiceCounters{2, 16, 0, 123'456'000, 12'000'000}));
  EXPECT_EQ(s.ipvs.services[0].counters->packets_out, 50u);
}

TEST(IpvsadmList, ConnectionsAndTimeouts) {
  KernelState s;
  const Reading reading = parse_ipvsadm_connections(
      "IPVS connection entries\npro expire state       source             virtual            destination\n"
      "TCP 01:54  TIME_WAIT   192.168.1.254:47326 192.168.1.110:80   10.1.1.3:80\n"
      "IP  04:57  NONE        192.168.1.254:0 0.0.0.1:0   10.1.1.2:0\n"
      "UDP 04:57  UDP         [fd00:1::254]:57292 [fd00:1::110]:80   [fd00:10::4]:80\n",
      s);
  ASSERT_TRUE(reading.known) << reading.problem;
  ASSERT_EQ(s.ipvs.connections.size(), 3u);
  EXPECT_EQ(s.ipvs.connections[0].expires, 114u);
  EXPECT_EQ(to_string(s.ipvs.connections[0].rip), "10.1.1.3:80");
  EXPECT_EQ(s.ipvs.connections[1].fwmark, 1u);
  EXPECT_TRUE(parse_ipvsadm_timeout("Timeout (tcp tcpfin udp): 900 120 300\n", s).known);
  EXPECT_EQ(s.ipvs.timeouts, (ServiceTimeouts{900, 120, 300}));
  EXPECT_FALSE(parse_ipvsadm_timeout("Timeout (tcp tcpfin udp): x\n", s).known);
}

TEST(Differences, NameWhatDeparts) {
  const auto declare = [](std::string_view text) {
    Declaration d;
    d.services = parse_ipvsadm_rules(text, "f", NameLookup{}).value().services;
    return d;
  };
  const Declaration want = declare(
      "-A -t 1.2.3.4:80 -s rr\n-a -t 1.2.3.4:80 -r 10.0.0.1:80 -m -w 1\n-a -t 1.2.3.4:80 -r 10.0.0.2:80 -m -w 1\n-A -t "
      "1.2.3.4:81 -s rr\n");
  EXPECT_TRUE(differences(want, want.services).empty());
  const Declaration have = declare(
      "-A -t 1.2.3.4:80 -s wlc\n-a -t 1.2.3.4:80 -r 10.0.0.1:80 -g -w 0\n-a -t 1.2.3.4:80 -r 10.0.0.3:80 -m -w 1\n-A -u "
      "1.2.3.4:53 -s rr\n");
  const std::vector<std::string> expected{
      "Service tcp:1.2.3.4:80 runs with scheduler wlc, configured is rr.",
      "Service tcp:1.2.3.4:80, real server 10.0.0.1:80 is forwarded to by route, configured is masq.",
      "Service tcp:1.2.3.4:80, real server 10.0.0.1:80 has weight 0 (draining), configured is 1.",
      "Service tcp:1.2.3.4:80: real server 10.0.0.2:80 is configured but does not run.",
      "Service tcp:1.2.3.4:80: real server 10.0.0.3:80 runs but is not configured.",
      "Service tcp:1.2.3.4:81 is configured but does not run.",
      "Service udp:1.2.3.4:53 runs but is not configured.",
  };
  EXPECT_EQ(differences(want, have.services), expected);
}

TEST(Differences, WhatWasNotReadDoesNotDiffer) {
  Declaration want;
  want.services = parse_ipvsadm_rules("-A -t 1.2.3.4:80 -s rr\n", "f", NameLookup{}).value().services;
  want.gateways = {ip("10.1.1.9")};
  KernelState state;
  EXPECT_TRUE(differences(want, state).empty());
  state.known.addresses = true;
  EXPECT_EQ(differences(want, state).size(), 2u);
}

}  // namespace
}  // namespace lvsnat
