// Scenarios: what crossed a director's wires and what must be found in it, written in Markdown so that
// a fixture reads as documentation. This file is the language (text to plain data); frames.h makes
// bytes of it. tests/rules/README.md is the reference of the language.
//
// Ownership: plain values. Threads: pure functions. Errors: "FILE:LINE: what is wrong", never a throw.
// Units: nanoseconds since the scenario's own zero, lengths in bytes.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/frame.h"
#include "lvsnat/result.h"

namespace lvsnat::scenario {

/// A machine and where it is plugged in: segment name (one of the director's interfaces) to MAC.
struct Host {
  std::map<std::string, Mac> attached;
  std::string beyond;  // name of the router that leads to it; empty: on a segment of its own
};

/// Time in which a segment's capture was blind.
struct Gap {
  std::string segment;
  Timestamp from = 0, to = 0;
  std::string why;
};

struct Topology {
  std::map<std::string, Address> names;               // CIP, VIP, RIP1, ...
  std::map<Address, std::string> owner;               // host name; the first that claims an address owns it
  std::vector<std::pair<Prefix, std::string>> owned;  // whole prefixes: many clients behind one MAC
  std::map<std::string, Host> hosts;                  // the host named DIRECTOR must be there
  std::vector<std::string> segments;                  // in the order in which they are mentioned
  std::vector<std::string> services;                  // `--service` syntax with addresses filled in; empty: none declared
  std::vector<std::string> captured;                  // segments with a capture of their own; or {"any"}
  LinkType link = LinkType::ethernet;
  std::uint32_t snaplen = 262144;
  std::vector<Gap> gaps;
  std::map<std::string, std::uint64_t> drops;  // packets that a segment's capture lost
  std::map<std::string, Timestamp> damaged;    // where a segment's capture ends in damage, relative
};

enum class Verb : std::uint8_t {
  tcp,
  udp,
  sctp,
  icmp,
  arp,
  nd,
  tunnel,
  other,  // one frame on one segment
  request,
  reply,    // one packet of a conversation on legs 1+2, or 3+4
  healthy,  // a whole conversation
  ladder,   // a SYN (or datagram) sent again and again
};

/// What an ICMP error is about, or what a tunnel carries.
struct Inner {
  std::uint8_t protocol = 6;
  Endpoint source, destination;
  std::uint8_t flags = 0;
};

/// One line of a ```packets block.
struct PacketLine {
  int line = 0;
  Timestamp at = 0;
  Verb verb = Verb::tcp;
  std::string segment;           // single frames only
  std::uint8_t protocol = 6;     // of conversations; of `other`; 4 or 47 of tunnels
  Endpoint source, destination;  // conversations: CIP:port and VIP:port
  Endpoint real;                 // conversations: RIP:port
  std::uint8_t flags = 0;        // TCP
  std::string kind;              // icmp: "redirect", "port", ...; arp/nd: "who-has", "reply", "redirect"; sctp chunk
  std::optional<Inner> inner;
  Address gateway;  // redirect: the better next hop; arp/nd: the address asked for
  Mac claimed;      // arp/nd reply: is-at
  std::uint32_t mtu = 0;
  std::optional<Endpoint> inside;  // full NAT: DIP:port on the inner legs
  std::optional<std::uint32_t> sequence, acknowledgement, length;
  std::optional<std::pair<std::uint32_t, std::uint32_t>> sack;
  std::optional<std::uint16_t> id;
  std::optional<std::uint8_t> ttl;
  std::optional<std::uint16_t> window;
  std::optional<Mac> from, to;
  std::optional<std::uint16_t> vlan;
  std::string text;
  std::array<bool, 4> legs{true, true, true, true};
  bool again = false;  // a retransmission of the last packet of that direction
  bool lost = false;   // the other end never gets it: nothing acknowledges it later
  bool dont_fragment = true;
  bool open = false;       // healthy: without the end
  bool midstream = false;  // healthy: without the beginning
  std::uint32_t data = 1, requests = 1, tries = 5;
  Timestamp think = 500'000;  // the real server's time to answer a request
  Timestamp pause = 0;        // healthy: between requests
  std::uint32_t repeat = 1, sources = 1;
  Timestamp every = kSecond;
};

/// One line of a ```findings block.
struct Expectation {
  enum class Kind : std::uint8_t { found, none, clean, only };
  int line = 0;
  Kind kind = Kind::found;
  std::string severity;  // "error", "warning", "info"
  int code = 0;
  std::map<std::string, std::string>
      fields;  // real_server, client, service, gateway, legs, confidence, count, ...; names filled in
};

struct StateFile {
  std::string name, content;
};

struct Case {
  std::string file, title;
  int line = 0;
  Topology topology;
  std::vector<PacketLine> packets;
  std::vector<Expectation> expectations;
  std::vector<StateFile> state;
};

/// Named topologies for `use NAME`: the sections of one Markdown file with a ```topology block each; and shared states, from
/// sections with a ```state block, under "state NAME".
using TopologyLibrary = std::map<std::string, std::string>;

/// Sections `## name` with one ```topology block each. `file` is only for messages.
Result<TopologyLibrary> parse_topologies(std::string_view file, std::string_view markdown);
/// Sections `## title` with blocks; sections without a ```packets block are prose and no case.
Result<std::vector<Case>> parse_cases(std::string_view file, std::string_view markdown, const TopologyLibrary& library);

/// MAC by which `address` is reached on, or sends to, `segment`: its owner's own, else the router's in
/// front of it, else the director's.
std::optional<Mac> mac_on(const Topology&, const Address& address, const std::string& segment);
/// The director's interface at which packets of `address` arrive; empty if nothing leads there.
std::string segment_of(const Topology&, const Address& address);

}  // namespace lvsnat::scenario
