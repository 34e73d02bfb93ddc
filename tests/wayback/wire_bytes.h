// Packets as a cooked capture of all interfaces (LINUX_SLL2) shows them, made byte by byte.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/frame.h"
#include "lvsnat/packet.h"
#include "lvsnat/probe.h"

namespace lvsnat::wire_bytes {

using Bytes = std::vector<std::uint8_t>;
enum Way : std::uint8_t { in = 0, broadcast = 1, other_host = 3, out = 4 };  // PACKET_* of linux/if_packet.h

inline Address at(const char* text) { return *parse_address(text); }
inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline Bytes be16(unsigned v) { return {static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)}; }
inline Bytes be32(std::uint32_t v) { return be16(v >> 16) + be16(v & 0xffff); }
inline Bytes be64(std::uint64_t v) { return be32(static_cast<std::uint32_t>(v >> 32)) + be32(static_cast<std::uint32_t>(v)); }
inline Bytes address_bytes(const Address& a) {
  return a.is_v4() ? Bytes(a.bytes.begin() + 12, a.bytes.end()) : Bytes(a.bytes.begin(), a.bytes.end());
}
inline Mac mac(unsigned last) {
  Mac m;
  m.bytes = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(last)};
  return m;
}
inline Bytes mac_bytes(const Mac& m) { return Bytes(m.bytes.begin(), m.bytes.end()); }

inline Bytes ip(const Address& from, const Address& to, unsigned protocol, const Bytes& payload, unsigned ttl = 64) {
  const auto size = static_cast<unsigned>(payload.size());
  if (!from.is_v4())
    return Bytes{0x60, 0, 0, 0} + be16(size) + Bytes{static_cast<std::uint8_t>(protocol), static_cast<std::uint8_t>(ttl)} +
           address_bytes(from) + address_bytes(to) + payload;
  return Bytes{0x45, 0} + be16(size + 20) + be16(77) + be16(0) +
         Bytes{static_cast<std::uint8_t>(ttl), static_cast<std::uint8_t>(protocol), 0, 0} + address_bytes(from) +
         address_bytes(to) + payload;
}
inline unsigned icmp_of(const Address& a) { return a.is_v4() ? 1 : 58; }
inline Bytes echo(const Address& from, const Address& to, bool reply, unsigned id, unsigned sequence, std::uint64_t nonce,
                  unsigned ttl = 64) {
  const bool v6 = !from.is_v4();
  const unsigned type = reply ? (v6 ? 129U : 0U) : (v6 ? 128U : 8U);
  return ip(from, to, icmp_of(from), Bytes{static_cast<std::uint8_t>(type), 0, 0, 0} + be16(id) + be16(sequence) + be64(nonce),
            ttl);
}
/// The packet that ProbeSender would make; checksums are left out, nobody here looks at them.
inline Bytes packet_of(const Probe& p) {
  switch (p.kind) {
    case Probe::Kind::echo:
      return echo(p.source, p.destination, false, p.id, p.sequence, p.nonce, p.ttl);
    case Probe::Kind::udp:
      return ip(p.source, p.destination, 17, be16(p.source_port) + be16(p.destination_port) + be16(16) + be16(0) + be64(p.nonce),
                p.ttl);
    default:
      return ip(p.source, p.destination, 6,
                be16(p.source_port) + be16(p.destination_port) + be32(p.number) + be32(p.number) + Bytes{0x50, 0x12} +
                    be16(1024) + be32(0),
                p.ttl);
  }
}
/// Time exceeded, unreachable: with as much of the packet as RFC 792 asks for.
inline Bytes error(const Address& from, const Address& to, unsigned type, unsigned code, const Bytes& quoted) {
  const std::size_t kept = (from.is_v4() ? 20U : 40U) + 8U;
  return ip(from, to, icmp_of(from),
            Bytes{static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(code), 0, 0} + be32(0) +
                Bytes(quoted.begin(), quoted.begin() + static_cast<std::ptrdiff_t>(kept)));
}
inline Bytes redirect(const Address& from, const Address& to, const Address& gateway, const Bytes& quoted) {
  return ip(from, to, 1, Bytes{5, 1, 0, 0} + address_bytes(gateway) + Bytes(quoted.begin(), quoted.begin() + 28));
}
inline Bytes nd_redirect(const Address& from, const Address& to, const Address& target, const Address& destination) {
  return ip(from, to, 58, Bytes{137, 0, 0, 0} + be32(0) + address_bytes(target) + address_bytes(destination), 255);
}
inline Bytes arp(bool request, const Address& sender, const Mac& from, const Address& target) {
  return be16(1) + be16(0x0800) + Bytes{6, 4} + be16(request ? 1 : 2) + mac_bytes(from) + address_bytes(sender) + Bytes(6, 0) +
         address_bytes(target);
}
inline Bytes nd(bool request, const Address& sender, const Address& to, const Address& target, const Mac& from) {
  return ip(sender, to, 58,
            Bytes{static_cast<std::uint8_t>(request ? 135 : 136), 0, 0, 0} + be32(0) + address_bytes(target) +
                Bytes{static_cast<std::uint8_t>(request ? 1 : 2), 1} + mac_bytes(from),
            255);
}

/// Frames with bytes of their own.
class Heard {
 public:
  Heard& add(Timestamp time, Way way, std::uint32_t interface, const Mac& from, const Bytes& packet, unsigned type = 0) {
    if (type == 0) type = packet[0] >> 4 == 6 ? 0x86ddU : packet[0] >> 4 == 4 ? 0x0800U : 0x0806U;
    bytes_.push_back(be16(type) + be16(0) + be32(interface) + be16(1) + Bytes{static_cast<std::uint8_t>(way), 6} +
                     mac_bytes(from) + be16(0) + packet);
    times_.push_back(time);
    return *this;
  }
  [[nodiscard]] std::vector<Frame> frames() const {
    std::vector<Frame> out;
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      Frame f;
      f.time = times_[i];
      f.data = bytes_[i].data();
      f.captured = f.wire = static_cast<std::uint32_t>(bytes_[i].size());
      f.number = static_cast<std::uint32_t>(i + 1);
      f.link = LinkType::linux_sll2;
      out.push_back(f);
    }
    return out;
  }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::vector<Bytes> bytes_;
  std::vector<Timestamp> times_;
};

}  // namespace lvsnat::wire_bytes
