// The packets that findings cite, fetched by a second pass over the files: for --evidence and for -v.
//
// Keeping every packet until the end would need the memory of the capture; reading the file again needs none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/kept_capture.h"
#include "common/options.h"
#include "lvsnat/frame.h"
#include "lvsnat/report.h"
#include "lvsnat/result.h"

namespace lvsnat::tool {

/// Source name and 1-based frame number.
using Citation = std::pair<std::string, std::uint32_t>;

/// What is cited, each with the words that go with it: "LVS101 reply-bypasses-director: who-has ... tell ...".
std::map<Citation, std::string> citations(const Report& report);

/// Calls `visit` for each cited frame, in time order over all files. Stops at the first error of `visit`. Errors besides: io when
/// some could not be read again, after the others. Standard input cannot be: frames cited from it are not visited.
Status visit_cited(const CommonOptions& options, const std::map<Citation, std::string>& cited,
                   const std::function<Status(const Frame&, const std::vector<Vantage>&, const std::string& words)>& visit);

/// Writes the cited frames, each with its words as comment.
Status write_evidence(const CommonOptions& options, const Report& report, KeptCapture& file);
/// The same for live input, from all that was captured; `kept` must be closed.
Status write_evidence(const KeptCapture& kept, const Report& report, KeptCapture& file);

/// The cited frames in words, by libtins; empty where there are none.
std::map<Citation, std::string> describe_cited(const CommonOptions& options, const Report& report);

}  // namespace lvsnat::tool
