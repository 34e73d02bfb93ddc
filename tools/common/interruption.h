// SIGINT, SIGTERM and SIGHUP end the reading, not the program: what was seen until then is diagnosed. And when a signal does end
// the program, no unfinished file is left behind.
//
// Threads: main only, which alone takes signals.
#pragma once

#include <array>
#include <csignal>
#include <string>

#include "lvsnat/source.h"

namespace lvsnat::tool {

/// While it lives, the first SIGINT, SIGTERM or SIGHUP (unless that is ignored, as under nohup) stops the source; a second one
/// ends the program. One at a time.
class Interruptible {
 public:
  explicit Interruptible(PacketSource& source);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  std::array<struct sigaction, 3> old_{};
};

/// A file that has not got its name yet: removed when a signal ends the program. A few can be remembered; more are not.
void remember_unfinished(const std::string& path);
void forget_unfinished(const std::string& path);
/// Removes those that are remembered. Async-signal-safe.
void remove_unfinished() noexcept;

}  // namespace lvsnat::tool
