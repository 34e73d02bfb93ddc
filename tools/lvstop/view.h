// What the user chose: which view, which row, which order, which filter. Drawing reads it and never changes it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "filter.h"
#include "keys.h"
#include "model.h"
#include "names.h"

namespace lvsnat::top {

enum class ViewName : std::uint8_t { overview, connections, findings, real_servers, host };
inline constexpr std::size_t kViews = 5;
constexpr std::size_t index(ViewName v) { return static_cast<std::size_t>(v); }
/// "overview", "connections", "findings", "real-servers", "host": as --view takes them.
std::string_view name(ViewName);
/// By that name (also "real_servers" and "real servers") or by "1".."5"; nullopt: no such view.
std::optional<ViewName> find_view(std::string_view);
std::uint8_t scope_of(ViewName);

/// The selected row of a list, remembered by what it is, not by where it stands: it stays selected when rows come, go
/// or change order. When it is gone, the row at its place is.
struct Selection {
  std::string key;
  int row = 0, top = 0;
};

/// In the order of the columns that they belong to.
enum class SortBy : std::uint8_t {
  finding,
  legs,
  client,
  vip,
  real_server,
  state,
  age,
  left,
  idle,
  packets,
  answer,
  director,
  handshake,
  rtt,
  bytes,
  repeats
};
inline constexpr std::size_t kSorts = 16;
std::string_view name(SortBy);

/// What was opened over a view.
struct Page {
  enum class Kind : std::uint8_t { ladder, finding, explain, cure, help, fact } kind = Kind::help;
  ConnectionId connection;  // ladder
  Finding finding;          // finding, cure: a copy, so that it stays when the list moves on
  int code = 0;             // explain
  Fact fact;
  int scroll = 0;
};

struct View {
  ViewName current = ViewName::overview;
  std::vector<Page> pages;  // the last is on top
  std::array<Selection, kViews> selections;
  Filter filter;
  std::string search;
  bool problems_only = false, follow = false, frozen = false, deltas = true, show_names = false;
  SortBy sort = SortBy::finding;
  bool inverted = false;
  std::set<ConnectionId> tagged;
  std::set<std::string> folded;          // services by name
  std::set<std::string> hidden_columns;  // of the connections view, by heading
  /// Where Esc leads when no page is open: views left by Enter, with the filter they had.
  struct Left {
    ViewName view;
    std::string filter;
  };
  std::vector<Left> left;
  std::shared_ptr<const NameMap> names = std::make_shared<const NameMap>();  // looked up so far; shown with show_names
  std::uint64_t revision = 0;                                                // grows when the choice of rows may have changed

  [[nodiscard]] Selection& selection() { return selections[index(current)]; }
  [[nodiscard]] const Selection& selection() const { return selections[index(current)]; }
};

/// The rows of every view after filter, folding and order.
struct Listing {
  struct OverviewRow {
    std::size_t service;
    int real_server;  // -1: the service itself
  };
  std::vector<OverviewRow> overview;
  std::vector<std::size_t> connections, findings, facts;
  std::vector<OverviewRow> real_servers;  // real_server is never -1
  [[nodiscard]] std::size_t rows(ViewName) const;
};
Listing list_rows(const Snapshot&, const View&);

/// What a screen draws: everything is borrowed for the call.
struct Scene {
  const Snapshot& snapshot;
  const View& view;
  const Listing& listing;
  Timestamp now;  // live: advances between snapshots
  /// Where addresses are noted that were shown and have no name yet, with show_names. nullptr: nobody asks.
  std::set<Address>* nameless = nullptr;
};

/// What a row is, for Selection::key.
std::string row_key(const Snapshot&, const Listing&, ViewName, std::size_t row);
/// The text of a row of the current view that `/` searches, in lower case.
std::string row_text(const Snapshot&, const Listing&, const View&, std::size_t row);
/// Puts the selection where its row is now and scrolls it into `height` lines of `lines_per_row`.
void settle(const Snapshot&, const Listing&, View&, int height, int lines_per_row);
/// The finding that the selected row of the current view leads to: itself, or the worst of the row. nullptr: none.
const Finding* selected_finding(const Scene&);

/// "10.1.1.2:80", or with its name where names are shown and known: "web1:80".
std::string endpoint_text(const Scene&, const Endpoint&);
std::string address_text(const Scene&, const Address&);

}  // namespace lvsnat::top
