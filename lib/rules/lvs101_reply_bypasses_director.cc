#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule reply_bypasses_director{
    .code = 101,
    .id = "reply-bypasses-director",
    .severity = Severity::error,
    .where = "P",
    .title = "The real server's reply goes round the director",
    .page = R"md(
## What it means

The request reached the real server and the real server answered, but not by way
of the director. Only the director knows that RIP->CIP must become VIP->CIP; the
client gets (if anything) a packet from an address it never talked to, and
answers it with RST. This is the most common fault of LVS-NAT by far.

## How it looks

Leg string `12--`. On the director:

    tcpdump -ni eth0 host 192.168.1.254     # CIP > VIP, SYN again and again
    tcpdump -ni eth1 host 192.168.1.254     # CIP > RIP, and nothing comes back

A switch hides the bypassing reply from the director. What the director still
sees are traces: `ARP, Request who-has 192.168.1.254 tell 10.1.1.2` (broadcast:
the real server looks for the client itself), the same for a gateway that is not
the director's, an ICMP redirect shortly before, or CIP->RIP RSTs. On the real
server (`tcpdump -eni eth0 host 192.168.1.254`) the reply is there, and its
destination MAC is not the source MAC of the request. In the kernel the entry
stays SYN_RECV (`ipvsadm -Lnc`) and OutPkts of the destination stays 0.

## How it comes about

The default gateway is another router (301); a route covers the client directly:
second NIC, left-over network, too wide netmask (303); an ICMP redirect made an
exception (304); an `ip rule` (305); the gateway address is right but its MAC is
that of another host (309). Behind a failover: the real server uses the fixed
address of the standby director instead of the floating one.

## How to check by hand

On the real server; each answer must name the director:

    ip route get 192.168.1.254 from 10.1.1.2      # via 10.1.1.9, no <redirected>
    ip neigh show 10.1.1.9                        # the director's MAC
    lvstrace --client 192.168.1.254 --director 10.1.1.9

From the director, without touching the real server: `lvsdiag probe 10.1.1.2`.
Ping or curl from the director to the RIP proves nothing: the DIP is on-link.

## Cure

On the real server, now:

    ip route replace default via 10.1.1.9

To stay: netplan `routes: [{to: default, via: 10.1.1.9}]`; systemd-networkd
`Gateway=10.1.1.9`; ifupdown `gateway 10.1.1.9`; with DHCP also `UseRoutes=no`
(networkd) or `use-routes: false` (netplan). Where a route or an exception does
it, the cure is that of LVS303 or LVS304. If the default must stay elsewhere:

    ip rule add from 10.1.1.2 lookup 100
    ip route add default via 10.1.1.9 table 100

A MASQUERADE rule on the director is no cure: it does nothing while
`net.ipv4.vs.conntrack` is 0 and turns into full NAT (LVS127) when it is 1.

## Nearest look-alikes

- LVS102: same legs, no proof of a bypass; the real server may just be silent.
- LVS103: the reply does reach the director (`123-`) and dies there.
- LVS118: the gateway asked for is the director's, and nobody answers.
- LVS115, LVS114: the client is on the real servers' own network, or is one.

## What this tool needs to see to say so

Leg 2 captured on the inside, no leg 3 although a retransmission, RST or silence
shows that one was due, and one of the traces above. Without a trace it says
LVS102 and what would settle it. A reply seen on a mirrored or shared wire with
another destination MAC is proof by itself. Where the inside was not captured it
stays silent (LVS902).
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
