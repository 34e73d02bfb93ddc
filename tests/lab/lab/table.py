"""The table that scenarios enter themselves in, and what they are made of.  get(name) returns a fresh Scn.

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


def redirects_off():
    return [('director', 'for d in all eth0 default; do sysctl -qw net.ipv4.conf.$d.send_redirects=0; done')]


def chain(hook, rules, policy='accept'):
    """An nft table with one filter chain."""
    return 'table inet filter { chain %s { type filter hook %s priority filter; policy %s;\n %s\n }\n}\n' % (
        hook,
        hook,
        policy,
        rules,
    )
