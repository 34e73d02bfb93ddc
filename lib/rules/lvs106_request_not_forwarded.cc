#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule request_not_forwarded{
    .code = 106,
    .id = "request-not-forwarded",
    .severity = Severity::error,
    .where = "P",
    .title = "The request enters the director and nothing leaves it",
    .page = R"md(
## What it means

The client's request arrived at the director's MAC, and neither a forwarded
request, nor a refusal, nor an ARP for the real server followed. The director
swallowed it, and nothing seen so far says why. If anything did, the finding
would be another one.

## How it looks

Leg string `1---`.

    tcpdump -ni eth0 host 192.168.1.110 and port 80    # SYN at 0, 1, 3, 7 s
    tcpdump -ni eth1 host 192.168.1.254                # nothing

`ipvsadm -Lnc` usually has no entry for the client. If it has one, the request
was scheduled and died on its way out.

## How it comes about

Without an entry: the input chain drops CIP->VIP (204), which runs before IPVS;
strict rp_filter (206); the conntrack table is full; a PREROUTING DNAT, TPROXY
or eBPF program takes the packet first; IPVS defends itself (`drop_packet`); the
frame was sent to another host's MAC and only seen in promiscuous mode (120);
the firewall mark of the service is not set. With an entry: the output chain
drops CIP->RIP (204); the destination was removed and `expire_nodest_conn=0`
(112); the RIP is in 127/8 (215).

## How to check by hand

    ip route get 192.168.1.110 from 192.168.1.254 iif eth0   # must say: local
    ipvsadm -Lnc | grep 192.168.1.254
    ipvsadm -Ln --stats                                      # does InPkts grow?
    nft list ruleset; iptables -nvL INPUT; iptables -nvL OUTPUT
    nstat -az TcpExtIPReversePathFilter; dmesg | grep -i 'table full'
    sysctl net.ipv4.vs.drop_packet net.ipv4.vs.drop_entry net.ipv4.vs.secure_tcp

"Invalid cross-device link" from the first command is rp_filter.

## Cure

By cause. A filter on the way in:

    nft insert rule inet filter input ip daddr 192.168.1.110 tcp dport 80 accept

on the way out the same in chain output with `ip daddr 10.1.1.2`; keep both in
/etc/nftables.conf. rp_filter: LVS206. Table full: a larger
`net.netfilter.nf_conntrack_max` in /etc/sysctl.d.

## Nearest look-alikes

- LVS107: ARP for the RIP goes out unanswered, host unreachable after 3 s.
- LVS109: the director refuses at once with ICMP port unreachable.
- LVS110: the director's own TCP answers RST: there is no such service.
- LVS112: earlier packets of the same connection were forwarded.
- LVS125: single requests lost, others forwarded.

## What this tool needs to see to say so

A request to a known service at the director's MAC, both sides captured, nothing
dropped by the capture, and at least one unpaired retransmission (a single
unpaired packet is no absence). With kernel state it lists what that excludes
and names the cause as 203-206, 212 or 215 instead where it can.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
