// The HOWTO's lvs_nat.conf: both files that it prints, and what can be wrong in one.
#include <gtest/gtest.h>

#include "lvsnat/config.h"

namespace lvsnat {
namespace {

ConfigOptions offline() {
  ConfigOptions options;
  options.read_system_files = false;
  options.services_text = "telnet\t23/tcp\nhttp\t80/tcp\twww # WorldWideWeb\ndomain 53/udp\n";
  return options;
}

constexpr const char* kByName =
    "LVS_TYPE=VS_NAT\nINITIAL_STATE=on\nVIP=eth0:110 lvs 255.255.255.0 192.168.1.255\n"
    "DIRECTOR_INSIDEIP=eth0:10 director-inside 192.168.1.0 255.255.255.0 192.168.1.255\nDIRECTOR_DEFAULT_GW=client\n"
    "SERVICE=t telnet rr real-server1:telnet "
    "real-server2:telnet\nSERVER_NET_DEVICE=eth0\nSERVER_DEFAULT_GW=director_inside\n#----------end lvs_nat.conf\n";

constexpr const char* kByNumber =
    "LVS_TYPE=VS_NAT\nVIP=eth0:110 192.168.1.110 255.255.255.0 192.168.1.255\nDIRECTOR_INSIDEIP=eth0:10 10.1.1.10 10.1.1.0 "
    "255.255.255.0 10.1.1.255\n"
    "DIRECTOR_DEFAULT_GW=client\nSERVICE=t 80 wlc 10.1.1.2:http,2 10.1.1.3:8080 "
    "10.1.1.4\nSERVER_NET_DEVICE=eth0\nSERVER_DEFAULT_GW=director_inside\n";

TEST(LvsConf, WithNames) {
  ConfigOptions options = offline();
  options.hosts_text =
      "192.168.1.2 real-server1\n192.168.1.3 real-server2.example real-server2\n192.168.1.9 director-inside # the gateway\n";
  options.names.emplace("lvs", parse_address("192.168.1.110").value());
  const auto d = parse_lvs_conf(kByName, "lvs_nat.conf", options);
  ASSERT_TRUE(d) << d.error().message;
  EXPECT_EQ(d->origin, Origin::lvs_conf);
  ASSERT_EQ(d->services.size(), 1u);
  EXPECT_EQ(to_string(d->services[0]), "tcp:192.168.1.110:23");
  EXPECT_EQ(d->services[0].scheduler, "rr");
  ASSERT_EQ(d->services[0].destinations.size(), 2u);
  EXPECT_EQ(to_string(d->services[0].destinations[1].rip), "192.168.1.3");
  EXPECT_EQ(d->services[0].destinations[1].port, 23);
  EXPECT_EQ(d->services[0].destinations[1].method, Method::masq);
  ASSERT_EQ(d->gateways.size(), 1u);
  EXPECT_EQ(to_string(d->gateways[0]), "192.168.1.9");
}

TEST(LvsConf, WithNumbers) {
  const auto d = parse_lvs_conf(kByNumber, "lvs_nat.conf", offline());
  ASSERT_TRUE(d) << d.error().message;
  const Service& s = d->services.at(0);
  EXPECT_EQ(to_string(s), "tcp:192.168.1.110:80");
  ASSERT_EQ(s.destinations.size(), 3u);
  EXPECT_EQ(s.destinations[0].weight, 2);
  EXPECT_EQ(s.destinations[0].port, 80);
  EXPECT_EQ(s.destinations[1].port, 8080);
  EXPECT_EQ(s.destinations[1].weight, 1);
  EXPECT_EQ(s.destinations[2].port, 80);
  EXPECT_EQ(to_string(d->director_inside.at(0)), "10.1.1.10");
  EXPECT_EQ(to_string(d->gateways.at(0)), "10.1.1.10");
}

TEST(LvsConf, ANameThatNobodyKnowsIsNamedWithFileAndLine) {
  const auto d = parse_lvs_conf(kByName, "lvs_nat.conf", offline());
  ASSERT_FALSE(d);
  EXPECT_EQ(d.error().message,
            "lvs_nat.conf:3:14: 'lvs' is no address, and neither --name nor the hosts file knows it (give --name lvs=ADDRESS)");
}

TEST(LvsConf, Mistakes) {
  const auto error_of = [](const std::string& text) {
    const auto d = parse_lvs_conf(text, "f", offline());
    return d ? "(none)" : d.error().message;
  };
  const std::string head = "LVS_TYPE=VS_NAT\nVIP=eth0:110 192.168.1.110 255.255.255.0 192.168.1.255\n";
  EXPECT_EQ(error_of("LVS_TYPE=VS_DR\n"), "f:1:10: 'VS_DR' is not LVS-NAT (VS_NAT)");
  EXPECT_EQ(error_of("LVS_TYPE=VS_NAT\nSERVICE=t 80 rr 10.1.1.2\n"), "f:2:1: SERVICE stands before any VIP");
  EXPECT_EQ(error_of(head + "SERVICE=x 80 rr 10.1.1.2\n"), "f:3:9: 'x' is neither t (tcp) nor u (udp)");
  EXPECT_EQ(error_of(head + "SERVICE=u telnet rr 10.1.1.2\n"),
            "f:3:11: 'telnet' is no port, and the services file has no such udp service");
  EXPECT_EQ(error_of(head + "SERVICE=t 80 rr 10.1.1.2,x\n"), "f:3:26: 'x' is no weight");
  EXPECT_EQ(error_of(head + "SERVER_DEFAULT_GW=director_inside\n"),
            "f:3: SERVER_DEFAULT_GW=director_inside, but there is no DIRECTOR_INSIDEIP");
  EXPECT_EQ(error_of(head + "nonsense\n"), "f:3:1: 'nonsense' is no KEY=VALUE");
  EXPECT_EQ(error_of("VIP=eth0 1.2.3.4\n"), "f: has no LVS_TYPE=VS_NAT");
}

}  // namespace
}  // namespace lvsnat
