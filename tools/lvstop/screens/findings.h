// View 3: findings, most important first, with the selected one's proof, cause and cure below.
#pragma once

#include "screens/screen.h"

namespace lvsnat::top {

class FindingsScreen final : public Screen {
 public:
  void draw(const Scene&, Canvas&, Area) const override;
  [[nodiscard]] int list_height(const Scene&, Area) const override;
};

}  // namespace lvsnat::top
