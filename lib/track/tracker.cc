#include "track/tracker.h"

#include <algorithm>
#include <cstddef>

namespace lvsnat::track {
namespace {

constexpr std::int32_t kNear = 1 << 24;  // sequence numbers this close belong together
constexpr Timestamp kMillisecond = 1'000'000;
constexpr Timestamp kUdpIdle = 300 * kSecond;  // IPVS forgets a UDP connection after this (ip_vs_proto_udp.c)
constexpr std::uint8_t kRepeatsObserved = 8;   // per way

bool is_syn(const Packet& p) noexcept { return p.protocol == kTcp && (p.tcp_flags & (kSyn | kAck)) == kSyn; }
bool is_syn_ack(const Packet& p) noexcept { return p.protocol == kTcp && (p.tcp_flags & (kSyn | kAck)) == (kSyn | kAck); }

std::int32_t distance(std::uint32_t a, std::uint32_t b) noexcept { return static_cast<std::int32_t>(a - b); }
bool near(std::uint32_t a, std::uint32_t b) noexcept {
  const std::int32_t d = distance(a, b);
  return d < kNear && d > -kNear;
}

/// Sequence number after the packet: payload, SYN and FIN count (RFC 9293, 3.4).
std::uint32_t sequence_end(const Packet& p) noexcept {
  return p.sequence + p.payload + ((p.tcp_flags & kSyn) != 0) + ((p.tcp_flags & kFin) != 0);
}
/// UDP and SCTP have no initial sequence number; the first packet's IP ID and length serve to pair halves.
std::uint32_t first_fingerprint(const Packet& p) noexcept {
  return p.ip_id == 0 ? 0 : std::uint32_t{p.ip_id} << 16 | (p.payload & 0xffff);
}

void count4_low(std::uint8_t& packed) noexcept {
  if ((packed & 15) != 15) packed = static_cast<std::uint8_t>(packed + 1);
}
void count4_high(std::uint8_t& packed) noexcept {
  if ((packed >> 4) != 15) packed = static_cast<std::uint8_t>(packed + 16);
}

std::uint32_t offset_ns(Timestamp now, Timestamp t0) noexcept {
  const Timestamp d = now - t0;
  return d < 0 ? 0 : d >= Timestamp{kFar} ? kFar : static_cast<std::uint32_t>(d);
}
std::uint32_t offset_us(Timestamp now, Timestamp t0) noexcept {
  const Timestamp d = (now - t0) / 1000;
  return d < 0 ? 0 : d >= Timestamp{kFar} ? kFar : static_cast<std::uint32_t>(d);
}
std::uint32_t offset_coarse(Timestamp now, Timestamp t0) noexcept {
  const Timestamp d = (now - t0) >> 16;
  return static_cast<std::uint32_t>(std::clamp<Timestamp>(d, 0, kFar));
}
Timestamp last_of(const Head& r, const Way& w) noexcept { return r.t0 + (Timestamp{w.last} << 16); }

// The client's end of a packet, by direction: without a branch, for none could be predicted.
static_assert(offsetof(Packet, destination) == offsetof(Packet, source) + sizeof(Address) &&
              offsetof(Packet, destination_port) == offsetof(Packet, source_port) + sizeof(std::uint16_t));
Address client_of(const Packet& p, unsigned direction) noexcept {
  Address address;
  std::memcpy(&address, reinterpret_cast<const char*>(&p) + offsetof(Packet, source) + direction * sizeof address,
              sizeof address);
  return address;
}
std::uint16_t client_port_of(const Packet& p, unsigned direction) noexcept {
  std::uint16_t port;
  std::memcpy(&port, reinterpret_cast<const char*>(&p) + offsetof(Packet, source_port) + direction * sizeof port, sizeof port);
  return port;
}

// The same of what a skim says.
Address client_of_v6(const Skim& s, unsigned direction) noexcept {
  return Address::from_v6(s.v6.addresses + direction * sizeof(Address));
}
Address client_of(const Skim& s, unsigned direction) noexcept {
  return s.is_v4() ? address_of_word(s.words[direction]) : client_of_v6(s, direction);
}
std::uint16_t client_port_of(const Skim& s, unsigned direction) noexcept {
  return s.is_v4() ? port_of_word(s.words[direction]) : s.port_v6(direction);
}

/// What every packet of a way leaves behind.
void count(Head& r, Way& w, Timestamp at, std::uint32_t ip_length, std::uint8_t ip_id) noexcept {
  ++w.packets;
  const std::uint32_t bytes = w.bytes_low + ip_length;
  if (bytes < ip_length) w.bytes_high = static_cast<std::uint8_t>(w.bytes_high + 1);
  w.bytes_low = bytes;
  w.ip_id = ip_id;
  w.last = offset_coarse(at, r.t0);
  if (at > r.progress.last) r.progress.last = at;
}

/// And its first one.
void begin_way(const Head& r, Way& w, Timestamp at, std::uint32_t number, std::uint8_t ttl, std::uint16_t path) noexcept {
  w.first = offset_ns(at, r.t0);
  w.first_frame = number;
  w.path = path;
  w.ttl = ttl;
}

/// A SYN-ACK: how long until the client acknowledges it?
void await_client(Head& r, Timestamp at) noexcept {
  if ((r.flags & kRttDone) != 0) return;
  r.progress.client_rtt = offset_ns(at, r.t0);
  r.flags |= kRttPending;
}

/// The client's acknowledgement of a SYN-ACK.
void end_client_rtt(Head& r, Timestamp at) noexcept {
  const std::uint32_t now = offset_ns(at, r.t0);
  std::uint32_t& rtt = r.progress.client_rtt;
  rtt = now == kFar || rtt == kFar || now < rtt ? kFar : now - rtt;
  r.flags = static_cast<std::uint8_t>((r.flags & ~kRttPending) | kRttDone);
}

/// From the first data of the client to the first of the server after them.
void time_response(Head& r, unsigned direction, Timestamp at) noexcept {
  std::uint32_t& response = r.progress.response;
  if (direction == 0) {
    if (response == kFar && (r.flags & kResponsePending) == 0) {
      response = offset_us(at, r.t0);
      r.flags |= kResponsePending;
    }
  } else if ((r.flags & kResponsePending) != 0) {
    const std::uint32_t now = offset_us(at, r.t0);
    response = now == kFar || now < response ? kFar - 1 : now - response;
    r.flags = static_cast<std::uint8_t>(r.flags & ~kResponsePending);
  }
}

/// A condition as one number: the compiler would ask for its parts by branches, one after the other, and for some of them, such
/// as which way a packet goes, no processor could learn the answer.
[[gnu::always_inline]] inline unsigned together(unsigned condition) noexcept {
  asm("" : "+r"(condition));
  return condition;
}

int rank(std::uint16_t port) noexcept { return port < 1024 ? 0 : port < 32768 ? 1 : 2; }

/// RFC 2883: a first SACK block below the acknowledgement reports a duplicate: the repeat was spurious.
bool has_dsack(const Packet& p) noexcept {
  if (p.payload_offset <= p.transport_offset + 20) return false;
  const std::uint32_t end = std::min<std::uint32_t>(p.payload_offset, p.captured);
  std::uint32_t i = std::uint32_t{p.transport_offset} + 20;
  for (int guard = 0; guard < 40 && i < end; ++guard) {
    const std::uint8_t kind = p.data[i];
    if (kind == 0) return false;
    if (kind == 1) {
      ++i;
      continue;
    }
    if (i + 1 >= end) return false;
    const std::uint8_t length = p.data[i + 1];
    if (length < 2 || i + length > end) return false;
    if (kind == 5 && length >= 10) {
      const std::uint8_t* q = p.data + i + 6;
      const std::uint32_t right = std::uint32_t{q[0]} << 24 | std::uint32_t{q[1]} << 16 | std::uint32_t{q[2]} << 8 | q[3];
      return distance(right, p.acknowledgement) <= 0;
    }
    i += length;
  }
  return false;
}

void observe(Tracker::Output& out, Observation::Kind kind, std::uint32_t record, std::uint16_t packet, std::uint8_t way,
             std::uint16_t path) noexcept {
  if (out.observed < out.observations.size()) {
    out.observations[out.observed++] = Observation{record, packet, kind, way, path, 0, 0};
  }
}

/// A SYN or a SYN-ACK, by direction, and nothing else about it.
bool shakes_hands(const Skim& p, unsigned direction) noexcept {
  constexpr std::uint32_t any = 0xffU << Skim::kProtocol | kSyn | kAck | kFin | kRst,
                          tcp = std::uint32_t{kTcp} << Skim::kProtocol;
  return (p.nature & any) == (tcp | (direction == 0 ? kSyn : kSyn | kAck)) && p.payload == 0;
}

/// A client's plain SYN: an opening may be made of it.
bool opens(const Skim& p, unsigned direction) noexcept { return direction == 0 && shakes_hands(p, 0) && p.ip_length < 256; }

/// What update() would have made of the packets of an opening.
void fill(const Head& head, const Opening& opening, Progress& progress, Way* way) noexcept {
  const bool joined = head.has_second();
  progress = Progress{head.t0 + (joined ? opening.first : 0), opening.isn, {0, 0, 0, 0}, kFar, kFar};
  for (unsigned at = 0; at < 4; ++at) way[at] = Way{};
  for (unsigned side = 0; side < (joined ? 2U : 1U); ++side) {
    Way& w = way[side * 2];
    w.packets = 1;
    w.bytes_low = opening.ip_length;
    w.sequence_end = opening.isn + 1;
    w.first_frame = opening.first_frame[side];
    w.first = side == 0 ? 0 : opening.first;
    w.last = w.first >> 16;
    w.path = opening.path[side];
    w.ip_id = opening.ip_id;
    w.ttl = opening.ttl[side];
    w.flags = kSawSyn;
    progress.open[side * 2] = joined && side == 0 ? 0x01 : 0x11;  // unanswered; unpaired unless the second came
  }
}

}  // namespace

Tracker::Tracker(const Storage& storage, const HashKey& key) noexcept
    : key_(key),
      heads_(storage.heads.subspan(1)),
      bodies_(storage.bodies.first(std::min<std::size_t>(storage.bodies.size(), kMostBodies))),
      index_(storage.index) {
  endpoints_.use(storage.endpoints, storage.endpoint_slots);
}

bool Tracker::declare(const Address& address, std::uint16_t port, std::uint8_t protocol, bool outer) noexcept {
  std::uint32_t id = endpoints_.find(key_, address, port, protocol);
  if (id == kNone) id = endpoints_.insert(key_, address, port, protocol, Known::declared);
  if (id == kNone) return false;
  ServerEndpoint& e = endpoints_[id];
  endpoints_.promote(key_, id, Known::declared);
  (outer ? e.declared_outer : e.declared_inner) = true;
  return true;
}

void Tracker::regrow_endpoints(std::span<ServerEndpoint> entries, std::span<EndpointTable::Slot> slots) noexcept {
  endpoints_.regrow(key_, entries, slots);
}

std::uint32_t Tracker::lookup(std::uint32_t hash, const Address& client, std::uint16_t port,
                              std::uint8_t protocol) const noexcept {
  const std::uint32_t entry = index_.find(hash, [&](std::uint32_t of) {
    const Head& r = heads_[of - 1];
    return r.client_port == port && r.protocol == protocol && r.client == client;
  });
  return entry - 1;
}
static_assert(kNone == std::uint32_t{0} - 1);

std::uint32_t Tracker::find(const Address& client, std::uint16_t port, std::uint8_t protocol) const noexcept {
  return lookup(hash_endpoint(key_, client, port, protocol), client, port, protocol);
}

void Tracker::link(std::uint32_t hash, std::uint32_t id, std::uint32_t newest) noexcept {
  heads_[id].next = newest;
  newest == kNone ? index_.insert(hash, id + 1) : index_.replace(hash, newest + 1, id + 1);
}

void Tracker::unlink(std::uint32_t id) noexcept {
  const Head& gone = heads_[id];
  const std::uint32_t hash = hash_endpoint(key_, gone.client, gone.client_port, gone.protocol);
  const std::uint32_t newest = lookup(hash, gone.client, gone.client_port, gone.protocol);
  if (newest == id) {
    gone.next == kNone ? index_.erase(hash, id + 1) : index_.replace(hash, id + 1, gone.next + 1);
    return;
  }
  for (std::uint32_t r = newest; r != kNone; r = heads_[r].next) {
    if (heads_[r].next == id) {
      heads_[r].next = gone.next;
      return;
    }
  }
}

void Tracker::retire(std::uint32_t id, Output& out) noexcept {
  if (out.retirements < out.retired.size()) {
    out.retired[out.retirements] = record(id);
    observe(out, Observation::Kind::retired, id, static_cast<std::uint16_t>(out.retirements), 0, 0);
    ++out.retirements;
  }
  unlink(id);
  Head& gone = heads_[id];
  if (gone.body() == 0) --openings_;
  if ((gone.flags & kAnswered) == 0) --unanswered_;
  if (const std::uint32_t body = gone.body(); body != 0) {
    bodies_[body].way[0].packets = free_body_;
    free_body_ = body;
  }
  gone = Head{};
  gone.next = free_;
  free_ = id;
  --live_;
}

Record Tracker::record(std::uint32_t id) const noexcept {
  const Head& head = heads_[id];
  Record r;
  r.client = head.client;
  r.client_port = head.client_port;
  r.protocol = head.protocol;
  r.flags = head.flags;
  r.endpoint[0] = head.endpoint(0);
  r.endpoint[1] = head.endpoint(1);
  r.next = head.next;
  r.t0 = head.t0;
  // Whoever asks for one asks for all of them in turn, as a rule.
  if (const std::uint32_t later = id + 8; later < high_water_) {
    const Way* const ways = bodies_[heads_[later].body()].way;
    __builtin_prefetch(&ways[0]);
    __builtin_prefetch(&ways[2]);
  }
  Progress progress;
  if (head.body() != 0) {
    const Body& body = bodies_[head.body()];
    progress = head.progress;
    r.server_isn = body.server_isn();
    std::memcpy(r.way, body.way, sizeof r.way);
  } else {
    fill(head, head.opening, progress, r.way);
    r.server_isn = 0;
  }
  for (unsigned at = 0; at < 4; ++at) r.way[at].open = progress.open[at];
  r.last = progress.last;
  r.client_isn = progress.client_isn;
  r.client_rtt = progress.client_rtt;
  r.response = progress.response;
  return r;
}

/// False: there is none left.
bool Tracker::give_body(Head& head) noexcept {
  std::uint32_t number = free_body_;
  if (number != 0) {
    free_body_ = bodies_[number].way[0].packets;
  } else if (bodies_used_ < bodies_.size()) {
    number = bodies_used_++;
  } else {
    return false;
  }
  head.set_ends(head.endpoint(0), head.endpoint(1), number);
  return true;
}

/// More than an opening comes: the record gets its body. False: there is none left.
bool Tracker::unfold(Head& head) noexcept {
  const Opening opening = head.opening;
  if (!give_body(head)) return false;
  Progress progress;
  fill(head, opening, progress, bodies_[head.body()].way);
  head.progress = progress;
  --openings_;
  return true;
}

Timestamp Tracker::last_seen(const Head& head) const noexcept {
  if (head.body() != 0) return head.progress.last;
  return head.t0 + (head.has_second() ? head.opening.first : 0);
}

/// LegFlags of all ways.
std::uint8_t Tracker::seen_of(const Head& head) const noexcept {
  if (head.body() == 0) return kSawSyn;
  const Way* way = bodies_[head.body()].way;
  return way[0].flags | way[1].flags | way[2].flags | way[3].flags;
}

// What would be lost with it, least first: what any stranger's packet leaves behind; what somebody tried again or went on with,
// unanswered; what has ended; what is going on.
int Tracker::worth_of(const Head& r) const noexcept {
  if ((r.flags & kAnswered) != 0) return (seen_of(r) & (kSawFin | kSawRst)) != 0 ? 2 : 3;
  if (r.body() == 0) return 0;
  const Way* const way = bodies_[r.body()].way;
  return way[0].packets <= 1 && way[2].packets <= 1 ? 0 : 1;
}

/// Of the records that there are, the one so many further on; after the last comes the first.
std::uint32_t Tracker::after(std::uint32_t id, std::uint32_t steps) const noexcept {
  const std::uint32_t at = id + steps;
  return at < high_water_ ? at : at % high_water_;
}

// In a flood: the next one in the hand's way that is worth no more than a stranger's packet. Records stand in the order of time
// where a flood fills the table, for whatever comes takes the place of what just went: the first is the oldest. Those that
// somebody tried again, if they may go, too, have to wait until a few more were looked at.
std::uint32_t Tracker::next_unanswered(int wanted) noexcept {
  constexpr std::uint32_t kFewMore = 8;
  std::uint32_t found = kNone, more = 0, id = hand_;
  for (std::uint32_t looked = 0; looked < high_water_ && more < kFewMore; ++looked, id = after(id, 1)) {
    if (found != kNone) ++more;
    const Head& r = heads_[id];
    if ((r.flags & kInUse) == 0) continue;
    const int worth = worth_of(r);
    if (worth > wanted || (worth != 0 && found != kNone)) continue;
    found = id;
    if (worth == 0) break;
  }
  if (found != kNone) hand_ = after(found, 1);
  return found;
}

// Otherwise: the one that was silent longest of the least worth in view. Those that wait for an answer are users who have just
// come, where there are few of them.
std::uint32_t Tracker::least_in_view(Timestamp now) noexcept {
  constexpr std::uint32_t kLook = 32;
  constexpr Timestamp kYoung = 3 * kSecond;
  std::uint32_t best = kNone, id = hand_;
  int best_worth = 4;
  Timestamp best_last = 0;
  for (std::uint32_t i = 0; i < kLook && i < high_water_; ++i, id = after(id, 1)) {
    const Head& r = heads_[id];
    if ((r.flags & kInUse) == 0) continue;
    int worth = worth_of(r);
    const Timestamp last = last_seen(r);
    if (worth <= 1 && now - last < kYoung) worth = 3;
    if (best == kNone || worth < best_worth || (worth == best_worth && last < best_last)) {
      best = id;
      best_last = last;
      best_worth = worth;
    }
  }
  if (best != kNone) hand_ = after(hand_, 1);
  return best;
}

// What will go soon has its slot of the index asked for while others go. (Not inlined, the compiler would drop this.)
void Tracker::fetch_way_of_hand() const noexcept {
  constexpr std::uint32_t kSlotAhead = 8, kHeadAhead = 24;
  if (high_water_ <= kHeadAhead) return;
  const Head& soon = heads_[after(hand_, kSlotAhead)];
  const std::uint32_t hash = hash_endpoint(key_, soon.client, soon.client_port, soon.protocol);
  index_.prefetch(hash);
  __builtin_prefetch(&heads_[after(hand_, kHeadAhead)], 1);
}

// While there are many to which nobody said a word, as in a flood, none that was answered goes in their place: the hand moves on
// until it meets one of them. A sixteenth of the table is many, so that it passes sixteen records for one that goes, over a whole
// round, however they are spread.
std::uint32_t Tracker::evict(Timestamp now, Output& out) noexcept {
  constexpr std::uint32_t kMany = 16;
  const auto many = [this](std::uint32_t count) { return count != 0 && count >= live_ / kMany; };
  const int wanted = many(openings_) ? 0 : many(unanswered_) ? 1 : 3;
  const std::uint32_t id = wanted == 3 ? least_in_view(now) : next_unanswered(wanted);
  if (id == kNone) return kNone;
  fetch_way_of_hand();
  const Head& r = heads_[id];
  const bool answered = (r.flags & kAnswered) != 0;
  const bool closed = answered && (seen_of(r) & (kSawFin | kSawRst)) != 0;
  ++(!answered ? counters_.evicted_half_open : closed ? counters_.evicted_closed : counters_.evicted_other);
  retire(id, out);
  return id;
}

void Tracker::retire_idle(Timestamp now, const Idle& idle, std::uint32_t budget, Output& out) noexcept {
  for (; budget > 0 && high_water_ > 0 && out.retirements < out.retired.size(); --budget) {
    idle_hand_ = idle_hand_ + 1 < high_water_ ? idle_hand_ + 1 : 0;
    const Head& r = heads_[idle_hand_];
    if ((r.flags & kInUse) == 0) continue;
    const Timestamp limit = (seen_of(r) & (kSawFin | kSawRst)) != 0 ? idle.closed
                            : (r.flags & kAnswered) == 0            ? idle.half_open
                                                                    : idle.open;
    if (now - last_seen(r) > limit) retire(idle_hand_, out);
  }
}

// One end is a service's or a real server's as a rule, known by rewritten pairs or a declaration, and the other is not: then
// there is nothing to weigh up. False: there is.
bool Tracker::orient(const Skim& s, Lane& lane) const noexcept {
  if (!s.is_v4()) [[unlikely]]
    return s.is_plain() && orient_v6(s, lane);
  const std::uint64_t to_word = s.words[1], from_word = s.words[0];
  const EndpointTable::Glance to = endpoints_.glance(to_word), from = endpoints_.glance(from_word);
  // A destination that might be one, too, must not lose to a source that is seen at a glance.
  if (!together(to.found | (from.found & !to.crowded))) [[unlikely]]
    return false;
  // Requests and replies come in no order that a processor could learn: by masks, then, and without a branch.
  const std::uint64_t to_server = std::uint64_t{0} - std::uint64_t{to.found};
  const std::uint64_t client = to_word ^ ((to_word ^ from_word) & to_server);
  lane.client = client;
  lane.direction = static_cast<std::uint8_t>(!to.found);
  lane.endpoint = endpoints_.seen(from.place ^ ((from.place ^ to.place) & static_cast<std::uint32_t>(to_server)));
  lane.hash = hash_word(key_, client);
  return true;
}

bool Tracker::orient_v6(const Skim& s, Lane& lane) const noexcept {
  const Address source = client_of_v6(s, 0), destination = client_of_v6(s, 1);
  const EndpointTable::Glance to = endpoints_.glance(endpoint_digest(destination, s.port_v6(1), s.protocol()));
  const EndpointTable::Glance from = endpoints_.glance(endpoint_digest(source, s.port_v6(0), s.protocol()));
  if (!together(to.found | (from.found & !to.crowded))) [[unlikely]]
    return false;
  const unsigned to_client = together(!to.found);
  const std::uint32_t id = endpoints_.seen(to.place ^ ((from.place ^ to.place) & (0U - to_client)));
  // The server's end is where the client's would be if the packet went the other way.
  if (!endpoints_.is(id, client_of_v6(s, to_client ^ 1), s.port_v6(to_client ^ 1), s.protocol())) [[unlikely]]
    return false;
  lane.direction = static_cast<std::uint8_t>(to_client);
  lane.endpoint = id;
  lane.hash = hash_endpoint(key_, client_of_v6(s, to_client), s.port_v6(to_client), s.protocol());
  return true;
}

void Tracker::orient_by_hash(const Packet& p, Lane& lane) const noexcept {
  const std::uint32_t to_hash = hash_endpoint(key_, p.destination, p.destination_port, p.protocol);
  const std::uint32_t from_hash = hash_endpoint(key_, p.source, p.source_port, p.protocol);
  const bool to_server = endpoints_.may_be_renowned(to_hash);
  if (to_server || endpoints_.may_be_renowned(from_hash)) [[likely]] {
    const Address& server = to_server ? p.destination : p.source;
    const std::uint16_t port = to_server ? p.destination_port : p.source_port;
    const std::uint32_t found = endpoints_.find(to_server ? to_hash : from_hash, server, port, p.protocol);
    if (found != kNone && endpoints_[found].known >= Known::rewritten) [[likely]] {
      lane.direction = to_server ? 0 : 1;
      lane.endpoint = found;
      lane.hash = to_server ? from_hash : to_hash;
      return;
    }
  }
  orient_slowly(p, lane, to_hash, from_hash);
}

// Which end is the server? The better known one; a handshake tells, else the port number has to.
void Tracker::orient_slowly(const Packet& p, Lane& lane, std::uint32_t to_hash, std::uint32_t from_hash) const noexcept {
  const std::uint32_t to = endpoints_.find(to_hash, p.destination, p.destination_port, p.protocol);
  std::uint32_t from = kNone;
  bool to_server;
  if (to != kNone && endpoints_[to].known >= Known::rewritten) {
    to_server = true;
  } else {
    from = endpoints_.find(from_hash, p.source, p.source_port, p.protocol);
    if (from != kNone && endpoints_[from].known >= Known::rewritten) {
      to_server = false;
    } else if (is_syn(p)) {
      // Active FTP: the server opens the data connection, from port 20.
      to_server = !(p.source_port == 20 && p.destination_port >= 1024);
    } else if (is_syn_ack(p)) {
      to_server = p.destination_port == 20 && p.source_port >= 1024;
    } else if (to != kNone && from != kNone) {
      to_server = endpoints_[to].known != endpoints_[from].known ? endpoints_[to].known > endpoints_[from].known
                                                                 : p.destination_port <= p.source_port;
    } else if (to != kNone || from != kNone) {
      to_server = to != kNone;
    } else {
      const int a = rank(p.source_port), b = rank(p.destination_port);
      to_server = a != b ? b < a : p.destination_port <= p.source_port;
    }
  }
  lane.direction = to_server ? 0 : 1;
  lane.endpoint = to_server ? to : from;
  lane.hash = to_server ? from_hash : to_hash;
}

void Tracker::orient_closely(const Packet& p, Lane& lane) const noexcept {
  orient_by_hash(p, lane);
  lane.client = endpoint_word(low_half(client_of(p, lane.direction)), client_port_of(p, lane.direction), p.protocol);
}

/// The server endpoint enters the table, or is better known from now on. False: the table is full.
bool Tracker::settle(const Packet& p, Lane& lane) noexcept {
  const Known known = is_syn(p) || is_syn_ack(p) ? Known::handshake : Known::guessed;
  if (lane.endpoint == kNone) {
    lane.endpoint = lane.direction == 0 ? endpoints_.insert(key_, p.destination, p.destination_port, p.protocol, known)
                                        : endpoints_.insert(key_, p.source, p.source_port, p.protocol, known);
    if (lane.endpoint == kNone) return false;
    ++taught_;
  } else if (endpoints_[lane.endpoint].known < known) {
    endpoints_.promote(key_, lane.endpoint, known);
    ++taught_;
  }
  return true;
}

namespace {

/// Does a packet continue what this record has seen of the same direction (or acknowledge the other)?
bool continues(const Way* way, unsigned side, unsigned direction, const Packet& p) noexcept {
  const Way& same = way[side * 2 + direction];
  const Way& opposite = way[side * 2 + (direction ^ 1)];
  if (same.packets != 0) return near(p.sequence, same.sequence_end) || ((p.tcp_flags & kRst) != 0 && p.sequence == 0);
  if (opposite.packets != 0 && (p.tcp_flags & kAck) != 0) return near(p.acknowledgement, opposite.sequence_end);
  return false;
}

}  // namespace

// Two ends of one connection are a VIP's and a RIP's, as far as that is known.
bool Tracker::roles_allow(std::uint32_t first, std::uint32_t second, bool& opposite) const noexcept {
  const ServerEndpoint& known = endpoints_[first];
  const ServerEndpoint& other = endpoints_[second];
  opposite = (known.is_outer() && other.is_inner()) || (known.is_inner() && other.is_outer());
  if ((known.is_outer() && other.is_outer()) || (known.is_inner() && other.is_inner())) {
    // A RIP that is somebody's VIP too (cascaded directors) still has one declared role; trust packets then.
    if (known.declared_outer || known.declared_inner || other.declared_outer || other.declared_inner) return false;
  }
  return true;
}

// Can this packet's endpoint be the second one of the record? NAT leaves sequence numbers and, one hop
// further on, the IP ID alone; the TTL tells a rewritten packet from one sent to somebody else.
bool Tracker::compatible(const Head& r, const Body& body, const Packet& p, const Lane& lane) const noexcept {
  bool opposite_roles = false;
  if (r.has_second() || !roles_allow(r.endpoint(0), lane.endpoint, opposite_roles)) return false;
  const Way* const way = body.way;
  const Way& same = way[lane.direction];
  const Way& opposite = way[lane.direction ^ 1];
  if (p.protocol == kTcp) {
    if (is_syn(p) && lane.direction == 0) return r.progress.client_isn == p.sequence && (way[0].flags & kSawSyn) != 0;
    if (is_syn(p)) return body.server_isn() == p.sequence && (way[1].flags & kSawSyn) != 0;
    if (is_syn_ack(p) && lane.direction == 1) {
      if ((opposite.flags & kSawSyn) != 0 && r.progress.client_isn + 1 != p.acknowledgement) return false;
      if ((same.flags & kSawSyn) != 0) return body.server_isn() == p.sequence;
      return opposite.packets != 0 && near(p.acknowledgement, opposite.sequence_end);
    }
    if (same.packets != 0 && near(p.sequence, same.sequence_end)) return true;
    if ((p.tcp_flags & kAck) != 0 && opposite.packets != 0) return near(p.acknowledgement, opposite.sequence_end);
    return false;
  }
  // No sequence numbers: the same packet again, a few hops on, or roles that are known.
  if (same.packets != 0) {
    const int hops = int{same.ttl} - int{p.ttl};
    const bool soon = p.time - last_of(r, same) < 2 * kSecond;
    const bool same_id = p.v6 || same.ip_id == static_cast<std::uint8_t>(p.ip_id);
    if (soon && same_id && hops != 0 && hops > -16 && hops < 16) return true;
    // Something on the way may write a new IP ID: then it takes the only packet so far, as long, one hop on, elsewhere.
    const bool elsewhere = lane.path != same.path || !p.has_macs;
    if (soon && same.packets == 1 && same.bytes() == p.ip_length && (hops == 1 || hops == -1) && elsewhere) return true;
    return opposite_roles && soon;
  }
  return opposite_roles && p.time - r.progress.last < kUdpIdle;
}

void Tracker::join(Head& r, const Way* way, std::uint8_t ttl, const Lane& lane) noexcept {
  r.set_ends(r.endpoint(0), lane.endpoint, r.body());
  ServerEndpoint& first = endpoints_[r.endpoint(0)];
  ServerEndpoint& second = endpoints_[lane.endpoint];
  const Way& same = way[lane.direction];
  bool inner_first;
  if (first.declared_inner != first.declared_outer) {
    inner_first = first.declared_inner;
  } else if (second.declared_inner != second.declared_outer) {
    inner_first = second.declared_outer;
  } else if (same.packets != 0 && lane.direction == 0) {
    // Requests lose TTL from VIP's side to RIP's; kernels before 4.10 leave it, then the order tells.
    inner_first = same.ttl < ttl;
  } else if (same.packets != 0 && same.ttl != ttl) {
    inner_first = same.ttl > ttl;  // replies are forwarded, so they always lose TTL on their way from RIP's side to VIP's
  } else if (same.packets != 0) {
    // No pair, then, but one client answered by two: whom it called is the VIP.
    inner_first = way[0].packets == 0 && (first.is_inner() || second.is_outer());
  } else {
    inner_first = first.is_inner() || second.is_outer();
  }
  if (inner_first) r.flags |= kInnerFirst;
  r.flags |= kOriented;
  ServerEndpoint& outer = inner_first ? second : first;
  ServerEndpoint& inner = inner_first ? first : second;
  ++outer.outer_votes;
  ++inner.inner_votes;
  for (const std::uint32_t id : {r.endpoint(0), lane.endpoint}) {
    if (endpoints_[id].known >= Known::rewritten) continue;
    endpoints_.promote(key_, id, Known::rewritten);
    ++taught_;
  }
  if (outer.ftp_control || inner.ftp_control) {
    endpoints_.mark_ftp_control(r.endpoint(0));
    endpoints_.mark_ftp_control(lane.endpoint);
  }
}

// Nearly all connections join a pair of endpoints that was joined a moment ago: that is no news.
void Tracker::observe_joined(const Head& r, std::uint32_t id, std::uint16_t number, const Lane& lane, Output& out) noexcept {
  const unsigned inner = (r.flags & kInnerFirst) != 0 ? 0 : 1;
  const std::uint32_t first = r.endpoint(0), second = r.endpoint(1);
  std::uint64_t& recent = recent_pairs_[(first * 61 + second) % recent_pairs_.size()];
  const std::uint64_t pair = std::uint64_t{inner} << 63 | std::uint64_t{first} << 32 | second;
  if (recent == pair || out.observed == out.observations.size()) return;
  recent = pair;
  out.observations[out.observed++] = Observation{id,
                                                 number,
                                                 Observation::Kind::joined,
                                                 static_cast<std::uint8_t>(2 + lane.direction),
                                                 lane.path,
                                                 r.endpoint(inner ^ 1),
                                                 r.endpoint(inner)};
}

/// A plain packet as far as a record may have to begin with it; borrowed.
struct Tracker::Sight {
  const Skim& skim;
  std::uint32_t number;
  std::uint8_t ttl;
};

// A SYN leaves an opening; what else a connection may begin with leaves an empty record, which the caller is to update.
std::uint32_t Tracker::open(const Sight& p, const Lane& lane, std::uint32_t newest, Output& out) noexcept {
  std::uint32_t id;
  if (free_ != kNone) {
    id = free_;
    free_ = heads_[id].next;
  } else if (high_water_ < heads_.size()) {
    id = high_water_++;
  } else {
    // A reset of a connection that nobody knows accuses nobody: none that is known has to go for it.
    const bool stray = p.skim.protocol() == kTcp && (p.skim.tcp_flags() & kRst) != 0;
    if (stray) ++counters_.strays;
    if (stray || out.retirements >= out.retired.size() || evict(p.skim.time, out) == kNone) {
      ++counters_.untracked;
      return kNone;
    }
    id = free_;
    free_ = heads_[id].next;
    newest = lookup(lane.hash, client_of(p.skim, lane.direction), client_port_of(p.skim, lane.direction), p.skim.protocol());
  }
  Head& r = heads_[id];
  r.client = client_of(p.skim, lane.direction);
  r.client_port = client_port_of(p.skim, lane.direction);
  r.protocol = p.skim.protocol();
  r.flags = kInUse;
  r.set_ends(lane.endpoint, kNone, 0);
  r.t0 = p.skim.time;
  if (opens(p.skim, lane.direction)) {
    r.opening =
        Opening{p.skim.sequence, {p.number, 0}, 0, {lane.path, 0}, {p.ttl, 0}, static_cast<std::uint8_t>(p.skim.ip_length),
                p.skim.ip_id()};
  } else if (give_body(r)) {
    r.progress = Progress{p.skim.time, 0, {0, 0, 0, 0}, kFar, kFar};
    bodies_[r.body()] = Body{};
  } else {
    r = Head{};
    r.next = free_;
    free_ = id;
    ++counters_.untracked;
    return kNone;
  }
  ++live_;
  ++unanswered_;
  if (r.body() == 0) ++openings_;
  if (newest == kNone && out.retirements == 0 && *lane.slot == 0) {
    r.next = kNone;
    index_.fill(lane.slot, lane.hash, id + 1);
  } else {
    link(lane.hash, id, newest);
  }
  return id;
}

// The rewritten SYN of an opening makes it whole. False: it is none, or says more than an opening can hold.
bool Tracker::join_opening(std::uint32_t id, const Sight& p, const Lane& lane, std::uint16_t number, Output& out) noexcept {
  Head& r = heads_[id];
  if (r.has_second() || r.is_at(0, lane.endpoint) || !opens(p.skim, lane.direction)) return false;
  Opening& opening = r.opening;
  const Timestamp since = p.skim.time - r.t0;
  if (opening.isn != p.skim.sequence || opening.ip_length != p.skim.ip_length || opening.ip_id != p.skim.ip_id() || since < 0 ||
      since >= Timestamp{kFar})
    return false;
  bool opposite_roles = false;
  if (!roles_allow(r.endpoint(0), lane.endpoint, opposite_roles)) return false;
  Way request{};
  request.packets = 1;
  request.ttl = opening.ttl[0];
  join(r, &request, p.ttl, lane);
  opening.first_frame[1] = p.number;
  opening.first = static_cast<std::uint32_t>(since);
  opening.path[1] = lane.path;
  opening.ttl[1] = p.ttl;
  observe_joined(r, id, number, lane, out);
  return true;
}

// What stands in the slot where it was looked for, or nothing there still, answers as a rule: then nothing was inserted since,
// for it would be there, unless something left the index and made room elsewhere.
std::uint32_t Tracker::find_again(const Packet& p, const Lane& lane, const Output& out) const noexcept {
  const Address client = client_of(p, lane.direction);
  const std::uint16_t port = client_port_of(p, lane.direction);
  const std::uint32_t id = *lane.slot - 1;
  if (id == kNone) {
    if (out.retirements == 0) return kNone;
  } else {
    const Head& r = heads_[id];
    if (r.client_port == port && r.protocol == p.protocol && r.client == client) return id;
  }
  return lookup(lane.hash, client, port, p.protocol);
}

// Finds or makes the record of a packet that is more than the next one of a connection. kNone: there is nothing more to do.
std::uint32_t Tracker::place(const Packet& p, const Lane& lane, std::uint8_t& side, std::uint16_t number, Output& out) noexcept {
  const Skim skim = skim_of(p);
  const Sight sight{skim, p.number, p.ttl};
  const std::uint32_t head = find_again(p, lane, out);
  side = 0;
  if (head == kNone) {
    const std::uint32_t id = open(sight, lane, kNone, out);
    return id == kNone || heads_[id].body() == 0 ? kNone : id;
  }
  if (heads_[head].next == kNone && heads_[head].body() == 0 && join_opening(head, sight, lane, number, out)) return kNone;
  // The common case: one record, this endpoint is one of its two, and nothing begins anew.
  std::uint32_t newest = kNone;
  std::uint8_t newest_side = 0;
  std::size_t length = 0;
  const bool syn = is_syn(p);
  for (std::uint32_t id = head; id != kNone && length < kChain; id = heads_[id].next, ++length) {
    Head& r = heads_[id];
    // Another SYN of the same client endpoint is none of an opening's business, which stays as small as it is.
    if (r.body() == 0 && syn && lane.direction == 0 && r.opening.isn != p.sequence) continue;
    if (r.body() == 0 && !unfold(r)) {
      ++counters_.untracked;
      return kNone;
    }
    const int at = r.is_at(0, lane.endpoint) ? 0 : r.is_at(1, lane.endpoint) ? 1 : -1;
    if (at < 0) continue;
    const Way* const ways = ways_of(r);
    const auto s = static_cast<std::uint8_t>(at);
    if (p.protocol == kTcp) {
      if (syn) {
        const Way& way = ways[s * 2 + lane.direction];
        const std::uint32_t isn = lane.direction == 0 ? r.progress.client_isn : bodies_[r.body()].server_isn();
        const bool begun = ((ways[lane.direction].flags | ways[2 + lane.direction].flags) & kSawSyn) != 0;
        if (begun ? isn != p.sequence : way.packets != 0) continue;
        if (!begun && ways[s * 2 + (lane.direction ^ 1)].packets != 0 && (r.flags & kOriented) != 0) continue;
        side = s;
        return id;
      }
      if (newest == kNone) {
        newest = id;
        newest_side = s;
        if (id == head && r.next == kNone) break;
      }
      if (continues(ways, s, lane.direction, p)) {
        side = s;
        return id;
      }
    } else {
      if (p.time - r.progress.last > kUdpIdle) continue;
      side = s;
      return id;
    }
  }
  if (newest != kNone) {
    side = newest_side;
    return newest;
  }
  length = 0;
  for (std::uint32_t id = head; id != kNone && length < kChain; id = heads_[id].next, ++length) {
    Head& r = heads_[id];
    if (r.body() == 0) continue;
    const Body& body = bodies_[r.body()];
    if (!compatible(r, body, p, lane)) continue;
    join(r, body.way, p.ttl, lane);
    observe_joined(r, id, number, lane, out);
    side = 1;
    return id;
  }
  if (length == kChain) ++counters_.chain_overflow;
  const std::uint32_t id = open(sight, lane, head, out);
  return id == kNone || heads_[id].body() == 0 ? kNone : id;
}

// The second sighting of a way on another path: a copy of one packet (bridge, bond, `any`, another
// capture point), the same packet forwarded unchanged, or a way that moved?
Tracker::Sighting Tracker::judge(const Head& r, const Way& w, const Packet& p, const Lane& lane,
                                 std::uint32_t end) const noexcept {
  const Timestamp since = p.time - last_of(r, w);
  const bool same_id = w.ip_id == static_cast<std::uint8_t>(p.ip_id);
  const Path& first = paths_.paths()[w.path];
  const bool elsewhere = p.vantage != first.vantage || p.interface_index != first.interface_index;
  if (p.protocol == kTcp) {
    const bool seen = distance(end, w.sequence_end) <= 0;
    const std::uint8_t new_flags =
        static_cast<std::uint8_t>(((p.tcp_flags & kSyn) ? kSawSyn : 0) | ((p.tcp_flags & kFin) ? kSawFin : 0) |
                                  ((p.tcp_flags & kRst) ? kSawRst : 0)) &
        static_cast<std::uint8_t>(~w.flags);
    if (lane.path == w.path) {
      // Both directions of a mirrored port, say: the very same packet twice at one place.
      return end == w.sequence_end && same_id && (p.payload != 0 || (p.tcp_flags & (kSyn | kFin)) != 0) &&
                     since < 2 * kMillisecond && p.ttl == w.ttl
                 ? Sighting::copy
                 : Sighting::counted;
    }
    if (!seen || new_flags != 0 || since > kSecond) return Sighting::moved;
    if (p.ttl < w.ttl && same_id) return Sighting::forwarded;
    // Another capture point lags: what it shows was counted where it was seen first, if not as the very last packet.
    return same_id || elsewhere ? Sighting::copy : Sighting::moved;
  }
  if (lane.path == w.path) return Sighting::counted;
  if (elsewhere && since < kSecond && !same_id) return Sighting::copy;
  if (since > 50 * kMillisecond || (!p.v6 && !same_id)) return Sighting::moved;
  return p.ttl < w.ttl ? Sighting::forwarded : Sighting::copy;
}

void Tracker::rebase(Head& r, Way* ways, Timestamp earlier) const noexcept {
  const Timestamp shift = r.t0 - earlier;
  r.t0 = earlier;
  for (Way& w : std::span(ways, 4)) {
    if (w.packets == 0) continue;
    w.first = w.first == kFar || shift >= Timestamp{kFar} - w.first ? kFar : static_cast<std::uint32_t>(w.first + shift);
    const Timestamp coarse = (shift >> 16) + w.last;
    w.last = coarse >= Timestamp{kFar} ? kFar : static_cast<std::uint32_t>(coarse);
  }
  // A start offset moves with t0; a difference does not. Disorder this early is rare: give the latency up.
  if ((r.flags & kResponsePending) != 0) r.progress.response = kFar, r.flags &= static_cast<std::uint8_t>(~kResponsePending);
  if ((r.flags & kRttPending) != 0)
    r.progress.client_rtt = kFar, r.flags &= static_cast<std::uint8_t>(~kRttPending), r.flags |= kRttDone;
}

// What most of the others are: part of a connection that its client endpoint names alone, on an endpoint that it had before.
// Returns the record and the side; kNone where place() has to look closer.
std::uint32_t Tracker::locate(const Packet& p, const Lane& lane, unsigned& side) noexcept {
  const std::uint32_t id = *lane.slot - 1;
  if (id == kNone) return kNone;
  Head& r = heads_[id];
  if (r.client != client_of(p, lane.direction) || r.client_port != client_port_of(p, lane.direction) ||
      r.protocol != p.protocol || r.next != kNone)
    return kNone;
  side = static_cast<unsigned>(!r.is_at(0, lane.endpoint));
  if (!r.is_at(side, lane.endpoint)) return kNone;                                  // no side has the endpoint kNone
  if (p.protocol != kTcp) return p.time - r.progress.last > kUdpIdle ? kNone : id;  // only TCP has openings
  if ((p.tcp_flags & kSyn) != 0) {
    if ((p.tcp_flags & kAck) == 0 || endpoints_[lane.endpoint].known < Known::handshake) return kNone;
  }
  if (r.body() == 0 && !unfold(r)) [[unlikely]]
    return kNone;
  return id;
}

// Does a record belong to the client endpoint of a plain packet?
bool Tracker::is_of(const Head& r, const Skim& p, const Lane& lane) noexcept {
  if (p.is_v4()) [[likely]]
    return ((endpoint_word(low_half(r.client), r.client_port, r.protocol) ^ lane.client) | high_half(r.client)) == 0;
  return r.client == client_of_v6(p, lane.direction) && r.client_port == p.port_v6(lane.direction) && r.protocol == p.protocol();
}

// The plain case: a segment or an acknowledgement of a client endpoint with one record, on a way that has begun, where its
// predecessors went, with nothing about it that wants a second look. What it does is what update() would do; whatever is not
// plain is left to that, untouched. Branches are few: data and acknowledgements, to and fro, come in no order that could be
// learnt.
bool Tracker::follow(const Skim& p, const Lane& lane) noexcept {
  constexpr std::uint32_t asked = 0xffU << Skim::kProtocol | kSyn | kRst, tcp = std::uint32_t{kTcp} << Skim::kProtocol;
  if ((p.nature & asked) != tcp) [[unlikely]]
    return false;
  // What was fetched ahead has to be what stands there still.
  Head& r = *lane.head;
  if (*lane.slot != lane.entry || r.ends != lane.ends || r.next != kNone) return false;
  const unsigned direction = lane.direction;
  if (!is_of(r, p, lane)) return false;
  Way& w = lane.ways[direction];
  const auto since = static_cast<std::uint64_t>(p.time - r.t0);
  // No way that has not begun has a path. Neither before the first packet nor beyond what Way::last can tell.
  if (!paths_.is(w.path, p.path) || since >> 48 != 0) return false;
  // A repeat by the other end may be answered with word of a duplicate.
  if (lane.ways[direction ^ 1].repeats() != 0 && (w.flags & kSawDsack) == 0) return false;
  const std::uint32_t fin = p.nature & kFin, data = p.payload != 0;  // 0 or 1
  const std::uint32_t length = p.payload + fin, end = p.sequence + length;
  const std::uint32_t wants_answer = together(length != 0);
  if (distance(end, w.sequence_end) < static_cast<std::int32_t>(wants_answer)) return false;
  if (endpoints_.any_ftp_control() && endpoints_[lane.endpoint].ftp_control) [[unlikely]]
    return false;

  // Something to be timed is asked for, or under way: with the first data, and with the client's first packet after a SYN-ACK.
  if (together((r.flags & (kResponsePending | kRttPending)) | (data & static_cast<unsigned>(r.progress.response == kFar))) != 0)
      [[unlikely]] {
    if (data != 0) time_response(r, direction, p.time);
    if (direction == 0 && (r.flags & kRttPending) != 0) end_client_rtt(r, p.time);
  }
  if (distance(p.sequence, w.sequence_end) > 0 && wants_answer != 0) [[unlikely]]
    count4_high(w.repeats_holes);
  w.sequence_end = end;
  w.flags |= static_cast<std::uint8_t>(data * kSawData | fin * kSawFin);
  // Answers on the same side are waited for no longer, nor is the rewritten twin of what came on the other: Progress::open as a
  // word, eight bits a way from the lowest.
  static constexpr std::uint32_t kKept[4] = {0xff0ff0ff, 0x0ffffff0, 0xf0ffff0f, 0xfff00fff};
  const unsigned way_number = together(lane.side * 2U + direction), shift = way_number * 8;
  const std::uint32_t all_open = r.progress.open_word() & kKept[way_number];
  const unsigned open = all_open >> shift & 0xff;
  const unsigned more = (wants_answer & static_cast<unsigned>((open & 15) == 0)) | static_cast<unsigned>(open < 0xf0) << 4;
  r.progress.set_open_word(all_open + (more << shift));
  // As count() does.
  ++w.packets;
  const std::uint32_t bytes = w.bytes_low + p.ip_length;
  if (bytes < p.ip_length) [[unlikely]]
    w.bytes_high = static_cast<std::uint8_t>(w.bytes_high + 1);
  w.bytes_low = bytes;
  w.ip_id = p.ip_id();
  w.last = static_cast<std::uint32_t>(since >> 16);
  if (p.time > r.progress.last) r.progress.last = p.time;
  return true;
}

// The other plain case: a handshake as it should be, of a client endpoint with one record at most. As with follow(), what it does
// is what place() and update() would do, and what is not plain is left to them.
bool Tracker::begin(const Batch& batch, std::size_t at, Lane& lane, Output& out) noexcept {
  const Skim& p = batch.skim(at);
  if (!shakes_hands(p, lane.direction) || lane.endpoint == kNone || endpoints_[lane.endpoint].known < Known::handshake)
    return false;
  lane.path = paths_.recall(p.path);
  if (lane.path == 0) return false;
  const Sight sight{p, batch.number(at), batch.ttl(at)};
  const std::uint32_t id = *lane.slot - 1;
  if (id != kNone) {
    const Head& r = heads_[id];
    if (!is_of(r, p, lane) || r.next != kNone) return false;
    if (lane.direction != 0) return begin_answer(heads_[id], sight, lane);
    return r.body() == 0 && join_opening(id, sight, lane, static_cast<std::uint16_t>(at), out);
  }
  if (!opens(p, lane.direction) || out.retirements != 0) return false;
  open(sight, lane, kNone, out);
  return true;
}

// A SYN-ACK, the first of its way.
bool Tracker::begin_answer(Head& r, const Sight& p, const Lane& lane) noexcept {
  const unsigned side = !r.is_at(0, lane.endpoint);
  if (!r.is_at(side, lane.endpoint) || (r.body() == 0 && !unfold(r))) return false;
  Body& body = bodies_[r.body()];
  const unsigned way_number = side * 2 + 1;
  Way& w = body.way[way_number];
  const bool known = (body.way[way_number ^ 2].flags & kSawSyn) != 0;
  if (w.packets != 0 || p.skim.time < r.t0 || body.way[way_number ^ 1].repeats() != 0 ||
      (known && body.server_isn() != p.skim.sequence))
    return false;
  begin_way(r, w, p.skim.time, p.number, p.ttl, lane.path);
  w.sequence_end = p.skim.sequence + 1;
  w.flags |= kSawSyn;
  if (!known) body.set_server_isn(p.skim.sequence);
  await_client(r, p.skim.time);
  note_answer(r);
  std::uint8_t* const open = r.progress.open;
  open[way_number ^ 1] &= 0xf0;
  open[way_number] = 0x11;
  open[way_number ^ 2] &= 0x0f;
  count(r, w, p.skim.time, p.skim.ip_length, p.skim.ip_id());
  return true;
}

void Tracker::fetch_head(Lane& lane) const noexcept {
  lane.slot = index_.look(lane.hash);
  lane.entry = *lane.slot;
  lane.head = heads_.data() - 1 + lane.entry;
  __builtin_prefetch(lane.head, 1);
}

// Which connection a packet may belong to; what stands in the index is asked for. What is no transport packet goes along, for
// nothing.
void Tracker::aim(Batch& batch, std::size_t at, Lane& lane) const noexcept {
  if (!orient(batch.skim(at), lane)) [[unlikely]] {
    lane.endpoint = kNone;
    lane.hash = 0;
    if (const Packet& p = batch.packet(at); p.kind == Packet::Kind::transport) orient_closely(p, lane);
  }
  index_.prefetch(lane.hash);
}

// Of a body, the side that the packet has to do with.
void Tracker::fetch_ways(const Skim& p, Lane& lane) const noexcept {
  const std::uint64_t ends = lane.head->ends;
  const auto off = [&](unsigned shift) {
    return static_cast<unsigned>(((static_cast<std::uint32_t>(ends >> shift) ^ lane.endpoint) & kNoEndpoint) != 0);
  };
  const unsigned side = off(0);
  lane.side = static_cast<std::uint8_t>(side);
  lane.ends = ends ^ (side & off(kEndpointBits));
  Way* const ways = bodies_[ends >> 2 * kEndpointBits].way;
  lane.ways = ways + side * 2;
  __builtin_prefetch(lane.ways, 1);
  // Of a handshake the other side, too; else the same once more, for a branch would cost more.
  static_assert(kSyn == 2);
  __builtin_prefetch(ways + ((side * 2) ^ (p.nature & kSyn)), 1);
}

// Three things have to be fetched for a packet, each by what the one before it holds: slot, head, ways. Each is asked for while
// others are worked on: a few packets at a time take each step, and what they asked for arrives while other few take theirs.
void Tracker::feed(Batch& batch, Output& out) noexcept {
  constexpr std::size_t kFew = 16;
  Lane lanes[kBatch];
  std::uint32_t taught = taught_;
  const std::size_t count = batch.size();
  const auto few = [&](std::size_t step, auto&& take) __attribute__((always_inline)) {
    const std::size_t end = std::min(step * kFew + kFew, count);
    for (std::size_t i = step * kFew; i < end; ++i) take(i);
  };
  const std::size_t steps = (count + kFew - 1) / kFew;
  for (std::size_t step = 0; step < steps + 3; ++step) {
    few(
        step, [&](std::size_t i) __attribute__((always_inline)) { aim(batch, i, lanes[i]); });
    if (step >= 1)
      few(
          step - 1, [&](std::size_t i) __attribute__((always_inline)) { fetch_head(lanes[i]); });
    if (step >= 2)
      few(
          step - 2, [&](std::size_t i) __attribute__((always_inline)) { fetch_ways(batch.skim(i), lanes[i]); });
    if (step >= 3)
      few(
          step - 3, [&](std::size_t i) __attribute__((always_inline)) {
            if (follow(batch.skim(i), lanes[i])) [[likely]]
              return;
            if (!begin(batch, i, lanes[i], out)) look_closer(batch, i, lanes[i], out);
            if (taught_ == taught) [[likely]]
              return;
            // What a packet taught holds for those behind it: results must not depend on where batches end.
            taught = taught_;
            for (std::size_t later = i + 1; later < std::min((step + 1) * kFew, count); ++later) {
              aim(batch, later, lanes[later]);
              if (later < step * kFew) fetch_head(lanes[later]);
              if (later + kFew < step * kFew) fetch_ways(batch.skim(later), lanes[later]);
            }
          });
  }
}

// A packet that is more than the next one of a connection, or none at all.
void Tracker::look_closer(Batch& batch, std::size_t at, Lane& lane, Output& out) noexcept {
  const Packet& p = batch.packet(at);
  const auto number = static_cast<std::uint16_t>(at);
  lane.path = paths_.intern(p, key_);
  if (p.kind != Packet::Kind::transport) {
    observe(out, Observation::Kind::other, kNone, number, 0, lane.path);
    return;
  }
  unsigned side = 0;
  std::uint32_t id = is_syn(p) ? kNone : locate(p, lane, side);
  if (id == kNone) {
    const bool settled = lane.endpoint != kNone && endpoints_[lane.endpoint].known >= Known::handshake;
    if (!settled && !settle(p, lane)) {
      ++counters_.untracked;
      return;
    }
    std::uint8_t placed = 0;
    id = place(p, lane, placed, number, out);
    side = placed;
    if (id == kNone) return;
  }
  update(id, static_cast<std::uint8_t>(side), p, lane, number, out);
}

/// Of every first packet of a way that comes from a server, so follow() need not.
void Tracker::note_answer(Head& r) noexcept {
  if ((r.flags & kAnswered) == 0) --unanswered_;
  r.flags |= kAnswered;
}

void Tracker::update(std::uint32_t id, std::uint8_t side, const Packet& p, const Lane& lane, std::uint16_t number,
                     Output& out) noexcept {
  Head& r = heads_[id];
  Way* const ways = ways_of(r);
  const unsigned direction = lane.direction;
  const auto way_number = static_cast<std::uint8_t>(side * 2 + direction);
  Way& w = ways[way_number];
  const bool tcp = p.protocol == kTcp;
  const std::uint32_t end = tcp ? sequence_end(p) : 0;
  if (p.time < r.t0) [[unlikely]]
    rebase(r, ways, p.time);

  if (w.packets != 0) {
    const Sighting sighting =
        lane.path == w.path && (!tcp || end != w.sequence_end) ? Sighting::counted : judge(r, w, p, lane, end);
    if (sighting == Sighting::copy) {
      ++counters_.duplicates;
      return;
    }
    if (sighting == Sighting::forwarded) {
      if ((w.flags & kForwarded) == 0) {
        w.flags |= kForwarded;
        observe(out, Observation::Kind::forwarded, id, number, way_number, lane.path);
      }
      ++counters_.duplicates;
      if (p.time > r.progress.last) r.progress.last = p.time;
      return;
    }
    if (sighting == Sighting::moved && (w.flags & kMoved) == 0) {
      w.flags |= kMoved;
      observe(out, Observation::Kind::moved, id, number, way_number, lane.path);
    } else if (sighting == Sighting::moved && (p.tcp_flags & kRst) != 0) {
      observe(out, Observation::Kind::moved, id, number, way_number, lane.path);
    }
  } else {
    begin_way(r, w, p.time, p.number, p.ttl, lane.path);
  }

  bool repeat = false;
  const bool wants_answer = !tcp || p.payload != 0 || (p.tcp_flags & (kSyn | kFin)) != 0;
  if (tcp) {
    if (w.packets == 0) {
      w.sequence_end = end;
    } else if (wants_answer && (p.tcp_flags & kRst) == 0) {
      const std::int32_t ahead = distance(end, w.sequence_end);
      if (ahead <= 0) {
        const bool keep_alive = p.payload <= 1 && (p.tcp_flags & (kSyn | kFin)) == 0 && p.sequence + 1 == w.sequence_end;
        if (!keep_alive) {
          repeat = true;
          if (w.repeats() < kRepeatsObserved) observe(out, Observation::Kind::repeat, id, number, way_number, lane.path);
          count4_low(w.repeats_holes);
        }
      } else {
        if (distance(p.sequence, w.sequence_end) > 0) count4_high(w.repeats_holes);
        w.sequence_end = end;
      }
    } else if ((p.tcp_flags & kRst) == 0 && distance(end, w.sequence_end) > 0) {
      w.sequence_end = end;
    }
    if ((p.tcp_flags & kRst) != 0 && (w.flags & kSawRst) == 0)
      observe(out, Observation::Kind::reset, id, number, way_number, lane.path);
    if ((p.tcp_flags & kSyn) != 0) {
      const std::uint32_t isn = direction == 0 ? r.progress.client_isn : bodies_[r.body()].server_isn();
      const bool known = ((ways[direction].flags | ways[2 + direction].flags) & kSawSyn) != 0;
      if (known && isn != p.sequence) observe(out, Observation::Kind::new_isn, id, number, way_number, lane.path);
      direction == 0 ? void(r.progress.client_isn = p.sequence) : bodies_[r.body()].set_server_isn(p.sequence);
      w.flags |= kSawSyn;
    }
    if ((p.tcp_flags & kFin) != 0) w.flags |= kSawFin;
    if ((p.tcp_flags & kRst) != 0) w.flags |= kSawRst;
    Way& other = ways[side * 2 + (direction ^ 1)];
    if (other.repeats() != 0 && (w.flags & kSawDsack) == 0 && has_dsack(p)) w.flags |= kSawDsack;
    if (is_syn_ack(p)) {
      await_client(r, p.time);
    } else if (direction == 0 && (r.flags & kRttPending) != 0 && (p.tcp_flags & (kSyn | kRst)) == 0) {
      end_client_rtt(r, p.time);
    }
  } else if (w.packets == 0 && r.progress.client_isn == 0 && direction == 0) {
    r.progress.client_isn = first_fingerprint(p);
  }

  if (p.payload != 0) {
    w.flags |= kSawData;
    time_response(r, direction, p.time);
    if (endpoints_[lane.endpoint].ftp_control) observe(out, Observation::Kind::text, id, number, way_number, lane.path);
  }

  if (direction == 1) {
    note_answer(r);
  } else if ((r.flags & kAnswered) == 0 && (repeat || (!tcp && w.packets != 0))) {
    r.flags |= kSlowStart;
  }

  // What waits for what: answers on the same side, the rewritten twin on the other.
  std::uint8_t* const all_open = r.progress.open;
  all_open[way_number ^ 1] &= 0xf0;
  if (wants_answer && (repeat || !tcp || (all_open[way_number] & 15) == 0)) count4_low(all_open[way_number]);
  count4_high(all_open[way_number]);
  all_open[way_number ^ 2] &= 0x0f;

  count(r, w, p.time, p.ip_length, static_cast<std::uint8_t>(p.ip_id));
}

}  // namespace lvsnat::track
