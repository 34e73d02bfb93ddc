#include "capture/filter.h"

#include <array>
#include <memory>
#include <utility>

#include "base/text.h"
#include "lvsnat/capture.h"

namespace lvsnat {
namespace capture {
namespace {

// Some thousand addresses. libpcap's parser and optimizer take quadratic time on what is longer.
constexpr std::size_t kLongest = 64 * 1024;

// pcap-common.c of libpcap: all other numbers of today are the same on both sides.
struct Mapping {
  int dlt;
  std::uint16_t link;
};
constexpr std::array kMappings = {Mapping{DLT_RAW, 101},       Mapping{DLT_ATM_RFC1483, 100}, Mapping{DLT_SLIP_BSDOS, 102},
                                  Mapping{DLT_PPP_BSDOS, 103}, Mapping{DLT_ATM_CLIP, 106},    Mapping{DLT_PFSYNC, 246},
                                  Mapping{DLT_PKTAP, 258}};

struct Closer {
  void operator()(pcap_t* p) const { pcap_close(p); }
};

}  // namespace

int dlt_of(LinkType link) noexcept {
  for (const Mapping& m : kMappings) {
    if (m.link == static_cast<std::uint16_t>(link)) return m.dlt;
  }
  return static_cast<int>(link);
}

LinkType link_of_dlt(int dlt) noexcept {
  for (const Mapping& m : kMappings) {
    if (m.dlt == dlt) return static_cast<LinkType>(m.link);
  }
  return static_cast<LinkType>(dlt & 0xffff);
}

Result<PacketFilter> PacketFilter::compile(const std::string& expression, LinkType link) {
  const std::string quoted = "filter '" + printable(expression, 200) + "'";
  if (expression.size() > kLongest) return Error{ErrorCode::limit, quoted + " is longer than 65536 bytes"};
  if (expression.find('\0') != std::string::npos) return Error{ErrorCode::usage, quoted + " contains a NUL byte"};
  const std::unique_ptr<pcap_t, Closer> handle(pcap_open_dead(dlt_of(link), 262144));
  if (!handle) return Error{ErrorCode::limit, quoted + ": out of memory"};
  PacketFilter filter;
  if (pcap_compile(handle.get(), &filter.program_, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    return Error{ErrorCode::usage, quoted + " for link type " + std::to_string(static_cast<unsigned>(link)) + ": " +
                                       printable(pcap_geterr(handle.get()), 300)};
  }
  return filter;
}

PacketFilter::PacketFilter(PacketFilter&& other) noexcept : program_(std::exchange(other.program_, {})) {}
PacketFilter& PacketFilter::operator=(PacketFilter&& other) noexcept {
  if (this != &other) {
    pcap_freecode(&program_);
    program_ = std::exchange(other.program_, {});
  }
  return *this;
}
PacketFilter::~PacketFilter() { pcap_freecode(&program_); }

Status FilterSet::prepare(LinkType link) {
  if (empty()) return ok();
  auto found = compiled_.find(link);
  if (found == compiled_.end()) found = compiled_.emplace(link, PacketFilter::compile(expression_, link)).first;
  if (!found->second) return found->second.error();
  return ok();
}

const PacketFilter* FilterSet::find(LinkType link) const {
  const auto found = compiled_.find(link);
  return found != compiled_.end() && found->second ? &*found->second : nullptr;
}

}  // namespace capture

Status check_filter(const std::string& expression, LinkType link) {
  auto compiled = capture::PacketFilter::compile(expression, link);
  if (!compiled) return compiled.error();
  return ok();
}

}  // namespace lvsnat
