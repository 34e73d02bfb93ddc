#include <algorithm>
#include <set>
#include <span>
#include <vector>

#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/outlook.h"
#include "state/nft_rules.h"

namespace lvsnat::rules {
namespace {

void accuse(const Facts& facts, FindingSink& sink, const Prediction& p, bool seen) {
  const PredictedLeg& reply = p.leg(Leg::reply);
  if (p.will_redirect != true) return;
  const bool v6 = !p.rip.address.is_v4();
  // A redirect that does not come from the gateway in use is ignored by the real server.
  const bool ignored = !v6 && p.redirect_source && !facts.gateways.empty() && !facts.gateways.contains(*p.redirect_source);
  const Finding* sent = found(sink, 111);
  const bool worked = sent != nullptr && sent->severity == Severity::error;
  Subject subject;
  subject.interface = reply.in_dev;
  const std::size_t before = sink.findings().size();
  Finding& f = sink.accuse(send_redirects_on, subject, worked ? Severity::error : Severity::warning,
                           ignored && !worked ? Confidence::possible : Confidence::certain);
  if (sink.findings().size() == before) {
    f.count = 1;
    return;
  }
  const DeviceSetting redirects = effective_send_redirects(*facts.state, reply.in_dev, v6);
  f.title = "The director " + std::string(worked ? "sends" : "will send") + " ICMP redirects to real servers on " + reply.in_dev;
  f.cause = "Replies of " + to_string(p.rip.address) + " come in by " + reply.in_dev +
            " and leave by it again, so the kernel tells the real server to send to " +
            (p.redirect_gateway ? to_string(*p.redirect_gateway) : std::string("the client")) + " itself, past the director. ";
  f.cause += v6 ? "IPv6 has no setting against that." : "What counts is `all` OR the device: both must be 0.";
  if (!seen) f.cause += " This was worked out from the director's routes for " + to_string(p.client.address) + ".";
  if (!v6) {
    FindingSink::prove(f, setting(facts, redirects.all_name));
    FindingSink::prove(f, setting(facts, redirects.device_name));
  }
  FindingSink::prove(f, saved(facts, "reply " + to_string(p.rip.address) + " > " + to_string(p.client.address) + ": " +
                                         reply.route.explanation));
  const std::vector<std::string> devices{reply.in_dev};
  FindingSink::cure(f, cures::redirects_off(v6, devices));
  if (sent != nullptr) {
    FindingSink::cure(f, cures::flush_cache(v6));
    explains(f, 111, sent->subject, sent->count);
  }
  if (ignored && !worked) {
    FindingSink::unchecked(f, "whether the real servers heed redirects from " + to_string(*p.redirect_source) +
                                  ": it is not the address that they use as gateway");
  }
}

void check(const Facts& facts, FindingSink& sink) {
  Outlook outlook(facts);
  if (!outlook.possible()) return;
  for (const Suspect& s : facts.suspects) {
    if (s.connection.kind != ConnectionKind::masqueraded || !s.connection.rip) continue;
    // Real servers as clients, and strays on their network: what goes straight there needs no redirect.
    const std::span<const int> codes = sink.claims().codes(s.connection.record);
    if (std::any_of(codes.begin(), codes.end(), [](int code) { return code == 114 || code == 115; })) continue;
    if (const Prediction* p = outlook.of(s.connection)) accuse(facts, sink, *p, true);
  }
  for (const Standing& s : outlook.standing()) {
    accuse(facts, sink, s.prediction, false);
    if (s.service->protocol == ServiceProtocol::fwmark) continue;
    PredictionQuestion q;
    q.client.address = neighbour_client(*facts.state, s.service->vip, *s.service);
    if (q.client.address.is_none()) continue;
    q.any_client = true;
    q.service = *s.service;
    q.destination = *s.destination;
    accuse(facts, sink, predict(*facts.state, *facts.filter, q), false);
  }
}

}  // namespace

constinit const Rule send_redirects_on{
    .code = 202,
    .id = "send-redirects-on",
    .severity = Severity::warning,
    .where = "S",
    .title = "The director may send ICMP redirects to real servers",
    .page = R"md(
## What it means

Clients (or the way to them) and real servers are on one interface of the
director, and its settings let it tell real servers by ICMP redirect to go round
it. Nothing is broken yet; it will be for connections with several rounds, one
client at a time and for 300 s each.

## How it looks

Nothing on the wire until replies flow; then LVS111. The kernel says beforehand:

    ip route get 192.168.1.254 from 10.1.1.2 iif eth0
    ... cache <redirect> iif eth0

## How it comes about

`send_redirects` is 1 by default, and what counts is `all` OR the device:
writing 0 to `all` alone changes nothing. `default` is copied when a device is
created, so a new VLAN or bond comes up with 1. Two logical networks on one wire
are redirected too: `shared_media` is 1, and setting it to 0 on the director
does not help while the client is on-link (on the real server it does).

## How to check by hand

    sysctl -a 2>/dev/null | grep '\.send_redirects'
    nstat -az IcmpOutRedirects

## Cure

All three, and the same lines in /etc/sysctl.d/60-lvs-nat.conf:

    sysctl -w net.ipv4.conf.all.send_redirects=0
    sysctl -w net.ipv4.conf.default.send_redirects=0
    sysctl -w net.ipv4.conf.eth0.send_redirects=0

`net.ipv4.conf.*.send_redirects = 0` in the file covers devices to come. IPv6
has no such setting; drop what is sent:

    nft add rule inet filter output icmpv6 type nd-redirect drop

(/etc/nftables.conf). If redirects have been out already, `ip route flush cache`
on every real server.

## Nearest look-alikes

- LVS111: redirects seen on the wire.
- LVS306: the other end: the real server would believe them.
- LVS304: one has been believed.
- Two interfaces with redirects on: harmless, the director redirects only what
  leaves by the interface it came in. No finding.

## What this tool needs to see to say so

The effective setting (`all` or device) and an interface over which both the
route to a RIP and the route to clients lead: seen in packets, or by routes for
clients known from connections. Error once a redirect was seen to move a real
server's route. Where the real servers' gateway is a secondary address of the
director, redirects come from another source and are ignored: `possible` then.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
