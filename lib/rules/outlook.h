// What the director's saved tables say of the connections and destinations at hand: predictions (lib/state/prediction.h) in
// the terms of rules. Made by each rule that needs it, for the time of one check. Threads: one at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/forecast.h"
#include "rules/sink.h"
#include "state/prediction.h"

namespace lvsnat::rules {

/// A destination that packets have not cleared, and what will become of a connection to it.
struct Standing {
  const Service* service = nullptr;
  const Destination* destination = nullptr;
  Prediction prediction;
  bool requests_pass = false;  // packets showed that requests reach this real server
  bool replies_pass = false;   // packets showed that its replies leave
};

class Outlook {
 public:
  static constexpr std::size_t kMost = 1'024;  // predictions made for connections in one check

  explicit Outlook(const Facts& facts) : facts_(facts) {}
  /// False without state or without its routes: then nothing can be said.
  [[nodiscard]] bool possible() const { return facts_.state != nullptr && facts_.filter != nullptr; }
  /// What the tables say of this connection, with the devices that its packets were seen on; nullptr where they say nothing.
  const Prediction* of(const Connection& connection);
  /// Every masquerading destination, for any client.
  std::vector<Standing> standing() const;

  /// The director's device that a leg's packets came in by; empty: not told by the capture.
  [[nodiscard]] std::string arrival(const Connection& connection, Leg leg) const;

 private:
  using Key = std::tuple<Address, std::uint32_t, Address, std::string, std::string>;
  const Facts& facts_;
  std::map<Key, std::optional<Prediction>> made_;
};

/// Were requests to this service captured? Then packets speak for themselves, and predictions only explain them.
bool was_tried(const Facts& facts, const Service& service);

/// The four legs of each destination, for the clients seen (a few of them) or for an example; at most 256.
std::vector<Forecast> forecasts(const Facts& facts);

/// "net.ipv4.ip_forward = 0", from the state's source.
Evidence setting(const Facts& facts, const std::string& name);
/// Words about something that stands in the state.
Evidence saved(const Facts& facts, std::string text);
/// A counter of the state, where it is known and not zero; live, where it has risen since.
std::optional<Evidence> counted(const Facts& facts, const std::string& name, const std::string& means);
/// `finding` explains what `code` would say about the same connections.
void explains(Finding& finding, int code, const Subject& subject, std::uint64_t count);
/// Did an earlier rule find this?
const Finding* found(const FindingSink& sink, int code);

/// Puts what a filter does to a leg into a finding: evidence, doubts, what would settle them.
void prove_filter(const Facts& facts, Finding& finding, const PredictedLeg& leg);

}  // namespace lvsnat::rules
