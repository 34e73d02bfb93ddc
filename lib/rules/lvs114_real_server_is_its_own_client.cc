#include "base/text.h"
#include "facts/facts.h"
#include "lvsnat/packet.h"
#include "rules/catalog.h"
#include "rules/cure.h"
#include "rules/explain.h"

namespace lvsnat::rules {
namespace {

void check(const Facts& facts, FindingSink& sink) {
  for (const Suspect& s : facts.suspects) {
    const Connection& c = s.connection;
    if (c.kind != ConnectionKind::masqueraded || !c.rip || sink.is_claimed(c.record)) continue;
    const Missing missing = missing_reply(facts, s);
    if (!missing || !facts.rips.contains(c.client.address)) continue;
    Subject subject;
    subject.real_server = to_string(c.client.address);
    subject.client = to_string(c.client.address);
    Finding& f = accuse_connection(facts, sink, real_server_is_its_own_client, subject, s, Severity::error, missing.confidence);
    if (!f.cause.empty()) continue;
    const std::string rip = to_string(c.client.address), vip = c.vip ? to_string(c.vip->address) : std::string("the VIP");
    f.title = "The real server " + rip + " is a client of its own VIP";
    f.cause = rip + " connects to " + vip + ". When the director picks another real server, that one answers " + rip +
              " straight across their own network; when it picks " + rip +
              " itself, the request comes back with its own source address and is dropped as a martian. Either way the reply "
              "never passes the director.";
    f.cure.push_back(Cure{Where::real_server,
                          "# let programs on " + rip + " use the local service (127.0.0.1 or " + rip + ") instead of " + vip,
                          "/etc/hosts: the service's name as " + rip});
    const Address dip = known_gateway(facts, c.rip->address);
    if (c.service && *c.service < facts.services.size() && !dip.is_none())
      FindingSink::cure(f, cures::full_nat(facts.services[*c.service], dip));
  }
}

}  // namespace

constinit const Rule real_server_is_its_own_client{
    .code = 114,
    .id = "real-server-is-its-own-client",
    .severity = Severity::error,
    .where = "P",
    .title = "A real server is a client of its own cluster",
    .page = R"md(
## What it means

A real server connected to the VIP. IPVS forwards RIP1->VIP as RIP1->RIP2 with
the source kept; RIP2 finds RIP1 on its own wire and answers it directly. RIP1
never talked to RIP2 and resets. If it is scheduled to itself, the packet comes
back as RIP1->RIP1 and is dropped as martian.

## How it looks

Leg string `12--`, all of it on the inside interface:

    IP 10.1.1.2.40000 > 192.168.1.110.80: Flags [S]
    IP 10.1.1.2.40000 > 10.1.1.3.80: Flags [S]
    ARP, Request who-has 10.1.1.2 tell 10.1.1.3        # then nothing here

On RIP1 a SYN-ACK from 10.1.1.3 and RIP1's RST. Scheduled to itself: RIP1->RIP1
leaves the director and nothing answers; with n real servers one try in n.

## How it comes about

A web tier that calls an application VIP on the same servers; a real server that
uses the public name of its own service; a health check run on a real server
against the VIP.

## How to check by hand

    ipvsadm -Lnc | grep ' 10.1.1.2:'                  # source is a RIP
    ip route get 10.1.1.2 from 10.1.1.3               # on RIP2: dev, no via
    nstat -az; cat /proc/net/stat/rt_cache            # on RIP1: in_martian_src

## Cure

Hide the client for such connections only. On the director:

    sysctl -w net.ipv4.vs.conntrack=1
    iptables -t nat -A POSTROUTING -s 10.1.1.0/24 -m ipvs --vaddr 192.168.1.110/32 \
      -j SNAT --to-source 10.1.1.9

Persistent: /etc/sysctl.d/60-lvs-nat.conf and `netfilter-persistent save`. Or do
without the VIP: let real servers use `127.0.0.1` or the RIPs, or give internal
calls a service of their own with other real servers. A route does not help:
deleting the network route of the real servers would (LVS303), for all traffic
between them.

## Nearest look-alikes

- LVS115: the same mechanism with a client that is no real server.
- LVS101: the client is elsewhere and the route is wrong.
- LVS102: RIP1->RIP1 unanswered looks like a dead server.

## What this tool needs to see to say so

A request to the VIP whose source is the RIP of some destination, forwarded, and
no reply through the director although one was due. With SNAT in place (127) or
where all legs are seen it is silent.
)md",
    .check = check,
};

}  // namespace lvsnat::rules
