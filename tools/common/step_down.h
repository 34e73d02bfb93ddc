// The step down from root: outputs opened as who asks, then every right given up.
//
// Threads: main only, before others begin.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lvsnat/result.h"

namespace lvsnat::tool {

/// Opens outputs by `open` and gives up every privilege. Outputs belong to who asked (the caller of sudo), and what that user may
/// not write is written by root only where it must be; then root stays, without any capability. `inputs` are the files that are
/// read later: where who asked cannot read them, root stays too. `captures`: they are what the user wants read; where that takes
/// a capability, the program stays as it is. Errors: those of `open`; no_permission when a right cannot be given up.
Status step_down(const std::vector<std::string>& inputs, bool captures, const std::function<Status()>& open);

}  // namespace lvsnat::tool
