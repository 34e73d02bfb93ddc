// What ipvsadm prints and reads back: -Ln, -Lnc, -Ln --stats, -Ln --timeout into KernelState, and rules (-Sn, scripts).
// Pure. Shapes: ipvsadm 1.31 (ipvsadm.c: print_service_entry, print_conn, parse_options).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/result.h"
#include "lvsnat/service.h"
#include "lvsnat/state.h"
#include "state/reading.h"

namespace lvsnat {

Reading parse_ipvsadm_list(std::string_view text, KernelState&);
/// Counters may be abbreviated by ipvsadm ("1234K"): then they are exact to that digit only.
Reading parse_ipvsadm_stats(std::string_view text, KernelState&);
Reading parse_ipvsadm_connections(std::string_view text, KernelState&);
Reading parse_ipvsadm_timeout(std::string_view text, KernelState&);

/// Answers names that stand where numbers are expected (`ipvsadm -S` without -n). Empty functions answer nothing.
struct NameLookup {
  std::function<std::optional<Address>(std::string_view name)> host;
  std::function<std::optional<std::uint16_t>(std::string_view name, std::string_view protocol)> port;
};

struct IpvsadmRules {
  std::vector<Service> services;
  std::optional<ServiceTimeouts> timeouts;  // of --set
  std::vector<std::string> notes;           // commands that do not change services, as found
};

struct RuleLimits {
  std::size_t services = 200'000;
  std::size_t destinations = 1'000'000;
};

/// Lines as `ipvsadm-save` writes and `ipvsadm -R` reads; also with a leading "ipvsadm" as in scripts, long options, comments
/// (#). Errors: "NAME:LINE:COLUMN: what" (malformed), limit.
Result<IpvsadmRules> parse_ipvsadm_rules(std::string_view text, std::string_view name, const NameLookup& lookup,
                                         const RuleLimits& limits = {});

/// Of persistence: "255.255.255.0", or a length ("64", for IPv6).
std::optional<std::uint8_t> read_netmask(std::string_view text);

/// "1.2.3.4:80", "[fd00::1]:80", "www:http", "1.2.3.4" (port 0). `protocol` for names of ports ("tcp").
std::optional<Endpoint> parse_host_port(std::string_view text, std::string_view protocol, const NameLookup& lookup);

}  // namespace lvsnat
