// What becomes of one packet in the hooks of nftables: every base chain of the hook in order of priority, with jumps, sets,
// verdict maps, marks and connection states, as nft_do_chain() (net/netfilter/nf_tables_core.c) would walk them.
//
// Three-valued: a match that cannot be evaluated may hold or not, and both ways are followed. Only where they end
// differently is the verdict `unknown`, and then the words that decide it are quoted. Threads: pure functions.
// Errors: none; more than kMaxSteps rules (loops that no kernel would take, hostile listings) end in `unknown`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lvsnat/address.h"
#include "state/nft_rules.h"

namespace lvsnat {

/// The states of `ct state`, as the bits that nft compares.
enum class CtState : std::uint8_t { invalid = 1, established = 2, related = 4, new_ = 8, untracked = 64 };

/// The packet, as it stands when it reaches the hook.
struct FilterPacket {
  std::string iif, oif;         // empty: none at this hook, or not known
  Address source, destination;  // none: any, so that what depends on it is not certain
  bool v6 = false;              // its family
  std::uint8_t protocol = 0;    // IP protocol number
  std::optional<std::uint16_t> sport, dport;
  std::optional<std::uint8_t> tcp_flags;
  CtState ct = CtState::new_;
  bool reply = false;  // direction of a tracked connection
  std::optional<std::uint32_t> mark = 0;
  /// What `fib ... type` would say ("local", "unicast", ...), and whether `fib saddr . iif oif` finds a route; empty: not known.
  std::string source_type, destination_type;
  std::optional<bool> reverse_route;
};

enum class FilterVerdict : std::uint8_t { accept, drop, reject, queue, unknown };

/// Where a walk ended.
struct FilterEnding {
  FilterVerdict verdict = FilterVerdict::accept;
  std::string family, table, chain;  // of the rule; for a policy the base chain
  std::uint64_t handle = 0;
  bool by_policy = false;
  std::string rule;                      // its text; empty for a policy
  std::optional<std::uint64_t> packets;  // that the rule's counter has seen
  /// "rule `ct state invalid drop` (handle 2) of chain inet filter forward", "the policy (drop) of chain ip filter FORWARD".
  [[nodiscard]] std::string words() const;
};

struct FilterResult {
  FilterVerdict verdict = FilterVerdict::accept;
  /// What drops, rejects or queues it; with `unknown` what may. Empty for accept.
  std::optional<FilterEnding> ending;
  std::vector<std::string> not_understood;  // with `unknown`: what decides it, quoted
  std::vector<std::string> trace;           // rules that matched, in order; at most 64
  std::optional<std::uint32_t> mark;        // after the hook; empty: not known
  CtState ct = CtState::new_;               // `notrack` before connection tracking makes it untracked
  /// Network address translation that takes it ("masquerade", "snat to 192.168.1.1", "dnat ..."), and the rule.
  struct Translation {
    std::string kind;                // "masquerade", "snat", "dnat", "redirect"
    std::optional<Address> address;  // of snat and dnat, where it is one address
    FilterEnding rule;
    bool certain = true;
  };
  std::optional<Translation> translation;
  std::optional<FilterEnding> offload;  // the `flow add` rule that it reaches
  std::string flowtable;                // that this rule names
};

inline constexpr std::size_t kMaxSteps = 400'000;  // rules and set elements looked at in one walk
inline constexpr unsigned kMaxJumps = 16;          // NFT_JUMP_STACK_SIZE

/// `hook`: "ingress", "prerouting", "input", "forward", "output", "postrouting". Rules that are not known accept everything:
/// ask NftRules::known first.
FilterResult walk_filter(const NftRules& rules, std::string_view hook, const FilterPacket& packet);

}  // namespace lvsnat
