// Netlink attributes over borrowed bytes: bounds are checked before anything is read, whatever a length claims. Pure.
// Shapes: include/uapi/linux/netlink.h (struct nlattr: u16 length with header, u16 type, padded to 4 bytes, host order).
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "base/text.h"
#include "lvsnat/address.h"

namespace lvsnat {

using Bytes = std::span<const std::uint8_t>;

/// Host-order numbers as netlink carries them; nullopt where the bytes are too few.
template <typename Number>
std::optional<Number> number_in(Bytes bytes, std::size_t offset = 0) {
  if (bytes.size() < sizeof(Number) || offset > bytes.size() - sizeof(Number)) return std::nullopt;
  Number value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

struct Attribute {
  std::uint16_t type = 0;  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
  Bytes payload;

  [[nodiscard]] std::uint32_t u32() const { return number_in<std::uint32_t>(payload).value_or(0); }
  [[nodiscard]] std::uint16_t u16() const { return number_in<std::uint16_t>(payload).value_or(0); }
  [[nodiscard]] std::uint8_t u8() const { return number_in<std::uint8_t>(payload).value_or(0); }
  /// Up to its NUL, printable.
  [[nodiscard]] std::string text(std::size_t limit = 64) const {
    std::size_t length = 0;
    while (length < payload.size() && payload[length] != 0) ++length;
    return printable({reinterpret_cast<const char*>(payload.data()), length}, limit);
  }
  /// 4 or 16 bytes in network order.
  [[nodiscard]] std::optional<Address> address() const {
    if (payload.size() == 4) return Address::from_v4(payload.data());
    if (payload.size() == 16) return Address::from_v6(payload.data());
    return std::nullopt;
  }
  /// The same, of one family alone. An IPv6 attribute may hold an IPv4-mapped address, which Address does not tell from IPv4.
  [[nodiscard]] std::optional<Address> address(bool v6) const {
    return payload.size() == (v6 ? 16 : 4) ? address() : std::nullopt;
  }
};

/// Calls `take` for each attribute; false where one does not fit (what came before was taken).
template <typename Take>
bool for_each_attribute(Bytes bytes, Take&& take) {
  constexpr std::size_t kHeader = 4;
  while (bytes.size() >= kHeader) {
    const std::size_t length = *number_in<std::uint16_t>(bytes);
    if (length < kHeader || length > bytes.size()) return false;
    take(Attribute{static_cast<std::uint16_t>(*number_in<std::uint16_t>(bytes, 2) & 0x3fff),
                   bytes.subspan(kHeader, length - kHeader)});
    bytes = bytes.subspan(std::min(bytes.size(), (length + 3) & ~std::size_t{3}));
  }
  return bytes.empty();
}

}  // namespace lvsnat
