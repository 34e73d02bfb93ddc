#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule rp_filter_drops{
    .code = 206,
    .id = "rp-filter-drops",
    .severity = Severity::error,
    .where = "S R",
    .title = "Strict reverse-path filtering drops packets of the service",
    .page = R"md(
## What it means

The kernel drops a packet because the best route to its source leads out of
another interface than the one it came in by, and the effective rp_filter is 1.
That is the maximum of `all` and the device: 0 on one does not help if the other
is 1.

## How it looks

No ICMP, no rule counter. What grows is

    nstat -az TcpExtIPReversePathFilter

and with log_martians:
`martian source 192.168.1.110 from 192.168.1.254, on dev eth0`. On the director:
`1---` (a request from a source whose route is another uplink; on-link clients
do not even get an ARP reply for the VIP), or `123-` (a reply whose RIP is
routed elsewhere). On the real server: the request arrives and nothing leaves,
`12--`.

## How it comes about

Two uplinks, a second LAN or VPN, the VIP on another NIC; a real server whose
default route is on the management NIC. Without any route to the source even
loose filtering (2) drops. Distributions set 1 or 2 in /usr/lib/sysctl.d.

## How to check by hand

    sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.eth0.rp_filter
    ip route get 192.168.1.110 from 192.168.1.254 iif eth0   # director, request
    ip route get 192.168.1.254 from 10.1.1.2 iif eth1        # director, reply
    ip route get 10.1.1.2 from 192.168.1.254 iif eth0        # real server

"Invalid cross-device link" is this filter.

## Cure

Mend the route if it is wrong. If the path is meant to be asymmetric:

    sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.eth0.rp_filter=2

both lines in /etc/sysctl.d/60-lvs-nat.conf. On a real server loosening alone
turns a drop into a bypass: the reply leaves by the other NIC. Give it the
director as gateway (LVS301) or a source route (LVS305) too.

## Nearest look-alikes

- LVS204: a rule drops; it has a counter.
- LVS102: what a real server that drops looks like from the director.
- LVS116: the VIP is on no interface: `ip route get` is not `local`.
- Rules by firewall mark need `src_valid_mark=1` to count in the reverse lookup.

## What this tool needs to see to say so

Routes, rules and both settings, and an interface that packets come in by (seen,
or by topology); then the lookup is computed, or asked of the live kernel.
Certain when the counter grows or the packets are missing; `likely` otherwise.
On the real server, lvstrace says it. IPv6 has no rp_filter setting.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
