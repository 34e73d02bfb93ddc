#include <utility>
#include <vector>

#include "facts/facts.h"
#include "facts/signs.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

void describe(const Facts& facts, Finding& f, const Prediction& p) {
  if (!f.cause.empty()) return;
  const PredictedLeg& reply = p.leg(Leg::reply);
  const bool v6 = !p.rip.address.is_v4();
  const DeviceSetting forwarding = effective_forwarding(*facts.state, reply.in_dev, v6);
  const std::string global = v6 ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward";
  // The device's own value is the one that counts; the global one is only a setter (IPv4).
  const bool only_device = !v6 && sysctl_number(*facts.state, global).value_or(0) != 0;
  f.title = only_device ? "IP forwarding is off on the director's inside device " + reply.in_dev
                        : "IP forwarding is off on the director" + std::string(v6 ? " (IPv6)" : "");
  f.cause = "The kernel may not forward what comes in by " + reply.in_dev + ", so replies of " + to_string(p.rip.address) +
            " die on the director before IPVS can rewrite them. "
            "Requests pass all the same: IPVS sends them on as the director's own.";
  std::vector<Evidence> packets = std::exchange(f.evidence, {});
  FindingSink::prove(f, setting(facts, global));
  if (!v6) FindingSink::prove(f, setting(facts, forwarding.device_name));
  if (auto e = counted(facts, "Ip:InAddrErrors", "packets to forward that were dropped because forwarding is off, among others"))
    FindingSink::prove(f, *e);
  for (Evidence& e : packets) FindingSink::prove(f, std::move(e));
  if (only_device) {
    const std::string key = cures::device_key(false, reply.in_dev, "forwarding");
    FindingSink::cure(f, Cure{Where::director, "sysctl -w " + key + "=1", "/etc/sysctl.d/60-lvs-nat.conf: " + key + " = 1"});
  } else {
    FindingSink::cure(f, cures::ip_forward(v6));
  }
}

Subject subject_of(const Prediction& p) {
  Subject subject;
  subject.interface = p.leg(Leg::reply).in_dev;
  return subject;
}

void check(const Facts& facts, FindingSink& sink) {
  Outlook outlook(facts);
  if (!outlook.possible()) return;
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record) || !missing_masq(facts, s)) continue;
    const Prediction* p = outlook.of(c);
    if (p == nullptr || p->leg(Leg::reply).cause != LegCause::not_forwarding) continue;
    Finding& f = accuse_connection(facts, sink, ip_forward_off, subject_of(*p), s, Severity::error, Confidence::certain);
    describe(facts, f, *p);
    Subject consequence;
    consequence.service = p->service;
    explains(f, 103, consequence, 1);
  }
  if (found(sink, 201) != nullptr) return;
  for (const Standing& s : outlook.standing()) {
    if (s.replies_pass || s.prediction.leg(Leg::reply).cause != LegCause::not_forwarding) continue;
    Finding& f = sink.accuse(ip_forward_off, subject_of(s.prediction), Severity::error, Confidence::certain);
    describe(facts, f, s.prediction);
  }
}

}  // namespace

constinit const Rule ip_forward_off{
    .code = 201,
    .id = "ip-forward-off",
    .severity = Severity::error,
    .where = "S",
    .title = "IP forwarding is off on the director",
    .page = R"md(
## What it means

The director drops replies because the kernel may not forward packets between
interfaces. Requests pass all the same: IPVS takes them from the input path and
sends them on as if they were its own. So "packets do get through" proves
nothing about forwarding.

## How it looks

Leg string `123-`. Inside the real server's SYN-ACK arrives and is repeated;
outside nothing leaves; no ICMP tells anybody. InAddrErrors grows with each
reply:

    nstat -az IpInAddrErrors

The IPVS entry stays SYN_RECV, InPkts of the destination grow, OutPkts do not.

## How it comes about

Never switched on; switched off again by a network restart, a firewall being
stopped or another file in sysctl.d; switched on for `all` but off for the
inside device. IPv6 has a setting of its own.

## How to check by hand

    sysctl net.ipv4.ip_forward net.ipv4.conf.eth1.forwarding
    sysctl net.ipv6.conf.all.forwarding
    ip route get 192.168.1.254 from 10.1.1.2 iif eth1    # "No route to host" = off

## Cure

    sysctl -w net.ipv4.ip_forward=1
    sysctl -w net.ipv6.conf.all.forwarding=1         # for IPv6 services

To stay, in /etc/sysctl.d/60-lvs-nat.conf: `net.ipv4.ip_forward = 1`, then
`sysctl --system`; `grep -r ip_forward /etc/sysctl.* /etc/ufw /usr/lib/sysctl.d`
shows who else writes it. With IPv6 forwarding on, a director that learns its
own default route from router advertisements needs `accept_ra = 2` on that
interface.

## Nearest look-alikes

- LVS203, LVS205: a filter drops the replies; InAddrErrors stays.
- LVS206: rp_filter; `ip route get` says "Invalid cross-device link".
- LVS103: the same seen in packets; this is its cause.

## What this tool needs to see to say so

The setting, read from the kernel or from `sysctl.txt`, for a family that has
services with masquerading; where the inside device is known, its own setting
counts. Destinations that are the director's own addresses need no forwarding.
Without state: LVS103 with this as a candidate.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
