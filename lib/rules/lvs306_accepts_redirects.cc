#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule accepts_redirects{
    .code = 306,
    .id = "accepts-redirects",
    .severity = Severity::warning,
    .where = "R",
    .title = "The real server would believe an ICMP redirect",
    .page = R"md(
## What it means

Nothing is wrong yet. But if the director (or anybody on the wire) sends an ICMP
redirect, this host moves its route to the client. A real server has one way out
and needs no redirects.

## How it looks

    sysctl -a 2>/dev/null | grep -E '(accept|secure)_redirects|shared_media'

The effective value on a host that does not forward is `all` OR the device: both
must be 0. If it forwards, both must be 1 for redirects to count.

## How it comes about

1 is the default. `secure_redirects` protects little: it is consulted only when
`shared_media` is 0; then a redirect to a host that is not a known gateway (such
as the client) is refused. With `shared_media=1`, also a default, any neighbour
named is accepted, even off the subnet, which is how one NIC with two logical
networks gets caught. IPv6 has `net.ipv6.conf.*.accept_redirects` alone.

## How to check by hand

    sysctl net.ipv4.conf.all.accept_redirects net.ipv4.conf.eth0.accept_redirects
    sysctl net.ipv4.conf.all.shared_media net.ipv4.ip_forward
    nstat -az IcmpInRedirects

## Cure

    sysctl -w net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.default.accept_redirects=0
    sysctl -w net.ipv4.conf.eth0.accept_redirects=0
    sysctl -w net.ipv6.conf.all.accept_redirects=0 net.ipv6.conf.eth0.accept_redirects=0

and the same as lines of /etc/sysctl.d/60-lvs-nat.conf
(`net.ipv4.conf.*.accept_redirects = 0` covers all devices). What was learnt
before stays up to 300 s: `ip route flush cache`.

## Nearest look-alikes

- LVS304: it has believed one.
- LVS202, LVS111: the sending side.
- A gateway that is a secondary address of the director: its redirects come from
  the primary one, and Linux ignores those that are not from the gateway in use.

## What this tool needs to see to say so

The settings for the interface that replies leave by, combined as the kernel
does, not read one by one. It warns where a redirect could come: a client or the
VIP is in the real server's own network, or redirects were received (a counter
since boot, or a capture). Elsewhere it is a note, for every host is so by
default. `lvsdiag --with` makes it a note, too, where the director's settings
were read and it sends none.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
