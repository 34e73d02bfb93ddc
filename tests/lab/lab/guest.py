#!/usr/bin/python3
"""Runs inside the VM: reads /out/spec.json, runs the scenarios, writes /out/<scenario>/ and /out/results.json."""
import ctypes, fcntl, json, os, shutil, signal, socket, struct, subprocess, sys, tarfile, threading, time, traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import traffic, scenarios

libc = ctypes.CDLL(None, use_errno=True)
ENV = dict(os.environ, PATH='/usr/sbin:/usr/bin:/sbin:/bin', LANG='C.UTF-8')


def log(*a):
    print('[%7.2f]' % float(open('/proc/uptime').read().split()[0]), *a, flush=True)


def setns(ns):
    fd = os.open('/run/netns/' + ns, os.O_RDONLY)
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), 'setns ' + ns)
    os.close(fd)


class Fut(threading.Thread):
    """fn(*a) in a thread that lives in namespace ns."""

    def __init__(self, ns, fn, *a, **k):
        super().__init__(daemon=True)
        self.ns, self.fn, self.a, self.k, self.val, self.exc = ns, fn, a, k, None, None
        self.start()

    def run(self):
        try:
            setns(self.ns)
            self.val = self.fn(*self.a, **self.k)
        except BaseException as e:
            self.exc = e
            traceback.print_exc()

    def get(self, timeout=120):
        self.join(timeout)
        if self.exc:
            raise self.exc
        return self.val


def sh(cmd, inp=None, timeout=60, quiet=False):
    """Run a command (list or shell string) in the calling thread's namespace -> (rc, out, err)."""
    try:
        p = subprocess.run(
            cmd,
            shell=isinstance(cmd, str),
            input=inp,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
            text=True,
            env=ENV,
            errors='replace',
        )
        if p.returncode and not quiet:
            print('!! rc=%d %s: %s' % (p.returncode, cmd, p.stderr.strip()[:500]), flush=True)
        return p.returncode, p.stdout, p.stderr
    except subprocess.TimeoutExpired as e:
        return 124, (e.stdout or b'').decode() if isinstance(e.stdout, bytes) else (e.stdout or ''), 'timeout'


def in_ns(ns, fn, *a, **k):
    return Fut(ns, fn, *a, **k).get()


def par(futs):
    return [f.get() for f in futs]


def sysctl_path(k):
    # interface names may contain dots: net.ipv4.conf.eth0.10.rp_filter
    p = k.split('.')
    if p[2:3] == ['conf'] and len(p) > 5:
        return '/proc/sys/%s/%s/conf/%s/%s' % (p[0], p[1], '.'.join(p[3:-1]), p[-1])
    return '/proc/sys/' + '/'.join(p)


def wsysctl(k, v):
    try:
        with open(sysctl_path(k), 'w') as f:
            f.write(str(v))
    except OSError as e:
        print('!! sysctl', k, v, e, flush=True)


def rd(p):
    try:
        with open(p) as f:
            return f.read()
    except OSError as e:
        return '# %s\n' % e


def ethtool_off(ifs):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in ifs:
        for cmd in (0x1F, 0x24, 0x2C, 0x17, 0x15):  # STSO SGSO SGRO STXCSUM SRXCSUM
            b = ctypes.create_string_buffer(struct.pack('II', cmd, 0))
            try:
                fcntl.ioctl(s, 0x8946, struct.pack('16sP', i.encode(), ctypes.addressof(b)).ljust(40, b'\0'))
            except OSError:
                pass
    s.close()


# ------------------------------------------------------------------ build
def build(n):
    hosts = list(n.hosts.values())
    b = ['netns add sw'] + ['netns add %s' % h.name for h in hosts]
    sh(['ip', '-batch', '-'], '\n'.join(b) + '\n')

    def v6off():
        for k in ('all', 'default'):
            wsysctl('net.ipv6.conf.%s.disable_ipv6' % k, 1)

    def v6on():
        for k in ('all', 'default'):
            wsysctl('net.ipv6.conf.%s.accept_dad' % k, 0)
            wsysctl('net.ipv6.conf.%s.dad_transmits' % k, 0)

    par([Fut('sw', v6off)] + [Fut(h.name, v6on if (n.ipv6 or n.noise) else v6off) for h in hosts])
    links, sw = [], []
    for s, o in n.segs.items():
        sw.append(
            'link add br-%s type bridge stp_state 0 forward_delay 0 mcast_snooping 0%s'
            % (s, ' ageing_time %d' % o['ageing'] if 'ageing' in o else '')
        )
        sw.append('link set br-%s up' % s)
    for h in hosts:
        for i, d in h.ifs.items():
            if d['seg'] is None:
                continue
            p = '%s-%s' % (h.name, i)
            links.append('link add name %s netns %s address %s type veth peer name %s netns sw' % (i, h.name, d['mac'], p))
            sw.append('link set %s master br-%s' % (p, d['seg']))
            sw.append('link set %s up' % p)
            if 'ageing' in n.segs[d['seg']]:
                pass
    sh(['ip', '-batch', '-'], '\n'.join(links) + '\n')
    fs = [Fut('sw', sh, ['ip', '-batch', '-'], '\n'.join(sw) + '\n')]

    def one(h):
        L = list(h.pre)
        L.append('link set lo up')
        for i, d in h.ifs.items():
            if d.get('mtu'):
                L.append('link set %s mtu %d' % (i, d['mtu']))
            for a in d['addrs']:
                nod = ' nodad' if ':' in a.split()[0] else ''
                L.append('addr add %s dev %s%s' % (a, i, nod))
        for i in h.ifs:
            if not h.ifs[i].get('down'):
                L.append('link set %s up' % i)
        for r in h.routes:
            L.append(('-6 ' if ':' in r else '') + 'route add ' + r)
        L += h.rules
        v4 = [x.replace('-6 ', '', 1) for x in L if x.startswith('-6 ')]
        sh(['ip', '-force', '-batch', '-'], '\n'.join(x for x in L if not x.startswith('-6 ')) + '\n')
        if v4:
            sh(['ip', '-6', '-batch', '-'], '\n'.join(v4) + '\n')
        for k, v in h.sysctl.items():
            wsysctl(k, v)
        if not n.offload:
            ethtool_off(list(h.ifs))
        if h.nft:
            sh(['nft', '-f', '-'], h.nft)
        for c in h.post:
            sh(c)

    fs += [Fut(h.name, one, h) for h in hosts]
    par(fs)
    if not n.offload:
        in_ns('sw', ethtool_off, ['%s-%s' % (h.name, i) for h in hosts for i, d in h.ifs.items() if d['seg']])
    if n.wire_delay:
        # a frame takes a moment on the wire; without this, answers arrive inside the sender's own send() call
        # (softirq), which no real network can do: e.g. redirects then find the TCP socket locked and are ignored
        in_ns(
            'sw',
            sh,
            ['tc', '-batch', '-'],
            ''.join(
                'qdisc add dev %s-%s root netem delay %s limit 2000\n' % (h.name, i, n.wire_delay)
                for h in hosts
                for i, d in h.ifs.items()
                if d['seg']
            ),
        )
    d = n['director']
    lines = n.ipvs_lines()
    if lines:
        in_ns('director', sh, ['ipvsadm', '-R'], '\n'.join(lines) + '\n')
    for h in hosts:
        for s in h.servers:
            if s[0] == 'tcp':
                Fut(h.name, traffic.serve_tcp, h.name, s[1], n.ipv6)
            elif s[0] == 'sctp':
                Fut(h.name, traffic.serve_tcp, h.name, s[1], n.ipv6, 132)
            elif s[0] == 'udp':
                Fut(h.name, traffic.serve_udp, h.name, s[1], n.ipv6)
            elif s[0] == 'ftp':
                Fut(h.name, traffic.serve_ftp, h.name, s[1], s[2])


# ------------------------------------------------------------------ capture
class Caps:
    def __init__(self, n, d):
        self.p, self.d = [], d
        os.makedirs(d, exist_ok=True)
        fs = []
        for h in n.hosts.values():
            ifs = list(h.ifs)
            if h.role == 'director':
                ifs.append('any')
            for i in ifs:
                fs.append(Fut(h.name, self.go, h.name, i))
        par(fs)

    def go(self, h, i):
        f = '%s/%s-%s.pcap' % (self.d, h, i)
        p = subprocess.Popen(
            ['tcpdump', '-n', '-U', '--immediate-mode', '-s', '262144', '-Z', 'root', '-i', i, '-w', f],
            stderr=subprocess.PIPE,
            env=ENV,
        )
        l = b''
        while b'listening on' not in l:
            l = p.stderr.readline()
            if not l:
                print('!! tcpdump died', h, i, flush=True)
                return
        self.p.append(p)

    def stop(self):
        time.sleep(0.5)
        for p in self.p:
            p.send_signal(signal.SIGINT)
        for p in self.p:
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()


# ------------------------------------------------------------------ state
CONF = (
    'send_redirects',
    'accept_redirects',
    'secure_redirects',
    'shared_media',
    'rp_filter',
    'forwarding',
    'arp_ignore',
    'arp_announce',
    'arp_filter',
    'proxy_arp',
    'accept_local',
    'route_localnet',
    'src_valid_mark',
    'accept_source_route',
    'log_martians',
)


def sysctl_dump():
    out = []
    for p in (
        'ip_forward',
        'ip_no_pmtu_disc',
        'tcp_syncookies',
        'tcp_ecn',
        'tcp_timestamps',
        'ip_local_port_range',
        'ip_nonlocal_bind',
        'icmp_ratelimit',
        'tcp_max_syn_backlog',
        'fwmark_reflect',
        'tcp_l3mdev_accept',
        'ip_forward_use_pmtu',
    ):
        v = rd('/proc/sys/net/ipv4/' + p)
        if not v.startswith('#'):
            out.append('net.ipv4.%s = %s' % (p, v.strip()))
    for p in sorted(os.listdir('/proc/sys/net/ipv4/route')):
        try:
            out.append('net.ipv4.route.%s = %s' % (p, open('/proc/sys/net/ipv4/route/' + p).read().strip()))
        except OSError:
            pass
    for c in sorted(os.listdir('/proc/sys/net/ipv4/conf')):
        for k in CONF:
            v = rd('/proc/sys/net/ipv4/conf/%s/%s' % (c, k))
            if not v.startswith('#'):
                out.append('net.ipv4.conf.%s.%s = %s' % (c, k, v.strip()))
    if os.path.isdir('/proc/sys/net/ipv4/vs'):
        for k in sorted(os.listdir('/proc/sys/net/ipv4/vs')):
            v = rd('/proc/sys/net/ipv4/vs/' + k)
            if not v.startswith('#'):
                out.append('net.ipv4.vs.%s = %s' % (k, v.strip()))
    if os.path.isdir('/proc/sys/net/netfilter'):
        for k in ('nf_conntrack_tcp_loose', 'nf_conntrack_tcp_be_liberal', 'nf_conntrack_max', 'nf_conntrack_count'):
            v = rd('/proc/sys/net/netfilter/' + k)
            if not v.startswith('#'):
                out.append('net.netfilter.%s = %s' % (k, v.strip()))
    for c in sorted(os.listdir('/proc/sys/net/ipv6/conf')):
        for k in ('forwarding', 'accept_redirects', 'disable_ipv6'):
            out.append('net.ipv6.conf.%s.%s = %s' % (c, k, rd('/proc/sys/net/ipv6/conf/%s/%s' % (c, k)).strip()))
    return '\n'.join(out) + '\n'


def ip_batch(flags, cmds):
    """One exec for many ip commands (an exec costs ~0.1-0.2 s under TCG): [(file, command)] -> {file: text}."""
    rc, o, e = sh(['ip'] + flags + ['-force', '-batch', '-'], '\n'.join(c for f, c in cmds) + '\n', quiet=True)
    L = o.splitlines()
    if len(L) == len(cmds):
        return {f: l + '\n' for (f, c), l in zip(cmds, L)}
    r = {}
    for f, c in cmds:
        rc, o, e = sh(['ip'] + flags + c.split(), quiet=True)
        r[f] = o + ('# stderr: %s\n# exit %d\n' % (e.strip(), rc) if rc else '')
    return r


def dump(n, h, d, final):
    os.makedirs(d, exist_ok=True)

    def w(f, t):
        with open(os.path.join(d, f), 'w') as o:
            o.write(t)

    def run(f, cmd, quiet=True):
        rc, o, e = sh(cmd.split(), quiet=quiet)
        w(
            f,
            o
            if rc == 0 and not e
            else o + ('# stderr: ' + e.strip() + '\n' if e.strip() else '') + ('# exit %d\n' % rc if rc else ''),
        )

    B = [
        ('addr.json', 'addr'),
        ('route.json', 'route show table all'),
        ('rule.json', 'rule'),
        ('route-cache.json', 'route show cache'),
    ]
    if n.ipv6:
        B += [
            ('route6.json', '-6 route show table all'),
            ('rule6.json', '-6 rule'),
            ('route6-cache.json', '-6 route show cache'),
        ]
    if h.role in ('rs', 'director', 'router', 'backup'):
        B.append(('route-get-cip.json', 'route get %s' % n.cips[0]))
        if h.role == 'rs':
            src = [a.split()[0].split('/')[0] for i in h.ifs.values() for a in i['addrs']]
            src = [a for a in src if a in n.rips][:1]
            if src:
                B.append(('route-get-cip-from-rip.json', 'route get %s from %s' % (n.cips[0], src[0])))
        else:
            for i, r in enumerate(n.rips):
                B.append(('route-get-rip%d.json' % (i + 1), 'route get %s' % r))
    for f, t in ip_batch(['-j'], B).items():
        w(f, t)
    for f, t in ip_batch(['-j', '-d', '-s'], [('link.json', 'link'), ('neigh.json', 'neigh')]).items():
        w(f, t)
    w('sysctl.txt', sysctl_dump())
    if h.role in ('rs', 'director'):
        run('route-cache.txt', 'ip -d route show cache')
    if h.role in ('director', 'backup'):
        run('ipvsadm-save.txt', 'ipvsadm -Sn')
        run('ipvsadm-list.txt', 'ipvsadm -Ln')
        run('ipvsadm-stats.txt', 'ipvsadm -Ln --stats')
        run('ipvsadm-conns.txt', 'ipvsadm -Lnc')
        run('ipvsadm-timeout.txt', 'ipvsadm -L --timeout')
        if any('daemon' in c for c in h.post):
            run('ipvsadm-daemon.txt', 'ipvsadm -L --daemon')
        if h.role == 'director':
            run('conntrack.txt', 'conntrack -L')
            run('nft.json', 'nft -j list ruleset')
        for f in ('ip_vs', 'ip_vs_conn', 'ip_vs_stats', 'ip_vs_app', 'ip_vs_conn_sync'):
            t = rd('/proc/thread-self/net/' + f)
            if not t.startswith('#'):
                w(f, t)
    if h.role == 'director' or h.nft:
        run('nft.txt', 'nft list ruleset')
    else:
        w('nft.txt', '')  # nothing was ever loaded in this namespace
    if h.role in ('rs', 'client') and final:
        run('ss.txt', 'ss -tan')
    for f in ('snmp', 'netstat', 'route', 'arp', 'dev', 'tcp', 'sockstat'):
        w('proc-net-' + f if f in ('route', 'arp', 'dev', 'tcp') else f, rd('/proc/thread-self/net/' + f))
    if any('netem' in c or 'tc ' in c for c in h.post):
        run('tc.txt', 'tc -s qdisc show')


def dump_all(n, d, trace=False):
    par([Fut(h.name, dump, n, h, os.path.join(d, h.name), trace) for h in n.hosts.values()])


def trace_all(n, d):
    def tr(h):
        rc, o, e = sh('traceroute -n -q 1 -w 1 -m 4 -N 8 %s' % n.cips[0], quiet=True, timeout=15)
        with open(os.path.join(d, h.name, 'traceroute-cip.txt'), 'w') as f:
            f.write(o + e)

    par([Fut(h.name, tr, h) for h in n.rs])


# ------------------------------------------------------------------ scenario
WATCHED = []  # processes that are interrupted when the traffic is over


def await_capture(host, n, alive):
    """Until a program on this host captures packets (or has ended, or a minute has passed)."""

    def sockets():
        return len(rd('/proc/thread-self/net/packet').splitlines()) - 1

    def wait():
        end = time.time() + 60
        while time.time() < end and alive():
            if sockets() > 0:
                time.sleep(0.7)  # the other interfaces, and stepping down from root
                return
            time.sleep(0.1)

    in_ns(host, wait)


def run_exec(x, n, name, outdir, results, k):
    env = dict(
        ENV,
        LAB_SCENARIO=name,
        LAB_TOPOLOGY=n.topology,
        LAB_CIP=n.cips[0],
        LAB_VIP=n.vip,
        LAB_VPORT=str(n.vport),
        LAB_RIPS=' '.join(n.rips),
        LAB_DIP=n.dips[-1],
        LAB_INTERFACES=' '.join(i for i, d in n[x['host']].ifs.items() if d['addrs']) if x['host'] in n.hosts else '',
        LAB_OUT=outdir,
        LAB_HOST=x['host'],
        HOME='/root',
        TERM='dumb',
    )
    t = time.time()
    of, ef = os.path.join(outdir, 'exec-%d.out' % k), os.path.join(outdir, 'exec-%d.err' % k)
    cmd = (
        ['bash', '-c', x['cmd']]
        if x['host'] in ('vm', 'root')
        else ['ip', 'netns', 'exec', x['host'], 'bash', '-c', x['cmd']]
    )
    r = dict(host=x['host'], cmd=x['cmd'], rc=None, when=x.get('when', 'during'), label=x.get('label', ''))
    with open('/run/x%d.out' % k, 'wb') as o, open('/run/x%d.err' % k, 'wb') as e:
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=o, stderr=e, env=env, cwd=outdir, start_new_session=True)
        try:
            if x.get('watch'):
                WATCHED.append(p)
            r['rc'] = p.wait(x.get('timeout', 60))
        except subprocess.TimeoutExpired:
            r['rc'] = 124
            os.killpg(p.pid, signal.SIGTERM)
            try:
                p.wait(2)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
    shutil.copy('/run/x%d.out' % k, of)
    shutil.copy('/run/x%d.err' % k, ef)
    r['elapsed'] = round(time.time() - t, 2)
    results.append((k, r))


def run_one(rs):
    name = rs['scenario']
    S = scenarios.get(name)
    n = S.net
    outdir = '/out/' + S.dirname
    os.makedirs(outdir, exist_ok=True)
    T0 = time.time()
    tm = {}
    sh('modprobe ip_vs_ftp' if S.ftp_mod else 'rmmod ip_vs_ftp', quiet=True)
    for m in S.modules:
        sh('modprobe ' + m)
    build(n)
    tm['built'] = time.time() - T0
    work = capdir = '/run/cap'
    shutil.rmtree(capdir, ignore_errors=True)
    os.makedirs(capdir)
    caps = None
    execs, xr, xth, by_step = rs.get('exec', []), [], [], {}
    do_state, do_cap = rs.get('state', True), rs.get('capture', True)

    def start(when):
        for k, x in enumerate(execs):
            if x.get('when', 'during') == when:
                th = threading.Thread(target=run_exec, args=(x, n, S.dirname, outdir, xr, k), daemon=True)
                th.start()
                xth.append(th)
                by_step[k] = th
                if when != 'during':
                    th.join()

    start('before')
    if do_state and not (S.warm and S.warm_wait is None):
        dump_all(n, work + '/state-start')
        tm['state0'] = time.time() - T0
    pre = []
    t0 = time.time() + 0.1
    if S.warm:  # traffic before the capture begins (stale caches, mid-captures)
        for h, ops in S.warm.items():
            pre.append((h, Fut(h, traffic.run_ops, h + '-warm' if False else h, ops, t0)))
        if S.warm_wait is not None:
            time.sleep(S.warm_wait)
        else:
            for h, f in pre:
                f.get()
    for h, c in S.after_warm:
        in_ns(h, sh, c)
    if do_state and S.warm and S.warm_wait is None:
        dump_all(n, work + '/state-start')
        tm['state0'] = time.time() - T0
    if do_cap:
        caps = Caps(n, capdir)
    tm['caps'] = time.time() - T0
    start('during')
    for k, x in enumerate(execs):
        if x.get('watch'):
            await_capture(x['host'], n, by_step[k].is_alive)
    lead = rs.get('lead', 1.0 if execs else 0.2)
    results, rnd = [], 0
    stop_bg = threading.Event()
    bgt = []
    while True:
        t0 = time.time() + lead
        evs = []
        if rnd == 0:
            for t, h, c in S.events:

                def ev(t=t, c=c):
                    time.sleep(max(0, t0 + t - time.time()))
                    r = sh(c, timeout=30)
                    return dict(t=t, cmd=c, rc=r[0], out=(r[1] + r[2])[:2000])

                evs.append((h, Fut(h, ev)))
        fs = [(h, Fut(h, traffic.run_ops, h, ops, t0, rnd)) for h, ops in S.traffic.items()]
        for h, f in fs:
            results += f.get() or []
        evres = [dict(host=h, **(f.get() or {})) for h, f in evs]
        if rnd == 0:
            events = evres
        rnd += 1
        if not rs.get('loop') or not any(t.is_alive() for t in xth) or time.time() - T0 > rs.get('max', 120):
            break
    if S.warm and S.warm_wait is not None:
        for h, f in pre:
            results += [dict(x, kind='warm') for x in (f.get() or [])]
    elif S.warm:
        for h, f in pre:
            results += [dict(x, kind='warm-before-capture') for x in f.get()]
    time.sleep(S.settle)
    tm['traffic'] = time.time() - T0
    for p in WATCHED:
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGINT)
    for t in xth:
        t.join(rs.get('max', 120))
    if do_cap:
        caps.stop()
    start('after')
    tm['capstop'] = time.time() - T0
    if do_state and rs['state'] != 'start':
        dump_all(n, work + '/state', True)
        if S.trace:
            trace_all(n, work + '/state')
    tm['state1'] = time.time() - T0
    traffic.STOP.set()
    if do_state or do_cap:
        with tarfile.open(outdir + '/data.tar', 'w') as t:
            t.add(work, '.')
    r = dict(
        scenario=S.dirname,
        connections=sorted(results, key=lambda r: r.get('start', 0)),
        events=events,
        timing={k: round(v, 1) for k, v in tm.items()},
        exec=[r for k, r in sorted(xr, key=lambda z: z[0])],
        kernel=os.uname().release,
    )
    with open(outdir + '/run.json', 'w') as f:
        json.dump(r, f, indent=1)
    log(S.dirname, tm, {x['id']: x['outcome'] for x in results})


def main():
    spec = json.load(open('/out/spec.json'))
    log('guest up')
    sh(
        (
            'modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_wlc ip_vs_sh veth bridge nf_tables nft_chain_nat '
            'nft_masq nft_ct nft_log nft_reject_inet nft_reject_ipv4 nf_conntrack nf_conntrack_netlink '
            'nft_limit sch_netem'
        )
    )
    sh('ip link set lo up')
    sh('sysctl -qw net.netfilter.nf_conntrack_max=65536 kernel.printk=3', quiet=True)
    log('modules loaded')
    done = []
    for rs in spec['runs']:
        pid = os.fork()
        if pid == 0:
            rc = 1
            try:
                run_one(rs)
                rc = 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(rc)
        _, st = os.waitpid(pid, 0)
        done.append(dict(scenario=rs['scenario'], rc=os.waitstatus_to_exitcode(st)))
        sh(
            (
                'for p in $(pgrep -x tcpdump) $(pgrep -x hping3); do kill $p; done; for n in $(ls /run/netns); '
                'do ip netns del $n; done'
            ),
            quiet=True,
        )
    json.dump(done, open('/out/results.json', 'w'))
    log('done')


main()
