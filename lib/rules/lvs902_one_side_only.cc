#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/sink.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  if (facts.connections.total == 0 || facts.outside_captured == facts.inside_captured) return;
  const bool outside = facts.outside_captured;
  Finding& f = sink.accuse(one_side_only, Subject{}, Severity::info, Confidence::certain);
  f.count = facts.connections.total;
  f.title = outside ? "Only the director's outside was captured" : "Only the director's inside was captured";
  f.cause = outside ? "Legs 2 and 3 (director to real server and back) cannot be seen from here: whether requests are forwarded, "
                      "which real server gets them and whether it answers stays open."
                    : "Legs 1 and 4 (client to director and back) cannot be seen from here: whether the replies leave the "
                      "director, and with which address, stays open.";
  std::uint64_t unheard = 0;
  const Suspect* example = nullptr;
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    // Request and reply both sent again and again: what the director sent on did not arrive, or was not sent on.
    if (outside || c.kind != ConnectionKind::masqueraded || c.leg(Leg::demasq).repeats < 2 || c.leg(Leg::reply).repeats < 2)
      continue;
    if (c.leg(Leg::reply).data || c.leg(Leg::demasq).data) continue;
    if (unheard++ == 0) example = &s;
  }
  if (example != nullptr) {
    f.cause += " " + std::to_string(unheard) + (unheard == 1 ? " connection never gets" : " connections never get") +
               " past the handshake: requests and replies are repeated here, as if the replies never reached the client.";
    FindingSink::prove(f, facts.evidence(example->connection, Leg::demasq));
    FindingSink::prove(f, facts.evidence(example->connection, Leg::reply));
    FindingSink::cite(f, example->connection.record);
  }
  FindingSink::unchecked(f, outside ? "a capture of the director's inside interface taken at the same time, or of `any`"
                                    : "a capture of the director's outside interface taken at the same time, or of `any`");
}

}  // namespace

constinit const Rule one_side_only{
    .code = 902,
    .id = "one-side-only",
    .severity = Severity::info,
    .where = "any",
    .title = "Only one side of the director was captured",
    .page = R"md(
## What it means

The captures show the outside or the inside of the director, not both. Some legs
of every connection could not be seen, so faults that show on the other side
cannot be found and many that are found cannot be narrowed down. This is
information about the report, no fault of the cluster.

## How it looks

Leg strings `1??4` (outside only) or `?23?` (inside only).

## How it comes about

One `-i` or `-r` where the director has two interfaces; a filter that names only
VIP or only RIPs; a capture from a client or a real server. A director with one
NIC shows all four legs on it.

## How to check by hand

    ip -br link; ip route get 10.1.1.2; ip route get 192.168.1.254    # which interfaces?

## Cure

Give both:

    lvsdiag -i eth0 -i eth1
    tcpdump -ni eth0 -w out.pcap host 192.168.1.110 & tcpdump -ni eth1 -w in.pcap net 10.1.1.0/24
    lvsdiag -r out.pcap -r in.pcap

Filters must pass both sides and ARP:
`host 192.168.1.110 or net 10.1.1.0/24 or arp or icmp`. With one side only, the
director's kernel state (`lvsdiag snapshot`, then `--state`) makes up for part
of it: an entry that is SYN_RECV with OutPkts 0 tells about leg 3. There is
nothing to make persistent.

## Nearest look-alikes

- LVS901: both sides, with gaps.
- LVS127: the inside has DIP->RIP, so CIP is not on it: not missing.
- LVS106: the inside was captured and is empty for these connections.

## What this tool needs to see to say so

Connections of a service of which only legs 1 and 4, or only 2 and 3, were ever
seen, and no interface for the others among the sources. It is left out where a
single interface carries all legs.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
