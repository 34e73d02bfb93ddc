#include "capture/byte_stream.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/text.h"

namespace lvsnat::capture {
namespace {

constexpr std::size_t kInput = 128 * 1024;
// xz -9 asks for 65 MiB; more than four times that is no preset, but an attack on our memory.
constexpr std::uint64_t kXzMemory = 256ULL << 20;

/// The part that all decompressors share: packed bytes at hand, first the ones that were read to tell the kind.
class Unpacker : public ByteStream {
 public:
  Unpacker(ByteStream& input, std::span<const std::uint8_t> head) : input_(input), packed_(std::max(kInput, head.size())) {
    std::copy(head.begin(), head.end(), packed_.begin());
    size_ = head.size();
  }

 protected:
  /// Returns false when there is nothing more to unpack.
  bool refill() {
    if (position_ < size_) return true;
    if (ended_) return false;
    position_ = 0;
    size_ = input_.read(packed_.data(), packed_.size());
    if (size_ == 0) {
      ended_ = true;
      if (input_.failure()) failure_ = input_.failure();
    }
    return size_ > 0;
  }
  [[nodiscard]] std::uint8_t* next() { return packed_.data() + position_; }
  [[nodiscard]] std::size_t left() const { return size_ - position_; }
  void advance_to(std::size_t still_left) { position_ = size_ - still_left; }
  void fail(const char* kind, const std::string& why) {
    failure_ = std::string("damaged ") + kind + " data: " + why;
    done_ = true;
  }
  /// Nothing is wrong with the data.
  void out_of_memory(const char* kind) {
    failure_ = std::string("not enough memory to unpack ") + kind + " data";
    done_ = true;
  }
  bool done_ = false;

 private:
  ByteStream& input_;
  std::vector<std::uint8_t> packed_;
  std::size_t position_ = 0, size_ = 0;
  bool ended_ = false;
};

class GzipStream final : public Unpacker {
 public:
  GzipStream(ByteStream& input, std::span<const std::uint8_t> head) : Unpacker(input, head) {
    if (inflateInit2(&z_, 15 + 16) != Z_OK) out_of_memory("gzip");
  }
  ~GzipStream() override { inflateEnd(&z_); }

  std::size_t read(std::uint8_t* to, std::size_t room) override {
    while (!done_) {
      if (member_ended_) {
        // Files concatenated by cat or written by pigz have several members; padding after them is no damage.
        if (!refill() || *next() != 0x1f) {
          done_ = true;
          break;
        }
        inflateReset(&z_);
        member_ended_ = false;
      }
      const bool more = refill();
      z_.next_in = next();
      z_.avail_in = static_cast<uInt>(left());
      z_.next_out = to;
      z_.avail_out = static_cast<uInt>(std::min<std::size_t>(room, 1U << 30));
      const uInt asked = z_.avail_out;
      const int rc = inflate(&z_, Z_NO_FLUSH);
      advance_to(z_.avail_in);
      const std::size_t got = asked - z_.avail_out;
      if (rc == Z_STREAM_END) {
        member_ended_ = true;
      } else if (rc == Z_BUF_ERROR || rc == Z_OK) {
        if (got == 0 && !more) {
          cut_ = true;
          done_ = true;
        }
      } else if (rc == Z_MEM_ERROR) {
        out_of_memory("gzip");
      } else {
        fail("gzip", z_.msg != nullptr ? z_.msg : "it cannot be unpacked");
      }
      if (got > 0) return got;
    }
    return 0;
  }

 private:
  z_stream z_{};
  bool member_ended_ = false;
};

class ZstdStream final : public Unpacker {
 public:
  ZstdStream(ByteStream& input, std::span<const std::uint8_t> head) : Unpacker(input, head), z_(ZSTD_createDStream()) {
    if (z_ == nullptr) out_of_memory("zstd");
  }
  ~ZstdStream() override { ZSTD_freeDStream(z_); }

  std::size_t read(std::uint8_t* to, std::size_t room) override {
    while (!done_) {
      const bool more = refill();
      if (!more && frame_ended_) {
        done_ = true;
        break;
      }
      ZSTD_inBuffer in{next(), left(), 0};
      ZSTD_outBuffer out{to, room, 0};
      const std::size_t rc = ZSTD_decompressStream(z_, &out, &in);
      advance_to(in.size - in.pos);
      if (ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation) {
        out_of_memory("zstd");
      } else if (ZSTD_isError(rc) != 0) {
        fail("zstd", ZSTD_getErrorName(rc));
      } else {
        frame_ended_ = rc == 0;
        if (!more && out.pos == 0 && !frame_ended_) {
          cut_ = true;
          done_ = true;
        }
      }
      if (out.pos > 0) return out.pos;
    }
    return 0;
  }

 private:
  ZSTD_DStream* z_;
  bool frame_ended_ = false;
};

class XzStream final : public Unpacker {
 public:
  XzStream(ByteStream& input, std::span<const std::uint8_t> head) : Unpacker(input, head) {
    if (lzma_stream_decoder(&z_, kXzMemory, LZMA_CONCATENATED) != LZMA_OK) out_of_memory("xz");
  }
  ~XzStream() override { lzma_end(&z_); }

  std::size_t read(std::uint8_t* to, std::size_t room) override {
    while (!done_) {
      const bool more = refill();
      z_.next_in = next();
      z_.avail_in = left();
      z_.next_out = to;
      z_.avail_out = room;
      const lzma_ret rc = lzma_code(&z_, more ? LZMA_RUN : LZMA_FINISH);
      advance_to(z_.avail_in);
      const std::size_t got = room - z_.avail_out;
      if (rc == LZMA_STREAM_END) {
        done_ = true;
      } else if (rc == LZMA_BUF_ERROR || rc == LZMA_OK) {
        if (got == 0 && !more) {
          cut_ = true;
          done_ = true;
        }
      } else if (rc == LZMA_MEM_ERROR) {
        out_of_memory("xz");
      } else if (rc == LZMA_MEMLIMIT_ERROR) {
        fail("xz", "unpacking it would take more than 256 MiB of memory");
      } else {
        fail("xz", rc == LZMA_DATA_ERROR ? "a checksum or code is wrong" : "it cannot be unpacked");
      }
      if (got > 0) return got;
    }
    return 0;
  }

 private:
  lzma_stream z_ = LZMA_STREAM_INIT;
};

}  // namespace

DescriptorStream::DescriptorStream(Descriptor fd, std::optional<std::uint64_t> size, std::uint64_t start)
    : fd_(std::move(fd)), wake_(size ? -1 : ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), size_(size), offset_(start) {}

std::size_t DescriptorStream::read(std::uint8_t* to, std::size_t room) {
  while (!stopped()) {
    if (!size_) {
      std::array<pollfd, 2> wait{{{fd_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
      if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) {
        failure_ = "waiting for more: " + reason(errno);
        return 0;
      }
      if (wait[0].revents == 0) continue;
    }
    const ssize_t got = ::read(fd_.get(), to, room);
    if (got >= 0) {
      offset_ += static_cast<std::uint64_t>(got);
      return static_cast<std::size_t>(got);
    }
    if (errno == EINTR || errno == EAGAIN) continue;
    failure_ = reason(errno);
    return 0;
  }
  return 0;
}

std::optional<double> DescriptorStream::progress() const {
  if (!size_ || *size_ == 0) return std::nullopt;
  return std::min(1.0, static_cast<double>(offset_) / static_cast<double>(*size_));
}

void DescriptorStream::stop() noexcept {
  stopped_.store(true, std::memory_order_relaxed);
  if (!wake_.is_open()) return;
  const int saved = errno;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(wake_.get(), &one, sizeof one);
  errno = saved;
}

Compression compression_of(std::span<const std::uint8_t> head) noexcept {
  const auto begins = [&](std::initializer_list<std::uint8_t> magic) {
    return head.size() >= magic.size() && std::equal(magic.begin(), magic.end(), head.begin());
  };
  if (begins({0x1f, 0x8b, 0x08})) return Compression::gzip;
  if (begins({0x28, 0xb5, 0x2f, 0xfd})) return Compression::zstd;
  // A skippable frame in front (pzstd writes one): RFC 8878, 3.1.2.
  if (head.size() >= 4 && (head[0] & 0xf0) == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18)
    return Compression::zstd;
  if (begins({0xfd, '7', 'z', 'X', 'Z', 0x00})) return Compression::xz;
  return Compression::none;
}

std::unique_ptr<ByteStream> unpack(Compression kind, ByteStream& input, std::span<const std::uint8_t> head) {
  switch (kind) {
    case Compression::gzip:
      return std::make_unique<GzipStream>(input, head);
    case Compression::zstd:
      return std::make_unique<ZstdStream>(input, head);
    case Compression::xz:
      return std::make_unique<XzStream>(input, head);
    case Compression::none:
      break;
  }
  return nullptr;
}

Window::Window(ByteStream* stream, std::size_t limit)
    : stream_(stream), limit_(std::max(limit, kSize)), buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(kSize)) {}

bool Window::want(std::size_t n) {
  if (available() >= n) return true;
  assert(n <= limit_);
  if (n > limit_) return false;
  const std::size_t held = available();
  if (n > capacity_) {
    std::size_t capacity = capacity_;
    while (capacity < n) capacity *= 2;
    auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    std::memcpy(larger.get(), data(), held);
    buffer_ = std::move(larger);
    capacity_ = capacity;
  } else if (begin_ > 0) {
    std::memmove(buffer_.get(), data(), held);
  }
  begin_ = 0;
  end_ = held;
  while (end_ < n && !ended_) {
    const std::size_t got = stream_->read(buffer_.get() + end_, capacity_ - end_);
    if (got == 0) ended_ = true;
    end_ += got;
  }
  return end_ >= n;
}

void Window::switch_to(ByteStream* stream) noexcept {
  stream_ = stream;
  begin_ = end_ = 0;
  offset_ = 0;
  ended_ = false;
}

}  // namespace lvsnat::capture
