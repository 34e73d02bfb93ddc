#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule no_route_to_client{
    .code = 302,
    .id = "no-route-to-client",
    .severity = Severity::error,
    .where = "R",
    .title = "The real server has no route to the client",
    .page = R"md(
## What it means

The real server receives the request, makes its answer and cannot send it: no
route covers the client's address. Nobody is told.

## How it looks

    ip route get 192.168.1.254 from 10.1.1.2
    RTNETLINK answers: Network is unreachable

`tcpdump -ni eth0` shows requests arriving and nothing leaving. The counters

    nstat -az IpOutNoRoutes TcpExtListenDrops

grow with each SYN. If rp_filter is 1 or 2, the request is dropped before that
(no route to the source), and TcpExtIPReversePathFilter grows instead. At the
director: `12--`.

## How it comes about

"Real servers should know no other network", taken to the letter: they need the
director as default route. A route that disappeared with an interface; an
`unreachable` or `blackhole` route; IPv6 without a default, since the director
sends no router advertisements.

## How to check by hand

    ip route; ip -6 route
    ip rule
    nstat -az IpOutNoRoutes

## Cure

    ip route add default via 10.1.1.9 dev eth0

To stay: netplan `routes: [{to: default, via: 10.1.1.9}]`; systemd-networkd
`Gateway=10.1.1.9`; NetworkManager `ipv4.gateway 10.1.1.9`; ifupdown
`gateway 10.1.1.9`.

## Nearest look-alikes

- LVS301: there is a route, to another gateway.
- LVS102: silence seen from the director; a firewall looks the same there.
- LVS206: the request is dropped on arrival by strict rp_filter, although a
  route exists.
- LVS127: under full NAT the real server answers the on-link DIP and needs no
  route to clients: `unchecked` says so.

## What this tool needs to see to say so

The kernel's answer (live), or all routing tables and rules (`route.json` with
`table all`); a listing that failed is no empty table. An `unreachable` route to
the client counts. Certain for the address asked for; whether real clients have
that address is for you to know (the source that the real server sees).
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
