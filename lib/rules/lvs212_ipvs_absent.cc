#include "facts/facts.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/outlook.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  if (facts.state == nullptr || !facts.state->known.services || !facts.state->ipvs.services.empty()) return;
  const Ipvs& ipvs = facts.state->ipvs;
  Finding& f = sink.accuse(ipvs_absent, {}, Severity::error, Confidence::certain);
  f.title = ipvs.present ? "IPVS has no service configured" : "There is no IPVS in this kernel";
  f.cause = ipvs.present ? "The IPVS table is empty: requests to a VIP are answered by the director itself, or not at all, and "
                           "replies of connections that were open leave as they are."
                         : "The kernel has no IPVS here (module not loaded or not built, or another network namespace): nothing "
                           "is forwarded to real servers.";
  FindingSink::prove(
      f,
      saved(facts, ipvs.present ? "IPVS is there" + (ipvs.version.empty() ? std::string() : " (version " + ipvs.version + ")") +
                                      ", and its table has no service"
                                : "no IPVS: /proc/net/ip_vs does not exist"));
  if (!ipvs.present) FindingSink::cure(f, cures::load_ipvs());
  FindingSink::cure(f, Cure{Where::director, "ipvsadm -R < /etc/ipvsadm.rules   # or: systemctl restart keepalived",
                            "systemctl enable keepalived; without keepalived AUTO=\"true\" in /etc/default/ipvsadm"});
  for (const Finding& other : sink.findings()) {
    if (other.code == 104 || other.code == 105 || other.code == 110 || other.code == 112)
      explains(f, other.code, other.subject, other.count);
  }
}

}  // namespace

constinit const Rule ipvs_absent{
    .code = 212,
    .id = "ipvs-absent",
    .severity = Severity::error,
    .where = "S",
    .title = "There is no IPVS on this host, or no service in it",
    .page = R"md(
## What it means

The kernel of this host has no IPVS, or its table is empty: requests to the VIP
are answered by the host itself, or not at all.

## How it looks

    ipvsadm -Ln
    Can't initialize ipvs: Protocol not available      # no module, no support
    IP Virtual Server version 1.2.1 (size=4096)        # and no line after the header
    cat /proc/net/ip_vs                                # the same; readable by all

On the wire `1---` with RST from the VIP, TTL 64 (110). After the last service
has gone, live connections leak as RIP->CIP (104): IPVS leaves the packet path.

## How it comes about

The module is not loaded (it loads with the first `ipvsadm -A` by root, not by
looking) or not built; keepalived is stopped, or failed on its configuration;
services were cleared and not restored at boot; the table lives in another
network namespace (containers, orchestrators): the files exist there, here they
are empty; or this is the wrong host of a pair.

## How to check by hand

    lsmod | grep ip_vs; zgrep IP_VS /proc/config.gz
    systemctl status keepalived ipvsadm
    ip netns list; lsns -t net           # nsenter --net=/proc/PID/ns/net ipvsadm -Ln

## Cure

    modprobe ip_vs
    ipvsadm -R < /etc/ipvsadm.rules      # or: systemctl restart keepalived

To stay: `ip_vs` in /etc/modules-load.d/ipvs.conf;
`systemctl enable keepalived`; without keepalived Debian's ipvsadm with
`AUTO="true"` in /etc/default/ipvsadm.

## Nearest look-alikes

- LVS110: other services exist; this one does not.
- LVS109: the service exists, no real server.
- No permission to read is no absence: netlink needs CAP_NET_ADMIN; the /proc
  files do not. The report says which it was.

## What this tool needs to see to say so

The live kernel without /proc/net/ip_vs, or a table (netlink, /proc, state
directory) without services. It never loads the module to find out. Not said on
a real server, nor where `-r` or `--no-state` leave the kernel out of it.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
