#include "state/filter_walk.h"

#include <gtest/gtest.h>

#include <string>

#include "state/nft_rules.h"

namespace lvsnat {
namespace {

NftRules text(const std::string& listing) { return parse_nft_text(listing); }

NftRules json(const std::string& entries) {
  auto rules = parse_nft_json(R"({"nftables":[{"metainfo":{"version":"1.0.6"}},)" + entries + "]}");
  EXPECT_TRUE(rules.has_value()) << (rules.has_value() ? "" : rules.error().message);
  return rules.has_value() ? std::move(rules).value() : NftRules{};
}

Address address(const char* text) { return *parse_address(text); }

FilterPacket reply() {
  FilterPacket p;
  p.iif = "eth1";
  p.oif = "eth0";
  p.source = address("10.1.1.2");
  p.destination = address("192.168.1.254");
  p.protocol = 6;
  p.sport = 80;
  p.dport = 40000;
  p.tcp_flags = 0x12;
  p.ct = CtState::invalid;
  return p;
}

FilterPacket request() {
  FilterPacket p;
  p.iif = "eth0";
  p.source = address("192.168.1.254");
  p.destination = address("192.168.1.110");
  p.protocol = 6;
  p.sport = 40000;
  p.dport = 80;
  p.tcp_flags = 0x02;
  p.ct = CtState::new_;
  return p;
}

std::string forward_chain(const std::string& rules, const std::string& policy = "accept") {
  return "table inet filter {\n chain forward {\n type filter hook forward priority filter; policy " + policy + ";\n" + rules +
         "\n }\n}\n";
}

FilterVerdict forward(const std::string& rules, const std::string& policy = "accept") {
  return walk_filter(text(forward_chain(rules, policy)), "forward", reply()).verdict;
}

TEST(FilterWalk, NoRulesAccept) { EXPECT_EQ(walk_filter(text(""), "forward", reply()).verdict, FilterVerdict::accept); }

TEST(FilterWalk, TwoRulesThatMayMatchAreNoCertainty) {
  EXPECT_EQ(forward("xt match recent drop\n xt match geoip drop"), FilterVerdict::unknown);
  EXPECT_EQ(forward("xt match recent drop\n xt match geoip drop", "drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("xt match recent accept\n xt match geoip accept", "drop"), FilterVerdict::unknown);
}

TEST(FilterWalk, PolicyCounts) {
  const FilterResult r = walk_filter(text(forward_chain("", "drop")), "forward", reply());
  ASSERT_EQ(r.verdict, FilterVerdict::drop);
  EXPECT_TRUE(r.ending->by_policy);
  EXPECT_EQ(r.ending->words(), "the policy (drop) of chain inet filter forward");
}

TEST(FilterWalk, AddressesPrefixesRangesAndNegation) {
  EXPECT_EQ(forward("ip saddr 10.1.1.0/24 drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("ip saddr 10.1.2.0/24 drop"), FilterVerdict::accept);
  EXPECT_EQ(forward("ip saddr != 10.1.1.0/24 drop"), FilterVerdict::accept);
  EXPECT_EQ(forward("ip saddr 10.1.1.1-10.1.1.3 drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("ip saddr 10.1.1.3-10.1.1.9 drop"), FilterVerdict::accept);
  EXPECT_EQ(forward("ip saddr { 10.9.9.9, 10.1.1.0/30 } drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("ip6 saddr fd00::/8 drop"), FilterVerdict::accept);
}

TEST(FilterWalk, PortsAskForTheirProtocol) {
  EXPECT_EQ(forward("tcp sport 80 drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("udp sport 80 drop"), FilterVerdict::accept);
  EXPECT_EQ(forward("udp sport != 81 drop"), FilterVerdict::accept);  // no such header: the rule does not match
  EXPECT_EQ(forward("tcp dport 30000-50000 drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("th sport 80 drop"), FilterVerdict::drop);
}

TEST(FilterWalk, InterfaceNamesAndWildcards) {
  EXPECT_EQ(forward(R"(iifname "eth1" oifname "eth0" drop)"), FilterVerdict::drop);
  EXPECT_EQ(forward(R"(iifname "eth*" drop)"), FilterVerdict::drop);
  EXPECT_EQ(forward(R"(iifname "docker0" drop)"), FilterVerdict::accept);
  EXPECT_EQ(forward(R"(iifname != { "docker0", "lo" } drop)"), FilterVerdict::drop);
}

TEST(FilterWalk, ConnectionStates) {
  EXPECT_EQ(forward("ct state invalid drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("ct state established,related accept", "drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("ct state { invalid, new } drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("ct state != established drop"), FilterVerdict::drop);
  EXPECT_EQ(forward("ct status dnat accept", "drop"), FilterVerdict::drop);  // no entry: the rule breaks off
  EXPECT_EQ(forward("ct state vmap { established : accept, invalid : drop }"), FilterVerdict::drop);
  FilterPacket tracked = reply();
  tracked.ct = CtState::established;
  const NftRules rules = text(forward_chain("ct state established,related accept", "drop"));
  EXPECT_EQ(walk_filter(rules, "forward", tracked).verdict, FilterVerdict::accept);
}

TEST(FilterWalk, EveryBaseChainMustAccept) {
  const std::string early =
      "table ip a {\n chain c {\n type filter hook forward priority -10; policy accept;\n ip saddr 10.1.1.2 accept\n }\n}\n";
  const std::string late = "table ip b {\n chain c {\n type filter hook forward priority 10; policy drop;\n }\n}\n";
  const FilterResult r = walk_filter(text(late + early), "forward", reply());
  EXPECT_EQ(r.verdict, FilterVerdict::drop);
  EXPECT_EQ(r.ending->table, "b");
  ASSERT_EQ(r.trace.size(), 1u);  // by priority, not as listed
  EXPECT_EQ(r.trace[0], "ip a c: ip saddr 10.1.1.2 accept");
}

TEST(FilterWalk, JumpsReturnAndGotosDoNot) {
  const auto table = [](const std::string& how) {
    return text(
        "table ip t {\n chain sub {\n tcp sport 443 accept\n return\n drop\n }\n chain forward {\n type filter hook forward "
        "priority 0; policy accept;\n " +
        how + " sub\n drop\n }\n}\n");
  };
  EXPECT_EQ(walk_filter(table("jump"), "forward", reply()).verdict, FilterVerdict::drop);
  EXPECT_EQ(walk_filter(table("goto"), "forward", reply()).verdict, FilterVerdict::accept);  // the policy's
}

TEST(FilterWalk, WhatIsNotUnderstoodIsFollowedBothWays) {
  const FilterResult r = walk_filter(text(forward_chain(R"(xt match "string" drop)")), "forward", reply());
  ASSERT_EQ(r.verdict, FilterVerdict::unknown);
  ASSERT_TRUE(r.ending);
  EXPECT_EQ(r.ending->verdict, FilterVerdict::drop);
  ASSERT_FALSE(r.not_understood.empty());
  EXPECT_NE(r.not_understood.front().find("xt match \"string\""), std::string::npos);
  // Both ways end alike: it does not matter.
  EXPECT_EQ(forward("xt match \"string\" drop\ndrop"), FilterVerdict::drop);
  EXPECT_EQ(forward("xt match \"string\" accept"), FilterVerdict::accept);
  EXPECT_EQ(forward("frobnicate the packet accept", "drop"), FilterVerdict::unknown);
}

TEST(FilterWalk, AnyClientMakesWhatDependsOnItUncertain) {
  FilterPacket p = reply();
  p.destination = Address{};
  EXPECT_EQ(walk_filter(text(forward_chain("ip daddr 192.168.1.0/24 drop")), "forward", p).verdict, FilterVerdict::unknown);
  EXPECT_EQ(walk_filter(text(forward_chain("ip saddr 10.1.1.0/24 drop")), "forward", p).verdict, FilterVerdict::drop);
}

TEST(FilterWalk, RejectsMarksAndLimits) {
  EXPECT_EQ(forward("reject with icmpx admin-prohibited"), FilterVerdict::reject);
  EXPECT_EQ(forward("limit rate 5/second accept", "drop"), FilterVerdict::accept);
  EXPECT_EQ(forward("limit rate over 5/second drop"), FilterVerdict::accept);
  const NftRules marks = text(
      "table ip mangle {\n chain prerouting {\n type filter hook prerouting priority mangle; policy accept;\n"
      " ip daddr 192.168.1.110 tcp dport { 80, 443 } meta mark set 0x00000001\n }\n}\n");
  EXPECT_EQ(walk_filter(marks, "prerouting", request()).mark, 1u);
  FilterPacket other = request();
  other.dport = 25;
  EXPECT_EQ(walk_filter(marks, "prerouting", other).mark, 0u);
}

TEST(FilterWalk, TranslationIsForNewConnectionsOnly) {
  const NftRules nat = text(
      "table ip nat {\n chain postrouting {\n type nat hook postrouting priority srcnat; policy accept;\n oifname \"eth0\" ip "
      "saddr 10.1.1.0/24 counter packets 3 bytes 4500 masquerade\n }\n}\n");
  FilterPacket p = reply();
  EXPECT_FALSE(walk_filter(nat, "postrouting", p).translation);
  p.ct = CtState::new_;
  const FilterResult r = walk_filter(nat, "postrouting", p);
  ASSERT_TRUE(r.translation);
  EXPECT_EQ(r.translation->kind, "masquerade");
  EXPECT_EQ(r.translation->rule.packets, 3u);
}

// What the captures of a real cluster have (nft 1.0.6).
TEST(FilterWalk, JsonOfARealListing) {
  const NftRules invalid = json(
      R"({"table":{"family":"inet","name":"filter","handle":1}},{"chain":{"family":"inet","table":"filter","name":"forward","handle":1,"type":"filter","hook":"forward","prio":0,"policy":"accept"}},{"rule":{"family":"inet","table":"filter","chain":"forward","handle":2,"expr":[{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":"invalid"}},{"counter":{"packets":42,"bytes":2520}},{"drop":null}]}})");
  const FilterResult r = walk_filter(invalid, "forward", reply());
  ASSERT_EQ(r.verdict, FilterVerdict::drop);
  EXPECT_EQ(r.ending->words(),
            "rule `ct state invalid counter packets 42 bytes 2520 drop` (handle 2) of chain inet filter forward");
  EXPECT_EQ(r.ending->packets, 42u);
  const NftRules mark = json(
      R"({"chain":{"family":"ip","table":"mangle","name":"prerouting","type":"filter","hook":"prerouting","prio":-150,"policy":"accept"}},{"rule":{"family":"ip","table":"mangle","chain":"prerouting","handle":3,"expr":[{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":"192.168.1.110"}},{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[80,443]}}},{"mangle":{"key":{"meta":{"key":"mark"}},"value":1}}]}})");
  EXPECT_EQ(walk_filter(mark, "prerouting", request()).mark, 1u);
}

// Docker's tables as iptables-nft lists them: policy DROP, user chain first, extensions as xt.
TEST(FilterWalk, DockerLike) {
  const std::string chains =
      R"({"chain":{"family":"ip","table":"filter","name":"DOCKER-USER"}},{"chain":{"family":"ip","table":"filter","name":"DOCKER-ISOLATION"}},{"chain":{"family":"ip","table":"filter","name":"FORWARD","type":"filter","hook":"forward","prio":0,"policy":"drop"}},)";
  const std::string rules =
      R"({"rule":{"family":"ip","table":"filter","chain":"FORWARD","handle":9,"expr":[{"counter":{"packets":9,"bytes":9}},{"jump":{"target":"DOCKER-USER"}}]}},{"rule":{"family":"ip","table":"filter","chain":"FORWARD","handle":10,"expr":[{"jump":{"target":"DOCKER-ISOLATION"}}]}},{"rule":{"family":"ip","table":"filter","chain":"FORWARD","handle":11,"expr":[{"match":{"op":"==","left":{"meta":{"key":"oifname"}},"right":"docker0"}},{"xt":{"type":"match","name":"conntrack"}},{"accept":null}]}},{"rule":{"family":"ip","table":"filter","chain":"DOCKER-ISOLATION","handle":12,"expr":[{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"docker0"}},{"match":{"op":"!=","left":{"meta":{"key":"oifname"}},"right":"docker0"}},{"drop":null}]}},{"rule":{"family":"ip","table":"filter","chain":"DOCKER-USER","handle":13,"expr":[{"return":null}]}})";
  const FilterResult dropped = walk_filter(json(chains + rules), "forward", reply());
  ASSERT_EQ(dropped.verdict, FilterVerdict::drop);
  EXPECT_EQ(dropped.ending->words(), "the policy (drop) of chain ip filter FORWARD");
  const std::string admit =
      R"({"rule":{"family":"ip","table":"filter","chain":"DOCKER-USER","handle":14,"expr":[{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth1"}},{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":{"prefix":{"addr":"10.1.1.0","len":24}}}},{"accept":null}]}},)";
  EXPECT_EQ(walk_filter(json(chains + admit + rules), "forward", reply()).verdict, FilterVerdict::accept);
}

// firewalld: verdict by state map, invalid dropped, zones by interface, reject at the end.
TEST(FilterWalk, FirewalldLike) {
  const NftRules rules = text(R"(table inet firewalld {
  chain filter_FORWARD {
    type filter hook forward priority filter + 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    jump filter_FORWARD_ZONES
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD_ZONES {
    iifname "eth1" goto filter_FWD_internal
    goto filter_FWD_public
  }
  chain filter_FWD_internal {
    ip saddr 10.1.1.0/24 accept
  }
  chain filter_FWD_public {
    meta l4proto { icmp, ipv6-icmp } accept
  }
})");
  const FilterResult invalid = walk_filter(rules, "forward", reply());
  ASSERT_EQ(invalid.verdict, FilterVerdict::drop);
  EXPECT_EQ(invalid.ending->rule, "ct state invalid drop");
  FilterPacket fresh = reply();
  fresh.ct = CtState::new_;
  EXPECT_EQ(walk_filter(rules, "forward", fresh).verdict, FilterVerdict::accept);
  fresh.iif = "eth0";
  EXPECT_EQ(walk_filter(rules, "forward", fresh).verdict, FilterVerdict::reject);
}

TEST(FilterWalk, SetsMapsAndConcatenationsByName) {
  const std::string tables =
      R"({"set":{"family":"inet","table":"f","name":"servers","type":"ipv4_addr","flags":["interval"],"elem":[{"prefix":{"addr":"10.1.1.0","len":24}},{"elem":{"val":"10.9.9.9","comment":"old"}}]}},{"map":{"family":"inet","table":"f","name":"ways","type":["ipv4_addr","inet_service"],"map":"verdict","elem":[[{"concat":["10.1.1.2",443]},{"accept":null}],[{"concat":["10.1.1.2",80]},{"drop":null}]]}},{"chain":{"family":"inet","table":"f","name":"forward","type":"filter","hook":"forward","prio":0,"policy":"accept"}},)";
  const std::string by_map =
      R"({"rule":{"family":"inet","table":"f","chain":"forward","handle":4,"expr":[{"vmap":{"key":{"concat":[{"payload":{"protocol":"ip","field":"saddr"}},{"payload":{"protocol":"tcp","field":"sport"}}]},"data":"@ways"}}]}})";
  const std::string by_set =
      R"({"rule":{"family":"inet","table":"f","chain":"forward","handle":5,"expr":[{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@servers"}},{"drop":null}]}})";
  EXPECT_EQ(walk_filter(json(tables + by_map), "forward", reply()).verdict, FilterVerdict::drop);
  EXPECT_EQ(walk_filter(json(tables + by_set), "forward", reply()).verdict, FilterVerdict::drop);
  FilterPacket other = reply();
  other.source = address("10.1.2.2");
  EXPECT_EQ(walk_filter(json(tables + by_map), "forward", other).verdict, FilterVerdict::accept);
  EXPECT_EQ(walk_filter(json(tables + by_set), "forward", other).verdict, FilterVerdict::accept);
}

TEST(FilterWalk, TcpFlagsUnderAMask) {
  const std::string syn_only =
      R"({"chain":{"family":"ip","table":"f","name":"input","type":"filter","hook":"input","prio":0,"policy":"accept"}},{"rule":{"family":"ip","table":"f","chain":"input","handle":1,"expr":[{"match":{"op":"==","left":{"&":[{"payload":{"protocol":"tcp","field":"flags"}},{"|":["fin","syn","rst","ack"]}]},"right":"syn"}},{"drop":null}]}})";
  EXPECT_EQ(walk_filter(json(syn_only), "input", request()).verdict, FilterVerdict::drop);
  FilterPacket answer = request();
  answer.tcp_flags = 0x12;
  EXPECT_EQ(walk_filter(json(syn_only), "input", answer).verdict, FilterVerdict::accept);
}

TEST(FilterWalk, HostileListingsEnd) {
  // Each chain jumps twice to the next: 2^40 paths. And a loop, which no kernel would take.
  std::string deep = "table ip t {\n";
  for (int i = 0; i < 40; ++i)
    deep +=
        " chain c" + std::to_string(i) + " {\n jump c" + std::to_string(i + 1) + "\n jump c" + std::to_string(i + 1) + "\n }\n";
  deep += " chain c40 {\n jump c0\n }\n chain forward {\n type filter hook forward priority 0; policy accept;\n jump c0\n }\n}\n";
  EXPECT_EQ(walk_filter(text(deep), "forward", reply()).verdict, FilterVerdict::unknown);
  // Statements of the wrong shape are neither followed nor fatal.
  const NftRules odd = json(
      R"({"chain":{"family":"ip","table":"t","name":"f","type":"filter","hook":"forward","prio":99999999999,"policy":7}},{"rule":{"family":"ip","table":"t","chain":"f","expr":[{"match":[]},{"vmap":3},{"jump":null},{"mangle":{"key":1}},{"xt":null},7,null,{},{"match":{"left":{"payload":7},"right":{"range":[1]},"op":5}},{"drop":null}]}},{"rule":{"chain":"nowhere"}},{"set":7},[])");
  EXPECT_NE(walk_filter(odd, "forward", reply()).verdict, FilterVerdict::reject);
  EXPECT_FALSE(parse_nft_json("{\"nftables\":").has_value());
  EXPECT_FALSE(parse_nft_json("[1,2]").has_value());
  EXPECT_FALSE(parse_nft_text("# stderr:\nbash: nft: command not found\n# exit 127\nnonsense here").known);
}

}  // namespace
}  // namespace lvsnat
