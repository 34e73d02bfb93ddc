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
provokes the redirect. On Linux 6.1 UDP traceroute does not: the director's
time-exceeded uses up the rate limit that the redirect shares. Ping does it, so
this tool's trace sends more than UDP, and repeats.

## How it comes about

Whatever makes LVS301, 303, 304 or 305 true. Without a default through the
director the trace may also fail because nobody masquerades the real server's
own packets and the client cannot answer 10.1.1.2.

## How to check by hand

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

A trace, hence packets: only with `--probe`, or on a terminal after saying so.
Or `traceroute-cip.txt` in a state directory. The director must be known. Hops
are judged only if one answered; a trace that ends in silence says nothing about
the way back.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
