// Bytes of a capture as they come: from a descriptor, or unpacked from gzip, zstd or xz on the way.
// Bounded memory, no seeking, so pipes work like files. One thread at a time, stop() from anywhere.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "capture/descriptor.h"

namespace lvsnat::capture {

class ByteStream {
 public:
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  virtual ~ByteStream() = default;

  /// Up to `room` bytes; returns what is there rather than waiting for all. 0: the end, or failure() says why not.
  virtual std::size_t read(std::uint8_t* to, std::size_t room) = 0;
  /// Why the bytes ended early; nullopt at a true end.
  [[nodiscard]] const std::optional<std::string>& failure() const { return failure_; }
  /// Compressed data that stop in the middle.
  [[nodiscard]] bool cut() const { return cut_; }

 protected:
  std::optional<std::string> failure_;
  bool cut_ = false;
};

/// A descriptor. Pipes are waited for together with an eventfd, so that stop() ends the wait.
class DescriptorStream final : public ByteStream {
 public:
  /// `size`: of a regular file, nullopt for what has none. `start`: where a shared descriptor stands already.
  DescriptorStream(Descriptor fd, std::optional<std::uint64_t> size, std::uint64_t start);
  std::size_t read(std::uint8_t* to, std::size_t room) override;
  /// Share of the file that was read, 0..1.
  [[nodiscard]] std::optional<double> progress() const;
  /// Async-signal-safe.
  void stop() noexcept;
  [[nodiscard]] bool stopped() const noexcept { return stopped_.load(std::memory_order_relaxed); }

 private:
  Descriptor fd_, wake_;
  std::optional<std::uint64_t> size_;
  std::uint64_t offset_ = 0;
  std::atomic<bool> stopped_{false};
};

enum class Compression { none, gzip, zstd, xz };
/// What the first bytes of a file (six suffice) say; never by name.
Compression compression_of(std::span<const std::uint8_t> head) noexcept;
/// Unpacks `input`, which must outlive the result. `head`: bytes already taken from it. Null only if memory is short.
std::unique_ptr<ByteStream> unpack(Compression kind, ByteStream& input, std::span<const std::uint8_t> head);

/// A movable view of a stream: the bytes not yet consumed, contiguous.
class Window {
 public:
  static constexpr std::size_t kSize = 256 * 1024;

  /// `limit`: the most that want() may ask for.
  explicit Window(ByteStream* stream, std::size_t limit);
  [[nodiscard]] const std::uint8_t* data() const noexcept { return buffer_.get() + begin_; }
  [[nodiscard]] std::size_t available() const noexcept { return end_ - begin_; }
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }  ///< of data(), in the unpacked stream
  void consume(std::size_t n) noexcept {
    begin_ += n;
    offset_ += n;
  }
  /// Makes at least `n` bytes available, moving those that are there: what points into the window dies. False at the end.
  bool want(std::size_t n);
  /// Goes on with another stream, as if its bytes followed those consumed so far.
  void switch_to(ByteStream* stream) noexcept;

 private:
  ByteStream* stream_;
  std::size_t limit_;
  std::size_t capacity_ = kSize;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t offset_ = 0;
  bool ended_ = false;
};

}  // namespace lvsnat::capture
