#include "app.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/text.h"
#include "grid_canvas.h"
#include "screens/connections.h"
#include "screens/finding_page.h"
#include "screens/help.h"
#include "screens/ladder.h"

namespace lvsnat::top {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

/// The state of the capture in one word.
std::string play_text(const Snapshot& s, bool unicode) {
  if (s.capture.mode == Mode::live) return s.capture.ended ? "ENDED" : "LIVE";
  switch (s.capture.play) {
    case Play::playing:
      return std::string(glyphs(unicode).play) + " PLAYING";
    case Play::paused:
      return std::string(glyphs(unicode).pause) + " PAUSED";
    default:
      return s.capture.ended ? "FILE, read to its end" : "FILE, reading";
  }
}

std::string speed_text(double speed) {
  char text[32];
  std::snprintf(text, sizeof text, speed < 1 ? "%.2fx" : "%.0fx", speed);
  return text;
}

}  // namespace

App::App(Control& control, Hooks hooks, std::shared_ptr<const Snapshot> first)
    : control_(control), hooks_(std::move(hooks)), shown_(first), newest_(std::move(first)) {
  relist();
}

Scene App::scene() const { return {*shown_, view_, listing_, shown_->now + (view_.frozen ? 0 : ahead_), &nameless_}; }

void App::relist() {
  if (listed_sequence_ == shown_->sequence && listed_revision_ == view_.revision) return;
  listing_ = list_rows(*shown_, view_);
  listed_sequence_ = shown_->sequence;
  listed_revision_ = view_.revision;
}

void App::show(std::shared_ptr<const Snapshot> snapshot) {
  newest_ = std::move(snapshot);
  if (view_.frozen) return;
  shown_ = newest_;
  relist();
}

void App::set_names(std::shared_ptr<const NameMap> names) {
  view_.names = std::move(names);
  if (!view_.show_names) return;
  ++view_.revision;
  relist();
}

void App::say(const std::string& message) { message_ = printable(message); }

std::optional<FilterError> App::set_filter(std::string_view text) {
  auto parsed = Filter::parse(text);
  if (auto* error = std::get_if<FilterError>(&parsed)) return std::move(*error);
  view_.filter = std::get<Filter>(std::move(parsed));
  ++view_.revision;
  relist();
  return std::nullopt;
}

std::uint8_t App::scope() const {
  if (view_.pages.empty()) return scope_of(view_.current);
  return view_.pages.back().kind == Page::Kind::ladder ? kLadder : kPage;
}

// ---- keys

bool App::handle(Input input) {
  relist();
  if (input.key == Key::none) return true;
  if (prompt_ != Prompt::none) return handle_prompt(input.key);
  if (menu_.kind != Menu::Kind::none) return handle_menu(input.key);
  message_.clear();
  if (input.key == Key::click || input.key == Key::double_click) handle_click(input);
  if (input.key == Key::click) return true;
  const Action action = action_for(input.key, scope(), replay());
  const auto typed = static_cast<std::uint32_t>(input.key);
  // A key that does something elsewhere must not look broken here.
  if (action == Action::none && typed > 0x20 && typed < 0x7f)
    say(std::string(1, static_cast<char>(typed)) + " does nothing here: ? lists the keys");
  const bool go_on = act(action);
  update_focus();
  return go_on;
}

void App::handle_click(const Input& input) {
  if (input.row == last_frame_.tabs) {
    // The tabs share the line evenly enough to be hit by their order.
    int at = 0;
    GridCanvas grid(last_width_, 1, false);
    for (std::size_t i = 0; i < kViews; ++i) {
      const std::string number = std::to_string(i + 1);
      draw_tabs(grid, 0);
      const std::string line = grid.line(0);
      const auto found = line.find(number, static_cast<std::size_t>(at));
      if (found == std::string::npos) break;
      if (static_cast<int>(found) > input.column + 1 && i > 0) return switch_to(static_cast<ViewName>(i - 1));
      at = static_cast<int>(found);
      if (i + 1 == kViews) return switch_to(ViewName::host);
    }
    return;
  }
  if (!view_.pages.empty()) return;
  const Area& area = last_frame_.area;
  const Screen& screen = screen_of(view_.current);
  const int lines = screen.lines_per_row(area.width);
  const int heading =
      area.height - screen.list_height(scene(), area) > 0 && lines == 1 && view_.current != ViewName::host ? 1 : 0;
  const int line = input.row - area.top - heading;
  if (heading == 1 && line == -1) {
    if (const auto by = screen.sort_at(scene(), area, input.column)) {
      view_.inverted = view_.sort == *by && !view_.follow && !view_.inverted;
      view_.sort = *by;
      view_.follow = false;
      ++view_.revision;
      relist();
    }
    return;
  }
  if (line < 0 || line >= screen.list_height(scene(), area)) return;
  const int row = view_.selection().top + line / lines;
  if (row < static_cast<int>(listing_.rows(view_.current))) {
    view_.selection().row = row;
    view_.selection().key = row_key(*shown_, listing_, view_.current, static_cast<std::size_t>(row));
  }
}

bool App::handle_prompt(Key pressed) {
  const auto code = static_cast<std::uint32_t>(pressed);
  if (pressed == Key::escape) {
    if (prompt_ == Prompt::filter) (void)set_filter(edit_before_);
    prompt_ = Prompt::none;
    edit_error_.clear();
    return true;
  }
  if (pressed == Key::enter) {
    const Prompt was = prompt_;
    if (was == Prompt::filter && !edit_error_.empty()) return true;  // the error stays in sight
    prompt_ = Prompt::none;
    if (was == Prompt::search) {
      view_.search = edit_;
      search(1, true);
    } else if (was == Prompt::file_name && !edit_.empty()) {
      save_as(edit_);
    }
    return true;
  }
  if (pressed == Key::backspace) {
    while (!edit_.empty() && (static_cast<unsigned char>(edit_.back()) & 0xc0) == 0x80) edit_.pop_back();
    if (!edit_.empty()) edit_.pop_back();
  } else if (pressed == Key::kill_line) {
    edit_.clear();
  } else if (code >= 0x20 && code < 0x110000 && safe_cell(code) == code && edit_.size() < 512) {
    append_utf8(edit_, code);
  } else {
    return true;
  }
  if (prompt_ == Prompt::filter) {
    edit_error_.clear();
    if (const auto error = set_filter(edit_))
      edit_error_ = "column " + std::to_string(error->position + 1) + ": " + printable(error->message);
  }
  return true;
}

bool App::handle_menu(Key pressed) {
  const auto count = static_cast<int>(menu_.items.size());
  const Action action = action_for(pressed, kPage, false);
  if (action == Action::up) menu_.row = (menu_.row + count - 1) % count;
  if (action == Action::down) menu_.row = (menu_.row + 1) % count;
  if (action == Action::back || action == Action::quit) menu_.kind = Menu::Kind::none;
  const bool choose = pressed == Key::enter || (pressed == Key::space && menu_.kind == Menu::Kind::columns);
  if (!choose) return true;
  const int value = menu_.items[static_cast<std::size_t>(menu_.row)].value;
  switch (menu_.kind) {
    case Menu::Kind::sort:
      view_.sort = static_cast<SortBy>(value);
      view_.follow = false;
      ++view_.revision;
      menu_.kind = Menu::Kind::none;
      break;
    case Menu::Kind::columns: {
      const std::string heading = ConnectionsScreen::optional_columns()[static_cast<std::size_t>(value)];
      if (view_.hidden_columns.erase(heading) == 0) view_.hidden_columns.insert(heading);
      break;
    }
    case Menu::Kind::save:
      menu_.kind = Menu::Kind::none;
      choose_save(value);
      break;
    case Menu::Kind::none:
      break;
  }
  relist();
  return true;
}

void App::switch_to(ViewName to) {
  view_.pages.clear();
  view_.left.clear();
  view_.current = to;
}

void App::open_page(Page page) {
  constexpr std::size_t kDeep = 16;
  if (view_.pages.size() < kDeep) view_.pages.push_back(std::move(page));
}

void App::move(int rows) {
  Selection& selection = view_.selection();
  const auto count = static_cast<int>(listing_.rows(view_.current));
  if (count == 0) return;
  if (view_.current == ViewName::connections && rows != 0) view_.follow = false;
  selection.row = std::clamp(selection.row + rows, 0, count - 1);
  selection.key = row_key(*shown_, listing_, view_.current, static_cast<std::size_t>(selection.row));
}

bool App::act(Action action) {
  const Area& area = last_frame_.area;
  const int page_rows =
      std::max(1, screen_of(view_.current).list_height(scene(), area) / screen_of(view_.current).lines_per_row(area.width) - 1);
  if (view_.pages.empty() && screen_of(view_.current).on_key(action, scene(), view_)) {
    relist();
    return true;
  }
  switch (action) {
    case Action::quit:
      return false;
    case Action::view_overview:
      switch_to(ViewName::overview);
      break;
    case Action::view_connections:
      switch_to(ViewName::connections);
      break;
    case Action::view_findings:
      switch_to(ViewName::findings);
      break;
    case Action::view_real_servers:
      switch_to(ViewName::real_servers);
      break;
    case Action::view_host:
      switch_to(ViewName::host);
      break;
    case Action::next_view:
      switch_to(static_cast<ViewName>((index(view_.current) + 1) % kViews));
      break;
    case Action::previous_view:
      switch_to(static_cast<ViewName>((index(view_.current) + kViews - 1) % kViews));
      break;
    case Action::back:
      back();
      break;
    case Action::help: {
      if (!view_.pages.empty() && view_.pages.back().kind == Page::Kind::help) {
        view_.pages.pop_back();
        break;
      }
      Page page;
      page.kind = Page::Kind::help;
      page.code = scope();
      open_page(std::move(page));
      break;
    }
    case Action::freeze:
      view_.frozen = !view_.frozen;
      if (!view_.frozen) show(newest_);
      break;
    case Action::filter:
      prompt_ = Prompt::filter;
      edit_ = edit_before_ = view_.filter.text();
      edit_error_.clear();
      break;
    case Action::search:
      prompt_ = Prompt::search;
      edit_.clear();
      break;
    case Action::search_next:
      view_.pages.empty() ? search(1, false) : search_page(1);
      break;
    case Action::search_previous:
      view_.pages.empty() ? search(-1, false) : search_page(-1);
      break;
    case Action::names:
      view_.show_names = !view_.show_names;
      ++view_.revision;
      say(view_.show_names ? "names, as the resolver answers" : "numbers");
      break;
    case Action::faster_refresh:
    case Action::slower_refresh:
      refresh_ = std::clamp(action == Action::faster_refresh ? refresh_ / 2 : refresh_ * 2, 0.125, 16.0);
      control_.refresh_every(refresh_);
      say("a new picture every " + short_duration(static_cast<std::int64_t>(refresh_ * 1e9)));
      break;
    case Action::play_pause:
    case Action::play_step:
    case Action::play_slower:
    case Action::play_faster:
      if (shown_->capture.ended) {
        if (action == Action::play_pause) control_.play_again();
        say(action == Action::play_pause ? "from the beginning" : "the end: P plays it from the beginning");
      } else if (shown_->capture.play == Play::none) {
        say("still reading: once it is read, P plays it from the beginning");
      } else {
        steer_replay(action);
      }
      break;
    case Action::next_finding:
      go_to_finding(1);
      break;
    case Action::previous_finding:
      go_to_finding(-1);
      break;
    case Action::explain:
    case Action::cure: {
      const Finding* f = selected_finding(scene());
      if (!view_.pages.empty()) {
        const Page& top = view_.pages.back();
        if (top.kind == Page::Kind::finding || top.kind == Page::Kind::cure) f = &top.finding;
        if (top.kind == Page::Kind::explain) f = action == Action::cure ? find_finding(*shown_, top.code) : nullptr;
      }
      if (f == nullptr) {
        say("no finding belongs to what is selected");
        break;
      }
      Page page;
      page.kind = action == Action::explain ? Page::Kind::explain : Page::Kind::cure;
      page.code = f->code;
      page.finding = *f;
      open_page(std::move(page));
      break;
    }
    case Action::save:
      open_save_menu();
      break;
    default:
      if (!view_.pages.empty()) {
        act_on_page(action);
        return true;
      }
      break;
  }
  if (!view_.pages.empty()) return true;
  switch (action) {
    case Action::up:
      move(-1);
      break;
    case Action::down:
      move(1);
      break;
    case Action::page_up:
      move(-page_rows);
      break;
    case Action::page_down:
      move(page_rows);
      break;
    case Action::home:
      move(-1'000'000'000);
      break;
    case Action::end:
      move(1'000'000'000);
      break;
    case Action::open:
      open();
      break;
    case Action::problems_only:
      view_.problems_only = !view_.problems_only;
      ++view_.revision;
      break;
    case Action::follow:
      view_.follow = !view_.follow;
      ++view_.revision;
      break;
    case Action::sort_invert:
      view_.inverted = !view_.inverted;
      ++view_.revision;
      break;
    case Action::sort_next:
    case Action::sort_previous: {
      const auto step = action == Action::sort_next ? std::size_t{1} : kSorts - 1;
      view_.sort = static_cast<SortBy>((static_cast<std::size_t>(view_.sort) + step) % kSorts);
      view_.follow = false;
      ++view_.revision;
      break;
    }
    case Action::sort_menu:
      menu_ = {Menu::Kind::sort, "Order by", {}, static_cast<int>(view_.sort)};
      for (std::size_t i = 0; i < kSorts; ++i)
        menu_.items.push_back({std::string(name(static_cast<SortBy>(i))), static_cast<int>(i)});
      break;
    case Action::columns: {
      menu_ = {Menu::Kind::columns, "Columns", {}, 0};
      const auto headings = ConnectionsScreen::optional_columns();
      for (std::size_t i = 0; i < headings.size(); ++i) menu_.items.push_back({headings[i], static_cast<int>(i)});
      break;
    }
    case Action::tag: {
      const auto row = static_cast<std::size_t>(view_.selection().row);
      if (row >= listing_.connections.size()) {
        say("nothing is listed: nothing to tag");
        break;
      }
      const ConnectionId id = id_of(shown_->connections[listing_.connections[row]].connection);
      if (view_.tagged.erase(id) == 0) view_.tagged.insert(id);
      move(1);
      break;
    }
    case Action::untag_all:
      view_.tagged.clear();
      break;
    default:
      break;
  }
  relist();
  return true;
}

void App::steer_replay(Action action) {
  const double speed = shown_->capture.speed <= 0 ? 1 : shown_->capture.speed;
  if (action == Action::play_pause) control_.play_or_pause();
  if (action == Action::play_step) control_.step();
  if (action == Action::play_slower) control_.speed(std::max(speed / 2, 1.0 / 64));
  if (action == Action::play_faster) control_.speed(std::min(speed * 2, 4096.0));
}

void App::act_on_page(Action action) {
  Page& page = view_.pages.back();
  const int screenful = std::max(1, last_frame_.area.height - 2);
  const auto scroll = [&](int lines) { page.scroll = std::clamp(page.scroll + lines, 0, page_most_); };
  switch (action) {
    case Action::up:
      scroll(-1);
      break;
    case Action::down:
      scroll(1);
      break;
    case Action::page_up:
      scroll(-screenful);
      break;
    case Action::page_down:
      scroll(screenful);
      break;
    case Action::home:
      page.scroll = 0;
      break;
    case Action::end:
      page.scroll = page_most_;
      break;
    case Action::time_mode:
      view_.deltas = !view_.deltas;
      break;
    case Action::open:
      if (page.kind == Page::Kind::finding) {
        // The connections that show it.
        const std::string filter =
            "code:" + code_name(page.finding.code) +
            (page.finding.subject.real_server ? " rip:" + *page.finding.subject.real_server : std::string());
        const View::Left left{view_.current, view_.filter.text()};
        view_.pages.pop_back();
        if (!set_filter(filter)) {
          view_.left.push_back(left);
          view_.current = ViewName::connections;
        }
      }
      break;
    default:
      break;
  }
}

void App::open() {
  const auto row = static_cast<std::size_t>(std::max(0, view_.selection().row));
  if (row >= listing_.rows(view_.current)) {
    say("nothing is listed: nothing to open");
    return;
  }
  Page page;
  switch (view_.current) {
    case ViewName::connections:
      page.kind = Page::Kind::ladder;
      page.connection = id_of(shown_->connections[listing_.connections[row]].connection);
      open_page(std::move(page));
      break;
    case ViewName::findings:
      page.kind = Page::Kind::finding;
      page.finding = shown_->report.findings[listing_.findings[row]];
      page.code = page.finding.code;
      open_page(std::move(page));
      break;
    case ViewName::host:
      page.kind = Page::Kind::fact;
      page.fact = shown_->facts[listing_.facts[row]];
      open_page(std::move(page));
      break;
    case ViewName::overview:
    case ViewName::real_servers: {
      const Listing::OverviewRow& r = view_.current == ViewName::overview ? listing_.overview[row] : listing_.real_servers[row];
      const ServiceRow& service = shown_->services[r.service];
      std::string filter;
      if (service.service.protocol != ServiceProtocol::fwmark) {
        filter = "proto:" + std::string(name(service.service.protocol)) + " vip:" +
                 (service.service.port != 0 ? to_string(Endpoint{service.service.vip, service.service.port})
                                            : to_string(service.service.vip));
      }
      if (r.real_server >= 0) {
        const RealServerRow& server = service.real_servers[static_cast<std::size_t>(r.real_server)];
        filter +=
            (filter.empty() ? "" : " ") + ("rip:" + (server.port != 0 ? to_string(Endpoint{server.destination.rip, server.port})
                                                                      : to_string(server.destination.rip)));
      }
      const View::Left left{view_.current, view_.filter.text()};
      if (!set_filter(filter)) {
        constexpr std::size_t kDeep = 16;
        if (view_.left.size() < kDeep) view_.left.push_back(left);
        view_.current = ViewName::connections;
        view_.selection() = {};
      }
      break;
    }
  }
}

void App::back() {
  if (!view_.pages.empty()) {
    view_.pages.pop_back();
    return;
  }
  if (!view_.left.empty()) {
    const View::Left left = view_.left.back();
    view_.left.pop_back();
    view_.current = left.view;
    (void)set_filter(left.filter);
    return;
  }
  if (!view_.filter.empty() || view_.problems_only) {
    view_.problems_only = false;
    (void)set_filter("");
    say("filter lifted");
    return;
  }
  say("q quits");
}

void App::search(int direction, bool from_here) {
  if (view_.search.empty()) return;
  if (!view_.pages.empty()) {
    search_page(direction);
    return;
  }
  const auto count = static_cast<int>(listing_.rows(view_.current));
  const std::string wanted = lower(view_.search);
  for (int i = from_here ? 0 : 1; i <= count && count != 0; ++i) {
    const int row = ((view_.selection().row + direction * i) % count + count) % count;
    if (row_text(*shown_, listing_, view_, static_cast<std::size_t>(row)).find(wanted) == std::string::npos) continue;
    view_.selection().row = row;
    move(0);
    return;
  }
  say("\"" + view_.search + "\" is not in this list");
}

void App::search_page(int direction) {
  if (view_.search.empty() || view_.pages.back().kind == Page::Kind::ladder) return;
  Page& page = view_.pages.back();
  const std::vector<Line> lines = page_lines(page, last_frame_.area.width);
  const std::string wanted = lower(view_.search);
  const auto count = static_cast<int>(lines.size());
  for (int i = 1; i <= count; ++i) {
    const int line = ((page.scroll + direction * i) % count + count) % count;
    if (lower(lines[static_cast<std::size_t>(line)].text).find(wanted) == std::string::npos) continue;
    page.scroll = line;
    return;
  }
  say("\"" + view_.search + "\" is not on this page");
}

void App::go_to_finding(int direction) {
  const auto count = static_cast<int>(listing_.findings.size());
  if (direction > 0 && replay() && !shown_->capture.ended) {
    control_.to_next_finding();
    say("playing on to the next finding");
    return;
  }
  if (count == 0) {
    say("no finding");
    return;
  }
  const bool was_there = view_.current == ViewName::findings && view_.pages.empty();
  const bool page = !view_.pages.empty() && view_.pages.back().kind == Page::Kind::finding;
  switch_to(ViewName::findings);
  if (was_there || page) {
    view_.selection().row = std::clamp(view_.selection().row + direction, 0, count - 1);
    move(0);
  }
  if (page) open();
}

// ---- saving

void App::open_save_menu() {
  menu_ = {Menu::Kind::save, "Save", {}, 0};
  const auto connections = [](std::size_t n) { return " (" + with_commas(n) + (n == 1 ? " connection)" : " connections)"); };
  const std::size_t all = shown_->connections.size(), filtered = listing_.connections.size(), tagged = view_.tagged.size();
  const bool narrowed = filtered != all;
  if (tagged != 0) menu_.items.push_back({"packets of the tagged, pcapng" + connections(tagged), kPacketsTagged});
  if (narrowed) menu_.items.push_back({"packets of the filtered, pcapng" + connections(filtered), kPacketsFiltered});
  menu_.items.push_back({"all packets kept, pcapng", kPacketsAll});
  if (tagged != 0) menu_.items.push_back({"the tagged, NDJSON" + connections(tagged), kNdjsonTagged});
  if (narrowed) menu_.items.push_back({"the filtered, NDJSON" + connections(filtered), kNdjsonFiltered});
  menu_.items.push_back({"all listed, NDJSON" + connections(all), kNdjsonAll});
  menu_.items.push_back({"this view, text", kText});
}

void App::choose_save(int what) {
  pending_save_ = what;
  std::string stamp = to_rfc3339(shown_->now).substr(0, 19);
  stamp.erase(std::remove_if(stamp.begin(), stamp.end(), [](char c) { return c == '-' || c == ':'; }), stamp.end());
  const bool packets = what == kPacketsAll || what == kPacketsFiltered || what == kPacketsTagged;
  edit_ = (hooks_.save_directory ? hooks_.save_directory() : std::string()) + "lvstop-" + stamp + "Z." +
          (packets         ? "pcapng"
           : what == kText ? "txt"
                           : "ndjson");
  prompt_ = Prompt::file_name;
}

void App::save_as(const std::string& path) {
  const auto ids = [&](bool tagged) {
    std::vector<ConnectionId> out;
    if (tagged) {
      out.assign(view_.tagged.begin(), view_.tagged.end());
    } else {
      for (const std::size_t i : listing_.connections) out.push_back(id_of(shown_->connections[i].connection));
    }
    return out;
  };
  std::vector<std::size_t> rows;
  switch (pending_save_) {
    case kPacketsAll:
      control_.save_packets({path, {}, true});
      return;
    case kPacketsFiltered:
      control_.save_packets({path, ids(false), false});
      return;
    case kPacketsTagged:
      control_.save_packets({path, ids(true), false});
      return;
    case kNdjsonAll:
      for (std::size_t i = 0; i < shown_->connections.size(); ++i) rows.push_back(i);
      break;
    case kNdjsonFiltered:
      rows = listing_.connections;
      break;
    case kNdjsonTagged:
      for (std::size_t i = 0; i < shown_->connections.size(); ++i) {
        if (view_.tagged.contains(id_of(shown_->connections[i].connection))) rows.push_back(i);
      }
      break;
    default: {
      constexpr int kWidth = 120;
      std::string text;
      if (!view_.pages.empty() && view_.pages.back().kind == Page::Kind::ladder) {
        text = ladder_text(scene(), view_.pages.back(), kWidth, true);
      } else if (!view_.pages.empty()) {
        for (const Line& line : page_lines(view_.pages.back(), kWidth)) text += line.text + '\n';
      } else {
        text = once_text(*shown_, view_, kWidth, true);
      }
      if (hooks_.save_text) say(hooks_.save_text(path, text));
      return;
    }
  }
  if (hooks_.save_text && hooks_.to_ndjson) say(hooks_.save_text(path, hooks_.to_ndjson(*shown_, rows)));
}

void App::update_focus() {
  std::optional<ConnectionId> wanted;
  for (const Page& page : view_.pages) {
    if (page.kind == Page::Kind::ladder) wanted = page.connection;
  }
  if (wanted == focused_) return;
  focused_ = wanted;
  control_.focus(wanted);
}

// ---- drawing

App::Frame App::frame(int width, int height) const {
  Frame f;
  int top = 1, bottom = height;
  if (height >= 6) f.bar = --bottom;
  if (height >= 8) f.tabs = top++;
  const bool something_to_say = view_.frozen || !view_.filter.empty() || view_.problems_only || view_.follow || height >= 14;
  if (height >= 9 && something_to_say) f.rule = top++;
  if (height >= 14 && replay() && shown_->capture.play != Play::none) f.replay = --bottom;
  f.area = {top, std::max(1, bottom - top), width};
  return f;
}

void App::draw(Canvas& canvas, std::int64_t ahead) {
  ahead_ = ahead;
  relist();
  const Frame f = frame(canvas.width(), canvas.height());
  last_frame_ = f;
  last_width_ = canvas.width();
  const Screen& screen = screen_of(view_.current);
  settle(*shown_, listing_, view_, screen.list_height(scene(), f.area), screen.lines_per_row(f.area.width));
  draw_status(canvas);
  if (f.tabs >= 0) draw_tabs(canvas, f.tabs);
  if (f.rule >= 0) draw_rule(canvas, f.rule);
  if (view_.pages.empty()) {
    screen.draw(scene(), canvas, f.area);
  } else {
    draw_page(canvas, f.area);
  }
  if (menu_.kind != Menu::Kind::none) draw_menu(canvas, f.area);
  if (f.replay >= 0) draw_replay(canvas, f.replay);
  if (f.bar >= 0) {
    draw_bar(canvas, f.bar);
  } else if (prompt_ != Prompt::none || !message_.empty()) {
    draw_bar(canvas, canvas.height() - 1);
  }
}

void App::draw_status(Canvas& canvas) const { draw_status_line(canvas, *shown_, shown_->now + (view_.frozen ? 0 : ahead_)); }

void draw_status_line(Canvas& canvas, const Snapshot& s, Timestamp now) {
  const int width = canvas.width();
  std::uint64_t errors = 0, warnings = 0;
  for (const Finding& f : s.report.findings) {
    if (f.severity == Severity::error) ++errors;
    if (f.severity == Severity::warning) ++warnings;
  }
  struct Part {
    std::string text;
    Style style;
  };
  std::vector<Part> parts;
  switch (s.report.verdict) {
    case Verdict::ok:
      parts.push_back({" OK ", {Tone::good, true, true}});
      break;
    case Verdict::warning:
      parts.push_back({" WARNING ", {Tone::warning, true, true}});
      break;
    case Verdict::error:
      parts.push_back({" ERROR ", {Tone::bad, true, true}});
      break;
    case Verdict::unknown:
      parts.push_back({" UNKNOWN ", {Tone::accent, true, true}});
      break;
  }
  const auto plural = [](std::uint64_t n, const char* word) { return short_count(n) + " " + word + (n == 1 ? "" : "s"); };
  if (s.capture.dropped.value_or(0) != 0) {
    parts.push_back({"DROPPED " + short_count(*s.capture.dropped), {Tone::warning, true, false}});
  } else {
    const bool told = s.capture.dropped && !s.capture.dropped_partly_unknown;
    // A file seldom says what was dropped when it was written: said where there is room, and no news before any other.
    if (told || s.capture.mode == Mode::live) parts.push_back({told ? "dropped 0" : "drops ?", {}});
  }
  if (errors != 0) parts.push_back({plural(errors, "error"), {Tone::bad, true, false}});
  if (warnings != 0) parts.push_back({plural(warnings, "warning"), {Tone::warning, true, false}});
  if (s.evicted != 0) parts.push_back({"FORGOTTEN " + short_count(s.evicted), {Tone::warning, true, false}});
  if (!s.capture.problem.empty()) parts.push_back({"CAPTURE ENDED", {Tone::bad, true, false}});
  if (!s.capture.keep_problem.empty()) parts.push_back({"-w ENDED", {Tone::bad, true, false}});
  parts.push_back({to_clock(now).substr(0, 8) + "Z", {}});
  parts.push_back({play_text(s, canvas.unicode()), {Tone::plain, true, false}});
  parts.push_back({with_commas(s.tracked) + (s.tracked == 1 ? " connection" : " connections"), {}});
  // What the kernel calls a host that nobody named.
  if (s.report.host && *s.report.host != "(none)")
    parts.push_back({cut(printable(*s.report.host, 64), 24, canvas.unicode()), {Tone::plain, true, false}});
  parts.push_back({cut(s.capture.inputs, 48, canvas.unicode()), {Tone::faint, false, false}});
  if (s.capture.mode == Mode::replay && s.capture.dropped.value_or(0) == 0 && s.capture.dropped_partly_unknown)
    parts.push_back({"drops not told by files", {Tone::faint, false, false}});
  parts.push_back({"lvstop", {Tone::faint, false, false}});
  int at = 0;
  for (const Part& part : parts) {
    if (part.text.empty() || at + text_width(part.text) + (at == 0 ? 0 : 2) > width) continue;
    if (at != 0) at += 2;
    at = canvas.put(0, at, part.text, part.style);
  }
}

void App::draw_tabs(Canvas& canvas, int row) const {
  static constexpr std::array<std::array<std::string_view, 3>, kViews> kTabs{{{"Overview", "Overview", "Ovw"},
                                                                              {"Connections", "Conns", "Con"},
                                                                              {"Findings", "Findings", "Fnd"},
                                                                              {"Real servers", "Servers", "Srv"},
                                                                              {"Host and capture", "Host", "Hst"}}};
  const std::size_t form = canvas.width() >= 78 ? 0 : canvas.width() >= 54 ? 1 : 2;
  int at = 0;
  for (std::size_t i = 0; i < kViews; ++i) {
    const bool here = index(view_.current) == i;
    std::string text = (here ? "[" : " ") + std::to_string(i + 1) + (here ? "]" : " ") + std::string(kTabs[i][form]);
    at = canvas.put(row, at, text, {here ? Tone::accent : Tone::plain, here, false}) + 1;
  }
}

void App::draw_rule(Canvas& canvas, int row) const {
  const Style faint{Tone::faint, false, false};
  for (int column = 0; column < canvas.width(); ++column) canvas.put(row, column, glyphs(canvas.unicode()).horizontal, faint);
  int at = 1;
  const auto part = [&](const std::string& text, Style style) {
    if (at + 4 > canvas.width()) return;
    at = canvas.put(row, at, " " + cut(text, canvas.width() - at - 2, canvas.unicode()) + " ", style) + 1;
  };
  const std::size_t all = shown_->connections.size(), listed = listing_.connections.size();
  if (view_.frozen) {
    const std::uint64_t more = newest_->report.connections.total > shown_->report.connections.total
                                   ? newest_->report.connections.total - shown_->report.connections.total
                                   : 0;
    part("FROZEN +" + short_count(more) + " new", {Tone::warning, true, false});
  }
  if (!view_.filter.empty()) part("filter " + view_.filter.text(), {Tone::accent, true, false});
  if (view_.problems_only && view_.current == ViewName::connections) part("problems only", {Tone::accent, true, false});
  if (view_.current == ViewName::connections && view_.pages.empty()) {
    if (listed != all) part(with_commas(listed) + " of " + with_commas(all), {});
    if (all < shown_->tracked)
      part(with_commas(shown_->tracked) + " tracked, " + with_commas(all) + " listed", {Tone::warning, false, false});
    part(view_.follow ? "following the newest" : "order: " + std::string(name(view_.sort)) + (view_.inverted ? ", inverted" : ""),
         faint);
    if (!view_.tagged.empty()) part(with_commas(view_.tagged.size()) + " tagged", {Tone::accent, false, false});
  }
  if (!view_.pages.empty()) {
    static constexpr std::array<std::string_view, 6> kPages{"ladder", "finding", "explain", "cure", "help", "fact"};
    part(std::string(kPages[static_cast<std::size_t>(view_.pages.back().kind)]), {Tone::accent, true, false});
  }
}

void App::draw_replay(Canvas& canvas, int row) const {
  const CaptureStatus& c = shown_->capture;
  const Glyphs& g = glyphs(canvas.unicode());
  int at = canvas.put(row, 0,
                      std::string(c.play == Play::playing ? g.play : g.pause) + " " + speed_text(c.speed) + "  " +
                          to_clock(shown_->now).substr(0, 12) + "  ",
                      {Tone::plain, true, false});
  const std::string keys = canvas.width() < 76 ? ""
                           : c.ended           ? "  the end: P from the beginning"
                                               : "  P play  . step  } next finding  [ ] speed";
  const int room = canvas.width() - at - text_width(keys) - 1;
  if (room >= 10 && c.progress) {
    const int full = std::clamp(static_cast<int>(*c.progress * room), 0, room);
    for (int i = 0; i < room; ++i) at = canvas.put(row, at, i < full ? g.full : g.empty, {Tone::accent, false, false});
  }
  canvas.put(row, at, keys, {Tone::faint, false, false});
}

void App::draw_bar(Canvas& canvas, int row) const {
  const int width = canvas.width();
  canvas.fill(row, 0, width, U' ');
  if (prompt_ != Prompt::none) {
    const std::string label = prompt_ == Prompt::search ? "/" : prompt_ == Prompt::filter ? "\\ " : "file: ";
    std::string hint;
    if (prompt_ == Prompt::filter) {
      hint = edit_error_.empty() ? with_commas(listing_.connections.size()) + "/" + with_commas(shown_->connections.size()) +
                                       "  Enter keep  Esc drop"
                                 : edit_error_;
    }
    // The end of a long text is what is being typed.
    std::string shown = edit_;
    const int room = std::max(8, width - text_width(label) - 2);
    while (text_width(shown) > room) {
      std::string_view rest = shown;
      take_code_point(rest);
      shown = std::string(rest);
    }
    int at = canvas.put(row, 0, label, {Tone::accent, true, false});
    at = canvas.put(row, at, shown);
    at = canvas.put(row, at, " ", {Tone::plain, false, true});
    if (!hint.empty() && width - at > 10) {
      canvas.put(row, at + 2, cut(hint, width - at - 2, canvas.unicode()),
                 {edit_error_.empty() ? Tone::faint : Tone::bad, !edit_error_.empty(), false});
    }
    return;
  }
  if (!message_.empty()) {
    canvas.put(row, 0, cut(message_, width, canvas.unicode()), {Tone::accent, true, false});
    return;
  }
  if (menu_.kind != Menu::Kind::none) {
    canvas.put(row, 0, menu_.kind == Menu::Kind::columns ? "Space Show or hide  Esc Done" : "Enter Choose  Esc Cancel");
    return;
  }
  int at = 0;
  const std::uint8_t here = scope();
  for (const Binding& b : bindings()) {
    if (b.word.empty() || (b.scope & here) == 0 || (b.replay_only && !replay())) continue;
    if (b.action == Action::open && here == kLadder) continue;
    const bool steers = shown_->capture.play == Play::playing || shown_->capture.play == Play::paused;
    if (b.replay_only && !steers && !(shown_->capture.ended && b.action == Action::play_pause)) continue;
    const bool last_call = b.action == Action::quit;
    const std::string spelled(b.spelled.substr(0, b.spelled.find(' ')));
    const std::string entry = spelled + " " + std::string(b.word);
    const int kQuit = 8;  // room that stays for the last entry, so that the way out is always in sight
    if (at + text_width(entry) > width - (last_call ? 0 : kQuit)) continue;
    at = canvas.put(row, at, spelled, {Tone::accent, true, false});
    at = canvas.put(row, at, " " + std::string(b.word)) + 2;
  }
}

std::vector<Line> App::page_lines(const Page& page, int width) const {
  switch (page.kind) {
    case Page::Kind::finding: {
      std::vector<Line> lines = finding_lines(page.finding, width);
      lines.push_back({"", {}});
      wrap_into(lines, "Enter: its connections   e: explain   y: the cure alone", width, {Tone::faint, false, false});
      return lines;
    }
    case Page::Kind::cure:
      return cure_lines(page.finding, width);
    case Page::Kind::explain: {
      const std::string text = hooks_.explain ? hooks_.explain(page.code) : std::string();
      if (text.empty()) return {{"There is no page for " + code_name(page.code) + ".", {}}};
      return markdown_lines(text, width);
    }
    case Page::Kind::help:
      return help_lines(static_cast<std::uint8_t>(page.code), replay(), width);
    case Page::Kind::fact: {
      std::vector<Line> lines;
      wrap_into(lines, page.fact.section + ": " + page.fact.name, width, {Tone::plain, true, false});
      wrap_into(lines, page.fact.value, width, {tone_of(page.fact.mark), false, false});
      if (!page.fact.note.empty()) wrap_into(lines, page.fact.note, width);
      return lines;
    }
    case Page::Kind::ladder:
      break;
  }
  return {};
}

void App::draw_page(Canvas& canvas, Area area) {
  Page& page = view_.pages.back();
  if (page.kind == Page::Kind::ladder) {
    page_most_ = draw_ladder(scene(), page, canvas, area);
  } else {
    page_most_ = draw_lines(canvas, area, page_lines(page, area.width), page.scroll);
  }
  page.scroll = std::clamp(page.scroll, 0, page_most_);
  if (page_most_ > 0 && page.kind != Page::Kind::ladder) {
    const std::string place = page.scroll < page_most_ ? " more: PgDn " : " end ";
    canvas.put(area.top + area.height - 1, std::max(0, area.width - text_width(place)), place, {Tone::faint, false, true});
  }
}

void App::draw_menu(Canvas& canvas, Area area) const {
  int width = text_width(menu_.title);
  for (const Menu::Item& item : menu_.items) width = std::max(width, text_width(item.text) + 4);
  width = std::min(width + 2, area.width);
  const int height = std::min(static_cast<int>(menu_.items.size()), std::max(1, area.height - 1));
  const int top = std::clamp(menu_.row - height + 1, 0, std::max(0, static_cast<int>(menu_.items.size()) - height));
  canvas.put(area.top, 0, fit(" " + menu_.title, width, Align::left, canvas.unicode()), {Tone::accent, true, true});
  const auto headings = ConnectionsScreen::optional_columns();
  for (int i = 0; i < height; ++i) {
    const Menu::Item& item = menu_.items[static_cast<std::size_t>(i + top)];
    std::string mark = i + top == menu_.row ? "> " : "  ";
    if (menu_.kind == Menu::Kind::columns) {
      mark += view_.hidden_columns.contains(headings[static_cast<std::size_t>(item.value)]) ? "[ ] " : "[x] ";
    }
    canvas.put(area.top + 1 + i, 0, fit(mark + item.text, width, Align::left, canvas.unicode()),
               {Tone::plain, false, i + top == menu_.row});
    // What shows beside it is not of the menu.
    if (width + 1 < area.width) canvas.put(area.top + 1 + i, width, std::string(glyphs(canvas.unicode()).vertical) + " ", {});
  }
}

// ---- without a terminal

std::string once_text(const Snapshot& snapshot, const View& chosen, int width, bool unicode, std::set<Address>* nameless) {
  View view = chosen;
  view.pages.clear();
  view.selection() = {};
  const Listing listing = list_rows(snapshot, view);
  const Scene scene{snapshot, view, listing, snapshot.now, nameless};
  const Screen& screen = screen_of(view.current);
  constexpr int kMost = 40'000;
  int height = static_cast<int>(std::min<std::size_t>(listing.rows(view.current), kMost / 2)) * screen.lines_per_row(width) + 2;
  if (view.current == ViewName::overview) height = std::max(12, height + 6);
  if (view.current == ViewName::real_servers) height = std::max(12, height + 7);
  GridCanvas status(width, 1, unicode);
  draw_status_line(status, snapshot, snapshot.now);
  GridCanvas body(width, std::max(height, 8), unicode);
  std::string text = status.text();
  if (view.current == ViewName::findings && !listing.findings.empty()) {
    for (const std::size_t i : listing.findings) {
      text += '\n';
      for (const Line& line : finding_lines(snapshot.report.findings[i], width)) text += line.text + '\n';
    }
    return text;
  }
  screen.draw(scene, body, {0, body.height(), width});
  return text + body.text();
}

}  // namespace lvsnat::top
