#include "rules/sink.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace lvsnat {
namespace {

/// Length-prefixed fields: no text from outside can make two subjects look alike.
std::string key_of(int code, const Subject& subject) {
  std::string key = std::to_string(code);
  for (const auto* field :
       {&subject.service, &subject.director, &subject.real_server, &subject.client, &subject.interface, &subject.gateway}) {
    key += ';';
    if (field->has_value()) {
      key += std::to_string((*field)->size());
      key += ':';
      key += **field;
    }
  }
  return key;
}

bool same_proof(const Evidence& a, const Evidence& b) { return a.text == b.text && a.source == b.source && a.frame == b.frame; }

}  // namespace

Finding& FindingSink::find_or_make(int code, Subject subject, bool& made) {
  made = false;
  std::string key = key_of(code, subject);
  if (auto it = by_subject_.find(key); it != by_subject_.end()) return findings_[it->second];
  std::size_t& subjects = subjects_of_code_[code];
  if (subjects >= kSubjects) {
    // Beyond the limit the fields that vary with traffic go first: a finding about a real server stays one per RIP as long as it
    // can.
    for (const bool keep_host : {true, false}) {
      subject.client.reset();
      subject.interface.reset();
      subject.gateway.reset();
      if (!keep_host) subject = {};
      key = key_of(code, subject);
      if (auto it = by_subject_.find(key); it != by_subject_.end()) return findings_[it->second];
      if (keep_host && subjects < 2 * kSubjects) break;
    }
  }
  ++subjects;
  made = true;
  by_subject_.emplace(std::move(key), findings_.size());
  Finding& finding = findings_.emplace_back();
  finding.code = code;
  finding.subject = std::move(subject);
  return finding;
}

Finding& FindingSink::accuse(const Rule& rule, Subject subject, Severity severity, Confidence confidence) {
  bool made = false;
  Finding& finding = find_or_make(rule.code, std::move(subject), made);
  if (made) {
    finding.severity = severity;
    finding.confidence = confidence;
    finding.title = rule.title;
  } else {
    finding.severity = std::max(finding.severity, severity);
    finding.confidence = std::max(finding.confidence, confidence);
  }
  ++finding.count;
  return finding;
}

Finding& FindingSink::merge(Finding other) {
  bool made = false;
  Finding& finding = find_or_make(other.code, other.subject, made);
  if (made) {
    finding.severity = other.severity;
    finding.confidence = other.confidence;
    finding.title = std::move(other.title);
    finding.cause = std::move(other.cause);
    finding.legs = other.legs;
  } else {
    finding.severity = std::max(finding.severity, other.severity);
    finding.confidence = std::max(finding.confidence, other.confidence);
    if (finding.cause.empty()) finding.cause = std::move(other.cause);
    if (!finding.legs) finding.legs = other.legs;
  }
  finding.count += other.count;
  for (Evidence& evidence : other.evidence) prove(finding, std::move(evidence));
  for (const std::uint32_t record : other.connections) cite(finding, record);
  cure(finding, std::move(other.cure));
  for (std::string& what : other.unchecked) unchecked(finding, std::move(what));
  const auto unite = [](std::vector<Consequence>& into, std::vector<Consequence>&& from) {
    for (Consequence& one : from) {
      const auto same = std::find_if(into.begin(), into.end(),
                                     [&](const Consequence& c) { return c.code == one.code && c.subject == one.subject; });
      if (same != into.end()) {
        same->count += one.count;
      } else if (into.size() < kConnections) {
        into.push_back(std::move(one));
      }
    }
  };
  unite(finding.consequences, std::move(other.consequences));
  unite(finding.because, std::move(other.because));
  return finding;
}

void FindingSink::claim(std::uint32_t record, int code, bool broken) {
  if (record < kRetiredIds) claimed_.insert(record);
  claims_.add(record, code, broken);
}

void FindingSink::prove(Finding& finding, Evidence evidence) {
  if (finding.evidence.size() >= kEvidence) return;
  const auto known = [&](const Evidence& e) { return same_proof(e, evidence); };
  if (std::any_of(finding.evidence.begin(), finding.evidence.end(), known)) return;
  finding.evidence.push_back(std::move(evidence));
}

void FindingSink::cite(Finding& finding, std::uint32_t record) {
  auto& records = finding.connections;
  // Records are mostly cited in rising order: a sorted list makes "once" cheap.
  const auto place = std::lower_bound(records.begin(), records.end(), record);
  if (place != records.end() && *place == record) return;
  if (records.size() >= kConnections) return;
  records.insert(place, record);
}

void FindingSink::cure(Finding& finding, Cure cure) {
  const auto known = [&](const Cure& c) { return c.where == cure.where && c.command == cure.command; };
  if (std::any_of(finding.cure.begin(), finding.cure.end(), known)) return;
  if (finding.cure.size() < kEvidence) finding.cure.push_back(std::move(cure));
}

void FindingSink::cure(Finding& finding, std::vector<Cure> cures) {
  for (Cure& one : cures) cure(finding, std::move(one));
}

void FindingSink::unchecked(Finding& finding, std::string what) {
  if (std::find(finding.unchecked.begin(), finding.unchecked.end(), what) != finding.unchecked.end()) return;
  if (finding.unchecked.size() < kEvidence) finding.unchecked.push_back(std::move(what));
}

std::vector<Finding> FindingSink::take() {
  std::vector<Finding> out(std::make_move_iterator(findings_.begin()), std::make_move_iterator(findings_.end()));
  findings_.clear();
  by_subject_.clear();
  subjects_of_code_.clear();
  // A rule may have pushed to the lists itself: the bounds hold all the same.
  for (Finding& finding : out) {
    if (finding.evidence.size() > kEvidence) finding.evidence.resize(kEvidence);
    if (finding.connections.size() > kConnections) finding.connections.resize(kConnections);
  }
  std::stable_sort(out.begin(), out.end(), [](const Finding& a, const Finding& b) { return a.code < b.code; });
  return out;
}

}  // namespace lvsnat
