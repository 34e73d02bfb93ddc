#include "lvsdiag/outputs.h"

#include <string>
#include <utility>
#include <vector>

#include "common/step_down.h"

namespace lvsnat::tool {
namespace {

constexpr const char* kApplication = "lvsdiag " LVSNAT_VERSION;

Result<Outputs> open_outputs(const DiagnosisOptions& o) {
  Outputs outputs;
  // A snapshot tells more of a host than everybody need know.
  auto answer = o.verb == Verb::snapshot ? Output::open(o.snapshot, {.mode = 0600, .force = o.force})
                                         : Output::open(o.output, {.force = o.force});
  if (!answer) return answer.error();
  outputs.answer = std::move(*answer);
  if (!o.connections.empty()) {
    auto opened = Output::open(o.connections, {.force = o.force});
    if (!opened) return opened.error();
    outputs.connections = std::move(*opened);
  }
  if (!o.evidence.empty()) {
    auto created = KeptCapture::create(o.evidence, o.force, {kApplication, "Packets that the findings of lvsdiag cite"});
    if (!created) return created.error();
    outputs.evidence = std::move(*created);
  }
  if (!o.write.empty()) {
    auto created = KeptCapture::create(o.write, o.force, {kApplication, "Packets that lvsdiag read"});
    if (!created) return created.error();
    outputs.kept = std::move(*created);
  }
  return outputs;
}

}  // namespace

Result<Outputs> open_outputs_and_step_down(const DiagnosisOptions& o) {
  std::vector<std::string> inputs = o.read;
  inputs.insert(inputs.end(), o.config.begin(), o.config.end());
  inputs.insert(inputs.end(), o.reports.begin(), o.reports.end());
  if (!o.state.empty() && o.state != "live") inputs.push_back(o.state);
  Outputs outputs;
  const auto open = [&]() -> Status {
    auto opened = open_outputs(o);
    if (!opened) return opened.error();
    outputs = std::move(*opened);
    return ok();
  };
  if (Status status = step_down(inputs, !o.read.empty(), open); !status) return status.error();
  return outputs;
}

Status commit_connections(Outputs& outputs) {
  if (!outputs.connections) return ok();
  Status status = outputs.connections->commit();
  return status || outputs.connections->reader_gone() ? ok() : status;
}

}  // namespace lvsnat::tool
