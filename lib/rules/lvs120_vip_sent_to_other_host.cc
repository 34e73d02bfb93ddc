#include "base/text.h"
#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

/// The MAC that requests went to, where it is not the director's; none otherwise. `marked`: an `any` capture, which keeps no
/// destination MAC, says that the frame was for another host.
Mac other_host(const Facts& facts, const Suspect& s, const LegCount& request, bool& marked, FrameRef& frame) {
  const auto wrong = [&](const Path& path) {
    if (path.direction == static_cast<std::uint8_t>(Direction::other_host)) marked = true;
    const Mac to = path.destination;
    if (to.is_none() || to.is_group() || is_vrrp_mac(to)) return Mac{};
    if (!facts.director_macs.empty()) return facts.is_director(to) ? Mac{} : to;
    // The director is not known: at least somebody else claims the address.
    const auto claims = facts.macs.find(s.connection.vip->address);
    return claims != facts.macs.end() && !claims->second.contains(to) ? to : Mac{};
  };
  // Frames that the director itself sends on (direct routing) go to other hosts as they should.
  if (sent_by_director(facts, request.path)) return {};
  frame = FrameRef{facts.path(request.path).vantage, request.first_frame, request.first};
  if (const Mac to = wrong(facts.path(request.path)); !to.is_none() || marked) return to;
  for (const Clue& clue : s.clues) {
    if (clue.kind != Clue::Kind::moved || clue.leg != Leg::request || sent_by_director(facts, clue.path)) continue;
    frame = clue.frame;
    if (const Mac to = wrong(facts.path(clue.path)); !to.is_none() || marked) return to;
  }
  return {};
}

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record) || !c.vip || !c.saw(Leg::request)) continue;
    // A standby sees the same when its switch floods: there it is as it should be.
    if (facts.state != nullptr && facts.state->known.addresses && !owns_address(*facts.state, c.vip->address)) continue;
    const Missing missing = missing_demasq(facts, s);
    // The other host may have served it: answers that did not come from here.
    if (c.saw(Leg::masq) || (!missing && facts.inside_captured)) continue;
    if (!missing && c.leg(Leg::request).repeats == 0) continue;
    bool marked = false;
    FrameRef frame;
    const Mac to = other_host(facts, s, c.leg(Leg::request), marked, frame);
    if (to.is_none() && !marked) continue;
    Subject subject;
    subject.service = service_text(facts, c);
    subject.client = to_string(c.client.address);
    if (!to.is_none()) subject.gateway = to_string(to);
    Finding& f = accuse_connection(facts, sink, vip_sent_to_other_host, subject, s, Severity::error,
                                   facts.director_macs.empty() ? Confidence::likely : Confidence::certain);
    const std::string vip = to_string(c.vip->address), cip = to_string(c.client.address);
    const std::string where = to.is_none() ? std::string("another host") : "MAC " + to_string(to);
    FindingSink::prove(
        f, facts.evidence(frame, "a request for " + vip + " goes to " + where + ", which is not the director", Leg::request));
    if (!f.cause.empty()) continue;
    f.title = "Frames for the VIP " + vip + " go to " + where + " instead of the director";
    const Address owner = to.is_none() ? Address{} : owner_of(facts, to);
    const Mac sender = facts.path(c.leg(Leg::request).path).source;
    const auto own = facts.macs.find(c.client.address);
    const bool neighbour = own != facts.macs.end() && own->second.contains(sender);
    f.cause = (neighbour ? cip
                         : "Whoever sends them (" +
                               (sender.is_none() ? std::string("the client, or its router") : to_string(sender)) + ")") +
              " has " + where + (owner.is_none() || owner == c.vip->address ? std::string() : " (" + to_string(owner) + ")") +
              " as its neighbour entry for " + vip +
              ". That host does not pass the requests on to this director. After a failover the entry is stale: the new director "
              "did not announce the VIP, or the announcement was lost or ignored; or "
              "the entry is a static one.";
    FindingSink::cure(f, cures::announce(c.vip->address, "OUTSIDE"));
    f.cure.push_back(Cure{neighbour ? Where::client : Where::router, "ip neigh flush to " + vip, std::nullopt});
  }
}

}  // namespace

constinit const Rule vip_sent_to_other_host{
    .code = 120,
    .id = "vip-sent-to-other-host",
    .severity = Severity::error,
    .where = "P",
    .title = "Frames for the VIP go to another host's MAC",
    .page = R"md(
## What it means

A client or router sends requests for the VIP to a MAC that is not this
director's. It uses an old neighbour entry, usually that of the director that
had the VIP before a failover.

## How it looks

In a promiscuous or mirrored capture:

    tcpdump -peni eth0 dst host 192.168.1.110     # -p: the director's own share only
    tcpdump -eni eth0 dst host 192.168.1.110      # destination MAC is not ours

Leg string `1---` with the foreign MAC, or no packet at all where a switch
delivers them elsewhere. The director answers ARP for the VIP correctly, and its
IPVS counters stay 0: it does not process frames for other hosts.

## How it comes about

After a failover the gratuitous ARP was lost, sent too early (switch port not
yet forwarding, bond just up) or is ignored by router, switch or hypervisor (ARP
inspection, IP/MAC learning); a static ARP entry. The old director, if it lives
and forwards, may pass requests on and hide the fault until it is switched off.

## How to check by hand

    ip neigh show 192.168.1.110          # on the client or router (or its ARP table)
    ip -br link show eth0                # on the director: the MAC it should be
    arping -c3 -I eth0 192.168.1.110     # on the client: who answers now?

## Cure

From the director that has the VIP:

    arping -U -c3 -I eth0 192.168.1.110       # IPv6: ndsend 2001:db8::110 eth0

or on the client or router `ip neigh flush to 192.168.1.110`. Persistent in
keepalived: `vrrp_garp_master_refresh 60` or `use_vmac`; allow it in switch and
hypervisor; remove static entries.

## Nearest look-alikes

- LVS117: two hosts answer ARP now; here only one does.
- LVS116: nobody answers.
- LVS106: the frame is for the director's MAC and is swallowed.
- A shared wire or hub where frames to other hosts' addresses are ordinary.

## What this tool needs to see to say so

Requests for the VIP to a unicast MAC that is not the director's, with the
director's MAC known (state, ARP answers, legs 2 and 4), and the VIP being the
director's. If legs show that requests do arrive through that MAC (a virtual
MAC, a bond) it is silent. In SLL captures, which hold no destination MAC, it
uses the "other host" mark.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
