// Everything a rule may ask: plain data, gathered from the tracker, the journal and the kernel state when
// a report is made. Rules are pure functions over this.
//
// Not seen is not absent: ask could_have_seen() before concluding anything from a missing leg.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "facts/record_set.h"
#include "lvsnat/connection.h"
#include "lvsnat/packet.h"
#include "lvsnat/report.h"
#include "lvsnat/service.h"
#include "lvsnat/state.h"

namespace lvsnat {

struct NftRules;  // lib/state/nft_rules.h

/// Something out of the ordinary that happened to a connection, with the frame that shows it.
struct Clue {
  enum class Kind : std::uint8_t {
    repeat,     // a retransmission
    reset,      // RST
    moved,      // this packet of the leg took another path (MACs, interface) than its first one
    forwarded,  // the same packet again, unrewritten, TTL lower: somebody forwarded it as it was
    new_isn,    // another SYN-ACK with a new sequence number: the real server had been reset in between
  };
  Kind kind = Kind::repeat;
  Leg leg = Leg::request;
  FrameRef frame;
  std::uint16_t path = 0;  // index into Facts::paths
  std::uint32_t sequence = 0, acknowledgement = 0, ip_length = 0;
  std::uint16_t ip_id = 0;
  std::uint8_t ttl = 0, tcp_flags = 0;
};

/// How sure an absence is. `no`: nothing is missing, or it cannot be told.
struct Missing {
  bool missing = false;
  Confidence confidence = Confidence::certain;
  bool from_the_start = false;  // never seen at all; else it stopped in the middle
  explicit operator bool() const { return missing; }
};

/// A connection together with what was noted about it.
struct Suspect {
  Connection connection;
  std::vector<Clue> clues;  // at most 24, in time order
  /// Legs that reached the end of what was seen without their counterpart, in time: how long the wait was.
  Timestamp waited = 0;         // from the last packet of the connection to the end of the capture (ns)
  bool begins_inside = false;   // first packet seen is no SYN
  bool ends_inside = false;     // still talking when the capture ended
  Missing demasq, reply, masq;  // what is missing of these legs: see signs.h, where they are told
};

struct IcmpSighting {
  Icmp icmp;
  Address source, destination;  // outer header
  FrameRef frame;
  std::uint16_t path = 0;
  std::uint8_t ttl = 0;
  std::optional<std::uint32_t> record;  // the tracker's record that the quote belongs to
  std::optional<Leg> quoted_leg;        // which leg's packet is quoted, where known
};

/// Somebody asks (ARP who-has, ND solicitation) for an address.
struct Question {
  Address asker, target;  // asker is none for an RFC 5227 probe
  Mac asker_mac;
  std::uint16_t vantage = 0;
  std::uint32_t interface_index = 0;
  std::uint64_t count = 0;
  FrameRef first, last;
  bool answered = false;  // a claim of `target` came after the first question
  std::uint32_t run = 0;  // longest run of questions that follow one another as those of an asker that gets no answer do
  bool unicast = false;   // all of them were unicast: reachability checks of a neighbour already known
};

/// A MAC that says (ARP reply, gratuitous ARP, ND advertisement) an address is its own.
struct Claim {
  Address address;
  Mac mac;
  std::uint16_t vantage = 0;
  std::uint32_t interface_index = 0;
  std::uint64_t count = 0;
  bool as_reply = false;  // at least once as an answer or announcement, not only as sender of a question
  FrameRef first, last;
};

/// How a host asserts that it has an address: as sender of a question, by announcing it, or in answer to a question.
enum class Assertion : std::uint8_t { asking, announcement, answer };

/// A claim of an address by another MAC than the one that claimed it before.
struct ClaimTurn {
  Mac mac;
  FrameRef frame;
  Assertion how = Assertion::announcement;
};

/// IP-in-IP or GRE around something that concerns a service.
struct TunnelSighting {
  Address outer_source, outer_destination;
  Endpoint inner_source, inner_destination;
  std::uint8_t outer_protocol = 0, inner_protocol = 0;
  std::uint64_t count = 0;
  FrameRef first;
};

/// What an FTP control connection announces: 227, 229, PORT, EPRT.
struct FtpAnnouncement {
  enum class Kind : std::uint8_t { pasv_reply, epsv_reply, port_command, eprt_command } kind = Kind::pasv_reply;
  std::uint32_t record = 0;
  Leg leg = Leg::masq;
  Endpoint announced;  // address none for 229
  FrameRef frame;
};

/// A data connection that an FTP server opens (active mode, from port 20) and that passes the director unrewritten.
struct FtpDataLeak {
  std::uint32_t record = 0;
  Endpoint rip, client;
  std::uint64_t packets = 0;
  FrameRef first;
  bool forwarded = false;  // seen on both sides of the director
};

/// A server endpoint that showed up opposite a client whose connection it does not belong to:
/// DIP:80 -> CIP with the sequence numbers of VIP:80 -> CIP (wrong masquerade address).
struct StrangeSource {
  std::uint32_t record = 0;  // the connection it takes the place of
  Endpoint source;
  std::uint64_t packets = 0;
  FrameRef first;
  std::uint16_t path = 0;
  bool client_reset = false;  // the client answered it with RST
};

/// One vantage or interface within one, and what was seen there.
struct Place {
  std::uint16_t vantage = 0;
  std::uint32_t interface_index = 0;
  std::uint64_t packets = 0;
  std::array<std::uint64_t, 4> legs{};  // connections whose leg was first seen here
  bool cooked = false;                  // part of an `any` capture
};

/// Connections that left the table have records from here on.
inline constexpr std::uint32_t kRetiredIds = 0x80000000;

struct Facts {
  // ---- Who is who.
  std::vector<Service> services;  // declared, from state, or inferred; destinations complete
  std::vector<Origin> origin;
  bool inferred = false;  // services come from packets alone
  std::set<Address> vips, rips;
  std::set<Address> director_addresses;  // known or inferred; VIPs included where it owns them
  std::set<Mac> director_macs;           // on any side
  std::set<Mac> outside_macs, inside_macs;
  std::set<Address> gateways;             // what real servers are known to use as gateway, and works: the director's
  std::map<Address, std::set<Mac>> macs;  // who sends frames with this IP as its own: claims, and directly attached sources
  const KernelState* state = nullptr;     // the director's; nullptr: not given
  const NftRules* filter = nullptr;       // its filter rules, parsed; nullptr exactly when `state` is
  const LaterLook* later = nullptr;       // at the end of a live look; nullptr: nothing was looked at again
  std::vector<Address> clients;           // asked about by name; none: those seen, or an example

  // ---- What was seen.
  Timestamp first = 0, last = 0;  // of the whole capture; live: `last` is now
  std::span<const Path> paths;
  std::vector<Vantage> vantages;
  std::vector<SourceStatistics> sources;
  std::vector<Place> places;
  bool outside_captured = false, inside_captured = false;
  bool lossy = false;                   // drops, gaps, cut files: absence proves nothing certain
  bool cooked_only = false;             // only `any` captures, which lose packets unsaid
  std::vector<Suspect> suspects;        // masqueraded, direct or own-service connections that are not plainly healthy
  std::uint64_t suspects_left_out = 0;  // beyond the limit
  std::vector<IcmpSighting> icmp;
  /// Positions in `icmp` of what belongs to a record, ascending within one; the record of each; and those of the table at a
  /// glance. See index_icmp().
  std::vector<std::uint32_t> icmp_positions, icmp_records;
  RecordSet told_of;
  std::uint64_t icmp_left_out = 0;
  std::vector<Question> questions;
  std::vector<Claim> claims;
  std::map<Address, std::vector<ClaimTurn>>
      turns;  // of addresses that more than one MAC claimed, or that the director holds; in time order, at most 32 each
  std::vector<TunnelSighting> tunnels;
  std::vector<FtpAnnouncement> ftp;
  std::vector<FtpDataLeak> ftp_leaks;
  std::vector<StrangeSource> strange;
  std::vector<ServiceTally> tallies;  // same order as services; destinations too
  ConnectionTally connections;
  PacketTally packets;
  std::uint64_t full_nat_connections = 0;
  /// Connections whose only sign of a client is one SYN, though a client that meant it would have tried again by the end of
  /// the capture; how many client addresses they came from; the most that began in any ten seconds; and the time in which
  /// they came thick.
  std::uint64_t half_open = 0, half_open_clients = 0, half_open_peak = 0;
  Timestamp half_open_from = 0, half_open_to = 0;
  std::uint64_t service_packets = 0;  // packets of TCP connections of services, on all legs
  std::uint64_t completed = 0;        // TCP connections of services whose client completed the handshake or sent data

  // ---- Questions.
  /// Could this capture have shown this leg of that connection? False where that side was not captured or
  /// the capture was blind at the time.
  [[nodiscard]] bool could_have_seen(const Connection&, Leg) const;
  [[nodiscard]] const Suspect* find(std::uint32_t record) const;
  /// Positions in `icmp` of what was said about this connection, in order of appearance. Rules ask this of every suspect, and
  /// either may be thousands.
  [[nodiscard]] std::span<const std::uint32_t> icmp_about(std::uint32_t record) const {
    return record >= kRetiredIds || told_of.contains(record) ? find_icmp_about(record) : std::span<const std::uint32_t>{};
  }
  [[nodiscard]] std::span<const std::uint32_t> find_icmp_about(std::uint32_t record) const;
  /// Makes icmp_about() know all that stands in `icmp` now.
  void index_icmp();
  [[nodiscard]] bool is_director(const Address&) const;
  [[nodiscard]] bool is_director(const Mac&) const;
  [[nodiscard]] const Path& path(std::uint16_t id) const { return paths[id < paths.size() ? id : 0]; }
  /// "eth0.pcap" (and the interface where one source holds several).
  [[nodiscard]] std::string place_name(std::uint16_t vantage, std::uint32_t interface_index = 0) const;
  [[nodiscard]] std::string source_name(std::uint16_t vantage) const;
  [[nodiscard]] Evidence evidence(const FrameRef&, std::string text, std::optional<Leg> leg = std::nullopt) const;
  /// The first packet of a leg as evidence: "CIP:3456 > RIP:80 SYN, sent 3 times".
  [[nodiscard]] Evidence evidence(const Connection&, Leg) const;
  /// Did this host ask for `target` in vain / at all?
  [[nodiscard]] std::vector<const Question*> questions_by(const Address& asker) const;
  [[nodiscard]] bool claimed(const Address&) const;
  /// Is the address known to be directly attached where this real server is (state prefixes, or ARP for it by a RIP or by the
  /// director on that place)?
  [[nodiscard]] std::optional<std::string> service_name(const Connection&) const;
  /// A time in which some source was blind overlaps [from, to].
  [[nodiscard]] bool blind(Timestamp from, Timestamp to) const;
};

}  // namespace lvsnat
