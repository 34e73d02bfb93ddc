// What the readers of capture files share: name, statistics, vantages, and how reading ends.
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "capture/byte_stream.h"
#include "capture/filter.h"
#include "lvsnat/capture.h"

namespace lvsnat::capture {

/// The bytes of one -r: the descriptor, and the decompressor on top where there is one.
struct Input {
  std::string name;
  std::unique_ptr<DescriptorStream> raw;
  std::unique_ptr<ByteStream> unpacked;
  std::unique_ptr<Window> window;  // reads from `unpacked` where there is one, else from `raw`

  [[nodiscard]] ByteStream& stream() { return unpacked ? *unpacked : *raw; }
};

// Beyond these a file is an attack on our tables; what is over them is still counted and decoded.
inline constexpr std::size_t kMaxVantages = 1024;
inline constexpr std::size_t kMaxGaps = 1000;

// libpcap's own limit for what is no bus trace (MAXIMUM_SNAPLEN); Linux cannot make a larger packet.
inline constexpr std::uint32_t kMaxPacket = 262'144;
inline constexpr std::uint32_t kMaxBusRecord = 16U << 20;
/// The most bytes that one record of this link type may hold.
inline std::uint32_t largest_record(std::uint32_t link) noexcept {
  constexpr std::uint32_t dbus = 231, usbpcap = 249, ebhscr = 279;
  return link == dbus || link == usbpcap || link == ebhscr ? kMaxBusRecord : kMaxPacket;
}

/// The link type of a file's header. 12 is BSD's own number for raw IP, which some programs write to files as it stands.
inline LinkType link_in_file(std::uint32_t number) noexcept {
  return number == 12 ? LinkType::raw : static_cast<LinkType>(number & 0xffff);
}

/// Appends, or widens the last one where it touches the new one or the list is full.
inline void add_gap(std::vector<SourceStatistics::Gap>& gaps, SourceStatistics::Gap gap) {
  if (!gaps.empty() && ((gaps.back().why == gap.why && gap.from <= gaps.back().to) || gaps.size() >= kMaxGaps)) {
    gaps.back().to = std::max(gaps.back().to, gap.to);
  } else {
    gaps.push_back(std::move(gap));
  }
}

class FileSource : public PacketSource {
 public:
  FileSource(Input input, const CaptureFileOptions& options)
      : input_(std::move(input)), filters_(options.filter), source_index_(options.source_index) {
    statistics_.name = input_.name;
  }

  [[nodiscard]] bool finished() const override { return ended_; }
  [[nodiscard]] const std::vector<Vantage>& vantages() const override { return vantages_; }
  [[nodiscard]] std::vector<SourceStatistics> statistics() const override {
    SourceStatistics now = statistics_;
    if (first_ <= last_) {
      now.first = first_;
      now.last = last_;
    }
    return {std::move(now)};
  }
  [[nodiscard]] std::optional<double> progress() const override { return input_.raw->progress(); }
  void stop() noexcept override { input_.raw->stop(); }

 protected:
  void note(const std::string& what) {
    if (!statistics_.problem) {
      statistics_.problem = what;
    } else if (statistics_.problem->size() < 1000) {
      *statistics_.problem += "; " + what;
    }
  }
  /// The data contradict the format: nothing behind them can be trusted.
  void give_up(const std::string& what) {
    note(what + " (at byte " + std::to_string(input_.window->offset()) + (input_.unpacked ? ", unpacked)" : ")"));
    statistics_.damaged = true;
    ended_ = true;
  }
  /// The data are over; `inside_record`: in the middle of something.
  void end(bool inside_record) {
    ended_ = true;
    if (input_.raw->stopped()) return;
    const ByteStream& stream = input_.stream();
    if (stream.failure()) {
      note("reading stopped after packet " + std::to_string(number_) + ": " + *stream.failure());
      statistics_.damaged = true;
    }
    if (stream.cut()) note("the compressed data end in the middle, after packet " + std::to_string(number_));
    if (inside_record && !stream.failure() && !stream.cut()) {
      note("the file ends inside a record, after packet " + std::to_string(number_));
    }
    if (inside_record || stream.cut()) statistics_.truncated = true;
  }
  std::uint16_t add_vantage(std::string interface, LinkType link, std::uint32_t snaplen) {
    if (vantages_.size() >= kMaxVantages) {
      if (!too_many_vantages_) note("more than 1024 interfaces: packets of the rest are counted with the last one");
      too_many_vantages_ = true;
      return kMaxVantages - 1;
    }
    vantages_.push_back({statistics_.name, std::move(interface), link, snaplen, source_index_});
    return static_cast<std::uint16_t>(vantages_.size() - 1);
  }

  Input input_;
  FilterSet filters_;
  std::vector<Vantage> vantages_;
  SourceStatistics statistics_;
  std::uint32_t number_ = 0;
  Timestamp first_ = std::numeric_limits<Timestamp>::max(), last_ = std::numeric_limits<Timestamp>::min();
  bool ended_ = false;

 private:
  std::uint16_t source_index_;
  bool too_many_vantages_ = false;
};

/// Each takes over `input`, whose window stands at the first byte of the file.
Result<std::unique_ptr<PacketSource>> open_pcap(Input input, const CaptureFileOptions& options);
Result<std::unique_ptr<PacketSource>> open_pcapng(Input input, const CaptureFileOptions& options);
/// What our readers do not know: archaic and foreign variants.
Result<std::unique_ptr<PacketSource>> open_by_libpcap(Input input, const CaptureFileOptions& options);

/// Whether `head` (24 bytes at least) begins a pcap file that open_pcap() reads.
bool is_pcap(std::span<const std::uint8_t> head) noexcept;

}  // namespace lvsnat::capture
