// What the command line says is known of the cluster: --config, --service, --name and --state, read into the library's own
// values.
//
// Threads: main only. Errors: values, told as the library tells them.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/options.h"
#include "lvsnat/address.h"
#include "lvsnat/render.h"
#include "lvsnat/report.h"
#include "lvsnat/result.h"
#include "lvsnat/service.h"
#include "lvsnat/state.h"

namespace lvsnat::tool {

/// Every --config and, as one more, all --service options together.
Result<std::vector<Declaration>> read_declarations(const CommonOptions& options);

/// The state at --state PATH; nullptr when none was given or --no-state was. "live" is not read here.
Result<std::shared_ptr<const KernelState>> read_saved_state(const CommonOptions& options);

/// What --service says, without opening a file.
Result<std::vector<Service>> service_options(const CommonOptions& options);

/// This host's kernel state, with the rights that the program has now; what they do not reach is a gap of the state.
Result<std::shared_ptr<const KernelState>> read_state_of_this_host();

/// The name that the resolver has for an address, printable; empty: none. Blocks as long as that takes.
std::string look_up_name(const Address& address);

/// Names of the addresses that a report shows, from the resolver; blocks as long as that takes. Addresses without a name are left
/// out.
HostNames look_up_names(const Report& report);

}  // namespace lvsnat::tool
