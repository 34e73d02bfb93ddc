// Keys in, screen out: what hands on the keyboard and scripts rely on.
#include <string>

#include <gtest/gtest.h>

#include "app.h"
#include "grid_canvas.h"
#include "sample.h"

namespace lvsnat::top {
namespace {

struct Desk {
  explicit Desk(std::shared_ptr<const Snapshot> s) : app(control, hooks(), std::move(s)) { screen(); }
  App::Hooks hooks() {
    App::Hooks h;
    h.explain = [](int code) { return "# Page of " + std::to_string(code) + "\n\nWhat it means.\n"; };
    h.save_text = [this](const std::string& path, const std::string& text) {
      saved_path = path, saved_text = text;
      return "saved " + path;
    };
    h.to_ndjson = [](const Snapshot&, const std::vector<std::size_t>& rows) { return std::to_string(rows.size()) + " rows"; };
    return h;
  }
  std::string screen(int width = 100, int height = 24) {
    GridCanvas grid(width, height, false);
    app.draw(grid);
    return grid.text();
  }
  bool press(Key k) {
    const bool on = app.handle({k});
    screen();
    return on;
  }
  void type(std::string_view text) {
    for (const char c : text) press(key(c));
  }
  [[nodiscard]] bool shows(std::string_view what) { return screen().find(what) != std::string::npos; }

  sample::RecordingControl control;
  std::string saved_path, saved_text;
  App app;
};

TEST(Keys, NumbersAndTabChooseViews) {
  Desk d(sample::broken());
  EXPECT_TRUE(d.shows("[1]Overview"));
  d.press(key('2'));
  EXPECT_TRUE(d.shows("[2]Connections"));
  d.press(key('3'));
  EXPECT_TRUE(d.shows("[3]Findings"));
  d.press(key('4'));
  EXPECT_TRUE(d.shows("[4]Real servers"));
  d.press(key('5'));
  EXPECT_TRUE(d.shows("[5]Host and capture"));
  d.press(Key::tab);
  EXPECT_TRUE(d.shows("[1]Overview"));
  d.press(Key::back_tab);
  EXPECT_TRUE(d.shows("[5]Host and capture"));
}

TEST(Keys, OnlyQQuits) {
  Desk d(sample::broken());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(d.press(Key::escape));
  EXPECT_FALSE(d.press(key('q')));
  EXPECT_FALSE(d.press(Key::f10));
}

TEST(Keys, EnterOpensTheLadderOfTheFirstRowAndEscLeadsBack) {
  Desk d(sample::broken());
  d.press(key('2'));
  d.press(Key::enter);
  const std::string ladder = d.screen();
  EXPECT_NE(ladder.find("legs 12--"), std::string::npos);
  const auto client = ladder.find(" client "), director = ladder.find("director (outside)"),
             server = ladder.find("real server\n");
  ASSERT_NE(client, std::string::npos);
  EXPECT_LT(client, director);
  EXPECT_LT(director, server);
  EXPECT_NE(ladder.find("3 missing"), std::string::npos);
  ASSERT_TRUE(d.control.focused.has_value());
  EXPECT_EQ(d.control.focused->record, 1u);
  d.press(Key::escape);
  EXPECT_TRUE(d.shows("LEGS"));
  EXPECT_FALSE(d.control.focused.has_value());
}

TEST(Keys, EnterOnARealServerListsItsConnectionsAndEscRestoresTheFilter) {
  Desk d(sample::broken());
  d.press(Key::down);
  d.press(Key::enter);
  EXPECT_TRUE(d.shows("[2]Connections"));
  EXPECT_TRUE(d.shows("2 of 4"));
  EXPECT_FALSE(d.shows("10.1.1.3"));
  d.press(Key::escape);
  EXPECT_TRUE(d.shows("[1]Overview"));
  EXPECT_TRUE(d.shows("10.1.1.3"));
}

TEST(Keys, FilterWhileTyping) {
  Desk d(sample::broken());
  d.press(key('2'));
  d.press(key('\\'));
  d.type("legs:12--");
  EXPECT_TRUE(d.shows("2/4"));
  EXPECT_FALSE(d.shows("1234"));
  d.press(Key::enter);
  EXPECT_TRUE(d.shows("filter legs:12--"));
  d.press(key('\\'));
  d.type(" bad:1");
  EXPECT_TRUE(d.shows("no field is called"));
  d.press(Key::enter);  // an error keeps the line open
  EXPECT_TRUE(d.shows("no field is called"));
  d.press(Key::escape);
  EXPECT_TRUE(d.shows("filter legs:12--"));
  d.press(Key::escape);
  EXPECT_TRUE(d.shows("1234"));
}

TEST(Keys, TypingInAPromptIsNoCommand) {
  Desk d(sample::broken());
  d.press(key('/'));
  EXPECT_TRUE(d.press(key('q')));
  EXPECT_TRUE(d.press(key('2')));
  d.press(Key::escape);
  EXPECT_TRUE(d.shows("[1]Overview"));
}

TEST(Keys, SearchJumps) {
  Desk d(sample::broken());
  d.press(key('2'));
  d.press(key('/'));
  d.type("50002");
  d.press(Key::enter);
  EXPECT_EQ(d.app.view().selection().row, 3);
  d.press(key('/'));
  d.type("nowhere");
  d.press(Key::enter);
  EXPECT_EQ(d.app.view().selection().row, 3);
  EXPECT_TRUE(d.shows("is not in this list"));
}

TEST(Keys, FrozenScreensStandStillAndCount) {
  Desk d(sample::healthy());
  d.press(key('p'));
  sample::Parts p = sample::parts();
  p.observed.sequence = 2;
  for (std::uint32_t i = 1; i <= 7; ++i)
    sample::add(p, sample::connection(i, "192.168.1.9:1000", "10.1.1.2:80", "12--", 1), {101});
  d.app.show(sample::finish(std::move(p)));
  EXPECT_TRUE(d.shows("FROZEN +3 new"));
  EXPECT_TRUE(d.shows("4 connections"));
  d.press(key('p'));
  EXPECT_TRUE(d.shows("7 connections"));
  EXPECT_FALSE(d.shows("FROZEN"));
}

TEST(Keys, TheSelectionStaysWithItsConnection) {
  Desk d(sample::broken());
  d.press(key('2'));
  d.press(Key::down);
  const std::string key_before = d.app.view().selection().key;
  sample::Parts p = sample::parts();
  p.observed.sequence = 2;
  sample::add(p, sample::connection(9, "192.168.1.9:1000", "10.1.1.2:80", "12--", 0.5), {});
  sample::add(p, sample::connection(2, "192.168.1.253:50000", "10.1.1.2:80", "12--", 12), {});
  d.app.show(sample::finish(std::move(p)));
  d.screen();
  EXPECT_EQ(d.app.view().selection().key, key_before);
}

TEST(Keys, TagAndSave) {
  Desk d(sample::broken());
  d.press(key('2'));
  d.press(Key::space);
  EXPECT_TRUE(d.shows("12--*"));
  EXPECT_TRUE(d.shows("1 tagged"));
  d.press(key('w'));
  EXPECT_TRUE(d.shows("packets of the tagged, pcapng (1 connection)"));
  d.press(Key::enter);
  EXPECT_TRUE(d.shows("file: lvstop-20261123T040000Z.pcapng"));
  d.press(Key::enter);
  ASSERT_EQ(d.control.saved.size(), 1u);
  ASSERT_EQ(d.control.saved[0].connections.size(), 1u);
  EXPECT_EQ(d.control.saved[0].connections[0].record, 1u);
  EXPECT_FALSE(d.control.saved[0].all);

  d.press(key('w'));
  for (int i = 0; i < 10; ++i) d.press(i < 4 ? Key::down : Key::none);
  d.press(Key::enter);
  d.press(Key::kill_line);
  d.type("x.txt");
  d.press(Key::enter);
  EXPECT_EQ(d.saved_path, "x.txt");
  EXPECT_NE(d.saved_text.find("12--"), std::string::npos);
  EXPECT_TRUE(d.shows("saved x.txt"));
}

TEST(Keys, WhereNothingIsListedTaggingAndOpeningSaySo) {
  Desk d(sample::broken());
  d.press(key('2'));
  d.press(key('\\'));
  d.type("port:9");
  d.press(Key::enter);
  d.press(Key::space);
  EXPECT_TRUE(d.shows("nothing is listed: nothing to tag")) << d.screen();
  EXPECT_FALSE(d.shows("tagged"));
  d.press(Key::enter);
  EXPECT_TRUE(d.shows("nothing is listed: nothing to open")) << d.screen();
}

TEST(Keys, SortMenuAndColumns) {
  Desk d(sample::broken());
  d.press(key('2'));
  d.press(key('s'));
  EXPECT_TRUE(d.shows("Order by"));
  for (int i = 0; i < 6; ++i) d.press(Key::down);
  d.press(Key::enter);
  EXPECT_TRUE(d.shows("order: age"));
  d.press(key('I'));
  EXPECT_TRUE(d.shows("order: age, inverted"));
  EXPECT_TRUE(d.shows("VIP"));
  d.press(key('t'));
  d.press(Key::down), d.press(Key::down);
  EXPECT_TRUE(d.shows("> [x] VIP"));
  d.press(Key::space);
  d.press(Key::escape);
  EXPECT_FALSE(d.shows("VIP"));
}

TEST(Keys, AClickOnAHeadingSortsAndTheNextOneInverts) {
  Desk d(sample::broken());
  d.press(key('2'));
  const std::string screen = d.screen();
  const std::size_t begin = screen.find("\nLEGS") + 1;
  int row = 0;
  for (std::size_t i = 0; i < begin; ++i) row += screen[i] == '\n' ? 1 : 0;
  const auto click = [&](const char* heading) {
    const std::size_t at = screen.find(heading, begin);
    ASSERT_NE(at, std::string::npos) << heading;
    d.app.handle({Key::click, row, static_cast<int>(at - begin) + 1});
  };
  click("AGE");
  EXPECT_TRUE(d.shows("order: age"));
  EXPECT_FALSE(d.shows("inverted"));
  click("AGE");
  EXPECT_TRUE(d.shows("order: age, inverted"));
  click("REAL SERVER");
  EXPECT_TRUE(d.shows("order: real server"));
  EXPECT_FALSE(d.shows("inverted"));
  // A row below is selected, not sorted by.
  d.app.handle({Key::click, row + 2, 2});
  EXPECT_EQ(d.app.view().selection().row, 1);
  EXPECT_TRUE(d.shows("order: real server"));
}

TEST(Keys, NamesAreAskedForWhenTheyAreShownAndOnlyThen) {
  Desk d(sample::broken());
  d.press(key('2'));
  EXPECT_TRUE(d.app.take_nameless().empty());
  d.press(key('d'));
  const std::set<Address> wanted = d.app.take_nameless();
  EXPECT_TRUE(wanted.contains(parse_address("10.1.1.2").value()));
  EXPECT_TRUE(wanted.contains(parse_address("192.168.1.254").value()));
  d.app.set_names(std::make_shared<const NameMap>(NameMap{{parse_address("10.1.1.2").value(), "web1"}}));
  EXPECT_TRUE(d.shows("web1:80"));
  EXPECT_FALSE(d.app.take_nameless().contains(parse_address("10.1.1.2").value()));
  d.press(key('\\'));
  d.type("rip:web1");
  d.press(Key::enter);
  EXPECT_TRUE(d.shows("2 of 4"));
  d.press(key('d'));
  EXPECT_FALSE(d.shows("web1:80"));
}

TEST(Keys, ReplayKeysSayWhyTheyDoNothing) {
  sample::Parts p = sample::parts();
  p.observed.capture.mode = Mode::replay;
  Desk d(sample::finish(std::move(p)));
  EXPECT_FALSE(d.shows("P Play"));
  d.press(key('P'));
  EXPECT_TRUE(d.shows("still reading"));
  EXPECT_EQ(d.control.plays, 0);
  EXPECT_EQ(d.control.again, 0);
}

TEST(Keys, AtItsEndAReplayPlaysFromTheBeginning) {
  for (const Play play : {Play::none, Play::ended}) {
    sample::Parts p = sample::parts();
    p.observed.capture.mode = Mode::replay;
    p.observed.capture.ended = true;
    p.observed.capture.play = play;
    Desk d(sample::finish(std::move(p)));
    EXPECT_TRUE(d.shows("P Play"));
    d.press(key('.'));
    EXPECT_TRUE(d.shows("the end: P plays it from the beginning"));
    EXPECT_EQ(d.control.steps, 0);
    d.press(key('P'));
    EXPECT_TRUE(d.shows("from the beginning"));
    EXPECT_EQ(d.control.again, 1);
    EXPECT_EQ(d.control.plays, 0);
  }
}

TEST(Keys, ExplainAndCure) {
  Desk d(sample::broken());
  d.press(key('3'));
  d.press(key('e'));
  EXPECT_TRUE(d.shows("Page of 101"));
  d.press(Key::escape);
  d.press(key('y'));
  EXPECT_TRUE(d.shows("ip route del 192.168.1.0/24 dev eth0"));
  EXPECT_TRUE(d.shows("Nothing is executed"));
  d.press(Key::escape);
  d.press(Key::enter);
  d.press(Key::enter);
  EXPECT_TRUE(d.shows("[2]Connections"));
  EXPECT_TRUE(d.shows("2 of 4"));
}

TEST(Keys, HelpListsTheKeysOfItsView) {
  Desk d(sample::broken());
  d.press(key('2'));
  d.press(key('?'));
  const std::string help = d.screen(100, 60);
  for (const char* what : {"Space", "filter (hides)", "freeze", "4 VIP > client", "is missing"})
    EXPECT_NE(help.find(what), std::string::npos) << what;
  d.press(Key::escape);
  EXPECT_TRUE(d.shows("LEGS"));
}

TEST(Keys, ReplayKeysReachTheReplay) {
  sample::Parts p = sample::parts();
  p.observed.capture.mode = Mode::replay;
  p.observed.capture.play = Play::playing;
  p.observed.capture.progress = 0.5;
  Desk d(sample::finish(std::move(p)));
  EXPECT_TRUE(d.shows("PLAYING"));
  d.press(key('P')), d.press(key('.')), d.press(key(']')), d.press(key('}'));
  EXPECT_EQ(d.control.plays, 1);
  EXPECT_EQ(d.control.steps, 1);
  EXPECT_EQ(d.control.speed_asked, 2);
  EXPECT_EQ(d.control.next_findings, 1);
}

// Any keys in any order on any screen size: nothing may crash, and nothing but q may end it.
TEST(Keys, RandomKeysNeverHurt) {
  Desk d(sample::broken());
  std::uint32_t state = 12345;
  const auto next = [&] { return state = state * 1664525u + 1013904223u, state >> 8; };
  for (int i = 0; i < 4'000; ++i) {
    const std::uint32_t r = next() % 160;
    Key k = r < 127 && r >= 32 ? static_cast<Key>(r)
            : r < 32           ? static_cast<Key>(0x110001 + r % 25)
            : r % 2 == 0       ? Key::enter
                               : Key::escape;
    if (k == key('q') || k == Key::f10) k = Key::tab;
    ASSERT_TRUE(d.app.handle({k, static_cast<int>(next() % 30), static_cast<int>(next() % 120)}));
    GridCanvas grid(static_cast<int>(next() % 130) + 1, static_cast<int>(next() % 40) + 1, i % 2 == 0);
    d.app.draw(grid);
  }
}

}  // namespace
}  // namespace lvsnat::top
