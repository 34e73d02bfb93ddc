// Capture files made byte by byte, so that a test does not rest on the code that it tests.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/capture.h"

namespace lvsnat::test {

/// Bytes in a chosen order.
class Bytes {
 public:
  explicit Bytes(bool big = false) : big_(big) {}
  Bytes& u8(unsigned v) { return text.push_back(static_cast<char>(v)), *this; }
  Bytes& u16(unsigned v) { return number(v, 2); }
  Bytes& u32(std::uint64_t v) { return number(v, 4); }
  Bytes& u64(std::uint64_t v) { return number(v, 8); }
  Bytes& raw(std::string_view v) { return text.append(v), *this; }
  Bytes& pad() { return text.resize((text.size() + 3) / 4 * 4), *this; }
  std::string text;

 private:
  Bytes& number(std::uint64_t v, int size) {
    for (int i = 0; i < size; ++i) u8(static_cast<unsigned>(v >> 8 * (big_ ? size - 1 - i : i) & 0xff));
    return *this;
  }
  bool big_;
};

struct PcapShape {
  bool big = false;
  std::uint32_t magic = 0xa1b2c3d4;
  std::uint32_t link = 1;
  std::uint16_t minor = 4;
};

inline std::string pcap_header(const PcapShape& shape = {}) {
  Bytes b(shape.big);
  b.u32(shape.magic).u16(2).u16(shape.minor).u32(0).u32(0).u32(262144).u32(shape.link);
  return b.text;
}
inline std::string pcap_record(const PcapShape& shape, std::uint32_t seconds, std::uint32_t fraction, std::string_view data,
                               std::uint32_t wire = 0) {
  Bytes b(shape.big);
  b.u32(seconds).u32(fraction).u32(data.size()).u32(wire == 0 ? data.size() : wire);
  if (shape.magic == 0xa1b2cd34) b.u64(0);
  return b.raw(data).text;
}

/// One pcapng section: blocks are appended in the order of the calls.
class Pcapng {
 public:
  explicit Pcapng(bool big = false) : big_(big) { section(); }
  Pcapng& section() {
    Bytes b(big_);
    b.u32(0x1a2b3c4d).u16(1).u16(0).u64(~std::uint64_t{0});
    return block(0x0a0d0d0a, b.text);
  }
  /// `resolution`: if_tsresol, 255 for none. `offset`: if_tsoffset, 0 for none.
  Pcapng& interface(unsigned link, std::string_view name = {}, unsigned resolution = 255, std::int64_t offset = 0,
                    std::uint32_t snaplen = 0) {
    Bytes b(big_);
    b.u16(link).u16(0).u32(snaplen);
    if (!name.empty()) b.u16(2).u16(static_cast<unsigned>(name.size())).raw(name).pad();
    if (resolution != 255) b.u16(9).u16(1).u8(resolution).pad();
    if (offset != 0) b.u16(14).u16(8).u64(static_cast<std::uint64_t>(offset));
    return block(1, b.u32(0).text);
  }
  Pcapng& packet(std::uint32_t interface, std::uint64_t ticks, std::string_view data, std::uint64_t dropped = 0) {
    Bytes b(big_);
    b.u32(interface).u32(ticks >> 32).u32(ticks & 0xffffffff).u32(data.size()).u32(data.size()).raw(data).pad();
    if (dropped > 0) b.u16(4).u16(8).u64(dropped).u32(0);
    return block(6, b.text);
  }
  Pcapng& block(std::uint32_t type, std::string_view body) {
    Bytes b(big_);
    const std::uint32_t length = static_cast<std::uint32_t>(body.size()) + 12;
    text += b.u32(type).u32(length).raw(body).u32(length).text;
    return *this;
  }
  std::string text;

 private:
  bool big_;
};

/// An empty folder that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lvsnat-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string file(const std::string& name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    std::string bytes(std::filesystem::file_size(path(name)), '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return bytes;
  }

 private:
  std::filesystem::path path_;
};

/// A frame that outlives its source's next read().
struct Seen {
  Timestamp time;
  std::string data;
  std::uint32_t wire, number;
  std::uint16_t vantage;
  LinkType link;
};

inline std::vector<Seen> drain(PacketSource& source, std::size_t batch = 7) {
  std::vector<Seen> all;
  std::vector<Frame> frames(batch);
  while (const std::size_t n = source.read(frames)) {
    for (std::size_t i = 0; i < n; ++i) {
      const Frame& f = frames[i];
      std::string data;
      for (std::uint32_t k = 0; k < f.captured; ++k) data.push_back(static_cast<char>(f.data[k]));
      all.push_back({f.time, std::move(data), f.wire, f.number, f.vantage, f.link});
    }
  }
  return all;
}

}  // namespace lvsnat::test
