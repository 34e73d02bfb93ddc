#include "screens/overview.h"

#include <algorithm>

#include "base/text.h"

namespace lvsnat::top {
namespace {

/// Lines below the list: the rate of new connections and the worst findings, when there is room.
int footer_height(const Scene& scene, Area area) {
  if (area.height < 10) return 0;
  const auto findings = static_cast<int>(std::min<std::size_t>(scene.snapshot.report.findings.size(), 3));
  const int rows = static_cast<int>(scene.listing.overview.size());
  const int most = 2 + findings;
  return std::clamp(area.height - 1 - rows, std::min({most, 3, area.height / 4}), most);
}

std::string percent_text(const Tally& tally, bool draining) {
  if (const auto percent = tally.percent()) return std::to_string(*percent) + "%";
  return draining ? "drain" : "-";
}

std::string rate_text(double rate) {
  const auto tenths = static_cast<std::uint64_t>(rate * 10 + 0.5);
  return rate < 100 ? std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) : short_count(tenths / 10);
}

// Columns that kernel or configuration fill: weight, active, inactive, method.
constexpr std::size_t kFirstTold = 10, kLastTold = 13;

std::vector<Column> columns_for(int width) {
  std::vector<Column> c{
      {"OK", 6, 7, Align::left, 0},
      {"FINDING", 7, 9, Align::left, 0},
      {"SERVICE / REAL SERVER", 18, 52, Align::left, 0},
      {"CONNS", 5, 7, Align::right, 1},
      {"OPEN", 4, 6, Align::right, 3},
      {"NEW/s", 5, 6, Align::right, 2},
      {"LEGS 1/2/3/4 OK", 4, 24, Align::left, 8},
      {"ANSWER", 9, 13, Align::right, 4},
      {"DIRECTOR", 9, 13, Align::right, 6},
      {"CLIENT", 9, 13, Align::right, 7},
      {"WT", 2, 6, Align::right, 5},
      {"ACT", 3, 6, Align::right, 9},
      {"INACT", 5, 6, Align::right, 10},
      {"METHOD", 6, 18, Align::left, 11},
      {"LAST 30 s", 30, 30, Align::left, 12},
  };
  if (width < 60) c[2].most = 26;
  return c;
}

std::string legs_text(const Tally& tally) {
  std::string text;
  for (const std::uint64_t n : tally.legs) text += (text.empty() ? "" : "/") + short_count(n);
  return text;
}

TableRow row_cells(const Scene& scene, const Listing::OverviewRow& r, bool last, bool unicode) {
  const Glyphs& g = glyphs(unicode);
  const ServiceRow& service = scene.snapshot.services[r.service];
  const RealServerRow* server = r.real_server < 0 ? nullptr : &service.real_servers[static_cast<std::size_t>(r.real_server)];
  const Tally& tally = server != nullptr ? server->tally : service.tally;
  const bool draining = server != nullptr && server->destination.weight == 0;
  Health health = tally.health();
  if (draining && health == Health::unknown) health = Health::draining;
  const Style tone{tone_of(health), health == Health::none, false};
  const auto optional = [](const auto& value) { return value ? std::to_string(*value) : std::string("-"); };

  std::string what, method = "-", weight, active = "-", inactive = "-";
  if (server == nullptr) {
    const bool folded = scene.view.folded.contains(service.name);
    what = std::string(service.real_servers.empty() ? " " : folded ? g.closed : g.open) + " ";
    if (service.service.protocol == ServiceProtocol::fwmark) {
      what += service.name;
    } else {
      what +=
          std::string(name(service.service.protocol)) + " " + endpoint_text(scene, {service.service.vip, service.service.port});
    }
    method = service.service.scheduler.empty() ? "" : printable(service.service.scheduler, 32);
    if (service.service.persistence)
      method += (method.empty() ? "" : ", ") + ("persistent " + std::to_string(*service.service.persistence) + "s");
    if (service.service.one_packet) method += (method.empty() ? "" : ", ") + std::string("ops");
    std::uint64_t a = 0, i = 0;
    bool known = false;
    for (const RealServerRow& row : service.real_servers) {
      if (row.destination.active) a += *row.destination.active, known = true;
      if (row.destination.inactive) i += *row.destination.inactive;
    }
    if (known) active = short_count(a), inactive = short_count(i);
    if (service.real_servers.empty()) method += (method.empty() ? "" : ", ") + std::string("no real server");
  } else {
    what = "  " + std::string(last ? g.last_branch : g.branch) + endpoint_text(scene, {server->destination.rip, server->port});
    method = name(server->destination.method);
    weight = optional(server->destination.weight);
    active = optional(server->destination.active);
    inactive = optional(server->destination.inactive);
  }
  const Style finding_style{tally.worst ? tone_of(*tally.worst) : Tone::plain, tally.worst == Severity::error, false};
  return {
      {std::string(light(health, unicode)) + " " + percent_text(tally, draining), tone},
      {tally.codes.empty() ? "-" : codes_text(tally.codes), finding_style},
      {what, {Tone::plain, server == nullptr, false}},
      {short_count(tally.connections), {}},
      {short_count(tally.open), {}},
      {rate_text(tally.new_per_second()), {}},
      {legs_text(tally), {}},
      {quantiles_text(tally.response ? tally.response : tally.real_server), {}},
      {quantiles_text(tally.director), {}},
      {quantiles_text(tally.client), {}},
      {weight, {draining ? Tone::warning : Tone::plain, false, false}},
      {active, {}},
      {inactive, {}},
      {method, {}},
      {sparkline(tally.history, 30, unicode), {Tone::accent, false, false}},
  };
}

void draw_footer(const Scene& scene, Canvas& canvas, Area area) {
  const Snapshot& s = scene.snapshot;
  int row = area.top + 1;
  const int end = area.top + area.height;
  if (row >= end) return;
  int at = canvas.put(row, 1, "new/s 60 s ");
  at = canvas.put(row, at, sparkline(s.history, std::min<int>(60, area.width - at - 2), canvas.unicode()),
                  {Tone::accent, false, false});
  const std::uint64_t decided = s.report.connections.healthy + s.report.connections.broken;
  if (decided != 0 && area.width - at > 44) {
    const Glyphs& g = glyphs(canvas.unicode());
    const int meter = std::min(24, area.width - at - 20);
    const auto full =
        static_cast<int>(static_cast<double>(s.report.connections.healthy) / static_cast<double>(decided) * meter + 0.5);
    at = canvas.put(row, at + 3, "whole ");
    for (int i = 0; i < meter; ++i)
      at = canvas.put(row, at, i < full ? g.full : g.empty, {i < full ? Tone::good : Tone::bad, false, false});
    canvas.put(row, at + 1, short_count(s.report.connections.healthy) + " of " + short_count(decided));
  }
  ++row;
  for (const Finding& f : s.report.findings) {
    if (row >= end) break;
    const int after =
        canvas.put(row, 1, std::string(word(f.severity)) + " " + code_name(f.code) + " ", {tone_of(f.severity), true, false});
    canvas.put(row, after, cut(printable(f.title), area.width - after, canvas.unicode()));
    ++row;
  }
}

}  // namespace

int OverviewScreen::list_height(const Scene& scene, Area area) const {
  return std::max(1, area.height - 1 - footer_height(scene, area));
}

void OverviewScreen::draw(const Scene& scene, Canvas& canvas, Area area) const {
  const auto& rows = scene.listing.overview;
  const int footer = footer_height(scene, area);
  const int height = list_height(scene, area);
  if (rows.empty()) {
    std::vector<std::string> why;
    if (!scene.view.filter.empty() && !scene.snapshot.services.empty()) {
      why = {"No service passes the filter. Esc lifts it."};
    } else {
      why = {"No service is known yet.",
             "Services come from this host's IPVS table, from --config or --service, or are learnt from requests that the "
             "director was seen to "
             "forward."};
      // What is wrong is said in the first view, also where there is nothing to list.
      std::size_t more = 0;
      for (const Finding& f : scene.snapshot.report.findings) {
        if (f.severity == Severity::info) continue;
        if (++more <= 3) why.push_back(std::string(word(f.severity)) + " " + code_name(f.code) + " " + printable(f.title));
      }
      if (more != 0) why.emplace_back("View 3 shows proof and cure.");
    }
    draw_empty(canvas, area, why);
    return;
  }
  const int top = scene.view.selection().top;
  std::vector<TableRow> cells;
  for (int i = 0; i < height && i + top < static_cast<int>(rows.size()); ++i) {
    const auto at = static_cast<std::size_t>(i + top);
    const bool last = at + 1 == rows.size() || rows[at + 1].real_server < 0;
    cells.push_back(row_cells(scene, rows[at], last, canvas.unicode()));
  }
  std::vector<Column> columns = columns_for(area.width);
  // What no kernel and no configuration told leaves its room to the rest.
  for (std::size_t i = columns.size(); i-- > kFirstTold;) {
    const bool told = i > kLastTold || std::any_of(cells.begin(), cells.end(), [i](const TableRow& row) {
                        return !row[i].text.empty() && row[i].text != "-";
                      });
    if (told) continue;
    columns.erase(columns.begin() + static_cast<std::ptrdiff_t>(i));
    for (TableRow& row : cells) row.erase(row.begin() + static_cast<std::ptrdiff_t>(i));
  }
  const auto placed = layout(columns, cells, area.width);
  draw_headings(canvas, area.top, columns, placed, area.width, {Tone::faint, true, false});
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const int row = static_cast<int>(i);
    draw_row(canvas, area.top + 1 + row, columns, placed, cells[i], area.width, row + top == scene.view.selection().row);
  }
  if (footer > 1) draw_footer(scene, canvas, {area.top + area.height - footer, footer, area.width});
}

bool OverviewScreen::on_key(Action action, const Scene& scene, View& view) const {
  const auto row = static_cast<std::size_t>(view.selection().row);
  if (action != Action::fold || row >= scene.listing.overview.size()) return false;
  const std::string& service = scene.snapshot.services[scene.listing.overview[row].service].name;
  if (view.folded.erase(service) == 0) {
    view.folded.insert(service);
    view.selection().key = service;
  }
  ++view.revision;
  return true;
}

const Screen& overview_screen() {
  static const OverviewScreen screen;
  return screen;
}

}  // namespace lvsnat::top
