// View 2: connections, their legs first. Below 60 columns each takes two lines.
#pragma once

#include "screens/screen.h"

namespace lvsnat::top {

class ConnectionsScreen final : public Screen {
 public:
  void draw(const Scene&, Canvas&, Area) const override;
  [[nodiscard]] int lines_per_row(int width) const override;
  [[nodiscard]] int list_height(const Scene&, Area) const override;
  [[nodiscard]] std::optional<SortBy> sort_at(const Scene&, Area, int column) const override;
  /// Headings that the columns menu offers.
  static std::vector<std::string> optional_columns();
};

}  // namespace lvsnat::top
