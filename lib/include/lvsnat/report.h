// The whole answer: verdict, sources, topology, connection tallies, findings. What every output format
// renders. Plain values; mirrors docs/findings.schema.json.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/connection.h"
#include "lvsnat/export.h"
#include "lvsnat/finding.h"
#include "lvsnat/forecast.h"
#include "lvsnat/service.h"
#include "lvsnat/source.h"
#include "lvsnat/state.h"

namespace lvsnat {

enum class Verdict : std::uint8_t { ok, warning, error, unknown };
LVSNAT_EXPORT std::string_view name(Verdict) noexcept;

/// Nanoseconds; nullopt members where nothing could be measured from this vantage.
struct Latency {
  std::uint64_t count = 0;
  std::int64_t p50 = 0, p90 = 0, p99 = 0, max = 0;
};

/// One destination of one service, as seen.
struct DestinationTally {
  Destination destination;
  std::uint64_t connections = 0, healthy = 0, broken = 0, undecided = 0;
  std::array<std::uint64_t, 4> legs{};           // connections on which each leg was seen
  std::optional<Latency> real_server, response;  // handshake and first data
};

struct ServiceTally {
  Service service;  // without destinations: those are below
  std::vector<DestinationTally> destinations;
  std::uint64_t connections = 0, healthy = 0, broken = 0, undecided = 0;
  std::uint64_t without_destination = 0;  // connections for which no destination was seen
  std::array<std::uint64_t, 4> legs{};
};

struct ConnectionTally {
  std::uint64_t total = 0, healthy = 0, broken = 0, undecided = 0;
  std::array<std::uint64_t, 4> legs{};
  std::optional<Latency> director_request, director_reply, real_server, client;
  // What was set aside, and the table's own state; said in text and JSON.
  std::uint64_t health_checks = 0, direct = 0, own_service = 0, unrelated = 0;
  std::uint64_t evicted_half_open = 0, evicted_closed = 0, evicted_other = 0, untracked_packets = 0;
};

/// How many packets of each Packet::Kind: every packet is counted in exactly one.
struct PacketTally {
  std::array<std::uint64_t, 11> by_kind{};
  std::uint64_t total = 0, duplicates = 0;
};

/// What the way-back test (probe.h) brought for one real server and one source address.
struct WayBackResult {
  enum class Client : std::uint8_t {
    example,    // an address for documentation (RFC 5737, RFC 3849): stands for any client far away
    neighbour,  // a free address of the VIP's own network: stands for clients there
    given,      // one that the user named
  };
  enum class Outcome : std::uint8_t {
    returned,    // the reply came back to this director: the way back is right for this source
    elsewhere,   // ... but by another interface than the one that leads to the real server
    past,        // it was seen on its way to somebody else's MAC
    silent,      // no reply, while the host answers this director's own echo requests
    mute,        // the host is there and answers no echo request at all: nothing is said about its way back
    down,        // nobody answers ARP or neighbour discovery for it
    translated,  // the test left with this director's own address as source (full NAT): it says nothing
    not_sent,    // the test never left this host
    untested,    // ended before there was an answer, or nothing came from this real server at all
  };
  Address rip, client;
  Client kind = Client::example;
  Outcome outcome = Outcome::untested;
  std::string interface;                    // that leads to the RIP; empty: not known
  Address director;                         // this host's address towards the RIP; none: not known
  unsigned tries = 0;                       // from `client`
  unsigned own_tries = 0, own_answers = 0;  // from the director's own address
  unsigned asked = 0;                       // ARP requests or neighbour solicitations for the RIP
  Mac neighbour;                            // that answered for the RIP; none: nobody
  bool left = false;                        // the test was seen to leave
  Address left_as;                          // with this source; none: not seen
  std::set<std::string> came_by;            // interfaces that the reply came in by
  std::optional<std::uint8_t> ttl;          // of the reply
  bool seen_past = false;                   // a reply to somebody else's MAC
  bool refused = false;                     // the reply was an ICMP error, which needs the same way back
  bool asks_for_client = false;             // the real server asks ARP or ND for the client itself
  std::set<Address> asks_for;               // what else it asked for meanwhile; at most 8
  std::optional<std::int64_t> round_trip;   // nanoseconds
  std::optional<Timestamp> first_sent, answered;
  std::string why;  // not_sent: the kernel's words
};
LVSNAT_EXPORT std::string_view name(WayBackResult::Client) noexcept;   // "example", "neighbour", "given"
LVSNAT_EXPORT std::string_view name(WayBackResult::Outcome) noexcept;  // "returned", ..., "not-sent", "untested"

/// What became of one packet of a hop trace.
struct TraceAnswer {
  enum class Protocol : std::uint8_t { icmp, udp, tcp };
  enum class Kind : std::uint8_t {
    none,         // nothing came
    expired,      // time to live exceeded: a router on the way
    reached,      // the client itself answered
    unreachable,  // somebody on the way reports an error; `code`
    not_sent,     // this host's own kernel refused; `why`
  };
  Protocol protocol = Protocol::icmp;
  unsigned round = 1, hop = 1;  // hop: TTL that it was sent with
  Kind kind = Kind::none;
  std::uint8_t code = 0;  // ICMP or ICMPv6
  Address from;           // who answered; none: nobody
  Mac mac;                // of the frame that the answer came in; none: not told
  Timestamp sent = 0;
  std::optional<std::int64_t> round_trip;  // nanoseconds
  std::string why;
};
LVSNAT_EXPORT std::string_view name(TraceAnswer::Protocol) noexcept;  // "icmp", "udp", "tcp"
LVSNAT_EXPORT std::string_view name(TraceAnswer::Kind) noexcept;      // "none", "expired", "reached", "unreachable", "not-sent"

/// One RIP's repeated hop trace to one client.
struct HopTrace {
  static constexpr std::size_t kMaxRedirects = 64;
  struct Redirect {
    Address from, gateway;  // who sent it, and the next hop that it praises
    Mac mac;
    unsigned round = 1;  // that was under way
    Timestamp time = 0;
  };
  Address rip, client;
  std::uint16_t port = 0;            // that TCP probes came from; 0: none were sent
  std::vector<TraceAnswer> answers;  // in the order of sending
  std::vector<Redirect> redirects;   // about this client, at most kMaxRedirects
};
/// What becomes of a real server's replies to these clients, by its own tables (lvstrace).
struct ReplyWay {
  enum class Way : std::uint8_t {
    director,  // by a director
    gateway,   // by somebody else, or by somebody of whom nobody said who it is
    direct,    // straight out of an interface: the client is taken for a neighbour
    nowhere,   // no route, or one that refuses
    self,      // the client is the real server
    unknown,   // the tables were not read
  };
  static constexpr std::size_t kMaxClients = 1024;  // prefixes of one entry

  Address real_server;
  std::vector<Prefix> clients;         // in order of address; none is part of another's
  std::uint64_t clients_left_out = 0;  // prefixes beyond kMaxClients
  bool asked = false;                  // somebody named these clients; otherwise every address was looked at
  bool rest = false;                   // what happens to clients in general, all but the other entries
  bool no_clients_expected = false;    // the own network, or a bridge of guests, of which nobody said that clients are in it
  Way way = Way::unknown;
  std::optional<Address> gateway;        // next hop; none: on-link, or no way
  std::string interface;                 // empty: no way
  bool redirected = false;               // a cached exception chose the next hop
  std::optional<std::uint32_t> expires;  // seconds left of it when it was read
  std::string route, rule;               // as `ip route` and `ip rule` print them; empty: none
  int code = 0;                          // the finding that accuses it; 0: none does
};
LVSNAT_EXPORT std::string_view name(ReplyWay::Way) noexcept;

struct Report {
  std::string tool = "lvsdiag";
  std::string tool_version;
  std::optional<std::string> host;
  Verdict verdict = Verdict::unknown;
  std::vector<SourceStatistics> sources;
  std::vector<Origin> origin;  // where the services were learnt from
  struct Director {
    std::vector<Address> addresses;  // known or inferred addresses of the director
    std::vector<Mac> outside_macs, inside_macs;
    std::vector<Address> gateways;  // what real servers use (or should use) as gateway
  } director;
  std::vector<ServiceTally> services;
  ConnectionTally connections;
  PacketTally packets;
  std::vector<Finding> findings;         // most important first
  std::vector<Forecast> prediction;      // from the director's state; empty without it
  std::vector<WayBackResult> way_back;   // of the way-back test; empty without it
  std::vector<HopTrace> hops;            // of hop traces; empty without them
  std::vector<std::string> notes;        // sentences that belong under the verdict but accuse nobody
  std::vector<std::string> differences;  // between what is configured and what runs, one sentence each
  std::vector<Gap> not_read;             // what of the kernel's state could not be read, and what it would have told
  std::optional<Timestamp> taken;        // when the kernel state was read; none: not told
  std::vector<ReplyWay> reply_ways;      // of lvstrace, by real server
};

/// What a real server says of its own way back: a report of lvstrace that was read (`lvsdiag --with FILE`).
struct Testimony {
  std::string name;  // of the file
  Report report;
};

/// 0, 1, 2, 3 as in the contract.
LVSNAT_EXPORT int exit_status(const Report&) noexcept;

}  // namespace lvsnat
