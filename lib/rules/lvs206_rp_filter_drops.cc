#include <algorithm>
#include <utility>
#include <vector>

#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/filter_case.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

/// The leg that the reverse path check drops; nullptr: none.
const PredictedLeg* dropped(const Prediction& p, bool replies) {
  const PredictedLeg& leg = p.leg(replies ? Leg::reply : Leg::request);
  return leg.cause == LegCause::reverse_path ? &leg : nullptr;
}

Subject subject_of(const PredictedLeg& leg, bool replies, const Prediction& p) {
  Subject subject;
  subject.interface = leg.in_dev;
  if (replies) subject.real_server = to_string(p.rip.address);
  return subject;
}

void describe(const Facts& facts, Finding& f, const Prediction& p, const PredictedLeg& leg, bool replies) {
  if (!f.cause.empty()) return;
  const Address source = replies ? p.rip.address : p.client.address;
  const DeviceSetting setting_of = effective_rp_filter(*facts.state, leg.in_dev);
  const ReversePath& back = leg.route.reverse;
  f.title =
      "Reverse-path filtering on " + leg.in_dev + " drops " + (replies ? "replies of " : "requests from ") + to_string(source);
  f.cause = "Packets from " + to_string(source) + " come in by " + leg.in_dev + ", but the director's route to that address " +
            (back.route ? "is " + to_string(*back.route) : std::string("does not exist")) +
            ". The effective rp_filter (the larger of `all` and the device) is " +
            std::to_string(setting_of.effective.value_or(1)) + ", so the kernel drops them without a word, before any rule.";
  std::vector<Evidence> packets = std::exchange(f.evidence, {});
  FindingSink::prove(f, setting(facts, setting_of.all_name));
  FindingSink::prove(f, setting(facts, setting_of.device_name));
  if (back.route) FindingSink::prove(f, saved(facts, "route back to " + to_string(source) + ": " + to_string(*back.route)));
  if (auto e = counted(facts, "TcpExt:IPReversePathFilter", "packets that the reverse path check dropped"))
    FindingSink::prove(f, *e);
  for (Evidence& e : packets) FindingSink::prove(f, std::move(e));
  FindingSink::cure(f, Cure{Where::director,
                            "ip route get " + to_string(source) + "   # mend this route if it is wrong: it should leave by " +
                                cures::shell_word(leg.in_dev),
                            std::nullopt});
  FindingSink::cure(f, cures::rp_filter(Where::director, leg.in_dev));
}

void check(const Facts& facts, FindingSink& sink) {
  Outlook outlook(facts);
  if (!outlook.possible()) return;
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record)) continue;
    const Missing swallowed_reply = missing_masq(facts, s);
    const Missing swallowed_request = swallowed_reply ? Missing{} : missing_demasq_or_answer(facts, s);
    if (!swallowed_reply && !swallowed_request) continue;
    const Prediction* p = outlook.of(c);
    const bool replies = static_cast<bool>(swallowed_reply);
    const PredictedLeg* leg = p == nullptr ? nullptr : dropped(*p, replies);
    // Where it came in must have been seen: a guessed device proves nothing.
    if (leg == nullptr || (!replies && outlook.arrival(c, Leg::request).empty() && p->arrival_doubtful)) continue;
    const Missing& missing = replies ? swallowed_reply : swallowed_request;
    Finding& f = accuse_connection(facts, sink, rp_filter_drops, subject_of(*leg, replies, *p), s, Severity::error,
                                   std::max(missing.confidence, Confidence::likely));
    describe(facts, f, *p, *leg, replies);
    Subject consequence;
    consequence.service = p->service;
    explains(f, replies ? 103 : 106, consequence, 1);
  }
  const bool shown = found(sink, 206) != nullptr;
  for (const Standing& s : outlook.standing()) {
    for (const bool replies : {false, true}) {
      const PredictedLeg* leg = dropped(s.prediction, replies);
      if (leg == nullptr || (replies ? s.replies_pass : s.requests_pass)) continue;
      // Which way clients come is a guess once it contradicts the routes: said, but no error, and only where no packet can tell.
      const bool guess = !replies && s.prediction.arrival_doubtful;
      if (shown || (guess && facts.connections.total != 0)) continue;
      Finding& f = sink.accuse(rp_filter_drops, subject_of(*leg, replies, s.prediction),
                               guess ? Severity::warning : Severity::error, guess ? Confidence::possible : Confidence::likely);
      describe(facts, f, s.prediction, *leg, replies);
      if (guess)
        FindingSink::unchecked(f, "by which device requests from outside come in: the VIP belongs to the network of " +
                                      leg->in_dev + ", the route to distant clients leads elsewhere (a capture shows it)");
    }
  }
}

}  // namespace

constinit const Rule rp_filter_drops{
    .code = 206,
    .id = "rp-filter-drops",
    .severity = Severity::error,
    .where = "S R",
    .title = "Strict reverse-path filtering drops packets of the service",
    .page = R"md(
## What it means

The kernel drops a packet because the best route to its source leads out of
another interface than the one it came in by, and the effective rp_filter is 1.
That is the maximum of `all` and the device: 0 on one does not help if the other
is 1.

## How it looks

No ICMP, no rule counter. What grows is

    nstat -az TcpExtIPReversePathFilter

and with log_martians:
`martian source 192.168.1.110 from 192.168.1.254, on dev eth0`. On the director:
`1---` (a request from a source whose route is another uplink; on-link clients
do not even get an ARP reply for the VIP), or `123-` (a reply whose RIP is
routed elsewhere). On the real server: the request arrives and nothing leaves,
`12--`.

## How it comes about

Two uplinks, a second LAN or VPN, the VIP on another NIC; a real server whose
default route is on the management NIC. Without any route to the source even
loose filtering (2) drops. Distributions set 1 or 2 in /usr/lib/sysctl.d.

## How to check by hand

    sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.eth0.rp_filter
    ip route get 192.168.1.110 from 192.168.1.254 iif eth0   # director, request
    ip route get 192.168.1.254 from 10.1.1.2 iif eth1        # director, reply
    ip route get 10.1.1.2 from 192.168.1.254 iif eth0        # real server

"Invalid cross-device link" is this filter.

## Cure

Mend the route if it is wrong. If the path is meant to be asymmetric:

    sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.eth0.rp_filter=2

both lines in /etc/sysctl.d/60-lvs-nat.conf. On a real server loosening alone
turns a drop into a bypass: the reply leaves by the other NIC. Give it the
director as gateway (LVS301) or a source route (LVS305) too.

## Nearest look-alikes

- LVS204: a rule drops; it has a counter.
- LVS102: what a real server that drops looks like from the director.
- LVS116: the VIP is on no interface: `ip route get` is not `local`.
- Rules by firewall mark need `src_valid_mark=1` to count in the reverse lookup.

## What this tool needs to see to say so

Routes, rules and both settings, and an interface that packets come in by (seen,
or by topology); then the lookup is computed, or asked of the live kernel.
Certain when the counter grows or the packets are missing; `likely` otherwise.
On the real server, lvstrace says it. IPv6 has no rp_filter setting.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
