// lvstop without a screen: a table once, or a stream of JSON objects.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/output.h"
#include "live.h"
#include "names.h"
#include "options.h"

namespace lvsnat::top {

/// --once: watches as long as asked, or reads to the end, and prints the view. Returns the exit status. `refused`: no input could
/// be opened, which was told.
int print_once(const Options&, Live&, Names&, bool refused, tool::Output&);

/// --format ndjson: connections as they leave the table, findings and losses as they appear, at the end what is left and the
/// report.
///
/// Threads: connection() may be called by the capture thread while run() works on another.
class Stream {
 public:
  explicit Stream(tool::Output& output) : output_(output) {}
  void connection(const Connection&, std::span<const int> codes);
  /// Returns the exit status.
  int run(const Options&, Live&, bool refused);

 private:
  void news_of(const Snapshot&);
  std::mutex mutex_;  // guards the output
  tool::Output& output_;
  std::set<std::string> findings_;      // what was written, by what they are about
  std::vector<std::uint64_t> dropped_;  // told so far, by source
};

}  // namespace lvsnat::top
