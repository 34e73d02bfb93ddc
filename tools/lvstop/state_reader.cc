#include "state_reader.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "common/confinement.h"
#include "common/privileges.h"
#include "lvsnat/capture.h"

namespace lvsnat::top {
namespace {

// 65,536 entries of IPVS and as many of conntrack, with room to spare.
constexpr std::uint64_t kMaxAnswer = 256u << 20;
// Nobody's processor time for one reading: what is more is no time.
constexpr std::int64_t kMaxCost = 3600 * kSecond;
constexpr std::uint32_t kLastError = 1 + static_cast<std::uint32_t>(ErrorCode::limit);

Error broken(std::string what) { return {ErrorCode::io, "the process that reads this host's kernel state " + std::move(what)}; }

bool send_all(int fd, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size != 0) {
    const ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool receive_all(int fd, void* data, std::size_t size) {
  char* at = static_cast<char*>(data);
  while (size != 0) {
    const ssize_t n = recv(fd, at, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

std::int64_t nanoseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return Timestamp{now.tv_sec} * kSecond + now.tv_nsec;
}

/// The other process: a byte in, a state out, until nobody asks any more.
void answer_requests(int socket) {
  // What the terminal tells its foreground group is for the screen; what ends that ends this.
  for (const int signal : {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH}) std::signal(signal, SIG_IGN);
  prctl(PR_SET_NAME, "lvstop-state");
  // No terminal and no pipe is kept open by this process.
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) {
    if (null < 0 || dup2(null, fd) < 0) close(fd);
  }
  constexpr int kOwn = 3;
  if (socket != kOwn && dup2(socket, kOwn) < 0) _exit(1);
  close_range(kOwn + 1, ~0U, 0);
  if (!tool::drop_privileges(tool::user_without_privileges(), CAP_NET_ADMIN)) _exit(1);
  tool::Remaining remaining;
  remaining.plug_ins = true;  // libnftables, which is not loaded before somebody asks
  tool::confine(remaining);

  char request = 0;
  while (receive_all(kOwn, &request, 1)) {
    const std::int64_t begin = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    auto state = read_live_state(nanoseconds(CLOCK_REALTIME));
    const std::string text = state ? write_snapshot(*state) : state.error().message;
    const AnswerHead head{text.size(), nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - begin,
                          state ? 0 : 1 + static_cast<std::uint32_t>(state.error().code)};
    if (!send_all(kOwn, &head, sizeof head) || !send_all(kOwn, text.data(), text.size())) break;
  }
}

}  // namespace

Result<std::unique_ptr<StateReader>> StateReader::start() {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return broken("was not started: " + std::generic_category().message(errno));
  const pid_t process = fork();
  if (process < 0) {
    const int error = errno;
    close(ends[0]), close(ends[1]);
    return broken("was not started: " + std::generic_category().message(error));
  }
  if (process == 0) {
    // Whatever happens there, it does not go on as a second lvstop.
    try {
      answer_requests(ends[1]);
    } catch (...) {
      _exit(1);
    }
    _exit(0);
  }
  close(ends[1]);
  return std::unique_ptr<StateReader>(new StateReader(ends[0], process));
}

StateReader::~StateReader() {
  close(socket_);
  // It may be in the middle of a long table.
  if (kill(process_, SIGKILL) != 0) return;
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void StateReader::interrupt() { shutdown(socket_, SHUT_RDWR); }

Result<std::string> receive_answer(int socket, std::int64_t& cost) {
  AnswerHead head;
  if (!receive_all(socket, &head, sizeof head)) return broken("is gone");
  if (head.error > kLastError || head.cost < 0 || head.cost > kMaxCost) return broken("answers nonsense");
  if (head.bytes > kMaxAnswer) return broken("answers without end");
  // It grows with what comes: a head that lies costs no memory.
  std::string text;
  constexpr std::size_t kAtOnce = 1u << 20;
  while (text.size() < head.bytes) {
    const std::size_t had = text.size(), more = std::min<std::size_t>(kAtOnce, head.bytes - had);
    text.resize(had + more);
    if (!receive_all(socket, text.data() + had, more)) return broken("is gone");
  }
  cost = head.cost;
  if (head.error != 0) return Error{static_cast<ErrorCode>(head.error - 1), printable(text, 500)};
  return text;
}

Result<std::shared_ptr<const KernelState>> StateReader::read() {
  const char request = 'r';
  const std::int64_t begin = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  const Timestamp asked = capture_now();
  if (!send_all(socket_, &request, 1)) return broken("is gone");
  std::int64_t cost = 0;
  const auto text = receive_answer(socket_, cost);
  if (!text) return text.error();
  auto state = read_snapshot(*text);
  cost_ = cost + nanoseconds(CLOCK_THREAD_CPUTIME_ID) - begin;
  if (!state) return state.error();
  // By the clock of the packets, whoever sets the other one.
  state->taken = asked;
  state->source = "live";
  return std::shared_ptr<const KernelState>(std::make_shared<KernelState>(std::move(*state)));
}

}  // namespace lvsnat::top
