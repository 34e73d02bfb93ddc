#include <algorithm>

#include "facts/facts.h"
#include "facts/signs.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/filter_case.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

bool concerns(const Prediction& p) {
  if (!p.offload) return false;
  const auto has = [&](const std::string& dev) {
    return std::find(p.flowtable_devices.begin(), p.flowtable_devices.end(), dev) != p.flowtable_devices.end();
  };
  return p.flowtable_devices.empty() || has(p.leg(Leg::reply).in_dev) || has(p.leg(Leg::reply).out_dev);
}

void describe(const Facts& facts, Finding& f, const Prediction* p) {
  if (f.cause.empty()) {
    f.title = "A flowtable forwards established connections past IPVS";
    f.cause =
        "After the handshake the packets of a connection are forwarded untouched in both directions: CIP -> VIP inside, RIP -> "
        "CIP outside. nftables' fast path has learnt the connection "
        "(net.ipv4.vs.conntrack=1), but not what IPVS rewrites.";
  }
  if (p == nullptr) return;
  FindingSink::prove(f, saved(facts, p->offload->words() + " hands connections to flowtable " + p->flowtable));
  FindingSink::prove(f, setting(facts, "net.ipv4.vs.conntrack"));
  if (!p->vip.address.is_none())
    FindingSink::cure(f, cures::flowtable_exclude(p->vip.address, network_of(facts, p->rip.address)));
  FindingSink::cure(f, cures::vs_conntrack(false));
}

void check(const Facts& facts, FindingSink& sink) {
  Outlook outlook(facts);
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record)) continue;
    const LegCount& request = c.leg(Leg::request);
    const LegCount& demasq = c.leg(Leg::demasq);
    const Clue* unrewritten = first_clue(s, Clue::Kind::forwarded, Leg::request);
    // Rewritten first, then not: direct routing (LVS122) never rewrites.
    const Prediction* p = outlook.of(c);
    const bool by_state = p != nullptr && concerns(*p);
    // Either direction may be offloaded first. Replies that leak without a flowtable in sight have other causes (LVS104).
    const Clue* leak = first_clue(s, Clue::Kind::forwarded, Leg::reply);
    const bool replies_leak = by_state && leak != nullptr && sent_by_director(facts, leak->path) && c.saw(Leg::masq) &&
                              leak->frame.time >= c.leg(Leg::masq).first;
    const bool requests_leak = unrewritten != nullptr && demasq.packets != 0 && c.saw(Leg::reply) &&
                               unrewritten->frame.time >= demasq.first && request.packets >= 2;
    if (!requests_leak && !replies_leak) continue;
    Subject subject;
    subject.service = service_text(facts, c);
    Finding& f = accuse_connection(facts, sink, flowtable_bypasses_ipvs, subject, s, Severity::error,
                                   by_state ? Confidence::certain : Confidence::likely);
    if (requests_leak) {
      FindingSink::prove(f, facts.evidence(unrewritten->frame,
                                           connection_text(c) + ": a request leaves the director unrewritten after the handshake",
                                           Leg::request));
    } else {
      FindingSink::prove(
          f, facts.evidence(leak->frame, connection_text(c) + ": a reply leaves the director unrewritten after the handshake",
                            Leg::reply));
    }
    describe(facts, f, by_state ? p : nullptr);
    if (!by_state) {
      FindingSink::unchecked(f, "nft list flowtables, and conntrack -L | grep OFFLOAD on the director");
      FindingSink::cure(
          f, Cure{Where::director, "nft list ruleset | grep -n 'flow add'   # keep the VIP and the real servers out of it",
                  std::nullopt});
    }
  }
  for (const Standing& s : outlook.standing()) {
    if (s.replies_pass || s.requests_pass || !concerns(s.prediction) || found(sink, 213) != nullptr) continue;
    Subject subject;
    subject.service = s.prediction.service;
    Finding& f = sink.accuse(flowtable_bypasses_ipvs, subject, Severity::error, Confidence::likely);
    describe(facts, f, &s.prediction);
  }
}

}  // namespace

constinit const Rule flowtable_bypasses_ipvs{
    .code = 213,
    .id = "flowtable-bypasses-ipvs",
    .severity = Severity::error,
    .where = "S P",
    .title = "A flowtable forwards established connections past IPVS",
    .page = R"md(
## What it means

nftables hands established flows to a fast path (flowtable). With
`net.ipv4.vs.conntrack=1` it learns connections that IPVS has rewritten, but not
the rewriting: IPVS marks no NAT in the conntrack entry. From then on packets
are forwarded untouched in both directions and the connection dies.

## How it looks

Handshake `1234`; then, from the ACK or the first data on,

    tcpdump -ni eth1 host 192.168.1.110        # CIP > VIP inside: unrewritten
    tcpdump -ni eth0 net 10.1.1.0/24           # RIP > CIP outside: unrewritten

and both ends retransmit. `conntrack -L -d 192.168.1.110` shows [OFFLOAD] or
[HW_OFFLOAD]; `ipvsadm -Ln --stats` stands still while the entry is ESTABLISHED.

## How it comes about

A `flow add` rule for all forwarded traffic: router distributions,
"acceleration" scripts, firewall products. Without conntrack in IPVS the flows
never qualify.

## How to check by hand

    nft list flowtables
    nft list ruleset | grep 'flow add'
    sysctl net.ipv4.vs.conntrack
    conntrack -L 2>/dev/null | grep OFFLOAD

## Cure

Keep the cluster out of the fast path. In /etc/nftables.conf before `flow add`:

    ip daddr != 192.168.1.110 ip saddr != 10.1.1.0/24 flow add @f

then `nft -f /etc/nftables.conf`. At once, if nothing needs tracking:

    sysctl -w net.ipv4.vs.conntrack=0

(and in /etc/sysctl.d; mind LVS205). Flows that are in the table stay there
until they end; `conntrack -D -d 192.168.1.110` removes them.

## Nearest look-alikes

- LVS122: CIP->VIP inside from the first SYN on; method Route.
- LVS104: replies alone leak, after an entry was lost.
- LVS112: legs stop after an idle time.
- LVS121: only full-size packets suffer.

## What this tool needs to see to say so

State: a flowtable in use on the cluster's interfaces, a `flow add` that these
flows reach, and conntrack 1. Packets: a rewritten handshake followed by
unrewritten packets of the same connection on the other side. Either alone is
`likely`; both are certain. Hardware offload can hide the packets from any
capture: then only state speaks.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
