#include "facts/signs.h"

#include <algorithm>

namespace lvsnat {
namespace {

/// A silence this long is longer than any first retransmission timeout (RFC 6298: 1 s) and its repetition.
constexpr Timestamp kSilence = 3 * kSecond;
/// Retransmissions that meet the same fate must reach this far to be no accident of timing.
constexpr Timestamp kSpread = kSecond * 9 / 10;

/// By how much the clock that timed `before` is ahead of the one that timed `after`, at least: no packet leaves the director
/// before it came. Two captures of two machines, or of one whose clock was set in between.
Timestamp ahead(const Facts& facts, const LegCount& before, const LegCount& after) {
  if (before.packets == 0 || after.packets == 0 || facts.path(before.path).vantage == facts.path(after.path).vantage) return 0;
  return std::max<Timestamp>(before.first - after.first, 0);
}

/// `before` went on and `after` stopped (or never was). `open`: packets of `before` since the last of `after`.
Missing judge(const Facts& facts, const Suspect& s, const LegCount& before, const LegCount& after, unsigned open, Leg after_leg) {
  Missing m;
  m.from_the_start = after.packets == 0;
  if (open < 2 && (!m.from_the_start || before.packets != 1 || s.waited < kSilence)) return m;
  const Timestamp tried_for =
      m.from_the_start ? before.last - before.first : before.last - after.last - ahead(facts, before, after);
  const bool tried_again = open >= 2 && tried_for >= kSpread;
  const bool silent = m.from_the_start && before.packets == 1 && s.waited >= kSilence;
  m.missing = before.packets != 0 && (tried_again || silent) && facts.could_have_seen(s.connection, after_leg);
  if (!m.missing) return m;
  if (!tried_again || facts.lossy) m.confidence = Confidence::possible;
  // Captures on `any` lose packets unsaid: two in a row is luck that happens, three is not.
  else if (facts.cooked_only && open < 3)
    m.confidence = Confidence::likely;
  return m;
}

Missing judge_demasq(const Facts& facts, const Suspect& s) {
  const LegCount& request = s.connection.leg(Leg::request);
  return judge(facts, s, request, s.connection.leg(Leg::demasq), request.unpaired, Leg::demasq);
}

// Replies that were seen on their way to another MAC do not count.
Missing judge_reply(const Facts& facts, const Suspect& s) {
  const LegCount& demasq = s.connection.leg(Leg::demasq);
  if (demasq.packets != 0 && !s.connection.saw(Leg::masq) && reply_to_other_mac(facts, s)) {
    Missing m;
    m.missing = facts.could_have_seen(s.connection, Leg::reply);
    m.from_the_start = true;
    return m;
  }
  // Nobody answers a reset; of a connection whose other packets were not seen it tells nothing.
  if (demasq.rst && !demasq.syn && !demasq.data && !demasq.fin && demasq.packets <= 2) return {};
  return judge(facts, s, demasq, s.connection.leg(Leg::reply), demasq.unanswered, Leg::reply);
}

Missing judge_masq(const Facts& facts, const Suspect& s) {
  const LegCount& reply = s.connection.leg(Leg::reply);
  if (!s.connection.saw(Leg::request)) return {};
  Missing m = judge(facts, s, reply, s.connection.leg(Leg::masq), reply.unpaired, Leg::masq);
  if (!m || reply_to_other_mac(facts, s)) return {};
  // It must have reached the director: a reply seen elsewhere (at the client, at a router) went another way.
  const Mac destination = reply.packets != 0 ? facts.path(reply.path).destination : Mac{};
  const bool at_director = !destination.is_none() && facts.is_director(destination);
  if (!at_director && !s.connection.saw(Leg::demasq)) return {};
  if (reply.moved && s.connection.saw(Leg::masq))
    return {};  // later replies took another path; they are no business of the director's
  if (may_pass_by(facts, s)) m.confidence = Confidence::possible;
  return m;
}

}  // namespace

void note_missing(Facts& facts) {
  for (Suspect& s : facts.suspects) {
    s.demasq = judge_demasq(facts, s);
    s.reply = judge_reply(facts, s);
    s.masq = judge_masq(facts, s);
  }
}

Mac reply_destination(const Facts& facts, const Suspect& s) {
  const LegCount& reply = s.connection.leg(Leg::reply);
  if (reply.packets == 0) return {};
  const Path& first = facts.path(reply.path);
  // Sent by the director itself it is no bypass but a leak (LVS104), though its way in be seen later, or not at all.
  if (!first.destination.is_none() && !first.destination.is_group() && !facts.director_macs.empty() &&
      !facts.is_director(first.destination) && !facts.is_director(first.source))
    return first.destination;
  for (const Clue& clue : s.clues) {
    if (clue.kind != Clue::Kind::moved || clue.leg != Leg::reply) continue;
    const Path& path = facts.path(clue.path);
    if (path.destination.is_none() || path.destination.is_group() || facts.is_director(path.destination) ||
        facts.is_director(path.source))
      continue;
    if (!facts.director_macs.empty()) return path.destination;
  }
  return {};
}

bool reply_to_other_mac(const Facts& facts, const Suspect& s) {
  if (!reply_destination(facts, s).is_none()) return true;
  const LegCount& reply = s.connection.leg(Leg::reply);
  return reply.packets != 0 && facts.path(reply.path).direction == static_cast<std::uint8_t>(Direction::other_host);
}

bool may_pass_by(const Facts& facts, const Suspect& s) {
  const LegCount &request = s.connection.leg(Leg::request), &reply = s.connection.leg(Leg::reply);
  if (request.packets == 0 || reply.packets == 0) return false;
  const Path &in = facts.path(request.path), &back = facts.path(reply.path);
  return back.destination.is_none() && back.direction == static_cast<std::uint8_t>(Direction::unknown) &&
         back.vantage == in.vantage && back.interface_index == in.interface_index && back.vlan == in.vlan;
}

LegString director_legs(const Facts& facts, const Suspect& s) {
  LegString legs = s.connection.leg_string;
  if (s.connection.leg(Leg::masq).packets == 0 && reply_to_other_mac(facts, s)) legs.text[index(Leg::reply)] = '-';
  return legs;
}

bool insistent(const Question& q) { return !q.answered && !q.unicast && !q.asker.is_none() && q.run >= 3; }

bool is_half_open(const Facts& facts, const Connection& c) {
  if (c.kind != ConnectionKind::masqueraded || c.protocol != kTcp || !c.saw_syn || c.client_rtt) return false;
  for (const Leg leg : {Leg::request, Leg::demasq}) {
    const LegCount& l = c.leg(leg);
    if (l.data || l.fin || l.repeats != 0 || l.packets > (l.rst ? 2u : 1u)) return false;
  }
  // A real server that refuses has answered.
  if (c.leg(Leg::reply).rst && !c.leg(Leg::reply).syn) return false;
  // What was given up for want of room was one of too many: that is how a flood looks, however short it was looked at.
  return (c.saw(Leg::request) || c.saw(Leg::demasq)) && (c.forgotten != 0 || had_time_to_retry(facts, c.first));
}

bool is_vrrp_mac(const Mac& mac) {
  return mac.bytes[0] == 0 && mac.bytes[1] == 0 && mac.bytes[2] == 0x5e && mac.bytes[3] == 0 &&
         (mac.bytes[4] == 1 || mac.bytes[4] == 2);
}

namespace {

/// The director has the address and goes on using it a good second after `since`: whoever hands an address over is rid of it by
/// then.
bool still_holds(const Facts& facts, const Address& address, Timestamp since) {
  if (facts.state == nullptr || !facts.state->known.addresses || find_address(*facts.state, address) == nullptr) return false;
  if (facts.later != nullptr && facts.later->addresses)
    return facts.later->at >= since + kSecond && facts.later->addresses->contains(address);
  if (facts.state->taken && *facts.state->taken >= since + kSecond) return true;
  // When the state was saved is not known, or it was before: then it still does a director's work.
  return std::any_of(facts.suspects.begin(), facts.suspects.end(), [&](const Suspect& s) {
    const LegCount& demasq = s.connection.leg(Leg::demasq);
    return s.connection.kind == ConnectionKind::masqueraded && demasq.packets != 0 && demasq.last >= since + kSecond;
  });
}

/// The MAC of the director's interface that has the address.
Mac holder_of(const KernelState& state, const Address& address) {
  const InterfaceAddress* const held = find_address(state, address);
  const Link* const link = held == nullptr ? nullptr : find_link(state, held->dev);
  return link == nullptr || link->loopback ? Mac{} : link->mac;
}

}  // namespace

std::optional<Conflict> conflict_over(const Facts& facts, const Address& address) {
  const auto found = facts.turns.find(address);
  if (found == facts.turns.end()) return std::nullopt;
  // All the MACs of one director, virtual ones included, are one host.
  const Mac director = facts.director_macs.empty() ? Mac{} : *facts.director_macs.begin();
  const auto identity = [&](const Mac& mac) {
    return !director.is_none() && (facts.is_director(mac) || is_vrrp_mac(mac)) ? director : mac;
  };
  std::vector<const ClaimTurn*> turns;
  for (const ClaimTurn& turn : found->second) {
    if (turns.empty() || identity(turns.back()->mac) != identity(turn.mac)) turns.push_back(&turn);
  }
  // What the director's kernel still has was not handed over, however properly the other one announced itself.
  const auto taker = std::find_if(turns.begin(), turns.end(), [&](const ClaimTurn* turn) {
    return !director.is_none() && identity(turn->mac) != director && still_holds(facts, address, turn->frame.time);
  });
  if (taker != turns.end() && (*taker)->how != Assertion::asking) {
    Conflict c;
    c.held = true;
    c.second = (*taker)->mac;
    c.second_frame = (*taker)->frame;
    c.first = holder_of(*facts.state, address);
    if (c.first.is_none()) c.first = director;
    for (const ClaimTurn* turn : turns) {
      if (identity(turn->mac) != director) continue;
      c.first = turn->mac;
      c.first_frame = turn->frame;
      break;
    }
    c.confidence = Confidence::certain;
    return c;
  }
  if (turns.size() < 2) return std::nullopt;
  // Whoever takes an address over announces it first. One that just goes on answering after another has claimed it is a second
  // owner, and so is one that goes on asking in its name.
  std::size_t answered = 0, unannounced = 0;
  for (std::size_t i = 1; i < turns.size(); ++i) {
    const bool back = std::any_of(turns.begin(), turns.begin() + static_cast<std::ptrdiff_t>(i),
                                  [&](const ClaimTurn* t) { return identity(t->mac) == identity(turns[i]->mac); });
    answered += turns[i]->how == Assertion::answer ? 1u : 0u;
    unannounced += turns[i]->how == Assertion::answer || (turns[i]->how == Assertion::asking && back) ? 1u : 0u;
  }
  const Timestamp span = turns.back()->frame.time - turns.front()->frame.time;
  const bool restless = turns.size() >= 4 && span <= static_cast<Timestamp>(turns.size()) * 10 * kSecond;
  if (unannounced == 0 && !restless) return std::nullopt;
  Conflict c;
  c.first = turns[0]->mac;
  c.first_frame = turns[0]->frame;
  c.second = turns[1]->mac;
  c.second_frame = turns[1]->frame;
  if (facts.is_director(c.second) && !facts.is_director(c.first)) {
    std::swap(c.first, c.second);
    const FrameRef second = turns[0]->frame;
    c.first_frame = c.second_frame;
    c.second_frame = second;
  }
  c.confidence = turns.size() >= 3 && (answered != 0 || restless) && !facts.lossy ? Confidence::certain : Confidence::likely;
  return c;
}

const Clue* first_clue(const Suspect& s, Clue::Kind kind, Leg leg) {
  const auto found = std::find_if(s.clues.begin(), s.clues.end(), [&](const Clue& c) { return c.kind == kind && c.leg == leg; });
  return found == s.clues.end() ? nullptr : &*found;
}

bool sent_by_director(const Facts& facts, std::uint16_t id) {
  const Path& path = facts.path(id);
  if (path.direction == static_cast<std::uint8_t>(Direction::out)) return true;
  return !path.source.is_none() && facts.is_director(path.source);
}

}  // namespace lvsnat
