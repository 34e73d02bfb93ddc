"""Topologies: hosts (network namespaces), segments (bridges in namespace 'sw'), addresses, routes, services.

A topology function returns a Net.  A scenario mutates it before it is built.
"""
from collections import OrderedDict

CODE = {
    'client': 0xFE,
    'client2': 0xFD,
    'director': 0x10,
    'backup': 0x11,
    'rs1': 2,
    'rs2': 3,
    'rs3': 4,
    'router': 0x01,
    'router2': 0x0A,
    'rogue': 0x0B,
    'mgmt': 0x0C,
}


def mac(host, i):
    return '02:00:5e:00:%02x:%02x' % (CODE[host], i)


class Host:
    def __init__(self, name, role):
        self.name, self.role = name, role
        self.ifs = OrderedDict()  # ifname -> dict(seg, addrs, mac, mtu)
        self.routes = []  # arguments of "ip route add"
        self.rules = []  # raw ip(8) batch lines after routes
        self.sysctl = OrderedDict()
        self.pre = []  # raw ip batch lines run before addresses (vlan devices, vrf...)
        self.post = []  # shell commands after set-up (in the namespace)
        self.nft = ''
        self.servers = []  # (kind, port)
        self.neigh = []

    def nic(self, ifname, seg, *addrs, **kw):
        d = dict(
            seg=seg, addrs=list(addrs), mac=kw.pop('mac', mac(self.name, int(''.join(c for c in ifname if c.isdigit()) or 0)))
        )
        d.update(kw)
        self.ifs[ifname] = d
        return self

    def fwd(self, v=1):
        self.sysctl['net.ipv4.ip_forward'] = v
        return self


class Net:
    def __init__(self, topology):
        self.topology = topology
        self.hosts = OrderedDict()
        self.segs = OrderedDict()  # name -> dict(ageing)
        self.vip = self.vport = None
        self.cips, self.rips, self.dips = [], [], []
        self.ipv6 = False  # IPv6 wanted
        self.noise = False  # leave link-local IPv6 enabled (MLD/RS noise)
        self.offload = False  # leave TSO/GRO/checksum offload on
        self.wire_delay = '200us'  # netem on every switch port
        self.sched = 'rr'
        self.ipvs = None  # list of ipvsadm argument lines, or None = default from vip/rips
        self.ipvs_extra = []
        self.fwdflag = '-m'
        self.proto = '-t'
        self.rport = None

    def host(self, name, role):
        h = Host(name, role)
        self.hosts[name] = h
        return h

    def seg(self, *names, **kw):
        for n in names:
            self.segs[n] = dict(kw)

    def __getitem__(self, n):
        return self.hosts[n]

    @property
    def rs(self):
        return [h for h in self.hosts.values() if h.role == 'rs']

    def ep(self, ip, port):
        return ('[%s]:%d' if ':' in ip else '%s:%d') % (ip, port)

    def ipvs_lines(self):
        if self.ipvs is not None:
            return self.ipvs + self.ipvs_extra
        v = self.ep(self.vip, self.vport)
        L = ['-A %s %s -s %s' % (self.proto, v, self.sched)]
        for r in self.rips:
            L.append('-a %s %s -r %s %s -w 1' % (self.proto, v, self.ep(r, self.rport or self.vport), self.fwdflag))
        return L + self.ipvs_extra


def _rs(n, ips, seg, plen, gw, servers, ifname='eth0'):
    for i, ip in enumerate(ips, 1):
        h = n.host('rs%d' % i, 'rs')
        h.nic(ifname, seg, '%s/%s' % (ip, plen))
        h.routes = ['default via %s' % gw]
        h.servers = list(servers)
    n.rips = list(ips)


SERV = [('tcp', 80)]


def two_net():
    n = Net('two-net')
    n.seg('out', 'in')
    c = n.host('client', 'client')
    c.nic('eth0', 'out', '192.168.1.254/24')
    d = n.host('director', 'director').fwd()
    d.nic('eth0', 'out', '192.168.1.1/24', '192.168.1.110/32 label eth0:110')
    d.nic('eth1', 'in', '10.1.1.9/24')
    d.routes = ['default via 192.168.1.254']
    _rs(n, ['10.1.1.2', '10.1.1.3', '10.1.1.4'], 'in', 24, '10.1.1.9', SERV)
    n.vip, n.vport = '192.168.1.110', 80
    n.cips, n.dips = ['192.168.1.254'], ['192.168.1.1', '10.1.1.9']
    return n


def two_net_router():
    n = Net('two-net-router')
    n.seg('cli', 'out', 'in')
    c = n.host('client', 'client')
    c.nic('eth0', 'cli', '172.16.5.254/24')
    c.routes = ['default via 172.16.5.1']
    r = n.host('router', 'router').fwd()
    r.nic('eth0', 'cli', '172.16.5.1/24')
    r.nic('eth1', 'out', '192.168.1.1/24')
    d = n.host('director', 'director').fwd()
    d.nic('eth0', 'out', '192.168.1.100/24', '192.168.1.110/32 label eth0:110')
    d.nic('eth1', 'in', '10.1.1.9/24')
    d.routes = ['default via 192.168.1.1']
    _rs(n, ['10.1.1.2', '10.1.1.3', '10.1.1.4'], 'in', 24, '10.1.1.9', SERV)
    r2 = n.host('router2', 'router').fwd()
    r2.nic('eth0', 'in', '10.1.1.254/24')
    r2.nic('eth1', 'cli', '172.16.5.2/24')
    n.vip, n.vport = '192.168.1.110', 80
    n.cips, n.dips = ['172.16.5.254'], ['192.168.1.100', '10.1.1.9']
    return n


def one_net(hub=False):
    n = Net('one-net-hub' if hub else 'one-net')
    n.seg('lan', **({'ageing': 0} if hub else {}))
    c = n.host('client', 'client')
    c.nic('eth0', 'lan', '192.168.1.254/24')
    d = n.host('director', 'director').fwd()
    d.nic('eth0', 'lan', '192.168.1.9/24', '192.168.1.110/32 label eth0:110')
    d.sysctl['net.ipv4.conf.all.send_redirects'] = 0
    d.sysctl['net.ipv4.conf.default.send_redirects'] = 0
    d.sysctl['net.ipv4.conf.eth0.send_redirects'] = 0
    _rs(n, ['192.168.1.2', '192.168.1.3', '192.168.1.4'], 'lan', '24 noprefixroute', '192.168.1.9', SERV)
    for h in n.rs:  # the HOWTO's cure: director is the only route, no link route for the LAN
        h.routes = ['192.168.1.9 dev eth0 scope link', 'default via 192.168.1.9']
    n.vip, n.vport = '192.168.1.110', 80
    n.cips, n.dips = ['192.168.1.254'], ['192.168.1.9']
    return n


def one_net_hub():
    return one_net(True)


def single_nic():
    n = Net('single-nic')
    n.seg('lan')
    c = n.host('client', 'client')
    c.nic('eth0', 'lan', '192.168.1.254/24')
    d = n.host('director', 'director').fwd()
    d.nic('eth0', 'lan', '192.168.1.110/24', '10.1.1.9/24')
    d.routes = ['default via 192.168.1.254']
    for k in ('all', 'default', 'eth0'):
        d.sysctl['net.ipv4.conf.%s.send_redirects' % k] = 0
    _rs(n, ['10.1.1.2', '10.1.1.3', '10.1.1.4'], 'lan', 24, '10.1.1.9', SERV)
    n.vip, n.vport = '192.168.1.110', 80
    n.cips, n.dips = ['192.168.1.254'], ['10.1.1.9']
    return n


def bellis():
    n = Net('bellis')
    n.seg('cli', 'out', 'in')
    c = n.host('client', 'client')
    c.nic('eth0', 'cli', '172.16.5.254/24')
    c.routes = ['default via 172.16.5.1']
    r = n.host('router', 'router').fwd()
    r.nic('eth0', 'cli', '172.16.5.1/24')
    r.nic('eth1', 'out', '192.168.1.1/24')
    d = n.host('director', 'director').fwd()
    d.nic('eth0', 'out', '192.168.1.110/32')
    d.nic('eth1', 'in', '192.168.1.9/24')
    d.routes = ['192.168.1.1 dev eth0 scope link src 192.168.1.110', 'default via 192.168.1.1 dev eth0 src 192.168.1.110']
    _rs(n, ['192.168.1.2', '192.168.1.3', '192.168.1.4'], 'in', 24, '192.168.1.9', SERV)
    n.vip, n.vport = '192.168.1.110', 80
    n.cips, n.dips = ['172.16.5.254'], ['192.168.1.9']
    return n


def howto_test_rig():
    n = Net('howto-test-rig')
    n.seg('out', 'in')
    c = n.host('client', 'client')
    c.nic('eth0', 'out', '192.168.2.254/24')
    c.nic('eth1', 'in', '192.168.1.254/24')
    d = n.host('director', 'director').fwd()
    d.nic('eth0', 'out', '192.168.2.110/24')
    d.nic('eth1', 'in', '192.168.1.9/24')
    d.routes = ['default via 192.168.2.254']
    _rs(n, ['192.168.1.2', '192.168.1.3', '192.168.1.4'], 'in', 24, '192.168.1.9', SERV)
    n.vip, n.vport = '192.168.2.110', 80
    n.cips, n.dips = ['192.168.2.254'], ['192.168.1.9']
    return n


def vlan():
    n = Net('vlan')
    n.seg('trunk')
    c = n.host('client', 'client')
    c.nic('eth0', 'trunk')
    c.pre = ['link add link eth0 name eth0.10 type vlan id 10']
    c.nic('eth0.10', None, '192.168.1.254/24')
    d = n.host('director', 'director').fwd()
    d.nic('eth0', 'trunk')
    d.pre = ['link add link eth0 name eth0.10 type vlan id 10', 'link add link eth0 name eth0.20 type vlan id 20']
    d.nic('eth0.10', None, '192.168.1.1/24', '192.168.1.110/32')
    d.nic('eth0.20', None, '10.1.1.9/24')
    for i, ip in enumerate(['10.1.1.2', '10.1.1.3', '10.1.1.4'], 1):
        h = n.host('rs%d' % i, 'rs')
        h.nic('eth0', 'trunk')
        h.pre = ['link add link eth0 name eth0.20 type vlan id 20']
        h.nic('eth0.20', None, ip + '/24')
        h.routes = ['default via 10.1.1.9']
        h.servers = list(SERV)
        n.rips.append(ip)
    n.vip, n.vport = '192.168.1.110', 80
    n.cips, n.dips = ['192.168.1.254'], ['192.168.1.1', '10.1.1.9']
    return n


def ipv6_two_net():
    n = Net('ipv6')
    n.ipv6 = True
    n.seg('out', 'in')
    c = n.host('client', 'client')
    c.nic('eth0', 'out', 'fd00:1::254/64')
    d = n.host('director', 'director').fwd()
    d.sysctl['net.ipv6.conf.all.forwarding'] = 1
    d.nic('eth0', 'out', 'fd00:1::1/64', 'fd00:1::110/128')
    d.nic('eth1', 'in', 'fd00:10::9/64')
    _rs(n, ['fd00:10::2', 'fd00:10::3', 'fd00:10::4'], 'in', 64, 'fd00:10::9', SERV)
    n.vip, n.vport = 'fd00:1::110', 80
    n.cips, n.dips = ['fd00:1::254'], ['fd00:1::1', 'fd00:10::9']
    return n


TOPO = {
    'two-net': two_net,
    'two-net-router': two_net_router,
    'one-net': one_net,
    'one-net-hub': one_net_hub,
    'single-nic': single_nic,
    'bellis': bellis,
    'howto-test-rig': howto_test_rig,
    'vlan': vlan,
    'ipv6': ipv6_two_net,
}
