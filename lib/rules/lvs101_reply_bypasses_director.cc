#include <algorithm>

#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

/// The director has a rule that would hide the clients, so that replies come back whatever the real server's routes are. It
/// does nothing, for IPVS takes its packets out of tracking.
void tell_idle_full_nat(const Facts& facts, Outlook& outlook, Finding& f, const Connection& c) {
  const Prediction* p = outlook.of(c);
  if (p == nullptr || !p->idle_full_nat) return;
  f.cause += " On the director " + p->idle_full_nat->rule.words() +
             " would give requests its own address as source, and the reply would come back to it; but IPVS keeps its packets "
             "out of connection tracking while net.ipv4.vs.conntrack is 0, and such packets meet no nat rule.";
  FindingSink::prove(f, setting(facts, "net.ipv4.vs.conntrack"));
  FindingSink::cure(f, cures::vs_conntrack(true));
}

/// Something other than an address of the director that this real server sends its replies to.
struct Bypass {
  Address gateway;  // what it asks for; none where only a MAC is known
  Mac mac;
  const Question* question = nullptr;
  bool is_client = false;
  explicit operator bool() const { return question != nullptr || !mac.is_none(); }
};

/// The real server asks the wire for the client itself, or for a next hop that is not the director.
Bypass asked_elsewhere(const Facts& facts, const Connection& c) {
  Bypass other;
  for (const Question* q : facts.questions_by(c.rip->address)) {
    if (q->last.time < c.first - 300 * kSecond) continue;
    if (q->target == c.client.address) return Bypass{q->target, {}, q, true};
    const bool plain_neighbour = facts.is_director(q->target) || facts.gateways.contains(q->target) ||
                                 facts.vips.contains(q->target) || facts.rips.contains(q->target) || q->target.is_link_local() ||
                                 q->target == q->asker;
    // A client on that wire is no next hop for another client.
    const bool a_client = std::any_of(facts.suspects.begin(), facts.suspects.end(),
                                      [&](const Suspect& s) { return s.connection.client.address == q->target; });
    if (!plain_neighbour && !a_client && !other) other = Bypass{q->target, {}, q, false};
  }
  return other;
}

/// The client resets what it never asked for: RST straight to the RIP, from a MAC that is not the director's.
const Clue* client_reset(const Facts& facts, const Suspect& s) {
  const LegCount& request = s.connection.leg(Leg::request);
  const Mac client = request.packets != 0 ? facts.path(request.path).source : Mac{};
  for (const Clue& clue : s.clues) {
    if (clue.leg != Leg::demasq || (clue.tcp_flags & kRst) == 0 || sent_by_director(facts, clue.path)) continue;
    const Mac source = facts.path(clue.path).source;
    if (!source.is_none() && (source == client || !facts.director_macs.empty())) return &clue;
  }
  return nullptr;
}

/// Seen where the client's requests are seen, and brought by another host than the one that takes them: the client's side of a
/// bypass.
bool arrives_past_director(const Facts& facts, const Connection& c) {
  if (!c.saw(Leg::request) || !c.saw(Leg::reply) || c.saw(Leg::demasq)) return false;
  const Path& request = facts.path(c.leg(Leg::request).path);
  const Path& reply = facts.path(c.leg(Leg::reply).path);
  if (request.vantage != reply.vantage || request.interface_index != reply.interface_index) return false;
  return !request.destination.is_none() && !reply.source.is_none() && reply.source != request.destination &&
         !facts.is_director(reply.source);
}

void seen_at_client(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || !c.rip || sink.is_claimed(c.record) || !arrives_past_director(facts, c))
      continue;
    Subject subject;
    subject.real_server = to_string(c.rip->address);
    Finding& f = accuse_connection(facts, sink, reply_bypasses_director, subject, s, Severity::error,
                                   facts.lossy ? Confidence::likely : Confidence::certain);
    if (!f.cause.empty()) continue;
    const std::string rip = to_string(c.rip->address), cip = to_string(c.client.address),
                      vip = c.vip ? to_string(c.vip->address) : std::string("the VIP");
    const Mac taker = facts.path(c.leg(Leg::request).path).destination, bringer = facts.path(c.leg(Leg::reply).path).source;
    Evidence e;
    e.text = "requests go to MAC " + to_string(taker) + ", replies come from " + to_string(bringer);
    FindingSink::prove(f, std::move(e));
    f.title = "Replies of " + rip + " go round the director";
    f.subject.gateway = to_string(bringer);
    f.cause = cip + " calls " + vip + " and is answered by " + rip +
              ", and the answer is brought by another host than the one that takes its requests: the real server's way back does "
              "not lead through the director.";
    f.cure.push_back(Cure{Where::real_server,
                          "ip route get " + cip + " from " + rip + "   # names the route that takes replies past the director",
                          std::nullopt});
    FindingSink::unchecked(f, "lvstrace --client " + cip + " on " + rip + " names the route, rule or exception");
  }
}

void check(const Facts& facts, FindingSink& sink) {
  seen_at_client(facts, sink);
  Outlook outlook(facts);
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || !c.rip || sink.is_claimed(c.record)) continue;
    const Missing missing = missing_reply(facts, s);
    if (!missing) continue;
    const Mac elsewhere = reply_destination(facts, s);
    const Clue* reset = client_reset(facts, s);
    const Clue* new_isn = first_clue(s, Clue::Kind::new_isn, Leg::reply);
    Bypass bypass = asked_elsewhere(facts, c);
    if (elsewhere.is_none() && !reply_to_other_mac(facts, s) && reset == nullptr && !bypass) continue;

    const bool proved = !elsewhere.is_none() || reset != nullptr || bypass.is_client;
    const Confidence confidence = std::min(missing.confidence, proved ? Confidence::certain : Confidence::likely);
    Subject subject;
    subject.real_server = to_string(c.rip->address);
    Finding& f = accuse_connection(facts, sink, reply_bypasses_director, subject, s, Severity::error, confidence);
    const std::string rip = to_string(c.rip->address), cip = to_string(c.client.address);
    if (!elsewhere.is_none()) {
      const LegCount& reply = c.leg(Leg::reply);
      const Clue* moved = first_clue(s, Clue::Kind::moved, Leg::reply);
      const bool first_already = facts.path(reply.path).destination == elsewhere;
      const FrameRef frame = first_already || moved == nullptr
                                 ? FrameRef{facts.path(reply.path).vantage, reply.first_frame, reply.first}
                                 : moved->frame;
      FindingSink::prove(
          f, facts.evidence(
                 frame, rip + " sends the reply to " + cip + " to MAC " + to_string(elsewhere) + ", which is not the director's",
                 Leg::reply));
    }
    if (reset != nullptr) {
      FindingSink::prove(
          f, facts.evidence(reset->frame,
                            cip + " resets the reply straight at " + rip + ": it got it from an address it never called",
                            Leg::demasq));
    }
    if (bypass) {
      std::string text = rip + (c.rip->address.is_v4() ? " asks ARP for " : " solicits ") + to_string(bypass.gateway);
      text += bypass.is_client ? ", the client itself" : ", which is no address of the director";
      if (bypass.question->count > 1) text += " (" + std::to_string(bypass.question->count) + " times)";
      FindingSink::prove(f, facts.evidence(bypass.question->first, text));
    }
    if (new_isn != nullptr)
      FindingSink::prove(
          f, facts.evidence(new_isn->frame,
                            "another SYN-ACK with a new sequence number: the real server had been reset in between", Leg::reply));
    if (!f.cause.empty()) continue;

    f.title = "Replies of " + rip + " go round the director";
    const Address dip = known_gateway(facts, c.rip->address);
    const std::string dip_text = gateway_address(facts, c.rip->address);
    if (bypass.is_client || (!bypass && !elsewhere.is_none() && owner_of(facts, elsewhere) == c.client.address)) {
      f.subject.gateway = cip;
      f.cause = rip + " answers the client " + cip +
                " directly: it has a route to the client's network that does not lead through the director (a " +
                "left-over or connected network, a second NIC, or an exception that an ICMP redirect left behind). The client "
                "gets the reply from " +
                rip + " instead of the VIP and throws it away.";
      FindingSink::cure(f, cures::flush_cache(!c.rip->address.is_v4()));
      if (!dip.is_none()) {
        FindingSink::cure(f, cures::gateway(dip));
        FindingSink::cure(f, cures::source_route(c.rip->address, dip));
      }
      f.cure.push_back(
          Cure{Where::real_server, "ip route get " + cip + " from " + rip + "   # names the route to remove", std::nullopt});
      FindingSink::unchecked(f, "lvstrace --client " + cip + (dip.is_none() ? std::string() : " --director " + dip_text) +
                                    " on " + rip + " names the route or exception that takes the replies elsewhere");
    } else {
      const Address next = bypass ? bypass.gateway : owner_of(facts, elsewhere);
      const std::string hop = !next.is_none()       ? to_string(next)
                              : elsewhere.is_none() ? std::string("another host")
                                                    : "MAC " + to_string(elsewhere);
      f.subject.gateway = !next.is_none()       ? to_string(next)
                          : elsewhere.is_none() ? std::nullopt
                                                : std::optional<std::string>(to_string(elsewhere));
      f.cause = rip + " sends its replies to " + hop + " instead of the director" +
                (dip.is_none() ? std::string() : " (" + dip_text + ")") +
                ": its default gateway, or a rule or route for the client, is wrong" +
                (bypass ? std::string() : ", or it has an old MAC for the right gateway") +
                ". The reply reaches the client, if at all, from " + rip + " instead of the VIP, and the client throws it away.";
      if (!dip.is_none()) {
        FindingSink::cure(f, cures::gateway(dip));
        FindingSink::cure(f, cures::source_route(c.rip->address, dip));
      } else {
        f.cure.push_back(
            Cure{Where::real_server, "ip route replace default via DIP   # DIP: the director's inside address", std::nullopt});
      }
      FindingSink::unchecked(f, "lvstrace --client " + cip + " on " + rip +
                                    " shows whether the main table, a policy rule or another NIC is to blame");
    }
    if (!bypass && !dip.is_none()) FindingSink::cure(f, cures::flush_neighbour(dip, {}));
    tell_idle_full_nat(facts, outlook, f, c);
  }
}

}  // namespace

constinit const Rule reply_bypasses_director{
    .code = 101,
    .id = "reply-bypasses-director",
    .severity = Severity::error,
    .where = "P",
    .title = "The real server's reply goes round the director",
    .page = R"md(
## What it means

The request reached the real server and the real server answered, but not by way
of the director. Only the director knows that RIP->CIP must become VIP->CIP; the
client gets (if anything) a packet from an address it never talked to, and
answers it with RST. This is the most common fault of LVS-NAT by far.

## How it looks

Leg string `12--`. On the director:

    tcpdump -ni eth0 host 192.168.1.254     # CIP > VIP, SYN again and again
    tcpdump -ni eth1 host 192.168.1.254     # CIP > RIP, and nothing comes back

A switch hides the bypassing reply from the director. What the director still
sees are traces: `ARP, Request who-has 192.168.1.254 tell 10.1.1.2` (broadcast:
the real server looks for the client itself), the same for a gateway that is not
the director's, an ICMP redirect shortly before, or CIP->RIP RSTs. On the real
server (`tcpdump -eni eth0 host 192.168.1.254`) the reply is there, and its
destination MAC is not the source MAC of the request. In the kernel the entry
stays SYN_RECV (`ipvsadm -Lnc`) and OutPkts of the destination stays 0.

## How it comes about

The default gateway is another router (301); a route covers the client directly:
second NIC, left-over network, too wide netmask (303); an ICMP redirect made an
exception (304); an `ip rule` (305); the gateway address is right but its MAC is
that of another host (309). Behind a failover: the real server uses the fixed
address of the standby director instead of the floating one.

## How to check by hand

On the real server; each answer must name the director:

    ip route get 192.168.1.254 from 10.1.1.2      # via 10.1.1.9, no <redirected>
    ip neigh show 10.1.1.9                        # the director's MAC
    lvstrace --client 192.168.1.254 --director 10.1.1.9

From the director, without touching the real server: `lvsdiag probe 10.1.1.2`.
Ping or curl from the director to the RIP proves nothing: the DIP is on-link.

## Cure

On the real server, now:

    ip route replace default via 10.1.1.9

To stay: netplan `routes: [{to: default, via: 10.1.1.9}]`; systemd-networkd
`Gateway=10.1.1.9`; ifupdown `gateway 10.1.1.9`; with DHCP also `UseRoutes=no`
(networkd) or `use-routes: false` (netplan). Where a route or an exception does
it, the cure is that of LVS303 or LVS304. If the default must stay elsewhere:

    ip rule add from 10.1.1.2 lookup 100
    ip route add default via 10.1.1.9 table 100

A MASQUERADE rule on the director is no cure: it does nothing while
`net.ipv4.vs.conntrack` is 0 and turns into full NAT (LVS127) when it is 1.

## Nearest look-alikes

- LVS102: same legs, no proof of a bypass; the real server may just be silent.
- LVS103: the reply does reach the director (`123-`) and dies there.
- LVS118: the gateway asked for is the director's, and nobody answers.
- LVS115, LVS114: the client is on the real servers' own network, or is one.

## What this tool needs to see to say so

Leg 2 captured on the inside, no leg 3 although a retransmission, RST or silence
shows that one was due, and one of the traces above. Without a trace it says
LVS102 and what would settle it. A reply seen on a mirrored or shared wire with
another destination MAC is proof by itself. Where the inside was not captured it
stays silent (LVS902).
)md",
    .check = check,
};

}  // namespace lvsnat::rules
