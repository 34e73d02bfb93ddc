#include "rules/diagnose.h"

#include <algorithm>
#include <array>
#include <set>

#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/explain.h"
#include "rules/outlook.h"

namespace lvsnat {
namespace {

// From the most specific explanation to the least; the first that fits claims the connection. Rules that look at
// addresses and settings rather than connections may stand anywhere, but before those that build on them.
constexpr std::array kOrder{
    &rules::capture_incomplete,
    &rules::duplicate_vip,
    &rules::gateway_address_conflict,
    &rules::vip_unclaimed,
    &rules::syn_flood,
    &rules::full_nat,
    &rules::flowtable_bypasses_ipvs,
    &rules::not_nat_forwarding,
    &rules::wrong_masquerade_address,
    &rules::ftp_data_not_translated,
    &rules::path_mtu_black_hole,
    &rules::real_server_refuses,
    &rules::no_destination_available,
    &rules::no_such_service,
    &rules::vip_sent_to_other_host,
    &rules::real_server_is_its_own_client,
    &rules::client_in_real_server_network,
    &rules::icmp_redirect_sent,
    &rules::gateway_address_missing,
    &rules::gateway_unanswered,
    &rules::reply_bypasses_director,
    &rules::reply_leaves_unmasqueraded,
    &rules::connection_forgotten,
    &rules::client_bypasses_director,
    // The director's kernel: what names the cause of a swallowed request or reply.
    &rules::ip_forward_off,
    &rules::rp_filter_drops,
    &rules::conntrack_drops_replies,
    &rules::filter_drops_replies,
    &rules::filter_drops_requests,
    &rules::reply_not_masqueraded,
    &rules::real_server_unreachable,
    &rules::request_not_forwarded,
    &rules::no_reply_from_real_server,
    &rules::packet_loss,
    &rules::slow_real_server,
    &rules::send_redirects_on,
    &rules::masquerade_rule_takes_replies,
    &rules::ftp_helper_missing,
    &rules::idle_timeout_short,
    &rules::one_packet_scheduling,
    &rules::ipvs_absent,
    &rules::destination_is_local,
    &rules::one_side_only,
    &rules::no_traffic,
};

int importance(const Finding& f) {
  // Errors before warnings before notes; among equals the surer one, then the one that breaks more connections.
  return static_cast<int>(f.severity) * 4 + static_cast<int>(f.confidence);
}

}  // namespace

void order_findings(std::vector<Finding>& findings) {
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    const int x = importance(a), y = importance(b);
    if (x != y) return x > y;
    if (a.severity == Severity::error && a.count != b.count) return a.count > b.count;
    return a.code < b.code;
  });
}

Diagnosis diagnose(const Facts& facts) {
  FindingSink sink;
  for (const Rule* rule : kOrder) {
    if (rule->check != nullptr) rule->check(facts, sink);
  }
  Diagnosis d;
  d.claims = sink.take_claims();
  d.findings = sink.take();
  order_findings(d.findings);
  return d;
}

Report make_report(const Facts& facts, Diagnosis& d) {
  Report r;
  r.sources = facts.sources;
  r.origin = facts.origin;
  r.director.addresses.assign(facts.director_addresses.begin(), facts.director_addresses.end());
  r.director.outside_macs.assign(facts.outside_macs.begin(), facts.outside_macs.end());
  r.director.inside_macs.assign(facts.inside_macs.begin(), facts.inside_macs.end());
  r.director.gateways.assign(facts.gateways.begin(), facts.gateways.end());
  r.services = facts.tallies;
  r.connections = facts.connections;
  r.packets = facts.packets;
  r.prediction = rules::forecasts(facts);

  // Healthy is what has all its legs and no accusation; undecided is what this capture could not show.
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded) continue;
    const bool broken = d.claims.is_broken(c.record);
    // A handshake that the client never completed has been answered, no more.
    const bool completed =
        c.protocol != kTcp || !c.saw_syn || c.client_rtt || c.leg(Leg::request).data || c.leg(Leg::request).packets > 1;
    const bool whole = completed && c.saw(Leg::request) && c.saw(Leg::demasq) && c.saw(Leg::reply) && c.saw(Leg::masq);
    std::uint64_t ConnectionTally::*const in_all = broken  ? &ConnectionTally::broken
                                                   : whole ? &ConnectionTally::healthy
                                                           : &ConnectionTally::undecided;
    ++(r.connections.*in_all);
    if (!c.service || *c.service >= r.services.size()) continue;
    ServiceTally& service = r.services[*c.service];
    ++(broken ? service.broken : whole ? service.healthy : service.undecided);
    if (!c.rip) continue;
    DestinationTally* best = nullptr;
    for (DestinationTally& t : service.destinations) {
      if (t.destination.rip == c.rip->address && (best == nullptr || t.destination.port == c.rip->port)) best = &t;
    }
    if (best != nullptr) ++(broken ? best->broken : whole ? best->healthy : best->undecided);
  }
  r.connections.undecided += facts.suspects_left_out;

  bool error = false, warning = false;
  for (const Finding& f : d.findings) {
    error = error || f.severity == Severity::error;
    warning = warning || f.severity == Severity::warning;
  }
  const bool nothing_read = !facts.sources.empty() && std::all_of(facts.sources.begin(), facts.sources.end(),
                                                                  [](const SourceStatistics& s) { return s.refused; });
  // A state that does not tell whether there are services says nothing of them.
  const bool state_tells = facts.state != nullptr && (facts.state->known.services || !facts.services.empty());
  const bool diagnosed = r.connections.total != 0 || state_tells || error || warning;
  if (nothing_read && facts.state == nullptr) {
    r.verdict = Verdict::unknown;
  } else if (error) {
    r.verdict = Verdict::error;
  } else if (!diagnosed || (facts.state == nullptr && r.connections.total == 0)) {
    r.verdict = error                                                                      ? Verdict::error
                : warning && facts.connections.own_service + facts.connections.direct != 0 ? Verdict::warning
                                                                                           : Verdict::unknown;
  } else {
    r.verdict = warning ? Verdict::warning : Verdict::ok;
  }
  r.findings = std::move(d.findings);
  return r;
}

int exit_status(const Report& report) noexcept {
  switch (report.verdict) {
    case Verdict::ok:
      return 0;
    case Verdict::warning:
      return 1;
    case Verdict::error:
      return 2;
    case Verdict::unknown:
      return 3;
  }
  return 3;
}

}  // namespace lvsnat
