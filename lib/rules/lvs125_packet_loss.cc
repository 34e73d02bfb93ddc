#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

/// Where packets get lost. Retransmissions and gaps of each leg tell.
enum class Spot : std::uint8_t { client_side, director, inside };

struct Loss {
  std::array<std::uint64_t, 3> at{};  // by Spot
  std::array<const Suspect*, 3> example{};
  std::uint64_t packets = 0, connections = 0;
  void add(Spot spot, unsigned n, const Suspect& s) {
    if (n == 0) return;
    const auto i = static_cast<std::size_t>(spot);
    at[i] += n;
    if (example[i] == nullptr) example[i] = &s;
  }
};

unsigned beyond(unsigned a, unsigned b) { return a > b ? a - b : 0; }

/// SYNs that the client sent again although the director had sent the answer: it is the answer that was lost, or is late.
unsigned answered_syns(const Suspect& s) {
  const LegCount& masq = s.connection.leg(Leg::masq);
  unsigned n = 0;
  for (const Clue& clue : s.clues) {
    const bool syn_again = clue.kind == Clue::Kind::repeat && clue.leg == Leg::demasq && (clue.tcp_flags & kSyn) != 0;
    if (syn_again && masq.packets != 0 && masq.first < clue.frame.time) ++n;
  }
  return n;
}

/// One direction: `in` is the leg that enters the director, `out` the one that leaves it. `needless`: repeats on `out` that
/// tell of a loss elsewhere.
void judge(const Facts& facts, const Suspect& s, const LegCount& in, const LegCount& out, unsigned needless, Spot before,
           Spot behind, Loss& loss) {
  // Repeats that the receiver reports as such were not needed: nothing was lost on the way to it.
  if (in.dsack || out.dsack) return;
  if (in.packets == 0 || out.packets == 0) {
    // One side captured: a gap says before, a repeat of what was seen says behind.
    const LegCount& leg = in.packets != 0 ? in : out;
    loss.add(before, leg.holes, s);
    loss.add(behind, beyond(leg.repeats, leg.holes + needless), s);
    return;
  }
  // A gap on the way in was lost before; a gap or a missing repeat on the way out, in the director; what left twice, behind
  // it. A packet that fills a gap counts as a repeat.
  const unsigned swallowed = beyond(in.repeats, out.repeats);
  loss.add(before, in.holes, s);
  if (facts.cooked_only) {
    // Captures on `any` lose packets unsaid, so a leg that is missing once proves nothing of the director; that the sender
    // tried again still does of what lies ahead.
    loss.add(behind, swallowed, s);
  } else {
    loss.add(Spot::director, std::max(beyond(out.holes, in.holes), swallowed), s);
  }
  loss.add(behind, beyond(out.repeats, std::max(out.holes, in.holes) + needless), s);
}

/// Loss is what a connection gets over. One whose handshake never ends, or that ends in tries without an answer, has met
/// something that swallows all of it, on a side that may not have been captured.
bool is_stuck(const Connection& c) {
  const bool client_talks = c.leg(Leg::request).data || c.leg(Leg::demasq).data;
  const bool server_talks = c.leg(Leg::reply).data || c.leg(Leg::masq).data;
  if (c.saw_syn && !client_talks && !server_talks) return true;
  return std::any_of(kLegs.begin(), kLegs.end(), [&](Leg leg) { return c.leg(leg).unanswered >= 3; });
}

// Fewer are an accident. What came in and did not go out needs no guess about who repeats what, and why.
constexpr std::array<std::uint64_t, 3> kLosses{4, 3, 4};  // by Spot
constexpr std::uint64_t kShare = 100;                     // one in that many packets

void check(const Facts& facts, FindingSink& sink) {
  if (facts.lossy) return;
  // One place is one finding, whatever the service; by real server where it is behind the director.
  std::map<Address, Loss> inside;
  Loss all;
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || c.protocol != kTcp || sink.is_claimed(c.record) || is_stuck(c)) continue;
    Loss loss;
    judge(facts, s, c.leg(Leg::request), c.leg(Leg::demasq), answered_syns(s), Spot::client_side, Spot::inside, loss);
    judge(facts, s, c.leg(Leg::reply), c.leg(Leg::masq), 0, Spot::inside, Spot::client_side, loss);
    for (std::size_t i = 0; i < loss.at.size(); ++i) {
      all.at[i] += loss.at[i];
      if (all.example[i] == nullptr) all.example[i] = loss.example[i];
    }
    if (c.rip) {
      Loss& here = inside[c.rip->address];
      const auto i = static_cast<std::size_t>(Spot::inside);
      here.at[i] += loss.at[i];
      if (here.example[i] == nullptr) here.example[i] = loss.example[i];
    }
  }
  const std::uint64_t packets = facts.service_packets;
  for (const Spot spot : {Spot::client_side, Spot::director, Spot::inside}) {
    const auto i = static_cast<std::size_t>(spot);
    if (all.at[i] < kLosses[i] || all.at[i] * kShare < packets) continue;
    // A loss shows its shadow on the other side (an acknowledgement that is late, a request that is tried again): name the place
    // that shows most.
    if (*std::max_element(all.at.begin(), all.at.end()) > all.at[i] * 2) continue;
    const Suspect& example = *all.example[i];
    Subject subject;
    std::string where;
    if (spot == Spot::inside) {
      // Only one real server's?
      const Address* worst = nullptr;
      for (const auto& [rip, loss] : inside) {
        if (loss.at[i] * 10 >= all.at[i] * 9) worst = &rip;
      }
      if (worst != nullptr && inside.size() > 1) subject.real_server = to_string(*worst);
      where = worst != nullptr && inside.size() > 1 ? "between the director and " + to_string(*worst)
                                                    : "between the director and the real servers";
    } else {
      subject.interface = spot == Spot::director ? "director" : "outside";
      where = spot == Spot::director ? "in the director" : "between the clients and the director";
    }
    Finding& f = sink.accuse(packet_loss, subject, Severity::warning, Confidence::likely);
    f.count = all.at[i];
    f.title = "Packets are lost " + where;
    Evidence e;
    e.text = std::to_string(all.at[i]) + " retransmissions and gaps place a loss there; " +
             std::to_string(all.at[static_cast<std::size_t>(Spot::client_side)]) + " on the clients' side, " +
             std::to_string(all.at[static_cast<std::size_t>(Spot::director)]) + " in the director, " +
             std::to_string(all.at[static_cast<std::size_t>(Spot::inside)]) + " inside, among " + std::to_string(packets) +
             " packets";
    FindingSink::prove(f, std::move(e));
    for (const Leg leg : kLegs) {
      if (example.connection.leg(leg).repeats != 0 || example.connection.leg(leg).holes != 0)
        FindingSink::prove(f, facts.evidence(example.connection, leg));
    }
    FindingSink::cite(f, example.connection.record);
    if (spot == Spot::director) {
      f.cause =
          "Packets reach the director and do not leave it, and pass when they are sent again: a full queue (qdisc, backlog, "
          "ring), a rate limit in its filter, or IPVS' own defence (drop_packet).";
      f.cure.push_back(Cure{Where::director, "tc -s qdisc; nstat -az | grep -i drop; cat /proc/net/softnet_stat", std::nullopt});
    } else if (spot == Spot::inside) {
      f.cause =
          "What the director sent towards the real servers is sent again, or replies arrive with gaps: the loss is on the way "
          "between the director and the real servers, or in their network stack.";
      f.cure.push_back(
          Cure{Where::director,
               "ip -s link; ethtool -S INSIDE | grep -i -e err -e drop   # and the same on the real server and the switch",
               std::nullopt});
    } else {
      f.cause =
          "Requests arrive with gaps, or replies that the director has sent are sent again: the loss is on the way between the "
          "clients and the director, not in the cluster.";
      f.cure.push_back(Cure{Where::director,
                            "ip -s link; ethtool -S OUTSIDE | grep -i -e err -e drop   # then the network in front",
                            std::nullopt});
    }
    if (facts.outside_captured != facts.inside_captured)
      FindingSink::unchecked(f, "a capture of the other side: with one side the place is no more than \"beyond this interface\"");
  }
}

}  // namespace

constinit const Rule packet_loss{
    .code = 125,
    .id = "packet-loss",
    .severity = Severity::warning,
    .where = "P",
    .title = "Packets are lost on the way",
    .page = R"md(
## What it means

Packets are retransmitted, often enough to be felt, and by comparing the legs
the loss can be placed: outside (between client and director), inside (between
director and real server), or in the director itself.

## How it looks

Retransmissions with the legs in between:

- Request seen twice on leg 1, each time on leg 2, one reply: lost inside, or
  the reply was late.
- Request twice on leg 1, once on leg 2: lost in the director.
- Reply once on legs 3 and 4, then again on 3 and 4: lost outside.
- Reply twice on leg 3, once on leg 4: lost in the director.
- A hole in the sequence on leg 1 that is filled later: lost before the
  director.

## How it comes about

Outside: clients' lines, radio, congestion. Inside: duplex or cable errors, full
switch buffers, a real server that drops (receive ring, checksum errors). In the
director: a full ring or backlog, one CPU at 100 % (one flow, one queue), a full
conntrack table, a qdisc that drops.

## How to check by hand

    ip -s link show eth0; ethtool -S eth0 | grep -iE 'drop|miss|err|fifo'
    awk '{print $2, $3}' /proc/net/softnet_stat      # dropped, squeezed (hex)
    tc -s qdisc show dev eth1
    nstat -az TcpRetransSegs TcpInCsumErrors         # real server
    dmesg | grep -i 'table full'

"Incorrect checksum" of packets captured on their sender is offload, not loss.

## Cure

By place. Cable, duplex and buffers first. On the director larger rings and more
queues:

    ethtool -G eth1 rx 4096; ethtool -L eth1 combined 4
    sysctl -w net.core.netdev_max_backlog=5000
    sysctl -w net.netfilter.nf_conntrack_max=1048576

Persistent: `.link` file of systemd (`RxBufferSize=`, `CombinedChannels=`) or a
udev rule; /etc/sysctl.d.

## Nearest look-alikes

- LVS121: only full-size packets, always.
- LVS106, LVS103: nothing passes at all.
- LVS126: late answers, no loss. LVS901: the capture lost them, not the network.
- Spurious retransmissions (the answer was late; D-SACK says that both came),
  keep-alives and zero-window probes are no loss.

## What this tool needs to see to say so

Retransmissions that are not shown to be spurious, four or more (three that
enter the director and do not leave it) and one in a hundred packets, and both
sides of the place that it names. With one side captured it says no more than
"beyond this interface". With packets dropped by the capture it is withdrawn.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
