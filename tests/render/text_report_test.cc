#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/paragraph.h"
#include "lvsnat/render.h"
#include "reports.h"

namespace lvsnat {
namespace {

/// Compares with tests/render/golden/<name>.txt. With LVSNAT_UPDATE_GOLDEN set in the environment the file is written instead:
/// read the difference before it is committed.
void expect_golden(const std::string& golden, const std::string& text) {
  const std::string path = LVSNAT_SOURCE_DIR "/tests/render/golden/" + golden + ".txt";
  if (std::getenv("LVSNAT_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::ostringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str()) << "what " << path << " says has changed";
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST(TextReport, HealthyIsCalledHealthy) {
  const std::string text = render_text(test::healthy_report());
  EXPECT_TRUE(text.starts_with("This LVS-NAT is healthy: 7 connections to tcp:192.168.1.110:80 through 2"));
  expect_golden("healthy", text);
}

TEST(TextReport, Redirect) { expect_golden("redirect", render_text(test::redirect_report())); }
TEST(TextReport, WrongGateway) { expect_golden("wrong_gateway", render_text(test::wrong_gateway_report())); }
TEST(TextReport, NoTraffic) { expect_golden("no_traffic", render_text(test::no_traffic_report())); }

TEST(TextReport, OneSideIsNotCalledHealthy) {
  const std::string text = render_text(test::one_side_report());
  EXPECT_EQ(text.find("healthy"), std::string::npos);
  expect_golden("one_side", text);
}

TEST(TextReport, VerboseAsksForCitedFramesInWords) {
  TextOptions options;
  options.verbose = true;
  options.names = {{"10.1.1.2", "rs1.example"}};
  options.describe = [](std::string_view source, std::uint32_t frame) {
    return "described " + std::string(source) + " " + std::to_string(frame);
  };
  const std::string text = render_text(test::wrong_gateway_report(), options);
  EXPECT_NE(text.find("> described eth1.pcap 13\n"), std::string::npos);
  expect_golden("wrong_gateway_verbose", text);
}

TEST(TextReport, TheSameStoryOfAnotherRealServerIsToldOnce) {
  Report report = test::wrong_gateway_report();
  const auto renamed = [](std::string text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
    return text;
  };
  Finding twin = report.findings.front();
  const std::string first = *twin.subject.real_server;
  twin.subject.real_server = "10.9.9.9";
  twin.cause = renamed(twin.cause, first, "10.9.9.9");
  for (Cure& cure : twin.cure) cure.command = renamed(cure.command, first, "10.9.9.9");
  report.findings.insert(report.findings.begin() + 1, twin);
  const std::string text = render_text(report);
  EXPECT_NE(text.find("as for " + first + " above, with 10.9.9.9"), std::string::npos) << text;
  TextOptions verbose;
  verbose.verbose = true;
  EXPECT_EQ(render_text(report, verbose).find("as for " + first + " above"), std::string::npos);
  // Another cause is another story.
  report.findings[1].cause = "Something else.";
  EXPECT_EQ(render_text(report).find("as for " + first + " above"), std::string::npos);
}

TEST(TextReport, QuietIsVerdictAndOneLineEach) {
  TextOptions options;
  options.quiet = true;
  const std::vector<std::string> text = lines(render_text(test::wrong_gateway_report(), options));
  ASSERT_EQ(text.size(), 3U);
  EXPECT_EQ(text[2], "ERROR   LVS101  Replies of 10.1.1.2 go round the director");
}

TEST(TextReport, OnlyCommandsAreWiderThanTheScreen) {
  for (const int width : {40, 60, 80}) {
    for (const Report& report : {test::healthy_report(), test::redirect_report(), test::wrong_gateway_report(),
                                 test::no_traffic_report(), test::one_side_report()}) {
      TextOptions options;
      options.width = width;
      for (const std::string& line : lines(render_text(report, options))) {
        const bool command = line.starts_with("    ") && line.size() > 4 && line[4] != ' ';
        // Tables need 80 columns; what is narrower wraps by itself.
        const bool table = width < 80 && line.find("  ") != std::string::npos;
        if (command || table) continue;
        EXPECT_LE(columns(line), static_cast<std::size_t>(width)) << line;
      }
    }
  }
}

TEST(TextReport, CommandsStandWholeOnLinesOfTheirOwn) {
  const std::string text = render_text(test::redirect_report());
  EXPECT_NE(text.find("\n    sysctl -w net.ipv4.conf.all.send_redirects=0\n    sysctl -w net.ipv4.conf.eth0.send_redirects=0\n"),
            std::string::npos);
  EXPECT_NE(text.find("\n    printf 'net.ipv4.conf.all.send_redirects = 0\\nnet.ipv4.conf.eth0.send_redirects = 0\\n' > "
                      "/etc/sysctl.d/60-lvs-nat.conf\n"),
            std::string::npos);
}

TEST(TextReport, ColourOnlyAdds) {
  TextOptions options;
  options.color = true;
  std::string text = render_text(test::wrong_gateway_report(), options);
  EXPECT_NE(text.find("\x1b[1;31mERROR LVS101\x1b[0m"), std::string::npos);
  for (std::size_t at; (at = text.find('\x1b')) != std::string::npos;) text.erase(at, text.find('m', at) - at + 1);
  EXPECT_EQ(text, render_text(test::wrong_gateway_report()));
}

TEST(TextReport, NothingFromOutsideReachesTheTerminalRaw) {
  TextOptions options;
  options.verbose = true;
  options.names = {{"10.1.1.2", "evil\x1b[2J"}};
  options.describe = [](std::string_view, std::uint32_t) { return std::string("\x1b]0;title\x07"); };
  for (const char c : render_text(test::hostile_report(), options)) {
    ASSERT_TRUE(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) << int{c};
  }
  EXPECT_EQ(render_text(test::hostile_report(), options).find("\xe2\x80\xae"), std::string::npos) << "a direction mark";
}

TEST(TextReport, AVerdictOfSettingsSpeaksOfNoTraffic) {
  Report report;
  report.verdict = Verdict::ok;
  EXPECT_EQ(render_text(report), "Nothing wrong was found in the settings; no traffic was looked at.\n");
}

TEST(TextReport, DoubtIsNotStatedAsFact) {
  Report report = test::no_traffic_report();
  report.verdict = Verdict::error;
  report.findings[0].severity = Severity::error;
  report.findings[0].confidence = Confidence::possible;
  EXPECT_TRUE(render_text(report).starts_with("Possibly broken: "));
}

TEST(TextReport, FoldersOfCapturesAreLeftOutWhereTheNameTells) {
  Report report = test::wrong_gateway_report();
  report.sources[0].name = "/var/tmp/a/eth0.pcap";
  report.sources[1].name = "/var/tmp/a/eth1.pcap";
  report.findings[0].evidence[0].source = "/var/tmp/a/eth1.pcap";
  EXPECT_NE(render_text(report).find("(eth1.pcap#12"), std::string::npos);
  report.sources[0].name = "/var/tmp/b/eth1.pcap";
  EXPECT_NE(render_text(report).find("(/var/tmp/a/eth1.pcap#12"), std::string::npos);
}

TEST(TextReport, ManyFindingsAreShortened) {
  Report report = test::wrong_gateway_report();
  for (int i = 0; i < 40; ++i) report.findings.push_back(report.findings[0]);
  const std::string text = render_text(report);
  EXPECT_NE(text.find("And, in short"), std::string::npos);
  EXPECT_LT(lines(text).size(), 520U);
}

TEST(LegsInWords, EveryCombinationSaysSomething) {
  const std::string first = "1?-!", second = "2?-!", third = "3?-!", fourth = "4?-!";
  for (const char a : first)
    for (const char b : second)
      for (const char c : third)
        for (const char d : fourth) EXPECT_FALSE(legs_in_words(LegString{{a, b, c, d}}).empty());
  EXPECT_EQ(legs_in_words(LegString{{'1', '2', '-', '4'}}),
            "request, forwarded request and masqueraded reply seen; reply missing");
}

TEST(Paragraph, BreaksAtBlanksAndKeepsLongWordsWhole) {
  std::string out;
  append_paragraph(out, "a ", "  ", "one two fd00:1111:2222:3333:4444:5555:6666:7777 three", 12);
  EXPECT_EQ(out, "a one two\n  fd00:1111:2222:3333:4444:5555:6666:7777\n  three\n");
}

TEST(Paragraph, WideCharactersCountTwo) {
  EXPECT_EQ(columns("\xe6\xbc\xa2"), 2U);
  EXPECT_EQ(columns("e\xcc\x81"), 1U);
  EXPECT_EQ(left("\xe6\xbc\xa2", 4), "\xe6\xbc\xa2  ");
}

}  // namespace
}  // namespace lvsnat
