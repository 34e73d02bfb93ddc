// Where frames come from: capture files, standard input, live interfaces, or several merged by time.
// The interface lives in liblvsnat; the implementations live in liblvsnat-capture (see capture.h).
//
// Ownership: frames borrow from the source until its next read(). Threads: one thread at a time, but
// stop() may be called from a signal handler or another thread. Errors: a damaged file is not an error
// of the program: read() returns what came before the damage, and the statistics say what was wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lvsnat/export.h"
#include "lvsnat/frame.h"
#include "lvsnat/result.h"

namespace lvsnat {

/// What became of one -r or -i. Mirrors `sources` of the JSON report.
struct SourceStatistics {
  std::string name;                      // as given on the command line
  std::optional<std::string> interface;  // where known
  bool live = false;
  std::uint64_t packets = 0;             // records read, understood or not; without what a filter left out
  std::uint64_t filtered = 0;            // records of a file that -F left out (live, the kernel does it uncounted)
  std::optional<std::uint64_t> dropped;  // by kernel or interface before we saw them; nullopt: unknown
  std::uint64_t malformed = 0;           // filled by the analyzer: frames that contradict themselves
  bool truncated = false;                // the file ends inside a record
  bool damaged = false;                  // what was read contradicts its format: nothing behind that was read
  std::optional<std::string> problem;    // why reading stopped early, or what was odd; nullopt: nothing
  bool refused = false;                  // nothing could be read at all
  std::optional<Timestamp> first, last;
  /// Times in which this source was blind: interface down or gone, ring overflow. Verdicts of absence
  /// are withdrawn for connections that overlap one.
  struct Gap {
    Timestamp from, to;
    std::string why;
  };
  std::vector<Gap> gaps;

  /// Whether there may have been packets that are not among those read: what was not seen proves nothing then.
  [[nodiscard]] bool incomplete() const { return refused || truncated || damaged || dropped.value_or(0) != 0 || !gaps.empty(); }
};

class LVSNAT_EXPORT PacketSource {
 public:
  PacketSource() = default;
  PacketSource(const PacketSource&) = delete;
  PacketSource& operator=(const PacketSource&) = delete;
  virtual ~PacketSource();

  /// Fills up to out.size() frames in time order and returns how many. For files 0 means the end; for
  /// live sources 0 means nothing came within the source's poll interval (ask finished()).
  virtual std::size_t read(std::span<Frame> out) = 0;
  [[nodiscard]] virtual bool finished() const = 0;

  /// Grows while reading (pcapng may announce an interface late); indices never change.
  [[nodiscard]] virtual const std::vector<Vantage>& vantages() const = 0;
  /// One entry per -r / -i, in the order given; exact after finished().
  [[nodiscard]] virtual std::vector<SourceStatistics> statistics() const = 0;
  /// Bytes consumed and total for a progress line; nullopt where the total is unknown (pipe, live).
  [[nodiscard]] virtual std::optional<double> progress() const { return std::nullopt; }
  /// Makes read() return soon and finished() true. Async-signal-safe.
  virtual void stop() noexcept {}
};

}  // namespace lvsnat
