// pcapng and pcap over write(2): libpcap's writer reports success while a full disk swallows its records.
#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "capture/descriptor.h"
#include "lvsnat/capture.h"

namespace lvsnat {
namespace capture {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;
// An option holds 65,535 bytes; this is more than anyone reads.
constexpr std::size_t kLongestText = 16'000;

class Writer final : public CaptureWriter {
 public:
  Writer(std::string path, Options options) : path_(std::move(path)), options_(std::move(options)) {
    buffer_.reserve(kBuffer + 4096);
  }
  ~Writer() override { static_cast<void>(close()); }

  Status open() {
    if (path_ == "-") {
      fd_ = Descriptor(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
      if (!fd_.is_open()) return failed(ErrorCode::io, "standard output is closed");
      if (::isatty(fd_.get()) == 1) {
        fd_.reset();
        return failed(ErrorCode::usage, "standard output is a terminal; send it to a file or a program");
      }
    } else {
      // O_NONBLOCK: a FIFO without a reader must be an error, not a wait.
      const int how = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
      do {
        fd_ = Descriptor(::open(path_.c_str(), options_.overwrite ? how : how | O_EXCL, S_IRUSR | S_IWUSR));
      } while (!fd_.is_open() && errno == EINTR);
      if (!fd_.is_open()) return refused(errno);
      struct stat about {};
      if (::fstat(fd_.get(), &about) != 0) return abandoned(errno);
      if (!S_ISREG(about.st_mode) && !S_ISCHR(about.st_mode)) {
        fd_.reset();
        return failed(ErrorCode::usage, "it is no regular file");
      }
      if (S_ISREG(about.st_mode)) {
        if (::ftruncate(fd_.get(), 0) != 0) return abandoned(errno);
        regular_ = true;
      }
      ::fcntl(fd_.get(), F_SETFL, ::fcntl(fd_.get(), F_GETFL) & ~O_NONBLOCK);
    }
    if (options_.format == Format::pcapng) section();
    return ok();
  }

  Status write(const Frame& frame, std::span<const Vantage> vantages, std::string_view comment) override {
    if (broken_) return *broken_;
    if (!fd_.is_open()) return failed(ErrorCode::usage, "it is closed already");
    if (frame.vantage >= vantages.size()) return failed(ErrorCode::usage, "a packet of an unknown vantage");
    if (options_.format == Format::pcap) {
      if (!pcap_link_) {
        pcap_link_ = frame.link;
        pcap_header(vantages[frame.vantage]);
      }
      if (*pcap_link_ != frame.link) {
        return failed(ErrorCode::unsupported, "pcap holds one link type (" + std::to_string(static_cast<unsigned>(*pcap_link_)) +
                                                  ", this packet has " + std::to_string(static_cast<unsigned>(frame.link)) +
                                                  "): write pcapng instead");
      }
      const auto [seconds, nanoseconds] = split_time(frame.time);
      put32(seconds);
      put32(nanoseconds);
      put32(frame.captured);
      put32(frame.wire);
      put(frame.data, frame.captured);
      mark();
    } else {
      const std::uint32_t interface = interface_of(frame, vantages);
      const std::size_t at = begin_block(6);
      put32(interface);
      const auto ticks = static_cast<std::uint64_t>(std::max<Timestamp>(frame.time, 0));
      put32(static_cast<std::uint32_t>(ticks >> 32));
      put32(static_cast<std::uint32_t>(ticks));
      put32(frame.captured);
      put32(frame.wire);
      put(frame.data, frame.captured);
      pad();
      if (!comment.empty()) {
        option(1, printable(comment, kLongestText));
        put32(0);
      }
      end_block(at);
    }
    ++packets_;
    if (buffer_.size() >= kBuffer) return flush();
    return ok();
  }

  Status flush() override {
    if (broken_) return *broken_;
    if (!fd_.is_open()) return failed(ErrorCode::usage, "it is closed already");
    std::size_t done = 0;
    while (done < buffer_.size()) {
      const ssize_t wrote = ::write(fd_.get(), buffer_.data() + done, buffer_.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0 && errno == EAGAIN) {
        // A pipe that another program made non-blocking.
        pollfd takes{fd_.get(), POLLOUT, 0};
        ::poll(&takes, 1, -1);
        continue;
      }
      if (wrote <= 0) return damaged(wrote < 0 ? errno : ENOSPC, done);
      done += static_cast<std::size_t>(wrote);
    }
    written_ += done;
    buffer_.clear();
    records_.clear();
    return ok();
  }

  Status close() override {
    if (!fd_.is_open()) return broken_ ? Status(*broken_) : ok();
    if (options_.format == Format::pcap && !pcap_link_ && !broken_) {
      // Nothing was captured: still a file that every reader opens.
      pcap_link_ = LinkType::ethernet;
      pcap_header({});
    }
    Status status = flush();
    // NFS and quotas may tell only here.
    if (::close(fd_.release()) != 0 && status) {
      broken_ = failed(ErrorCode::io, reason(errno));
      return *broken_;
    }
    return status;
  }

  [[nodiscard]] std::uint64_t packets() const override { return packets_; }

 private:
  [[nodiscard]] Error failed(ErrorCode code, const std::string& why) const {
    return {code, "writing " + (path_ == "-" ? std::string("standard output") : printable(path_, 300)) + ": " + why};
  }
  [[nodiscard]] Error refused(int error) const {
    switch (error) {
      case EEXIST:
        return failed(ErrorCode::usage, "it exists already, and is not overwritten");
      case ELOOP:
        return failed(ErrorCode::usage, "it is a symbolic link, which is not followed");
      case EISDIR:
        return failed(ErrorCode::usage, "it is a directory");
      case ENXIO:
        return failed(ErrorCode::usage, "it is a FIFO or socket that nobody reads");
      case ENOENT:
      case ENOTDIR:
        return failed(ErrorCode::not_found, "its directory does not exist");
      case EACCES:
      case EPERM:
      case EROFS:
        return failed(ErrorCode::no_permission, reason(error));
      default:
        return failed(ErrorCode::io, reason(error));
    }
  }

  /// It cannot be used after all: what this made goes away again.
  Error abandoned(int error) {
    fd_.reset();
    if (!options_.overwrite) ::unlink(path_.c_str());
    return failed(ErrorCode::io, reason(error));
  }

  /// `done` bytes of the buffer were written, then `error` came: keeps whole records only.
  Error damaged(int error, std::size_t done) {
    const auto whole = std::upper_bound(records_.begin(), records_.end(), done);
    const std::size_t keep = whole == records_.begin() ? 0 : *(whole - 1);
    std::string why = reason(error);
    if (regular_) {
      if (::ftruncate(fd_.get(), static_cast<off_t>(written_ + keep)) == 0) {
        why += "; it ends after the last packet that fitted";
      } else {
        why += "; its last packet is incomplete";
      }
    }
    buffer_.clear();
    records_.clear();
    broken_ = failed(ErrorCode::io, why);
    return *broken_;
  }

  void put(const void* data, std::size_t size) {
    const auto* p = static_cast<const std::uint8_t*>(data);
    if (size > 0) buffer_.insert(buffer_.end(), p, p + size);
  }
  // Both formats are written in the machine's own byte order; their magic numbers tell which.
  void put16(std::uint16_t v) { put(&v, sizeof v); }
  void put32(std::uint32_t v) { put(&v, sizeof v); }
  void pad() { buffer_.resize((buffer_.size() - block_at_ + 3) / 4 * 4 + block_at_); }
  void mark() { records_.push_back(buffer_.size()); }

  std::size_t begin_block(std::uint32_t type) {
    block_at_ = buffer_.size();
    put32(type);
    put32(0);
    return block_at_;
  }
  void end_block(std::size_t at) {
    const auto length = static_cast<std::uint32_t>(buffer_.size() - at + 4);
    put32(length);
    std::memcpy(buffer_.data() + at + 4, &length, sizeof length);
    mark();
  }
  void option(std::uint16_t code, std::string_view text) {
    put16(code);
    put16(static_cast<std::uint16_t>(text.size()));
    put(text.data(), text.size());
    pad();
  }

  void section() {
    const std::size_t at = begin_block(0x0a0d0d0a);
    put32(0x1a2b3c4d);
    put16(1);
    put16(0);
    put32(0xffffffff);  // length of the section: not known, -1
    put32(0xffffffff);
    if (!options_.comment.empty()) option(1, printable(options_.comment, kLongestText));
    if (!options_.application.empty()) option(4, printable(options_.application, 200));
    put32(0);
    end_block(at);
  }

  std::uint32_t interface_of(const Frame& frame, std::span<const Vantage> vantages) {
    const Vantage& vantage = vantages[frame.vantage];
    for (std::uint32_t i = 0; i < interfaces_.size(); ++i) {
      if (interfaces_[i].vantage == frame.vantage && interfaces_[i].link == frame.link) return i;
    }
    const std::size_t at = begin_block(1);
    put16(static_cast<std::uint16_t>(frame.link));
    put16(0);
    put32(vantage.snaplen);
    // The interface's own name where it is known, and which file it came from.
    if (!vantage.interface.empty() || !vantage.source.empty()) {
      option(2, printable(vantage.interface.empty() ? vantage.source : vantage.interface, 200));
    }
    if (!vantage.source.empty() && vantage.source != vantage.interface) option(3, printable(vantage.source, 1000));
    put16(9);  // if_tsresol: 10^-9
    put16(1);
    put32(std::endian::native == std::endian::little ? 9 : 9U << 24);
    put32(0);
    end_block(at);
    interfaces_.push_back({frame.vantage, frame.link});
    return static_cast<std::uint32_t>(interfaces_.size() - 1);
  }

  void pcap_header(const Vantage& vantage) {
    put32(0xa1b23c4d);
    put16(2);
    put16(4);
    put32(0);
    put32(0);
    put32(vantage.snaplen == 0 ? 262'144 : vantage.snaplen);
    put32(static_cast<std::uint16_t>(*pcap_link_));
    mark();
  }

  /// pcap counts seconds in 32 unsigned bits: 1970 to 2106.
  static std::pair<std::uint32_t, std::uint32_t> split_time(Timestamp time) {
    time = std::clamp<Timestamp>(time, 0, 0xffff'ffffLL * kSecond + 999'999'999);
    return {static_cast<std::uint32_t>(time / kSecond), static_cast<std::uint32_t>(time % kSecond)};
  }

  struct Interface {
    std::uint16_t vantage;
    LinkType link;
  };

  std::string path_;
  Options options_;
  Descriptor fd_;
  bool regular_ = false;
  std::vector<std::uint8_t> buffer_;
  std::vector<std::size_t> records_;  // where each record in the buffer ends
  std::size_t block_at_ = 0;
  std::uint64_t written_ = 0, packets_ = 0;
  std::vector<Interface> interfaces_;
  std::optional<LinkType> pcap_link_;
  std::optional<Error> broken_;
};

}  // namespace
}  // namespace capture

CaptureWriter::~CaptureWriter() = default;

Result<std::unique_ptr<CaptureWriter>> CaptureWriter::create(const std::string& path, const Options& options) {
  auto writer = std::make_unique<capture::Writer>(path, options);
  if (auto status = writer->open(); !status) return status.error();
  return std::unique_ptr<CaptureWriter>(std::move(writer));
}

}  // namespace lvsnat
