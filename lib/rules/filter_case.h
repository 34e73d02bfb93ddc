// What the three findings about filters share: a rule or policy on the director stops a leg, as connections show or as the
// tables say of every connection to a destination. One finding for each rule or policy that stops something.
#pragma once

#include "facts/signs.h"
#include "rules/outlook.h"

namespace lvsnat::rules {

struct FilterCase {
  const Rule* rule = nullptr;
  int explained = 0;                                            // the packet finding whose cause this is
  bool replies = false;                                         // legs 3 and 4, else 1 and 2
  const PredictedLeg* (*stopped)(const Prediction&) = nullptr;  // the leg that a filter stops; nullptr: none
  Missing (*missing)(const Facts&, const Suspect&) = nullptr;   // how packets show it
  /// Title, cause and cures; called once a finding.
  void (*describe)(const Facts&, Finding&, const Prediction&, const PredictedLeg&, const Service&) = nullptr;
};

void check_filter(const Facts& facts, FindingSink& sink, const FilterCase& what);

/// Leg 1 without leg 2, also where only the outside was captured and nothing ever answers.
Missing missing_demasq_or_answer(const Facts& facts, const Suspect& suspect);
/// The network that the real server is on, by the director's addresses; its full length where that is not known.
Prefix network_of(const Facts& facts, const Address& rip);
/// Chains that iptables-nft made are better changed with iptables: its command first.
void add_filter_cures(Finding& finding, std::vector<Cure> cures, const FilterEnding& ending);

}  // namespace lvsnat::rules
