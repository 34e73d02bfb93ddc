#!/usr/bin/env python3
"""lvsdiag reads this host's kernel state: what it reads, what it does without rights, and that reading changes nothing.
LVSDIAG in the environment is the program.

A network namespace of its own holds interfaces, routes and rules that are known. Needs root (a user namespace will do, in which
the tables of nftables can be made); without it everything is skipped (status 77).
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

LVSDIAG = os.environ['LVSDIAG']
PATIENCE = 60  # seconds; never reached unless something hangs
SKIPPED = 77
SERVICE = ('--service', 'tcp:192.168.1.110:80=10.1.1.2:80')


def run(*command, check=True, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=check,
                          **options)


def enter_namespace():
    """This process goes on in a network and mount namespace of its own, by a user namespace where it is not root."""
    if os.environ.get('LVSDIAG_STATE_TEST_INSIDE'):
        return
    for how in (['unshare', '-nm'], ['unshare', '-rnm']):
        if (os.geteuid() == 0 or '-rnm' in how) and run(*how, 'true', check=False).returncode == 0:
            os.environ['LVSDIAG_STATE_TEST_INSIDE'] = '1'
            os.execvp('unshare', [*how, sys.executable, '-B', *sys.argv])
    print('skipped: no network namespace can be made here')
    sys.exit(SKIPPED)


def make_director():
    # IPv6 makes addresses and routes when it likes.
    for which in ('all', 'default'):
        with open(f'/proc/sys/net/ipv6/conf/{which}/disable_ipv6', 'w', encoding='ascii') as setting:
            setting.write('1')
    for name in ('eth0', 'eth1'):
        if run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', f'far-{name}', check=False).returncode != 0:
            print('skipped: no veth pair can be made here')
            sys.exit(SKIPPED)
        run('ip', 'link', 'set', name, 'up')
        run('ip', 'link', 'set', f'far-{name}', 'up')
    run('ip', 'link', 'set', 'lo', 'up')
    run('ip', 'address', 'add', '192.168.1.110/24', 'dev', 'eth0')
    run('ip', 'address', 'add', '10.1.1.9/24', 'dev', 'eth1')
    run('ip', 'route', 'add', 'default', 'via', '192.168.1.254')
    for name, value in (('ip_forward', '1'), ('conf/all/rp_filter', '0')):
        with open(f'/proc/sys/net/ipv4/{name}', 'w', encoding='ascii') as setting:
            setting.write(value)


def lvsdiag(*arguments, prefix=(), environment=None):
    inherited = {k: v for k, v in os.environ.items() if k not in ('NO_COLOR', 'SUDO_UID', 'SUDO_GID')}
    return run(*prefix, LVSDIAG, *arguments, check=False, env={**inherited, **(environment or {})})


def snapshot(*prefix):
    done = lvsdiag('snapshot', prefix=prefix)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def gaps(state):
    return {gap['what']: gap['why'] for gap in state.get('gaps', ())}


def reply(*arguments, prefix=()):
    """What is foretold of the reply of 10.1.1.2."""
    done = lvsdiag('check', *SERVICE, '--format', 'json', *arguments, prefix=prefix)
    report = json.loads(done.stdout)
    return report['prediction'][0]['legs']['reply'], report


RULES = '''
flush ruleset
table inet filter {
  set servers { type ipv4_addr; flags interval; elements = { 10.1.1.0/24 } }
  map marks { type inet_service : verdict; elements = { 80 : accept, 81 : drop } }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "eth1" ip saddr @servers tcp sport 443 counter accept
    tcp dport vmap @marks
  }
}
table ip6 nat {
  chain post {
    type nat hook postrouting priority srcnat;
    oifname "eth0" masquerade
  }
}
'''


@unittest.skipIf(shutil.which('nft') is None, 'nft is not installed')
class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if run('nft', 'list', 'ruleset', check=False).returncode != 0:
            raise unittest.SkipTest('this kernel has no nftables')

    def load(self, rules):
        run('nft', '-f', '-', input='flush ruleset\n' + rules)
        self.addCleanup(run, 'nft', 'flush', 'ruleset')

    def test_the_ruleset_is_what_nft_prints(self):
        self.load(RULES)
        state = snapshot()
        self.assertTrue(state['known']['nft_json'])
        self.assertEqual(json.loads(state['nft_json']), json.loads(run('nft', '-j', 'list', 'ruleset').stdout))
        self.assertNotIn('nft ruleset', gaps(state))

    def test_no_rule_is_an_answer(self):
        self.load('')
        state = snapshot()
        self.assertTrue(state['known']['nft_json'])
        self.assertEqual([list(entry) for entry in json.loads(state['nft_json'])['nftables'] if 'metainfo' not in entry], [])

    def test_live_and_saved_rules_foretell_the_same(self):
        # Neither conntrack nor the client's port are known beforehand: rules that need them would leave it open.
        self.load(RULES.replace('ct state established,related accept', '')
                  .replace('tcp dport vmap', 'tcp sport 8080 tcp dport vmap'))
        live, _ = reply()
        self.assertEqual((live['fate'], live['cause']), ('dies', 'filter'), live)
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, 'state.json')
            self.assertEqual(lvsdiag('snapshot', file).returncode, 0)
            saved, _ = reply('--state', file)
            self.assertEqual(saved, live)
            for name, command in (('nft.json', 'nft -j list ruleset'), ('addr.json', 'ip -j addr'), ('link.json', 'ip -j link'),
                                  ('route.json', 'ip -j route show table all'), ('rule.json', 'ip -j rule'),
                                  ('route-cache.json', 'ip -j route show cache'),
                                  ('sysctl.txt', 'sysctl -a')):
                with open(os.path.join(folder, name), 'w', encoding='utf-8') as out:
                    out.write(run(*command.split(), check=False).stdout)
            os.remove(file)
            self.assertEqual(reply('--state', folder)[0], live)

    def test_the_policy_is_named(self):
        self.load('table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }')
        leg, _ = reply()
        self.assertEqual(leg['fate'], 'dies')
        self.assertIn('the policy (drop) of chain ip filter FORWARD', leg['decides'])

    def test_sets_too_large_are_not_taken_for_empty(self):
        elements = ','.join(f'{20 + (i >> 16)}.{i >> 8 & 255}.{i & 255}.1' for i in range(200_000))
        self.load('table ip f { set s { type ipv4_addr; elements = { 10.1.1.2, ' + elements + ' }\n}\n'
                  'set empty { type ipv4_addr; }\n'
                  'chain forward { type filter hook forward priority 0; ip saddr @empty drop\n}\n}')
        state = snapshot()
        self.assertIn('elements of nft sets', gaps(state))
        self.assertLess(len(state['nft_json']), 4_000)
        self.assertEqual(reply()[0]['fate'], 'passes')
        run('nft', 'add', 'rule', 'ip', 'f', 'forward', 'ip', 'saddr', '@s', 'drop')
        leg, _ = reply()
        self.assertEqual(leg['fate'], 'may-die', leg)

    def test_what_needs_which_right(self):
        self.load(RULES)
        state = snapshot('setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', '--')
        self.assertEqual(gaps(state).get('nft ruleset'), 'needs CAP_NET_ADMIN')
        self.assertFalse(state['known'].get('nft_json', False))
        leg, report = reply(prefix=('setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', '--'))
        self.assertIn('filter rules were not read', leg['doubts'])
        self.assertIn('nft ruleset', [gap['what'] for gap in report['not_read']])

    def test_without_the_library(self):
        self.load(RULES)
        library = next((line.split()[-1] for line in run('ldconfig', '-p').stdout.split('\n')
                        if line.strip().startswith('libnftables.so.1 ')), None)
        if library is None:
            self.skipTest('libnftables is not installed')
        run('mount', '--bind', '/dev/null', os.path.realpath(library))
        self.addCleanup(run, 'umount', os.path.realpath(library))
        self.assertIn('libnftables', gaps(snapshot())['nft ruleset'])

    @unittest.skipIf(shutil.which('iptables-nft') is None, 'iptables is not installed')
    def test_extensions_of_iptables_are_read_in_the_words_of_nft(self):
        self.load('')
        run('iptables-nft', '-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'INVALID', '-m', 'comment', '--comment', 'x',
            '-j', 'DROP')
        leg, _ = reply()
        self.assertIn('ct state invalid', leg['decides'])
        run('iptables-nft', '-F', 'FORWARD')
        run('iptables-nft', '-A', 'FORWARD', '-m', 'addrtype', '--dst-type', 'LOCAL', '-j', 'DROP')
        self.assertEqual(reply()[0]['fate'], 'passes')


class Nothing(unittest.TestCase):
    """Reading changes nothing."""

    @staticmethod
    def surroundings():
        def of(*command):
            return run(*command, check=False).stdout
        modules = ''
        if os.path.exists('/proc/modules'):
            with open('/proc/modules', encoding='ascii') as file:
                modules = sorted(line.split()[0] for line in file)
        settings = [line for line in of('sysctl', '-a').split('\n')
                    if line.startswith('net.') and not re.search(r'nf_conntrack_count|neigh\..*\.|tcp_fastopen_key', line)]
        with open('/proc/net/ip_tables_names', encoding='ascii') as file:
            legacy = file.read()
        return {'modules': modules, 'settings': settings, 'legacy': legacy, 'routes': of('ip', 'route', 'show', 'table', 'all'),
                'links': re.sub(r'state \w+', '', of('ip', '-d', 'link')), 'rules': of('ip', 'rule'),
                'nft': of('nft', 'list', 'ruleset') if shutil.which('nft') else ''}

    def traced(self, *arguments):
        """System calls of a run, as lines of strace."""
        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, 'trace')
            done = lvsdiag(*arguments, prefix=('strace', '-f', '-qq', '-e', 'signal=none', '-o', trace))
            with open(trace, encoding='utf-8', errors='replace') as file:
                return done, [line.split(maxsplit=1)[1] for line in file if ' ' in line]

    def check(self, *arguments, written=()):
        before = self.surroundings()
        done, calls = self.traced(*arguments)
        self.assertEqual(self.surroundings(), before)
        self.assertTrue(any(call.startswith('socket(AF_NETLINK') for call in calls), done.stderr)  # it was traced at all
        opened = [call for call in calls
                  if re.match(r'open(at)?\(', call) and re.search(r'O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)', call)]
        for call in opened:
            self.assertTrue(any(name in call for name in written), call)
        self.assertEqual(len([call for call in calls if call.startswith('execve')]), 1, 'a program was started')
        forbidden = re.compile(r'(execveat|fork|vfork|init_module|finit_module|delete_module|creat|truncate|'
                               r'rename|unlink|mkdir|symlink|mount|bpf|sethostname|chmod|chown)\w*\(')
        for call in calls:
            if any(name in call for name in written) or call.startswith('fchown('):
                continue
            self.assertIsNone(forbidden.match(call), call)
            # A thread is a clone, too; a process is one without CLONE_THREAD.
            if re.match(r'clone3?\(', call):
                self.assertIn('CLONE_THREAD', call)
            # Setting what a link is, or a filter of netfilter, is a message that is no question.
            self.assertIsNone(re.search(r'RTM_(NEW|DEL|SET)\w+.*nlmsg_flags=NLM_F_REQUEST', call), call)
            self.assertIsNone(re.match(r'ioctl\(.*SIOC(S|D|ADD)', call), call)
            self.assertIsNone(re.search(r'PACKET_MR_PROMISC', call), call)
        return done

    @unittest.skipIf(shutil.which('strace') is None, 'strace is not installed')
    def test_check(self):
        self.check('check', *SERVICE)

    @unittest.skipIf(shutil.which('strace') is None, 'strace is not installed')
    def test_snapshot(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, 'kept.json')
            self.check('snapshot', file, written=(folder,))
            with open(file, encoding='utf-8') as kept:
                self.assertEqual(json.load(kept)['lvsnat_snapshot'], 1)

    @unittest.skipIf(shutil.which('strace') is None, 'strace is not installed')
    def test_watching(self):
        self.check('--for', '1', '-i', 'eth0', '-i', 'eth1', *SERVICE)


class Clients(unittest.TestCase):
    def test_a_client_that_is_asked_about(self):
        run('ip', 'route', 'add', 'unreachable', '198.51.100.0/24')
        self.addCleanup(run, 'ip', 'route', 'del', 'unreachable', '198.51.100.0/24')
        leg, report = reply('--client', '198.51.100.7')
        self.assertEqual(report['prediction'][0]['client'], '198.51.100.7')
        self.assertFalse(report['prediction'][0]['example'])
        self.assertEqual((leg['fate'], leg['cause']), ('dies', 'no-route'), leg)
        _, report = reply('--client', '192.168.1.50', '--client', '192.168.1.51')
        self.assertEqual([p['client'] for p in report['prediction']], ['192.168.1.50', '192.168.1.51'])

    def test_no_address_is_refused(self):
        self.assertEqual(lvsdiag('check', '--client', 'carthage').returncode, 3)


if __name__ == '__main__':
    enter_namespace()
    make_director()
    unittest.main()
