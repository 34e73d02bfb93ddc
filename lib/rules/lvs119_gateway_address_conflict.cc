#include "rules/catalog.h"

namespace lvsnat::rules {

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

Two MACs that assert the address, the first again after the second, where the
address is the real servers' gateway (state, configuration, or replies sent to
it). Different ports of one bond and virtual MACs of VRRP are one host only if
state says so; else the confidence is `likely`.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
