// The capture library, loaded when it is asked for: a real server's static check needs none of it.
//
// Ownership: the library stays loaded until the program ends, since sources and writers have their code in it. Threads: main
// only.
#pragma once

#include "lvsnat/capture.h"
#include "lvsnat/result.h"

namespace lvsnat::tool {

/// Errors: unsupported: not installed, or of another release; the message says what to install.
Result<const CaptureInterface*> load_capture();

}  // namespace lvsnat::tool
