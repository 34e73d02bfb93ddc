#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  if (facts.state == nullptr || !facts.state->known.services || !facts.state->known.addresses) return;
  for (const Service& service : facts.state->ipvs.services) {
    for (const Destination& d : service.destinations) {
      if ((d.method != Method::masq && d.method != Method::local) || (!d.rip.is_loopback() && !owns_address(*facts.state, d.rip)))
        continue;
      const std::uint16_t port = destination_port(service, d, service.port);
      Subject subject;
      subject.service = to_string(service);
      subject.real_server = to_string(d.rip);
      Finding& f = sink.accuse(destination_is_local, subject, Severity::warning, Confidence::certain);
      if (!f.cause.empty()) continue;
      const std::string at = to_string(Endpoint{d.rip, port});
      FindingSink::prove(f, saved(facts, "destination " + at + " of " + *subject.service));
      const Cure remove{
          Where::director,
          "ipvsadm -d " +
              std::string(service.protocol == ServiceProtocol::fwmark
                              ? "-f " + std::to_string(service.fwmark.value_or(0)) + (service.v6 ? " -6" : "")
                          : service.protocol == ServiceProtocol::tcp ? "-t " + to_string(Endpoint{service.vip, service.port})
                          : service.protocol == ServiceProtocol::udp
                              ? "-u " + to_string(Endpoint{service.vip, service.port})
                              : "--sctp-service " + to_string(Endpoint{service.vip, service.port})) +
              " -r " + at,
          "ipvsadm -Sn > /etc/ipvsadm.rules, or keepalived.conf"};
      if (d.rip.is_loopback()) {
        f.title = "Destination " + at + " cannot work: IPVS does not rewrite to loopback addresses";
        f.cause =
            "The destination is a loopback address. For clients from outside the kernel refuses to rewrite to it (\"stopping "
            "DNAT to loopback address\"): every connection that is given to it hangs.";
        FindingSink::cure(f, remove);
        continue;
      }
      const InterfaceAddress* held = find_address(*facts.state, d.rip);
      if (held != nullptr) FindingSink::prove(f, saved(facts, to_string(d.rip) + " is on " + held->dev));
      bool listening = false;
      for (const Listener& l : facts.state->listeners) {
        listening =
            listening || (l.local.port == port && (l.any_family || l.local.address.is_unspecified() || l.local.address == d.rip));
      }
      f.title = "Destination " + at + " is an address of the director itself";
      f.cause =
          "What is sent there is delivered to a program on the director and is on no wire: legs 2 and 3 are missing without "
          "fault. It works with an address outside 127/8, a port of its own, and a "
          "program bound to it (a sorry server, a tunnel to a real server).";
      if (facts.state->known.listeners && !listening) {
        f.cause += " Nothing listens on port " + std::to_string(port) + " of it.";
        FindingSink::prove(f, saved(facts, "no listener on " + at));
      } else if (!facts.state->known.listeners) {
        FindingSink::unchecked(f, "ss -lnt on the director: whether a program listens on " + at);
      }
      FindingSink::cure(f, remove);
    }
  }
}

}  // namespace

constinit const Rule destination_is_local{
    .code = 215,
    .id = "destination-is-local",
    .severity = Severity::warning,
    .where = "S",
    .title = "A destination is an address of the director itself",
    .page = R"md(
## What it means

A service sends clients to an address that the director owns. The packet never
leaves for a real server; it is delivered to a program on the director. That can
be meant (a sorry server, the HOWTO's ssh-forwarded real servers) and works in
part.

## How it looks

Legs 1 and 4 only; legs 2 and 3 stay inside the host and are on no wire.
`ipvsadm -Ln` shows the address with `Masq` or `Local`; `ip route get` calls it
local. For 127.0.0.1: `1---`, silence, and in the kernel log
`stopping DNAT to loopback address`.

## How it comes about

`ssh -L 81:10.1.1.2:80` on the director, and 127.0.0.1:81 or its own address as
RIP; a fallback page served by the director; a RIP typed wrongly.

## How to check by hand

    ip route get 10.1.1.9            # "local" = our own
    ss -lntp sport = :81             # is something listening, and on which address?
    ipvsadm -Ln

## Cure

What works on this kernel: an address of the director that is not 127/8, with a
remapped port, and a program bound to it:

    ssh -L 10.1.1.9:81:10.1.1.2:80 user@10.1.1.2
    ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.9:81 -m

What cannot work: 127/8, which IPVS refuses to rewrite to for clients from
outside. Remove it:

    ipvsadm -d -t 192.168.1.110:80 -r 127.0.0.1:81

Persistent: `ipvsadm -Sn > /etc/ipvsadm.rules` or keepalived.conf
(`sorry_server` for a fallback). The HOWTO's statement that local real servers
never work is about kernels before 2.6.37.

## Nearest look-alikes

- LVS106: `1---` too, with a destination elsewhere.
- LVS122: another forwarding method to another host.
- LVS110: no destination at all; the director's own program is not asked.

## What this tool needs to see to say so

The service table and the director's addresses (state), and a destination with
masquerading that is one of them. The finding names 127/8 (cannot work) apart
from the rest (says what to mind); missing inner legs of such a destination are
never called a fault.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
