// Keys as the program thinks of them, apart from how a terminal sends them, and the one table that binds them: the
// help screen, the bar at the bottom and docs/lvstop.md come from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lvsnat::top {

/// A code point for keys that print; values above 0x110000 for the others.
enum class Key : std::uint32_t {
  none = 0,
  tab = 0x09,
  enter = 0x0a,
  escape = 0x1b,
  space = 0x20,
  backspace = 0x7f,
  up = 0x110001,
  down,
  left,
  right,
  page_up,
  page_down,
  home,
  end,
  back_tab,
  erase,  // Delete
  f1,
  f2,
  f4,
  f6,
  f10,
  wheel_up,
  wheel_down,
  click,  // where: Input::row, Input::column
  double_click,
  redraw,     // Ctrl-L
  kill_line,  // Ctrl-U
};

constexpr Key key(char c) { return static_cast<Key>(static_cast<unsigned char>(c)); }

struct Input {
  Key key = Key::none;
  int row = 0, column = 0;  // mouse only
};

/// What a key asks for.
enum class Action : std::uint8_t {
  none,
  view_overview,
  view_connections,
  view_findings,
  view_real_servers,
  view_host,
  next_view,
  previous_view,
  open,
  back,
  quit,
  help,
  search,
  search_next,
  search_previous,
  filter,
  freeze,
  follow,
  tag,
  untag_all,
  problems_only,
  sort_menu,
  sort_invert,
  sort_next,
  sort_previous,
  columns,
  explain,
  cure,
  save,
  names,
  faster_refresh,
  slower_refresh,
  up,
  down,
  page_up,
  page_down,
  home,
  end,
  play_slower,
  play_faster,
  play_pause,
  play_step,
  previous_finding,
  next_finding,
  time_mode,
  redraw,
  fold,
};

/// In which view a binding means something.
enum Scope : std::uint8_t {
  kEverywhere = 0xff,
  kOverview = 1,
  kConnections = 2,
  kFindings = 4,
  kRealServers = 8,
  kHost = 16,
  kLadder = 32,
  kPage = 64
};

struct Binding {
  Action action;
  Key keys[4];         // Key::none where fewer
  std::uint8_t scope;  // Scope bits
  bool replay_only;
  std::string_view spelled;  // "j, Down"
  std::string_view word;     // for the bar: "Freeze"; empty: not in the bar
  std::string_view says;     // for the help: one short sentence
};

/// All bindings, in the order in which the help lists them.
std::span<const Binding> bindings();
/// What `key` asks for in a view (one Scope bit).
Action action_for(Key key, std::uint8_t scope, bool replay);

}  // namespace lvsnat::top
