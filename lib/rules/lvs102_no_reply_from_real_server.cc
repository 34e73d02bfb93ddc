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
    if (c.kind != ConnectionKind::masqueraded || !c.rip || sink.is_claimed(c.record)) continue;
    const Missing missing = missing_reply(facts, s);
    if (!missing) continue;
    Confidence confidence = std::min(missing.confidence, Confidence::likely);
    if (c.protocol != kTcp) {
      // Many UDP services never answer (syslog); only one that answers elsewhere is expected to answer here.
      const bool answers_elsewhere =
          c.service && *c.service < facts.tallies.size() && facts.tallies[*c.service].legs[index(Leg::reply)] != 0;
      if (!answers_elsewhere) {
        if (c.leg(Leg::demasq).packets < 2) continue;
        confidence = Confidence::possible;
      }
    }
    Subject subject;
    subject.real_server = to_string(c.rip->address);
    Finding& f = accuse_connection(facts, sink, no_reply_from_real_server, subject, s, Severity::error, confidence);
    if (!f.cause.empty()) continue;
    const std::string rip = to_string(c.rip->address), cip = to_string(c.client.address);
    f.title = missing.from_the_start ? "No reply comes back from " + rip : "Replies from " + rip + " stop in the middle";
    bool answers_others = false, asks_director = false;
    for (const ServiceTally& service : facts.tallies) {
      for (const DestinationTally& d : service.destinations) {
        if (d.destination.rip == c.rip->address && d.legs[index(Leg::reply)] != 0) answers_others = true;
      }
    }
    for (const Question* q : facts.questions_by(c.rip->address)) asks_director = asks_director || facts.is_director(q->target);
    f.cause = "The request reached the wire towards " + rip + " and no reply came back to the director. ";
    if (answers_others)
      f.cause +=
          "It does answer other connections through the director, so host and way back work at least for some clients or at some "
          "times. ";
    f.cause +=
        "Candidates: its firewall drops packets from clients (the client's address is kept, a rule for the director alone is not "
        "enough); it has no route back to " +
        cip +
        "; strict rp_filter there; a full accept queue; or the reply takes a way past the director that cannot be seen from "
        "here.";
    const Address dip = known_gateway(facts, c.rip->address);
    f.cure.push_back(
        Cure{Where::director, "lvsdiag probe " + rip + "   # does its way back lead through this director?", std::nullopt});
    f.cure.push_back(Cure{Where::real_server, "ip route get " + cip + " from " + rip, std::nullopt});
    if (!asks_director && !dip.is_none()) FindingSink::cure(f, cures::gateway(dip));
    FindingSink::unchecked(
        f, "a capture on " + rip + " (tcpdump -eni any host " + cip +
               "): nothing leaves means firewall, service or no route; a reply that leaves shows where to by its MAC");
    FindingSink::unchecked(
        f, "lvstrace --client " + cip + (dip.is_none() ? std::string() : " --director " + to_string(dip)) + " on " + rip);
  }
}

}  // namespace

constinit const Rule no_reply_from_real_server{
    .code = 102,
    .id = "no-reply-from-real-server",
    .severity = Severity::error,
    .where = "P",
    .title = "No reply came back from the real server",
    .page = R"md(
## What it means

The director forwarded the request to the real server and nothing came back to
the director. Either the real server did not answer, or its answer took a way
that cannot be seen from here. The director alone cannot tell these apart by
watching; it can by asking (see below).

## How it looks

Leg string `12--`. On the director's inside the same SYN again after 1, 3 and 7
s, with no SYN-ACK between:

    tcpdump -ni eth1 host 10.1.1.2 and host 192.168.1.254

On the real server either the request arrives and nothing leaves (it drops it,
or has no route back), or an answer leaves (then it is a bypass: LVS101), or
nothing arrives (switch, VLAN, anti-spoofing of a hypervisor or cloud). The IPVS
entry stays SYN_RECV, OutPkts of the destination stays 0. SYN_RECV alone proves
nothing: the entry is also in SYN_RECV after the SYN-ACK has passed.

## How it comes about

- A firewall on the real server drops it. NAT keeps the client's address, so a
  rule that admits only the director lets health checks pass and clients not.
- No route to the client: the SYN-ACK cannot leave (302), no ICMP says so.
- Strict rp_filter on the real server, whose route to the client leads through
  another NIC: the request is dropped on arrival (206).
- Wrong gateway or direct route, with no trace at the director (301, 303, 304).
- Accept or SYN queue full; the host is alive but the program hangs.
- The fabric drops packets with a foreign source (source/destination check, port
  security), or they enter a tunnel whose selectors do not admit clients.

## How to check by hand

From the director, with a source that is not its own:

    lvsdiag probe 10.1.1.2

A reply that comes back inside shows that the gateway is right: look at the
service and firewall of the real server. None, though `ping 10.1.1.2` works: the
way back is wrong (LVS214). On the real server:

    tcpdump -eni any host 192.168.1.254
    ip route get 192.168.1.254 from 10.1.1.2
    nstat -az IpOutNoRoutes TcpExtIPReversePathFilter TcpExtListenOverflows
    nft list ruleset; ss -lnt

## Cure

That of the cause: for a firewall on the real server

    nft insert rule inet filter input tcp dport 80 accept   # keep: /etc/nftables.conf

(admit clients, not only the director); for the way back
`ip route replace default via 10.1.1.9`, kept as LVS301 says; for a cloud,
switch off the source/destination check of the director's inside NIC.

## Nearest look-alikes

- LVS101: the same, with proof of the bypass.
- LVS107: no leg 2 at all, ARP for the RIP unanswered.
- LVS108: the real server does answer, with RST or an ICMP error.
- LVS114, LVS115: the client is in the real servers' network.
- LVS126: the answer comes, late.

## What this tool needs to see to say so

Leg 2 on a captured inside, then a retransmission of the request, or a silence
that the protocol does not explain, and no leg 3; nothing dropped by the
capture. For UDP without retransmission, or one unanswered packet at the end of
a capture, it says nothing or `possible`. The candidates it could not exclude
are listed under `unchecked`.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
