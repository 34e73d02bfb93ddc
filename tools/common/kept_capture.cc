#include "common/kept_capture.h"

#include <string>
#include <utility>

#include <unistd.h>

#include "common/output.h"

namespace lvsnat::tool {

Result<std::unique_ptr<KeptCapture>> KeptCapture::create(const std::string& path, bool force, const Description& description) {
  auto part = reserve_beside(path, force);
  if (!part) return part.error();
  CaptureWriter::Options file;
  file.application = description.application;
  file.comment = description.comment;
  auto writer = CaptureWriter::create(*part, file);
  // The name beside it means nothing to the user.
  if (!writer) return Error{writer.error().code, path + ": cannot be created here (" + writer.error().message + ")"};
  std::unique_ptr<KeptCapture> kept(new KeptCapture);
  kept->path_ = path;
  kept->part_ = *part;
  kept->writer_ = std::move(*writer);
  return kept;
}

KeptCapture::~KeptCapture() {
  if (!part_.empty()) unlink(part_.c_str());
}

Status KeptCapture::write(const Frame& frame, const std::vector<Vantage>& vantages, const std::string& words) {
  return writer_->write(frame, vantages, words);
}

Status KeptCapture::close() {
  if (Status closed = writer_->close(); !closed) return Error{closed.error().code, path_ + ": " + closed.error().message};
  return ok();
}

Status KeptCapture::commit() {
  if (Status closed = close(); !closed) return closed;
  return rename_over(std::exchange(part_, {}), path_);
}

}  // namespace lvsnat::tool
