// Text written at a pointer, for lists of a hundred thousand lines: no allocation, no terminating NUL.
//
// Every function writes at `out`, returns the byte after the last one written, and trusts the caller
// to have left room for the length that stands beside it.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "lvsnat/address.h"
#include "lvsnat/frame.h"

namespace lvsnat {

inline constexpr std::size_t kNumberLength = 20;    // 18446744073709551615
inline constexpr std::size_t kAddressLength = 39;   // eight groups of four; IPv4 needs 15
inline constexpr std::size_t kEndpointLength = 47;  // [address]:65535
inline constexpr std::size_t kMacLength = 17;
inline constexpr std::size_t kSecondsLength = 21;  // -9223372036.854775808

/// As it stands: text that comes from outside must have gone through printable().
inline char* append(char* out, std::string_view text) noexcept {
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  return out + text.size();
}
/// Decimal, kNumberLength.
inline char* append(char* out, std::uint64_t value) noexcept { return std::to_chars(out, out + kNumberLength, value).ptr; }
/// As to_string(): RFC 5952, dotted quad for IPv4, "-" for none. kAddressLength.
char* append(char* out, const Address& address) noexcept;
/// "10.1.1.2:80", "[fd00::2]:80", "-" for neither address nor port. kEndpointLength.
char* append(char* out, const Endpoint& endpoint) noexcept;
/// "02:00:5e:00:10:00". kMacLength.
char* append(char* out, const Mac& mac) noexcept;
/// Seconds since 1970, a point and nine digits; a '-' before times that lie earlier. kSecondsLength.
char* append_seconds(char* out, Timestamp time) noexcept;

}  // namespace lvsnat
