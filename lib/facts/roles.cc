#include "facts/roles.h"

#include <algorithm>

namespace lvsnat {
namespace {

ServiceProtocol service_protocol(std::uint8_t protocol) {
  return protocol == kTcp ? ServiceProtocol::tcp : protocol == kUdp ? ServiceProtocol::udp : ServiceProtocol::sctp;
}

/// Data connections of FTP: the server's port 20 (active), or any unprivileged port of an FTP service's VIP (passive).
bool is_ftp_data_port(std::uint16_t port) { return port == 20 || port >= 1024; }

bool has_destination(const Service& s, const Address& rip) {
  return std::any_of(s.destinations.begin(), s.destinations.end(), [&](const Destination& d) { return d.rip == rip; });
}

std::int32_t find_service(const std::vector<Service>& services, const track::ServerEndpoint& e) {
  std::int32_t any_port = -1;
  for (std::size_t i = 0; i < services.size(); ++i) {
    const Service& s = services[i];
    if (s.protocol != service_protocol(e.protocol) || s.vip != e.address) continue;
    if (s.port == e.port) return static_cast<std::int32_t>(i);
    if (s.port == 0) any_port = static_cast<std::int32_t>(i);
  }
  return any_port;
}

/// A rewritten endpoint that is no service itself: FTP data of a service on the same VIP, or a marked packet's.
std::int32_t find_related(const std::vector<Service>& services, const track::ServerEndpoint& outer,
                          const std::set<Address>& inner) {
  const auto serves = [&](const Service& s) {
    return std::any_of(inner.begin(), inner.end(), [&](const Address& rip) { return has_destination(s, rip); });
  };
  if (outer.protocol == kTcp && is_ftp_data_port(outer.port)) {
    for (std::size_t i = 0; i < services.size(); ++i) {
      if (services[i].protocol == ServiceProtocol::tcp && services[i].port == 21 && services[i].vip == outer.address &&
          serves(services[i])) {
        return static_cast<std::int32_t>(i);
      }
    }
  }
  for (std::size_t i = 0; i < services.size(); ++i) {
    if (services[i].protocol == ServiceProtocol::fwmark && services[i].v6 == !outer.address.is_v4() && serves(services[i])) {
      return static_cast<std::int32_t>(i);
    }
  }
  return -1;
}

void add_service(Roles& roles, const Service& service) {
  for (Service& s : roles.services) {
    if (!same_service(s, service)) continue;
    for (const Destination& d : service.destinations) {
      const bool there = std::any_of(s.destinations.begin(), s.destinations.end(), [&](const Destination& x) {
        return x.rip == d.rip && destination_port(s, x) == destination_port(s, d);
      });
      if (!there) s.destinations.push_back(d);
    }
    return;
  }
  roles.services.push_back(service);
}

void note_origin(Roles& roles, Origin origin) {
  if (std::find(roles.origin.begin(), roles.origin.end(), origin) == roles.origin.end()) roles.origin.push_back(origin);
}

/// The two halves of a full-NAT connection: CIP -> VIP and DIP -> RIP.
struct FullNatPair {
  std::uint32_t outer = 0, inner = 0;  // records
};

/// Full NAT leaves no client endpoint to join by, but both initial sequence numbers; the inner half has lost a hop.
std::vector<FullNatPair> full_nat_pairs(const track::Tracker& tracker, const Census& census) {
  constexpr std::size_t kMost = 200'000;
  std::vector<FullNatPair> pairs;
  std::unordered_map<std::uint64_t, std::uint32_t> halves;
  census.lone_others.for_each([&](std::uint32_t id) {  // an opening has no second half
    if (halves.size() >= kMost) return;
    const track::Glimpse seen = tracker.glimpse(id);
    if (seen.protocol != kTcp || (seen.way[0].flags & seen.way[1].flags & track::kSawSyn) == 0) return;
    const track::Record r = tracker.record(id);
    const auto [other, first] = halves.try_emplace(std::uint64_t{r.client_isn} << 32 | r.server_isn, id);
    if (first) return;
    const track::Record o = tracker.record(other->second);
    // The same server on both halves is plain source NAT.
    if (o.client == r.client || o.endpoint[0] == r.endpoint[0] || o.way[0].ttl == r.way[0].ttl) return;
    if (o.t0 - r.t0 > 5 * kSecond || r.t0 - o.t0 > 5 * kSecond) return;
    const bool this_is_inner = r.way[0].ttl < o.way[0].ttl;
    pairs.push_back(this_is_inner ? FullNatPair{other->second, id} : FullNatPair{id, other->second});
  });
  return pairs;
}

/// Frames that only the director makes give its MACs away: leg 2 out, leg 4 out.
void find_director(Roles& roles, const track::Tracker& tracker, const Journal& journal, const KernelState* state,
                   const std::vector<FullNatPair>& full_nat, const Census& census) {
  if (state != nullptr) {
    for (const Link& link : state->links) {
      if (!link.loopback && !link.mac.is_none()) roles.director_macs.insert(link.mac);
    }
    for (const InterfaceAddress& a : state->addresses) roles.director_addresses.insert(a.address);
  }
  const std::span<const Path> paths = tracker.paths().paths();
  std::map<Mac, std::uint32_t> inside, outside, taken;
  for (std::size_t i = 0; i < census.crossings.size(); ++i) {
    const Census::Crossings& c = census.crossings[i];
    if (c.demasq != 0 && !paths[i].source.is_none()) inside[paths[i].source] += c.demasq;
    if (c.masq != 0 && !paths[i].source.is_none()) outside[paths[i].source] += c.masq;
    if (c.request != 0 && !paths[i].destination.is_none()) taken[paths[i].destination] += c.request;
  }
  const auto is_inner = [&](std::uint32_t endpoint) { return roles.side_of(endpoint) == Roles::Side::inner; };
  for (const FullNatPair& pair : full_nat) {
    const track::Record outer = tracker.record(pair.outer);
    const track::Record inner = tracker.record(pair.inner);
    if (roles.side_of(outer.endpoint[0]) != Roles::Side::outer || roles.side_of(inner.endpoint[0]) != Roles::Side::inner)
      continue;
    const Mac towards_rip = paths[inner.way[0].path].source, towards_client = paths[outer.way[1].path].source;
    if (!towards_rip.is_none()) ++inside[towards_rip];
    if (!towards_client.is_none()) ++outside[towards_client];
    roles.director_addresses.insert(inner.client);
  }
  const auto accept = [](const std::map<Mac, std::uint32_t>& votes, std::set<Mac>& out) {
    std::uint32_t most = 0;
    for (const auto& [mac, n] : votes) most = std::max(most, n);
    // Several directors or NICs may share the work; a stray frame must not make a director.
    for (const auto& [mac, n] : votes) {
      if (n * 10 >= most) out.insert(mac);
    }
  };
  if (!census.any_joined) {
    // Only the inside was captured, then: what brings clients' requests to real servers there is the director, and it alone
    // brings those of many.
    std::map<Mac, std::uint32_t> bringers;
    census.for_each_lone(tracker, is_inner, [&](std::uint32_t id) {
      const track::Record r = tracker.record(id);
      if (r.way[0].packets == 0) return;
      const Mac mac = paths[r.way[0].path].source;
      if (!mac.is_none() && !roles.rips.contains(r.client)) ++bringers[mac];
    });
    const auto most =
        std::max_element(bringers.begin(), bringers.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most != bringers.end() && most->second >= 2) inside.insert(*most);
  }
  accept(inside, roles.inside_macs);
  accept(outside, roles.outside_macs);
  if (roles.outside_macs.empty()) accept(taken, roles.outside_macs);
  roles.director_macs.insert(roles.inside_macs.begin(), roles.inside_macs.end());
  roles.director_macs.insert(roles.outside_macs.begin(), roles.outside_macs.end());
  for (const Claim& c : journal.claims()) {
    if (roles.director_macs.contains(c.mac)) roles.director_addresses.insert(c.address);
  }
  // Its own connections to real servers (health checks): straight from its MAC, with a TTL nobody has lowered.
  census.for_each_lone(tracker, is_inner, [&](std::uint32_t id) {
    const track::Record r = tracker.record(id);
    const track::Way& request = r.way[0];
    if (request.packets == 0 || !initial_ttl(request.ttl) || (r.protocol == kTcp && (request.flags & track::kSawSyn) == 0))
      return;
    const Path& path = paths[request.path];
    const bool from_director = !path.source.is_none() && roles.director_macs.contains(path.source);
    if (from_director && !roles.vips.contains(r.client)) roles.director_addresses.insert(r.client);
  });
}

}  // namespace

bool initial_ttl(std::uint8_t ttl) { return ttl == 64 || ttl == 128 || ttl == 255 || ttl == 1; }

Roles assign_roles(const track::Tracker& tracker, const Journal& journal, const std::vector<Declaration>& declared,
                   const KernelState* state, const Census& census) {
  Roles roles;
  for (const Declaration& d : declared) {
    for (const Service& s : d.services) add_service(roles, s);
    if (!d.services.empty()) note_origin(roles, d.origin);
    roles.director_addresses.insert(d.director_inside.begin(), d.director_inside.end());
    roles.vips.insert(d.vips.begin(), d.vips.end());
  }
  if (state != nullptr && state->known.services) {
    for (const Service& s : state->ipvs.services) add_service(roles, s);
    if (!state->ipvs.services.empty()) note_origin(roles, state->origin);
  }

  const track::EndpointTable& endpoints = tracker.endpoints();
  std::map<std::uint32_t, std::set<std::uint32_t>> inner_of;
  for (const auto& [outer, inner] : journal.pairs()) inner_of[outer].insert(inner);
  const std::vector<FullNatPair> full_nat = full_nat_pairs(tracker, census);
  std::set<std::uint32_t> full_nat_outers;
  for (const FullNatPair& pair : full_nat) {
    const std::uint32_t outer = tracker.endpoint_of(pair.outer, 0), inner = tracker.endpoint_of(pair.inner, 0);
    if (endpoints[outer].is_inner() || endpoints[inner].is_outer()) continue;
    inner_of[outer].insert(inner);
    full_nat_outers.insert(outer);
  }

  // FTP control first: its data connections hang on it.
  std::vector<std::uint32_t> outers;
  for (const auto& [outer, inner] : inner_of) {
    if (endpoints[outer].is_outer() || full_nat_outers.contains(outer)) outers.push_back(outer);
  }
  std::stable_sort(outers.begin(), outers.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return (endpoints[a].port == 21) > (endpoints[b].port == 21); });

  roles.service_of_outer.assign(endpoints.size(), -1);
  std::set<std::int32_t> seen_rewritten;
  for (const std::uint32_t outer : outers) {
    const track::ServerEndpoint& e = endpoints[outer];
    std::set<Address> rips;
    for (const std::uint32_t inner : inner_of[outer]) rips.insert(endpoints[inner].address);
    std::int32_t index = find_service(roles.services, e);
    if (index < 0) index = find_related(roles.services, e, rips);
    if (index < 0) {
      Service s;
      s.protocol = service_protocol(e.protocol);
      s.vip = e.address;
      s.port = e.port;
      s.v6 = !e.address.is_v4();
      index = static_cast<std::int32_t>(roles.services.size());
      roles.services.push_back(s);
      note_origin(roles, Origin::inferred);
      roles.inferred = true;
    }
    roles.service_of_outer[outer] = index;
    seen_rewritten.insert(index);
    Service& s = roles.services[static_cast<std::size_t>(index)];
    for (const std::uint32_t inner : inner_of[outer]) {
      const track::ServerEndpoint& d = endpoints[inner];
      const bool related = s.port != e.port && s.port != 0 && s.protocol != ServiceProtocol::fwmark;  // FTP data
      if (has_destination(s, d.address) && (related || s.protocol == ServiceProtocol::fwmark)) continue;
      const bool there = std::any_of(s.destinations.begin(), s.destinations.end(), [&](const Destination& x) {
        return x.rip == d.address && destination_port(s, x, e.port) == d.port;
      });
      if (there) continue;
      Destination destination;
      destination.rip = d.address;
      destination.port = d.port;
      destination.method = Method::masq;
      s.destinations.push_back(destination);
    }
  }

  for (const Service& s : roles.services) {
    if (s.protocol != ServiceProtocol::fwmark) roles.vips.insert(s.vip);
    for (const Destination& d : s.destinations) roles.rips.insert(d.rip);
  }
  for (const std::uint32_t outer : outers) roles.vips.insert(endpoints[outer].address);

  roles.side.assign(endpoints.size(), Roles::Side::unknown);
  for (std::uint32_t id = 0; id < endpoints.size(); ++id) {
    const track::ServerEndpoint& e = endpoints[id];
    if (roles.service_of_outer[id] < 0) roles.service_of_outer[id] = find_service(roles.services, e);
    if (roles.service_of_outer[id] >= 0 || e.is_outer()) {
      roles.side[id] = Roles::Side::outer;
    } else if (e.is_inner()) {
      roles.side[id] = Roles::Side::inner;
    } else if (roles.rips.contains(e.address) && !roles.vips.contains(e.address)) {
      // A RIP on another port: inner only if a service sends there (port 0, FTP data, firewall marks).
      const bool served = std::any_of(roles.services.begin(), roles.services.end(), [&](const Service& s) {
        // A mark says nothing of ports; once rewritten pairs have shown them, nothing else of that RIP is served.
        const bool shown = seen_rewritten.contains(static_cast<std::int32_t>(&s - roles.services.data()));
        const bool any_port = (s.protocol == ServiceProtocol::fwmark && !shown) || s.port == 0;
        return std::any_of(s.destinations.begin(), s.destinations.end(), [&](const Destination& d) {
          return d.rip == e.address &&
                 ((any_port && d.port == 0) || (s.protocol == service_protocol(e.protocol) && destination_port(s, d) == e.port));
        });
      });
      if (served) roles.side[id] = Roles::Side::inner;
    }
  }
  find_director(roles, tracker, journal, state, full_nat, census);
  return roles;
}

}  // namespace lvsnat
