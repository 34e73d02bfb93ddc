#include "state/route_decision.h"

#include <algorithm>

#include "state/fib.h"

namespace lvsnat {
namespace {

bool is_limited_broadcast(const Address& a) { return a.is_v4() && a.v4_value() == 0xffffffffu; }
bool is_zeronet(const Address& a) { return a.is_v4() && (a.v4_value() >> 24) == 0; }

Flow flow_of(const RouteQuestion& question) {
  Flow flow;
  flow.v6 = !question.destination.is_v4();
  flow.destination = question.destination;
  flow.source = question.source.value_or(Address{});
  flow.mark = question.mark;
  flow.protocol = question.protocol;
  flow.sport = question.sport;
  flow.dport = question.dport;
  flow.uid = question.uid;
  flow.tos = question.tos;
  return flow;
}

bool tables_known(const KernelState& state, bool v6) { return v6 ? state.known.routes_v6 : state.known.routes_v4; }

RouteDecision unread(bool v6) {
  RouteDecision decision;
  decision.doubts.emplace_back(v6 ? "the IPv6 routing tables were not read" : "the routing tables were not read");
  decision.explanation = "Not known: " + decision.doubts.front() + ".";
  return decision;
}

std::string hop_text(const std::optional<Address>& via, const std::string& dev) {
  return (via ? "via " + to_string(*via) : std::string("on-link")) + (dev.empty() ? "" : " dev " + dev);
}

/// fib_select_path(): a hash over the flow picks one of several next hops, so no table tells which.
void take_hop(const FibResult& found, RouteDecision& decision) {
  if (found.usable.empty()) return;
  decision.via = found.usable.front().gateway;
  decision.dev = found.usable.front().dev;
  if (found.usable.size() < 2) return;
  decision.alternatives = found.usable;
  if (found.route && found.route->nexthops.size() > 1) {
    std::string all;
    for (const NextHop& hop : found.usable) all += (all.empty() ? "" : ", ") + hop_text(hop.gateway, hop.dev);
    decision.doubts.push_back("a multipath route; each connection takes one of: " + all);
  }
}

/// find_exception() on the chosen next hop (rt6_find_cached_rt for IPv6). The listing does not tell which route's next hop
/// an exception belongs to, only its device.
void apply_exception(const KernelState& state, const Flow& flow, RouteDecision& decision) {
  if (!(flow.v6 ? state.known.exceptions_v6 : state.known.exceptions_v4)) {
    decision.doubts.emplace_back("cached route exceptions (redirects, path MTU) were not read");
    return;
  }
  const RouteException* found = nullptr;
  for (const RouteException& e : state.exceptions) {
    if (e.destination != flow.destination || (!e.dev.empty() && e.dev != decision.dev)) continue;
    if (e.source && !flow.source.is_none() && *e.source != flow.source) continue;
    // Several tables may each have one; a redirected one matters most.
    if (found == nullptr || (e.redirected && !found->redirected)) found = &e;
  }
  if (found == nullptr) return;
  if (found->redirected) {
    std::size_t owners = 0;
    for (const Route& route : state.routes) {
      if (route.v6 != flow.v6 || route.type != RouteType::unicast || !route.destination.contains(flow.destination)) continue;
      owners +=
          static_cast<std::size_t>(std::count_if(route.nexthops.begin(), route.nexthops.end(),
                                                 [&decision](const NextHop& h) { return h.gateway && h.dev == decision.dev; }));
    }
    if (owners > 1) decision.doubts.emplace_back("the cached redirect may belong to another route over the same device");
    // An on-link exception is listed with the destination as its own gateway.
    decision.via = found->gateway && *found->gateway != flow.destination ? found->gateway : std::nullopt;
  }
  decision.exception = *found;
}

/// fib_result_prefsrc(): the route's own, else inet_select_addr() on the device: a primary address in the gateway's network,
/// else the first primary one.
std::optional<Address> preferred_source(const KernelState& state, const RouteDecision& decision, const Flow& flow) {
  if (decision.route && decision.route->prefsrc) return decision.route->prefsrc;
  if (flow.v6) return std::nullopt;  // RFC 6724: labels and policy, not in these tables
  const InterfaceAddress* first = nullptr;
  for (const InterfaceAddress& a : state.addresses) {
    if (a.dev != decision.dev || !a.address.is_v4() || a.secondary || a.scope == "host") continue;
    if (first == nullptr) first = &a;
    // The route's own gateway, not a redirect's: nh->nh_saddr is chosen when the route is made.
    const auto gateway =
        decision.route && !decision.route->nexthops.empty() ? decision.route->nexthops.front().gateway : std::nullopt;
    const auto network = parse_prefix(to_string(a.peer.value_or(a.address)) + "/" + std::to_string(a.length));
    if (gateway && network && network->contains(*gateway)) return a.address;
  }
  return first == nullptr ? std::nullopt : std::optional<Address>(first->address);
}

std::string explain(const RouteDecision& decision, const RouteQuestion& question) {
  const std::string to = to_string(question.destination);
  std::string text;
  const std::string by_rule = decision.rule && decision.rule->priority != 0 && decision.rule->priority != 32766
                                  ? " (by rule " + to_string(*decision.rule) + ")"
                                  : "";
  const std::string by_route = decision.route ? " by route " + to_string(*decision.route) : "";
  switch (decision.outcome) {
    case Outcome::unicast:
      text = to + " is reached " + hop_text(decision.via, decision.dev);
      if (decision.exception && decision.exception->redirected) {
        text += " by a cached redirect";
        if (decision.exception->expires) text += " (expires in " + std::to_string(*decision.exception->expires) + " s)";
        text += ", against route " + (decision.route ? to_string(*decision.route) : std::string("?"));
      } else {
        text += by_route;
      }
      text += by_rule;
      break;
    case Outcome::local:
      text = to + " is delivered to this host itself" + by_route + by_rule;
      break;
    case Outcome::broadcast:
      text = to + " is a broadcast, anycast or multicast address here" + by_route;
      break;
    case Outcome::no_route:
      text = "no route to " + to;
      break;
    case Outcome::unreachable:
      text = to + " is refused as unreachable" + by_route + by_rule;
      break;
    case Outcome::prohibited:
      text = to + " is administratively prohibited" + by_route + by_rule;
      break;
    case Outcome::blackhole:
      text = to + " is dropped silently" + by_route + by_rule;
      break;
    case Outcome::not_forwarding:
      text = "forwarding is off on " + question.iif + ", so the packet to " + to + " is dropped silently";
      break;
    case Outcome::martian:
      text = "the packet from " + (question.source ? to_string(*question.source) : std::string("-")) + " to " + to +
             (question.iif.empty() ? " has a source that is not this host's own" : " is refused as martian on " + question.iif);
      break;
    case Outcome::reverse_path:
      text = "reverse path filtering (rp_filter) drops the packet from " +
             (question.source ? to_string(*question.source) : std::string("-")) + " on " + question.iif +
             (decision.reverse.route ? ": the way back to it is " + to_string(*decision.reverse.route)
                                     : ": there is no way back to it");
      break;
    case Outcome::unknown:
      text = "not known";
      break;
  }
  for (const std::string& doubt : decision.doubts) text += "; " + doubt;
  text[0] = static_cast<char>(text[0] >= 'a' && text[0] <= 'z' ? text[0] - 'a' + 'A' : text[0]);
  return text + ".";
}

struct SourceCheck {
  int result = 0;  // as fib_validate_source(): 0 fine, 1 fine and on-link, negative: refused
  static constexpr int kInvalid = -22, kReversePath = -18;
};

/// fib_validate_source() and __fib_validate_source(). `oif`: the device that the packet will leave by; empty for local delivery.
SourceCheck validate_source(const KernelState& state, const RouteQuestion& question, const std::string& oif,
                            RouteDecision& decision) {
  ReversePath& reverse = decision.reverse;
  const Address& source = *question.source;
  const DeviceSetting rp = effective_rp_filter(state, question.iif);
  reverse.rp_filter = rp.effective;
  const long long filter = rp.effective.value_or(0);
  const bool accepts_local = setting_or(state, question.iif, "accept_local").effective.value_or(0) != 0;
  const bool redirects = effective_send_redirects(state, question.iif, false).effective.value_or(1) != 0;

  if (rp.effective && filter == 0 && (question.iif != oif || !redirects)) {
    if (accepts_local) return {};
    if (!has_custom_rules(state, false)) {
      // fib_has_custom_local_routes is not visible; owning the address is what it amounts to.
      if (find_address(state, source) != nullptr) {
        reverse.passes = false;
        return {SourceCheck::kInvalid};
      }
      return {};
    }
  }
  reverse.checked = true;
  Flow back = flow_of(question);
  back.destination = source;
  back.source = question.destination;
  back.iif = oif.empty() ? "lo" : oif;
  back.uid_invalid = true;
  std::swap(back.sport, back.dport);
  // src_valid_mark decides whether the reverse lookup sees the packet's mark.
  if (setting_or(state, question.iif, "src_valid_mark").effective.value_or(0) == 0) back.mark = 0;
  const FibResult found = fib_lookup(state, back);
  decision.doubts.insert(decision.doubts.end(), found.doubts.begin(), found.doubts.end());
  const auto refuse = [&](int code) {
    // rp_filter not known: what would be refused may pass.
    if (code == SourceCheck::kReversePath && !rp.effective) {
      decision.doubts.push_back("rp_filter of " + question.iif + " is not known; strict filtering would drop this packet");
      return SourceCheck{};
    }
    reverse.passes = false;
    return SourceCheck{code};
  };
  const bool reachable =
      found.outcome == Outcome::unicast || found.outcome == Outcome::local || found.outcome == Outcome::broadcast;
  if (!reachable) return filter != 0 || !rp.effective ? refuse(SourceCheck::kReversePath) : SourceCheck{};
  reverse.route = found.route;
  if (!found.usable.empty()) reverse.dev = found.usable.front().dev;
  if (found.outcome != Outcome::unicast && !(found.outcome == Outcome::local && accepts_local))
    return refuse(SourceCheck::kInvalid);
  const auto match =
      std::find_if(found.usable.begin(), found.usable.end(), [&question](const NextHop& h) { return h.dev == question.iif; });
  const bool uses_dev = found.route && std::any_of(found.route->nexthops.begin(), found.route->nexthops.end(),
                                                   [&question](const NextHop& h) { return h.dev == question.iif; });
  // fib_info_nh_uses_dev(); the return value is whether the next hop's scope is host, that is: has no gateway.
  if (uses_dev) {
    reverse.on_link = match != found.usable.end() && !match->gateway;
    return {reverse.on_link ? 1 : 0};
  }
  // A device without any address is not checked strictly (no_addr).
  const bool no_address = state.known.addresses &&
                          std::none_of(state.addresses.begin(), state.addresses.end(), [&question](const InterfaceAddress& a) {
                            return a.dev == question.iif && a.address.is_v4();
                          });
  if (no_address) return filter != 0 ? refuse(SourceCheck::kReversePath) : SourceCheck{};
  if (filter == 1 || !rp.effective) {
    const SourceCheck strict = refuse(SourceCheck::kReversePath);
    if (strict.result < 0) return strict;
  }
  back.oif = question.iif;
  back.ignore_linkstate = true;
  const FibResult through = fib_lookup(state, back);
  if (through.outcome == Outcome::unicast && !through.usable.empty() && !through.usable.front().gateway) {
    reverse.on_link = true;
    return {1};
  }
  return {};
}

/// __mkroute_input()'s test for IPSKB_DOREDIRECT, acted on by ip_forward(). `route_gateway` is the table's, before exceptions.
void predict_redirect(const KernelState& state, const RouteQuestion& question, const SourceCheck& source,
                      const std::optional<Address>& route_gateway, RouteDecision& decision) {
  if (decision.dev != question.iif || source.result != 1) {
    decision.will_redirect = false;
    return;
  }
  const auto sends = effective_send_redirects(state, decision.dev, false).effective;
  if (sends == 0) {
    decision.will_redirect = false;
    return;
  }
  const auto shared = effective_shared_media(state, decision.dev).effective;
  // inet_addr_onlink(): the source, and the gateway where there is one, in one network of the device.
  const bool on_link = std::any_of(state.addresses.begin(), state.addresses.end(), [&](const InterfaceAddress& a) {
    if (a.dev != decision.dev || !a.address.is_v4()) return false;
    const auto network = parse_prefix(to_string(a.peer.value_or(a.address)) + "/" + std::to_string(a.length));
    return network && network->contains(*question.source) && (!route_gateway || network->contains(*route_gateway));
  });
  if (!sends || (!shared && !on_link)) return;  // not known
  decision.will_redirect = shared.value_or(0) != 0 || on_link;
  if (*decision.will_redirect) decision.redirect_gateway = decision.via.value_or(question.destination);
}

/// ip6_forward(): redirects whenever a packet leaves by the device that it came in by; ndisc_send_redirect() asks no setting,
/// but wants the source to be a neighbour and the target to be the destination itself or link-local.
void predict_redirect_v6(const KernelState& state, const RouteQuestion& question, RouteDecision& decision) {
  decision.will_redirect = false;
  if (decision.dev != question.iif) return;
  const Address target = decision.via.value_or(question.destination);
  if (target != question.destination && !target.is_link_local()) return;
  Flow back;
  back.v6 = true;
  back.destination = *question.source;
  const FibResult found = fib_lookup(state, back);
  if (found.outcome != Outcome::unicast || found.usable.empty() || found.usable.front().gateway) return;
  decision.will_redirect = true;
  decision.redirect_gateway = target;
}

void take(FibResult&& found, RouteDecision& decision) {
  decision.outcome = found.outcome;
  decision.rule = found.rule;
  decision.route = found.route;
  decision.table = found.rule && found.route ? found.route->table : std::string{};
  decision.doubts.insert(decision.doubts.end(), found.doubts.begin(), found.doubts.end());
  take_hop(found, decision);
}

void finish(RouteDecision& decision, const RouteQuestion& question) {
  // The same doubt may come from both lookups.
  std::vector<std::string> unique;
  for (std::string& doubt : decision.doubts) {
    if (std::find(unique.begin(), unique.end(), doubt) == unique.end()) unique.push_back(std::move(doubt));
  }
  decision.doubts = std::move(unique);
  decision.explanation = explain(decision, question);
}

}  // namespace

std::string_view name(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::unicast:
      return "unicast";
    case Outcome::local:
      return "local";
    case Outcome::broadcast:
      return "broadcast";
    case Outcome::no_route:
      return "no-route";
    case Outcome::unreachable:
      return "unreachable";
    case Outcome::prohibited:
      return "prohibited";
    case Outcome::blackhole:
      return "blackhole";
    case Outcome::not_forwarding:
      return "not-forwarding";
    case Outcome::martian:
      return "martian";
    case Outcome::reverse_path:
      return "reverse-path";
    case Outcome::unknown:
      break;
  }
  return "unknown";
}

RouteDecision decide_output(const KernelState& state, const RouteQuestion& question) {
  const Flow flow = flow_of(question);
  if (!tables_known(state, flow.v6)) return unread(flow.v6);
  RouteDecision decision;
  if (question.source) {
    const Address& source = *question.source;
    const bool impossible = source.is_multicast() || is_limited_broadcast(source) || is_zeronet(source);
    // ip_route_output_key_hash_rcu(): __ip_dev_find(saddr), unless the socket is transparent. IPv6 asks nothing here.
    if (impossible || (!flow.v6 && state.known.addresses && !owns_address(state, source))) {
      decision.outcome = Outcome::martian;
      finish(decision, question);
      return decision;
    }
  }
  take(fib_lookup(state, flow), decision);
  if (decision.outcome == Outcome::local) {
    decision.via.reset();
    decision.dev = "lo";
  }
  if (decision.outcome == Outcome::unicast) {
    apply_exception(state, flow, decision);
    decision.prefsrc = question.source ? question.source : preferred_source(state, decision, flow);
  }
  finish(decision, question);
  return decision;
}

RouteDecision decide_input(const KernelState& state, const RouteQuestion& question) {
  Flow flow = flow_of(question);
  if (!tables_known(state, flow.v6)) return unread(flow.v6);
  RouteDecision decision;
  if (!question.source || question.iif.empty()) {
    decision.doubts.emplace_back("a packet that comes in has a source and a device");
    finish(decision, question);
    return decision;
  }
  flow.iif = question.iif;
  flow.uid_invalid = true;
  const Address &source = *question.source, &destination = question.destination;
  const auto end_as = [&](Outcome outcome) {
    decision.outcome = outcome;
    finish(decision, question);
    return decision;
  };
  // ip_route_input_slow(): sources and destinations that cannot be.
  const bool localnet = setting_or(state, question.iif, "route_localnet").effective.value_or(0) != 0;
  if (source.is_multicast() || is_limited_broadcast(source) || is_zeronet(source) || is_zeronet(destination) ||
      (question.iif != "lo" && !(localnet && !flow.v6) && (source.is_loopback() || destination.is_loopback()))) {
    return end_as(Outcome::martian);
  }
  take(fib_lookup(state, flow), decision);
  const std::optional<Address> route_gateway = decision.via;
  const DeviceSetting forwarding = effective_forwarding(state, question.iif, flow.v6);
  const bool found =
      decision.outcome == Outcome::unicast || decision.outcome == Outcome::local || decision.outcome == Outcome::broadcast;

  if (flow.v6) {
    // No reverse path filter and no martian test by source in IPv6's own routing.
    if (decision.outcome == Outcome::unicast) {
      if (forwarding.effective == 0) return end_as(Outcome::not_forwarding);
      if (!forwarding.effective) decision.doubts.emplace_back("whether IPv6 forwarding is on is not known");
      apply_exception(state, flow, decision);
      predict_redirect_v6(state, question, decision);
    }
    finish(decision, question);
    return decision;
  }

  if (decision.outcome == Outcome::local || decision.outcome == Outcome::broadcast) {
    const SourceCheck check = validate_source(state, question, "", decision);
    if (check.result < 0) return end_as(check.result == SourceCheck::kReversePath ? Outcome::reverse_path : Outcome::martian);
    decision.via.reset();
    finish(decision, question);
    return decision;
  }
  // Without forwarding a failed lookup too ends in EHOSTUNREACH.
  if (forwarding.effective == 0) return end_as(Outcome::not_forwarding);
  if (!forwarding.effective) decision.doubts.push_back("whether forwarding is on for " + question.iif + " is not known");
  if (!found) {
    finish(decision, question);
    return decision;
  }
  // __mkroute_input()
  const SourceCheck check = validate_source(state, question, decision.dev, decision);
  if (check.result < 0) return end_as(check.result == SourceCheck::kReversePath ? Outcome::reverse_path : Outcome::martian);
  apply_exception(state, flow, decision);
  predict_redirect(state, question, check, route_gateway, decision);
  finish(decision, question);
  return decision;
}

}  // namespace lvsnat
