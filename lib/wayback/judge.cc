#include "wayback/judge.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/text.h"
#include "rules/catalog.h"
#include "rules/cure.h"

namespace lvsnat::wayback {
namespace {

bool is_host(const Prefix& prefix) { return prefix.length == (prefix.address.is_v4() ? 32 : 128); }

Evidence words(const KernelState& state, std::string text) {
  Evidence e;
  e.text = std::move(text);
  e.source = state.source;
  if (state.taken) e.time = state.taken;
  return e;
}

/// How the kernel was asked, or which tables it was worked out from.
std::string as_route_get(const Address& rip, const Address& client, const Way& way) {
  std::string text = "ip route get " + to_string(client) + " from " + to_string(rip) + ": ";
  if (way.kind == WayKind::none) return text + (way.answer != nullptr && way.answer->error ? *way.answer->error : "no route");
  if (way.via) {
    text += "via " + to_string(*way.via) + " ";
  } else if (way.redirected) {
    text += "via " + to_string(client) + " ";
  }
  text += "dev " + way.dev;
  if (way.redirected) text += " cache <redirected>" + (way.expires ? " expires " + std::to_string(*way.expires) + "sec" : "");
  return text;
}

std::string neighbour_text(const KernelState& state, const Address& hop, const std::string& dev) {
  const Neighbour* n = find_neighbour(state, hop, dev);
  if (n == nullptr) return {};
  return to_string(hop) + " is " + (n->mac.is_none() ? std::string("without a MAC") : to_string(n->mac)) + " on " + n->dev +
         " (" + n->state + ")";
}

void prove_clients(const Judgement& j, Finding& finding, const Fate& fate) {
  if (fate.clients.size() < 2) return;
  constexpr std::size_t kPerLine = 24, kLines = 4;
  std::size_t at = 0;
  for (std::size_t line = 0; line < kLines && at < fate.clients.size(); ++line) {
    std::string text = line == 0 ? "clients with this way (" + std::to_string(fate.clients.size()) + "): " : "... ";
    for (std::size_t n = 0; n < kPerLine && at < fate.clients.size(); ++n, ++at)
      text += (n == 0 ? "" : ", ") + client_text(fate.clients[at]);
    if (line + 1 == kLines && at < fate.clients.size()) text += ", and " + std::to_string(fate.clients.size() - at) + " more";
    FindingSink::prove(finding, words(j.state, text));
  }
}

void prove_way(const Judgement& j, Finding& finding, const Address& rip, const Fate& fate) {
  const Way& way = fate.way;
  const RouteDecision& d = way.decision;
  const Address client = fate.clients.front().address;
  if (is_host(fate.clients.front())) FindingSink::prove(finding, words(j.state, as_route_get(rip, client, way)));
  if (d.route && !d.rule) {
    FindingSink::prove(finding, words(j.state, "route: " + to_string(*d.route)));
  } else if (d.route) {
    FindingSink::prove(finding, words(j.state, "route of table " + d.route->table + ": " + to_string(*d.route)));
  }
  if (d.rule && d.rule->priority != 0 && d.rule->priority != 32766 && d.rule->priority != 32767)
    FindingSink::prove(finding, words(j.state, "rule " + to_string(*d.rule)));
  prove_clients(j, finding, fate);
  if (way.via) {
    if (std::string text = neighbour_text(j.state, *way.via, way.dev); !text.empty())
      FindingSink::prove(finding, words(j.state, "neighbour " + std::move(text)));
  } else if (way.kind == WayKind::direct && is_host(fate.clients.front())) {
    if (std::string text = neighbour_text(j.state, client, way.dev); !text.empty())
      FindingSink::prove(finding, words(j.state, "neighbour " + std::move(text)));
  }
  if (way.differs) {
    FindingSink::prove(finding, words(j.state, "worked out from the tables instead: " + d.explanation +
                                                   " The kernel's own answer counts: it also knows marks, owners of sockets "
                                                   "and exceptions that no listing shows, or the tables were read later."));
  }
  for (const std::string& doubt : d.doubts) FindingSink::unchecked(finding, doubt);
}

Subject subject_of(const Address& rip, const Fate& fate) {
  Subject s;
  s.real_server = to_string(rip);
  if (fate.clients.size() == 1) {
    s.client = client_text(fate.clients.front());
  } else if (fate.most) {
    s.client = rip.is_v4() ? "0.0.0.0/0" : "::/0";
  }
  if (!fate.way.dev.empty()) s.interface = fate.way.dev;
  if (fate.way.via) s.gateway = to_string(*fate.way.via);
  return s;
}

void put_director(const Judgement& j, Subject& subject, const Address& rip) {
  const Address gw = gateway_for(j.state, j.directors, rip);
  if (!gw.is_none()) subject.director = to_string(gw);
}

Severity severity_of(const Fate& fate) { return fate.named || fate.most ? Severity::error : Severity::warning; }

/// How sure: doubts of the tables make a claim likely, a client that nobody named makes it possible.
Confidence confidence_of(const Fate& fate) {
  if (!fate.named && !fate.most) return Confidence::possible;
  if (fate.way.answer != nullptr) return Confidence::certain;
  return fate.way.decision.doubts.empty() ? Confidence::certain : Confidence::likely;
}

void say_nobody_named(Finding& finding, const Fate& fate) {
  if (fate.named || fate.most) return;
  FindingSink::unchecked(finding, "whether the service has clients in " + clients_text(fate.clients) +
                                      ": if not (management, storage, backup), nothing is wrong. Name the clients with --client, "
                                      "and only their replies are judged");
}

/// Beside the route that wins there is one that would be right.
std::string beaten_route(const Judgement& j, const Fate& fate) {
  if (!fate.way.decision.route) return {};
  const Route& won = *fate.way.decision.route;
  for (const Route& route : j.state.routes) {
    if (route.v6 != won.v6 || route.table != won.table || route.type != RouteType::unicast || route == won) continue;
    if (!route.destination.contains(fate.clients.front())) continue;
    for (const NextHop& hop : route.nexthops) {
      if (!hop.gateway || !j.directors.holds(j.state, *hop.gateway, hop.dev)) continue;
      if (route.destination == won.destination)
        return "The route by the director is there too (" + to_string(route) + "), but " + to_string(won) +
               " has the better metric.";
      return "The route by the director (" + to_string(route) + ") is there, but " + to_string(won) + " is more specific.";
    }
  }
  return {};
}

int gateway_fate(const Judgement& j, const Address& rip, const Fate& fate) {
  const Way& way = fate.way;
  const bool v6 = !rip.is_v4();
  const Address gw = gateway_for(j.state, j.directors, rip);
  const std::string who = way.via ? to_string(*way.via) : std::string("-");
  Subject subject = subject_of(rip, fate);
  put_director(j, subject, rip);
  const bool some = !way.strays.empty();
  Finding& f = j.sink.accuse(rules::wrong_gateway, subject, severity_of(fate), some ? Confidence::likely : confidence_of(fate));
  const bool sure = fate.named || fate.most;
  f.title = "Replies from " + to_string(rip) + " to " + std::string(sure ? "" : "any client in ") + clients_text(fate.clients) +
            (sure ? " leave" : " would leave") + (some ? " in part" : "") + " by " + who + ", which is not the director";
  f.cause = "The route that " + std::string(some ? "some of these replies take" : "these replies take") + " has " + who +
            " as next hop; the director is " + gateway_words(gw) + ". That router passes them on with the source " +
            to_string(rip) + ", or drops them; the client waits for an answer from the VIP and refuses what comes.";
  if (some) {
    std::string all;
    for (const NextHop& hop : way.decision.alternatives)
      all += (all.empty() ? "" : ", ") + (hop.gateway ? to_string(*hop.gateway) : std::string("on-link")) + " dev " + hop.dev;
    f.cause +=
        " The route has several next hops (" + all + "): clients whose replies take a wrong one fail, always the same ones.";
  }
  if (const std::string beaten = beaten_route(j, fate); !beaten.empty()) f.cause += " " + beaten;
  if (way.decision.route && (way.decision.route->protocol == "dhcp" || way.decision.route->protocol == "ra"))
    f.cause += " It came by " + std::string(way.decision.route->protocol == "ra" ? "router advertisements" : "DHCP") +
               " and comes back unless that is told not to set it.";
  prove_way(j, f, rip, fate);
  say_nobody_named(f, fate);
  if (!gw.is_none()) {
    const std::string dev = arrival_device(j.state, j.directors, rip);
    const bool is_default = way.decision.route && way.decision.route->destination.length == 0;
    if (!sure) {
      // The route is not to be touched on a guess: only what the service's own address sends goes to the director.
    } else if (way.decision.route && way.decision.route->table != "main" && !way.decision.route->table.empty() && is_default) {
      FindingSink::cure(
          f, {Where::real_server,
              std::string(v6 ? "ip -6" : "ip") + " route replace default via " + to_string(gw) + " dev " +
                  cures::shell_word(dev) + " table " + cures::shell_word(way.decision.route->table),
              "where that table is made: netplan routing-policy, networkd [Route] Table=, the VPN's or agent's own files"});
    } else if (is_default || !way.decision.route) {
      FindingSink::cure(f, cures::gateway(gw, dev));
    } else {
      FindingSink::cure(f, cures::remove_route(way.decision.route->destination, way.dev, rip, gw));
    }
    FindingSink::cure(f, cures::source_route(rip, gw, dev));
  } else {
    FindingSink::unchecked(f, "which address of the director real servers should use as gateway (--director)");
  }
  return rules::wrong_gateway.code;
}

int direct_fate(const Judgement& j, const Address& rip, const Fate& fate) {
  const Way& way = fate.way;
  const Address gw = gateway_for(j.state, j.directors, rip);
  const auto own = own_network(j.state, rip);
  const bool same_network =
      own && std::any_of(fate.clients.begin(), fate.clients.end(), [&](const Prefix& p) { return own->contains(p); });
  Subject subject = subject_of(rip, fate);
  put_director(j, subject, rip);
  Finding& f = j.sink.accuse(rules::direct_route_to_client, subject, severity_of(fate), confidence_of(fate));
  const std::string who = clients_text(fate.clients);
  const bool sure = fate.named || fate.most;
  f.title = sure ? "Replies from " + to_string(rip) + " go straight to " + who + " on " + way.dev + ", past the director"
                 : "Replies from " + to_string(rip) + " to any client in " + who + " would go straight out of " + way.dev +
                       ", past the director";
  f.cause = "A route without gateway covers " + who + ", so this host asks for the client's own MAC on " + way.dev +
            " and sends the reply there. The client gets it from " + to_string(rip) +
            " instead of the VIP and answers with a reset; where the client is not on that wire, the reply goes nowhere.";
  if (same_network) {
    f.cause +=
        " It is the network of the RIP itself: with clients in it, LVS-NAT works only when real servers lose the route of "
        "their own network and reach everybody by the director, or when the director hides the clients (full NAT).";
  } else if (way.decision.route && way.decision.route->protocol == "kernel") {
    for (const InterfaceAddress& a : j.state.addresses) {
      if (a.dev != way.dev || a.address.is_v4() != rip.is_v4() || a.address == rip || a.address.is_link_local()) continue;
      const auto network = parse_prefix(to_string(a.address) + "/" + std::to_string(a.length));
      if (!network || !network->contains(fate.clients.front())) continue;
      f.cause += " The route comes with the address " + to_string(a.address) + "/" + std::to_string(a.length) + " of " + a.dev +
                 ", which a real server should not have if clients are there.";
      break;
    }
  }
  const InterfaceAddress* held = find_address(j.state, rip);
  if (held != nullptr && same_network && held->length < (rip.is_v4() ? 24 : 64) && held->length != 0)
    f.cause +=
        " The netmask of " + to_string(rip) + " is /" + std::to_string(held->length) + ": wide enough to swallow other networks.";
  prove_way(j, f, rip, fate);
  say_nobody_named(f, fate);
  // Where nobody said that there are clients, the route may be what this very session came in by: it is not to be deleted on a
  // guess.
  const std::string arrives = arrival_device(j.state, j.directors, rip);
  const Address by = !gw.is_none() ? gw : j.directors.taken_for(!rip.is_v4()).value_or(Address{});
  if (sure && way.decision.route) {
    FindingSink::cure(f, cures::remove_route(way.decision.route->destination, way.dev, rip, gw));
  }
  if (!by.is_none() && !(sure && gw.is_none())) FindingSink::cure(f, cures::source_route(rip, by, arrives));
  if (!j.directors.known(!rip.is_v4()))
    FindingSink::unchecked(f, "who the director is (--director); a client that is the director itself would be no fault");
  return rules::direct_route_to_client.code;
}

int redirected_fate(const Judgement& j, const Address& rip, const Fate& fate) {
  const Way& way = fate.way;
  const bool v6 = !rip.is_v4();
  Subject subject = subject_of(rip, fate);
  const Address client = fate.clients.front().address;
  subject.gateway = to_string(way.via.value_or(client));
  put_director(j, subject, rip);
  // Past whom, if nobody knows the director? A way straight to the client is past any.
  const bool sure = j.directors.known(v6) || !way.via;
  Finding& f = j.sink.accuse(rules::redirected_route, subject, sure ? Severity::error : Severity::warning,
                             sure ? Confidence::certain : Confidence::possible);
  const std::string left = way.expires ? std::to_string(*way.expires) + " s" : std::string("a time not told");
  f.title = "A redirect sends replies from " + to_string(rip) + " to " + client_text(fate.clients.front()) +
            (way.via ? " by " + to_string(*way.via) : " straight to the client") + ", for " + left + " more";
  f.cause = "The routing tables are not to blame" +
            (way.decision.route ? " (" + to_string(*way.decision.route) + ")" : std::string()) +
            ": an ICMP redirect was believed and left a cached exception for this client, which overrides them. It ends " + left +
            " after this was read, 300 s after the last redirect; while the director goes on sending redirects it comes back.";
  prove_way(j, f, rip, fate);
  if (const auto count = counter(j.state, v6 ? "Icmp6:Icmp6InRedirects" : "Icmp:InRedirects"); count && *count > 0)
    FindingSink::prove(f, words(j.state, "redirects received since boot: " + std::to_string(*count)));
  if (j.wire != nullptr) {
    for (const Wire::Redirect& r : j.wire->redirects()) {
      if (r.client != client) continue;
      Evidence e;
      e.text = "redirect from " + to_string(r.from) + " for " + to_string(r.client) + " to " + to_string(r.gateway);
      e.frame = r.first.frame;
      e.time = r.first.time;
      if (r.first.vantage < j.wire->vantages().size()) e.source = j.wire->vantages()[r.first.vantage].source;
      FindingSink::prove(f, e);
    }
  }
  if (j.watch != nullptr) {
    for (const ExceptionWatch::Seen& one : j.watch->seen()) {
      if (one.exception.destination != client) continue;
      Evidence e = words(j.state, one.from_start ? "the exception was there when the watch began, and " +
                                                       to_duration(one.last - one.first) + " later"
                                                 : "the exception appeared during the watch");
      e.time = one.first;
      FindingSink::prove(f, std::move(e));
    }
  }
  FindingSink::cure(f, cures::flush_cache(v6));
  FindingSink::cure(f, cures::refuse_redirects(v6, way.dev));
  FindingSink::cure(f, cures::redirects_off(v6, {}));
  if (!sure) FindingSink::unchecked(f, "whether " + to_string(*way.via) + " is a director too (--director)");
  return rules::redirected_route.code;
}

int rule_fate(const Judgement& j, const Address& rip, const Fate& fate) {
  const Way& way = fate.way;
  const RoutingRule& rule = *way.decision.rule;
  Subject subject = subject_of(rip, fate);
  put_director(j, subject, rip);
  Finding& f = j.sink.accuse(rules::policy_route_bypasses_director, subject, severity_of(fate), confidence_of(fate));
  const std::string where = way.kind == WayKind::none ? std::string("nowhere")
                            : way.via                 ? "by " + to_string(*way.via) + " dev " + way.dev
                                                      : "straight out of " + way.dev;
  f.title = "Rule " + std::to_string(rule.priority) + " sends replies from " + to_string(rip) + " to " +
            clients_text(fate.clients) + " " + where + ", past the director";
  f.cause = "The main table leads to the director, but the rule \"" + to_string(rule) +
            "\" comes before it and sends these replies " + where +
            (way.decision.route ? " (" + to_string(*way.decision.route) + ")" : std::string()) +
            ". 'ip route get CIP' without 'from " + to_string(rip) + "' looks right.";
  prove_way(j, f, rip, fate);
  say_nobody_named(f, fate);
  const Address gw = gateway_for(j.state, j.directors, rip);
  if (!gw.is_none() && rule.action == RoutingRule::Action::lookup && way.decision.route &&
      way.decision.route->destination.length == 0) {
    FindingSink::cure(
        f, {Where::real_server,
            std::string(rip.is_v4() ? "ip" : "ip -6") + " route replace default via " + to_string(gw) + " dev " +
                cures::shell_word(arrival_device(j.state, j.directors, rip)) + " table " + cures::shell_word(rule.table),
            "where that table is made: netplan routing-policy, networkd [Route] Table=, the VPN's or agent's own files"});
  }
  FindingSink::cure(f, cures::remove_rule(rule.v6, rule.priority, to_string(rule)));
  return rules::policy_route_bypasses_director.code;
}

int none_fate(const Judgement& j, const Address& rip, const Fate& fate) {
  const Way& way = fate.way;
  const bool v6 = !rip.is_v4();
  // A route that refuses one network on purpose is no accusation unless clients were named there.
  Confidence confidence = confidence_of(fate);
  std::vector<std::string> down;
  for (const Link& link : j.state.links) {
    if (!link.loopback && (!link.up || !link.running)) {
      const bool ours = std::any_of(j.state.addresses.begin(), j.state.addresses.end(),
                                    [&](const InterfaceAddress& a) { return a.dev == link.name && a.address.is_v4() != v6; });
      if (ours) down.push_back(link.name);
    }
  }
  if (!down.empty()) confidence = Confidence::possible;
  const bool full_nat = j.wire != nullptr && j.wire->all_from(j.directors.addresses);
  Subject subject = subject_of(rip, fate);
  put_director(j, subject, rip);
  subject.gateway.reset();
  Finding& f = j.sink.accuse(rules::no_route_to_client, subject, full_nat ? Severity::info : severity_of(fate), confidence);
  const std::string who = clients_text(fate.clients);
  f.title = to_string(rip) + " has no route for replies to " + who;
  if (way.decision.route) {
    f.cause =
        "The route \"" + to_string(*way.decision.route) + "\" refuses what goes to " + who + ", so the reply is never sent.";
  } else if (way.decision.rule && way.decision.rule->action != RoutingRule::Action::lookup) {
    f.cause = "The rule \"" + to_string(*way.decision.rule) + "\" refuses what goes to " + who + ", so the reply is never sent.";
  } else {
    f.cause = "The request arrives, the answer is made and cannot be sent: no route covers " + who +
              ". Real servers need the director as default gateway even where they should know no other network.";
  }
  prove_way(j, f, rip, fate);
  if (const auto count = counter(j.state, "Ip:OutNoRoutes"); count && *count > 0)
    FindingSink::prove(f, words(j.state, "packets that found no route since boot (Ip:OutNoRoutes): " + std::to_string(*count)));
  if (!v6) {
    const DeviceSetting rp = effective_rp_filter(j.state, arrival_device(j.state, j.directors, rip));
    if (rp.effective.value_or(0) != 0)
      FindingSink::prove(f, words(j.state, "rp_filter is " + std::to_string(*rp.effective) +
                                               ": without a route to the client even the request is dropped on arrival"));
  }
  for (const std::string& dev : down)
    FindingSink::unchecked(f, "what is routed once " + dev + " is up: it is down now, and its routes are gone with it");
  if (full_nat) {
    f.cause += " Here it does no harm: every request that was seen came from the director's own address (full NAT).";
  } else {
    FindingSink::unchecked(f,
                           "whether the director hides the clients (full NAT): then requests come from its own address, which is "
                           "on-link, and no route to clients is needed; a capture here (-i) shows the source of requests");
  }
  const Address gw = gateway_for(j.state, j.directors, rip);
  if (!gw.is_none()) FindingSink::cure(f, cures::gateway(gw, arrival_device(j.state, j.directors, rip)));
  return rules::no_route_to_client.code;
}

}  // namespace

std::string client_text(const Prefix& prefix) {
  return is_host(prefix) ? to_string(prefix.address)
                         : (prefix.length == 0 && prefix.address.is_none() ? std::string("::/0") : to_string(prefix));
}

std::string clients_text(const std::vector<Prefix>& clients) {
  if (clients.empty()) return "-";
  if (clients.size() == 1) {
    return clients.front().length == 0 ? "any client" : client_text(clients.front());
  }
  if (clients.size() == 2) return client_text(clients[0]) + " and " + client_text(clients[1]);
  unsigned shortest = 128;
  for (const Prefix& prefix : clients) shortest = std::min<unsigned>(shortest, prefix.length);
  if (shortest <= 4) return "clients in general";
  return client_text(clients.front()) + " and " + std::to_string(clients.size() - 1) + " more networks";
}

Address gateway_for(const KernelState& state, const Directors& directors, const Address& rip) {
  const auto network = own_network(state, rip);
  std::set<Address> used;
  for (const Route& route : state.routes) {
    for (const NextHop& hop : route.nexthops) {
      if (hop.gateway) used.insert(*hop.gateway);
    }
  }
  Address best;
  for (const Address& a : directors.addresses) {
    if (a.is_v4() != rip.is_v4() || a.is_link_local() || !network || !network->contains(a)) continue;
    if (best.is_none() || (used.contains(a) && !used.contains(best))) best = a;
  }
  return best;
}

std::string gateway_words(const Address& gateway) { return gateway.is_none() ? std::string("another host") : to_string(gateway); }

bool no_clients_expected(const KernelState& state, const Address& rip, const Fate& fate) {
  if (fate.named || fate.way.kind != WayKind::direct || fate.way.redirected || fate.way.by_rule) return false;
  const auto own = own_network(state, rip);
  if (own && std::all_of(fate.clients.begin(), fate.clients.end(), [&](const Prefix& p) { return own->contains(p); }))
    return true;
  // docker0, virbr0 and their like: nobody outside this host is on them.
  const Link* link = find_link(state, fate.way.dev);
  if (link == nullptr || (link->kind != "bridge" && link->kind != "dummy")) return false;
  return std::all_of(state.links.begin(), state.links.end(),
                     [&](const Link& l) { return l.master != link->name || l.kind == "veth" || l.kind == "tun"; });
}

ReplyWay reply_way_of(const KernelState& state, const Address& rip, const Fate& fate, int code) {
  static constexpr std::array<ReplyWay::Way, 6> kWays{ReplyWay::Way::director, ReplyWay::Way::gateway, ReplyWay::Way::direct,
                                                      ReplyWay::Way::nowhere,  ReplyWay::Way::self,    ReplyWay::Way::unknown};
  const Way& way = fate.way;
  ReplyWay out;
  out.real_server = rip;
  out.clients.assign(fate.clients.begin(),
                     fate.clients.begin() + static_cast<std::ptrdiff_t>(std::min(fate.clients.size(), ReplyWay::kMaxClients)));
  out.clients_left_out = fate.clients.size() - out.clients.size();
  out.asked = fate.named;
  out.rest = fate.most;
  out.no_clients_expected = no_clients_expected(state, rip, fate);
  out.way = kWays[static_cast<std::size_t>(way.kind)];
  out.gateway = way.via;
  out.interface = way.dev;
  out.redirected = way.redirected;
  out.expires = way.expires;
  // The route and the rule are the tables'; where the kernel said otherwise they are not what it used.
  if (way.decision.route && !way.differs) out.route = to_string(*way.decision.route);
  if (way.decision.rule && !way.differs && way.decision.rule->priority != 0 && way.decision.rule->priority != 32766 &&
      way.decision.rule->priority != 32767)
    out.rule = to_string(*way.decision.rule);
  out.code = code;
  return out;
}

int judge_fate(const Judgement& j, const Address& rip, const Fate& fate) {
  const Way& way = fate.way;
  const bool v6 = !rip.is_v4();
  const std::string who = clients_text(fate.clients);
  switch (way.kind) {
    case WayKind::director:
      if (way.differs)
        j.notes.push_back("For " + to_string(rip) + " to " + who + " the kernel's answer and the tables differ: " +
                          as_route_get(rip, fate.clients.front().address, way) + "; the tables: " + way.decision.explanation);
      return 0;
    case WayKind::local:
      if (fate.named) j.notes.push_back("The client " + who + " is an address of this real server itself: see LVS114.");
      return 0;
    case WayKind::unknown:
      j.notes.push_back("The way of replies from " + to_string(rip) + " to " + who + " is not known: " +
                        (way.decision.doubts.empty() ? way.decision.explanation : way.decision.doubts.front()));
      return 0;
    case WayKind::gateway:
      if (way.redirected) return redirected_fate(j, rip, fate);
      if (!j.directors.known(v6)) {
        // One gateway for everything: said once, where it is told who the director is.
        if (j.directors.taken_for(v6)) return 0;
        Finding& f = j.sink.accuse(rules::wrong_gateway, subject_of(rip, fate), Severity::warning, Confidence::possible);
        f.title = "Replies from " + to_string(rip) + " to " + who + " leave by " + to_string(*way.via) +
                  ", others by another gateway: only one of them is the director";
        f.cause = "This host uses several gateways. Whichever is the director, replies that take another one never pass it.";
        prove_way(j, f, rip, fate);
        FindingSink::unchecked(f, "which gateway is the director (--director)");
        return rules::wrong_gateway.code;
      }
      return way.by_rule ? rule_fate(j, rip, fate) : gateway_fate(j, rip, fate);
    case WayKind::direct:
      if (way.redirected) return redirected_fate(j, rip, fate);
      if (way.by_rule) return rule_fate(j, rip, fate);
      return no_clients_expected(j.state, rip, fate) ? 0 : direct_fate(j, rip, fate);
    case WayKind::none:
      break;
  }
  return way.by_rule ? rule_fate(j, rip, fate) : none_fate(j, rip, fate);
}

void judge_arrival(const Judgement& j, const Address& rip, const Fate& fate) {
  if (!rip.is_v4() || fate.way.kind == WayKind::none || fate.way.kind == WayKind::local || !(fate.named || fate.most)) return;
  const std::string dev = arrival_device(j.state, j.directors, rip);
  if (dev.empty()) return;
  RouteQuestion request;
  request.destination = rip;
  request.source = fate.clients.front().address;
  if (!is_host(fate.clients.front())) request.source->bytes[15] = static_cast<std::uint8_t>(request.source->bytes[15] | 1);
  request.iif = dev;
  const RouteDecision d = decide_input(j.state, request);
  const RouteAnswer* asked = nullptr;
  for (const RouteAnswer& a : j.state.route_answers) {
    if (a.destination == rip && a.source == request.source && a.iif == dev) asked = &a;
  }
  // EXDEV is this filter alone; newer kernels (6.13) say EINVAL for every refusal, so there the tables must agree.
  const bool refused = asked != nullptr ? asked->error && (asked->error->find("cross-device") != std::string::npos ||
                                                           d.outcome == Outcome::reverse_path)
                                        : d.outcome == Outcome::reverse_path;
  if (!refused) return;
  Subject subject;
  subject.real_server = to_string(rip);
  subject.client = client_text(fate.clients.front());
  subject.interface = dev;
  Finding& f = j.sink.accuse(rules::rp_filter_drops, subject, Severity::error,
                             asked != nullptr ? Confidence::certain : Confidence::likely);
  f.title =
      "Requests of " + clients_text(fate.clients) + " to " + to_string(rip) + " are dropped on arrival by rp_filter of " + dev;
  f.cause =
      "Requests come in by " + dev + ", but the route back to the client leads out of " +
      (d.reverse.dev.empty() ? fate.way.dev : d.reverse.dev) +
      ". Strict reverse path filtering drops them before any service sees them. Loosening rp_filter alone would turn the drop "
      "into replies that go past the director.";
  FindingSink::prove(f, words(j.state, asked != nullptr ? "ip route get " + to_string(rip) + " from " +
                                                              to_string(*request.source) + " iif " + dev + ": " + *asked->error
                                                        : d.explanation));
  const DeviceSetting rp = effective_rp_filter(j.state, dev);
  if (rp.all && rp.device)
    FindingSink::prove(f, words(j.state, rp.all_name + " = " + std::to_string(*rp.all) + ", " + rp.device_name + " = " +
                                             std::to_string(*rp.device) + ": the larger counts"));
  if (const auto count = counter(j.state, "TcpExt:IPReversePathFilter"); count)
    FindingSink::prove(f, words(j.state, "TcpExt:IPReversePathFilter = " + std::to_string(*count)));
  const Address gw = gateway_for(j.state, j.directors, rip);
  if (!gw.is_none()) FindingSink::cure(f, cures::source_route(rip, gw, dev));
  FindingSink::cure(f, cures::rp_filter(Where::real_server, dev));
  if (fate.way.kind == WayKind::direct || fate.way.kind == WayKind::gateway)
    f.consequences.push_back({fate.way.kind == WayKind::direct ? 303 : 301, subject_of(rip, fate), 1});
}

namespace {

/// "1 (all 1 or eth0 1)": the value that counts, and how the kernel makes it.
std::string made_of(const DeviceSetting& setting, std::string_view dev, std::string_view how, std::string_view before = "") {
  if (!setting.effective) return "not known";
  const auto value = [](const std::optional<long long>& v) { return v ? std::to_string(*v) : std::string("?"); };
  return std::to_string(*setting.effective) + " (" + std::string(before) + "all " + value(setting.all) + " " + std::string(how) +
         " " + std::string(dev) + " " + value(setting.device) + ")";
}

/// The settings that decide whether a redirect moves a route of this device.
std::string redirect_words(const KernelState& state, const std::string& dev, bool v6) {
  const DeviceSetting accept = effective_accept_redirects(state, dev, v6);
  if (v6) {
    return "accept_redirects " + (accept.effective ? std::to_string(*accept.effective) : std::string("not known")) +
           " (the device's own alone, and only while it does not forward)";
  }
  const bool forwards = effective_forwarding(state, dev, false).effective.value_or(0) != 0;
  std::string text = "accept_redirects " + made_of(accept, dev, forwards ? "and" : "or") +
                     (forwards ? ", for it forwards" : ", for it does not forward");
  if (accept.effective == 0) return text;
  const DeviceSetting shared = effective_shared_media(state, dev), secure = effective_secure_redirects(state, dev);
  text += ", shared_media " + made_of(shared, dev, "or");
  if (shared.effective.value_or(1) != 0) return text + ", so secure_redirects is not asked";
  return text + ", secure_redirects " + made_of(secure, dev, "or");
}

}  // namespace

void judge_redirect_settings(const Judgement& j, const Address& rip, const std::vector<Fate>& fates) {
  const bool v6 = !rip.is_v4();
  std::set<std::string> devices;
  for (const Fate& fate : fates) {
    if ((fate.named || fate.most) && !fate.way.dev.empty() && fate.way.kind != WayKind::local && fate.way.via)
      devices.insert(fate.way.dev);
    if (fate.way.redirected) devices.insert(fate.way.dev);
  }
  for (const std::string& dev : devices) {
    const DeviceSetting accept = effective_accept_redirects(j.state, dev, v6);
    if (!accept.effective) {
      j.notes.push_back("Whether " + dev + " believes ICMP redirects is not known (" + accept.device_name + " and " +
                        accept.all_name + ").");
      continue;
    }
    const std::string settings = redirect_words(j.state, dev, v6);
    const std::string filter =
        v6 ? std::string() : "; rp_filter " + made_of(effective_rp_filter(j.state, dev), dev, "and", "the larger of ");
    const DeviceSetting shared = effective_shared_media(j.state, dev), secure = effective_secure_redirects(j.state, dev);
    // secure_redirects counts only on media that are not shared; then a client is no known gateway and is refused.
    if (*accept.effective == 0 || (!v6 && shared.effective == 0 && secure.effective == 1)) {
      j.notes.push_back(dev + " believes no ICMP redirects to a client: " + settings + filter + ".");
      continue;
    }
    const auto own = own_network(j.state, rip);
    const bool one_wire = own && std::any_of(fates.begin(), fates.end(), [&](const Fate& fate) {
                            return fate.named && std::any_of(fate.clients.begin(), fate.clients.end(),
                                                             [&](const Prefix& p) { return own->contains(p); });
                          });
    const auto heard = counter(j.state, v6 ? "Icmp6:Icmp6InRedirects" : "Icmp:InRedirects");
    const bool seen = heard.value_or(0) > 0 || (j.wire != nullptr && j.wire->redirect_count() > 0);
    // The clients' wire is this one where they are its neighbours, or where the VIP lies in this network.
    const bool beside = std::any_of(j.question.vips.begin(), j.question.vips.end(),
                                    [&](const Address& vip) { return own && own->contains(vip); });
    if (!seen && !one_wire && !beside) {
      j.notes.push_back(dev + " would believe ICMP redirects: " + settings + filter +
                        ". Harmless unless clients share a wire with it; none was received so far (lvsdiag explain LVS306).");
      continue;
    }
    Subject subject;
    subject.real_server = to_string(rip);
    subject.interface = dev;
    Finding& f = j.sink.accuse(rules::accepts_redirects, subject, Severity::warning,
                               seen || one_wire ? Confidence::likely : Confidence::possible);
    f.title = to_string(rip) + " would believe an ICMP redirect on " + dev + ", and leave the way by the director";
    f.cause =
        std::string("A real server has one way out and needs no redirects. ") +
        (one_wire ? "Clients and director are on one wire here, where a director that does not have redirects off sends them. "
         : beside ? "The VIP is in this real server's network, so clients may be on its wire, where a director that does not "
                    "have redirects off sends them. "
                  : "Some have been received here already. ") +
        "Once believed, replies to that client go past the director for 300 s (LVS304).";
    FindingSink::prove(f, words(j.state, dev + ": " + settings));
    if (heard) FindingSink::prove(f, words(j.state, "redirects received since boot: " + std::to_string(*heard)));
    if (!seen && !one_wire)
      FindingSink::unchecked(
          f, "whether the director, or anybody on this wire, sends redirects; a capture during connections shows it");
    FindingSink::cure(f, cures::refuse_redirects(v6, dev));
  }
}

void judge_traceroutes(const Judgement& j, const Address& rip, const std::vector<Fate>& fates) {
  for (const Traceroute& trace : j.state.traceroutes) {
    if (!trace.target || trace.target->is_v4() != rip.is_v4() || trace.error || trace.hops.empty()) continue;
    const Fate* fate = nullptr;
    for (const Fate& f : fates) {
      if (f.named && std::any_of(f.clients.begin(), f.clients.end(), [&](const Prefix& p) { return p.contains(*trace.target); }))
        fate = &f;
    }
    if (fate == nullptr || !j.directors.known(!rip.is_v4())) continue;
    const TraceHop* first = nullptr;
    const TraceHop* last = nullptr;
    for (const TraceHop& hop : trace.hops) {
      if (hop.hop == 1 && hop.address && first == nullptr) first = &hop;
      if (hop.address == trace.target) last = &hop;
    }
    if (first == nullptr) continue;
    const bool straight = first->address == trace.target;
    const bool stranger = !straight && !j.directors.addresses.contains(*first->address) && fate->way.kind == WayKind::gateway;
    Subject subject;
    subject.real_server = to_string(rip);
    subject.client = to_string(*trace.target);
    if (straight || stranger) {
      if (!straight) subject.gateway = to_string(*first->address);
      Finding& f = j.sink.accuse(rules::hop_count_not_two, subject, Severity::warning, Confidence::certain);
      f.title = straight ? "The trace from " + to_string(rip) + " reaches " + to_string(*trace.target) +
                               " in one hop, without the director"
                         : "The trace from " + to_string(rip) + " to " + to_string(*trace.target) + " goes by " +
                               to_string(*first->address) + " first, not by the director";
      f.cause =
          "From a real server the client is two hops away: first the director, then the client. The reason is in the routes: see "
          "LVS301, LVS303, LVS304, LVS305.";
      FindingSink::prove(f, words(j.state, "traceroute, hop 1: " + to_string(*first->address)));
      // The cure is that of the finding beside this one; where the route is right, something learnt overrode it.
      if (fate->way.kind == WayKind::director) FindingSink::cure(f, cures::flush_cache(!rip.is_v4()));
    } else if (last != nullptr && last->hop >= 2) {
      Finding& f = j.sink.accuse(rules::client_reachable_directly, subject, Severity::info, Confidence::certain);
      f.title = to_string(rip) + " gets answers from " + to_string(*trace.target) + " when it asks by itself";
      f.cause =
          "The director forwards the real server's own packets. LVS-NAT does not need that; in production it is worth a filter.";
      FindingSink::prove(f, words(j.state, "traceroute reached " + to_string(*trace.target) + " at hop " +
                                               std::to_string(last->hop) + ", by " + to_string(*first->address)));
    }
  }
}

void judge_surroundings(const Judgement& j, const std::vector<Address>& rips) {
  for (const Address& vip : j.question.vips) {
    const InterfaceAddress* held = find_address(j.state, vip);
    if (held == nullptr) continue;
    const Link* link = find_link(j.state, held->dev);
    const bool quiet = (link != nullptr && (link->loopback || link->kind == "dummy" || link->noarp)) || held->dev == "lo";
    const std::string text = "the VIP " + to_string(vip) + " is an address of this real server (" + held->dev + ")";
    if (quiet) {
      j.notes.push_back("T" + text.substr(1) + ", as direct routing wants it; LVS-NAT does not need it there.");
      continue;
    }
    Subject subject;
    subject.service = to_string(vip);
    subject.real_server = rips.empty() ? std::optional<std::string>() : to_string(rips.front());
    subject.interface = held->dev;
    Finding& f = j.sink.accuse(rules::duplicate_vip, subject, Severity::error, Confidence::likely);
    f.title = "The VIP " + to_string(vip) + " is an address of this real server, on " + held->dev;
    f.cause =
        "It answers ARP for the VIP beside the director, and takes requests that should go there. With LVS-NAT only the director "
        "has the VIP.";
    FindingSink::prove(
        f, words(j.state, "address " + to_string(held->address) + "/" + std::to_string(held->length) + " dev " + held->dev));
    FindingSink::cure(f, cures::remove_address(Where::real_server, {held->address, held->length}, held->dev));
  }
  for (const Address& rip : rips) {
    const InterfaceAddress* held = find_address(j.state, rip);
    const Link* link = held != nullptr ? find_link(j.state, held->dev) : nullptr;
    if (link != nullptr && (!link->up || !link->running))
      j.notes.push_back(held->dev + ", which holds " + to_string(rip) +
                        ", is down: its routes are gone with it, and what is said here "
                        "holds only while it stays down.");
    const Address gw = gateway_for(j.state, j.directors, rip);
    const Neighbour* n = gw.is_none() ? nullptr : find_neighbour(j.state, gw);
    if (n != nullptr && (n->state == "FAILED" || n->state == "INCOMPLETE")) {
      j.notes.push_back("Nobody answers " + std::string(rip.is_v4() ? "ARP" : "neighbour discovery") + " for the gateway " +
                        to_string(gw) + " (neighbour entry " + n->state + " on " + n->dev +
                        "): replies cannot leave while that lasts; "
                        "see LVS118.");
    } else if (n != nullptr && n->state == "PERMANENT") {
      j.notes.push_back("The gateway " + to_string(gw) + " has a static neighbour entry (" + to_string(n->mac) +
                        "): after a failover of the director replies go on to the old MAC.");
    }
  }
}

}  // namespace lvsnat::wayback
