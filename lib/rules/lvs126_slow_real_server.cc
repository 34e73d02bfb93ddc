#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule slow_real_server{
    .code = 126,
    .id = "slow-real-server",
    .severity = Severity::warning,
    .where = "P",
    .title = "One real server answers much later than its peers",
    .page = R"md(
## What it means

All legs are there, and one real server of a service takes at least three times
as long as the others, and 50 ms more, to answer. Clients sent there wait;
averages over the service hide it.

## How it looks

Leg string `1234`. The time from leg 2 to the first leg 3 that answers it is
long for one RIP, in the handshake (the host or the wire is slow, the queue is
full) or in the first data (the program is).

    tcpdump -ttttni eth1 host 10.1.1.2 and port 80

The director adds next to nothing: legs 1 to 2 and 3 to 4 take microseconds.

## How it comes about

Overload, swapping, a sick disk, a cold cache, another version of the program; a
noisy neighbour on the hypervisor; duplex errors with retransmissions. A
constant 5 or 10 s before the first data: the real server tries to resolve the
client's address and cannot reach its DNS server, because its own connections
leave the director unmasqueraded.

## How to check by hand

    curl -so /dev/null -w '%{time_connect} %{time_starttransfer}\n' http://10.1.1.2/    # and .3
    uptime; vmstat 1 3; ss -lnt          # on the real server: Recv-Q of the listener
    ipvsadm -Ln                          # weights, active connections

On the real server, for the DNS case: `dig -x 192.168.1.254`.

## Cure

Take load off it while you look:

    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 0

(0 drains; a lower weight than the others' suits a weaker machine.) Persistent:
`weight` in keepalived.conf, or `ipvsadm -Sn > /etc/ipvsadm.rules`. A
least-connection scheduler (`wlc`) sends fewer to a slow server by itself. For
DNS, on the director, what real servers open themselves:

    nft add rule ip nat postrouting ip saddr 10.1.1.0/24 oifname "eth0" masquerade

(kept in /etc/nftables.conf; it does not touch replies of live services.)

## Nearest look-alikes

- LVS125: late because packets were lost and repeated.
- LVS102: no answer at all.
- All real servers equally slow: no finding; the application, or something that
  all share.
- A service whose requests differ much (downloads beside pings) can look uneven.

## What this tool needs to see to say so

Legs 2 and 3 on the inside, at least three answers each from the suspect and
from a peer of the same service. A service with one real server has no peer and
gets no such finding.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
