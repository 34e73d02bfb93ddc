#include <algorithm>

#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  if (facts.state == nullptr || !facts.state->known.services) return;
  const KernelState& state = *facts.state;
  // A translated announcement proves a helper, wherever it comes from.
  const bool translated = std::any_of(facts.ftp.begin(), facts.ftp.end(), [&](const FtpAnnouncement& a) {
    return a.kind == FtpAnnouncement::Kind::pasv_reply && a.leg == Leg::masq && facts.vips.contains(a.announced.address);
  });
  const std::optional<bool> helper = has_ftp_helper(state, 21);
  if (translated || helper == true) return;
  for (const Service& service : state.ipvs.services) {
    const bool masquerades = std::any_of(service.destinations.begin(), service.destinations.end(),
                                         [](const Destination& d) { return d.method == Method::masq; });
    if (service.protocol != ServiceProtocol::tcp || service.port != 21 || !masquerades) continue;
    Subject subject;
    subject.service = to_string(service);
    const bool known = helper.has_value();
    Finding& f = sink.accuse(ftp_helper_missing, subject, known ? Severity::warning : Severity::info,
                             known ? Confidence::certain : Confidence::possible);
    f.title = known ? "The FTP helper is not loaded for " + *subject.service
                    : "Whether the FTP helper is loaded for " + *subject.service + " is not known";
    f.cause = known
                  ? "The module ip_vs_ftp is not loaded, or not for this port: addresses and ports that FTP announces inside its "
                    "control connection "
                    "are not translated, and data connections fail."
                  : "FTP through LVS-NAT needs the module ip_vs_ftp; neither the list of modules nor that of helpers is at hand.";
    FindingSink::prove(
        f, saved(facts, state.known.helpers ? "/proc/net/ip_vs_app has no line \"TCP 21 ... ftp\""
                        : known ? "ip_vs_ftp is not in the list of modules (" + std::to_string(state.modules.size()) + " loaded)"
                                : "service " + *subject.service));
    if (!known)
      FindingSink::unchecked(f,
                             "cat /proc/net/ip_vs_app on the director (a line \"TCP 21 n ftp\"), as `ip_vs_app` in the state "
                             "directory");
    FindingSink::cure(f, cures::ftp_helper());
    if (const Finding* broken = found(sink, 123)) explains(f, 123, broken->subject, broken->count);
  }
}

}  // namespace

constinit const Rule ftp_helper_missing{
    .code = 209,
    .id = "ftp-helper-missing",
    .severity = Severity::warning,
    .where = "S",
    .title = "The FTP helper is not loaded",
    .page = R"md(
## What it means

There is a service on port 21 and the module ip_vs_ftp is missing. Logging in
works; listings and transfers will not.

## How it looks

In the kernel:

    cat /proc/net/ip_vs_app       # no line "TCP 21 n ftp"

On the wire, once somebody tries: LVS123. PASV answers name the RIP, EPSV data
connections get a RST from the director, PORT connections leave with the RIP as
source.

## How it comes about

IPVS loads schedulers on demand, helpers never. After a reboot it is missing
again unless something loads it.

## How to check by hand

    lsmod | grep ip_vs_ftp
    cat /proc/net/ip_vs_app

## Cure

    modprobe ip_vs_ftp
    echo ip_vs_ftp > /etc/modules-load.d/ip_vs_ftp.conf

Control connections that are open already are not helped; new ones are. With a
dropping forward policy, active FTP (PORT) also needs

    nft insert rule inet filter forward iifname "eth1" ip saddr 10.1.1.0/24 tcp sport 20 accept

kept in /etc/nftables.conf.

## Nearest look-alikes

- LVS123: it has gone wrong in packets.
- LVS203: only PORT fails, PASV works: the forward policy.
- FTP over TLS: no helper can read it; a fixed passive range and a firewall-mark
  service are the way (LVS123).
- FTP on another port than 21 is not recognised by the service table; then only
  packets (LVS123) show it.

## What this tool needs to see to say so

A TCP service on port 21 and the list of modules (`/proc/modules`, or `modules`
in a state directory) or `/proc/net/ip_vs_app`. Without either it is
`unchecked`. A helper built into the kernel does not stand in the list of
modules; the app table decides where both are there.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
