#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/outlook.h"
#include "state/nft_rules.h"

namespace lvsnat::rules {
namespace {

/// Who brought the requests, where it is not the client itself: as a rule the way back, too.
Address bringer(const Facts& facts, const Connection& c) {
  if (!c.saw(Leg::request)) return {};
  const Address who = owner_of(facts, facts.path(c.leg(Leg::request).path).source);
  return who == c.client.address || who.is_v4() != c.client.address.is_v4() ? Address{} : who;
}

/// The director's tables have no way for the reply: no route to the client before IPVS rewrites it, or none afterwards.
/// `router`: who brings this client's requests; none where not known.
bool no_way_to_client(const Facts& facts, Finding& f, const Prediction& p, const Address& router) {
  const bool before = p.leg(Leg::reply).cause == LegCause::no_route;
  if (!before && p.leg(Leg::masq).cause != LegCause::no_route) return false;
  const PredictedLeg& leg = p.leg(before ? Leg::reply : Leg::masq);
  const std::string cip = to_string(p.client.address);
  const bool v6 = !p.client.address.is_v4();
  f.title = "The director has no route to the client " + cip;
  f.cause = "The reply of " + to_string(p.rip.address) +
            " comes in on the director's inside and the director has no route to send it on by. Requests pass all the same: the "
            "director needs no route to the client to take them in.";
  f.evidence.insert(f.evidence.begin(), saved(facts, leg.decides));
  if (auto e = counted(facts, "IpExt:InNoRoutes", "packets to forward for which there was no route")) FindingSink::prove(f, *e);
  if (f.evidence.size() > FindingSink::kEvidence) f.evidence.pop_back();
  for (const std::string& doubt : leg.doubts) FindingSink::unchecked(f, doubt);
  f.cure.push_back(Cure{Where::director,
                        std::string(v6 ? "ip -6" : "ip") + " route add default via " +
                            (router.is_none() ? std::string("ROUTER   # ROUTER: the next hop towards the clients")
                                              : to_string(router) + "   # whose MAC the requests come from"),
                        "the gateway of the outside interface: netplan routes: [{to: default, via: ROUTER}]; systemd-networkd "
                        "[Network] Gateway=ROUTER; ifupdown: gateway ROUTER"});
  f.cure.push_back(
      Cure{Where::director, std::string(v6 ? "ip -6" : "ip") + " route get " + cip + "   # must name a route", std::nullopt});
  return true;
}

/// Before anybody tries: clients that were asked about and cannot be answered.
void check_settings(const Facts& facts, const Outlook& outlook, FindingSink& sink) {
  if (!outlook.possible() || facts.clients.empty()) return;
  for (const Standing& s : outlook.standing()) {
    const Prediction& p = s.prediction;
    if (p.leg(Leg::reply).cause != LegCause::no_route && p.leg(Leg::masq).cause != LegCause::no_route) continue;
    // Where rp_filter asks for the way back, the request is gone already (LVS206).
    if (p.leg(Leg::request).fate == LegFate::dies || s.replies_pass || was_tried(facts, *s.service)) continue;
    Subject subject;
    subject.service = p.service;
    subject.client = to_string(p.client.address);
    Finding& f = sink.accuse(reply_not_masqueraded, subject, Severity::error, Confidence::likely);
    if (!f.cause.empty()) {
      --f.count;  // one missing route, however many destinations it concerns
    } else if (no_way_to_client(facts, f, p, {})) {
      FindingSink::unchecked(f, "a connection from that client while lvsdiag watches");
    }
  }
}

void check(const Facts& facts, FindingSink& sink) {
  Outlook outlook(facts);
  check_settings(facts, outlook, sink);
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record)) continue;
    const Missing missing = missing_masq(facts, s);
    if (!missing) continue;
    Subject subject;
    subject.service = service_text(facts, c);
    Finding& f = accuse_connection(facts, sink, reply_not_masqueraded, subject, s, Severity::error, missing.confidence);
    if (!f.cause.empty()) continue;
    if (may_pass_by(facts, s)) {
      FindingSink::unchecked(
          f,
          "whom the replies were sent to: this capture of one wire has no MAC addresses, so they may have gone "
          "past the director, straight to the client (LVS101); a capture of an Ethernet interface tells");
    }
    if (const Prediction* p = outlook.of(c); p != nullptr && no_way_to_client(facts, f, *p, bringer(facts, c))) continue;
    const std::string rip = c.rip ? to_string(c.rip->address) : std::string("the real server");
    f.title = "Replies reach the director and never leave as " + (c.vip ? to_string(c.vip->address) : std::string("the VIP"));
    f.cause = "The reply of " + rip +
              " came in on the director's inside and nothing left as VIP -> CIP: the director swallowed it. The kernel forwards "
              "replies like any "
              "router does, before IPVS rewrites them, so the usual causes are: forwarding is off (net.ipv4.ip_forward, or that "
              "of the inside device), a rule or policy of the "
              "forward chain drops packets from the RIPs, `ct state invalid drop` while net.ipv4.vs.conntrack is 0, strict "
              "rp_filter, or no route to the client.";
    f.cure.push_back(cures::ip_forward(c.client.address.is_v4() == false));
    f.cure.push_back(Cure{Where::director, "lvsdiag check   # names which of them it is", std::nullopt});
    if (facts.state == nullptr) {
      FindingSink::unchecked(f,
                             "the director's kernel state (lvsdiag on the director, or --state): it names the setting or rule");
      FindingSink::unchecked(
          f,
          "nstat -az IpInAddrErrors TcpExtIPReversePathFilter on the director: which one grows tells forwarding from rp_filter");
      continue;
    }
    if (facts.filter != nullptr && !facts.filter->known)
      FindingSink::unchecked(f, "filter rules, which were not read: nft list ruleset, iptables -nvL FORWARD");
    const bool v6 = !c.client.address.is_v4();
    if (!(v6 ? facts.state->legacy_tables_v6 : facts.state->legacy_tables_v4).empty())
      FindingSink::unchecked(f, "rules of iptables-legacy, which no listing of nft holds: " +
                                    std::string(v6 ? "ip6tables-legacy" : "iptables-legacy") + " -nvL FORWARD");
  }
}

}  // namespace

constinit const Rule reply_not_masqueraded{
    .code = 103,
    .id = "reply-not-masqueraded",
    .severity = Severity::error,
    .where = "P",
    .title = "The reply reaches the director and never leaves it",
    .page = R"md(
## What it means

The real server did all it should: the reply arrived at the director's inside,
addressed to the director's MAC. It never left as VIP->CIP. The fault is on the
director, not on the real server, whatever the HOWTO's old picture says: there
(hub, shared wire) the same three packets meant a wrong gateway.

## How it looks

Leg string `123-`.

    tcpdump -eni eth1 src host 10.1.1.2     # RIP > CIP, SYN-ACK repeated 1, 3, 7 s
    tcpdump -ni eth0 src host 192.168.1.110 # nothing

The client repeats its SYN. tcpdump taps in front of everything on receive, so a
captured reply has not been accepted by the kernel yet. The IPVS entry stays
SYN_RECV, OutPkts of the destination stays 0. On the real server all looks well.

## How it comes about

The reply is routed and filtered as RIP->CIP before IPVS rewrites it:

- `ip_forward` is off (201); the request passes all the same.
- The forward chain drops RIP->CIP (203): Docker, ufw and firewalld set
  policies.
- A stateful rule drops it as INVALID while `net.ipv4.vs.conntrack=0` (205).
- Strict rp_filter: the best route to the RIP is another interface (206).
- No route to the client, or its next hop does not answer ARP outside.
- LRO on the NIC: only packets larger than the MTU are lost.
- `nat_icmp_send=1` and no entry: the director answers the real server with ICMP
  port unreachable and drops the reply.

## How to check by hand

The kernel says itself what it would do with the reply:

    ip route get 192.168.1.254 from 10.1.1.2 iif eth1

"No route to host": forwarding is off. "Invalid cross-device link": rp_filter.
"Network is unreachable": no route to the client. A route: then it is a filter.

    sysctl net.ipv4.ip_forward net.ipv4.vs.conntrack
    nft list ruleset; iptables -L FORWARD -nv
    nstat -az IpInAddrErrors TcpExtIPReversePathFilter
    conntrack -S | grep -o 'invalid=[0-9]*'

InAddrErrors grows by one with each reply while forwarding is off.

## Cure

That of the cause; the common ones, now and in /etc/sysctl.d/60-lvs-nat.conf:

    sysctl -w net.ipv4.ip_forward=1
    nft insert rule inet filter forward iifname "eth1" ip saddr 10.1.1.0/24 accept
    sysctl -w net.ipv4.vs.conntrack=1       # if a stateful firewall runs here

Keep the rule in /etc/nftables.conf (or `netfilter-persistent save`).

## Nearest look-alikes

- LVS101, LVS102: leg 3 is missing too (`12--`).
- LVS104: it does leave, unrewritten. LVS105: it leaves with another source.
- LVS113: leg 3 without leg 1, because the client talks to the RIP directly.
- LVS121: only full-size packets die.

## What this tool needs to see to say so

Legs 1 and 3 of one connection, leg 3 addressed to the director's MAC, the
outside captured without drops, and a repeated reply or a silence that leg 4
would have broken. That there is no route to the client is said from the
director's tables, and for a client who was named (`--client`) also before
anybody tries. Never without leg 1. A reply to another MAC, seen on a
mirrored wire, is LVS101. With kernel state at hand the finding is listed as a
consequence of 201, 203, 205 or 206; without it they are under `unchecked`.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
