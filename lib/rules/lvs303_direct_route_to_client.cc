#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule direct_route_to_client{
    .code = 303,
    .id = "direct-route-to-client",
    .severity = Severity::error,
    .where = "R",
    .title = "The real server reaches the client without the director",
    .page = R"md(
## What it means

A route of the real server takes the client for a neighbour on one of its wires,
or leads to it through another NIC. It asks ARP for the client and sends the
reply straight there, past the director.

## How it looks

    ip route get 192.168.1.254 from 10.1.1.2
    192.168.1.254 from 10.1.1.2 dev eth0        # no "via"

    tcpdump -eni eth0 arp or host 192.168.1.254
    ARP, Request who-has 192.168.1.254 tell 10.1.1.2

then RIP->CIP to the client's own MAC and a RST from the client; each further
SYN is answered with a new sequence number, for the RST removed the old attempt.
At the director `12--` from the first SYN on, and the ARP request, as it is
broadcast. If the client is not really on that wire, the ARP stays unanswered.

## How it comes about

An address in the client's network left over from an earlier set-up; a second
NIC in that network (management, storage); a netmask that is too wide (/8 for
/24); the one-network LVS, where real servers must not have the route of their
own network; a VPN that pushes routes.

## How to check by hand

    ip -br addr; ip route
    ip route get 192.168.1.254 from 10.1.1.2
    traceroute -n 192.168.1.254           # one hop: direct; two by way of 10.1.1.9: right

## Cure

    ip route del 192.168.1.0/24 dev eth0

To stay: take the address (or the wide netmask) out of netplan, networkd or
/etc/network/interfaces, else the next boot restores the route. If it is the
real servers' own network (one-network LVS), first

    ip route add 10.1.1.9 dev eth0; ip route replace default via 10.1.1.9

and for good the address as /32 with `on-link: true` (netplan) or
`GatewayOnLink=yes` (networkd). A second NIC that must stay: route by source,

    ip rule add from 10.1.1.2 lookup 100; ip route add default via 10.1.1.9 table 100

## Nearest look-alikes

- LVS304: `ip route` has no such route; `ip route get` says `redirected`.
- LVS301: there is a gateway, a wrong one.
- LVS115: the director's view when the client is in the real servers' network.
- LVS305: a rule, not the main table, picks the route.

## What this tool needs to see to say so

The route to the client, asked of the kernel or computed from `route.json`, that
is on-link or leaves by another device than requests arrive on. The director's
own network is no finding unless the client is in it. The route is named, so
that it can be removed.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
