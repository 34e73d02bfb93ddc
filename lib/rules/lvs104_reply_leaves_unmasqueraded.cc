#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule reply_leaves_unmasqueraded{
    .code = 104,
    .id = "reply-leaves-unmasqueraded",
    .severity = Severity::error,
    .where = "P",
    .title = "The reply leaves the director with the real server's address",
    .page = R"md(
## What it means

The director forwarded the reply like any router: RIP->CIP went out on the
client side. IPVS rewrites a reply only if it has an entry for exactly this
connection; here it had none. The client resets, or a filter drops the private
address on the way.

## How it looks

    tcpdump -ni eth0 net 10.1.1.0/24       # RIP > CIP outside: must never happen

Leg string `123-` with RIP->CIP on the outside, its TTL one less than inside. A
client answers RST CIP->RIP. `ipvsadm -Lnc | grep 192.168.1.254` shows no entry.

## How it comes about

- The entry expired: idle for longer than the timeout (900 s established, 120 s
  after FIN, 300 s UDP; CLOSE_WAIT is 60 s and cannot be set), then the real
  server spoke first (112, 210).
- It was cleared: `ipvsadm -C`, a reload that flushes. With the last service the
  kernel takes IPVS out of the way of packets at once; live connections leak.
- It was never kept: one-packet scheduling (211).
- It does not match: the program answered from another address or port than the
  request was sent to (UDP on a host with several addresses, TFTP, SIP).
- It is on the other director: real servers use this one as gateway, the VIP is
  on that one, or a failover happened without connection synchronisation.
- A flowtable forwards past IPVS (213).

## How to check by hand

    ipvsadm -Lnc | grep 192.168.1.254      # an entry? daddr:dport = the source?
    ipvsadm -L --timeout
    ipvsadm -Sn                            # --ops? -m? the service at all?
    ipvsadm -L --daemon                    # synchronisation, if there are two

## Cure

Cure the loss of the entry, not the packet: raise the timeouts (LVS210),

    ipvsadm --set 7200 120 300             # keepalived: lvs_timeouts tcp 7200 tcpfin 120 udp 300

or let programs send keep-alives more often than that; drop `--ops` (LVS211);
bind UDP programs to the RIP; reload instead of clearing; gateway of the real
servers = the floating inside address of the director pair.

## Nearest look-alikes

- LVS105: same loss, but a masquerade rule gave the packet another source.
- LVS113: the client never used the VIP; with `nat_icmp_send=0` (the default)
  such a connection works. No leg 1, no leg 2.
- LVS103: nothing leaves at all.
- A connection that the real server itself opened (source port not that of the
  service) is no reply and no fault of LVS.

## What this tool needs to see to say so

RIP->CIP on the client side, sourced at the director, from RIP:port of a
destination, for a connection whose legs 1 or 2 were seen, or which state lists.
Stray packets after FIN or RST are set aside: late retransmissions of a finished
connection leak harmlessly.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
