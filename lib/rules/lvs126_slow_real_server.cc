#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

constexpr std::uint64_t kAnswers = 3;
constexpr std::int64_t kMillisecond = 1'000'000;

struct Late {
  std::int64_t own = 0, peers = 0;
  std::uint64_t count = 0;
  explicit operator bool() const { return count != 0; }
};

/// How late one real server is against the others of its service. The peers stand together, each with the weight of its
/// answers; on a tie the quicker half counts: one slow peer does not excuse another.
Late late(const ServiceTally& service, std::size_t suspect, std::optional<Latency> DestinationTally::*which) {
  const auto& own = service.destinations[suspect].*which;
  if (!own || own->count < kAnswers) return {};
  std::vector<std::pair<std::int64_t, std::uint64_t>> peers;  // median, answers
  std::uint64_t answers = 0;
  for (std::size_t i = 0; i < service.destinations.size(); ++i) {
    const auto& peer = service.destinations[i].*which;
    if (!peer || service.destinations[i].destination.rip == service.destinations[suspect].destination.rip) continue;
    peers.emplace_back(peer->p50, peer->count);
    answers += peer->count;
  }
  if (answers < kAnswers) return {};
  std::sort(peers.begin(), peers.end());
  std::int64_t middle = 0;
  std::uint64_t counted = 0;
  for (const auto& [median, count] : peers) {
    middle = median;
    counted += count;
    if (counted * 2 >= answers) break;
  }
  if (own->p50 < 3 * middle || own->p50 < middle + 50 * kMillisecond) return {};
  return {own->p50, middle, own->count};
}

void check(const Facts& facts, FindingSink& sink) {
  for (std::size_t n = 0; n < facts.tallies.size(); ++n) {
    const ServiceTally& service = facts.tallies[n];
    for (std::size_t i = 0; i < service.destinations.size(); ++i) {
      const Late handshake = late(service, i, &DestinationTally::real_server);
      const Late response = late(service, i, &DestinationTally::response);
      if (!handshake && !response) continue;
      const Late& worse = response ? response : handshake;
      const std::string rip = to_string(service.destinations[i].destination.rip);
      Subject subject;
      subject.real_server = rip;
      subject.service = to_string(facts.services[n]);
      Finding& f = sink.accuse(slow_real_server, subject, Severity::warning, Confidence::certain);
      f.count = worse.count;
      Evidence e;
      e.text = std::string(response ? "the first answer to a request" : "the answer to the SYN") + " takes " +
               to_duration(worse.own) + " (median of " + std::to_string(worse.count) + "), on its peers " +
               to_duration(worse.peers);
      FindingSink::prove(f, std::move(e));
      for (const Suspect& s : facts.suspects) {
        const Connection& c = s.connection;
        if (c.service != n || !c.rip || c.rip->address != service.destinations[i].destination.rip || !c.saw(Leg::reply)) continue;
        FindingSink::cite(f, c.record);
      }
      f.title = rip + " answers much later than the other real servers of " + to_string(facts.services[n]);
      f.cause = handshake ? "Even the handshake comes late (" + to_duration(handshake.own) + " against " +
                                to_duration(handshake.peers) +
                                "), which no program has a part in: the host is overloaded, or the way between director and real "
                                "server is slow (a full link, a duplex mismatch, shaping)."
                          : "The handshake is as quick as that of its peers, so the way is in order: it is the program on " +
                                rip + ", or what it waits for (disk, database, name server).";
      const Service& declared = facts.services[n];
      for (const Destination& d : declared.destinations) {
        if (d.rip == service.destinations[i].destination.rip && d.weight.value_or(1) > 1)
          FindingSink::cure(f, cures::weight(declared, d, 1));
      }
      f.cure.push_back(
          Cure{Where::real_server, "uptime; vmstat 1 5; ss -lnt   # load, and Recv-Q of the listening socket", std::nullopt});
    }
  }
}

}  // namespace

constinit const Rule slow_real_server{
    .code = 126,
    .id = "slow-real-server",
    .severity = Severity::warning,
    .where = "P",
    .title = "One real server answers much later than its peers",
    .page = R"md(
## What it means

All legs are there, and one real server of a service takes at least three times
as long as the others, and 50 ms more, to answer. Clients sent there wait;
averages over the service hide it.

## How it looks

Leg string `1234`. The time from leg 2 to the first leg 3 that answers it is
long for one RIP, in the handshake (the host or the wire is slow, the queue is
full) or in the first data (the program is).

    tcpdump -ttttni eth1 host 10.1.1.2 and port 80

The director adds next to nothing: legs 1 to 2 and 3 to 4 take microseconds.

## How it comes about

Overload, swapping, a sick disk, a cold cache, another version of the program; a
noisy neighbour on the hypervisor; duplex errors with retransmissions. A
constant 5 or 10 s before the first data: the real server tries to resolve the
client's address and cannot reach its DNS server, because its own connections
leave the director unmasqueraded.

## How to check by hand

    curl -so /dev/null -w '%{time_connect} %{time_starttransfer}\n' http://10.1.1.2/    # and .3
    uptime; vmstat 1 3; ss -lnt          # on the real server: Recv-Q of the listener
    ipvsadm -Ln                          # weights, active connections

On the real server, for the DNS case: `dig -x 192.168.1.254`.

## Cure

Take load off it while you look:

    ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 0

(0 drains; a lower weight than the others' suits a weaker machine.) Persistent:
`weight` in keepalived.conf, or `ipvsadm -Sn > /etc/ipvsadm.rules`. A
least-connection scheduler (`wlc`) sends fewer to a slow server by itself. For
DNS, on the director, what real servers open themselves:

    nft add rule ip nat postrouting ip saddr 10.1.1.0/24 oifname "eth0" masquerade

(kept in /etc/nftables.conf; it does not touch replies of live services.)

## Nearest look-alikes

- LVS125: late because packets were lost and repeated.
- LVS102: no answer at all.
- All real servers equally slow: no finding; the application, or something that
  all share.
- A service whose requests differ much (downloads beside pings) can look uneven.

## What this tool needs to see to say so

Legs 2 and 3 on the inside, at least three answers from the suspect and three
from its peers of the same service together. A service with one real server has
no peer and gets no such finding.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
