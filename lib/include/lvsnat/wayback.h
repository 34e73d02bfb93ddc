// A real server's way back: does every reply RIP:port -> CIP go through the director, and if not, which route, rule, network or
// cached exception takes it elsewhere. What lvstrace answers.
//
// Threads: trace_way_back() is pure; a Wire belongs to one thread at a time. Ownership: values. Errors: none; what could not be
// judged is said in `unchecked` of a finding or in the report's notes. Time: none is read; countdowns are those of the state.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/export.h"
#include "lvsnat/frame.h"
#include "lvsnat/packet.h"
#include "lvsnat/report.h"
#include "lvsnat/result.h"
#include "lvsnat/state.h"

namespace lvsnat {

/// Who is who, as far as somebody said it.
struct WayBackQuestion {
  std::vector<Prefix> clients;        // source addresses that the real server sees; empty: any client
  std::vector<Address> directors;     // any address of any director of the cluster; empty: learnt
  std::vector<Address> real_servers;  // RIPs; empty: those addresses of this host that a director's network holds
  std::vector<Address> vips;          // known VIPs; empty: not known
  std::vector<std::pair<std::uint8_t, std::uint16_t>> ports;  // protocol and port that replies come from; empty: not told
};

/// What a capture on a real server's own wire shows of its connections: who sends the requests, and whom the replies are sent to.
class LVSNAT_EXPORT Wire {
 public:
  static constexpr std::size_t kMaxFlows = 65'536;  // connections that are kept; later ones are counted
  static constexpr std::size_t kMaxMacs = 4'096;    // addresses whose MAC is kept
  static constexpr std::size_t kMaxRedirects = 64;  // that are kept; all are counted

  /// A frame to be cited.
  struct Sighting {
    std::uint16_t vantage = 0;
    std::uint32_t frame = 0;  // 1-based; 0: never
    Timestamp time = 0;
  };
  struct Flow {
    Endpoint client, server;
    std::uint8_t protocol = 0;
    bool opened = false;  // the client was seen to begin it: a SYN in, a SYN-ACK out, or the first datagram
    std::uint64_t requests = 0, replies = 0;
    Mac from, to;                    // where requests came from, and where the last reply went; none: not told
    Mac own;                         // the real server's own, as requests name it
    std::uint64_t replies_else = 0;  // that went to another MAC than `from`
    bool acknowledged = false;       // TCP: the client went on after a reply, so the reply reached it
    bool reset_by_client = false;    // a RST from the client after a SYN-ACK: it got what it never asked for
    bool hides_destination = false;  // cooked capture: no destination MAC
    Sighting first_request, first_else, reset;
    Mac elsewhere;   // of first_else
    Mac reset_from;  // of reset; none: not told
  };
  struct Redirect {
    Address from, gateway, client;
    Mac mac;  // who sent it
    std::uint64_t count = 0;
    Sighting first;
  };

  /// `own`: addresses of the real server where known; otherwise whoever is sent a SYN or a first datagram is taken for one.
  explicit Wire(std::set<Address> own = {});
  void feed(std::span<const Frame> frames, const std::vector<Vantage>& vantages);

  [[nodiscard]] const std::vector<Flow>& flows() const { return flows_; }
  [[nodiscard]] const std::vector<Redirect>& redirects() const { return redirects_; }
  [[nodiscard]] std::uint64_t redirect_count() const { return redirect_count_; }
  [[nodiscard]] std::uint64_t flows_left_out() const { return left_out_; }
  [[nodiscard]] const PacketTally& packets() const { return packets_; }
  [[nodiscard]] const std::vector<Vantage>& vantages() const { return vantages_; }
  /// Addresses that a MAC claimed by ARP or neighbour advertisements.
  [[nodiscard]] const std::map<Address, Mac>& claims() const { return claims_; }
  /// MACs that sent requests of clients which are not their own addresses: the directors' (or a router's before them).
  [[nodiscard]] std::set<Mac> request_macs() const;
  /// True when there were requests and each came from one of these addresses: full NAT, or health checks alone.
  [[nodiscard]] bool all_from(const std::set<Address>& addresses) const;

 private:
  struct Key {
    Endpoint a, b;
    std::uint8_t protocol = 0;
    friend bool operator==(const Key&, const Key&) = default;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  void take(const Packet& packet);
  void take_transport(const Packet& packet);

  std::set<Address> own_;
  std::vector<Flow> flows_;
  std::map<Key, std::size_t> index_;  // ordered: nobody on the wire can choose keys that collide
  std::map<Address, Mac> claims_;
  std::vector<Redirect> redirects_;
  std::vector<Vantage> vantages_;
  PacketTally packets_;
  std::uint64_t redirect_count_ = 0, left_out_ = 0;
};

/// Cached route exceptions of this host as they are now, both families, in the network namespace of the calling thread. The
/// kernel notifies nobody about them: whoever watches reads again. `state` names the devices. Errors: io, no_permission,
/// unsupported (a kernel before 5.3 lists none).
LVSNAT_EXPORT Result<std::vector<RouteException>> read_route_exceptions(const KernelState& state);

/// Redirected exceptions that came and went while somebody watched.
class LVSNAT_EXPORT ExceptionWatch {
 public:
  static constexpr std::size_t kMaxSeen = 4'096;  // later ones are not followed
  struct Seen {
    RouteException exception;       // as it was last seen, with the seconds left then
    Timestamp first = 0, last = 0;  // looks that showed it
    bool from_start = false;        // the first look showed it already
    bool gone = false;              // the last look did not
  };
  /// What a look showed, all of it. `time`: of the look, later than that of the one before.
  void look(const std::vector<RouteException>& now, Timestamp time);
  [[nodiscard]] const std::vector<Seen>& seen() const { return seen_; }
  [[nodiscard]] std::uint64_t looks() const { return looks_; }

 private:
  std::vector<Seen> seen_;
  std::map<std::pair<Address, std::string>, std::size_t> index_;  // by destination and device
  std::uint64_t looks_ = 0;
};

/// The way back as a report: findings LVS301 to LVS309 and LVS206, notes on the ways that are right, verdict. `state` is the real
/// server's, read after the probes if there were any; nullptr: the wire alone. `wire`: nullptr for none. `sources` are the
/// captures' statistics. `hops`: traces of HopTracer (probe.h). `watch`: what became of exceptions while the wire was watched.
LVSNAT_EXPORT Report trace_way_back(const KernelState* state, const WayBackQuestion& question, const Wire* wire = nullptr,
                                    std::vector<SourceStatistics> sources = {}, std::vector<HopTrace> hops = {},
                                    const ExceptionWatch* watch = nullptr);

/// Whom to trace hops to, one (RIP, client) each, at most 16: the clients that were asked for, of a network its first address;
/// without any, an address for documentation. `draw` makes that address.
LVSNAT_EXPORT std::vector<std::pair<Address, Address>> traces_to_make(const KernelState& state, const WayBackQuestion& question,
                                                                      std::uint64_t draw);

/// One reply that the live kernel should be asked about (`ip route get CIP from RIP`), because trace_way_back() would judge it by
/// the tables alone. One for each group of clients that share a fate; at most 256.
struct ReplyToAsk {
  Address client, rip;
  std::string arrives;  // device that requests come in by; empty: not known
};
LVSNAT_EXPORT std::vector<ReplyToAsk> replies_to_ask(const KernelState& state, const WayBackQuestion& question);

}  // namespace lvsnat
