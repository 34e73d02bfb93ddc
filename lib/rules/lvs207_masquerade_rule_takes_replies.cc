#include "facts/facts.h"
#include "lvsnat/state.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/filter_case.h"
#include "rules/outlook.h"
#include "state/nft_rules.h"

namespace lvsnat::rules {
namespace {

void accuse(const Facts& facts, FindingSink& sink, const Prediction& p) {
  if (!p.late_reply || p.leg(Leg::reply).fate == LegFate::not_on_wire || p.full_nat) return;
  const FilterResult::Translation& t = *p.late_reply;
  const bool to_vip = t.address && *t.address == p.vip.address;
  Subject subject;
  subject.interface = p.leg(Leg::reply).out_dev;
  const std::size_t before = sink.findings().size();
  Finding& f = sink.accuse(masquerade_rule_takes_replies, subject, to_vip ? Severity::info : Severity::warning,
                           to_vip || !t.certain ? Confidence::possible : Confidence::certain);
  if (sink.findings().size() == before) {
    f.count = 1;
    return;
  }
  f.title = "A " + t.kind + " rule would take replies that IPVS has lost";
  f.cause = t.rule.words() + " matches " + to_string(p.rip.address) +
            " -> client on its way out. It does no harm while IPVS has an entry for the connection; once the entry is gone "
            "(expired, cleared, one-packet scheduling), late replies leave with ";
  f.cause +=
      t.address ? to_string(*t.address) : std::string("the first address of " + subject.interface.value_or("the interface"));
  f.cause += to_vip ? ", which is the VIP: the right source." : " as source, which the client never spoke to.";
  FindingSink::prove(f, saved(facts, t.rule.words()));
  Prefix net = network_of(facts, p.rip.address);
  const bool by_iptables =
      t.rule.family != "inet" && !t.rule.chain.empty() && t.rule.chain.front() >= 'A' && t.rule.chain.front() <= 'Z';
  const char* const protocol = p.service.starts_with("udp") ? "udp" : p.service.starts_with("sctp") ? "sctp" : "tcp";
  const std::string port =
      p.rip.port != 0 ? std::string(protocol) + " sport " + std::to_string(p.rip.port) : "meta l4proto " + std::string(protocol);
  const std::string iptables_port = p.rip.port != 0 ? " --sport " + std::to_string(p.rip.port) : std::string();
  const bool v6 = !p.rip.address.is_v4();
  Cure nft{Where::director,
           "nft insert rule " + t.rule.family + " " + t.rule.table + " " + t.rule.chain + (v6 ? " ip6" : " ip") + " saddr " +
               to_string(net) + " " + port + " accept",
           "the same rule in /etc/nftables.conf (systemctl enable nftables)"};
  Cure iptables{Where::director,
                std::string(v6 ? "ip6tables" : "iptables") + " -t nat -I POSTROUTING -s " + to_string(net) + " -p " + protocol +
                    iptables_port + " -j ACCEPT",
                "netfilter-persistent save"};
  FindingSink::cure(f, by_iptables ? iptables : nft);
  if (to_vip || !t.certain)
    FindingSink::unchecked(f, "whether entries are ever lost: IPVS timeouts against the idle times of the service");
}

void check(const Facts& facts, FindingSink& sink) {
  Outlook outlook(facts);
  // Where it has happened, LVS105 has told of the rule.
  if (!outlook.possible() || found(sink, 105) != nullptr) return;
  for (const Standing& s : outlook.standing()) {
    accuse(facts, sink, s.prediction);
    if (s.service->protocol == ServiceProtocol::fwmark || s.prediction.late_reply) continue;
    PredictionQuestion q;
    q.client.address = neighbour_client(*facts.state, s.service->vip, *s.service);
    if (q.client.address.is_none()) continue;
    q.any_client = true;
    q.service = *s.service;
    q.destination = *s.destination;
    accuse(facts, sink, predict(*facts.state, *facts.filter, q));
  }
}

}  // namespace

constinit const Rule masquerade_rule_takes_replies{
    .code = 207,
    .id = "masquerade-rule-takes-replies",
    .severity = Severity::warning,
    .where = "S",
    .title = "A masquerade rule would take replies that IPVS has lost",
    .page = R"md(
## What it means

A source-NAT rule on the director matches RIP->CIP going out. As long as IPVS
has an entry for the connection, it is harmless: IPVS rewrites first. Once the
entry is gone, the rule gives late replies a wrong source instead of leaving
them as they are.

## How it looks

Nothing in healthy traffic. After an entry is lost: LVS105, a reply from the
first address of the interface, and a client's RST to that address.

    nft list ruleset | grep -B5 -iE 'masquerade|snat'
    iptables -t nat -nvL POSTROUTING

## How it comes about

The rule is there so that real servers can reach the internet themselves, which
is fine, or because an old document (kernel 2.2) asked for it. On any kernel
since 2.4 LVS needs no such rule.

## How to check by hand

    nft list table ip nat
    sysctl net.ipv4.vs.conntrack         # with 1 a rule on the inside is full NAT
    ipvsadm -L --timeout

## Cure

If real servers need no connections of their own: delete it. Otherwise except
the ports of the services, before the rule:

    nft insert rule ip nat postrouting ip saddr 10.1.1.0/24 tcp sport 80 accept
    iptables -t nat -I POSTROUTING -s 10.1.1.0/24 -p tcp --sport 80 -j ACCEPT

kept in /etc/nftables.conf or with `netfilter-persistent save`. And look after
what loses entries: LVS210, LVS211. It is a matter of tidiness: leaving the rule
alone is a defensible choice.

## Nearest look-alikes

- LVS105: it has happened.
- LVS127: the rule matches requests towards the real servers.
- LVS104: entry lost, no rule.
- A rule limited to other sources, interfaces or ports: no finding.

## What this tool needs to see to say so

A postrouting rule with masquerade or snat that matches RIP->CIP with the
service's source port and the outside interface, in state. It stays a warning,
and is left out where LVS105 names the rule already. Snat to the VIP itself is
reported as info-like `possible`: late replies then carry the right address.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
