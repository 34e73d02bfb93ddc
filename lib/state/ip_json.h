// iproute2's JSON (`ip -j ...`) into KernelState. Pure: text in, records appended, nothing kept. Shapes are
// those of iproute2 6.1 (ip/ipaddress.c, iproute.c, iprule.c, ipneigh.c); older ones print fewer members.
#pragma once

#include <string_view>

#include "lvsnat/state.h"
#include "state/reading.h"

namespace lvsnat {

/// `v6_hint`: what a record is of that does not say its family ("default"), as in route6.json.
Reading parse_ip_address(std::string_view json, KernelState&);              // ip -j addr: addresses, and links not known yet
Reading parse_ip_link(std::string_view json, KernelState&);                 // ip -j -d link: replaces links of the same name
Reading parse_ip_route(std::string_view json, bool v6_hint, KernelState&);  // ip -j route show table all
Reading parse_ip_rule(std::string_view json, bool v6_hint, KernelState&);   // ip -j rule
Reading parse_ip_neighbour(std::string_view json, KernelState&);            // ip -j neigh
Reading parse_ip_exceptions(std::string_view json, KernelState&);           // ip -j route show cache
/// ip -j route get; `label` names the question. A failed command's `error` is the answer.
Reading parse_ip_route_get(const CommandOutput&, std::string_view label, KernelState&);
/// `ip route show cache` as text; entries already known from JSON stay as they are.
Reading parse_route_cache_text(std::string_view text, KernelState&);

/// Adds an exception unless the same (but for its age) is there.
void add_exception(KernelState&, RouteException);
/// Routes that stand twice (route.json and route6.json) once; lifetimes are not compared, they tick. Services and real servers in
/// order of address and port, since every listing has an order of its own.
void put_in_order(KernelState&);

}  // namespace lvsnat
