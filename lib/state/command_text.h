// Plain text of commands that have no JSON: sysctl -a, conntrack -L, ss -ln, traceroute -n. Pure.
#pragma once

#include <string_view>

#include "lvsnat/state.h"
#include "state/reading.h"

namespace lvsnat {

/// "net.ipv4.ip_forward = 1" lines; also with '/' for '.' as in file names. Later lines win.
Reading parse_sysctl(std::string_view text, KernelState&);
/// conntrack -L (1.4.7): one flow a line. `error` is where conntrack prints its total.
Reading parse_conntrack(const CommandOutput&, KernelState&);
/// ss -ltn / -lntu, also without -l: only listening sockets are kept.
Reading parse_ss(std::string_view text, KernelState&);
/// traceroute -n (also BusyBox); `label` names the target ("cip").
Reading parse_traceroute(const CommandOutput&, std::string_view label, KernelState&);

}  // namespace lvsnat
