// The program's one task; returns the exit status.
#pragma once

#include "lvstrace/options.h"

namespace lvsnat::tool {

int trace(const TraceOptions& options);

}  // namespace lvsnat::tool
