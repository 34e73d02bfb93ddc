#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || !c.inside_client) continue;
    Subject subject;
    subject.service = service_text(facts, c);
    Finding& f = sink.accuse(full_nat, subject, Severity::info, Confidence::certain);
    FindingSink::cite(f, c.record);
    FindingSink::prove(f, facts.evidence(c, Leg::request));
    FindingSink::prove(f, facts.evidence(c, Leg::demasq));
    if (!f.cause.empty()) continue;
    f.legs = c.leg_string;
    f.title = "Requests of " + *subject.service + " leave with the director's own address " + to_string(c.inside_client->address);
    f.cause =
        "Source NAT on top of IPVS (full NAT): real servers see " + to_string(c.inside_client->address) +
        " instead of the client, so their replies find the director whatever their gateway is. The rules about gateways and "
        "routes back do not apply to these connections; what is lost is the client's address in the real servers' logs.";
  }
}

}  // namespace

constinit const Rule full_nat{
    .code = 127,
    .id = "full-nat",
    .severity = Severity::info,
    .where = "P",
    .title = "The director hides the clients (full NAT)",
    .page = R"md(
## What it means

Requests leave the director with its own address as source: DIP->RIP instead of
CIP->RIP. The real server answers the director because that is who asked, so the
way back works whatever its gateway is. The rules of LVS-NAT about gateways,
routes and redirects do not apply.

## How it looks

Inside:

    tcpdump -ni eth1 host 10.1.1.2
    IP 10.1.1.9.40123 > 10.1.1.2.80: Flags [S]

Leg string `1234`: DIP->RIP counts as leg 2, RIP->DIP as leg 3. Sequence numbers
and IP ID are those of the client's packet, which is how it is told from a
health check. Real servers log the DIP for every client.
`conntrack -L -d 10.1.1.2` shows the pairs.

## How it comes about

On purpose: `net.ipv4.vs.conntrack=1` and a SNAT or MASQUERADE rule for the
inside interface, since real servers' routes could not be changed. By accident:
a MASQUERADE rule meant for something else (Docker's `-s 172.16.0.0/12`, a
general one without `oifname`) that also matches CIP->RIP.

## How to check by hand

    sysctl net.ipv4.vs.conntrack
    nft list ruleset | grep -iE 'masquerade|snat'; iptables -t nat -S POSTROUTING
    conntrack -L -d 10.1.1.2 | head

## Cure

None is needed if it is meant; know the price: real servers do not see the
client's address, one DIP has about 64,000 ports per RIP:port, and conntrack
takes memory. To end it, delete the rule (by its handle, `nft -a list ruleset`)
or limit it with `oifname "eth0"`, keep that in /etc/nftables.conf, and give the
real servers the director as gateway first (LVS301).

## Nearest look-alikes

- Health checks: DIP->RIP too, but no client packet with the same sequence.
- LVS113: the source is a client, not the director.
- LVS105: the source of the reply is changed, not that of the request.
- LVS302: under full NAT a real server without any route to the client does no
  harm.

## What this tool needs to see to say so

Leg 1 and a DIP->RIP packet with the same sequence number, IP ID and length
(both sides captured), or a live connection table that pairs them. From the
inside alone it looks like a connection of the director itself: nothing is said.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
