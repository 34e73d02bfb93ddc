#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lvsnat/packet.h"
#include "lvsnat/render.h"
#include "reports.h"

namespace lvsnat {
namespace {

using nlohmann::json;

json rendered(const Report& report) { return json::parse(render_json(report)); }

TEST(JsonReport, SaysWhatTheReportSays) {
  const json report = rendered(test::wrong_gateway_report());
  EXPECT_EQ(report["schema"], 1);
  EXPECT_EQ(report["tool"], "lvsdiag");
  EXPECT_EQ(report["verdict"], "error");
  EXPECT_EQ(report["host"], nullptr);
  EXPECT_EQ(report["sources"][0]["name"], "eth0.pcap");
  EXPECT_EQ(report["sources"][0]["dropped"], 0);
  EXPECT_EQ(report["sources"][1]["dropped"], nullptr);
  EXPECT_EQ(report["sources"][0]["first"], "2026-11-23T01:50:55.000000000Z");
  EXPECT_EQ(report["topology"]["origin"], json({"inferred"}));
  EXPECT_EQ(report["topology"]["director"]["gateways"], json({"10.1.1.9"}));
  const json& service = report["topology"]["services"][0];
  EXPECT_EQ(service["vip"], "192.168.1.110");
  EXPECT_EQ(service["destinations"][0]["rip"], "10.1.1.2");
  EXPECT_EQ(service["destinations"][0]["healthy_connections"], 0);
  EXPECT_EQ(service["destinations"][1]["healthy_connections"], 3);
  EXPECT_EQ(service["destinations"][1]["latency_us"]["real_server"]["p50"], 420.0);
  EXPECT_EQ(report["connections"]["legs"], (json{{"request", 7}, {"demasq", 7}, {"reply", 3}, {"masq", 3}}));
  EXPECT_EQ(report["connections"]["latency_us"]["client"], nullptr);
  const json& finding = report["findings"][0];
  EXPECT_EQ(finding["code"], "LVS101");
  EXPECT_EQ(finding["id"], "reply-bypasses-director");
  EXPECT_EQ(finding["legs"], "12--");
  EXPECT_EQ(finding["subject"]["real_server"], "10.1.1.2");
  EXPECT_EQ(finding["subject"]["director"], nullptr);
  EXPECT_EQ(finding["evidence"][0]["leg"], "demasq");
  EXPECT_EQ(finding["evidence"][1]["frame"], 13);
  EXPECT_EQ(finding["cure"][0]["where"], "real-server");
}

TEST(JsonReport, CommandsKeepTheirLines) {
  EXPECT_EQ(rendered(test::redirect_report())["findings"][0]["cure"][0]["command"],
            "sysctl -w net.ipv4.conf.all.send_redirects=0\nsysctl -w net.ipv4.conf.eth0.send_redirects=0");
}

TEST(JsonReport, FirewallMarkHasNoAddress) {
  Report report = test::healthy_report();
  report.services[0].service.protocol = ServiceProtocol::fwmark;
  report.services[0].service.fwmark = 7;
  const json service = rendered(report)["topology"]["services"][0];
  EXPECT_EQ(service["protocol"], "fwmark");
  EXPECT_EQ(service["fwmark"], 7);
  EXPECT_EQ(service["vip"], nullptr);
  EXPECT_EQ(service["port"], nullptr);
}

TEST(JsonReport, FrameNumberNoneIsNull) {
  Report report = test::wrong_gateway_report();
  report.findings[0].evidence[0].frame = 0;
  EXPECT_EQ(rendered(report)["findings"][0]["evidence"][0]["frame"], nullptr);
}

TEST(JsonReport, NothingFromOutsideBreaksIt) {
  const std::string text = render_json(test::hostile_report());
  for (const char c : text) ASSERT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << int{c};
  EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
  const json report = json::parse(text);
  EXPECT_EQ(report["notes"][0], "a\\x1b[31m|b\\x0ac\\x07\\u{202e}d\\xff\"\\'e");
}

TEST(JsonReport, LinesOfAStreamEndWithTheReport) {
  Report report = test::wrong_gateway_report();
  report.sources[1].dropped = 9;
  const std::string text = render_ndjson(report);
  std::vector<json> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    lines.push_back(json::parse(text.substr(at, end - at)));
    at = end + 1;
  }
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0]["type"], "finding");
  EXPECT_EQ(lines[0]["code"], "LVS101");
  EXPECT_EQ(lines[1]["type"], "lost");
  EXPECT_EQ(lines[1]["lost"], 9);
  EXPECT_EQ(lines[2]["type"], "report");
  EXPECT_EQ(lines[2]["schema"], 1);
}

TEST(NagiosLine, OneLineWithNumbers) {
  EXPECT_EQ(render_nagios(test::healthy_report()),
            "LVSDIAG OK - 7 of 7 connections healthy, nothing wrong seen | connections=7;;;0 healthy=7;;;0 broken=0;;;0 "
            "undecided=0;;;0 "
            "errors=0;;;0 warnings=0;;;0 packets=2474;;;0 dropped=0;;;0 director_request=0.000022000s;;;0 "
            "director_reply=0.000006000s;;;0 "
            "real_server=0.000420000s;;;0 client=0.012000000s;;;0\n");
  EXPECT_TRUE(render_nagios(test::wrong_gateway_report())
                  .starts_with("LVSDIAG CRITICAL - LVS101 Replies of 10.1.1.2 go round the director | "));
  EXPECT_TRUE(
      render_nagios(test::no_traffic_report()).starts_with("LVSDIAG UNKNOWN - LVS903 No traffic of any service was seen | "));
}

TEST(NagiosLine, WhatWasNotSeenIsNotPraised) {
  Report quiet = test::no_traffic_report();
  quiet.verdict = Verdict::ok;  // by the settings
  EXPECT_TRUE(
      render_nagios(quiet).starts_with("LVSDIAG OK - nothing wrong seen in the settings; no connection of any service was "
                                       "seen | "))
      << render_nagios(quiet);
  Report ways;
  ways.tool = "lvstrace";
  ways.verdict = Verdict::ok;
  ways.reply_ways.resize(2);
  ways.reply_ways[0].way = ways.reply_ways[1].way = ReplyWay::Way::director;
  EXPECT_TRUE(render_nagios(ways).starts_with("LVSTRACE OK - replies go back through the director, nothing wrong seen | "));
  // Straight out, and nobody said whether clients are there; or by a gateway of which nobody said who it is.
  for (const ReplyWay::Way way : {ReplyWay::Way::direct, ReplyWay::Way::gateway, ReplyWay::Way::unknown}) {
    ways.reply_ways[1].way = way;
    EXPECT_TRUE(render_nagios(ways).starts_with("LVSTRACE OK - nothing wrong seen, but not every way could be judged | "));
  }
}

TEST(NagiosLine, WordsHoldNoPipe) {
  const std::string line = render_nagios(test::hostile_report());
  EXPECT_EQ(std::count(line.begin(), line.end(), '|'), 1);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST(NagiosLine, ManyFindingsAreCounted) {
  Report report = test::wrong_gateway_report();
  for (int i = 0; i < 4; ++i) report.findings.push_back(report.findings[0]);
  EXPECT_NE(render_nagios(report).find("; and 2 more |"), std::string::npos);
}

Connection connection() {
  Connection c;
  c.protocol = kTcp;
  c.state = ConnectionState::closed;
  c.client = *parse_endpoint("192.168.1.254:40000");
  c.vip = *parse_endpoint("192.168.1.110:80");
  c.rip = *parse_endpoint("10.1.1.2:8080");
  c.leg_string = LegString{{'1', '2', '3', '4'}};
  c.first = 1'795'398'655'000'000'001;
  c.last = 1'795'398'656'500'000'000;
  for (std::size_t i = 0; i < 4; ++i) {
    c.legs[i].packets = static_cast<std::uint32_t>(i + 1);
    c.legs[i].bytes = (i + 1) * 100;
  }
  c.director_request = 22'345;
  c.real_server = -1'500;
  return c;
}

std::string line_of(const Connection& c, std::span<const int> codes = {}, bool typed = false) {
  std::array<char, kConnectionLineSize> buffer{};
  return {buffer.data(), render_connection_line(c, codes, buffer, typed)};
}

TEST(ConnectionLine, IsOneRecord) {
  const std::array<int, 2> codes{101, 125};
  EXPECT_EQ(
      line_of(connection(), codes),
      R"({"protocol":"tcp","client":"192.168.1.254","client_port":40000,"vip":"192.168.1.110","vip_port":80,"rip":"10.1.1.2",)"
      R"("rip_port":8080,"legs":"1234","packets":{"request":1,"demasq":2,"reply":3,"masq":4},)"
      R"("bytes":{"request":100,"demasq":200,"reply":300,"masq":400},)"
      R"("first":"1795398655.000000001","last":"1795398656.500000000",)"
      R"("state":"closed","findings":["LVS101","LVS125"],)"
      R"("latency_us":{"director_request":22.345,"director_reply":null,"real_server":-1.500,"client":null}})"
      "\n");
  EXPECT_TRUE(line_of(connection(), {}, true).starts_with(R"({"type":"connection","protocol":"tcp",)"));
}

TEST(ConnectionLine, UnknownIsNullAndIpv6HasNoBrackets) {
  Connection c = connection();
  c.protocol = kUdp;
  c.client = *parse_endpoint("[fd00::1]:53000");
  c.vip = Endpoint{*parse_address("fd00:1::110"), 0};
  c.rip.reset();
  const json line = json::parse(line_of(c));
  EXPECT_EQ(line["protocol"], "udp");
  EXPECT_EQ(line["client"], "fd00::1");
  EXPECT_EQ(line["vip"], "fd00:1::110");
  EXPECT_EQ(line["rip"], nullptr);
  EXPECT_EQ(line["rip_port"], nullptr);
}

TEST(ConnectionLine, TheLongestFits) {
  Connection c = connection();
  const Endpoint longest{*parse_address("2001:db8:1111:2222:3333:4444:5555:6666"), 65535};
  c.client = longest;
  c.vip = longest;
  c.rip = longest;
  for (LegCount& leg : c.legs) {
    leg.packets = UINT32_MAX;
    leg.bytes = UINT64_MAX;
  }
  c.first = c.last = INT64_MIN;
  c.director_request = c.director_reply = c.real_server = c.client_rtt = INT64_MIN;
  c.state = ConnectionState::established;
  const std::vector<int> codes(1000, 999);
  const std::string line = line_of(c, codes, true);
  EXPECT_LE(line.size(), kConnectionLineSize);
  const json parsed = json::parse(line);
  EXPECT_EQ(parsed["findings"].size(), 64U);
}

}  // namespace
}  // namespace lvsnat
