// Frames built byte by byte, and decoded from heap blocks of exactly the captured size, so that a sanitizer sees
// every byte read too far.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "lvsnat/packet.h"

namespace lvsnat::frames {

using Bytes = std::vector<std::uint8_t>;
using Kind = Packet::Kind;

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline Bytes be16(unsigned v) { return {static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)}; }
inline Bytes be32(std::uint32_t v) { return be16(v >> 16) + be16(v & 0xffff); }
inline Bytes zeros(std::size_t n) { return Bytes(n, 0); }
inline Bytes u8(unsigned v) { return {static_cast<std::uint8_t>(v)}; }

inline Bytes ethernet(unsigned type, const Bytes& payload) {
  return Bytes{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1} + be16(type) + payload;
}
inline Bytes vlan(unsigned id, unsigned type, const Bytes& payload) { return be16(id) + be16(type) + payload; }

struct Ip4 {
  unsigned protocol = kTcp;
  unsigned fragment = 0x4000;  // the whole 16-bit field
  int total = -1;              // -1: right
  unsigned options = 0;        // bytes of no-operation options
  int first = -1;              // first byte; -1: right
  std::uint32_t source = 0x0a010102, destination = 0x0a010103;
};
inline Bytes ipv4(const Ip4& ip, const Bytes& payload) {
  const unsigned header = 20 + ip.options;
  const unsigned total = ip.total >= 0 ? static_cast<unsigned>(ip.total) : header + static_cast<unsigned>(payload.size());
  return u8(ip.first >= 0 ? static_cast<unsigned>(ip.first) : 0x40 | header / 4) + u8(0) + be16(total) + be16(0x1234) +
         be16(ip.fragment) + u8(63) + u8(ip.protocol) + be16(0) + be32(ip.source) + be32(ip.destination) + Bytes(ip.options, 1) +
         payload;
}
inline Bytes address6(unsigned last) { return Bytes{0xfd} + zeros(14) + u8(last); }
inline Bytes ipv6(unsigned next, const Bytes& payload, int length = -1, unsigned first = 0x60) {
  return u8(first) + zeros(3) + be16(length >= 0 ? static_cast<unsigned>(length) : static_cast<unsigned>(payload.size())) +
         u8(next) + u8(64) + address6(2) + address6(3) + payload;
}
inline Bytes tcp(const Bytes& payload = {}, unsigned offset = 5, unsigned flags = kAck | kPsh) {
  return be16(40000) + be16(80) + be32(0x11223344) + be32(0x55667788) + u8(offset << 4) + u8(flags) + be16(501) + be32(0) +
         Bytes(offset > 5 ? (offset - 5) * 4 : 0, 1) + payload;
}
inline Bytes udp(const Bytes& payload = {}, int length = -1) {
  return be16(5353) + be16(53) + be16(length >= 0 ? static_cast<unsigned>(length) : static_cast<unsigned>(payload.size() + 8)) +
         be16(0) + payload;
}
inline Bytes icmp(unsigned type, unsigned code, const Bytes& rest) { return u8(type) + u8(code) + be16(0) + rest; }

/// A packet and the block that it borrows.
struct Decoded {
  std::unique_ptr<std::uint8_t[]> block;
  Packet packet;
  const Packet* operator->() const { return &packet; }
};

inline Frame frame_of(const std::uint8_t* data, std::size_t captured, std::size_t wire, LinkType link) {
  Frame frame;
  frame.time = 1795398655400000000;
  frame.data = data;
  frame.captured = static_cast<std::uint32_t>(captured);
  frame.wire = static_cast<std::uint32_t>(wire);
  frame.number = 17;
  frame.vantage = 3;
  frame.link = link;
  return frame;
}

inline std::unique_ptr<std::uint8_t[]> block_of(std::span<const std::uint8_t> bytes) {
  auto block = std::make_unique<std::uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), block.get());
  return block;
}

/// The first `captured` of `bytes`, all of which were on the wire.
inline Decoded decode_cut(const Bytes& bytes, std::size_t captured, LinkType link = LinkType::ethernet) {
  Decoded result;
  result.block = block_of(std::span(bytes).first(captured));
  const Frame frame = frame_of(result.block.get(), captured, bytes.size(), link);
  // Left-overs of an earlier packet must not shine through.
  std::memset(static_cast<void*>(&result.packet), 0xa5, sizeof result.packet);
  decode({&frame, 1}, {&result.packet, 1});
  return result;
}
inline Decoded decode_whole(const Bytes& bytes, LinkType link = LinkType::ethernet) {
  return decode_cut(bytes, bytes.size(), link);
}

}  // namespace lvsnat::frames
