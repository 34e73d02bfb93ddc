#include <algorithm>
#include <optional>
#include <set>

#include "base/text.h"
#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

/// Addresses that real servers use, or should use, as their gateway.
std::set<Address> gateway_addresses(const Facts& facts) {
  std::set<Address> found = facts.gateways;
  for (const Question& q : facts.questions) {
    if (facts.rips.contains(q.asker) && !facts.rips.contains(q.target) && facts.is_director(q.target)) found.insert(q.target);
  }
  // Real servers may have known it all the time: what the director's inside MAC claims.
  for (const auto& [address, turns] : facts.turns) {
    if (facts.rips.contains(address) || facts.vips.contains(address) || address.is_link_local()) continue;
    const bool inside =
        std::any_of(turns.begin(), turns.end(), [&](const ClaimTurn& turn) { return facts.inside_macs.contains(turn.mac); });
    if (inside || (facts.state != nullptr && facts.state->known.addresses && owns_address(*facts.state, address)))
      found.insert(address);
  }
  for (const Address& vip : facts.vips) found.erase(vip);  // LVS117 tells of it
  return found;
}

void check(const Facts& facts, FindingSink& sink) {
  for (const Address& gateway : gateway_addresses(facts)) {
    const std::optional<Conflict> conflict = conflict_over(facts, gateway);
    if (!conflict) continue;
    const std::string one = to_string(conflict->first), two = to_string(conflict->second);
    const bool directors = facts.is_director(conflict->first);
    Subject subject;
    subject.gateway = to_string(gateway);
    Finding& f = sink.accuse(gateway_address_conflict, subject, Severity::error, conflict->confidence);
    if (conflict->first_frame) {
      FindingSink::prove(f, facts.evidence(*conflict->first_frame, one + (directors ? ", the director," : "") +
                                                                       " says that it has " + to_string(gateway)));
    }
    FindingSink::prove(
        f, facts.evidence(conflict->second_frame,
                          two + (conflict->first_frame ? " says the same" : " says that it has " + to_string(gateway))));
    if (conflict->held)
      FindingSink::prove(f, saved(facts, "the director (" + one + ") has " + to_string(gateway) + ", and had not given it up"));
    f.title = "Two MACs claim the gateway address " + to_string(gateway);
    f.cause = "Both " + one + (directors ? " (the director)" : "") + " and " + two + " claim " + to_string(gateway) +
              ", the real servers' gateway. Those that believe the wrong one send their replies there instead of to the "
              "director; which ones changes with every ARP announcement. Another host was given "
              "the same address, or two directors hold it at once.";
    f.cure.push_back(
        Cure{Where::director, "arping -D -c 2 -I INSIDE " + to_string(gateway) + "   # who else answers?", std::nullopt});
    FindingSink::cure(f, cures::announce(gateway, "INSIDE"));
    FindingSink::cure(f, cures::flush_neighbour(gateway, "DEV"));
    if (conflict->confidence != Confidence::certain)
      FindingSink::unchecked(f, "whether " + one + " and " + two + " are two hosts, or two interfaces or bond ports of one");
    for (const Suspect& s : facts.suspects) {
      const Connection& c = s.connection;
      if (c.kind != ConnectionKind::masqueraded || !c.rip || sink.is_claimed(c.record) || !missing_reply(facts, s)) continue;
      if (c.last < conflict->second_frame.time || c.rip->address.is_v4() != gateway.is_v4()) continue;
      Finding& broken =
          accuse_connection(facts, sink, gateway_address_conflict, subject, s, Severity::error, conflict->confidence);
      const Mac to = reply_destination(facts, s);
      if (to == conflict->second) {
        const LegCount& reply = c.leg(Leg::reply);
        FindingSink::prove(broken, facts.evidence(FrameRef{facts.path(reply.path).vantage, reply.first_frame, reply.first},
                                                  to_string(c.rip->address) + " sends a reply to " + two, Leg::reply));
      }
    }
  }
}

}  // namespace

constinit const Rule gateway_address_conflict{
    .code = 119,
    .id = "gateway-address-conflict",
    .severity = Severity::error,
    .where = "P",
    .title = "Two hosts claim the real servers' gateway address",
    .page = R"md(
## What it means

Two MACs answer for the inside address that the real servers use as gateway.
Replies go to one or the other; those that reach the host without the IPVS entry
are forwarded unrewritten or dropped.

## How it looks

    tcpdump -eni eth1 arp host 10.1.1.9
    ... Reply 10.1.1.9 is-at 02:00:00:00:01:01
    ... Reply 10.1.1.9 is-at 02:00:00:00:01:02

Leg string `12--` for some real servers and times, `1234` for others; it changes
whenever a neighbour entry is renewed. On real servers `ip neigh show 10.1.1.9`
differs from host to host.

## How it comes about

Both directors are master on the inside (VRRP filtered there); the address is
static on both; a router, a real server or a cloned machine uses it too.

## How to check by hand

    arping -D -c3 -I eth1 10.1.1.9        # on the director: no reply may come
    ip -br addr | grep 10.1.1.9           # on both directors
    ip neigh show 10.1.1.9                # on each real server
    tcpdump -ni eth1 vrrp

## Cure

On the host that must not have it:

    ip addr del 10.1.1.9/24 dev eth1

and in its network configuration. Then on the director
`arping -U -c3 -I eth1 10.1.1.9`, and on real servers
`ip neigh flush to 10.1.1.9`. A pair of directors: keepalived
`virtual_ipaddress` inside, one `vrrp_sync_group` with the outside, and VRRP
(protocol 112, 224.0.0.18) admitted on both wires.

## Nearest look-alikes

- LVS117: the same for the VIP.
- LVS118: no answer at all.
- LVS309: seen on the real server: replies to another MAC than requests come
  from.
- LVS101: the gateway address is unambiguous and is not the director's.
- A failover: one change, after which the old MAC is silent.

## What this tool needs to see to say so

Two MACs that assert the address, one of them by answering although the other
has claimed it since, where the address is the real servers' gateway (state,
configuration, or what they ask for and the director claims). All MACs of the
director, and VRRP's virtual ones, are one host; a change that happened but once
is `likely`. With kernel state one announcement by a stranger is enough, if the
director's kernel still has the address a second later, or still does a
director's work: an address that was handed over is gone by then.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
