// Frames in, diagnosis out. The one object that owns the tracker's memory and wires decode, track, facts
// and rules together; every tool and every example goes through it.
//
//   auto source = lvsnat::open_capture_file("eth0.pcap");
//   lvsnat::Analyzer analyzer({});
//   std::array<lvsnat::Frame, 256> frames;
//   while (std::size_t n = (*source)->read(frames)) analyzer.feed({frames.data(), n}, (*source)->vantages());
//   lvsnat::Report report = analyzer.report((*source)->statistics());
//
// Threads: one thread feeds and asks. Time: all it knows comes with frames and with advance(); it reads no
// clock. Memory: at most about AnalyzerOptions::max_connections * 205 bytes, touched as connections come; those of which no
// more was seen than a SYN take 77. A report takes about 0.5 KB for each of at most 200,000 that are not plainly healthy.
// Errors: none; bad packets are counted, a full table evicts (half-open first) and says so.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "lvsnat/connection.h"
#include "lvsnat/export.h"
#include "lvsnat/frame.h"
#include "lvsnat/report.h"
#include "lvsnat/service.h"
#include "lvsnat/source.h"
#include "lvsnat/state.h"

namespace lvsnat {

struct AnalyzerOptions {
  /// Limit of the connection table. When it is full, half-open connections make room first.
  std::uint32_t max_connections = 1'000'000;
  /// A good guess of how many will come (from the file size, say): the index is made that large at once.
  std::uint32_t expected_connections = 0;
  /// How much of the input was read, 0 to 1, where its end is known: PacketSource::progress(). Asked when the index has to grow,
  /// by feed(): it grows to what the rest will need if that is like what came before. May be empty.
  std::function<std::optional<double>()> progress;
  /// What is known of the cluster; several may add up. None: services are inferred from rewritten pairs.
  std::vector<Declaration> declared;
  /// The director's kernel state; its services count as declared.
  std::shared_ptr<const KernelState> state;
  /// Clients that are asked about: predictions are made for these, not for those seen or for an example.
  std::vector<Address> clients;
  /// Reports of lvstrace: they name the cause of what packets show of their real servers, or stand beside it where they disagree.
  std::vector<Testimony> testimonies;
  /// Frames come as they happen: ended connections are retired and handed to the callback, and a silence
  /// that still goes on at report time counts until the time given to advance().
  bool live = false;
  /// Seed of the keyed hash; 0: drawn from the system. Results do not depend on it.
  std::uint64_t hash_seed = 0;
  /// The tool that asks; becomes Report::tool.
  std::string tool = "lvsdiag";
};

class LVSNAT_EXPORT Analyzer {
 public:
  explicit Analyzer(AnalyzerOptions options);
  ~Analyzer();
  Analyzer(Analyzer&&) noexcept;
  Analyzer& operator=(Analyzer&&) noexcept;

  /// Any number of frames, in the order of a source; `vantages` is the source's table (it may have grown).
  void feed(std::span<const Frame> frames, const std::vector<Vantage>& vantages);
  /// Live: the present, so that silences are noticed and ended connections retired. Nanoseconds since the epoch.
  void advance(Timestamp now);
  /// Live: the director's kernel as it is now, in place of what was known of it. Services that it names are looked for in the
  /// packets from here on. May be nullptr: not known any more.
  void update_state(std::shared_ptr<const KernelState> state);

  /// Live: what the kernel says at the end (look_again()). Counters that rose since the state was read prove that something
  /// happens still; those that did not prove nothing of the past. An address that the host still has was not handed over.
  void looked_again(LaterLook look);

  /// What can be said now. May be called at any time and again later; costs a pass over the connections.
  /// `statistics`: of the sources, for drops, gaps and truncation (verdicts of absence are withdrawn there).
  [[nodiscard]] Report report(std::vector<SourceStatistics> statistics) const;

  /// Called once per connection: by for_each_connection() for those in the table, and by the retirement
  /// callback for those that left it. `codes`: findings that accuse this connection (as of the last report()).
  using ConnectionCallback = std::function<void(const Connection&, std::span<const int> codes)>;
  /// In order of first packet's arrival in the table. After report(), with its codes.
  void for_each_connection(const ConnectionCallback& callback) const;
  /// The same for a few: those of `records` (Connection::record) that are in the table now, in this order. Right after
  /// report() it costs no pass over the table. A record is used again once its connection has left: `first` and `client` tell.
  void for_connections(std::span<const std::uint32_t> records, const ConnectionCallback& callback) const;
  /// Live, or a full table: connections as they leave the table. Set before feeding.
  void on_retired(ConnectionCallback callback);

  /// Where packets travelled, by LegCount::path.
  [[nodiscard]] std::span<const Path> paths() const;
  [[nodiscard]] const std::vector<Vantage>& vantages() const;
  [[nodiscard]] std::uint64_t packets() const;
  /// Connections in the table now.
  [[nodiscard]] std::uint32_t live_connections() const;

 private:
  struct Impl;
  struct Handover;
  [[nodiscard]] Handover hand_over_to(const ConnectionCallback& callback) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lvsnat
