#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule duplicate_vip{
    .code = 117,
    .id = "duplicate-vip",
    .severity = Severity::error,
    .where = "P",
    .title = "Two hosts claim the VIP",
    .page = R"md(
## What it means

Two MACs answer for the VIP. Each client or router believes whoever answered
last; connections go to one host or the other, often changing in mid-stream.

## How it looks

    tcpdump -eni eth0 arp host 192.168.1.110
    ... Reply 192.168.1.110 is-at 02:00:00:00:00:01
    ... Reply 192.168.1.110 is-at 02:00:00:00:00:02

also as gratuitous ARP, or as a request with the VIP as sender ("tell
192.168.1.110") from another MAC. IPv6: neighbour advertisements with two link
addresses. Clients see resets and refusals from the wrong host; on the director
IPVS counters stand still while clients complain.

## How it comes about

A real server still has the VIP on `lo` or a NIC from a direct-routing set-up,
without `arp_ignore`; both directors are VRRP master (protocol 112 or 224.0.0.18
filtered, other VRID or password); the VIP is static on both; somebody took the
address. In a one-network LVS a real server with the VIP also hangs itself: it
asks for its gateway with the VIP as sender.

## How to check by hand

    arping -D -c3 -I eth0 192.168.1.110     # on the director: no reply may come
    ip -br addr | grep 192.168.1.110        # on each director and real server
    tcpdump -ni eth0 vrrp                   # more than one source?

Look the foreign MAC up in `ip neigh` or in the switch's table.

## Cure

On the host that must not have it:

    ip addr del 192.168.1.110/32 dev lo

and remove it from its network configuration. It has to stay there for direct
routing? Then, in /etc/sysctl.d:

    sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2

Two masters: let VRRP through between the directors. Afterwards, from the right
one: `arping -U -c3 -I eth0 192.168.1.110`.

## Nearest look-alikes

- LVS120: one old MAC after a failover; only one host answers ARP now.
- LVS119: the same on the inside, for the gateway address.
- LVS116: no answer at all.
- A failover within the capture: the old MAC stops when the new one begins.
- Virtual MACs of VRRP (00:00:5e:00:01:xx) beside the NIC's own are one host.

## What this tool needs to see to say so

Two different MACs that both assert the VIP, the first again after the second (a
single change is a failover). Proxy ARP of the director counts as its own.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
