#include "state/ipvs_messages.h"

#include <string>
#include <utility>

#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace lvsnat {
namespace {

/// IPVS always sends union nf_inet_addr: 16 bytes, of which IPv4 uses the first four.
std::optional<Address> address_of(Bytes payload, std::uint16_t family) {
  if (family == AF_INET && payload.size() >= 4) return Address::from_v4(payload.data());
  if (family == AF_INET6 && payload.size() >= 16) return Address::from_v6(payload.data());
  return std::nullopt;
}

std::uint16_t port_of(Bytes payload) {
  return payload.size() >= 2 ? static_cast<std::uint16_t>(payload[0] << 8 | payload[1]) : std::uint16_t{0};
}

/// IPVS_SVC_ATTR_STATS64: every counter u64. IPVS_SVC_ATTR_STATS: packets u32, bytes u64.
void read_counters(Bytes payload, bool wide, std::optional<ServiceCounters>& out) {
  ServiceCounters c;
  for_each_attribute(payload, [&](const Attribute& a) {
    const std::uint64_t value = wide || a.payload.size() >= 8 ? number_in<std::uint64_t>(a.payload).value_or(0) : a.u32();
    switch (a.type) {
      case IPVS_STATS_ATTR_CONNS:
        c.connections = value;
        break;
      case IPVS_STATS_ATTR_INPKTS:
        c.packets_in = value;
        break;
      case IPVS_STATS_ATTR_OUTPKTS:
        c.packets_out = value;
        break;
      case IPVS_STATS_ATTR_INBYTES:
        c.bytes_in = value;
        break;
      case IPVS_STATS_ATTR_OUTBYTES:
        c.bytes_out = value;
        break;
      default:
        break;
    }
  });
  if (wide || !out) out = c;
}

Method method_of(std::uint32_t forward) {
  switch (forward & IP_VS_CONN_F_FWD_MASK) {
    case IP_VS_CONN_F_MASQ:
      return Method::masq;
    case IP_VS_CONN_F_LOCALNODE:
      return Method::local;
    case IP_VS_CONN_F_TUNNEL:
      return Method::tunnel;
    case IP_VS_CONN_F_DROUTE:
      return Method::route;
    default:
      return Method::unknown;
  }
}

/// The one attribute of that type at the top of a message.
Bytes nested(Bytes attributes, std::uint16_t type) {
  Bytes found;
  for_each_attribute(attributes, [&](const Attribute& a) {
    if (a.type == type) found = a.payload;
  });
  return found;
}

std::uint8_t mask_length(std::uint32_t network_order) {
  std::uint8_t bits = 0;
  for (; network_order != 0; network_order &= network_order - 1) ++bits;
  return bits;
}

}  // namespace

std::optional<ServiceMessage> read_service_message(Bytes attributes) {
  const Bytes body = nested(attributes, IPVS_CMD_ATTR_SERVICE);
  if (body.empty()) return std::nullopt;
  ServiceMessage out;
  Service& s = out.service;
  Bytes address;
  std::uint32_t flags = 0, persistence = 0, netmask = 0;
  if (!for_each_attribute(body, [&](const Attribute& a) {
        switch (a.type) {
          case IPVS_SVC_ATTR_AF:
            out.family = a.u16();
            break;
          case IPVS_SVC_ATTR_PROTOCOL:
            out.protocol = a.u16();
            break;
          case IPVS_SVC_ATTR_ADDR:
            address = a.payload;
            break;
          case IPVS_SVC_ATTR_PORT:
            s.port = port_of(a.payload);
            break;
          case IPVS_SVC_ATTR_FWMARK:
            s.fwmark = a.u32();
            break;
          case IPVS_SVC_ATTR_SCHED_NAME:
            s.scheduler = a.text();
            break;
          case IPVS_SVC_ATTR_PE_NAME:
            s.persistence_engine = a.text();
            break;
          case IPVS_SVC_ATTR_FLAGS:
            flags = a.u32();  // struct ip_vs_flags: flags, mask
            break;
          case IPVS_SVC_ATTR_TIMEOUT:
            persistence = a.u32();
            break;
          case IPVS_SVC_ATTR_NETMASK:
            netmask = a.u32();
            break;
          case IPVS_SVC_ATTR_STATS:
            read_counters(a.payload, false, s.counters);
            break;
          case IPVS_SVC_ATTR_STATS64:
            read_counters(a.payload, true, s.counters);
            break;
          default:
            break;
        }
      })) {
    return std::nullopt;
  }
  if (out.family != AF_INET && out.family != AF_INET6) return std::nullopt;
  s.v6 = out.family == AF_INET6;
  if (s.fwmark) {
    s.protocol = ServiceProtocol::fwmark;
    s.port = 0;
    out.protocol = 0;
  } else {
    const auto vip = address_of(address, out.family);
    if (!vip) return std::nullopt;
    s.vip = *vip;
    switch (out.protocol) {
      case IPPROTO_TCP:
        s.protocol = ServiceProtocol::tcp;
        break;
      case IPPROTO_UDP:
        s.protocol = ServiceProtocol::udp;
        break;
      case IPPROTO_SCTP:
        s.protocol = ServiceProtocol::sctp;
        break;
      default:
        return std::nullopt;
    }
  }
  s.one_packet = (flags & IP_VS_SVC_F_ONEPACKET) != 0;
  if ((flags & IP_VS_SVC_F_PERSISTENT) != 0) {
    s.persistence = persistence;
    // A mask for IPv4, a length for IPv6; the full one is not told by ipvsadm either.
    const std::uint8_t length = s.v6 ? static_cast<std::uint8_t>(netmask <= 128 ? netmask : 128) : mask_length(netmask);
    if (length != (s.v6 ? 128 : 32)) s.persistence_prefix = length;
  }
  return out;
}

std::optional<Destination> read_destination_message(Bytes attributes, bool service_v6) {
  const Bytes body = nested(attributes, IPVS_CMD_ATTR_DEST);
  if (body.empty()) return std::nullopt;
  Destination d;
  Bytes address;
  std::uint16_t family = service_v6 ? AF_INET6 : AF_INET;
  if (!for_each_attribute(body, [&](const Attribute& a) {
        switch (a.type) {
          case IPVS_DEST_ATTR_ADDR:
            address = a.payload;
            break;
          case IPVS_DEST_ATTR_ADDR_FAMILY:
            family = a.u16();
            break;
          case IPVS_DEST_ATTR_PORT:
            d.port = port_of(a.payload);
            break;
          case IPVS_DEST_ATTR_FWD_METHOD:
            d.method = method_of(a.u32());
            break;
          case IPVS_DEST_ATTR_WEIGHT:
            d.weight = static_cast<int>(a.u32() & 0x7fffffff);
            break;
          case IPVS_DEST_ATTR_U_THRESH:
            d.upper_threshold = a.u32();
            break;
          case IPVS_DEST_ATTR_L_THRESH:
            d.lower_threshold = a.u32();
            break;
          case IPVS_DEST_ATTR_ACTIVE_CONNS:
            d.active = a.u32();
            break;
          case IPVS_DEST_ATTR_INACT_CONNS:
            d.inactive = a.u32();
            break;
          case IPVS_DEST_ATTR_STATS:
            read_counters(a.payload, false, d.counters);
            break;
          case IPVS_DEST_ATTR_STATS64:
            read_counters(a.payload, true, d.counters);
            break;
          default:
            break;
        }
      })) {
    return std::nullopt;
  }
  const auto rip = address_of(address, family);
  if (!rip) return std::nullopt;
  d.rip = *rip;
  return d;
}

bool read_timeouts_message(Bytes attributes, ServiceTimeouts& timeouts) {
  bool any = false;
  for_each_attribute(attributes, [&](const Attribute& a) {
    if (a.payload.size() < 4) return;
    if (a.type == IPVS_CMD_ATTR_TIMEOUT_TCP) timeouts.tcp = a.u32(), any = true;
    if (a.type == IPVS_CMD_ATTR_TIMEOUT_TCP_FIN) timeouts.tcp_fin = a.u32();
    if (a.type == IPVS_CMD_ATTR_TIMEOUT_UDP) timeouts.udp = a.u32();
  });
  return any;
}

std::optional<SyncDaemon> read_daemon_message(Bytes attributes) {
  const Bytes body = nested(attributes, IPVS_CMD_ATTR_DAEMON);
  if (body.empty()) return std::nullopt;
  SyncDaemon out;
  std::uint32_t state = 0;
  for_each_attribute(body, [&](const Attribute& a) {
    if (a.type == IPVS_DAEMON_ATTR_STATE) state = a.u32();
    if (a.type == IPVS_DAEMON_ATTR_MCAST_IFN) out.interface = a.text();
    if (a.type == IPVS_DAEMON_ATTR_SYNC_ID) out.sync_id = a.u32();
  });
  if (state != IP_VS_STATE_MASTER && state != IP_VS_STATE_BACKUP) return std::nullopt;
  out.master = state == IP_VS_STATE_MASTER;
  return out;
}

bool read_info_message(Bytes attributes, Ipvs& ipvs) {
  bool any = false;
  for_each_attribute(attributes, [&](const Attribute& a) {
    if (a.payload.size() < 4) return;
    if (a.type == IPVS_INFO_ATTR_VERSION) {
      const std::uint32_t v = a.u32();
      ipvs.version = std::to_string(v >> 16 & 0xff) + "." + std::to_string(v >> 8 & 0xff) + "." + std::to_string(v & 0xff);
      any = true;
    }
    if (a.type == IPVS_INFO_ATTR_CONN_TAB_SIZE) ipvs.table_size = a.u32();
  });
  return any;
}

std::optional<std::uint16_t> read_family_message(Bytes attributes, std::string_view name) {
  std::uint16_t id = 0;
  bool named = false;
  for_each_attribute(attributes, [&](const Attribute& a) {
    if (a.type == CTRL_ATTR_FAMILY_ID) id = a.u16();
    if (a.type == CTRL_ATTR_FAMILY_NAME) named = a.text() == name;
  });
  return named && id != 0 ? std::optional<std::uint16_t>(id) : std::nullopt;
}

}  // namespace lvsnat
