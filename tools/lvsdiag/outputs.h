// Everything that lvsdiag writes, opened before the first packet is read, and the step down from root that goes with it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "common/output.h"
#include "lvsdiag/cited.h"
#include "lvsdiag/options.h"
#include "lvsnat/result.h"

namespace lvsnat::tool {

struct Outputs {
  std::unique_ptr<Output> answer, connections;  // connections, kept, evidence: nullptr when not asked for
  std::unique_ptr<KeptCapture> kept, evidence;
};

/// Opens the outputs and gives up every privilege. Files belong to who asked (the caller of sudo), and what that user may not
/// write is written by root only where it must be; then root stays, without any capability. Captures that can be opened by
/// capability alone keep the program as it is: reading them is what was asked for. Errors: as Output::open().
Result<Outputs> open_outputs_and_step_down(const DiagnosisOptions& options);

/// A batch into the file of -w. Errors: the file's first.
Status keep(KeptCapture& kept, std::span<const Frame> batch, const std::vector<Vantage>& vantages);
/// The file of -w gets its name. What went wrong is told, unless it was while packets came. False: something did.
bool commit_kept(Outputs& outputs);

/// What is beside the answer, complete and under its name. Call before the answer: it must not claim what did not come to be.
Status commit_connections(Outputs& outputs);

}  // namespace lvsnat::tool
