// One row of a truth table: what a perfect observer of the director's two sides knows of one connection.
//
// A table is text, a row a line, columns separated by tabs: protocol, CIP, its port, VIP, its port, RIP, its port, fault,
// time of the first and of the last packet (nanoseconds since the epoch), then packets and IP bytes of the request, demasq,
// reply and masq legs in turn, and the number of ICMP messages about the connection. Only TCP and UDP packets count for legs
// and times. Rows come in the order in which connections end.
//
// Threads: values. Ownership: everything is owned. Errors: parse_row() tells why a line is none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lvsnat/address.h"
#include "lvsnat/frame.h"
#include "lvsnat/result.h"

namespace lvsnat::truth {

/// What goes wrong with a connection.
enum class Fault : std::uint8_t {
  none,
  noleg4,      // the reply reaches the director and never leaves it
  redirect,    // the director redirects the real server by ICMP, and its replies then go past the director
  noreply,     // the real server never answers; the SYN is repeated
  nofwd,       // the director forwards nothing; the SYN is repeated
  refused,     // the real server answers the SYN with RST
  nors,        // the director has no real server: port unreachable from the VIP
  unreach,     // the real server answers with port unreachable, which is masqueraded
  rstmid,      // the real server resets after the request
  fragneeded,  // a router before the client cannot pass full-size packets, and says so
};
inline constexpr std::size_t kFaults = 10;

/// "ok", "noleg4", ...: the words of the table and of `--faults`.
std::string_view name(Fault);
std::optional<Fault> parse_fault(std::string_view);

struct Row {
  std::uint8_t protocol = 0;
  Endpoint client, vip, rip;
  Fault fault = Fault::none;
  Timestamp first = 0, last = 0;
  std::array<std::uint64_t, 4> packets{}, bytes{};  // by leg
  std::uint64_t icmp = 0;
};

/// Without the newline.
std::string to_line(const Row&);
Result<Row> parse_row(std::string_view line);

}  // namespace lvsnat::truth
