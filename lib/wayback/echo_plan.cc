// Whom the way-back test asks, and in whose name.
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lvsnat/probe.h"
#include "state/prediction.h"
#include "state/route_decision.h"
#include "wayback/way.h"

namespace lvsnat {
namespace {

using Client = WayBackResult::Client;

/// Whether no more than a default route leads there: what stands for any client must not have a way of its own.
bool is_far(const KernelState& state, const Address& address) {
  if (owns_address(state, address) || !on_link_dev(state, address).empty()) return false;
  RouteQuestion question;
  question.destination = address;
  const RouteDecision d = decide_output(state, question);
  return !d.route || d.route->destination.length <= 1;
}

/// An address that nobody has (RFC 5737; RFC 3849, RFC 9637), another one in each run. None: this host has routes to all of them.
Address documentation_address(const KernelState& state, bool v6, std::uint64_t draw) {
  if (!v6) {
    constexpr std::array<std::uint32_t, 3> kNetworks{0xcb007100, 0xc6336400, 0xc0000200};  // 203.0.113, 198.51.100, 192.0.2
    for (const std::uint32_t network : kNetworks) {
      const Address address = Address::v4(network + 1 + static_cast<std::uint32_t>(draw % 254));
      if (is_far(state, address)) return address;
    }
    return {};
  }
  constexpr std::array<std::array<std::uint8_t, 4>, 2> kNetworks{{{0x20, 0x01, 0x0d, 0xb8}, {0x3f, 0xff, 0x0f, 0xff}}};
  for (const auto& network : kNetworks) {
    Address address;
    std::copy(network.begin(), network.end(), address.bytes.begin());
    address.bytes[4] = 0xff;
    for (std::size_t i = 0; i < 8; ++i) address.bytes[8 + i] = static_cast<std::uint8_t>(draw >> (8 * i));
    address.bytes[8] = static_cast<std::uint8_t>(address.bytes[8] | 1);
    if (is_far(state, address)) return address;
  }
  return {};
}

/// The last address of an IPv4 network is no client's.
bool is_broadcast(const Prefix& network, const Address& address) {
  if (!address.is_v4() || network.length >= 31) return false;
  const std::uint32_t host = 0xffffffffU >> network.length;
  return (address.v4_value() & host) == host || (address.v4_value() & host) == 0;
}

struct RealServer {
  Address rip;
  std::vector<const Service*> services;
};

}  // namespace

std::vector<WayBackAttempt> plan_way_back(const KernelState& state, const std::vector<Service>& services,
                                          const std::vector<Address>& only, const std::vector<Address>& clients,
                                          std::uint64_t draw, std::vector<std::string>& untested) {
  std::vector<RealServer> servers;
  const auto server = [&servers](const Address& rip) -> RealServer& {
    for (RealServer& s : servers) {
      if (s.rip == rip) return s;
    }
    servers.push_back({rip, {}});
    return servers.back();
  };
  std::set<Address> otherwise;  // served by another method than masquerading
  for (const Address& rip : only) server(rip);
  for (const Service& service : services) {
    for (const Destination& d : service.destinations) {
      if (!only.empty() && std::find(only.begin(), only.end(), d.rip) == only.end()) continue;
      if (d.method != Method::masq && d.method != Method::unknown && only.empty()) {
        otherwise.insert(d.rip);
        continue;
      }
      server(d.rip).services.push_back(&service);
    }
  }
  for (const Address& rip : otherwise) {
    if (std::none_of(servers.begin(), servers.end(), [&](const RealServer& s) { return s.rip == rip; }))
      untested.push_back(to_string(rip) +
                         " is not tested: it is reached by direct routing or a tunnel, whose replies need not come "
                         "back here; name it to test it all the same.");
  }

  std::sort(servers.begin(), servers.end(), [](const RealServer& a, const RealServer& b) { return a.rip < b.rip; });
  std::vector<WayBackAttempt> out;
  for (const RealServer& s : servers) {
    const bool v6 = !s.rip.is_v4();
    if (owns_address(state, s.rip)) {
      untested.push_back(to_string(s.rip) + " is not tested: it is this director's own address (LVS215).");
      continue;
    }
    RouteQuestion question;
    question.destination = s.rip;
    const RouteDecision d = decide_output(state, question);
    if (d.outcome != Outcome::unicast) {
      untested.push_back(to_string(s.rip) + " is not tested: this director has no route to it (" + std::string(name(d.outcome)) +
                         ").");
      continue;
    }
    WayBackAttempt attempt;
    attempt.rip = s.rip;
    attempt.interface = d.dev;
    const InterfaceAddress* primary = primary_address(state, d.dev, v6);
    for (const InterfaceAddress& a : state.addresses) {
      const Prefix network{a.address, a.length};
      if (a.dev == d.dev && a.address.is_v4() == s.rip.is_v4() && !a.address.is_link_local() && network.contains(s.rip) &&
          attempt.own.is_none())
        attempt.own = a.address;
    }
    if (d.prefsrc) attempt.own = *d.prefsrc;
    if (attempt.own.is_none() && primary != nullptr) attempt.own = primary->address;
    const Link* link = find_link(state, d.dev);
    if (!d.via && link != nullptr && !link->noarp && !link->loopback && !link->point_to_point) attempt.own_mac = link->mac;
    const auto add = [&](const Address& client, Client kind) {
      attempt.client = client;
      attempt.kind = kind;
      const bool known =
          std::any_of(out.begin(), out.end(), [&](const WayBackAttempt& a) { return a.rip == s.rip && a.client == client; });
      if (!known && out.size() < WayBackTest::kMaxAttempts) out.push_back(attempt);
    };

    // The reply would be forwarded, and with it a redirect sent that the real server may believe for five minutes.
    const auto redirects = [&](const Address& client) {
      RouteQuestion reply;
      reply.destination = client;
      reply.source = s.rip;
      reply.iif = d.dev;
      return decide_input(state, reply).will_redirect.value_or(false);
    };
    if (!clients.empty()) {
      bool any = false;
      for (const Address& client : clients) {
        if (client.is_v4() != s.rip.is_v4()) continue;
        any = true;
        const std::string pair = to_string(s.rip) + " is not tested from " + to_string(client) + ": ";
        if (owns_address(state, client)) {
          untested.push_back(pair + "that is this director's own address, which real servers reach without any gateway.");
          continue;
        }
        if (redirects(client)) {
          untested.push_back(pair +
                             "its reply would make this director send an ICMP redirect, which breaks that client's "
                             "connections once it is believed; turn redirects off first (LVS202).");
          continue;
        }
        add(client, Client::given);
      }
      if (!any) untested.push_back(to_string(s.rip) + " is not tested: no client of its address family was named.");
      continue;
    }
    if (const Address example = documentation_address(state, v6, draw); !example.is_none()) {
      add(example, Client::example);
    } else {
      untested.push_back(to_string(s.rip) +
                         " is not tested as for clients far away: this director has routes to every network for documentation; "
                         "name a client with --client.");
    }
    for (const Service* service : s.services) {
      if (service->vip.is_none() || service->vip.is_v4() != s.rip.is_v4()) continue;
      const Address neighbour = neighbour_client(state, service->vip, *service);
      const auto network = neighbour.is_none() ? std::nullopt : wayback::own_network(state, neighbour);
      if (!network || is_broadcast(*network, neighbour) || neighbour == s.rip) continue;
      // One of each network is enough.
      const bool tested = std::any_of(out.begin(), out.end(), [&](const WayBackAttempt& a) {
        return a.rip == s.rip && a.kind == Client::neighbour && network->contains(a.client);
      });
      if (tested) continue;
      if (redirects(neighbour)) {
        // It would be the same address the next time, and then the redirect would be taken for a wrong route.
        untested.push_back("Nobody is tested as for clients in " + to_string(*network) +
                           ": the replies would make this director send ICMP redirects; turn them off first (LVS202).");
      } else {
        add(neighbour, Client::neighbour);
      }
    }
  }
  return out;
}

}  // namespace lvsnat
