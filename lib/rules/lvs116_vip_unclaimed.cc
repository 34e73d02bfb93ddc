#include <algorithm>
#include <set>
#include <vector>

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

/// Requests for this VIP that reached the director and went nowhere.
std::vector<const Suspect*> stuck_requests(const Facts& facts, const FindingSink& sink, const Address& vip) {
  std::vector<const Suspect*> stuck;
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (!c.vip || c.vip->address != vip || sink.is_claimed(c.record) || c.saw(Leg::demasq) || c.saw(Leg::masq)) continue;
    if (c.kind == ConnectionKind::masqueraded && missing_demasq(facts, s)) stuck.push_back(&s);
  }
  return stuck;
}

/// Packets of this VIP that left the director at or after `since`: somebody here owns it.
bool alive(const Facts& facts, const Address& vip, Timestamp since) {
  return std::any_of(facts.suspects.begin(), facts.suspects.end(), [&](const Suspect& s) {
    const Connection& c = s.connection;
    return c.vip && c.vip->address == vip && c.saw(Leg::masq) && c.leg(Leg::masq).last >= since;
  });
}

/// Frames for the VIP go to another host, which has it at the moment: this director is a standby.
bool elsewhere(const Facts& facts, const Address& vip) {
  const auto claimed = facts.macs.find(vip);
  if (claimed != facts.macs.end()) {
    for (const Mac& mac : claimed->second) {
      if (!facts.is_director(mac)) return true;
    }
  }
  return std::any_of(facts.suspects.begin(), facts.suspects.end(), [&](const Suspect& s) {
    const Connection& c = s.connection;
    if (!c.vip || c.vip->address != vip || !c.saw(Leg::request)) return false;
    const Path& path = facts.path(c.leg(Leg::request).path);
    return path.direction == static_cast<std::uint8_t>(Direction::other_host) ||
           (!path.destination.is_none() && !path.destination.is_group() && !facts.director_macs.empty() &&
            !facts.is_director(path.destination));
  });
}

/// Services of a VIP by name; firewall marks have none.
std::string services_of(const Facts& facts, const Address& vip, std::size_t& count) {
  std::string first;
  count = 0;
  for (const Service& s : facts.services) {
    if (s.protocol == ServiceProtocol::fwmark || s.vip != vip) continue;
    if (count++ == 0) first = to_string(s);
  }
  return first;
}

Subject subject_of(const Facts& facts, const Address& vip) {
  Subject subject;
  std::size_t count = 0;
  const std::string first = services_of(facts, vip, count);
  subject.service = count == 1 ? first : to_string(vip);
  return subject;
}

/// arp_ignore, by the kernel's own rule the larger of `all` and the device, keeps an address from being told. False: not so.
bool arp_is_ignored(const Facts& facts, Finding& f, const Address& vip, const Question& asked) {
  const KernelState& state = *facts.state;
  if (!vip.is_v4()) return false;
  std::string holder;
  for (const InterfaceAddress& a : state.addresses) {
    if (a.address == vip) holder = a.dev;
  }
  std::string wire = holder;
  if (asked.vantage < facts.vantages.size() && find_link(state, facts.vantages[asked.vantage].interface) != nullptr)
    wire = facts.vantages[asked.vantage].interface;
  const std::string all = "net.ipv4.conf.all.arp_ignore", device = cures::device_key(false, wire, "arp_ignore");
  const long long value = std::max(sysctl_number(state, all).value_or(0), sysctl_number(state, device).value_or(0));
  // Documentation/networking/ip-sysctl: 1 and 2 answer for addresses of the incoming interface alone, 8 for none.
  if (value != 8 && !((value == 1 || value == 2) && !holder.empty() && holder != wire)) return false;
  f.cause = "Hosts on the wire ask for " + to_string(vip) + " and the director, which has the address" +
            (holder.empty() ? std::string() : " on " + holder) + ", does not tell them: arp_ignore is " + std::to_string(value) +
            (value == 8 ? ", which keeps every address from being told."
                        : ", and the question came in by " + wire + ", which has not this address.") +
            " It is a setting for real servers of direct routing, not for a director.";
  FindingSink::prove(f, setting(facts, all));
  FindingSink::prove(f, setting(facts, device));
  FindingSink::cure(f, cures::arp_ignore(wire));
  return true;
}

void cure_missing(const Facts& facts, Finding& f, const Address& vip) {
  Prefix address;
  address.address = vip;
  address.length = vip.is_v4() ? 32 : 128;
  std::string dev = "OUTSIDE";
  if (facts.state != nullptr) {
    const std::string found = on_link_dev(*facts.state, vip);
    if (!found.empty()) dev = found;
  }
  FindingSink::cure(f, cures::add_address(address, dev));
  FindingSink::cure(f, cures::announce(vip, dev));
}

void check(const Facts& facts, FindingSink& sink) {
  // What the kernel says: a service matches only packets that are delivered locally.
  if (facts.state != nullptr && facts.state->known.addresses) {
    const auto& sync = facts.state->ipvs.sync;
    const bool standby = !sync.empty() && std::none_of(sync.begin(), sync.end(), [](const SyncDaemon& d) { return d.master; });
    std::set<Address> missing;
    for (const Service& s : facts.services) {
      if (s.protocol != ServiceProtocol::fwmark && !owns_address(*facts.state, s.vip)) missing.insert(s.vip);
    }
    for (const Address& vip : missing) {
      if (standby || elsewhere(facts, vip)) continue;
      const std::vector<const Suspect*> stuck = stuck_requests(facts, sink, vip);
      // Policy routing can deliver foreign addresses locally; what works is not missing.
      std::uint64_t answered = 0;
      for (const ServiceTally& t : facts.tallies) {
        if (t.service.vip == vip && t.service.protocol != ServiceProtocol::fwmark) answered += t.legs[index(Leg::masq)];
      }
      const bool asked = std::any_of(facts.questions.begin(), facts.questions.end(),
                                     [&](const Question& q) { return q.target == vip && insistent(q); });
      if (answered != 0 && stuck.empty() && !asked) continue;
      Finding* f = nullptr;
      for (const Suspect* s : stuck)
        f = &accuse_connection(facts, sink, vip_unclaimed, subject_of(facts, vip), *s, Severity::error, Confidence::certain);
      if (f == nullptr) f = &sink.accuse(vip_unclaimed, subject_of(facts, vip), Severity::error, Confidence::certain);
      Evidence e;
      e.text = "no interface of the director has " + to_string(vip) + ", and no local route covers it";
      e.source = facts.state->source;
      f->evidence.insert(f->evidence.begin(), std::move(e));
      if (f->evidence.size() > FindingSink::kEvidence) f->evidence.pop_back();
      f->title = "The director does not have the VIP " + to_string(vip);
      f->cause = to_string(vip) + " is the address of a service, but it is on no interface of the director. " +
                 (stuck.empty() ? std::string()
                                : std::string("Requests for it do arrive here, so something routes them to this host, but ")) +
                 ("IPVS") +
                 " looks only at packets that are delivered locally: to an address that the host does not own the service can "
                 "never match. The address was not set up, was lost with its "
                 "interface, or keepalived withdrew it.";
      cure_missing(facts, *f, vip);
    }
  }

  // What the wire says: asked for, again and again, and nobody answers.
  for (const Address& vip : facts.vips) {
    std::vector<const Question*> asked;
    for (const Question& q : facts.questions) {
      if (q.target == vip && insistent(q) && !facts.is_director(q.asker_mac) && !alive(facts, vip, q.first.time))
        asked.push_back(&q);
    }
    const bool answered = std::any_of(facts.questions.begin(), facts.questions.end(),
                                      [&](const Question& q) { return q.target == vip && q.answered; });
    if (asked.empty() || answered) continue;
    if (facts.state != nullptr && facts.state->known.addresses && owns_address(*facts.state, vip)) {
      // It is there, and does not speak: arp_ignore, or the question came in on a wire that it is not for.
      const bool only_state = true;
      Finding& f = sink.accuse(vip_unclaimed, subject_of(facts, vip), Severity::error,
                               facts.lossy ? Confidence::possible : Confidence::likely);
      if (f.cause.empty() && only_state) {
        f.title = "Nobody answers for the VIP " + to_string(vip);
        f.cause = "Hosts on the wire ask for " + to_string(vip) +
                  " and nobody answers, although the saved state has the address on this director: arp_ignore keeps it from "
                  "answering on this interface, the address came or went between capture and "
                  "state, or it is tentative (duplicate address detection).";
        f.cure.push_back(Cure{Where::director, "ip addr show to " + to_string(vip) + "; sysctl -a 2>/dev/null | grep arp_ignore",
                              std::nullopt});
        if (arp_is_ignored(facts, f, vip, *asked.front())) f.cure.erase(f.cure.begin());
        if (facts.lossy) FindingSink::unchecked(f, "a capture without drops");
      }
      for (const Question* q : asked)
        FindingSink::prove(f, facts.evidence(q->first, to_string(q->asker) + " asks for " + to_string(vip) + " " +
                                                           std::to_string(q->count) + " times and nobody answers"));
      continue;
    }
    const Subject subject = subject_of(facts, vip);
    const bool known = std::any_of(sink.findings().begin(), sink.findings().end(),
                                   [&](const Finding& f) { return f.code == vip_unclaimed.code && f.subject == subject; });
    std::uint64_t count = 0;
    for (const Question* q : asked) count += q->count;
    Finding& f = sink.accuse(vip_unclaimed, subject, Severity::error, facts.lossy ? Confidence::possible : Confidence::certain);
    if (!known) f.count = count;
    for (const Question* q : asked) {
      FindingSink::prove(
          f, facts.evidence(q->first, to_string(q->asker) + (vip.is_v4() ? " asks ARP for " : " solicits ") + to_string(vip) +
                                          " " + std::to_string(q->count) + " times and nobody answers"));
    }
    for (const Suspect* s : stuck_requests(facts, sink, vip))
      accuse_connection(facts, sink, vip_unclaimed, subject, *s, Severity::error, Confidence::certain);
    if (known) continue;
    f.title = "Nobody answers for the VIP " + to_string(vip);
    f.cause = "Hosts on the wire ask for " + to_string(vip) +
              " and nobody answers: no host there has the address, so clients get \"no route to host\" from their own kernel or "
              "router and no request ever reaches IPVS. The address was not set up on "
              "the director, was lost with its interface, or a failover left it nowhere.";
    cure_missing(facts, f, vip);
    if (facts.lossy) FindingSink::unchecked(f, "a capture without drops: an answer may be among what was lost");
    if (facts.state == nullptr) FindingSink::unchecked(f, "ip addr show to " + to_string(vip) + " on the director");
  }
}

}  // namespace

constinit const Rule vip_unclaimed{
    .code = 116,
    .id = "vip-unclaimed",
    .severity = Severity::error,
    .where = "P S",
    .title = "Nobody owns the VIP",
    .page = R"md(
## What it means

IPVS looks at packets that are addressed to the host itself: a VIP that is on no
interface is never matched, whatever `ipvsadm -Ln` shows. Creating a service
does not create the address.

## How it looks

Clients on the wire repeat ARP without an answer and report "No route to host":

    tcpdump -ni eth0 arp host 192.168.1.110
    ARP, Request who-has 192.168.1.110 tell 192.168.1.254

Behind a router that sends the packets anyway, leg string `1---` and the
director treats them like any other: it forwards them back, sends an ICMP
redirect or host unreachable, or asks ARP for the VIP itself. IPVS counters stay
0.

## How it comes about

VRRP is not master here and nowhere else; keepalived died; the alias was not
brought up, or a network reload removed it; IPv6: duplicate address detection
failed. If the address is there and ARP still stays unanswered: `arp_ignore`
(settings for direct routing on a director), `arp off`, the VIP on a dummy
device, or strict rp_filter towards the asking host.

## How to check by hand

    ip -br addr | grep 192.168.1.110
    ip route get 192.168.1.110 from 192.168.1.254 iif eth0    # must say: local
    ip -6 addr show dadfailed
    sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.eth0.arp_ignore
    journalctl -u keepalived | tail

## Cure

    ip addr add 192.168.1.110/32 dev eth0
    arping -U -c3 -I eth0 192.168.1.110

/32 keeps the VIP from adding a route. Persistent: keepalived
`virtual_ipaddress`; netplan or networkd `addresses`/`Address=192.168.1.110/32`;
ifupdown `up ip addr add 192.168.1.110/32 dev eth0`. On a pair of directors only
VRRP may set it (LVS117).

## Nearest look-alikes

- LVS110: the VIP is owned; the port is no service.
- LVS117: too many owners. LVS120: the right owner, the wrong MAC.
- LVS206: address present, requests dropped by rp_filter.
- LVS118: nobody answers for the gateway address, on the inside.

## What this tool needs to see to say so

At least three ARP or neighbour requests for the VIP without an answer from
anyone, or a service whose VIP is on no interface of the director (state:
certain; services by firewall mark are exempt, they may use a local route). On a
standby director a missing VIP is normal: with requests going to another MAC, or
VRRP seen from another host, it stays silent.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
