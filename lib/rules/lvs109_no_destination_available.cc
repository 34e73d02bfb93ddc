#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule no_destination_available{
    .code = 109,
    .id = "no-destination-available",
    .severity = Severity::error,
    .where = "P S",
    .title = "The director has no real server to give the client",
    .page = R"md(
## What it means

The service exists, but IPVS found no usable destination: none is configured,
all have weight 0, or all are above their upper threshold. The director refuses
the client at once.

## How it looks

Leg string `1---`. Outside, right after the SYN:

    IP 192.168.1.110 > 192.168.1.254: ICMP 192.168.1.110 tcp port 80 unreachable

from the VIP, TTL 64, quoting CIP->VIP with its TTL unchanged, and nothing
inside. The client reports "Connection refused". ICMP is rate limited, so a busy
client gets about one a second and times out on the rest. The kernel log says
`IPVS: rr: TCP 192.168.1.110:80 - no destination available` (rate limited too:
its absence proves nothing).

## How it comes about

The health checker removed or quiesced everything, rightly (all down) or because
its check is wrong; nobody added real servers after a flush; all drained for
maintenance; `-x` thresholds too low for the load.

## How to check by hand

    ipvsadm -Ln                       # destinations and weights
    ipvsadm -Ln --thresholds
    journalctl -u keepalived | tail   # "Removing service", "lost quorum"
    curl -sv http://10.1.1.2/         # does the real server answer the director?

## Cure

    ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 1     # if it is missing
    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 1     # if its weight is 0
    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 1 -x 0 -y 0   # thresholds

Persistent: where the services come from, that is keepalived.conf
(`real_server`, `weight`; a `sorry_server` gives clients a page meanwhile) or
`ipvsadm -Sn > /etc/ipvsadm.rules`. Hand edits under keepalived are lost.

## Nearest look-alikes

- LVS108: the real server refuses; the request was seen inside.
- LVS107: refused after 3 s, host unreachable, ARP inside.
- LVS110: no service at all: RST for TCP. For UDP both look alike on the wire
  (port unreachable, TTL 64); only the service table tells them apart.
- One destination of several with weight 0 is draining: no finding.

## What this tool needs to see to say so

The ICMP from the VIP with no leg 2, or the service table with no destination
that can be chosen; both make it certain and say which of the three it is. From
packets alone a UDP refusal is `possible` (no such service is as likely), a TCP
refusal by ICMP is certain: a host without the service would have sent RST.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
