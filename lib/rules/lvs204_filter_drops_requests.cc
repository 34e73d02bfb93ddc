#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/filter_case.h"

namespace lvsnat::rules {
namespace {

const PredictedLeg* stopped(const Prediction& p) {
  for (const Leg leg : {Leg::request, Leg::demasq}) {
    const PredictedLeg& l = p.leg(leg);
    if (l.cause == LegCause::filter && l.filter) return &l;
    if (l.cause != LegCause::none) return nullptr;
  }
  return nullptr;
}

void describe(const Facts& facts, Finding& f, const Prediction& p, const PredictedLeg& leg, const Service& service) {
  const bool rejects = leg.filter->verdict == FilterVerdict::reject;
  const bool may = leg.fate == LegFate::may_die;
  const bool inward = leg.hook != "output" && leg.hook != "postrouting";
  const std::string what = inward ? "requests to " + (p.vip.address.is_none() ? p.service : to_string(p.vip))
                                  : "forwarded requests to " + to_string(p.rip.address);
  f.title = "The director's filter " +
            std::string(may       ? "may drop "
                        : rejects ? "rejects "
                                  : "drops ") +
            what + ": " + leg.filter->words();
  f.cause = (inward ? "Requests (CIP -> VIP) " : "Requests that IPVS has rewritten (CIP -> RIP) ") +
            std::string(may ? "may be" : "are") + (rejects ? " rejected" : " dropped") + " in the " + leg.hook + " hook by " +
            leg.filter->words() + ". ";
  f.cause += inward ? "IPVS takes a request only after the input filter has let it pass."
                    : "What IPVS forwards goes through the output hook, never through forward.";
  const std::string table = leg.filter->family + " " + leg.filter->table;
  if (leg.needs_conntrack) {
    f.cause +=
        " It is the state of the connection that the rule asks for: with net.ipv4.vs.conntrack=0 these packets are untracked.";
    FindingSink::cure(f, cures::vs_conntrack(true));
  }
  add_filter_cures(f,
                   inward ? cures::input_accept(service, table, leg.filter->chain)
                          : cures::output_accept(network_of(facts, p.rip.address), leg.out_dev, table, leg.filter->chain),
                   *leg.filter);
}

void check(const Facts& facts, FindingSink& sink) {
  check_filter(facts, sink, {&filter_drops_requests, 106, false, stopped, missing_demasq_or_answer, describe});
}

}  // namespace

constinit const Rule filter_drops_requests{
    .code = 204,
    .id = "filter-drops-requests",
    .severity = Severity::error,
    .where = "S",
    .title = "The director's filter drops requests",
    .page = R"md(
## What it means

The input hook drops CIP->VIP, or the output hook drops CIP->RIP. IPVS takes a
request only after the input filter has let it pass, and what it forwards goes
through the output hook, never through forward.

## How it looks

Leg string `1---`, silence (REJECT: an ICMP error or RST from the VIP, TTL 64).

- Input: no IPVS entry, `ipvsadm -Ln --stats` does not move.
- Output: the entry is there (SYN_RECV, InPkts grow), no ARP, nothing inside.

    iptables -nvL INPUT; iptables -nvL OUTPUT; nft list ruleset

## How it comes about

The VIP's port was never opened, since no program of the director listens there;
rules were written for forward, where a router would need them; an egress policy
on a hardened host knows nothing of CIP->RIP.

## How to check by hand

    nft list ruleset | grep -A20 -E 'hook (input|output)'
    ipvsadm -Lnc | grep 192.168.1.254      # entry: look at output; none: at input

## Cure

    nft insert rule inet filter input ip daddr 192.168.1.110 tcp dport 80 accept
    nft insert rule inet filter output oifname "eth1" ip daddr 10.1.1.0/24 accept
    iptables -I INPUT -d 192.168.1.110 -p tcp --dport 80 -j ACCEPT
    iptables -I OUTPUT -o eth1 -d 10.1.1.0/24 -j ACCEPT

Persistent: /etc/nftables.conf; `netfilter-persistent save`; firewalld
`firewall-cmd --permanent --add-port=80/tcp`. Admit ICMP errors on input as well
(LVS121).

## Nearest look-alikes

- LVS206: rp_filter drops before any rule; `ip route get` says so.
- LVS203: replies, in the forward hook.
- LVS106: the same trace without a known cause.
- LVS110: a RST by the director's own TCP, not by a rule: no service.

## What this tool needs to see to say so

The ruleset and a verdict of drop for the request computed through all base
chains of input (as CIP->VIP) or output (as CIP->RIP), NAT's own addresses
filled in. Confidence as in LVS203. Rules that admit some clients only are
reported for the clients that packets show, else as `possible`.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
