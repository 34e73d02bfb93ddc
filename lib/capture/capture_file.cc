// Opening: what may be read at all, and which reader fits what the first bytes say.
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"
#include "capture/file_source.h"

namespace lvsnat {
namespace capture {
namespace {

// One pcapng block or one record of a bus trace, with its header.
constexpr std::size_t kWindowLimit = kMaxBusRecord + 64;

Error failed(const std::string& name, ErrorCode code, const std::string& why) {
  return {code, "reading " + printable(name, 300) + ": " + why};
}

bool names_own_descriptor(const std::string& path) {
  return path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/") || path == "/dev/stdin";
}

Result<Input> open_input(const std::string& path) {
  Input input;
  input.name = path;
  Descriptor fd;
  const bool standard_input = path == "-";
  if (standard_input) {
    fd = Descriptor(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  } else {
    // O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
    do {
      fd = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    } while (!fd.is_open() && errno == EINTR);  // network file systems
  }
  if (!fd.is_open()) return failed(path, code_of_errno(errno), standard_input ? "standard input is closed" : reason(errno));
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return failed(path, ErrorCode::io, reason(errno));
  std::optional<std::uint64_t> size;
  std::uint64_t start = 0;
  if (S_ISREG(about.st_mode)) {
    size = static_cast<std::uint64_t>(about.st_size);
    if (const off_t at = ::lseek(fd.get(), 0, SEEK_CUR); at > 0) start = static_cast<std::uint64_t>(at);
  } else if (S_ISDIR(about.st_mode)) {
    return failed(path, ErrorCode::usage, "it is a directory; name the files in it with one -r each");
  } else if (standard_input) {
    if (::isatty(fd.get()) == 1) return failed(path, ErrorCode::usage, "standard input is a terminal, not a capture");
  } else if (!(S_ISFIFO(about.st_mode) && names_own_descriptor(path))) {
    return failed(path, ErrorCode::usage,
                  std::string("it is a ") + (S_ISFIFO(about.st_mode) ? "FIFO" : "device or socket") +
                      ", not a file; to read from a pipe, use -r - < " + printable(path, 300));
  }
  input.raw = std::make_unique<DescriptorStream>(std::move(fd), size, start);
  return input;
}

/// What is known not to be a capture, by its first bytes: says what to do instead.
std::string hint(std::span<const std::uint8_t> head) {
  const auto begins = [&](const char* magic, std::size_t length) {
    return head.size() >= length && std::memcmp(head.data(), magic, length) == 0;
  };
  if (begins("BZh", 3)) return "it is compressed with bzip2: unpack it first (bunzip2)";
  if (begins("\x04\x22\x4d\x18", 4)) return "it is compressed with lz4: unpack it first (lz4 -d)";
  if (begins("PK\x03\x04", 4)) return "it is a ZIP archive: unpack it first (unzip)";
  if (compression_of(head) != Compression::none) return "it is compressed twice: unpack it once first";
  return {};
}

}  // namespace
}  // namespace capture

Result<std::unique_ptr<PacketSource>> open_capture_file(const std::string& path, const CaptureFileOptions& options) {
  using namespace capture;
  auto opened = open_input(path);
  if (!opened) return opened.error();
  Input input = std::move(*opened);
  input.window = std::make_unique<Window>(input.raw.get(), kWindowLimit);
  Window& window = *input.window;
  window.want(6);
  if (const auto kind = compression_of({window.data(), window.available()}); kind != Compression::none) {
    input.unpacked = unpack(kind, *input.raw, {window.data(), window.available()});
    window.switch_to(input.unpacked.get());
  }
  window.want(24);
  const std::span head(window.data(), window.available());
  const ByteStream& stream = input.stream();
  if (stream.failure() && head.size() < 24)
    return failed(path, input.unpacked ? ErrorCode::malformed : ErrorCode::io, *stream.failure());
  if (head.empty())
    return failed(path, ErrorCode::malformed, stream.cut() ? "the compressed data end before any packet" : "it is empty");
  constexpr std::array<std::uint8_t, 4> section = {0x0a, 0x0d, 0x0d, 0x0a};
  const bool is_pcapng = head.size() >= section.size() && std::equal(section.begin(), section.end(), head.begin());
  if (head.size() < 24) {
    return failed(path, ErrorCode::malformed,
                  "its " + std::to_string(head.size()) + " bytes are too few for the header of a capture; was it cut?");
  }
  if (const std::string what = hint(head); !what.empty()) return failed(path, ErrorCode::unsupported, what);
  const bool plain = is_pcap(head);
  auto source = is_pcapng ? open_pcapng(std::move(input), options)
                : plain   ? open_pcap(std::move(input), options)
                          : open_by_libpcap(std::move(input), options);
  if (!source) {
    const Error& error = source.error();
    const bool foreign = !is_pcapng && !plain && error.code == ErrorCode::malformed;
    return failed(path, error.code,
                  foreign ? "it is no capture in pcap or pcapng format (" + error.message + ")" : error.message);
  }
  return source;
}

}  // namespace lvsnat
