// Every screen at every width, compared as text with files kept in golden/. After a wanted change:
// LVSNAT_UPDATE_SCREENS=1 lvstop_test --gtest_filter='Widths/*', then read the difference.
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "app.h"
#include "grid_canvas.h"
#include "sample.h"

namespace lvsnat::top {
namespace {

struct Shot {
  const char* name;
  const char* keys;  // 'E' is Enter
};
constexpr Shot kShots[]{{"overview", ""},      {"connections", "2"}, {"ladder", "2E"}, {"findings", "3"},
                        {"real-servers", "4"}, {"host", "5"},        {"help", "2?"}};

class Widths : public ::testing::TestWithParam<std::tuple<int, bool, std::size_t>> {};

TEST_P(Widths, LooksAsKept) {
  const auto [width, healthy, index] = GetParam();
  const Shot& shot = kShots[index];
  const int height = width == 40 ? 12 : width <= 80 ? 24 : width == 120 ? 30 : 40;
  const bool unicode = width != 80;  // one size is the ASCII terminal's
  sample::RecordingControl control;
  App app(control, {}, healthy ? sample::healthy() : sample::broken());
  GridCanvas first(width, height, unicode);
  app.draw(first);
  for (const char* k = shot.keys; *k != '\0'; ++k) {
    app.handle({*k == 'E' ? Key::enter : key(*k)});
    GridCanvas next(width, height, unicode);
    app.draw(next);
  }
  GridCanvas grid(width, height, unicode);
  app.draw(grid);
  const std::string path = std::string(LVSNAT_SOURCE_DIR) + "/tests/lvstop/golden/" + (healthy ? "healthy-" : "broken-") +
                           shot.name + "-" + std::to_string(width) + ".txt";
  if (std::getenv("LVSNAT_UPDATE_SCREENS") != nullptr) {
    std::ofstream(path) << grid.text();
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::stringstream kept;
  kept << file.rdbuf();
  EXPECT_EQ(grid.text(), kept.str());
}

std::string shot_name(const ::testing::TestParamInfo<Widths::ParamType>& info) {
  std::string name = std::get<1>(info.param) ? "healthy_" : "broken_";
  name += kShots[std::get<2>(info.param)].name;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name + "_" + std::to_string(std::get<0>(info.param));
}

INSTANTIATE_TEST_SUITE_P(Widths, Widths,
                         ::testing::Combine(::testing::Values(40, 72, 80, 120, 200), ::testing::Bool(),
                                            ::testing::Range<std::size_t>(0, std::size(kShots))),
                         shot_name);

std::string screen_of(const std::shared_ptr<const Snapshot>& s, std::string_view keys, int width, int height, bool unicode) {
  sample::RecordingControl control;
  App app(control, {}, s);
  GridCanvas first(width, height, unicode);
  app.draw(first);
  for (const char k : keys) app.handle({k == 'E' ? Key::enter : key(k)});
  GridCanvas grid(width, height, unicode);
  app.draw(grid);
  return grid.text();
}

// What must hold whatever the golden files say.
TEST(Screens, VerdictAndLegsSurviveEveryWidth) {
  for (int width = 24; width <= 220; ++width) {
    const std::string text = screen_of(sample::broken(), "2", width, 12, false);
    EXPECT_EQ(text.rfind(" ERROR ", 0), 0u) << width;
    EXPECT_NE(text.find("\n12--"), std::string::npos) << width;
    EXPECT_NE(text.find("\n1234"), std::string::npos) << width;
    EXPECT_NE(text.find("LVS101"), std::string::npos) << width;
  }
}

TEST(Screens, DropsAreSaidOnEveryScreen) {
  sample::Parts p = sample::parts();
  sample::add(p, sample::connection(1, "192.168.1.254:48734", "10.1.1.2:80", "12--", 3.1), {101});
  p.report.findings.push_back(sample::bypass());
  p.observed.capture.dropped = 1234;
  const auto s = sample::finish(std::move(p));
  for (const char* keys : {"1", "2", "3", "4", "5", "2E", "3E", "3e", "3y", "?"}) {
    for (const int width : {40, 80, 200})
      EXPECT_NE(screen_of(s, keys, width, 12, false).find("DROPPED 1234"), std::string::npos) << keys << width;
  }
}

TEST(Screens, UnknownDropsAreNotZeroDrops) {
  sample::Parts p = sample::parts();
  p.observed.capture.dropped_partly_unknown = true;
  EXPECT_NE(screen_of(sample::finish(p), "", 80, 24, false).find("drops ?"), std::string::npos);
  // Most files do not tell: in words where there is room, and never "dropped 0".
  p.observed.capture.mode = Mode::replay;
  const std::string narrow = screen_of(sample::finish(p), "", 40, 12, false),
                    wide = screen_of(sample::finish(p), "", 120, 24, false);
  EXPECT_NE(wide.find("drops not told by files"), std::string::npos);
  EXPECT_EQ((narrow + wide).find("dropped 0"), std::string::npos);
  EXPECT_EQ((narrow + wide).find("drops ?"), std::string::npos);
}

TEST(Screens, AsciiTerminalsSeeOnlyAscii) {
  for (const char* keys : {"1", "2", "3", "4", "5", "2E", "3E", "?"}) {
    for (const char c : screen_of(sample::broken(), keys, 120, 40, false)) ASSERT_LT(static_cast<unsigned char>(c), 0x80) << keys;
  }
}

TEST(Screens, NamesFromOutsideCannotSteerTheTerminal) {
  sample::Parts p = sample::parts();
  const std::string evil = "e\x1b[2J\u202e\r\nx\u200b";
  p.report.host = evil;
  p.report.sources[0].name = evil;
  p.report.sources[0].problem = evil;
  Finding f = sample::bypass();
  f.title = f.cause = evil;
  f.subject.interface = evil;
  f.cure[0].command = evil;
  f.evidence[0].text = evil;
  f.evidence[0].source = evil;
  p.report.findings.push_back(f);
  p.observed.capture.inputs = evil;
  sample::add(p, sample::connection(1, "192.168.1.254:48734", "10.1.1.2:80", "12--", 3.1), {101});
  const auto s = sample::finish(std::move(p));
  for (const char* keys : {"1", "2", "3", "4", "5", "2E", "3E", "3y", "5E"}) {
    const std::string text = screen_of(s, keys, 120, 40, true);
    for (const char c : text) ASSERT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << keys;
    for (const char* mark : {"\u202e", "\u200b", "\u009b"}) EXPECT_EQ(text.find(mark), std::string::npos) << keys;
  }
}

TEST(Screens, NoColourCarriesAMeaningAlone) {
  // What the tones say is said in words or signs too: the text of a good and a bad row differ.
  const std::string text = screen_of(sample::broken(), "1", 80, 24, false);
  EXPECT_NE(text.find(". 0%"), std::string::npos);
  EXPECT_NE(text.find("O 100%"), std::string::npos);
  EXPECT_NE(text.find("~ drain"), std::string::npos);
}

TEST(Screens, AnEmptyCaptureSaysWhatToDo) {
  sample::Parts p = sample::parts();
  p.report.services.clear();
  const auto s = sample::finish(std::move(p));
  EXPECT_NE(screen_of(s, "1", 80, 24, false).find("No service is known yet"), std::string::npos);
  EXPECT_NE(screen_of(s, "2", 80, 24, false).find("No connection to a service was seen yet"), std::string::npos);
  EXPECT_NE(screen_of(s, "3", 80, 24, false).find("this proves nothing yet"), std::string::npos);
}

TEST(Screens, TheLadderOfAForgottenConnectionSaysSo) {
  sample::RecordingControl control;
  App app(control, {}, sample::broken());
  app.view().current = ViewName::connections;
  app.handle({Key::enter});
  sample::Parts p = sample::parts();
  p.observed.sequence = 2;
  app.show(sample::finish(std::move(p)));
  GridCanvas grid(80, 24, false);
  app.draw(grid);
  EXPECT_NE(grid.text().find("has left the table"), std::string::npos);
}

TEST(Screens, TheLaddersPagerCoversNoAddress) {
  sample::Parts p = sample::parts();
  sample::add(p, sample::connection(1, "192.168.1.254:48734", "10.1.1.2:80", "1234", 3.1));
  Ladder l = sample::ladder(p.connections[0]);
  while (l.steps.size() < 64) l.steps.push_back(l.steps.back());
  p.observed.ladder = l;
  const auto s = sample::finish(std::move(p));
  for (const int width : {60, 72, 80, 120, 200}) {
    const std::string text = screen_of(s, "2E", width, 24, false);
    EXPECT_NE(text.find(" of 64, more: PgDn"), std::string::npos) << text;
    // Title apart, client and real server stand whole under their headings.
    const std::size_t headings = text.find("client  ");
    EXPECT_NE(text.find("192.168.1.254:48734", headings), std::string::npos) << text;
    EXPECT_NE(text.find("10.1.1.2:80", headings), std::string::npos) << text;
  }
  EXPECT_NE(screen_of(s, "2E", 40, 12, false).find("more: PgDn"), std::string::npos);
}

TEST(Screens, WhatIsNoLongerKeptIsSaidOnEveryScreen) {
  sample::Parts p = sample::parts();
  p.observed.capture.keep_problem = "all.pcapng: No space left on device";
  const auto s = sample::finish(std::move(p));
  for (const char* keys : {"1", "2", "3", "4", "5"})
    EXPECT_NE(screen_of(s, keys, 80, 24, false).find("-w ENDED"), std::string::npos) << keys;
  EXPECT_NE(screen_of(s, "5", 120, 24, false).find("No space left"), std::string::npos);
}

TEST(Screens, RowsStandByAddress) {
  sample::Parts p = sample::parts();
  std::swap(p.report.services[0].destinations[0], p.report.services[0].destinations[2]);
  const std::string text = screen_of(sample::finish(std::move(p)), "1", 100, 24, false);
  EXPECT_LT(text.find("10.1.1.2"), text.find("10.1.1.3"));
  EXPECT_LT(text.find("10.1.1.3"), text.find("10.1.1.4"));
}

TEST(Screens, UncapturedLegsAreNotDrawnAsMissing) {
  sample::Parts p = sample::parts();
  Connection c = sample::connection(1, "192.168.1.254:48734", "10.1.1.2:80", "1??4", 3.1);
  sample::add(p, c);
  const std::string text = screen_of(sample::finish(std::move(p)), "2E", 100, 24, false);
  EXPECT_NE(text.find("2 ? not captured"), std::string::npos);
  EXPECT_EQ(text.find("missing"), std::string::npos);
}

TEST(Once, PrintsTheWholeList) {
  sample::Parts p = sample::parts();
  for (std::uint32_t i = 0; i < 300; ++i) {
    sample::add(p, sample::connection(i, ("192.168.1.254:" + std::to_string(40000 + i)).c_str(), "10.1.1.2:80", "1234", 3));
  }
  const auto s = sample::finish(std::move(p));
  View view;
  view.current = ViewName::connections;
  const std::string text = once_text(*s, view, 100, false);
  std::size_t rows = 0;
  for (std::size_t at = text.find("\n1234"); at != std::string::npos; at = text.find("\n1234", at + 1)) ++rows;
  EXPECT_EQ(rows, 300u);
  for (const ViewName v : {ViewName::overview, ViewName::findings, ViewName::real_servers, ViewName::host}) {
    view.current = v;
    const std::string other = once_text(*sample::broken(), view, 100, false);
    EXPECT_EQ(other.rfind(" ERROR ", 0), 0u) << name(v);
  }
  view.current = ViewName::findings;
  EXPECT_NE(once_text(*sample::broken(), view, 100, false).find("ip route del"), std::string::npos);
}

}  // namespace
}  // namespace lvsnat::top
