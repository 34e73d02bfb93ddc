// The live view without a terminal: keys in, cells out. Curses, --once and the tests all drive this.
//
// Threads: one. Ownership: keeps the snapshot it shows (and, while frozen, only that one) alive.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "canvas.h"
#include "control.h"
#include "keys.h"
#include "model.h"
#include "screens/screen.h"
#include "table.h"
#include "view.h"

namespace lvsnat::top {

class App {
 public:
  /// Files that the user asked to save: text and NDJSON are written by the caller; returns what to say.
  using SaveText = std::function<std::string(const std::string& path, const std::string& content)>;
  /// The page of a finding's rule as Markdown; empty: none.
  using Explain = std::function<std::string(int code)>;
  /// Connections as NDJSON.
  using ToNdjson = std::function<std::string(const Snapshot&, const std::vector<std::size_t>& rows)>;
  struct Hooks {
    SaveText save_text;
    std::function<std::string()> save_directory;  // what a new file's name begins with; may be empty
    Explain explain;
    ToNdjson to_ndjson;
  };

  App(Control& control, Hooks hooks, std::shared_ptr<const Snapshot> first);

  /// A newer picture. Frozen, it is only counted.
  void show(std::shared_ptr<const Snapshot>);
  /// Names that were looked up; shown while names are.
  void set_names(std::shared_ptr<const NameMap>);
  /// Addresses that came into sight without a name since the last call. Empty while numbers are shown.
  std::set<Address> take_nameless() { return std::exchange(nameless_, {}); }
  /// What the capture thread has to say, for the bottom line.
  void say(const std::string& message);
  /// False: quit.
  bool handle(Input);
  /// `ahead`: nanoseconds since the snapshot was made (live), so that ages go on between snapshots.
  void draw(Canvas&, std::int64_t ahead = 0);

  [[nodiscard]] View& view() { return view_; }
  [[nodiscard]] const Snapshot& snapshot() const { return *shown_; }
  /// Sets the filter; an error leaves the old one and is returned.
  std::optional<FilterError> set_filter(std::string_view text);

 private:
  enum class Prompt { none, search, filter, file_name };
  struct Menu {
    enum class Kind { none, sort, columns, save } kind = Kind::none;
    struct Item {
      std::string text;
      int value = 0;
    };
    std::string title;
    std::vector<Item> items;
    int row = 0;
  };
  enum Save : int { kPacketsAll, kPacketsFiltered, kPacketsTagged, kNdjsonAll, kNdjsonFiltered, kNdjsonTagged, kText };

  [[nodiscard]] Scene scene() const;
  void relist();
  [[nodiscard]] std::uint8_t scope() const;
  [[nodiscard]] bool replay() const { return shown_->capture.mode == Mode::replay; }

  bool handle_prompt(Key);
  bool handle_menu(Key);
  void handle_click(const Input&);
  bool act(Action);
  void act_on_page(Action);
  void steer_replay(Action);
  void move(int rows);
  void open();
  void back();
  void switch_to(ViewName);
  void open_page(Page);
  void search(int direction, bool from_here);
  void search_page(int direction);
  void go_to_finding(int direction);
  void open_save_menu();
  void choose_save(int what);
  void save_as(const std::string& path);
  void update_focus();

  struct Frame {
    int tabs = -1, rule = -1, replay = -1, bar = -1;
    Area area;
  };
  [[nodiscard]] Frame frame(int width, int height) const;
  void draw_status(Canvas&) const;
  void draw_tabs(Canvas&, int row) const;
  void draw_rule(Canvas&, int row) const;
  void draw_replay(Canvas&, int row) const;
  void draw_bar(Canvas&, int row) const;
  void draw_page(Canvas&, Area);
  void draw_menu(Canvas&, Area) const;
  [[nodiscard]] std::vector<Line> page_lines(const Page&, int width) const;

  Control& control_;
  Hooks hooks_;
  std::shared_ptr<const Snapshot> shown_, newest_;
  View view_;
  Listing listing_;
  std::uint64_t listed_sequence_ = ~std::uint64_t{0}, listed_revision_ = 0;
  Prompt prompt_ = Prompt::none;
  std::string edit_, edit_before_, edit_error_;
  Menu menu_;
  int pending_save_ = 0;
  std::string message_;
  Frame last_frame_;
  int last_width_ = 80;
  int page_most_ = 0;
  double refresh_ = 1;
  mutable std::set<Address> nameless_;  // noted while drawing
  std::optional<ConnectionId> focused_;
  std::int64_t ahead_ = 0;
};

/// The first line of every screen: verdict, drops, counts. What does not fit is left out from the right.
void draw_status_line(Canvas&, const Snapshot&, Timestamp now);
/// The current view as text, all its rows, without keys: --once, and saving a view.
/// `nameless`: where addresses that have no name yet are noted.
std::string once_text(const Snapshot&, const View&, int width, bool unicode, std::set<Address>* nameless = nullptr);

}  // namespace lvsnat::top
