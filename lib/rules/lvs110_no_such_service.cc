#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule no_such_service{
    .code = 110,
    .id = "no-such-service",
    .severity = Severity::warning,
    .where = "P",
    .title = "A client asks for a port of the VIP that is no service",
    .page = R"md(
## What it means

A request reached the director for an address and port that IPVS does not
balance. The director's own network stack answered: with RST, because nothing
listens there. Often harmless (scanners), sometimes the reason why a new service
"does not work".

## How it looks

Leg string `1---`, and at once RST/ACK from the VIP with TTL 64 and IP ID 0; for
UDP an ICMP port unreachable. Nothing inside, no entry in `ipvsadm -Lnc`.

    tcpdump -vni eth0 src host 192.168.1.110 and 'tcp[13] & 4 != 0'

TTL 64 says that the packet began its life on the director; a RST by a real
server arrives with 63 or 127.

## How it comes about

The service was never added, or for another port, address or protocol (`-u`
instead of `-t`), or for IPv4 only; the port must be forwarded but is not (EPSV
data without the FTP helper: 123); a firewall mark is not set on these packets;
services were flushed and not restored; or `net.ipv4.vs.backup_only=1` with a
backup synchronisation daemon running makes IPVS ignore every request.

## How to check by hand

    ipvsadm -Ln                              # VIP:port there?
    ss -lnt sport = :80                      # own daemon of the director?
    sysctl net.ipv4.vs.backup_only; ipvsadm -L --daemon
    nft list ruleset | grep -i mark          # for services by firewall mark

## Cure

If it should be a service:

    ipvsadm -A -t 192.168.1.110:80 -s wlc
    ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.2:80 -m

Persistent: `ipvsadm -Sn > /etc/ipvsadm.rules` or a `virtual_server` in
keepalived.conf. If not: filter the port, or leave it.

## Nearest look-alikes

- LVS108: the RST comes from a real server: one hop less TTL, twin inside.
- LVS112: RST with TTL 64 too, but in the middle of a connection.
- LVS109: the service exists and is empty: ICMP instead of RST for TCP.
- LVS116: nobody owns the VIP; then nobody answers either.

## What this tool needs to see to say so

A SYN to an address that is a VIP of some service, answered by RST without any
inside packet, and, where the service table is known, no service that matches.
Ports on which the director itself accepts connections (its own services) are no
finding. With both sides captured it is certain; from the outside alone the TTL
makes it `likely`.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
