#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule not_nat_forwarding{
    .code = 122,
    .id = "not-nat-forwarding",
    .severity = Severity::error,
    .where = "P S",
    .title = "A destination is not set up for NAT",
    .page = R"md(
## What it means

The service forwards by direct routing or tunnelling. The request leaves the
director without its address rewritten; a real server that is set up for NAT
does not own the VIP and drops it. `ipvsadm -a` without `-m` means direct
routing: the commonest typing error of LVS-NAT.

## How it looks

Leg string `1---`, and on the inside, instead of CIP->RIP:

    tcpdump -eni eth1 host 192.168.1.110
    IP 192.168.1.254 > 192.168.1.110.80      # direct routing: MAC of the real server
    IP 10.1.1.9 > 10.1.1.2: IP 192.168.1.254 > 192.168.1.110.80    # tunnelling

With tunnelling the real server may answer ICMP protocol unreachable; IPVS
translates it and the client reports "Protocol not available". If the real
server does own the VIP, it answers VIP->CIP itself, past the director: then it
is a working LVS-DR and no LVS-NAT. `ipvsadm -Ln` says `Route` or `Tunnel`.

## How it comes about

`-m` forgotten; keepalived `lvs_method DR` (or `lb_kind DR`) as in the examples;
a service moved from DR to NAT, one destination left behind: then one connection
in n fails.

## How to check by hand

    ipvsadm -Ln                         # column Forward: Masq
    grep -nE 'lvs_method|lb_kind' /etc/keepalived/keepalived.conf

## Cure

    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m

Persistent: keepalived `lvs_method NAT`; ldirectord `masq`; else
`ipvsadm -Sn > /etc/ipvsadm.rules`. A real server that has the VIP must lose it:
`ip addr del 192.168.1.110/32 dev lo`.

## Nearest look-alikes

- LVS213: CIP->VIP inside too, but only after a rewritten handshake.
- LVS215: method `Local`, or a RIP that is the director's own.
- LVS108: protocol unreachable is its `what`; this is its why.
- LVS117: a left-over VIP on the real server that answers ARP.

## What this tool needs to see to say so

CIP->VIP leaving the inside towards a real server, or an IP-in-IP packet around
it, from the first packet of a connection; or the method in the service table. A
cluster that uses DR on purpose gets this finding for what it is: these legs
cannot be judged by the rules of NAT.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
