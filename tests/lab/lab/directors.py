"""Scenarios whose fault is among the director's routes, addresses, settings and rules, or in how its peers see it."""
from table import OK2, default, healthy, redirect_mix, redirects_on, scn, tcp


def nat(chain):
    return 'table ip nat {\n chain nat {\n type nat hook %s; policy accept;\n %s\n }\n}\n' % chain


@scn('201', 'two-net-router', 'rs-gateway-is-other-director')
def _(S, n):
    n['rs1'].routes = ['default via 10.1.1.254']
    S.culprit = 'rs1 10.1.1.2'
    S.cure = 'rs1# ip route replace default via 10.1.1.9'


@scn('202', 'two-net', 'rs-stale-neighbour')
def _(S, n):
    n['rs1'].post = ['ip neigh replace 10.1.1.9 lladdr 02:00:5e:00:0a:77 nud permanent dev eth0']
    S.culprit = 'rs1 10.1.1.2'
    S.cure = 'rs1# ip neigh flush to 10.1.1.9; announce the address at failover'


@scn('203', 'two-net-router', 'no-route-to-client')
def _(S, n):
    n['director'].routes = []
    S.culprit = 'director'
    S.cure = 'director# ip route add default via 192.168.1.1'


@scn('204', 'bellis', 'vip-with-wide-netmask')
def _(S, n):
    n['director'].ifs['eth0']['addrs'] = ['192.168.1.110/24']
    S.culprit = 'director'
    S.cure = 'director# ip addr add 192.168.1.110/32 dev eth0; ip addr del 192.168.1.110/24 dev eth0'


@scn('206', 'two-net', 'requests-diverted')
def _(S, n):
    n['director'].nft = nat(('prerouting priority dstnat', 'ip daddr 192.168.1.110 tcp dport 80 counter redirect to :8080'))
    S.culprit = 'director'
    S.cure = 'director# remove the redirect rule of the prerouting chain'


@scn('208', 'two-net-router', 'full-nat-without-conntrack')
def _(S, n):
    n['director'].nft = nat(('postrouting priority srcnat', 'oifname "eth1" ip daddr 10.1.1.0/24 counter masquerade'))
    for h in n.rs:
        h.routes = ['default via 10.1.1.254']
    S.culprit = 'rs1 10.1.1.2, rs2 10.1.1.3, rs3 10.1.1.4'
    S.cure = 'director# sysctl -w net.ipv4.vs.conntrack=1   (or the director as gateway of the real servers)'


@scn('212', 'two-net', 'vip-arp-suppressed')
def _(S, n):
    for k in ('all', 'eth0'):
        n['director'].sysctl['net.ipv4.conf.%s.arp_ignore' % k] = 8
    S.culprit = 'director'
    S.cure = 'director# sysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.eth0.arp_ignore=0'


@scn('214', 'two-net', 'forwarding-off-on-one-device')
def _(S, n):
    n['director'].post = ['sysctl -qw net.ipv4.conf.eth1.forwarding=0']
    S.culprit = 'director'
    S.cure = 'director# sysctl -w net.ipv4.conf.eth1.forwarding=1'


@scn('216', 'one-net', 'icmp-redirects-to-router')
def _(S, n):
    redirects_on(n)
    n.seg('cli')
    n['client'].ifs['eth0'].update(addrs=['172.16.5.254/24'], seg='cli')
    n['client'].routes = ['default via 172.16.5.1']
    n.host('router', 'router').fwd().nic('eth0', 'cli', '172.16.5.1/24').nic('eth1', 'lan', '192.168.1.1/24')
    n['director'].routes = ['default via 192.168.1.1']
    n.cips = ['172.16.5.254']
    S.traffic = {'client': redirect_mix(n)}
    S.culprit = 'director 192.168.1.9'
    S.cure = 'director# sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0'


@scn('221', 'two-net', 'ipvs-drops-packets')
def _(S, n):
    n['director'].post = ['sysctl -qw net.ipv4.vs.drop_packet=3 net.ipv4.vs.am_droprate=2']
    S.traffic = {'client': [tcp(n, 0.25 * i, timeout=8) for i in range(10)]}
    S.culprit = 'director'
    S.cure = 'director# sysctl -w net.ipv4.vs.drop_packet=0'


@scn('222', 'two-net', 'backup-only')
def _(S, n):
    n['director'].post = ['ipvsadm --start-daemon backup --mcast-interface eth1', 'sysctl -qw net.ipv4.vs.backup_only=1']
    S.culprit = 'director'
    S.cure = 'director# sysctl -w net.ipv4.vs.backup_only=0'


@scn('223', 'two-net', 'none', 'none-persistent')
def _(S, n):
    n.ipvs = ['-A -t 192.168.1.110:80 -s rr -p 50'] + ['-a -t 192.168.1.110:80 -r %s:80 -m -w 1' % r for r in n.rips]
    healthy(S, OK2, 'A persistent service: one real server gets every connection of a client.')


@scn('224', 'two-net', 'none', 'none-director-is-client')
def _(S, n):
    S.traffic = {'client': default(n), 'director': [tcp(n, 0.5 + 0.4 * i) for i in range(4)]}
    healthy(S, OK2, 'The director connects to its own VIP besides: legs 1 and 4 of these never cross a wire.')


@scn('225', 'ipv6', 'ip-forward-off')
def _(S, n):
    n['director'].sysctl['net.ipv6.conf.all.forwarding'] = 0
    S.culprit = 'director'
    S.cure = 'director# sysctl -w net.ipv6.conf.all.forwarding=1'


@scn('229', 'vlan', 'forward-drop-replies')
def _(S, n):
    n['director'].nft = (
        'table inet filter { chain forward { type filter hook forward priority filter; policy accept;\n'
        ' iifname "eth0.20" tcp sport 80 counter drop\n }\n}\n'
    )
    S.culprit = 'director'
    S.cure = 'director# accept RIP->CIP in the forward chain'
