#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule flowtable_bypasses_ipvs{
    .code = 213,
    .id = "flowtable-bypasses-ipvs",
    .severity = Severity::error,
    .where = "S P",
    .title = "A flowtable forwards established connections past IPVS",
    .page = R"md(
## What it means

nftables hands established flows to a fast path (flowtable). With
`net.ipv4.vs.conntrack=1` it learns connections that IPVS has rewritten, but not
the rewriting: IPVS marks no NAT in the conntrack entry. From then on packets
are forwarded untouched in both directions and the connection dies.

## How it looks

Handshake `1234`; then, from the ACK or the first data on,

    tcpdump -ni eth1 host 192.168.1.110        # CIP > VIP inside: unrewritten
    tcpdump -ni eth0 net 10.1.1.0/24           # RIP > CIP outside: unrewritten

and both ends retransmit. `conntrack -L -d 192.168.1.110` shows [OFFLOAD] or
[HW_OFFLOAD]; `ipvsadm -Ln --stats` stands still while the entry is ESTABLISHED.

## How it comes about

A `flow add` rule for all forwarded traffic: router distributions,
"acceleration" scripts, firewall products. Without conntrack in IPVS the flows
never qualify.

## How to check by hand

    nft list flowtables
    nft list ruleset | grep 'flow add'
    sysctl net.ipv4.vs.conntrack
    conntrack -L 2>/dev/null | grep OFFLOAD

## Cure

Keep the cluster out of the fast path. In /etc/nftables.conf before `flow add`:

    ip daddr != 192.168.1.110 ip saddr != 10.1.1.0/24 flow add @f

then `nft -f /etc/nftables.conf`. At once, if nothing needs tracking:

    sysctl -w net.ipv4.vs.conntrack=0

(and in /etc/sysctl.d; mind LVS205). Flows that are in the table stay there
until they end; `conntrack -D -d 192.168.1.110` removes them.

## Nearest look-alikes

- LVS122: CIP->VIP inside from the first SYN on; method Route.
- LVS104: replies alone leak, after an entry was lost.
- LVS112: legs stop after an idle time.
- LVS121: only full-size packets suffer.

## What this tool needs to see to say so

State: a flowtable in use on the cluster's interfaces, a `flow add` that these
flows reach, and conntrack 1. Packets: a rewritten handshake followed by
unrewritten packets of the same connection on the other side. Either alone is
`likely`; both are certain. Hardware offload can hide the packets from any
capture: then only state speaks.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
