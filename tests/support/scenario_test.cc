#include "support/scenario.h"

#include <gtest/gtest.h>

namespace lvsnat::scenario {
namespace {

constexpr const char* kTopologies = R"(# Topologies
## small
```topology
host DIRECTOR on eth0 02:00:00:00:10:00 VIP=192.168.1.110
host DIRECTOR on eth1 02:00:00:00:10:01 DIP=10.1.1.9
host ROUTER on eth0 02:00:00:00:01:01 GW=192.168.1.1
host CLIENT beyond ROUTER CIP=172.16.5.254 owns 172.16.0.0/16
host RS1 on eth1 02:00:00:00:02:00 RIP1=10.1.1.2
```
)";

TopologyLibrary library() {
  auto parsed = parse_topologies("topologies.md", kTopologies);
  EXPECT_TRUE(parsed.has_value());
  return parsed ? *parsed : TopologyLibrary{};
}

std::string in_case(const std::string& packets, const std::string& findings = "clean", const std::string& topology = "") {
  return "# Title\n## one\n```topology\nuse small\n" + topology + "\n```\n```packets\n" + packets + "\n```\n```findings\n" +
         findings + "\n```\n";
}

Case parse_one(const std::string& markdown) {
  auto cases = parse_cases("x.md", markdown, library());
  if (!cases) ADD_FAILURE() << cases.error().message;
  if (!cases || cases->size() != 1) return {};
  return cases->front();
}

std::string error_of(const std::string& markdown) {
  auto cases = parse_cases("x.md", markdown, library());
  return cases ? "no error" : cases.error().message;
}

TEST(Scenario, ReadsATcpFrame) {
  Case one = parse_one(in_case("1.000001 eth0 CIP:3456 > VIP:80 SA seq 7 ack 9 ttl 3 id 77 len 5 mac ROUTER>DIRECTOR  # words"));
  ASSERT_EQ(one.packets.size(), 1u);
  const PacketLine& packet = one.packets[0];
  EXPECT_EQ(packet.at, 1'000'001'000);
  EXPECT_EQ(packet.segment, "eth0");
  EXPECT_EQ(to_string(packet.source), "172.16.5.254:3456");
  EXPECT_EQ(to_string(packet.destination), "192.168.1.110:80");
  EXPECT_EQ(packet.flags, 18);
  EXPECT_EQ(packet.sequence, 7u);
  EXPECT_EQ(packet.acknowledgement, 9u);
  EXPECT_EQ(packet.ttl, 3);
  EXPECT_EQ(packet.id, 77);
  EXPECT_EQ(packet.length, 5u);
  EXPECT_EQ(to_string(*packet.from), "02:00:00:00:01:01");
  EXPECT_EQ(to_string(*packet.to), "02:00:00:00:10:00");
  EXPECT_EQ(one.topology.captured, (std::vector<std::string>{"eth0", "eth1"}));
}

TEST(Scenario, ReadsMacrosArpAndErrors) {
  Case one =
      parse_one(in_case("0 healthy udp CIP+7:3456 > VIP:53 > RIP1:53 data 3\n"
                        "0 ladder CIP:1 > VIP:80 > RIP1:80 legs 12 tries 3 repeat 2 every 0.5s\n"
                        "0 eth1 arp who-has CIP tell RIP1\n"
                        "0 eth1 arp reply DIP is-at DIRECTOR to RIP1\n"
                        "0 eth1 icmp redirect DIP > RIP1 gw CIP about RIP1:80 > CIP:3456 SA\n"
                        "0 eth0 icmp unreachable port VIP > CIP about udp CIP:5 > VIP:53"));
  ASSERT_EQ(one.packets.size(), 6u);
  EXPECT_EQ(one.packets[0].protocol, 17);
  EXPECT_EQ(to_string(one.packets[0].source.address), "172.16.6.5");
  EXPECT_EQ(one.packets[1].legs, (std::array<bool, 4>{true, true, false, false}));
  EXPECT_EQ(one.packets[1].repeat, 2u);
  EXPECT_EQ(one.packets[1].every, kSecond / 2);
  EXPECT_EQ(one.packets[2].verb, Verb::arp);
  EXPECT_EQ(to_string(one.packets[3].claimed), "02:00:00:00:10:01");
  EXPECT_EQ(one.packets[4].inner->flags, 18);
  EXPECT_EQ(one.packets[5].kind, "port");
  EXPECT_EQ(one.packets[5].inner->protocol, 17);
}

TEST(Scenario, FillsNamesIntoServicesAndFindings) {
  Case one = parse_one(in_case("0 eth0 CIP:1 > VIP:80 S",
                               "error LVS101 real_server=RIP1 service=tcp:VIP:80 count>=2 legs=12--\nnone LVS102",
                               "service tcp:VIP:80=RIP1:8080"));
  EXPECT_EQ(one.topology.services, std::vector<std::string>{"tcp:192.168.1.110:80=10.1.1.2:8080"});
  ASSERT_EQ(one.expectations.size(), 2u);
  EXPECT_EQ(one.expectations[0].code, 101);
  EXPECT_EQ(one.expectations[0].fields.at("real_server"), "10.1.1.2");
  EXPECT_EQ(one.expectations[0].fields.at("service"), "tcp:192.168.1.110:80");
  EXPECT_EQ(one.expectations[0].fields.at("count>"), "2");
  EXPECT_EQ(one.expectations[1].kind, Expectation::Kind::none);
}

TEST(Scenario, KeepsStateFiles) {
  Case one =
      parse_one(in_case("0 eth0 CIP:1 > VIP:80 S") + "```state\n--- sysctl.txt\nnet.ipv4.ip_forward = 0\n--- ip_vs\n\nx\n```\n");
  ASSERT_EQ(one.state.size(), 2u);
  EXPECT_EQ(one.state[0].content, "net.ipv4.ip_forward = 0\n");
  EXPECT_EQ(one.state[1].name, "ip_vs");
  EXPECT_EQ(one.state[1].content, "\nx\n");
}

TEST(Scenario, FindsMacsAndSegments) {
  Topology topology = parse_one(in_case("0 eth0 CIP:1 > VIP:80 S")).topology;
  auto mac = [&](const char* name, const char* segment) {
    return to_string(mac_on(topology, topology.names.at(name), segment).value());
  };
  EXPECT_EQ(mac("CIP", "eth0"), "02:00:00:00:01:01") << "the router in front of the client";
  EXPECT_EQ(mac("CIP", "eth1"), "02:00:00:00:10:01") << "the director forwards it";
  EXPECT_EQ(mac("RIP1", "eth1"), "02:00:00:00:02:00");
  EXPECT_EQ(mac("RIP1", "eth0"), "02:00:00:00:10:00") << "a leak leaves with the director's MAC";
  EXPECT_EQ(segment_of(topology, topology.names.at("CIP")), "eth0");
  EXPECT_EQ(segment_of(topology, topology.names.at("RIP1")), "eth1");
}

TEST(Scenario, ProseSectionsAreNoCases) {
  auto cases = parse_cases("x.md", "# T\n## about\nwords\n" + in_case("0 eth0 CIP:1 > VIP:80 S"), library());
  ASSERT_TRUE(cases.has_value());
  ASSERT_EQ(cases->size(), 1u);
  EXPECT_EQ(cases->front().title, "one");
}

TEST(Scenario, ErrorsNameTheLine) {
  // The packets block of in_case() begins in line 8 when the topology has one line of its own.
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S\n0 eth0 CIPX:1 > VIP:80 S")), "x.md:9: no such name or address: 'CIPX:1'");
  EXPECT_EQ(error_of(in_case("0 eth9 CIP:1 > VIP:80 S")), "x.md:8: no such segment or macro: 'eth9'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 X")), "x.md:8: no TCP flags: 'X'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S sep 1")), "x.md:8: unknown option 'sep'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80")), "x.md:8: TCP flags is missing");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 VIP:80 S")), "x.md:8: expected '>' but found 'VIP:80'");
  EXPECT_EQ(error_of(in_case("now eth0 CIP:1 > VIP:80 S")), "x.md:8: a packet begins with its time in seconds, not 'now'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > [fd00::1]:80 S")), "x.md:8: IPv4 and IPv6 addresses in one packet");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S mac RS1>DIRECTOR")), "x.md:8: host 'RS1' is not on 'eth0'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 PA text \"open")), "x.md:8: a quoted text is not closed");
  EXPECT_EQ(error_of(in_case("0 healthy CIP:1 > VIP:80 > 9.9.9.9:80")), "x.md:8: no segment leads to the real server");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S", "error 101")), "x.md:11: a code such as LVS101 must follow 'error'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S", "error LVS101 rs=1")), "x.md:11: unknown field 'rs'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S", "clean", "capture eth7")), "x.md:5: no such segment: 'eth7'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S", "")),
            "x.md:2: a case needs a packets block and a findings block with a line in it");
  EXPECT_EQ(error_of("## x\n```packets\n"), "x.md:2: a fenced block is not closed");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S") + "```state\nx\n```\n"),
            "x.md:14: a state block begins with a line '--- FILE' or 'use NAME'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S") + "```state\nuse nobody\n```\n"), "x.md:14: no such state: 'nobody'");
  EXPECT_EQ(error_of(in_case("0 eth0 CIP:1 > VIP:80 S") + "```state\n--- ../x\n```\n"), "x.md:14: not a plain file name: '../x'");
}

TEST(Scenario, TopologiesInACircleAreRefused) {
  auto parsed = parse_topologies("t.md", "## a\n```topology\nuse b\n```\n## b\n```topology\nuse a\n```\n");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_NE(parsed.error().message.find("in a circle"), std::string::npos) << parsed.error().message;
}

}  // namespace
}  // namespace lvsnat::scenario
