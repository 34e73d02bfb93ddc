#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule redirected_route{
    .code = 304,
    .id = "redirected-route",
    .severity = Severity::error,
    .where = "R",
    .title = "A redirect has moved the real server's route to a client",
    .page = R"md(
## What it means

The routing table is right, yet replies to this client go past the director: an
ICMP redirect left a cached exception that overrides it. The most deceptive
fault of LVS-NAT, as `ip route` shows nothing of it, and it survives the cure on
the director.

## How it looks

    ip route                                # perfect
    ip route get 192.168.1.254
    192.168.1.254 via 192.168.1.254 dev eth0 src 10.1.1.2
        cache <redirected> expires 271sec
    ip route show cache

One exception per client (or other host), 300 s from the last redirect: 293 s
after it is there, 308 s after it is gone. At the director `12--` for this
client only, after earlier connections were complete. IPv6: a /128 route to the
client with `expires`.

## How it comes about

The director, or a router, sent a redirect (111, 202) and this host believes
them (306). The first redirect about an established connection may only start
ARP for the client; the next one installs the exception. While redirects go on
it comes back: 300 s broken, a few good packets, broken again.

## How to check by hand

    ip -s route show cache                    # "redirected", expires
    ip -6 route show cache
    nstat -az IcmpInRedirects
    ip neigh show 192.168.1.254               # the client as a neighbour

## Cure

    ip route flush cache                      # on the real server; IPv6: ip -6 route flush cache

An entry may stay listed afterwards, without `redirected` and by way of the
director: that is fine. So that it does not return: on the director redirects
off (LVS202), and here

    sysctl -w net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.default.accept_redirects=0
    sysctl -w net.ipv4.conf.eth0.accept_redirects=0

kept in /etc/sysctl.d/60-lvs-nat.conf. Waiting five minutes after redirects have
ended is a cure, too.

## Nearest look-alikes

- LVS303: a route in the table; does not expire.
- LVS305: a rule; does not expire.
- LVS111: the redirect on the wire. LVS306: it would be believed.
- An exception with `mtu` only is path MTU discovery: healthy.

## What this tool needs to see to say so

The exception itself, from the kernel, `route-cache.json` or `route-get-*.json`,
flagged `redirected` or with a next hop that is not the director. The kernel
lists an exception only after a packet has used it; a clean list right after a
redirect proves little, so ask again for the client with a connection open. The
seconds left are those at the time of the snapshot.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
