#include "common/step_down.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include "common/privileges.h"

namespace lvsnat::tool {
namespace {

/// Whether everything that is to be read later can be read by who asks now. What does not exist is told later, by whoever reads.
bool readable(const std::vector<std::string>& paths) {
  return std::all_of(paths.begin(), paths.end(), [](const std::string& path) {
    if (path == "-") return true;
    int fd = -1;
    do {
      fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return errno == ENOENT;
    close(fd);
    return true;
  });
}

/// The same for who has no capability but `capability`.
bool readable_with(std::optional<unsigned> capability, const std::vector<std::string>& paths) {
  const WithoutCapabilities without(capability);
  return readable(paths);
}

}  // namespace

Remaining remaining_of(const CommonOptions& options) {
  Remaining remaining;
  remaining.names = options.names;
  remaining.read = options.read;
  remaining.read.insert(remaining.read.end(), options.config.begin(), options.config.end());
  if (!options.state.empty() && options.state != "live") remaining.read.push_back(options.state);
  remaining.beside = options.config;
  return remaining;
}

Result<Confinement> step_down(Remaining& remaining, bool captures, const std::function<Status()>& open) {
  std::optional<User> become = user_without_privileges();
  const std::vector<std::string> inputs = remaining.read;
  bool opened = false;
  if (become) {
    const Remaining before = remaining;
    {
      const ActingAs as(*become);
      opened = as.succeeded() && readable(inputs) && open().has_value();
    }
    if (!opened) remaining = before;
  }
  if (!opened) {
    become.reset();
    if (Status status = open(); !status) return status.error();
  }
  std::optional<unsigned> keep;
  if (!become && captures && !readable_with(std::nullopt, inputs)) {
    for (const unsigned capability : std::array<unsigned, 2>{CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE}) {
      if (!keep && readable_with(capability, inputs)) keep = capability;
    }
  }
  if (Status status = drop_privileges(become, keep); !status) return status.error();
  return confine(remaining);
}

}  // namespace lvsnat::tool
