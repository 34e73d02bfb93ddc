// Packets that we send ourselves, and what their answers prove: the way-back test of a director (`lvsdiag probe`) and the hop
// trace of a real server (`lvstrace --probe`).
//
// Both are plans: they say which packet is due (next()), read what was captured (feed()) and keep what became of each. They send
// nothing and read no clock, so that a recorded capture judges the same as a live one. Sending is ProbeSender's (capture.h).
//
// Threads: one at a time. Ownership: values. Errors: none; a packet that could not be sent is told to refused(). Units:
// nanoseconds since the epoch; both plans keep a distance of `gap` between any two packets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/export.h"
#include "lvsnat/frame.h"
#include "lvsnat/packet.h"
#include "lvsnat/report.h"
#include "lvsnat/service.h"
#include "lvsnat/state.h"

namespace lvsnat {

/// One packet to be made.
struct Probe {
  enum class Kind : std::uint8_t {
    echo,       // ICMP or ICMPv6 echo request; id, sequence, nonce
    udp,        // a datagram of 8 bytes, the nonce; ports
    tcp,        // SYN-ACK without data; ports, number
    neighbour,  // ARP request (RFC 826) or neighbour solicitation (RFC 4861, 7.2.2) for `destination`; interface, mac
  };
  Kind kind = Kind::echo;
  Address source, destination;
  std::uint8_t ttl = 64;    // or hop limit
  std::uint16_t ip_id = 1;  // IPv4 identification: never 0, which the kernel would replace
  std::uint16_t id = 0, sequence = 0;
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint32_t number = 0;  // TCP: sequence and acknowledgement number, both
  std::uint64_t nonce = 0;
  std::string interface;  // neighbour: where to
  Mac mac;                // neighbour: the sender's own
};

/// At most four packets a second, whatever is asked.
inline constexpr std::int64_t kProbeGap = kSecond / 4;

/// One real server and one source address to be tested with.
struct WayBackAttempt {
  using Client = WayBackResult::Client;
  Address rip, client;
  Client kind = Client::example;
  std::string interface;  // that leads to the RIP; empty: not known
  Address own;            // this host's source address towards the RIP; none: not known
  Mac own_mac;            // of `interface`; none: it has no MAC, or the RIP is not on its network
};

/// The way-back test: echo requests to each RIP that come from somebody else, and for those that stay silent the same from this
/// host itself, so that a host that is down is not taken for one that answers past us.
class LVSNAT_EXPORT WayBackTest {
 public:
  static constexpr std::size_t kMaxAttempts = 4096;

  struct Options {
    unsigned tries = 3;
    std::int64_t gap = kProbeGap;
    std::int64_t wait = kSecond;  // for an answer, before the next try
    std::uint16_t id = 1;         // of every echo request; drawn at random by the caller
    std::uint64_t nonce = 0;      // the same
  };
  /// `own`: this host's addresses; `interfaces`: its devices by index, as cooked captures tell them.
  WayBackTest(std::vector<WayBackAttempt> attempts, std::set<Address> own, std::map<std::uint32_t, std::string> interfaces,
              const Options& options);

  /// The packet that is due, at most one a gap; it counts as sent unless refused() follows.
  std::optional<Probe> next(Timestamp now);
  void refused(const Probe& probe, std::string why);
  /// Any capture that shows what this host sends and receives, best a cooked one (LINUX_SLL2) of all interfaces.
  void feed(std::span<const Frame> frames);
  /// Everything was answered, or was waited for long enough.
  [[nodiscard]] bool finished(Timestamp now) const;
  [[nodiscard]] std::vector<WayBackResult> results() const;
  [[nodiscard]] const PacketTally& packets() const { return packets_; }

 private:
  enum class Step : std::uint8_t { foreign, neighbour, own };
  struct State {
    WayBackResult result;
    std::size_t step = 0;  // of steps_, the next one
    Timestamp due = 0;     // of that step; behind the last one: the end of the wait
    bool done = false;
  };
  struct Sent {
    std::size_t attempt = 0;
    Step step = Step::foreign;
    Timestamp time = 0;
    bool answered = false;
  };
  void take(const Packet& packet);
  void take_echo(const Packet& packet, const Icmp& icmp);
  void take_error(const Packet& packet, const Icmp& icmp);
  static void came(State& state, const Packet& packet, Timestamp sent, std::string interface);
  [[nodiscard]] std::string device_of(const Packet& packet) const;
  void asked(const Address& who, const Address& target);
  void found(const Address& who, const Mac& mac);

  std::vector<WayBackAttempt> attempts_;
  std::vector<State> states_;  // one an attempt
  std::vector<Step> steps_;    // of every attempt that stays silent
  std::set<Address> own_;
  std::map<std::uint32_t, std::string> interfaces_;
  Options options_;
  std::map<std::uint16_t, Sent> sent_;  // by sequence
  std::uint16_t sequence_ = 0;
  std::optional<Timestamp> last_;
  PacketTally packets_;
};

/// LVS214 (and LVS107 where a host is not there at all) from what the test brought. `state`: the director's; nullptr: none.
/// `untested`: sentences on real servers that were left out, and why.
LVSNAT_EXPORT Report judge_way_back(const KernelState* state, const std::vector<Declaration>& declared,
                                    std::vector<WayBackResult> results, std::vector<std::string> untested = {},
                                    std::vector<SourceStatistics> sources = {});

/// Whom to test, with which source: every RIP of masquerading destinations (or `only` these), from an address for documentation,
/// and from one of the VIP's network, or from `clients`. What is left out is said in `untested`. `draw` makes the examples of
/// this run: the reply may make this director send a redirect, which the real server then believes for that address alone.
LVSNAT_EXPORT std::vector<WayBackAttempt> plan_way_back(const KernelState& state, const std::vector<Service>& services,
                                                        const std::vector<Address>& only, const std::vector<Address>& clients,
                                                        std::uint64_t draw, std::vector<std::string>& untested);

/// A hop trace, repeated: ICMP, UDP and TCP with rising TTL from a RIP to a client.
class LVSNAT_EXPORT HopTracer {
 public:
  struct Options {
    unsigned rounds = 4;  // a redirect is believed only after some packets
    unsigned far = 8;     // hops of the first round; later ones look at the first two
    std::int64_t gap = kProbeGap;
    std::int64_t wait = kSecond;  // for the last answers
    std::uint16_t id = 1;         // echo identifier, source port of UDP and part of the IP ids; drawn at random by the caller
    std::uint64_t nonce = 0;
  };
  /// `port`: what TCP probes come from: the service's own; 0: no TCP.
  HopTracer(const Address& rip, const Address& client, std::uint16_t port, const Options& options);

  std::optional<Probe> next(Timestamp now);
  void refused(const Probe& probe, std::string why);
  void feed(std::span<const Frame> frames);
  [[nodiscard]] bool finished(Timestamp now) const;
  [[nodiscard]] const HopTrace& trace() const { return trace_; }
  [[nodiscard]] const PacketTally& packets() const { return packets_; }

 private:
  [[nodiscard]] bool advance();
  [[nodiscard]] Probe probe_of(std::size_t number) const;
  [[nodiscard]] std::optional<std::size_t> quoted_probe(const Packet& packet, const Icmp& icmp) const;
  void take(const Packet& packet);
  void answer(std::size_t number, const Packet& packet, TraceAnswer::Kind kind, std::uint8_t code);

  Options options_;
  HopTrace trace_;
  unsigned round_ = 1, hop_ = 1, protocol_ = 0;  // what comes next
  std::optional<Timestamp> last_;
  bool ended_ = false;
  PacketTally packets_;
};

}  // namespace lvsnat
