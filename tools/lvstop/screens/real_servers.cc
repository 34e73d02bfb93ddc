#include "screens/real_servers.h"

#include <algorithm>

#include "base/text.h"

namespace lvsnat::top {
namespace {

int detail_height(const Scene& scene, Area area) {
  if (area.height < 10 || scene.listing.real_servers.empty()) return 0;
  return std::min(7, area.height - 4);
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {"OK", 6, 7, Align::left, 0},        {"FINDING", 7, 9, Align::left, 0},     {"REAL SERVER", 13, 47, Align::left, 0},
      {"CONNS", 5, 7, Align::right, 1},    {"SHARE", 5, 5, Align::right, 3},      {"ANSWER p50/p95", 14, 14, Align::right, 2},
      {"PEERS", 6, 6, Align::right, 3},    {"TIMES", 5, 6, Align::right, 4},      {"CONNECT", 9, 13, Align::right, 6},
      {"AGAIN", 5, 6, Align::right, 5},    {"RESET", 5, 6, Align::right, 5},      {"WT", 2, 6, Align::right, 7},
      {"SERVICE", 12, 52, Align::left, 8}, {"LAST 30 s", 30, 30, Align::left, 9},
  };
  return all;
}

const RealServerRow& row_at(const Scene& scene, std::size_t i) {
  const Listing::OverviewRow& r = scene.listing.real_servers[i];
  return scene.snapshot.services[r.service].real_servers[static_cast<std::size_t>(r.real_server)];
}

/// "3.2x" of its peers; empty where there is nothing to compare.
std::string ratio(const std::optional<Quantiles>& own, const std::optional<std::int64_t>& peers) {
  if (!own || !peers || *peers <= 0) return "-";
  const double times = static_cast<double>(own->p50) / static_cast<double>(*peers);
  if (times >= 100) return ">99x";
  const auto tenths = static_cast<int>(times * 10 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "x";
}

TableRow row_cells(const Scene& scene, const RealServerRow& r, bool unicode) {
  const Tally& t = r.tally;
  const bool draining = r.destination.weight == 0;
  Health health = t.health();
  if (draining && health == Health::unknown) health = Health::draining;
  const auto percent = t.percent();
  const std::uint64_t all = scene.snapshot.services[r.service].tally.connections;
  const std::string share = all == 0 ? "-" : std::to_string(t.connections * 100 / all) + "%";
  // Milliseconds matter: three times 20 us is no slow server (LVS126 has the same floor).
  const bool slow = t.response && r.peers_response && t.response->p50 > 3 * *r.peers_response &&
                    t.response->p50 - *r.peers_response > 50'000'000;
  return {
      {std::string(light(health, unicode)) + " " +
           (percent    ? std::to_string(*percent) + "%"
            : draining ? "drain"
                       : "-"),
       {tone_of(health), health == Health::none, false}},
      {t.codes.empty() ? "-" : codes_text(t.codes), {t.worst ? tone_of(*t.worst) : Tone::plain, false, false}},
      {endpoint_text(scene, {r.destination.rip, r.port}), {}},
      {short_count(t.connections), {}},
      {share, {}},
      {quantiles_text(t.response), {slow ? Tone::warning : Tone::plain, slow, false}},
      {r.peers_response ? short_duration(*r.peers_response) : "-", {}},
      {ratio(t.response, r.peers_response), {slow ? Tone::warning : Tone::plain, slow, false}},
      {quantiles_text(t.real_server), {}},
      {t.repeats == 0 ? "-" : short_count(t.repeats), {}},
      {t.resets == 0 ? "-" : short_count(t.resets), {}},
      {r.destination.weight ? std::to_string(*r.destination.weight) : "-",
       {draining ? Tone::warning : Tone::plain, false, false}},
      {r.service_name, {}},
      {sparkline(t.history, 30, unicode), {Tone::accent, false, false}},
  };
}

/// The selected real server and the rest of its service, quantity by quantity.
std::vector<Line> compare(const Scene& scene, const RealServerRow& r, int width) {
  std::vector<Line> lines;
  const ServiceRow& service = scene.snapshot.services[r.service];
  Tally peers;
  for (const RealServerRow& other : service.real_servers) {
    if (&other == &r) continue;
    peers.connections += other.tally.connections, peers.healthy += other.tally.healthy;
    peers.broken += other.tally.broken, peers.undecided += other.tally.undecided;
    peers.repeats += other.tally.repeats, peers.resets += other.tally.resets;
    for (std::size_t i = 0; i < 4; ++i) peers.legs[i] += other.tally.legs[i];
  }
  const auto count = static_cast<int>(service.real_servers.size()) - 1;
  const auto say = [&](std::string what, const std::string& own, const std::string& others) {
    what.resize(26, ' ');
    lines.push_back({cut(what + fit(own, 20, Align::left, true) + " " + others, width, true), {}});
  };
  const auto legs = [](const Tally& t) {
    std::string text;
    for (const std::uint64_t n : t.legs) text += (text.empty() ? "" : "/") + short_count(n);
    return text;
  };
  const auto whole = [](const Tally& t) { return with_commas(t.healthy) + " of " + with_commas(t.healthy + t.broken); };
  if (count == 0) {
    say("", endpoint_text(scene, {r.destination.rip, r.port}), "(the only real server of " + r.service_name + ")");
  } else {
    say("", endpoint_text(scene, {r.destination.rip, r.port}),
        "its " + std::to_string(count) + (count == 1 ? " peer" : " peers") + " of " + r.service_name);
    lines.back().style = {Tone::faint, true, false};
  }
  say("connections whole", whole(r.tally), count == 0 ? "" : whole(peers));
  say("seen on leg 1/2/3/4", legs(r.tally), count == 0 ? "" : legs(peers));
  say("answer, median", r.tally.response ? short_duration(r.tally.response->p50) : "-",
      r.peers_response ? short_duration(*r.peers_response) : "");
  say("handshake, median", r.tally.real_server ? short_duration(r.tally.real_server->p50) : "-",
      r.peers_real_server ? short_duration(*r.peers_real_server) : "");
  say("sent again / reset", short_count(r.tally.repeats) + " / " + short_count(r.tally.resets),
      count == 0 ? "" : short_count(peers.repeats) + " / " + short_count(peers.resets));
  return lines;
}

}  // namespace

int RealServersScreen::list_height(const Scene& scene, Area area) const {
  return std::max(1, area.height - 1 - detail_height(scene, area));
}

void RealServersScreen::draw(const Scene& scene, Canvas& canvas, Area area) const {
  const auto& rows = scene.listing.real_servers;
  if (rows.empty()) {
    draw_empty(canvas, area,
               {scene.view.filter.empty() ? "No real server is known yet." : "No real server passes the filter. Esc lifts it."});
    return;
  }
  const Selection& selection = scene.view.selection();
  const int height = list_height(scene, area), details = detail_height(scene, area);
  std::vector<TableRow> cells;
  for (int i = 0; i < height && i + selection.top < static_cast<int>(rows.size()); ++i) {
    cells.push_back(row_cells(scene, row_at(scene, static_cast<std::size_t>(i + selection.top)), canvas.unicode()));
  }
  const auto placed = layout(columns(), cells, area.width);
  draw_headings(canvas, area.top, columns(), placed, area.width, {Tone::faint, true, false});
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const int row = static_cast<int>(i);
    draw_row(canvas, area.top + 1 + row, columns(), placed, cells[i], area.width, row + selection.top == selection.row);
  }
  if (details < 2 || selection.row >= static_cast<int>(rows.size())) return;
  const int top = area.top + area.height - details;
  for (int column = 0; column < area.width; ++column)
    canvas.put(top, column, glyphs(canvas.unicode()).horizontal, {Tone::faint, false, false});
  draw_lines(canvas, {top + 1, details - 1, area.width},
             compare(scene, row_at(scene, static_cast<std::size_t>(selection.row)), area.width - 1), 0);
}

const Screen& real_servers_screen() {
  static const RealServersScreen screen;
  return screen;
}

}  // namespace lvsnat::top
