#include "save.h"

#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"
#include "lvsnat/capture.h"
#include "lvsnat/render.h"

namespace lvsnat::top {

std::string save_directory() { return access(".", W_OK) == 0 ? "" : "/tmp/"; }

std::string save_text(const std::string& path, const std::string& content) {
  const std::string shown = printable(path, 256);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return shown + ": " + (errno == EEXIST ? "exists already; choose another name" : std::generic_category().message(errno));
  std::size_t done = 0;
  int error = 0;
  while (done < content.size() && error == 0) {
    const ssize_t n = write(fd, content.data() + done, content.size() - done);
    if (n > 0) done += static_cast<std::size_t>(n);
    if (n == 0) error = ENOSPC;
    if (n < 0 && errno != EINTR) error = errno;
  }
  // What fitted stays, whole lines only: nothing may be removed any more.
  if (error != 0 && done > 0) {
    const std::size_t end = content.rfind('\n', done - 1);
    const std::size_t whole = end == std::string::npos ? 0 : end + 1;
    if (ftruncate(fd, static_cast<off_t>(whole)) == 0) done = whole;
  }
  if (close(fd) != 0 && error == 0) error = errno;
  if (error != 0)
    return shown + ": " + std::generic_category().message(error) + ": only " + with_commas(done) + " of " +
           with_commas(content.size()) + " bytes were written";
  return "saved " + shown + ", " + with_commas(content.size()) + " bytes";
}

std::string save_packets(const std::string& path, const Recorder& recorder, const std::vector<Vantage>& vantages, bool all,
                         std::span<const Connection> connections) {
  const std::string shown = printable(path, 256);
  CaptureWriter::Options options;
  options.application = "lvstop";
  auto writer = CaptureWriter::create(path, options);
  if (!writer) return printable(writer.error().message);
  std::optional<Error> failed;
  const auto visit = [&](const Frame& frame) {
    const Status status = (*writer)->write(frame, vantages, {});
    if (!status) failed = status.error();
    return !failed;
  };
  if (all) {
    recorder.visit_all(visit);
  } else {
    recorder.visit_connections(connections, visit);
  }
  const Status closed = (*writer)->close();
  if (!failed && !closed) failed = closed.error();
  if (failed) return printable(failed->message);
  return "saved " + shown + ", " + with_commas((*writer)->packets()) + " packets";
}

std::string to_ndjson(const Snapshot& snapshot, const std::vector<std::size_t>& rows) {
  std::string out;
  std::array<char, kConnectionLineSize> line{};
  for (const std::size_t i : rows) {
    const ConnectionRow& row = snapshot.connections[i];
    out.append(line.data(), render_connection_line(row.connection, row.codes, line, true));
  }
  return out;
}

}  // namespace lvsnat::top
