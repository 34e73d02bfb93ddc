#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

constexpr std::uint64_t kThick = 100;  // half-open connections that begin in ten seconds

/// Somebody on the way said that it goes nowhere: then it was answered, and for a reason of its own.
bool turned_down(const Facts& facts, const Connection& c) {
  const auto about = facts.icmp_about(c.record);
  return std::any_of(about.begin(), about.end(), [&](std::uint32_t at) {
    const IcmpSighting& i = facts.icmp[at];
    return i.icmp.unreachable && (i.quoted_leg == Leg::request || i.quoted_leg == Leg::demasq);
  });
}

void check(const Facts& facts, FindingSink& sink) {
  if (facts.half_open_peak < kThick) return;
  const double seconds = std::max(1.0, static_cast<double>(facts.last - facts.first) / 1e9);
  const double completed_in_ten = static_cast<double>(facts.completed) / seconds * 10.0;
  if (static_cast<double>(facts.half_open_peak) * 2 < completed_in_ten) return;
  // In an outage nobody gets an answer, and clients ask again. Here somebody was answered.
  const bool answered = std::any_of(facts.tallies.begin(), facts.tallies.end(), [](const ServiceTally& t) {
    return t.legs[index(Leg::reply)] + t.legs[index(Leg::masq)] != 0;
  });
  if (!answered) return;

  struct Flood {
    Finding* finding = nullptr;
    std::set<Address> clients;
    std::map<Address, std::uint64_t> victims;  // by real server
    std::uint64_t without_real_server = 0;
  };
  std::map<std::string, Flood> floods;  // by service
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (sink.is_claimed(c.record) || !is_half_open(facts, c) || turned_down(facts, c)) continue;
    if (c.first < facts.half_open_from - kSecond || c.first > facts.half_open_to + kSecond) continue;
    Subject subject;
    subject.service = service_text(facts, c);
    Flood& flood = floods[*subject.service];
    flood.finding = &accuse_connection(facts, sink, syn_flood, subject, s, Severity::warning,
                                       facts.outside_captured && !facts.lossy ? Confidence::certain : Confidence::likely);
    flood.clients.insert(c.client.address);
  }
  // A handful to another service is no flood of that one; they stay claimed as part of this.
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || c.protocol != kTcp || sink.is_claimed(c.record) || !c.saw_syn) continue;
    if (c.first < facts.half_open_from - kSecond || c.first > facts.half_open_to + 60 * kSecond) continue;
    const auto flood = floods.find(service_text(facts, c));
    if (flood == floods.end()) continue;
    // A full SYN queue keeps a real server from answering; that the director keeps an answer to itself is another matter.
    if (missing_masq(facts, s) || (!missing_reply(facts, s) && !missing_demasq(facts, s))) continue;
    // A real server that answers nobody is broken in its own right.
    bool answers = !c.rip;
    if (c.service && c.rip && *c.service < facts.tallies.size()) {
      for (const DestinationTally& d : facts.tallies[*c.service].destinations)
        answers = answers || (d.destination.rip == c.rip->address && d.legs[index(Leg::reply)] != 0);
    }
    if (!answers || reply_to_other_mac(facts, s) || turned_down(facts, c)) continue;
    sink.claim(c.record, syn_flood.code, true);
    FindingSink::cite(*flood->second.finding, c.record);
    if (c.rip) {
      ++flood->second.victims[c.rip->address];
    } else {
      ++flood->second.without_real_server;
    }
  }
  for (auto& [service, flood] : floods) {
    Finding& f = *flood.finding;
    const std::size_t n = flood.clients.size();
    f.title = "Hundreds of half-open connections to " + service;
    if (f.count < 200) f.title = std::to_string(f.count) + " half-open connections to " + service;
    const std::string from = n == 1 ? to_string(*flood.clients.begin()) : std::to_string(n) + " addresses";
    Evidence e;
    e.text = (facts.suspects_left_out != 0 ? "more than " : "") + std::to_string(f.count) + " connections from " + from +
             " with nothing but a SYN, up to " + std::to_string(facts.half_open_peak) + " begun within ten seconds; " +
             std::to_string(facts.completed) + " connections were completed in the whole capture";
    f.evidence.insert(f.evidence.begin(), std::move(e));
    if (f.evidence.size() > FindingSink::kEvidence) f.evidence.pop_back();
    if (n == 1) f.subject.client = to_string(*flood.clients.begin());
    f.cause =
        "Somebody sends SYNs and neither completes the connections nor tries again, as a client that wanted an answer would: a "
        "SYN flood (or a fast scan). Each one holds an IPVS entry for 60 s and a place in the "
        "accept queue of a real server until that gives up.";
    std::uint64_t victims = flood.without_real_server;
    for (const auto& [rip, count] : flood.victims) {
      victims += count;
      Consequence consequence;
      consequence.code = 102;
      consequence.subject.real_server = to_string(rip);
      consequence.count = count;
      f.consequences.push_back(std::move(consequence));
    }
    if (victims != 0)
      f.cause += " " + std::to_string(victims) + (victims == 1 ? " connection" : " connections") +
                 " of others got no answer meanwhile, from real servers that do answer otherwise: a full SYN queue is the likely "
                 "reason.";
    f.cure.push_back(Cure{Where::real_server, "sysctl -w net.ipv4.tcp_syncookies=1",
                          "/etc/sysctl.d/60-lvs-nat.conf: net.ipv4.tcp_syncookies = 1"});
    f.cure.push_back(
        Cure{Where::director,
             "sysctl -w net.ipv4.vs.drop_entry=1   # under memory pressure IPVS then drops half-open entries at random",
             "/etc/sysctl.d/60-lvs-nat.conf: net.ipv4.vs.drop_entry = 1"});
    if (n <= 4) {
      for (const Address& client : flood.clients) {
        f.cure.push_back(Cure{Where::director,
                              std::string("nft insert rule inet filter input ") + (client.is_v4() ? "ip" : "ip6") + " saddr " +
                                  to_string(client) + " drop   # if the address is not forged",
                              std::nullopt});
      }
    }
  }
}

}  // namespace

constinit const Rule syn_flood{
    .code = 124,
    .id = "syn-flood",
    .severity = Severity::warning,
    .where = "P",
    .title = "Many half-open connections",
    .page = R"md(
## What it means

Many SYNs arrive and few or none become connections. Every one takes an IPVS
entry (60 s in SYN_RECV) and a place in a real server's SYN queue. An attack, a
scan, or something that keeps honest clients from completing.

## How it looks

`1234` as far as SYN and SYN-ACK go, and no ACK; many clients, often each with
one packet only, or one client with many ports.

    tcpdump -ni eth0 'tcp[13] & 2 != 0 and dst host 192.168.1.110'
    ipvsadm -Lnc | grep -c SYN_RECV
    ipvsadm -Ln --rate                  # connections per second

SYN_RECV counts as active connection, so least-connection schedulers are misled.
Real servers log "Possible SYN flooding", `nstat TcpExtSyncookiesSent` grows.

## How it comes about

Spoofed sources never answer the SYN-ACK; scanners reset or vanish. If leg 3 or
4 is missing instead, clients repeat their SYNs and nobody is attacking: see
below.

## How to check by hand

    ipvsadm -Lnc | awk '/SYN_RECV/ {split($4, a, ":"); n[a[1]]++}
      END {for (c in n) print n[c], c}' | sort -rn | head
    sysctl net.ipv4.vs.drop_entry net.ipv4.vs.drop_packet net.ipv4.vs.secure_tcp
    nstat -az TcpExtSyncookiesSent TcpExtListenOverflows        # real server

## Cure

Filter upstream, where the line is not full yet. On the director for a while:

    sysctl -w net.ipv4.vs.drop_entry=1        # only when memory is short
    nft add rule inet filter input ip daddr 192.168.1.110 tcp flags syn / syn,ack \
      meter flood { ip saddr limit rate over 50/second } drop

On real servers keep `net.ipv4.tcp_syncookies=1`. Persistent: /etc/sysctl.d and
/etc/nftables.conf. `drop_packet` and `secure_tcp` hurt honest clients too.

## Nearest look-alikes

- LVS101, LVS102, LVS103: SYNs repeat because no SYN-ACK gets back; the same
  clients, the same ports, at 1, 3, 7 s.
- LVS125: losses outside; some complete.
- A load test: many connections that do complete.

## What this tool needs to see to say so

A hundred or more connections begun within ten seconds that are nothing but one
SYN each, never sent again (clients in an outage try again after a second), more
than half as many as those that complete, and a service that answers somebody.
Connections of others that fail meanwhile are consequences, if their real server
answers otherwise. Memory of this tool is bounded: half-open records are the
first to go.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
