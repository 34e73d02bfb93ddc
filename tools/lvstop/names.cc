#include "names.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/text.h"
#include "cells.h"

namespace lvsnat::top {

struct Names::Shared {
  LookUp look_up;
  NameMap given;
  mutable std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::deque<Address> waiting;
  std::set<Address> asked;
  NameMap found;
  std::shared_ptr<const NameMap> known;
  bool busy = false, running = false, stopping = false;
  int wake = -1;

  /// With the mutex held.
  void publish() {
    known = std::make_shared<const NameMap>(found);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake, &one, sizeof one);
  }
};

std::string presentable_name(const std::string& answered) {
  std::string name = printable(answered, 255);
  if (parse_address(name)) return {};
  return cut(name, 64, true);
}

Names::Names(const NameMap& given, LookUp look_up) : shared_(std::make_shared<Shared>()) {
  shared_->look_up = std::move(look_up);
  for (const auto& [address, name] : given) {
    if (std::string shown = presentable_name(name); !shown.empty()) shared_->given.emplace(address, std::move(shown));
  }
  shared_->found = shared_->given;
  shared_->known = std::make_shared<const NameMap>(shared_->found);
  shared_->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

Names::~Names() {
  bool busy = false;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
    busy = shared_->busy;
    shared_->changed.notify_all();
    if (shared_->wake >= 0) close(shared_->wake);
  }
  if (!thread_.joinable()) return;
  if (busy) {
    thread_.detach();
  } else {
    thread_.join();  // at once: it has nothing to do but to end
  }
}

void Names::want(const std::set<Address>& addresses) {
  const std::lock_guard lock(shared_->mutex);
  Shared& s = *shared_;
  if (s.asked.size() + addresses.size() > kMost) {
    s.asked.clear();
    s.found = s.given;
    s.waiting.clear();
  }
  for (const Address& address : addresses) {
    if (s.asked.size() >= kMost) break;
    if (!s.given.contains(address) && s.asked.insert(address).second) s.waiting.push_back(address);
  }
  if (s.waiting.empty()) return;
  if (!std::exchange(s.running, true)) {
    // Signals belong to the screen.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      thread_ = std::thread([shared = shared_] { run(shared); });
    } catch (const std::system_error&) {
      // No thread can be had: there will be numbers, no names.
      s.running = false;
      s.waiting.clear();
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  s.changed.notify_all();
}

void Names::run(const std::shared_ptr<Shared>& shared) {
  Shared& s = *shared;
  std::unique_lock lock(s.mutex);
  auto published = std::chrono::steady_clock::now();
  bool news = false;
  while (true) {
    s.changed.wait(lock, [&] { return s.stopping || !s.waiting.empty(); });
    if (s.stopping) return;
    const Address address = s.waiting.front();
    s.waiting.pop_front();
    s.busy = true;
    lock.unlock();
    std::string name = presentable_name(s.look_up(address));
    lock.lock();
    if (s.stopping) {
      // Nobody waits for this thread, and the process may be ending just now. What the resolver keeps for a thread is freed at
      // the thread's end, and a look for leaks in the middle of that finds what nobody refers to: so it ends with the process.
      s.changed.wait(lock, [] { return false; });
    }
    s.busy = false;
    if (!name.empty() && s.asked.contains(address)) news = s.found.insert_or_assign(address, std::move(name)).second || news;
    const auto now = std::chrono::steady_clock::now();
    if (news && (s.waiting.empty() || now - published > std::chrono::milliseconds(250))) {
      s.publish();
      published = now;
      news = false;
    }
  }
}

std::shared_ptr<const NameMap> Names::known() const {
  std::uint64_t count = 0;
  const std::lock_guard lock(shared_->mutex);
  [[maybe_unused]] const ssize_t got = read(shared_->wake, &count, sizeof count);
  return shared_->known;
}

bool Names::idle() const {
  const std::lock_guard lock(shared_->mutex);
  return !shared_->busy && shared_->waiting.empty();
}

int Names::wake_descriptor() const { return shared_->wake; }

}  // namespace lvsnat::top
