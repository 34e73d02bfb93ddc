#include "row.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "lvsnat/packet.h"

namespace lvsnat::truth {
namespace {

constexpr std::array<std::string_view, kFaults> kFaultNames{"ok",      "noleg4", "redirect", "noreply", "nofwd",
                                                            "refused", "nors",   "unreach",  "rstmid",  "fragneeded"};

template <typename Number>
bool read(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool read(std::string_view address, std::string_view port, Endpoint& endpoint) {
  const std::optional<Address> parsed = parse_address(address);
  if (!parsed) return false;
  endpoint.address = *parsed;
  return read(port, endpoint.port);
}

std::vector<std::string_view> columns(std::string_view line) {
  std::vector<std::string_view> found;
  for (;;) {
    const std::size_t tab = line.find('\t');
    found.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return found;
    line.remove_prefix(tab + 1);
  }
}

}  // namespace

std::string_view name(Fault fault) { return kFaultNames[static_cast<std::size_t>(fault)]; }

std::optional<Fault> parse_fault(std::string_view text) {
  const auto found = std::find(kFaultNames.begin(), kFaultNames.end(), text);
  if (found == kFaultNames.end()) return std::nullopt;
  return static_cast<Fault>(found - kFaultNames.begin());
}

std::string to_line(const Row& row) {
  std::string line = row.protocol == kUdp ? "udp" : "tcp";
  for (const Endpoint* e : {&row.client, &row.vip, &row.rip}) {
    line += '\t' + to_string(e->address) + '\t' + std::to_string(e->port);
  }
  line += '\t';
  line += name(row.fault);
  line += '\t' + std::to_string(row.first) + '\t' + std::to_string(row.last);
  for (std::size_t leg = 0; leg < 4; ++leg)
    line += '\t' + std::to_string(row.packets[leg]) + '\t' + std::to_string(row.bytes[leg]);
  return line + '\t' + std::to_string(row.icmp);
}

Result<Row> parse_row(std::string_view line) {
  const std::vector<std::string_view> at = columns(line);
  if (at.size() != 19) return Error{ErrorCode::malformed, "a row has 19 columns, this one " + std::to_string(at.size())};
  Row row;
  if (at[0] != "tcp" && at[0] != "udp") return Error{ErrorCode::malformed, "protocol is neither tcp nor udp"};
  row.protocol = at[0] == "udp" ? kUdp : kTcp;
  if (!read(at[1], at[2], row.client)) return Error{ErrorCode::malformed, "no client endpoint"};
  if (!read(at[3], at[4], row.vip)) return Error{ErrorCode::malformed, "no VIP endpoint"};
  if (!read(at[5], at[6], row.rip)) return Error{ErrorCode::malformed, "no RIP endpoint"};
  const std::optional<Fault> fault = parse_fault(at[7]);
  if (!fault) return Error{ErrorCode::malformed, "unknown fault"};
  row.fault = *fault;
  if (!read(at[8], row.first) || !read(at[9], row.last)) return Error{ErrorCode::malformed, "no times"};
  for (std::size_t leg = 0; leg < 4; ++leg) {
    if (!read(at[10 + 2 * leg], row.packets[leg]) || !read(at[11 + 2 * leg], row.bytes[leg]))
      return Error{ErrorCode::malformed, "no count of a leg"};
  }
  if (!read(at[18], row.icmp)) return Error{ErrorCode::malformed, "no count of ICMP messages"};
  return row;
}

}  // namespace lvsnat::truth
