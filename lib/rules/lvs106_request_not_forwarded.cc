#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

/// What the director's tables say becomes of such a request, where it is nothing that has a finding of its own.
bool explain(const Facts& facts, Finding& f, const Prediction& p, const std::string& vip) {
  const PredictedLeg& request = p.leg(Leg::request);
  const PredictedLeg& demasq = p.leg(Leg::demasq);
  const PredictedLeg* dies = request.fate == LegFate::dies ? &request : demasq.fate == LegFate::dies ? &demasq : nullptr;
  if (dies == nullptr) return false;
  const std::string rip = to_string(p.rip.address);
  const std::string ip = p.rip.address.is_v4() ? "ip" : "ip -6";
  switch (dies->cause) {
    case LegCause::diverted:
      f.title = "Requests to " + vip + " are taken away before IPVS sees them";
      f.cause =
          "A rule of the director gives them another destination in prerouting; IPVS comes later, at input, and looks "
          "for a service of that one.";
      f.cure.push_back(Cure{Where::director,
                            "nft -a list ruleset   # remove that rule, or let it leave out the service's address",
                            "/etc/nftables.conf, or whoever loads the rule"});
      break;
    case LegCause::mark_missing:
      f.title = "Requests to " + vip + " do not get the mark of their service";
      f.cause = "The service is keyed by a firewall mark, and no rule gives these requests that mark.";
      f.cure.push_back(
          Cure{Where::director, "nft list ruleset | grep -i mark; iptables -t mangle -nvL PREROUTING", std::nullopt});
      break;
    case LegCause::no_route:
      f.title = "The director has no route to the real server " + rip;
      f.cause = "IPVS takes the request and has no route to send it on by.";
      f.cure.push_back(Cure{Where::director, ip + " route get " + rip + "   # must name the inside interface", std::nullopt});
      break;
    case LegCause::martian:
      f.title = "The director takes requests to " + vip + " for martians";
      f.cause = "Their source is an address that cannot come in there: one of the director's own, or one that no host may have.";
      break;
    case LegCause::loopback_destination:
      f.title = "IPVS does not rewrite to the loopback address " + rip;
      f.cause = "The real server is an address of 127/8, which only connections of the director itself may be rewritten to.";
      f.cure.push_back(Cure{Where::director, "ipvsadm -Ln   # a real server needs an address of its own", std::nullopt});
      break;
    default:
      return false;
  }
  f.evidence.insert(f.evidence.begin(), saved(facts, dies->decides));
  if (f.evidence.size() > FindingSink::kEvidence) f.evidence.pop_back();
  for (const std::string& doubt : dies->doubts) FindingSink::unchecked(f, doubt);
  return true;
}

/// Settings with which the director may drop any request, now and then or all of them.
void prove_defence(const Facts& facts, Finding& f) {
  if (facts.state == nullptr) return;
  for (const char* name : {"net.ipv4.vs.drop_packet", "net.ipv4.vs.secure_tcp"}) {
    if (sysctl_number(*facts.state, name).value_or(0) == 0) continue;
    FindingSink::prove(f, setting(facts, name));
    FindingSink::cure(f, Cure{Where::director, std::string("sysctl -w ") + name + "=0",
                              std::string("/etc/sysctl.d/60-lvs-nat.conf: ") + name + " = 0"});
  }
  const auto count = sysctl_number(*facts.state, "net.netfilter.nf_conntrack_count");
  const auto most = sysctl_number(*facts.state, "net.netfilter.nf_conntrack_max");
  if (count && most && *most > 0 && *count >= *most * 95 / 100) {
    FindingSink::prove(
        f, saved(facts, "net.netfilter.nf_conntrack_count = " + std::to_string(*count) + " of at most " + std::to_string(*most) +
                            (*count >= *most ? ": the table is full" : ": the table is nearly full")));
    FindingSink::cure(
        f, Cure{Where::director, "sysctl -w net.netfilter.nf_conntrack_max=" + std::to_string(std::max(*most * 4, 262'144LL)),
                "/etc/sysctl.d/60-lvs-nat.conf"});
  }
}

bool explained_by_settings(const LegCause cause) {
  return cause == LegCause::diverted || cause == LegCause::mark_missing || cause == LegCause::no_route ||
         cause == LegCause::martian;  // loopback_destination: LVS215
}

/// Before anybody tries: destinations that no request can get to.
void check_settings(const Facts& facts, const Outlook& outlook, FindingSink& sink) {
  if (!outlook.possible()) return;
  for (const Standing& s : outlook.standing()) {
    const Prediction& p = s.prediction;
    const bool request = p.leg(Leg::request).fate == LegFate::dies;
    if (!request && p.leg(Leg::demasq).fate != LegFate::dies) continue;
    if (!explained_by_settings(p.leg(request ? Leg::request : Leg::demasq).cause) || was_tried(facts, *s.service)) continue;
    Subject subject;
    subject.service = p.service;
    if (!request) subject.real_server = to_string(p.rip.address);
    Finding& f = sink.accuse(request_not_forwarded, subject, Severity::error, Confidence::likely);
    if (!f.cause.empty()) {
      --f.count;  // one setting, however many destinations it concerns
    } else if (explain(facts, f, p, to_string(p.vip.address))) {
      FindingSink::unchecked(f, "a connection from a client while lvsdiag watches");
    }
  }
}

void check(const Facts& facts, FindingSink& sink) {
  Outlook outlook(facts);
  check_settings(facts, outlook, sink);
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || sink.is_claimed(c.record) || !c.saw(Leg::request) || !c.service) continue;
    if (c.saw(Leg::masq) && c.leg(Leg::masq).data) continue;  // answered all the same (a local service, another director)
    const Missing missing = missing_demasq(facts, s);
    // Only the outside was captured: that nobody answers is certain, where it stops is not.
    const LegCount& request = c.leg(Leg::request);
    const bool unanswered_outside = !facts.inside_captured && !c.saw(Leg::masq) && c.protocol == kTcp &&
                                    request.unanswered >= 2 && request.last - request.first >= kSecond * 9 / 10;
    if (!missing && !unanswered_outside) continue;
    if (c.leg(Leg::masq).rst || c.state == ConnectionState::reset) continue;
    Subject subject;
    subject.service = service_text(facts, c);
    // What let the first packets pass would have let the repeats pass, too: a capture that missed some looks the same.
    const bool at_first = missing && c.saw(Leg::demasq);
    const Confidence confidence = missing && !at_first ? std::min(missing.confidence, Confidence::likely) : Confidence::possible;
    Finding& f = accuse_connection(facts, sink, request_not_forwarded, subject, s, Severity::error, confidence);
    if (!f.cause.empty()) continue;
    const std::string vip = c.vip ? to_string(c.vip->address) : std::string("the VIP");
    if (!missing) {
      f.title = "Requests to " + vip + " get no answer";
      f.cause =
          "The client tries again and again and nothing comes back. Only the director's outside was captured, so it cannot be "
          "told whether the request was forwarded, "
          "whether a real server answered, or whether the director swallowed the reply.";
      FindingSink::unchecked(
          f,
          "a capture of the director's inside interface, taken at the same time (-r outside.pcap -r inside.pcap), or of `any`");
    } else if (at_first) {
      f.title = "Requests to " + vip + " are forwarded at first, and then no more";
      f.cause =
          "The first packets went on to a real server; later ones of the same connection were not seen to leave. Either the "
          "director drops them (IPVS defence: drop_packet; a full queue or rate limit), or they left and the capture missed "
          "them.";
      FindingSink::unchecked(f, "whether the capture is whole: tcpdump says at its end what the kernel dropped");
    } else if (const Prediction* p = outlook.of(c); p != nullptr && explain(facts, f, *p, vip)) {
      continue;
    } else {
      f.title = "Requests to " + vip + " are not forwarded to any real server";
      f.cause =
          "The request reached the director and nothing left towards a real server, with no word to the client. IPVS takes a "
          "request only after the reverse-path check and the "
          "input filter, so the usual causes are: rp_filter (the director's route to the client leads elsewhere), a rule or "
          "policy of the input or output chain, the VIP not being "
          "an address of this director, a full conntrack table, or IPVS defence (drop_packet).";
    }
    prove_defence(facts, f);
    f.cure.push_back(Cure{Where::director, "lvsdiag check   # names which of them it is", std::nullopt});
    if (facts.state == nullptr) {
      FindingSink::unchecked(f, "the director's kernel state (lvsdiag on the director, or --state)");
      FindingSink::unchecked(f,
                             "ip route get " + vip + " from " + to_string(c.client.address) +
                                 " iif OUTSIDE on the director: it must say local; \"Invalid cross-device link\" is rp_filter");
    }
  }
}

}  // namespace

constinit const Rule request_not_forwarded{
    .code = 106,
    .id = "request-not-forwarded",
    .severity = Severity::error,
    .where = "P",
    .title = "The request enters the director and nothing leaves it",
    .page = R"md(
## What it means

The client's request arrived at the director's MAC, and neither a forwarded
request, nor a refusal, nor an ARP for the real server followed. The director
swallowed it, and nothing seen so far says why. If anything did, the finding
would be another one.

## How it looks

Leg string `1---`.

    tcpdump -ni eth0 host 192.168.1.110 and port 80    # SYN at 0, 1, 3, 7 s
    tcpdump -ni eth1 host 192.168.1.254                # nothing

`ipvsadm -Lnc` usually has no entry for the client. If it has one, the request
was scheduled and died on its way out.

## How it comes about

Without an entry: the input chain drops CIP->VIP (204), which runs before IPVS;
strict rp_filter (206); the conntrack table is full; a PREROUTING DNAT, TPROXY
or eBPF program takes the packet first; IPVS defends itself (`drop_packet`); the
frame was sent to another host's MAC and only seen in promiscuous mode (120);
the firewall mark of the service is not set. With an entry: the output chain
drops CIP->RIP (204); the destination was removed and `expire_nodest_conn=0`
(112); the RIP is in 127/8 (215).

## How to check by hand

    ip route get 192.168.1.110 from 192.168.1.254 iif eth0   # must say: local
    ipvsadm -Lnc | grep 192.168.1.254
    ipvsadm -Ln --stats                                      # does InPkts grow?
    nft list ruleset; iptables -nvL INPUT; iptables -nvL OUTPUT
    nstat -az TcpExtIPReversePathFilter; dmesg | grep -i 'table full'
    sysctl net.ipv4.vs.drop_packet net.ipv4.vs.drop_entry net.ipv4.vs.secure_tcp

"Invalid cross-device link" from the first command is rp_filter.

## Cure

By cause. A filter on the way in:

    nft insert rule inet filter input ip daddr 192.168.1.110 tcp dport 80 accept

on the way out the same in chain output with `ip daddr 10.1.1.2`; keep both in
/etc/nftables.conf. rp_filter: LVS206. Table full: a larger
`net.netfilter.nf_conntrack_max` in /etc/sysctl.d.

## Nearest look-alikes

- LVS107: ARP for the RIP goes out unanswered, host unreachable after 3 s.
- LVS109: the director refuses at once with ICMP port unreachable.
- LVS110: the director's own TCP answers RST: there is no such service.
- LVS112: earlier packets of the same connection were forwarded.
- LVS125: single requests lost, others forwarded.

## What this tool needs to see to say so

A request to a known service at the director's MAC, both sides captured, nothing
dropped by the capture, and at least one unpaired retransmission (a single
unpaired packet is no absence). With kernel state it lists what that excludes
and names the cause as 203-206, 212 or 215 instead where it can. From the tables
alone, before anybody tries, it says what no request can pass: a rule that gives
them another destination, a mark that none gives, no route to the real server.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
