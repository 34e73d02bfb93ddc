// View 5: what was captured and how well, and what the director's kernel says.
#pragma once

#include "screens/screen.h"

namespace lvsnat::top {

class HostScreen final : public Screen {
 public:
  void draw(const Scene&, Canvas&, Area) const override;
  [[nodiscard]] int list_height(const Scene&, Area) const override;
};

}  // namespace lvsnat::top
