#include <algorithm>

#include "base/text.h"
#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/sink.h"

namespace lvsnat::rules {
namespace {

/// Somebody asked for a VIP's MAC, the director answered, and nothing came of it: another answer may have been believed. That
/// one goes to the asker alone, where this director cannot see it.
const Question* answered_in_vain(const Facts& facts) {
  for (const Question& q : facts.questions) {
    if (!facts.vips.contains(q.target) || q.asker.is_none() || facts.is_director(q.asker)) continue;
    const bool ours = std::any_of(facts.claims.begin(), facts.claims.end(), [&](const Claim& c) {
      return c.as_reply && c.address == q.target && facts.is_director(c.mac);
    });
    if (ours && facts.last - q.last.time >= kSecond) return &q;
  }
  return nullptr;
}

void check(const Facts& facts, FindingSink& sink) {
  if (facts.connections.total != 0 || facts.packets.total + facts.sources.size() == 0) return;
  const bool refused = !facts.sources.empty() && std::all_of(facts.sources.begin(), facts.sources.end(),
                                                             [](const SourceStatistics& s) { return s.refused; });
  if (refused) return;
  Finding& f = sink.accuse(no_traffic, Subject{}, Severity::info, Confidence::certain);
  f.count = facts.packets.total;
  const bool known = !facts.services.empty();
  f.title = known ? "No traffic of any service was seen" : "No service was seen, and none is known";
  f.cause = facts.packets.total == 0 ? std::string("There was no packet at all.")
            : known                  ? "Among " + std::to_string(facts.packets.total) + " packets was none to or from a service."
                                     : "Among " + std::to_string(facts.packets.total) +
                          " packets was no pair that looks like forwarding by IPVS, and no service was given.";
  f.cause +=
      " Requests go elsewhere (another address, another interface or VLAN, a filter that left them out), or nobody tried at the "
      "time.";
  for (const Service& service : facts.services) {
    if (service.protocol != ServiceProtocol::fwmark || facts.packets.total == 0) continue;
    f.cause += " The service " + to_string(service) +
               " has no address of its own: packets that no rule gives this mark are none of its traffic.";
    FindingSink::cure(f,
                      Cure{Where::director, "nft list ruleset | grep -i mark; iptables -t mangle -nvL PREROUTING", std::nullopt});
    break;
  }
  if (const Question* q = answered_in_vain(facts)) {
    const std::string asker = to_string(q->asker), vip = to_string(q->target);
    f.subject.client = asker;
    f.cause += " " + asker + " asked for the MAC of " + vip +
               ", got this director's answer and sent nothing here: another host may have answered as well and been believed "
               "(LVS117), which cannot be seen from here.";
    FindingSink::prove(f, facts.evidence(q->first, asker + " asks who has " + vip));
    FindingSink::cure(f, {Where::client,
                          (q->target.is_v4() ? "ip neigh show " : "ip -6 neigh show ") + vip + "   # on " + asker +
                              ": is that a MAC of this director?",
                          std::nullopt});
  }
  FindingSink::unchecked(
      f, known ? "a connection to the VIP from a client while the capture runs"
               : "the services, with --config, --service or --state, and a connection to the VIP while the capture runs");
}

}  // namespace

constinit const Rule no_traffic{
    .code = 903,
    .id = "no-traffic",
    .severity = Severity::info,
    .where = "any",
    .title = "No traffic of any service was seen",
    .page = R"md(
## What it means

Nothing could be diagnosed: not one packet that belongs to a service. That is no
sign of health. If clients complain while this is said, their packets do not
arrive here.

## How it looks

    lvsdiag: no traffic of any service was seen

and exit status 3; with kernel state at hand that alone decides, and is 0 where
nothing is wrong in it. Live: `tcpdump -ni eth0 host 192.168.1.110` stays empty
too. A client that asked for the VIP by ARP, was answered by this director and
sent nothing is named: another host may have answered it as well.

## How it comes about

The wrong interface, host or time; the standby director of a pair; a filter that
excludes it; nobody connected within the time; `--service` or `--config` name
other addresses than the packets have; the services are in another network
namespace; or a fault before the director: nobody answers for the VIP, another
host has it, DNS points elsewhere.

## How to check by hand

    tcpdump -ni any host 192.168.1.110 -c 10
    ip -br addr | grep 192.168.1.110           # is this the active director?
    ipvsadm -Ln --stats; ipvsadm -Lnc | head   # do counters move?
    curl -sv http://192.168.1.110/ -o /dev/null    # from a client, meanwhile

## Cure

Watch for longer, and cause traffic from a real client (not from the director):

    lvsdiag --for 0 -i eth0 -i eth1

Captured files: give the one from the director's interfaces, and declare the
service if nothing else does: `--service 'tcp:192.168.1.110:80=10.1.1.2:80'`.
There is nothing to make persistent. If state alone is wanted: `lvsdiag check`.

## Nearest look-alikes

- LVS116: the VIP is asked for by ARP and nobody answers.
- LVS120: requests go to another host's MAC.
- LVS212: this kernel has no IPVS or no service.
- LVS901: an input could not be read at all.

## What this tool needs to see to say so

Everything read to its end (or watched for the time given) without a packet to
or from a known VIP service, or, with no service known, without a pair of
packets that looks like forwarding by IPVS. Findings about state stand all the
same.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
