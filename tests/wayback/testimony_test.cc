// What a real server says of itself, held against what the director's packets show.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "wayback/testimony.h"

namespace lvsnat::wayback {
namespace {

constexpr Timestamp kNoon = 1'795'435'200'000'000'000;

Address at(const char* text) { return *parse_address(text); }

const char* const kRip = "10.1.1.2";
const char* const kClient = "192.168.1.254";

/// The director's report: one finding about the real server.
Report director(int code, Confidence confidence = Confidence::likely) {
  Report r;
  r.verdict = Verdict::error;
  r.packets.total = 100;
  r.director.addresses = {at("10.1.1.9"), at("192.168.1.110")};
  ServiceTally service;
  DestinationTally d;
  d.destination.rip = at(kRip);
  service.destinations = {d};
  r.services = {service};
  Finding f;
  f.code = code;
  f.confidence = confidence;
  f.title = "What packets show";
  f.cause = "Candidates: this and that.";
  f.subject.real_server = kRip;
  f.count = 2;
  f.evidence.push_back({"a packet", "eth1.pcap", 7, kNoon, Leg::demasq});
  f.cure.push_back({Where::real_server, "ip route get", std::nullopt});
  f.unchecked = {"lvstrace --client 192.168.1.254 on 10.1.1.2"};
  r.findings = {f};
  return r;
}

Scene scene(int code) {
  Scene s;
  s.time = Span{kNoon, kNoon + 30 * kSecond};
  s.witnessed[at(kRip)].failed[code] = {at(kClient)};
  return s;
}

/// lvstrace's: replies to the client go some way, accused by `code` or by nothing.
Testimony says(ReplyWay::Way way, int code, const char* gateway, std::optional<Timestamp> taken = kNoon) {
  Testimony t;
  t.name = "rs1.json";
  t.report.tool = "lvstrace";
  t.report.host = "rs1";
  t.report.taken = taken;
  ReplyWay w;
  w.real_server = at(kRip);
  w.clients = {*parse_prefix("192.168.1.254/32")};
  w.asked = true;
  w.way = way;
  if (gateway != nullptr) w.gateway = at(gateway);
  w.interface = "eth0";
  w.code = code;
  t.report.reply_ways = {w};
  if (code != 0) {
    Finding f;
    f.code = code;
    f.title = "Replies leave by the wrong one";
    f.cause = "The named cause.";
    f.subject.real_server = kRip;
    f.subject.client = kClient;
    f.count = 1;
    f.evidence.push_back({"ip route get", "live", std::nullopt, std::nullopt, std::nullopt});
    f.cure.push_back({Where::real_server, "the cure", "kept"});
    t.report.findings = {f};
  }
  return t;
}

bool any(const std::vector<std::string>& list, std::string_view part) {
  return std::any_of(list.begin(), list.end(), [part](const std::string& s) { return s.find(part) != std::string::npos; });
}

TEST(Testimony, NamesTheCause) {
  for (const int code : {101, 102, 111, 214}) {
    Report r = director(code);
    const std::vector<Testimony> t{says(ReplyWay::Way::gateway, 301, "10.1.1.1")};
    hear(r, t, scene(code));
    ASSERT_EQ(r.findings.size(), 1u) << "one break, one finding";
    const Finding& f = r.findings[0];
    EXPECT_EQ(f.code, code);
    ASSERT_EQ(f.because.size(), 1u);
    EXPECT_EQ(f.because[0].code, 301);
    EXPECT_EQ(f.confidence, Confidence::certain);
    EXPECT_NE(f.title.find("LVS301"), std::string::npos);
    EXPECT_NE(f.cause.find("The named cause."), std::string::npos);
    EXPECT_EQ(f.cause.find("Candidates") == std::string::npos, code == 102 || code == 214);
    EXPECT_EQ(f.evidence.front().source, "rs1.json");
    EXPECT_EQ(f.evidence.back().source, "eth1.pcap") << "what packets showed stays";
    ASSERT_EQ(f.cure.size(), 1u);
    EXPECT_EQ(f.cure[0].command, "the cure");
    EXPECT_TRUE(f.unchecked.empty());
  }
}

TEST(Testimony, AnOldWordIsNoCertainty) {
  const auto confidence = [](std::optional<Timestamp> taken) {
    Report r = director(102, Confidence::possible);
    const std::vector<Testimony> t{says(ReplyWay::Way::nowhere, 302, nullptr, taken)};
    hear(r, t, scene(102));
    EXPECT_EQ(r.findings[0].because.size(), 1u);
    return std::make_pair(r.findings[0].confidence, any(r.findings[0].unchecked, "still holds"));
  };
  EXPECT_EQ(confidence(kNoon - 60 * kSecond), std::make_pair(Confidence::certain, false));
  EXPECT_EQ(confidence(kNoon - 3 * 3600 * kSecond), std::make_pair(Confidence::likely, true));
  EXPECT_EQ(confidence(kNoon + 3 * 3600 * kSecond), std::make_pair(Confidence::likely, true));
  EXPECT_EQ(confidence(kNoon - 72 * 3600 * kSecond), std::make_pair(Confidence::possible, true));
  EXPECT_EQ(confidence(std::nullopt), std::make_pair(Confidence::likely, true));
}

TEST(Testimony, ARedirectThatHadEndedIsNotToBlame) {
  Report r = director(102);
  Testimony t = says(ReplyWay::Way::direct, 304, nullptr, kNoon - 400 * kSecond);
  t.report.reply_ways[0].redirected = true;
  t.report.reply_ways[0].expires = 200;
  hear(r, std::vector{t}, scene(102));
  EXPECT_TRUE(r.findings.front().because.empty());
  EXPECT_TRUE(any(r.findings.front().unchecked, "run out"));
  r = director(102);
  t.report.reply_ways[0].expires = 290;
  t.report.taken = kNoon - 100 * kSecond;
  hear(r, std::vector{t}, scene(102));
  ASSERT_EQ(r.findings.front().because.size(), 1u);
}

TEST(Testimony, ARightWayAcquitsOrContradicts) {
  const std::vector<Testimony> right{says(ReplyWay::Way::director, 0, "10.1.1.9")};
  Report r = director(102);
  hear(r, right, scene(102));
  EXPECT_TRUE(r.findings[0].because.empty());
  EXPECT_NE(r.findings[0].cause.find("routes are not to blame"), std::string::npos);
  EXPECT_FALSE(any(r.findings[0].unchecked, "lvstrace --client"));
  // Packets that show the bypass stand; the contradiction is told.
  r = director(101, Confidence::certain);
  hear(r, right, scene(101));
  EXPECT_EQ(r.findings[0].severity, Severity::error);
  EXPECT_EQ(r.findings[0].confidence, Confidence::certain);
  EXPECT_NE(r.findings[0].cause.find("Candidates"), std::string::npos);
  EXPECT_TRUE(any(r.findings[0].unchecked, "contradicts these packets"));
  // An old one acquits nobody.
  r = director(102);
  hear(r, std::vector{says(ReplyWay::Way::director, 0, "10.1.1.9", kNoon - 3 * 3600 * kSecond)}, scene(102));
  EXPECT_NE(r.findings[0].cause.find("Candidates"), std::string::npos);
}

TEST(Testimony, ADirectorThatIsNoneHere) {
  // lvstrace was told that 10.1.1.8 is the director; this director knows its own addresses.
  Report r = director(102);
  hear(r, std::vector{says(ReplyWay::Way::director, 0, "10.1.1.8")}, scene(102));
  EXPECT_NE(r.findings[0].cause.find("10.1.1.8"), std::string::npos);
  EXPECT_EQ(r.findings[0].cause.find("not to blame"), std::string::npos);
  // lvstrace knew no director, and the gateway is this one: right.
  r = director(102);
  hear(r, std::vector{says(ReplyWay::Way::gateway, 0, "10.1.1.9")}, scene(102));
  EXPECT_NE(r.findings[0].cause.find("not to blame"), std::string::npos);
}

TEST(Testimony, OtherClientsAreOtherClients) {
  Report r = director(102);
  Scene s = scene(102);
  s.witnessed[at(kRip)].failed[102] = {at("203.0.113.7")};
  hear(r, std::vector{says(ReplyWay::Way::gateway, 301, "10.1.1.1")}, s);
  const auto p = std::find_if(r.findings.begin(), r.findings.end(), [](const Finding& f) { return f.code == 102; });
  ASSERT_NE(p, r.findings.end());
  EXPECT_TRUE(p->because.empty()) << "the report speaks of 192.168.1.254 alone";
  EXPECT_TRUE(any(p->unchecked, "203.0.113.7"));
}

TEST(Testimony, PacketsThatCameBackStandAgainstIt) {
  Report r = director(125);
  r.findings.clear();
  r.verdict = Verdict::ok;
  Scene s = scene(102);
  s.witnessed[at(kRip)] = {};
  s.witnessed[at(kRip)].answered = {at(kClient)};
  const std::vector<Testimony> wrong{says(ReplyWay::Way::gateway, 301, "10.1.1.1")};
  hear(r, wrong, s);
  ASSERT_EQ(r.findings.size(), 1u);
  EXPECT_EQ(r.findings[0].severity, Severity::warning);
  EXPECT_EQ(r.findings[0].confidence, Confidence::possible);
  EXPECT_NE(r.findings[0].cause.find("contradict"), std::string::npos);
  EXPECT_EQ(r.verdict, Verdict::warning);
  // Under full NAT nobody uses that way.
  r = director(127);
  r.findings[0].severity = Severity::info;
  r.verdict = Verdict::ok;
  hear(r, wrong, s);
  for (const Finding& f : r.findings) EXPECT_EQ(f.severity, Severity::info) << f.code;
  EXPECT_EQ(r.verdict, Verdict::ok);
}

TEST(Testimony, OthersRealServersAreNotOurs) {
  Report r = director(102);
  Testimony t = says(ReplyWay::Way::gateway, 301, "10.9.9.1");
  t.report.reply_ways[0].real_server = at("10.9.9.2");
  t.report.findings[0].subject.real_server = "10.9.9.2";
  hear(r, std::vector{t}, scene(102));
  EXPECT_EQ(r.findings.size(), 1u);
  EXPECT_TRUE(r.findings[0].because.empty());
  EXPECT_TRUE(any(r.notes, "no real server of these services"));
}

TEST(Testimony, TheLaterWordCounts) {
  const Testimony before = says(ReplyWay::Way::gateway, 301, "10.1.1.1", kNoon - 300 * kSecond);
  const Testimony after = says(ReplyWay::Way::director, 0, "10.1.1.9", kNoon);
  for (const auto& order : {std::vector{before, after}, std::vector{after, before}}) {
    Report r = director(102);
    hear(r, order, scene(102));
    EXPECT_TRUE(r.findings[0].because.empty());
    EXPECT_TRUE(any(r.notes, "the later one"));
  }
}

TEST(Testimony, WithoutPacketsItIsAFindingOfItsOwn) {
  Report r = director(102);
  r.findings.clear();
  r.packets.total = 0;
  r.verdict = Verdict::unknown;
  hear(r, std::vector{says(ReplyWay::Way::nowhere, 302, nullptr)}, Scene{});
  ASSERT_EQ(r.findings.size(), 1u);
  EXPECT_EQ(r.findings[0].code, 302);
  EXPECT_EQ(r.findings[0].evidence[0].source, "rs1.json");
  EXPECT_EQ(r.verdict, Verdict::error);
}

}  // namespace
}  // namespace lvsnat::wayback
