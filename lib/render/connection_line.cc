// Connections as NDJSON by hand: a capture may hold a hundred thousand, and a document model would cost more than the tracking.
#include <algorithm>
#include <cassert>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/append.h"
#include "lvsnat/packet.h"
#include "lvsnat/render.h"

namespace lvsnat {
namespace {

constexpr std::size_t kMaxFindings = 64;

std::string_view protocol_name(std::uint8_t protocol) {
  switch (protocol) {
    case kTcp:
      return "tcp";
    case kUdp:
      return "udp";
    case kSctp:
      return "sctp";
    default:
      return "other";
  }
}

char* append_endpoint(char* p, std::string_view address_key, std::string_view port_key, const Endpoint* endpoint) {
  p = append(p, address_key);
  if (endpoint == nullptr || endpoint->address.is_none()) {
    p = append(p, "null");
    p = append(p, port_key);
    return append(p, "null");
  }
  *p++ = '"';
  p = append(p, endpoint->address);
  *p++ = '"';
  p = append(p, port_key);
  return append(p, std::uint64_t{endpoint->port});
}

/// Microseconds with three digits after the point. Negative when two clocks disagree.
char* append_microseconds(char* p, std::string_view key, const std::optional<std::int64_t>& nanoseconds) {
  p = append(p, key);
  if (!nanoseconds) return append(p, "null");
  std::uint64_t value = static_cast<std::uint64_t>(*nanoseconds);
  if (*nanoseconds < 0) {
    *p++ = '-';
    value = 0 - value;
  }
  p = append(p, value / 1000);
  const auto rest = static_cast<unsigned>(value % 1000);
  *p++ = '.';
  *p++ = static_cast<char>('0' + rest / 100);
  *p++ = static_cast<char>('0' + rest / 10 % 10);
  *p++ = static_cast<char>('0' + rest % 10);
  return p;
}

template <typename Number>
char* append_legs(char* p, std::string_view key, const Connection& c, Number LegCount::*member) {
  static constexpr std::array<std::string_view, 4> kKeys{"\"request\":", ",\"demasq\":", ",\"reply\":", ",\"masq\":"};
  p = append(p, key);
  for (const Leg leg : kLegs) {
    p = append(p, kKeys[index(leg)]);
    p = append(p, std::uint64_t{c.leg(leg).*member});
  }
  *p++ = '}';
  return p;
}

}  // namespace

// The longest line: keys 330, three IPv6 addresses and ports 132, eight 20-digit counts 160, two times 42, four latencies
// 100, 64 findings 576; together well below kConnectionLineSize.
std::size_t render_connection_line(const Connection& c, std::span<const int> findings, std::span<char> out, bool typed) {
  assert(out.size() >= kConnectionLineSize);
  char* p = out.data();
  p = append(p, typed ? "{\"type\":\"connection\",\"protocol\":\"" : "{\"protocol\":\"");
  p = append(p, protocol_name(c.protocol));
  p = append_endpoint(p, "\",\"client\":", ",\"client_port\":", &c.client);
  p = append_endpoint(p, ",\"vip\":", ",\"vip_port\":", c.vip ? &*c.vip : nullptr);
  p = append_endpoint(p, ",\"rip\":", ",\"rip_port\":", c.rip ? &*c.rip : nullptr);
  p = append(p, ",\"legs\":\"");
  p = append(p, std::string_view(c.leg_string.text.data(), c.leg_string.text.size()));
  p = append_legs(p, "\",\"packets\":{", c, &LegCount::packets);
  p = append_legs(p, ",\"bytes\":{", c, &LegCount::bytes);
  p = append(p, ",\"first\":\"");
  p = append_seconds(p, c.first);
  p = append(p, "\",\"last\":\"");
  p = append_seconds(p, c.last);
  p = append(p, "\",\"state\":\"");
  p = append(p, name(c.state));
  p = append(p, "\",\"findings\":[");
  for (std::size_t i = 0; i < std::min(findings.size(), kMaxFindings); ++i) {
    const auto code = static_cast<unsigned>(std::clamp(findings[i], 0, 999));
    p = append(p, i == 0 ? "\"LVS" : ",\"LVS");
    *p++ = static_cast<char>('0' + code / 100);
    *p++ = static_cast<char>('0' + code / 10 % 10);
    *p++ = static_cast<char>('0' + code % 10);
    *p++ = '"';
  }
  p = append_microseconds(p, "],\"latency_us\":{\"director_request\":", c.director_request);
  p = append_microseconds(p, ",\"director_reply\":", c.director_reply);
  p = append_microseconds(p, ",\"real_server\":", c.real_server);
  p = append_microseconds(p, ",\"client\":", c.client_rtt);
  p = append(p, "}}\n");
  return static_cast<std::size_t>(p - out.data());
}

}  // namespace lvsnat
