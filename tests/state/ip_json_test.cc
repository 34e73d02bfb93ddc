// iproute2's JSON, as iproute2 6.1 printed it.
#include "state/ip_json.h"

#include <gtest/gtest.h>

#include <string>

#include "state/json_text.h"

namespace lvsnat {
namespace {

Address ip(const char* text) { return parse_address(text).value(); }

TEST(IpJson, RoutesOfAllShapes) {
  KernelState s;
  const Reading reading = parse_ip_route(
      R"([{"dst":"10.8.0.0/16","gateway":"10.77.0.1","dev":"d0","table":"100","flags":["onlink"]},
          {"dst":"default","flags":[],"nexthops":[{"gateway":"10.1.1.1","dev":"d0","weight":3,"flags":[]},
                                                  {"gateway":"10.1.1.2","dev":"d0","weight":1,"flags":["dead","linkdown"]}]},
          {"dst":"172.16.0.0/12","gateway":"10.1.1.3","dev":"d0","prefsrc":"10.1.1.10","metric":50,"flags":[],"metrics":[{"mtu":1400}]},
          {"type":"unreachable","dst":"198.51.100.0/24","metric":9,"flags":[]},
          {"type":"throw","dst":"10.9.0.0/16","table":"100","flags":[]},
          {"dst":"10.4.0.0/16","via":{"family":"inet6","host":"fe80::1"},"dev":"d0","flags":[]},
          {"dst":"2001:db8::/32","from":"fd00::/64","gateway":"fd00::3","dev":"d0","metric":1024,"flags":[],"pref":"medium"},
          {"dst":"default","dev":"d0","metric":1024,"flags":[],"pref":"medium"}])",
      false, s);
  ASSERT_TRUE(reading.known) << reading.problem;
  ASSERT_EQ(s.routes.size(), 8u);
  EXPECT_EQ(to_string(s.routes[0]), "10.8.0.0/16 via 10.77.0.1 dev d0 onlink table 100");
  EXPECT_EQ(to_string(s.routes[1]),
            "default nexthop via 10.1.1.1 dev d0 weight 3 nexthop via 10.1.1.2 dev d0 dead linkdown weight 1");
  EXPECT_EQ(to_string(s.routes[2]), "172.16.0.0/12 via 10.1.1.3 dev d0 src 10.1.1.10 metric 50 mtu 1400");
  EXPECT_EQ(to_string(s.routes[3]), "unreachable 198.51.100.0/24 metric 9");
  EXPECT_TRUE(s.routes[3].nexthops.empty());
  EXPECT_EQ(s.routes[4].type, RouteType::throw_);
  EXPECT_FALSE(s.routes[5].v6);
  EXPECT_EQ(s.routes[5].nexthops.at(0).gateway, ip("fe80::1"));
  EXPECT_TRUE(s.routes[6].v6);
  EXPECT_EQ(to_string(s.routes[6].source.value()), "fd00::/64");
  // A default route without any address is IPv6 by its router preference.
  EXPECT_TRUE(s.routes[7].v6);
  EXPECT_TRUE(s.known.routes_v4 && s.known.routes_v6);
}

TEST(IpJson, ARouteThatIsNotUnderstoodMakesTheTableUnknown) {
  KernelState s;
  const Reading reading =
      parse_ip_route(R"([{"dst":"default","gateway":"10.1.1.9","dev":"eth0"},{"dst":"nonsense","dev":"eth0"}])", false, s);
  EXPECT_FALSE(reading.known);
  EXPECT_EQ(reading.problem, "record 2 has no destination that is understood");
  EXPECT_FALSE(s.known.routes_v4);
  EXPECT_EQ(s.routes.size(), 1u);
}

TEST(IpJson, RoutesThatStandInBothFilesCountOnce) {
  KernelState s;
  const char* v6 = R"([{"dst":"fd00::/64","dev":"eth0","metric":256,"pref":"medium","expires":1800}])";
  const char* later = R"([{"dst":"fd00::/64","dev":"eth0","metric":256,"pref":"medium","expires":1798}])";
  parse_ip_route(v6, false, s);
  parse_ip_route(later, true, s);
  put_in_order(s);
  EXPECT_EQ(s.routes.size(), 1u);
}

TEST(IpJson, Rules) {
  KernelState s;
  const Reading reading = parse_ip_rule(
      R"([{"priority":0,"src":"all","table":"local"},
          {"priority":1000,"src":"10.1.1.0","srclen":24,"fwmark":"0x1","fwmask":"0xff","iif":"d0","iif_detached":null,"ipproto":"tcp","dport":80,"table":"100"},
          {"priority":1001,"not":null,"src":"all","dst":"10.0.0.0","dstlen":8,"sport_start":100,"sport_end":200,"table":"200","suppress_prefixlen":0},
          {"priority":1002,"src":"all","fwmark":"0x7","goto":2000},
          {"priority":1003,"src":"all","uid_start":0,"uid_end":99,"table":"200"},
          {"priority":2000,"src":"all","oif":"d0","action":"unreachable"},
          {"priority":2001,"src":"all","nop":null},
          {"priority":2003,"src":"all","iif":"nosuch","iif_detached":null,"l3mdev":null},
          {"priority":32766,"src":"all","table":"main"}])",
      false, s);
  ASSERT_TRUE(reading.known) << reading.problem;
  ASSERT_EQ(s.rules.size(), 9u);
  EXPECT_EQ(to_string(s.rules[1]), "1000: from 10.1.1.0/24 fwmark 0x1/0xff iif d0 ipproto tcp dport 80 lookup 100");
  EXPECT_EQ(to_string(s.rules[2]), "1001: not from all to 10.0.0.0/8 sport 100-200 lookup 200 suppress_prefixlength 0");
  EXPECT_EQ(to_string(s.rules[3]), "1002: from all fwmark 0x7 goto 2000");
  EXPECT_EQ(to_string(s.rules[4]), "1003: from all uidrange 0-99 lookup 200");
  EXPECT_EQ(to_string(s.rules[5]), "2000: from all oif d0 unreachable");
  EXPECT_EQ(to_string(s.rules[6]), "2001: from all nop");
  EXPECT_TRUE(s.rules[7].l3mdev);
}

TEST(IpJson, AddressesWithFlagsAndPeers) {
  KernelState s;
  const Reading reading = parse_ip_address(
      R"([{"ifindex":2,"ifname":"eth0","flags":["BROADCAST","UP","LOWER_UP"],"mtu":1500,"link_type":"ether","address":"02:00:5e:00:10:00",
           "addr_info":[{"family":"inet","local":"10.1.1.9","prefixlen":24,"scope":"global","label":"eth0"},
                        {"family":"inet","local":"10.1.1.10","prefixlen":24,"scope":"global","secondary":true,"label":"eth0:1"},
                        {"family":"inet","local":"10.2.0.1","address":"10.2.0.2","prefixlen":32,"scope":"global"},
                        {"family":"inet6","local":"fd00::110","prefixlen":64,"scope":"global","dadfailed":true,"tentative":true}]}])",
      s);
  ASSERT_TRUE(reading.known) << reading.problem;
  ASSERT_EQ(s.addresses.size(), 4u);
  EXPECT_TRUE(s.addresses[1].secondary);
  EXPECT_EQ(s.addresses[2].peer, ip("10.2.0.2"));
  EXPECT_TRUE(s.addresses[3].dadfailed && s.addresses[3].tentative);
  EXPECT_EQ(on_link_dev(s, ip("10.1.1.77")), "eth0");
  EXPECT_EQ(on_link_dev(s, ip("10.2.0.2")), "eth0");
  EXPECT_EQ(on_link_dev(s, ip("10.3.0.2")), "");
  ASSERT_NE(primary_address(s, "eth0", false), nullptr);
  EXPECT_EQ(primary_address(s, "eth0", false)->address, ip("10.1.1.9"));
  ASSERT_EQ(s.links.size(), 1u);
  EXPECT_TRUE(s.links[0].up && s.links[0].running);
}

TEST(IpJson, LinksTellWhatLiesBelow) {
  KernelState s;
  const Reading reading = parse_ip_link(
      R"([{"ifindex":3,"link":"eth0","ifname":"eth0.100","flags":["UP"],"mtu":1500,"link_type":"ether","address":"02:00:00:00:00:01",
           "linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":100,"flags":[]}}},
          {"ifindex":4,"link":"veth1","ifname":"veth0","master":"br0","flags":["NO-CARRIER","UP","LOWER_UP","NOARP"],"linkinfo":{"info_kind":"veth"}}])",
      s);
  ASSERT_TRUE(reading.known) << reading.problem;
  EXPECT_EQ(s.links[0].parent, "eth0");
  EXPECT_EQ(s.links[0].vlan, 101);
  EXPECT_EQ(s.links[1].parent, "") << "a veth's peer is no device below it";
  EXPECT_EQ(s.links[1].master, "br0");
  EXPECT_TRUE(s.links[1].noarp);
  EXPECT_FALSE(s.links[1].running);
}

TEST(IpJson, ExceptionsFromJsonAndTextAreOne) {
  KernelState s;
  parse_ip_exceptions(
      R"([{"dst":"192.168.1.254","gateway":"192.168.1.254","dev":"eth0","flags":[],"cache":["redirected"],"expires":283},
                          {"dst":"192.168.1.7","gateway":"10.1.1.9","dev":"eth0","flags":[],"cache":[],"expires":593,"metrics":[{"mtu":1400}]}])",
      s);
  const Reading reading = parse_route_cache_text(
      "unicast 192.168.1.254 via 192.168.1.254 dev eth0 \n    cache <redirected> expires 281sec \n"
      "192.168.1.8 via 10.1.1.9 dev eth0 \n    cache expires 592sec mtu 1300 \n",
      s);
  EXPECT_TRUE(reading.known) << reading.problem;
  ASSERT_EQ(s.exceptions.size(), 3u);
  EXPECT_TRUE(s.exceptions[0].redirected);
  EXPECT_EQ(s.exceptions[0].expires, 283u);
  EXPECT_EQ(s.exceptions[1].mtu, 1400u);
  EXPECT_FALSE(s.exceptions[1].redirected);
  EXPECT_EQ(s.exceptions[2].mtu, 1300u);
}

TEST(IpJson, RouteGetAnswersAndRefusals) {
  KernelState s;
  parse_ip_route_get(split_command_output("# stderr: RTNETLINK answers: Network is unreachable\n# exit 2\n"), "cip", s);
  parse_ip_route_get(
      split_command_output(
          R"([{"dst":"1.1.1.1","from":"10.1.1.50","gateway":"10.1.1.1","dev":"d0","flags":[],"cache":["redirect"],"iif":"d0"}])"),
      "reply", s);
  ASSERT_EQ(s.route_answers.size(), 2u);
  EXPECT_EQ(s.route_answers[0].label, "cip");
  EXPECT_EQ(s.route_answers[0].error, "RTNETLINK answers: Network is unreachable");
  EXPECT_EQ(s.route_answers[0].exit_status, 2);
  EXPECT_TRUE(s.route_answers[1].will_redirect);
  EXPECT_EQ(s.route_answers[1].iif, "d0");
}

TEST(IpJson, HostileJsonIsRefusedWithoutHarm) {
  KernelState s;
  EXPECT_NE(parse_ip_route(std::string(100'000, '['), false, s).problem.find("nested deeper than 64"), std::string::npos);
  EXPECT_NE(parse_ip_route("[{\"dst\":", false, s).problem.find("no JSON at line 1"), std::string::npos);
  EXPECT_NE(parse_ip_route(R"([{"dst":"default","metric":1e999}])", false, s).problem, "");
  EXPECT_EQ(parse_ip_route("{}", false, s).problem, "no JSON array of records");
  EXPECT_EQ(parse_ip_route("[1]", false, s).problem, "record 1 is no object");
  const std::string many = "[" + std::string(2 * kMaxJsonValues, ',') + "]";
  EXPECT_NE(parse_ip_route(many, false, s).problem.find("values"), std::string::npos);
  EXPECT_FALSE(s.known.routes_v4);
  // Names from outside reach no terminal as they are.
  parse_ip_neighbour("[{\"dst\":\"10.1.1.1\",\"dev\":\"e\\u001b[31m\",\"state\":[\"STALE\"]}]", s);
  EXPECT_EQ(s.neighbours.at(0).dev.find('\x1b'), std::string::npos);
}

TEST(IpJson, ARouteOfMappedAddressesIsNoDefaultRoute) {
  KernelState s;
  EXPECT_TRUE(parse_ip_route(R"([{"type":"unreachable","dst":"::ffff:0.0.0.0/96","dev":"lo","metric":1024},)"
                             R"({"dst":"fd00:10::/64","dev":"eth0"}])",
                             true, s)
                  .known);
  ASSERT_EQ(s.routes.size(), 1u);
  EXPECT_TRUE(s.routes[0].v6);
  EXPECT_TRUE(parse_ip_rule(R"([{"priority":7,"src":"::ffff:0.0.0.0","srclen":96,"table":"main"}])", true, s).known);
  ASSERT_EQ(s.rules.size(), 1u);
  EXPECT_TRUE(s.rules[0].v6);
  EXPECT_EQ(s.rules[0].not_understood.size(), 1u) << "it must not look like a rule for everything";
}

TEST(IpJson, NoNeighbourIsInMoreStatesThanThereAre) {
  const auto neighbour = [](int states) {
    std::string list;
    for (int i = 0; i < states; ++i) list += i == 0 ? "\"STALE\"" : ",\"STALE\"";
    return R"([{"dst":"10.1.1.1","dev":"eth0","state":[)" + list + "]}]";
  };
  KernelState s;
  EXPECT_TRUE(parse_ip_neighbour(neighbour(8), s).known);
  EXPECT_FALSE(parse_ip_neighbour(neighbour(9), s).known);
  EXPECT_EQ(s.neighbours.size(), 1u);
}

TEST(IpJson, NothingPrintedIsAnEmptyTable) {
  KernelState s;
  EXPECT_TRUE(parse_ip_route("", false, s).known);
  EXPECT_TRUE(s.known.routes_v4);
}

}  // namespace
}  // namespace lvsnat
