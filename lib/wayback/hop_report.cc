// What a hop trace says of the way back: LVS307, LVS308, and who sent redirects.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "wayback/judge.h"

namespace lvsnat::wayback {
namespace {

using Kind = TraceAnswer::Kind;

Evidence words(std::string text, std::optional<Timestamp> time) {
  Evidence e;
  e.text = std::move(text);
  e.time = time;
  return e;
}

std::string upper_name(TraceAnswer::Protocol protocol) {
  return protocol == TraceAnswer::Protocol::icmp ? "ICMP" : protocol == TraceAnswer::Protocol::udp ? "UDP" : "TCP";
}

/// "round 3, TCP" for a few of them.
std::string where_seen(const std::vector<const TraceAnswer*>& answers) {
  std::map<unsigned, std::string> rounds;
  for (const TraceAnswer* a : answers) {
    std::string& list = rounds[a->round];
    if (list.find(upper_name(a->protocol)) == std::string::npos) list += (list.empty() ? "" : ", ") + upper_name(a->protocol);
  }
  std::string out;
  for (const auto& [round, protocols] : rounds)
    out += (out.empty() ? "" : "; ") + ("round " + std::to_string(round)) + " (" + protocols + ")";
  return out;
}

std::string redirect_words(const HopTrace::Redirect& r, const Address& client) {
  return "in round " + std::to_string(r.round) + " " + to_string(r.from) +
         (r.mac.is_none() ? "" : " (" + to_string(r.mac) + ")") + " sent an ICMP redirect: " + to_string(client) +
         " is better reached " + (r.gateway == client ? std::string("directly") : "by " + to_string(r.gateway));
}

struct FirstHops {
  std::vector<const TraceAnswer*> director, straight, strangers;
  std::size_t sent = 0, refused = 0;
  const TraceAnswer* reached = nullptr;  // the client itself, two hops or more away
};

FirstHops first_hops(const Judgement& j, const HopTrace& trace) {
  FirstHops out;
  const bool client_is_director = j.directors.addresses.contains(trace.client);
  for (const TraceAnswer& a : trace.answers) {
    if (a.hop >= 2 && a.kind == Kind::reached && out.reached == nullptr) out.reached = &a;
    if (a.hop != 1) continue;
    ++out.sent;
    if (a.kind == Kind::not_sent) ++out.refused;
    if (a.from.is_none() || a.kind == Kind::none || a.kind == Kind::not_sent) continue;
    if (j.directors.addresses.contains(a.from) || j.directors.macs.contains(a.mac) || client_is_director) {
      out.director.push_back(&a);
    } else {
      (a.kind == Kind::reached ? out.straight : out.strangers).push_back(&a);
    }
  }
  return out;
}

const Fate* fate_of(const std::vector<Fate>& fates, const Address& client) {
  const Fate* found = nullptr;
  for (const Fate& f : fates) {
    if (std::any_of(f.clients.begin(), f.clients.end(), [&](const Prefix& p) { return p.contains(client); })) found = &f;
  }
  return found;
}

void prove_redirects(Finding& f, const HopTrace& trace) {
  constexpr std::size_t kMost = 3;
  for (std::size_t i = 0; i < std::min(kMost, trace.redirects.size()); ++i)
    FindingSink::prove(f, words(redirect_words(trace.redirects[i], trace.client), trace.redirects[i].time));
}

void accuse(const Judgement& j, const HopTrace& trace, const FirstHops& hops, const std::vector<const TraceAnswer*>& wrong,
            const Fate* fate) {
  const TraceAnswer& first = *wrong.front();
  const bool straight = first.kind == Kind::reached;
  const std::string rip = to_string(trace.rip), client = to_string(trace.client);
  Subject subject;
  subject.real_server = rip;
  subject.client = client;
  if (!straight) subject.gateway = to_string(first.from);
  Finding& f = j.sink.accuse(rules::hop_count_not_two, subject, Severity::warning, Confidence::certain);
  f.title = straight
                ? "The trace from " + rip + " reaches " + client + " in one hop, without the director"
                : "The trace from " + rip + " to " + client + " goes by " + to_string(first.from) + " first, not by the director";
  const HopTrace::Redirect* before = nullptr;
  for (const HopTrace::Redirect& r : trace.redirects) {
    if (r.time <= first.sent + kSecond && (straight ? r.gateway == trace.client : r.gateway == first.from) && before == nullptr)
      before = &r;
  }
  const bool moved = !hops.director.empty() && hops.director.front()->sent < first.sent;
  if (before != nullptr && moved) {
    f.cause =
        "At first the way led by the director; then " + to_string(before->from) +
        " sent a redirect, and this real server believed it (LVS304). The trace provoked it as the replies of a connection do, "
        "and the connections of that client go the same way until it is forgotten.";
    // Where the exception itself was found, its finding has the cure.
    if (fate == nullptr || !fate->way.redirected) {
      FindingSink::cure(f, cures::flush_cache(!trace.rip.is_v4()));
      FindingSink::cure(f, cures::refuse_redirects(!trace.rip.is_v4(), fate != nullptr ? fate->way.dev : std::string()));
    }
  } else {
    f.cause =
        "From a real server the client is two hops away: first the director, then the client. The reason is in the routes: see "
        "LVS301, LVS303, LVS304, LVS305.";
    if (fate != nullptr && fate->way.kind == WayKind::director) FindingSink::cure(f, cures::flush_cache(!trace.rip.is_v4()));
  }
  if (!hops.director.empty())
    FindingSink::prove(
        f, words("hop 1 is " + to_string(hops.director.front()->from) + ", the director, in " + where_seen(hops.director),
                 hops.director.front()->sent));
  prove_redirects(f, trace);
  FindingSink::prove(f,
                     words("hop 1 is " + to_string(first.from) + (first.mac.is_none() ? "" : " (" + to_string(first.mac) + ")") +
                               (straight ? ", the client itself" : "") + ", in " + where_seen(wrong),
                           first.sent));
}

}  // namespace

void judge_hops(const Judgement& j, const Address& rip, const std::vector<Fate>& fates, const std::vector<HopTrace>& traces) {
  for (const HopTrace& trace : traces) {
    if (trace.rip != rip || trace.answers.empty()) continue;
    const Fate* fate = fate_of(fates, trace.client);
    const FirstHops hops = first_hops(j, trace);
    const std::string pair = "from " + to_string(rip) + " to " + to_string(trace.client);
    const bool known = j.directors.known(!rip.is_v4());
    const bool redirected = fate != nullptr && fate->way.redirected;
    const bool praised = std::any_of(trace.redirects.begin(), trace.redirects.end(), [&](const HopTrace::Redirect& r) {
      return std::any_of(hops.strangers.begin(), hops.strangers.end(),
                         [&](const TraceAnswer* a) { return a->from == r.gateway; });
    });
    if (!hops.straight.empty()) {
      accuse(j, trace, hops, hops.straight, fate);
    } else if (!hops.strangers.empty() && known && (praised || (fate != nullptr && fate->way.kind == WayKind::gateway))) {
      accuse(j, trace, hops, hops.strangers, fate);
    } else if (!hops.strangers.empty()) {
      const std::string first = to_string(hops.strangers.front()->from);
      j.notes.push_back("The first hop " + pair + " answered as " + first +
                        (!known ? ": is that the director? Name it with --director."
                         : fate != nullptr && fate->way.kind == WayKind::director
                             ? ", which is none of the director's known addresses; the route leads to the director, so this is "
                               "another address of it (name it with --director to be sure)."
                             : ", of which nobody said what it is."));
    } else if (!hops.director.empty()) {
      j.notes.push_back("The first hop " + pair + " is " + to_string(hops.director.front()->from) + ", the director.");
    } else if (hops.refused == hops.sent) {
      const auto refused =
          std::find_if(trace.answers.begin(), trace.answers.end(), [](const TraceAnswer& a) { return a.kind == Kind::not_sent; });
      j.notes.push_back("No probe " + pair + " left this host: " + printable(refused->why, 300) + ".");
    } else {
      j.notes.push_back("The first hop " + pair + " did not answer " + std::to_string(hops.sent - hops.refused) +
                        " probes: it sends no time-exceeded, or a filter drops it. The trace says nothing about the way back.");
    }
    if (hops.reached == nullptr) {
      if (hops.straight.empty() && !hops.director.empty())
        j.notes.push_back("The client " + to_string(trace.client) +
                          " did not answer the probes: normal in production, where it has no way to a real server's address.");
    } else if (hops.straight.empty() && !hops.director.empty()) {
      Subject subject;
      subject.real_server = to_string(rip);
      subject.client = to_string(trace.client);
      Finding& f = j.sink.accuse(rules::client_reachable_directly, subject, Severity::info, Confidence::certain);
      f.title = to_string(rip) + " gets answers from " + to_string(trace.client) + " when it asks by itself";
      f.cause =
          "The director forwards the real server's own packets. LVS-NAT does not need that; in production it is worth a filter.";
      FindingSink::prove(f,
                         words(upper_name(hops.reached->protocol) + " probe answered by " + to_string(trace.client) + " at hop " +
                                   std::to_string(hops.reached->hop) + ", by way of " + to_string(hops.director.front()->from),
                               hops.reached->sent));
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(trace.redirects.size(), 3); ++i) {
      std::string text = redirect_words(trace.redirects[i], trace.client);
      text[0] = 'I';
      j.notes.push_back(text + ".");
    }
    if (!trace.redirects.empty() && hops.straight.empty() && !redirected && !praised)
      j.notes.push_back("Redirects about " + to_string(trace.client) + " were heard (" + std::to_string(trace.redirects.size()) +
                        ") and not followed: this host's settings or the sender's address speak against them.");
  }
}

void attribute_redirects(std::vector<Finding>& findings, const std::vector<HopTrace>& traces) {
  for (Finding& f : findings) {
    if (f.code != 304) continue;
    for (const HopTrace& trace : traces) {
      if (f.subject.real_server == to_string(trace.rip) && f.subject.client == to_string(trace.client)) prove_redirects(f, trace);
    }
  }
}

}  // namespace lvsnat::wayback
