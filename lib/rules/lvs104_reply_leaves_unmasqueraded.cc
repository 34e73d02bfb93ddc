#include <algorithm>

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
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record) || !c.rip) continue;
    if (c.state == ConnectionState::closed) continue;
    const LegCount& reply = c.leg(Leg::reply);
    const Clue* leak = nullptr;
    for (const Clue& clue : s.clues) {
      if (clue.leg != Leg::reply || (clue.kind != Clue::Kind::forwarded && clue.kind != Clue::Kind::moved)) continue;
      // A late RST or FIN of a connection that IPVS has rightly forgotten harms nobody.
      if ((clue.tcp_flags & (kRst | kFin)) != 0 || !sent_by_director(facts, clue.path)) continue;
      leak = &clue;
      break;
    }
    const bool only_outside =
        leak == nullptr && reply.packets != 0 && c.saw(Leg::request) && sent_by_director(facts, reply.path) && !reply.rst;
    // At the client: what it calls and what answers come and go by the same neighbour, the director or a router before it.
    const Path& to = facts.path(c.leg(Leg::request).path);
    const Path& from = facts.path(reply.path);
    const bool at_client = leak == nullptr && !only_outside && c.saw(Leg::request) && reply.packets != 0 && !c.saw(Leg::demasq) &&
                           !reply.rst && to.vantage == from.vantage && !from.source.is_none() && to.destination == from.source;
    if (leak == nullptr && !only_outside && !at_client) continue;
    Subject subject;
    subject.service = service_text(facts, c);
    Finding& f = accuse_connection(facts, sink, reply_leaves_unmasqueraded, subject, s, Severity::error,
                                   facts.lossy || at_client ? Confidence::likely : Confidence::certain);
    const std::string rip = to_string(c.rip->address), cip = to_string(c.client.address);
    const FrameRef frame =
        leak != nullptr ? leak->frame : FrameRef{facts.path(reply.path).vantage, reply.first_frame, reply.first};
    // The rewritten reply would be the better known sight, so this one is said in words and put first.
    Evidence proof = facts.evidence(
        frame, to_string(*c.rip) + " > " + to_string(c.client) + " leaves the director with the RIP as source", Leg::reply);
    if (f.count == 1) {
      f.evidence.insert(f.evidence.begin(), std::move(proof));
    } else {
      FindingSink::prove(f, std::move(proof));
    }
    if (!f.cause.empty()) continue;
    f.title = "Replies leave the director unmasqueraded, with the RIP as source";
    if (at_client || only_outside) {
      f.title =
          "The client is answered by " + rip + " instead of " + (c.vip ? to_string(c.vip->address) : std::string("the VIP"));
      FindingSink::unchecked(
          f,
          "whether " + rip +
              " is a real server or an address of the director: in the latter case a masquerade rule took the replies (LVS105)");
    }
    const bool worked_before = c.saw(Leg::masq);
    // The entry was alive when it last rewrote a packet; what was seen later on these legs is the echo of the leak.
    Timestamp alive = 0;
    for (const Leg leg : {Leg::demasq, Leg::masq}) {
      if (c.saw(leg) && c.leg(leg).last < frame.time) alive = std::max(alive, c.leg(leg).last);
    }
    const std::string quiet =
        worked_before && alive != 0 && frame.time - alive > kSecond ? to_duration(frame.time - alive) : std::string();
    f.cause = worked_before ? "The connection worked" + (quiet.empty() ? std::string() : ", then was quiet for " + quiet) +
                                  ", and the next reply of " + rip + " found no IPVS entry: " +
                                  (quiet.empty() ? "the table was cleared, or a flowtable took the connection past IPVS (LVS213)"
                                                 : "the entry had expired (idle longer than the IPVS timeout) or the table "
                                                   "was cleared") +
                                  ". The kernel then just routes the packet on, and " + cip + " throws away what comes from " +
                                  rip + " instead of the VIP."
                            : "IPVS forwarded the request but kept no entry that the reply of " + rip +
                                  " could match: one-packet scheduling (-o) with masquerading, an answer from another port or "
                                  "address than the request went to, or an entry that was removed. "
                                  "The kernel then just routes the packet on, and " +
                                  cip + " throws away what comes from " + rip + " instead of the VIP.";
    if (worked_before) {
      FindingSink::cure(f, cures::timeouts(7200, 120, 300));
    } else if (c.service && *c.service < facts.services.size()) {
      FindingSink::cure(f, cures::no_one_packet(facts.services[*c.service]));
    }
    if (at_client)
      FindingSink::unchecked(
          f, "a capture at the director: a router before it could have brought replies that went round the director");
    if (facts.state == nullptr)
      FindingSink::unchecked(f,
                             "the director's kernel state: IPVS timeouts (ipvsadm -L --timeout) and whether the service has the "
                             "ops flag (ipvsadm -Ln)");
  }
}

}  // namespace

constinit const Rule reply_leaves_unmasqueraded{
    .code = 104,
    .id = "reply-leaves-unmasqueraded",
    .severity = Severity::error,
    .where = "P",
    .title = "The reply leaves the director with the real server's address",
    .page = R"md(
## What it means

The director forwarded the reply like any router: RIP->CIP went out on the
client side. IPVS rewrites a reply only if it has an entry for exactly this
connection; here it had none. The client resets, or a filter drops the private
address on the way.

## How it looks

    tcpdump -ni eth0 net 10.1.1.0/24       # RIP > CIP outside: must never happen

Leg string `123-` with RIP->CIP on the outside, its TTL one less than inside. A
client answers RST CIP->RIP. `ipvsadm -Lnc | grep 192.168.1.254` shows no entry.

## How it comes about

- The entry expired: idle for longer than the timeout (900 s established, 120 s
  after FIN, 300 s UDP; CLOSE_WAIT is 60 s and cannot be set), then the real
  server spoke first (112, 210).
- It was cleared: `ipvsadm -C`, a reload that flushes. With the last service the
  kernel takes IPVS out of the way of packets at once; live connections leak.
- It was never kept: one-packet scheduling (211).
- It does not match: the program answered from another address or port than the
  request was sent to (UDP on a host with several addresses, TFTP, SIP).
- It is on the other director: real servers use this one as gateway, the VIP is
  on that one, or a failover happened without connection synchronisation.
- A flowtable forwards past IPVS (213).

## How to check by hand

    ipvsadm -Lnc | grep 192.168.1.254      # an entry? daddr:dport = the source?
    ipvsadm -L --timeout
    ipvsadm -Sn                            # --ops? -m? the service at all?
    ipvsadm -L --daemon                    # synchronisation, if there are two

## Cure

Cure the loss of the entry, not the packet: raise the timeouts (LVS210),

    ipvsadm --set 7200 120 300             # keepalived: lvs_timeouts tcp 7200 tcpfin 120 udp 300

or let programs send keep-alives more often than that; drop `--ops` (LVS211);
bind UDP programs to the RIP; reload instead of clearing; gateway of the real
servers = the floating inside address of the director pair.

## Nearest look-alikes

- LVS105: same loss, but a masquerade rule gave the packet another source.
- LVS113: the client never used the VIP; with `nat_icmp_send=0` (the default)
  such a connection works. No leg 1, no leg 2.
- LVS103: nothing leaves at all.
- A connection that the real server itself opened (source port not that of the
  service) is no reply and no fault of LVS.

## What this tool needs to see to say so

RIP->CIP on the client side, sourced at the director, from RIP:port of a
destination, for a connection whose legs 1 or 2 were seen, or which state lists.
Stray packets after FIN or RST are set aside: late retransmissions of a finished
connection leak harmlessly.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
