#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  for (const StrangeSource& strange : facts.strange) {
    const Suspect* s = facts.find(strange.record);
    if (s == nullptr || !s->connection.saw(Leg::request) || sink.is_claimed(strange.record)) continue;
    const Connection& c = s->connection;
    // What the client was told by another address must really be the director's doing.
    const bool directors = facts.is_director(strange.source.address) || sent_by_director(facts, strange.path);
    Subject subject;
    subject.service = service_text(facts, c);
    Finding& f = accuse_connection(facts, sink, wrong_masquerade_address, subject, *s, Severity::error,
                                   directors ? Confidence::certain : Confidence::likely);
    const std::string wrong = to_string(strange.source.address), vip = c.vip ? to_string(c.vip->address) : std::string("the VIP");
    Evidence proof = facts.evidence(strange.first,
                                    to_string(strange.source) + " > " + to_string(c.client) +
                                        " carries the connection's own sequence numbers, from another address than " + vip,
                                    Leg::masq);
    if (f.count == 1) {
      f.evidence.insert(f.evidence.begin(), std::move(proof));
    } else {
      FindingSink::prove(f, std::move(proof));
    }
    f.legs = c.leg_string;
    if (!f.cause.empty()) continue;
    f.title = "Replies leave with the wrong address: " + wrong + " instead of " + vip;
    if (directors) f.subject.director = wrong;
    f.cause = "A masquerade or SNAT rule of the director took replies for which IPVS had no entry (any more) and gave them " +
              wrong +
              ", the address of the outgoing device. With a live IPVS entry such a rule never touches them, so look first at why "
              "the entry was gone: the connection was idle longer than "
              "the IPVS timeout, the table was cleared (ipvsadm -C, a restart of keepalived), or the service uses one-packet "
              "scheduling.";
    if (strange.client_reset) f.cause += " The client answered with RST.";
    FindingSink::cure(f, cures::timeouts(7200, 120, 300));
    if (c.rip) {
      f.cure.push_back(
          Cure{Where::director,
               "nft insert rule ip nat POSTROUTING ip saddr " + to_string(c.rip->address) +
                   " ct state established accept   # or narrow the masquerade rule to connections that real servers open",
               std::nullopt});
    }
    if (facts.state == nullptr)
      FindingSink::unchecked(f, "the director's nat rules and IPVS table (nft list ruleset, ipvsadm -Lnc)");
  }
}

}  // namespace

constinit const Rule wrong_masquerade_address{
    .code = 105,
    .id = "wrong-masquerade-address",
    .severity = Severity::error,
    .where = "P",
    .title = "The reply leaves the director with a wrong source address",
    .page = R"md(
## What it means

The reply left the director, but with a source other than the VIP: usually the
first address of the outgoing interface. The HOWTO calls it a wrong m_addr. The
client has no connection with that address and resets it.

## How it looks

Leg string `123!`. Outside:

    tcpdump -ni eth0 dst host 192.168.1.254 and not src host 192.168.1.110

shows the reply's data, sequence numbers and ports from, say, 192.168.1.1; the
client's RST to that address follows (ICMP port unreachable for UDP) and comes
out inside as CIP->RIP. `conntrack -L -s 10.1.1.2` shows the flow with that
address as reply destination; `ipvsadm -Lnc` shows no entry for it.

## How it comes about

A masquerade or SNAT rule took it. That happens only to replies without an IPVS
entry: as long as the entry lives, IPVS rewrites first and the rule is harmless.
So there are two faults: the entry is gone (expired, cleared by `ipvsadm -C`,
`--ops`, failover), and a rule catches what is left.

## How to check by hand

    ipvsadm -Lnc | grep 192.168.1.254
    nft list table ip nat; iptables -t nat -S POSTROUTING
    conntrack -L -s 10.1.1.2 -d 192.168.1.254

## Cure

Cure the loss of the entry first: timeouts (LVS210), `--ops` (LVS211), reload
instead of flush. Then keep the rule off replies of services, e.g. by limiting
it to what real servers open themselves:

    nft insert rule ip nat postrouting ip saddr 10.1.1.0/24 tcp sport 80 accept

Persistent: the same line before the masquerade rule in /etc/nftables.conf, then
`nft -f /etc/nftables.conf`. This turns a wrong source into LVS104, which is
easier to see; the connection is lost either way.

## Nearest look-alikes

- LVS104: same loss without such a rule; the source is the RIP.
- LVS207: the rule is there, no reply has been hurt (yet).
- LVS127: full NAT rewrites the source of requests, on purpose.
- Two VIPs with the same real servers: the reply bears the other VIP. Two
  services that share RIP:port and a client port can collide.

## What this tool needs to see to say so

A reply whose inside twin (same sequence numbers, TTL one more) belongs to a
connection with a known VIP, leaving the client side with another source. From
the outside alone it needs data that continues a known connection. It names the
rule where state shows it.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
