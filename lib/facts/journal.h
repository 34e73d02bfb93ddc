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

struct RetiredRecord {
  std::uint32_t id = 0;
  track::Record record;
  std::vector<WayClue> clues;
};

class Journal {
 public:
  static constexpr std::size_t kMaxNotedRecords = 100'000;
  static constexpr std::size_t kMaxCluesPerRecord = 24;
  static constexpr std::size_t kMaxIcmpPerKind = 512;
  static constexpr std::size_t kMaxIcmp = 8'192;
  static constexpr std::size_t kMaxNeighbours = 8'192;
  static constexpr std::size_t kMaxTurns = 32;  // per address
  static constexpr std::size_t kMaxTunnels = 1'024;
  static constexpr std::size_t kMaxFtp = 4'096;
  static constexpr std::size_t kMaxPlaces = 1'024;
  static constexpr std::size_t kMaxPairs = 65'536;
  static constexpr std::size_t kMaxRetired = 20'000;

  /// `packets` is the batch that produced `output`.
  void note(std::span<const Packet> packets, const track::Tracker::Output& output, const track::Tracker& tracker);

  [[nodiscard]] const std::vector<WayClue>* clues(std::uint32_t record) const;
  [[nodiscard]] const std::vector<IcmpNote>& icmp() const { return icmp_; }
  [[nodiscard]] std::uint64_t icmp_left_out() const { return icmp_left_out_; }
  [[nodiscard]] const std::vector<Question>& questions() const { return questions_; }
  [[nodiscard]] const std::vector<Claim>& claims() const { return claims_; }
  [[nodiscard]] const std::map<Address, std::vector<ClaimTurn>>& turns() const { return turns_; }
  [[nodiscard]] const std::vector<TunnelSighting>& tunnels() const { return tunnels_; }
  [[nodiscard]] const std::vector<FtpLine>& ftp() const { return ftp_; }
  /// Pairs of endpoint ids (outer, inner) that were seen as one connection, in order of appearance.
  [[nodiscard]] const std::vector<std::pair<std::uint32_t, std::uint32_t>>& pairs() const { return pairs_; }
  [[nodiscard]] const std::vector<RetiredRecord>& retired() const { return retired_; }
  [[nodiscard]] std::uint64_t retired_left_out() const { return retired_left_out_; }

  /// Set by the owner: what to do with a record that leaves the table, before it is forgotten.
  /// Returns whether the record is worth keeping (not plainly healthy).
  using Retirement = bool (*)(void* context, std::uint32_t id, const track::Record& record, const std::vector<WayClue>* clues);
  void on_retirement(Retirement handler, void* context) {
    retirement_ = handler;
    retirement_context_ = context;
  }

 private:
  void note_clue(Clue::Kind kind, const track::Observation& observation, const Packet& packet);
  void note_other(const Packet& packet, std::uint16_t path, const track::Tracker& tracker);
  void note_icmp(const Packet& packet, std::uint16_t path, const track::Tracker& tracker);
  void note_arp(const Packet& packet);
  void note_tunnel(const Packet& packet);
  void note_text(const track::Observation& observation, const Packet& packet);
  void ask(const Packet& packet, const Address& asker, const Address& target, const Mac& mac, bool unicast);
  void claim(const Packet& packet, const Address& address, const Mac& mac, Assertion how);

  std::unordered_map<std::uint32_t, std::vector<WayClue>> clues_;
  std::vector<std::uint64_t> noted_;  // a bit for each record that had clues: most have none, and all are asked for them
  std::vector<IcmpNote> icmp_;
  std::map<std::uint32_t, std::uint32_t> icmp_per_kind_;
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
  std::vector<RetiredRecord> retired_;
  std::uint64_t retired_left_out_ = 0;
  Retirement retirement_ = nullptr;
  void* retirement_context_ = nullptr;
};

}  // namespace lvsnat
