#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule gateway_address_missing{
    .code = 208,
    .id = "gateway-address-missing",
    .severity = Severity::error,
    .where = "S",
    .title = "The director lacks the address that real servers use as gateway",
    .page = R"md(
## What it means

The real servers send replies to a gateway address that is on no interface of
this director. Requests reach them; replies have nobody to go to.

## How it looks

Leg string `12--`; inside `ARP, Request who-has 10.1.1.9 tell 10.1.1.2` without
answer (118), or replies go to another host that does have the address (101).

    ip -br addr

on the director does not show it.

## How it comes about

The inside VIP of a failover pair is up on neither, or on the other director,
while the outside VIP is here (no sync group); an alias that did not survive a
reboot; a typing error in SERVER_DEFAULT_GW or on the real servers; the director
was renumbered or replaced.

## How to check by hand

    ip -br addr show                                  # director, both of a pair
    ip route show default                             # real server
    arping -c3 -I eth0 10.1.1.9                       # real server: who answers?

## Cure

On the director:

    ip addr add 10.1.1.9/24 dev eth1
    arping -U -c3 -I eth1 10.1.1.9

To stay: keepalived `virtual_ipaddress { 10.1.1.9/24 dev eth1 }`, in one
`vrrp_sync_group` with the outside VIP; on a single director netplan
`addresses`, networkd `Address=10.1.1.9/24`, or an ifupdown stanza. If the real
servers are wrong, there: `ip route replace default via DIP`, kept as LVS301
says.

## Nearest look-alikes

- LVS118: the same seen as unanswered ARP.
- LVS101, LVS301: the gateway exists and is another router.
- LVS116: the address that is missing is the VIP.
- A standby director does not have the floating address: no finding there.

## What this tool needs to see to say so

The director's addresses (state) and the gateway the real servers use: from ARP
requests of the RIPs, from lvs_nat.conf (SERVER_DEFAULT_GW), or from lvstrace's
report. If all requests go to another host too (VIP not here either), it takes
this host for the standby and stays silent. An address that was asked for only
once is `possible`.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
