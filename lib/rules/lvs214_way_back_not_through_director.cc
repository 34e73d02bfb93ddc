#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule way_back_not_through_director{
    .code = 214,
    .id = "way-back-not-through-director",
    .severity = Severity::error,
    .where = "probe",
    .title = "The way-back test got no reply from a real server",
    .page = R"md(
## What it means

The director sent this real server an echo request whose source is not one of
the director's own addresses. The host is alive, but its reply did not come in
on the director's inside interface: the way back does not lead through the
director (or the host does not answer such requests).

## How it looks

    tcpdump -eni eth1 icmp
    IP 203.0.113.7 > 10.1.1.2: ICMP echo request      # from the director
                                                      # and no reply

while `ping 10.1.1.2` (source 10.1.1.9, on-link) is answered. With the right
gateway the reply 10.1.1.2 > 203.0.113.7 comes to the director's MAC. In client
traffic: `12--`.

## How it comes about

Wrong default gateway (301), none (302), a direct or policy route for the tested
source (303, 305), an exception (304); strict rp_filter on the real server drops
the request (206); its firewall drops echo from foreign sources; the fabric
drops foreign sources (then requests of clients do not arrive either).

## How to check by hand

    lvsdiag probe 10.1.1.2
    lvsdiag probe 10.1.1.2 --client 192.168.1.254        # for this client
    hping3 --icmp -a 203.0.113.7 -c 2 10.1.1.2           # the same by hand
    ip route get 203.0.113.7 from 10.1.1.2               # on the real server
    tcpdump -eni eth0 icmp                               # there: does it arrive?

## Cure

On the real server:

    ip route replace default via 10.1.1.9

To stay: netplan `routes: [{to: default, via: 10.1.1.9}]`, networkd
`Gateway=10.1.1.9`, ifupdown `gateway 10.1.1.9`. If its routes are right, look
at its firewall: `nft list ruleset`.

## Nearest look-alikes

- LVS102: clients' connections show the same silence; this test adds that the
  host is alive.
- LVS101: a bypass proven by packets.
- LVS107: the host is not alive: nothing is said about its way back.
- A real server that answers this test and not its clients has a firewall or a
  service problem, or a route for just those clients: test with `--client`.

## What this tool needs to see to say so

It sends packets, so only when asked (`lvsdiag probe`), with CAP_NET_RAW, at
most four a second. It listens on all interfaces. One reply RIP > tested source
that comes in is proof of the right way; an ICMP error to that source is, too.
Otherwise an echo from the director's own address must be answered and the
foreign one not, three times, and the request must have been seen to leave.
Because echo may be filtered, the confidence is then `likely`. It is `certain`
when the real server asks ARP or neighbour discovery for the tested source, or
its reply is seen on its way to another MAC.

A documentation address (another one in each run, since the test itself may
provoke a redirect) tests the default route. A free address of the VIP's network
tests for a left-over network: a warning, or information where that is the real
servers' own network, as long as no client is known there. `--client` tests that
client's way; not where the reply would make the director send a redirect, for
that would break the client's connections.

Nothing is said of a host that answers no echo at all, of one that is down
(LVS107), and where the director hides the source (full NAT, LVS127).
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
