#include "lvsdiag/outputs.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "common/privileges.h"

namespace lvsnat::tool {
namespace {

Result<Outputs> open_outputs(const DiagnosisOptions& o) {
  Outputs outputs;
  auto answer = Output::open(o.output, {.force = o.force});
  if (!answer) return answer.error();
  outputs.answer = std::move(*answer);
  if (!o.connections.empty()) {
    auto opened = Output::open(o.connections, {.force = o.force});
    if (!opened) return opened.error();
    outputs.connections = std::move(*opened);
  }
  if (!o.evidence.empty()) {
    auto created = KeptCapture::create(o.evidence, o.force, "Packets that the findings of lvsdiag cite");
    if (!created) return created.error();
    outputs.evidence = std::move(*created);
  }
  if (!o.write.empty()) {
    auto created = KeptCapture::create(o.write, o.force, "Packets that lvsdiag read");
    if (!created) return created.error();
    outputs.kept = std::move(*created);
  }
  return outputs;
}

/// Whether everything that is to be read later can be read by who asks now. What does not exist is told later, by whoever reads.
bool inputs_readable(const DiagnosisOptions& o) {
  std::vector<std::string> paths = o.read;
  paths.insert(paths.end(), o.config.begin(), o.config.end());
  paths.insert(paths.end(), o.reports.begin(), o.reports.end());
  if (!o.state.empty() && o.state != "live") paths.push_back(o.state);
  return std::all_of(paths.begin(), paths.end(), [](const std::string& path) {
    if (path == "-") return true;
    const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT;
    close(fd);
    return true;
  });
}

}  // namespace

Result<Outputs> open_outputs_and_step_down(const DiagnosisOptions& o) {
  std::optional<User> become = user_without_privileges();
  std::optional<Result<Outputs>> outputs;
  if (become) {
    const ActingAs as(*become);
    if (as.succeeded() && inputs_readable(o)) outputs = open_outputs(o);
  }
  if (!outputs || !*outputs) {
    become.reset();
    outputs = open_outputs(o);
  }
  if (!*outputs) return outputs->error();
  if (!become && !o.read.empty()) {
    const WithoutCapabilities without;
    if (!inputs_readable(o)) return std::move(*outputs);
  }
  if (Status dropped = drop_privileges(become); !dropped) return dropped.error();
  return std::move(*outputs);
}

Status commit_connections(Outputs& outputs) {
  if (!outputs.connections) return ok();
  Status status = outputs.connections->commit();
  return status || outputs.connections->reader_gone() ? ok() : status;
}

}  // namespace lvsnat::tool
