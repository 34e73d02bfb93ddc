#include "common/output.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "common/interruption.h"

namespace lvsnat::tool {
namespace {

constexpr std::size_t kBuffer = 1 << 16;

std::string reason(int error) { return std::generic_category().message(error); }

Error failure(const std::string& path, int error) {
  const ErrorCode code = error == EACCES || error == EPERM || error == EROFS ? ErrorCode::no_permission
                         : error == ENOENT || error == ENOTDIR               ? ErrorCode::not_found
                                                                             : ErrorCode::io;
  return {code, path + ": " + reason(error)};
}

/// The descriptor that a path names by itself, or -1.
int named_descriptor(std::string_view path) {
  if (path == "-" || path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view prefix : {"/dev/fd/", "/proc/self/fd/"}) {
    std::uint64_t number = 0;
    if (path.starts_with(prefix) && parse_number(path.substr(prefix.size()), 65535, number)) return static_cast<int>(number);
  }
  return -1;
}

std::string part_name(const std::string& path) {
  std::array<unsigned char, 8> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    // Not unique, then: O_EXCL still refuses what is there.
    const auto pid = static_cast<std::uint64_t>(getpid());
    std::memcpy(random.data(), &pid, sizeof pid);
  }
  std::string name = ".lvsnat-";
  for (const unsigned char byte : random) {
    std::array<char, 3> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x", byte);
    name += hex.data();
  }
  return (std::filesystem::path(path).parent_path() / (name + ".part")).string();
}

struct Target {
  bool exists = false, in_place = false;
  mode_t mode = 0;
};

Result<Target> inspect(const std::string& path, bool force) {
  Target target;
  if (path.empty()) return Error{ErrorCode::usage, "an output file needs a name"};
  struct stat st {};
  if (lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return target;
    return failure(path, errno);
  }
  target.exists = true;
  target.mode = st.st_mode & 0777;
  if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
    target.in_place = true;
    return target;
  }
  if (S_ISLNK(st.st_mode))
    return Error{ErrorCode::usage, path + ": is a symbolic link, which is not followed; name the file itself"};
  if (!S_ISREG(st.st_mode)) return Error{ErrorCode::usage, path + ": exists and is no regular file"};
  if (st.st_uid != geteuid() && !force) {
    return Error{ErrorCode::no_permission, path + ": belongs to another user; --force replaces it"};
  }
  return target;
}

bool same_file(const std::string& a, const std::string& b) {
  if (a == "-" || b == "-") return false;
  if (a == b) return true;
  struct stat first {
  }, second{};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 && S_ISREG(first.st_mode) &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

Result<std::unique_ptr<Output>> Output::open(const std::string& path, const Options& options) {
  std::unique_ptr<Output> output(new Output);
  output->path_ = path == "-" ? "standard output" : path;
  if (const int fd = named_descriptor(path); fd >= 0) {
    if (fcntl(fd, F_GETFD) < 0) return failure(path, errno);
    output->fd_ = fd;
    return output;
  }
  Result<Target> target = inspect(path, options.force);
  if (!target) return target.error();
  output->owns_fd_ = true;
  if (target->in_place) {
    // Whoever waits for the reader of a FIFO may be stopped and continued meanwhile.
    do {
      output->fd_ = ::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    } while (output->fd_ < 0 && errno == EINTR);
    if (output->fd_ < 0) return failure(path, errno);
    return output;
  }
  output->part_ = part_name(path);
  remember_unfinished(output->part_);  // before it is there: a signal may come right after
  do {
    output->fd_ = ::open(output->part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, options.mode);
  } while (output->fd_ < 0 && errno == EINTR);
  if (output->fd_ < 0) {
    const int error = errno;
    forget_unfinished(output->part_);
    output->part_.clear();
    return failure(path, error);
  }
  // A report that was made private stays private.
  if (target->exists && fchmod(output->fd_, target->mode & options.mode) != 0) return failure(path, errno);
  return output;
}

Output::~Output() {
  if (!committed_ && part_.empty()) static_cast<void>(flush().has_value());
  if (!part_.empty()) {
    if (!committed_) unlink(part_.c_str());
    forget_unfinished(part_);
  }
  if (owns_fd_ && fd_ >= 0) close(fd_);
}

Status Output::fail(std::string what) {
  error_ = Error{ErrorCode::io, std::move(what)};
  return *error_;
}

Status Output::flush() {
  if (error_) return *error_;
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      // A terminal or pipe that another program made non-blocking.
      pollfd takes{fd_, POLLOUT, 0};
      poll(&takes, 1, -1);
      continue;
    }
    if (n == 0) errno = ENOSPC;
    if (n <= 0) {
      reader_gone_ = errno == EPIPE;
      return fail("writing to " + path_ + ": " + reason(errno));
    }
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  buffer_.clear();
  return ok();
}

Status Output::write(std::string_view text) {
  if (error_) return *error_;
  buffer_ += text;
  return buffer_.size() >= kBuffer ? flush() : ok();
}

Status Output::commit() {
  if (committed_) return ok();
  if (Status flushed = flush(); !flushed) return flushed;
  if (!part_.empty()) {
    // The name must not come to stand for a file whose bytes a power cut can still take.
    if (fsync(fd_) != 0) return fail("writing to " + path_ + ": " + reason(errno));
    if (rename(part_.c_str(), path_.c_str()) != 0) return fail(path_ + ": " + reason(errno));
  }
  committed_ = true;
  if (owns_fd_) {
    const int fd = std::exchange(fd_, -1);
    if (close(fd) != 0) return fail("writing to " + path_ + ": " + reason(errno));
  }
  return ok();
}

Result<std::string> reserve_beside(const std::string& path, bool force) {
  Result<Target> target = inspect(path, force);
  if (!target) return target.error();
  if (target->in_place) return Error{ErrorCode::usage, path + ": exists and is no regular file"};
  return part_name(path);
}

Status rename_over(const std::string& part, const std::string& path) {
  if (rename(part.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(part.c_str());
    return failure(path, error);
  }
  return ok();
}

void prepare_standard_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // Read-only also for output: writing must fail, not vanish. open() takes the lowest free number, which is fd.
    if (::open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd) _exit(3);
  }
}

std::string collision(const std::vector<std::pair<std::string_view, std::string>>& outputs,
                      const std::vector<std::string>& inputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& [option, path] = outputs[i];
    if (path.empty()) continue;
    for (const std::string& input : inputs) {
      if (same_file(path, input)) return std::string(option) + " would replace the capture " + printable(input, 200);
    }
    for (std::size_t j = 0; j < i; ++j) {
      const auto& [other_option, other] = outputs[j];
      if (!other.empty() && (same_file(path, other) || (path == "-" && other == "-"))) {
        return std::string(other_option) + " and " + std::string(option) + " name the same file";
      }
    }
  }
  return {};
}

}  // namespace lvsnat::tool
