// Reports of lvstrace that the command line names: --with FILE.
#pragma once

#include <vector>

#include "lvsdiag/options.h"
#include "lvsnat/report.h"
#include "lvsnat/result.h"

namespace lvsnat::tool {

/// Every --with, in order. Errors name the file and the place in it: not_found, no_permission, limit, malformed, unsupported.
Result<std::vector<Testimony>> read_testimonies(const DiagnosisOptions& options);

}  // namespace lvsnat::tool
