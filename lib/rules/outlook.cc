#include "rules/outlook.h"

#include <algorithm>

#include "base/text.h"
#include "rules/sink.h"
#include "state/nft_rules.h"

namespace lvsnat::rules {
namespace {

/// Bridges, bonds and teams take the packets of their ports.
std::string master_of(const KernelState& state, std::string dev) {
  for (int i = 0; i < 4; ++i) {
    const Link* link = find_link(state, dev);
    if (link == nullptr || link->master.empty()) return dev;
    const Link* master = find_link(state, link->master);
    if (master == nullptr || master->kind == "vrf") return dev;
    dev = master->name;
  }
  return dev;
}

/// Those of the clients asked about that this destination can serve.
std::vector<Address> named_clients(const Facts& facts, const Destination& destination) {
  std::vector<Address> out;
  for (const Address& a : facts.clients) {
    if (a.is_v4() == destination.rip.is_v4()) out.push_back(a);
  }
  return out;
}

}  // namespace

std::string Outlook::arrival(const Connection& c, Leg leg) const {
  if (!c.saw(leg) || facts_.state == nullptr) return {};
  const KernelState& state = *facts_.state;
  const Path& path = facts_.path(c.leg(leg).path);
  if (path.vantage < facts_.vantages.size()) {
    const Vantage& vantage = facts_.vantages[path.vantage];
    if (find_link(state, vantage.interface) != nullptr) return master_of(state, vantage.interface);
  }
  if (path.interface_index != 0) {
    for (const Link& link : state.links) {
      if (link.index == path.interface_index) return master_of(state, link.name);
    }
  }
  if (path.destination.is_none() || path.destination.is_group()) return {};
  // VLANs and bridges share their parent's MAC: only one that has addresses can have routed the packet.
  std::string dev;
  for (const Link& link : state.links) {
    if (link.mac != path.destination) continue;
    const bool has_address = std::any_of(state.addresses.begin(), state.addresses.end(), [&](const InterfaceAddress& a) {
      return a.dev == link.name && !a.address.is_link_local();
    });
    if (state.known.addresses && !has_address) continue;
    if (!dev.empty()) return {};
    dev = link.name;
  }
  return dev;
}

const Prediction* Outlook::of(const Connection& c) {
  if (!possible() || !c.service || *c.service >= facts_.services.size()) return nullptr;
  const Service& service = facts_.services[*c.service];
  const Destination* destination = nullptr;
  if (c.rip) {
    for (const Destination& d : service.destinations) {
      if (d.rip == c.rip->address && (destination == nullptr || destination_port(service, d) == c.rip->port)) destination = &d;
    }
  } else if (!service.destinations.empty()) {
    // Not forwarded: any of them, since what comes before the choice is the same for all.
    const auto usable = std::find_if(service.destinations.begin(), service.destinations.end(),
                                     [](const Destination& d) { return d.weight.value_or(1) > 0; });
    destination = usable == service.destinations.end() ? &service.destinations.front() : &*usable;
  }
  if (destination == nullptr) return nullptr;
  const std::string iif = arrival(c, Leg::request);
  // A reply on its way to somebody else's MAC tells nothing of the director's devices.
  const bool to_director = c.saw(Leg::reply) && facts_.is_director(facts_.path(c.leg(Leg::reply).path).destination);
  const std::string reply_iif = to_director ? arrival(c, Leg::reply) : std::string();
  const Key key{c.client.address, *c.service, destination->rip, iif, reply_iif};
  const auto known = made_.find(key);
  if (known != made_.end()) return known->second ? &*known->second : nullptr;
  if (made_.size() >= kMost) return nullptr;
  PredictionQuestion q;
  q.client = c.client;
  q.iif = iif;
  q.reply_iif = reply_iif;
  q.service = service;
  q.destination = *destination;
  if (c.rip && q.destination.port == 0) q.destination.port = c.rip->port;
  if (c.vip) q.vip = *c.vip;
  const auto made = made_.emplace(key, predict(*facts_.state, *facts_.filter, q)).first;
  return &*made->second;
}

std::vector<Standing> Outlook::standing() const {
  std::vector<Standing> all;
  if (!possible() || !facts_.state->known.services) return all;
  for (std::size_t i = 0; i < facts_.services.size() && all.size() < kMost; ++i) {
    const Service& service = facts_.services[i];
    const bool running = std::any_of(facts_.state->ipvs.services.begin(), facts_.state->ipvs.services.end(),
                                     [&](const Service& s) { return same_service(s, service); });
    if (!running) continue;
    const Address seed = service.protocol == ServiceProtocol::fwmark ? Address{} : service.vip;
    for (const Destination& d : service.destinations) {
      if (d.method != Method::masq || d.weight.value_or(1) == 0 || all.size() >= kMost) continue;
      Standing s;
      s.service = &service;
      s.destination = &d;
      if (i < facts_.tallies.size()) {
        for (const DestinationTally& t : facts_.tallies[i].destinations) {
          if (t.destination.rip != d.rip) continue;
          s.requests_pass = s.requests_pass || t.legs[index(Leg::demasq)] != 0 || t.legs[index(Leg::reply)] != 0;
          s.replies_pass = s.replies_pass || t.legs[index(Leg::masq)] != 0;
        }
      }
      PredictionQuestion q;
      q.service = service;
      q.destination = d;
      const auto ask = [&](const Address& client) {
        if (client.is_none() || all.size() >= kMost) return;
        q.client.address = client;
        s.prediction = predict(*facts_.state, *facts_.filter, q);
        all.push_back(s);
      };
      const std::vector<Address> named = named_clients(facts_, d);
      q.any_client = named.empty();
      if (named.empty()) ask(example_client(*facts_.state, seed.is_none() ? d.rip : seed));
      for (const Address& client : named) ask(client);
    }
  }
  return all;
}

bool was_tried(const Facts& facts, const Service& service) {
  return std::any_of(facts.tallies.begin(), facts.tallies.end(), [&](const ServiceTally& t) {
    return same_service(t.service, service) && t.legs[index(Leg::request)] + t.legs[index(Leg::demasq)] != 0;
  });
}

std::vector<Forecast> forecasts(const Facts& facts) {
  constexpr std::size_t kRows = 256, kClients = 3;
  std::vector<Forecast> out;
  if (facts.state == nullptr || facts.filter == nullptr) return out;
  std::vector<Address> seen;
  for (const Suspect& s : facts.suspects) {
    const Address& client = s.connection.client.address;
    if (s.connection.kind != ConnectionKind::masqueraded || facts.rips.contains(client)) continue;
    if (seen.size() < kClients && std::find(seen.begin(), seen.end(), client) == seen.end()) seen.push_back(client);
  }
  for (const Service& service : facts.services) {
    for (const Destination& d : service.destinations) {
      const bool mark = service.protocol == ServiceProtocol::fwmark;
      std::vector<Address> clients = named_clients(facts, d);
      for (const Address& a : seen) {
        if (facts.clients.empty() && a.is_v4() == d.rip.is_v4()) clients.push_back(a);
      }
      if (clients.empty() && !facts.clients.empty()) continue;  // they are of the other family
      const bool example = clients.empty();
      if (example) clients.push_back(example_client(*facts.state, mark ? d.rip : service.vip));
      for (const Address& client : clients) {
        if (out.size() == kRows || client.is_none()) break;
        PredictionQuestion q;
        q.client.address = client;
        q.any_client = example;
        q.service = service;
        q.destination = d;
        const Prediction p = predict(*facts.state, *facts.filter, q);
        Forecast f;
        f.service = p.service;
        f.real_server = p.rip;
        f.client = client;
        f.example = example;
        f.redirect = p.will_redirect;
        f.redirect_gateway = p.redirect_gateway;
        for (const Leg leg : kLegs) {
          const PredictedLeg& from = p.leg(leg);
          f.legs[index(leg)] = {std::string(name(from.fate)),
                                std::string(name(from.cause)),
                                from.in_dev,
                                from.out_dev,
                                from.via,
                                from.decides,
                                from.doubts};
        }
        out.push_back(std::move(f));
      }
    }
  }
  return out;
}

Evidence saved(const Facts& facts, std::string text) {
  Evidence e;
  e.text = std::move(text);
  if (facts.state != nullptr && !facts.state->source.empty()) e.source = printable(facts.state->source, 200);
  return e;
}

Evidence setting(const Facts& facts, const std::string& name) {
  const auto value = facts.state == nullptr ? std::nullopt : sysctl(*facts.state, name);
  return saved(facts, name + " = " + (value ? printable(*value, 64) : std::string("(not known)")));
}

std::optional<Evidence> counted(const Facts& facts, const std::string& name, const std::string& means) {
  const auto value = facts.state == nullptr ? std::nullopt : counter(*facts.state, name);
  if (!value || *value < 0) return std::nullopt;
  if (facts.later != nullptr && !facts.later->counters.empty()) {
    const auto now = facts.later->counters.find(name);
    // What happened before is not what happens to these connections.
    if (now == facts.later->counters.end() || now->second <= *value) return std::nullopt;
    return saved(facts, name + " rose by " + with_commas(static_cast<std::uint64_t>(now->second - *value)) + " meanwhile, to " +
                            std::to_string(now->second) + ": " + means);
  }
  if (*value == 0) return std::nullopt;
  return saved(facts, name + " = " + std::to_string(*value) + ": " + means);
}

void explains(Finding& finding, int code, const Subject& subject, std::uint64_t count) {
  for (Consequence& c : finding.consequences) {
    if (c.code == code && c.subject == subject) {
      c.count += count;
      return;
    }
  }
  if (finding.consequences.size() < 64) finding.consequences.push_back({code, subject, count});
}

const Finding* found(const FindingSink& sink, int code) {
  for (const Finding& f : sink.findings()) {
    if (f.code == code) return &f;
  }
  return nullptr;
}

void prove_filter(const Facts& facts, Finding& finding, const PredictedLeg& leg) {
  if (!leg.filter) return;
  // Live, the rules are read before the first packet is: a counter of 0 then clears no rule.
  std::string counted;
  if (leg.filter->packets)
    counted = ", which had seen " +
              (*leg.filter->packets == 0 ? std::string("no packet") : with_commas(*leg.filter->packets) + " packets") +
              " when the rules were read";
  Evidence e = saved(facts, leg.filter->words() + counted);
  if (e.source && facts.filter != nullptr && facts.state->origin == Origin::state) e.text += " (" + facts.filter->source + ")";
  FindingSink::prove(finding, std::move(e));
  if (leg.fate != LegFate::may_die) return;
  for (const std::string& doubt : leg.doubts) FindingSink::unchecked(finding, doubt);
  FindingSink::unchecked(
      finding, "nft list ruleset, and the counters of the rule while a client tries again: nft -a list ruleset, iptables -nvL");
}

}  // namespace lvsnat::rules
