#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule client_in_real_server_network{
    .code = 115,
    .id = "client-in-real-server-network",
    .severity = Severity::error,
    .where = "P",
    .title = "The client is on the real servers' own network",
    .page = R"md(
## What it means

The client's address belongs to the network of the real servers. NAT keeps the
client's address, so the real server finds the client on its own wire and
answers directly, past the director. Clients from elsewhere work: "only the
office LAN fails", or: only the test fails, since tests are run from the next
machine.

## How it looks

Leg string `12--`, from the first SYN on. On the director:

    ARP, Request who-has 10.1.1.100 tell 10.1.1.2      # the real server looks for it

and inside, where it can be seen, the client's RST CIP->RIP. On the real server
`ip route get 10.1.1.100` has no `via`.

## How it comes about

The one-network LVS (VIP, RIPs and clients in one subnet) without its special
routes; a client machine plugged into the real servers' network; a netmask on
the real server so wide that it covers the clients.

## How to check by hand

    ip route get 10.1.1.100 from 10.1.1.2      # on the real server
    ip -br addr; ip route                      # netmask, left-over networks
    tcpdump -ni eth1 arp                       # on the director

## Cure

Best: clients in another network. Else no real server may have a route to that
network except the director; on each of them

    ip route add 10.1.1.9 dev eth0
    ip route replace default via 10.1.1.9
    ip route del 10.1.1.0/24 dev eth0

Persistent: configure the address as /32: netplan `addresses: [10.1.1.2/32]`,
`routes: [{to: default, via: 10.1.1.9, on-link: true}]`; networkd
`Address=10.1.1.2/32`, `[Route] Gateway=10.1.1.9 GatewayOnLink=yes`. Then turn
redirects off on the director (LVS202), or it sends the real servers back to the
direct path. Where routes cannot be touched, full NAT for these clients, as in
LVS114.

## Nearest look-alikes

- LVS101: stands besides where a reply was seen to go directly.
- LVS114: the client is itself a real server.
- LVS111: worked at first, failed after redirects.
- LVS303: the same cause seen from the real server; covers other networks too.

## What this tool needs to see to say so

A client inside the network of the RIPs (by the director's or the real server's
prefix from state, or by its ARP on the inside wire) and a forwarded request
whose reply does not come back. A client there that works (all legs seen) is no
finding. Without state the prefix is a guess, and the confidence `likely`.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
