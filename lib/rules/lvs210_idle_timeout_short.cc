#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule idle_timeout_short{
    .code = 210,
    .id = "idle-timeout-short",
    .severity = Severity::warning,
    .where = "S",
    .title = "IPVS forgets connections sooner than they are used",
    .page = R"md(
## What it means

Connections of a service were seen to be silent for longer than, or nearly as
long as, the IPVS timeout. Their entry expires while both ends believe the
connection open; the next packet is reset (client speaks) or leaks (real server
speaks).

## How it looks

    ipvsadm -L --timeout
    Timeout (tcp tcpfin udp): 900 120 300
    ipvsadm -Lnc                          # column expire runs down to 0

In packets gaps near the timeout; after it RST from the VIP with TTL 64 (112) or
RIP->CIP outside (104). In applications: "connection reset" after lunch.

## How it comes about

Database pools, message queues, gRPC and ssh hold connections for hours. TCP
keep-alives start after 7200 s and only if the program asks for them. 900 s is
the default of IPVS, 300 s for UDP. After the client's FIN the entry lives 60 s
(CLOSE_WAIT), which cannot be set.

## How to check by hand

    ipvsadm -L --timeout
    sysctl net.ipv4.tcp_keepalive_time           # on client and real server
    ss -tno | grep -c keepalive                  # who uses keep-alives

## Cure

    ipvsadm --set 7200 120 300

To stay: keepalived `global_defs { lvs_timeouts tcp 7200 tcpfin 120 udp 300 }`,
or the command in a unit run at boot (`ipvsadm -Sn` does not save it). Each idle
entry costs some 300 bytes. Or keep the line warm, in /etc/sysctl.d of clients
or real servers (sockets with SO_KEEPALIVE only):

    sysctl -w net.ipv4.tcp_keepalive_time=600

With `net.ipv4.vs.conntrack=1` see that `nf_conntrack_tcp_timeout_established`
is not shorter.

## Nearest look-alikes

- LVS112: a connection has been lost that way.
- LVS110: resets to a SYN; nothing to do with idling.
- LVS211: entries are not kept at all.
- Long idle times of connections that are never used again do no harm; the
  finding is about those that spoke again.

## What this tool needs to see to say so

The timeouts (state or keepalived.conf) and, in packets, connections of a
service that spoke again after a silence of more than 80 % of the timeout that
applied. The capture must be longer than that silence. Without packets it says
nothing: a short timeout alone is a choice.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
