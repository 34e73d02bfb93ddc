#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <vector>

#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

/// Connections of this real server that broke after it was told to go straight to the client.
/// Connections whose replies stopped coming, by their real server.
std::map<Address, std::vector<const Suspect*>> without_reply(const Facts& facts, const FindingSink& sink) {
  std::map<Address, std::vector<const Suspect*>> found;
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind == ConnectionKind::masqueraded && c.rip && !sink.is_claimed(c.record) && missing_reply(facts, s))
      found[c.rip->address].push_back(&s);
  }
  return found;
}

/// Of these those that concern the clients and went on after `since`.
std::vector<const Suspect*> broken_after(const std::vector<const Suspect*>& silent, const std::set<Address>& clients,
                                         Timestamp since) {
  std::vector<const Suspect*> broken;
  std::copy_if(silent.begin(), silent.end(), std::back_inserter(broken),
               [&](const Suspect* s) { return s->connection.last >= since && clients.contains(s->connection.client.address); });
  return broken;
}

void check(const Facts& facts, FindingSink& sink) {
  struct Told {
    const IcmpSighting* first = nullptr;
    std::uint64_t count = 0;
    std::set<Address> clients, better;
    Address sender;
  };
  std::map<Address, Told> told;  // by real server
  for (const IcmpSighting& i : facts.icmp) {
    if (!i.icmp.redirect) continue;
    // IPv6 redirects go to the link's address of the host that sent the packet: that is the quoted source.
    const Address rip = facts.rips.contains(i.destination) ? i.destination : i.icmp.quoted_source;
    if (!facts.rips.contains(rip)) continue;
    Told& t = told[rip];
    if (t.first == nullptr || i.frame.time < t.first->frame.time) t.first = &i;
    ++t.count;
    t.sender = i.source;
    if (i.icmp.quotes) t.clients.insert(i.icmp.quoted_destination);
    t.better.insert(i.icmp.gateway);
  }
  if (told.empty()) return;
  // A connection has one real server, so what one of these findings claims is none of the others'.
  std::map<Address, std::vector<const Suspect*>> silent = without_reply(facts, sink);
  for (const auto& [rip, t] : told) {
    const std::vector<const Suspect*> broken = broken_after(silent[rip], t.clients, t.first->frame.time);
    const Question* asks = nullptr;
    for (const Question* q : facts.questions_by(rip)) {
      if (t.better.contains(q->target) && q->last.time >= t.first->frame.time) asks = q;
    }
    Subject subject;
    subject.real_server = to_string(rip);
    const std::string better = t.better.empty() ? std::string("the client") : to_string(*t.better.begin());
    const bool by_director = facts.is_director(t.sender) || sent_by_director(facts, t.first->path);
    Finding* f = nullptr;
    for (const Suspect* s : broken) {
      const Confidence confidence = std::min(missing_reply(facts, *s).confidence,
                                             asks != nullptr || broken.size() > 1 ? Confidence::certain : Confidence::likely);
      f = &accuse_connection(facts, sink, icmp_redirect_sent, subject, *s, Severity::error, confidence);
    }
    if (f == nullptr) {
      f = &sink.accuse(icmp_redirect_sent, subject, Severity::warning, Confidence::certain);
      f->count = t.count;
    }
    Evidence proof = facts.evidence(
        t.first->frame, to_string(t.sender) + " tells " + to_string(rip) + " to send what is for " +
                            (t.clients.empty() ? std::string("the client") : to_string(*t.clients.begin())) + " to " + better +
                            (t.count > 1 ? " (" + std::to_string(t.count) + " redirects)" : std::string()));
    f->evidence.insert(f->evidence.begin(), std::move(proof));
    if (f->evidence.size() > FindingSink::kEvidence) f->evidence.pop_back();
    if (asks != nullptr) {
      if (f->evidence.size() >= FindingSink::kEvidence) f->evidence.pop_back();
      FindingSink::prove(*f, facts.evidence(asks->first, to_string(rip) + " then asks for " + to_string(asks->target) +
                                                             ": it takes the advice"));
    }
    f->subject.gateway = better;
    f->subject.director = to_string(t.sender);
    if (!broken.empty()) {
      f->title = "A redirect took the replies of " + to_string(rip) + " away from the director";
      f->cause = (by_director ? "The director" : "The router " + to_string(t.sender)) + " forwards the replies of " +
                 to_string(rip) + " out of the interface they came in on, so it tells the real server to go straight to " +
                 better +
                 ". The real server believed it: from then on its replies bypass the director and the client throws them away. "
                 "The exception lives 300 s (net.ipv4.route.gc_timeout) "
                 "after the last redirect and does not show in `ip route`.";
      Consequence c;
      c.code = 101;
      c.subject.real_server = to_string(rip);
      c.count = broken.size();
      f->consequences.push_back(std::move(c));
    } else {
      f->title = to_string(t.sender) + " sends ICMP redirects to " + to_string(rip);
      f->cause = (by_director ? "The director" : "The router " + to_string(t.sender)) + " tells " + to_string(rip) +
                 " to send its replies straight to " + better +
                 ". No reply was seen to leave the path: the real server ignores redirects, its gateway is another address than "
                 "the one the redirect comes from, or the capture is too short. "
                 "A connection with a few exchanges may still break.";
    }
    if (by_director) {
      std::vector<std::string> devices;
      if (facts.state != nullptr) {
        const std::string dev = on_link_dev(*facts.state, rip);
        if (!dev.empty()) devices.push_back(dev);
      }
      FindingSink::cure(*f, cures::redirects_off(!rip.is_v4(), devices));
    }
    FindingSink::cure(*f, cures::refuse_redirects(!rip.is_v4(), {}));
    FindingSink::cure(*f, cures::flush_cache(!rip.is_v4()));
    if (broken.empty())
      FindingSink::unchecked(*f,
                             "ip route show cache on " + to_string(rip) + ": a <redirected> entry shows that it was believed");
  }
}

}  // namespace

constinit const Rule icmp_redirect_sent{
    .code = 111,
    .id = "icmp-redirect-sent",
    .severity = Severity::error,
    .where = "P",
    .title = "An ICMP redirect tells a real server to bypass the director",
    .page = R"md(
## What it means

The director (or another router) told a real server by ICMP redirect that the
client can be reached directly. If the real server believes it, the next replies
go round the director and connections hang. A redirect alone breaks nothing, so
this is a warning until replies are seen to leave the path; then it is an error.

## How it looks

    tcpdump -ni eth1 'icmp[0] == 5 or arp'      # IPv6: icmp6 and ip6[40] == 137
    IP 10.1.1.9 > 10.1.1.2: ICMP redirect 192.168.1.254 to host 192.168.1.254

The gateway named is the client itself, or the director's own next router when
the client is remote. The packet quotes RIP->CIP: it is sent before IPVS
rewrites. First at once, then 20 ms << n later, at most 9 until 20 s have passed
without need. What follows on a real server that takes it:
`ARP who-has 192.168.1.254 tell 10.1.1.2` and, in a connection that had all
legs, `12--` from then on. New connections to that client then die at the first
SYN. A Linux real server ignores a redirect about its SYN-ACK and, unless the
client is in its neighbour table, needs a second one about the established
connection: short connections keep working, those with three or more rounds
break. Ping takes the first.

## How it comes about

The reply leaves the director by the interface it came in: one NIC, also with
two logical networks on one wire. `send_redirects` and, on the real server,
`accept_redirects` are 1 by default. The exception lasts 300 s (not the HOWTO's
ten minutes) and is renewed by further redirects. IPv6 has no `send_redirects`
at all: the director always sends them when both interfaces are one.

## How to check by hand

    sysctl -a 2>/dev/null | grep send_redirects     # director: all OR the device counts
    ip route get 192.168.1.254 from 10.1.1.2 iif eth1   # director: flag "redirect"
    nstat -az IcmpOutRedirects
    ip route get 192.168.1.254                      # real server: "redirected", "expires"
    ip route show cache

Two pings of the client from the real server show it too; a UDP traceroute often
does not, because its time-exceeded uses up the rate limit of the redirect.

## Cure

On the director, all three, and in /etc/sysctl.d/60-lvs-nat.conf:

    sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0
    sysctl -w net.ipv4.conf.eth0.send_redirects=0
    nft add rule inet filter output icmpv6 type nd-redirect drop      # IPv6

On each real server `ip route flush cache` (that heals those already misled) and

    sysctl -w net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.eth0.accept_redirects=0

## Nearest look-alikes

- LVS202: the settings allow it; no redirect was seen.
- LVS304: its effect, seen on the real server.
- LVS303: a direct route that fails from the very first SYN, without ICMP.
- LVS121: only full-size packets vanish, small ones pass.

## What this tool needs to see to say so

A redirect to a RIP about CIP of a service. Error where later replies of that
real server to that client are missing or go to another MAC; warning where
replies keep coming or the capture ends too soon. A redirect whose source is not
the gateway that the real server uses (VIP primary, DIP secondary address on one
interface) is ignored by Linux and stays a warning.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
