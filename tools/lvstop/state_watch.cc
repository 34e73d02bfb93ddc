#include "state_watch.h"

#include <algorithm>
#include <csignal>
#include <new>
#include <utility>

#include <pthread.h>

namespace lvsnat::top {

StateWatch::StateWatch(Calls calls, std::chrono::nanoseconds every) : calls_(std::move(calls)), every_(every) {
  // Signals belong to the screen.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

StateWatch::~StateWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  calls_.interrupt();
  thread_.join();
}

StateWatch::Reading StateWatch::read() {
  try {
    return calls_.read();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::limit, "out of memory"};
  }
}

void StateWatch::run() {
  constexpr int kShare = 100, kSlowest = 10;
  auto wait = every_;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, wait, [this] { return stopping_; })) {
    lock.unlock();
    Reading state = read();
    wait = std::clamp<std::chrono::nanoseconds>(std::chrono::nanoseconds(kShare * calls_.cost()), every_, kSlowest * every_);
    if (state) calls_.news(std::move(*state));
    lock.lock();
    if (stopping_) return;
    if (!state) {
      calls_.trouble("the kernel's state is not read any more: " + state.error().message);
      return;
    }
  }
}

bool same_services(const KernelState& a, const KernelState& b) {
  const auto same_destination = [](const Destination& x, const Destination& y) {
    return x.rip == y.rip && x.port == y.port && x.method == y.method && x.weight == y.weight && x.active == y.active &&
           x.inactive == y.inactive;
  };
  const auto same = [&](const Service& x, const Service& y) {
    return same_service(x, y) && x.scheduler == y.scheduler && x.persistence == y.persistence &&
           std::equal(x.destinations.begin(), x.destinations.end(), y.destinations.begin(), y.destinations.end(),
                      same_destination);
  };
  return std::equal(a.ipvs.services.begin(), a.ipvs.services.end(), b.ipvs.services.begin(), b.ipvs.services.end(), same);
}

}  // namespace lvsnat::top
