#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::direct || sink.is_claimed(c.record) || !c.rip || facts.rips.contains(c.client.address) ||
        facts.is_director(c.client.address))
      continue;
    const LegCount& demasq = c.leg(Leg::demasq);
    const LegCount& reply = c.leg(Leg::reply);
    // Its beginning must have been seen: a capture that starts in the middle shows replies without requests, too.
    const bool begins = c.protocol == kTcp ? demasq.syn || reply.syn : demasq.packets != 0 && !facts.cooked_only;
    if (!begins || facts.lossy) continue;
    // It hangs when the SYN-ACK is sent again and again and nothing follows.
    const bool hangs = c.protocol == kTcp && reply.syn && !reply.data && reply.repeats >= 2;
    const IcmpSighting* told = nullptr;
    for (const std::uint32_t at : facts.icmp_about(c.record)) {
      const IcmpSighting& i = facts.icmp[at];
      if (i.icmp.unreachable && i.quoted_leg == Leg::reply) told = &i;
    }
    Subject subject;
    subject.client = to_string(c.client.address);
    subject.real_server = to_string(c.rip->address);
    Finding& f = accuse_connection(facts, sink, client_bypasses_director, subject, s, hangs ? Severity::error : Severity::warning,
                                   Confidence::certain);
    if (told != nullptr)
      FindingSink::prove(
          f, facts.evidence(told->frame,
                            "the director tells " + to_string(told->destination) +
                                " port unreachable about its reply: it has no entry for it (net.ipv4.vs.nat_icmp_send=1)"));
    if (!f.cause.empty()) continue;
    const std::string cip = to_string(c.client.address), rip = to_string(*c.rip);
    f.title = cip + " talks straight to the real server " + to_string(c.rip->address);
    f.cause = cip + " connects to " + rip +
              " itself, not to the VIP: the request goes past the director, the reply goes through it (it is the gateway) and "
              "matches no IPVS entry. ";
    f.cause += hangs ? "Here the director does not pass the reply on, so the connection hangs."
                     : "With the defaults of today's kernels the reply is simply routed on and the connection works, without the "
                       "balancer: a test that \"works\" this way proves nothing about the LVS.";
    if (c.service && *c.service < facts.services.size())
      f.cure.push_back(Cure{Where::client, "# connect to " + to_string(facts.services[*c.service]) + " instead", std::nullopt});
    Prefix p;
    p.address = c.rip->address;
    p.length = c.rip->address.is_v4() ? 32 : 128;
    FindingSink::cure(f, cures::close_direct_way(p, "OUTSIDE"));
    if (hangs && told != nullptr) FindingSink::cure(f, cures::nat_icmp_send_off());
  }
}

}  // namespace

constinit const Rule client_bypasses_director{
    .code = 113,
    .id = "client-bypasses-director",
    .severity = Severity::warning,
    .where = "P",
    .title = "A client talks straight to a real server",
    .page = R"md(
## What it means

Someone connects to RIP:port of a forwarded service instead of VIP:port. That is
not a fault of LVS. It confuses tests ("it works", but not through the director)
and in production it means that real servers can be reached from outside.

## How it looks

At the director no leg 1 and often no request at all: CIP->RIP on a shared wire
goes from host to host. A SYN-ACK RIP->CIP that follows no request is what the
director sees, because it is the real server's gateway. What becomes of it:

- `nat_icmp_send=0`, the default: forwarded as it is; the connection works, one
  way direct and one way through the director.
- `nat_icmp_send=1`: ICMP port unreachable from the director to the real server,
  and the reply is dropped: the HOWTO's picture. The client hangs.
- A stateful filter on the director drops it as INVALID: the client hangs.

`ipvsadm -Lnc` has no entry with this client port.

## How it comes about

DNS or a configuration names the RIP; a monitor on a third host; a test from a
client with a route to the real servers' network (by way of the director, or on
the same wire).

## How to check by hand

    tcpdump -eni eth1 'tcp[13] & 18 == 18 and src host 10.1.1.2'
    ip route get 10.1.1.2                 # on the client: is there a way at all?
    sysctl net.ipv4.vs.nat_icmp_send

## Cure

Use the VIP. To close the way in production, on the director:

    nft add rule inet filter forward iifname "eth0" ip daddr 10.1.1.0/24 ct state new drop

kept in /etc/nftables.conf; or on a router in front, which also covers wires
that the director is not on. On the client remove the route to the RIPs.

## Nearest look-alikes

- LVS104: the client did use the VIP; legs 1 and 2 exist, or did.
- LVS127: the client's address is one of the director's.
- Health checks from the director to the RIP: ordinary, never a finding.
- The requests went through the other director of a pair: RIP->CIP without leg 1
  here, legs 1 and 2 there. Look at its `ipvsadm -Lnc`.
- LVS103 is never said without leg 1.

## What this tool needs to see to say so

CIP->RIP:port of a destination from a host that is not the director, or a
SYN-ACK without its SYN when the capture began well before. Error where the
connection hangs, warning where it works. Connections that began before the
capture and ports that are no service are left alone.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
