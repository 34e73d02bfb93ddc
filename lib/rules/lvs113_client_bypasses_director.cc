#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule client_bypasses_director{
    .code = 113,
    .id = "client-bypasses-director",
    .severity = Severity::warning,
    .where = "P",
    .title = "A client talks straight to a real server",
    .page = R"md(
## What it means

Someone connects to RIP:port of a forwarded service instead of VIP:port. That is
not a fault of LVS. It confuses tests ("it works", but not through the director)
and in production it means that real servers can be reached from outside.

## How it looks

At the director no leg 1 and often no request at all: CIP->RIP on a shared wire
goes from host to host. A SYN-ACK RIP->CIP that follows no request is what the
director sees, because it is the real server's gateway. What becomes of it:

- `nat_icmp_send=0`, the default: forwarded as it is; the connection works, one
  way direct and one way through the director.
- `nat_icmp_send=1`: ICMP port unreachable from the director to the real server,
  and the reply is dropped: the HOWTO's picture. The client hangs.
- A stateful filter on the director drops it as INVALID: the client hangs.

`ipvsadm -Lnc` has no entry with this client port.

## How it comes about

DNS or a configuration names the RIP; a monitor on a third host; a test from a
client with a route to the real servers' network (by way of the director, or on
the same wire).

## How to check by hand

    tcpdump -eni eth1 'tcp[13] & 18 == 18 and src host 10.1.1.2'
    ip route get 10.1.1.2                 # on the client: is there a way at all?
    sysctl net.ipv4.vs.nat_icmp_send

## Cure

Use the VIP. To close the way in production, on the director:

    nft add rule inet filter forward iifname "eth0" ip daddr 10.1.1.0/24 ct state new drop

kept in /etc/nftables.conf; or on a router in front, which also covers wires
that the director is not on. On the client remove the route to the RIPs.

## Nearest look-alikes

- LVS104: the client did use the VIP; legs 1 and 2 exist, or did.
- LVS127: the client's address is one of the director's.
- Health checks from the director to the RIP: ordinary, never a finding.
- The requests went through the other director of a pair: RIP->CIP without leg 1
  here, legs 1 and 2 there. Look at its `ipvsadm -Lnc`.
- LVS103 is never said without leg 1.

## What this tool needs to see to say so

CIP->RIP:port of a destination from a host that is not the director, or a
SYN-ACK without its SYN when the capture began well before. Error where the
connection hangs, warning where it works. Connections that began before the
capture and ports that are no service are left alone.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
