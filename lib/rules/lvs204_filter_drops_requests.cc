#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule filter_drops_requests{
    .code = 204,
    .id = "filter-drops-requests",
    .severity = Severity::error,
    .where = "S",
    .title = "The director's filter drops requests",
    .page = R"md(
## What it means

The input hook drops CIP->VIP, or the output hook drops CIP->RIP. IPVS takes a
request only after the input filter has let it pass, and what it forwards goes
through the output hook, never through forward.

## How it looks

Leg string `1---`, silence (REJECT: an ICMP error or RST from the VIP, TTL 64).

- Input: no IPVS entry, `ipvsadm -Ln --stats` does not move.
- Output: the entry is there (SYN_RECV, InPkts grow), no ARP, nothing inside.

    iptables -nvL INPUT; iptables -nvL OUTPUT; nft list ruleset

## How it comes about

The VIP's port was never opened, since no program of the director listens there;
rules were written for forward, where a router would need them; an egress policy
on a hardened host knows nothing of CIP->RIP.

## How to check by hand

    nft list ruleset | grep -A20 -E 'hook (input|output)'
    ipvsadm -Lnc | grep 192.168.1.254      # entry: look at output; none: at input

## Cure

    nft insert rule inet filter input ip daddr 192.168.1.110 tcp dport 80 accept
    nft insert rule inet filter output oifname "eth1" ip daddr 10.1.1.0/24 accept
    iptables -I INPUT -d 192.168.1.110 -p tcp --dport 80 -j ACCEPT
    iptables -I OUTPUT -o eth1 -d 10.1.1.0/24 -j ACCEPT

Persistent: /etc/nftables.conf; `netfilter-persistent save`; firewalld
`firewall-cmd --permanent --add-port=80/tcp`. Admit ICMP errors on input as well
(LVS121).

## Nearest look-alikes

- LVS206: rp_filter drops before any rule; `ip route get` says so.
- LVS203: replies, in the forward hook.
- LVS106: the same trace without a known cause.
- LVS110: a RST by the director's own TCP, not by a rule: no service.

## What this tool needs to see to say so

The ruleset and a verdict of drop for the request computed through all base
chains of input (as CIP->VIP) or output (as CIP->RIP), NAT's own addresses
filled in. Confidence as in LVS203. Rules that admit some clients only are
reported for the clients that packets show, else as `possible`.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
