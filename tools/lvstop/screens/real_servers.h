// View 4: each real server beside its peers of the same service.
#pragma once

#include "screens/screen.h"

namespace lvsnat::top {

class RealServersScreen final : public Screen {
 public:
  void draw(const Scene&, Canvas&, Area) const override;
  [[nodiscard]] int list_height(const Scene&, Area) const override;
};

}  // namespace lvsnat::top
