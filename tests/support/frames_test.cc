#include "support/frames.h"

#include <gtest/gtest.h>
#include <tins/tins.h>

#include <numeric>

namespace lvsnat::scenario {
namespace {

constexpr const char* kTwoNets = R"(## two
```topology
host DIRECTOR on eth0 02:00:00:00:10:00 VIP=192.168.1.110
host DIRECTOR on eth1 02:00:00:00:10:01 DIP=10.1.1.9
host CLIENT on eth0 02:00:00:00:fe:00 CIP=192.168.1.254
host RS1 on eth1 02:00:00:00:02:00 RIP1=10.1.1.2
```
## two6
```topology
host DIRECTOR on eth0 02:00:00:00:10:00 VIP=2001:db8::110
host DIRECTOR on eth1 02:00:00:00:10:01 DIP=fd00::9
host CLIENT on eth0 02:00:00:00:fe:00 CIP=2001:db8::254
host RS1 on eth1 02:00:00:00:02:00 RIP1=fd00::2
```
)";

Capture capture_of(const std::string& packets, const std::string& topology = "use two") {
  auto library = parse_topologies("t.md", kTwoNets);
  if (!library) {
    ADD_FAILURE() << library.error().message;
    return {};
  }
  auto cases = parse_cases(
      "x.md", "## x\n```topology\n" + topology + "\n```\n```packets\n" + packets + "\n```\n```findings\nclean\n```\n", *library);
  if (!cases) ADD_FAILURE() << cases.error().message;
  if (!cases || cases->empty()) return {};
  auto built = build(cases->front());
  if (!built) ADD_FAILURE() << built.error().message;
  return built ? std::move(*built) : Capture{};
}

Tins::EthernetII ethernet(const Frame& frame) { return {frame.data, frame.captured}; }

/// "eth1 10.1.1.2:80>192.168.1.254:3456 SA ttl 64": one frame in a line.
std::string brief(const Capture& capture, const Frame& frame) {
  Tins::EthernetII parsed = ethernet(frame);
  const auto& ip = parsed.rfind_pdu<Tins::IP>();
  const auto& tcp = parsed.rfind_pdu<Tins::TCP>();
  std::string flags;
  for (unsigned bit = 0; bit < 6; ++bit)
    if ((tcp.flags() >> bit & 1u) != 0) flags += "FSRPAU"[bit];
  return capture.vantages[frame.vantage].interface + " " + ip.src_addr().to_string() + ":" + std::to_string(tcp.sport()) + ">" +
         ip.dst_addr().to_string() + ":" + std::to_string(tcp.dport()) + " " + flags + " ttl " + std::to_string(ip.ttl());
}

TEST(Frames, HealthyConnectionHasAllFourLegs) {
  Capture capture = capture_of("0 healthy CIP:3456 > VIP:80 > RIP1:8080 data 1");
  ASSERT_EQ(capture.frames.size(), 18u) << "nine packets on two legs each";
  EXPECT_EQ(brief(capture, capture.frames[0]), "eth0 192.168.1.254:3456>192.168.1.110:80 S ttl 64");
  EXPECT_EQ(brief(capture, capture.frames[1]), "eth1 192.168.1.254:3456>10.1.1.2:8080 S ttl 63");
  EXPECT_EQ(brief(capture, capture.frames[2]), "eth1 10.1.1.2:8080>192.168.1.254:3456 SA ttl 64");
  EXPECT_EQ(brief(capture, capture.frames[3]), "eth0 192.168.1.110:80>192.168.1.254:3456 SA ttl 63");
  Tins::EthernetII one = ethernet(capture.frames[0]), two = ethernet(capture.frames[1]), three = ethernet(capture.frames[2]),
                   four = ethernet(capture.frames[3]), five = ethernet(capture.frames[4]);
  EXPECT_EQ(one.rfind_pdu<Tins::IP>().id(), two.rfind_pdu<Tins::IP>().id());
  EXPECT_EQ(three.rfind_pdu<Tins::IP>().id(), four.rfind_pdu<Tins::IP>().id());
  EXPECT_NE(one.rfind_pdu<Tins::IP>().id(), three.rfind_pdu<Tins::IP>().id());
  EXPECT_EQ(one.src_addr().to_string(), "02:00:00:00:fe:00");
  EXPECT_EQ(one.dst_addr().to_string(), "02:00:00:00:10:00");
  EXPECT_EQ(two.src_addr().to_string(), "02:00:00:00:10:01");
  EXPECT_EQ(two.dst_addr().to_string(), "02:00:00:00:02:00");
  EXPECT_EQ(four.dst_addr().to_string(), "02:00:00:00:fe:00");
  EXPECT_EQ(three.rfind_pdu<Tins::TCP>().ack_seq(), one.rfind_pdu<Tins::TCP>().seq() + 1);
  EXPECT_EQ(five.rfind_pdu<Tins::TCP>().seq(), one.rfind_pdu<Tins::TCP>().seq() + 1);
  EXPECT_EQ(five.rfind_pdu<Tins::TCP>().ack_seq(), three.rfind_pdu<Tins::TCP>().seq() + 1);
}

TEST(Frames, SequenceNumbersLeaveNoHole) {
  Capture capture = capture_of("0 healthy CIP:3456 > VIP:80 > RIP1:80 data 3 requests 2", "use two\ncapture eth1");
  std::uint32_t next = 0;
  for (const Frame& frame : capture.frames) {
    Tins::EthernetII parsed = ethernet(frame);
    const auto& tcp = parsed.rfind_pdu<Tins::TCP>();
    if (tcp.sport() != 80) continue;
    std::uint32_t length =
        parsed.rfind_pdu<Tins::IP>().tot_len() - parsed.rfind_pdu<Tins::IP>().header_size() - tcp.header_size();
    if (next != 0) {
      EXPECT_EQ(tcp.seq(), next);
    }
    next = tcp.seq() + length + (tcp.get_flag(Tins::TCP::SYN) || tcp.get_flag(Tins::TCP::FIN) ? 1 : 0);
  }
}

TEST(Frames, LadderRepeatsTheSameSyn) {
  Capture capture = capture_of("0 ladder CIP:3456 > VIP:80 > RIP1:80 legs 12 tries 4");
  ASSERT_EQ(capture.frames.size(), 8u);
  EXPECT_EQ(capture.frames[6].time - capture.frames[0].time, 7 * kSecond) << "1, 2, 4 s apart";
  EXPECT_EQ(ethernet(capture.frames[0]).rfind_pdu<Tins::TCP>().seq(), ethernet(capture.frames[6]).rfind_pdu<Tins::TCP>().seq());
  EXPECT_NE(ethernet(capture.frames[0]).rfind_pdu<Tins::IP>().id(), ethernet(capture.frames[6]).rfind_pdu<Tins::IP>().id());
}

TEST(Frames, NewConnectionOnTheSamePortsHasNewNumbers) {
  Capture capture = capture_of("0 healthy CIP:1 > VIP:80 > RIP1:80\n9 healthy CIP:1 > VIP:80 > RIP1:80", "use two\ncapture eth0");
  std::vector<std::uint32_t> syns;
  for (const Frame& frame : capture.frames) {
    Tins::EthernetII parsed = ethernet(frame);
    if (parsed.rfind_pdu<Tins::TCP>().flags() == Tins::TCP::SYN) syns.push_back(parsed.rfind_pdu<Tins::TCP>().seq());
  }
  ASSERT_EQ(syns.size(), 2u);
  EXPECT_NE(syns[0], syns[1]);
}

TEST(Frames, WhatIsLostIsNeverAcknowledged) {
  Capture capture = capture_of(
      "0 healthy CIP:1 > VIP:80 > RIP1:80 open\n1 reply CIP:1 > VIP:80 > RIP1:80 A len 1448 lost\n"
      "2 reply CIP:1 > VIP:80 > RIP1:80 A len 1448 again\n3 request CIP:1 > VIP:80 > RIP1:80 A",
      "use two\ncapture eth1");
  ASSERT_GE(capture.frames.size(), 3u);
  std::size_t last = capture.frames.size() - 1;
  Tins::EthernetII first = ethernet(capture.frames[last - 2]), second = ethernet(capture.frames[last - 1]),
                   ack = ethernet(capture.frames[last]);
  EXPECT_EQ(first.rfind_pdu<Tins::TCP>().seq(), second.rfind_pdu<Tins::TCP>().seq());
  EXPECT_EQ(ack.rfind_pdu<Tins::TCP>().ack_seq(), first.rfind_pdu<Tins::TCP>().seq());
}

TEST(Frames, OnlyCapturedSegmentsAreKept) {
  Capture capture =
      capture_of("0 healthy CIP:3456 > VIP:80 > RIP1:80", "use two\ncapture eth0\ndrops eth0 12\ngap eth0 100 101 \"down\"");
  ASSERT_EQ(capture.vantages.size(), 1u);
  EXPECT_EQ(capture.frames.size(), 9u);
  EXPECT_EQ(capture.statistics[0].packets, 9u);
  EXPECT_EQ(capture.statistics[0].dropped, 12u);
  ASSERT_EQ(capture.statistics[0].gaps.size(), 1u);
  EXPECT_EQ(capture.statistics[0].gaps[0].from, kBegin + 100 * kSecond);
}

TEST(Frames, NothingIsSeenInAGap) {
  Capture capture = capture_of("0 eth0 CIP:1 > VIP:80 S repeat 10 every 1s", "use two\ngap eth0 2 5 \"down\"");
  EXPECT_EQ(capture.frames.size(), 7u);
}

TEST(Frames, CookedCapturesSayDirectionAndInterface) {
  Capture capture = capture_of("0 healthy CIP:3456 > VIP:80 > RIP1:80", "use two\ncapture any");
  ASSERT_EQ(capture.vantages.size(), 1u);
  ASSERT_EQ(capture.vantages[0].link, LinkType::linux_sll2);
  const std::uint8_t* in = capture.frames[0].data;
  const std::uint8_t* out = capture.frames[1].data;
  EXPECT_EQ(in[7], 2) << "first interface";
  EXPECT_EQ(in[10], 0) << "received";
  EXPECT_EQ(out[7], 3);
  EXPECT_EQ(out[10], 4) << "sent";
  EXPECT_EQ(in[0] << 8 | in[1], 0x0800);
  EXPECT_EQ(in[20] >> 4, 4) << "an IPv4 header follows";
}

TEST(Frames, ArpAndRedirect) {
  Capture capture = capture_of(
      "0 eth1 arp who-has CIP tell RIP1\n1 eth1 arp reply DIP is-at DIRECTOR to RIP1\n"
      "2 eth1 icmp redirect DIP > RIP1 gw CIP about RIP1:80 > CIP:3456");
  ASSERT_EQ(capture.frames.size(), 3u);
  Tins::EthernetII question = ethernet(capture.frames[0]), answer = ethernet(capture.frames[1]),
                   redirect = ethernet(capture.frames[2]);
  EXPECT_TRUE(question.dst_addr().is_broadcast());
  EXPECT_EQ(question.rfind_pdu<Tins::ARP>().target_ip_addr().to_string(), "192.168.1.254");
  EXPECT_EQ(question.rfind_pdu<Tins::ARP>().sender_hw_addr().to_string(), "02:00:00:00:02:00");
  EXPECT_EQ(answer.rfind_pdu<Tins::ARP>().opcode(), Tins::ARP::REPLY);
  EXPECT_EQ(answer.dst_addr().to_string(), "02:00:00:00:02:00");
  const auto& icmp = redirect.rfind_pdu<Tins::ICMP>();
  EXPECT_EQ(icmp.type(), Tins::ICMP::REDIRECT);
  const std::uint8_t* gateway = capture.frames[2].data + 14 + 20 + 4;  // libtins reads it back to front
  EXPECT_EQ(Address::from_v4(gateway), *parse_address("192.168.1.254"));
  Tins::IP quoted(icmp.inner_pdu()->serialize().data(), static_cast<std::uint32_t>(icmp.inner_pdu()->size()));
  EXPECT_EQ(quoted.src_addr().to_string(), "10.1.1.2");
}

/// One's complement sum over a pseudo header and the transport part: 0xffff when the checksum is right.
std::uint32_t transport_sum(const Frame& frame) {
  const std::uint8_t* ip = frame.data + 14;
  bool v4 = ip[0] >> 4 == 4;
  std::size_t header = v4 ? 20 : 40, length = v4 ? std::size_t(ip[2] << 8 | ip[3]) - header : std::size_t(ip[4] << 8 | ip[5]);
  std::uint8_t protocol = v4 ? ip[9] : ip[6];
  std::uint32_t sum = 0;
  auto add = [&](const std::uint8_t* p, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) sum += i % 2 == 0 ? std::uint32_t{p[i]} << 8 : p[i];
  };
  if (protocol != 1) {
    add(ip + (v4 ? 12 : 8), v4 ? 8 : 32);
    sum += protocol + static_cast<std::uint32_t>(length);
  }
  add(ip + header, length);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

TEST(Frames, ChecksumsAreRightInBothFamilies) {
  for (const char* topology : {"use two", "use two6"}) {
    Capture capture = capture_of(
        "0 healthy CIP:3456 > VIP:80 > RIP1:80\n1 healthy udp CIP:3457 > VIP:53 > RIP1:53\n"
        "2 eth1 icmp redirect DIP > RIP1 gw CIP about RIP1:80 > CIP:3456\n"
        "3 eth0 icmp unreachable port VIP > CIP about udp CIP:5 > VIP:53\n"
        "4 eth0 icmp frag-needed CIP > VIP mtu 1300 about VIP:80 > CIP:3456\n"
        "5 eth1 icmp echo DIP > RIP1 len 33\n",
        topology);
    for (const Frame& frame : capture.frames) EXPECT_EQ(transport_sum(frame), 0xffffu) << topology << " frame " << frame.number;
  }
}

TEST(Frames, NeighbourDiscovery) {
  Capture capture = capture_of(
      "0 eth1 nd who-has CIP tell RIP1\n1 eth1 nd reply DIP is-at DIRECTOR to RIP1\n2 eth1 nd gratuitous DIP is-at DIRECTOR",
      "use two6");
  ASSERT_EQ(capture.frames.size(), 3u);
  Tins::EthernetII question = ethernet(capture.frames[0]);
  EXPECT_EQ(question.dst_addr().to_string(), "33:33:ff:00:02:54");
  EXPECT_EQ(question.rfind_pdu<Tins::IPv6>().dst_addr().to_string(), "ff02::1:ff00:254");
  EXPECT_EQ(question.rfind_pdu<Tins::IPv6>().hop_limit(), 255);
  EXPECT_EQ(question.rfind_pdu<Tins::ICMPv6>().type(), Tins::ICMPv6::NEIGHBOUR_SOLICIT);
  for (const Frame& frame : capture.frames) EXPECT_EQ(transport_sum(frame), 0xffffu);
}

TEST(Frames, TunnelsSctpAndPayloads) {
  Capture capture = capture_of(
      "0 eth1 ipip DIP > RIP1 inner CIP:3456 > VIP:80 S\n1 healthy sctp CIP:9 > VIP:7 > RIP1:7\n"
      "2 request CIP:5 > VIP:21 > RIP1:21 PA text \"227 x (1,2)\\r\\n\"");
  EXPECT_EQ(capture.frames[0].data[14 + 9], 4) << "IP in IP";
  EXPECT_EQ(capture.frames[0].data[14 + 20 + 9], 6);
  EXPECT_EQ(capture.frames[1].data[14 + 9], 132);
  const Frame& last = capture.frames.back();
  std::string text(reinterpret_cast<const char*>(last.data), last.captured);
  EXPECT_NE(text.find("227 x (1,2)\r\n"), std::string::npos);
}

TEST(Frames, RepeatedMacrosAreNewConnections) {
  Capture capture = capture_of("0 ladder CIP:1000 > VIP:80 > RIP1:80 legs 1 tries 1 repeat 6 every 0.1s sources 3",
                               "use two\nhost CLIENT owns 192.168.0.0/16\ncapture eth0");
  std::vector<std::string> seen;
  for (const Frame& frame : capture.frames) seen.push_back(brief(capture, frame).substr(0, 25));
  EXPECT_EQ(seen,
            (std::vector<std::string>{"eth0 192.168.1.254:1000>1", "eth0 192.168.1.255:1000>1", "eth0 192.168.2.0:1000>192",
                                      "eth0 192.168.1.254:1001>1", "eth0 192.168.1.255:1001>1", "eth0 192.168.2.0:1001>192"}));
}

TEST(Frames, PcapHoldsEveryFrameOfItsVantage) {
  Capture capture = capture_of("0 healthy CIP:3456 > VIP:80 > RIP1:80");
  std::string file = to_pcap(capture, 1);
  std::size_t expected = 24;
  for (const Frame& frame : capture.frames) expected += frame.vantage == 1 ? 16 + frame.captured : 0;
  EXPECT_EQ(file.size(), expected);
}

TEST(Frames, SnaplenCuts) {
  Capture capture = capture_of("0 healthy CIP:3456 > VIP:80 > RIP1:80", "use two\nsnaplen 60");
  for (const Frame& frame : capture.frames) EXPECT_LE(frame.captured, 60u);
  EXPECT_GT(std::accumulate(capture.frames.begin(), capture.frames.end(), 0u,
                            [](unsigned most, const Frame& f) { return std::max(most, f.wire); }),
            1000u);
}

}  // namespace
}  // namespace lvsnat::scenario
