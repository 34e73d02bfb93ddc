// Declared topology: reads what an admin wrote down (ipvsadm-save output, keepalived.conf, the HOWTO's
// lvs_nat.conf, --service options) into a Declaration. Nothing is executed and no name server is asked.
//
// Threads: pure functions over their arguments and the files they name. Errors: values; messages name file,
// line and column ("keepalived.conf:12:5: ..."). Input is untrusted: sizes, depths and counts are limited.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "lvsnat/export.h"
#include "lvsnat/result.h"
#include "lvsnat/service.h"

namespace lvsnat {

struct ConfigOptions {
  /// Host names to addresses, as given with `--name lvs=192.168.1.110`; these win over `hosts_text`.
  std::map<std::string, Address, std::less<>> names;
  /// Text of a hosts(5) and a services(5) file. Empty: those of this machine are read when a name needs them
  /// (`read_system_files`), else names cannot be resolved.
  std::string hosts_text, services_text;
  bool read_system_files = true;
  std::string hostname;              // keepalived's @host conditions; empty: this machine's short name
  std::size_t max_bytes = 8u << 20;  // of all files together
  std::size_t max_files = 256;       // includes, main file counted
  unsigned max_include_depth = 8;
  std::size_t max_services = 200'000;
  std::size_t max_destinations = 1'000'000;
};

/// Reads one file; its format is told by its content. Errors: not_found, no_permission, io, unsupported (a FIFO,
/// device or directory), malformed, limit.
LVSNAT_EXPORT Result<Declaration> read_config(const std::filesystem::path& path, const ConfigOptions& options = {});

/// `ipvsadm-save` / `ipvsadm -Sn` text; `name` stands for the file in messages.
LVSNAT_EXPORT Result<Declaration> parse_ipvsadm_save(std::string_view text, std::string_view name,
                                                     const ConfigOptions& options = {});
/// keepalived.conf; includes are read relative to `directory`.
LVSNAT_EXPORT Result<Declaration> parse_keepalived(std::string_view text, std::string_view name,
                                                   const std::filesystem::path& directory, const ConfigOptions& options = {});
/// The HOWTO's lvs_nat.conf.
LVSNAT_EXPORT Result<Declaration> parse_lvs_conf(std::string_view text, std::string_view name, const ConfigOptions& options = {});

/// "tcp:192.168.1.110:80=10.1.1.2:80,10.1.1.3", "udp:[fd00::1]:53=[fd00::2]:53", "fwmark:1=10.1.1.2,10.1.1.3". A destination
/// without a port has the service's. Destinations are optional. Method is masq.
LVSNAT_EXPORT Result<Service> parse_service_option(std::string_view text);
/// "lvs=192.168.1.110" into a name and its address.
LVSNAT_EXPORT Result<std::pair<std::string, Address>> parse_name_option(std::string_view text);

}  // namespace lvsnat
