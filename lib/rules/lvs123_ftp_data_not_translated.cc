#include <algorithm>

#include "base/text.h"
#include "facts/facts.h"
#include "facts/signs.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

std::string what(FtpAnnouncement::Kind kind) {
  switch (kind) {
    case FtpAnnouncement::Kind::pasv_reply:
      return "227 (passive mode)";
    case FtpAnnouncement::Kind::epsv_reply:
      return "229 (extended passive mode)";
    case FtpAnnouncement::Kind::port_command:
      return "PORT";
    case FtpAnnouncement::Kind::eprt_command:
      return "EPRT";
  }
  return "an announcement";
}

void explain(Finding& f, const Facts& facts, const std::string& title, const std::string& cause) {
  if (!f.cause.empty()) return;
  f.title = title;
  f.cause = cause +
            " IPVS translates FTP's data connections only with its helper, ip_vs_ftp, which must be loaded before the control "
            "connection begins, for the control port in use, and which cannot read "
            "an encrypted control connection (FTPS).";
  FindingSink::cure(f, cures::ftp_helper());
  if (facts.state == nullptr) FindingSink::unchecked(f, "grep ip_vs_ftp /proc/modules on the director");
}

void check(const Facts& facts, FindingSink& sink) {
  for (const FtpAnnouncement& a : facts.ftp) {
    const Suspect* control = facts.find(a.record);
    if (control == nullptr || a.leg != Leg::masq || control->connection.kind != ConnectionKind::masqueraded ||
        !control->connection.vip)
      continue;
    const Connection& c = control->connection;
    Subject subject;
    subject.service = service_text(facts, c);
    if (a.kind == FtpAnnouncement::Kind::pasv_reply && a.announced.address != c.vip->address &&
        (facts.rips.contains(a.announced.address) || (c.rip && c.rip->address == a.announced.address))) {
      // Any other address may be one that a router in front of the director translates.
      Finding& f =
          accuse_connection(facts, sink, ftp_data_not_translated, subject, *control, Severity::error, Confidence::certain);
      FindingSink::prove(f, facts.evidence(a.frame,
                                           "the client is told to fetch its data from " + to_string(a.announced) +
                                               ", the real server's own address, instead of " + to_string(c.vip->address),
                                           Leg::masq));
      explain(f, facts, "FTP's passive mode tells clients the real server's address",
              "The answer " + what(a.kind) + " leaves the director with " + to_string(a.announced.address) +
                  " in it. Clients connect to that address past the director, or, where they ignore it, to a port of the VIP "
                  "that is no service.");
      continue;
    }
    if (a.kind != FtpAnnouncement::Kind::pasv_reply && a.kind != FtpAnnouncement::Kind::epsv_reply) continue;
    // The port was announced for the VIP: a data connection to it must be forwarded.
    for (const Suspect& s : facts.suspects) {
      const Connection& d = s.connection;
      if (d.client.address != c.client.address || d.vip != Endpoint{c.vip->address, a.announced.port} || d.first < a.frame.time ||
          d.saw(Leg::demasq) || sink.is_claimed(d.record))
        continue;
      const bool refused = d.leg(Leg::masq).rst && !d.leg(Leg::masq).syn;
      if (!refused && !(facts.inside_captured && d.leg(Leg::request).unanswered >= 2)) continue;
      Finding& f = accuse_connection(facts, sink, ftp_data_not_translated, subject, s, Severity::error, Confidence::certain);
      FindingSink::prove(
          f, facts.evidence(a.frame, what(a.kind) + " announces port " + std::to_string(a.announced.port), Leg::masq));
      explain(f, facts, "FTP data connections to " + to_string(c.vip->address) + " are not forwarded",
              "The real server announces port " + std::to_string(a.announced.port) +
                  "; the client's data connection to that port of the VIP is " +
                  (refused ? "refused by the director itself." : "not forwarded."));
    }
  }

  for (const FtpDataLeak& leak : facts.ftp_leaks) {
    // With one side captured it cannot be told whether it is rewritten on the way out.
    if (!leak.forwarded) continue;
    Subject subject;
    for (const Service& s : facts.services) {
      const bool serves = std::any_of(s.destinations.begin(), s.destinations.end(),
                                      [&](const Destination& d) { return d.rip == leak.rip.address; });
      if (s.protocol == ServiceProtocol::tcp && s.port == 21 && serves) subject.service = to_string(s);
    }
    if (!subject.service) continue;
    Finding& f = sink.accuse(ftp_data_not_translated, subject, Severity::error, Confidence::certain);
    FindingSink::prove(
        f, facts.evidence(leak.first, to_string(leak.rip) + " > " + to_string(leak.client) +
                                          " passes the director unrewritten, " + std::to_string(leak.packets) + " packets"));
    explain(f, facts, "FTP's active data connections leave with the real server's address",
            "The real server opens the data connection to the client (active mode) and the director passes it on with " +
                to_string(leak.rip.address) + " as source; the client expects the VIP and refuses or never sees it.");
  }
}

}  // namespace

constinit const Rule ftp_data_not_translated{
    .code = 123,
    .id = "ftp-data-not-translated",
    .severity = Severity::error,
    .where = "P",
    .title = "FTP data connections are not translated",
    .page = R"md(
## What it means

FTP carries addresses inside its control connection. Without the helper
ip_vs_ftp (or where it cannot read them) the client is told the real server's
private address, or the data connection arrives at the director and matches
nothing. Login works, `ls` and transfers hang.

## How it looks

The control connection is `1234`. In its replies, outside:

    tcpdump -nAi eth0 src host 192.168.1.110 and port 21 | grep -E '^227|^229'
    227 Entering Passive Mode (10,1,1,2,195,80)     # must say 192,168,1,110

PASV: the client then tries to connect to 10.1.1.2. EPSV (229): the client sends
SYN to VIP:50000 and gets RST from the director (110). PORT/EPRT: the real
server's SYN from port 20 leaves the director as RIP->CIP. `/proc/net/ip_vs_app`
has no line with `ftp`.

## How it comes about

ip_vs_ftp is not loaded; the service is on another port than 21; control is
encrypted (FTPS), so no helper can read it; for PORT with a dropping forward
policy, the connection from port 20 is new and not admitted.

## How to check by hand

    cat /proc/net/ip_vs_app               # TCP 21 n ftp
    lsmod | grep ip_vs_ftp
    cat /sys/module/ip_vs_ftp/parameters/ports

## Cure

    modprobe ip_vs_ftp
    echo ip_vs_ftp > /etc/modules-load.d/ip_vs_ftp.conf

Other ports: `options ip_vs_ftp ports=21,2121` in /etc/modprobe.d (at most 8).
The helper serves connections that begin after it was loaded, and works with
`net.ipv4.vs.conntrack=0`. FTPS: give the servers a fixed passive range and the
VIP as address (vsftpd `pasv_address=192.168.1.110`, `pasv_min_port`,
`pasv_max_port`), and make control and range one persistent service by firewall
mark:

    nft add rule inet mangle prerouting ip daddr 192.168.1.110 tcp dport { 21, 50000-50100 } \
      meta mark set 21
    ipvsadm -A -f 21 -s wlc -p 300; ipvsadm -a -f 21 -r 10.1.1.2 -m

(table `mangle`: any base chain `type filter hook prerouting priority mangle`.)

## Nearest look-alikes

- LVS209: the same by state, before anybody tried.
- LVS110: what an EPSV data connection alone looks like.
- LVS104: RIP->CIP outside that is no FTP data.
- LVS113: a client that follows 227 with the RIP looks like a direct connection.

## What this tool needs to see to say so

A 227, 229, PORT or EPRT on a forwarded control connection whose address is
untranslated on the other leg, or the data connection that it announces passing
untranslated. The snaplen must cover the line (`-s 0`). Encrypted control stays
unread: then only state (209) can say something.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
