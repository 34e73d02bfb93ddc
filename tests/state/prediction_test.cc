#include "state/prediction.h"

#include <gtest/gtest.h>

#include <string>

#include "state/nft_rules.h"

namespace lvsnat {
namespace {

Address address(const char* text) { return *parse_address(text); }

void hold(KernelState& s, const char* dev, const char* text, std::uint8_t length) {
  InterfaceAddress a;
  a.dev = dev;
  a.address = address(text);
  a.length = length;
  s.addresses.push_back(a);
  Route local;
  local.type = RouteType::local;
  local.table = "local";
  local.destination = *parse_prefix(text);
  local.nexthops.push_back({std::nullopt, dev});
  s.routes.push_back(local);
}

void route(KernelState& s, const char* prefix, const char* dev, const char* gateway = nullptr) {
  Route r;
  r.destination = *parse_prefix(prefix);
  NextHop hop;
  hop.dev = dev;
  if (gateway != nullptr) hop.gateway = address(gateway);
  r.nexthops.push_back(hop);
  s.routes.push_back(r);
}

/// Outside 192.168.1.0/24 on eth0 with the VIP, inside 10.1.1.0/24 on eth1.
KernelState director() {
  KernelState s;
  s.known.addresses = s.known.links = s.known.routes_v4 = s.known.rules_v4 = s.known.exceptions_v4 = s.known.sysctls =
      s.known.services = true;
  hold(s, "eth0", "192.168.1.1", 24);
  hold(s, "eth0", "192.168.1.110", 32);
  hold(s, "eth1", "10.1.1.9", 24);
  route(s, "192.168.1.0/24", "eth0");
  route(s, "10.1.1.0/24", "eth1");
  route(s, "0.0.0.0/0", "eth0", "192.168.1.254");
  for (const auto& [priority, table] : {std::pair{0u, "local"}, std::pair{32766u, "main"}, std::pair{32767u, "default"}}) {
    RoutingRule rule;
    rule.priority = priority;
    rule.table = table;
    s.rules.push_back(rule);
  }
  for (const char* dev : {"all", "eth0", "eth1"}) {
    const std::string conf = "net.ipv4.conf." + std::string(dev) + ".";
    s.sysctls[conf + "forwarding"] = "1";
    s.sysctls[conf + "rp_filter"] = "0";
    s.sysctls[conf + "send_redirects"] = "1";
    s.sysctls[conf + "shared_media"] = "1";
  }
  s.sysctls["net.ipv4.ip_forward"] = "1";
  s.sysctls["net.ipv4.vs.conntrack"] = "0";
  return s;
}

PredictionQuestion question(const char* rip = "10.1.1.2") {
  PredictionQuestion q;
  q.client.address = address("203.0.113.7");
  q.service.vip = address("192.168.1.110");
  q.service.port = 80;
  q.destination.rip = address(rip);
  q.destination.method = Method::masq;
  return q;
}

NftRules none() { return parse_nft_text(""); }

TEST(Prediction, AllPasses) {
  const Prediction p = predict(director(), none(), question());
  for (const Leg leg : kLegs) EXPECT_EQ(p.leg(leg).fate, LegFate::passes) << name(leg) << ": " << p.leg(leg).decides;
  EXPECT_EQ(p.leg(Leg::request).in_dev, "eth0");
  EXPECT_EQ(p.leg(Leg::demasq).out_dev, "eth1");
  EXPECT_EQ(p.leg(Leg::reply).in_dev, "eth1");
  EXPECT_EQ(p.leg(Leg::masq).out_dev, "eth0");
  EXPECT_EQ(p.will_redirect, false);
}

TEST(Prediction, ForwardingOffKillsRepliesAlone) {
  KernelState s = director();
  s.sysctls["net.ipv4.conf.eth1.forwarding"] = "0";
  const Prediction p = predict(s, none(), question());
  EXPECT_EQ(p.leg(Leg::request).fate, LegFate::passes);
  EXPECT_EQ(p.leg(Leg::demasq).fate, LegFate::passes);
  EXPECT_EQ(p.leg(Leg::reply).cause, LegCause::not_forwarding);
}

TEST(Prediction, VipThatNobodyHolds) {
  KernelState s = director();
  PredictionQuestion q = question();
  q.service.vip = address("192.168.1.120");
  EXPECT_EQ(predict(s, none(), q).leg(Leg::request).cause, LegCause::vip_not_local);
}

TEST(Prediction, OneWireIsRedirected) {
  KernelState s = director();
  PredictionQuestion q = question("192.168.1.2");
  q.client.address = address("192.168.1.200");
  const Prediction p = predict(s, none(), q);
  EXPECT_EQ(p.will_redirect, true);
  EXPECT_EQ(p.redirect_gateway, q.client.address);
  for (const char* dev : {"all", "eth0"}) s.sysctls["net.ipv4.conf." + std::string(dev) + ".send_redirects"] = "0";
  EXPECT_EQ(predict(s, none(), q).will_redirect, false);
}

TEST(Prediction, StatefulRuleNeedsTracking) {
  KernelState s = director();
  const NftRules rules = parse_nft_text(
      "table inet f {\n chain forward {\n type filter hook forward priority 0; policy drop;\n ct state established,related "
      "accept\n }\n}\n");
  const Prediction p = predict(s, rules, question());
  EXPECT_EQ(p.leg(Leg::reply).cause, LegCause::filter);
  EXPECT_TRUE(p.leg(Leg::reply).needs_conntrack);
  s.sysctls["net.ipv4.vs.conntrack"] = "1";
  EXPECT_EQ(predict(s, rules, question()).leg(Leg::reply).fate, LegFate::passes);
  // Not known: it may be either.
  s.sysctls.erase("net.ipv4.vs.conntrack");
  EXPECT_EQ(predict(s, rules, question()).leg(Leg::reply).fate, LegFate::may_die);
}

TEST(Prediction, TheFtpHelperTracksItsOwnConnections) {
  KernelState s = director();
  s.known.modules = true;
  s.modules.push_back({"ip_vs_ftp", 0});
  PredictionQuestion q = question();
  q.service.port = 21;
  EXPECT_EQ(predict(s, none(), q).tracked, true);
}

TEST(Prediction, LoopbackAndLocalDestinations) {
  KernelState s = director();
  Route loopback;
  loopback.type = RouteType::local;
  loopback.table = "local";
  loopback.destination = *parse_prefix("127.0.0.0/8");
  loopback.nexthops.push_back({std::nullopt, "lo"});
  s.routes.push_back(loopback);
  EXPECT_EQ(predict(s, none(), question("127.0.0.1")).leg(Leg::demasq).cause, LegCause::loopback_destination);
  const Prediction p = predict(s, none(), question("10.1.1.9"));
  EXPECT_EQ(p.leg(Leg::demasq).fate, LegFate::not_on_wire);
  EXPECT_EQ(p.leg(Leg::masq).fate, LegFate::passes);
}

TEST(Prediction, DestinationNatTakesRequestsBeforeIpvs) {
  const NftRules rules = parse_nft_text(
      "table ip nat {\n chain prerouting {\n type nat hook prerouting priority dstnat; policy accept;\n tcp dport 80 dnat to "
      "172.17.0.2:80\n }\n}\n");
  EXPECT_EQ(predict(director(), rules, question()).leg(Leg::request).cause, LegCause::diverted);
}

TEST(Prediction, WhereRequestsComeInIsAGuessWhenRoutesSayOtherwise) {
  KernelState s = director();
  s.routes.pop_back();
  route(s, "0.0.0.0/0", "eth1", "10.1.1.254");
  s.sysctls["net.ipv4.conf.eth0.rp_filter"] = "1";
  Prediction p = predict(s, none(), question());
  EXPECT_EQ(p.leg(Leg::request).cause, LegCause::reverse_path);
  EXPECT_TRUE(p.arrival_doubtful);
  PredictionQuestion seen = question();
  seen.iif = "eth1";
  p = predict(s, none(), seen);
  EXPECT_EQ(p.leg(Leg::request).fate, LegFate::passes);
  EXPECT_FALSE(p.arrival_doubtful);
}

// A router outside, the VIP as a /32 there, and real servers in a network of the same numbers: its hosts are no clients.
TEST(Prediction, ANetworkOfTheVipsNumbersElsewhereIsNotTheVips) {
  KernelState s;
  hold(s, "eth0", "192.168.1.110", 32);
  hold(s, "eth1", "192.168.1.9", 24);
  route(s, "192.168.1.0/24", "eth1");
  EXPECT_FALSE(neighbour_client(s, address("192.168.1.110"), {}).is_none())
      << "eth0 leads nowhere: a dummy, as far as routes tell";
  route(s, "192.168.1.1/32", "eth0");
  EXPECT_TRUE(neighbour_client(s, address("192.168.1.110"), {}).is_none());
  hold(s, "eth0", "192.168.1.111", 24);
  EXPECT_FALSE(neighbour_client(s, address("192.168.1.110"), {}).is_none());
}

TEST(Prediction, NothingKnownNothingSaid) {
  const Prediction p = predict(KernelState{}, NftRules{}, question());
  for (const Leg leg : kLegs) EXPECT_NE(p.leg(leg).fate, LegFate::dies) << p.leg(leg).decides;
}

}  // namespace
}  // namespace lvsnat
