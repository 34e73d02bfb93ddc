#include "common/step_down.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "common/privileges.h"

namespace lvsnat::tool {
namespace {

/// Whether everything that is to be read later can be read by who asks now. What does not exist is told later, by whoever reads.
bool readable(const std::vector<std::string>& paths) {
  return std::all_of(paths.begin(), paths.end(), [](const std::string& path) {
    if (path == "-") return true;
    const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    close(fd);
    return true;
  });
}

}  // namespace

Status step_down(const std::vector<std::string>& inputs, bool captures, const std::function<Status()>& open) {
  std::optional<User> become = user_without_privileges();
  bool opened = false;
  if (become) {
    const ActingAs as(*become);
    opened = as.succeeded() && readable(inputs) && open().has_value();
  }
  if (!opened) {
    become.reset();
    if (Status status = open(); !status) return status;
  }
  if (!become && captures) {
    const WithoutCapabilities without;
    if (!readable(inputs)) return ok();
  }
  return drop_privileges(become);
}

}  // namespace lvsnat::tool
