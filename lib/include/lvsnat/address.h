// IP addresses, endpoints, prefixes and MACs as plain comparable values.
//
// Threads: values. Errors: parsers return std::nullopt on anything but one complete, canonical
// spelling (surrounding blanks are an error). Bytes are in network order throughout.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "lvsnat/export.h"

namespace lvsnat {

/// An IPv4 or IPv6 address in 16 bytes; IPv4 is held IPv4-mapped (::ffff:a.b.c.d), so one type, one
/// hash and one comparison serve both. The all-zero value means "none".
struct Address {
  std::array<std::uint8_t, 16> bytes{};

  /// `host_order`: 10.1.1.2 is 0x0a010102.
  static constexpr Address v4(std::uint32_t host_order) noexcept {
    Address a;
    a.bytes[10] = 0xff;
    a.bytes[11] = 0xff;
    a.bytes[12] = static_cast<std::uint8_t>(host_order >> 24);
    a.bytes[13] = static_cast<std::uint8_t>(host_order >> 16);
    a.bytes[14] = static_cast<std::uint8_t>(host_order >> 8);
    a.bytes[15] = static_cast<std::uint8_t>(host_order);
    return a;
  }
  /// Four bytes in network order, as they stand in an IPv4 header.
  static Address from_v4(const std::uint8_t* network) noexcept {
    Address a;
    a.bytes[10] = 0xff;
    a.bytes[11] = 0xff;
    std::memcpy(&a.bytes[12], network, 4);
    return a;
  }
  /// Sixteen bytes in network order, as they stand in an IPv6 header.
  static Address from_v6(const std::uint8_t* network) noexcept {
    Address a;
    std::memcpy(a.bytes.data(), network, 16);
    return a;
  }

  [[nodiscard]] bool is_none() const noexcept { return *this == Address{}; }
  [[nodiscard]] bool is_v4() const noexcept {
    static constexpr std::uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes.data(), mapped, 12) == 0;
  }
  /// Host-order value of an IPv4 address; meaningless for IPv6.
  [[nodiscard]] std::uint32_t v4_value() const noexcept {
    return std::uint32_t{bytes[12]} << 24 | std::uint32_t{bytes[13]} << 16 | std::uint32_t{bytes[14]} << 8 | bytes[15];
  }
  [[nodiscard]] LVSNAT_EXPORT bool is_loopback() const noexcept;
  [[nodiscard]] LVSNAT_EXPORT bool is_link_local() const noexcept;   // 169.254/16, fe80::/10
  [[nodiscard]] LVSNAT_EXPORT bool is_multicast() const noexcept;    // 224/4, ff00::/8; 255.255.255.255 too
  [[nodiscard]] LVSNAT_EXPORT bool is_unspecified() const noexcept;  // 0.0.0.0, ::

  /// Two words, not sixteen bytes: every packet asks this several times, and std::array would call memcmp().
  friend constexpr bool operator==(const Address& a, const Address& b) noexcept {
    using Words = std::array<std::uint64_t, 2>;
    const Words x = std::bit_cast<Words>(a.bytes), y = std::bit_cast<Words>(b.bytes);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
  }
  friend auto operator<=>(const Address&, const Address&) = default;
};

/// Address and transport port; port 0 where there is none. Host order.
struct Endpoint {
  Address address;
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// An address range of one family: ::/0 holds no IPv4 address, and none holds the address "none".
/// `length` counts in the family's own bits: 0..32 for IPv4, 0..128 for IPv6.
struct Prefix {
  Address address;  // host bits are zero once parsed
  std::uint8_t length = 0;
  [[nodiscard]] LVSNAT_EXPORT bool contains(const Address&) const noexcept;
  [[nodiscard]] LVSNAT_EXPORT bool contains(const Prefix&) const noexcept;
  friend bool operator==(const Prefix&, const Prefix&) = default;
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

struct Mac {
  std::array<std::uint8_t, 6> bytes{};
  [[nodiscard]] bool is_none() const noexcept { return *this == Mac{}; }
  [[nodiscard]] bool is_group() const noexcept { return (bytes[0] & 1) != 0; }  // broadcast or multicast
  friend bool operator==(const Mac&, const Mac&) = default;
  friend auto operator<=>(const Mac&, const Mac&) = default;
};

/// RFC 5952 for IPv6, dotted quad for IPv4 (also for IPv4-mapped); "-" for none.
LVSNAT_EXPORT std::string to_string(const Address&);
/// "10.1.1.2:80", "[fd00::2]:80"; "-" where there is neither address nor port.
LVSNAT_EXPORT std::string to_string(const Endpoint&);
/// "10.1.1.0/24"; a full-length prefix prints its length too.
LVSNAT_EXPORT std::string to_string(const Prefix&);
/// "02:00:5e:00:10:00".
LVSNAT_EXPORT std::string to_string(const Mac&);

/// As inet_pton(3): four decimal numbers without leading zeros, or RFC 4291 2.2 in either case, without
/// scope. "::ffff:10.1.1.2" gives the IPv4 address; "::" gives the value that also means "none".
LVSNAT_EXPORT std::optional<Address> parse_address(std::string_view);
/// "10.1.1.2:80" or "[fd00::2]:80"; the port is mandatory, 0..65535.
LVSNAT_EXPORT std::optional<Endpoint> parse_endpoint(std::string_view);
/// "10.1.1.0/24" or a bare address (full length). Host bits are cleared.
LVSNAT_EXPORT std::optional<Prefix> parse_prefix(std::string_view);
/// Six colon-separated pairs of hexadecimal digits, in either case.
LVSNAT_EXPORT std::optional<Mac> parse_mac(std::string_view);

}  // namespace lvsnat
