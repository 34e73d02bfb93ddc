#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule ftp_data_not_translated{
    .code = 123,
    .id = "ftp-data-not-translated",
    .severity = Severity::error,
    .where = "P",
    .title = "FTP data connections are not translated",
    .page = R"md(
## What it means

FTP carries addresses inside its control connection. Without the helper
ip_vs_ftp (or where it cannot read them) the client is told the real server's
private address, or the data connection arrives at the director and matches
nothing. Login works, `ls` and transfers hang.

## How it looks

The control connection is `1234`. In its replies, outside:

    tcpdump -nAi eth0 src host 192.168.1.110 and port 21 | grep -E '^227|^229'
    227 Entering Passive Mode (10,1,1,2,195,80)     # must say 192,168,1,110

PASV: the client then tries to connect to 10.1.1.2. EPSV (229): the client sends
SYN to VIP:50000 and gets RST from the director (110). PORT/EPRT: the real
server's SYN from port 20 leaves the director as RIP->CIP. `/proc/net/ip_vs_app`
has no line with `ftp`.

## How it comes about

ip_vs_ftp is not loaded; the service is on another port than 21; control is
encrypted (FTPS), so no helper can read it; for PORT with a dropping forward
policy, the connection from port 20 is new and not admitted.

## How to check by hand

    cat /proc/net/ip_vs_app               # TCP 21 n ftp
    lsmod | grep ip_vs_ftp
    cat /sys/module/ip_vs_ftp/parameters/ports

## Cure

    modprobe ip_vs_ftp
    echo ip_vs_ftp > /etc/modules-load.d/ip_vs_ftp.conf

Other ports: `options ip_vs_ftp ports=21,2121` in /etc/modprobe.d (at most 8).
The helper serves connections that begin after it was loaded, and works with
`net.ipv4.vs.conntrack=0`. FTPS: give the servers a fixed passive range and the
VIP as address (vsftpd `pasv_address=192.168.1.110`, `pasv_min_port`,
`pasv_max_port`), and make control and range one persistent service by firewall
mark:

    nft add rule inet mangle prerouting ip daddr 192.168.1.110 tcp dport { 21, 50000-50100 } \
      meta mark set 21
    ipvsadm -A -f 21 -s wlc -p 300; ipvsadm -a -f 21 -r 10.1.1.2 -m

(table `mangle`: any base chain `type filter hook prerouting priority mangle`.)

## Nearest look-alikes

- LVS209: the same by state, before anybody tried.
- LVS110: what an EPSV data connection alone looks like.
- LVS104: RIP->CIP outside that is no FTP data.
- LVS113: a client that follows 227 with the RIP looks like a direct connection.

## What this tool needs to see to say so

A 227, 229, PORT or EPRT on a forwarded control connection whose address is
untranslated on the other leg, or the data connection that it announces passing
untranslated. The snaplen must cover the line (`-s 0`). Encrypted control stays
unread: then only state (209) can say something.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
