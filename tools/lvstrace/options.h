// lvstrace's command line.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/options.h"

namespace lvsnat::tool {

struct TraceOptions : CommonOptions {
  std::vector<std::string> clients;        // --client CIP|CIDR
  std::vector<std::string> directors;      // --director DIP
  std::int64_t duration = 30'000'000'000;  // --for, nanoseconds; 0: until interrupted
  bool probe = false;                      // --probe
};

/// The options, or the exit status of a program that has nothing more to do.
std::variant<TraceOptions, int> parse_trace_options(int argc, char** argv);

}  // namespace lvsnat::tool
