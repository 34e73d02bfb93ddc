// libpcap on a Linux interface. Without immediate mode it uses TPACKET_V3, whose blocks cost a tenth a packet. This file and
// clock.cc are the only ones of the library that read a clock.
#include "capture/live.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pcap/pcap.h>

#include "base/text.h"
#include "capture/clock.h"
#include "capture/descriptor.h"
#include "capture/file_source.h"
#include "capture/filter.h"
#include "capture/frame_store.h"
#include "lvsnat/capture.h"

namespace lvsnat {
namespace capture {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
// How often drops and the interface's state are asked for: bounds how much of the capture a gap withdraws.
constexpr std::int64_t kWatchInterval = 250 * kMillisecond;
// After stop(): the kernel hands over its last block when the ring's own timeout ends.
constexpr std::int64_t kLastBlock = 300 * kMillisecond;
// A machine that is too slow for its traffic may take longer to read what waits then, but not for ever.
constexpr std::int64_t kLongestEnd = 5 * kSecond;
// As much stands before each packet in the ring: the kernel's header, an address, and what aligns them.
constexpr std::uint32_t kBesidePacket = 112;

std::int64_t monotonic() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * kSecond + t.tv_nsec;
}

struct Closer {
  void operator()(pcap_t* p) const { pcap_close(p); }
};

class InterfaceState {
 public:
  explicit InterfaceState(const std::string& name) : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    // IPv4 may be missing in a container; any socket serves these two questions.
    if (!socket_.is_open()) socket_ = Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    name.copy(request_.ifr_name, IFNAMSIZ - 1);
  }
  /// 0 when there is no such interface.
  [[nodiscard]] int index() const {
    ifreq r = request_;
    return ::ioctl(socket_.get(), SIOCGIFINDEX, &r) == 0 ? r.ifr_ifindex : 0;
  }
  [[nodiscard]] unsigned flags() const {
    ifreq r = request_;
    return ::ioctl(socket_.get(), SIOCGIFFLAGS, &r) == 0 ? static_cast<unsigned short>(r.ifr_flags) : 0U;
  }

 private:
  Descriptor socket_;
  ifreq request_{};
};

class PcapLive final : public LiveSource {
 public:
  PcapLive(const std::string& interface, const LiveOptions& options)
      : name_(interface), options_(options), state_(interface), any_(interface == "any"), clock_(clock_base(), read_clocks) {
    statistics_.name = interface;
    statistics_.interface = interface;
    statistics_.live = true;
  }

  Status start() {
    if (name_.empty() || name_.size() >= IFNAMSIZ) return failed(ErrorCode::usage, "this cannot be the name of an interface");
    // libpcap tells a missing interface from a missing right only to those who have the right.
    index_ = any_ ? 0 : state_.index();
    if (!any_ && index_ == 0) return failed(ErrorCode::not_found, "there is no such interface ('ip link' lists them)");
    wake_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_.is_open()) return failed(ErrorCode::io, reason(errno));

    std::uint32_t mebibytes = std::clamp<std::uint32_t>(options_.buffer_mib, 1, 2047);
    Status activated = activate(mebibytes);
    while (!activated && activated.error().code == ErrorCode::limit && mebibytes > 1) activated = activate(mebibytes /= 2);
    if (!activated) return activated;
    ring_bytes_ = std::uint64_t{mebibytes} << 20;
    if (mebibytes < std::min<std::uint32_t>(options_.buffer_mib, 2047)) {
      note("the kernel's ring is only " + std::to_string(mebibytes) + " MiB: it refused more");
    }
    // Cooked v2 tells which interface each packet crossed.
    if (any_) pcap_set_datalink(handle_.get(), DLT_LINUX_SLL2);
    link_ = link_of_dlt(pcap_datalink(handle_.get()));
    if (options_.filter.find('\0') != std::string::npos) return failed(ErrorCode::usage, "the filter contains a NUL byte");
    bpf_program program{};
    // Always a filter, if an empty one: only its return value makes the kernel copy no more than the snaplen.
    if (pcap_compile(handle_.get(), &program, options_.filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
      return failed(ErrorCode::usage, "filter '" + printable(options_.filter, 200) + "': " + error_text());
    }
    const int installed = pcap_setfilter(handle_.get(), &program);
    pcap_freecode(&program);
    if (installed != 0) return failed(ErrorCode::io, "installing the filter: " + error_text());
    std::array<char, PCAP_ERRBUF_SIZE> why{};
    if (pcap_setnonblock(handle_.get(), 1, why.data()) != 0) return failed(ErrorCode::io, printable(why.data(), 300));
    vantages_.push_back({name_, name_, link_, options_.snaplen, options_.source_index});
    watched_at_ = rested_at_ = monotonic();
    watched_time_ = capture_now();
    return ok();
  }

  std::size_t read(std::span<Frame> out) override {
    std::size_t got = drain(out);
    if (got > 0 || finished_ || out.empty()) return got;
    // Once stopped the eventfd stays readable; only the packets are worth waiting for then.
    std::array<pollfd, 2> wait{{{packet_descriptor(), POLLIN, 0}, {stopping_ ? -1 : wake_.get(), POLLIN, 0}}};
    if (const int rest = this->rest().value_or(0); rest > 0 && !stopping_) ::poll(&wait[1], 1, rest);
    ::poll(wait.data(), wait.size(), kPollMilliseconds);
    return drain(out);
  }

  std::size_t drain(std::span<Frame> out) override {
    if (finished_) return 0;
    note_stop();
    clock_.look();
    store_.clear();
    out_ = out;
    count_ = 0;
    while (count_ < out_.size() && store_.room_for(options_.snaplen)) {
      // The store bounds a batch: packets of a full snaplen must fit.
      const std::size_t fits = std::max<std::size_t>(1, kBatchBytes / std::max<std::uint32_t>(options_.snaplen, 1));
      const int ask = static_cast<int>(std::min(out_.size() - count_, fits));
      const int rc = pcap_dispatch(handle_.get(), ask, &PcapLive::keep, reinterpret_cast<u_char*>(this));
      if (rc < 0) {
        gone(error_text());
        break;
      }
      if (rc == 0) {
        clock_.emptied();
        break;
      }
    }
    watch(false);
    if (stopping_ && !finished_) {
      const std::int64_t since = monotonic() - stopped_at_;
      const bool past = count_ > 0 && out_[count_ - 1].time >= stop_time_, all = count_ == 0 && since > kLastBlock;
      if (!past && !all && since > kLongestEnd) note("packets that still waited in the kernel at the end were not read");
      if (past || all || since > kLongestEnd) finish();
    }
    return count_;
  }

  [[nodiscard]] bool finished() const override { return finished_; }
  [[nodiscard]] const std::vector<Vantage>& vantages() const override { return vantages_; }
  [[nodiscard]] int packet_descriptor() const override { return finished_ ? -1 : pcap_get_selectable_fd(handle_.get()); }
  [[nodiscard]] Timestamp now() const override { return capture_now(); }
  [[nodiscard]] int wake_descriptor() const override { return stopping_ ? -1 : wake_.get(); }

  std::optional<int> rest() override {
    const std::int64_t now = monotonic();
    const std::uint64_t packets = statistics_.packets - rested_packets_;
    const std::optional<int> milliseconds = capture::rest(packets, taken_, now - rested_at_, ring_bytes_);
    rested_at_ = now;
    rested_packets_ = statistics_.packets;
    taken_ = 0;
    return milliseconds;
  }

  [[nodiscard]] std::vector<SourceStatistics> statistics() const override {
    SourceStatistics now = statistics_;
    now.dropped = drops_;
    if (now.packets != 0) {
      now.first = first_;
      now.last = last_;
    }
    const Timestamp time = capture_now();
    if (!blind_why_.empty()) add_gap(now.gaps, {blind_since_, std::max(blind_since_, time), blind_why_});
    return {std::move(now)};
  }

  void stop() noexcept override {
    stop_asked_.store(true, std::memory_order_relaxed);
    const int saved = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = ::write(wake_.get(), &one, sizeof one);
    errno = saved;
  }

 private:
  static constexpr std::size_t kBatchBytes = 1U << 20;
  static constexpr std::size_t kAhead = 2048;  // bytes; some ten packets

  Error failed(ErrorCode code, const std::string& why) const {
    return {code, "capturing on " + printable(name_, 64) + ": " + why};
  }
  [[nodiscard]] std::string error_text() const { return printable(pcap_geterr(handle_.get()), 300); }

  /// Errors: limit where a smaller ring may succeed.
  Status activate(std::uint32_t mebibytes) {
    std::array<char, PCAP_ERRBUF_SIZE> why{};
    handle_.reset(pcap_create(name_.c_str(), why.data()));
    if (!handle_) return failed(ErrorCode::io, printable(why.data(), 300));
    pcap_t* const h = handle_.get();
    pcap_set_snaplen(h, static_cast<int>(std::clamp<std::uint32_t>(options_.snaplen, 1, kMaxPacket)));
    pcap_set_promisc(h, options_.promiscuous && !any_ ? 1 : 0);
    pcap_set_timeout(h, kBlockMilliseconds);
    pcap_set_buffer_size(h, static_cast<int>(std::uint64_t{mebibytes} << 20 > 0x7fffffff ? 0x7fffffff : mebibytes << 20));
    // Refused only where the interface cannot; then the time stamps are microseconds.
    pcap_set_tstamp_precision(h, PCAP_TSTAMP_PRECISION_NANO);
    const int rc = pcap_activate(h);
    nanoseconds_ = pcap_get_tstamp_precision(h) == PCAP_TSTAMP_PRECISION_NANO;
    if (rc >= 0) {
      if (rc > 0) note(printable(rc == PCAP_WARNING_PROMISC_NOTSUP ? "promiscuous mode is not supported" : pcap_geterr(h), 300));
      return ok();
    }
    const std::string text = error_text();
    switch (rc) {
      case PCAP_ERROR_PERM_DENIED:
      case PCAP_ERROR_PROMISC_PERM_DENIED:
        return failed(ErrorCode::no_permission, "this needs the capability CAP_NET_RAW: run it as root (sudo)");
      case PCAP_ERROR_NO_SUCH_DEVICE:
        return failed(ErrorCode::not_found, text.empty() ? "there is no such interface" : text);
      case PCAP_ERROR_IFACE_NOT_UP:
        return failed(ErrorCode::io, "the interface is down ('ip link set " + printable(name_, 64) + " up' brings it up)");
      default:
        break;
    }
    const std::string said = text.empty() ? std::string(pcap_statustostr(rc)) : text;
    const bool memory = said.find("allocate memory") != std::string::npos || said.find("rx ring") != std::string::npos;
    return failed(memory ? ErrorCode::limit : ErrorCode::io, said);
  }

  static void keep(u_char* self, const pcap_pkthdr* header, const u_char* data) {
    static_cast<PcapLive*>(static_cast<void*>(self))->keep(*header, data);
  }
  void keep(const pcap_pkthdr& header, const u_char* data) {
    // libpcap keeps to the count asked for; to write past the batch would be fatal, so do not rest on it.
    if (count_ >= out_.size()) return;
    // Another processor wrote the ring. Packets lie there one behind the other: those that come soon are asked for now.
    for (std::uint32_t at = 0; at < header.caplen + kBesidePacket; at += 64) __builtin_prefetch(data + kAhead + at);
    const Timestamp time = clock_.of(std::int64_t{header.ts.tv_sec} * kSecond + header.ts.tv_usec * (nanoseconds_ ? 1 : 1000));
    first_ = std::min(first_, time);
    last_ = std::max(last_, time);
    taken_ += header.caplen;
    out_[count_++] = Frame{time,
                           store_.keep(data, header.caplen),
                           header.caplen,
                           std::max(header.len, header.caplen),
                           static_cast<std::uint32_t>(++statistics_.packets),
                           0,
                           link_};
  }

  void note(const std::string& what) {
    if (!statistics_.problem) {
      statistics_.problem = what;
    } else if (statistics_.problem->size() < 1000) {
      *statistics_.problem += "; " + what;
    }
  }

  void note_stop() {
    if (stopping_ || !stop_asked_.load(std::memory_order_relaxed)) return;
    stopping_ = true;
    stopped_at_ = monotonic();
    stop_time_ = capture_now();
  }

  /// Asks for drops and the interface's state when that is due.
  void watch(bool now) {
    const std::int64_t at = monotonic();
    if (!now && at - watched_at_ < kWatchInterval) return;
    const Timestamp time = capture_now();
    const Timestamp since = watched_time_;
    watched_at_ = at;
    watched_time_ = time;
    pcap_stat counts{};
    if (pcap_stats(handle_.get(), &counts) == 0) {
      // 32-bit counters that wrap.
      const std::uint32_t lost = (counts.ps_drop - last_drop_) + (counts.ps_ifdrop - last_interface_drop_);
      last_drop_ = counts.ps_drop;
      last_interface_drop_ = counts.ps_ifdrop;
      drops_ = drops_.value_or(0) + lost;
      if (lost > 0) add_gap(statistics_.gaps, {since, time, "packets were dropped: the capture could not keep up"});
    }
    if (any_ || finished_) return;
    const int index = state_.index();
    if (index != index_) {
      blind(since, "the interface was removed");
      gone(index == 0 ? "the interface was removed"
                      : "the interface was removed and created again (index " + std::to_string(index_) + ", now " +
                            std::to_string(index) + "): start again to capture on the new one");
      return;
    }
    const unsigned flags = state_.flags();
    if ((flags & IFF_UP) == 0) {
      blind(since, "the interface was down");
    } else if ((flags & IFF_RUNNING) == 0) {
      blind(since, "the interface had no carrier");
    } else if (!blind_why_.empty()) {
      add_gap(statistics_.gaps, {blind_since_, time, blind_why_});
      blind_why_.clear();
    }
  }

  void blind(Timestamp since, const char* why) {
    if (!blind_why_.empty()) return;
    blind_since_ = since;
    blind_why_ = why;
  }

  /// The capture is over for good, and not because it was asked to stop.
  void gone(const std::string& why) {
    if (finished_) return;
    note(why);
    blind(watched_time_, "capturing had ended early");
    finished_ = true;
    watch(true);
  }
  void finish() {
    watch(true);
    finished_ = true;
  }

  std::string name_;
  LiveOptions options_;
  InterfaceState state_;
  bool any_;
  int index_ = 0;
  Descriptor wake_;
  std::unique_ptr<pcap_t, Closer> handle_;
  StampClock clock_;
  FrameStore store_;
  std::vector<Vantage> vantages_;
  SourceStatistics statistics_;
  LinkType link_ = LinkType::ethernet;
  bool nanoseconds_ = false;

  std::span<Frame> out_;
  std::size_t count_ = 0;

  std::optional<std::uint64_t> drops_;
  std::uint32_t last_drop_ = 0, last_interface_drop_ = 0;
  Timestamp first_ = std::numeric_limits<Timestamp>::max(), last_ = std::numeric_limits<Timestamp>::min();
  std::uint64_t ring_bytes_ = 0, taken_ = 0, rested_packets_ = 0;  // of the ring since the last rest()
  std::int64_t rested_at_ = 0;
  std::int64_t watched_at_ = 0;
  Timestamp watched_time_ = 0, blind_since_ = 0;
  std::string blind_why_;  // empty: not blind

  std::atomic<bool> stop_asked_{false};
  bool stopping_ = false, finished_ = false;
  std::int64_t stopped_at_ = 0;
  Timestamp stop_time_ = 0;
};

}  // namespace

std::optional<int> rest(std::uint64_t packets, std::uint64_t bytes, std::int64_t interval, std::uint64_t ring) {
  if (packets < kBusyPackets || interval <= 0) return std::nullopt;
  const double each = static_cast<double>(interval) / static_cast<double>(bytes + packets * kBesidePacket);
  const double full = static_cast<double>(ring) / static_cast<double>(kRestShare) * each / static_cast<double>(kMillisecond);
  return static_cast<int>(std::min(full, static_cast<double>(kRestMilliseconds)));
}

}  // namespace capture

Result<std::unique_ptr<PacketSource>> open_live(const std::string& interface, const LiveOptions& options) {
  auto source = std::make_unique<capture::PcapLive>(interface, options);
  if (auto status = source->start(); !status) return status.error();
  return std::unique_ptr<PacketSource>(std::move(source));
}

}  // namespace lvsnat
