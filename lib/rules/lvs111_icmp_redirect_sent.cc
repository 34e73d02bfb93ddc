#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule icmp_redirect_sent{
    .code = 111,
    .id = "icmp-redirect-sent",
    .severity = Severity::error,
    .where = "P",
    .title = "An ICMP redirect tells a real server to bypass the director",
    .page = R"md(
## What it means

The director (or another router) told a real server by ICMP redirect that the
client can be reached directly. If the real server believes it, the next replies
go round the director and connections hang. A redirect alone breaks nothing, so
this is a warning until replies are seen to leave the path; then it is an error.

## How it looks

    tcpdump -ni eth1 'icmp[0] == 5 or arp'      # IPv6: icmp6 and ip6[40] == 137
    IP 10.1.1.9 > 10.1.1.2: ICMP redirect 192.168.1.254 to host 192.168.1.254

The gateway named is the client itself, or the director's own next router when
the client is remote. The packet quotes RIP->CIP: it is sent before IPVS
rewrites. First at once, then 20 ms << n later, at most 9 until 20 s have passed
without need. What follows on a real server that takes it:
`ARP who-has 192.168.1.254 tell 10.1.1.2` and, in a connection that had all
legs, `12--` from then on. New connections to that client then die at the first
SYN. A Linux real server ignores a redirect about its SYN-ACK and, unless the
client is in its neighbour table, needs a second one about the established
connection: short connections keep working, those with three or more rounds
break. Ping takes the first.

## How it comes about

The reply leaves the director by the interface it came in: one NIC, also with
two logical networks on one wire. `send_redirects` and, on the real server,
`accept_redirects` are 1 by default. The exception lasts 300 s (not the HOWTO's
ten minutes) and is renewed by further redirects. IPv6 has no `send_redirects`
at all: the director always sends them when both interfaces are one.

## How to check by hand

    sysctl -a 2>/dev/null | grep send_redirects     # director: all OR the device counts
    ip route get 192.168.1.254 from 10.1.1.2 iif eth1   # director: flag "redirect"
    nstat -az IcmpOutRedirects
    ip route get 192.168.1.254                      # real server: "redirected", "expires"
    ip route show cache

Two pings of the client from the real server show it too; a UDP traceroute often
does not, because its time-exceeded uses up the rate limit of the redirect.

## Cure

On the director, all three, and in /etc/sysctl.d/60-lvs-nat.conf:

    sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
    sysctl -w net.ipv4.conf.eth0.send_redirects=0
    nft add rule inet filter output icmpv6 type nd-redirect drop      # IPv6

On each real server `ip route flush cache` (that heals those already misled) and

    sysctl -w net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.eth0.accept_redirects=0

## Nearest look-alikes

- LVS202: the settings allow it; no redirect was seen.
- LVS304: its effect, seen on the real server.
- LVS303: a direct route that fails from the very first SYN, without ICMP.
- LVS121: only full-size packets vanish, small ones pass.

## What this tool needs to see to say so

A redirect to a RIP about CIP of a service. Error where later replies of that
real server to that client are missing or go to another MAC; warning where
replies keep coming or the capture ends too soon. A redirect whose source is not
the gateway that the real server uses (VIP primary, DIP secondary address on one
interface) is ignored by Linux and stays a warning.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
