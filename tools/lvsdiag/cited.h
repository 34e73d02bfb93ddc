// The packets that findings cite, fetched by a second pass over the files: for --evidence and for -v.
//
// Keeping every packet until the end would need the memory of the capture; reading the file again needs none.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/options.h"
#include "lvsnat/capture.h"
#include "lvsnat/frame.h"
#include "lvsnat/report.h"
#include "lvsnat/result.h"

namespace lvsnat::tool {

/// Source name and 1-based frame number.
using Citation = std::pair<std::string, std::uint32_t>;

/// What is cited, each with the words that go with it: "LVS101 reply-bypasses-director: who-has ... tell ...".
std::map<Citation, std::string> citations(const Report& report);

/// Calls `visit` for each cited frame, in time order over all files. Stops at the first error of `visit`.
/// Standard input cannot be read again: frames cited from it are not visited.
Status visit_cited(const CommonOptions& options, const std::map<Citation, std::string>& cited,
                   const std::function<Status(const Frame&, const std::vector<Vantage>&, const std::string& words)>& visit);

/// A capture file of mode 0600 that appears under its name when it is complete. For --evidence and -w.
class KeptCapture {
 public:
  /// Created before anything is read, so that a path that cannot be written costs no diagnosis. Errors: as
  /// CaptureWriter::create().
  static Result<std::unique_ptr<KeptCapture>> create(const std::string& path, bool force, const std::string& comment);
  KeptCapture(const KeptCapture&) = delete;
  KeptCapture& operator=(const KeptCapture&) = delete;
  ~KeptCapture();

  Status write(const Frame& frame, const std::vector<Vantage>& vantages, const std::string& words = {});
  /// All packets are in the file, which does not have its name yet. Later write()s are errors.
  Status close();
  /// close(), and the file gets its name.
  Status commit();
  /// Where the file is until commit().
  [[nodiscard]] const std::string& unfinished() const { return part_; }

 private:
  KeptCapture() = default;
  std::string path_, part_;
  std::unique_ptr<CaptureWriter> writer_;
};

/// Writes the cited frames, each with its words as comment.
Status write_evidence(const CommonOptions& options, const Report& report, KeptCapture& file);
/// The same for live input, from all that was captured; `kept` must be closed.
Status write_evidence(const KeptCapture& kept, const Report& report, KeptCapture& file);

/// The cited frames in words, by libtins; empty where there are none.
std::map<Citation, std::string> describe_cited(const CommonOptions& options, const Report& report);

}  // namespace lvsnat::tool
