#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule ip_forward_off{
    .code = 201,
    .id = "ip-forward-off",
    .severity = Severity::error,
    .where = "S",
    .title = "IP forwarding is off on the director",
    .page = R"md(
## What it means

The director drops replies because the kernel may not forward packets between
interfaces. Requests pass all the same: IPVS takes them from the input path and
sends them on as if they were its own. So "packets do get through" proves
nothing about forwarding.

## How it looks

Leg string `123-`. Inside the real server's SYN-ACK arrives and is repeated;
outside nothing leaves; no ICMP tells anybody. InAddrErrors grows with each
reply:

    nstat -az IpInAddrErrors

The IPVS entry stays SYN_RECV, InPkts of the destination grow, OutPkts do not.

## How it comes about

Never switched on; switched off again by a network restart, a firewall being
stopped or another file in sysctl.d; switched on for `all` but off for the
inside device. IPv6 has a setting of its own.

## How to check by hand

    sysctl net.ipv4.ip_forward net.ipv4.conf.eth1.forwarding
    sysctl net.ipv6.conf.all.forwarding
    ip route get 192.168.1.254 from 10.1.1.2 iif eth1    # "No route to host" = off

## Cure

    sysctl -w net.ipv4.ip_forward=1
    sysctl -w net.ipv6.conf.all.forwarding=1         # for IPv6 services

To stay, in /etc/sysctl.d/60-lvs-nat.conf: `net.ipv4.ip_forward = 1`, then
`sysctl --system`; `grep -r ip_forward /etc/sysctl.* /etc/ufw /usr/lib/sysctl.d`
shows who else writes it. With IPv6 forwarding on, a director that learns its
own default route from router advertisements needs `accept_ra = 2` on that
interface.

## Nearest look-alikes

- LVS203, LVS205: a filter drops the replies; InAddrErrors stays.
- LVS206: rp_filter; `ip route get` says "Invalid cross-device link".
- LVS103: the same seen in packets; this is its cause.

## What this tool needs to see to say so

The setting, read from the kernel or from `sysctl.txt`, for a family that has
services with masquerading; where the inside device is known, its own setting
counts. Destinations that are the director's own addresses need no forwarding.
Without state: LVS103 with this as a candidate.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
