#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

/// Seen from outside alone: the director's own RST has lost no hop, the real server's replies have.
void reset_from_outside(const Facts& facts, FindingSink& sink, const Suspect& s) {
  const Connection& c = s.connection;
  const LegCount& masq = c.leg(Leg::masq);
  const Clue* rst = first_clue(s, Clue::Kind::reset, Leg::masq);
  if (rst == nullptr || masq.packets < 2 || facts.lossy) return;
  const bool own = rst->ttl > masq.ttl && (rst->ttl == 64 || rst->ttl == 128 || rst->ttl == 255);
  const bool was_open = c.leg(Leg::request).data || masq.data;
  if (!own || !was_open || masq.fin) return;
  Subject subject;
  subject.service = service_text(facts, c);
  Finding& f = accuse_connection(facts, sink, connection_forgotten, subject, s, Severity::error, Confidence::likely);
  FindingSink::prove(f, facts.evidence(rst->frame,
                                       "RST with TTL " + std::to_string(rst->ttl) + ", while replies come with " +
                                           std::to_string(masq.ttl) + ": the director's own, not the real server's",
                                       Leg::masq));
  if (!f.cause.empty()) return;
  f.title = "Open connections of " + subject.service.value_or("a service") + " are reset by the director itself";
  f.cause =
      "The RST has crossed one router less than the replies, so the director's own TCP sent it: IPVS has no entry (any more) for "
      "a connection that was open. It was idle longer than the IPVS timeout, the table was cleared, or it belongs to another "
      "director.";
  FindingSink::cure(f, cures::timeouts(7200, 120, 300));
  FindingSink::unchecked(f, "a capture of the director's inside, or ipvsadm -Lnc and ipvsadm -L --timeout");
}

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record) || c.protocol != kTcp || !c.saw(Leg::request))
      continue;
    if (!facts.inside_captured) {
      reset_from_outside(facts, sink, s);
      continue;
    }
    const LegCount& request = c.leg(Leg::request);
    const LegCount& demasq = c.leg(Leg::demasq);
    const LegCount& reply = c.leg(Leg::reply);
    // Open before: it carried packets both ways, or it began before the capture.
    const bool was_open = (demasq.packets != 0 && reply.packets != 0 && !reply.rst) || (s.begins_inside && !request.syn);
    if (!was_open) continue;
    // The director's own TCP answers RST: a packet that is not the real server's, to a request that was not forwarded.
    const Clue* rst = first_clue(s, Clue::Kind::reset, Leg::masq);
    const bool own_reset = rst != nullptr && !reply.rst && request.unpaired >= 1 && !(request.fin && demasq.fin);
    const Missing missing = missing_demasq(facts, s);
    // A client that goes on sending SYNs has opened nothing yet: whatever became of them, no connection was forgotten.
    const bool client_knows = c.saw(Leg::masq) || request.data || demasq.data || c.client_rtt || !request.syn;
    if (!own_reset && !(missing && !missing.from_the_start && client_knows)) continue;
    if ((demasq.fin && reply.fin) || facts.blind(c.first, c.last + kSecond)) continue;  // over anyhow, or not all was seen
    Subject subject;
    subject.service = service_text(facts, c);
    Finding& f = accuse_connection(facts, sink, connection_forgotten, subject, s, Severity::error,
                                   own_reset ? Confidence::certain : missing.confidence);
    const Timestamp idle = demasq.packets != 0 && reply.packets != 0
                               ? (own_reset ? rst->frame.time : request.last) - std::max(demasq.last, reply.last)
                               : 0;
    if (own_reset)
      FindingSink::prove(
          f, facts.evidence(rst->frame,
                            "the director itself resets " + to_string(c.client) + ": the packet before was not forwarded",
                            Leg::masq));
    if (idle > kSecond) {
      Evidence e;
      e.text = connection_text(c) + " had been idle for " + to_duration(idle);
      FindingSink::prove(f, e);
    }
    if (!f.cause.empty()) continue;
    f.title = "Open connections of " + subject.service.value_or("a service") + " are forgotten by the director";
    if (own_reset) {
      f.cause =
          "IPVS has no entry for a connection that client and real server hold open: a packet in the middle of it is not "
          "scheduled, so the director's own TCP answers RST. ";
      f.cause += idle > 2 * kSecond
                     ? "It had been idle for " + to_duration(idle) +
                           ", so the entry most likely expired: the IPVS timeout is shorter than the pauses of this service."
                     : "The entry expired (idle longer than the IPVS timeout), the table was cleared, or the connection belongs "
                       "to another director (failover without sync).";
      FindingSink::cure(f, cures::timeouts(7200, 120, 300));
      f.cure.push_back(Cure{Where::client,
                            "sysctl -w net.ipv4.tcp_keepalive_time=600   # and SO_KEEPALIVE in the program: keep-alives shorter "
                            "than the IPVS timeout",
                            std::nullopt});
    } else {
      f.cause =
          "The director stops forwarding an open connection without a word: its destination was removed from the service while "
          "connections were open "
          "(net.ipv4.vs.expire_nodest_conn=0 drops their packets silently), or a filter or route changed in the middle.";
      FindingSink::cure(f, cures::expire_nodest_conn());
    }
    if (facts.state == nullptr) FindingSink::unchecked(f, "ipvsadm -L --timeout and ipvsadm -Lnc on the director");
  }
}

}  // namespace

constinit const Rule connection_forgotten{
    .code = 112,
    .id = "connection-forgotten",
    .severity = Severity::error,
    .where = "P",
    .title = "The director has forgotten an open connection",
    .page = R"md(
## What it means

The connection worked, then its next packet was not forwarded any more: its IPVS
entry is gone, or the destination it pointed to is. The application sees a reset
or a hang "at random", typically after a pause.

## How it looks

`1234` at first; then leg 1 alone. Two pictures:

- RST from the VIP, TTL 64, to a packet that is no SYN, nothing inside: the
  entry is gone and the director's own TCP answered. If the real server speaks
  first instead, its data leaves as RIP->CIP (104).
- Silence, leg 1 repeated: the entry is there, its destination was removed, and
  `expire_nodest_conn` is 0. With 1 the first packet is dropped and the
  retransmission gets the RST.

Both ends still show ESTABLISHED (`ss -tn`).

## How it comes about

The gap before it tells. Longer than the IPVS timeout (900 s established, 120 s
after a FIN, 300 s UDP): expired; TCP keep-alives start after 7200 s by default,
far too late. A client that has sent FIN and waits: CLOSE_WAIT is 60 s and
cannot be set. No gap, many connections at once: services were flushed, a
destination deleted by a rolling update, or the VIP moved to a director that has
no entries.

## How to check by hand

    ipvsadm -L --timeout
    ipvsadm -Lnc | grep 192.168.1.254
    ipvsadm -Ln                                   # is the RIP still there?
    sysctl net.ipv4.vs.expire_nodest_conn net.ipv4.tcp_keepalive_time
    ipvsadm -L --daemon                           # two directors: synchronised?

## Cure

    ipvsadm --set 7200 120 300

Persistent: keepalived `lvs_timeouts tcp 7200 tcpfin 120 udp 300`, or a unit
that runs the command at boot. Or let the programs keep the line warm, on client
or real server, in /etc/sysctl.d (only sockets with SO_KEEPALIVE):

    sysctl -w net.ipv4.tcp_keepalive_time=600

Removed destinations: set weight 0 and wait before deleting; and

    sysctl -w net.ipv4.vs.expire_nodest_conn=1

Failover: `ipvsadm --start-daemon master --mcast-interface eth1` on the active,
`backup` on the other (keepalived: `lvs_sync_daemon`).

## Nearest look-alikes

- LVS110: RST with TTL 64 as well, but to a SYN.
- LVS210: the timeouts are short for what connections were seen to idle.
- LVS101, LVS111: leg 2 goes on; only replies fail.
- LVS107: ARP for the RIP: the real server died.

## What this tool needs to see to say so

Legs 1 and 2 earlier in the same connection, no FIN from both sides and no RST
since, then packets on leg 1 without leg 2 and either the director's RST or
retransmissions. The idle time it saw is in the evidence; with the timeouts from
state it says whether that explains it. A connection whose beginning was not
captured is accused only if its RST is the director's.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
