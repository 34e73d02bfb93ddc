#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule vip_sent_to_other_host{
    .code = 120,
    .id = "vip-sent-to-other-host",
    .severity = Severity::error,
    .where = "P",
    .title = "Frames for the VIP go to another host's MAC",
    .page = R"md(
## What it means

A client or router sends requests for the VIP to a MAC that is not this
director's. It uses an old neighbour entry, usually that of the director that
had the VIP before a failover.

## How it looks

In a promiscuous or mirrored capture:

    tcpdump -peni eth0 dst host 192.168.1.110     # -p: the director's own share only
    tcpdump -eni eth0 dst host 192.168.1.110      # destination MAC is not ours

Leg string `1---` with the foreign MAC, or no packet at all where a switch
delivers them elsewhere. The director answers ARP for the VIP correctly, and its
IPVS counters stay 0: it does not process frames for other hosts.

## How it comes about

After a failover the gratuitous ARP was lost, sent too early (switch port not
yet forwarding, bond just up) or is ignored by router, switch or hypervisor (ARP
inspection, IP/MAC learning); a static ARP entry. The old director, if it lives
and forwards, may pass requests on and hide the fault until it is switched off.

## How to check by hand

    ip neigh show 192.168.1.110          # on the client or router (or its ARP table)
    ip -br link show eth0                # on the director: the MAC it should be
    arping -c3 -I eth0 192.168.1.110     # on the client: who answers now?

## Cure

From the director that has the VIP:

    arping -U -c3 -I eth0 192.168.1.110       # IPv6: ndsend 2001:db8::110 eth0

or on the client or router `ip neigh flush to 192.168.1.110`. Persistent in
keepalived: `vrrp_garp_master_refresh 60` or `use_vmac`; allow it in switch and
hypervisor; remove static entries.

## Nearest look-alikes

- LVS117: two hosts answer ARP now; here only one does.
- LVS116: nobody answers.
- LVS106: the frame is for the director's MAC and is swallowed.
- A shared wire or hub where frames to other hosts' addresses are ordinary.

## What this tool needs to see to say so

Requests for the VIP to a unicast MAC that is not the director's, with the
director's MAC known (state, ARP answers, legs 2 and 4), and the VIP being the
director's. If legs show that requests do arrive through that MAC (a virtual
MAC, a bond) it is silent. In SLL captures, which hold no destination MAC, it
uses the "other host" mark.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
