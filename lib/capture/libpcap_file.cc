// What libpcap reads and we do not: pcap of before 1996, DG/UX, AIX and other dialects.
#include <array>
#include <cstdio>
#include <cstring>

#include <pcap/pcap.h>

#include "base/text.h"
#include "capture/file_source.h"
#include "capture/frame_store.h"

namespace lvsnat::capture {
namespace {

struct Closer {
  void operator()(pcap_t* p) const { pcap_close(p); }
};

ssize_t read_window(void* cookie, char* to, std::size_t room) {
  auto& window = *static_cast<Window*>(cookie);
  if (window.available() == 0 && !window.want(1)) return 0;
  const std::size_t got = std::min(room, window.available());
  std::memcpy(to, window.data(), got);
  window.consume(got);
  return static_cast<ssize_t>(got);
}

class LibpcapSource final : public FileSource {
 public:
  LibpcapSource(Input input, const CaptureFileOptions& options) : FileSource(std::move(input), options) {}

  Status start() {
    cookie_io_functions_t functions{};
    functions.read = read_window;
    std::FILE* file = ::fopencookie(input_.window.get(), "rb", functions);
    if (file == nullptr) return Error{ErrorCode::limit, "out of memory"};
    std::array<char, PCAP_ERRBUF_SIZE> why{};
    handle_.reset(pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why.data()));
    if (!handle_) {
      std::fclose(file);
      return Error{ErrorCode::malformed, printable(why.data(), 300)};
    }
    link_ = link_of_dlt(pcap_datalink(handle_.get()));
    if (auto status = filters_.prepare(link_); !status) return status;
    add_vantage({}, link_, static_cast<std::uint32_t>(pcap_snapshot(handle_.get())));
    return ok();
  }

  std::size_t read(std::span<Frame> out) override {
    store_.clear();
    std::size_t count = 0;
    const PacketFilter* filter = filters_.find(link_);
    while (!ended_ && count < out.size() && store_.room_for(kMaxBusRecord)) {
      pcap_pkthdr* header = nullptr;
      const u_char* data = nullptr;
      const int rc = pcap_next_ex(handle_.get(), &header, &data);
      if (rc != 1) {
        const std::string why = rc == PCAP_ERROR ? printable(pcap_geterr(handle_.get()), 300) : std::string();
        const bool cut = why.starts_with("truncated");
        if (!why.empty() && !cut) {
          note("reading stopped after packet " + std::to_string(number_) + ": " + why);
          statistics_.damaged = true;
        }
        end(cut);
        break;
      }
      ++number_;
      const std::uint32_t wire = std::max(header->len, header->caplen);
      if (filter != nullptr && !filter->matches(data, header->caplen, wire)) {
        ++statistics_.filtered;
        continue;
      }
      ++statistics_.packets;
      const Timestamp time = std::int64_t{header->ts.tv_sec} * kSecond + header->ts.tv_usec;
      first_ = std::min(first_, time);
      last_ = std::max(last_, time);
      out[count++] = Frame{time, store_.keep(data, header->caplen), header->caplen, wire, number_, 0, link_};
    }
    return count;
  }

 private:
  std::unique_ptr<pcap_t, Closer> handle_;
  FrameStore store_;
  LinkType link_ = LinkType::ethernet;
};

}  // namespace

Result<std::unique_ptr<PacketSource>> open_by_libpcap(Input input, const CaptureFileOptions& options) {
  auto source = std::make_unique<LibpcapSource>(std::move(input), options);
  if (auto status = source->start(); !status) return status.error();
  return std::unique_ptr<PacketSource>(std::move(source));
}

}  // namespace lvsnat::capture
