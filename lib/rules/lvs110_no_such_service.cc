#include <algorithm>

#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

/// A service that is in the table, and the director's own TCP answers for it all the same: IPVS let the SYN go by. What a real
/// server answers has lost a hop.
bool passed_over(const Facts& facts, const Connection& c) {
  if (c.kind != ConnectionKind::masqueraded || !c.service || *c.service >= facts.services.size() || facts.inferred) return false;
  const LegCount& masq = c.leg(Leg::masq);
  // Another host that has the VIP, too, refuses what it does not know (LVS117, LVS120).
  const auto claimed = facts.macs.find(c.vip ? c.vip->address : Address{});
  if (!c.vip || (claimed != facts.macs.end() && claimed->second.size() > 1)) return false;
  if (masq.packets != 0 && !facts.director_macs.empty()) {
    const Mac from = facts.path(masq.path).source;
    if (!from.is_none() && !facts.is_director(from)) return false;
  }
  return c.protocol == kTcp && c.saw_syn && c.leg(Leg::request).syn && masq.rst && !masq.syn && !masq.data && masq.ttl == 64 &&
         !c.saw(Leg::demasq) && !c.saw(Leg::reply);
}

void tell_passed_over(const Facts& facts, Outlook& outlook, Finding& f, const Connection& c) {
  const std::string vip = to_string(*c.vip);
  f.title = "IPVS leaves requests to " + vip + " alone, and the director refuses them";
  f.cause =
      "The service is known, and yet nothing is forwarded: the director's own TCP answers RST, with a TTL of 64 that no "
      "answer of a real server would have. ";
  if (const Prediction* p = outlook.of(c); p != nullptr && p->leg(Leg::request).cause == LegCause::diverted) {
    f.title = "Requests to " + vip + " are taken away before IPVS sees them";
    f.cause +=
        "A rule gives the requests another destination in prerouting; IPVS comes later, at input, and has no service for "
        "that one.";
    FindingSink::prove(f, saved(facts, p->leg(Leg::request).decides));
    FindingSink::cure(f,
                      Cure{Where::director, "nft -a list ruleset   # remove that rule, or let it leave out the service's address",
                           "/etc/nftables.conf, or whoever loads the rule"});
    return;
  }
  if (facts.state != nullptr) {
    // sysctl_backup_only() in net/netfilter/ipvs/ip_vs_core.c: only while a backup daemon runs. A state directory does not tell.
    const auto& sync = facts.state->ipvs.sync;
    const bool backup = std::any_of(sync.begin(), sync.end(), [](const SyncDaemon& d) { return !d.master; });
    if (sysctl_number(*facts.state, "net.ipv4.vs.backup_only").value_or(0) != 0 && (backup || sync.empty())) {
      f.cause +=
          std::string("net.ipv4.vs.backup_only is 1: ") +
          (backup ? "since a backup synchronisation daemon runs here" : "if a backup synchronisation daemon runs here") +
          ", that tells IPVS to leave every packet alone, for another director is to do the work. Requests come here all the "
          "same.";
      if (!backup) FindingSink::unchecked(f, "whether a synchronisation daemon runs: ipvsadm -L --daemon");
      FindingSink::prove(f, setting(facts, "net.ipv4.vs.backup_only"));
      if (backup) FindingSink::prove(f, saved(facts, "a backup synchronisation daemon runs (ipvsadm -L --daemon)"));
      FindingSink::cure(f, Cure{Where::director, "sysctl -w net.ipv4.vs.backup_only=0",
                                "/etc/sysctl.d/60-lvs-nat.conf: net.ipv4.vs.backup_only = 0"});
      FindingSink::cure(f, Cure{Where::director, "ipvsadm --stop-daemon backup   # if this director is the master now",
                                "keepalived: lvs_sync_daemon follows VRRP by itself"});
      return;
    }
  }
  f.cause +=
      "Either the service was not in the table at that time (flushed and restored, added later), or IPVS ignores requests "
      "as a backup (net.ipv4.vs.backup_only=1).";
  FindingSink::cure(f, Cure{Where::director, "ipvsadm -Ln; ipvsadm -L --daemon; sysctl net.ipv4.vs.backup_only", std::nullopt});
  if (facts.state == nullptr) FindingSink::unchecked(f, "the director's kernel state (lvsdiag on the director, or --state)");
}

void check_passed_over(const Facts& facts, FindingSink& sink) {
  Outlook outlook(facts);
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (sink.is_claimed(c.record) || !passed_over(facts, c)) continue;
    Subject subject;
    subject.service = service_text(facts, c);
    Finding& f = accuse_connection(facts, sink, no_such_service, subject, s, Severity::error,
                                   missing_demasq(facts, s).missing ? Confidence::certain : Confidence::likely);
    if (f.cause.empty()) tell_passed_over(facts, outlook, f, c);
  }
}

void check(const Facts& facts, FindingSink& sink) {
  check_passed_over(facts, sink);
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
finding. Of a service that is known, such a RST (TTL 64, no leg 2) is an error:
IPVS leaves the requests alone. With both sides captured it is certain; from the
outside alone the TTL makes it `likely`.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
