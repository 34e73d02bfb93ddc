// Where lvsdiag's packets come from: capture files, or interfaces. What cannot be opened is told at once and stands in the
// report as refused.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "common/capture_plan.h"
#include "lvsdiag/options.h"
#include "lvsnat/source.h"

namespace lvsnat::tool {

struct Inputs {
  std::unique_ptr<PacketSource> source;             // all of them, merged by time; nullptr: every one was refused
  std::map<std::size_t, SourceStatistics> refused;  // by position among all
};

/// Every -r.
Inputs open_files(const DiagnosisOptions& options);
/// Every interface of the plan.
Inputs open_interfaces(const DiagnosisOptions& options, const CapturePlan& plan);
/// One entry for each input, in the order given.
std::vector<SourceStatistics> statistics_of(const Inputs& inputs);

}  // namespace lvsnat::tool
