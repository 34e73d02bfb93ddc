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

void check(const Facts& facts, FindingSink& sink) {
  for (const Address& vip : facts.vips) {
    const std::optional<Conflict> conflict = conflict_over(facts, vip);
    if (!conflict) continue;
    Subject subject;
    subject.director = to_string(vip);
    subject.gateway = to_string(conflict->second);
    Finding& f = sink.accuse(duplicate_vip, subject, Severity::error, conflict->confidence);
    const std::string one = to_string(conflict->first), two = to_string(conflict->second);
    const bool directors = facts.is_director(conflict->first);
    if (conflict->first_frame) {
      FindingSink::prove(f, facts.evidence(*conflict->first_frame,
                                           one + (directors ? ", the director," : "") + " says that it has " + to_string(vip)));
    }
    FindingSink::prove(f,
                       facts.evidence(conflict->second_frame,
                                      two + (conflict->first_frame ? " says the same" : " says that it has " + to_string(vip))));
    if (conflict->held)
      FindingSink::prove(f, saved(facts, "the director (" + one + ") has " + to_string(vip) + ", and had not given it up"));
    f.title = "Two MACs claim the VIP " + to_string(vip);
    f.cause = "Both " + one + (directors ? " (the director)" : "") + " and " + two + " claim " + to_string(vip) +
              ": clients use whichever they heard last, so connections fail at random or move in the middle. Two directors are "
              "active at once (VRRP adverts do not get through, or the address was "
              "set up by hand on the backup), or a real server answers for the VIP (an arp_ignore left out on a host that was "
              "set up for direct routing).";
    f.cure.push_back(Cure{Where::director,
                          "arping -D -c 2 -I OUTSIDE " + to_string(vip) + "   # who answers? then: ip neigh show " +
                              to_string(vip) + " on a client",
                          std::nullopt});
    Prefix address;
    address.address = vip;
    address.length = vip.is_v4() ? 32 : 128;
    Cure remove = cures::remove_address(Where::director, address, "DEV");
    remove.command += "   # on the host with MAC " + two;
    FindingSink::cure(f, std::move(remove));
    if (conflict->confidence != Confidence::certain)
      FindingSink::unchecked(f, "whether " + one + " and " + two +
                                    " are two hosts, or two interfaces or bond ports of one (ip link on the director)");
    // What was cut off meanwhile needs no explanation of its own.
    for (const Suspect& s : facts.suspects) {
      const Connection& c = s.connection;
      if (c.kind != ConnectionKind::masqueraded || !c.vip || c.vip->address != vip || sink.is_claimed(c.record) ||
          !missing_demasq(facts, s))
        continue;
      if (c.last < conflict->second_frame.time) continue;
      accuse_connection(facts, sink, duplicate_vip, subject, s, Severity::error, conflict->confidence);
    }
  }
}

}  // namespace

constinit const Rule duplicate_vip{
    .code = 117,
    .id = "duplicate-vip",
    .severity = Severity::error,
    .where = "P",
    .title = "Two hosts claim the VIP",
    .page = R"md(
## What it means

Two MACs answer for the VIP. Each client or router believes whoever answered
last; connections go to one host or the other, often changing in mid-stream.

## How it looks

    tcpdump -eni eth0 arp host 192.168.1.110
    ... Reply 192.168.1.110 is-at 02:00:00:00:00:01
    ... Reply 192.168.1.110 is-at 02:00:00:00:00:02

also as gratuitous ARP, or as a request with the VIP as sender ("tell
192.168.1.110") from another MAC. IPv6: neighbour advertisements with two link
addresses. Clients see resets and refusals from the wrong host; on the director
IPVS counters stand still while clients complain.

## How it comes about

A real server still has the VIP on `lo` or a NIC from a direct-routing set-up,
without `arp_ignore`; both directors are VRRP master (protocol 112 or 224.0.0.18
filtered, other VRID or password); the VIP is static on both; somebody took the
address. In a one-network LVS a real server with the VIP also hangs itself: it
asks for its gateway with the VIP as sender.

## How to check by hand

    arping -D -c3 -I eth0 192.168.1.110     # on the director: no reply may come
    ip -br addr | grep 192.168.1.110        # on each director and real server
    tcpdump -ni eth0 vrrp                   # more than one source?

Look the foreign MAC up in `ip neigh` or in the switch's table.

## Cure

On the host that must not have it:

    ip addr del 192.168.1.110/32 dev lo

and remove it from its network configuration. It has to stay there for direct
routing? Then, in /etc/sysctl.d:

    sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2

Two masters: let VRRP through between the directors. Afterwards, from the right
one: `arping -U -c3 -I eth0 192.168.1.110`.

## Nearest look-alikes

- LVS120: one old MAC after a failover; only one host answers ARP now.
- LVS119: the same on the inside, for the gateway address.
- LVS116: no answer at all.
- A failover within the capture: the old MAC stops when the new one begins.
- Virtual MACs of VRRP (00:00:5e:00:01:xx) beside the NIC's own are one host.

## What this tool needs to see to say so

Two different MACs that both assert the VIP: one answers questions although the
other has claimed the address since, or they announce it by turns every few
seconds. An address that changes hands by an announcement is a failover, unless
the director's kernel (state) still has it a second later or it still does a
director's work. All MACs of the director, and VRRP's virtual ones, are one
host.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
