#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule no_reply_from_real_server{
    .code = 102,
    .id = "no-reply-from-real-server",
    .severity = Severity::error,
    .where = "P",
    .title = "No reply came back from the real server",
    .page = R"md(
## What it means

The director forwarded the request to the real server and nothing came back to
the director. Either the real server did not answer, or its answer took a way
that cannot be seen from here. The director alone cannot tell these apart by
watching; it can by asking (see below).

## How it looks

Leg string `12--`. On the director's inside the same SYN again after 1, 3 and 7
s, with no SYN-ACK between:

    tcpdump -ni eth1 host 10.1.1.2 and host 192.168.1.254

On the real server either the request arrives and nothing leaves (it drops it,
or has no route back), or an answer leaves (then it is a bypass: LVS101), or
nothing arrives (switch, VLAN, anti-spoofing of a hypervisor or cloud). The IPVS
entry stays SYN_RECV, OutPkts of the destination stays 0. SYN_RECV alone proves
nothing: the entry is also in SYN_RECV after the SYN-ACK has passed.

## How it comes about

- A firewall on the real server drops it. NAT keeps the client's address, so a
  rule that admits only the director lets health checks pass and clients not.
- No route to the client: the SYN-ACK cannot leave (302), no ICMP says so.
- Strict rp_filter on the real server, whose route to the client leads through
  another NIC: the request is dropped on arrival (206).
- Wrong gateway or direct route, with no trace at the director (301, 303, 304).
- Accept or SYN queue full; the host is alive but the program hangs.
- The fabric drops packets with a foreign source (source/destination check, port
  security), or they enter a tunnel whose selectors do not admit clients.

## How to check by hand

From the director, with a source that is not its own:

    lvsdiag probe 10.1.1.2

A reply that comes back inside shows that the gateway is right: look at the
service and firewall of the real server. None, though `ping 10.1.1.2` works: the
way back is wrong (LVS214). On the real server:

    tcpdump -eni any host 192.168.1.254
    ip route get 192.168.1.254 from 10.1.1.2
    nstat -az IpOutNoRoutes TcpExtIPReversePathFilter TcpExtListenOverflows
    nft list ruleset; ss -lnt

## Cure

That of the cause: for a firewall on the real server

    nft insert rule inet filter input tcp dport 80 accept   # keep: /etc/nftables.conf

(admit clients, not only the director); for the way back
`ip route replace default via 10.1.1.9`, kept as LVS301 says; for a cloud,
switch off the source/destination check of the director's inside NIC.

## Nearest look-alikes

- LVS101: the same, with proof of the bypass.
- LVS107: no leg 2 at all, ARP for the RIP unanswered.
- LVS108: the real server does answer, with RST or an ICMP error.
- LVS114, LVS115: the client is in the real servers' network.
- LVS126: the answer comes, late.

## What this tool needs to see to say so

Leg 2 on a captured inside, then a retransmission of the request, or a silence
that the protocol does not explain, and no leg 3; nothing dropped by the
capture. For UDP without retransmission, or one unanswered packet at the end of
a capture, it says nothing or `possible`. The candidates it could not exclude
are listed under `unchecked`.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
