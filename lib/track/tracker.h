// Joins the four legs: batches of packets in, fixed records and a few observations out.
//
// The key is the client endpoint and protocol, which is the same on all four legs; each record has two
// sides, one per server endpoint, so one look-up a packet serves every leg and no packet needs to know
// its leg. docs/joining-the-legs.md has the method, its assumptions, and what breaks them.
//
// Hot: no allocation, no exception, no clock. Memory is handed in by the owner (lib/facts/analyzer.cc),
// who grows the index and the endpoint table between batches when asked. Threads: one.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "decode/batch.h"
#include "lvsnat/packet.h"
#include "track/client_index.h"
#include "track/endpoint_table.h"
#include "track/observation.h"
#include "track/path_table.h"
#include "track/record.h"

namespace lvsnat::track {

class Tracker {
 public:
  static constexpr std::size_t kBatch = Batch::kSize;
  /// A batch emits at most this many observations and retired records.
  static constexpr std::size_t kMaxObservations = kBatch * 6;
  static constexpr std::size_t kMaxRetired = kBatch;
  static constexpr std::size_t kChain = 8;  // live records of one client endpoint

  struct Storage {
    std::span<Head> heads;       // one more than the limit on connections: the first is not used; zero-filled
    std::span<Body> bodies;      // of those of which more than an opening was seen; the first is not used
    std::span<IndexLine> index;  // a power of two of them; zero-filled
    std::span<ServerEndpoint> endpoints;
    std::span<EndpointTable::Slot> endpoint_slots;  // power of two
  };
  struct Output {
    std::span<Observation> observations;  // at least kMaxObservations
    std::span<Record> retired;            // at least kMaxRetired
    std::uint32_t observed = 0, retirements = 0;
  };
  struct Counters {
    std::uint64_t untracked = 0;   // transport packets without a record: endpoint table full
    std::uint64_t duplicates = 0;  // copies that were not counted
    std::uint64_t evicted_half_open = 0, evicted_closed = 0, evicted_other = 0;
    std::uint64_t strays = 0;  // of `untracked`: resets of connections that nobody knows, while the table was full
    std::uint64_t chain_overflow = 0;
  };

  Tracker(const Storage& storage, const HashKey& key) noexcept;

  /// Appends to `out`, which the caller empties in between; packets that an observation names are decoded then.
  void feed(Batch& batch, Output& out) noexcept;

  /// Retires records that ended or fell silent, visiting at most `budget` records from where it left off.
  struct Idle {
    Timestamp closed, half_open, open;
  };
  void retire_idle(Timestamp now, const Idle& idle, std::uint32_t budget, Output& out) noexcept;

  /// Declares a server endpoint. False when the endpoint table is full.
  bool declare(const Address& address, std::uint16_t port, std::uint8_t protocol, bool outer) noexcept;

  [[nodiscard]] bool wants_index() const noexcept { return index_.wants_more(); }
  void regrow_index(std::span<IndexLine> larger) noexcept { index_.regrow(larger); }
  [[nodiscard]] bool wants_endpoints() const noexcept { return endpoints_.size() + 2 * kBatch > endpoints_.capacity(); }
  void regrow_endpoints(std::span<ServerEndpoint> entries, std::span<EndpointTable::Slot> slots) noexcept;

  /// Most bodies that there can be, the unused one included.
  static constexpr std::size_t kMostBodies = std::size_t{1} << kBodyBits;
  /// Every record ever used: [0, high_water()); those without kInUse are free.
  [[nodiscard]] std::uint32_t high_water() const noexcept { return high_water_; }
  [[nodiscard]] Record record(std::uint32_t id) const noexcept;
  /// Of a record in use. Fetches ahead, for whoever asks for one asks for all of them in turn, as a rule.
  [[nodiscard]] Glimpse glimpse(std::uint32_t id) const noexcept {
    const Body* const bodies = bodies_.data();
    if (const std::uint32_t later = id + 24; later < high_water_) {
      const Way* const ways = bodies[heads_.data()[later].body()].way;
      __builtin_prefetch(&ways[0]);
      __builtin_prefetch(&ways[2]);
    }
    const Head& head = heads_[id];
    const bool opening = head.body() == 0;
    Glimpse g;
    g.way = opening ? nullptr : bodies[head.body()].way;
    g.opening = opening ? &head.opening : nullptr;
    g.client = &head.client;
    g.t0 = head.t0;
    g.endpoint[0] = head.endpoint(0);
    g.endpoint[1] = head.endpoint(1);
    g.client_rtt = opening ? kFar : head.progress.client_rtt;
    g.response = opening ? kFar : head.progress.response;
    g.open = opening ? 0 : head.progress.open_word();
    g.protocol = head.protocol;
    g.flags = head.flags;
    return g;
  }
  /// Of any record ever used; as long as a Glimpse.
  [[nodiscard]] const Head& head(std::uint32_t id) const noexcept { return heads_[id]; }
  /// Fetches the head of a record ahead, of one that there may be.
  void fetch_ahead(std::uint32_t id) const noexcept { __builtin_prefetch(heads_.data() + id); }
  /// The same questions of the head alone, for whoever passes over all records.
  [[nodiscard]] bool in_use(std::uint32_t id) const noexcept { return (heads_[id].flags & kInUse) != 0; }
  [[nodiscard]] bool is_joined(std::uint32_t id) const noexcept { return heads_[id].has_second(); }
  [[nodiscard]] bool is_opening(std::uint32_t id) const noexcept { return heads_[id].body() == 0; }
  [[nodiscard]] bool inner_first(std::uint32_t id) const noexcept { return (heads_[id].flags & kInnerFirst) != 0; }
  [[nodiscard]] std::uint32_t endpoint_of(std::uint32_t id, unsigned side) const noexcept { return heads_[id].endpoint(side); }
  /// Newest record of a client endpoint, kNone if there is none; older ones by Record::next.
  [[nodiscard]] std::uint32_t find(const Address& client, std::uint16_t port, std::uint8_t protocol) const noexcept;
  /// Of a client endpoint, for whoever keeps an index of them: no stranger knows its key, and it differs from run to run.
  [[nodiscard]] std::uint32_t hash_of(const Address& client, std::uint16_t port, std::uint8_t protocol) const noexcept {
    return hash_endpoint(key_, client, port, protocol);
  }
  [[nodiscard]] const EndpointTable& endpoints() const noexcept { return endpoints_; }
  /// Id of a server endpoint, kNone if it is none.
  [[nodiscard]] std::uint32_t find_endpoint(const Address& address, std::uint16_t port, std::uint8_t protocol) const noexcept {
    return endpoints_.find(key_, address, port, protocol);
  }
  [[nodiscard]] const PathTable& paths() const noexcept { return paths_; }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::uint32_t live() const noexcept { return live_; }

 private:
  struct Lane {            // one packet between the stages; not initialised, for every field is assigned in turn
    std::uint64_t client;  // its endpoint_word(), of a plain packet with IPv4 addresses
    Head* head;            // that stood in the slot, to be fetched ahead
    Way* ways;             // of the head's body and of the side that has the endpoint, to be fetched ahead
    std::uint64_t ends;    // Head::ends of that head when `ways` was found; another number if neither side has the endpoint
    std::uint32_t* slot;   // of the index: where this client endpoint was, or where looking for it ended
    std::uint32_t entry;   // that stood there
    std::uint32_t endpoint;
    std::uint32_t hash;
    std::uint16_t path;      // where the packet did not just follow another
    std::uint8_t direction;  // 0: to the server
    std::uint8_t side;       // of `ways`
  };
  enum class Sighting : std::uint8_t { counted, copy, forwarded, moved };

  [[gnu::always_inline]] inline bool orient(const Skim& skim, Lane& lane) const noexcept;
  [[gnu::always_inline]] inline void aim(Batch& batch, std::size_t at, Lane& lane) const noexcept;
  [[gnu::always_inline]] inline void fetch_head(Lane& lane) const noexcept;
  [[gnu::always_inline]] inline void fetch_ways(const Skim& skim, Lane& lane) const noexcept;
  void look_closer(Batch& batch, std::size_t at, Lane& lane, Output& out) noexcept;
  [[nodiscard]] bool orient_v6(const Skim& skim, Lane& lane) const noexcept;
  void orient_by_hash(const Packet& packet, Lane& lane) const noexcept;
  void orient_closely(const Packet& packet, Lane& lane) const noexcept;
  void orient_slowly(const Packet& packet, Lane& lane, std::uint32_t to_hash, std::uint32_t from_hash) const noexcept;
  [[nodiscard]] std::uint32_t locate(const Packet& packet, const Lane& lane, unsigned& side) noexcept;
  [[gnu::always_inline]] inline bool follow(const Skim& skim, const Lane& lane) noexcept;
  struct Sight;
  [[nodiscard, gnu::always_inline]] static inline bool is_of(const Head& head, const Skim& skim, const Lane& lane) noexcept;
  bool begin_answer(Head& head, const Sight& sight, const Lane& lane) noexcept;
  bool begin(const Batch& batch, std::size_t at, Lane& lane, Output& out) noexcept;
  void note_answer(Head& head) noexcept;
  bool settle(const Packet& packet, Lane& lane) noexcept;
  std::uint32_t place(const Packet& packet, const Lane& lane, std::uint8_t& side, std::uint16_t number, Output& out) noexcept;
  void observe_joined(const Head& head, std::uint32_t id, std::uint16_t number, const Lane& lane, Output& out) noexcept;
  [[nodiscard]] std::uint32_t find_again(const Packet& packet, const Lane& lane, const Output& out) const noexcept;
  bool join_opening(std::uint32_t id, const Sight& sight, const Lane& lane, std::uint16_t number, Output& out) noexcept;
  std::uint32_t open(const Sight& sight, const Lane& lane, std::uint32_t newest, Output& out) noexcept;
  void update(std::uint32_t id, std::uint8_t side, const Packet& packet, const Lane& lane, std::uint16_t number,
              Output& out) noexcept;
  [[nodiscard]] Sighting judge(const Head& head, const Way& way, const Packet& packet, const Lane& lane,
                               std::uint32_t end) const noexcept;
  [[nodiscard]] bool roles_allow(std::uint32_t first, std::uint32_t second, bool& opposite) const noexcept;
  [[nodiscard]] bool compatible(const Head& head, const Body& body, const Packet& packet, const Lane& lane) const noexcept;
  void join(Head& head, const Way* way, std::uint8_t ttl, const Lane& lane) noexcept;
  void rebase(Head& head, Way* way, Timestamp earlier) const noexcept;
  [[nodiscard]] std::uint32_t lookup(std::uint32_t hash, const Address& client, std::uint16_t port,
                                     std::uint8_t protocol) const noexcept;
  void link(std::uint32_t hash, std::uint32_t id, std::uint32_t newest) noexcept;
  void unlink(std::uint32_t id) noexcept;
  [[nodiscard]] Way* ways_of(const Head& head) noexcept { return bodies_[head.body()].way; }
  bool unfold(Head& head) noexcept;
  bool give_body(Head& head) noexcept;
  [[nodiscard]] Timestamp last_seen(const Head& head) const noexcept;
  [[nodiscard]] std::uint8_t seen_of(const Head& head) const noexcept;
  [[nodiscard]] int worth_of(const Head& head) const noexcept;
  [[nodiscard]] std::uint32_t after(std::uint32_t id, std::uint32_t steps) const noexcept;
  [[nodiscard]] std::uint32_t next_unanswered(int wanted) noexcept;
  [[nodiscard]] std::uint32_t least_in_view(Timestamp now) noexcept;
  [[gnu::always_inline]] inline void fetch_way_of_hand() const noexcept;
  std::uint32_t evict(Timestamp now, Output& out) noexcept;
  void retire(std::uint32_t id, Output& out) noexcept;

  HashKey key_;
  std::span<Head> heads_;
  std::span<Body> bodies_;
  ClientIndex index_;
  std::uint32_t bodies_used_ = 1, free_body_ = 0;
  std::uint32_t live_ = 0, high_water_ = 0, free_ = kNone, hand_ = 0, idle_hand_ = 0;
  std::uint32_t openings_ = 0, unanswered_ = 0;  // of the living: those without a body; those to which no server said a word
  EndpointTable endpoints_;
  std::uint32_t taught_ = 0;                        // how often endpoints were added or became better known
  std::array<std::uint64_t, 1024> recent_pairs_{};  // of endpoints that were joined; 0 is none, for no endpoint joins itself
  PathTable paths_;
  Counters counters_;
};

}  // namespace lvsnat::track
