// Bytes of the packets that a director sees: link layer, IPv4 or IPv6, and TCP, UDP, ICMP or ARP with right checksums.
//
// One frame at a time, in a buffer that the next one reuses. Threads: one.
#pragma once

#include <cstdint>
#include <vector>

#include "generate.h"
#include "lvsnat/frame.h"

namespace lvsnat::truth {

/// The transport packet of one leg, or the one that an ICMP message quotes.
struct Segment {
  Endpoint source, destination;
  std::uint8_t protocol = 0;
  std::uint8_t flags = 0;  // TCP
  std::uint8_t ttl = 64;
  std::uint16_t ip_id = 0;    // IPv4
  std::uint16_t payload = 0;  // bytes
  std::uint32_t sequence = 0, acknowledgement = 0;
  std::uint32_t milliseconds = 0;  // TCP timestamp option
};

struct IcmpMessage {
  Address source, destination;
  std::uint8_t type = 0, code = 0;
  std::uint32_t rest = 0;  // gateway or MTU
  std::uint16_t ip_id = 0;
  Segment quoted;
};

/// Where the director saw a packet.
struct Place {
  bool inside = false;  // which interface
  bool received = false;
};

class FrameMaker {
 public:
  FrameMaker(Link link, std::uint32_t snaplen);

  /// Each fills `frame` but for time and number, and returns the IP total length (ARP: 0).
  std::uint32_t segment(const Segment& segment, Place place, Frame& frame);
  std::uint32_t icmp(const IcmpMessage& message, Place place, Frame& frame);
  void arp_request(const Address& asker, const Address& target, Frame& frame);

 private:
  std::size_t link_header(Place place, std::uint16_t ether_type);
  std::size_t ip_header(std::size_t at, const Address& source, const Address& destination, std::uint8_t protocol,
                        std::size_t length, std::uint8_t ttl, std::uint16_t ip_id);
  std::size_t transport_header(std::size_t at, const Segment& segment);
  void finish(std::size_t length, Place place, Frame& frame) const;

  Link link_;
  std::uint32_t snaplen_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace lvsnat::truth
