#include "lvsdiag/outputs.h"

#include <string>
#include <utility>
#include <vector>

#include "common/step_down.h"
#include "lvsdiag/answer.h"

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

/// Packets of a live capture are read again from what was kept.
void add_remaining(const DiagnosisOptions& o, const Outputs& outputs, Remaining& remaining) {
  if (outputs.kept && outputs.evidence) remaining.read.push_back(outputs.kept->unfinished());
  for (const std::string& path : {o.verb == Verb::snapshot ? o.snapshot : o.output, o.connections, o.evidence, o.write}) {
    if (!path.empty() && path != "-") remaining.outputs.push_back(path);
  }
}

}  // namespace

Result<Outputs> open_outputs_and_step_down(const DiagnosisOptions& o) {
  Remaining remaining = remaining_of(o);
  remaining.read.insert(remaining.read.end(), o.reports.begin(), o.reports.end());
  Outputs outputs;
  const auto open = [&]() -> Status {
    auto opened = open_outputs(o);
    if (!opened) return opened.error();
    outputs = std::move(*opened);
    add_remaining(o, outputs, remaining);
    return ok();
  };
  const auto confined = step_down(remaining, !o.read.empty(), open);
  if (!confined) return confined.error();
  if (o.verbose) complain("lvsdiag", confined->words());
  return outputs;
}

Status keep(KeptCapture& kept, std::span<const Frame> batch, const std::vector<Vantage>& vantages) {
  for (const Frame& frame : batch) {
    if (Status status = kept.write(frame, vantages); !status) return status;
  }
  return ok();
}

bool commit_kept(Outputs& outputs) {
  if (!outputs.kept) return true;
  const bool known = outputs.kept->broken();
  const Status status = outputs.kept->commit();
  return known ? false : told(status);
}

Status commit_connections(Outputs& outputs) {
  if (!outputs.connections) return ok();
  Status status = outputs.connections->commit();
  return status || outputs.connections->reader_gone() ? ok() : status;
}

}  // namespace lvsnat::tool
