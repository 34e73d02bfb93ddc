// Texts of /proc/net and /proc/modules, and of commands without JSON.
#include "state/proc_net.h"

#include <gtest/gtest.h>

#include "state/command_text.h"

namespace lvsnat {
namespace {

Address ip(const char* text) { return parse_address(text).value(); }

TEST(ProcNet, IpVs) {
  KernelState s;
  const Reading reading = parse_proc_ip_vs(
      "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n"
      "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
      "TCP  C0A8016E:0050 rr persistent 300 FFFFFF00\n  -> 0A010104:1F40      Masq    1      0          3         \n"
      "UDP  [fd00:0001:0000:0000:0000:0000:0000:0110]:0035 rr ops  \n"
      "  -> [fd00:0010:0000:0000:0000:0000:0000:0004]:0035      Route    -1      0          3         \n"
      "FWM  00000010 rr \n  -> 0A010104:0000      Masq    1      0          4         \n",
      s);
  ASSERT_TRUE(reading.known) << reading.problem;
  ASSERT_EQ(s.ipvs.services.size(), 3u);
  EXPECT_EQ(to_string(s.ipvs.services[0]), "tcp:192.168.1.110:80");
  EXPECT_EQ(s.ipvs.services[0].persistence, 300u);
  EXPECT_EQ(s.ipvs.services[0].persistence_prefix, 24);
  EXPECT_EQ(s.ipvs.services[0].destinations[0].port, 8000);
  EXPECT_EQ(to_string(s.ipvs.services[1]), "udp:[fd00:1::110]:53");
  EXPECT_TRUE(s.ipvs.services[1].one_packet);
  EXPECT_EQ(s.ipvs.services[2].fwmark, 16u);
}

TEST(ProcNet, IpVsDamage) {
  KernelState s;
  EXPECT_FALSE(parse_proc_ip_vs("", s).known);
  EXPECT_FALSE(s.ipvs.present);
  const Reading reading =
      parse_proc_ip_vs("IP Virtual Server version 1.2.1 (size=4096)\nTCP  C0A8016E:00500 rr\n  -> 0A0101:0050 Masq 1 0 3\n", s);
  EXPECT_EQ(reading.problem, "line 2: no service that is understood");
  EXPECT_FALSE(s.known.services);
}

TEST(ProcNet, IpVsConnections) {
  KernelState s;
  const Reading reading = parse_proc_ip_vs_conn(
      "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
      "TCP C0A801FE B8DE C0A8016E 0050 0A010103 0050 TIME_WAIT       113\n"
      "IP  C0A801FE 0000 00000001 0000 0A010103 0000 NONE            299 sip call-id\n"
      "UDP fd00:0001:0000:0000:0000:0000:0000:0254 DFCC fd00:0001:0000:0000:0000:0000:0000:0110 0050 "
      "fd00:0010:0000:0000:0000:0000:0000:0004 0050 UDP 109\n",
      s);
  ASSERT_TRUE(reading.known) << reading.problem;
  ASSERT_EQ(s.ipvs.connections.size(), 3u);
  EXPECT_EQ(to_string(s.ipvs.connections[0].client), "192.168.1.254:47326");
  EXPECT_EQ(s.ipvs.connections[0].state, "TIME_WAIT");
  EXPECT_EQ(s.ipvs.connections[1].fwmark, 1u);
  EXPECT_EQ(to_string(s.ipvs.connections[2].rip), "[fd00:10::4]:80");
}

TEST(ProcNet, IpVsConnectionsAreBounded) {
  KernelState s;
  std::string text = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";
  for (std::size_t i = 0; i <= kMaxIpvsConnections; ++i)
    text += "TCP C0A801FE B8DE C0A8016E 0050 0A010103 0050 TIME_WAIT       113\n";
  EXPECT_TRUE(parse_proc_ip_vs_conn(text, s).known);
  EXPECT_EQ(s.ipvs.connections.size(), kMaxIpvsConnections);
  EXPECT_FALSE(s.ipvs.connections_complete);
}

TEST(ProcNet, IpVsTotalsAreHexadecimal) {
  KernelState s;
  EXPECT_TRUE(parse_proc_ip_vs_stats("   Total Incoming Outgoing         Incoming         Outgoing\n"
                                     "   Conns  Packets  Packets            Bytes            Bytes\n"
                                     "       7       44       32             1229             9984\n\n"
                                     " Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n"
                                     "       0        5        4              155              B4B\n",
                                     s)
                  .known);
  EXPECT_EQ(s.ipvs.totals, (ServiceCounters{7, 0x44, 0x32, 0x1229, 0x9984}));
}

TEST(ProcNet, RouteOfEitherByteOrder) {
  const std::string head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
  KernelState little, big;
  EXPECT_TRUE(parse_proc_route(head + "eth0\t00000000\t0901010A\t0003\t0\t0\t100\t00000000\t0\t0\t0\neth0\t0001010A\t00000000\t00"
                                      "01\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
                               little)
                  .known);
  EXPECT_TRUE(parse_proc_route(head + "eth0\t00000000\t0A010109\t0003\t0\t0\t100\t00000000\t0\t0\t0\neth0\t0A010100\t00000000\t00"
                                      "01\t0\t0\t0\tFFFFFF00\t0\t0\t0\n",
                               big)
                  .known);
  ASSERT_EQ(little.routes.size(), 2u);
  EXPECT_EQ(to_string(little.routes[0]), "default via 10.1.1.9 dev eth0 metric 100");
  EXPECT_EQ(to_string(little.routes[1]), "10.1.1.0/24 dev eth0");
  EXPECT_EQ(little.routes, big.routes);
  EXPECT_FALSE(little.known.routes_v4) << "one table is not all";
}

TEST(ProcNet, RouteWithoutAMaskIsNoRoute) {
  KernelState s;
  const Reading reading = parse_proc_route(
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "eth0\t00000000\t0901010A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
      "eth0\t0001010A\t00000000\t0001\t0\t0\t0\t000015FF\t0\t0\t0\n",
      s);
  EXPECT_FALSE(reading.known);
  EXPECT_EQ(reading.problem, "line 3: no route that is understood");
  EXPECT_EQ(s.routes.size(), 1u);
}

TEST(ProcNet, ArpCountersModules) {
  KernelState s;
  s.neighbours.push_back({ip("10.1.1.9"), "eth0", parse_mac("02:00:5e:00:10:01").value(), "REACHABLE", false, false});
  EXPECT_TRUE(parse_proc_arp("IP address       HW type     Flags       HW address            Mask     Device\n"
                             "10.1.1.9         0x1         0x2         02:00:5e:00:10:01     *        eth0\n"
                             "10.1.1.7         0x1         0x0         00:00:00:00:00:00     *        eth0\n",
                             s)
                  .known);
  ASSERT_EQ(s.neighbours.size(), 2u);
  EXPECT_EQ(find_neighbour(s, ip("10.1.1.9"))->state, "REACHABLE");
  EXPECT_EQ(find_neighbour(s, ip("10.1.1.7"))->state, "INCOMPLETE");
  EXPECT_TRUE(parse_proc_counters("Ip: Forwarding DefaultTTL InAddrErrors\nIp: 2 64 5\nTcp: MaxConn\nTcp: -1\n", s).known);
  EXPECT_EQ(counter(s, "Ip:InAddrErrors"), 5);
  EXPECT_EQ(counter(s, "Tcp:MaxConn"), -1);
  EXPECT_EQ(counter(s, "IpExt:InNoRoutes"), std::nullopt);
  EXPECT_NE(parse_proc_counters("Ip: A B\nIp: 1\n", s).problem, "");
  EXPECT_TRUE(parse_proc_modules("ip_vs_ftp 16384 0 - Live 0x0\nip_vs 188416 3 ip_vs_ftp,ip_vs_rr, Live 0x0\n", s).known);
  EXPECT_TRUE(has_module(s, "ip_vs_ftp"));
  EXPECT_FALSE(has_module(s, "ip_vs_wlc"));
}

TEST(CommandText, Conntrack) {
  KernelState s;
  const Reading reading =
      parse_conntrack(split_command_output("tcp      6 115 TIME_WAIT src=192.168.1.254 dst=192.168.1.110 sport=53116 dport=21 "
                                           "src=10.1.1.4 dst=192.168.1.254 sport=21 dport=53116 [ASSURED] mark=3 use=1\n"
                                           "udp      17 25 src=10.1.1.9 dst=10.1.1.2 sport=5 dport=53 [UNREPLIED] src=10.1.1.2 "
                                           "dst=10.1.1.9 sport=53 dport=5 mark=0 use=1\n"
                                           "# stderr: conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.\n"),
                      s);
  ASSERT_TRUE(reading.known) << reading.problem;
  ASSERT_EQ(s.conntrack.entries.size(), 2u);
  EXPECT_EQ(s.conntrack.total, 2u);
  EXPECT_EQ(s.conntrack.entries[0].state, "TIME_WAIT");
  EXPECT_TRUE(s.conntrack.entries[0].assured);
  EXPECT_EQ(to_string(s.conntrack.entries[0].reply_source), "10.1.1.4:21");
  EXPECT_EQ(s.conntrack.entries[0].mark, 3u);
  EXPECT_TRUE(s.conntrack.entries[1].unreplied);
}

TEST(CommandText, Listeners) {
  KernelState s;
  ASSERT_TRUE(parse_ss("State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\nLISTEN 0      64           0.0.0.0:80  "
                       "      0.0.0.0:*          \n"
                       "LISTEN 0 64 *:443 *:*\nESTAB 0 0 10.1.1.2:80 192.168.1.254:1\nLISTEN 0 64 [::1]:25 [::]:*\nLISTEN 0 5 "
                       "10.1.1.2%eth1:22 0.0.0.0:*\n",
                       s)
                  .known);
  ASSERT_EQ(s.listeners.size(), 4u);
  EXPECT_TRUE(s.listeners[1].any_family);
  EXPECT_EQ(s.listeners[2].local.address, ip("::1"));
  EXPECT_EQ(s.listeners[3].dev, "eth1");
  EXPECT_FALSE(parse_ss("", s).known) << "no listing is no proof that nothing listens";
}

TEST(CommandText, Traceroutes) {
  KernelState s;
  EXPECT_TRUE(parse_traceroute(split_command_output("traceroute to 192.168.1.254 (192.168.1.254), 4 hops max, 60 byte packets\n "
                                                    "1  10.1.1.9  9.981 ms\n 2  *\n 3  10.9.9.9  1.2 ms !H\n"),
                               "cip", s)
                  .known);
  EXPECT_TRUE(
      parse_traceroute(
          split_command_output(
              "traceroute to 192.168.1.254 (192.168.1.254), 4 hops max, 60 byte packets\nconnect: Network is unreachable\n"),
          "cip", s)
          .known);
  ASSERT_EQ(s.traceroutes.size(), 2u);
  ASSERT_EQ(s.traceroutes[0].hops.size(), 3u);
  EXPECT_EQ(s.traceroutes[0].hops[0].address, ip("10.1.1.9"));
  EXPECT_DOUBLE_EQ(s.traceroutes[0].hops[0].milliseconds.value(), 9.981);
  EXPECT_FALSE(s.traceroutes[0].hops[1].address);
  EXPECT_EQ(s.traceroutes[0].hops[2].annotation, "!H");
  EXPECT_EQ(s.traceroutes[1].error, "connect: Network is unreachable");
  EXPECT_TRUE(parse_traceroute(split_command_output("traceroute to 10.0.0.1 (10.0.0.1), 30 hops max\n 1  10.0.0.1  nan ms\n"
                                                    " 2  10.0.0.1  inf ms\n 3  10.0.0.1  -1 ms\n"),
                               "cip", s)
                  .known);
  for (const TraceHop& hop : s.traceroutes.back().hops) EXPECT_FALSE(hop.milliseconds) << hop.hop;
}

TEST(CommandText, Sysctls) {
  KernelState s;
  EXPECT_TRUE(parse_sysctl("net.ipv4.ip_forward = 1\nsysctl: permission denied on key 'x'\nnet.ipv4.conf.eth0/100.rp_filter = 2\n"
                           "net/ipv4/conf/eth0.200/rp_filter = 1\nnet.ipv4.ip_local_port_range = 32768\t60999\n",
                           s)
                  .known);
  EXPECT_EQ(sysctl(s, "net.ipv4.ip_forward"), "1");
  EXPECT_EQ(effective_rp_filter(s, "eth0.100").device, 2);
  EXPECT_EQ(effective_rp_filter(s, "eth0.200").device, 1);
  EXPECT_EQ(sysctl_number(s, "net.ipv4.ip_local_port_range"), std::nullopt);
}

TEST(ProcIpVsApp, HelpersByPort) {
  KernelState s;
  const Reading reading =
      parse_proc_ip_vs_app("prot port    usecnt name\nTCP  21      0      ftp              \nTCP  2121    3      ftp\n", s);
  EXPECT_TRUE(reading.known);
  ASSERT_EQ(s.ipvs.helpers.size(), 2u);
  EXPECT_EQ(s.ipvs.helpers[1], (IpvsHelper{6, 2121, "ftp"}));
  EXPECT_EQ(has_ftp_helper(s, 21), true);
  EXPECT_EQ(has_ftp_helper(s, 80), false);
}

TEST(ProcIpVsApp, NoHelperIsAnAnswer) {
  KernelState s;
  EXPECT_EQ(has_ftp_helper(s, 21), std::nullopt);
  EXPECT_TRUE(parse_proc_ip_vs_app("prot port    usecnt name\n", s).known);
  EXPECT_EQ(has_ftp_helper(s, 21), false);
  // The list of helpers is nearer to the truth than that of modules: the module may have been given other ports.
  s.known.modules = true;
  s.modules.push_back({"ip_vs_ftp", 0});
  EXPECT_EQ(has_ftp_helper(s, 21), false);
}

TEST(ProcIpVsApp, DamageIsNoAnswer) {
  KernelState s;
  EXPECT_FALSE(parse_proc_ip_vs_app("", s).known);
  EXPECT_FALSE(parse_proc_ip_vs_app("prot port    usecnt name\nTCP 99999 0 ftp\n", s).known);
  EXPECT_EQ(has_ftp_helper(s, 21), std::nullopt);
}

TEST(ProcNet, RoutingCacheOfOldKernels) {
  const std::string head =
      "Iface\tDestination\tGateway \tFlags\t\tRefCnt\tUse\tMetric\tSource\t\tMTU\tWindow\tIRTT\tTOS\tHHRef\tHHUptod\tSpecDst\n";
  const std::string tail = "\t1460\t0\t0\t00\t-1\t1\t0201A8C0\n";
  KernelState s;
  EXPECT_FALSE(parse_proc_rt_cache(head, s).known) << "Linux 3.6 and later print the heading alone";
  // An ordinary entry, a redirect straight to the client, one to another gateway, an entry for this host.
  const Reading reading = parse_proc_rt_cache(head + "eth0\tFD01A8C0\t0901A8C0\t00000000\t0\t4\t0\t0201A8C0" + tail +
                                                  "eth0\tFE01A8C0\tFE01A8C0\t   40000\t0\t4\t0\t0201A8C0" + tail +
                                                  "eth0\t050071CB\t0101A8C0\t   40000\t0\t4\t0\t0201A8C0" + tail +
                                                  "lo\t0201A8C0\t0201A8C0\t80000000\t0\t4\t0\tFE01A8C0" + tail,
                                              s);
  EXPECT_TRUE(reading.known);
  EXPECT_EQ(reading.problem, "");
  ASSERT_EQ(s.exceptions.size(), 2u);
  EXPECT_EQ(to_string(s.exceptions[0].destination), "192.168.1.254");
  EXPECT_FALSE(s.exceptions[0].gateway);
  EXPECT_TRUE(s.exceptions[0].redirected);
  EXPECT_FALSE(s.exceptions[0].expires);
  EXPECT_EQ(s.exceptions[0].dev, "eth0");
  EXPECT_EQ(to_string(s.exceptions[1].destination), "203.113.0.5");
  EXPECT_EQ(to_string(*s.exceptions[1].gateway), "192.168.1.1");
  // Of a big-endian host.
  KernelState big;
  static_cast<void>(parse_proc_rt_cache(head + "lo\t7F000001\t7F000001\t80000000\t0\t0\t0\t7F000001" + tail +
                                            "eth0\tC0A801FE\tC0A801FE\t40000\t0\t0\t0\tC0A80102" + tail,
                                        big));
  ASSERT_EQ(big.exceptions.size(), 1u);
  EXPECT_EQ(to_string(big.exceptions[0].destination), "192.168.1.254");
  EXPECT_NE(parse_proc_rt_cache("eth0\tnonsense\n", s).problem, "");
}

}  // namespace
}  // namespace lvsnat
