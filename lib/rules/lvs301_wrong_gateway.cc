#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule wrong_gateway{
    .code = 301,
    .id = "wrong-gateway",
    .severity = Severity::error,
    .where = "R",
    .title = "The real server's gateway is not the director",
    .page = R"md(
## What it means

The route that a reply to the client takes has a next hop that is not the
director. The reply goes to another router, unrewritten; that router drops it,
or the client does.

## How it looks

    ip route get 192.168.1.254 from 10.1.1.2
    192.168.1.254 from 10.1.1.2 via 10.1.1.1 dev eth0

where 10.1.1.1 is not the director. On the real server's wire requests come from
the director's MAC and replies leave to another. At the director `12--`. A
stateful router that does source NAT for the site does not repair it: it has
seen no SYN, calls the SYN-ACK INVALID and sends it on with the RIP as source;
UDP it rewrites to an address that is just as wrong.

## How it comes about

The gateway is the internet router, as everywhere else in the house; DHCP or
router advertisements set it again after every renewal or reboot; a management
NIC brings its own default route with a better metric; the fixed address of the
other director instead of the floating one. Health checks stay green: the
director's address is on-link and needs no gateway.

## How to check by hand

    ip route show default            # several? which metric, proto dhcp, ra?
    ip -6 route show default
    ip neigh                         # whose MAC has the gateway?
    traceroute -n 192.168.1.254      # first hop must be 10.1.1.9

## Cure

    ip route replace default via 10.1.1.9 dev eth0

To stay: netplan `routes: [{to: default, via: 10.1.1.9}]` (with DHCP
`dhcp4-overrides: {use-routes: false}`); systemd-networkd `Gateway=10.1.1.9`,
`[DHCPv4] UseRoutes=no`; NetworkManager
`nmcli con mod eth0 ipv4.gateway 10.1.1.9`, `ipv4.never-default yes` on the
other connections; ifupdown `gateway 10.1.1.9`. IPv6: `accept_ra=0` and a static
default. If the default must stay, route by source:

    ip rule add from 10.1.1.2 lookup 100
    ip route add default via 10.1.1.9 table 100

With two directors the gateway is their floating inside address.

## Nearest look-alikes

- LVS303: no gateway at all, the client is taken for on-link.
- LVS304: `ip route` is right, `ip route get` says `redirected`.
- LVS305: the main table is right, a rule takes the reply elsewhere.
- LVS309: the gateway address is right, its MAC is not.
- LVS101, LVS102: the same from the director.

## What this tool needs to see to say so

The route for client and RIP (live: asked of the kernel; offline: `route.json`,
`rule.json`, computed) and who the director is: `--director`, or the MAC that
requests come from. Several paths of one route of which only some are the
director are reported as well: some clients fail, always the same. Without a
known director it names the next hop and says `possible`.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
