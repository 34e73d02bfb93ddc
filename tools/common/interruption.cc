#include "common/interruption.h"

#include <array>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstddef>
#include <string>

#include <unistd.h>

namespace lvsnat::tool {
namespace {

constexpr std::array<int, 3> kStops{SIGINT, SIGTERM, SIGHUP};
constexpr std::array<int, 5> kEnds{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU};
constexpr std::size_t kMostUnfinished = 8;

std::atomic<PacketSource*> interrupted_source{nullptr};

// Where a handler can read it: no memory is asked for, and an entry is in use only once it is written.
struct Unfinished {
  std::array<char, PATH_MAX> path{};
  std::atomic<bool> used{false};
};
std::array<Unfinished, kMostUnfinished> unfinished;

/// Async-signal-safe.
void end_by(int signal) {
  remove_unfinished();
  // Whoever waits for the program sees which signal it was.
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void on_interrupt(int signal) {
  if (PacketSource* source = interrupted_source.exchange(nullptr)) {
    source->stop();
  } else {
    end_by(signal);
  }
}

void end_tidily() {
  static bool done = false;
  if (done) return;
  done = true;
  for (const int signal : kEnds) {
    struct sigaction now {};
    if (sigaction(signal, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) continue;
    now.sa_handler = end_by;
    sigaction(signal, &now, nullptr);
  }
}

}  // namespace

Interruptible::Interruptible(PacketSource& source) {
  interrupted_source = &source;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  for (std::size_t i = 0; i < kStops.size(); ++i) {
    sigaction(kStops[i], nullptr, &old_[i]);
    if (kStops[i] == SIGHUP && old_[i].sa_handler == SIG_IGN) continue;
    sigaction(kStops[i], &action, nullptr);
  }
}

Interruptible::~Interruptible() {
  for (std::size_t i = 0; i < kStops.size(); ++i) sigaction(kStops[i], &old_[i], nullptr);
  interrupted_source = nullptr;
}

void remember_unfinished(const std::string& path) {
  if (path.size() >= PATH_MAX) return;
  for (Unfinished& file : unfinished) {
    if (file.used.load()) continue;
    path.copy(file.path.data(), path.size());
    file.path[path.size()] = '\0';
    file.used = true;
    end_tidily();
    return;
  }
}

void remove_unfinished() noexcept {
  for (const Unfinished& file : unfinished) {
    if (file.used.load()) unlink(file.path.data());
  }
}

void forget_unfinished(const std::string& path) {
  for (Unfinished& file : unfinished) {
    if (file.used.load() && path == file.path.data()) file.used = false;
  }
}

}  // namespace lvsnat::tool
