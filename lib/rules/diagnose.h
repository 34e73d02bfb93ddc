// Runs the rules over the facts and puts the answer in order.
//
// A connection is explained once: rules run from the most specific fault to the least, and one that has an
// explanation claims the connection, so the same break is not told twice under two names. What follows from
// a fault stands under it as a consequence.
#pragma once

#include <vector>

#include "facts/facts.h"
#include "lvsnat/finding.h"
#include "lvsnat/report.h"
#include "rules/sink.h"

namespace lvsnat {

struct Diagnosis {
  std::vector<Finding> findings;  // most important first
  Claims claims;                  // by record: findings that accuse the connection, and whether of an error
};

Diagnosis diagnose(const Facts& facts);
/// Errors before warnings before notes; among equals the surer one, then the one that breaks more connections.
void order_findings(std::vector<Finding>& findings);
/// Verdict, tallies and topology around a diagnosis, whose findings it takes.
Report make_report(const Facts& facts, Diagnosis& diagnosis);

}  // namespace lvsnat
