// The step down from root: outputs opened as who asks, every right given up, and everything locked that is not needed any more.
//
// Threads: main only, before others begin.
#pragma once

#include <functional>

#include "common/confinement.h"
#include "common/options.h"
#include "lvsnat/result.h"

namespace lvsnat::tool {

/// What the options that all programs share leave to be read.
Remaining remaining_of(const CommonOptions& options);

/// Opens outputs by `open`, gives up every privilege, and confines the program to what remains. Outputs belong to who asked (the
/// caller of sudo), and what that user may not write is written by root only where it must be; then root stays, without any
/// capability. `remaining.read` are files that are read later: where who asked cannot read them, root stays too. `captures`: they
/// are what the user wants read; where that takes a capability, this one capability stays. `open` may add to `remaining` what
/// only it knows. Errors: those of `open`; no_permission when a right cannot be given up.
Result<Confinement> step_down(Remaining& remaining, bool captures, const std::function<Status()>& open);

}  // namespace lvsnat::tool
