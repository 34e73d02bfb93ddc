#include "wayback/way.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace lvsnat::wayback {
namespace {

bool is_host(const Prefix& prefix) { return prefix.length == (prefix.address.is_v4() ? 32 : 128); }
bool is_v6(const Address& address) { return !address.is_v4(); }

Address bit_set(const Address& address, unsigned bit) {
  Address out = address;
  out.bytes[bit / 8] = static_cast<std::uint8_t>(out.bytes[bit / 8] | (0x80u >> (bit % 8)));
  return out;
}

/// The two halves; only for prefixes that are no host.
std::pair<Prefix, Prefix> halves(const Prefix& prefix) {
  const unsigned bit = prefix.length + (prefix.address.is_v4() ? 96u : 0u);
  const auto length = static_cast<std::uint8_t>(prefix.length + 1);
  return {Prefix{prefix.address, length}, Prefix{bit_set(prefix.address, bit), length}};
}

/// An address whose family the all-zero bytes of ::/0 cannot tell: Prefix::contains() wants that to be said.
bool covers(const Prefix& outer, const Prefix& inner) { return outer.contains(inner); }

bool v6_of(const Prefix& prefix) { return !prefix.address.is_v4(); }

/// Nobody that a service is forwarded for has such an address.
const std::vector<Prefix>& no_clients(bool v6) {
  static const auto make = [](std::initializer_list<const char*> texts) {
    std::vector<Prefix> out;
    for (const char* text : texts) {
      if (const auto prefix = parse_prefix(text)) out.push_back(*prefix);
    }
    return out;
  };
  static const std::vector<Prefix> four = make({"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"});
  static const std::vector<Prefix> six = make({"::/8", "fe80::/10", "ff00::/8"});
  return v6 ? six : four;
}

RouteQuestion reply_question(const WayBackQuestion& question, const Address& rip, const Address& client) {
  RouteQuestion asked;
  asked.destination = client;
  asked.source = rip;
  if (!question.ports.empty()) {
    asked.protocol = question.ports.front().first;
    asked.sport = question.ports.front().second;
  }
  return asked;
}

/// The answer that was saved for this very question. A mark or a device in it would make it another question.
const RouteAnswer* answer_to(const KernelState& state, const Address& rip, const Address& client) {
  for (const RouteAnswer& answer : state.route_answers) {
    if (!answer.destination || *answer.destination != client || !answer.iif.empty()) continue;
    if (answer.source && *answer.source == rip) return &answer;
  }
  return nullptr;
}

/// An error that says that there is no way, and not that the question was not understood.
bool refuses(const std::string& error) {
  return error.find("unreachable") != std::string::npos || error.find("No route to host") != std::string::npos ||
         error.find("Permission denied") != std::string::npos;
}

std::string hop_text(const std::optional<Address>& via, const std::string& dev) {
  return (via ? to_string(*via) : std::string("direct")) + "%" + dev;
}

/// The main table alone, as if nobody had made a rule.
RouteDecision without_rules(const KernelState& state, const RouteQuestion& asked, bool v6) {
  KernelState plain;
  plain.known = state.known;
  plain.known.rules_v4 = plain.known.rules_v6 = false;
  plain.routes = state.routes;
  plain.links = state.links;
  plain.addresses = state.addresses;
  plain.sysctls = state.sysctls;
  plain.known.exceptions_v4 = plain.known.exceptions_v6 = true;  // none: they belong to what was really used
  static_cast<void>(v6);
  return decide_output(plain, asked);
}

/// A rule other than the kernel's own three led there.
bool made_by_rule(const RouteDecision& decision) {
  if (!decision.rule) return false;
  const RoutingRule& rule = *decision.rule;
  const bool standard = rule.action == RoutingRule::Action::lookup &&
                        ((rule.priority == 0 && rule.table == "local") || (rule.priority == 32766 && rule.table == "main") ||
                         (rule.priority == 32767 && rule.table == "default"));
  return !standard;
}

}  // namespace

bool Directors::holds(const KernelState& state, const Address& hop, std::string_view dev) const {
  if (addresses.contains(hop)) return true;
  const Neighbour* neighbour = find_neighbour(state, hop, dev);
  return neighbour != nullptr && !neighbour->mac.is_none() && macs.contains(neighbour->mac);
}

Directors find_directors(const KernelState& state, const WayBackQuestion& question, const Wire* wire) {
  Directors out;
  out.addresses.insert(question.directors.begin(), question.directors.end());
  if (question.directors.empty() && wire != nullptr) out.macs = wire->request_macs();
  // One machine, several addresses: whoever answers with a director's MAC is a director.
  const auto usable = [](const Neighbour& n) { return !n.mac.is_none() && n.state != "FAILED" && n.state != "INCOMPLETE"; };
  for (const Neighbour& n : state.neighbours) {
    if (usable(n) && out.addresses.contains(n.address)) out.macs.insert(n.mac);
  }
  if (wire != nullptr) {
    for (const auto& [address, mac] : wire->claims()) {
      if (out.addresses.contains(address)) out.macs.insert(mac);
    }
  }
  for (const Neighbour& n : state.neighbours) {
    if (usable(n) && out.macs.contains(n.mac)) out.addresses.insert(n.address);
  }
  if (wire != nullptr) {
    for (const auto& [address, mac] : wire->claims()) {
      if (out.macs.contains(mac)) out.addresses.insert(address);
    }
  }
  for (const Address& address : out.addresses) (is_v6(address) ? out.known_v6 : out.known_v4) = true;
  // Nobody said it and nothing was seen: what every route to somewhere else uses.
  for (const bool v6 : {false, true}) {
    if (out.known(v6)) continue;
    std::set<Address> gateways;
    for (const Route& route : state.routes) {
      if (route.v6 != v6 || route.type != RouteType::unicast || route.table == "local") continue;
      for (const NextHop& hop : route.nexthops) {
        if (hop.gateway) gateways.insert(*hop.gateway);
      }
    }
    if (gateways.size() == 1) (v6 ? out.taken_for_v6 : out.taken_for_v4) = *gateways.begin();
  }
  return out;
}

Way way_of(const KernelState& state, const Directors& directors, const WayBackQuestion& question, const Address& rip,
           const Address& client) {
  Way way;
  const bool v6 = is_v6(client);
  const RouteQuestion asked = reply_question(question, rip, client);
  way.decision = decide_output(state, asked);
  const RouteDecision& d = way.decision;
  Outcome outcome = d.outcome;
  way.via = d.via;
  way.dev = d.dev;
  if (d.exception && d.exception->redirected) {
    way.redirected = true;
    way.expires = d.exception->expires;
  }
  // The kernel's own word stands above what we make of its tables.
  way.answer = answer_to(state, rip, client);
  if (way.answer != nullptr && way.answer->error && outcome == Outcome::unicast && !refuses(*way.answer->error))
    way.answer = nullptr;
  if (way.answer != nullptr) {
    const RouteAnswer& a = *way.answer;
    const std::optional<Address> via = a.gateway && *a.gateway != client ? a.gateway : std::nullopt;
    const bool reaches = !a.error && a.type == RouteType::unicast;
    const bool computed = outcome == Outcome::unicast;
    way.differs = outcome != Outcome::unknown &&
                  (reaches != computed || (reaches && (via != way.via || a.dev != way.dev || a.redirected != way.redirected)));
    if (reaches) {
      outcome = Outcome::unicast;
      way.via = via;
      way.dev = a.dev;
      way.redirected = a.redirected;
      way.expires = a.redirected ? a.expires : std::nullopt;
    } else if (a.error && outcome == Outcome::unicast) {
      outcome = Outcome::no_route;
    } else if (a.error && outcome == Outcome::unknown) {
      outcome = Outcome::no_route;
    }
  }
  switch (outcome) {
    case Outcome::unicast:
      if (!way.via) {
        way.kind = directors.addresses.contains(client) ? WayKind::director : WayKind::direct;
      } else {
        way.kind = directors.holds(state, *way.via, way.dev) ? WayKind::director : WayKind::gateway;
      }
      break;
    case Outcome::local:
      way.kind = WayKind::local;
      break;
    case Outcome::unknown:
      way.kind = WayKind::unknown;
      break;
    case Outcome::martian:
      // The RIP is not this host's: its routes say nothing about replies.
      way.kind = WayKind::unknown;
      break;
    default:
      way.kind = outcome == Outcome::broadcast ? WayKind::local : WayKind::none;
      break;
  }
  if (d.alternatives.size() > 1 && (way.answer == nullptr || way.kind == WayKind::director) && !way.redirected) {
    bool some = false;
    for (const NextHop& hop : d.alternatives) {
      const bool right = hop.gateway && directors.holds(state, *hop.gateway, hop.dev);
      some = some || right;
      if (!right) way.strays.push_back(hop);
    }
    if (!some) way.strays.clear();
    if (!way.strays.empty() && way.kind != WayKind::director) {
      // Some replies are right, so the kind is that of the route as a whole: wrong for some.
      way.kind = way.strays.front().gateway ? WayKind::gateway : WayKind::direct;
      way.via = way.strays.front().gateway;
      way.dev = way.strays.front().dev;
    } else if (!way.strays.empty()) {
      way.kind = way.strays.front().gateway ? WayKind::gateway : WayKind::direct;
      way.via = way.strays.front().gateway;
      way.dev = way.strays.front().dev;
    }
  }
  if (way.kind != WayKind::director && way.kind != WayKind::unknown && way.kind != WayKind::local && !way.redirected &&
      made_by_rule(d)) {
    const RouteDecision plain = without_rules(state, asked, v6);
    way.by_rule = plain.outcome == Outcome::unicast && plain.via && directors.holds(state, *plain.via, plain.dev);
  }
  way.fate = std::to_string(static_cast<int>(way.kind)) + "|" + hop_text(way.via, way.dev) + "|" +
             (d.route ? to_string(*d.route) + "|" + d.route->table : "-") + "|" + (d.rule ? to_string(*d.rule) : "-") + "|" +
             std::string(name(outcome)) + (way.redirected ? "|redirected" : "");
  return way;
}

namespace {

/// Cuts a prefix where something begins or ends inside it. A piece is decided once for the routes that cover it.
class Cutter {
 public:
  Cutter(const KernelState& state, const Directors& directors, const WayBackQuestion& question, const Address& rip, bool v6)
      : state_(state), directors_(directors), question_(question), rip_(rip), v6_(v6), reduced_(state) {
    reduced_.routes.clear();
    reduced_.nft_json.clear();
    reduced_.nft_text.clear();
    reduced_.ipvs = {};
    reduced_.conntrack = {};
  }

  std::vector<Piece> cut(const Prefix& clients, bool& complete) {
    std::vector<Item> items;
    for (std::size_t i = 0; i < state_.routes.size(); ++i) {
      const Route& route = state_.routes[i];
      if (route.v6 != v6_) continue;
      items.push_back({normal(route.destination), static_cast<std::int64_t>(i)});
    }
    const auto edge = [&items](const Prefix& prefix) { items.push_back({prefix, -1}); };
    for (const RoutingRule& rule : state_.rules) {
      if (rule.v6 == v6_ && rule.to && rule.to->length != 0) edge(*rule.to);
    }
    const auto host = static_cast<std::uint8_t>(v6_ ? 128 : 32);
    for (const RouteException& e : state_.exceptions) {
      if (is_v6(e.destination) == v6_) edge({e.destination, host});
    }
    for (const RouteAnswer& a : state_.route_answers) {
      if (a.destination && is_v6(*a.destination) == v6_) edge({*a.destination, host});
    }
    for (const Address& a : directors_.addresses) {
      if (is_v6(a) == v6_) edge({a, host});
    }
    for (const Prefix& prefix : no_clients(v6_)) edge(prefix);
    walk(clients, items, nullptr);
    complete = complete_;
    return join();
  }

 private:
  struct Item {
    Prefix prefix;
    std::int64_t route;  // index; -1: only an edge
  };

  /// ::/0 and 0.0.0.0/0 differ by their address; a parsed default of either family may have come as "none".
  [[nodiscard]] Prefix normal(const Prefix& prefix) const {
    if (prefix.length != 0) return prefix;
    return {v6_ ? Address{} : Address::v4(0), 0};
  }

  void walk(const Prefix& here, const std::vector<Item>& items, const Way* inherited) {
    if (!complete_) return;
    const auto& none = no_clients(v6_);
    if (std::any_of(none.begin(), none.end(), [&here](const Prefix& p) { return covers(p, here); })) {
      put({here, {}}, true);
      return;
    }
    // What begins inside cuts; what covers decides. A node with the routes of its parent shares the parent's way.
    std::vector<Item> inside;
    bool fresh = inherited == nullptr;
    for (const Item& item : items) {
      if (item.prefix.length > here.length && covers(here, item.prefix)) {
        inside.push_back(item);
      } else if (covers(item.prefix, here)) {
        // Only what covers this and not the parent makes a difference to the parent's way.
        fresh = fresh || item.prefix.length == here.length;
        inside.push_back(item);
      }
    }
    Way way;
    if (fresh) {
      reduced_.routes.clear();
      for (const Item& item : inside) {
        if (item.route >= 0 && covers(item.prefix, here))
          reduced_.routes.push_back(state_.routes[static_cast<std::size_t>(item.route)]);
      }
      way = way_of(reduced_, directors_, question_, rip_, probe(here));
      if (way.answer != nullptr) {
        // It points into the copy.
        const auto at = static_cast<std::size_t>(way.answer - reduced_.route_answers.data());
        way.answer = &state_.route_answers[at];
      }
      inherited = &way;
    }
    const bool cuts = std::any_of(inside.begin(), inside.end(), [&here](const Item& i) { return i.prefix.length > here.length; });
    if (!cuts || is_host(here)) {
      put({here, *inherited},
          inherited->kind == WayKind::local || (is_host(here) && directors_.addresses.contains(here.address)));
      return;
    }
    const auto [low, high] = halves(here);
    walk(low, inside, inherited);
    walk(high, inside, inherited);
  }

  /// An address of the prefix that is not decided by a longer one: the decision uses only what covers the whole prefix, but
  /// exceptions and answers go by address, so their own address must not stand for a network.
  [[nodiscard]] Address probe(const Prefix& here) const {
    if (is_host(here)) return here.address;
    const auto taken = [this](const Address& address) {
      return std::any_of(state_.exceptions.begin(), state_.exceptions.end(),
                         [&](const RouteException& e) { return e.destination == address; }) ||
             directors_.addresses.contains(address) ||
             std::any_of(state_.route_answers.begin(), state_.route_answers.end(),
                         [&](const RouteAnswer& a) { return a.destination == address; }) ||
             std::any_of(state_.rules.begin(), state_.rules.end(), [&](const RoutingRule& r) {
               return r.v6 == v6_ && r.to && r.to->length > 0 && r.to->contains(address);
             });
    };
    Address address = here.address;
    const unsigned host_bits = (here.address.is_v4() ? 32u : 128u) - here.length;
    // Counting up finds a free one soon: there are at most as many taken ones as entries.
    for (unsigned n = 0; n < 4096 && n < (host_bits >= 12 ? 4096u : 1u << host_bits); ++n) {
      address = here.address;
      address.bytes[15] = static_cast<std::uint8_t>(address.bytes[15] | (n & 0xff));
      address.bytes[14] = static_cast<std::uint8_t>(address.bytes[14] | (n >> 8));
      if (!taken(address)) return address;
    }
    return address;
  }

  struct Cut {
    Piece piece;
    bool nobody = false;  // no client: this host, a broadcast, the director itself, multicast
  };

  void put(Piece piece, bool nobody) {
    if (cuts_.size() >= kMaxPieces) {
      complete_ = false;
      return;
    }
    cuts_.push_back({std::move(piece), nobody});
  }

  /// Neighbouring halves of one fate become one prefix again; addresses that no client has do not keep them apart.
  std::vector<Piece> join() {
    std::vector<Cut> out;
    for (Cut& cut : cuts_) {
      out.push_back(std::move(cut));
      while (out.size() > 1) {
        Cut &low = out[out.size() - 2], &high = out.back();
        const Prefix &a = low.piece.clients, &b = high.piece.clients;
        if (a.length != b.length || a.length == 0) break;
        if (!low.nobody && !high.nobody && low.piece.way.fate != high.piece.way.fate) break;
        // A redirect is about one client: its neighbour, the broadcast address say, is not to be told with it.
        if (low.nobody != high.nobody && (low.nobody ? high : low).piece.way.redirected) break;
        const Prefix parent{a.address, static_cast<std::uint8_t>(a.length - 1)};
        const unsigned bit = parent.length + (v6_ ? 0u : 96u);
        if ((a.address.bytes[bit / 8] & (0x80u >> (bit % 8))) != 0 || !covers(parent, b)) break;
        Cut joined{{parent, low.nobody ? std::move(high.piece.way) : std::move(low.piece.way)}, low.nobody && high.nobody};
        out.pop_back();
        out.back() = std::move(joined);
      }
    }
    std::vector<Piece> pieces;
    for (Cut& cut : out) {
      if (!cut.nobody) pieces.push_back(std::move(cut.piece));
    }
    return pieces;
  }

  const KernelState& state_;
  const Directors& directors_;
  const WayBackQuestion& question_;
  Address rip_;
  bool v6_;
  KernelState reduced_;  // the state with the routes that cover one piece
  std::vector<Cut> cuts_;
  bool complete_ = true;
};

}  // namespace

std::vector<Piece> ways_of(const KernelState& state, const Directors& directors, const WayBackQuestion& question,
                           const Address& rip, const Prefix& clients, bool& complete) {
  if (is_host(clients)) {
    complete = true;
    return {{clients, way_of(state, directors, question, rip, clients.address)}};
  }
  return Cutter(state, directors, question, rip, v6_of(clients)).cut(clients, complete);
}

std::optional<Prefix> own_network(const KernelState& state, const Address& address) {
  std::optional<Prefix> best;
  for (const InterfaceAddress& a : state.addresses) {
    if (a.address.is_v4() != address.is_v4() || a.address.is_loopback() || a.address.is_link_local()) continue;
    const auto network = parse_prefix(to_string(a.peer.value_or(a.address)) + "/" + std::to_string(a.length));
    if (network && network->contains(address) && (!best || network->length > best->length)) best = network;
  }
  return best;
}

std::vector<Address> find_real_servers(const KernelState& state, const Directors& directors, const WayBackQuestion& question,
                                       bool v6) {
  std::vector<Address> given, beside_gateway, beside, global;
  std::set<Address> gateways;
  for (const Route& route : state.routes) {
    for (const NextHop& hop : route.nexthops) {
      if (hop.gateway) gateways.insert(*hop.gateway);
    }
  }
  for (const InterfaceAddress& a : state.addresses) {
    if (is_v6(a.address) != v6 || a.address.is_loopback() || a.address.is_link_local() || a.scope == "host") continue;
    if (std::find(question.vips.begin(), question.vips.end(), a.address) != question.vips.end()) continue;
    if (std::find(question.real_servers.begin(), question.real_servers.end(), a.address) != question.real_servers.end())
      given.push_back(a.address);
    if (a.temporary || a.deprecated) continue;
    const Link* link = find_link(state, a.dev);
    if (link != nullptr && link->loopback) continue;
    global.push_back(a.address);
    const auto network = parse_prefix(to_string(a.peer.value_or(a.address)) + "/" + std::to_string(a.length));
    bool any = false, used = false;
    std::set<Address> hosts = directors.addresses;
    // Nobody said who the director is: beside the gateway of everything is where the RIP is.
    if (!directors.known(v6) && directors.taken_for(v6)) hosts.insert(*directors.taken_for(v6));
    for (const Address& director : hosts) {
      if (is_v6(director) != v6 || director.is_link_local()) continue;
      // An address of full length still lives on the wire over which the director has a route of its own.
      const bool near =
          (network && network->contains(director)) || std::any_of(state.routes.begin(), state.routes.end(), [&](const Route& r) {
            return r.v6 == v6 && r.type == RouteType::unicast && r.destination.length != 0 && r.destination.contains(director) &&
                   !r.nexthops.empty() && !r.nexthops.front().gateway && r.nexthops.front().dev == a.dev;
          });
      any = any || near;
      used = used || (near && gateways.contains(director));
    }
    if (used) beside_gateway.push_back(a.address);
    if (any) beside.push_back(a.address);
  }
  if (!given.empty()) return given;
  if (!beside_gateway.empty()) return beside_gateway;
  if (beside.size() > 1) {
    // An address in the clients' own network is rather the way out than the RIP.
    std::vector<Address> apart;
    for (const Address& address : beside) {
      const auto network = own_network(state, address);
      const bool among = std::any_of(question.clients.begin(), question.clients.end(),
                                     [&](const Prefix& client) { return network && network->contains(client); });
      if (!among) apart.push_back(address);
    }
    if (!apart.empty()) return apart;
  }
  return beside.empty() ? global : beside;
}

std::string arrival_device(const KernelState& state, const Directors& directors, const Address& rip) {
  const InterfaceAddress* own = find_address(state, rip);
  for (const Address& director : directors.addresses) {
    if (director.is_v4() != rip.is_v4() || director.is_link_local()) continue;
    const std::string dev = on_link_dev(state, director);
    const auto network = own_network(state, rip);
    if (!dev.empty() && network && network->contains(director)) return dev;
  }
  return own != nullptr ? own->dev : std::string();
}

std::vector<Prefix> clients_of(const WayBackQuestion& question, bool v6) {
  std::vector<Prefix> out;
  for (const Prefix& prefix : question.clients) {
    if (v6_of(prefix) == v6) out.push_back(prefix);
  }
  if (question.clients.empty()) out.push_back({v6 ? Address{} : Address::v4(0), 0});
  return out;
}

}  // namespace lvsnat::wayback
