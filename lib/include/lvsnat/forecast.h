// What the director's saved tables say will become of a connection, leg by leg, before any packet is seen. Plain values; the
// member `prediction` of the JSON report. Each leg is judged for itself, as if the ones before it had passed.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "lvsnat/address.h"
#include "lvsnat/connection.h"

namespace lvsnat {

struct ForecastLeg {
  /// "passes", "dies", "may-die" (depends on something not understood or not known), "not-known" (tables were not read),
  /// "not-on-wire" (this host itself answers, or replies do not come back here).
  std::string fate = "not-known";
  /// "none", "vip-not-local", "diverted", "mark-missing", "reverse-path", "not-forwarding", "martian", "no-route",
  /// "loopback-destination", "filter".
  std::string cause = "none";
  std::string in_device, out_device;  // empty: none, or not known
  std::optional<Address> via;         // next hop of what goes out; empty: on-link
  std::string decides;                // what lets it pass, or what does not; a sentence
  std::vector<std::string> doubts;    // why it may be otherwise
};

struct Forecast {
  std::string service;  // "tcp:192.168.1.110:80"
  Endpoint real_server;
  Address client;
  bool example = false;  // `client` was not seen: it stands for any
  std::array<ForecastLeg, 4> legs;
  std::optional<bool> redirect;  // an ICMP redirect goes to the real server; empty: not known
  std::optional<Address> redirect_gateway;
};

}  // namespace lvsnat
