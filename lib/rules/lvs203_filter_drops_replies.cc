#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/filter_case.h"

namespace lvsnat::rules {
namespace {

const PredictedLeg* stopped(const Prediction& p) {
  for (const Leg leg : {Leg::reply, Leg::masq}) {
    const PredictedLeg& l = p.leg(leg);
    if (l.cause == LegCause::filter && l.filter && !l.needs_conntrack) return &l;
    if (l.cause != LegCause::none) return nullptr;  // something else comes first
  }
  return nullptr;
}

void describe(const Facts& facts, Finding& f, const Prediction& p, const PredictedLeg& leg, const Service&) {
  const bool rejects = leg.filter->verdict == FilterVerdict::reject;
  const bool may = leg.fate == LegFate::may_die;
  f.title = "The director's filter " +
            std::string(may       ? "may drop"
                        : rejects ? "rejects"
                                  : "drops") +
            " replies: " + leg.filter->words();
  f.cause = "Replies of " + to_string(p.rip.address) + std::string(may ? " may be" : " are") +
            (rejects ? " rejected" : " dropped") + " in the " + leg.hook + " hook by " + leg.filter->words() + ". ";
  f.cause += leg.hook == "postrouting"
                 ? "There they carry the VIP as source already."
                 : "They pass it as RIP -> CIP, before IPVS puts the VIP in: a rule that admits the VIP as source never matches.";
  add_filter_cures(f,
                   cures::forward_accept(network_of(facts, p.rip.address), leg.in_dev,
                                         leg.filter->family + " " + leg.filter->table, leg.filter->chain),
                   *leg.filter);
}

void check(const Facts& facts, FindingSink& sink) {
  check_filter(facts, sink, {&filter_drops_replies, 103, true, stopped, missing_masq, describe});
}

}  // namespace

constinit const Rule filter_drops_replies{
    .code = 203,
    .id = "filter-drops-replies",
    .severity = Severity::error,
    .where = "S",
    .title = "The director's filter drops replies",
    .page = R"md(
## What it means

A rule or the policy of the forward hook drops RIP->CIP. Replies are filtered
before IPVS rewrites them, so a rule that admits the VIP as source never
matches. Requests do not pass the forward hook at all.

## How it looks

Leg string `123-`: replies arrive inside and are repeated; nothing leaves. With
REJECT the director sends the real server an ICMP prohibited. Counters tell:

    iptables -nvL FORWARD; nft list ruleset
    Chain FORWARD (policy DROP 1234 packets, ...)

## How it comes about

Docker sets the policy to DROP; so do ufw ("deny routed"), firewalld zones,
libvirt, Kubernetes and hand-made firewalls, which often were written for the
VIP. nft accepts a packet only if every base chain of the hook does: an `accept`
in one table does not overrule a `drop` in another.

## How to check by hand

    iptables -nvL FORWARD --line-numbers; ip6tables -nvL FORWARD
    cat /proc/net/ip_tables_names        # tables of iptables-legacy count, too
    iptables-legacy -nvL FORWARD
    nft list ruleset | grep -B2 -A20 'hook forward'
    nft add rule inet filter forward ip saddr 10.1.1.2 meta nftrace set 1  # nft monitor trace

## Cure

The rule must match the real server as source and stand before the one that
drops:

    nft insert rule inet filter forward iifname "eth1" ip saddr 10.1.1.0/24 accept
    iptables -I FORWARD -i eth1 -s 10.1.1.0/24 -j ACCEPT
    iptables -I DOCKER-USER -i eth1 -s 10.1.1.0/24 -j ACCEPT        # with Docker

Persistent: /etc/nftables.conf; `netfilter-persistent save`; ufw
`/etc/ufw/before.rules`; firewalld a policy between the zones. Or keep the rules
stateful (`ct state established accept`) and give IPVS connection tracking:
`sysctl -w net.ipv4.vs.conntrack=1`, in /etc/sysctl.d too.

## Nearest look-alikes

- LVS205: the rule that drops is about `ct state`; it needs conntrack, not
  accept.
- LVS201: no filter; forwarding is off, InAddrErrors grows.
- LVS204: requests die, not replies.
- LVS103: the trace in packets without its cause.

## What this tool needs to see to say so

The ruleset (`nft.json`, `nft.txt`, or the live kernel) and a verdict of drop or
reject for RIP->CIP from inside to outside, computed through all base chains of
the hook, jumps and sets included. Certain when counters or packets agree;
`likely` from rules alone; `possible` where a match is of a kind that it cannot
evaluate. A policy of drop with a rule that admits the packet is no finding.
Rules of iptables-legacy are not in nft's listing: that there are such tables is
said with the prediction, and under `unchecked` where it stays open.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
