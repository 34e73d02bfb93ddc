// How rules put a connection into a finding: claim it, cite its packets, keep its legs. Shared by all rules.
#pragma once

#include <string>

#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/rule.h"
#include "rules/sink.h"

namespace lvsnat::rules {

/// Accuses, claims the connection, and keeps legs and (for the first connection of a finding) the legs' first
/// packets as evidence. Severity error marks the connection broken.
Finding& accuse_connection(const Facts& facts, FindingSink& sink, const Rule& rule, Subject subject, const Suspect& suspect,
                           Severity severity, Confidence confidence);

/// The director's address that real servers should use as gateway, as far as known; "DIP" in words otherwise.
std::string gateway_address(const Facts& facts, const Address& rip);
/// The same as an address, none where not known.
Address known_gateway(const Facts& facts, const Address& rip);
/// "tcp:192.168.1.110:80", by index or as "VIP:port" of the connection.
std::string service_text(const Facts& facts, const Connection& c);
/// "CIP:port -> VIP:port -> RIP:port" with what is known.
std::string connection_text(const Connection& c);
/// Who has this MAC, as an address if anything claimed it; empty otherwise.
Address owner_of(const Facts& facts, const Mac& mac);

}  // namespace lvsnat::rules
