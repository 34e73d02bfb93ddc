#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule real_server_unreachable{
    .code = 107,
    .id = "real-server-unreachable",
    .severity = Severity::error,
    .where = "P",
    .title = "The director cannot reach the real server",
    .page = R"md(
## What it means

The director chose this real server for the client and could not deliver: nobody
answers ARP (or neighbour discovery) for the RIP, or there is no route to it.
Every client sent there fails; with n real servers under `rr` that is one in n.

## How it looks

Leg string `1---`. Inside, once a second:

    ARP, Request who-has 10.1.1.2 tell 10.1.1.9

Outside, after about 3 s: `ICMP host 192.168.1.110 unreachable`, from the VIP,
TTL 64, one for each waiting SYN; the client reports "No route to host". IPVS
translates the director's own ARP failure on the way out, hence the VIP as
source, and the destination's OutPkts grow by these ICMPs without one reply. At
once and without ARP: there is no route to the RIP.

## How it comes about

The real server is off, its interface is down or has lost the address; wrong RIP
in the service; wrong VLAN, cable or bridge; ARP filtered; or the VIP was added
with the netmask of the RIPs' network on the outside NIC, so that the director
asks for the RIP on the outside wire. No health checker removes it.

## How to check by hand

    ip route get 10.1.1.2                # dev must be the inside interface
    ip neigh show 10.1.1.2               # FAILED, INCOMPLETE
    arping -c3 -I eth1 10.1.1.2
    ipvsadm -Ln                          # is this RIP meant to be there?

If `ip route get` names the outside interface: `ip addr show dev eth0`, and look
for the VIP with /24 instead of /32.

## Cure

Repair the host; meanwhile let no client wait for it:

    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 0

Persistent: a health checker (keepalived `TCP_CHECK`) instead of by hand; else
`ipvsadm -Sn > /etc/ipvsadm.rules`. VIP with too wide a netmask:

    ip addr add 192.168.1.110/32 dev eth0; ip addr del 192.168.1.110/24 dev eth0

and the same in the network configuration.

## Nearest look-alikes

- LVS109: refused at once, by port unreachable and without ARP.
- LVS102: the request does leave (leg 2) and stays unanswered.
- LVS108: the real server lives and refuses.
- LVS118: the other way round: the real server cannot find the director.

## What this tool needs to see to say so

At least three unanswered ARP or neighbour requests for the RIP from the
director, or an ICMP host/net unreachable that quotes the request and comes from
the director, TTL 64. Refreshing an entry (unicast ARP that is answered) is
none. Other real servers that answer make it certain; a capture without ARP
packets (filtered) cannot show it.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
