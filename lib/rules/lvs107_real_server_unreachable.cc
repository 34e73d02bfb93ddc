#include <algorithm>
#include <vector>

#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/outlook.h"
#include "state/route_decision.h"

namespace lvsnat::rules {
namespace {

/// The tables have the director look for the real server on one wire while it has an address of the same network on another:
/// as a rule the VIP was given the netmask of the real servers' network. False: nothing of the kind.
bool wrong_wire(const Facts& facts, Finding& f, const Address& rip) {
  if (facts.state == nullptr) return false;
  const KernelState& state = *facts.state;
  RouteQuestion question;
  question.destination = rip;
  const RouteDecision d = decide_output(state, question);
  if (d.outcome != Outcome::unicast || d.via || d.dev.empty()) return false;
  const InterfaceAddress* here = nullptr;   // that the route came with
  const InterfaceAddress* there = nullptr;  // where the real servers are as likely
  for (const InterfaceAddress& a : state.addresses) {
    const bool covers =
        a.address.is_v4() == rip.is_v4() && a.length < (rip.is_v4() ? 32 : 128) && Prefix{a.address, a.length}.contains(rip);
    if (!covers) continue;
    const InterfaceAddress*& slot = a.dev == d.dev ? here : there;
    if (slot == nullptr || facts.vips.contains(a.address)) slot = &a;
  }
  // Without the VIP as culprit, a host that is down in a network with two interfaces looks the same.
  if (there == nullptr || here == nullptr || !facts.vips.contains(here->address)) return false;
  // Another real server answers by that very interface: it is the right one.
  for (const ServiceTally& service : facts.tallies) {
    for (const DestinationTally& t : service.destinations) {
      if (t.legs[index(Leg::reply)] == 0) continue;
      question.destination = t.destination.rip;
      if (decide_output(state, question).dev == d.dev) return false;
    }
  }
  f.title = "The director looks for the real server " + to_string(rip) + " on " + d.dev + ", where it is not";
  f.cause = "The director's route to " + to_string(rip) + " leads out of " + d.dev + ", where nobody has this address; " +
            there->dev + " has an address of the same network (" + to_string(there->address) + "/" +
            std::to_string(there->length) +
            "), and the real servers are most likely there. The route came with the VIP: it was added with the netmask of that "
            "network (" +
            to_string(here->address) + "/" + std::to_string(here->length) + ") instead of a full one.";
  f.evidence.insert(f.evidence.begin(), saved(facts, d.explanation));
  if (f.evidence.size() > FindingSink::kEvidence) f.evidence.pop_back();
  const std::uint8_t full = rip.is_v4() ? 32 : 128;
  FindingSink::cure(f, cures::add_address(Prefix{here->address, full}, d.dev));
  FindingSink::cure(f, cures::remove_address(Where::director, Prefix{here->address, here->length}, d.dev));
  FindingSink::cure(
      f, Cure{Where::director,
              std::string(rip.is_v4() ? "ip" : "ip -6") + " route get " + to_string(rip) + "   # must name " + there->dev,
              std::nullopt});
  return true;
}

/// A real server that the director asks for in vain: the address is not in use on that wire.
struct Unreachable {
  Address rip;
  const Question* question = nullptr;
};

/// With services inferred from packets a real server that never answered is not among them. At the time of a request that the
/// director says it could not deliver, it asks in vain, where the real servers are, for an address: that is the one.
const Question* asked_in_vain(const Facts& facts, const Connection& c) {
  if (!facts.inferred) return nullptr;
  const Question* found = nullptr;
  for (const Question& q : facts.questions) {
    if (q.answered || q.unicast || q.count < 2 || facts.rips.contains(q.target) || facts.vips.contains(q.target)) continue;
    if (!facts.is_director(q.asker) && !facts.is_director(q.asker_mac)) continue;
    if (q.last.time < c.first || q.first.time > c.last + kSecond) continue;
    const bool inside = std::any_of(facts.places.begin(), facts.places.end(), [&](const Place& p) {
      return p.vantage == q.vantage && p.interface_index == q.interface_index && p.legs[index(Leg::demasq)] != 0;
    });
    const bool client = std::any_of(facts.suspects.begin(), facts.suspects.end(),
                                    [&](const Suspect& s) { return s.connection.client.address == q.target; });
    if (!inside || client) continue;
    if (found != nullptr && found->target != q.target) return nullptr;
    found = &q;
  }
  return found;
}

void check(const Facts& facts, FindingSink& sink) {
  std::vector<Unreachable> unreachable;
  for (const Question& q : facts.questions) {
    if (!facts.rips.contains(q.target) || q.answered || q.unicast || q.count < 2) continue;
    const bool asked_by_director = facts.is_director(q.asker) || facts.is_director(q.asker_mac) || facts.vips.contains(q.asker);
    if (!asked_by_director) continue;
    // A host that talks is there, whatever became of its ARP replies.
    const bool talks = std::any_of(facts.suspects.begin(), facts.suspects.end(),
                                   [&](const Suspect& s) {
                                     return s.connection.rip && s.connection.rip->address == q.target &&
                                            s.connection.saw(Leg::reply) && s.connection.leg(Leg::reply).last >= q.first.time;
                                   }) ||
                       std::any_of(facts.questions.begin(), facts.questions.end(), [&](const Question& other) {
                         return other.asker == q.target && other.last.time >= q.first.time;
                       });
    if (talks) continue;
    const auto known =
        std::find_if(unreachable.begin(), unreachable.end(), [&](const Unreachable& u) { return u.rip == q.target; });
    if (known == unreachable.end()) {
      unreachable.push_back({q.target, &q});
    } else if (q.count > known->question->count) {
      known->question = &q;
    }
  }
  std::erase_if(unreachable, [](const Unreachable& u) { return u.question->count < 3; });

  const auto host_unreachable = [&](const Connection& c) -> const IcmpSighting* {
    for (const std::uint32_t at : facts.icmp_about(c.record)) {
      const IcmpSighting& i = facts.icmp[at];
      if (!i.icmp.unreachable) continue;
      const bool host = i.icmp.v6 ? i.icmp.code == 0 || i.icmp.code == 3 : i.icmp.code == 0 || i.icmp.code == 1;
      if (host && (facts.vips.contains(i.source) || facts.is_director(i.source))) return &i;
    }
    return nullptr;
  };
  const auto begin = [&](const Unreachable& u) -> Finding& {
    Subject subject;
    subject.real_server = to_string(u.rip);
    Finding& f =
        sink.accuse(real_server_unreachable, subject, Severity::error, facts.lossy ? Confidence::possible : Confidence::certain);
    if (f.cause.empty()) {
      --f.count;  // connections are counted below
      f.title = "The real server " + to_string(u.rip) + " is not there";
      FindingSink::prove(f,
                         facts.evidence(u.question->first, "the director asks for " + to_string(u.rip) + " " +
                                                               std::to_string(u.question->count) + " times and nobody answers"));
      f.cause = "The director cannot find the MAC of " + to_string(u.rip) +
                ": the host is down, on another wire or VLAN, or has another address. Requests scheduled to it wait about 3 s, "
                "then the client is told host unreachable, as from the VIP.";
      if (wrong_wire(facts, f, u.rip)) return f;
      f.cure.push_back(Cure{Where::director,
                            "arping -c 3 -I INSIDE " + to_string(u.rip) + "   # INSIDE: the interface towards the real servers",
                            std::nullopt});
      for (const Service& service : facts.services) {
        for (const Destination& d : service.destinations) {
          if (d.rip == u.rip) FindingSink::cure(f, cures::weight(service, d, 0));
        }
      }
    }
    return f;
  };
  for (const Unreachable& u : unreachable) begin(u);

  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record)) continue;
    const IcmpSighting* told = host_unreachable(c);
    const bool stuck = missing_demasq(facts, s).missing;
    if (!stuck && told == nullptr) continue;
    const Unreachable* who = nullptr;
    for (const Unreachable& u : unreachable) {
      const bool fits =
          c.rip ? c.rip->address == u.rip
                : c.service && *c.service < facts.services.size() &&
                      std::any_of(facts.services[*c.service].destinations.begin(), facts.services[*c.service].destinations.end(),
                                  [&](const Destination& d) { return d.rip == u.rip; });
      // Without leg 2 the connection does not say whom it was for; the director was asking at the time.
      const bool at_the_time = u.question->last.time >= c.first - kSecond && u.question->first.time <= c.last + 5 * kSecond;
      if (fits && at_the_time) {
        who = &u;
        break;
      }
    }
    if (who == nullptr && told == nullptr) continue;
    const Question* vain = who == nullptr && !c.rip ? asked_in_vain(facts, c) : nullptr;
    Subject subject;
    if (who != nullptr) {
      subject.real_server = to_string(who->rip);
    } else if (c.rip) {
      subject.real_server = to_string(c.rip->address);
    } else if (vain != nullptr) {
      subject.real_server = to_string(vain->target);
    } else {
      subject.service = service_text(facts, c);
    }
    Finding& f = accuse_connection(facts, sink, real_server_unreachable, subject, s, Severity::error,
                                   who != nullptr ? Confidence::certain : Confidence::likely);
    if (told != nullptr) {
      FindingSink::prove(f, facts.evidence(told->frame, "host unreachable to " + to_string(told->destination) + ", as from " +
                                                            to_string(told->source)));
    }
    if (vain != nullptr) {
      FindingSink::prove(f, facts.evidence(vain->first, "the director asks for " + to_string(vain->target) + " " +
                                                            std::to_string(vain->count) + " times and nobody answers"));
    }
    if (!f.cause.empty()) continue;
    if (vain != nullptr) {
      f.title = "The real server " + to_string(vain->target) + " is not there";
      f.cause = "The director tells the client that the host is unreachable, and at that time it cannot find the MAC of " +
                to_string(vain->target) + ": the host is down, on another wire or VLAN, or has another address.";
      f.cure.push_back(
          Cure{Where::director,
               "arping -c 3 -I INSIDE " + to_string(vain->target) + "   # INSIDE: the interface towards the real servers",
               std::nullopt});
      FindingSink::unchecked(f, "the IPVS table (ipvsadm -Ln): is " + to_string(vain->target) + " a real server of the service?");
      continue;
    }
    f.title = "A real server of " + service_text(facts, c) + " cannot be reached";
    f.cause =
        "The director tells the client that the host is unreachable: it got no answer to ARP (or has no route) for the real "
        "server that it chose.";
    f.cure.push_back(Cure{Where::director, "ip neigh show nud failed; ipvsadm -Ln   # which RIP is it?", std::nullopt});
    FindingSink::unchecked(f, "a capture of the director's inside: it shows for which RIP ARP stays unanswered");
  }
}

}  // namespace

constinit const Rule real_server_unreachable{
    .code = 107,
    .id = "real-server-unreachable",
    .severity = Severity::error,
    .where = "P",
    .title = "The director cannot reach the real server",
    .page = R"md(
## What it means

The director chose this real server for the client and could not deliver: nobody
answers ARP (or neighbour discovery) for the RIP, or there is no route to it.
Every client sent there fails; with n real servers under `rr` that is one in n.

## How it looks

Leg string `1---`. Inside, once a second:

    ARP, Request who-has 10.1.1.2 tell 10.1.1.9

Outside, after about 3 s: `ICMP host 192.168.1.110 unreachable`, from the VIP,
TTL 64, one for each waiting SYN; the client reports "No route to host". IPVS
translates the director's own ARP failure on the way out, hence the VIP as
source, and the destination's OutPkts grow by these ICMPs without one reply. At
once and without ARP: there is no route to the RIP.

## How it comes about

The real server is off, its interface is down or has lost the address; wrong RIP
in the service; wrong VLAN, cable or bridge; ARP filtered; or the VIP was added
with the netmask of the RIPs' network on the outside NIC, so that the director
asks for the RIP on the outside wire. No health checker removes it.

## How to check by hand

    ip route get 10.1.1.2                # dev must be the inside interface
    ip neigh show 10.1.1.2               # FAILED, INCOMPLETE
    arping -c3 -I eth1 10.1.1.2
    ipvsadm -Ln                          # is this RIP meant to be there?

If `ip route get` names the outside interface: `ip addr show dev eth0`, and look
for the VIP with /24 instead of /32.

## Cure

Repair the host; meanwhile let no client wait for it:

    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 0

Persistent: a health checker (keepalived `TCP_CHECK`) instead of by hand; else
`ipvsadm -Sn > /etc/ipvsadm.rules`. VIP with too wide a netmask:

    ip addr add 192.168.1.110/32 dev eth0; ip addr del 192.168.1.110/24 dev eth0

and the same in the network configuration.

## Nearest look-alikes

- LVS109: refused at once, by port unreachable and without ARP.
- LVS102: the request does leave (leg 2) and stays unanswered.
- LVS108: the real server lives and refuses.
- LVS118: the other way round: the real server cannot find the director.

## What this tool needs to see to say so

At least three unanswered ARP or neighbour requests for the RIP from the
director, or an ICMP host/net unreachable that quotes the request and comes from
the director, TTL 64. Refreshing an entry (unicast ARP that is answered) is
none. Other real servers that answer make it certain; a capture without ARP
packets (filtered) cannot show it.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
