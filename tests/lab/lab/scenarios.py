"""The scenario table.  Each function mutates a topology; get(name) returns a fresh Scn.

name may be the number ("37"), the directory name, or an unambiguous part of it.
"""
import topo
from collections import OrderedDict

TABLE = OrderedDict()
SCTP = 132


class Scn:
    def __init__(self, nn, topology, fault):
        self.nn, self.topology, self.fault = nn, topology, fault
        self.dirname = '%s-%s-%s' % (nn, topology, fault)
        self.net = topo.TOPO[topology]()
        self.traffic = None
        self.warm, self.warm_wait, self.after_warm = {}, None, []
        self.events, self.modules = [], []
        self.ftp_mod = False
        self.settle = 0.3
        self.trace = True
        self.culprit = None
        self.explanation = self.cure = self.experience = ''
        self.expect = ''  # outcome rule checked by verify.py
        self.legs = {}  # expected legs of the failing (or, when healthy, all) connections at the director
        self.notes = []


def scn(nn, topology, fault, tag=None):
    def deco(fn):
        d = '%s-%s-%s' % (nn, topology, tag or fault)
        TABLE[d] = (nn, topology, fault, tag, fn)
        return fn

    return deco


def resolve(name):
    if name in TABLE:
        return name
    c = (
        [d for d in TABLE if d.split('-')[0] == name]
        or [d for d in TABLE if d.split('-', 1)[1] == name]
        or [d for d in TABLE if name in d]
    )
    if len(c) != 1:
        raise SystemExit('scenario %r: %s' % (name, 'unknown' if not c else 'ambiguous: ' + ' '.join(c)))
    return c[0]


def get(name):
    nn, topology, fault, tag, fn = TABLE[resolve(name)]
    S = Scn(nn, topology, fault)
    if tag:
        S.dirname = '%s-%s-%s' % (nn, topology, tag)
    fn(S, S.net)
    if S.traffic is None:
        S.traffic = {'client': default(S.net)}
    return S


# ---------------------------------------------------------------- traffic helpers
def tcp(n, t, **k):
    d = dict(op='tcp', t=t, dst=n.vip, dport=n.vport)
    d.update(k)
    return d


def default(n, shorts=6, **k):
    """six short connections 0.3 s apart and one longer one (5 requests, 0.5 s apart)"""
    L = [tcp(n, 0.3 * i, size=2000 + 700 * i, **k) for i in range(shorts)]
    L.append(tcp(n, 0.2, reqs=5, gap=0.5, size=2500, kind='long', **k))
    return L


def two_net_all(n):
    return {'eth0': ['CIP->VIP', 'VIP->CIP'], 'eth1': ['CIP->RIP', 'RIP->CIP']}


OK2 = {'eth0': ['CIP->VIP', 'VIP->CIP'], 'eth1': ['CIP->RIP', 'RIP->CIP']}
OK1 = {'eth0': ['CIP->VIP', 'CIP->RIP', 'RIP->CIP', 'VIP->CIP']}
NOREPLY2 = {'eth0': ['CIP->VIP'], 'eth1': ['CIP->RIP']}
NOREWRITE2 = {'eth0': ['CIP->VIP'], 'eth1': ['CIP->RIP', 'RIP->CIP']}


def healthy(S, legs=OK2, expl='', exper='every connection worked'):
    S.expect, S.legs, S.explanation, S.cure, S.experience = (
        'all:worked',
        legs,
        expl
        or (
            'Healthy LVS-NAT: each request CIP->VIP is rewritten to CIP->RIP, each reply RIP->CIP '
            'comes back through the director and leaves as VIP->CIP.'
        ),
        'nothing to cure',
        exper,
    )


# ================================================================ healthy
@scn('01', 'two-net', 'none')
def _(S, n):
    healthy(S)


@scn('03', 'one-net', 'none')
def _(S, n):
    healthy(
        S,
        OK1,
        (
            'One-net LVS-NAT done right: send_redirects is 0 on the director (all, default, eth0), '
            'real servers have no link route to the LAN, only a host route to the director and a '
            'default route through it. All four legs cross the one NIC of the director.'
        ),
    )


@scn('05', 'single-nic', 'none')
def _(S, n):
    healthy(S, OK1, 'Two logical networks on one wire, the director has both on eth0, send_redirects off on the director.')


@scn('09', 'ipv6', 'none')
def _(S, n):
    healthy(S, OK2, 'IPv6 LVS-NAT.')


@scn('10', 'two-net', 'none', 'none-port-remap')
def _(S, n):
    n.rport = 8000
    for h in n.rs:
        h.servers = [('tcp', 8000)]
    healthy(S, OK2, 'Port remapping: VIP:80 is sent to RIP:8000.')


@scn('11', 'two-net', 'none', 'none-udp-dns')
def _(S, n):
    n.ipvs = ['-A -u 192.168.1.110:53 -s rr'] + ['-a -u 192.168.1.110:53 -r %s:53 -m -w 1' % r for r in n.rips]
    n.vport, n.proto = 53, '-u'
    for h in n.rs:
        h.servers = [('udp', 53)]
    S.traffic = {'client': [dict(op='udp', t=0.3 * i, dst=n.vip, dport=53, reqs=3, gap=0.3) for i in range(6)]}
    healthy(S, OK2, 'UDP (DNS-like) service on VIP:53.')


@scn('13', 'two-net', 'none', 'none-fwmark')
def _(S, n):
    n.ipvs = ['-A -f 1 -s rr'] + ['-a -f 1 -r %s:0 -m -w 1' % r for r in n.rips]
    n['director'].nft = (
        'table ip mangle { chain prerouting { type filter hook prerouting priority mangle; policy '
        'accept;\n ip daddr 192.168.1.110 tcp dport { 80, 443 } meta mark set 1\n }\n}\n'
    )
    for h in n.rs:
        h.servers = [('tcp', 80), ('tcp', 443)]
    S.traffic = {'client': default(n) + [tcp(n, 0.5 + 0.3 * i, dport=443) for i in range(3)]}
    healthy(S, OK2, 'Firewall-mark service: nft marks VIP:80 and VIP:443 with 1, ipvsadm -f 1.')


def ftp(S, n, passive, mod, ct):
    S.ftp_mod = mod
    n.vport = 21
    n.ipvs = ['-A -t 192.168.1.110:21 -s rr'] + ['-a -t 192.168.1.110:21 -r %s:21 -m -w 1' % r for r in n.rips]
    n['director'].sysctl['net.ipv4.vs.conntrack'] = ct
    for h, ip in zip(n.rs, n.rips):
        h.servers = [('ftp', 21, ip)]
    S.traffic = {'client': [dict(op='ftp', t=0.5 * i, dst=n.vip, dport=21, passive=passive) for i in range(4)]}


@scn('14', 'two-net', 'none', 'none-ftp-passive')
def _(S, n):
    ftp(S, n, True, True, 1)
    healthy(
        S,
        OK2,
        (
            'Passive FTP with the ip_vs_ftp helper loaded and net.ipv4.vs.conntrack=1: the 227 reply '
            'is rewritten to VIP and the data connection is expected.'
        ),
    )


@scn('17', 'two-net', 'udp-ops-replies-not-rewritten')
def _(S, n):
    n.ipvs = ['-A -u 192.168.1.110:53 -s rr -o'] + ['-a -u 192.168.1.110:53 -r %s:53 -m -w 1' % r for r in n.rips]
    n.vport, n.proto = 53, '-u'
    for h in n.rs:
        h.servers = [('udp', 53)]
    S.traffic = {'client': [dict(op='udp', t=0.3 * i, dst=n.vip, dport=53, reqs=3, gap=0.3, connect=True) for i in range(4)]}
    S.culprit = 'director'
    S.explanation = (
        'One-packet scheduling (-o) with masquerading: the connection entry is dropped as soon '
        'as the request packet has been forwarded.'
    )
    S.cure = 'ipvsadm -E -u 192.168.1.110:53 -s rr   # without -o/--ops (or add an SNAT rule for the replies)'


@scn('19', 'two-net', 'none', 'none-health-checks')
def _(S, n):
    S.traffic = {
        'client': default(n),
        'director': [
            dict(op='tcp', t=0.8 * i + 0.1 * j, dst=r, dport=80, size=200, kind='health-check')
            for i in range(4)
            for j, r in enumerate(n.rips)
        ],
    }
    healthy(
        S,
        OK2,
        (
            'Health checks run besides: director 10.1.1.9 opens connections of its own straight to '
            'each RIP:80 (DIP->RIP, RIP->DIP); they are no LVS traffic and no fault.'
        ),
    )


@scn('20', 'two-net', 'none', 'none-mid-capture')
def _(S, n):
    S.warm = {'client': [tcp(n, 0.1 * i, reqs=9, gap=0.8, size=1500, kind='long') for i in range(4)]}
    S.warm_wait = 2.5
    S.traffic = {'client': [tcp(n, 0.3 * i) for i in range(3)]}
    S.settle = 1
    healthy(S, OK2, 'Captures begin in the middle of four connections: no SYN is seen for those (kind "warm").')


@scn('24', 'two-net', 'none', 'none-full-nat')
def _(S, n):
    d = n['director']
    d.sysctl['net.ipv4.vs.conntrack'] = 1
    d.nft = (
        'table ip nat { chain postrouting { type nat hook postrouting priority srcnat; policy '
        'accept;\n oifname "eth1" ip daddr 10.1.1.0/24 tcp dport 80 masquerade\n }\n}\n'
    )
    for h in n.rs:
        h.routes = []
    healthy(
        S,
        {'eth0': ['CIP->VIP', 'VIP->CIP'], 'eth1': ['DIP->RIP', 'RIP->DIP']},
        (
            'Full NAT: vs.conntrack=1 and a masquerade rule on the inside interface turn requests '
            'into DIP->RIP; the real servers have no default gateway and need none. The CIP->RIP '
            'and RIP->CIP legs do not exist, rightly.'
        ),
    )


@scn('28', 'two-net', 'none', 'none-other-traffic-besides')
def _(S, n):
    n.noise = True
    n['director'].servers = [('tcp', 22)]
    S.traffic = {
        'client': default(n)
        + [tcp(n, 0.4, dport=22, kind='own-service-on-vip'), tcp(n, 0.8, dst='192.168.1.1', dport=22, kind='director-ssh')],
        'rs1': [
            tcp(n, 0.5, dst='10.1.1.9', dport=22, kind='rs-to-director'),
            tcp(n, 0.9, dst='10.1.1.3', dport=80, kind='rs-to-rs'),
        ],
        'director': [tcp(n, 0.7 * i, dst='10.1.1.3', dport=80, size=200, kind='health-check') for i in range(4)],
    }
    S.events = [
        (0.3, 'client', 'ping -n -c 3 -i 0.4 192.168.1.110'),
        (0.5, 'rs2', 'ping -n -c 2 -i 0.4 10.1.1.9'),
        (0.6, 'rs3', 'ping -n -c 2 -W 1 -i 0.4 192.168.1.254'),
    ]
    healthy(
        S,
        OK2,
        (
            'Healthy LVS with other traffic besides: ping of the VIP, an own (not balanced) service '
            'of the director on VIP:22 and on 192.168.1.1:22, real servers talking to the director '
            'and to each other, health checks, a ping of a real server to the client (goes out unmasqueraded '
            'as 10.1.1.4 and is never answered, for the client has no route back), IPv6 link-local '
            'chatter.'
        ),
    )


# ================================================================ routing faults of the real servers
@scn('30', 'two-net-router', 'rs-default-gw-not-director', 'rs-default-gw-not-director-one')
def _(S, n):
    n['rs2'].routes = ['default via 10.1.1.254']
    S.culprit = 'rs2 10.1.1.3'
    S.cure = 'rs2# ip route replace default via 10.1.1.9'


@scn('32', 'two-net', 'rs-no-default-gw')
def _(S, n):
    n['rs1'].routes = []
    S.culprit = 'rs1 10.1.1.2'
    S.cure = 'rs1# ip route add default via 10.1.1.9'


@scn('33', 'one-net', 'rs-link-route-to-client-net', 'rs-link-route-one')
def _(S, n):
    n['rs3'].routes = ['192.168.1.0/24 dev eth0 scope link', 'default via 192.168.1.9']
    S.culprit = 'rs3 192.168.1.4'
    S.cure = 'rs3# ip route del 192.168.1.0/24 dev eth0   (after: ip route add 192.168.1.9 dev eth0)'


@scn('34', 'one-net-hub', 'rs-link-route-to-client-net', 'rs-link-route-all')
def _(S, n):
    for h in n.rs:
        h.routes = ['192.168.1.0/24 dev eth0 scope link', 'default via 192.168.1.9']
    S.culprit = 'rs1 192.168.1.2, rs2 192.168.1.3, rs3 192.168.1.4'
    S.cure = 'every real server# ip route del 192.168.1.0/24 dev eth0, keeping 192.168.1.9 dev eth0'


@scn('36', 'two-net', 'rs-second-nic-on-client-net')
def _(S, n):
    n['rs1'].nic('eth1', 'out', '192.168.1.2/24')
    S.culprit = 'rs1 10.1.1.2'
    S.cure = (
        'rs1# ip addr del 192.168.1.2/24 dev eth1   (or a source rule: ip rule add from 10.1.1.2 '
        'lookup 9; ip route add default via 10.1.1.9 table 9)'
    )


def longs(n, t=0.0, reqs=6, gap=0.5):
    """three longer connections, one for each real server (rr)"""
    return [tcp(n, t + 0.05 * i, reqs=reqs, gap=gap, size=2500, kind='long') for i in range(3)]


def redirect_mix(n):
    return longs(n) + [tcp(n, 0.2 + 0.3 * i) for i in range(3)] + [tcp(n, 3.6 + 0.3 * i, kind='later') for i in range(6)]


def redirects_on(n, rs_accept=None):
    d = n['director']
    for k in list(d.sysctl):
        if k.endswith('send_redirects'):
            del d.sysctl[k]
    if rs_accept is not None:
        for h in n.rs:
            for k in ('all', 'default', 'eth0'):
                h.sysctl['net.ipv4.conf.%s.accept_redirects' % k] = rs_accept


@scn('37', 'one-net', 'icmp-redirects-on')
def _(S, n):
    redirects_on(n)
    S.traffic = {'client': redirect_mix(n)}
    S.culprit = 'director 192.168.1.9'
    S.cure = (
        'director# sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0; '
        'each RS# ip route flush cache'
    )


@scn('38', 'one-net', 'stale-redirect-exception')
def _(S, n):
    redirects_on(n)
    S.warm = {'client': longs(n)}
    S.after_warm = [
        (
            'director',
            'for d in all eth0 default; do sysctl -qw net.ipv4.conf.$d.send_redirects=0; done',
        )
    ]
    S.culprit = 'rs1 192.168.1.2, rs2 192.168.1.3, rs3 192.168.1.4'
    S.cure = 'each RS# ip route flush cache'


@scn('39', 'one-net', 'none', 'none-redirects-sent-but-not-accepted')
def _(S, n):
    redirects_on(n, 0)
    S.traffic = {'client': redirect_mix(n)}
    healthy(
        S,
        OK1,
        'The director sends ICMP redirects but the real servers have accept_redirects=0 (all and eth0): harmless, all works.',
    )


# ================================================================ director faults
@scn('42', 'two-net', 'ip-forward-off')
def _(S, n):
    n['director'].sysctl['net.ipv4.ip_forward'] = 0
    S.culprit = 'director'
    S.cure = 'director# sysctl -w net.ipv4.ip_forward=1'


@scn('43', 'two-net', 'forward-drop-replies')
def _(S, n):
    n['director'].nft = (
        'table inet filter { chain forward { type filter hook forward priority filter; policy '
        'accept;\n iifname "eth1" ip saddr 10.1.1.0/24 ip daddr 192.168.1.0/24 counter drop\n'
        ' }\n}\n'
    )
    S.culprit = 'director'
    S.cure = (
        'director# accept RIP->CIP in the forward chain: nft insert rule inet filter forward '
        'iifname eth1 ip saddr 10.1.1.0/24 accept'
    )


@scn('44', 'two-net', 'forward-policy-drop')
def _(S, n):
    n['director'].nft = (
        'table inet filter { chain forward { type filter hook forward priority filter; policy '
        'drop;\n iifname "eth0" accept\n }\n}\n'
    )
    S.culprit = 'director'
    S.cure = 'director# nft add rule inet filter forward iifname eth1 ip saddr 10.1.1.0/24 accept'


MASQ = (
    'table ip nat { chain postrouting { type nat hook postrouting priority srcnat; policy '
    'accept;\n oifname "eth0" ip saddr 10.1.1.0/24 counter masquerade\n }\n}\n'
)


@scn('45', 'two-net', 'wrong-masquerade-address', 'wrong-masquerade-address-table-cleared')
def _(S, n):
    n['director'].nft = MASQ
    S.traffic = {
        'client': [tcp(n, 0.3 * i, delay=2.5, size=3000, kind='slow-answer') for i in range(3)] + [tcp(n, 2.5, timeout=3)]
    }
    S.events = [(1.6, 'director', 'ipvsadm -C')]
    S.culprit = 'director'
    S.cure = (
        'director# restore the IPVS table (ipvsadm -R < saved rules); replies must be rewritten '
        'by IPVS, not by the masquerade rule (exclude them: ip saddr RIP tcp sport 80 return)'
    )


@scn('46', 'two-net', 'rs-host-down')
def _(S, n):
    n['rs2'].ifs['eth0']['down'] = True
    S.culprit = 'rs2 10.1.1.3'
    S.cure = 'repair the host or take it out: ipvsadm -d -t 192.168.1.110:80 -r 10.1.1.3:80'


@scn('47', 'two-net', 'rs-port-closed')
def _(S, n):
    n['rs2'].servers = []
    S.culprit = 'rs2 10.1.1.3:80'
    S.cure = 'start the service on rs2 port 80'


@scn('48', 'two-net', 'rs-firewall-drop')
def _(S, n):
    n['rs2'].nft = (
        'table inet filter { chain input { type filter hook input priority filter; policy accept;\n'
        ' tcp dport 80 counter drop\n }\n}\n'
    )
    S.culprit = 'rs2 10.1.1.3'
    S.cure = 'rs2# allow tcp dport 80 from the clients (source addresses are the CIPs, not the director)'


@scn('50', 'two-net', 'service-without-real-servers')
def _(S, n):
    n.ipvs = ['-A -t 192.168.1.110:80 -s rr']
    S.culprit = 'director'
    S.cure = 'director# ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.2:80 -m'


@scn('53', 'two-net', 'vip-missing')
def _(S, n):
    n['director'].ifs['eth0']['addrs'] = ['192.168.1.1/24']
    S.culprit = 'director'
    S.cure = 'director# ip addr add 192.168.1.110/32 dev eth0'


@scn('54', 'one-net', 'client-direct-to-rip', 'client-direct-to-rip-forwarded-service')
def _(S, n):
    S.traffic = {
        'client': [tcp(n, 0.3 * i, dst=n.rips[i % 3], kind='direct') for i in range(4)]
        + [tcp(n, 2 + 0.3 * i) for i in range(3)]
    }
    S.culprit = 'client 192.168.1.254'
    S.cure = 'connect to the VIP, not to the RIP'


@scn('55', 'one-net', 'client-direct-to-rip', 'client-direct-to-rip-nat-icmp-send')
def _(S, n):
    n['director'].sysctl['net.ipv4.vs.nat_icmp_send'] = 1
    S.traffic = {
        'client': [tcp(n, 0.3 * i, dst=n.rips[i % 3], kind='direct') for i in range(4)]
        + [tcp(n, 2 + 0.3 * i) for i in range(3)]
    }
    S.culprit = 'client 192.168.1.254'
    S.cure = 'connect to the VIP, not to the RIP'


@scn('58', 'two-net', 'rs-is-client-of-own-vip', 'hairpin-rs-is-client')
def _(S, n):
    S.traffic = {
        'client': [tcp(n, 0.3 * i) for i in range(3)],
        'rs1': [tcp(n, 1.0 + 0.3 * i, kind='hairpin') for i in range(6)],
    }
    S.culprit = 'rs1 10.1.1.2'
    S.cure = (
        'masquerade such requests at the director (vs.conntrack=1 and nft: oifname eth1 ip saddr '
        '10.1.1.0/24 masquerade), or let the real server use its local service'
    )


@scn('59', 'two-net', 'client-in-rip-network')
def _(S, n):
    c = n.host('client2', 'client')
    c.nic('eth0', 'in', '10.1.1.50/24')
    c.routes = ['default via 10.1.1.9']
    n.cips.append('10.1.1.50')
    S.traffic = {'client': [tcp(n, 0.3 * i) for i in range(3)], 'client2': [tcp(n, 0.3 * i) for i in range(4)]}
    S.culprit = 'client2 10.1.1.50'
    S.cure = (
        'move the client out of the RIP network, or masquerade it at the director (vs.conntrack=1; '
        'nft: oifname eth1 ip saddr 10.1.1.50 masquerade)'
    )


@scn('60', 'two-net-router', 'director-rp-filter')
def _(S, n):
    d = n['director']
    d.routes = ['default via 10.1.1.254']
    d.sysctl['net.ipv4.conf.all.rp_filter'] = 1
    S.culprit = 'director'
    S.cure = 'director# ip route replace default via 192.168.1.1 (its route to the client points inside), or rp_filter=2'


@scn('62', 'two-net', 'conntrack-invalid-drop')
def _(S, n):
    n['director'].nft = (
        'table inet filter { chain forward { type filter hook forward priority filter; policy '
        'accept;\n ct state invalid counter drop\n }\n}\n'
    )
    S.culprit = 'director'
    S.cure = 'director# sysctl -w net.ipv4.vs.conntrack=1  (or do not drop ct state invalid for RIP->CIP)'


@scn('63', 'two-net', 'pmtu-blackhole', 'pmtu-blackhole-download')
def _(S, n):
    n['director'].ifs['eth0']['mtu'] = 1400
    n['client'].ifs['eth0']['mtu'] = 1500
    n['rs1'].nft = (
        'table inet filter { chain input { type filter hook input priority filter; policy accept;\n'
        ' icmp type destination-unreachable counter drop\n }\n}\n'
    )
    S.traffic = {
        'client': [tcp(n, 0.3 * i, size=5000) for i in range(6)]
        + [tcp(n, 0.3 * i, size=300, kind='small-answer') for i in range(3)]
    }
    S.culprit = 'rs1 10.1.1.2'
    S.cure = 'rs1# let ICMP fragmentation-needed in (or clamp the MSS at the director)'


@scn('65', 'two-net', 'duplicate-vip', 'duplicate-vip-on-backup-director')
def _(S, n):
    b = n.host('backup', 'backup').fwd()
    b.nic('eth0', 'out', '192.168.1.11/24', '192.168.1.110/32')
    b.nic('eth1', 'in', '10.1.1.11/24')
    n['director'].post = ['tc qdisc add dev eth0 root netem delay 4ms']
    S.modules = ['sch_netem']
    S.culprit = 'backup 192.168.1.11'
    S.cure = 'backup# ip addr del 192.168.1.110/32 dev eth0'


@scn('66', 'two-net', 'ipvs-timeout-expired', 'ipvs-timeout-expired-client-talks')
def _(S, n):
    n['director'].post = ['ipvsadm --set 4 4 4']
    S.traffic = {
        'client': [tcp(n, 0.2 * i, reqs=2, gap=8, size=1500, kind='idle') for i in range(3)]
        + [tcp(n, 1 + 0.3 * i) for i in range(3)]
    }
    S.culprit = 'director'
    S.cure = 'director# ipvsadm --set 900 120 300 (longer than the idle time), or TCP keepalives shorter than the timeout'


@scn('67', 'two-net', 'ipvs-timeout-expired', 'ipvs-timeout-expired-server-talks')
def _(S, n):
    n['director'].post = ['ipvsadm --set 4 4 4']
    S.traffic = {
        'client': [tcp(n, 0.2 * i, delay=8, size=1500, timeout=12, kind='idle') for i in range(3)]
        + [tcp(n, 1 + 0.3 * i) for i in range(3)]
    }
    S.culprit = 'director'
    S.cure = 'director# ipvsadm --set 900 120 300 (longer than the idle time)'


@scn('70', 'two-net', 'forwarding-method-dr')
def _(S, n):
    n.fwdflag = '-g'
    S.culprit = 'director'
    S.cure = 'director# ipvsadm -e -t 192.168.1.110:80 -r RIP:80 -m'


@scn('73', 'two-net', 'ftp-without-ip-vs-ftp', 'ftp-passive-without-helper')
def _(S, n):
    ftp(S, n, True, False, 0)
    S.culprit = 'director'
    S.cure = 'director# modprobe ip_vs_ftp; sysctl -w net.ipv4.vs.conntrack=1'


@scn('76', 'two-net', 'syn-flood')
def _(S, n):
    for h in n.rs:
        h.sysctl['net.ipv4.tcp_syncookies'] = 0
        h.sysctl['net.ipv4.tcp_max_syn_backlog'] = 8
        h.sysctl['net.core.somaxconn'] = 8
    n['client2'] if 'client2' in n.hosts else None
    c = n.host('client2', 'client')
    c.nic('eth0', 'out', '192.168.1.253/24')
    c.nft = (
        'table inet filter { chain output { type filter hook output priority filter; policy accept;\n'
        ' tcp flags rst counter drop\n }\n}\n'
    )
    n.cips.append('192.168.1.253')
    S.events = [(0.0, 'client2', 'timeout 6 hping3 -q -S -p 80 -i u15000 -c 330 192.168.1.110')]
    S.traffic = {'client': [tcp(n, 2 + 0.3 * i) for i in range(8)]}
    S.culprit = 'client2 192.168.1.253'
    S.cure = (
        'real servers# sysctl -w net.ipv4.tcp_syncookies=1 and a larger backlog; director: rate limit, net.ipv4.vs.drop_entry'
    )


@scn('77', 'two-net', 'rs-slow')
def _(S, n):
    n['rs3'].post = ['tc qdisc add dev eth0 root netem delay 200ms']
    S.modules = ['sch_netem']
    S.culprit = 'rs3 10.1.1.4'
    S.cure = 'look at rs3 and its link: 200 ms more than its peers'


@scn('82', 'two-net-router', 'rs-policy-routing')
def _(S, n):
    h = n['rs1']
    h.rules = ['rule add from 10.1.1.2 lookup 100 pref 1000', 'route add default via 10.1.1.254 table 100']
    S.culprit = 'rs1 10.1.1.2'
    S.cure = 'rs1# ip rule del pref 1000 (table 100 sends replies to 10.1.1.254)'


@scn('86', 'two-net', 'no-such-service')
def _(S, n):
    S.traffic = {'client': [tcp(n, 0.3 * i, dport=8080) for i in range(3)] + [tcp(n, 1 + 0.3 * i) for i in range(3)]}
    S.culprit = 'director (no IPVS service on 192.168.1.110:8080)'
    S.cure = 'director# ipvsadm -A -t 192.168.1.110:8080 -s rr; ipvsadm -a ... -m'


@scn('92', 'two-net', 'diip-missing')
def _(S, n):
    n['director'].ifs['eth1']['addrs'] = ['10.1.1.1/24']
    n.dips = ['192.168.1.1', '10.1.1.1']
    S.culprit = 'director'
    S.cure = 'director# ip addr add 10.1.1.9/24 dev eth1 (the gateway address of the real servers)'


@scn('94', 'two-net', 'local-destination')
def _(S, n):
    n.ipvs = [
        '-A -t 192.168.1.110:80 -s rr',
        '-a -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 1',
        '-a -t 192.168.1.110:80 -r 10.1.1.9:8000 -m -w 1',
    ]
    n['director'].servers = [('tcp', 8000)]
    S.culprit = 'director 10.1.1.9:8000'
    S.cure = 'none needed with a remapped port; better: let a real server do it'


@scn('95', 'two-net', 'flowtable')
def _(S, n):
    d = n['director']
    d.sysctl['net.ipv4.vs.conntrack'] = 1
    S.modules = ['nf_flow_table', 'nf_flow_table_inet', 'nft_flow_offload']
    d.nft = (
        'table inet ft { flowtable f { hook ingress priority filter; devices = { eth0, eth1 }; '
        '}\n chain forward { type filter hook forward priority filter; policy accept;\n ip protocol '
        'tcp flow add @f\n }\n}\n'
    )
    S.culprit = 'director'
    S.cure = (
        'director# do not offload forwarded replies of the service: ip saddr 10.1.1.0/24 tcp sport 80 return before flow add'
    )
