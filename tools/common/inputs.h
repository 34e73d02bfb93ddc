// Where packets come from: capture files, or interfaces. What cannot be opened is told at once and stands in the report as
// refused.
//
// Threads: main only.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "common/capture_plan.h"
#include "common/options.h"
#include "lvsnat/source.h"

namespace lvsnat::tool {

struct Inputs {
  std::unique_ptr<PacketSource> source;             // all of them, merged by time; nullptr: every one was refused
  std::map<std::size_t, SourceStatistics> refused;  // by position among all
};

/// Every -r. `tool` is who complains about what cannot be opened.
Inputs open_files(std::string_view tool, const CommonOptions& options);
/// Every interface of the plan.
Inputs open_interfaces(std::string_view tool, const CommonOptions& options, const CapturePlan& plan);
/// One entry for each input, in the order given.
std::vector<SourceStatistics> statistics_of(const Inputs& inputs);

}  // namespace lvsnat::tool
