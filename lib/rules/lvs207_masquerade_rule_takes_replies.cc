#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule masquerade_rule_takes_replies{
    .code = 207,
    .id = "masquerade-rule-takes-replies",
    .severity = Severity::warning,
    .where = "S",
    .title = "A masquerade rule would take replies that IPVS has lost",
    .page = R"md(
## What it means

A source-NAT rule on the director matches RIP->CIP going out. As long as IPVS
has an entry for the connection, it is harmless: IPVS rewrites first. Once the
entry is gone, the rule gives late replies a wrong source instead of leaving
them as they are.

## How it looks

Nothing in healthy traffic. After an entry is lost: LVS105, a reply from the
first address of the interface, and a client's RST to that address.

    nft list ruleset | grep -B5 -iE 'masquerade|snat'
    iptables -t nat -nvL POSTROUTING

## How it comes about

The rule is there so that real servers can reach the internet themselves, which
is fine, or because an old document (kernel 2.2) asked for it. On any kernel
since 2.4 LVS needs no such rule.

## How to check by hand

    nft list table ip nat
    sysctl net.ipv4.vs.conntrack         # with 1 a rule on the inside is full NAT
    ipvsadm -L --timeout

## Cure

If real servers need no connections of their own: delete it. Otherwise except
the ports of the services, before the rule:

    nft insert rule ip nat postrouting ip saddr 10.1.1.0/24 tcp sport 80 accept
    iptables -t nat -I POSTROUTING -s 10.1.1.0/24 -p tcp --sport 80 -j ACCEPT

kept in /etc/nftables.conf or with `netfilter-persistent save`. And look after
what loses entries: LVS210, LVS211. It is a matter of tidiness: leaving the rule
alone is a defensible choice.

## Nearest look-alikes

- LVS105: it has happened.
- LVS127: the rule matches requests towards the real servers.
- LVS104: entry lost, no rule.
- A rule limited to other sources, interfaces or ports: no finding.

## What this tool needs to see to say so

A postrouting rule with masquerade or snat that matches RIP->CIP with the
service's source port and the outside interface, in state. It stays a warning,
and is left out where LVS105 names the rule already. Snat to the VIP itself is
reported as info-like `possible`: late replies then carry the right address.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
