// One keyed hash for client endpoints, server endpoints and paths. CIP:port is chosen by attackers, so
// the key is drawn per process; results never depend on it, for nothing iterates in hash order.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/endpoint_word.h"
#include "lvsnat/address.h"

namespace lvsnat::track {

struct HashKey {
  std::uint64_t a = 0x9e3779b97f4a7c15, b = 0xd1b54a32d192ed03;
};

inline std::uint64_t fold_multiply(std::uint64_t x, std::uint64_t y) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(x) * y;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint32_t fold_half(std::uint64_t h) noexcept { return static_cast<std::uint32_t>(h ^ (h >> 32)); }

/// Of an endpoint with an IPv4 address, by its endpoint_word(): one multiplication does.
inline std::uint32_t hash_word(const HashKey& key, std::uint64_t word) noexcept {
  return fold_half(fold_multiply(word ^ key.a, key.b | 1));
}

inline std::uint32_t hash_endpoint(const HashKey& key, const Address& address, std::uint16_t port,
                                   std::uint8_t protocol) noexcept {
  static constexpr Address v4 = Address::v4(0);
  const std::uint64_t high = high_half(address), low = low_half(address), rest = std::uint64_t{port} << 8 | protocol;
  if (high == 0 && std::memcmp(address.bytes.data() + 8, v4.bytes.data() + 8, 4) == 0)
    return hash_word(key, endpoint_word(low, port, protocol));
  return fold_half(fold_multiply(fold_multiply(high ^ key.a, low ^ key.b) ^ rest ^ key.b, key.a | 1));
}

}  // namespace lvsnat::track
