#!/usr/bin/env python3
"""The way-back test and the hop trace against real kernels: a small cluster of network namespaces, made and unmade here.

IPVS is not needed: what is tested is the way back, which is routing. Needs the right to make network namespaces; without it
the test is skipped and says so (status 77).
"""
import concurrent.futures
import ctypes
import json
import os
import subprocess
import sys
import unittest

LVSDIAG, LVSTRACE = os.environ['LVSDIAG'], os.environ['LVSTRACE']
SKIPPED = 77
PATIENCE = 120  # seconds; never reached unless something hangs
INSIDE = 'PROBE_LIVE_TEST_INSIDE'
PR_CAPBSET_DROP, CAP_NET_RAW = 24, 13
LIBC = ctypes.CDLL(None, use_errno=True)


def skip(why):
    print('skipped: ' + why)
    sys.exit(SKIPPED)


def enter_namespace():
    """This process goes on in namespaces of its own; whatever it leaves behind ends with them."""
    if os.environ.get(INSIDE):
        return
    for how in (['unshare', '-npf', '--mount-proc', '--kill-child'], ['unshare', '-rnpf', '--mount-proc', '--kill-child']):
        if subprocess.run([*how, 'true'], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.environ[INSIDE] = '1'
            os.execvp('unshare', [*how, sys.executable, '-B', *sys.argv])
    skip('no network namespace can be made here')


class Host:
    def __init__(self, *sysctls):
        self.process = subprocess.Popen(['unshare', '-n', 'sleep', '3600'])
        # The namespace is there once it is another one.
        own = os.stat('/proc/self/ns/net').st_ino
        while os.stat(f'/proc/{self.process.pid}/ns/net').st_ino == own:
            if self.process.poll() is not None:
                skip('no namespace for a host can be made here')
        self.ip('link', 'set', 'lo', 'up')
        for conf in ('all', 'default'):
            self.sysctl(f'net/ipv4/conf/{conf}/rp_filter', 0)
            self.sysctl(f'net/ipv6/conf/{conf}/accept_dad', 0)
        for name, value in sysctls:
            self.sysctl(name, value)

    def run(self, *words, **options):
        return subprocess.run(['nsenter', '-t', str(self.process.pid), '-n', *words], timeout=PATIENCE, check=False, **options)

    def ip(self, *words):
        if self.run('ip', *words).returncode != 0:
            raise AssertionError(words)

    def sysctl(self, name, value):
        self.run('sh', '-c', f'echo {value} > /proc/sys/{name}')

    def nic(self, name, wire, *addresses):
        """A cable to the switch `wire`, a bridge of this process."""
        port = f'p{Host.cables}'
        Host.cables += 1
        done = subprocess.run(['ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', name, 'netns', str(self.process.pid)],
                              check=False)
        if done.returncode != 0:
            skip('veth devices cannot be made here')
        subprocess.run(['ip', 'link', 'set', port, 'master', wire, 'up'], check=True)
        self.ip('link', 'set', name, 'up')
        for address in addresses:
            self.ip('addr', 'add', address, 'dev', name, *(['nodad'] if ':' in address else []))
        return self

    cables = 0


def switch(name):
    if subprocess.run(['ip', 'link', 'add', name, 'type', 'bridge'], check=False).returncode != 0:
        skip('bridges cannot be made here')
    with open(f'/proc/sys/net/ipv6/conf/{name}/disable_ipv6', 'w', encoding='ascii') as setting:
        setting.write('1')
    subprocess.run(['ip', 'link', 'set', name, 'up'], check=True)


FORWARD = (('net/ipv4/ip_forward', 1), ('net/ipv6/conf/all/forwarding', 1))
QUIET = tuple((f'net/ipv4/conf/{conf}/send_redirects', 0) for conf in ('all', 'default'))


class Cluster:
    """Two networks; real servers with the right gateway, another one, and none; and one wire with everything on it."""

    def __init__(self):
        for name in ('outside', 'inside', 'lan'):
            switch(name)
        self.client = Host().nic('eth0', 'outside', '192.168.1.254/24', 'fd00:1::254/64')
        self.director = Host(*FORWARD, *QUIET).nic('eth0', 'outside', '192.168.1.1/24', '192.168.1.110/32', 'fd00:1::1/64')
        self.director.nic('eth1', 'inside', '10.1.1.9/24', 'fd00:10::9/64')
        self.other = Host(*FORWARD, *QUIET).nic('eth0', 'inside', '10.1.1.254/24', 'fd00:10::fe/64')
        self.other.nic('eth1', 'outside', '192.168.1.2/24', 'fd00:1::2/64')
        self.servers = []
        for last, gateway, gateway6 in ((2, '10.1.1.9', 'fd00:10::9'), (3, '10.1.1.254', 'fd00:10::fe'), (4, None, None)):
            server = Host().nic('eth0', 'inside', f'10.1.1.{last}/24', f'fd00:10::{last}/64')
            if gateway:
                server.ip('route', 'add', 'default', 'via', gateway)
                server.ip('-6', 'route', 'add', 'default', 'via', gateway6)
            self.servers.append(server)
        # The client knows the way back, or nothing but the first hop would answer.
        self.client.ip('route', 'add', '10.1.1.0/24', 'via', '192.168.1.1')
        self.client.ip('-6', 'route', 'add', 'fd00:10::/64', 'via', 'fd00:1::1')
        # One wire: redirects are left as Linux has them, on.
        self.lan_client = Host().nic('eth0', 'lan', '192.168.5.254/24')
        self.lan_director = Host(('net/ipv4/ip_forward', 1)).nic('eth0', 'lan', '192.168.5.9/24')
        self.lan_server = Host(('net/ipv4/conf/all/accept_redirects', 1)).nic('eth0', 'lan')
        self.lan_server.ip('addr', 'add', '192.168.5.2/24', 'dev', 'eth0', 'noprefixroute')
        self.lan_server.ip('route', 'add', '192.168.5.9', 'dev', 'eth0')
        self.lan_server.ip('route', 'add', 'default', 'via', '192.168.5.9')


def report(host, program, *words, **options):
    done = host.run(program, *words, '--format', 'json', stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if not done.stdout:
        raise AssertionError(done)
    return done.returncode, json.loads(done.stdout), done.stderr


def said(answer, least=('error', 'warning', 'info')):
    return {(f['code'], f['subject'].get('real_server')) for f in answer['findings'] if f['severity'] in least}


def outcomes(answer):
    return {(r['real_server'], r['client_kind']): r['outcome'] for r in answer['way_back']}


V4 = 'tcp:192.168.1.110:80=10.1.1.2:80,10.1.1.3:80,10.1.1.4:80,10.1.1.5:80'
V6 = 'tcp:[fd00:1::110]:80=[fd00:10::2]:80,[fd00:10::3]:80,[fd00:10::4]:80'


class WayBack(unittest.TestCase):
    def test_right_wrong_none_and_nobody_there(self):
        status, answer, _ = report(cluster.director, LVSDIAG, 'probe', '--service', V4)
        got = outcomes(answer)
        for kind in ('example', 'neighbour'):
            self.assertEqual(got['10.1.1.2', kind], 'returned')
            self.assertEqual(got['10.1.1.3', kind], 'silent')
            self.assertEqual(got['10.1.1.4', kind], 'silent')
            self.assertEqual(got['10.1.1.5', kind], 'down')
        self.assertEqual(said(answer), {('LVS214', '10.1.1.3'), ('LVS214', '10.1.1.4'), ('LVS107', '10.1.1.5')})
        self.assertEqual(status, 2)

    def test_right_alone(self):
        status, answer, err = report(cluster.director, LVSDIAG, 'probe', '10.1.1.2')
        self.assertEqual((status, answer['verdict'], answer['findings'], err), (0, 'ok', [], ''))

    def test_a_client_by_name(self):
        status, answer, _ = report(cluster.director, LVSDIAG, 'probe', '--client', '192.168.1.254', '10.1.1.2', '10.1.1.3')
        self.assertEqual(outcomes(answer), {('10.1.1.2', 'given'): 'returned', ('10.1.1.3', 'given'): 'silent'})
        self.assertEqual(status, 2)

    def test_a_left_over_network(self):
        server = cluster.servers[0]
        server.ip('route', 'add', '192.168.1.0/24', 'dev', 'eth0')
        try:
            status, answer, _ = report(cluster.director, LVSDIAG, 'probe', '--client', '192.168.1.254', '10.1.1.2')
        finally:
            server.ip('route', 'del', '192.168.1.0/24', 'dev', 'eth0')
        self.assertEqual(said(answer), {('LVS214', '10.1.1.2')})
        self.assertEqual(answer['findings'][0]['confidence'], 'certain')
        self.assertEqual(status, 2)

    def test_one_that_answers_no_echo_is_not_accused(self):
        server = cluster.servers[0]
        server.sysctl('net/ipv4/icmp_echo_ignore_all', 1)
        try:
            status, answer, err = report(cluster.director, LVSDIAG, 'probe', '10.1.1.2')
        finally:
            server.sysctl('net/ipv4/icmp_echo_ignore_all', 0)
        self.assertEqual((status, answer['findings'], outcomes(answer)), (3, [], {('10.1.1.2', 'example'): 'mute'}))
        self.assertNotEqual(err, '')

    def test_ipv6(self):
        status, answer, _ = report(cluster.director, LVSDIAG, 'probe', '--service', V6)
        got = outcomes(answer)
        self.assertEqual(got['fd00:10::2', 'example'], 'returned')
        self.assertEqual(got['fd00:10::3', 'example'], 'silent')
        self.assertEqual(said(answer), {('LVS214', 'fd00:10::3'), ('LVS214', 'fd00:10::4')})
        self.assertEqual(status, 2)

    def test_without_the_right_to_send(self):
        def drop():
            LIBC.prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0)
        status, answer, err = report(cluster.director, LVSDIAG, 'probe', '10.1.1.2', preexec_fn=drop)
        self.assertEqual((status, answer['verdict']), (3, 'unknown'))
        self.assertIn('CAP_NET_RAW', err)

    def test_nobody_to_test(self):
        status, answer, err = report(cluster.director, LVSDIAG, 'probe')
        self.assertEqual((status, answer['verdict']), (3, 'unknown'))
        self.assertIn('no real server is known', err)

    def test_nobody_is_redirected_by_a_test(self):
        status, _, err = report(cluster.lan_director, LVSDIAG, 'probe', '192.168.5.2', '--client', '192.168.5.254')
        self.assertEqual(status, 3)
        self.assertIn('LVS202', err)
        # In the name of nobody it can be tested, again and again: each time another address.
        for _ in range(2):
            status, answer, _ = report(cluster.lan_director, LVSDIAG, 'probe', '192.168.5.2')
            self.assertEqual((status, outcomes(answer)), (0, {('192.168.5.2', 'example'): 'returned'}))


class Hops(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A trace takes seconds, so all that do not disturb each other are under way at once."""
        right, other, none = cluster.servers
        four = ('--client', '192.168.1.254', '--director', '10.1.1.9')
        six = ('--client', 'fd00:1::254', '--director', 'fd00:10::9')
        lan = ('--client', '192.168.5.254', '--director', '192.168.5.9', '--service', 'tcp:192.168.5.110:80=192.168.5.2:80')
        wanted = {'right': (right, *four, '--service', V4), 'other': (other, *four), 'none': (none, *four),
                  'right6': (right, *six), 'other6': (other, *six), 'lan': (cluster.lan_server, *lan)}
        with concurrent.futures.ThreadPoolExecutor(len(wanted)) as pool:
            cls.traced = dict(zip(wanted, pool.map(lambda w: report(w[0], LVSTRACE, '--probe', *w[1:]), wanted.values())))

    def first_hops(self, trace, number=None):
        """A kernel that sends no more than so many errors a second leaves some probes without an answer."""
        return {p['from'] for p in trace['probes'] if p['hop'] == 1 and number in (None, p['round'])} - {None}

    def test_by_the_director(self):
        status, answer, _ = self.traced['right']
        trace, = answer['hops']
        self.assertEqual(self.first_hops(trace), {'10.1.1.9'})
        self.assertEqual({p['from'] for p in trace['probes'] if p['hop'] == 2} - {None}, {'192.168.1.254'})
        self.assertEqual({p['protocol'] for p in trace['probes'] if p['answer'] == 'reached'}, {'icmp', 'udp', 'tcp'})
        self.assertEqual(said(answer, ('error',)), set())
        self.assertIn(('LVS308', '10.1.1.2'), said(answer))
        self.assertNotIn(('LVS307', '10.1.1.2'), said(answer))
        self.assertIn(status, (0, 1))

    def test_by_another_router(self):
        status, answer, _ = self.traced['other']
        self.assertLessEqual({('LVS301', '10.1.1.3'), ('LVS307', '10.1.1.3')}, said(answer))
        self.assertEqual(status, 2)

    def test_without_any_way(self):
        status, answer, _ = self.traced['none']
        self.assertEqual({p['answer'] for p in answer['hops'][0]['probes']}, {'not-sent'})
        self.assertEqual(said(answer, ('error',)), {('LVS302', '10.1.1.4')})
        self.assertEqual(status, 2)

    def test_ipv6(self):
        _, answer, _ = self.traced['right6']
        trace, = answer['hops']
        self.assertEqual(self.first_hops(trace), {'fd00:10::9'})
        _, answer, _ = self.traced['other6']
        self.assertIn(('LVS307', 'fd00:10::3'), said(answer))

    def test_a_redirect_moves_the_way(self):
        status, answer, _ = self.traced['lan']
        trace, = answer['hops']
        self.assertEqual(trace['redirects'][0]['from'], '192.168.5.9')
        self.assertEqual(trace['redirects'][0]['gateway'], '192.168.5.254')
        self.assertEqual(self.first_hops(trace, 1), {'192.168.5.9'})
        self.assertEqual(self.first_hops(trace, 4), {'192.168.5.254'})
        self.assertLessEqual({('LVS304', '192.168.5.2'), ('LVS307', '192.168.5.2')}, said(answer))
        self.assertEqual(status, 2)
        # Refused, it is heard all the same.
        for conf in ('all', 'eth0'):
            cluster.lan_server.sysctl(f'net/ipv4/conf/{conf}/accept_redirects', 0)
        cluster.lan_server.ip('route', 'flush', 'cache')
        status, answer, _ = report(cluster.lan_server, LVSTRACE, '--probe', '--client', '192.168.5.254', '--director',
                                   '192.168.5.9')
        trace, = answer['hops']
        self.assertEqual(self.first_hops(trace), {'192.168.5.9'})
        self.assertEqual(said(answer, ('error', 'warning')), set())

    def test_without_the_right_to_send(self):
        def drop():
            LIBC.prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0)
        status, answer, err = report(cluster.servers[0], LVSTRACE, '--probe', '--client', '192.168.1.254', '--director',
                                     '10.1.1.9', preexec_fn=drop)
        self.assertEqual((status, answer['verdict']), (3, 'unknown'))
        self.assertIn('CAP_NET_RAW', err)


if __name__ == '__main__':
    enter_namespace()
    cluster = Cluster()
    unittest.main()
