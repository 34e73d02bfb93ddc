// An endpoint with an IPv4 address in one word, so that two of them are compared, and hashed, at once. Hot: inline, no branches.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "lvsnat/address.h"

namespace lvsnat {

/// The last eight bytes of an address, as they lie: all of an IPv4 one, the host's part of an IPv6 one as a rule.
inline std::uint64_t low_half(const Address& address) noexcept {
  std::uint64_t low;
  std::memcpy(&low, address.bytes.data() + 8, 8);
  return low;
}
/// The first eight: 0 of every IPv4 address, and of some others.
inline std::uint64_t high_half(const Address& address) noexcept {
  std::uint64_t high;
  std::memcpy(&high, address.bytes.data(), 8);
  return high;
}
/// low_half() of the IPv4 address whose four bytes were loaded, as they lie, into `host`.
inline std::uint64_t low_half_v4(std::uint32_t host) noexcept {
  return std::endian::native == std::endian::little ? std::uint64_t{host} << 32 | 0xffff0000 : 0x0000ffff00000000 | host;
}

// Port and protocol stand where an IPv4 address mapped into IPv6 has its ffff and the zeros beside it.
inline constexpr unsigned kPortShift = std::endian::native == std::endian::little ? 0 : 32;

/// `low`: low_half() of the address. Different endpoints with IPv4 addresses have different words; none is 0.
inline std::uint64_t endpoint_word(std::uint64_t low, std::uint16_t port, std::uint8_t protocol) noexcept {
  return low ^ (std::uint64_t{protocol} << 16 | port) << kPortShift;
}
/// And the other way round.
inline std::uint16_t port_of_word(std::uint64_t word) noexcept {
  return static_cast<std::uint16_t>((word ^ low_half_v4(0)) >> kPortShift);
}
inline Address address_of_word(std::uint64_t word) noexcept {
  constexpr std::uint64_t host = std::uint64_t{0xffffffff} << (32 - kPortShift);
  Address address;
  const std::uint64_t low = (word & host) | low_half_v4(0);
  std::memcpy(address.bytes.data() + 8, &low, 8);
  return address;
}
/// The same of any address: with IPv6 it is but a digest, which others may have too, though no endpoint with an IPv4 address has.
inline std::uint64_t endpoint_digest(const Address& address, std::uint16_t port, std::uint8_t protocol) noexcept {
  // A bit that is set, or not, in the word of every IPv4 endpoint.
  constexpr bool little = std::endian::native == std::endian::little;
  constexpr std::uint64_t bit = std::uint64_t{1} << (little ? 24 : 63);
  const std::uint64_t word = endpoint_word(low_half(address) ^ high_half(address) * 0xd6e8feb86659fd93, port, protocol);
  return little ? word & ~bit : word | bit;
}

}  // namespace lvsnat
