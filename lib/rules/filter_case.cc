#include "rules/filter_case.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "lvsnat/packet.h"
#include "rules/explain.h"
#include "state/nft_rules.h"

namespace lvsnat::rules {
namespace {

/// One subject for each rule or policy: the interface, and the service too once a second one shows up on the same interface.
class Subjects {
 public:
  Subject of(const PredictedLeg& leg, const std::string& service) {
    const std::string words = leg.filter->words();
    const auto known = by_words_.find(words);
    if (known != by_words_.end()) return known->second;
    Subject subject;
    const std::string& dev = leg.in_dev.empty() ? leg.out_dev : leg.in_dev;
    if (!dev.empty()) subject.interface = dev;
    if (!interfaces_.insert(dev).second) subject.service = service;
    by_words_.emplace(words, subject);
    return subject;
  }
  [[nodiscard]] bool knows(const PredictedLeg& leg) const { return by_words_.contains(leg.filter->words()); }

 private:
  std::map<std::string, Subject> by_words_;
  std::set<std::string> interfaces_;
};

/// A rule that stops some clients only, and has: its counter says so, and a client that may well be one of them would meet it.
bool has_dropped(const Facts& facts, const FilterCase& what, const Standing& s) {
  for (const bool near : {true, false}) {
    PredictionQuestion q;
    const Address vip = s.service->protocol == ServiceProtocol::fwmark ? s.destination->rip : s.service->vip;
    q.client.address = near ? neighbour_client(*facts.state, vip, *s.service) : example_client(*facts.state, vip);
    if (q.client.address.is_none()) continue;
    q.service = *s.service;
    q.destination = *s.destination;
    const Prediction p = predict(*facts.state, *facts.filter, q);
    const PredictedLeg* leg = what.stopped(p);
    if (leg != nullptr && leg->fate == LegFate::dies && leg->filter->packets.value_or(0) != 0) return true;
  }
  return false;
}

}  // namespace

void check_filter(const Facts& facts, FindingSink& sink, const FilterCase& what) {
  Outlook outlook(facts);
  if (!outlook.possible() || !facts.filter->known) return;
  Subjects subjects;
  std::set<std::string> told;
  const auto describe = [&](Finding& f, const Prediction& p, const PredictedLeg& leg, const Service& service) {
    if (!f.cause.empty()) return;
    // Rule and setting stand before the packets that show them.
    std::vector<Evidence> packets = std::exchange(f.evidence, {});
    prove_filter(facts, f, leg);
    what.describe(facts, f, p, leg, service);
    for (Evidence& e : packets) FindingSink::prove(f, std::move(e));
  };
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record)) continue;
    const Missing missing = what.missing(facts, s);
    if (!missing) continue;
    const Prediction* p = outlook.of(c);
    const PredictedLeg* leg = p == nullptr ? nullptr : what.stopped(*p);
    if (leg == nullptr) continue;
    // Packets and tables agree; only what is not understood or what the capture may have lost makes it less.
    const Confidence confidence =
        leg->fate == LegFate::may_die ? Confidence::possible : std::max(missing.confidence, Confidence::likely);
    Finding& f = accuse_connection(facts, sink, *what.rule, subjects.of(*leg, p->service), s, Severity::error, confidence);
    describe(f, *p, *leg, facts.services[*c.service]);
    Subject consequence;
    consequence.service = p->service;
    explains(f, what.explained, consequence, 1);
  }
  const bool traffic = facts.connections.total != 0;
  for (const Standing& s : outlook.standing()) {
    if (what.replies ? s.replies_pass : s.requests_pass) continue;
    const PredictedLeg* leg = what.stopped(s.prediction);
    if (leg == nullptr) continue;
    const bool certain = leg->fate == LegFate::dies;
    // What may be so is said only where no packet could have told.
    if (!certain && traffic) continue;
    if (subjects.knows(*leg) && !told.contains(leg->filter->words())) continue;  // packets have shown it already
    told.insert(leg->filter->words());
    const bool surely = certain || has_dropped(facts, what, s);
    Finding& f = sink.accuse(*what.rule, subjects.of(*leg, s.prediction.service), surely ? Severity::error : Severity::warning,
                             surely ? Confidence::likely : Confidence::possible);
    describe(f, s.prediction, *leg, *s.service);
  }
}

Missing missing_demasq_or_answer(const Facts& facts, const Suspect& s) {
  const Connection& c = s.connection;
  if (!c.saw(Leg::request) || (c.saw(Leg::masq) && c.leg(Leg::masq).data)) return {};
  Missing missing = missing_demasq(facts, s);
  if (missing) return missing;
  const LegCount& request = c.leg(Leg::request);
  if (!facts.inside_captured && !c.saw(Leg::masq) && c.protocol == kTcp && request.unanswered >= 2 &&
      request.last - request.first >= kSecond * 9 / 10) {
    missing.missing = true;
    missing.from_the_start = true;
    missing.confidence = Confidence::likely;
  }
  return missing;
}

Prefix network_of(const Facts& facts, const Address& rip) {
  Prefix best;
  best.address = rip;
  best.length = rip.is_v4() ? 32 : 128;
  if (facts.state == nullptr) return best;
  const InterfaceAddress* found = nullptr;
  for (const InterfaceAddress& a : facts.state->addresses) {
    const auto prefix = parse_prefix(to_string(a.peer.value_or(a.address)) + "/" + std::to_string(a.length));
    if (!prefix || !prefix->contains(rip) || (found != nullptr && found->length >= a.length)) continue;
    found = &a;
    best = *prefix;
  }
  return best;
}

void add_filter_cures(Finding& finding, std::vector<Cure> cures, const FilterEnding& ending) {
  const bool by_iptables =
      ending.family != "inet" && !ending.chain.empty() && ending.chain.front() >= 'A' && ending.chain.front() <= 'Z';
  if (by_iptables && cures.size() >= 2) std::swap(cures[0], cures[1]);
  FindingSink::cure(finding, std::move(cures));
}

}  // namespace lvsnat::rules
