// Were captures that are read together timed by one clock? No packet leaves the director before it came: where one did, by the
// times that two captures give, their clocks differ, and by how much at least is told by how much too early it left.
//
// Losses and captures that begin or end inside a connection can make it look so. Only connections count of which both captures
// have the beginning and as many packets, and only several that say the same, with none that says otherwise, prove it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lvsnat/connection.h"
#include "lvsnat/frame.h"
#include "lvsnat/source.h"

namespace lvsnat {

/// Two captures whose clocks differ. Times in nanoseconds.
struct ClockSkew {
  std::uint16_t behind = 0, ahead = 0;  // sources
  std::int64_t least = 0;               // by so much, or more
  std::optional<std::int64_t> most;     // by so much, or less; nullopt: nothing tells
  std::uint64_t connections = 0;        // that prove it

  /// Least and most are as good as one number.
  [[nodiscard]] bool is_known() const;
};

class Clocks {
 public:
  /// How many connections are looked at: a sample tells as much as all of them.
  static constexpr std::uint32_t kSample = 4096;

  /// Both must outlive this. Paths as Tracker::paths() has them.
  Clocks(std::span<const Path> paths, const std::vector<Vantage>& vantages, const std::vector<SourceStatistics>& sources);
  /// Live interfaces are timed by one clock, and so is one file. False: there is nothing to compare, add() is in vain.
  [[nodiscard]] bool may_differ() const { return files_ >= 2; }
  void add(const Connection&);
  /// By names of sources in order of the command line; a pair stands once.
  [[nodiscard]] std::vector<ClockSkew> skews() const;

 private:
  /// What one connection says of two clocks: second minus first is `least` or more, `most` or less.
  struct Bounds {
    std::optional<std::int64_t> least, most;
  };
  struct Passage;  // of one direction through the director

  [[nodiscard]] std::uint16_t source_of(const LegCount&) const;
  [[nodiscard]] std::optional<Passage> passage(const LegCount& before, const LegCount& after) const;
  /// Whether the capture of `before` was running when by its own clock `after` came, so that it would have had the packet
  /// earlier.
  [[nodiscard]] bool was_watched(const Passage&, Timestamp after) const;
  [[nodiscard]] static std::optional<ClockSkew> skew_of(std::span<const Bounds> said);

  std::span<const Path> paths_;
  const std::vector<Vantage>& vantages_;
  const std::vector<SourceStatistics>& sources_;
  std::size_t files_ = 0;
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::vector<Bounds>> said_;
};

/// "a.pcap was timed by a clock behind that of b.pcap, by about 1.1 s: ...", and what to do about it.
std::string sentence(const ClockSkew&, const std::vector<SourceStatistics>& sources);

}  // namespace lvsnat
