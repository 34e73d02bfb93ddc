#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule client_reachable_directly{
    .code = 308,
    .id = "client-reachable-directly",
    .severity = Severity::info,
    .where = "R",
    .title = "The real server can reach the client",
    .page = R"md(
## What it means

Information, not a fault: the real server got an answer from a client address
when it asked by itself. In production real servers are meant to speak to
clients only through IPVS; here packets of their own get through as well. Tests
then "work" for the wrong reason, and a broken-into real server can call out.

## How it looks

    ping -c1 192.168.1.254         # from the real server: an answer

with two hops: the director forwards (and perhaps masquerades) them. With one
hop it is a fault: LVS303 or LVS304.

## How it comes about

`ip_forward` is on, as it must be, and no filter limits what real servers may
open; the client has a route to 10.1.1.0/24, or a masquerade rule hides the real
server. In a test set-up on one wire this is ordinary.

## How to check by hand

    lvstrace --probe --client 192.168.1.254 --director 10.1.1.9
    traceroute -n 192.168.1.254
    nft list ruleset | grep -A20 'hook forward'     # on the director
    ip route get 10.1.1.2                           # on the client

## Cure

None is needed for LVS to work. To close it, on the director, admitting replies
of services only:

    nft add rule inet filter forward iifname "eth1" tcp flags syn / syn,ack drop
    nft add rule inet filter forward iifname "eth1" icmp type echo-request drop

kept in /etc/nftables.conf. Think of DNS, package updates and mail before you
do: real servers often need some of it. SYN-ACKs of services are not matched,
active FTP (from port 20) is.

## Nearest look-alikes

- LVS303, LVS304: reached directly, past the director.
- LVS307: the hop count is wrong.
- LVS113: the same openness in the other direction, used by a client.

## What this tool needs to see to say so

An answer to a probe of lvstrace (`--probe`), by way of the director. Never from
routes alone: a route is no proof that an answer comes back. Nothing is said
where no probe was allowed.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
