// From tables and captures to the report: who the director is, which addresses are RIPs, what becomes of each client's replies.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "lvsnat/wayback.h"
#include "rules/catalog.h"
#include "rules/sink.h"
#include "wayback/judge.h"
#include "wayback/way.h"

namespace lvsnat {
namespace {

using namespace wayback;

bool is_host(const Prefix& prefix) { return prefix.length == (prefix.address.is_v4() ? 32 : 128); }

/// The fates of all clients that were asked for, or of every one. Those of one fate stand together.
std::vector<Fate> fates_of(const KernelState& state, const Directors& directors, const WayBackQuestion& question,
                           const Address& rip, bool& complete) {
  std::vector<Fate> fates;
  const bool any = question.clients.empty();
  for (const Prefix& clients : clients_of(question, !rip.is_v4())) {
    bool all = true;
    std::map<std::string, std::size_t> index;
    const std::size_t first = fates.size();
    for (Piece& piece : ways_of(state, directors, question, rip, clients, all)) {
      const auto [at, made] = index.emplace(piece.way.fate, fates.size());
      if (made) {
        Fate fate;
        fate.way = std::move(piece.way);
        // A network that is wider than the real servers' own includes it without meaning it.
        fate.named = !any;
        fates.push_back(std::move(fate));
      }
      fates[at->second].clients.push_back(piece.clients);
    }
    complete = complete && all;
    const auto own = own_network(state, rip);
    for (std::size_t i = first; i < fates.size(); ++i) {
      Fate& fate = fates[i];
      if (!any && own && clients.length < own->length && clients.contains(*own) && fate.way.kind == WayKind::direct &&
          std::all_of(fate.clients.begin(), fate.clients.end(), [&](const Prefix& p) { return own->contains(p); })) {
        fate.named = false;
      }
      const bool by_default = fate.way.decision.route && fate.way.decision.route->destination.length <= 1;
      const bool everywhere = !fate.way.decision.route && std::any_of(fate.clients.begin(), fate.clients.end(),
                                                                      [](const Prefix& p) { return p.length <= 3; });
      fate.most = any && !fate.way.redirected && (by_default || everywhere);
      // Redirects are learnt about real clients, whoever asks.
      if (any && fate.way.redirected) fate.named = true;
    }
  }
  // Clients that were named one by one and share a fate are one finding.
  std::vector<Fate> joined;
  for (Fate& fate : fates) {
    const auto same = std::find_if(joined.begin(), joined.end(), [&fate](const Fate& f) {
      return f.way.fate == fate.way.fate && f.named == fate.named && !fate.way.redirected;
    });
    if (same == joined.end()) {
      joined.push_back(std::move(fate));
    } else {
      same->clients.insert(same->clients.end(), fate.clients.begin(), fate.clients.end());
    }
  }
  return joined;
}

/// Exceptions of single clients share no finding: each has its own countdown.
std::vector<Fate> one_each(std::vector<Fate> fates) {
  std::vector<Fate> out;
  for (Fate& fate : fates) {
    if (!fate.way.redirected || fate.clients.size() < 2) {
      out.push_back(std::move(fate));
      continue;
    }
    for (const Prefix& client : fate.clients) {
      Fate one = fate;
      one.clients = {client};
      out.push_back(std::move(one));
    }
  }
  return out;
}

void tell_gaps(const KernelState& state, std::vector<std::string>& notes) {
  if (!state.known.routes_v4 && !state.known.routes_v6) notes.push_back("The routing tables were not read (route.json).");
  const auto want = [&notes](bool known, const char* what, const char* file, const char* tells) {
    if (!known) notes.push_back(std::string(what) + " not read (" + file + "): " + tells);
  };
  want(state.known.rules_v4 || state.known.rules_v6, "Routing rules were", "rule.json", "policy routing could not be checked.");
  want(state.known.exceptions_v4 || state.known.exceptions_v6, "Cached route exceptions were", "route-cache.json",
       "a redirect that was believed would not show.");
  want(state.known.sysctls, "Settings were", "sysctl.txt",
       "whether redirects are believed and rp_filter drops could not be checked.");
  want(state.known.neighbours, "The neighbour table was", "neigh.json", "who answers for the gateway could not be checked.");
  constexpr std::size_t kGaps = 12;
  for (std::size_t i = 0; i < std::min(state.gaps.size(), kGaps); ++i) {
    const Gap& gap = state.gaps[i];
    if (gap.would_tell.empty() && gap.why.empty()) continue;
    // What a director's state would tell is not missed on a real server.
    static constexpr std::array<std::string_view, 5> kRelevant{"route", "rule", "addr", "neigh", "sysctl"};
    if (std::none_of(kRelevant.begin(), kRelevant.end(),
                     [&gap](std::string_view w) { return gap.what.find(w) != std::string::npos; }))
      continue;
    if (gap.why == "no such file" || gap.what.starts_with("nft")) continue;
    notes.push_back("Not read: " + gap.what + " (" + gap.why + ")" +
                    (gap.would_tell.empty() ? "." : "; it tells " + gap.would_tell + "."));
  }
}

void tell_director(const Directors& directors, const WayBackQuestion& question, const Wire* wire,
                   std::vector<std::string>& notes) {
  if (!question.directors.empty()) return;
  if (!directors.macs.empty() && wire != nullptr) {
    std::string text = "The director is learnt from the capture: requests come from ";
    bool first = true;
    for (const Mac& mac : directors.macs) {
      text += (first ? "" : ", ") + to_string(mac);
      first = false;
    }
    std::string addresses;
    for (const Address& address : directors.addresses) addresses += (addresses.empty() ? "" : ", ") + to_string(address);
    notes.push_back(text + (addresses.empty() ? "; no address of it is known." : ", which has " + addresses + "."));
  } else if (directors.taken_for_v4 || directors.taken_for_v6) {
    for (const auto& gateway : {directors.taken_for_v4, directors.taken_for_v6}) {
      if (!gateway) continue;
      notes.push_back("No director was named: the only " + std::string(gateway->is_v4() ? "IPv4" : "IPv6") +
                      " gateway of this host is " + to_string(*gateway) +
                      "; whether that is the director is for you to say (--director).");
    }
  } else {
    notes.push_back(
        "No director was named and none could be learnt: only replies that go straight to clients can be judged (--director).");
  }
}

/// What the wire shows is the consequence of a fault that the tables name for the same real server and client.
void fold_wire_findings(std::vector<Finding>& findings) {
  std::vector<Finding> out;
  std::vector<Finding> wire;
  for (Finding& f : findings) (f.code == 309 ? wire : out).push_back(std::move(f));
  for (Finding& w : wire) {
    Finding* reason = nullptr;
    for (Finding& f : out) {
      if (f.severity != Severity::error || f.code < 301 || f.code > 305 || f.subject.real_server != w.subject.real_server)
        continue;
      const bool all = !f.subject.client || f.subject.client == w.subject.client;
      const auto net = f.subject.client ? parse_prefix(*f.subject.client) : std::nullopt;
      const auto cip = w.subject.client ? parse_address(*w.subject.client) : std::nullopt;
      if (all || (net && cip && net->contains(*cip))) reason = &f;
    }
    if (reason == nullptr) {
      out.push_back(std::move(w));
      continue;
    }
    reason->consequences.push_back({309, w.subject, w.count});
    for (Evidence& e : w.evidence) FindingSink::prove(*reason, std::move(e));
    reason->confidence = Confidence::certain;
  }
  findings = std::move(out);
}

void order(std::vector<Finding>& findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    if (a.severity != b.severity) return a.severity > b.severity;
    if (a.confidence != b.confidence) return a.confidence > b.confidence;
    return a.code < b.code;
  });
}

}  // namespace

std::vector<ReplyToAsk> replies_to_ask(const KernelState& state, const WayBackQuestion& question) {
  constexpr std::size_t kMost = 256;
  std::vector<ReplyToAsk> out;
  const Directors directors = find_directors(state, question, nullptr);
  for (const bool v6 : {false, true}) {
    for (const Address& rip : find_real_servers(state, directors, question, v6)) {
      bool complete = true;
      for (const Fate& fate : fates_of(state, directors, question, rip, complete)) {
        if (fate.way.kind == WayKind::unknown || fate.way.kind == WayKind::local) continue;
        for (const Prefix& client : fate.clients) {
          if (out.size() >= kMost) return out;
          Address address = client.address;
          if (!is_host(client)) {
            // Nobody is asked about each address of a network: its first one stands for it.
            address.bytes[15] = static_cast<std::uint8_t>(address.bytes[15] | 1);
          }
          out.push_back({address, rip, arrival_device(state, directors, rip)});
          if (!is_host(client)) break;
        }
      }
    }
  }
  return out;
}

std::vector<std::pair<Address, Address>> traces_to_make(const KernelState& state, const WayBackQuestion& question,
                                                        std::uint64_t draw) {
  constexpr std::size_t kMost = 16;
  std::vector<std::pair<Address, Address>> out;
  const Directors directors = find_directors(state, question, nullptr);
  for (const bool v6 : {false, true}) {
    if (question.clients.empty() && !directors.known(v6) && directors.known(!v6)) continue;
    std::vector<Address> clients;
    for (const Prefix& prefix : question.clients) {
      if (prefix.address.is_v4() == v6 || owns_address(state, prefix.address)) continue;
      Address client = prefix.address;
      if (!is_host(prefix)) client.bytes[15] = static_cast<std::uint8_t>(client.bytes[15] | 1);
      clients.push_back(client);
    }
    if (question.clients.empty()) {
      // Another one each time: a redirect that the trace provokes is believed for that address alone.
      Address example = Address::v4(0xcb007101 + static_cast<std::uint32_t>(draw % 254));
      if (v6) {
        example = {};
        example.bytes[0] = 0x20;
        example.bytes[1] = 0x01;
        example.bytes[2] = 0x0d;
        example.bytes[3] = 0xb8;
        for (std::size_t i = 0; i < 8; ++i) example.bytes[8 + i] = static_cast<std::uint8_t>(draw >> (8 * i));
      }
      if (!owns_address(state, example)) clients.push_back(example);
    }
    for (const Address& rip : find_real_servers(state, directors, question, v6)) {
      if (!owns_address(state, rip)) continue;
      for (const Address& client : clients) {
        if (out.size() < kMost) out.emplace_back(rip, client);
      }
    }
  }
  return out;
}

Report trace_way_back(const KernelState* state, const WayBackQuestion& question, const Wire* wire,
                      std::vector<SourceStatistics> sources, std::vector<HopTrace> hops, const ExceptionWatch* watch) {
  Report report;
  report.tool = "lvstrace";
  report.sources = std::move(sources);
  report.hops = std::move(hops);
  FindingSink sink;
  static const KernelState kNothing;
  const KernelState& known = state != nullptr ? *state : kNothing;
  const Directors directors = find_directors(known, question, wire);
  bool judged = false;

  if (state != nullptr) {
    report.origin.push_back(state->origin);
    if (!state->hostname.empty()) report.host = state->hostname;
    report.taken = state->taken;
    const Judgement j{*state, directors, question, wire, watch, sink, report.notes};
    tell_director(directors, question, wire, report.notes);
    std::vector<Address> all;
    for (const bool v6 : {false, true}) {
      const bool asked = question.clients.empty() || !clients_of(question, v6).empty();
      if (!asked) continue;
      // Without a client of this family and without a director of it, nobody says that the service speaks it.
      if (question.clients.empty() && v6 && !directors.known_v6 && directors.known_v4) continue;
      if (question.clients.empty() && !v6 && !directors.known_v4 && directors.known_v6) continue;
      std::vector<Address> rips = find_real_servers(*state, directors, question, v6);
      if (wire != nullptr && question.real_servers.empty()) {
        std::set<Address> served;
        for (const Wire::Flow& flow : wire->flows()) {
          if (flow.opened && flow.server.address.is_v4() != v6 && find_address(*state, flow.server.address) != nullptr)
            served.insert(flow.server.address);
        }
        if (!served.empty()) rips.assign(served.begin(), served.end());
      }
      if (rips.empty() && !question.clients.empty()) {
        report.notes.push_back(std::string("This host has no ") + (v6 ? "IPv6" : "IPv4") +
                               " address that replies to these clients could come from.");
      }
      for (const Address& rip : rips) {
        bool complete = true;
        const std::vector<Fate> fates = one_each(fates_of(*state, directors, question, rip, complete));
        if (!complete)
          report.notes.push_back("The tables cut the address space into more than " + std::to_string(wayback::kMaxPieces) +
                                 " pieces: clients beyond those are not judged; name them with --client.");
        for (const Fate& fate : fates) {
          judged = judged || fate.way.kind != WayKind::unknown;
          constexpr std::size_t kMaxEntries = 4096;
          const int code = judge_fate(j, rip, fate);
          if (report.reply_ways.size() < kMaxEntries) report.reply_ways.push_back(reply_way_of(*state, rip, fate, code));
          judge_arrival(j, rip, fate);
        }
        judge_redirect_settings(j, rip, fates);
        judge_traceroutes(j, rip, fates);
        judge_hops(j, rip, fates, report.hops);
        all.push_back(rip);
      }
    }
    judge_surroundings(j, all);
    tell_gaps(*state, report.notes);
  }
  if (wire != nullptr) {
    judge_wire(state, directors, question, *wire, watch, sink, report.notes);
    report.packets = wire->packets();
    for (const Wire::Flow& flow : wire->flows()) {
      ++report.connections.total;
      ++(flow.replies_else != 0                                               ? report.connections.broken
         : flow.requests != 0 && flow.replies != 0 && !flow.hides_destination ? report.connections.healthy
                                                                              : report.connections.undecided);
      if (flow.requests != 0) ++report.connections.legs[index(Leg::demasq)];
      if (flow.replies != 0) ++report.connections.legs[index(Leg::reply)];
    }
    judged = judged || std::any_of(wire->flows().begin(), wire->flows().end(),
                                   [](const Wire::Flow& f) { return f.opened && f.requests != 0 && f.replies != 0; });
    bool blind = false, refused = !report.sources.empty();
    for (const SourceStatistics& s : report.sources) {
      blind = blind || s.incomplete();
      refused = refused && s.refused;
    }
    if (blind) {
      for (const SourceStatistics& s : report.sources) {
        if (!s.incomplete()) continue;
        Subject subject;
        subject.interface = s.name;
        Finding& f = sink.accuse(rules::capture_incomplete, subject, Severity::warning, Confidence::certain);
        f.title = "The capture " + printable(s.name, 200) + " is incomplete";
        f.cause =
            s.problem ? printable(*s.problem, 500) : "Packets were dropped before they could be seen, or the interface was down.";
      }
    } else if (wire->flows().empty()) {
      Finding& f = sink.accuse(rules::no_traffic, {}, Severity::info, Confidence::certain);
      f.title = "No request to this real server was seen";
      f.cause =
          "The capture holds no connection that a client began here. Capture while a client tries, on the interface that holds "
          "the "
          "RIP.";
    }
  }

  report.director.addresses.assign(directors.addresses.begin(), directors.addresses.end());
  report.director.inside_macs.assign(directors.macs.begin(), directors.macs.end());
  report.findings = sink.take();
  fold_wire_findings(report.findings);
  attribute_redirects(report.findings, report.hops);
  order(report.findings);
  bool error = false, warning = false;
  for (const Finding& f : report.findings) {
    error = error || f.severity == Severity::error;
    warning = warning || f.severity == Severity::warning;
  }
  report.verdict = error ? Verdict::error : !judged ? Verdict::unknown : warning ? Verdict::warning : Verdict::ok;
  std::set<std::string> once;
  std::vector<std::string> notes;
  for (std::string& note : report.notes) {
    if (once.insert(note).second) notes.push_back(std::move(note));
  }
  report.notes = std::move(notes);
  return report;
}

}  // namespace lvsnat
