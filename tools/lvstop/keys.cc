#include "keys.h"

#include <array>

namespace lvsnat::top {
namespace {

constexpr std::uint8_t kLists = kOverview | kConnections | kFindings | kRealServers | kHost;

constexpr std::array kBindings{
    Binding{Action::help, {key('?'), key('h'), Key::f1}, kEverywhere, false, "? h F1", "Help", "this help"},
    Binding{
        Action::open, {Key::enter, Key::right, Key::double_click}, kEverywhere, false, "Enter", "Open", "open what is selected"},
    Binding{Action::back, {Key::escape, Key::left, Key::backspace}, kEverywhere, false, "Esc", "Back", "back; never quits"},
    Binding{Action::view_overview, {key('1')}, kEverywhere, false, "1", "", "overview: services and real servers"},
    Binding{Action::view_connections, {key('2')}, kEverywhere, false, "2", "", "connections and their legs"},
    Binding{Action::view_findings, {key('3')}, kEverywhere, false, "3", "", "findings: proof, cause, cure"},
    Binding{Action::view_real_servers, {key('4')}, kEverywhere, false, "4", "", "real servers beside their peers"},
    Binding{Action::view_host, {key('5')}, kEverywhere, false, "5", "", "host and capture"},
    Binding{Action::next_view, {Key::tab}, kEverywhere, false, "Tab", "", "next view (Shift-Tab: previous)"},
    Binding{Action::previous_view, {Key::back_tab}, kEverywhere, false, "Shift-Tab", "", ""},
    Binding{Action::up, {Key::up, key('k'), Key::wheel_up}, kEverywhere, false, "Up k", "", "up"},
    Binding{Action::down, {Key::down, key('j'), Key::wheel_down}, kEverywhere, false, "Down j", "", "down"},
    Binding{Action::page_up, {Key::page_up}, kEverywhere, false, "PgUp", "", "a screen up"},
    Binding{Action::page_down, {Key::page_down}, kEverywhere, false, "PgDn", "", "a screen down"},
    Binding{Action::home, {Key::home, key('g')}, kEverywhere, false, "Home g", "", "first"},
    Binding{Action::end, {Key::end, key('G')}, kEverywhere, false, "End G", "", "last"},
    Binding{Action::play_pause, {key('P')}, kEverywhere, true, "P", "Play", "replay: play, pause; at its end, from the start"},
    Binding{Action::play_step, {key('.')}, kEverywhere, true, ".", "Step", "replay: one packet on"},
    Binding{Action::play_slower, {key('[')}, kEverywhere, true, "[ ]", "", "replay: slower, faster"},
    Binding{Action::play_faster, {key(']')}, kEverywhere, true, "]", "", ""},
    Binding{Action::problems_only, {key('a')}, kConnections, false, "a", "Problems", "only connections that are not whole"},
    Binding{Action::search, {key('/')}, kLists | kPage, false, "/", "Search", "search (jumps); n next, N previous"},
    Binding{Action::search_next, {key('n')}, kLists | kPage, false, "n", "", ""},
    Binding{Action::search_previous, {key('N')}, kLists | kPage, false, "N", "", ""},
    Binding{Action::filter,
            {key('\\'), Key::f4},
            kEverywhere,
            false,
            "\\ F4",
            "Filter",
            "filter (hides): legs:12-- rip:10.1.1.2 ms>50"},
    Binding{Action::freeze, {key('p'), key('Z')}, kEverywhere, false, "p Z", "Freeze", "freeze the screen; collecting goes on"},
    Binding{Action::sort_menu, {key('s'), Key::f6}, kConnections, false, "s F6", "Sort", "choose the order"},
    Binding{Action::sort_invert, {key('I')}, kConnections, false, "I", "", "turn the order round"},
    Binding{Action::sort_previous, {key('<')}, kConnections, false, "< >", "", "order by the column before, after"},
    Binding{Action::sort_next, {key('>')}, kConnections, false, ">", "", ""},
    Binding{Action::columns, {key('t')}, kConnections, false, "t", "", "choose columns"},
    Binding{Action::tag, {Key::space}, kConnections, false, "Space", "Tag", "tag for saving; U untags all"},
    Binding{Action::untag_all, {key('U')}, kConnections, false, "U", "", ""},
    Binding{Action::follow, {key('f')}, kConnections, false, "f", "", "follow the newest"},
    Binding{Action::fold, {Key::space}, kOverview, false, "Space", "", "fold or unfold a service"},
    Binding{Action::time_mode, {key('d')}, kLadder, false, "d", "Times", "deltas, or times of day"},
    Binding{Action::explain, {key('e')}, kEverywhere, false, "e", "Explain", "explain the finding of the selected row"},
    Binding{Action::cure, {key('y')}, kEverywhere, false, "y", "Cure", "show the commands that cure it"},
    Binding{Action::save, {key('w'), Key::f2}, kEverywhere, false, "w F2", "Save", "save as pcapng, NDJSON or text"},
    Binding{Action::names, {key('d')}, kLists, false, "d", "", "names or numbers"},
    Binding{Action::faster_refresh, {key('+')}, kEverywhere, false, "+ -", "", "look more often, less often"},
    Binding{Action::slower_refresh, {key('-')}, kEverywhere, false, "-", "", ""},
    Binding{Action::previous_finding,
            {key('{')},
            kEverywhere,
            false,
            "{ }",
            "",
            "finding before, after (replay: plays on to the next)"},
    Binding{Action::next_finding, {key('}')}, kEverywhere, false, "}", "", ""},
    Binding{Action::redraw, {Key::redraw}, kEverywhere, false, "Ctrl-L", "", "draw the whole screen again"},
    Binding{Action::quit, {key('q'), Key::f10}, kEverywhere, false, "q F10", "Quit", "quit"},
};

}  // namespace

std::span<const Binding> bindings() { return kBindings; }

Action action_for(Key pressed, std::uint8_t scope, bool replay) {
  for (const Binding& binding : kBindings) {
    if ((binding.scope & scope) == 0 || (binding.replay_only && !replay)) continue;
    for (const Key k : binding.keys) {
      if (k != Key::none && k == pressed) return binding.action;
    }
  }
  return Action::none;
}

}  // namespace lvsnat::top
