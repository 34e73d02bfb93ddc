#include "facts/ftp_text.h"

#include <charconv>
#include <string_view>

namespace lvsnat {
namespace {

/// "10,1,1,2,4,1": four address bytes and two of the port.
bool parse_six(std::string_view text, Endpoint& out) {
  unsigned values[6];
  const char* at = text.data();
  const char* end = text.data() + text.size();
  for (int i = 0; i < 6; ++i) {
    const auto [next, error] = std::from_chars(at, end, values[i]);
    if (error != std::errc{} || values[i] > 255) return false;
    at = next;
    if (i < 5) {
      if (at == end || *at != ',') return false;
      ++at;
    }
  }
  out.address = Address::v4(values[0] << 24 | values[1] << 16 | values[2] << 8 | values[3]);
  out.port = static_cast<std::uint16_t>(values[4] << 8 | values[5]);
  return true;
}

bool starts_with_no_case(std::string_view text, std::string_view upper) {
  if (text.size() < upper.size()) return false;
  for (std::size_t i = 0; i < upper.size(); ++i) {
    const char c = text[i];
    if ((c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c) != upper[i]) return false;
  }
  return true;
}

}  // namespace

bool parse_ftp_announcement(std::span<const std::uint8_t> payload, FtpAnnouncement& out) {
  const std::string_view text(reinterpret_cast<const char*>(payload.data()), std::min<std::size_t>(payload.size(), 512));
  if (text.starts_with("227")) {
    // Servers differ in what stands around the six numbers; clients look for the first digit after the code, so do we.
    const std::size_t digit = text.find_first_of("0123456789", 3);
    if (digit == std::string_view::npos) return false;
    out.kind = FtpAnnouncement::Kind::pasv_reply;
    return parse_six(text.substr(digit), out.announced);
  }
  if (text.starts_with("229")) {
    const std::size_t bar = text.find("|||");
    if (bar == std::string_view::npos) return false;
    unsigned port = 0;
    const std::string_view rest = text.substr(bar + 3);
    if (std::from_chars(rest.data(), rest.data() + rest.size(), port).ec != std::errc{} || port > 65535) return false;
    out.kind = FtpAnnouncement::Kind::epsv_reply;
    out.announced = Endpoint{Address{}, static_cast<std::uint16_t>(port)};
    return true;
  }
  if (starts_with_no_case(text, "PORT ")) {
    out.kind = FtpAnnouncement::Kind::port_command;
    return parse_six(text.substr(5), out.announced);
  }
  if (starts_with_no_case(text, "EPRT ") && text.size() > 6) {
    const char bar = text[5];
    const std::size_t a = text.find(bar, 6);
    const std::size_t b = a == std::string_view::npos ? a : text.find(bar, a + 1);
    const std::size_t c = b == std::string_view::npos ? b : text.find(bar, b + 1);
    if (c == std::string_view::npos) return false;
    const auto address = parse_address(text.substr(a + 1, b - a - 1));
    unsigned port = 0;
    const std::string_view digits = text.substr(b + 1, c - b - 1);
    if (!address || std::from_chars(digits.data(), digits.data() + digits.size(), port).ec != std::errc{} || port > 65535)
      return false;
    out.kind = FtpAnnouncement::Kind::eprt_command;
    out.announced = Endpoint{*address, static_cast<std::uint16_t>(port)};
    return true;
  }
  return false;
}

}  // namespace lvsnat
