#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule vip_unclaimed{
    .code = 116,
    .id = "vip-unclaimed",
    .severity = Severity::error,
    .where = "P S",
    .title = "Nobody owns the VIP",
    .page = R"md(
## What it means

IPVS looks at packets that are addressed to the host itself: a VIP that is on no
interface is never matched, whatever `ipvsadm -Ln` shows. Creating a service
does not create the address.

## How it looks

Clients on the wire repeat ARP without an answer and report "No route to host":

    tcpdump -ni eth0 arp host 192.168.1.110
    ARP, Request who-has 192.168.1.110 tell 192.168.1.254

Behind a router that sends the packets anyway, leg string `1---` and the
director treats them like any other: it forwards them back, sends an ICMP
redirect or host unreachable, or asks ARP for the VIP itself. IPVS counters stay
0.

## How it comes about

VRRP is not master here and nowhere else; keepalived died; the alias was not
brought up, or a network reload removed it; IPv6: duplicate address detection
failed. If the address is there and ARP still stays unanswered: `arp_ignore`
(settings for direct routing on a director), `arp off`, the VIP on a dummy
device, or strict rp_filter towards the asking host.

## How to check by hand

    ip -br addr | grep 192.168.1.110
    ip route get 192.168.1.110 from 192.168.1.254 iif eth0    # must say: local
    ip -6 addr show dadfailed
    sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.eth0.arp_ignore
    journalctl -u keepalived | tail

## Cure

    ip addr add 192.168.1.110/32 dev eth0
    arping -U -c3 -I eth0 192.168.1.110

/32 keeps the VIP from adding a route. Persistent: keepalived
`virtual_ipaddress`; netplan or networkd `addresses`/`Address=192.168.1.110/32`;
ifupdown `up ip addr add 192.168.1.110/32 dev eth0`. On a pair of directors only
VRRP may set it (LVS117).

## Nearest look-alikes

- LVS110: the VIP is owned; the port is no service.
- LVS117: too many owners. LVS120: the right owner, the wrong MAC.
- LVS206: address present, requests dropped by rp_filter.
- LVS118: nobody answers for the gateway address, on the inside.

## What this tool needs to see to say so

At least three ARP or neighbour requests for the VIP without an answer from
anyone, or a service whose VIP is on no interface of the director (state:
certain; services by firewall mark are exempt, they may use a local route). On a
standby director a missing VIP is normal: with requests going to another MAC, or
VRRP seen from another host, it stays silent.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
