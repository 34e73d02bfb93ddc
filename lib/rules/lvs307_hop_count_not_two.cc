#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule hop_count_not_two{
    .code = 307,
    .id = "hop-count-not-two",
    .severity = Severity::warning,
    .where = "R",
    .title = "The way to the client is not two hops by the director",
    .page = R"md(
## What it means

From a real server a client on the other side of the director is two hops away:
first the director, then the client (more if there are routers beyond; the first
hop is what counts). One hop is a direct path; another first hop is another
router.

## How it looks

    traceroute -n 192.168.1.254
     1  10.1.1.9  0.4 ms
     2  192.168.1.254  0.8 ms            # right

    1  192.168.1.254  0.4 ms             # direct: 303, or redirected: 304
    1  10.1.1.1  0.3 ms                  # wrong gateway: 301

The HOWTO runs it thrice and sees one hop the third time, as the test itself
provokes the redirect. On Linux 6.1 UDP traceroute does not. This tool's trace
sends ICMP, UDP and TCP by turns, in four rounds: where the director sends
redirects and the real server believes them, the second or third round shows one
hop, and the route exception is there afterwards (LVS304).

## How it comes about

Whatever makes LVS301, 303, 304 or 305 true. Without a default through the
director the trace may also fail because nobody masquerades the real server's
own packets and the client cannot answer 10.1.1.2.

## How to check by hand

    lvstrace --probe --client 192.168.1.254 --director 10.1.1.9
    ping -c3 192.168.1.254; traceroute -n 192.168.1.254; ip route get 192.168.1.254
    tcpdump -eni eth0 'icmp[0] == 5'

## Cure

That of the finding beside it; the common one:

    ip route replace default via 10.1.1.9 dev eth0

To stay: netplan `routes: [{to: default, via: 10.1.1.9}]`, networkd
`Gateway=10.1.1.9`, ifupdown `gateway 10.1.1.9`. One hop although `ip route get`
is right: look for redirects and `ip route flush cache`.

## Nearest look-alikes

- LVS301, LVS303, LVS304, LVS305: name the route; this is what packets do.
- LVS308: the client is reachable at all.
- A director that sends no time-exceeded (filtered) shows `*` as first hop: no
  finding, `unchecked`.
- The director's other addresses (VIP, outside) as first hop are the director.

## What this tool needs to see to say so

A trace, hence packets: only with `--probe`, with CAP_NET_RAW, at most four a
second. Or `traceroute-cip.txt` in a state directory. The director must be
known, by address or by the MAC that answers. Hops are judged only if one
answered; a trace that ends in silence says nothing about the way back. A first
hop that nobody knows is accused only where the route leads to another gateway
or a redirect praised it: a director may answer with any of its addresses.

TCP probes are SYN-ACKs from the service's own port to port 9 of the client, as
if they were replies: no connection of a client has that port, no state is made
on the way, and the client's reset reaches nobody. A redirect that the trace
provokes is one that the next reply of a connection would have provoked.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
