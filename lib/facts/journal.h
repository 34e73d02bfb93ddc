// The slow half's notebook: what happened beside the plain counting of packets, as it happens.
//
// Bounded everywhere, and per kind, so that a storm of one sort of packet cannot crowd out another; what
// did not fit is counted. Threads: one. Frames are read only while note() runs.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "facts/facts.h"
#include "facts/record_set.h"
#include "track/tracker.h"

namespace lvsnat {

/// A clue before roles are known: on a way (side * 2 + direction) instead of a leg.
struct WayClue {
  Clue clue;
  std::uint8_t way = 0;
};

struct FtpLine {
  FtpAnnouncement announcement;
  std::uint8_t way = 0;
};

struct IcmpNote {
  IcmpSighting sighting;
  std::uint8_t way = 0;  // of sighting.record
  bool on_way = false;
};

/// A connection that left the table. What was noted about it goes by the id that it has from then on.
struct RetiredRecord {
  std::uint32_t id = 0;  // kRetiredIds and more
  // The journal's own: of the client endpoint, and the next one with nearly the same (kNone: the last).
  std::uint32_t hash = 0, next = track::kNone;
  track::Record record{};
  std::vector<WayClue> clues;
  Timestamp forgotten = 0;  // as Connection's: a full table had no more room for it
  bool quoted = false;      // all that is left of it is what an ICMP error quotes; it was counted when it went
};

/// Connections that are not kept at all, by what is left of their record when it goes; each way counts those that had packets
/// there.
struct ForgottenTally {
  std::uint64_t connections = 0, half_open = 0;
  std::uint64_t completed = 0, packets = 0;  // of TCP: as Facts::completed and service_packets
  std::array<std::uint64_t, 4> ways{};
};

class Journal {
 public:
  static constexpr std::size_t kMaxNotedRecords = 100'000;
  static constexpr std::size_t kMaxCluesPerRecord = 24;
  static constexpr std::size_t kMaxIcmpPerKind = 512;
  static constexpr std::size_t kMaxIcmp = 8'192;
  static constexpr std::size_t kMaxQuotedPerKind = 64;  // of connections that a full table had given up
  static constexpr std::size_t kMaxNeighbours = 8'192;
  static constexpr std::size_t kMaxTurns = 32;  // per address
  static constexpr std::size_t kMaxTunnels = 1'024;
  static constexpr std::size_t kMaxFtp = 4'096;
  static constexpr std::size_t kMaxPlaces = 1'024;
  static constexpr std::size_t kMaxPairs = 65'536;
  static constexpr std::size_t kMaxRetired = 20'000;
  static constexpr std::size_t kMaxRetiredOpenings = 5'000;  // the last ones
  static constexpr std::size_t kMaxSeconds = 100'000;
  static constexpr std::uint32_t kFirstOpening = kRetiredIds + 0x40000000;

  Journal() = default;
  Journal(const Journal&) = delete;  // it keeps pointers into itself
  Journal& operator=(const Journal&) = delete;

  /// `batch` is what produced `output`; empty, it was the owner who let go of what was silent for long.
  void note(Batch& batch, const track::Tracker::Output& output, const track::Tracker& tracker);

  [[nodiscard]] const std::vector<WayClue>* clues(std::uint32_t record) const {
    return noted_.contains(record) ? find_clues(record) : nullptr;
  }
  /// Records that may have clues; no others have.
  [[nodiscard]] const RecordSet& noted() const { return noted_; }
  [[nodiscard]] const std::vector<IcmpNote>& icmp() const { return icmp_; }
  [[nodiscard]] std::uint64_t icmp_left_out() const { return icmp_left_out_; }
  [[nodiscard]] const std::vector<Question>& questions() const { return questions_; }
  [[nodiscard]] const std::vector<Claim>& claims() const { return claims_; }
  [[nodiscard]] const std::map<Address, std::vector<ClaimTurn>>& turns() const { return turns_; }
  [[nodiscard]] const std::vector<TunnelSighting>& tunnels() const { return tunnels_; }
  [[nodiscard]] const std::vector<FtpLine>& ftp() const { return ftp_; }
  /// Pairs of endpoint ids (outer, inner) that were seen as one connection, in order of appearance.
  [[nodiscard]] const std::vector<std::pair<std::uint32_t, std::uint32_t>>& pairs() const { return pairs_; }
  /// Those that tell something; all that ICMP or FTP noted of a connection belongs to one of these, or to a living one.
  [[nodiscard]] const std::vector<RetiredRecord>& retired() const { return retired_; }
  /// The last of those that were nothing but a SYN. In no order.
  [[nodiscard]] const std::vector<RetiredRecord>& retired_openings() const { return openings_; }
  [[nodiscard]] const RetiredRecord* find_retired(std::uint32_t id) const;
  /// What is neither here nor there, by endpoint ids of the tracker (first << 32 | second).
  [[nodiscard]] const std::unordered_map<std::uint64_t, ForgottenTally>& forgotten() const { return forgotten_; }
  /// Of those the half-open ones, by the second in which they began.
  [[nodiscard]] const std::map<Timestamp, std::uint64_t>& forgotten_openings() const { return forgotten_openings_; }

  /// Set by the owner: what to do with a record that leaves the table, before it is forgotten. `forgotten`: as RetiredRecord's.
  /// Returns whether the record is worth keeping (not plainly healthy).
  using Retirement = bool (*)(void* context, std::uint32_t id, const track::Record& record, const std::vector<WayClue>* clues,
                              Timestamp forgotten);
  void on_retirement(Retirement handler, void* context) {
    retirement_ = handler;
    retirement_context_ = context;
  }

 private:
  [[nodiscard]] const std::vector<WayClue>* find_clues(std::uint32_t record) const;
  void note_clue(Clue::Kind kind, const track::Observation& observation, const Packet& packet);
  void retire(std::uint32_t id, const track::Record& record, Timestamp forgotten, const track::Tracker& tracker);
  void keep_opening(const track::Record& record, Timestamp forgotten, const track::Tracker& tracker);
  void keep(RetiredRecord gone);
  void forget(const track::Record& record, bool with_clues);
  [[nodiscard]] RetiredRecord& left(std::uint32_t id);
  [[nodiscard]] RetiredRecord* last_of_client(std::uint32_t hash, const Address& client, std::uint16_t port,
                                              std::uint8_t protocol);
  void file_under_client(RetiredRecord& gone, std::uint32_t hash);
  void take_from_clients(const RetiredRecord& gone);
  void note_other(const Packet& packet, const track::Tracker& tracker, const track::Tracker::Output& output, std::uint32_t at);
  void note_icmp(const Packet& packet, const track::Tracker& tracker, const track::Tracker::Output& output, std::uint32_t at);
  std::uint32_t find_quoted(IcmpNote& note, const track::Tracker& tracker, const track::Tracker::Output& output,
                            std::uint32_t at);
  std::uint32_t recall_quoted(IcmpNote& note, const track::Tracker& tracker, std::uint32_t kind);
  void note_arp(const Packet& packet);
  void note_tunnel(const Packet& packet);
  void note_text(const track::Observation& observation, const Packet& packet);
  void ask(const Packet& packet, const Address& asker, const Address& target, const Mac& mac, bool unicast);
  void claim(const Packet& packet, const Address& address, const Mac& mac, Assertion how);

  std::unordered_map<std::uint32_t, std::vector<WayClue>> clues_;
  RecordSet noted_;  // those that had clues: most have none, and all are asked for them
  std::vector<IcmpNote> icmp_;
  // By kind and, of those that are about a connection, its server's endpoint: no storm about one crowds out the next.
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> icmp_per_kind_;
  std::size_t icmp_of_strangers_ = 0;
  std::uint64_t icmp_left_out_ = 0;
  std::vector<Question> questions_;
  std::vector<Claim> claims_;
  struct NeighbourKey {
    Address a, b;
    Mac mac;
    std::uint32_t place = 0;
    friend auto operator<=>(const NeighbourKey&, const NeighbourKey&) = default;
  };
  std::map<NeighbourKey, std::size_t> question_index_, claim_index_;
  std::map<Address, std::vector<ClaimTurn>> turns_;
  std::map<std::size_t, std::uint32_t> runs_;  // by question: length of the run that is going on
  std::vector<TunnelSighting> tunnels_;
  std::vector<FtpLine> ftp_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_;
  std::unordered_set<std::uint64_t> pair_seen_;
  std::vector<RetiredRecord> retired_, openings_;  // an opening without a protocol has been taken out
  std::size_t next_opening_ = 0;                   // of openings_, once that is full: the oldest
  // Those that left the table, the last one of each client endpoint: the id of the first with a hash, the others by their `next`.
  // Some 33,000 at most. A flood comes and goes here with each of its packets.
  static constexpr std::size_t kClientHashes = 32'768;
  std::vector<std::uint32_t> by_client_;
  std::unordered_set<std::uint32_t> noted_elsewhere_;  // living records that ICMP or FTP notes are about
  std::unordered_map<std::uint64_t, ForgottenTally> forgotten_;
  std::map<Timestamp, std::uint64_t> forgotten_openings_;
  // Of these two what was asked for last: whoever is asked for is one of few pairs, and of this second.
  struct RecentTally {
    std::uint64_t pair = 0;
    ForgottenTally* tally = nullptr;
  };
  std::array<RecentTally, 256> recent_tallies_{};
  Timestamp recent_second_ = 0;
  std::uint64_t* recent_openings_ = nullptr;
  Retirement retirement_ = nullptr;
  void* retirement_context_ = nullptr;
};

}  // namespace lvsnat
