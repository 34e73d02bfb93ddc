#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule path_mtu_black_hole{
    .code = 121,
    .id = "path-mtu-black-hole",
    .severity = Severity::error,
    .where = "P",
    .title = "Full-size packets vanish, small ones pass",
    .page = R"md(
## What it means

Somewhere on the path a link carries less than the packets are long. They have
DF set; the router that cannot pass them reports "fragmentation needed", and
that message is lost. Connections open, small answers work, transfers hang.

## How it looks

Leg string `1234`, and then the same full-size segment (1448 bytes of data, say)
again and again, while shorter ones and the handshake pass.

    tcpdump -ni eth0 'icmp[0] == 3 and icmp[1] == 4'      # IPv6: icmp6 packet too big
    tcpdump -ni eth1 'icmp[0] == 3 and icmp[1] == 4'

Healthy discovery: the message comes in outside (router->VIP, quoting VIP->CIP),
leaves inside translated (router->RIP, quoting RIP->CIP) and the real server
sends smaller segments. Broken: seen outside and not inside (the director
filters it), inside but unheeded (the real server filters it), or nowhere
(filtered upstream).

## How it comes about

PPPoE, VPN or overlay with a smaller MTU behind the clients, or between director
and real server (then the director itself must tell the client); filters that
drop all ICMP; wrong MTU on one host of a wire (jumbo frames).

## How to check by hand

    ping -M do -s 1472 -c3 192.168.1.254      # from director and real server
    tracepath -n 192.168.1.254
    ip route get 192.168.1.254                # on the real server: "mtu 1400"?
    nft list ruleset | grep -i icmp; ip -br link | grep -o 'mtu [0-9]*'

## Cure

Let the message pass on the director (it enters by the input chain):

    nft insert rule inet filter input icmp type { destination-unreachable, time-exceeded } accept
    nft insert rule inet filter input icmpv6 type packet-too-big accept

and on real servers. Where it is lost upstream, clamp the segment size:

    nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu

(replies are forwarded, so this reaches the SYN-ACK). Keep both in
/etc/nftables.conf. Or on real servers, in /etc/sysctl.d:

    sysctl -w net.ipv4.tcp_mtu_probing=1

## Nearest look-alikes

- LVS125: loss that strikes large and small alike.
- LVS111: after a redirect all replies are missing, small ones too.
- LVS103 with LRO: packets larger than the MTU come in on leg 3 and do not
  leave; `ethtool -k eth1 | grep large-receive` says `on`.
- Packets above the MTU in a capture are offload (GRO, TSO) and no fault.

## What this tool needs to see to say so

Repeated full-size segments of one connection without acknowledgement while
smaller packets of it pass, or a fragmentation-needed message that is not
heeded. Discovery that works (the message, then smaller segments) is healthy. A
single connection with few repeats is `possible`.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
