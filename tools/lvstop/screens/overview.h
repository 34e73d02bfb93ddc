// View 1: every service with its real servers: how many connections are whole, what is wrong, how fast each part answers.
#pragma once

#include "screens/screen.h"

namespace lvsnat::top {

class OverviewScreen final : public Screen {
 public:
  void draw(const Scene&, Canvas&, Area) const override;
  [[nodiscard]] int list_height(const Scene&, Area) const override;
  bool on_key(Action, const Scene&, View&) const override;
};

}  // namespace lvsnat::top
