// IPVS's generic netlink messages into services, destinations, timeouts and daemons. Pure: attributes after the genlmsghdr in.
// Shapes: include/uapi/linux/ip_vs.h and net/netfilter/ipvs/ip_vs_ctl.c (ip_vs_genl_fill_service, _dest; Linux 6.1).
// Errors: nullopt or false for a message that contradicts itself.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lvsnat/service.h"
#include "lvsnat/state.h"
#include "state/attributes.h"

namespace lvsnat {

/// What is asked for with IPVS_CMD_GET_DEST: the nested attributes that name a service, ready to be sent back.
struct ServiceMessage {
  Service service;
  std::uint16_t family = 0;    // AF_INET, AF_INET6
  std::uint16_t protocol = 0;  // IP protocol; 0 with a mark
};
std::optional<ServiceMessage> read_service_message(Bytes attributes);
/// `service` gives the family where an old kernel does not tell it.
std::optional<Destination> read_destination_message(Bytes attributes, bool service_v6);
bool read_timeouts_message(Bytes attributes, ServiceTimeouts& timeouts);
std::optional<SyncDaemon> read_daemon_message(Bytes attributes);
/// Version "1.2.1" and the number of buckets of the connection table.
bool read_info_message(Bytes attributes, Ipvs& ipvs);

/// CTRL_CMD_NEWFAMILY: the number of the family of that name.
std::optional<std::uint16_t> read_family_message(Bytes attributes, std::string_view name);

}  // namespace lvsnat
