#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

std::string refusal(const Icmp& icmp) {
  if (icmp.v6) {
    switch (icmp.code) {
      case 0:
        return "no route";
      case 1:
        return "administratively prohibited";
      case 4:
        return "port unreachable";
      case 5:
        return "source address failed policy";
      case 6:
        return "route rejected";
      default:
        return "unreachable (code " + std::to_string(icmp.code) + ")";
    }
  }
  switch (icmp.code) {
    case 0:
      return "network unreachable";
    case 1:
      return "host unreachable";
    case 2:
      return "protocol unreachable";
    case 3:
      return "port unreachable";
    case 9:
      return "network administratively prohibited";
    case 10:
      return "host administratively prohibited";
    case 13:
      return "administratively prohibited";
    default:
      return "unreachable (code " + std::to_string(icmp.code) + ")";
  }
}

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record)) continue;
    const LegCount& reply = c.leg(Leg::reply);
    const LegCount& masq = c.leg(Leg::masq);
    // RST in answer to the SYN: nothing but RST ever came.
    const bool reset = c.protocol == kTcp && c.rip && reply.rst && !reply.syn && !reply.data && !reply.fin &&
                       !c.leg(Leg::demasq).data && c.saw_syn;
    const IcmpSighting* error = nullptr;
    for (const std::uint32_t at : facts.icmp_about(c.record)) {
      const IcmpSighting& i = facts.icmp[at];
      if (!i.icmp.unreachable || !c.rip || i.source != c.rip->address) continue;
      if (i.quoted_leg == Leg::demasq && !(i.icmp.v6 ? i.icmp.code == 2 : i.icmp.code == 4)) {
        error = &i;
        break;
      }
    }
    // Seen from outside alone: a RST that has crossed the director has lost a hop, one of its own has not.
    const bool reset_outside = !reset && c.protocol == kTcp && !facts.inside_captured && masq.rst && !masq.syn && !masq.data &&
                               c.saw_syn && c.service && masq.ttl != 64 && masq.ttl != 128 && masq.ttl != 255;
    if (!reset && error == nullptr && !reset_outside) continue;
    // An established connection that is refused later (a program that died) is no closed port.
    if (error != nullptr && (reply.data || reply.syn)) continue;
    Subject subject;
    if (c.rip) {
      subject.real_server = to_string(c.rip->address);
    } else {
      subject.service = service_text(facts, c);
    }
    Finding& f = accuse_connection(facts, sink, real_server_refuses, subject, s, Severity::error,
                                   reset_outside ? Confidence::likely : Confidence::certain);
    const std::string who = c.rip ? to_string(*c.rip) : std::string("a real server");
    if (error != nullptr) {
      FindingSink::prove(
          f, facts.evidence(error->frame, to_string(error->source) + " answers with ICMP " + refusal(error->icmp), Leg::reply));
    } else if (reset) {
      FindingSink::prove(f, facts.evidence(FrameRef{facts.path(reply.path).vantage, reply.first_frame, reply.first},
                                           who + " answers the SYN with RST", Leg::reply));
    }
    if (!f.cause.empty()) continue;
    if (error != nullptr) {
      const bool filtered = error->icmp.v6 ? error->icmp.code == 1 : error->icmp.code >= 9;
      f.title = who + " refuses with ICMP " + refusal(error->icmp);
      f.cause = filtered ? who +
                               "'s firewall rejects the request. NAT keeps the client's address, so a rule that admits only the "
                               "director lets health checks pass and clients not."
                         : who +
                               " answers that there is nothing: no program listens on that port (UDP), a firewall rejects it, or "
                               "the port in the IPVS table is not the one the program uses.";
      if (filtered) {
        f.cure.push_back(Cure{Where::real_server,
                              "nft insert rule inet filter input " + std::string(c.protocol == kUdp ? "udp" : "tcp") + " dport " +
                                  std::to_string(c.rip->port) + " accept",
                              "/etc/nftables.conf, or the firewall tool that owns the rules"});
      }
    } else {
      f.title = who + " refuses connections";
      f.cause = who +
                " answers the SYN with RST: no program listens on that port and address there (listening on 127.0.0.1 alone "
                "counts as that), or the port in the IPVS table is not the "
                "one the program uses.";
    }
    if (c.rip) {
      f.cure.push_back(Cure{Where::real_server,
                            std::string(c.protocol == kUdp ? "ss -lnu" : "ss -lnt") + " sport = :" + std::to_string(c.rip->port) +
                                "   # is anything listening?",
                            std::nullopt});
      if (c.service && *c.service < facts.services.size()) {
        for (const Destination& d : facts.services[*c.service].destinations) {
          if (d.rip == c.rip->address) FindingSink::cure(f, cures::weight(facts.services[*c.service], d, 0));
        }
      }
    } else {
      FindingSink::unchecked(f, "a capture of the director's inside: it names the real server");
    }
  }
}

}  // namespace

constinit const Rule real_server_refuses{
    .code = 108,
    .id = "real-server-refuses",
    .severity = Severity::error,
    .where = "P",
    .title = "The real server refuses the request",
    .page = R"md(
## What it means

The request arrived and was turned down: with RST (nothing listens on RIP:port)
or with an ICMP error (a firewall with REJECT, or an unknown protocol). The path
through the director is fine both ways: the refusal used it.

## How it looks

All four legs, the last two being the refusal, within milliseconds:

    tcpdump -ni eth1 host 10.1.1.2 and '(tcp[13] & 4 != 0 or icmp)'

- RST: RIP->CIP inside and VIP->CIP outside with TTL one less (63, 127). IPVS
  state CLOSE for 10 s. The client: "Connection refused".
- ICMP port unreachable (3/3), host or net prohibited (3/9, 3/10), admin
  prohibited (3/13) from the RIP, translated outside to come from the VIP and to
  quote CIP->VIP. IPVS stays SYN_RECV. The client: refused, or "No route to
  host".
- ICMP protocol unreachable (3/2): it received IP-in-IP (122).

## How it comes about

The program is down, or listens on 127.0.0.1 only, or on another port than the
destination says (a missing port in `-r` means the port of the VIP); or the real
server's firewall rejects clients' addresses, which NAT preserves, while it
admits the director's health checks.

## How to check by hand

On the real server:

    ss -lntp sport = :80         # 0.0.0.0:80 or 10.1.1.2:80, not 127.0.0.1:80
    nft list ruleset | grep -i reject

On the director: `ipvsadm -Ln` (is the port of the destination right?).
`curl http://10.1.1.2/` from the director uses the DIP as source: it proves the
listener, not the firewall.

## Cure

Start the service or bind it to all addresses; or correct the port:

    ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.2:8080 -m
    ipvsadm -d -t 192.168.1.110:80 -r 10.1.1.2:80

Firewall of the real server:

    nft insert rule inet filter input tcp dport 80 accept

Persistent: `systemctl enable` the service; `ipvsadm -Sn > /etc/ipvsadm.rules`
or keepalived.conf; /etc/nftables.conf.

## Nearest look-alikes

- LVS110: RST from the director's own TCP: TTL 64, no leg 2, no inside twin.
- LVS109: port unreachable from the VIP without anything inside.
- LVS122: protocol unreachable, because the method is tunnelling.
- A RST after data has flowed is how many programs close; no fault.

## What this tool needs to see to say so

A RST that answers the SYN, or an ICMP error that quotes the request, from the
RIP on the inside. From the outside alone a RST whose TTL shows one hop makes it
`likely`. Clients' own RSTs and resets later in the connection do not count.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
