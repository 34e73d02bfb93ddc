// What the way-back test proves, and what it does not.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "lvsnat/probe.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/sink.h"
#include "state/prediction.h"
#include "wayback/way.h"

namespace lvsnat {
namespace {

using Client = WayBackResult::Client;
using End = WayBackResult::Outcome;

std::string times(unsigned n) { return n == 1 ? "once" : n == 2 ? "twice" : std::to_string(n) + " times"; }

Evidence words(std::string text, std::optional<Timestamp> time = std::nullopt) {
  Evidence e;
  e.text = std::move(text);
  e.time = time;
  return e;
}

struct Test {
  const KernelState* state;
  const std::vector<Declaration>& declared;
  const std::vector<WayBackResult>& results;
  FindingSink& sink;
  std::vector<std::string>& notes;

  [[nodiscard]] std::optional<Prefix> network_of(const Address& client) const {
    return state != nullptr ? wayback::own_network(*state, client) : std::nullopt;
  }
  /// "clients", "clients in 192.168.1.0/24", "the client 172.16.5.254".
  [[nodiscard]] std::string whom(const WayBackResult& r) const {
    if (r.kind == Client::given) return "the client " + to_string(r.client);
    const auto network = r.kind == Client::neighbour ? network_of(r.client) : std::nullopt;
    return network ? "clients in " + to_string(*network) : std::string("clients");
  }
  /// The address that the real server should have as gateway.
  [[nodiscard]] Address gateway_of(const WayBackResult& r) const {
    for (const Declaration& d : declared) {
      for (const std::vector<Address>* list : {&d.gateways, &d.director_inside}) {
        for (const Address& gateway : *list) {
          if (gateway.is_v4() == r.rip.is_v4() && state != nullptr && on_link_dev(*state, gateway) == r.interface) return gateway;
        }
      }
    }
    return r.director;
  }
  /// Somebody of that network was seen to use a service.
  [[nodiscard]] bool has_clients_in(const Prefix& network) const {
    return state != nullptr && std::any_of(state->ipvs.connections.begin(), state->ipvs.connections.end(),
                                           [&](const IpvsConnection& c) { return network.contains(c.client.address); });
  }
  [[nodiscard]] std::vector<std::string> peers_that_passed(const WayBackResult& r) const {
    std::vector<std::string> out;
    for (const WayBackResult& other : results) {
      if (other.kind == r.kind && other.outcome == End::returned && other.rip != r.rip &&
          (other.client == r.client || r.kind != Client::given))
        out.push_back(to_string(other.rip));
    }
    return out;
  }
};

/// Whether clients' requests reach this real server with the director as source (full NAT), so that its routes do not matter. The
/// test's own echo requests need not match the rule that does it.
enum class Hidden : std::uint8_t { no, yes, unknown };

Hidden clients_hidden(const KernelState* state, const WayBackResult& r) {
  if (state == nullptr) return Hidden::unknown;
  // Without it no netfilter rule translates what IPVS forwards (ip_vs_nat_xmit(), Linux 6.1).
  const auto conntrack = sysctl_number(*state, "net.ipv4.vs.conntrack");
  if (conntrack == 0 || (!conntrack && !state->ipvs.present)) return Hidden::no;
  const NftRules rules = read_nft_rules(*state);
  if (!rules.known) return Hidden::unknown;
  for (const Service& service : state->ipvs.services) {
    for (const Destination& d : service.destinations) {
      if (d.rip != r.rip) continue;
      PredictionQuestion question;
      question.client.address = r.client;
      question.service = service;
      question.destination = d;
      if (predict(*state, rules, question).full_nat) return Hidden::yes;
    }
  }
  return Hidden::no;
}

bool failed(const WayBackResult& r) { return r.outcome == End::past || r.outcome == End::silent; }

void prove(const Test& t, Finding& f, const WayBackResult& r) {
  if (r.outcome == End::past) {
    FindingSink::prove(
        f, words("its reply to " + to_string(r.client) + " was seen on the wire, addressed to another host's MAC", r.answered));
  } else {
    FindingSink::prove(f, words("an echo request from " + to_string(r.client) + " was sent to " + to_string(r.rip) + " " +
                                    times(r.tries) + (r.interface.empty() ? "" : " by " + r.interface) + ": no reply came in",
                                r.first_sent));
  }
  if (r.own_answers != 0)
    FindingSink::prove(f, words("echo requests from this director's own " + to_string(r.director) + " meanwhile: " +
                                std::to_string(r.own_answers) + " of " + std::to_string(r.own_tries) + " answered"));
  if (r.asks_for_client)
    FindingSink::prove(f, words(to_string(r.rip) + " asks the wire for the MAC of " + to_string(r.client) +
                                ": it takes that client for a neighbour"));
  for (const Address& other : r.asks_for)
    FindingSink::prove(f, words(to_string(r.rip) + " asked meanwhile for the MAC of " + to_string(other) +
                                ", which is not this director's: perhaps its gateway"));
  if (const auto peers = t.peers_that_passed(r); !peers.empty()) {
    std::string list;
    for (std::size_t i = 0; i < std::min<std::size_t>(peers.size(), 6); ++i) list += (i == 0 ? "" : ", ") + peers[i];
    FindingSink::prove(f, words("the replies of " + list + (peers.size() > 6 ? " and others" : "") + " came back"));
  }
}

void accuse(const Test& t, const WayBackResult& r, Hidden hidden) {
  Subject subject;
  subject.real_server = to_string(r.rip);
  if (r.kind != Client::example) subject.client = to_string(r.client);
  if (!r.interface.empty()) subject.interface = r.interface;
  const bool proved = r.outcome == End::past || r.asks_for_client;
  Severity severity = Severity::error;
  const auto network = r.kind == Client::neighbour ? t.network_of(r.client) : std::nullopt;
  const bool clients_there = !network || t.has_clients_in(*network);
  if (!clients_there) {
    // A network in which there may be no client. That one real server has another way than its peers is odd enough.
    severity = !t.peers_that_passed(r).empty() || !network->contains(r.rip) ? Severity::warning : Severity::info;
  }
  const bool doubtful = !clients_there || hidden == Hidden::unknown;
  if (hidden == Hidden::unknown) severity = std::min(severity, Severity::warning);
  Finding& f = t.sink.accuse(rules::way_back_not_through_director, subject, severity,
                             doubtful ? Confidence::possible
                             : proved ? Confidence::certain
                                      : Confidence::likely);
  f.title = "Replies of " + to_string(r.rip) + " to " + t.whom(r) +
            (proved ? " go past this director" : " do not come back to this director");
  const std::string gateway = to_string(t.gateway_of(r));
  if (r.asks_for_client) {
    f.cause = "The real server holds " + to_string(r.client) +
              " for a neighbour: a route without a gateway, a left-over address of that network, or a netmask that is too wide "
              "(LVS303), or an ICMP redirect that it believed (LVS304).";
  } else if (r.outcome == End::past) {
    f.cause =
        "The real server sends its replies to another host than this director: a wrong gateway (LVS301), a direct or policy "
        "route (LVS303, LVS305), or an ICMP redirect that it believed (LVS304).";
  } else {
    f.cause = "The host is alive, and what it answers to " + to_string(r.client) +
              " does not reach this director: its gateway is another host or missing (LVS301, LVS302), a route of its own leads "
              "elsewhere (LVS303 to LVS305), or its rp_filter, its firewall or the network between drops requests that seem to "
              "come from clients.";
  }
  if (!clients_there)
    f.cause += " Whether there are clients in " + to_string(*network) + " was not seen; without any, this does no harm.";
  prove(t, f, r);
  if (r.kind == Client::example) {
    FindingSink::cure(f, cures::gateway(t.gateway_of(r)));
  } else if (r.asks_for_client && network) {
    FindingSink::cure(f, cures::remove_route(*network, {}, r.rip, t.gateway_of(r)));
  } else {
    FindingSink::cure(
        f, Cure{Where::real_server,
                "lvstrace --client " + to_string(r.client) + " --director " + gateway + "   # names the route, and its cure",
                std::nullopt});
  }
  if (hidden == Hidden::unknown)
    FindingSink::unchecked(f,
                           "whether this director hides clients behind its own address (full NAT, LVS127), where the way back of "
                           "clients' addresses does not matter: its filter rules were not read (nft list ruleset)");
  if (!clients_there) FindingSink::unchecked(f, "whether there are clients in " + to_string(*network));
  if (!proved)
    FindingSink::unchecked(f,
                           "whether requests from clients' addresses arrive and are answered there: 'tcpdump -eni any icmp' on " +
                               to_string(r.rip) + " during another 'lvsdiag probe " + to_string(r.rip) + "'");
  FindingSink::unchecked(f,
                         "which route it is: 'lvstrace --client " + to_string(r.client) + " --director " + gateway + "' there");
}

void tell_down(const Test& t, const WayBackResult& r) {
  Subject subject;
  subject.real_server = to_string(r.rip);
  const std::size_t before = t.sink.findings().size();
  Finding& f = t.sink.accuse(rules::real_server_unreachable, subject, Severity::error, Confidence::certain);
  if (t.sink.findings().size() == before) return;
  f.title = "The real server " + to_string(r.rip) + " is not there";
  f.cause =
      "Nobody answers " + std::string(r.rip.is_v4() ? "ARP" : "neighbour discovery") + " for " + to_string(r.rip) +
      (r.interface.empty() ? "" : " on " + r.interface) +
      ", nor an echo request: the host is down, on another wire or VLAN, or has another address. Its way back was not tested.";
  FindingSink::prove(f, words("this director asked for the MAC of " + to_string(r.rip) + " " + times(r.asked) +
                                  ", and sent echo requests of its own " + times(r.own_tries) + ": no answer",
                              r.first_sent));
  f.cure.push_back(Cure{
      Where::director,
      (r.rip.is_v4() ? "arping -c 3 -I " : "ndisc6 ") + (r.rip.is_v4() ? cures::shell_word(r.interface) + " " + to_string(r.rip)
                                                                       : to_string(r.rip) + " " + cures::shell_word(r.interface)),
      std::nullopt});
  if (t.state == nullptr) return;
  for (const Service& service : t.state->ipvs.services) {
    for (const Destination& d : service.destinations) {
      if (d.rip == r.rip) FindingSink::cure(f, cures::weight(service, d, 0));
    }
  }
}

void tell_elsewhere(const Test& t, const WayBackResult& r) {
  std::string names;
  for (const std::string& name : r.came_by) names += (names.empty() ? "" : ", ") + printable(name, 64);
  Subject subject;
  subject.real_server = to_string(r.rip);
  if (r.kind != Client::example) subject.client = to_string(r.client);
  subject.interface = *r.came_by.begin();
  Finding& f = t.sink.accuse(rules::way_back_not_through_director, subject, Severity::warning, Confidence::possible);
  f.title = "Replies of " + to_string(r.rip) + " to " + t.whom(r) + " come back by " + names + ", not by " + r.interface;
  f.cause =
      "They reach this director by a detour: another router stands between, or the real server has a second interface. It "
      "works only while that router passes them and rp_filter here does not mind.";
  prove(t, f, r);
  f.evidence.clear();
  FindingSink::prove(f, words("the reply to " + to_string(r.client) + " came in by " + names +
                                  (r.ttl ? " with TTL " + std::to_string(*r.ttl) : ""),
                              r.answered));
  FindingSink::unchecked(f, "whether connections work all the same: run lvsdiag while a client connects");
}

/// One sentence on a result that neither passes nor accuses.
void tell(const Test& t, const WayBackResult& r) {
  const std::string rip = to_string(r.rip);
  switch (r.outcome) {
    case End::mute:
      t.notes.push_back(rip + " is there (" + to_string(r.neighbour) +
                        "), but answers no echo request at all, not even this director's own: its way back cannot be tested like "
                        "this. lvstrace on the real server can tell, or lvsdiag while a client connects.");
      break;
    case End::translated:
      t.notes.push_back(
          "The test of " + rip + " left with " + to_string(r.left_as) +
          " as source: this director rewrites the source of what it sends there (full NAT, LVS127). Replies find back "
          "whatever the gateway is, and this test says nothing.");
      break;
    case End::not_sent:
      t.notes.push_back(
          "The test of " + rip + " from " + to_string(r.client) + " never left this host" +
          (r.why.empty() ? ": something between the socket and the wire drops it." : ": " + printable(r.why, 300) + "."));
      break;
    case End::untested:
      t.notes.push_back("The test of " + rip + " from " + to_string(r.client) + " ended without a result" +
                        (r.own_tries != 0 && r.tries != 0 && r.asked == 0
                             ? ": it answers nothing, not even this director's own echo requests; it may be down, or drop them."
                             : "."));
      break;
    default:
      break;
  }
}

void tell_limits(const Test& t) {
  std::set<Address> examples, neighbours, given;
  bool detour = false;
  for (const WayBackResult& r : t.results) {
    (r.kind == Client::example ? examples : r.kind == Client::neighbour ? neighbours : given).insert(r.client);
    detour = detour || (r.outcome == End::returned && r.ttl && (*r.ttl == 63 || *r.ttl == 127 || *r.ttl == 254));
  }
  const auto list = [](const std::set<Address>& addresses) {
    std::string out;
    for (const Address& a : addresses) out += (out.empty() ? "" : ", ") + to_string(a);
    return out;
  };
  if (!examples.empty())
    t.notes.push_back("Tested with echo requests from " + list(examples) +
                      (examples.size() == 1 ? ", an address" : ", addresses") +
                      " for documentation: that shows the route which clients far away are answered by, not one for "
                      "certain clients (--client CIP).");
  if (!neighbours.empty())
    t.notes.push_back("And from " + list(neighbours) + ", as a client in the VIP's own network would ask.");
  if (!given.empty())
    t.notes.push_back("Tested with echo requests from " + list(given) + "; other clients may have other routes.");
  if (!t.results.empty())
    t.notes.push_back(
        "A reply that comes back proves the way back of that source now. None is no proof of a wrong one: echo requests "
        "may be filtered. The service itself, its port and its firewall are not tested.");
  if (detour)
    t.notes.push_back(
        "Some replies had lost a hop when they came in: a router stands between that real server and this director.");
}

}  // namespace

Report judge_way_back(const KernelState* state, const std::vector<Declaration>& declared, std::vector<WayBackResult> results,
                      std::vector<std::string> untested, std::vector<SourceStatistics> sources) {
  Report report;
  report.sources = std::move(sources);
  report.way_back = std::move(results);
  if (state != nullptr) {
    report.origin.push_back(state->origin);
    if (!state->hostname.empty()) report.host = state->hostname;
  }
  for (const Declaration& d : declared) {
    if (!d.services.empty()) report.origin.push_back(d.origin);
  }
  FindingSink sink;
  const Test t{state, declared, report.way_back, sink, report.notes};
  tell_limits(t);
  bool judged = false;
  // A real server without a way back to anybody has none to a single client either.
  std::set<Address> lost;
  for (const WayBackResult& r : report.way_back) {
    if (r.kind == Client::example && failed(r)) lost.insert(r.rip);
  }
  for (const WayBackResult& r : report.way_back) {
    judged = judged || failed(r) || r.outcome == End::returned || r.outcome == End::elsewhere || r.outcome == End::down;
    if (failed(r)) {
      if (r.kind == Client::neighbour && lost.contains(r.rip)) continue;
      const Hidden hidden = clients_hidden(state, r);
      if (hidden == Hidden::yes) {
        report.notes.push_back(
            to_string(r.rip) + " does not answer " + to_string(r.client) +
            " by this director, and need not: its requests come with this director as source (full NAT, LVS127).");
      } else {
        accuse(t, r, hidden);
      }
    } else if (r.outcome == End::elsewhere) {
      tell_elsewhere(t, r);
    } else if (r.outcome == End::down) {
      tell_down(t, r);
    } else {
      tell(t, r);
    }
  }
  for (std::string& sentence : untested) report.notes.push_back(std::move(sentence));
  std::set<std::string> once;
  std::erase_if(report.notes, [&once](const std::string& note) { return !once.insert(note).second; });

  std::set<Address> own;
  for (const WayBackResult& r : report.way_back) {
    if (!r.director.is_none()) own.insert(r.director);
  }
  report.director.addresses.assign(own.begin(), own.end());
  report.findings = sink.take();
  std::stable_sort(report.findings.begin(), report.findings.end(), [](const Finding& a, const Finding& b) {
    return a.severity != b.severity ? a.severity > b.severity : a.confidence > b.confidence;
  });
  bool error = false, warning = false;
  for (const Finding& f : report.findings) {
    error = error || f.severity == Severity::error;
    warning = warning || f.severity == Severity::warning;
  }
  report.verdict = error ? Verdict::error : warning ? Verdict::warning : judged ? Verdict::ok : Verdict::unknown;
  return report;
}

}  // namespace lvsnat
