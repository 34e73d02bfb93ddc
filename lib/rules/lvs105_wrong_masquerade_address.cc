#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule wrong_masquerade_address{
    .code = 105,
    .id = "wrong-masquerade-address",
    .severity = Severity::error,
    .where = "P",
    .title = "The reply leaves the director with a wrong source address",
    .page = R"md(
## What it means

The reply left the director, but with a source other than the VIP: usually the
first address of the outgoing interface. The HOWTO calls it a wrong m_addr. The
client has no connection with that address and resets it.

## How it looks

Leg string `123!`. Outside:

    tcpdump -ni eth0 dst host 192.168.1.254 and not src host 192.168.1.110

shows the reply's data, sequence numbers and ports from, say, 192.168.1.1; the
client's RST to that address follows (ICMP port unreachable for UDP) and comes
out inside as CIP->RIP. `conntrack -L -s 10.1.1.2` shows the flow with that
address as reply destination; `ipvsadm -Lnc` shows no entry for it.

## How it comes about

A masquerade or SNAT rule took it. That happens only to replies without an IPVS
entry: as long as the entry lives, IPVS rewrites first and the rule is harmless.
So there are two faults: the entry is gone (expired, cleared by `ipvsadm -C`,
`--ops`, failover), and a rule catches what is left.

## How to check by hand

    ipvsadm -Lnc | grep 192.168.1.254
    nft list table ip nat; iptables -t nat -S POSTROUTING
    conntrack -L -s 10.1.1.2 -d 192.168.1.254

## Cure

Cure the loss of the entry first: timeouts (LVS210), `--ops` (LVS211), reload
instead of flush. Then keep the rule off replies of services, e.g. by limiting
it to what real servers open themselves:

    nft insert rule ip nat postrouting ip saddr 10.1.1.0/24 tcp sport 80 accept

Persistent: the same line before the masquerade rule in /etc/nftables.conf, then
`nft -f /etc/nftables.conf`. This turns a wrong source into LVS104, which is
easier to see; the connection is lost either way.

## Nearest look-alikes

- LVS104: same loss without such a rule; the source is the RIP.
- LVS207: the rule is there, no reply has been hurt (yet).
- LVS127: full NAT rewrites the source of requests, on purpose.
- Two VIPs with the same real servers: the reply bears the other VIP. Two
  services that share RIP:port and a client port can collide.

## What this tool needs to see to say so

A reply whose inside twin (same sequence numbers, TTL one more) belongs to a
connection with a known VIP, leaving the client side with another source. From
the outside alone it needs data that continues a known connection. It names the
rule where state shows it.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
