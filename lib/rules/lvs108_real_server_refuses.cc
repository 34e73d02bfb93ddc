#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule real_server_refuses{
    .code = 108,
    .id = "real-server-refuses",
    .severity = Severity::error,
    .where = "P",
    .title = "The real server refuses the request",
    .page = R"md(
## What it means

The request arrived and was turned down: with RST (nothing listens on RIP:port)
or with an ICMP error (a firewall with REJECT, or an unknown protocol). The path
through the director is fine both ways: the refusal used it.

## How it looks

All four legs, the last two being the refusal, within milliseconds:

    tcpdump -ni eth1 host 10.1.1.2 and '(tcp[13] & 4 != 0 or icmp)'

- RST: RIP->CIP inside and VIP->CIP outside with TTL one less (63, 127). IPVS
  state CLOSE for 10 s. The client: "Connection refused".
- ICMP port unreachable (3/3), host or net prohibited (3/9, 3/10), admin
  prohibited (3/13) from the RIP, translated outside to come from the VIP and to
  quote CIP->VIP. IPVS stays SYN_RECV. The client: refused, or "No route to
  host".
- ICMP protocol unreachable (3/2): it received IP-in-IP (122).

## How it comes about

The program is down, or listens on 127.0.0.1 only, or on another port than the
destination says (a missing port in `-r` means the port of the VIP); or the real
server's firewall rejects clients' addresses, which NAT preserves, while it
admits the director's health checks.

## How to check by hand

On the real server:

    ss -lntp sport = :80         # 0.0.0.0:80 or 10.1.1.2:80, not 127.0.0.1:80
    nft list ruleset | grep -i reject

On the director: `ipvsadm -Ln` (is the port of the destination right?).
`curl http://10.1.1.2/` from the director uses the DIP as source: it proves the
listener, not the firewall.

## Cure

Start the service or bind it to all addresses; or correct the port:

    ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.2:8080 -m
    ipvsadm -d -t 192.168.1.110:80 -r 10.1.1.2:80

Firewall of the real server:

    nft insert rule inet filter input tcp dport 80 accept

Persistent: `systemctl enable` the service; `ipvsadm -Sn > /etc/ipvsadm.rules`
or keepalived.conf; /etc/nftables.conf.

## Nearest look-alikes

- LVS110: RST from the director's own TCP: TTL 64, no leg 2, no inside twin.
- LVS109: port unreachable from the VIP without anything inside.
- LVS122: protocol unreachable, because the method is tunnelling.
- A RST after data has flowed is how many programs close; no fault.

## What this tool needs to see to say so

A RST that answers the SYN, or an ICMP error that quotes the request, from the
RIP on the inside. From the outside alone a RST whose TTL shows one hop makes it
`likely`. Clients' own RSTs and resets later in the connection do not count.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
