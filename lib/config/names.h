// Names of hosts and ports in config files: --name pairs, hosts(5), services(5). No name server is asked.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "lvsnat/config.h"
#include "state/ipvsadm_text.h"

namespace lvsnat {

/// Reads the system's files on the first name that needs them. Lives as long as the lookup() made from it is used.
class Names {
 public:
  explicit Names(const ConfigOptions& options);
  [[nodiscard]] std::optional<Address> host(std::string_view name);
  /// "http" and "tcp" -> 80.
  [[nodiscard]] std::optional<std::uint16_t> port(std::string_view name, std::string_view protocol);
  [[nodiscard]] NameLookup lookup();

 private:
  void read_hosts();
  void read_services();
  const ConfigOptions& options_;
  std::optional<std::map<std::string, Address, std::less<>>> hosts_;
  std::optional<std::map<std::string, std::uint16_t, std::less<>>> services_;  // "http/tcp"
};

}  // namespace lvsnat
