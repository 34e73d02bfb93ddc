#include "common/kept_capture.h"

#include <string>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "common/interruption.h"
#include "common/output.h"

namespace lvsnat::tool {

Result<std::unique_ptr<KeptCapture>> KeptCapture::create(const std::string& path, bool force, const Description& description) {
  auto part = reserve_beside(path, force);
  if (!part) return part.error();
  CaptureWriter::Options file;
  file.application = description.application;
  file.comment = description.comment;
  // All that takes memory first: once the file is there, somebody must own it.
  std::unique_ptr<KeptCapture> kept(new KeptCapture);
  kept->path_ = path;
  remember_unfinished(*part);  // before it is there: a signal may come right after
  auto writer = CaptureWriter::create(*part, file);
  if (!writer) forget_unfinished(*part);
  // The name beside it means nothing to the user.
  if (!writer) return Error{writer.error().code, path + ": cannot be created here (" + writer.error().message + ")"};
  kept->part_ = std::move(*part);
  kept->writer_ = std::move(*writer);
  return kept;
}

KeptCapture::~KeptCapture() {
  if (part_.empty()) return;
  unlink(part_.c_str());
  forget_unfinished(part_);
}

Status KeptCapture::told(const Status& status) {
  if (status || error_) return error_ ? Status(*error_) : status;
  // The name beside it means nothing to the user.
  std::string message = status.error().message;
  const std::string part = printable(part_, 300);
  if (const std::size_t at = message.find(part); at != std::string::npos) message.replace(at, part.size(), printable(path_, 300));
  error_ = Error{status.error().code, std::move(message)};
  return *error_;
}

Status KeptCapture::write(const Frame& frame, const std::vector<Vantage>& vantages, const std::string& words) {
  if (error_) return *error_;
  return told(writer_->write(frame, vantages, words));
}

Status KeptCapture::close() { return told(writer_->close()); }

Status KeptCapture::commit() {
  const Status closed = close();
  struct stat about {};
  // Of a disk that was full from the start there is nothing to keep.
  if (!closed && (stat(part_.c_str(), &about) != 0 || about.st_size == 0)) return closed;
  const std::string part = std::exchange(part_, {});
  forget_unfinished(part);
  const Status named = rename_over(part, path_);
  return closed ? named : closed;
}

}  // namespace lvsnat::tool
