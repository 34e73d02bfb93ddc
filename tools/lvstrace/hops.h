// --probe: hop traces from this real server to its clients, sent and listened to.
#pragma once

#include <string>
#include <vector>

#include "lvsnat/capture.h"
#include "lvsnat/report.h"
#include "lvsnat/result.h"
#include "lvsnat/wayback.h"
#include "lvstrace/options.h"

namespace lvsnat::tool {

struct HopTraces {
  std::vector<HopTrace> traces;
  std::vector<std::string> notes;  // what was left out, and why
};

/// Takes some seconds for each RIP and client; at most four packets a second. What comes is shown on a terminal. SIGINT ends it:
/// what was heard until then counts. Errors: no_permission (CAP_NET_RAW), usage (nobody to trace to), io.
Result<HopTraces> trace_hops(const TraceOptions& options, const CaptureInterface& capture, const KernelState& state,
                             const WayBackQuestion& question);

}  // namespace lvsnat::tool
