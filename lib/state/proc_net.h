// Texts of /proc: ip_vs, ip_vs_conn, ip_vs_stats, ip_vs_app, route, arp, snmp, netstat, modules. Pure: text in, records
// appended. Shapes: net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_conn.c, net/ipv4/fib_trie.c, arp.c, proc.c (Linux 6.1).
// Extra columns (newer kernels, persistence engine data) are ignored.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "lvsnat/state.h"
#include "state/reading.h"

namespace lvsnat {

Reading parse_proc_ip_vs(std::string_view text, KernelState&);
/// Keeps at most kMaxIpvsConnections rows; the rest is counted as incomplete.
Reading parse_proc_ip_vs_conn(std::string_view text, KernelState&);
Reading parse_proc_ip_vs_stats(std::string_view text, KernelState&);
Reading parse_proc_ip_vs_app(std::string_view text, KernelState&);
/// IPv4 main table only, as `/proc/net/route` has it: used where no other listing is at hand, and then not "known",
/// since other tables (local, policy routing) are missing from it.
Reading parse_proc_route(std::string_view text, KernelState&);
/// /proc/net/rt_cache: the routing cache that kernels before 3.6 had, with the redirects they believed (RTCF_REDIRECTED; no
/// countdown stands there). Later kernels keep the file with its heading alone, which tells nothing: then not "known".
/// Shape: rt_cache_seq_show() of net/ipv4/route.c, Linux 3.5.
Reading parse_proc_rt_cache(std::string_view text, KernelState&);
/// Adds what neigh.json does not have.
Reading parse_proc_arp(std::string_view text, KernelState&);
Reading parse_proc_counters(std::string_view text, KernelState&);  // snmp and netstat
Reading parse_proc_modules(std::string_view text, KernelState&);
/// ip_tables_names, ip6_tables_names: a table a line.
void parse_legacy_tables(std::string_view text, bool v6, KernelState&);
/// A gap for tables whose rules nothing shows but iptables-legacy-save.
void tell_legacy_tables(bool v6, KernelState&);

/// "TCP", "UDP", "SCTP", "FWM": as the kernel writes it, and ipvsadm after it.
std::optional<ServiceProtocol> protocol_of(std::string_view word);

/// Takes what `from` tells into `into`: services and destinations that are missing are added, empty fields are filled,
/// nothing that is told already is changed. So one table read from several listings is one table.
void merge_services(std::vector<Service>& into, const std::vector<Service>& from);

}  // namespace lvsnat
