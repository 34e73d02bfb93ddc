// pcap filter expressions, compiled by libpcap for one link type. Byte code never comes from outside.
// Threads: matches() may be called from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <pcap/pcap.h>

#include "lvsnat/frame.h"
#include "lvsnat/result.h"

namespace lvsnat::capture {

/// libpcap's number for a LINKTYPE_ value and back; the two differ for a handful (raw IP above all).
int dlt_of(LinkType link) noexcept;
LinkType link_of_dlt(int dlt) noexcept;

class PacketFilter {
 public:
  /// Errors: usage, with the expression quoted.
  static Result<PacketFilter> compile(const std::string& expression, LinkType link);
  PacketFilter(PacketFilter&& other) noexcept;
  PacketFilter& operator=(PacketFilter&& other) noexcept;
  ~PacketFilter();
  [[nodiscard]] bool matches(const std::uint8_t* data, std::uint32_t captured, std::uint32_t wire) const noexcept {
    pcap_pkthdr header{};
    header.caplen = captured;
    header.len = wire;
    return pcap_offline_filter(&program_, &header, data) != 0;
  }

 private:
  PacketFilter() = default;
  bpf_program program_{};
};

/// One expression for whatever link types a file brings.
class FilterSet {
 public:
  explicit FilterSet(std::string expression) : expression_(std::move(expression)) {}
  [[nodiscard]] bool empty() const noexcept { return expression_.empty(); }
  /// Compiles for `link` unless that was done already; the error of the first time is remembered.
  Status prepare(LinkType link);
  /// nullptr where the expression does not compile for that link type, or was not prepared.
  [[nodiscard]] const PacketFilter* find(LinkType link) const;

 private:
  std::string expression_;
  std::map<LinkType, Result<PacketFilter>> compiled_;
};

}  // namespace lvsnat::capture
