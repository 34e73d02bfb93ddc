#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule reply_sent_to_other_mac{
    .code = 309,
    .id = "reply-sent-to-other-mac",
    .severity = Severity::error,
    .where = "R",
    .title = "Replies leave to another MAC than requests come from",
    .page = R"md(
## What it means

On the real server's own wire: requests arrive from one MAC, the director's, and
the replies of the same connection leave to another. Whatever the tables say,
packets go elsewhere.

## How it looks

    tcpdump -eni eth0 host 192.168.1.254
    02:..:01:01 > 02:..:02:02  192.168.1.254.40000 > 10.1.1.2.80: Flags [S]
    02:..:02:02 > 02:..:01:99  10.1.1.2.80 > 192.168.1.254.40000: Flags [S.]

The second MAC is another router's, the client's own, or that of a director that
is no longer active. At the director `12--`.

## How it comes about

A wrong gateway (301), a direct route (303), an exception (304), a rule (305);
or the gateway address is right and `ip neigh` holds an old MAC for it: after a
failover whose gratuitous ARP was lost, a static entry, or two hosts that claim
it (119).

## How to check by hand

    ip route get 192.168.1.254 from 10.1.1.2      # next hop
    ip neigh show                                 # which address has that MAC?
    arping -c3 -I eth0 10.1.1.9                   # who answers for the gateway now?

## Cure

If the next hop is right and its MAC is old:

    ip neigh flush to 10.1.1.9 dev eth0

and from the director `arping -U -c3 -I eth1 10.1.1.9`; to stay, keepalived
`vrrp_garp_master_refresh 60`, and no static entries. If the next hop is wrong:
`ip route replace default via 10.1.1.9`, kept as LVS301 says.

## Nearest look-alikes

- LVS301, LVS303, LVS304, LVS305: the reason, where the tables show it; this is
  then listed among their consequences.
- LVS119: two hosts claim the gateway address at the same time.
- LVS120: the same sort of stale entry, for the VIP, at the client.
- A director that sends with its own MAC and is addressed by a virtual one of
  VRRP (00:00:5e:00:01:xx): the same host, no finding.

## What this tool needs to see to say so

Request and reply of one connection with Ethernet headers, from the real server
(`-i`, or `-r` of a capture made there). Cooked captures (`-i any`) hold no
destination MAC: `unchecked`. Connections with the source DIP (health checks,
full NAT) are on-link and are not counted.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
