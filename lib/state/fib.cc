#include "state/fib.h"

#include <algorithm>

namespace lvsnat {
namespace {

using Action = RoutingRule::Action;

enum class Match : std::uint8_t { no, yes, unknown };

RoutingRule default_rule(bool v6, std::uint32_t priority, const char* table) {
  RoutingRule rule;
  rule.v6 = v6;
  rule.priority = priority;
  rule.table = table;
  return rule;
}

/// fib_default_rules_init(), fib6_rules_net_init().
std::vector<RoutingRule> default_rules(bool v6) {
  std::vector<RoutingRule> rules{default_rule(v6, 0, "local"), default_rule(v6, 32766, "main")};
  if (!v6) rules.push_back(default_rule(v6, 32767, "default"));
  return rules;
}

bool in_prefix(const std::optional<Prefix>& prefix, const Address& address) {
  if (!prefix || prefix->length == 0) return true;
  // An unspecified address has no family of its own here: it matches no prefix, as its bits would not.
  if (address.is_none()) return prefix->contains(Prefix{Address{}, 128});
  return prefix->contains(address);
}

/// fib_rule_match() with fib4_rule_match() / fib6_rule_match(). A selector whose value is not known makes the answer
/// unknown only if nothing else has already failed.
Match match(const KernelState& state, const RoutingRule& rule, const Flow& flow, std::string& why) {
  bool unknown = false;
  const auto depends = [&](const char* on) {
    unknown = true;
    if (why.empty()) why = on;
  };
  const Match decided = [&]() -> Match {
    if (!rule.iif.empty() && rule.iif != flow.iif) return Match::no;
    if (!rule.oif.empty() && rule.oif != flow.oif) return Match::no;
    if (!in_prefix(rule.from, flow.source) || !in_prefix(rule.to, flow.destination)) return Match::no;
    if (rule.tos && *rule.tos != 0 && *rule.tos != flow.tos) return Match::no;
    if (rule.fwmark) {
      if (!flow.mark) {
        depends("the packet's firewall mark");
      } else if (((*rule.fwmark ^ *flow.mark) & rule.fwmask) != 0) {
        return Match::no;
      }
    }
    if (rule.uidrange) {
      // INVALID_UID is the largest number: no range that people write holds it.
      const std::optional<std::uint32_t> uid = flow.uid_invalid ? UINT32_MAX : flow.uid;
      if (!uid) {
        depends("the owner of the sending socket");
      } else if (*uid < rule.uidrange->first || *uid > rule.uidrange->second) {
        return Match::no;
      }
    }
    if (rule.protocol) {
      if (!flow.protocol) {
        depends("the protocol");
      } else if (*flow.protocol != *rule.protocol) {
        return Match::no;
      }
    }
    const auto in_range = [&](const auto& range, const auto& value) {
      if (!range) return true;
      if (!value) {
        depends("the ports");
        return true;
      }
      return *value >= range->first && *value <= range->second;
    };
    if (!in_range(rule.sport, flow.sport) || !in_range(rule.dport, flow.dport)) return Match::no;
    if (rule.l3mdev) {
      // l3mdev_fib_rule_match(): only for devices that belong to a VRF.
      const bool vrf = std::any_of(state.links.begin(), state.links.end(), [](const Link& l) { return l.kind == "vrf"; });
      if (!vrf && state.known.links) return Match::no;
      depends("the VRF that the packet belongs to");
    }
    if (!rule.not_understood.empty()) depends(rule.not_understood.front().c_str());
    return Match::yes;
  }();
  // `not` turns a certain answer round; an uncertain one stays so.
  if (decided == Match::no) return rule.inverted ? Match::yes : Match::no;
  if (unknown) return Match::unknown;
  return rule.inverted ? Match::no : Match::yes;
}

/// Next hops that fib_table_lookup() would take: alive, and on `oif` where that is given.
std::vector<NextHop> usable_hops(const KernelState& state, const Route& route, const Flow& flow) {
  std::vector<NextHop> out;
  for (const NextHop& hop : route.nexthops) {
    if (hop.dead) continue;
    if (hop.linkdown && !flow.ignore_linkstate &&
        setting_device(state, hop.dev, "ignore_routes_with_linkdown", flow.v6).effective.value_or(0) != 0) {
      continue;
    }
    if (!flow.oif.empty() && hop.dev != flow.oif) continue;
    out.push_back(hop);
  }
  return out;
}

struct TableAnswer {
  bool found = false;  // a route that ends the search in this table (it may be a refusal)
  bool again = false;  // `throw`: -EAGAIN, next rule
  Outcome outcome = Outcome::no_route;
  const Route* route = nullptr;
  std::vector<NextHop> usable;
  std::string doubt;
};

/// fib_table_lookup() / fib6_table_lookup(): longest prefix, then TOS, then metric; a route whose next hops are all dead
/// is passed over for the next (backtracking to shorter prefixes).
TableAnswer table_lookup(const KernelState& state, const std::string& table, const Flow& flow) {
  std::vector<const Route*> matching;
  for (const Route& route : state.routes) {
    if (route.v6 != flow.v6 || route.table != table) continue;
    if (route.destination.length != 0 && !route.destination.contains(flow.destination)) continue;
    if (route.source && route.source->length != 0 && !in_prefix(route.source, flow.source)) continue;
    if (!flow.v6 && route.tos != 0 && route.tos != flow.tos) continue;
    matching.push_back(&route);
  }
  std::stable_sort(matching.begin(), matching.end(), [](const Route* a, const Route* b) {
    if (a->destination.length != b->destination.length) return a->destination.length > b->destination.length;
    const unsigned source_a = a->source ? a->source->length : 0, source_b = b->source ? b->source->length : 0;
    if (source_a != source_b) return source_a > source_b;
    if (a->tos != b->tos) return a->tos > b->tos;
    return a->metric < b->metric;
  });
  TableAnswer answer;
  for (std::size_t i = 0; i < matching.size(); ++i) {
    const Route& route = *matching[i];
    answer.route = &route;
    switch (route.type) {
      case RouteType::throw_:
        answer.again = true;
        return answer;
      case RouteType::unreachable:
        answer.outcome = Outcome::unreachable;
        break;
      case RouteType::prohibit:
        answer.outcome = Outcome::prohibited;
        break;
      case RouteType::blackhole:
        answer.outcome = Outcome::blackhole;
        break;
      case RouteType::other:
        answer.outcome = Outcome::unknown;
        answer.doubt = "a route of a kind that is not understood";
        break;
      default: {
        answer.usable = usable_hops(state, route, flow);
        if (answer.usable.empty()) {
          answer.route = nullptr;
          continue;
        }
        answer.outcome = route.type == RouteType::local     ? Outcome::local
                         : route.type == RouteType::unicast ? Outcome::unicast
                                                            : Outcome::broadcast;
        // Equal routes beside each other: IPv4 asks the neighbour table (fib_select_default), IPv6 scores (rt6_score_route).
        if (answer.outcome == Outcome::unicast && i + 1 < matching.size()) {
          const Route& next = *matching[i + 1];
          const bool equal = next.destination == route.destination && next.source == route.source && next.tos == route.tos &&
                             next.metric == route.metric && next.type == RouteType::unicast;
          if (equal && (flow.v6 || route.destination.length == 0)) {
            for (std::size_t k = i + 1;
                 k < matching.size() && matching[k]->destination == route.destination && matching[k]->metric == route.metric &&
                 matching[k]->tos == route.tos && matching[k]->source == route.source;
                 ++k) {
              const auto more = usable_hops(state, *matching[k], flow);
              answer.usable.insert(answer.usable.end(), more.begin(), more.end());
            }
            answer.doubt =
                "several equal routes (" + to_string(route.destination) + "): the kernel prefers the one whose next hop answers";
          }
        }
        break;
      }
    }
    answer.found = true;
    return answer;
  }
  return answer;
}

/// fib4_rule_suppress(): the result is not good enough for this rule.
bool suppressed(const RoutingRule& rule, const TableAnswer& answer, std::vector<std::string>& doubts) {
  if (rule.suppress_prefixlength && answer.route != nullptr &&
      static_cast<int>(answer.route->destination.length) <= *rule.suppress_prefixlength) {
    return true;
  }
  if (!rule.suppress_ifgroup.empty()) doubts.push_back("rule " + to_string(rule) + " depends on the group of a device");
  return false;
}

}  // namespace

bool has_custom_rules(const KernelState& state, bool v6) {
  const auto standard = default_rules(v6);
  return std::any_of(state.rules.begin(), state.rules.end(), [&](const RoutingRule& rule) {
    return rule.v6 == v6 && std::none_of(standard.begin(), standard.end(), [&rule](const RoutingRule& d) {
             RoutingRule plain = rule;
             plain.v6 = d.v6;
             return plain == d;
           });
  });
}

FibResult fib_lookup(const KernelState& state, const Flow& flow) {
  FibResult result;
  std::vector<RoutingRule> rules;
  if (flow.v6 ? state.known.rules_v6 : state.known.rules_v4) {
    std::copy_if(state.rules.begin(), state.rules.end(), std::back_inserter(rules),
                 [&flow](const RoutingRule& r) { return r.v6 == flow.v6; });
  } else {
    rules = default_rules(flow.v6);
    result.doubts.push_back("the routing rules were not read; the kernel's own are assumed");
  }
  // fib_rules_lookup(). goto only leads forward (fib_nl_newrule refuses others), so the walk ends.
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const RoutingRule& rule = rules[i];
    std::string why;
    const Match matches = match(state, rule, flow, why);
    if (matches == Match::unknown) {
      result.doubts.push_back("rule " + to_string(rule) + " depends on " + why);
      continue;
    }
    if (matches == Match::no) continue;
    switch (rule.action) {
      case Action::nop:
        continue;
      case Action::other:
        result.doubts.push_back("rule " + to_string(rule) + " has an action that is not understood");
        continue;
      case Action::go_to: {
        const auto target = std::find_if(rules.begin() + static_cast<std::ptrdiff_t>(i) + 1, rules.end(),
                                         [&rule](const RoutingRule& r) { return r.priority == rule.target; });
        if (target == rules.end()) continue;
        i = static_cast<std::size_t>(target - rules.begin()) - 1;
        continue;
      }
      case Action::unreachable:
        result.outcome = Outcome::unreachable;
        result.rule = rule;
        return result;
      case Action::prohibit:
        result.outcome = Outcome::prohibited;
        result.rule = rule;
        return result;
      case Action::blackhole:
        result.outcome = Outcome::blackhole;
        result.rule = rule;
        return result;
      case Action::lookup:
        break;
    }
    TableAnswer answer = table_lookup(state, rule.table, flow);
    if (!answer.found || answer.again) continue;
    if (suppressed(rule, answer, result.doubts)) continue;
    if (!answer.doubt.empty()) result.doubts.push_back(answer.doubt);
    result.outcome = answer.outcome;
    result.rule = rule;
    result.route = *answer.route;
    result.usable = std::move(answer.usable);
    return result;
  }
  result.outcome = Outcome::no_route;
  return result;
}

}  // namespace lvsnat
