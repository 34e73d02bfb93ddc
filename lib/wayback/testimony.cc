#include "wayback/testimony.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "lvsnat/rule.h"
#include "rules/cure.h"
#include "rules/diagnose.h"
#include "rules/sink.h"

namespace lvsnat::wayback {
namespace {

// Findings of a director's packets that a real server's own settings can explain, and those settings' findings.
constexpr std::array kExplained{101, 102, 111, 115, 118, 214};
constexpr std::array kNaming{301, 302, 303, 304, 305, 309, 206};
constexpr std::int64_t kFresh = 10 * 60 * kSecond, kDay = 24 * 3600 * kSecond;

template <typename List>
bool among(const List& list, int code) {
  return std::find(list.begin(), list.end(), code) != list.end();
}

std::string moment(Timestamp time) {
  const std::string text = to_rfc3339(time);
  return text.substr(0, 10) + " " + text.substr(11, 8) + " UTC";
}

/// "LVS301 (wrong-gateway)".
std::string named(int code) {
  const Rule* rule = find_rule(code);
  return code_name(code) + (rule != nullptr ? " (" + std::string(rule->id) + ")" : std::string());
}

std::optional<Address> real_server_of(const Subject& subject) {
  return subject.real_server ? parse_address(*subject.real_server) : std::nullopt;
}

std::string some(const std::set<Address>& clients) {
  if (clients.empty()) return "clients";
  std::string out;
  std::size_t n = 0;
  for (const Address& client : clients) {
    if (n++ == 3) break;
    out += (n == 1 ? "" : ", ") + to_string(client);
  }
  return out + (clients.size() > 3 ? " and " + with_commas(clients.size() - 3) + " more clients" : std::string());
}

/// later - earlier, whatever strangers wrote as a time.
std::int64_t between(Timestamp earlier, Timestamp later) {
  std::int64_t out = 0;
  if (__builtin_sub_overflow(later, earlier, &out)) return later > earlier ? INT64_MAX : INT64_MIN;
  return out;
}

/// One testimony, as far as it speaks of one real server.
class Voice {
 public:
  Voice(const Testimony& testimony, Address rip, std::optional<Span> seen) : testimony_(testimony), rip_(rip), seen_(seen) {
    const Report& r = testimony.report;
    taken_ = r.taken;
    if (!taken_) {
      for (const SourceStatistics& s : r.sources) {
        if (s.last && (!taken_ || *s.last > *taken_)) taken_ = s.last;
      }
    }
    for (const ReplyWay& way : r.reply_ways) {
      if (way.real_server == rip) ways_.push_back(&way);
    }
  }

  [[nodiscard]] const Testimony& testimony() const { return testimony_; }
  [[nodiscard]] const std::vector<const ReplyWay*>& ways() const { return ways_; }
  [[nodiscard]] std::optional<Timestamp> taken() const { return taken_; }

  /// How far the moment of the report is from what was seen; 0: within it.
  [[nodiscard]] std::optional<std::int64_t> distance() const {
    if (!taken_ || !seen_) return std::nullopt;
    if (*taken_ < seen_->first) return between(*taken_, seen_->first);
    return *taken_ > seen_->last ? between(seen_->last, *taken_) : 0;
  }
  [[nodiscard]] bool fresh() const { return distance().value_or(kDay) <= kFresh; }
  /// The surest that this report can make anybody.
  [[nodiscard]] Confidence limit() const {
    const auto far = distance();
    if (!far) return Confidence::likely;
    return *far <= kFresh ? Confidence::certain : *far <= kDay ? Confidence::likely : Confidence::possible;
  }
  /// "rs1 at 2026-11-23 04:00:00 UTC, 3.0 h before the first packet".
  [[nodiscard]] std::string who() const {
    std::string out = testimony_.report.host.value_or(to_string(rip_));
    if (!taken_) return out + ", without a time";
    out += " at " + moment(*taken_);
    const auto far = distance();
    if (far.value_or(0) > 0)
      out += ", " + to_duration(*far) + (*taken_ < seen_->first ? " before what was seen here" : " after what was seen here");
    return out;
  }
  /// What it needs to settle that the report is not of this time; empty: it is.
  [[nodiscard]] std::string doubt() const {
    if (fresh()) return {};
    return "whether that still holds: the report is of " + who() + "; run lvstrace there again and give the new one";
  }
  /// An exception that had run out before anything was seen, or cannot have been there yet.
  [[nodiscard]] bool over(const ReplyWay& way) const {
    return way.redirected && way.expires && taken_ && seen_ && between(*taken_, seen_->first) > *way.expires * kSecond;
  }

  /// The entry that speaks of this client: asked for before looked at, longer before shorter.
  [[nodiscard]] const ReplyWay* way_of(const Address& client) const {
    const ReplyWay* best = nullptr;
    int best_length = -1;
    for (const ReplyWay* way : ways_) {
      for (const Prefix& prefix : way->clients) {
        if (!prefix.contains(client) || prefix.address.is_v4() != client.is_v4()) continue;
        const int length = prefix.length + (way->asked ? 256 : 0);
        if (length > best_length) {
          best = way;
          best_length = length;
        }
      }
    }
    return best;
  }

  /// The finding behind an accused entry.
  [[nodiscard]] const Finding* finding_of(const ReplyWay& way, const Address& client) const {
    const Finding* found = nullptr;
    for (const Finding& f : testimony_.report.findings) {
      if (f.code != way.code || real_server_of(f.subject) != rip_) continue;
      const auto net = f.subject.client ? parse_prefix(*f.subject.client) : std::nullopt;
      const bool same_hop = !way.gateway || !f.subject.gateway || *f.subject.gateway == to_string(*way.gateway);
      const bool same_dev = !f.subject.interface || *f.subject.interface == way.interface;
      if (net && net->contains(client)) return &f;
      if (found == nullptr && same_hop && same_dev && !net) found = &f;
    }
    return found;
  }

  /// Whether a finding of the report speaks of this client.
  [[nodiscard]] bool covers(const Finding& f, const Address& client) const {
    if (f.subject.client) {
      const auto net = parse_prefix(*f.subject.client);
      return net && net->address.is_v4() == client.is_v4() && net->contains(client) &&
             (net->length != 0 || way_of(client) == nullptr || way_of(client)->code == f.code || f.code == 206);
    }
    const ReplyWay* way = way_of(client);
    return way != nullptr && way->code == f.code;
  }

  [[nodiscard]] Evidence evidence(std::string text) const {
    Evidence e;
    e.text = std::move(text);
    e.source = testimony_.name;
    e.time = taken_;
    return e;
  }

 private:
  const Testimony& testimony_;
  Address rip_;
  std::optional<Span> seen_;
  std::optional<Timestamp> taken_;
  std::vector<const ReplyWay*> ways_;
};

void prove_first(Finding& finding, std::vector<Evidence> evidence) {
  // What packets showed stays: the clearest two of each.
  constexpr std::size_t kOwn = 5;
  if (finding.evidence.size() > kOwn) finding.evidence.resize(kOwn);
  finding.evidence.insert(finding.evidence.begin(), std::make_move_iterator(evidence.begin()),
                          std::make_move_iterator(evidence.end()));
  if (finding.evidence.size() > FindingSink::kEvidence) finding.evidence.resize(FindingSink::kEvidence);
}

class Hearing {
 public:
  Hearing(Report& report, const Scene& scene) : report_(report), witnessed_(scene.witnessed), seen_(scene.time) {
    for (const Finding& f : report.findings) {
      full_nat_ = full_nat_ || f.code == 127;
      redirects_ = redirects_ || f.code == 111 || f.code == 202;
    }
    redirects_ = redirects_ || !scene.settings_known;
  }

  void run(std::span<const Testimony> testimonies) {
    std::set<Address> cluster;
    for (const ServiceTally& service : report_.services) {
      for (const DestinationTally& d : service.destinations) cluster.insert(d.destination.rip);
    }
    // One voice for each real server: the latest word counts.
    std::map<Address, const Testimony*> speakers;
    for (const Testimony& t : testimonies) {
      const std::set<Address> about = real_servers(t);
      bool used = false;
      for (const Address& rip : about) {
        if (!cluster.empty() && !cluster.contains(rip)) continue;
        used = true;
        auto [at, made] = speakers.emplace(rip, &t);
        if (made) continue;
        const auto before = Voice(*at->second, rip, seen_).taken(), now = Voice(t, rip, seen_).taken();
        const bool later = now.value_or(0) >= before.value_or(0);
        report_.notes.push_back("Two reports speak of " + to_string(rip) + " (" + printable(at->second->name, 200) + ", " +
                                printable(t.name, 200) + "): " + printable(later ? t.name : at->second->name, 200) +
                                " is the later one and counts.");
        if (later) at->second = &t;
      }
      if (!used) unheard(t, about);
    }
    for (const auto& [rip, t] : speakers) hear(rip, Voice(*t, rip, seen_));
    finish();
  }

 private:
  static std::set<Address> real_servers(const Testimony& t) {
    std::set<Address> out;
    for (const ReplyWay& way : t.report.reply_ways) out.insert(way.real_server);
    for (const Finding& f : t.report.findings) {
      if (const auto rip = real_server_of(f.subject)) out.insert(*rip);
    }
    out.erase(Address{});
    return out;
  }

  void unheard(const Testimony& t, const std::set<Address>& about) {
    const std::string file = printable(t.name, 200);
    if (about.empty()) {
      report_.notes.push_back(file + " says nothing about any real server" +
                              (t.report.notes.empty() ? std::string(".") : ": " + t.report.notes.front()));
    } else {
      report_.notes.push_back(file + " speaks of " + some(about) + ", which " +
                              (about.size() == 1 ? "is no real server" : "are no real servers") +
                              " of these services: it is not used.");
    }
  }

  void hear(const Address& rip, const Voice& voice) {
    const auto found = witnessed_.find(rip);
    static const Witnessed kNothing;
    const Witnessed& seen = found != witnessed_.end() ? found->second : kNothing;
    std::set<const Finding*> used;
    bool named_cause = false;
    for (Finding& p : report_.findings) {
      if (!among(kExplained, p.code)) continue;
      const auto failed = seen.failed.find(p.code);
      const auto about = real_server_of(p.subject);
      if (about ? *about != rip : failed == seen.failed.end()) continue;
      // The finding may be about several real servers (a client, a gateway): then this one's word is proof, not all of its cause.
      named_cause |=
          explain(p, rip, voice, failed != seen.failed.end() ? failed->second : std::set<Address>(), about.has_value(), used);
    }
    for (Finding& p : report_.findings) {
      const auto about = real_server_of(p.subject);
      for (const Finding& f : voice.testimony().report.findings) {
        if (real_server_of(f.subject) != rip || used.contains(&f)) continue;
        const auto cip = p.subject.client ? parse_address(*p.subject.client) : std::nullopt;
        const bool same_client = p.code == 115 && cip && f.code == 303 && voice.covers(f, *cip);
        // Its gateway is the address that the director lacks, or that nobody answers for.
        const bool same_gateway =
            (p.code == 118 || p.code == 208) && p.subject.gateway && f.code == 301 && f.subject.gateway == p.subject.gateway;
        // The host is down, or its link: what its tables lack follows from that.
        const bool down = p.code == 107 && about == rip && f.code == 302;
        if (!same_client && !same_gateway && !down) continue;
        FindingSink::prove(p, voice.evidence("the report of " + to_string(rip) + " says: " + f.title));
        p.consequences.push_back({f.code, f.subject, 1});
        used.insert(&f);
      }
    }
    for (const Finding& f : voice.testimony().report.findings) {
      if (used.contains(&f) || f.code / 100 == 9 || real_server_of(f.subject) != rip) continue;
      if (f.code == 307 && named_cause) continue;  // the same way, traced
      own_finding(f, rip, voice, seen);
    }
    const std::string rip_text = to_string(rip), who = voice.who();
    heard_.push_back(who.starts_with(rip_text) ? who : rip_text + " (" + who + ")");
  }

  /// True: the report names the cause.
  bool explain(Finding& p, const Address& rip, const Voice& voice, const std::set<Address>& clients, bool alone,
               std::set<const Finding*>& used) {
    const bool v6 = !rip.is_v4();
    const auto is_director = [this](const Address& a) {
      const auto& known = report_.director.addresses;
      return std::find(known.begin(), known.end(), a) != known.end();
    };
    const bool director_known = std::any_of(report_.director.addresses.begin(), report_.director.addresses.end(),
                                            [v6](const Address& a) { return a.is_v4() != v6; });
    std::map<const Finding*, std::set<Address>> guilty;
    std::map<const ReplyWay*, std::set<Address>> right, strange;
    std::set<Address> left;  // of whom the report does not speak
    for (const Finding& f : voice.testimony().report.findings) {
      if (!among(kNaming, f.code) || f.severity == Severity::info || real_server_of(f.subject) != rip) continue;
      // A request that is dropped on arrival has no reply that could go anywhere.
      if (f.code == 206 && p.code != 102 && p.code != 214) continue;
      if (f.code != 206 && f.code != 309 && !clients.empty()) continue;  // by client, below
      if (clients.empty()) {
        if (f.severity == Severity::error) guilty[&f];
        continue;
      }
      for (const Address& client : clients) {
        if (voice.covers(f, client)) guilty[&f].insert(client);
      }
    }
    for (const Address& client : clients) {
      const ReplyWay* way = voice.way_of(client);
      if (way == nullptr) {
        left.insert(client);
      } else if (voice.over(*way)) {
        FindingSink::unchecked(p, "whether a redirect is to blame again: the report shows one for " + to_string(client) +
                                      " that had run out before anything was seen here");
      } else if (way->way == ReplyWay::Way::director ||
                 (way->way == ReplyWay::Way::gateway && way->gateway && is_director(*way->gateway))) {
        // Somebody told lvstrace who the director is; these packets know it, too.
        (way->gateway && director_known && !is_director(*way->gateway) ? strange : right)[way].insert(client);
      } else if (const Finding* f = voice.finding_of(*way, client); f != nullptr && way->code != 0) {
        guilty[f].insert(client);
      } else if (way->way == ReplyWay::Way::gateway || way->way == ReplyWay::Way::direct) {
        strange[way].insert(client);
      } else {
        left.insert(client);
      }
    }
    for (const auto& [f, of] : guilty) {
      name_cause(p, *f, of, voice, alone);
      used.insert(f);
    }
    for (const auto& [way, of] : strange) suspect_way(p, *way, of, rip, voice, director_known);
    if (guilty.empty() && strange.empty() && !right.empty() && left.empty()) {
      acquit(p, *right.begin()->first, clients, rip, voice);
    } else if (guilty.empty() && strange.empty() && !left.empty()) {
      FindingSink::unchecked(p, "the way back to " + some(left) + ": the report of " + voice.who() +
                                    " does not speak of it; on " + to_string(rip) + ": lvstrace --client " +
                                    to_string(*left.begin()));
    }
    return !guilty.empty();
  }

  void name_cause(Finding& p, const Finding& f, const std::set<Address>& of, const Voice& voice, bool alone) {
    const Confidence sure = std::min({voice.limit(), f.confidence});
    const bool first = p.because.empty();
    Consequence because{f.code, f.subject, std::max<std::uint64_t>(of.size(), 1)};
    p.because.push_back(std::move(because));
    const std::string source = "the report of " + voice.who();
    std::vector<Evidence> proof{voice.evidence("its own report says " + named(f.code) + ": " + f.title)};
    for (std::size_t i = 0; i < std::min<std::size_t>(f.evidence.size(), 2); ++i)
      proof.push_back(voice.evidence("... " + f.evidence[i].text));
    prove_first(p, std::move(proof));
    if (first && alone) {
      const Rule* rule = find_rule(f.code);
      p.title += "; its own report names " + (rule != nullptr ? std::string(rule->id) + ", " : std::string()) + code_name(f.code);
      const bool general = p.code == 102 || p.code == 214;  // a list of candidates, of which this is the one
      p.cause = (sure == Confidence::possible ? "The cause may be named by " : "The cause is named by ") + source + ". " +
                f.cause + (general || p.cause.empty() ? std::string() : " At the director: " + p.cause);
      if (sure != Confidence::possible && !f.cure.empty()) {
        p.cure.clear();
        p.unchecked.clear();
      }
    } else if (!alone) {
      p.cause += " Of " + f.subject.real_server.value_or("a real server") + " " + source + " names the cause: " + f.title + ".";
    } else {
      p.cause += " Also: " + f.cause;
    }
    FindingSink::cure(p, f.cure);
    // What the report does not know, this does not know either.
    for (const std::string& question : f.unchecked) {
      // ... but for whose address requests carry: the director's packets show that.
      if (report_.packets.total == 0 || full_nat_ || question.find("(full NAT)") == std::string::npos)
        FindingSink::unchecked(p, question);
    }
    if (p.confidence != Confidence::certain) p.confidence = std::max(p.confidence, sure);
    if (const std::string doubt = voice.doubt(); !doubt.empty()) FindingSink::unchecked(p, doubt);
  }

  /// The report knows a way and did not know whether it is wrong; these packets know who the director is.
  void suspect_way(Finding& p, const ReplyWay& way, const std::set<Address>& of, const Address& rip, const Voice& voice,
                   bool director_known) {
    const std::string where = way.gateway ? "by " + to_string(*way.gateway) + " dev " + way.interface
                                          : "straight out of " + way.interface + ", to the client itself";
    prove_first(p, {voice.evidence("its own report says: replies to " + some(of) + " leave " + where +
                                   (way.route.empty() ? std::string() : " (" + way.route + ")"))});
    if (way.gateway && !director_known) {
      FindingSink::unchecked(p, "whether " + to_string(*way.gateway) + ", by which " + to_string(rip) +
                                    " sends its replies according to the report of " + voice.who() + ", is the director");
      return;
    }
    p.cause += " The report of " + voice.who() + " says where: replies to " + some(of) + " leave " + where;
    if (way.gateway) {
      p.cause += ", which is no address of this director that is known here.";
      FindingSink::unchecked(p, "whether " + to_string(*way.gateway) + " is an address of the director all the same");
    } else {
      p.cause += ", past any director.";
      p.because.push_back({303, Subject{}, std::max<std::uint64_t>(of.size(), 1)});
      p.because.back().subject.real_server = to_string(rip);
    }
    if (const std::string doubt = voice.doubt(); !doubt.empty()) FindingSink::unchecked(p, doubt);
  }

  /// The report finds the way of all these clients right.
  static void acquit(Finding& p, const ReplyWay& way, const std::set<Address>& clients, const Address& rip, const Voice& voice) {
    const std::string says = "replies from " + to_string(rip) + " to " + some(clients) + " leave by " +
                             (way.gateway ? to_string(*way.gateway) : std::string("the director")) + " dev " + way.interface +
                             ", the director";
    prove_first(p, {voice.evidence("its own report says: " + says)});
    if (p.code == 102 || p.code == 214) {
      if (voice.fresh()) {
        p.cause = "The request reached the wire towards " + to_string(rip) +
                  " and no reply came back to the director. Its routes are not to blame, says the report of " + voice.who() +
                  ": " + says +
                  ". Left are: its firewall drops packets from clients (a rule for the director alone is not enough); "
                  "nothing accepts there (a full accept queue, a program that hangs); the request does not arrive (switch, VLAN, "
                  "anti-spoofing); or a route that came and went.";
        std::erase_if(p.cure, [](const Cure& c) { return c.where == Where::real_server; });
        FindingSink::cure(
            p, {Where::real_server, "nft list ruleset; ss -lnt; nstat -az TcpExtListenOverflows TcpExtIPReversePathFilter",
                std::nullopt});
        std::erase_if(p.unchecked, [](const std::string& u) { return u.starts_with("lvstrace "); });
      } else {
        FindingSink::unchecked(p, "the way back: " + says + ", but that is the report of " + voice.who() +
                                      "; run lvstrace there again, while it fails");
      }
      return;
    }
    FindingSink::unchecked(p,
                           "why the report of " + voice.who() + " contradicts these packets: it says that " + says +
                               ". Packets show what happened; a redirect's exception or a route may have come and gone since, a "
                               "rule may ask for a mark or port, or the report is of another network namespace. On " +
                               to_string(rip) + ": lvstrace -i " +
                               (way.interface.empty() ? std::string("IF") : cures::shell_word(way.interface)) + " --client " +
                               (clients.empty() ? std::string("CIP") : to_string(*clients.begin())) + " while it fails");
  }

  /// What packets say nothing about, or the contrary.
  void own_finding(const Finding& f, const Address& rip, const Voice& voice, const Witnessed& seen) {
    if (f.subject.client) {
      // It was over before anything was seen here.
      const auto net = parse_prefix(*f.subject.client);
      const ReplyWay* way = net ? voice.way_of(net->address) : nullptr;
      if (f.code == 304 && way != nullptr && voice.over(*way)) return;
    }
    Finding own = f;
    own.connections.clear();
    own.legs.reset();
    own.confidence = std::min(own.confidence, voice.limit());
    for (Evidence& e : own.evidence) {
      e.frame.reset();
      e.source = voice.testimony().name;
      if (!e.time) e.time = voice.taken();
    }
    const std::string doubt = voice.doubt();
    if (!doubt.empty()) FindingSink::unchecked(own, doubt);
    if (f.code == 306 && !redirects_) {
      own.severity = Severity::info;
      own.cause += " This director sends none: its settings were read.";
    }
    if (among(kNaming, f.code)) {
      std::set<Address> contrary;
      for (const Address& client : seen.answered) {
        if (voice.covers(f, client)) contrary.insert(client);
      }
      if (full_nat_) {
        own.severity = Severity::info;
        own.confidence = std::min(own.confidence, Confidence::likely);
        own.cause +=
            " Here requests reach the real servers from the director's own address (full NAT, LVS127), so the way to "
            "clients is not used.";
      } else if (!contrary.empty()) {
        own.severity = std::min(own.severity, Severity::warning);
        own.confidence = Confidence::possible;
        own.cause = "The report of " + voice.who() + " and the packets contradict each other: connections of " + some(contrary) +
                    " with " + to_string(rip) + " came back through the director. By the report: " + own.cause;
        FindingSink::unchecked(own, "which of the two is of today: run lvstrace on " + to_string(rip) + " again");
      } else if (report_.packets.total != 0) {
        FindingSink::unchecked(own, "no connection of such a client with " + to_string(rip) + " was seen here");
      }
    }
    own_.push_back(std::move(own));
  }

  void finish() {
    if (!heard_.empty()) {
      constexpr std::size_t kNamed = 8;
      std::string text = "Reports of lvstrace speak of ";
      for (std::size_t i = 0; i < std::min(heard_.size(), kNamed); ++i) text += (i == 0 ? "" : ", ") + heard_[i];
      if (heard_.size() > kNamed) text += ", and of " + std::to_string(heard_.size() - kNamed) + " more real servers";
      report_.notes.push_back(text + ".");
    }
    FindingSink sink;
    for (Finding& f : report_.findings) sink.merge(std::move(f));
    for (Finding& f : own_) sink.merge(std::move(f));
    report_.findings = sink.take();
    order_findings(report_.findings);
    bool error = false, warning = false;
    for (const Finding& f : report_.findings) {
      error = error || f.severity == Severity::error;
      warning = warning || f.severity == Severity::warning;
    }
    if (error) {
      report_.verdict = Verdict::error;
    } else if (warning && report_.verdict == Verdict::ok) {
      report_.verdict = Verdict::warning;
    }
  }

  Report& report_;
  const std::map<Address, Witnessed>& witnessed_;
  std::optional<Span> seen_;
  std::vector<Finding> own_;
  bool full_nat_ = false;
  bool redirects_ = false;  // the director sends redirects, or may
  std::vector<std::string> heard_;
};

}  // namespace

void hear(Report& report, std::span<const Testimony> testimonies, const Scene& scene) {
  if (!testimonies.empty()) Hearing(report, scene).run(testimonies);
}

}  // namespace lvsnat::wayback
