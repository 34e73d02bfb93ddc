// Where a program's answer goes: standard output, or a file that appears under its name only when it is complete.
//
// Files: written beside their target under a name of their own (O_EXCL, never through a link), then renamed. What stands at the
// target is replaced only when it is a regular file of the user who runs the program (or `force`); links and directories are
// refused. /dev/null, other character devices and FIFOs are written as they are; /dev/stdout, /dev/stderr and /dev/fd/N are the
// descriptors they name. Ownership: an output removes its unfinished file when it is destroyed before commit().
// Threads: one at a time. Errors: values, the first one sticks: every later call returns it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "lvsnat/result.h"

namespace lvsnat::tool {

class Output {
 public:
  struct Options {
    mode_t mode = 0666;  // less the umask; an existing file's mode is kept
    bool force = false;
  };
  /// "-" is standard output. Errors: usage, no_permission, not_found, io; the message begins with the path.
  static Result<std::unique_ptr<Output>> open(const std::string& path, const Options& options);

  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();

  Status write(std::string_view text);
  /// What was written is in the kernel's hands: for readers who follow along.
  Status flush();
  /// Everything is in the kernel's hands and, for a file, under its name. Later calls do nothing.
  Status commit();

  /// The reader of a pipe went away: nobody is there to miss the rest.
  [[nodiscard]] bool reader_gone() const { return reader_gone_; }
  /// For isatty() and the like.
  [[nodiscard]] int descriptor() const { return fd_; }

 private:
  Output() = default;
  Status fail(std::string what);

  std::string path_, part_;  // part_: the unfinished file; empty when written in place
  std::string buffer_;
  std::optional<Error> error_;
  int fd_ = -1;
  bool owns_fd_ = false, committed_ = false, reader_gone_ = false;
};

/// A name beside `path` that does not exist, for writers that create their file themselves; rename_over() puts it in place.
/// Same rules as Output. Errors as Output::open().
Result<std::string> reserve_beside(const std::string& path, bool force);
Status rename_over(const std::string& part, const std::string& path);

/// What is wrong with these outputs (option and path; empty: not given): one would replace an input, or two are one file.
/// Empty: nothing. "-" is no file.
std::string collision(const std::vector<std::pair<std::string_view, std::string>>& outputs,
                      const std::vector<std::string>& inputs);

/// Descriptors 0 to 2 that are closed are opened on /dev/null, so that no capture or output file becomes standard output; SIGPIPE
/// and SIGXFSZ (a limit on file sizes) become the error of a write.
void prepare_standard_streams();

}  // namespace lvsnat::tool
