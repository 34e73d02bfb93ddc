#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule syn_flood{
    .code = 124,
    .id = "syn-flood",
    .severity = Severity::warning,
    .where = "P",
    .title = "Many half-open connections",
    .page = R"md(
## What it means

Many SYNs arrive and few or none become connections. Every one takes an IPVS
entry (60 s in SYN_RECV) and a place in a real server's SYN queue. An attack, a
scan, or something that keeps honest clients from completing.

## How it looks

`1234` as far as SYN and SYN-ACK go, and no ACK; many clients, often each with
one packet only, or one client with many ports.

    tcpdump -ni eth0 'tcp[13] & 2 != 0 and dst host 192.168.1.110'
    ipvsadm -Lnc | grep -c SYN_RECV
    ipvsadm -Ln --rate                  # connections per second

SYN_RECV counts as active connection, so least-connection schedulers are misled.
Real servers log "Possible SYN flooding", `nstat TcpExtSyncookiesSent` grows.

## How it comes about

Spoofed sources never answer the SYN-ACK; scanners reset or vanish. If leg 3 or
4 is missing instead, clients repeat their SYNs and nobody is attacking: see
below.

## How to check by hand

    ipvsadm -Lnc | awk '/SYN_RECV/ {split($4, a, ":"); n[a[1]]++}
      END {for (c in n) print n[c], c}' | sort -rn | head
    sysctl net.ipv4.vs.drop_entry net.ipv4.vs.drop_packet net.ipv4.vs.secure_tcp
    nstat -az TcpExtSyncookiesSent TcpExtListenOverflows        # real server

## Cure

Filter upstream, where the line is not full yet. On the director for a while:

    sysctl -w net.ipv4.vs.drop_entry=1        # only when memory is short
    nft add rule inet filter input ip daddr 192.168.1.110 tcp flags syn / syn,ack \
      meter flood { ip saddr limit rate over 50/second } drop

On real servers keep `net.ipv4.tcp_syncookies=1`. Persistent: /etc/sysctl.d and
/etc/nftables.conf. `drop_packet` and `secure_tcp` hurt honest clients too.

## Nearest look-alikes

- LVS101, LVS102, LVS103: SYNs repeat because no SYN-ACK gets back; the same
  clients, the same ports, at 1, 3, 7 s.
- LVS125: losses outside; some complete.
- A load test: many connections that do complete.

## What this tool needs to see to say so

At least some hundreds of half-open connections in a short time, with the
SYN-ACK on leg 4 and no ACK, and few that complete besides. The outside must be
captured: without leg 4 it cannot tell a flood from a broken way back. Memory of
this tool is bounded: half-open records are the first to go.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
