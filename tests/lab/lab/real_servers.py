"""Scenarios whose fault is a real server's way back."""
from table import OK1, healthy, longs, redirect_mix, redirects_off, redirects_on, scn, tcp


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
    S.after_warm = redirects_off()
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


@scn('82', 'two-net-router', 'rs-policy-routing')
def _(S, n):
    h = n['rs1']
    h.rules = ['rule add from 10.1.1.2 lookup 100 pref 1000', 'route add default via 10.1.1.254 table 100']
    S.culprit = 'rs1 10.1.1.2'
    S.cure = 'rs1# ip rule del pref 1000 (table 100 sends replies to 10.1.1.254)'




@scn('12', 'ipv6', 'rs-default-gw-not-director')
def _(S, n):
    r = n.host('router2', 'router')
    r.sysctl['net.ipv6.conf.all.forwarding'] = 1
    r.nic('eth0', 'in', 'fd00:10::fe/64')
    n['rs3'].routes = ['default via fd00:10::fe']
    S.culprit = 'rs3 fd00:10::4'
    S.cure = 'rs3# ip -6 route replace default via fd00:10::9'


@scn('15', 'two-net-router', 'rs-wrong-netmask')
def _(S, n):
    # Clients in 10.5.5.0/24, and a real server that takes all of 10.0.0.0/8 for its own wire.
    n['client'].ifs['eth0']['addrs'] = ['10.5.5.254/24']
    n['client'].routes = ['default via 10.5.5.1']
    n['router'].ifs['eth0']['addrs'] = ['10.5.5.1/24']
    n['router2'].ifs['eth1']['addrs'] = ['10.5.5.2/24']
    n.cips = ['10.5.5.254']
    n['rs2'].ifs['eth0']['addrs'] = ['10.1.1.3/8']
    S.culprit = 'rs2 10.1.1.3'
    S.cure = 'rs2# ip addr del 10.1.1.3/8 dev eth0; ip addr add 10.1.1.3/24 dev eth0; ip route add default via 10.1.1.9'


@scn('16', 'two-net-router', 'rs-default-gw-not-director', 'rs-second-default-by-metric')
def _(S, n):
    n['rs3'].routes = ['default via 10.1.1.9 metric 100', 'default via 10.1.1.254 metric 50']
    S.culprit = 'rs3 10.1.1.4'
    S.cure = 'rs3# ip route del default via 10.1.1.254 metric 50'


@scn('26', 'two-net', 'rs-rp-filter')
def _(S, n):
    # Two NICs in the director's network: requests come by one, the route back to their source leaves by the other.
    h = n['rs1']
    h.nic('eth1', 'in', '10.1.1.22/24')
    h.routes = ['default via 10.1.1.9 dev eth1']
    h.sysctl['net.ipv4.conf.all.arp_ignore'] = 1
    h.sysctl['net.ipv4.conf.all.rp_filter'] = 1
    S.culprit = 'rs1 10.1.1.2'
    S.cure = 'rs1# sysctl -w net.ipv4.conf.eth0.rp_filter=2   (or ip route replace default via 10.1.1.9 dev eth0)'


@scn('31', 'two-net-router', 'rs-default-gw-not-director', 'rs-default-gw-all')
def _(S, n):
    for h in n.rs:
        h.routes = ['default via 10.1.1.254']
    S.culprit = 'rs1 10.1.1.2, rs2 10.1.1.3, rs3 10.1.1.4'
    S.cure = 'every real server# ip route replace default via 10.1.1.9'


@scn('49', 'single-nic', 'icmp-redirects-on')
def _(S, n):
    redirects_on(n)
    S.traffic = {'client': redirect_mix(n)}
    S.culprit = 'director 10.1.1.9'
    S.cure = 'director# sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0'


@scn('51', 'ipv6', 'rs-no-default-gw')
def _(S, n):
    n['rs1'].routes = []
    S.culprit = 'rs1 fd00:10::2'
    S.cure = 'rs1# ip -6 route add default via fd00:10::9'


@scn('52', 'vlan', 'rs-no-default-gw')
def _(S, n):
    n['rs1'].routes = []
    S.culprit = 'rs1 10.1.1.2'
    S.cure = 'rs1# ip route add default via 10.1.1.9'


@scn('56', 'two-net', 'rs-default-gw-not-director', 'rs-default-gw-nonexistent')
def _(S, n):
    n['rs2'].routes = ['default via 10.1.1.77']
    S.culprit = 'rs2 10.1.1.3'
    S.cure = 'rs2# ip route replace default via 10.1.1.9'


@scn('68', 'vlan', 'rs-second-nic-on-client-net', 'rs-second-vlan-on-client-net')
def _(S, n):
    h = n['rs2']
    h.pre.append('link add link eth0 name eth0.10 type vlan id 10')
    h.nic('eth0.10', None, '192.168.1.3/24')
    S.culprit = 'rs2 10.1.1.3'
    S.cure = 'rs2# ip addr del 192.168.1.3/24 dev eth0.10'
