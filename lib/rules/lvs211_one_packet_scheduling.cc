#include <algorithm>

#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  // Flags come from state or from what an admin declared; packets alone tell none.
  for (const Service& service : facts.services) {
    const bool masquerades = std::any_of(service.destinations.begin(), service.destinations.end(),
                                         [](const Destination& d) { return d.method == Method::masq; });
    if (!service.one_packet || !masquerades || service.persistence_engine == "sip") continue;
    Subject subject;
    subject.service = to_string(service);
    Finding& f = sink.accuse(one_packet_scheduling, subject, Severity::warning, Confidence::certain);
    f.title = "One-packet scheduling of " + *subject.service + " loses the replies";
    f.cause =
        "The service has --ops: IPVS keeps no entry after a request, so nothing turns the real server's address into the VIP "
        "when the reply comes. With masquerading this cannot work.";
    FindingSink::prove(
        f, saved(facts, *subject.service + " " + (service.scheduler.empty() ? std::string() : service.scheduler + " ") +
                            "ops, destinations with masquerading"));
    FindingSink::cure(f, cures::no_one_packet(service));
    for (const Finding& other : sink.findings()) {
      if ((other.code == 104 || other.code == 105) && (!other.subject.service || other.subject.service == subject.service))
        explains(f, other.code, other.subject, other.count);
    }
  }
}

}  // namespace

constinit const Rule one_packet_scheduling{
    .code = 211,
    .id = "one-packet-scheduling",
    .severity = Severity::warning,
    .where = "S",
    .title = "One-packet scheduling with masquerading loses the replies",
    .page = R"md(
## What it means

The service has `--ops`: each datagram is scheduled alone and no entry is kept.
The reply then finds nothing that would turn RIP into VIP and leaves as it is.
With `-m` this is broken by itself; `--ops` belongs to direct routing.

## How it looks

`123-`, and RIP->CIP on the outside (104), for each datagram:

    tcpdump -ni eth0 udp and net 10.1.1.0/24
    ipvsadm -Ln          # UDP 192.168.1.110:53 rr ops
    ipvsadm -Lnc         # no entry for these clients

Clients drop the answer (and send ICMP port unreachable) and time out. With a
masquerade rule the answer has a wrong source instead (105).

## How it comes about

`-o`/`--ops` was set to spread DNS queries of one client over all real servers,
usually by copying from an LVS-DR set-up; keepalived `ops`.

## How to check by hand

    ipvsadm -Sn | grep -E -- '-o|--ops'
    grep -n ops /etc/keepalived/keepalived.conf

## Cure

Edit the service without it (scheduler and persistence are given again):

    ipvsadm -E -u 192.168.1.110:53 -s rr

To stay: remove `ops` from keepalived.conf, or
`ipvsadm -Sn > /etc/ipvsadm.rules`. To spread queries of one client, shorten the
UDP timeout (`ipvsadm --set 0 0 10`). If `--ops` must stay, give replies the VIP
by a rule of their own,

    nft add rule ip nat postrouting ip saddr 10.1.1.0/24 udp sport 53 snat to 192.168.1.110

(persistent in /etc/nftables.conf), or use direct routing.

## Nearest look-alikes

- LVS104: its trace, with other causes: expired or cleared entries.
- LVS210: entries exist and expire.
- The SIP persistence engine keeps enough to send replies back: no finding.

## What this tool needs to see to say so

The flag on a service with at least one masquerading destination: state, an
ipvsadm-save file or keepalived.conf. It is a warning by state; the packets say
LVS104, with this as the cause.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
