#include "rules/explain.h"

#include <algorithm>

namespace lvsnat::rules {

Finding& accuse_connection(const Facts& facts, FindingSink& sink, const Rule& rule, Subject subject, const Suspect& s,
                           Severity severity, Confidence confidence) {
  Finding& f = sink.accuse(rule, std::move(subject), severity, confidence);
  sink.claim(s.connection.record, rule.code, severity == Severity::error);
  FindingSink::cite(f, s.connection.record);
  // A connection that broke in the middle has all its legs; one that shows the break shows it better.
  const LegString legs = director_legs(facts, s);
  const auto missing = [](const LegString& l) { return std::count(l.text.begin(), l.text.end(), '-'); };
  if (f.legs && missing(legs) > missing(*f.legs)) f.legs = legs;
  if (!f.legs) {
    f.legs = legs;
    for (const Leg leg : kLegs) {
      if (s.connection.saw(leg)) FindingSink::prove(f, facts.evidence(s.connection, leg));
    }
  }
  return f;
}

Address known_gateway(const Facts& facts, const Address& rip) {
  for (const Address& a : facts.gateways) {
    if (a.is_v4() == rip.is_v4()) return a;
  }
  if (facts.state != nullptr) {
    const std::string dev = on_link_dev(*facts.state, rip);
    if (!dev.empty()) {
      if (const InterfaceAddress* a = primary_address(*facts.state, dev, !rip.is_v4())) return a->address;
    }
  }
  // An address that the director is known to hold on the real servers' side: one that its inside MAC claimed.
  for (const Claim& c : facts.claims) {
    if (facts.inside_macs.contains(c.mac) && c.address.is_v4() == rip.is_v4() && !facts.vips.contains(c.address) &&
        !c.address.is_link_local()) {
      return c.address;
    }
  }
  return {};
}

std::string gateway_address(const Facts& facts, const Address& rip) {
  const Address a = known_gateway(facts, rip);
  return a.is_none() ? std::string("the director's inside address") : to_string(a);
}

std::string service_text(const Facts& facts, const Connection& c) {
  if (const auto name = facts.service_name(c)) return *name;
  const char* protocol = c.protocol == kTcp ? "tcp:" : c.protocol == kUdp ? "udp:" : "sctp:";
  return c.vip ? protocol + to_string(*c.vip) : std::string("an unknown service");
}

std::string connection_text(const Connection& c) {
  std::string text = to_string(c.client);
  if (c.vip) text += " -> " + to_string(*c.vip);
  if (c.rip) text += " -> " + to_string(*c.rip);
  return text;
}

Address owner_of(const Facts& facts, const Mac& mac) {
  for (const Claim& c : facts.claims) {
    if (c.mac == mac && !c.address.is_link_local()) return c.address;
  }
  return {};
}

}  // namespace lvsnat::rules
