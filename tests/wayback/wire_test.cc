// What a capture on the real server's own wire tells.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "lvsnat/wayback.h"

namespace lvsnat {
namespace {

const char* const kDirector = "02:00:00:00:00:09";
const char* const kOther = "02:00:00:00:00:01";
const char* const kOwn = "02:00:00:00:00:02";

/// An Ethernet frame with one TCP segment of IPv4, no payload.
std::vector<std::uint8_t> segment(const char* from_mac, const char* to_mac, const char* from, std::uint16_t from_port,
                                  const char* to, std::uint16_t to_port, std::uint8_t flags) {
  std::vector<std::uint8_t> f(54, 0);
  std::memcpy(&f[0], parse_mac(to_mac)->bytes.data(), 6);
  std::memcpy(&f[6], parse_mac(from_mac)->bytes.data(), 6);
  f[12] = 0x08;
  f[14] = 0x45;
  f[17] = 40;
  f[22] = 64;
  f[23] = 6;
  std::memcpy(&f[26], &parse_address(from)->bytes[12], 4);
  std::memcpy(&f[30], &parse_address(to)->bytes[12], 4);
  f[34] = static_cast<std::uint8_t>(from_port >> 8);
  f[35] = static_cast<std::uint8_t>(from_port);
  f[36] = static_cast<std::uint8_t>(to_port >> 8);
  f[37] = static_cast<std::uint8_t>(to_port);
  f[46] = 0x50;
  f[47] = flags;
  return f;
}

struct Capture {
  std::vector<std::vector<std::uint8_t>> bytes;
  Wire feed(std::set<Address> own = {}, LinkType link = LinkType::ethernet) const {
    Wire wire(std::move(own));
    std::vector<Frame> frames;
    for (const auto& b : bytes) {
      Frame f;
      f.data = b.data();
      f.captured = f.wire = static_cast<std::uint32_t>(b.size());
      f.number = static_cast<std::uint32_t>(frames.size() + 1);
      f.link = link;
      frames.push_back(f);
    }
    Vantage v;
    v.source = "rs.pcap";
    v.link = link;
    wire.feed(frames, {v});
    return wire;
  }
};

Capture handshake(const char* reply_to) {
  return {{segment(kDirector, kOwn, "192.168.1.254", 4000, "10.1.1.2", 80, 0x02),
           segment(kOwn, reply_to, "10.1.1.2", 80, "192.168.1.254", 4000, 0x12)}};
}

TEST(Wire, RepliesToWhereRequestsCameFrom) {
  const Wire wire = handshake(kDirector).feed();
  const Report report = trace_way_back(nullptr, {}, &wire);
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(report.verdict, Verdict::ok);
  EXPECT_EQ(wire.request_macs(), std::set<Mac>{*parse_mac(kDirector)});
}

TEST(Wire, RepliesToAnotherMac) {
  const Wire wire = handshake(kOther).feed();
  const Report report = trace_way_back(nullptr, {}, &wire);
  ASSERT_EQ(report.findings.size(), 1u);
  const Finding& f = report.findings[0];
  EXPECT_EQ(f.code, 309);
  EXPECT_EQ(f.subject.real_server, "10.1.1.2");
  EXPECT_EQ(f.subject.client, "192.168.1.254");
  EXPECT_EQ(f.evidence.at(1).frame, 2u);
  EXPECT_EQ(f.evidence.at(1).source, "rs.pcap");
}

TEST(Wire, AVirtualMacOfVrrpIsTheSameHost) {
  const Wire wire = handshake("00:00:5e:00:01:0a").feed();
  EXPECT_TRUE(trace_way_back(nullptr, {}, &wire).findings.empty());
}

TEST(Wire, TheRealServersOwnConnectionsAreNotAskedAbout) {
  const Capture own{{segment(kOwn, kOther, "10.1.1.2", 5000, "198.51.100.7", 443, 0x02),
                     segment(kDirector, kOwn, "198.51.100.7", 443, "10.1.1.2", 5000, 0x12)}};
  const Wire wire = own.feed({*parse_address("10.1.1.2")});
  EXPECT_TRUE(wire.flows().empty());
  EXPECT_NE(trace_way_back(nullptr, {}, &wire).verdict, Verdict::ok) << "nothing of a service was seen";
}

TEST(Wire, HealthChecksAreTheDirectorsOwn) {
  const Wire wire = handshake(kOther).feed();
  WayBackQuestion q;
  q.directors = {*parse_address("192.168.1.254")};
  EXPECT_TRUE(trace_way_back(nullptr, q, &wire).findings.empty());
}

TEST(Wire, TheResetOfAClientDoesNotHideTheDirector) {
  Capture c = handshake(kOther);
  c.bytes.push_back(segment(kOther, kOwn, "192.168.1.254", 4000, "10.1.1.2", 80, 0x04));
  const Wire wire = c.feed();
  ASSERT_EQ(wire.flows().size(), 1u);
  EXPECT_EQ(wire.flows()[0].from, *parse_mac(kDirector));
  EXPECT_TRUE(wire.flows()[0].reset_by_client);
}

/// The same frame as a capture on `any` has it: LINKTYPE_LINUX_SLL, 16 bytes, with the sender's MAC alone.
std::vector<std::uint8_t> cooked(const std::vector<std::uint8_t>& ethernet, bool outgoing) {
  std::vector<std::uint8_t> f(16, 0);
  f[1] = outgoing ? 4 : 0;  // sll_pkttype
  f[3] = 1;                 // ARPHRD_ETHER
  f[5] = 6;
  std::memcpy(&f[6], &ethernet[6], 6);
  f[14] = 0x08;
  f.insert(f.end(), ethernet.begin() + 14, ethernet.end());
  return f;
}

Capture handshake_and_reset(const char* reply_to, const char* reset_from, bool on_any) {
  Capture c = handshake(reply_to);
  c.bytes.push_back(segment(reset_from, kOwn, "192.168.1.254", 4000, "10.1.1.2", 80, 0x04));
  if (!on_any) return c;
  for (std::size_t i = 0; i < c.bytes.size(); ++i) c.bytes[i] = cooked(c.bytes[i], i == 1);
  return c;
}

TEST(Wire, AResetThatCamePastTheDirectorTellsWhereAHiddenReplyWent) {
  const Wire wire = handshake_and_reset(kOther, kOther, true).feed({*parse_address("10.1.1.2")}, LinkType::linux_sll);
  const Report report = trace_way_back(nullptr, {}, &wire);
  ASSERT_EQ(report.findings.size(), 1u);
  const Finding& f = report.findings[0];
  EXPECT_EQ(f.code, 309);
  EXPECT_EQ(f.confidence, Confidence::likely) << "the reply itself was not seen to go there";
  EXPECT_EQ(f.evidence.at(1).frame, 3u);
}

TEST(Wire, AResetThatCameByTheDirectorProvesNothing) {
  const Wire wire = handshake_and_reset(kDirector, kDirector, true).feed({*parse_address("10.1.1.2")}, LinkType::linux_sll);
  EXPECT_TRUE(trace_way_back(nullptr, {}, &wire).findings.empty());
}

// One network: the director passed the SYN-ACK on as it was, and the client resets it straight.
TEST(Wire, AReplyThatWentToTheDirectorIsNotAccusedForTheClientsReset) {
  const Wire wire = handshake_and_reset(kDirector, kOther, false).feed();
  const Report report = trace_way_back(nullptr, {}, &wire);
  EXPECT_TRUE(report.findings.empty());
  EXPECT_TRUE(std::any_of(report.notes.begin(), report.notes.end(),
                          [](const std::string& note) { return note.find("LVS104") != std::string::npos; }));
}

/// `from` asks for `target`, RFC 826.
std::vector<std::uint8_t> who_has(const char* mac, const char* from, const char* target) {
  std::vector<std::uint8_t> f(42, 0);
  std::memset(&f[0], 0xff, 6);
  std::memcpy(&f[6], parse_mac(mac)->bytes.data(), 6);
  const std::uint8_t header[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1};
  std::memcpy(&f[12], header, sizeof header);
  std::memcpy(&f[22], parse_mac(mac)->bytes.data(), 6);
  std::memcpy(&f[28], &parse_address(from)->bytes[12], 4);
  std::memcpy(&f[38], &parse_address(target)->bytes[12], 4);
  return f;
}

/// The real server's table has kOther as the director's MAC; requests come from kDirector, which says that it is the director,
/// too. Two connections.
std::vector<Finding> other_mac_in_the_table(bool acknowledged) {
  Capture c;
  c.bytes.push_back(who_has(kDirector, "10.1.1.9", "10.1.1.2"));
  for (const std::uint16_t port : {std::uint16_t{4000}, std::uint16_t{4001}}) {
    c.bytes.push_back(segment(kDirector, kOwn, "192.168.1.254", port, "10.1.1.2", 80, 0x02));
    for (int i = 0; i < 2; ++i) c.bytes.push_back(segment(kOwn, kOther, "10.1.1.2", 80, "192.168.1.254", port, 0x12));
    if (acknowledged && port == 4001) c.bytes.push_back(segment(kDirector, kOwn, "192.168.1.254", port, "10.1.1.2", 80, 0x10));
  }
  const Wire wire = c.feed();
  KernelState state;
  Neighbour director;
  director.address = *parse_address("10.1.1.9");
  director.dev = "eth0";
  director.mac = *parse_mac(kOther);
  director.state = "PERMANENT";
  state.neighbours.push_back(director);
  WayBackQuestion q;
  q.directors = {director.address};
  std::vector<Finding> found = trace_way_back(&state, q, &wire).findings;
  std::erase_if(found, [](const Finding& f) { return f.code != 309; });
  return found;
}

TEST(Wire, AnOldMacOfTheGatewayIsOneWhereNothingGetsOn) {
  const std::vector<Finding> found = other_mac_in_the_table(false);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].confidence, Confidence::likely);
  EXPECT_EQ(found[0].subject.gateway, kOther);
}

TEST(Wire, ADirectorMayTakeRepliesByOneMacAndSendRequestsByAnother) { EXPECT_TRUE(other_mac_in_the_table(true).empty()); }

TEST(Wire, NoMemoryWithoutBound) {
  Wire wire;
  for (std::uint32_t i = 0; i < Wire::kMaxFlows + 10; ++i) {
    const std::string client = to_string(Address::v4(0x0b000000u + i));
    const auto bytes = segment(kDirector, kOwn, client.c_str(), 4000, "10.1.1.2", 80, 0x02);
    Frame f;
    f.data = bytes.data();
    f.captured = f.wire = static_cast<std::uint32_t>(bytes.size());
    wire.feed({&f, 1}, {Vantage{}});
  }
  EXPECT_EQ(wire.flows().size(), Wire::kMaxFlows);
  EXPECT_EQ(wire.flows_left_out(), 10u);
}

}  // namespace
}  // namespace lvsnat
