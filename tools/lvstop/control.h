// What the screen asks of the capture thread. Calls return at once and never wait for it; the answer comes with a later
// snapshot or message.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model.h"

namespace lvsnat::top {

struct PacketSave {
  std::string path;
  std::vector<ConnectionId> connections;  // empty and `all`: everything that is kept
  bool all = false;
};

class Control {
 public:
  Control() = default;
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;
  virtual ~Control() = default;

  /// The connection whose packets snapshots are to carry; nullopt: none.
  virtual void focus(std::optional<ConnectionId>) = 0;
  virtual void save_packets(PacketSave) = 0;
  /// Seconds between snapshots while packets come.
  virtual void refresh_every(double seconds) = 0;
  // Replay only.
  virtual void play_or_pause() = 0;
  /// At the end: everything anew from the first packet, in real time.
  virtual void play_again() = 0;
  virtual void step() = 0;
  virtual void speed(double) = 0;
  virtual void to_next_finding() = 0;
};

}  // namespace lvsnat::top
