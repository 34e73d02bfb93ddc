#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule ftp_helper_missing{
    .code = 209,
    .id = "ftp-helper-missing",
    .severity = Severity::warning,
    .where = "S",
    .title = "The FTP helper is not loaded",
    .page = R"md(
## What it means

There is a service on port 21 and the module ip_vs_ftp is missing. Logging in
works; listings and transfers will not.

## How it looks

In the kernel:

    cat /proc/net/ip_vs_app       # no line "TCP 21 n ftp"

On the wire, once somebody tries: LVS123. PASV answers name the RIP, EPSV data
connections get a RST from the director, PORT connections leave with the RIP as
source.

## How it comes about

IPVS loads schedulers on demand, helpers never. After a reboot it is missing
again unless something loads it.

## How to check by hand

    lsmod | grep ip_vs_ftp
    cat /proc/net/ip_vs_app

## Cure

    modprobe ip_vs_ftp
    echo ip_vs_ftp > /etc/modules-load.d/ip_vs_ftp.conf

Control connections that are open already are not helped; new ones are. With a
dropping forward policy, active FTP (PORT) also needs

    nft insert rule inet filter forward iifname "eth1" ip saddr 10.1.1.0/24 tcp sport 20 accept

kept in /etc/nftables.conf.

## Nearest look-alikes

- LVS123: it has gone wrong in packets.
- LVS203: only PORT fails, PASV works: the forward policy.
- FTP over TLS: no helper can read it; a fixed passive range and a firewall-mark
  service are the way (LVS123).
- FTP on another port than 21 is not recognised by the service table; then only
  packets (LVS123) show it.

## What this tool needs to see to say so

A TCP service on port 21 and the list of modules (`/proc/modules`, or `modules`
in a state directory) or `/proc/net/ip_vs_app`. Without either it is
`unchecked`. A helper built into the kernel does not stand in the list of
modules; the app table decides where both are there.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
