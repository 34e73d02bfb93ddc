#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/filter_case.h"

namespace lvsnat::rules {
namespace {

const PredictedLeg* stopped(const Prediction& p) {
  for (const Leg leg : {Leg::reply, Leg::masq}) {
    const PredictedLeg& l = p.leg(leg);
    if (l.cause == LegCause::filter && l.filter && l.needs_conntrack) return &l;
    if (l.cause != LegCause::none) return nullptr;
  }
  return nullptr;
}

void describe(const Facts& facts, Finding& f, const Prediction& p, const PredictedLeg& leg, const Service& service) {
  const bool datagrams = service.protocol == ServiceProtocol::udp;
  f.title = "Replies are dropped because IPVS does not track connections: " + leg.filter->words();
  f.cause = "With net.ipv4.vs.conntrack=0 IPVS takes its connections out of connection tracking, so a reply of " +
            to_string(p.rip.address) + " is " + (datagrams ? "new" : "invalid") + " to it, and " + leg.filter->words() +
            " drops it in the " + leg.hook +
            " hook. With tracking it would be established and pass. Admitting established connections does not help.";
  FindingSink::prove(f, setting(facts, "net.ipv4.vs.conntrack"));
  FindingSink::cure(f, cures::vs_conntrack(true));
  add_filter_cures(f,
                   cures::forward_accept(network_of(facts, p.rip.address), leg.in_dev,
                                         leg.filter->family + " " + leg.filter->table, leg.filter->chain),
                   *leg.filter);
}

void check(const Facts& facts, FindingSink& sink) {
  check_filter(facts, sink, {&conntrack_drops_replies, 103, true, stopped, missing_masq, describe});
}

}  // namespace

constinit const Rule conntrack_drops_replies{
    .code = 205,
    .id = "conntrack-drops-replies",
    .severity = Severity::error,
    .where = "S",
    .title = "A stateful rule drops replies because IPVS does not track connections",
    .page = R"md(
## What it means

With `net.ipv4.vs.conntrack=0` (the default) IPVS takes its connections out of
connection tracking. The reply's SYN-ACK then belongs to no known connection and
is INVALID. A rule that drops invalid packets, or admits established ones only,
kills every reply. Adding "established, related accept" does not help.

## How it looks

Leg string `123-`; the SYN-ACK arrives inside and is repeated after 1, 3, 7 s.

    conntrack -S | grep -o 'invalid=[0-9]*'       # grows
    iptables -nvL FORWARD | grep -i invalid       # so does the rule's counter
    nft list ruleset | grep 'ct state'

## How it comes about

`ct state invalid drop` is in most firewall templates; firewalld has it built
in. The rule is right for a router and wrong for a director without conntrack.

## How to check by hand

    sysctl net.ipv4.vs.conntrack
    nft list chain inet filter forward

Setting conntrack to 1 and trying again settles it in ten seconds.

## Cure

    sysctl -w net.ipv4.vs.conntrack=1

To stay: `net.ipv4.vs.conntrack = 1` in /etc/sysctl.d/60-lvs-nat.conf and
`ip_vs` in /etc/modules-load.d/ipvs.conf (the key exists only once IPVS is
loaded). The price is memory and some speed. Or admit replies before the rule:

    nft insert rule inet filter forward iifname "eth1" ip saddr 10.1.1.0/24 accept

kept in /etc/nftables.conf.

## Nearest look-alikes

- LVS203: the drop does not depend on the state of the connection.
- LVS201: forwarding off; InAddrErrors grows instead of `invalid`.
- LVS213: conntrack is 1 and a flowtable spoils what it gains.
- Passive FTP works with conntrack 0: the helper tracks its own connections.

## What this tool needs to see to say so

The setting 0 and a forward hook that, evaluated with the reply INVALID
(SYN-ACK) or without an entry, drops it, and with it ESTABLISHED would not.
Without the setting (IPVS not loaded, no sysctl.txt) it says `possible`.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
