// Where rules put what they found: one finding per code and subject, however often it is accused.
//
// Ownership: the sink owns its findings until take(). A reference from accuse() stays valid until then.
// Threads: one at a time. Nothing here grows without bound, whatever the packets say: evidence and
// connection records per finding and subjects per code are limited, and what is beyond is counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "facts/facts.h"
#include "facts/record_set.h"
#include "lvsnat/finding.h"
#include "lvsnat/rule.h"
#include "rules/claims.h"

namespace lvsnat {

class FindingSink {
 public:
  static constexpr std::size_t kEvidence = 8;        // a handful, the clearest first
  static constexpr std::size_t kConnections = 1024;  // records per finding, for --evidence and --connections
  static constexpr std::size_t kSubjects = 1024;     // findings per code; later subjects lose client, interface and gateway,
                                                     // then share one finding without a subject

  /// The finding of this rule about this subject; made on the first accusation, with the rule's title.
  /// Each accusation adds 1 to `count`; severity and confidence are the highest that was ever claimed.
  Finding& accuse(const Rule& rule, Subject subject, Severity severity, Confidence confidence);

  /// Takes in a whole finding, e.g. of another host's report. Counts add up; evidence, connections, cures,
  /// `unchecked` and consequences are united; title, cause and legs stay those of the first.
  Finding& merge(Finding finding);

  /// Adds a piece of proof unless it is there already or the handful is full.
  static void prove(Finding& finding, Evidence evidence);
  /// Cites a record of the tracker, once.
  static void cite(Finding& finding, std::uint32_t record);
  /// Adds a cure unless the same command for the same host is there already.
  static void cure(Finding& finding, Cure cure);
  static void cure(Finding& finding, std::vector<Cure> cures);
  /// Says, once, what would settle the question and was not available.
  static void unchecked(Finding& finding, std::string what);

  /// This connection has its explanation: rules that run later leave it alone. `broken`: the fault is an error.
  void claim(std::uint32_t record, int code, bool broken);
  [[nodiscard]] bool is_claimed(std::uint32_t record) const {
    return record < kRetiredIds ? claimed_.contains(record) : claims_.contains(record);
  }
  [[nodiscard]] const Claims& claims() const noexcept { return claims_; }
  /// The same, for good.
  [[nodiscard]] Claims take_claims() noexcept { return std::move(claims_); }
  /// What earlier rules found, for rules that build on it.
  [[nodiscard]] const std::deque<Finding>& findings() const noexcept { return findings_; }

  [[nodiscard]] bool empty() const noexcept { return findings_.empty(); }
  /// Everything found, in code order and within a code in the order of first accusation. Empties the sink.
  [[nodiscard]] std::vector<Finding> take();

 private:
  Finding& find_or_make(int code, Subject subject, bool& made);

  std::deque<Finding> findings_;  // a deque: references must survive growth
  std::unordered_map<std::string, std::size_t> by_subject_;
  std::map<int, std::size_t> subjects_of_code_;
  Claims claims_;
  RecordSet claimed_;  // of the table's records those in `claims_`: every rule asks this of every suspect
};

}  // namespace lvsnat
