#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule connection_forgotten{
    .code = 112,
    .id = "connection-forgotten",
    .severity = Severity::error,
    .where = "P",
    .title = "The director has forgotten an open connection",
    .page = R"md(
## What it means

The connection worked, then its next packet was not forwarded any more: its IPVS
entry is gone, or the destination it pointed to is. The application sees a reset
or a hang "at random", typically after a pause.

## How it looks

`1234` at first; then leg 1 alone. Two pictures:

- RST from the VIP, TTL 64, to a packet that is no SYN, nothing inside: the
  entry is gone and the director's own TCP answered. If the real server speaks
  first instead, its data leaves as RIP->CIP (104).
- Silence, leg 1 repeated: the entry is there, its destination was removed, and
  `expire_nodest_conn` is 0. With 1 the first packet is dropped and the
  retransmission gets the RST.

Both ends still show ESTABLISHED (`ss -tn`).

## How it comes about

The gap before it tells. Longer than the IPVS timeout (900 s established, 120 s
after a FIN, 300 s UDP): expired; TCP keep-alives start after 7200 s by default,
far too late. A client that has sent FIN and waits: CLOSE_WAIT is 60 s and
cannot be set. No gap, many connections at once: services were flushed, a
destination deleted by a rolling update, or the VIP moved to a director that has
no entries.

## How to check by hand

    ipvsadm -L --timeout
    ipvsadm -Lnc | grep 192.168.1.254
    ipvsadm -Ln                                   # is the RIP still there?
    sysctl net.ipv4.vs.expire_nodest_conn net.ipv4.tcp_keepalive_time
    ipvsadm -L --daemon                           # two directors: synchronised?

## Cure

    ipvsadm --set 7200 120 300

Persistent: keepalived `lvs_timeouts tcp 7200 tcpfin 120 udp 300`, or a unit
that runs the command at boot. Or let the programs keep the line warm, on client
or real server, in /etc/sysctl.d (only sockets with SO_KEEPALIVE):

    sysctl -w net.ipv4.tcp_keepalive_time=600

Removed destinations: set weight 0 and wait before deleting; and

    sysctl -w net.ipv4.vs.expire_nodest_conn=1

Failover: `ipvsadm --start-daemon master --mcast-interface eth1` on the active,
`backup` on the other (keepalived: `lvs_sync_daemon`).

## Nearest look-alikes

- LVS110: RST with TTL 64 as well, but to a SYN.
- LVS210: the timeouts are short for what connections were seen to idle.
- LVS101, LVS111: leg 2 goes on; only replies fail.
- LVS107: ARP for the RIP: the real server died.

## What this tool needs to see to say so

Legs 1 and 2 earlier in the same connection, no FIN from both sides and no RST
since, then packets on leg 1 without leg 2 and either the director's RST or
retransmissions. The idle time it saw is in the evidence; with the timeouts from
state it says whether that explains it. A connection whose beginning was not
captured is accused only if its RST is the director's.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
