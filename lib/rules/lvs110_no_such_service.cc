#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::own_service || sink.is_claimed(c.record) || !c.vip) continue;
    const LegCount& masq = c.leg(Leg::masq);
    const bool reset = c.protocol == kTcp && c.saw_syn && c.leg(Leg::request).syn && masq.rst && !masq.syn && !masq.data;
    const IcmpSighting* told = nullptr;
    for (const std::uint32_t at : facts.icmp_about(c.record)) {
      const IcmpSighting& i = facts.icmp[at];
      const bool port = i.icmp.unreachable && (i.icmp.v6 ? i.icmp.code == 4 : i.icmp.code == 3);
      if (port && i.source == c.vip->address) told = &i;
    }
    if (!reset && told == nullptr) continue;
    // With the whole server side outside our view somebody else's host may have answered.
    if (!masq.packets && told == nullptr) continue;
    Subject subject;
    subject.service = std::string(c.protocol == kTcp ? "tcp:" : c.protocol == kUdp ? "udp:" : "sctp:") + to_string(*c.vip);
    Finding& f = accuse_connection(facts, sink, no_such_service, subject, s, Severity::warning, Confidence::certain);
    if (told != nullptr) FindingSink::prove(f, facts.evidence(told->frame, "the director answers port unreachable"));
    if (!f.cause.empty()) continue;
    f.title = "Clients call " + to_string(*c.vip) + ", which is no service";
    f.cause = "IPVS has no service for this protocol, address and port, so the director's own " +
              std::string(c.protocol == kTcp ? "TCP answers RST" : "stack answers port unreachable") +
              ". Either the client has the wrong port or the service is missing (or was flushed, or is keyed by a firewall mark "
              "that was not set).";
    Service wanted;
    wanted.protocol = c.protocol == kTcp   ? ServiceProtocol::tcp
                      : c.protocol == kUdp ? ServiceProtocol::udp
                                           : ServiceProtocol::sctp;
    wanted.vip = c.vip->address;
    wanted.port = c.vip->port;
    wanted.v6 = !c.vip->address.is_v4();
    FindingSink::cure(f, cures::add_service(wanted));
    for (const Address& rip : facts.rips) {
      if (rip.is_v4() == c.vip->address.is_v4()) FindingSink::cure(f, cures::add_destination(wanted, rip, 0));
    }
  }
}

}  // namespace

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
    .check = check,
};

}  // namespace lvsnat::rules
