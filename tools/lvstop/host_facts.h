// The lines of the view "host and capture": what was captured and how well, and what the director's kernel says.
// Pure functions; every string printable.
#pragma once

#include <vector>

#include "lvsnat/state.h"
#include "model.h"

namespace lvsnat::top {

/// Sources with packets and drops, the connection table, what the packets were, what is kept for saving.
std::vector<Fact> capture_facts(const Snapshot&);
/// Kernel, IPVS, forwarding, redirects and filters of interfaces, addresses, and what could not be read.
std::vector<Fact> host_facts(const KernelState&);

}  // namespace lvsnat::top
