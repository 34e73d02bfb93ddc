// This host's kernel state, read again and again while strangers' packets are looked at: by a process of its own.
//
// The kernel asks for CAP_NET_ADMIN at every request about IPVS, so whoever reads it must keep that right; whoever parses packets
// must not. The process is forked before the step down, keeps that one capability (if there is one) and no file, interface or
// memory that is written later, is confined to reading the kernel's tables, and understands one request: read. It ends with this
// object or this program, whatever ends that.
//
// Threads: read() from one thread at a time; interrupt() from any. Errors: values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <sys/types.h>

#include "lvsnat/result.h"
#include "lvsnat/state.h"

namespace lvsnat::top {

/// What an answer begins with.
struct AnswerHead {
  std::uint64_t bytes = 0;
  std::int64_t cost = 0;    // processor time, nanoseconds
  std::uint32_t error = 0;  // 1 + ErrorCode; 0: a snapshot follows, else a message
};

/// One answer; nothing in it is believed that could not be true. Errors: what it says; io when it breaks off or is nonsense.
Result<std::string> receive_answer(int socket, std::int64_t& cost);

class StateReader {
 public:
  /// Before there are threads, and before anything is opened that the process must not have. Errors: io.
  static Result<std::unique_ptr<StateReader>> start();
  ~StateReader();
  StateReader(const StateReader&) = delete;
  StateReader& operator=(const StateReader&) = delete;

  /// The state as it is now; waits for it, some seconds with huge tables. Errors: those of read_live_state(); io when the process
  /// is gone or was interrupted.
  Result<std::shared_ptr<const KernelState>> read();
  /// Processor time that the last read() took, here and there together; nanoseconds.
  [[nodiscard]] std::int64_t cost() const { return cost_; }
  /// The other process.
  [[nodiscard]] pid_t process() const { return process_; }
  /// A read() that waits returns, and so does every later one.
  void interrupt();

 private:
  StateReader(int socket, pid_t process) : socket_(socket), process_(process) {}
  int socket_;
  pid_t process_;
  std::int64_t cost_ = 0;
};

}  // namespace lvsnat::top
