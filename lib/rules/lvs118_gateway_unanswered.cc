#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule gateway_unanswered{
    .code = 118,
    .id = "gateway-unanswered",
    .severity = Severity::error,
    .where = "P",
    .title = "Nobody answers for the gateway address of the real servers",
    .page = R"md(
## What it means

Real servers look for their gateway, the director's inside address, and nobody
answers. They cannot send one reply, although requests reach them.

## How it looks

Leg string `12--`, and inside, again and again:

    tcpdump -ni eth1 arp
    ARP, Request who-has 10.1.1.9 tell 10.1.1.2      # no reply

On the real server `ip neigh show 10.1.1.9` is INCOMPLETE or FAILED and
`ip route get 192.168.1.254` looks right. The director's requests arrive since
it finds the RIPs by its other inside address.

## How it comes about

The inside VIP of a failover pair is on neither director (only the outside VIP
moved: no sync group); the alias was not brought up; it was put on the wrong
interface or VLAN; `arp_ignore=1` with the address on another device than the
real servers are on; the director was renumbered.

## How to check by hand

    ip -br addr | grep 10.1.1.9                   # on the director
    sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.eth1.arp_ignore
    arping -c3 -I eth0 10.1.1.9                   # on the real server

## Cure

On the director:

    ip addr add 10.1.1.9/24 dev eth1
    arping -U -c3 -I eth1 10.1.1.9

Persistent: keepalived `virtual_ipaddress` in an instance that shares a
`vrrp_sync_group` with the outside VIP; a single director in its network
configuration (netplan `addresses`, networkd `Address=`). If the address is an
old one, correct the real servers instead:

    ip route replace default via 10.1.1.1        # an address that the director has

## Nearest look-alikes

- LVS208: the director's state shows that it lacks the address; this finding is
  its trace on the wire.
- LVS101: the address asked for was never the director's (wrong gateway).
- LVS119: two answers instead of none.
- LVS107: the director asks for the real server, not the other way round.

## What this tool needs to see to say so

At least three unanswered requests from a RIP for an address that is, or should
be, the director's: by its state, by the configuration, or because other real
servers send their replies to the director through it. For any other address it
says LVS101. One lost answer is nothing; answered unicast probes are nothing.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
