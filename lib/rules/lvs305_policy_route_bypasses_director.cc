#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule policy_route_bypasses_director{
    .code = 305,
    .id = "policy-route-bypasses-director",
    .severity = Severity::error,
    .where = "R",
    .title = "A policy rule sends replies past the director",
    .page = R"md(
## What it means

The main routing table leads to the director, but an `ip rule` picks another
table for replies to this client, and that one does not.

## How it looks

    ip rule
    0:      from all lookup local
    100:    from 10.1.1.2 lookup 50
    32766:  from all lookup main
    ip route show table 50
    default via 10.1.1.1 dev eth0
    ip route get 192.168.1.254                   # right: via 10.1.1.9
    ip route get 192.168.1.254 from 10.1.1.2     # wrong: via 10.1.1.1

At the director `12--`, for all clients or for those that the rule selects.

## How it comes about

Multi-homing recipes ("answer where it came in"), VPN clients, container
networks, cloud agents that write a table per NIC, rules by mark set in the
firewall. Often it was there before the host became a real server.

## How to check by hand

    ip rule; ip -6 rule
    ip route show table all | grep -v 'table local'
    ip route get 192.168.1.254 from 10.1.1.2 iif lo
    nft list ruleset | grep 'mark set'     # for rules with fwmark: mark 0x1 in `ip route get`

## Cure

Correct the table, so that others who use it profit as well:

    ip route replace default via 10.1.1.9 dev eth0 table 50

or remove the rule: `ip rule del priority 100`; or put one before it:

    ip rule add from 10.1.1.2 lookup main priority 90

To stay: netplan `routing-policy`, systemd-networkd `[RoutingPolicyRule]` and
`[Route] Table=50`, NetworkManager `ipv4.routing-rules`, or the VPN's or agent's
own configuration, which else writes it again.

## Nearest look-alikes

- LVS301: the main table itself is wrong.
- LVS304: an exception, `redirected`, in whatever table.
- LVS303: an on-link route, without a rule.
- A rule that selects other sources, ports or marks than replies have: none.

## What this tool needs to see to say so

`ip rule` and all tables, or the live kernel's answer for the RIP as source that
differs from the one without. Rules by mark, uid or port are evaluated only as
far as state tells what replies carry; else it says `possible` and names the
rule.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
