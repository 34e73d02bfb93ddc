#include <algorithm>
#include <set>

#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

/// The interface or place on which a leg's packets were first seen.
std::pair<std::uint16_t, std::uint32_t> place_of(const Facts& facts, const LegCount& leg) {
  const Path& path = facts.path(leg.path);
  return {path.vantage, path.interface_index};
}

void check(const Facts& facts, FindingSink& sink) {
  // Two sides that are two places: requests of ordinary clients come in elsewhere than real servers are.
  std::set<std::pair<std::uint16_t, std::uint32_t>> inside, outside;
  for (const Place& p : facts.places) {
    if (p.legs[index(Leg::demasq)] + p.legs[index(Leg::reply)] != 0) inside.insert({p.vantage, p.interface_index});
    if (p.legs[index(Leg::masq)] != 0) outside.insert({p.vantage, p.interface_index});
  }
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || !c.rip || !c.saw(Leg::request) || sink.is_claimed(c.record)) continue;
    const Missing missing = missing_reply(facts, s);
    if (!missing || facts.rips.contains(c.client.address)) continue;
    bool same_network = false, known = false;
    if (facts.state != nullptr && facts.state->known.addresses) {
      const std::string rip_dev = on_link_dev(*facts.state, c.rip->address),
                        cip_dev = on_link_dev(*facts.state, c.client.address);
      const std::string vip_dev = c.vip ? on_link_dev(*facts.state, c.vip->address) : std::string();
      known = !rip_dev.empty();
      // On one network with everybody (VIP too) the real servers' routes are to blame (LVS101), not where the client sits.
      same_network = known && rip_dev == cip_dev && vip_dev != rip_dev;
    }
    if (!known) {
      const auto here = place_of(facts, c.leg(Leg::request));
      const bool two_sides =
          std::any_of(outside.begin(), outside.end(), [&](const auto& place) { return !inside.contains(place); });
      const Mac mac = facts.path(c.leg(Leg::request).path).source;
      // On the wire itself, not behind a router there: the real server asks for it, or its MAC is that of its address.
      bool attached = false;
      for (const Question* q : facts.questions_by(c.rip->address)) attached = attached || q->target == c.client.address;
      const auto claims = facts.macs.find(c.client.address);
      attached = attached || (claims != facts.macs.end() && claims->second.contains(mac));
      same_network = two_sides && inside.contains(here) && here == place_of(facts, c.leg(Leg::demasq)) && attached;
    }
    if (!same_network) continue;
    Subject subject;
    subject.client = to_string(c.client.address);
    Finding& f = accuse_connection(facts, sink, client_in_real_server_network, subject, s, Severity::error, missing.confidence);
    for (const Question* q : facts.questions_by(c.rip->address)) {
      if (q->target == c.client.address)
        FindingSink::prove(f, facts.evidence(q->first, to_string(q->asker) + " asks the wire for the client " +
                                                           to_string(q->target) + ": it answers directly"));
    }
    if (!f.cause.empty()) continue;
    const std::string cip = to_string(c.client.address);
    f.title = "The client " + cip + " is on the real servers' own network";
    f.cause = cip +
              " is a neighbour of the real servers, so they answer it directly, from the RIP; it asked the VIP and throws the "
              "answer away. Clients on the far side of the director are "
              "not affected.";
    const Address dip = known_gateway(facts, c.rip->address);
    f.cure.push_back(
        Cure{Where::client, "# use the service from another network, or address a real server directly", std::nullopt});
    if (c.service && *c.service < facts.services.size() && !dip.is_none())
      FindingSink::cure(f, cures::full_nat(facts.services[*c.service], dip));
    if (!dip.is_none()) {
      f.cure.push_back(Cure{
          Where::real_server,
          "ip route add " + cip + " via " + to_string(dip) + "   # on every real server; redirects must be off on the director",
          std::nullopt});
    }
  }
}

}  // namespace

constinit const Rule client_in_real_server_network{
    .code = 115,
    .id = "client-in-real-server-network",
    .severity = Severity::error,
    .where = "P",
    .title = "The client is on the real servers' own network",
    .page = R"md(
## What it means

The client's address belongs to the network of the real servers. NAT keeps the
client's address, so the real server finds the client on its own wire and
answers directly, past the director. Clients from elsewhere work: "only the
office LAN fails", or: only the test fails, since tests are run from the next
machine.

## How it looks

Leg string `12--`, from the first SYN on. On the director:

    ARP, Request who-has 10.1.1.100 tell 10.1.1.2      # the real server looks for it

and inside, where it can be seen, the client's RST CIP->RIP. On the real server
`ip route get 10.1.1.100` has no `via`.

## How it comes about

The one-network LVS (VIP, RIPs and clients in one subnet) without its special
routes; a client machine plugged into the real servers' network; a netmask on
the real server so wide that it covers the clients.

## How to check by hand

    ip route get 10.1.1.100 from 10.1.1.2      # on the real server
    ip -br addr; ip route                      # netmask, left-over networks
    tcpdump -ni eth1 arp                       # on the director

## Cure

Best: clients in another network. Else no real server may have a route to that
network except the director; on each of them

    ip route add 10.1.1.9 dev eth0
    ip route replace default via 10.1.1.9
    ip route del 10.1.1.0/24 dev eth0

Persistent: configure the address as /32: netplan `addresses: [10.1.1.2/32]`,
`routes: [{to: default, via: 10.1.1.9, on-link: true}]`; networkd
`Address=10.1.1.2/32`, `[Route] Gateway=10.1.1.9 GatewayOnLink=yes`. Then turn
redirects off on the director (LVS202), or it sends the real servers back to the
direct path. Where routes cannot be touched, full NAT for these clients, as in
LVS114.

## Nearest look-alikes

- LVS101: stands besides where a reply was seen to go directly.
- LVS114: the client is itself a real server.
- LVS111: worked at first, failed after redirects.
- LVS303: the same cause seen from the real server; covers other networks too.

## What this tool needs to see to say so

A client inside the network of the RIPs (by the director's or the real server's
prefix from state, or by its ARP on the inside wire) and a forwarded request
whose reply does not come back. A client there that works (all legs seen) is no
finding. Without state the prefix is a guess, and the confidence `likely`.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
