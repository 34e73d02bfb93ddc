#include "frame_maker.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "lvsnat/packet.h"

namespace lvsnat::truth {
namespace {

constexpr std::uint8_t kFill = 'x';    // every payload byte, so that a checksum needs no look at the payload
constexpr std::size_t kShortest = 60;  // Ethernet pads shorter frames; what a host sends is captured before that

void put16(std::uint8_t* at, std::size_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
void put32(std::uint8_t* at, std::uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

/// RFC 1071: the ones' complement of the ones' complement sum of 16-bit words.
class Checksum {
 public:
  Checksum& add(std::span<const std::uint8_t> bytes) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum_ += std::uint32_t{bytes[i]} << 8 | bytes[i + 1];
    if (bytes.size() % 2 != 0) sum_ += std::uint32_t{bytes.back()} << 8;
    return *this;
  }
  Checksum& add_fill(std::size_t count) {
    sum_ += std::uint64_t{count / 2} * (kFill << 8 | kFill) + (count % 2 != 0 ? kFill << 8 : 0);
    return *this;
  }
  /// Pseudo-header of RFC 9293 3.1 and RFC 8200 8.1.
  Checksum& add_pseudo(const Address& source, const Address& destination, std::uint8_t protocol, std::size_t length) {
    for (const Address* a : {&source, &destination}) add(std::span(a->bytes).subspan(a->is_v4() ? 12 : 0));
    sum_ += protocol + length;
    return *this;
  }
  [[nodiscard]] std::uint16_t value() const {
    std::uint64_t folded = sum_;
    while (folded >> 16 != 0) folded = (folded & 0xffff) + (folded >> 16);
    return static_cast<std::uint16_t>(~folded);
  }

 private:
  std::uint64_t sum_ = 0;
};

using MacBytes = std::array<std::uint8_t, 6>;
constexpr MacBytes kDirectorOutside{2, 0, 0, 0, 0xd0, 1}, kRouter{2, 0, 0, 0, 0xc0, 1};
constexpr MacBytes kDirectorInside{2, 0, 0, 0, 0xd0, 2}, kRealServers{2, 0, 0, 0, 0xe0, 1};

std::uint16_t ether_type_of(const Address& a) { return a.is_v4() ? 0x0800 : 0x86dd; }
std::size_t ip_header_length(const Address& a) { return a.is_v4() ? 20 : 40; }

}  // namespace

FrameMaker::FrameMaker(Link link, std::uint32_t snaplen) : link_(link), snaplen_(snaplen), bytes_(70'000, kFill) {}

std::size_t FrameMaker::link_header(Place place, std::uint16_t ether_type) {
  std::uint8_t* at = bytes_.data();
  const MacBytes& own = place.inside ? kDirectorInside : kDirectorOutside;
  const MacBytes& peer = place.inside ? kRealServers : kRouter;
  const MacBytes& source = place.received ? peer : own;
  const std::uint8_t packet_type = place.received ? 0 : 4;  // PACKET_HOST, PACKET_OUTGOING of linux/if_packet.h
  switch (link_) {
    case Link::raw:
      return 0;
    case Link::sll:  // https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html
      put16(at, packet_type);
      put16(at + 2, 1);
      put16(at + 4, source.size());
      std::copy(source.begin(), source.end(), at + 6);
      put16(at + 12, 0);
      put16(at + 14, ether_type);
      return 16;
    case Link::sll2:  // https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html
      put16(at, ether_type);
      put16(at + 2, 0);
      put32(at + 4, place.inside ? 3 : 2);
      put16(at + 8, 1);
      at[10] = packet_type;
      at[11] = static_cast<std::uint8_t>(source.size());
      std::copy(source.begin(), source.end(), at + 12);
      put16(at + 18, 0);
      return 20;
    case Link::ethernet:
    case Link::vlan:
      break;
  }
  const MacBytes& destination = place.received ? own : peer;
  std::copy(destination.begin(), destination.end(), at);
  std::copy(source.begin(), source.end(), at + 6);
  std::size_t length = 12;
  if (link_ == Link::vlan) {
    put16(at + 12, 0x8100);
    put16(at + 14, place.inside ? 101 : 100);
    length = 16;
  }
  put16(at + length, ether_type);
  return length + 2;
}

std::size_t FrameMaker::ip_header(std::size_t start, const Address& source, const Address& destination, std::uint8_t protocol,
                                  std::size_t length, std::uint8_t ttl, std::uint16_t ip_id) {
  std::uint8_t* at = bytes_.data() + start;
  if (!source.is_v4()) {
    put32(at, 0x60000000);
    put16(at + 4, length);
    at[6] = protocol;
    at[7] = ttl;
    std::copy(source.bytes.begin(), source.bytes.end(), at + 8);
    std::copy(destination.bytes.begin(), destination.bytes.end(), at + 24);
    return 40;
  }
  put16(at, 0x4500);
  put16(at + 2, 20 + length);
  put16(at + 4, ip_id);
  put16(at + 6, 0x4000);  // don't fragment
  at[8] = ttl;
  at[9] = protocol;
  put16(at + 10, 0);
  std::copy(source.bytes.begin() + 12, source.bytes.end(), at + 12);
  std::copy(destination.bytes.begin() + 12, destination.bytes.end(), at + 16);
  put16(at + 10, Checksum().add({at, 20}).value());
  return 20;
}

std::size_t FrameMaker::transport_header(std::size_t start, const Segment& s) {
  std::uint8_t* at = bytes_.data() + start;
  put16(at, s.source.port);
  put16(at + 2, s.destination.port);
  std::size_t length = 8;
  std::size_t checksum_at = 6;
  if (s.protocol == kUdp) {
    put16(at + 4, 8u + s.payload);
  } else {
    const bool syn = (s.flags & kSyn) != 0;
    const bool bare = (s.flags & kRst) != 0;
    checksum_at = 16;
    put32(at + 4, s.sequence);
    put32(at + 8, s.acknowledgement);
    at[13] = s.flags;
    put16(at + 14, bare ? 0 : 502);
    put16(at + 18, 0);
    length = 20;
    if (syn) {
      put32(at + length, 0x02040000 | (s.source.address.is_v4() ? 1460u : 1440u));  // maximum segment size
      put32(at + length + 4, 0x0402080a);                                           // SACK permitted, timestamps
      put32(at + length + 8, s.milliseconds);
      put32(at + length + 12, 0);
      put32(at + length + 16, 0x01030307);  // no operation, window scale 7
      length += 20;
    } else if (!bare) {
      put32(at + length, 0x0101080a);
      put32(at + length + 4, s.milliseconds);
      put32(at + length + 8, s.milliseconds - 2);
      length += 12;
    }
    at[12] = static_cast<std::uint8_t>(length / 4 << 4);
  }
  put16(at + checksum_at, 0);
  const std::uint16_t sum = Checksum()
                                .add_pseudo(s.source.address, s.destination.address, s.protocol, length + s.payload)
                                .add({at, length})
                                .add_fill(s.payload)
                                .value();
  put16(at + checksum_at, s.protocol == kUdp && sum == 0 ? 0xffff : sum);  // RFC 768: 0 means none
  return length;
}

void FrameMaker::finish(std::size_t length, Place place, Frame& frame) const {
  frame.data = bytes_.data();
  const bool padded = (link_ == Link::ethernet || link_ == Link::vlan) && place.received;
  frame.wire = static_cast<std::uint32_t>(padded ? std::max(length, kShortest) : length);
  frame.captured = std::min(frame.wire, snaplen_);
  frame.link = link_type(link_);
}

std::uint32_t FrameMaker::segment(const Segment& s, Place place, Frame& frame) {
  const std::size_t ip_at = link_header(place, ether_type_of(s.source.address));
  const std::size_t transport_at = ip_at + ip_header_length(s.source.address);
  const std::size_t header = transport_header(transport_at, s);
  ip_header(ip_at, s.source.address, s.destination.address, s.protocol, header + s.payload, s.ttl, s.ip_id);
  // Headers of the frame before may have been longer.
  const std::size_t payload_at = transport_at + header;
  std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(payload_at), std::min<std::size_t>(s.payload, 128), kFill);
  const std::size_t end = payload_at + s.payload;
  if (end < kShortest) std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(end), kShortest - end, std::uint8_t{0});
  finish(end, place, frame);
  return static_cast<std::uint32_t>(end - ip_at);
}

std::uint32_t FrameMaker::icmp(const IcmpMessage& m, Place place, Frame& frame) {
  const bool v4 = m.source.is_v4();
  const std::size_t ip_at = link_header(place, ether_type_of(m.source));
  const std::size_t message_at = ip_at + ip_header_length(m.source);
  const std::size_t quote_at = message_at + 8;
  const std::size_t quoted_transport_at = quote_at + ip_header_length(m.source);
  const std::size_t header = transport_header(quoted_transport_at, m.quoted);
  ip_header(quote_at, m.quoted.source.address, m.quoted.destination.address, m.quoted.protocol, header + m.quoted.payload,
            m.quoted.ttl, m.quoted.ip_id);
  // RFC 792 quotes eight bytes; RFC 4443 as much as fits, of which the header is enough here.
  const std::size_t end = quoted_transport_at + (v4 ? 8 : header);
  std::uint8_t* at = bytes_.data() + message_at;
  at[0] = m.type;
  at[1] = m.code;
  put16(at + 2, 0);
  put32(at + 4, m.rest);
  Checksum sum;
  sum.add({at, end - message_at});
  const std::uint8_t protocol = v4 ? kIcmp : kIcmp6;
  if (!v4) sum.add_pseudo(m.source, m.destination, protocol, end - message_at);
  put16(at + 2, sum.value());
  ip_header(ip_at, m.source, m.destination, protocol, end - message_at, 64, m.ip_id);
  finish(end, place, frame);
  return static_cast<std::uint32_t>(end - ip_at);
}

void FrameMaker::arp_request(const Address& asker, const Address& target, Frame& frame) {
  constexpr Place kPlace{true, false};
  const std::size_t at = link_header(kPlace, 0x0806);
  if (link_ != Link::sll && link_ != Link::sll2) std::fill_n(bytes_.begin(), 6, std::uint8_t{0xff});
  std::uint8_t* arp = bytes_.data() + at;
  put32(arp, 0x00010800);
  put32(arp + 4, 0x06040001);
  std::copy(kDirectorInside.begin(), kDirectorInside.end(), arp + 8);
  std::copy(asker.bytes.begin() + 12, asker.bytes.end(), arp + 14);
  std::fill_n(arp + 18, 6, std::uint8_t{0});
  std::copy(target.bytes.begin() + 12, target.bytes.end(), arp + 24);
  finish(at + 28, kPlace, frame);
}

}  // namespace lvsnat::truth
