#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule destination_is_local{
    .code = 215,
    .id = "destination-is-local",
    .severity = Severity::warning,
    .where = "S",
    .title = "A destination is an address of the director itself",
    .page = R"md(
## What it means

A service sends clients to an address that the director owns. The packet never
leaves for a real server; it is delivered to a program on the director. That can
be meant (a sorry server, the HOWTO's ssh-forwarded real servers) and works in
part.

## How it looks

Legs 1 and 4 only; legs 2 and 3 stay inside the host and are on no wire.
`ipvsadm -Ln` shows the address with `Masq` or `Local`; `ip route get` calls it
local. For 127.0.0.1: `1---`, silence, and in the kernel log
`stopping DNAT to loopback address`.

## How it comes about

`ssh -L 81:10.1.1.2:80` on the director, and 127.0.0.1:81 or its own address as
RIP; a fallback page served by the director; a RIP typed wrongly.

## How to check by hand

    ip route get 10.1.1.9            # "local" = our own
    ss -lntp sport = :81             # is something listening, and on which address?
    ipvsadm -Ln

## Cure

What works on this kernel: an address of the director that is not 127/8, with a
remapped port, and a program bound to it:

    ssh -L 10.1.1.9:81:10.1.1.2:80 user@10.1.1.2
    ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.9:81 -m

What cannot work: 127/8, which IPVS refuses to rewrite to for clients from
outside. Remove it:

    ipvsadm -d -t 192.168.1.110:80 -r 127.0.0.1:81

Persistent: `ipvsadm -Sn > /etc/ipvsadm.rules` or keepalived.conf
(`sorry_server` for a fallback). The HOWTO's statement that local real servers
never work is about kernels before 2.6.37.

## Nearest look-alikes

- LVS106: `1---` too, with a destination elsewhere.
- LVS122: another forwarding method to another host.
- LVS110: no destination at all; the director's own program is not asked.

## What this tool needs to see to say so

The service table and the director's addresses (state), and a destination with
masquerading that is one of them. The finding names 127/8 (cannot work) apart
from the rest (says what to mind); missing inner legs of such a destination are
never called a fault.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
