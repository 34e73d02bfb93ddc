#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule send_redirects_on{
    .code = 202,
    .id = "send-redirects-on",
    .severity = Severity::warning,
    .where = "S",
    .title = "The director may send ICMP redirects to real servers",
    .page = R"md(
## What it means

Clients (or the way to them) and real servers are on one interface of the
director, and its settings let it tell real servers by ICMP redirect to go round
it. Nothing is broken yet; it will be for connections with several rounds, one
client at a time and for 300 s each.

## How it looks

Nothing on the wire until replies flow; then LVS111. The kernel says beforehand:

    ip route get 192.168.1.254 from 10.1.1.2 iif eth0
    ... cache <redirect> iif eth0

## How it comes about

`send_redirects` is 1 by default, and what counts is `all` OR the device:
writing 0 to `all` alone changes nothing. `default` is copied when a device is
created, so a new VLAN or bond comes up with 1. Two logical networks on one wire
are redirected too: `shared_media` is 1, and setting it to 0 on the director
does not help while the client is on-link (on the real server it does).

## How to check by hand

    sysctl -a 2>/dev/null | grep '\.send_redirects'
    nstat -az IcmpOutRedirects

## Cure

All three, and the same lines in /etc/sysctl.d/60-lvs-nat.conf:

    sysctl -w net.ipv4.conf.all.send_redirects=0
    sysctl -w net.ipv4.conf.default.send_redirects=0
    sysctl -w net.ipv4.conf.eth0.send_redirects=0

`net.ipv4.conf.*.send_redirects = 0` in the file covers devices to come. IPv6
has no such setting; drop what is sent:

    nft add rule inet filter output icmpv6 type nd-redirect drop

(/etc/nftables.conf). If redirects have been out already, `ip route flush cache`
on every real server.

## Nearest look-alikes

- LVS111: redirects seen on the wire.
- LVS306: the other end: the real server would believe them.
- LVS304: one has been believed.
- Two interfaces with redirects on: harmless, the director redirects only what
  leaves by the interface it came in. No finding.

## What this tool needs to see to say so

The effective setting (`all` or device) and an interface over which both the
route to a RIP and the route to clients lead: seen in packets, or by routes for
clients known from connections. Error once a redirect was seen to move a real
server's route. Where the real servers' gateway is a secondary address of the
director, redirects come from another source and are ignored: `possible` then.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
