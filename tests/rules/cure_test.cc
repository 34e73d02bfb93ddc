#include "rules/cure.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lvsnat {
namespace {

Address ip(const char* text) {
  const auto parsed = parse_address(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Address{});
}
Prefix net(const char* text) {
  const auto parsed = parse_prefix(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Prefix{});
}
Service web() {
  Service service;
  service.vip = ip("192.168.1.110");
  service.port = 80;
  service.scheduler = "wlc";
  return service;
}
Destination at(const char* rip, std::uint16_t port) {
  Destination destination;
  destination.rip = ip(rip);
  destination.port = port;
  destination.method = Method::masq;
  return destination;
}

TEST(Cures, GatewayNamesTheDirector) {
  const Cure cure = cures::gateway(ip("10.1.1.9"), "eth0");
  EXPECT_EQ(cure.where, Where::real_server);
  EXPECT_EQ(cure.command, "ip route replace default via 10.1.1.9 dev eth0");
  ASSERT_TRUE(cure.persistent);
  EXPECT_NE(cure.persistent->find("Gateway=10.1.1.9"), std::string::npos);
  EXPECT_EQ(cures::gateway(ip("fd00::9")).command, "ip -6 route replace default via fd00::9");
}

TEST(Cures, RemovingTheOwnNetworkKeepsTheGatewayReachable) {
  const auto own = cures::remove_route(net("10.1.1.0/24"), "eth0", ip("10.1.1.2"), ip("10.1.1.9"));
  ASSERT_EQ(own.size(), 3U);
  EXPECT_EQ(own[0].command, "ip route add 10.1.1.9/32 dev eth0");
  EXPECT_EQ(own[1].command, "ip route replace default via 10.1.1.9 dev eth0");
  EXPECT_EQ(own[2].command, "ip route del 10.1.1.0/24 dev eth0");
  EXPECT_NE(own[2].persistent.value_or("").find("10.1.1.2/32"), std::string::npos);
  const auto other = cures::remove_route(net("192.168.1.0/24"), "eth1", ip("10.1.1.2"), ip("10.1.1.9"));
  ASSERT_EQ(other.size(), 1U);
  EXPECT_EQ(other[0].command, "ip route del 192.168.1.0/24 dev eth1");
}

TEST(Cures, DeviceNamesCannotBreakOutOfTheCommand) {
  EXPECT_EQ(cures::gateway(ip("10.1.1.9"), "eth0; reboot").command, "ip route replace default via 10.1.1.9 dev 'eth0; reboot'");
  EXPECT_EQ(cures::shell_word("a'b"), "'a'\\''b'");
  EXPECT_EQ(cures::shell_word("-rf"), "'-rf'");
  EXPECT_EQ(cures::shell_word(""), "''");
  EXPECT_EQ(cures::shell_word("eth0.100"), "eth0.100");
  EXPECT_EQ(cures::shell_word("x\ny").find('\n'), std::string::npos);
}

TEST(Cures, RedirectsNeedAllDefaultAndEachDevice) {
  const std::vector<std::string> devices{"eth0", "eth1.100"};
  const auto v4 = cures::redirects_off(false, devices);
  ASSERT_EQ(v4.size(), 1U);
  EXPECT_EQ(v4[0].command,
            "sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 "
            "net.ipv4.conf.eth0.send_redirects=0 net.ipv4.conf.eth1/100.send_redirects=0");
  EXPECT_NE(v4[0].persistent.value_or("").find("/etc/sysctl.d/60-lvs-nat.conf"), std::string::npos);
  // There is no IPv6 sysctl of that name: a cure that names one would fail.
  for (const Cure& cure : cures::redirects_off(true, devices)) EXPECT_EQ(cure.command.find("sysctl"), std::string::npos);
}

TEST(Cures, ReverseLoosensAllAndTheDeviceSinceTheKernelTakesTheMaximum) {
  EXPECT_EQ(cures::rp_filter(Where::director, "eth1").command,
            "sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.eth1.rp_filter=2");
}

TEST(Cures, ForwardAcceptMatchesTheRealServersNotTheVip) {
  const auto cures = cures::forward_accept(net("10.1.1.0/24"), "eth1");
  ASSERT_EQ(cures.size(), 2U);
  EXPECT_EQ(cures[0].command, "nft insert rule inet filter forward iifname \"eth1\" ip saddr 10.1.1.0/24 accept");
  EXPECT_EQ(cures[1].command, "iptables -I FORWARD -i eth1 -s 10.1.1.0/24 -j ACCEPT");
  EXPECT_EQ(cures::forward_accept(net("fd00::/64"), "", "ip6 fw", "fwd")[0].command,
            "nft insert rule ip6 fw fwd ip6 saddr fd00::/64 accept");
}

TEST(Cures, InputAcceptFollowsTheServicesSelector) {
  EXPECT_EQ(cures::input_accept(web())[0].command,
            "nft insert rule inet filter input ip daddr 192.168.1.110 tcp dport 80 accept");
  Service mark;
  mark.protocol = ServiceProtocol::fwmark;
  mark.fwmark = 7;
  EXPECT_EQ(cures::input_accept(mark)[1].command, "iptables -I INPUT -m mark --mark 7 -j ACCEPT");
}

TEST(Cures, IpvsadmKeepsWhatItWasNotAskedToChange) {
  Destination destination = at("10.1.1.2", 0);
  destination.method = Method::route;
  destination.weight = 3;
  destination.upper_threshold = 100;
  EXPECT_EQ(cures::masq_method(web(), destination).command, "ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 3 -x 100");
  EXPECT_EQ(cures::weight(web(), destination, 0).command, "ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -g -w 0 -x 100");
  EXPECT_EQ(cures::lift_thresholds(web(), destination).command,
            "ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -g -w 3 -x 0 -y 0");
  EXPECT_EQ(cures::add_destination(web(), ip("10.1.1.3"), 8080).command,
            "ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.3:8080 -m -w 1");
  Service ops = web();
  ops.one_packet = true;
  ops.persistence = 300;
  EXPECT_EQ(cures::no_one_packet(ops).command, "ipvsadm -E -t 192.168.1.110:80 -s wlc -p 300");
}

TEST(Cures, IpvsadmSpellsIpv6AndMarks) {
  Service service = web();
  service.vip = ip("fd00::110");
  service.v6 = true;
  service.protocol = ServiceProtocol::udp;
  EXPECT_EQ(cures::add_destination(service, ip("fd00::2"), 0).command, "ipvsadm -a -u [fd00::110]:80 -r [fd00::2]:80 -m -w 1");
  Service mark;
  mark.protocol = ServiceProtocol::fwmark;
  mark.fwmark = 7;
  mark.v6 = true;
  EXPECT_EQ(cures::add_destination(mark, ip("fd00::2"), 0).command, "ipvsadm -a -f 7 -6 -r [fd00::2] -m -w 1");
}

TEST(Cures, TimeoutsLeaveTheOthersAlone) {
  EXPECT_EQ(cures::timeouts(7200, std::nullopt, std::nullopt).command, "ipvsadm --set 7200 0 0");
  EXPECT_EQ(cures::timeouts(7200, std::nullopt, std::nullopt).persistent.value_or("").find("udp"), std::string::npos);
}

TEST(Cures, FtpHelperOnOtherPorts) {
  EXPECT_EQ(cures::ftp_helper().command, "modprobe ip_vs_ftp");
  const std::uint16_t ports[] = {21, 2121};
  EXPECT_EQ(cures::ftp_helper(ports).command, "modprobe -r ip_vs_ftp; modprobe ip_vs_ftp ports=21,2121");
}

TEST(Cures, FullNatNeedsConntrackFirst) {
  const auto cures = cures::full_nat(web(), ip("10.1.1.9"));
  ASSERT_EQ(cures.size(), 2U);
  EXPECT_EQ(cures[0].command, "sysctl -w net.ipv4.vs.conntrack=1");
  EXPECT_EQ(cures[1].command,
            "iptables -t nat -A POSTROUTING -p tcp -m ipvs --vaddr 192.168.1.110/32 --vport 80 -j SNAT --to-source 10.1.1.9");
}

TEST(Cures, AddressesAreAnnounced) {
  const auto cures = cures::add_address(net("192.168.1.110/32"), "eth0");
  ASSERT_EQ(cures.size(), 2U);
  EXPECT_EQ(cures[0].command, "ip addr add 192.168.1.110/32 dev eth0");
  EXPECT_EQ(cures[1].command, "arping -U -c 3 -I eth0 192.168.1.110");
}

}  // namespace
}  // namespace lvsnat
