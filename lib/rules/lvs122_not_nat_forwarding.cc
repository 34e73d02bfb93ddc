#include <algorithm>
#include <set>

#include "base/text.h"
#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

/// The real server that an unrewritten request was handed to, by the MAC of the frame.
Address handed_to(const Facts& facts, std::uint16_t path) {
  const Mac to = facts.path(path).destination;
  for (const Address& rip : facts.rips) {
    const auto macs = facts.macs.find(rip);
    if (macs != facts.macs.end() && macs->second.contains(to)) return rip;
  }
  return {};
}

/// The request left the host on which this was captured just as it had come in.
bool passed_on(const Facts& facts, const Connection& c, const Clue& clue) {
  if (clue.leg != Leg::request || clue.kind != Clue::Kind::forwarded) return false;
  if (sent_by_director(facts, clue.path)) return true;
  // With nothing else known of the director: it came in here and goes out there, or came to the MAC that now sends it.
  const Path& in = facts.path(c.leg(Leg::request).path);
  const Path& out = facts.path(clue.path);
  return facts.director_macs.empty() &&
         (in.vantage != out.vantage || (!in.destination.is_none() && in.destination == out.source));
}

void explain(Finding& f, const Facts& facts, const std::string& service, const Address& rip, bool tunnel) {
  if (!f.cause.empty()) return;
  const std::string who = rip.is_none() ? "a real server of " + service : to_string(rip);
  f.title =
      (tunnel ? "Requests go to " + who + " through a tunnel" : "Requests go to " + who + " by direct routing") + ", not by NAT";
  f.cause = std::string("The destination uses ") +
            (tunnel ? "tunnelling (-i)" : "direct routing (-g, which is ipvsadm's default)") +
            ": the request leaves the director with the VIP still in it" + (tunnel ? ", wrapped in another packet" : "") +
            ". A real server that is set up for NAT does not have the VIP, so it drops such a packet (or forwards it as a "
            "stranger's); and were it to answer, the reply "
            "would not pass the director. If this cluster uses direct routing or tunnels on purpose, the rules of LVS-NAT do not "
            "apply to these connections.";
  for (const Service& s : facts.services) {
    if (to_string(s) != service) continue;
    for (const Destination& d : s.destinations) {
      if (rip.is_none() ? d.method != Method::masq : d.rip == rip) FindingSink::cure(f, cures::masq_method(s, d));
    }
  }
}

/// The one destination of a service that is not for NAT, where that is told.
Address only_routed(const Facts& facts, const Connection& c) {
  Address found;
  if (!c.service || *c.service >= facts.services.size()) return found;
  for (const Destination& d : facts.services[*c.service].destinations) {
    if (d.method != Method::route && d.method != Method::tunnel) continue;
    if (!found.is_none()) return {};
    found = d.rip;
  }
  return found;
}

/// With nothing declared a tunnel is a tunnel. One host that wraps what is for one address and port, and hands it to several
/// others in turn, is a balancer.
void spread_over_tunnels(const Facts& facts, FindingSink& sink, const TunnelSighting& t) {
  std::set<Address> ends;
  for (const TunnelSighting& other : facts.tunnels) {
    if (other.outer_source == t.outer_source && other.inner_destination == t.inner_destination)
      ends.insert(other.outer_destination);
  }
  if (ends.size() < 2 || t.inner_destination.port == 0 || !facts.services.empty()) return;
  Subject subject;
  subject.service = std::string(t.inner_protocol == kUdp    ? "udp:"
                                : t.inner_protocol == kSctp ? "sctp:"
                                                            : "tcp:") +
                    to_string(t.inner_destination);
  subject.real_server = to_string(t.outer_destination);
  Finding& f = sink.accuse(not_nat_forwarding, subject, Severity::error, Confidence::likely);
  if (f.count == 1) f.count = t.count;
  FindingSink::prove(f, facts.evidence(t.first, to_string(t.outer_source) + " > " + to_string(t.outer_destination) +
                                                    (t.outer_protocol == kGre ? " GRE around " : " IP-in-IP around ") +
                                                    to_string(t.inner_source) + " > " + to_string(t.inner_destination)));
  explain(f, facts, *subject.service, t.outer_destination, true);
}

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || !c.vip || c.saw(Leg::demasq) || sink.is_claimed(c.record) ||
        facts.is_director(c.client.address))
      continue;
    const LegCount& request = c.leg(Leg::request);
    const Clue* unrewritten = nullptr;
    for (const Clue& clue : s.clues) {
      if (passed_on(facts, c, clue)) {
        unrewritten = &clue;
        break;
      }
    }
    // Only the inside was captured: it leaves the director and was not seen to come.
    const bool leaves = request.packets != 0 && sent_by_director(facts, request.path);
    if (unrewritten == nullptr && !leaves) continue;
    const std::uint16_t path = unrewritten != nullptr ? unrewritten->path : request.path;
    Address rip = handed_to(facts, path);
    if (rip.is_none()) rip = only_routed(facts, c);
    Subject subject;
    subject.service = service_text(facts, c);
    if (!rip.is_none()) subject.real_server = to_string(rip);
    Finding& f = accuse_connection(facts, sink, not_nat_forwarding, subject, s, Severity::error, Confidence::certain);
    const FrameRef frame =
        unrewritten != nullptr ? unrewritten->frame : FrameRef{facts.path(path).vantage, request.first_frame, request.first};
    const Mac to = facts.path(path).destination;
    FindingSink::prove(f, facts.evidence(frame,
                                         to_string(c.client) + " > " + to_string(*c.vip) +
                                             " leaves the director with the VIP still as destination" +
                                             (to.is_none() ? std::string() : ", to MAC " + to_string(to)),
                                         Leg::request));
    explain(f, facts, *subject.service, rip, false);
  }

  for (const TunnelSighting& t : facts.tunnels) {
    if (!facts.vips.contains(t.inner_destination.address)) {
      spread_over_tunnels(facts, sink, t);
      continue;
    }
    if (!facts.director_addresses.empty() && facts.state != nullptr && !facts.is_director(t.outer_source) &&
        !facts.rips.contains(t.outer_destination))
      continue;
    Subject subject;
    for (const Service& service : facts.services) {
      const std::uint8_t protocol = service.protocol == ServiceProtocol::tcp   ? kTcp
                                    : service.protocol == ServiceProtocol::udp ? kUdp
                                                                               : kSctp;
      if (service.protocol != ServiceProtocol::fwmark && service.vip == t.inner_destination.address &&
          protocol == t.inner_protocol && (service.port == t.inner_destination.port || service.port == 0)) {
        subject.service = to_string(service);
      }
    }
    if (!subject.service) continue;
    subject.real_server = to_string(t.outer_destination);
    Finding* f = nullptr;
    for (const Suspect& s : facts.suspects) {
      const Connection& c = s.connection;
      if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record) || c.saw(Leg::demasq) ||
          c.vip != t.inner_destination || c.client.address != t.inner_source.address)
        continue;
      f = &accuse_connection(facts, sink, not_nat_forwarding, subject, s, Severity::error, Confidence::certain);
    }
    if (f == nullptr) {
      f = &sink.accuse(not_nat_forwarding, subject, Severity::error, Confidence::certain);
      f->count = std::max<std::uint64_t>(f->count, t.count);
    }
    FindingSink::prove(*f, facts.evidence(t.first, to_string(t.outer_source) + " > " + to_string(t.outer_destination) +
                                                       (t.outer_protocol == kGre ? " GRE around " : " IP-in-IP around ") +
                                                       to_string(t.inner_source) + " > " + to_string(t.inner_destination)));
    explain(*f, facts, *subject.service, t.outer_destination, true);
  }

  for (std::size_t i = 0; i < facts.services.size(); ++i) {
    const Service& service = facts.services[i];
    for (const Destination& d : service.destinations) {
      if (d.method != Method::route && d.method != Method::tunnel) continue;
      // Rewritten requests were seen to go there: what was read is not what runs.
      const bool rewritten =
          i < facts.tallies.size() &&
          std::any_of(facts.tallies[i].destinations.begin(), facts.tallies[i].destinations.end(),
                      [&](const DestinationTally& t) { return t.destination.rip == d.rip && t.legs[index(Leg::demasq)] != 0; });
      if (rewritten) continue;
      Subject subject;
      subject.service = to_string(service);
      subject.real_server = to_string(d.rip);
      const bool known = std::any_of(sink.findings().begin(), sink.findings().end(),
                                     [&](const Finding& f) { return f.code == not_nat_forwarding.code && f.subject == subject; });
      Finding& f = sink.accuse(not_nat_forwarding, subject, Severity::error, Confidence::certain);
      if (known) --f.count;
      // Nothing of it can be seen to be rewritten: requests that went nowhere else went there.
      const bool all_so = std::all_of(service.destinations.begin(), service.destinations.end(), [](const Destination& x) {
        return x.method == Method::route || x.method == Method::tunnel;
      });
      for (const Suspect& s : facts.suspects) {
        const Connection& c = s.connection;
        if (!all_so || c.service != i || c.kind != ConnectionKind::masqueraded || c.saw(Leg::demasq) || c.saw(Leg::masq))
          continue;
        if (!sink.is_claimed(c.record)) sink.claim(c.record, not_nat_forwarding.code, true);
      }
      Evidence e;
      e.text = to_string(service) + " sends to " + to_string(d.rip) + " by " +
               (d.method == Method::tunnel ? "tunnel (-i)" : "direct routing (-g)");
      if (facts.state != nullptr && facts.state->known.services) e.source = facts.state->source;
      FindingSink::prove(f, std::move(e));
      explain(f, facts, *subject.service, d.rip, d.method == Method::tunnel);
    }
  }
}

}  // namespace

constinit const Rule not_nat_forwarding{
    .code = 122,
    .id = "not-nat-forwarding",
    .severity = Severity::error,
    .where = "P S",
    .title = "A destination is not set up for NAT",
    .page = R"md(
## What it means

The service forwards by direct routing or tunnelling. The request leaves the
director without its address rewritten; a real server that is set up for NAT
does not own the VIP and drops it. `ipvsadm -a` without `-m` means direct
routing: the commonest typing error of LVS-NAT.

## How it looks

Leg string `1---`, and on the inside, instead of CIP->RIP:

    tcpdump -eni eth1 host 192.168.1.110
    IP 192.168.1.254 > 192.168.1.110.80      # direct routing: MAC of the real server
    IP 10.1.1.9 > 10.1.1.2: IP 192.168.1.254 > 192.168.1.110.80    # tunnelling

With tunnelling the real server may answer ICMP protocol unreachable; IPVS
translates it and the client reports "Protocol not available". If the real
server does own the VIP, it answers VIP->CIP itself, past the director: then it
is a working LVS-DR and no LVS-NAT. `ipvsadm -Ln` says `Route` or `Tunnel`.

## How it comes about

`-m` forgotten; keepalived `lvs_method DR` (or `lb_kind DR`) as in the examples;
a service moved from DR to NAT, one destination left behind: then one connection
in n fails.

## How to check by hand

    ipvsadm -Ln                         # column Forward: Masq
    grep -nE 'lvs_method|lb_kind' /etc/keepalived/keepalived.conf

## Cure

    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m

Persistent: keepalived `lvs_method NAT`; ldirectord `masq`; else
`ipvsadm -Sn > /etc/ipvsadm.rules`. A real server that has the VIP must lose it:
`ip addr del 192.168.1.110/32 dev lo`.

## Nearest look-alikes

- LVS213: CIP->VIP inside too, but only after a rewritten handshake.
- LVS215: method `Local`, or a RIP that is the director's own.
- LVS108: protocol unreachable is its `what`; this is its why.
- LVS117: a left-over VIP on the real server that answers ARP.

## What this tool needs to see to say so

CIP->VIP leaving the inside towards a real server, or an IP-in-IP packet around
it, from the first packet of a connection; or the method in the service table. A
cluster that uses DR on purpose gets this finding for what it is: these legs
cannot be judged by the rules of NAT.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
