#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  // Next hops that real servers ask for in vain.
  std::map<Address, std::vector<const Question*>> asked;
  for (const Question& q : facts.questions) {
    if (!facts.rips.contains(q.asker) || facts.rips.contains(q.target) || !insistent(q)) continue;
    asked[q.target].push_back(&q);
  }
  for (const auto& [target, questions] : asked) {
    std::set<Address> askers;
    for (const Question* q : questions) askers.insert(q->asker);
    // A client that is gone is no gateway.
    const bool is_client = std::any_of(facts.suspects.begin(), facts.suspects.end(),
                                       [&, t = target](const Suspect& s) { return s.connection.client.address == t; });
    if (is_client) continue;
    std::set<Address> talking;  // real servers that took part in this capture
    for (const ServiceTally& service : facts.tallies) {
      for (const DestinationTally& d : service.destinations) {
        if (d.connections != 0) talking.insert(d.destination.rip);
      }
    }
    const bool declared = facts.gateways.contains(target) || facts.is_director(target);
    const bool everybodys = askers.size() >= 2 &&
                            std::all_of(talking.begin(), talking.end(), [&](const Address& rip) { return askers.contains(rip); });
    if (!declared && !everybodys) continue;  // any other address: LVS101 tells of it
    Subject subject;
    subject.gateway = to_string(target);
    // The director's state names the cause: that is the one finding.
    const bool explained = std::any_of(sink.findings().begin(), sink.findings().end(),
                                       [&](const Finding& other) { return other.code == 208 && other.subject == subject; });
    if (explained) continue;
    Finding* f = nullptr;
    for (const Suspect& s : facts.suspects) {
      const Connection& c = s.connection;
      if (c.kind != ConnectionKind::masqueraded || !c.rip || !askers.contains(c.rip->address) || sink.is_claimed(c.record) ||
          !missing_reply(facts, s))
        continue;
      f = &accuse_connection(facts, sink, gateway_unanswered, subject, s, Severity::error,
                             declared ? Confidence::certain : Confidence::likely);
    }
    if (f == nullptr) {
      f = &sink.accuse(gateway_unanswered, subject, Severity::error,
                       facts.lossy ? Confidence::possible
                       : declared  ? Confidence::certain
                                   : Confidence::likely);
      f->count = 0;
    }
    for (const Question* q : questions) {
      FindingSink::prove(*f, facts.evidence(q->first, to_string(q->asker) + " asks for " + to_string(target) + " " +
                                                          std::to_string(q->count) + " times and nobody answers"));
    }
    f->title = "Nobody answers for the real servers' gateway " + to_string(target);
    f->cause = "The real servers use " + to_string(target) + " as gateway" + (declared ? ", which is the director's," : "") +
               " and nobody on their wire has that address, so their replies never leave. It should be the director's inside "
               "address (DIP): it is missing there (alias not up, failover that moved the "
               "VIP but not this address), or the real servers are set to the wrong gateway.";
    Prefix p;
    p.address = target;
    p.length = target.is_v4() ? 24 : 64;
    std::string dev = "INSIDE";
    if (facts.state != nullptr) {
      const std::string found = on_link_dev(*facts.state, target);
      if (!found.empty()) dev = found;
      if (owns_address(*facts.state, target)) dev.clear();
    }
    if (!dev.empty()) FindingSink::cure(*f, cures::add_address(p, dev));
  }
}

}  // namespace

constinit const Rule gateway_unanswered{
    .code = 118,
    .id = "gateway-unanswered",
    .severity = Severity::error,
    .where = "P",
    .title = "Nobody answers for the gateway address of the real servers",
    .page = R"md(
## What it means

Real servers look for their gateway, the director's inside address, and nobody
answers. They cannot send one reply, although requests reach them.

## How it looks

Leg string `12--`, and inside, again and again:

    tcpdump -ni eth1 arp
    ARP, Request who-has 10.1.1.9 tell 10.1.1.2      # no reply

On the real server `ip neigh show 10.1.1.9` is INCOMPLETE or FAILED and
`ip route get 192.168.1.254` looks right. The director's requests arrive since
it finds the RIPs by its other inside address.

## How it comes about

The inside VIP of a failover pair is on neither director (only the outside VIP
moved: no sync group); the alias was not brought up; it was put on the wrong
interface or VLAN; `arp_ignore=1` with the address on another device than the
real servers are on; the director was renumbered.

## How to check by hand

    ip -br addr | grep 10.1.1.9                   # on the director
    sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.eth1.arp_ignore
    arping -c3 -I eth0 10.1.1.9                   # on the real server

## Cure

On the director:

    ip addr add 10.1.1.9/24 dev eth1
    arping -U -c3 -I eth1 10.1.1.9

Persistent: keepalived `virtual_ipaddress` in an instance that shares a
`vrrp_sync_group` with the outside VIP; a single director in its network
configuration (netplan `addresses`, networkd `Address=`). If the address is an
old one, correct the real servers instead:

    ip route replace default via 10.1.1.1        # an address that the director has

## Nearest look-alikes

- LVS208: the director's state shows that it lacks the address; this finding is
  its trace on the wire.
- LVS101: the address asked for was never the director's (wrong gateway).
- LVS119: two answers instead of none.
- LVS107: the director asks for the real server, not the other way round.

## What this tool needs to see to say so

At least three unanswered requests from a RIP for an address that is, or should
be, the director's: by its state, by the configuration, or because other real
servers send their replies to the director through it. For any other address it
says LVS101. One lost answer is nothing; answered unicast probes are nothing.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
