#include "state/prediction.h"

#include <algorithm>
#include <utility>

namespace lvsnat {
namespace {

constexpr std::uint8_t kTcp = 6, kUdp = 17, kSctp = 132;
constexpr std::uint8_t kSyn = 0x02, kSynAck = 0x12;

std::uint8_t protocol_of(const Service& service) {
  switch (service.protocol) {
    case ServiceProtocol::tcp:
      return kTcp;
    case ServiceProtocol::udp:
      return kUdp;
    case ServiceProtocol::sctp:
      return kSctp;
    case ServiceProtocol::fwmark:
      break;
  }
  return kTcp;  // what marks are mostly for; ports stay unknown
}

std::optional<std::uint16_t> port_of(std::uint16_t port) { return port == 0 ? std::nullopt : std::optional(port); }

std::string devices(const std::string& in, const std::string& out) {
  return in.empty() ? out : out.empty() ? in : in + " to " + out;
}

class Forecast {
 public:
  Forecast(const KernelState& state, const NftRules& rules, const PredictionQuestion& question)
      : state_(state), rules_(rules), q_(question) {
    p_.client = q_.client;
    p_.service = to_string(q_.service);
    protocol_ = protocol_of(q_.service);
    mark_service_ = q_.service.protocol == ServiceProtocol::fwmark;
    p_.vip = mark_service_ ? q_.vip : Endpoint{q_.service.vip, q_.service.port != 0 ? q_.service.port : q_.vip.port};
    p_.rip = {q_.destination.rip, destination_port(q_.service, q_.destination, p_.vip.port)};
    v6_ = !p_.rip.address.is_v4();
  }

  Prediction run() {
    tracking();
    request();
    demasq();
    reply();
    masq();
    return std::move(p_);
  }

 private:
  PredictedLeg& leg(Leg l) { return p_.legs[index(l)]; }

  /// IP_VS_CONN_F_NFCT: the setting, or the FTP helper, which asks for it (ip_vs_ftp_init_conn()).
  void tracking() {
    if (const auto set = sysctl_number(state_, "net.ipv4.vs.conntrack")) p_.tracked = *set != 0;
    if (q_.service.protocol != ServiceProtocol::tcp || p_.tracked == true) return;
    const std::optional<bool> helper = has_ftp_helper(state_, q_.service.port);
    if (helper == true) p_.tracked = true;
    if (!helper && q_.service.port == 21) p_.tracked.reset();
  }

  static void die(PredictedLeg& l, LegCause cause, std::string decides) {
    if (l.fate == LegFate::dies) return;
    l.fate = LegFate::dies;
    l.cause = cause;
    l.decides = std::move(decides);
  }

  FilterPacket packet(const Endpoint& from, const Endpoint& to, const std::string& iif, const std::string& oif, CtState ct,
                      std::uint8_t flags) const {
    FilterPacket p;
    p.iif = iif;
    p.oif = oif;
    const auto address = [this](const Address& a) { return q_.any_client && a == q_.client.address ? Address{} : a; };
    p.source = address(from.address);
    p.destination = address(to.address);
    p.v6 = v6_;
    p.protocol = protocol_;
    p.sport = port_of(from.port);
    p.dport = port_of(to.port);
    if (protocol_ == kTcp) p.tcp_flags = flags;
    p.ct = ct;
    const auto type = [this](const Address& a) {
      return state_.known.addresses ? owns_address(state_, a) ? "local" : "unicast" : "";
    };
    p.source_type = type(from.address);
    p.destination_type = type(to.address);
    if (!iif.empty() && (v6_ ? state_.known.routes_v6 : state_.known.routes_v4)) {
      RouteQuestion back;
      back.destination = from.address;
      const RouteDecision decision = decide_output(state_, back);
      p.reverse_route = decision.outcome == Outcome::unicast && decision.dev == iif;
    }
    return p;
  }

  /// Sends the packet through one hook and notes what that does to the leg. Returns the walk for what else it shows.
  FilterResult pass(PredictedLeg& l, const char* hook, FilterPacket& p) {
    FilterResult walk = walk_filter(rules_, hook, p);
    p.mark = walk.mark;
    p.ct = walk.ct;
    if (l.fate == LegFate::dies || !walk.ending) return walk;
    const std::string words = walk.ending->words();
    if (walk.verdict == FilterVerdict::unknown) {
      if (l.fate != LegFate::may_die) {
        l.fate = LegFate::may_die;
        l.cause = LegCause::filter;
        l.filter = walk.ending;
        l.hook = hook;
        l.decides = "it may be dropped in the " + std::string(hook) + " hook by " + words;
      }
      for (const std::string& quoted : walk.not_understood) l.doubts.push_back("it depends on " + quoted);
      return walk;
    }
    if (walk.verdict == FilterVerdict::queue) {
      l.doubts.push_back(words + " hands it to a program (queue), which decides");
      if (l.fate == LegFate::passes) l.fate = LegFate::may_die;
      return walk;
    }
    die(l, LegCause::filter,
        (walk.verdict == FilterVerdict::reject ? "rejected in the " : "dropped in the ") + std::string(hook) + " hook by " +
            words);
    l.filter = walk.ending;
    l.hook = hook;
    return walk;
  }

  /// Would the walk through this hook pass with the connection tracked?
  bool passes_if_tracked(const char* hook, FilterPacket p, CtState ct) const {
    p.ct = ct;
    return walk_filter(rules_, hook, p).verdict == FilterVerdict::accept;
  }

  void note_tracking(PredictedLeg& l, const char* hook, const FilterPacket& before, CtState tracked_state) {
    if (l.hook != hook || !l.filter || p_.tracked == true || before.ct == tracked_state) return;
    l.needs_conntrack = passes_if_tracked(hook, before, tracked_state);
    if (l.needs_conntrack && !p_.tracked) {
      l.doubts.emplace_back("net.ipv4.vs.conntrack is not known; with 1 it would pass");
      l.fate = LegFate::may_die;
    }
  }

  void no_rules(PredictedLeg& l) const {
    if (!rules_.known) l.doubts.emplace_back("filter rules were not read");
    if (!(v6_ ? state_.legacy_tables_v6 : state_.legacy_tables_v4).empty())
      l.doubts.emplace_back("rules of iptables-legacy were not read");
  }

  void request() {
    PredictedLeg& l = leg(Leg::request);
    l.fate = LegFate::passes;
    const Endpoint& vip = p_.vip;
    if (vip.address.is_none()) {
      l.fate = LegFate::not_known;
      l.decides = "which addresses the mark " + std::to_string(q_.service.fwmark.value_or(0)) + " stands for is not known";
      return;
    }
    bool doubtful = false;
    l.in_dev = q_.iif.empty() ? arrival_device(state_, vip.address, q_.client.address, &doubtful) : q_.iif;
    p_.arrival_doubtful = q_.iif.empty() && doubtful;
    FilterPacket p = packet(q_.client, vip, l.in_dev, "", CtState::new_, kSyn);
    pass(l, "ingress", p);
    const FilterResult first = pass(l, "prerouting", p);
    if (first.translation && first.translation->certain &&
        (first.translation->kind == "dnat" || first.translation->kind == "redirect")) {
      die(l, LegCause::diverted, "it is taken before IPVS by " + first.translation->rule.words());
    }
    if (mark_service_ && p.mark && q_.service.fwmark && *p.mark != *q_.service.fwmark) {
      die(l, LegCause::mark_missing, "no rule gives it the mark " + std::to_string(*q_.service.fwmark));
    }
    if (l.in_dev.empty()) {
      // Not known where it comes in: the VIP can be judged all the same.
      if (state_.known.addresses && !owns_address(state_, vip.address))
        die(l, LegCause::vip_not_local, to_string(vip.address) + " is no address of this host");
      l.doubts.emplace_back("by which device requests come in is not known");
    } else {
      RouteQuestion route;
      route.destination = vip.address;
      route.source = q_.client.address;
      route.iif = l.in_dev;
      route.mark = p.mark;
      route.protocol = protocol_;
      route.sport = p.sport;
      route.dport = p.dport;
      l.route = decide_input(state_, route);
      judge(l, l.route, true);
    }
    FilterPacket before = p;
    pass(l, "input", p);
    if (l.fate == LegFate::passes)
      l.decides = to_string(vip.address) + " is local" +
                  (l.in_dev.empty() ? std::string() : ", requests come in by " + l.in_dev) +
                  (rules_.known ? "; the input hook lets them pass" : "");
    no_rules(l);
  }

  /// What a route decision means for a packet that came in.
  void judge(PredictedLeg& l, const RouteDecision& d, bool to_vip) {
    for (const std::string& doubt : d.doubts) l.doubts.push_back(doubt);
    switch (d.outcome) {
      case Outcome::local:
        break;
      case Outcome::unicast:
        if (to_vip) die(l, LegCause::vip_not_local, to_string(p_.vip.address) + " is not local: " + d.explanation);
        break;
      case Outcome::not_forwarding:
        if (to_vip) {
          die(l, LegCause::vip_not_local, to_string(p_.vip.address) + " is no address of this host");
        } else {
          die(l, LegCause::not_forwarding, d.explanation);
        }
        break;
      case Outcome::reverse_path:
        die(l, LegCause::reverse_path, d.explanation);
        break;
      case Outcome::martian:
        die(l, LegCause::martian, d.explanation);
        break;
      case Outcome::broadcast:
      case Outcome::no_route:
      case Outcome::unreachable:
      case Outcome::prohibited:
      case Outcome::blackhole:
        die(l, to_vip ? LegCause::vip_not_local : LegCause::no_route, d.explanation);
        break;
      case Outcome::unknown:
        if (l.fate == LegFate::passes) {
          l.fate = LegFate::not_known;
          l.decides = d.explanation;
        }
        break;
    }
  }

  void demasq() {
    PredictedLeg& l = leg(Leg::demasq);
    l.fate = LegFate::passes;
    RouteQuestion route;  // do_output_route4(): neither source nor mark
    route.destination = p_.rip.address;
    l.route = decide_output(state_, route);
    const bool own = state_.known.addresses && owns_address(state_, p_.rip.address);
    p_.local_destination = own || l.route.outcome == Outcome::local || q_.destination.method == Method::local;
    if (p_.local_destination) {
      l.fate = LegFate::not_on_wire;
      l.decides = to_string(p_.rip.address) + " is an address of this host: it is handed to a program here";
      // ip_vs_nat_xmit(): "stopping DNAT to loopback address".
      if (p_.rip.address.is_loopback() && !q_.client.address.is_loopback() &&
          !(state_.known.addresses && owns_address(state_, q_.client.address))) {
        die(l, LegCause::loopback_destination,
            "IPVS does not rewrite to " + to_string(p_.rip.address) + " for clients from outside");
      }
      return;
    }
    const bool nat = q_.destination.method == Method::masq || q_.destination.method == Method::unknown;
    if (l.route.outcome == Outcome::unicast) {
      l.out_dev = l.route.dev;
      l.via = l.route.via;
      for (const std::string& doubt : l.route.doubts) l.doubts.push_back(doubt);
    } else if (l.route.outcome == Outcome::unknown) {
      l.out_dev = on_link_dev(state_, p_.rip.address);
      if (l.out_dev.empty()) {
        l.fate = LegFate::not_known;
        l.decides = l.route.explanation;
      }
    } else {
      die(l, LegCause::no_route, l.route.explanation);
    }
    if (!nat) {
      if (l.fate == LegFate::passes)
        l.decides = "forwarded by " + std::string(name(q_.destination.method)) + ", not rewritten, by " + l.out_dev;
      return;
    }
    // With conntrack it is still the connection's first packet; without, ip_vs_notrack() has taken it out of tracking.
    FilterPacket p = packet(q_.client, p_.rip, "", l.out_dev, p_.tracked == true ? CtState::new_ : CtState::untracked, kSyn);
    for (const char* hook : {"output", "postrouting"}) {
      const FilterPacket before = p;
      FilterResult walk = pass(l, hook, p);
      note_tracking(l, hook, before, CtState::new_);
      if (p_.tracked == false && rules_.known) {
        FilterPacket as_tracked = before;
        as_tracked.ct = CtState::new_;
        walk.translation = walk_filter(rules_, hook, as_tracked).translation;
      }
      if (walk.translation && walk.translation->kind != "dnat" && walk.translation->kind != "redirect") {
        if (p_.tracked == true) p_.full_nat = std::move(walk.translation);
        if (p_.tracked == false && walk.translation->certain) p_.idle_full_nat = std::move(walk.translation);
      }
    }
    if (const Neighbour* n = find_neighbour(state_, l.via.value_or(p_.rip.address), l.out_dev);
        n != nullptr && n->state == "FAILED") {
      l.doubts.push_back(to_string(n->address) + " did not answer on " + n->dev + " when the state was read (neighbour FAILED)");
    }
    if (l.fate == LegFate::passes) {
      l.decides = to_string(p_.rip.address) + " is reached " +
                  (l.via ? "via " + to_string(*l.via) + " " : std::string("on-link ")) + "by " + l.out_dev;
      if (p_.full_nat) l.decides += "; " + p_.full_nat->rule.words() + " makes the director its source (full NAT)";
    }
    no_rules(l);
  }

  void reply() {
    PredictedLeg& l = leg(Leg::reply);
    const bool nat = q_.destination.method == Method::masq || q_.destination.method == Method::unknown;
    if (p_.local_destination || !nat) {
      l.fate = LegFate::not_on_wire;
      l.decides = p_.local_destination ? "it is made on this host"
                                       : "with this forwarding method replies do not come back to the director";
      return;
    }
    l.fate = LegFate::passes;
    const std::string& inside = leg(Leg::demasq).out_dev;
    l.in_dev = q_.reply_iif.empty() ? inside : q_.reply_iif;
    if (l.in_dev.empty()) {
      l.fate = LegFate::not_known;
      l.decides = "where replies of " + to_string(p_.rip.address) + " come in is not known";
      return;
    }
    // A SYN-ACK (INIT-ACK) of which tracking has seen no SYN is invalid; a datagram just begins a flow.
    const CtState plain = protocol_ == kUdp ? CtState::new_ : CtState::invalid;
    FilterPacket p = packet(p_.rip, q_.client, l.in_dev, "", p_.tracked == true ? CtState::established : plain, kSynAck);
    p.reply = p_.tracked == true;
    pass(l, "ingress", p);
    {
      const FilterPacket before = p;
      pass(l, "prerouting", p);
      note_tracking(l, "prerouting", before, CtState::established);
    }
    RouteQuestion route;
    route.destination = q_.client.address;
    route.source = p_.rip.address;
    route.iif = l.in_dev;
    route.mark = p.mark;
    route.protocol = protocol_;
    route.sport = p.sport;
    route.dport = p.dport;
    l.route = decide_input(state_, route);
    judge(l, l.route, false);
    l.out_dev = l.route.outcome == Outcome::unicast ? l.route.dev : std::string();
    l.via = l.route.via;
    p_.will_redirect = l.route.will_redirect;
    p_.redirect_gateway = l.route.redirect_gateway;
    if (leg(Leg::demasq).route.prefsrc) p_.redirect_source = leg(Leg::demasq).route.prefsrc;
    if (l.route.outcome == Outcome::local) {
      l.decides = "the client is this host";
      return;
    }
    if (l.out_dev.empty() && l.fate == LegFate::dies) {
      no_rules(l);
      return;  // it never comes to the forward hook
    }
    p.oif = l.out_dev;
    const FilterPacket before = p;
    const FilterResult walk = pass(l, "forward", p);
    note_tracking(l, "forward", before, CtState::established);
    if (walk.offload && p_.tracked == true) {
      p_.offload = walk.offload;
      p_.flowtable = walk.flowtable;
      for (const NftFlowtable& f : rules_.flowtables) {
        if (f.name == walk.flowtable && f.table == walk.offload->table) p_.flowtable_devices = f.devices;
      }
    }
    // The same reply without an entry of IPVS: tracking picks it up in the middle (nf_conntrack_tcp_loose) as new.
    FilterPacket late = packet(p_.rip, q_.client, l.in_dev, l.out_dev, CtState::new_, 0x10);
    if (FilterResult out = walk_filter(rules_, "postrouting", late); out.translation && out.translation->kind != "dnat")
      p_.late_reply = std::move(out.translation);
    if (l.fate == LegFate::passes) {
      l.decides = "forwarded from " + devices(l.in_dev, l.out_dev);
      if (p_.will_redirect == true) {
        l.decides += "; an ICMP redirect tells " + to_string(p_.rip.address) + " to use " +
                     (p_.redirect_gateway ? to_string(*p_.redirect_gateway) : std::string("another way"));
      }
    }
    no_rules(l);
  }

  void masq() {
    PredictedLeg& l = leg(Leg::masq);
    const PredictedLeg& in = leg(Leg::reply);
    const bool nat = q_.destination.method == Method::masq || q_.destination.method == Method::unknown || p_.local_destination;
    if (!nat) {
      l.fate = LegFate::not_on_wire;
      l.decides = "the real server answers the client itself";
      return;
    }
    l.fate = LegFate::passes;
    // ip_vs_route_me_harder(): with snat_reroute (the default) the route of the new source counts.
    const bool reroute = sysctl_number(state_, "net.ipv4.vs.snat_reroute").value_or(1) != 0 || p_.local_destination;
    RouteQuestion route;
    route.destination = q_.client.address;
    const bool owned = !p_.vip.address.is_none() && (!state_.known.addresses || owns_address(state_, p_.vip.address));
    if (reroute && owned) route.source = p_.vip.address;
    route.protocol = protocol_;
    l.route = !reroute && in.route.outcome == Outcome::unicast ? in.route : decide_output(state_, route);
    switch (l.route.outcome) {
      case Outcome::unicast:
        l.out_dev = l.route.dev;
        l.via = l.route.via;
        for (const std::string& doubt : l.route.doubts) l.doubts.push_back(doubt);
        break;
      case Outcome::local:
        l.fate = LegFate::not_on_wire;
        l.decides = "the client is this host";
        return;
      case Outcome::unknown:
        l.fate = LegFate::not_known;
        l.decides = l.route.explanation;
        return;
      default:
        die(l, LegCause::no_route, l.route.explanation);
        break;
    }
    Endpoint vip = p_.vip;
    if (vip.address.is_none()) {
      l.doubts.emplace_back("the VIP is not known");
    } else {
      FilterPacket p =
          packet(vip, q_.client, "", l.out_dev, p_.tracked == true ? CtState::established : CtState::untracked, kSynAck);
      p.iif = in.in_dev;
      p.reply = p_.tracked == true;
      const FilterPacket before = p;
      pass(l, "postrouting", p);
      note_tracking(l, "postrouting", before, CtState::established);
    }
    if (const Neighbour* n = find_neighbour(state_, l.via.value_or(q_.client.address), l.out_dev);
        n != nullptr && n->state == "FAILED") {
      l.doubts.push_back(to_string(n->address) + " did not answer on " + n->dev + " when the state was read (neighbour FAILED)");
    }
    if (l.fate == LegFate::passes) {
      l.decides = "leaves by " + l.out_dev + (l.via ? " via " + to_string(*l.via) : std::string()) + " as " +
                  (vip.address.is_none() ? std::string("the VIP") : to_string(vip.address));
      if (!in.out_dev.empty() && in.out_dev != l.out_dev)
        l.decides += ", not by " + in.out_dev + " (the VIP as source is routed otherwise)";
    }
    no_rules(l);
  }

  const KernelState& state_;
  const NftRules& rules_;
  const PredictionQuestion& q_;
  Prediction p_;
  std::uint8_t protocol_ = kTcp;
  bool mark_service_ = false, v6_ = false;
};

/// The device that holds the VIP and leads somewhere; empty where it is on a device that no route uses (lo, a dummy) or nowhere.
std::string wire_of(const KernelState& state, const Address& vip) {
  const InterfaceAddress* held = find_address(state, vip);
  if (held == nullptr) return {};
  const bool leads = std::any_of(state.routes.begin(), state.routes.end(), [&](const Route& r) {
    return r.type == RouteType::unicast &&
           std::any_of(r.nexthops.begin(), r.nexthops.end(), [&](const NextHop& hop) { return hop.dev == held->dev; });
  });
  return leads && held->dev != "lo" ? held->dev : std::string();
}

/// The connected network that the VIP belongs to, wider than the address itself. Where the VIP is on a wire, only a network of
/// that wire: the real servers' own may have the same numbers (the VIP as a /32 outside, clients by way of a router).
const InterfaceAddress* network_of(const KernelState& state, const Address& vip, Prefix& network) {
  const InterfaceAddress* best = nullptr;
  const std::string wire = wire_of(state, vip);
  for (const InterfaceAddress& a : state.addresses) {
    if (a.address.is_v4() != vip.is_v4() || a.address.is_loopback() || a.length >= (vip.is_v4() ? 32 : 128)) continue;
    if (!wire.empty() && a.dev != wire) continue;
    const auto prefix = parse_prefix(to_string(a.peer.value_or(a.address)) + "/" + std::to_string(a.length));
    if (!prefix || !prefix->contains(vip) || (best != nullptr && best->length >= a.length)) continue;
    best = &a;
    network = *prefix;
  }
  return best;
}

}  // namespace

std::string_view name(LegFate fate) noexcept {
  switch (fate) {
    case LegFate::passes:
      return "passes";
    case LegFate::dies:
      return "dies";
    case LegFate::may_die:
      return "may-die";
    case LegFate::not_known:
      return "not-known";
    case LegFate::not_on_wire:
      return "not-on-wire";
  }
  return "not-known";
}

std::string_view name(LegCause cause) noexcept {
  switch (cause) {
    case LegCause::none:
      return "none";
    case LegCause::vip_not_local:
      return "vip-not-local";
    case LegCause::diverted:
      return "diverted";
    case LegCause::mark_missing:
      return "mark-missing";
    case LegCause::reverse_path:
      return "reverse-path";
    case LegCause::not_forwarding:
      return "not-forwarding";
    case LegCause::martian:
      return "martian";
    case LegCause::no_route:
      return "no-route";
    case LegCause::loopback_destination:
      return "loopback-destination";
    case LegCause::filter:
      return "filter";
  }
  return "none";
}

Prediction predict(const KernelState& state, const NftRules& rules, const PredictionQuestion& question) {
  return Forecast(state, rules, question).run();
}

std::string arrival_device(const KernelState& state, const Address& vip, const Address& client, bool* doubtful) {
  if (doubtful != nullptr) *doubtful = false;
  std::string dev = on_link_dev(state, client);
  if (!dev.empty()) return dev;
  RouteQuestion question;
  question.destination = client;
  const RouteDecision back = decide_output(state, question);
  const std::string routed = back.outcome == Outcome::unicast ? back.dev : std::string();
  Prefix network;
  const InterfaceAddress* near = network_of(state, vip, network);
  if (near == nullptr) return routed;
  if (doubtful != nullptr) *doubtful = !routed.empty() && routed != near->dev;
  return near->dev;
}

Address example_client(const KernelState& state, const Address& vip) {
  const auto documentation = parse_address(vip.is_v4() ? "203.0.113.7" : "2001:db8:ffff::7");
  RouteQuestion question;
  question.destination = *documentation;
  if (decide_output(state, question).outcome == Outcome::unicast) return *documentation;
  return neighbour_client(state, vip, {});
}

Address neighbour_client(const KernelState& state, const Address& vip, const Service& service) {
  Prefix network;
  if (network_of(state, vip, network) == nullptr) return {};
  const auto taken = [&](const Address& a) {
    return owns_address(state, a) || find_neighbour(state, a) != nullptr || a == vip ||
           std::any_of(service.destinations.begin(), service.destinations.end(),
                       [&](const Destination& d) { return d.rip == a; }) ||
           std::any_of(state.ipvs.services.begin(), state.ipvs.services.end(), [&](const Service& s) {
             return std::any_of(s.destinations.begin(), s.destinations.end(), [&](const Destination& d) { return d.rip == a; });
           });
  };
  // From the top of the last byte downwards: gateways and servers stand at the bottom more often.
  for (unsigned last = 253; last >= 1; --last) {
    Address candidate = vip;
    candidate.bytes[15] = static_cast<std::uint8_t>(last);
    if (network.contains(candidate) && !taken(candidate)) return candidate;
  }
  return {};
}

}  // namespace lvsnat
