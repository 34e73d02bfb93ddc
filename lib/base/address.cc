#include "lvsnat/address.h"

#include <arpa/inet.h>

#include "base/append.h"
#include "base/bytes.h"
#include "base/text.h"

namespace lvsnat {
namespace {

constexpr char kHex[] = "0123456789abcdef";

char* append_octet(char* out, std::uint8_t value) noexcept {
  if (value >= 100) *out++ = static_cast<char>('0' + value / 100);
  if (value >= 10) *out++ = static_cast<char>('0' + value / 10 % 10);
  *out++ = static_cast<char>('0' + value % 10);
  return out;
}

char* append_v4(char* out, const std::uint8_t* p) noexcept {
  out = append_octet(out, p[0]);
  for (int i = 1; i < 4; ++i) {
    *out++ = '.';
    out = append_octet(out, p[i]);
  }
  return out;
}

char* append_group(char* out, std::uint16_t value) noexcept {
  if (value >= 0x1000) *out++ = kHex[value >> 12];
  if (value >= 0x100) *out++ = kHex[value >> 8 & 15];
  if (value >= 0x10) *out++ = kHex[value >> 4 & 15];
  *out++ = kHex[value & 15];
  return out;
}

// RFC 5952 section 4: lower case, no leading zeros, "::" for the longest run of two or more zero groups
// (the first of equals). Section 5 allows dotted quads only where the prefix tells that one is meant; the
// only such prefix here, ::ffff:0:0/96, is held as IPv4.
char* append_v6(char* out, const std::uint8_t* bytes) noexcept {
  std::uint16_t groups[8];
  for (int i = 0; i < 8; ++i) groups[i] = load_be16(bytes + 2 * i);
  int best = -1;
  int best_length = 1;
  for (int i = 0; i < 8;) {
    int end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    i = end + 1;
  }
  for (int i = 0; i < 8;) {
    if (i == best) {
      *out++ = ':';
      *out++ = ':';
      i += best_length;
      continue;
    }
    if (i != 0 && i != best + best_length) *out++ = ':';
    out = append_group(out, groups[i]);
    ++i;
  }
  return out;
}

// "::" and "none" share a value: where an address must stand, it is spelt out.
char* append_spelt(char* out, const Address& address) noexcept {
  return address.is_v4() ? append_v4(out, &address.bytes[12]) : append_v6(out, address.bytes.data());
}

void clear_host_bits(Address& address, unsigned length) noexcept {
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned kept = length > 8 * i ? length - 8 * i : 0;
    if (kept < 8) address.bytes[i] = static_cast<std::uint8_t>(address.bytes[i] & (0xff00U >> kept));
  }
}

unsigned length_of_128(const Prefix& prefix) noexcept { return prefix.length + (prefix.address.is_v4() ? 96U : 0U); }

bool same_leading_bits(const Address& a, const Address& b, unsigned length) noexcept {
  if (length > 128) return false;
  if (std::memcmp(a.bytes.data(), b.bytes.data(), length / 8) != 0) return false;
  const unsigned rest = length % 8;
  return rest == 0 || ((a.bytes[length / 8] ^ b.bytes[length / 8]) & (0xff00U >> rest) & 0xffU) == 0;
}

// Ports and prefix lengths have one spelling each: no sign, no leading zero.
bool parse_plain(std::string_view text, std::uint64_t max, std::uint64_t& out) {
  return (text.size() == 1 || (!text.empty() && text[0] != '0')) && parse_number(text, max, out);
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool Address::is_loopback() const noexcept {
  static constexpr std::uint8_t one[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return is_v4() ? bytes[12] == 127 : std::memcmp(bytes.data(), one, 16) == 0;
}

bool Address::is_link_local() const noexcept {
  return is_v4() ? bytes[12] == 169 && bytes[13] == 254 : bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool Address::is_multicast() const noexcept {
  return is_v4() ? (bytes[12] & 0xf0) == 0xe0 || v4_value() == 0xffffffff : bytes[0] == 0xff;
}

bool Address::is_unspecified() const noexcept { return is_none() || (is_v4() && v4_value() == 0); }

bool Prefix::contains(const Address& other) const noexcept {
  if (other.is_none() || other.is_v4() != address.is_v4()) return false;
  return same_leading_bits(address, other, length_of_128(*this));
}

bool Prefix::contains(const Prefix& other) const noexcept {
  if (other.address.is_v4() != address.is_v4() || other.length < length) return false;
  return same_leading_bits(address, other.address, length_of_128(*this));
}

char* append(char* out, const Address& address) noexcept {
  if (address.is_none()) {
    *out = '-';
    return out + 1;
  }
  return append_spelt(out, address);
}

char* append(char* out, const Endpoint& endpoint) noexcept {
  if (endpoint.address.is_none() && endpoint.port == 0) {
    *out = '-';
    return out + 1;
  }
  if (endpoint.address.is_v4()) {
    out = append_v4(out, &endpoint.address.bytes[12]);
  } else {
    *out++ = '[';
    out = append_v6(out, endpoint.address.bytes.data());
    *out++ = ']';
  }
  *out++ = ':';
  return append(out, std::uint64_t{endpoint.port});
}

char* append(char* out, const Mac& mac) noexcept {
  for (std::size_t i = 0; i < 6; ++i) {
    if (i != 0) *out++ = ':';
    *out++ = kHex[mac.bytes[i] >> 4];
    *out++ = kHex[mac.bytes[i] & 15];
  }
  return out;
}

std::string to_string(const Address& address) {
  char text[kAddressLength];
  return {text, append(text, address)};
}

std::string to_string(const Endpoint& endpoint) {
  char text[kEndpointLength];
  return {text, append(text, endpoint)};
}

std::string to_string(const Prefix& prefix) {
  char text[kAddressLength + 4];
  char* end = append_spelt(text, prefix.address);
  *end++ = '/';
  return {text, append(end, std::uint64_t{prefix.length})};
}

std::string to_string(const Mac& mac) {
  char text[kMacLength];
  return {text, append(text, mac)};
}

std::optional<Address> parse_address(std::string_view text) {
  char copy[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof copy || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  std::uint8_t bytes[16];
  if (inet_pton(AF_INET, copy, bytes) == 1) return Address::from_v4(bytes);
  if (inet_pton(AF_INET6, copy, bytes) == 1) return Address::from_v6(bytes);
  return std::nullopt;
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::uint64_t port = 0;
  if (!parse_plain(text.substr(colon + 1), 65535, port)) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  // Without brackets "fd00::2:80" would be two things; with them "[10.1.1.2]:80" is nobody's spelling.
  if (bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
  const std::optional<Address> address = parse_address(host);
  if (!address) return std::nullopt;
  return Endpoint{*address, static_cast<std::uint16_t>(port)};
}

std::optional<Prefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const std::optional<Address> address = parse_address(host);
  if (!address) return std::nullopt;
  const bool dotted = host.find(':') == std::string_view::npos;
  std::uint64_t length = dotted ? 32 : 128;
  if (slash != std::string_view::npos && !parse_plain(text.substr(slash + 1), length, length)) return std::nullopt;
  Prefix prefix{*address, 0};
  clear_host_bits(prefix.address, static_cast<unsigned>(length) + (dotted ? 96 : 0));
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8; with fewer than 96 bits the mapped prefix itself is cut, and it stays IPv6.
  prefix.length = static_cast<std::uint8_t>(!dotted && prefix.address.is_v4() ? length - 96 : length);
  return prefix;
}

std::optional<Mac> parse_mac(std::string_view text) {
  if (text.size() != kMacLength) return std::nullopt;
  Mac mac;
  for (std::size_t i = 0; i < 6; ++i) {
    const int high = hex_value(text[3 * i]);
    const int low = hex_value(text[3 * i + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':')) return std::nullopt;
    mac.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return mac;
}

}  // namespace lvsnat
