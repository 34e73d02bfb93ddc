#include "facts/journal.h"

#include <algorithm>
#include <utility>

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

/// Of which nothing is known but what a stranger's packet leaves behind.
bool is_opening(const track::Record& r) {
  return r.protocol == kTcp && (r.flags & track::kAnswered) == 0 && r.way[0].packets <= 1 && r.way[2].packets <= 1;
}

/// The client went on after the handshake.
bool completed(const track::Record& r) {
  return (r.flags & track::kRttDone) != 0 || ((r.way[0].flags | r.way[2].flags) & (track::kSawData | track::kSawFin)) != 0;
}

}  // namespace

void Journal::note(Batch& batch, const track::Tracker::Output& output, const track::Tracker& tracker) {
  for (std::uint32_t i = 0; i < output.observed; ++i) {
    const track::Observation& o = output.observations[i];
    if (o.kind == Kind::retired) {
      // Without packets it is the owner who lets go of what was silent for long; else the table was full.
      retire(o.record, output.retired[o.packet], batch.size() == 0 ? 0 : batch.time(0), tracker);
      continue;
    }
    const Packet& packet = batch.packet(o.packet);
    switch (o.kind) {
      case Kind::other:
        note_other(packet, tracker, output, i);
        break;
      case Kind::joined: {
        const std::uint64_t pair = std::uint64_t{o.outer} << 32 | o.inner;
        if (pairs_.size() < kMaxPairs && pair_seen_.insert(pair).second) pairs_.emplace_back(o.outer, o.inner);
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

// What tells something is kept whole: what was answered, repeated or spoken of. Of connections that are nothing but a SYN, as
// those of a flood are, the last are kept, and the rest are counted.
void Journal::retire(std::uint32_t id, const track::Record& record, Timestamp forgotten, const track::Tracker& tracker) {
  const std::vector<WayClue>* const noted = clues(id);
  forgotten = forgotten == 0 ? 0 : std::max(forgotten, record.last);
  const bool worth = retirement_ == nullptr || retirement_(retirement_context_, id, record, noted, forgotten);
  const bool spoken_of = !noted_elsewhere_.empty() && noted_elsewhere_.erase(id) != 0;
  if (!spoken_of && worth && noted == nullptr && is_opening(record)) return keep_opening(record, forgotten, tracker);
  if (spoken_of || (worth && retired_.size() < kMaxRetired)) {
    if (spoken_of) {
      const std::uint32_t as = kRetiredIds + static_cast<std::uint32_t>(retired_.size());
      for (IcmpNote& note : icmp_) {
        if (note.sighting.record == id) note.sighting.record = as;
      }
      for (FtpLine& line : ftp_) {
        if (line.announcement.record == id) line.announcement.record = as;
      }
    }
    RetiredRecord gone;
    gone.hash = tracker.hash_of(record.client, record.client_port, record.protocol);
    gone.record = record;
    if (noted != nullptr) gone.clues = *noted;
    gone.forgotten = forgotten;
    keep(std::move(gone));
  } else if (worth) {
    forget(record, noted != nullptr);
  }
  if (noted != nullptr) clues_.erase(id);
}

/// In the place of the oldest, once there are as many as are kept.
void Journal::keep_opening(const track::Record& record, Timestamp forgotten, const track::Tracker& tracker) {
  std::size_t at = openings_.size();
  if (at < kMaxRetiredOpenings) {
    openings_.emplace_back();
  } else {
    at = next_opening_;
    next_opening_ = next_opening_ + 1 < kMaxRetiredOpenings ? next_opening_ + 1 : 0;
    if (openings_[at].record.protocol != 0) {
      take_from_clients(openings_[at]);
      forget(openings_[at].record, false);
    }
  }
  RetiredRecord& gone = openings_[at];
  gone.id = kFirstOpening + static_cast<std::uint32_t>(at);
  gone.record = record;
  gone.forgotten = forgotten;
  file_under_client(gone, tracker.hash_of(record.client, record.client_port, record.protocol));
}

/// `gone` has the hash of its client endpoint.
void Journal::keep(RetiredRecord gone) {
  gone.id = kRetiredIds + static_cast<std::uint32_t>(retired_.size());
  retired_.push_back(std::move(gone));
  file_under_client(retired_.back(), retired_.back().hash);
}

RetiredRecord& Journal::left(std::uint32_t id) {
  return id >= kFirstOpening ? openings_[id - kFirstOpening] : retired_[id - kRetiredIds];
}

RetiredRecord* Journal::last_of_client(std::uint32_t hash, const Address& client, std::uint16_t port, std::uint8_t protocol) {
  if (by_client_.empty()) return nullptr;
  for (std::uint32_t id = by_client_[hash % kClientHashes]; id != track::kNone; id = left(id).next) {
    RetiredRecord& gone = left(id);
    const track::Record& r = gone.record;
    if (gone.hash == hash && r.client_port == port && r.protocol == protocol && r.client == client) return &gone;
  }
  return nullptr;
}

void Journal::file_under_client(RetiredRecord& gone, std::uint32_t hash) {
  if (by_client_.empty()) by_client_.assign(kClientHashes, track::kNone);
  const track::Record& r = gone.record;
  if (const RetiredRecord* before = last_of_client(hash, r.client, r.client_port, r.protocol)) take_from_clients(*before);
  std::uint32_t& first = by_client_[hash % kClientHashes];
  gone.hash = hash;
  gone.next = first;
  first = gone.id;
}

/// If it is the last one of its client endpoint.
void Journal::take_from_clients(const RetiredRecord& gone) {
  for (std::uint32_t* at = &by_client_[gone.hash % kClientHashes]; *at != track::kNone; at = &left(*at).next) {
    if (*at != gone.id) continue;
    *at = gone.next;
    return;
  }
}

void Journal::forget(const track::Record& record, bool with_clues) {
  const bool half_open = !with_clues && is_opening(record) && ((record.way[0].flags | record.way[2].flags) & track::kSawSyn) != 0;
  const std::uint64_t pair = std::uint64_t{record.endpoint[0]} << 32 | record.endpoint[1];
  RecentTally& recent = recent_tallies_[(record.endpoint[0] * 61 + record.endpoint[1]) % recent_tallies_.size()];
  if (recent.tally == nullptr || recent.pair != pair) {
    const auto known = forgotten_.find(pair);
    if (known != forgotten_.end()) {
      recent = {pair, &known->second};
    } else {
      recent = {pair, forgotten_.size() < kMaxPairs ? &forgotten_[pair] : nullptr};
    }
  }
  if (recent.tally != nullptr) {
    ForgottenTally& tally = *recent.tally;
    ++tally.connections;
    if (half_open) ++tally.half_open;
    for (std::size_t way = 0; way < 4; ++way) tally.ways[way] += record.way[way].packets != 0;
    if (record.protocol == kTcp) {
      for (const track::Way& w : record.way) tally.packets += w.packets;
      if (!half_open && completed(record)) ++tally.completed;
    }
  }
  if (!half_open) return;
  const Timestamp second = record.t0 / kSecond;
  if (recent_openings_ == nullptr || recent_second_ != second) {
    const auto known = forgotten_openings_.find(second);
    if (known != forgotten_openings_.end()) {
      recent_openings_ = &known->second;
    } else {
      recent_openings_ = forgotten_openings_.size() < kMaxSeconds ? &forgotten_openings_[second] : nullptr;
    }
    recent_second_ = second;
  }
  if (recent_openings_ != nullptr) ++*recent_openings_;
}

const RetiredRecord* Journal::find_retired(std::uint32_t id) const {
  if (id >= kFirstOpening) return id - kFirstOpening < openings_.size() ? &openings_[id - kFirstOpening] : nullptr;
  return id >= kRetiredIds && id - kRetiredIds < retired_.size() ? &retired_[id - kRetiredIds] : nullptr;
}

const std::vector<WayClue>* Journal::find_clues(std::uint32_t record) const {
  const auto found = clues_.find(record);
  return found == clues_.end() ? nullptr : &found->second;
}

void Journal::note_clue(Clue::Kind kind, const track::Observation& o, const Packet& p) {
  auto found = clues_.find(o.record);
  if (found == clues_.end()) {
    if (clues_.size() >= kMaxNotedRecords) return;
    found = clues_.emplace(o.record, std::vector<WayClue>{}).first;
    noted_.insert(o.record);
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

void Journal::note_other(const Packet& p, const track::Tracker& tracker, const track::Tracker::Output& output, std::uint32_t at) {
  switch (p.kind) {
    case Packet::Kind::icmp:
    case Packet::Kind::neighbour:
      note_icmp(p, tracker, output, at);
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

// The quoted packet went from the client to a server endpoint, or the other way round; its connection is in the table, or leaves
// it in this very batch, or has left it. Returns the server's endpoint; track::kNone: nobody knows the connection.
std::uint32_t Journal::find_quoted(IcmpNote& note, const track::Tracker& tracker, const track::Tracker::Output& output,
                                   std::uint32_t at) {
  const Icmp& icmp = note.sighting.icmp;
  if (!icmp.quotes || !icmp.quotes_ports) return track::kNone;
  for (const bool from_client : {true, false}) {
    const Address& client = from_client ? icmp.quoted_source : icmp.quoted_destination;
    const std::uint16_t port = from_client ? icmp.quoted_source_port : icmp.quoted_destination_port;
    const Address& server = from_client ? icmp.quoted_destination : icmp.quoted_source;
    const std::uint16_t server_port = from_client ? icmp.quoted_destination_port : icmp.quoted_source_port;
    const auto is_quoted = [&](std::uint32_t id, const track::Record& r) {
      for (std::uint8_t side = 0; side < 2; ++side) {
        if (r.endpoint[side] == track::kNone) continue;
        const track::ServerEndpoint& e = tracker.endpoints()[r.endpoint[side]];
        if (e.address != server || e.port != server_port) continue;
        note.sighting.record = id;
        note.way = static_cast<std::uint8_t>(side * 2 + (from_client ? 0 : 1));
        note.on_way = true;
        return true;
      }
      return false;
    };
    for (std::uint32_t id = tracker.find(client, port, icmp.quoted_protocol); id != track::kNone;) {
      const track::Record r = tracker.record(id);
      if (is_quoted(id, r)) return r.endpoint[note.way / 2];
      id = r.next;
    }
    for (std::uint32_t i = at + 1; output.retirements != 0 && i < output.observed; ++i) {
      const track::Observation& o = output.observations[i];
      if (o.kind != Kind::retired) continue;
      const track::Record& r = output.retired[o.packet];
      if (r.client == client && r.client_port == port && r.protocol == icmp.quoted_protocol && is_quoted(o.record, r))
        return r.endpoint[note.way / 2];
    }
    const RetiredRecord* gone =
        last_of_client(tracker.hash_of(client, port, icmp.quoted_protocol), client, port, icmp.quoted_protocol);
    if (gone != nullptr && is_quoted(gone->id, gone->record)) return gone->record.endpoint[note.way / 2];
  }
  return track::kNone;
}

// A full table may have given up the very connection that is answered now. The quote proves that its packet went to a service or
// a real server, and an error tells what became of it: that much of the connection is made again.
std::uint32_t Journal::recall_quoted(IcmpNote& note, const track::Tracker& tracker, std::uint32_t kind) {
  const Icmp& icmp = note.sighting.icmp;
  if (tracker.counters().evicted_half_open == 0 || !icmp.unreachable || !icmp.quotes || !icmp.quotes_ports) return track::kNone;
  const std::uint32_t endpoint =
      tracker.find_endpoint(icmp.quoted_destination, icmp.quoted_destination_port, icmp.quoted_protocol);
  if (endpoint == track::kNone || tracker.endpoints()[endpoint].known < track::Known::rewritten) return track::kNone;
  if (icmp_.size() >= kMaxIcmp || icmp_per_kind_[{kind, endpoint}] >= kMaxQuotedPerKind) return track::kNone;
  RetiredRecord quoted;
  track::Record& r = quoted.record;
  r.client = icmp.quoted_source;
  r.client_port = icmp.quoted_source_port;
  r.protocol = icmp.quoted_protocol;
  quoted.hash = tracker.hash_of(r.client, r.client_port, r.protocol);
  r.flags = track::kInUse;
  r.endpoint[0] = endpoint;
  r.endpoint[1] = r.next = track::kNone;
  r.t0 = r.last = note.sighting.frame.time;
  r.client_rtt = r.response = track::kFar;
  r.way[0].packets = 1;
  r.way[0].first_frame = note.sighting.frame.number;
  quoted.forgotten = r.last;
  quoted.quoted = true;
  note.sighting.record = kRetiredIds + static_cast<std::uint32_t>(retired_.size());
  note.way = 0;
  note.on_way = true;
  keep(std::move(quoted));
  return endpoint;
}

void Journal::note_icmp(const Packet& p, const track::Tracker& tracker, const track::Tracker::Output& output, std::uint32_t at) {
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
  IcmpNote note;
  note.sighting =
      IcmpSighting{icmp, p.source, p.destination, frame_of(p), output.observations[at].path, p.ttl, std::nullopt, std::nullopt};
  std::uint32_t endpoint = find_quoted(note, tracker, output, at);
  const std::uint32_t kind = std::uint32_t{icmp.v6} << 16 | std::uint32_t{icmp.type} << 8 | icmp.code;
  if (endpoint == track::kNone) endpoint = recall_quoted(note, tracker, kind);
  // Strangers may not have all the room.
  if (icmp_.size() >= kMaxIcmp || (!note.on_way && icmp_of_strangers_ >= kMaxIcmp / 2) ||
      icmp_per_kind_[{kind, endpoint}] >= kMaxIcmpPerKind) {
    ++icmp_left_out_;
    return;
  }
  ++icmp_per_kind_[{kind, endpoint}];
  if (!note.on_way) {
    ++icmp_of_strangers_;
  } else if (std::uint32_t& record = *note.sighting.record; record < kRetiredIds) {
    noted_elsewhere_.insert(record);
  } else if (record >= kFirstOpening) {
    // Nothing but a SYN, and an answer to it: that is worth keeping.
    RetiredRecord& opening = openings_[record - kFirstOpening];
    record = kRetiredIds + static_cast<std::uint32_t>(retired_.size());
    take_from_clients(opening);
    keep(std::exchange(opening, RetiredRecord{}));
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
  noted_elsewhere_.insert(o.record);
  ftp_.push_back(line);
}

}  // namespace lvsnat
