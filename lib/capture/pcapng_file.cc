// The pcapng format: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html. libpcap refuses files whose
// interfaces differ in link type or snapshot length and hides which interface a packet came from; both matter here.
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <tuple>

#include "base/bytes.h"
#include "base/text.h"
#include "capture/file_source.h"

namespace lvsnat::capture {
namespace {

enum Block : std::uint32_t {
  kSection = 0x0a0d0d0a,
  kInterface = 1,
  kPacket = 2,  // obsolete, before 2004
  kSimplePacket = 3,
  kStatistics = 5,
  kEnhancedPacket = 6,
  kJournal = 9,
  kCustom = 0x00000bad,
  kCustomUncopied = 0x40000bad,
};
enum Option : std::uint16_t {
  kEnd = 0,
  kIfName = 2,
  kIfResolution = 9,
  kIfOffset = 14,
  kEpbDropCount = 4,
  kIsbIfDrop = 5,
  kIsbOsDrop = 7,
};
constexpr std::uint32_t kByteOrder = 0x1a2b3c4d;
// The limit of libpcap and Wireshark. A block must be at hand as a whole.
constexpr std::uint32_t kMaxBlock = 16U << 20;
constexpr std::size_t kMaxInterfaces = 65'536;

__extension__ using Wide = __int128;

// From 1938 to 2223: whoever takes one such time from another, or adds a while to it, need not fear an overflow.
constexpr Timestamp kEarliest = -1'000'000'000 * kSecond, kLatest = 8'000'000'000 * kSecond;

Timestamp clamped(Wide value) noexcept {
  if (value > kLatest) return kLatest;
  if (value < kEarliest) return kEarliest;
  return static_cast<Timestamp>(value);
}

struct Interface {
  std::uint32_t snaplen = 0;
  LinkType link = LinkType::ethernet;
  std::uint16_t vantage = 0;
  const PacketFilter* filter = nullptr;
  bool left_out = false;            // the filter does not compile for this link type
  std::uint64_t units = 1'000'000;  // ticks in a second
  std::int64_t offset = 0;          // seconds
  std::uint32_t largest = kMaxPacket;
  std::optional<std::uint64_t> dropped;  // as the last statistics block says
  std::uint64_t dropped_before_packets = 0;
  std::optional<Timestamp> last;

  [[nodiscard]] Timestamp time(std::uint64_t ticks) const noexcept {
    if (offset == 0) {
      if (units == 1'000'000'000 && ticks < std::uint64_t{kLatest}) return static_cast<Timestamp>(ticks);
      if (units == 1'000'000 && ticks < std::uint64_t{kLatest} / 1000) return static_cast<Timestamp>(ticks * 1000);
    }
    const std::uint64_t seconds = ticks / units;
    const Wide rest = static_cast<Wide>(ticks % units) * kSecond / units;
    return clamped((static_cast<Wide>(seconds) + offset) * kSecond + rest);
  }
};

class PcapngSource final : public FileSource {
 public:
  PcapngSource(Input input, const CaptureFileOptions& options) : FileSource(std::move(input), options) {}

  /// Reads up to the first interface, so that a useless file or filter is refused at once.
  Status start() {
    std::array<Frame, 1> none;
    reading_headers_ = true;
    while (!ended_ && interfaces_.empty()) {
      take(std::span(none).first(0));
      if (!ended_ && interfaces_.empty() && !input_.window->want(needed_)) {
        if (input_.window->available() == 0 && in_section_ && !input_.stream().failure()) {
          end(false);
          return ok();
        }
        end(input_.window->available() > 0);
      }
    }
    reading_headers_ = false;
    if (interfaces_.empty()) return Error{ErrorCode::malformed, statistics_.problem.value_or("no interface is described")};
    if (!filters_.empty() && interfaces_[0].left_out) return filters_.prepare(interfaces_[0].link);
    return ok();
  }

  std::size_t read(std::span<Frame> out) override {
    while (!ended_ && !out.empty()) {
      const std::size_t got = take(out);
      if (got > 0) return got;
      // Frames handed out point into the window: it may move only while there are none.
      if (!ended_ && !input_.window->want(needed_)) end(input_.window->available() > 0);
    }
    return 0;
  }

  [[nodiscard]] std::vector<SourceStatistics> statistics() const override {
    auto now = FileSource::statistics();
    std::optional<std::uint64_t> dropped = dropped_;
    for (const Interface& i : interfaces_) add_drops(i, dropped);
    now[0].dropped = dropped;
    return now;
  }

 private:
  [[nodiscard]] std::uint16_t load16(const std::uint8_t* p) const noexcept { return big_ ? load_be16(p) : load_le16(p); }
  [[nodiscard]] std::uint32_t load32(const std::uint8_t* p) const noexcept { return big_ ? load_be32(p) : load_le32(p); }
  [[nodiscard]] std::uint64_t load64(const std::uint8_t* p) const noexcept {
    const std::uint64_t a = load32(p), b = load32(p + 4);
    return big_ ? a << 32 | b : b << 32 | a;
  }

  /// Calls see(code, bytes) for each option; stops at one that overruns.
  template <typename See>
  void options(const std::uint8_t* p, std::size_t left, See see) const {
    while (left >= 4) {
      const std::uint16_t code = load16(p), length = load16(p + 2);
      p += 4;
      left -= 4;
      if (code == kEnd || length > left) return;
      see(code, std::span(p, length));
      const std::size_t padded = std::min<std::size_t>((length + std::size_t{3}) & ~std::size_t{3}, left);
      p += padded;
      left -= padded;
    }
  }

  /// Consumes whole blocks until `out` is full (while reading headers: until an interface is known) or bytes are missing.
  std::size_t take(std::span<Frame> out) {
    std::size_t count = 0;
    Window& window = *input_.window;
    while (!ended_ && (count < out.size() || (reading_headers_ && interfaces_.empty()))) {
      if (big_ ? take_plain<true>(out, count) : take_plain<false>(out, count)) continue;
      const std::uint8_t* const block = window.data();
      const std::size_t available = window.available();
      if (available < 12) {
        needed_ = 12;
        break;
      }
      const std::uint32_t type = load32(block);
      if (type == kSection && !byte_order(block + 8)) {
        if (count == 0) give_up("a section header has no byte-order mark");
        break;
      }
      const std::uint32_t length = load32(block + 4);
      if (length < 12 || length % 4 != 0 || length > kMaxBlock || (type == kSection && length < 28)) {
        if (count == 0)
          give_up("a block of type " + std::to_string(type) + " claims the impossible length " + std::to_string(length));
        break;
      }
      if (available < length) {
        needed_ = length;
        break;
      }
      if (load32(block + length - 4) != length) {
        if (count == 0) give_up("the two lengths of a block differ");
        break;
      }
      const std::uint8_t* const body = block + 8;
      const std::size_t size = length - 12;
      std::string wrong;
      switch (type) {
        case kEnhancedPacket:
          wrong = enhanced(body, size, out, count);
          break;
        case kPacket:
          wrong = obsolete(body, size, out, count);
          break;
        case kSimplePacket:
          wrong = simple(body, size, out, count);
          break;
        case kInterface:
          wrong = interface(body, size);
          break;
        case kStatistics:
          interface_statistics(body, size);
          break;
        case kSection:
          wrong = section(body);
          break;
        // No packets, but Wireshark gives them frame numbers, and ours must be the same.
        case kJournal:
        case kCustom:
        case kCustomUncopied:
          ++number_;
          break;
        default:
          break;  // names, secrets: nothing to diagnose in them
      }
      if (!wrong.empty()) {
        // The frames before it go out first; the next call meets the block again.
        if (count == 0) give_up(wrong);
        break;
      }
      window.consume(length);
    }
    return count;
  }

  /// What such a file is full of: packets in enhanced blocks without options, of an interface without a filter. Consumes as
  /// many as stand in a row; false where there is none, and take() has to look closer.
  template <bool kBig>
  bool take_plain(std::span<Frame> out, std::size_t& count) {
    const auto load = [](const std::uint8_t* p) { return kBig ? load_be32(p) : load_le32(p); };
    constexpr std::size_t kAround = 32;  // bytes of a block beside its packet
    const std::uint8_t* const begin = input_.window->data();
    const std::uint8_t* const stop_at = begin + input_.window->available();
    const std::uint8_t* p = begin;
    const std::size_t before = count;
    while (count < out.size() && static_cast<std::size_t>(stop_at - p) >= kAround) {
      const std::uint32_t length = load(p + 4), id = load(p + 8), captured = load(p + 20);
      if (load(p) != kEnhancedPacket || id >= interfaces_.size()) break;
      Interface& from = interfaces_[id];
      // `largest` keeps the sum from wrapping around.
      if (captured > from.largest || length > kMaxBlock || length != kAround + ((captured + 3) & ~3U)) break;
      if (static_cast<std::size_t>(stop_at - p) < length || load(p + length - 4) != length) break;
      if (from.left_out || from.filter != nullptr) break;
      const Timestamp time = from.time(std::uint64_t{load(p + 12)} << 32 | load(p + 16));
      from.last = time;
      time_ = time;
      first_ = std::min(first_, time);
      last_ = std::max(last_, time);
      Frame& frame = out[count++];
      frame.time = time;
      frame.data = p + 28;
      frame.captured = captured;
      frame.wire = std::max(load(p + 24), captured);
      frame.number = ++number_;
      frame.vantage = from.vantage;
      frame.link = from.link;
      p += length;
    }
    statistics_.packets += count - before;
    input_.window->consume(static_cast<std::size_t>(p - begin));
    return count != before;
  }

  /// Sets the byte order of the section that begins; its own length is to be read in it already.
  bool byte_order(const std::uint8_t* mark) noexcept {
    if (load_be32(mark) == kByteOrder) {
      big_ = true;
    } else if (load_le32(mark) == kByteOrder) {
      big_ = false;
    } else {
      return false;
    }
    return true;
  }

  std::string section(const std::uint8_t* body) {
    const std::uint16_t major = load16(body + 4), minor = load16(body + 6);
    // 1.2 is what some writers say for 1.0 (libpcap accepts it too).
    if (major != 1 || (minor != 0 && minor != 2)) {
      return "pcapng version " + std::to_string(major) + "." + std::to_string(minor) + " is not known";
    }
    for (const Interface& i : interfaces_) add_drops(i, dropped_);
    interfaces_.clear();
    in_section_ = true;
    return {};
  }

  static void add_drops(const Interface& i, std::optional<std::uint64_t>& sum) {
    if (!i.dropped && i.dropped_before_packets == 0) return;
    // Both tell of the same losses, the one at the end and the other on the way.
    sum = sum.value_or(0) + std::max(i.dropped.value_or(0), i.dropped_before_packets);
  }

  std::string interface(const std::uint8_t* body, std::size_t size) {
    if (!in_section_) return "an interface stands before any section";
    if (size < 8) return "an interface description is too short";
    if (interfaces_.size() >= kMaxInterfaces) return "more than 65,536 interfaces in a section";
    Interface next;
    next.link = link_in_file(load16(body));
    next.largest = largest_record(load16(body));
    next.snaplen = load32(body + 4);
    std::string name, wrong;
    options(body + 8, size - 8, [&](std::uint16_t code, std::span<const std::uint8_t> value) {
      if (code == kIfName) {
        name.assign(value.begin(), value.end());
        if (const auto nul = name.find('\0'); nul != std::string::npos) name.resize(nul);
      } else if (code == kIfResolution && !value.empty()) {
        if (!resolution(value[0], next.units)) wrong = "an interface has a time resolution finer than can be counted";
      } else if (code == kIfOffset && value.size() >= 8) {
        next.offset = static_cast<std::int64_t>(load64(value.data()));
      }
    });
    if (!wrong.empty()) return wrong;
    name = printable(name, 64);
    // The same interface in a later section (files put together by cat) is the same vantage.
    const auto key = std::tuple(interfaces_.size(), name, next.link, next.snaplen);
    if (const auto found = known_.find(key); found != known_.end()) {
      next.vantage = found->second;
    } else {
      next.vantage = add_vantage(name, next.link, next.snaplen);
      if (known_.size() < kMaxVantages) known_.emplace(key, next.vantage);
    }
    if (!filters_.empty()) {
      const Status status = filters_.prepare(next.link);
      next.filter = filters_.find(next.link);
      next.left_out = next.filter == nullptr;
      if (next.left_out && !interfaces_.empty() && !told_left_out_) {
        note(status.error().message + ": packets of that link type are left out");
        told_left_out_ = true;
      }
    }
    interfaces_.push_back(next);
    return {};
  }

  static bool resolution(std::uint8_t value, std::uint64_t& units) noexcept {
    const unsigned exponent = value & 0x7f;
    if ((value & 0x80) != 0) {
      if (exponent > 63) return false;
      units = std::uint64_t{1} << exponent;
    } else {
      if (exponent > 19) return false;
      units = 1;
      for (unsigned i = 0; i < exponent; ++i) units *= 10;
    }
    return true;
  }

  std::string enhanced(const std::uint8_t* body, std::size_t size, std::span<Frame> out, std::size_t& count) {
    if (size < 20) return "a packet block is too short";
    const std::uint32_t id = load32(body), captured = load32(body + 12), wire = load32(body + 16);
    if (id >= interfaces_.size()) return unknown_interface(id);
    Interface& from = interfaces_[id];
    if (captured > size - 20 || captured > from.largest) return impossible(captured);
    const std::uint64_t ticks = std::uint64_t{load32(body + 4)} << 32 | load32(body + 8);
    const Timestamp time = from.time(ticks);
    const std::size_t padded = std::min<std::size_t>((std::size_t{captured} + 3) & ~std::size_t{3}, size - 20);
    if (size - 20 - padded >= 12) {
      options(body + 20 + padded, size - 20 - padded, [&](std::uint16_t code, std::span<const std::uint8_t> value) {
        if (code == kEpbDropCount && value.size() >= 8) lost(from, load64(value.data()), time);
      });
    }
    hand_out(from, time, body + 20, captured, wire, out, count);
    return {};
  }

  std::string obsolete(const std::uint8_t* body, std::size_t size, std::span<Frame> out, std::size_t& count) {
    if (size < 20) return "a packet block is too short";
    const std::uint16_t id = load16(body), drops = load16(body + 2);
    const std::uint32_t captured = load32(body + 12), wire = load32(body + 16);
    if (id >= interfaces_.size()) return unknown_interface(id);
    Interface& from = interfaces_[id];
    if (captured > size - 20 || captured > from.largest) return impossible(captured);
    const Timestamp time = from.time(std::uint64_t{load32(body + 4)} << 32 | load32(body + 8));
    constexpr std::uint16_t unknown = 0xffff;
    if (drops != unknown) lost(from, drops, time);
    hand_out(from, time, body + 20, captured, wire, out, count);
    return {};
  }

  std::string simple(const std::uint8_t* body, std::size_t size, std::span<Frame> out, std::size_t& count) {
    if (size < 4) return "a packet block is too short";
    if (interfaces_.empty()) return unknown_interface(0);
    const Interface& from = interfaces_[0];
    const std::uint32_t wire = load32(body);
    std::uint32_t captured = wire;
    if (from.snaplen != 0) captured = std::min(captured, from.snaplen);
    if (captured > size - 4 || captured > from.largest) return impossible(captured);
    if (!told_timeless_) note("packets without a time stamp: each got that of the one before it");
    told_timeless_ = true;
    hand_out(interfaces_[0], time_, body + 4, captured, wire, out, count);
    return {};
  }

  void interface_statistics(const std::uint8_t* body, std::size_t size) {
    if (size < 12) return;
    const std::uint32_t id = load32(body);
    if (id >= interfaces_.size()) return;
    std::optional<std::uint64_t> interface_drops, system_drops;
    options(body + 12, size - 12, [&](std::uint16_t code, std::span<const std::uint8_t> value) {
      if (value.size() < 8) return;
      if (code == kIsbIfDrop) interface_drops = load64(value.data());
      if (code == kIsbOsDrop) system_drops = load64(value.data());
    });
    if (!interface_drops && !system_drops) return;
    const std::uint64_t a = interface_drops.value_or(0), b = system_drops.value_or(0);
    interfaces_[id].dropped = a + b < a ? std::numeric_limits<std::uint64_t>::max() : a + b;
  }

  void lost(Interface& from, std::uint64_t drops, Timestamp until) {
    if (drops == 0) return;
    from.dropped_before_packets += std::min<std::uint64_t>(drops, 1ULL << 40);
    add_gap(statistics_.gaps, {std::min(from.last.value_or(until), until), until, "packets were dropped while capturing"});
  }

  void hand_out(Interface& from, Timestamp time, const std::uint8_t* data, std::uint32_t captured, std::uint32_t wire,
                std::span<Frame> out, std::size_t& count) {
    wire = std::max(wire, captured);
    ++number_;
    time_ = time;
    from.last = time;
    if (from.left_out || (from.filter != nullptr && !from.filter->matches(data, captured, wire))) {
      ++statistics_.filtered;
      return;
    }
    ++statistics_.packets;
    first_ = std::min(first_, time);
    last_ = std::max(last_, time);
    out[count++] = Frame{time, data, captured, wire, number_, from.vantage, from.link};
  }

  [[nodiscard]] std::string unknown_interface(std::uint32_t id) const {
    return "packet " + std::to_string(number_ + 1) + " belongs to interface " + std::to_string(id) + ", which is not described";
  }
  [[nodiscard]] std::string impossible(std::uint32_t captured) const {
    return "packet " + std::to_string(number_ + 1) + " claims " + std::to_string(captured) +
           " captured bytes, more than it can have";
  }

  std::vector<Interface> interfaces_;  // of the section
  std::map<std::tuple<std::size_t, std::string, LinkType, std::uint32_t>, std::uint16_t> known_;
  std::optional<std::uint64_t> dropped_;  // of the sections before
  Timestamp time_ = 0;
  std::size_t needed_ = 12;
  bool big_ = false, in_section_ = false, reading_headers_ = false, told_left_out_ = false, told_timeless_ = false;
};

}  // namespace

Result<std::unique_ptr<PacketSource>> open_pcapng(Input input, const CaptureFileOptions& options) {
  auto source = std::make_unique<PcapngSource>(std::move(input), options);
  if (auto status = source->start(); !status) return status.error();
  return std::unique_ptr<PacketSource>(std::move(source));
}

}  // namespace lvsnat::capture
