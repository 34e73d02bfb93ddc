// The pcap format: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html. Hot: this loop sees every packet.
#include <bit>

#include "base/bytes.h"
#include "capture/file_source.h"

namespace lvsnat::capture {
namespace {

constexpr std::size_t kFileHeader = 24;

enum Magic : std::uint32_t {
  kMicro = 0xa1b2c3d4,
  kNano = 0xa1b23c4d,
  kModified = 0xa1b2cd34,  // A. Kuznetsov's patches of 1998: 8 more bytes in each record header
};

template <bool kBig>
std::uint32_t load32(const std::uint8_t* p) noexcept {
  if constexpr (kBig) return load_be32(p);
  return load_le32(p);
}

bool known(std::uint32_t magic) noexcept { return magic == kMicro || magic == kNano || magic == kModified; }

class PcapSource final : public FileSource {
 public:
  PcapSource(Input input, const CaptureFileOptions& options) : FileSource(std::move(input), options) {}

  Status start() {
    const std::uint8_t* head = input_.window->data();
    big_ = known(load_be32(head));
    const auto load = [&](std::size_t at) { return big_ ? load_be32(head + at) : load_le32(head + at); };
    const std::uint32_t magic = load(0);
    unit_ = magic == kNano ? 1 : 1000;
    header_ = magic == kModified ? 24 : 16;
    const std::uint32_t snaplen = load(16);
    // The upper bits tell the FCS length, or are reserved and to be ignored.
    const std::uint32_t link = load(20) & 0xffff;
    link_ = link_in_file(link);
    largest_ = largest_record(link);
    if (auto status = filters_.prepare(link_); !status) return status;
    filter_ = filters_.find(link_);
    vantage_ = add_vantage({}, link_, snaplen);
    input_.window->consume(kFileHeader);
    return ok();
  }

  std::size_t read(std::span<Frame> out) override {
    while (!ended_ && !out.empty()) {
      std::size_t got;
      if (filter_ != nullptr) {
        got = big_ ? take<true, true>(out) : take<false, true>(out);
      } else {
        got = big_ ? take<true, false>(out) : take<false, false>(out);
      }
      if (got > 0) return got;
      // Frames handed out point into the window: it may move only while there are none.
      if (!ended_ && !input_.window->want(needed_)) end(input_.window->available() > 0);
    }
    return 0;
  }

 private:
  template <bool kBig, bool kFilter>
  std::size_t take(std::span<Frame> out) {
    const std::uint8_t* const begin = input_.window->data();
    const std::uint8_t* const stop_at = begin + input_.window->available();
    const std::uint8_t* p = begin;
    const std::size_t header = header_;
    const std::int64_t unit = unit_;
    Timestamp first = first_, last = last_;
    std::uint32_t number = number_;
    std::size_t count = 0;
    std::uint64_t skipped = 0;
    needed_ = header;
    while (count < out.size() && static_cast<std::size_t>(stop_at - p) >= header) {
      const std::uint32_t captured = load32<kBig>(p + 8);
      if (captured > largest_) [[unlikely]] {
        // What came before still counts; the next call meets this one first.
        if (count == 0 && skipped == 0) {
          give_up("packet " + std::to_string(number + 1) + " claims " + std::to_string(captured) +
                  " captured bytes, more than any can have");
        }
        break;
      }
      if (static_cast<std::size_t>(stop_at - p) - header < captured) {
        needed_ = header + captured;
        break;
      }
      const std::uint32_t wire = std::max(load32<kBig>(p + 12), captured);
      const Timestamp time = std::int64_t{load32<kBig>(p)} * kSecond + std::int64_t{load32<kBig>(p + 4)} * unit;
      const std::uint8_t* const data = p + header;
      p = data + captured;
      ++number;
      if constexpr (kFilter) {
        if (!filter_->matches(data, captured, wire)) {
          ++skipped;
          continue;
        }
      }
      first = std::min(first, time);
      last = std::max(last, time);
      Frame& frame = out[count++];
      frame.time = time;
      frame.data = data;
      frame.captured = captured;
      frame.wire = wire;
      frame.number = number;
      frame.vantage = vantage_;
      frame.link = link_;
    }
    first_ = first;
    last_ = last;
    number_ = number;
    statistics_.packets += count;
    statistics_.filtered += skipped;
    input_.window->consume(static_cast<std::size_t>(p - begin));
    return count;
  }

  const PacketFilter* filter_ = nullptr;
  std::size_t header_ = 16, needed_ = 16;
  std::int64_t unit_ = 1000;
  std::uint32_t largest_ = kMaxPacket;
  LinkType link_ = LinkType::ethernet;
  std::uint16_t vantage_ = 0;
  bool big_ = false;
};

}  // namespace

bool is_pcap(std::span<const std::uint8_t> head) noexcept {
  if (head.size() < kFileHeader) return false;
  const bool big = known(load_be32(head.data()));
  if (!big && !known(load_le32(head.data()))) return false;
  // 2.4 since 1996. In older ones the two lengths of a record may stand the other way round: libpcap knows when.
  const auto load = [&](std::size_t at) { return big ? load_be16(head.data() + at) : load_le16(head.data() + at); };
  return load(4) == 2 && load(6) == 4;
}

Result<std::unique_ptr<PacketSource>> open_pcap(Input input, const CaptureFileOptions& options) {
  auto source = std::make_unique<PcapSource>(std::move(input), options);
  if (auto status = source->start(); !status) return status.error();
  return std::unique_ptr<PacketSource>(std::move(source));
}

}  // namespace lvsnat::capture
