#include <algorithm>

#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

/// What the kernel's state says of a service's destinations; empty where it does not explain a refusal.
std::string reason(const Service& s) {
  if (s.destinations.empty()) return "the service has no real server";
  const bool all_zero =
      std::all_of(s.destinations.begin(), s.destinations.end(), [](const Destination& d) { return d.weight == 0; });
  if (all_zero) return "every real server has weight 0";
  const bool all_full = std::all_of(s.destinations.begin(), s.destinations.end(), [](const Destination& d) {
    return d.weight == 0 ||
           (d.upper_threshold.value_or(0) != 0 && d.active.value_or(0) + d.inactive.value_or(0) >= *d.upper_threshold);
  });
  return all_full ? "every real server is above its connection threshold" : std::string();
}

void cure_service(Finding& f, const Service& s) {
  if (s.destinations.empty()) {
    FindingSink::cure(f, cures::add_destination(s, Address::v4(0x0a010102), 0));
    if (!f.cure.empty()) f.cure.back().command += "   # with the address of a real server";
  }
  for (const Destination& d : s.destinations) {
    if (d.weight == 0) FindingSink::cure(f, cures::weight(s, d, 1));
    if (d.upper_threshold.value_or(0) != 0) FindingSink::cure(f, cures::lift_thresholds(s, d));
  }
}

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record) || c.saw(Leg::demasq) || !c.service ||
        *c.service >= facts.services.size())
      continue;
    const IcmpSighting* told = nullptr;
    for (const std::uint32_t at : facts.icmp_about(c.record)) {
      const IcmpSighting& i = facts.icmp[at];
      const bool port = i.icmp.unreachable && (i.icmp.v6 ? i.icmp.code == 4 : i.icmp.code == 3);
      if (port && c.vip && i.source == c.vip->address) {
        told = &i;
        break;
      }
    }
    if (told == nullptr) continue;
    // From outside alone a firewall on a real server looks the same, but for one hop of TTL.
    const bool own = told->ttl == 64 || told->ttl == 128 || told->ttl == 255;
    if (!facts.inside_captured && !own) continue;
    const Service& service = facts.services[*c.service];
    Subject subject;
    subject.service = to_string(service);
    Finding& f = accuse_connection(facts, sink, no_destination_available, subject, s, Severity::error,
                                   facts.inside_captured ? Confidence::certain : Confidence::likely);
    FindingSink::prove(f, facts.evidence(told->frame, "port unreachable to " + to_string(told->destination) +
                                                          " from the VIP itself, and nothing went to a real server"));
    if (!f.cause.empty()) continue;
    f.title = to_string(service) + " has no real server to send connections to";
    const std::string why = facts.state != nullptr ? reason(service) : std::string();
    f.cause =
        "IPVS has the service but no destination that may take a new connection, so the director refuses the client itself" +
        (why.empty() ? std::string(": there is no real server, all weights are 0 (health checks took them out?), or all are "
                                   "above their threshold.")
                     : ": " + why + ".");
    cure_service(f, service);
    f.cure.push_back(Cure{Where::director,
                          "ipvsadm -Ln --thresholds; journalctl -u keepalived -n 50   # who took the real servers out, and why",
                          std::nullopt});
    if (why.empty())
      FindingSink::unchecked(f, "the IPVS table of the director (ipvsadm -Ln): no destination, weight 0, or thresholds");
  }
  if (facts.state == nullptr || !facts.state->known.services) return;
  for (const Service& service : facts.state->ipvs.services) {
    const std::string why = reason(service);
    if (why.empty()) continue;
    Subject subject;
    subject.service = to_string(service);
    const bool refused = std::any_of(sink.findings().begin(), sink.findings().end(), [&](const Finding& f) {
      return f.code == no_destination_available.code && f.subject == subject;
    });
    if (refused) continue;
    Finding& f = sink.accuse(no_destination_available, subject, Severity::error, Confidence::certain);
    f.title = to_string(service) + " has no real server to send connections to";
    f.cause = "In the IPVS table " + why + ": the director refuses every new connection itself.";
    Evidence e;
    e.text = why;
    e.source = facts.state->source;
    FindingSink::prove(f, e);
    cure_service(f, service);
  }
}

}  // namespace

constinit const Rule no_destination_available{
    .code = 109,
    .id = "no-destination-available",
    .severity = Severity::error,
    .where = "P S",
    .title = "The director has no real server to give the client",
    .page = R"md(
## What it means

The service exists, but IPVS found no usable destination: none is configured,
all have weight 0, or all are above their upper threshold. The director refuses
the client at once.

## How it looks

Leg string `1---`. Outside, right after the SYN:

    IP 192.168.1.110 > 192.168.1.254: ICMP 192.168.1.110 tcp port 80 unreachable

from the VIP, TTL 64, quoting CIP->VIP with its TTL unchanged, and nothing
inside. The client reports "Connection refused". ICMP is rate limited, so a busy
client gets about one a second and times out on the rest. The kernel log says
`IPVS: rr: TCP 192.168.1.110:80 - no destination available` (rate limited too:
its absence proves nothing).

## How it comes about

The health checker removed or quiesced everything, rightly (all down) or because
its check is wrong; nobody added real servers after a flush; all drained for
maintenance; `-x` thresholds too low for the load.

## How to check by hand

    ipvsadm -Ln                       # destinations and weights
    ipvsadm -Ln --thresholds
    journalctl -u keepalived | tail   # "Removing service", "lost quorum"
    curl -sv http://10.1.1.2/         # does the real server answer the director?

## Cure

    ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 1     # if it is missing
    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 1     # if its weight is 0
    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 1 -x 0 -y 0   # thresholds

Persistent: where the services come from, that is keepalived.conf
(`real_server`, `weight`; a `sorry_server` gives clients a page meanwhile) or
`ipvsadm -Sn > /etc/ipvsadm.rules`. Hand edits under keepalived are lost.

## Nearest look-alikes

- LVS108: the real server refuses; the request was seen inside.
- LVS107: refused after 3 s, host unreachable, ARP inside.
- LVS110: no service at all: RST for TCP. For UDP both look alike on the wire
  (port unreachable, TTL 64); only the service table tells them apart.
- One destination of several with weight 0 is draining: no finding.

## What this tool needs to see to say so

The ICMP from the VIP with no leg 2, or the service table with no destination
that can be chosen; both make it certain and say which of the three it is. From
packets alone a UDP refusal is `possible` (no such service is as likely), a TCP
refusal by ICMP is certain: a host without the service would have sent RST.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
