"""The scenarios: each function mutates a topology.

name may be the number ("37"), the directory name, or an unambiguous part of it.
"""
import changes  # these enter their scenarios in the table
import directors
import real_servers
import wires
from table import OK1, OK2, TABLE, chain, default, get, healthy, longs, resolve, scn, tcp

__all__ = ['TABLE', 'changes', 'directors', 'get', 'real_servers', 'resolve', 'wires']


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


@scn('06', 'vlan', 'none')
def _(S, n):
    healthy(S, {'eth0.10': ['CIP->VIP', 'VIP->CIP'], 'eth0.20': ['CIP->RIP', 'RIP->CIP']}, 'Two VLANs on one trunk.')


@scn('07', 'bellis', 'none')
def _(S, n):
    healthy(S, OK2, 'The VIP is the only address outside; clients come by way of a router.')


@scn('08', 'howto-test-rig', 'none')
def _(S, n):
    healthy(S, OK2, 'The test rig of the HOWTO: the client has a leg in the network of the real servers, too.')


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


@scn('21', 'two-net', 'rs-firewall-reject')
def _(S, n):
    n['rs2'].nft = chain('input', 'tcp dport 80 counter reject with icmp type admin-prohibited')
    S.culprit = 'rs2 10.1.1.3'
    S.cure = 'rs2# allow tcp dport 80 from the clients'


@scn('22', 'two-net', 'all-weights-zero')
def _(S, n):
    n.ipvs = ['-A -t 192.168.1.110:80 -s rr'] + ['-a -t 192.168.1.110:80 -r %s:80 -m -w 0' % r for r in n.rips]
    S.culprit = 'director'
    S.cure = 'director# ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -w 1'


@scn('23', 'two-net', 'rs-overloaded-threshold')
def _(S, n):
    n.ipvs = ['-A -t 192.168.1.110:80 -s rr'] + ['-a -t 192.168.1.110:80 -r %s:80 -m -w 1 -x 1 -y 1' % r for r in n.rips]
    S.traffic = {'client': longs(n, reqs=8, gap=0.8) + [tcp(n, 2 + 0.3 * i) for i in range(5)]}
    S.culprit = 'director'
    S.cure = 'director# higher thresholds: ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.2:80 -m -x 0 -y 0'


@scn('25', 'two-net-router', 'vip-missing-but-routed')
def _(S, n):
    n['director'].ifs['eth0']['addrs'] = ['192.168.1.100/24']
    n['router'].routes = ['192.168.1.110 via 192.168.1.100']
    S.culprit = 'director'
    S.cure = 'director# ip addr add 192.168.1.110/32 dev eth0'


@scn('27', 'two-net', 'rs-removed-mid-connection')
def _(S, n):
    S.traffic = {'client': longs(n, reqs=10)}
    S.events = [(2.0, 'director', 'ipvsadm -d -t 192.168.1.110:80 -r 10.1.1.3:80')]
    S.culprit = 'director'
    S.cure = 'director# drain before removing: ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.3:80 -m -w 0'


@scn('29', 'two-net', 'forwarding-method-tun')
def _(S, n):
    n.fwdflag = '-i'
    S.culprit = 'director'
    S.cure = 'director# ipvsadm -e -t 192.168.1.110:80 -r RIP:80 -m'


@scn('40', 'two-net', 'input-drop-vip')
def _(S, n):
    n['director'].nft = chain('input', 'ip daddr 192.168.1.110 tcp dport 80 counter drop')
    S.culprit = 'director'
    S.cure = 'director# accept tcp dport 80 to the VIP in the input chain'


@scn('41', 'two-net', 'output-drop-to-rip')
def _(S, n):
    n['director'].nft = chain('output', 'ip daddr 10.1.1.0/24 tcp dport 80 counter drop')
    S.culprit = 'director'
    S.cure = 'director# accept requests to the real servers in the output chain'


@scn('57', 'ipv6', 'rs-host-down')
def _(S, n):
    n['rs2'].ifs['eth0']['down'] = True
    S.culprit = 'rs2 fd00:10::3'
    S.cure = 'repair the host or take it out'


@scn('61', 'ipv6', 'rs-port-closed')
def _(S, n):
    n['rs2'].servers = []
    S.culprit = 'rs2 fd00:10::3'
    S.cure = 'start the service on rs2 port 80'


@scn('96', 'two-net', 'gateway-address-taken')
def _(S, n):
    n.host('rogue', 'other').nic('eth0', 'in', '10.1.1.9/24')
    # Real servers learn the director's MAC from its own questions; the other one has to speak up to be believed.
    S.events = [(0.8, 'rogue', 'arping -q -U -c 4 -I eth0 10.1.1.9')]
    S.culprit = 'rogue'
    S.cure = 'take 10.1.1.9 off the other host'

for name in sorted(TABLE):
    TABLE.move_to_end(name)
