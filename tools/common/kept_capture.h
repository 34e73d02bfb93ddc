// A capture file that is kept, of packets as they are read: for -w and --evidence.
//
// Threads: one at a time. Errors: values; the message begins with the path.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lvsnat/capture.h"
#include "lvsnat/frame.h"
#include "lvsnat/result.h"

namespace lvsnat::tool {

/// A capture file of mode 0600 that appears under its name when it is complete, or when no more of it can be written: whole
/// packets only. For --evidence and -w.
class KeptCapture {
 public:
  /// Becomes the file's section header: who wrote it, and what it holds.
  struct Description {
    std::string application;  // "lvsdiag 0.1.0"
    std::string comment;
  };
  /// Created before anything is read, so that a path that cannot be written costs no diagnosis. Errors: as
  /// CaptureWriter::create().
  static Result<std::unique_ptr<KeptCapture>> create(const std::string& path, bool force, const Description& description);
  KeptCapture(const KeptCapture&) = delete;
  KeptCapture& operator=(const KeptCapture&) = delete;
  ~KeptCapture();

  /// Errors: the first one, then and for every later call, which writes nothing more.
  Status write(const Frame& frame, const std::vector<Vantage>& vantages, const std::string& words = {});
  /// All packets are in the file, which does not have its name yet. Later write()s are errors.
  Status close();
  /// close(), and the file gets its name, if there is anything in it. Errors: the first one, also of write().
  Status commit();
  /// Something could not be written.
  [[nodiscard]] bool broken() const { return error_.has_value(); }
  /// Where the file is until commit().
  [[nodiscard]] const std::string& unfinished() const { return part_; }

 private:
  KeptCapture() = default;
  Status told(const Status& status);
  std::string path_, part_;
  std::unique_ptr<CaptureWriter> writer_;
  std::optional<Error> error_;
};

}  // namespace lvsnat::tool
