#include "base/file.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace lvsnat {

ErrorCode code_of_errno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::not_found;
    case EACCES:
    case EPERM:
      return ErrorCode::no_permission;
    default:
      return ErrorCode::io;
  }
}

namespace {

Error failure(const std::filesystem::path& path, int error) {
  return Error{code_of_errno(error), printable(path.native()) + ": " + std::generic_category().message(error)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
  const auto refuse_special = [&path](const struct stat& status) {
    return Error{ErrorCode::unsupported,
                 printable(path.native()) + (S_ISDIR(status.st_mode) ? ": is a directory" : ": is no regular file")};
  };
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return failure(path, errno);
  if (!S_ISREG(status.st_mode)) return refuse_special(status);
  // O_NONBLOCK: the name may have become a FIFO since stat().
  int fd = -1;
  do {
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);  // network file systems
  const Descriptor file(fd);
  if (file.get() < 0) return failure(path, errno);
  if (::fstat(file.get(), &status) != 0) return failure(path, errno);
  if (!S_ISREG(status.st_mode)) return refuse_special(status);

  std::string bytes;
  char chunk[65536];
  for (;;) {
    const ssize_t got = ::read(file.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure(path, errno);
    if (got == 0) return bytes;
    if (static_cast<std::size_t>(got) > limit - bytes.size()) {
      return Error{ErrorCode::limit, printable(path.native()) + ": larger than the limit of " + with_commas(limit) + " bytes"};
    }
    bytes.append(chunk, static_cast<std::size_t>(got));
  }
}

}  // namespace lvsnat
