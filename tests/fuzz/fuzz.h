// What the fuzz targets share. A target is one file: it defines LLVMFuzzerTestOneInput(), which hands the bytes to one parser
// and demands what must hold whatever the bytes are. The same files are run over the kept inputs by ordinary tests
// (replay.cc), so that what a fuzzer once found stays found without one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace lvsnat::fuzz {

/// Ends the program where a promise is broken; the fuzzer keeps the input.
inline void demand(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

/// What may go to a terminal or into a message: no control character, no DEL, no direction mark (Unicode TR 9).
inline bool clean(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return false;
    if (byte == 0xe2 && i + 2 < text.size()) {
      const auto second = static_cast<unsigned char>(text[i + 1]), third = static_cast<unsigned char>(text[i + 2]);
      if (second == 0x80 && (third == 0x8e || third == 0x8f || (third >= 0xaa && third <= 0xae))) return false;
      if (second == 0x81 && third >= 0xa6 && third <= 0xa9) return false;
    }
  }
  return true;
}

/// Reads numbers off the front of an input; zeros once it is used up.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return size_ == 0; }
  std::uint8_t u8() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::uint16_t u16() {
    const std::uint16_t high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  /// The next `wanted` bytes, or as many as are left.
  std::string_view text(std::size_t wanted) {
    const std::size_t taken = wanted < size_ ? wanted : size_;
    const std::string_view view(reinterpret_cast<const char*>(data_), taken);
    data_ += taken;
    size_ -= taken;
    return view;
  }
  std::string_view rest() { return text(size_); }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

}  // namespace lvsnat::fuzz
