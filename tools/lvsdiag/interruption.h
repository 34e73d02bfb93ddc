// SIGINT and SIGTERM end the reading, not the program: what was seen until then is diagnosed.
#pragma once

#include <csignal>

#include "lvsnat/source.h"

namespace lvsnat::tool {

/// While it lives, the first SIGINT or SIGTERM stops the source; a second one ends the program. One at a time.
class Interruptible {
 public:
  explicit Interruptible(PacketSource& source);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  struct sigaction old_interrupt_ {
  }, old_terminate_{};
};

}  // namespace lvsnat::tool
