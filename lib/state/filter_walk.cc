#include "state/filter_walk.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "state/filter_match.h"

namespace lvsnat {
namespace {

using nlohmann::json;

/// How surely the walk stands at a point.
enum class Reach : std::uint8_t { no, possible, certain };

/// xt targets that end nothing and change nothing that is asked for here.
bool passes_on(std::string_view name) {
  static constexpr std::array<std::string_view, 22> kNames{
      "LOG",      "NFLOG", "TCPMSS", "CHECKSUM", "DSCP",      "TOS",   "TTL", "HL",      "AUDIT",       "SECMARK", "CONNSECMARK",
      "CLASSIFY", "TRACE", "LED",    "RATEEST",  "IDLETIMER", "HMARK", "CT",  "NOTRACK", "TCPOPTSTRIP", "SET",     "TEE"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::string word_of(const json& value, const char* key) {
  if (!value.is_object()) return {};
  const auto found = value.find(key);
  return found != value.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_inverted(const json& value) { return value.is_object() && value.contains("inv") && value["inv"] == true; }

class Walk {
 public:
  Walk(const NftRules& rules, const FilterPacket& packet) : rules_(rules), packet_(packet), matcher_(rules, packet_) {}

  FilterResult through(std::string_view hook) {
    std::vector<const NftChain*> bases;
    for (const NftChain& chain : rules_.chains) {
      if (chain.base && chain.hook == hook && concerns(chain)) bases.push_back(&chain);
    }
    std::stable_sort(bases.begin(), bases.end(), [](const NftChain* a, const NftChain* b) { return a->priority < b->priority; });
    std::optional<FilterEnding> may_end;
    for (const NftChain* base : bases) {
      // nf_nat_inet_fn(): rules of type nat see the first packet of a tracked connection only.
      if (base->type == "nat" && packet_.ct != CtState::new_ && packet_.ct != CtState::related) continue;
      endings_.clear();
      base_ = base;
      const Reach end = chain(*base, Reach::certain, 0);
      if (end != Reach::no) endings_.push_back({policy_of(*base), end});
      bool passes = false;
      const FilterEnding* stops = nullptr;
      for (const auto& [ending, reach] : endings_) {
        // What nobody understands may as well accept.
        passes = passes || ending.verdict == FilterVerdict::accept || ending.verdict == FilterVerdict::unknown;
        if (ending.verdict == FilterVerdict::accept) continue;
        if (stops == nullptr || stops->verdict == FilterVerdict::unknown) stops = &ending;
      }
      if (stops != nullptr && !passes) {
        result_.verdict = stops->verdict;
        result_.ending = *stops;
        result_.not_understood.clear();
        return finish();
      }
      if (stops != nullptr && !may_end) may_end = *stops;
      if (stops == nullptr) matcher_.quotes.resize(std::min(matcher_.quotes.size(), kept_quotes_));
      kept_quotes_ = matcher_.quotes.size();
    }
    if (may_end) {
      result_.verdict = FilterVerdict::unknown;
      result_.ending = may_end;
      result_.not_understood = matcher_.quotes;
    }
    return finish();
  }

 private:
  [[nodiscard]] bool concerns(const NftChain& chain) const {
    const bool v4 = !packet_.v6;
    if (!chain.devices.empty()) {
      const std::string& dev = chain.hook == "egress" ? packet_.oif : packet_.iif;
      if (std::find(chain.devices.begin(), chain.devices.end(), dev) == chain.devices.end()) return false;
    }
    return chain.family == "inet" || chain.family == "netdev" || chain.family == (v4 ? "ip" : "ip6");
  }

  static FilterEnding policy_of(const NftChain& chain) {
    FilterEnding ending;
    ending.verdict = chain.drops ? FilterVerdict::drop : FilterVerdict::accept;
    ending.family = chain.family;
    ending.table = chain.table;
    ending.chain = chain.name;
    ending.by_policy = true;
    return ending;
  }

  static FilterEnding ending_of(const NftChain& chain, const NftRule& rule, FilterVerdict verdict) {
    FilterEnding ending;
    ending.verdict = verdict;
    ending.family = chain.family;
    ending.table = chain.table;
    ending.chain = chain.name;
    ending.handle = rule.handle;
    ending.rule = rule.text;
    ending.packets = rule.packets;
    return ending;
  }

  /// One rule's fate: what reach is left for the rule after it, and whether the chain was left by `return`.
  struct After {
    Reach next = Reach::no, returned = Reach::no;
  };

  void end(const NftChain& in, const NftRule& rule, FilterVerdict verdict, Reach reach) {
    // One of a kind is enough for the verdict; the first is the one that is told.
    const bool there =
        std::any_of(endings_.begin(), endings_.end(), [verdict](const auto& e) { return e.first.verdict == verdict; });
    if (!there) endings_.emplace_back(ending_of(in, rule, verdict), reach);
  }

  /// The verdict in an object such as {"jump": {"target": "x"}} met with `reach`.
  After apply(const NftChain& in, const NftRule& rule, const json& verdict, Reach reach, unsigned depth) {
    After after;
    const std::string& key = verdict.begin().key();
    if (key == "accept") {
      end(in, rule, FilterVerdict::accept, reach);
    } else if (key == "drop") {
      end(in, rule, FilterVerdict::drop, reach);
    } else if (key == "reject") {
      end(in, rule, FilterVerdict::reject, reach);
    } else if (key == "queue") {
      end(in, rule, FilterVerdict::queue, reach);
    } else if (key == "return") {
      after.returned = reach;
    } else if (key == "jump" || key == "goto") {
      const json& value = *verdict.begin();
      const NftChain* target =
          value.is_object() && value.contains("target") && value["target"].is_string()
              ? rules_.chain(in.family, in.table, printable(value["target"].get_ref<const std::string&>(), 256))
              : nullptr;
      if (target == nullptr || depth >= kMaxJumps) {
        doubt("jump to a chain that is not listed: " + rule.text);
        end(in, rule, FilterVerdict::unknown, reach);
        after.next = Reach::possible;
        return after;
      }
      const Reach fell_out = chain(*target, reach, depth + 1);
      (key == "jump" ? after.next : after.returned) = fell_out;
    } else {
      after.next = reach;  // continue
    }
    return after;
  }

  void doubt(std::string words) {
    if (matcher_.quotes.size() < 8 && std::find(matcher_.quotes.begin(), matcher_.quotes.end(), words) == matcher_.quotes.end()) {
      matcher_.quotes.push_back(std::move(words));
    }
  }

  After too_large(const NftChain& in, const NftRule& rule) {
    doubt("a ruleset that is too large to follow");
    end(in, rule, FilterVerdict::unknown, Reach::possible);
    return {Reach::possible, Reach::no};
  }

  After vmap(const NftChain& in, const NftRule& rule, const json& map, Reach reach, unsigned depth) {
    After after;
    if (!map.is_object() || !map.contains("key") || !map.contains("data")) {
      doubt(rule.text);
      after.next = Reach::possible;
      return after;
    }
    const json* elements = matcher_.elements(in, map["data"], true);
    if (elements == nullptr) {
      doubt(rule.text);
      after.next = Reach::possible;
      return after;
    }
    bool surely = false;
    const json* fallback = nullptr;
    const auto take = [&](const json& verdict, Reach r) {
      if (!verdict.is_object() || verdict.size() != 1) return;
      const After one = apply(in, rule, verdict, r, depth);
      after.next = std::max(after.next, one.next);
      after.returned = std::max(after.returned, one.returned);
    };
    for (const json& element : *elements) {
      if (++steps_ > kMaxSteps) return too_large(in, rule);
      if (!element.is_array() || element.size() != 2) continue;
      if (element[0].is_string() && element[0] == "*") {
        fallback = &element[1];
        continue;
      }
      const Tri holds = matcher_.equals(in, map["key"], element[0]);
      if (holds == Tri::no) continue;
      const bool certain = holds == Tri::yes && !surely;
      if (holds == Tri::maybe) doubt(rule.text);
      take(element[1], certain ? reach : std::min(reach, Reach::possible));
      if (holds == Tri::yes) {
        surely = true;
        break;
      }
    }
    if (!surely) {
      if (fallback != nullptr) {
        take(*fallback, reach);
      } else {
        after.next = std::max(after.next, reach);  // no element: the rule does not match
      }
    }
    return after;
  }

  void translate(const NftChain& in, const NftRule& rule, const std::string& kind, const json& value, Reach reach) {
    if (result_.translation) return;
    FilterResult::Translation t;
    t.kind = kind;
    t.rule = ending_of(in, rule, FilterVerdict::accept);
    t.certain = reach == Reach::certain;
    if (value.is_object() && value.contains("addr") && value["addr"].is_string())
      t.address = parse_address(value["addr"].get_ref<const std::string&>());
    result_.translation = std::move(t);
  }

  /// Runs a rule from the top; `reach` says how surely the walk comes to it.
  After run(const NftChain& in, const NftRule& rule, Reach reach, unsigned depth) {
    After nothing;
    nothing.next = reach;
    Reach here = reach;
    bool open = false;  // a match was not certain
    const auto leave = [&](After after) {
      // What did not match surely goes on to the next rule as well.
      if (open) after.next = std::max(after.next, Reach::possible);
      return after;
    };
    for (const json& statement : rule.statements) {
      if (++steps_ > kMaxSteps) return too_large(in, rule);
      if (!statement.is_object() || statement.empty()) continue;
      const std::string& key = statement.begin().key();
      const json& value = *statement.begin();
      Tri holds = Tri::yes;
      if (key == "match") {
        holds = matcher_.match(in, value);
      } else if (key == "limit" || key == "quota" || key == "ct count") {
        // Below the rate is the usual: that is what a connection meets.
        if (is_inverted(value)) holds = Tri::no;
      } else if (key == "accept" || key == "drop" || key == "return" || key == "jump" || key == "goto" || key == "reject" ||
                 key == "queue" || key == "continue") {
        note(in, rule);
        return leave(apply(in, rule, statement, here, depth));
      } else if (key == "vmap") {
        note(in, rule);
        return leave(vmap(in, rule, value, here, depth));
      } else if (key == "snat" || key == "masquerade" || key == "dnat" || key == "redirect") {
        note(in, rule);
        translate(in, rule, key, value, here);
        After after;
        end(in, rule, FilterVerdict::accept, here);
        return leave(after);
      } else if (key == "notrack") {
        if (base_ != nullptr && base_->priority < -200 && here == Reach::certain) packet_.ct = CtState::untracked;
      } else if (key == "mangle") {
        mangle(in, value, here);
      } else if (key == "flow") {
        if (!result_.offload) {
          result_.offload = ending_of(in, rule, FilterVerdict::accept);
          if (value.is_object() && value.contains("flowtable") && value["flowtable"].is_string()) {
            result_.flowtable = printable(value["flowtable"].get_ref<const std::string&>(), 256);
            if (result_.flowtable.starts_with("@")) result_.flowtable.erase(0, 1);
          }
        }
      } else if (key == "fwd" || key == "tproxy" || key == "synproxy") {
        doubt(nft_words(statement) + " in " + in.path());
        end(in, rule, FilterVerdict::unknown, here);
        After after;
        after.next = Reach::possible;
        return leave(after);
      } else if (key == "xt") {
        const std::string type = word_of(value, "type"), name = word_of(value, "name");
        if (type == "target") {
          if (passes_on(name)) continue;
          note(in, rule);
          if (name == "REJECT") return leave(apply(in, rule, json{{"reject", nullptr}}, here, depth));
          if (name == "MASQUERADE" || name == "SNAT" || name == "DNAT" || name == "REDIRECT" || name == "NETMAP") {
            std::string kind = name == "NETMAP" ? "snat" : name;
            std::transform(kind.begin(), kind.end(), kind.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
            translate(in, rule, kind, json(), here);
            end(in, rule, FilterVerdict::accept, here);
            return leave({});
          }
          if (name == "NFQUEUE") return leave(apply(in, rule, json{{"queue", nullptr}}, here, depth));
          if (name == "MARK" || name == "CONNMARK") {
            packet_.mark.reset();
            continue;
          }
          doubt(nft_words(statement) + " in " + in.path());
          end(in, rule, FilterVerdict::unknown, here);
          After after;
          after.next = Reach::possible;
          return leave(after);
        }
        if (name != "comment") {
          doubt("`" + rule.text + "` in " + in.path());
          holds = Tri::maybe;
        }
      }
      // Everything else (counter, log, set updates, helpers, timeouts, last, dup) changes nothing that is asked for.
      if (holds == Tri::no) return nothing;
      if (holds == Tri::maybe) {
        if (key == "match") doubt("`" + nft_words(statement) + "` in " + in.path());
        here = Reach::possible;
        open = true;
      }
    }
    return nothing;
  }

  void mangle(const NftChain& in, const json& value, Reach here) {
    if (!value.is_object() || !value.contains("key") || !value.contains("value")) return;
    const json& key = value["key"];
    if (!key.is_object() || !key.contains("meta") || word_of(key["meta"], "key") != "mark") return;
    const std::optional<std::uint64_t> mark = matcher_.number(in, value["value"]);
    if (here == Reach::certain && mark) {
      packet_.mark = static_cast<std::uint32_t>(*mark);
    } else {
      packet_.mark.reset();
    }
  }

  void note(const NftChain& in, const NftRule& rule) {
    if (result_.trace.size() < 64) result_.trace.push_back(in.path() + ": " + rule.text);
  }

  /// Walks a chain; returns how surely it is left at its end (or by `return`).
  Reach chain(const NftChain& in, Reach reach, unsigned depth) {
    Reach left = Reach::no;
    for (const NftRule& rule : in.rules) {
      if (reach == Reach::no) break;
      if (++steps_ > kMaxSteps) return too_large(in, rule).next;
      const After after = run(in, rule, reach, depth);
      left = std::max(left, after.returned);
      reach = after.next;
    }
    return std::max(left, reach);
  }

  FilterResult finish() {
    result_.mark = packet_.mark;
    result_.ct = packet_.ct;
    return std::move(result_);
  }

  const NftRules& rules_;
  FilterPacket packet_;
  FilterMatcher matcher_;
  const NftChain* base_ = nullptr;
  std::vector<std::pair<FilterEnding, Reach>> endings_;  // of the base chain at hand
  std::size_t kept_quotes_ = 0, steps_ = 0;
  FilterResult result_;
};

}  // namespace

std::string FilterEnding::words() const {
  const std::string place = "chain " + family + " " + table + " " + chain;
  if (by_policy) return "the policy (" + std::string(verdict == FilterVerdict::accept ? "accept" : "drop") + ") of " + place;
  return "rule `" + rule + "`" + (handle != 0 ? " (handle " + std::to_string(handle) + ")" : std::string()) + " of " + place;
}

FilterResult walk_filter(const NftRules& rules, std::string_view hook, const FilterPacket& packet) {
  return Walk(rules, packet).through(hook);
}

}  // namespace lvsnat
