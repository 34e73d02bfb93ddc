#include "facts/journal.h"

#include <algorithm>

#include "facts/ftp_text.h"

namespace lvsnat {
namespace {

using Kind = track::Observation::Kind;

FrameRef frame_of(const Packet& p) { return FrameRef{p.vantage, p.number, p.time}; }

Mac mac_of(const std::array<std::uint8_t, 6>& bytes) {
  Mac mac;
  mac.bytes = bytes;
  return mac;
}

struct Pair {
  std::uint32_t outer = track::kNone, inner = track::kNone;
};

/// The endpoints of the record of observation `at` as its own connection left them: in a full table it may have been evicted in
/// the same batch, and belong to another connection by now, which has no second endpoint yet.
Pair pair_of(const track::Tracker::Output& output, std::uint32_t at, const track::Tracker& tracker) {
  const std::uint32_t record = output.observations[at].record;
  for (std::uint32_t i = at + 1; output.retirements != 0 && i < output.observed; ++i) {
    const track::Observation& later = output.observations[i];
    if (later.kind != Kind::retired || later.record != record) continue;
    const track::Record& r = output.retired[later.packet];
    const bool inner_first = (r.flags & track::kInnerFirst) != 0;
    return {r.endpoint[inner_first ? 1 : 0], r.endpoint[inner_first ? 0 : 1]};
  }
  const bool inner_first = tracker.inner_first(record);
  return {tracker.endpoint_of(record, inner_first ? 1 : 0), tracker.endpoint_of(record, inner_first ? 0 : 1)};
}

}  // namespace

void Journal::note(std::span<const Packet> packets, const track::Tracker::Output& output, const track::Tracker& tracker) {
  for (std::uint32_t i = 0; i < output.observed; ++i) {
    const track::Observation& o = output.observations[i];
    if (o.kind == Kind::retired) {
      const auto found = clues_.find(o.record);
      const std::vector<WayClue>* clues = found == clues_.end() ? nullptr : &found->second;
      const track::Record& record = output.retired[o.packet];
      if (retirement_ != nullptr && retirement_(retirement_context_, o.record, record, clues)) {
        if (retired_.size() < kMaxRetired) {
          retired_.push_back(RetiredRecord{o.record, record, clues == nullptr ? std::vector<WayClue>{} : *clues});
        } else {
          ++retired_left_out_;
        }
      }
      if (found != clues_.end()) clues_.erase(found);
      continue;
    }
    const Packet& packet = packets[o.packet];
    switch (o.kind) {
      case Kind::other:
        note_other(packet, o.path, tracker);
        break;
      case Kind::joined: {
        const auto [outer, inner] = pair_of(output, i, tracker);
        if (outer == track::kNone || inner == track::kNone) break;
        const std::uint64_t pair = std::uint64_t{outer} << 32 | inner;
        // Every connection comes by here, and nearly all of them with a pair that is known.
        if (pairs_.size() < kMaxPairs && !pair_seen_.contains(pair)) {
          pair_seen_.insert(pair);
          pairs_.emplace_back(outer, inner);
        }
        break;
      }
      case Kind::repeat:
        note_clue(Clue::Kind::repeat, o, packet);
        break;
      case Kind::reset:
        note_clue(Clue::Kind::reset, o, packet);
        break;
      case Kind::moved:
        note_clue(Clue::Kind::moved, o, packet);
        break;
      case Kind::forwarded:
        note_clue(Clue::Kind::forwarded, o, packet);
        break;
      case Kind::new_isn:
        note_clue(Clue::Kind::new_isn, o, packet);
        break;
      case Kind::text:
        note_text(o, packet);
        break;
      case Kind::retired:
        break;
    }
  }
}

const std::vector<WayClue>* Journal::clues(std::uint32_t record) const {
  if (record / 64 >= noted_.size() || (noted_[record / 64] >> (record % 64) & 1) == 0) return nullptr;
  const auto found = clues_.find(record);
  return found == clues_.end() ? nullptr : &found->second;
}

void Journal::note_clue(Clue::Kind kind, const track::Observation& o, const Packet& p) {
  auto found = clues_.find(o.record);
  if (found == clues_.end()) {
    if (clues_.size() >= kMaxNotedRecords) return;
    found = clues_.emplace(o.record, std::vector<WayClue>{}).first;
    if (noted_.size() <= o.record / 64) noted_.resize(o.record / 64 + 1);
    noted_[o.record / 64] |= std::uint64_t{1} << (o.record % 64);
  }
  if (found->second.size() >= kMaxCluesPerRecord) return;
  Clue clue;
  clue.kind = kind;
  clue.frame = frame_of(p);
  clue.path = o.path;
  clue.sequence = p.sequence;
  clue.acknowledgement = p.acknowledgement;
  clue.ip_length = p.ip_length;
  clue.ip_id = p.ip_id;
  clue.ttl = p.ttl;
  clue.tcp_flags = p.tcp_flags;
  found->second.push_back(WayClue{clue, o.way});
}

void Journal::note_other(const Packet& p, std::uint16_t path, const track::Tracker& tracker) {
  switch (p.kind) {
    case Packet::Kind::icmp:
    case Packet::Kind::neighbour:
      note_icmp(p, path, tracker);
      break;
    case Packet::Kind::arp:
      note_arp(p);
      break;
    case Packet::Kind::tunnel:
      note_tunnel(p);
      break;
    default:
      break;
  }
}

void Journal::note_icmp(const Packet& p, std::uint16_t path, const track::Tracker& tracker) {
  Icmp icmp;
  if (!decode_icmp(p, icmp)) return;
  if (icmp.solicitation) {
    ask(p, p.source.is_unspecified() ? Address{} : p.source, icmp.target,
        icmp.has_link_address ? mac_of(icmp.link_address) : mac_of(p.source_mac), !p.destination.is_multicast());
    return;
  }
  if (icmp.advertisement) {
    claim(p, icmp.target, icmp.has_link_address ? mac_of(icmp.link_address) : mac_of(p.source_mac),
          p.destination.is_multicast() ? Assertion::announcement : Assertion::answer);
    return;
  }
  const std::uint32_t kind = std::uint32_t{icmp.v6} << 16 | std::uint32_t{icmp.type} << 8 | icmp.code;
  if (icmp_.size() >= kMaxIcmp || icmp_per_kind_[kind] >= kMaxIcmpPerKind) {
    ++icmp_left_out_;
    return;
  }
  ++icmp_per_kind_[kind];
  IcmpNote note;
  note.sighting = IcmpSighting{icmp, p.source, p.destination, frame_of(p), path, p.ttl, std::nullopt, std::nullopt};
  if (icmp.quotes && icmp.quotes_ports) {
    // The quoted packet went from the client to a server endpoint, or the other way round.
    for (const bool from_client : {true, false}) {
      const Address& client = from_client ? icmp.quoted_source : icmp.quoted_destination;
      const std::uint16_t port = from_client ? icmp.quoted_source_port : icmp.quoted_destination_port;
      const Address& server = from_client ? icmp.quoted_destination : icmp.quoted_source;
      const std::uint16_t server_port = from_client ? icmp.quoted_destination_port : icmp.quoted_source_port;
      for (std::uint32_t id = tracker.find(client, port, icmp.quoted_protocol); id != track::kNone && !note.on_way;
           id = tracker.record(id).next) {
        const track::Record r = tracker.record(id);
        for (std::uint8_t side = 0; side < 2; ++side) {
          if (r.endpoint[side] == track::kNone) continue;
          const track::ServerEndpoint& e = tracker.endpoints()[r.endpoint[side]];
          if (e.address != server || e.port != server_port) continue;
          note.sighting.record = id;
          note.way = static_cast<std::uint8_t>(side * 2 + (from_client ? 0 : 1));
          note.on_way = true;
          break;
        }
      }
      if (note.on_way) break;
    }
  }
  icmp_.push_back(note);
}

void Journal::note_arp(const Packet& p) {
  Arp arp;
  if (!decode_arp(p, arp)) return;
  const Mac mac = mac_of(arp.sender_mac);
  if (arp.request && !arp.gratuitous) {
    const bool unicast = p.has_macs && p.direction == Direction::unknown && (p.destination_mac[0] & 1) == 0;
    ask(p, arp.probe ? Address{} : arp.sender, arp.target, mac, unicast);
    if (!arp.probe) claim(p, arp.sender, mac, Assertion::asking);
    return;
  }
  claim(p, arp.sender, mac, arp.gratuitous ? Assertion::announcement : Assertion::answer);
}

void Journal::ask(const Packet& p, const Address& asker, const Address& target, const Mac& mac, bool unicast) {
  const NeighbourKey key{asker, target, mac, std::uint32_t{p.vantage} << 16 | (p.interface_index & 0xffff)};
  auto found = question_index_.find(key);
  if (found == question_index_.end()) {
    if (questions_.size() >= kMaxNeighbours) return;
    found = question_index_.emplace(key, questions_.size()).first;
    Question q;
    q.asker = asker;
    q.target = target;
    q.asker_mac = mac;
    q.vantage = p.vantage;
    q.interface_index = p.interface_index;
    q.first = frame_of(p);
    q.unicast = true;
    questions_.push_back(q);
  }
  Question& q = questions_[found->second];
  ++q.count;
  // Resolution asks again every second (RFC 4861: RETRANS_TIMER); one who was answered has no reason to for many seconds.
  std::uint32_t& run = runs_[found->second];
  const Timestamp gap = p.time - q.last.time;
  if (q.count == 1 || gap > kSecond * 7 / 2) {
    run = 1;
  } else if (gap > kSecond / 20) {
    ++run;
  }
  q.run = std::max(q.run, run);
  q.last = frame_of(p);
  q.unicast = q.unicast && unicast;
}

void Journal::claim(const Packet& p, const Address& address, const Mac& mac, Assertion how) {
  if (mac.is_none() || address.is_unspecified() || address.is_none()) return;
  const NeighbourKey key{address, Address{}, mac, std::uint32_t{p.vantage} << 16 | (p.interface_index & 0xffff)};
  auto found = claim_index_.find(key);
  if (found == claim_index_.end()) {
    if (claims_.size() >= kMaxNeighbours) return;
    found = claim_index_.emplace(key, claims_.size()).first;
    Claim c;
    c.address = address;
    c.mac = mac;
    c.vantage = p.vantage;
    c.interface_index = p.interface_index;
    c.first = frame_of(p);
    claims_.push_back(c);
  }
  Claim& c = claims_[found->second];
  ++c.count;
  const bool as_reply = how != Assertion::asking;
  if (as_reply && !c.as_reply) {
    c.as_reply = true;
    c.first = frame_of(p);
  }
  c.last = frame_of(p);
  if (turns_.size() >= kMaxNeighbours && !turns_.contains(address)) return;
  std::vector<ClaimTurn>& turns = turns_[address];
  if (turns.size() < kMaxTurns && (turns.empty() || turns.back().mac != mac)) turns.push_back(ClaimTurn{mac, frame_of(p), how});
}

void Journal::note_tunnel(const Packet& p) {
  Packet inner;
  if (!decode_tunnel(p, inner)) return;
  for (TunnelSighting& t : tunnels_) {
    if (t.outer_source == p.source && t.outer_destination == p.destination &&
        t.inner_destination == Endpoint{inner.destination, inner.destination_port} && t.inner_source.address == inner.source) {
      ++t.count;
      return;
    }
  }
  if (tunnels_.size() >= kMaxTunnels) return;
  tunnels_.push_back(TunnelSighting{p.source,
                                    p.destination,
                                    {inner.source, inner.source_port},
                                    {inner.destination, inner.destination_port},
                                    p.protocol,
                                    inner.protocol,
                                    1,
                                    frame_of(p)});
}

void Journal::note_text(const track::Observation& o, const Packet& p) {
  if (ftp_.size() >= kMaxFtp) return;
  FtpLine line;
  if (!parse_ftp_announcement(payload_of(p), line.announcement)) return;
  line.announcement.record = o.record;
  line.announcement.frame = frame_of(p);
  line.way = o.way;
  ftp_.push_back(line);
}

}  // namespace lvsnat
