#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule conntrack_drops_replies{
    .code = 205,
    .id = "conntrack-drops-replies",
    .severity = Severity::error,
    .where = "S",
    .title = "A stateful rule drops replies because IPVS does not track connections",
    .page = R"md(
## What it means

With `net.ipv4.vs.conntrack=0` (the default) IPVS takes its connections out of
connection tracking. The reply's SYN-ACK then belongs to no known connection and
is INVALID. A rule that drops invalid packets, or admits established ones only,
kills every reply. Adding "established, related accept" does not help.

## How it looks

Leg string `123-`; the SYN-ACK arrives inside and is repeated after 1, 3, 7 s.

    conntrack -S | grep -o 'invalid=[0-9]*'       # grows
    iptables -nvL FORWARD | grep -i invalid       # so does the rule's counter
    nft list ruleset | grep 'ct state'

## How it comes about

`ct state invalid drop` is in most firewall templates; firewalld has it built
in. The rule is right for a router and wrong for a director without conntrack.

## How to check by hand

    sysctl net.ipv4.vs.conntrack
    nft list chain inet filter forward

Setting conntrack to 1 and trying again settles it in ten seconds.

## Cure

    sysctl -w net.ipv4.vs.conntrack=1

To stay: `net.ipv4.vs.conntrack = 1` in /etc/sysctl.d/60-lvs-nat.conf and
`ip_vs` in /etc/modules-load.d/ipvs.conf (the key exists only once IPVS is
loaded). The price is memory and some speed. Or admit replies before the rule:

    nft insert rule inet filter forward iifname "eth1" ip saddr 10.1.1.0/24 accept

kept in /etc/nftables.conf.

## Nearest look-alikes

- LVS203: the drop does not depend on the state of the connection.
- LVS201: forwarding off; InAddrErrors grows instead of `invalid`.
- LVS213: conntrack is 1 and a flowtable spoils what it gains.
- Passive FTP works with conntrack 0: the helper tracks its own connections.

## What this tool needs to see to say so

The setting 0 and a forward hook that, evaluated with the reply INVALID
(SYN-ACK) or without an entry, drops it, and with it ESTABLISHED would not.
Without the setting (IPVS not loaded, no sysctl.txt) it says `possible`.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
