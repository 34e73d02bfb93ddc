#include "screens/host.h"

#include <algorithm>

namespace lvsnat::top {
namespace {

const char* mark_text(Mark mark) {
  switch (mark) {
    case Mark::good:
      return "ok";
    case Mark::warning:
      return "warn";
    case Mark::bad:
      return "bad";
    case Mark::unknown:
      return "?";
    case Mark::none:
      break;
  }
  return "";
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {"", 4, 4, Align::left, 0},
      {"WHAT", 12, 34, Align::left, 0},
      {"IS", 12, 70, Align::left, 0},
      {"", 12, 110, Align::left, 1},
  };
  return all;
}

}  // namespace

int HostScreen::list_height(const Scene&, Area area) const { return std::max(1, area.height); }

void HostScreen::draw(const Scene& scene, Canvas& canvas, Area area) const {
  const Selection& selection = scene.view.selection();
  const std::vector<Fact>& facts = scene.snapshot.facts;
  std::vector<TableRow> cells;
  const int count = static_cast<int>(scene.listing.facts.size());
  for (int i = 0; i < area.height && i + selection.top < count; ++i) {
    const auto at = scene.listing.facts[static_cast<std::size_t>(i + selection.top)];
    const Fact& f = facts[at];
    const bool first = i == 0 || facts[at - 1].section != f.section;
    const std::string what = f.section == "Capture" || first ? f.section + ": " + f.name : "  " + f.name;
    cells.push_back(
        {{mark_text(f.mark), {tone_of(f.mark), true, false}}, {what, {}}, {f.value, {}}, {f.note, {Tone::faint, false, false}}});
  }
  const auto placed = layout(columns(), cells, area.width);
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const int row = static_cast<int>(i);
    draw_row(canvas, area.top + row, columns(), placed, cells[i], area.width, row + selection.top == selection.row);
  }
}

const Screen& host_screen() {
  static const HostScreen screen;
  return screen;
}

}  // namespace lvsnat::top
