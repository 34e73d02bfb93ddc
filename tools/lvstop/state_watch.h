// Reads the kernel's state every few seconds, on a thread of its own, and hands it to the capture thread.
//
// Threads: its own; the constructor and the destructor belong to the thread that owns it. How often: every three seconds;
// where a reading takes more than a fiftieth of that, less often, down to every thirty.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "lvsnat/result.h"
#include "lvsnat/state.h"

namespace lvsnat::top {

class StateWatch {
 public:
  using Reading = Result<std::shared_ptr<const KernelState>>;
  struct Calls {
    std::function<Reading()> read;       // may wait
    std::function<std::int64_t()> cost;  // processor time of the last one, nanoseconds
    std::function<void()> interrupt;     // a read() that waits returns
    std::function<void(std::shared_ptr<const KernelState>)> news;
    std::function<void(std::string)> trouble;  // once: it is not read any more, and why
  };
  explicit StateWatch(Calls calls, std::chrono::nanoseconds every = std::chrono::seconds(3));
  ~StateWatch();
  StateWatch(const StateWatch&) = delete;
  StateWatch& operator=(const StateWatch&) = delete;

 private:
  void run();
  Reading read();
  Calls calls_;
  std::chrono::nanoseconds every_;
  std::mutex mutex_;  // guards stopping_
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

/// Whether two readings show the same services with the same weights and numbers of connections, settings aside that only count
/// on. What differs otherwise can wait for the next occasion.
bool same_services(const KernelState&, const KernelState&);

}  // namespace lvsnat::top
