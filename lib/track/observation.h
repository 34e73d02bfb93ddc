// What crosses from the hot half to the slow half: only what changed, a few bytes each.
#pragma once

#include <cstdint>

namespace lvsnat::track {

struct Observation {
  enum class Kind : std::uint8_t {
    other,      // not a transport packet: ARP, ICMP, tunnel, fragment, ... `packet` has it
    joined,     // the record got its second endpoint, and the pair of them is none that came just before
    repeat,     // a retransmission (the first few of each way)
    reset,      // the first RST of a way
    moved,      // a packet of a way took another path than the first one
    forwarded,  // a packet was seen again, unchanged but for a lower TTL
    new_isn,    // another SYN-ACK of the same server with another sequence number
    text,       // payload of an FTP control connection
    retired,    // the record was evicted; its copy stands in the retired list at index `record`
  };
  std::uint32_t record = 0;
  std::uint16_t packet = 0;  // index in the batch
  Kind kind = Kind::other;
  std::uint8_t way = 0;                // side * 2 + direction
  std::uint16_t path = 0;              // of this packet
  std::uint32_t outer = 0, inner = 0;  // joined: the endpoints' ids
};

}  // namespace lvsnat::track
