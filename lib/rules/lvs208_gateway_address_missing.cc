#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "facts/facts.h"
#include "facts/signs.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

/// The network of the director that the address would belong to, and its device.
std::string home_of(const KernelState& state, const Address& address, Prefix& prefix) {
  const InterfaceAddress* best = nullptr;
  for (const InterfaceAddress& a : state.addresses) {
    const auto network = parse_prefix(to_string(a.address) + "/" + std::to_string(a.length));
    if (!network || !network->contains(address) || (best != nullptr && best->length >= a.length)) continue;
    best = &a;
    prefix.length = a.length;
  }
  prefix.address = address;
  if (best == nullptr) prefix.length = address.is_v4() ? 32 : 128;
  return best == nullptr ? std::string() : best->dev;
}

void check(const Facts& facts, FindingSink& sink) {
  if (facts.state == nullptr || !facts.state->known.addresses || facts.state->addresses.empty()) return;
  const KernelState& state = *facts.state;
  // Without any VIP it is the standby of a pair, which does not have the floating gateway either.
  const bool active = facts.vips.empty() || std::any_of(facts.vips.begin(), facts.vips.end(),
                                                        [&](const Address& vip) { return owns_address(state, vip); });
  if (!active) return;
  std::map<Address, std::vector<const Question*>> asked;
  for (const Question& q : facts.questions) {
    if (!facts.rips.contains(q.asker) || facts.rips.contains(q.target) || q.answered || q.unicast || facts.claimed(q.target) ||
        owns_address(state, q.target))
      continue;
    asked[q.target].push_back(&q);
  }
  for (const Address& gateway : facts.gateways) {
    if (!owns_address(state, gateway) && !facts.claimed(gateway)) asked.try_emplace(gateway);
  }
  std::set<Address> talking;
  for (const ServiceTally& service : facts.tallies) {
    for (const DestinationTally& d : service.destinations) {
      if (d.connections != 0) talking.insert(d.destination.rip);
    }
  }
  for (const auto& [target, questions] : asked) {
    const bool is_client = std::any_of(facts.suspects.begin(), facts.suspects.end(),
                                       [&, t = target](const Suspect& s) { return s.connection.client.address == t; });
    if (is_client || facts.vips.contains(target)) continue;
    std::set<Address> askers;
    bool again = false;
    for (const Question* q : questions) {
      askers.insert(q->asker);
      again = again || insistent(*q);
    }
    const bool declared = facts.gateways.contains(target);
    const bool everybodys = askers.size() >= 2 &&
                            std::all_of(talking.begin(), talking.end(), [&](const Address& rip) { return askers.contains(rip); });
    // One real server that asks for what nobody has, while the others work, has a wrong route of its own (LVS101). And an
    // answer to somebody else is not seen on a switch: who asks but once has been answered, by another router.
    if (!declared && !(everybodys && again)) continue;
    const Confidence confidence = declared ? Confidence::certain : Confidence::likely;
    Subject subject;
    subject.gateway = to_string(target);
    Finding* f = nullptr;
    for (const Suspect& s : facts.suspects) {
      const Connection& c = s.connection;
      if (c.kind != ConnectionKind::masqueraded || !c.rip || (!askers.empty() && !askers.contains(c.rip->address)) ||
          sink.is_claimed(c.record) || !missing_reply(facts, s))
        continue;
      f = &accuse_connection(facts, sink, gateway_address_missing, subject, s, Severity::error, confidence);
    }
    if (f == nullptr) {
      f = &sink.accuse(gateway_address_missing, subject, Severity::error, confidence);
    }
    Prefix prefix;
    const std::string dev = home_of(state, target, prefix);
    f->title = "The director does not have the address " + to_string(target) + " that real servers use as gateway";
    f->cause =
        "The real servers send what is for clients to " + to_string(target) +
        ", which is on no interface of this director, and nobody else answers for it: replies have nobody to go to. "
        "The alias is not up, a failover moved the VIP but not this address, or the real servers are set to a wrong gateway.";
    std::vector<Evidence> packets = std::exchange(f->evidence, {});
    std::string held;
    for (const InterfaceAddress& a : state.addresses) {
      if (a.address.is_loopback() || a.address.is_link_local() || a.address.is_v4() != target.is_v4()) continue;
      held += (held.empty() ? "" : ", ") + to_string(a.address) + " on " + a.dev;
    }
    FindingSink::prove(*f, saved(facts, to_string(target) + " is not among the director's addresses: " + held));
    for (const Question* q : questions) {
      FindingSink::prove(
          *f, facts.evidence(q->first, to_string(q->asker) + " asks for " + to_string(target) + " " + std::to_string(q->count) +
                                           (q->count == 1 ? " time" : " times") + " and nobody answers"));
    }
    if (questions.empty())
      FindingSink::prove(*f, saved(facts, to_string(target) + " is the gateway that the configuration gives the real servers"));
    for (Evidence& e : packets) FindingSink::prove(*f, std::move(e));
    FindingSink::cure(*f, cures::add_address(prefix, dev.empty() ? "INSIDE" : dev));
    if (confidence == Confidence::possible)
      FindingSink::unchecked(*f, "it was asked for only once; ip route show default on the real servers");
    if (again) explains(*f, 118, subject, questions.size());
  }
}

}  // namespace

constinit const Rule gateway_address_missing{
    .code = 208,
    .id = "gateway-address-missing",
    .severity = Severity::error,
    .where = "S",
    .title = "The director lacks the address that real servers use as gateway",
    .page = R"md(
## What it means

The real servers send replies to a gateway address that is on no interface of
this director. Requests reach them; replies have nobody to go to.

## How it looks

Leg string `12--`; inside `ARP, Request who-has 10.1.1.9 tell 10.1.1.2` without
answer (118), or replies go to another host that does have the address (101).

    ip -br addr

on the director does not show it.

## How it comes about

The inside VIP of a failover pair is up on neither, or on the other director,
while the outside VIP is here (no sync group); an alias that did not survive a
reboot; a typing error in SERVER_DEFAULT_GW or on the real servers; the director
was renumbered or replaced.

## How to check by hand

    ip -br addr show                                  # director, both of a pair
    ip route show default                             # real server
    arping -c3 -I eth0 10.1.1.9                       # real server: who answers?

## Cure

On the director:

    ip addr add 10.1.1.9/24 dev eth1
    arping -U -c3 -I eth1 10.1.1.9

To stay: keepalived `virtual_ipaddress { 10.1.1.9/24 dev eth1 }`, in one
`vrrp_sync_group` with the outside VIP; on a single director netplan
`addresses`, networkd `Address=10.1.1.9/24`, or an ifupdown stanza. If the real
servers are wrong, there: `ip route replace default via DIP`, kept as LVS301
says.

## Nearest look-alikes

- LVS118: the same seen as unanswered ARP.
- LVS101, LVS301: the gateway exists and is another router.
- LVS116: the address that is missing is the VIP.
- A standby director does not have the floating address: no finding there.

## What this tool needs to see to say so

The director's addresses (state) and the gateway the real servers use: from ARP
requests of the RIPs, from lvs_nat.conf (SERVER_DEFAULT_GW), or from lvstrace's
report. If all requests go to another host too (VIP not here either), it takes
this host for the standby and stays silent. An address that was asked for only
once is `possible`.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
