#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"
#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

/// The largest packets of a connection that are sent again and again, on one leg.
struct Stuck {
  Leg leg = Leg::masq;
  std::uint32_t sequence = 0, length = 0;
  unsigned repeats = 0;
  FrameRef first, last;
  explicit operator bool() const { return repeats != 0; }
};

constexpr std::uint32_t kLarge = 1000;  // IP total length; what a path of 1280 bytes (the least of IPv6) takes is not yet large

/// Repeats on one leg: only large ones, of one place in the stream.
Stuck stuck_on(const Suspect& s, Leg leg) {
  Stuck best;
  for (const Clue& clue : s.clues) {
    if (clue.kind != Clue::Kind::repeat || clue.leg != leg || (clue.tcp_flags & (kSyn | kFin | kRst)) != 0) continue;
    if (clue.ip_length < kLarge) return {};  // small ones are lost as well: the size is not to blame
    if (best && clue.sequence == best.sequence) {
      ++best.repeats;
      best.last = clue.frame;
      best.length = std::max(best.length, clue.ip_length);
    } else if (!best || best.repeats < 2) {
      best = Stuck{leg, clue.sequence, clue.ip_length, 1, clue.frame, clue.frame};
    }
  }
  return best;
}

/// Fragmentation needed or packet too big about this connection, by the leg whose packet it quotes.
std::vector<const IcmpSighting*> too_big(const Facts& facts, const Connection& c) {
  std::vector<const IcmpSighting*> found;
  for (const std::uint32_t at : facts.icmp_about(c.record)) {
    const IcmpSighting& i = facts.icmp[at];
    if (i.icmp.too_big) found.push_back(&i);
  }
  return found;
}

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || c.protocol != kTcp || sink.is_claimed(c.record)) continue;
    // The outermost leg on which it is still seen: beyond it the packets vanish.
    Stuck stuck;
    for (const Leg leg : {Leg::masq, Leg::reply, Leg::demasq, Leg::request}) {
      const LegCount& l = c.leg(leg);
      if (l.repeats == 0 || l.dsack) continue;
      const Stuck here = stuck_on(s, leg);
      if (here && (!stuck || here.repeats > stuck.repeats)) stuck = here;
    }
    if (!stuck || stuck.repeats < 2) continue;
    // Replies that leave as they came are not lost to their size (LVS104, LVS213).
    const Clue* leak = first_clue(s, Clue::Kind::forwarded, Leg::reply);
    if (leak != nullptr && sent_by_director(facts, leak->path)) continue;
    const LegCount& leg = c.leg(stuck.leg);
    const LegCount& back = c.leg(stuck.leg == Leg::masq     ? Leg::request
                                 : stuck.leg == Leg::reply  ? Leg::demasq
                                 : stuck.leg == Leg::demasq ? Leg::reply
                                                            : Leg::masq);
    if (back.packets == 0 || !leg.data) continue;  // small ones must be seen to pass: at least the handshake or acknowledgements
    const std::vector<const IcmpSighting*> told = too_big(facts, c);
    const Timestamp spread = stuck.last.time - stuck.first.time;
    const bool ends_so = leg.last - stuck.last.time < kSecond || leg.repeats > 8;
    const bool long_enough = stuck.repeats >= 3 ? spread >= kSecond : spread >= kSecond / 2 && ends_so;
    if (!long_enough && told.size() < 2) continue;
    const bool sure = told.size() >= 2 || (stuck.repeats >= 4 && ends_so);
    const Confidence confidence = facts.lossy        ? Confidence::possible
                                  : told.size() >= 2 ? Confidence::certain
                                  : sure             ? Confidence::likely
                                                     : Confidence::possible;
    const bool download = stuck.leg == Leg::masq || stuck.leg == Leg::reply;
    Subject subject;
    if (download && c.rip) {
      subject.real_server = to_string(c.rip->address);
    } else {
      subject.service = service_text(facts, c);
    }
    Finding& f = accuse_connection(facts, sink, path_mtu_black_hole, subject, s, Severity::error, confidence);
    const std::string sender =
        download ? (c.rip ? to_string(c.rip->address) : std::string("the real server")) : to_string(c.client.address);
    FindingSink::prove(f, facts.evidence(stuck.last,
                                         std::to_string(stuck.length) + " bytes at the same place of the stream, sent again " +
                                             std::to_string(leg.repeats >= 15 ? 15 : stuck.repeats) +
                                             (leg.repeats >= 15 ? " times or more" : " times") + " without an acknowledgement",
                                         stuck.leg));
    bool unheard = false;
    for (const IcmpSighting* i : told) {
      std::string text = to_string(i->source) + " says that packets to " + to_string(i->icmp.quoted_destination) +
                         " must not exceed " + std::to_string(i->icmp.mtu) + " bytes";
      if (i->icmp.mtu == 0)
        text = to_string(i->source) + " says that packets to " + to_string(i->icmp.quoted_destination) + " are too big";
      FindingSink::prove(f, facts.evidence(i->frame, std::move(text), i->quoted_leg));
      unheard = unheard || i->quoted_leg == stuck.leg;
    }
    if (!f.cause.empty()) continue;
    bool heard_nothing = false;  // the message came near the sender, who goes on as before
    f.title = "Full-size packets of " + sender + " vanish, small ones pass";
    const bool passed_on = std::any_of(
        told.begin(), told.end(), [&](const IcmpSighting* i) { return i->quoted_leg == (download ? Leg::reply : Leg::request); });
    f.cause = "Packets of " + std::to_string(stuck.length) +
              " bytes are sent again and again and never acknowledged, while small packets of the same connection pass: a link "
              "on the way takes less. ";
    if (told.empty()) {
      f.cause +=
          "No \"fragmentation needed\" message was seen here: it is filtered on the way, or sent to where this capture does not "
          "look.";
    } else if (!passed_on && unheard && facts.inside_captured) {
      f.cause += to_string(told.front()->source) + " says so (ICMP fragmentation needed), but the message never goes on to " +
                 sender + ": the director does not pass it on (a filter, or no IPVS entry that it matches).";
    } else {
      f.cause += to_string(told.front()->source) + " says so (ICMP fragmentation needed), but " + sender +
                 " does not heed it: most likely a firewall there, or before it, drops the message.";
      heard_nothing = true;
    }
    FindingSink::cure(f, cures::clamp_mss());
    for (Cure& cure : cures::accept_icmp_errors(!c.client.address.is_v4())) {
      if (heard_nothing) cure.where = download ? Where::real_server : Where::client;
      FindingSink::cure(f, std::move(cure));
    }
    if (confidence == Confidence::possible)
      FindingSink::unchecked(f, "ping -M do -s 1472 from " + sender + " to " + to_string(c.client.address) +
                                    ", and with smaller sizes: from which size on nothing comes back?");
  }
}

}  // namespace

constinit const Rule path_mtu_black_hole{
    .code = 121,
    .id = "path-mtu-black-hole",
    .severity = Severity::error,
    .where = "P",
    .title = "Full-size packets vanish, small ones pass",
    .page = R"md(
## What it means

Somewhere on the path a link carries less than the packets are long. They have
DF set; the router that cannot pass them reports "fragmentation needed", and
that message is lost. Connections open, small answers work, transfers hang.

## How it looks

Leg string `1234`, and then the same full-size segment (1448 bytes of data, say)
again and again, while shorter ones and the handshake pass.

    tcpdump -ni eth0 'icmp[0] == 3 and icmp[1] == 4'      # IPv6: icmp6 packet too big
    tcpdump -ni eth1 'icmp[0] == 3 and icmp[1] == 4'

Healthy discovery: the message comes in outside (router->VIP, quoting VIP->CIP),
leaves inside translated (router->RIP, quoting RIP->CIP) and the real server
sends smaller segments. Broken: seen outside and not inside (the director
filters it), inside but unheeded (the real server filters it), or nowhere
(filtered upstream).

## How it comes about

PPPoE, VPN or overlay with a smaller MTU behind the clients, or between director
and real server (then the director itself must tell the client); filters that
drop all ICMP; wrong MTU on one host of a wire (jumbo frames).

## How to check by hand

    ping -M do -s 1472 -c3 192.168.1.254      # from director and real server
    tracepath -n 192.168.1.254
    ip route get 192.168.1.254                # on the real server: "mtu 1400"?
    nft list ruleset | grep -i icmp; ip -br link | grep -o 'mtu [0-9]*'

## Cure

Let the message pass on the director (it enters by the input chain):

    nft insert rule inet filter input icmp type { destination-unreachable, time-exceeded } accept
    nft insert rule inet filter input icmpv6 type packet-too-big accept

and on real servers. Where it is lost upstream, clamp the segment size:

    nft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu

(replies are forwarded, so this reaches the SYN-ACK). Keep both in
/etc/nftables.conf. Or on real servers, in /etc/sysctl.d:

    sysctl -w net.ipv4.tcp_mtu_probing=1

## Nearest look-alikes

- LVS125: loss that strikes large and small alike.
- LVS111: after a redirect all replies are missing, small ones too.
- LVS103 with LRO: packets larger than the MTU come in on leg 3 and do not
  leave; `ethtool -k eth1 | grep large-receive` says `on`.
- Packets above the MTU in a capture are offload (GRO, TSO) and no fault.

## What this tool needs to see to say so

Repeated full-size segments of one connection without acknowledgement while
smaller packets of it pass, or a fragmentation-needed message that is not
heeded. Discovery that works (the message, then smaller segments) is healthy. A
single connection with few repeats is `possible`.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
