#include "state/ipvsadm_text.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "state/proc_net.h"

namespace lvsnat {
namespace {

constexpr std::size_t kMaxName = 64;

/// "1234", "1234K", "12M", "3G", "1T" (print_largenum: thousands).
std::optional<std::uint64_t> abbreviated(std::string_view text) {
  std::uint64_t factor = 1;
  if (!text.empty()) {
    switch (text.back()) {
      case 'K':
        factor = 1'000;
        break;
      case 'M':
        factor = 1'000'000;
        break;
      case 'G':
        factor = 1'000'000'000;
        break;
      case 'T':
        factor = 1'000'000'000'000;
        break;
      default:
        break;
    }
  }
  if (factor != 1) text.remove_suffix(1);
  std::uint64_t value = 0;
  if (!parse_number(text, UINT64_MAX / factor, value)) return std::nullopt;
  return value * factor;
}

/// The head of a service in -Ln and --stats: "TCP  1.2.3.4:80 ..." or "FWM  1 [IPv6] ...". `next`: the first word after it.
std::optional<Service> read_service_head(const std::vector<std::string_view>& words, std::size_t& next) {
  const auto protocol = protocol_of(words[0]);
  if (!protocol || words.size() < 2) return std::nullopt;
  Service service;
  service.protocol = *protocol;
  next = 2;
  if (*protocol == ServiceProtocol::fwmark) {
    std::uint64_t mark = 0;
    if (!parse_number(words[1], UINT32_MAX, mark)) return std::nullopt;
    service.fwmark = static_cast<std::uint32_t>(mark);
    if (words.size() > 2 && words[2] == "IPv6") {
      service.v6 = true;
      next = 3;
    }
    return service;
  }
  const auto vip = parse_endpoint(words[1]);
  if (!vip) return std::nullopt;
  service.vip = vip->address;
  service.port = vip->port;
  service.v6 = !vip->address.is_v4();
  return service;
}

bool is_title(const std::vector<std::string_view>& words) {
  return words[0] == "Prot" || words[0] == "IP" ||
         (words.size() > 1 && words[0] == "->" && words[1].starts_with("RemoteAddress"));
}

void read_title(std::string_view line, KernelState& state) {
  constexpr std::string_view kTitle = "IP Virtual Server version ";
  if (!line.starts_with(kTitle)) return;
  state.ipvs.present = true;
  const std::string_view rest = line.substr(kTitle.size());
  state.ipvs.version = printable(rest.substr(0, rest.find(' ')), kMaxName);
  std::uint64_t size = 0;
  const auto at = rest.find("size=");
  if (at == std::string_view::npos) return;
  const auto end = rest.find(')', at);
  if (end != std::string_view::npos && parse_number(rest.substr(at + 5, end - at - 5), UINT32_MAX, size)) {
    state.ipvs.table_size = static_cast<std::uint32_t>(size);
  }
}

}  // namespace

std::optional<std::uint8_t> read_netmask(std::string_view text) {
  std::uint64_t length = 0;
  if (parse_number(text, 128, length)) return static_cast<std::uint8_t>(length);
  const auto mask = parse_address(text);
  if (!mask || !mask->is_v4()) return std::nullopt;
  const std::uint32_t value = mask->v4_value();
  const int bits = __builtin_popcount(value);
  if (bits != 0 && value != ~std::uint32_t{0} << (32 - bits)) return std::nullopt;
  return static_cast<std::uint8_t>(bits);
}

Reading parse_ipvsadm_list(std::string_view text, KernelState& state) {
  Reading reading;
  std::vector<Service> services;
  std::size_t number = 0;
  bool headed = false;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (is_title(words)) {
      read_title(line, state);
      headed = true;
      continue;
    }
    if (words[0] == "->") {
      const auto rip = words.size() >= 6 ? parse_endpoint(words[1]) : std::nullopt;
      std::uint64_t weight = 0, active = 0, inactive = 0;
      if (!rip || services.empty() || !parse_number(words[3], INT32_MAX, weight) || !parse_number(words[4], UINT32_MAX, active) ||
          !parse_number(words[5], UINT32_MAX, inactive)) {
        reading.note(number, "no destination that is understood");
        continue;
      }
      Destination d;
      d.rip = rip->address;
      d.port = rip->port;
      d.method = words[2] == "Masq"     ? Method::masq
                 : words[2] == "Route"  ? Method::route
                 : words[2] == "Tunnel" ? Method::tunnel
                 : words[2] == "Local"  ? Method::local
                                        : Method::unknown;
      d.weight = static_cast<int>(weight);
      d.active = static_cast<std::uint32_t>(active);
      d.inactive = static_cast<std::uint32_t>(inactive);
      services.back().destinations.push_back(d);
      continue;
    }
    std::size_t next = 0;
    auto service = read_service_head(words, next);
    if (!service || next >= words.size()) {
      reading.note(number, "no service that is understood");
      continue;
    }
    service->scheduler = printable(words[next], kMaxName);
    for (std::size_t i = next + 1; i < words.size(); ++i) {
      const std::string_view value = i + 1 < words.size() ? words[i + 1] : std::string_view{};
      std::uint64_t seconds = 0;
      if (words[i] == "ops") service->one_packet = true;
      if (words[i] == "persistent" && parse_number(value, UINT32_MAX, seconds))
        service->persistence = static_cast<std::uint32_t>(seconds);
      if (words[i] == "mask") service->persistence_prefix = read_netmask(value);
      if (words[i] == "pe") service->persistence_engine = printable(value, kMaxName);
    }
    services.push_back(std::move(*service));
  }
  merge_services(state.ipvs.services, services);
  if (!headed && reading.problem.empty()) reading.problem = "no listing of ipvsadm";
  reading.known = headed && reading.problem.empty();
  if (reading.known) state.known.services = true;
  return reading;
}

Reading parse_ipvsadm_stats(std::string_view text, KernelState& state) {
  Reading reading;
  std::vector<Service> services;
  std::size_t number = 0;
  bool headed = false;
  const auto counters = [](const std::vector<std::string_view>& words, std::size_t at) -> std::optional<ServiceCounters> {
    if (words.size() < at + 5) return std::nullopt;
    ServiceCounters c;
    std::uint64_t* const fields[] = {&c.connections, &c.packets_in, &c.packets_out, &c.bytes_in, &c.bytes_out};
    for (std::size_t i = 0; i < 5; ++i) {
      const auto value = abbreviated(words[at + i]);
      if (!value) return std::nullopt;
      *fields[i] = *value;
    }
    return c;
  };
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (is_title(words)) {
      // The columns tell --stats from other listings.
      if (words[0] == "Prot" && line.find("InPkts") != std::string_view::npos) headed = true;
      read_title(line, state);
      continue;
    }
    if (words[0] == "->") {
      const auto rip = words.size() >= 2 ? parse_endpoint(words[1]) : std::nullopt;
      const auto values = counters(words, 2);
      if (!rip || !values || services.empty()) {
        reading.note(number, "no destination that is understood");
        continue;
      }
      Destination d;
      d.rip = rip->address;
      d.port = rip->port;
      d.counters = values;
      services.back().destinations.push_back(d);
      continue;
    }
    std::size_t next = 0;
    auto service = read_service_head(words, next);
    const auto values = service ? counters(words, next) : std::nullopt;
    if (!service || !values) {
      reading.note(number, "no service that is understood");
      continue;
    }
    service->counters = values;
    services.push_back(std::move(*service));
  }
  if (!headed && reading.problem.empty()) reading.problem = "no statistics of ipvsadm";
  if (headed) merge_services(state.ipvs.services, services);
  reading.known = headed && reading.problem.empty();
  if (reading.known) state.known.counters_of_services = true;
  return reading;
}

Reading parse_ipvsadm_connections(std::string_view text, KernelState& state) {
  Reading reading;
  std::size_t number = 0;
  bool headed = false;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (words[0] == "IPVS" || words[0] == "pro") {
      headed = true;
      continue;
    }
    const auto understood = [&]() -> std::optional<IpvsConnection> {
      if (words.size() < 6) return std::nullopt;
      IpvsConnection c;
      const bool mark = words[0] == "IP";
      if (words[0] == "TCP") {
        c.protocol = 6;
      } else if (words[0] == "UDP") {
        c.protocol = 17;
      } else if (words[0] == "SCTP") {
        c.protocol = 132;
      } else if (!mark) {
        return std::nullopt;
      }
      const auto colon = words[1].find(':');
      std::uint64_t minutes = 0, seconds = 0;
      if (colon == std::string_view::npos || !parse_number(words[1].substr(0, colon), UINT32_MAX / 60 - 1, minutes) ||
          !parse_number(words[1].substr(colon + 1), 59, seconds)) {
        return std::nullopt;
      }
      c.expires = static_cast<std::uint32_t>(minutes * 60 + seconds);
      c.state = printable(words[2], kMaxName);
      const auto client = parse_endpoint(words[3]), vip = parse_endpoint(words[4]), rip = parse_endpoint(words[5]);
      if (!client || !vip || !rip) return std::nullopt;
      c.client = *client;
      c.rip = *rip;
      if (!mark) {
        c.vip = *vip;
      } else if (vip->address.is_v4()) {
        c.fwmark = vip->address.v4_value();
      } else {
        const auto& b = vip->address.bytes;
        c.fwmark = std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
      }
      return c;
    }();
    if (!understood) {
      reading.note(number, "no connection that is understood");
      continue;
    }
    if (state.ipvs.connections.size() >= kMaxIpvsConnections) {
      state.ipvs.connections_complete = false;
      break;
    }
    state.ipvs.connections.push_back(*understood);
  }
  if (!headed && reading.problem.empty()) reading.problem = "no connection listing of ipvsadm";
  reading.known = headed && reading.problem.empty();
  if (headed) state.ipvs.present = true;
  if (reading.known) state.known.connections = true;
  return reading;
}

Reading parse_ipvsadm_timeout(std::string_view text, KernelState& state) {
  Reading reading;
  for (const std::string_view line : lines_of(text)) {
    const auto colon = line.find(':');
    if (!line.starts_with("Timeout") || colon == std::string_view::npos) continue;
    const auto words = words_of(line.substr(colon + 1));
    std::uint64_t values[3] = {};
    if (words.size() != 3 || !parse_number(words[0], UINT32_MAX, values[0]) || !parse_number(words[1], UINT32_MAX, values[1]) ||
        !parse_number(words[2], UINT32_MAX, values[2])) {
      break;
    }
    state.ipvs.timeouts = ServiceTimeouts{static_cast<std::uint32_t>(values[0]), static_cast<std::uint32_t>(values[1]),
                                          static_cast<std::uint32_t>(values[2])};
    state.ipvs.present = true;
    reading.known = true;
    return reading;
  }
  reading.problem = "no line of timeouts";
  return reading;
}

}  // namespace lvsnat
