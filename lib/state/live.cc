// This host's kernel, by netlink. Which message becomes what is in route_messages.cc and ipvs_messages.cc; here is only what is
// asked, in which order, and what it means when an answer is missing.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <linux/fib_rules.h>
#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip_vs.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "lvsnat/state.h"
#include "lvsnat/wayback.h"
#include "state/ip_json.h"
#include "state/ipvs_messages.h"
#include "state/live_files.h"
#include "state/live_nft.h"
#include "state/netlink.h"
#include "state/proc_net.h"
#include "state/route_messages.h"

namespace lvsnat {
namespace {

constexpr const char* kProc = "/proc";
constexpr const char* kModules = "/lib/modules";
constexpr std::uint16_t kLookupTable = 0x1000;                    // RTM_F_LOOKUP_TABLE
constexpr std::uint16_t kIpProto = 27, kSport = 28, kDport = 29;  // RTA_IP_PROTO, RTA_SPORT, RTA_DPORT

std::uint32_t ticks_a_second() {
  const long ticks = sysconf(_SC_CLK_TCK);
  return ticks > 0 ? static_cast<std::uint32_t>(ticks) : 100;
}

class LiveReader {
 public:
  explicit LiveReader(NetlinkSocket& socket) : socket_(socket) {}

  KernelState read(Timestamp now) {
    state_.source = "live";
    state_.origin = Origin::netlink;
    state_.taken = now;
    links();
    addresses();
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
      routes(family);
      rules(family);
      exceptions(family);
    }
    neighbours();
    read_live_files(kProc, state_);
    if (state_.ipvs.present || !state_.known.services) ipvs();
    put_in_order(state_);
    read_live_nft(kProc, kModules, state_);
    return std::move(state_);
  }

  [[nodiscard]] bool any() const { return answered_; }
  [[nodiscard]] const Error& first_error() const { return error_; }

 private:
  /// A dump into one table of the state; true when it is whole. Otherwise a gap.
  template <typename Table>
  bool dump(const Request& request, Table& table, const char* what, const char* would_tell,
            const std::function<bool(std::uint16_t, Bytes)>& read) {
    const std::size_t before = table.size();
    std::size_t refused = 0;
    const auto restart = [&] {
      table.resize(before);
      refused = 0;
    };
    const Status status = socket_.dump(request, restart, [&](std::uint16_t type, Bytes body) {
      if (!read(type, body)) ++refused;
    });
    if (!status) {
      table.resize(before);
      error_ = status.error();
      state_.gaps.push_back({what, status.error().message, would_tell});
      return false;
    }
    answered_ = true;
    if (refused != 0) {
      state_.gaps.push_back({what, std::to_string(refused) + " entries are not understood", would_tell});
      return false;
    }
    return true;
  }

  void links() {
    LinkRelations relations;
    state_.known.links = dump(Request(RTM_GETLINK).head(ifinfomsg{}), state_.links, "links", "which devices are up",
                              [&](std::uint16_t type, Bytes body) {
                                return type != RTM_NEWLINK || read_link_message(body, state_, names_, relations);
                              });
    resolve_links(state_, names_, relations);
  }

  void addresses() {
    state_.known.addresses =
        dump(Request(RTM_GETADDR).head(ifaddrmsg{}), state_.addresses, "addresses", "which addresses this host owns",
             [&](std::uint16_t type, Bytes body) { return type != RTM_NEWADDR || read_address_message(body, names_, state_); });
  }

  void routes(std::uint8_t family) {
    rtmsg head{};
    head.rtm_family = family;
    (family == AF_INET ? state_.known.routes_v4 : state_.known.routes_v6) = dump(
        Request(RTM_GETROUTE).head(head), state_.routes, family == AF_INET ? "routes" : "IPv6 routes", "which way packets leave",
        [&](std::uint16_t type, Bytes body) { return type != RTM_NEWROUTE || read_route_message(body, names_, state_); });
  }

  void rules(std::uint8_t family) {
    fib_rule_hdr head{};
    head.family = family;
    (family == AF_INET ? state_.known.rules_v4 : state_.known.rules_v6) =
        dump(Request(RTM_GETRULE).head(head), state_.rules, family == AF_INET ? "rules" : "IPv6 rules",
             "whether policy routing sends packets another way",
             [&](std::uint16_t type, Bytes body) { return type != RTM_NEWRULE || read_rule_message(body, state_); });
    std::stable_sort(state_.rules.begin(), state_.rules.end(),
                     [](const RoutingRule& a, const RoutingRule& b) { return a.priority < b.priority; });
  }

  void exceptions(std::uint8_t family) {
    rtmsg head{};
    head.rtm_family = family;
    head.rtm_flags = RTM_F_CLONED;
    const bool whole = dump(Request(RTM_GETROUTE).head(head), state_.exceptions, "route exceptions",
                            "whether a redirect has moved a route", [&](std::uint16_t type, Bytes body) {
                              return type != RTM_NEWROUTE || read_exception_message(body, names_, ticks_a_second(), state_);
                            });
    // Before 5.3 exceptions were in no dump; without strict checking (4.20) the filter is not heeded either.
    (family == AF_INET ? state_.known.exceptions_v4 : state_.known.exceptions_v6) = whole && socket_.strict();
    if (whole && !socket_.strict())
      state_.gaps.push_back({"route exceptions", "this kernel does not list them", "whether a redirect has moved a route"});
  }

  void neighbours() {
    state_.known.neighbours = dump(
        Request(RTM_GETNEIGH).head(ndmsg{}), state_.neighbours, "neighbours", "whether next hops answer, and with which MAC",
        [&](std::uint16_t type, Bytes body) { return type != RTM_NEWNEIGH || read_neighbour_message(body, names_, state_); });
  }

  // ---- IPVS

  void ipvs_from_files(const std::string& why) {
    if (!state_.ipvs.present) return;  // without /proc, of which a gap tells already
    if (const auto text = read_file(std::string(kProc) + "/net/ip_vs", 16u << 20)) {
      static_cast<void>(parse_proc_ip_vs(*text, state_));
    }
    state_.gaps.push_back({"IPVS by netlink", why + "; services are those of /proc/net/ip_vs",
                           "thresholds, timeouts, sync daemons and counters of real servers"});
  }

  /// The family is looked for in the list of those that are there: asking for it by name would make the kernel load a module.
  static std::optional<std::uint16_t> family(NetlinkSocket& socket) {
    std::optional<std::uint16_t> found;
    const genlmsghdr head{CTRL_CMD_GETFAMILY, 1, 0};
    const Status status = socket.dump(
        Request(GENL_ID_CTRL).head(head), [&found] { found.reset(); },
        [&found](std::uint16_t, Bytes body) {
          if (body.size() < sizeof(genlmsghdr)) return;
          if (const auto id = read_family_message(body.subspan(sizeof(genlmsghdr)), IPVS_GENL_NAME)) found = id;
        });
    return status ? found : std::nullopt;
  }

  void ipvs() {
    auto opened = NetlinkSocket::open(NETLINK_GENERIC);
    if (!opened) return ipvs_from_files(opened.error().message);
    NetlinkSocket& socket = *opened;
    const auto id = family(socket);
    if (!id && !state_.ipvs.present) return;
    if (!id) return ipvs_from_files("the kernel lists no such family");
    const auto request = [&id](std::uint8_t command) { return Request(*id).head(genlmsghdr{command, IPVS_GENL_VERSION, 0}); };
    const auto attributes = [](Bytes body) {
      return body.size() < sizeof(genlmsghdr) ? Bytes() : body.subspan(sizeof(genlmsghdr));
    };
    std::vector<ServiceMessage> services;
    Status status = socket.dump(
        request(IPVS_CMD_GET_SERVICE), [&services] { services.clear(); },
        [&](std::uint16_t, Bytes body) {
          constexpr std::size_t kMaxServices = 200'000;
          if (auto service = read_service_message(attributes(body)); service && services.size() < kMaxServices)
            services.push_back(std::move(*service));
        });
    if (!status)
      return ipvs_from_files(status.error().code == ErrorCode::no_permission ? "needs CAP_NET_ADMIN" : status.error().message);
    for (ServiceMessage& message : services) {
      Request nested(0);
      nested.put_u16(IPVS_SVC_ATTR_AF, message.family);
      if (message.service.fwmark) {
        nested.put_u32(IPVS_SVC_ATTR_FWMARK, *message.service.fwmark);
      } else {
        std::array<std::uint8_t, 16> address = message.service.vip.bytes;
        if (message.family == AF_INET) {
          std::copy(address.begin() + 12, address.end(), address.begin());
          std::fill(address.begin() + 4, address.end(), std::uint8_t{0});
        }
        const std::array<std::uint8_t, 2> port{static_cast<std::uint8_t>(message.service.port >> 8),
                                               static_cast<std::uint8_t>(message.service.port)};
        nested.put_u16(IPVS_SVC_ATTR_PROTOCOL, message.protocol).put(IPVS_SVC_ATTR_ADDR, address).put(IPVS_SVC_ATTR_PORT, port);
      }
      Request ask = request(IPVS_CMD_GET_DEST);
      ask.put(NLA_F_NESTED | IPVS_CMD_ATTR_SERVICE, nested.body());
      std::vector<Destination>& destinations = message.service.destinations;
      status = socket.dump(
          ask, [&destinations] { destinations.clear(); },
          [&](std::uint16_t, Bytes body) {
            constexpr std::size_t kMaxDestinations = 100'000;
            if (auto d = read_destination_message(attributes(body), message.service.v6);
                d && destinations.size() < kMaxDestinations)
              destinations.push_back(*d);
          });
      if (!status) return ipvs_from_files(status.error().message);
    }
    for (ServiceMessage& message : services) state_.ipvs.services.push_back(std::move(message.service));
    state_.ipvs.present = state_.known.services = state_.known.counters_of_services = true;
    int error = 0;
    ServiceTimeouts timeouts;
    bool told = false;
    if (socket.ask(request(IPVS_CMD_GET_CONFIG), error,
                   [&](std::uint16_t, Bytes body) { told = read_timeouts_message(attributes(body), timeouts); }) &&
        error == 0 && told)
      state_.ipvs.timeouts = timeouts;
    static_cast<void>(socket
                          .ask(request(IPVS_CMD_GET_INFO), error,
                               [&](std::uint16_t, Bytes body) { read_info_message(attributes(body), state_.ipvs); })
                          .has_value());
    static_cast<void>(socket
                          .dump(
                              request(IPVS_CMD_GET_DAEMON), [this] { state_.ipvs.sync.clear(); },
                              [&](std::uint16_t, Bytes body) {
                                if (auto daemon = read_daemon_message(attributes(body)))
                                  state_.ipvs.sync.push_back(std::move(*daemon));
                              })
                          .has_value());
  }

  NetlinkSocket& socket_;
  KernelState state_;
  DeviceNames names_;
  Error error_{ErrorCode::io, "the kernel answered nothing"};
  bool answered_ = false;
};

}  // namespace

Result<KernelState> read_live_state(Timestamp now) {
  auto socket = NetlinkSocket::open(NETLINK_ROUTE);
  if (!socket) return socket.error();
  LiveReader reader(*socket);
  KernelState state = reader.read(now);
  if (!reader.any()) return reader.first_error();
  return state;
}

Result<std::vector<RouteException>> read_route_exceptions(const KernelState& state) {
  auto socket = NetlinkSocket::open(NETLINK_ROUTE);
  if (!socket) return socket.error();
  if (!socket->strict()) return Error{ErrorCode::unsupported, "this kernel does not list route exceptions"};
  DeviceNames names;
  for (const Link& link : state.links) names.names.emplace(link.index, link.name);
  KernelState now;
  for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
    rtmsg head{};
    head.rtm_family = family;
    head.rtm_flags = RTM_F_CLONED;
    const std::size_t before = now.exceptions.size();
    const Status status = socket->dump(
        Request(RTM_GETROUTE).head(head), [&] { now.exceptions.resize(before); },
        [&](std::uint16_t type, Bytes body) {
          if (type == RTM_NEWROUTE) static_cast<void>(read_exception_message(body, names, ticks_a_second(), now));
        });
    if (!status) return status.error();
  }
  return std::move(now.exceptions);
}

Result<std::vector<RouteAnswer>> ask_routes(const KernelState& state, const std::vector<RouteAsk>& questions) {
  auto socket = NetlinkSocket::open(NETLINK_ROUTE);
  if (!socket) return socket.error();
  DeviceNames names;
  for (const Link& link : state.links) names.names.emplace(link.index, link.name);
  const std::uint32_t ticks = ticks_a_second();
  std::vector<RouteAnswer> answers;
  for (const RouteAsk& q : questions) {
    RouteAnswer answer;
    answer.label = q.label;
    answer.destination = q.destination;
    answer.source = q.source;
    answer.iif = q.iif;
    const bool v4 = q.destination.is_v4();
    rtmsg head{};
    head.rtm_family = v4 ? AF_INET : AF_INET6;
    head.rtm_dst_len = v4 ? 32 : 128;
    head.rtm_src_len = q.source ? head.rtm_dst_len : std::uint8_t{0};
    // IPv6 refuses the flag under strict checking, and tells the table anyway.
    head.rtm_flags = v4 ? kLookupTable : 0u;
    Request request(RTM_GETROUTE);
    request.head(head);
    const auto put_address = [&](std::uint16_t type, const Address& address) {
      request.put(type, Bytes(address.bytes).subspan(v4 ? 12 : 0));
    };
    put_address(RTA_DST, q.destination);
    if (q.source) put_address(RTA_SRC, *q.source);
    if (!q.iif.empty()) {
      const Link* link = find_link(state, q.iif);
      if (link == nullptr || (q.source && q.source->is_v4() != v4)) {
        answer.error = "no such device: " + q.iif;
        answer.exit_status = 1;
        answers.push_back(std::move(answer));
        continue;
      }
      request.put_u32(RTA_IIF, link->index);
    }
    if (q.mark) request.put_u32(RTA_MARK, *q.mark);
    if (q.protocol) {
      request.put_u8(kIpProto, *q.protocol);
      const auto put_port = [&](std::uint16_t type, std::uint16_t port) {
        const std::array<std::uint8_t, 2> bytes{static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)};
        request.put(type, bytes);
      };
      if (q.sport) put_port(kSport, *q.sport);
      if (q.dport) put_port(kDport, *q.dport);
    }
    int error = 0;
    bool read = false;
    const Status status = socket->ask(request, error, [&](std::uint16_t type, Bytes body) {
      read = type == RTM_NEWROUTE && read_answer_message(body, names, ticks, answer);
    });
    if (!status) return status.error();
    if (error != 0) {
      // As `ip route get` prints it, so that saved and live answers read alike.
      answer.error = std::string("RTNETLINK answers: ") + std::generic_category().message(error);
      answer.exit_status = 2;
    } else if (!read) {
      answer.error = "the kernel's answer is not understood";
      answer.exit_status = 1;
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace lvsnat
