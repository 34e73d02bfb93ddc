// A snapshot carries the same facts as what it was made from.
#include <gtest/gtest.h>

#include "lvsnat/state.h"

namespace lvsnat {
namespace {

KernelState sample(const char* name) {
  auto state = read_state(std::string(LVSNAT_SOURCE_DIR "/tests/state/data/") + name);
  EXPECT_TRUE(state) << state.error().message;
  return std::move(state).value();
}

TEST(Snapshot, RoundTripOfEverySample) {
  for (const char* name : {"director", "director-v6", "director-fwmark", "rs-redirected", "rs-no-route", "rs-policy"}) {
    const KernelState before = sample(name);
    const std::string text = write_snapshot(before);
    const auto after = read_snapshot(text);
    ASSERT_TRUE(after) << name << ": " << after.error().message;
    EXPECT_EQ(after->known, before.known) << name;
    EXPECT_EQ(after->links, before.links) << name;
    EXPECT_EQ(after->addresses, before.addresses) << name;
    EXPECT_EQ(after->routes, before.routes) << name;
    EXPECT_EQ(after->rules, before.rules) << name;
    EXPECT_EQ(after->neighbours, before.neighbours) << name;
    EXPECT_EQ(after->exceptions, before.exceptions) << name;
    EXPECT_EQ(after->route_answers, before.route_answers) << name;
    EXPECT_EQ(after->sysctls, before.sysctls) << name;
    EXPECT_EQ(after->ipvs, before.ipvs) << name;
    EXPECT_EQ(after->modules, before.modules) << name;
    EXPECT_EQ(after->conntrack, before.conntrack) << name;
    EXPECT_EQ(after->counters, before.counters) << name;
    EXPECT_EQ(after->nft_json, before.nft_json) << name;
    EXPECT_EQ(after->nft_text, before.nft_text) << name;
    EXPECT_EQ(after->tc_text, before.tc_text) << name;
    EXPECT_EQ(after->listeners, before.listeners) << name;
    EXPECT_EQ(after->traceroutes, before.traceroutes) << name;
    EXPECT_EQ(after->gaps, before.gaps) << name;
    EXPECT_EQ(write_snapshot(*after), text) << name;
  }
}

TEST(Snapshot, RareMembersSurvive) {
  KernelState s;
  s.origin = Origin::netlink;
  s.taken = -5;
  s.hostname = "lvs1";
  RoutingRule rule;
  rule.action = RoutingRule::Action::go_to;
  rule.sport = {1, 2};
  rule.uidrange = {0, 4'000'000'000u};
  rule.suppress_prefixlength = 0;
  rule.fwmask = 0xff;
  rule.not_understood = {"tun_id"};
  s.rules.push_back(rule);
  Route route;
  route.v6 = true;
  route.destination = Prefix{Address{}, 0};
  route.type = RouteType::throw_;
  route.nexthops = {{}, {}};
  s.routes.push_back(route);
  s.ipvs.sync.push_back({true, "eth0", 7});
  s.counters["Tcp:MaxConn"] = -1;
  s.nft_text = "table ip x {\n\tchain y { }\n}\n";
  const auto after = read_snapshot(write_snapshot(s));
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->rules, s.rules);
  EXPECT_EQ(after->routes, s.routes);
  EXPECT_EQ(after->ipvs, s.ipvs);
  EXPECT_EQ(after->counters, s.counters);
  EXPECT_EQ(after->taken, s.taken);
  EXPECT_EQ(after->origin, s.origin);
  EXPECT_EQ(after->nft_text, s.nft_text);
}

TEST(Snapshot, WhatIsNoneIsRefused) {
  EXPECT_EQ(read_snapshot("").error().code, ErrorCode::malformed);
  EXPECT_EQ(read_snapshot("{}").error().code, ErrorCode::malformed);
  EXPECT_EQ(read_snapshot(R"({"lvsnat_snapshot":2})").error().code, ErrorCode::unsupported);
  EXPECT_EQ(read_snapshot(R"({"lvsnat_snapshot":1,"routes":{}})").error().message,
            "member \"routes\" is not what a snapshot has there");
  EXPECT_FALSE(read_snapshot(R"({"lvsnat_snapshot":1,"links":[{"mtu":-1}]})"));
  EXPECT_FALSE(read_snapshot(R"({"lvsnat_snapshot":1,"links":[{"mtu":4294967296}]})"));
  EXPECT_FALSE(read_snapshot(R"({"lvsnat_snapshot":1,"routes":[{"type":"sideways"}]})"));
  EXPECT_TRUE(read_snapshot(R"({"lvsnat_snapshot":1,"of_a_later_minor_version":[]})"));
  std::string deep = R"({"lvsnat_snapshot":1,"links":)" + std::string(10'000, '[');
  EXPECT_EQ(read_snapshot(deep).error().code, ErrorCode::limit);
}

TEST(Snapshot, ControlCharactersDoNotComeThrough) {
  const auto state = read_snapshot("{\"lvsnat_snapshot\":1,\"hostname\":\"a\\u001b[2Jb\"}");
  ASSERT_TRUE(state);
  EXPECT_EQ(state->hostname.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace lvsnat
