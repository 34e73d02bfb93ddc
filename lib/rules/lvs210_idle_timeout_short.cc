#include <algorithm>
#include <optional>

#include "base/text.h"
#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

/// How long the connection had been silent when a packet met no entry any more; 0: it did not, or that cannot be told.
Timestamp idle_before_loss(const Facts& facts, const Suspect& s) {
  const Connection& c = s.connection;
  const LegCount& demasq = c.leg(Leg::demasq);
  const LegCount& reply = c.leg(Leg::reply);
  // The real server spoke: its reply left as it was.
  const Clue* leaked = nullptr;
  for (const Clue& clue : s.clues) {
    const bool leaves = clue.leg == Leg::reply && (clue.kind == Clue::Kind::forwarded || clue.kind == Clue::Kind::moved);
    if (leaked == nullptr && leaves && (clue.tcp_flags & (kRst | kFin)) == 0 && sent_by_director(facts, clue.path))
      leaked = &clue;
  }
  const LegCount& masq = c.leg(Leg::masq);
  if (leaked != nullptr && masq.packets != 0) {
    // What came later on leg 2 (the client's RST to the stray reply) is no use of the connection.
    const Timestamp used =
        std::max(masq.last < leaked->frame.time ? masq.last : 0, demasq.last < leaked->frame.time ? demasq.last : 0);
    return used == 0 ? 0 : leaked->frame.time - used;
  }
  // The client spoke: the director's own TCP reset it.
  if (const Clue* reset = first_clue(s, Clue::Kind::reset, Leg::masq);
      reset != nullptr && !reply.rst && demasq.packets != 0 && c.leg(Leg::request).unpaired >= 1) {
    return reset->frame.time - std::max(demasq.last, reply.last);
  }
  return 0;
}

void check(const Facts& facts, FindingSink& sink) {
  if (facts.state == nullptr || !facts.state->ipvs.timeouts) return;
  const ServiceTimeouts& timeouts = *facts.state->ipvs.timeouts;
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || !c.service || (c.protocol != kTcp && c.protocol != kUdp)) continue;
    const std::uint32_t timeout = c.protocol == kUdp ? timeouts.udp : timeouts.tcp;
    const Timestamp idle = idle_before_loss(facts, s);
    if (timeout == 0 || idle < Timestamp{timeout} * kSecond / 10 * 8) continue;
    Subject subject;
    subject.service = service_text(facts, c);
    Finding& f = sink.accuse(idle_timeout_short, subject, Severity::warning, Confidence::certain);
    FindingSink::cite(f, c.record);
    if (f.evidence.size() < FindingSink::kEvidence)
      FindingSink::prove(f, Evidence{connection_text(c) + " was silent for " + to_duration(idle), std::nullopt, std::nullopt,
                                     std::nullopt, std::nullopt});
    for (const int code : {112, 104}) {
      if (const Finding* lost = found(sink, code); lost != nullptr && f.count == 1) explains(f, code, lost->subject, lost->count);
    }
    if (!f.cause.empty()) continue;
    const char* which = c.protocol == kUdp ? "udp" : "tcp";
    f.title = "IPVS forgets idle connections of " + *subject.service + " after " + std::to_string(timeout) +
              " s, sooner than they are used";
    f.cause = "The IPVS timeout for " + std::string(which) + " is " + std::to_string(timeout) +
              " s. Connections of this service were silent for longer and then went on: their entry had expired.";
    FindingSink::prove(f, saved(facts, "IPVS timeouts (tcp tcpfin udp): " + std::to_string(timeouts.tcp) + " " +
                                           std::to_string(timeouts.tcp_fin) + " " + std::to_string(timeouts.udp)));
    FindingSink::cure(f, c.protocol == kUdp
                             ? cures::timeouts(std::nullopt, std::nullopt, std::max<std::uint32_t>(900, timeout * 4))
                             : cures::timeouts(7200, 120, 300));
  }
}

}  // namespace

constinit const Rule idle_timeout_short{
    .code = 210,
    .id = "idle-timeout-short",
    .severity = Severity::warning,
    .where = "S",
    .title = "IPVS forgets connections sooner than they are used",
    .page = R"md(
## What it means

Connections of a service were seen to be silent for longer than, or nearly as
long as, the IPVS timeout. Their entry expires while both ends believe the
connection open; the next packet is reset (client speaks) or leaks (real server
speaks).

## How it looks

    ipvsadm -L --timeout
    Timeout (tcp tcpfin udp): 900 120 300
    ipvsadm -Lnc                          # column expire runs down to 0

In packets gaps near the timeout; after it RST from the VIP with TTL 64 (112) or
RIP->CIP outside (104). In applications: "connection reset" after lunch.

## How it comes about

Database pools, message queues, gRPC and ssh hold connections for hours. TCP
keep-alives start after 7200 s and only if the program asks for them. 900 s is
the default of IPVS, 300 s for UDP. After the client's FIN the entry lives 60 s
(CLOSE_WAIT), which cannot be set.

## How to check by hand

    ipvsadm -L --timeout
    sysctl net.ipv4.tcp_keepalive_time           # on client and real server
    ss -tno | grep -c keepalive                  # who uses keep-alives

## Cure

    ipvsadm --set 7200 120 300

To stay: keepalived `global_defs { lvs_timeouts tcp 7200 tcpfin 120 udp 300 }`,
or the command in a unit run at boot (`ipvsadm -Sn` does not save it). Each idle
entry costs some 300 bytes. Or keep the line warm, in /etc/sysctl.d of clients
or real servers (sockets with SO_KEEPALIVE only):

    sysctl -w net.ipv4.tcp_keepalive_time=600

With `net.ipv4.vs.conntrack=1` see that `nf_conntrack_tcp_timeout_established`
is not shorter.

## Nearest look-alikes

- LVS112: a connection has been lost that way.
- LVS110: resets to a SYN; nothing to do with idling.
- LVS211: entries are not kept at all.
- Long idle times of connections that are never used again do no harm; the
  finding is about those that spoke again.

## What this tool needs to see to say so

The timeouts (state) and, in packets, connections of a service that went on
after a silence of at least 80 % of the timeout and met no entry any more: the
director reset the client, or the real server's packet left as it was. The
capture must be longer than that silence. Without packets it says nothing: a
short timeout alone is a choice.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
