#!/usr/bin/env python3
"""lvsdiag on live interfaces. LVSDIAG in the environment is the program.

A network namespace of its own holds eth0 and eth1; frames that a real director once saw are sent to them from the other
ends of their cables. Needs the right to make such a namespace; without it everything is skipped (status 77).
"""
import ctypes
import fcntl
import json
import lzma
import os
import pty
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest

LVSDIAG = os.environ['LVSDIAG']
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(ROOT, 'tests', 'corpus')
HEALTHY = os.path.join(CORPUS, '01-two-net-none')
BROKEN = os.path.join(CORPUS, '30-two-net-router-rs-default-gw-not-director-one')
# A sanitizer must start and trace processes: programs that have one built in are not confined.
CONFINES = os.environ.get('LVSNAT_CONFINES', '1') == '1'
PATIENCE = 60  # seconds; never reached unless something hangs
LIBC = ctypes.CDLL(None, use_errno=True)
PR_CAPBSET_DROP = 24
CAP_NET_ADMIN, CAP_NET_RAW = 12, 13
SKIPPED = 77


def enter_namespace():
    """This process goes on in a network namespace of its own, by a user namespace where it is not root."""
    if os.environ.get('LVSDIAG_LIVE_TEST_INSIDE'):
        return
    how = ['unshare', '-n'] if os.geteuid() == 0 else ['unshare', '-rn']
    if subprocess.run([*how, 'true'], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        how = ['unshare', '-rn']
        if subprocess.run([*how, 'true'], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            print('skipped: no network namespace can be made here')
            sys.exit(SKIPPED)
    os.environ['LVSDIAG_LIVE_TEST_INSIDE'] = '1'
    os.execvp('unshare', [*how, sys.executable, '-B', *sys.argv])


def make_interfaces():
    def ip(*arguments):
        return subprocess.run(['ip', *arguments], check=False).returncode == 0
    for name in ('eth0', 'eth1'):
        if not ip('link', 'add', name, 'type', 'veth', 'peer', 'name', f'far-{name}'):
            print('skipped: no veth pair can be made here')
            sys.exit(SKIPPED)
        for end in (name, f'far-{name}'):
            # The kernel's own neighbour chatter is no part of what was recorded.
            with open(f'/proc/sys/net/ipv6/conf/{end}/disable_ipv6', 'w', encoding='ascii') as setting:
                setting.write('1')
            ip('link', 'set', end, 'up')


def recorded(case):
    """(seconds, interface, bytes) of both sides of a director, by time."""
    frames = []
    for name in ('eth0', 'eth1'):
        with lzma.open(os.path.join(case, f'director-{name}.pcap.xz')) as file:
            data = file.read()
        magic = struct.unpack_from('<I', data)[0]
        unit = {0xa1b2c3d4: 1e-6, 0xa1b23c4d: 1e-9}[magic]
        at = 24
        while at + 16 <= len(data):
            seconds, fraction, kept, _ = struct.unpack_from('<IIII', data, at)
            frames.append((seconds + fraction * unit, name, data[at + 16:at + 16 + kept]))
            at += 16 + kept
    return sorted(frames, key=lambda frame: frame[0])


def replay(case):
    wires = {}
    for name in ('eth0', 'eth1'):
        wires[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        wires[name].bind((f'far-{name}', 0))
    before = None
    for at, name, data in recorded(case):
        if before is not None:
            # At the pace of old: what a silence proves depends on how long it lasts.
            time.sleep(max(0.0, at - before))
        before = at
        wires[name].send(data)
    for wire in wires.values():
        wire.close()
    time.sleep(0.3)


def packet_sockets():
    with open('/proc/net/packet', encoding='ascii') as table:
        return len(table.readlines()) - 1


class Watching:
    """lvsdiag on eth0 and eth1, from when it captures until it has ended."""

    def __init__(self, *arguments, interfaces=('eth0', 'eth1'), stderr=subprocess.PIPE, **options):
        named = [word for name in interfaces for word in ('-i', name)]
        environment = {k: v for k, v in os.environ.items() if k not in ('NO_COLOR', 'SUDO_UID', 'SUDO_GID')}
        environment.update(options.pop('environment', {}))
        self.process = subprocess.Popen([LVSDIAG, *named, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=stderr, text=True, env=environment, **options)
        self.wait_for(lambda: packet_sockets() >= len(interfaces))
        # Open is not yet ready: rights are given up right after.
        self.wait_for(lambda: self.status()['NoNewPrivs'] == '1' and (self.status()['Seccomp'] == '2' or not CONFINES))

    def wait_for(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f'lvsdiag does not capture: {self.process.communicate(timeout=PATIENCE)}')
            time.sleep(0.02)

    def status(self):
        with open(f'/proc/{self.process.pid}/status', encoding='utf-8') as file:
            return dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


def findings(text):
    return sorted((f['code'], f['subject'].get('real_server')) for f in json.loads(text)['findings'])


def from_files(case):
    files = [word for name in ('eth0', 'eth1') for word in ('-r', os.path.join(case, f'director-{name}.pcap.xz'))]
    return subprocess.run([LVSDIAG, *files, '--format', 'json'], stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)


class Live(unittest.TestCase):
    def test_a_healthy_director(self):
        watching = Watching('--no-state', '--for', '0', '--format', 'json')
        replay(HEALTHY)
        code, out, err = watching.end()
        self.assertEqual((code, err), (0, ''), out)
        report = json.loads(out)
        self.assertEqual(report['verdict'], 'ok')
        self.assertEqual(report['connections']['total'], json.loads(from_files(HEALTHY).stdout)['connections']['total'])
        self.assertEqual([source['interface'] for source in report['sources']], ['eth0', 'eth1'])
        self.assertEqual([source['dropped'] for source in report['sources']], [0, 0])

    def test_the_diagnosis_is_that_of_the_files(self):
        watching = Watching('--no-state', '--for', '0', '--format', 'json')
        replay(BROKEN)
        code, out, _ = watching.end(signal.SIGTERM)
        expected = from_files(BROKEN)
        self.assertEqual(code, expected.returncode)
        self.assertEqual(findings(out), findings(expected.stdout))
        self.assertIn(('LVS101', '10.1.1.3'), findings(out))

    def test_nothing_seen_says_what_was_waited_for(self):
        watching = Watching('--no-state', '--for', '1', '--format', 'json', '--service', 'tcp:192.168.1.110:80=10.1.1.2:80')
        out, err = watching.process.communicate(timeout=PATIENCE)
        self.assertEqual(watching.process.returncode, 3)
        self.assertEqual(json.loads(out)['findings'][0]['code'], 'LVS903')
        self.assertEqual(err.count('\n'), 1, err)
        for words in ('tcp:192.168.1.110:80', 'eth0, eth1', 'curl -m 5 http://192.168.1.110/', '--for 0'):
            self.assertIn(words, err)

    def test_only_packets_of_the_filter(self):
        watching = Watching('--no-state', '--for', '0', '--format', 'json', '-F', 'host 10.1.1.3')
        replay(HEALTHY)
        code, out, _ = watching.end()
        files = [word for name in ('eth0', 'eth1') for word in ('-r', os.path.join(HEALTHY, f'director-{name}.pcap.xz'))]
        same = subprocess.run([LVSDIAG, *files, '--format', 'json', '-F', 'host 10.1.1.3'], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(json.loads(out)['packets']['total'], json.loads(same.stdout)['packets']['total'])
        self.assertEqual(code, same.returncode)

    def test_declared_services_make_a_filter(self):
        watching = Watching('--no-state', '--for', '0', '--format', 'json', '--service',
                            'tcp:192.168.1.110:80=10.1.1.2:80,10.1.1.3:80,10.1.1.4:80')
        stranger = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        stranger.bind(('far-eth0', 0))
        udp = struct.pack('!HHHH', 7, 7, 8, 0)
        header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28, 1, 0, 64, 17, 0, socket.inet_aton('198.51.100.1'),
                             socket.inet_aton('198.51.100.2'))
        for _ in range(10):
            stranger.send(bytes(12) + b'\x08\x00' + header + udp)
        stranger.close()
        replay(HEALTHY)
        code, out, _ = watching.end()
        self.assertEqual(code, 0, out)
        self.assertEqual(json.loads(out)['packets']['total'], len(recorded(HEALTHY)))

    def test_an_interface_that_goes_down_withdraws_verdicts(self):
        watching = Watching('--no-state', '--for', '0', '--format', 'json')
        subprocess.run(['ip', 'link', 'set', 'eth1', 'down'], check=True)
        try:
            time.sleep(0.6)
        finally:
            subprocess.run(['ip', 'link', 'set', 'eth1', 'up'], check=True)
        time.sleep(0.6)
        replay(HEALTHY)
        code, out, _ = watching.end()
        self.assertEqual(code, 1, out)
        self.assertIn(('LVS901', None), findings(out))

    def test_a_missing_interface_is_refused_and_told(self):
        result = subprocess.run([LVSDIAG, '-i', 'eth7', '--no-state', '--for', '1', '--format', 'json'], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(result.returncode, 3)
        self.assertIn('eth7', result.stderr)
        self.assertTrue(json.loads(result.stdout)['sources'][0]['refused'])


class Written(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.chmod(self.folder.name, 0o777)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def test_what_was_captured_is_kept(self):
        watching = Watching('--no-state', '--for', '0', '-w', self.path('kept.pcapng'), '--evidence', self.path('proof.pcapng'))
        replay(BROKEN)
        code, _, err = watching.end()
        self.assertEqual((code, err), (2, ''))
        self.assertEqual(stat.S_IMODE(os.stat(self.path('kept.pcapng')).st_mode), 0o600)
        again = subprocess.run([LVSDIAG, '-r', self.path('kept.pcapng'), '--format', 'json'], stdout=subprocess.PIPE, text=True,
                               timeout=PATIENCE, check=False)
        self.assertEqual(json.loads(again.stdout)['packets']['total'], len(recorded(BROKEN)))
        self.assertIn(('LVS101', '10.1.1.3'), findings(again.stdout))
        with open(self.path('proof.pcapng'), 'rb') as proof:
            self.assertIn(b'LVS101 reply-bypasses-director', proof.read())
        self.assertEqual(sorted(os.listdir(self.folder.name)), ['kept.pcapng', 'proof.pcapng'])

    def test_every_connection_is_written_once(self):
        watching = Watching('--no-state', '--for', '0', '--connections', self.path('connections'), '--format', 'ndjson')
        replay(HEALTHY)
        code, out, _ = watching.end()
        self.assertEqual(code, 0)
        with open(self.path('connections'), encoding='utf-8') as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual({line['legs'] for line in lines}, {'1234'})
        self.assertEqual(len({line['client_port'] for line in lines}), len(lines))
        stream = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([line['type'] for line in stream], ['connection'] * len(lines) + ['report'])

    def test_connections_come_as_they_end(self):
        watching = Watching('--no-state', '--for', '0', '--format', 'ndjson')
        replay(HEALTHY)
        # Long before the end of the watching; a closed connection waits some seconds for late packets.
        ready, _, _ = select.select([watching.process.stdout], [], [], PATIENCE)
        self.assertTrue(ready)
        self.assertEqual(json.loads(watching.process.stdout.readline())['type'], 'connection')
        code, out, _ = watching.end()
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out.splitlines()[-1])['type'], 'report')

    def test_evidence_needs_what_was_kept(self):
        result = subprocess.run([LVSDIAG, '-i', 'eth0', '--evidence', self.path('x')], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(result.returncode, 3)
        self.assertIn('-w FILE', result.stderr)


def keep_only(*capabilities):
    """For preexec_fn: what is executed has these capabilities, root or not."""
    def drop():
        for capability in range(64):
            if capability not in capabilities:
                LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    return drop


class Privileges(unittest.TestCase):
    def assert_none_left(self, status):
        for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status['NoNewPrivs'], '1')
        if CONFINES:
            self.assertEqual(status['Seccomp'], '2')

    def test_every_right_is_given_up(self):
        watching = Watching('--no-state', '--for', '0', '--format', 'json')
        status = watching.status()
        self.assert_none_left(status)
        self.assertEqual(int(status['CapBnd'], 16), 0)
        with open('/proc/self/uid_map', encoding='ascii') as table:
            if int(table.read().split()[2]) > 65534:
                self.assertEqual(status['Uid'].split(), ['65534'] * 4)
                self.assertEqual(status['Gid'].split(), ['65534'] * 4)
                self.assertEqual(status['Groups'].split(), [])
        # And it works all the same.
        replay(HEALTHY)
        self.assertEqual(watching.end()[0], 0)

    def test_captures_are_read_without_rights(self):
        process = subprocess.Popen([LVSDIAG, '-r', '-'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        status = {'NoNewPrivs': '0'}
        while (status['NoNewPrivs'] != '1' or (CONFINES and status['Seccomp'] != '2')) and time.monotonic() < end:
            with open(f'/proc/{process.pid}/status', encoding='utf-8') as file:
                status = dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)
        self.assert_none_left(status)
        process.communicate(timeout=PATIENCE)

    def test_captures_that_only_root_may_read_are_read(self):
        with tempfile.TemporaryDirectory() as folder:
            own = os.path.join(folder, 'own')
            with lzma.open(os.path.join(HEALTHY, 'director-any.pcap.xz')) as packed, open(own, 'wb') as file:
                file.write(packed.read())
            os.chmod(own, 0o600)
            result = subprocess.run([LVSDIAG, '-r', own, '-q'], stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
            self.assertEqual(result.returncode, 0, result)

    def test_under_sudo_files_belong_to_the_caller(self):
        with open('/proc/self/uid_map', encoding='ascii') as table:
            if int(table.read().split()[2]) <= 65534:
                self.skipTest('only one user exists here')
        with tempfile.TemporaryDirectory() as folder:
            os.chown(folder, 4321, 4321)
            os.chmod(folder, 0o700)
            watching = Watching('--no-state', '--for', '0', '-w', os.path.join(folder, 'kept'),
                                environment={'SUDO_UID': '4321', 'SUDO_GID': '4321'})
            self.assertEqual(watching.status()['Uid'].split(), ['4321'] * 4)
            replay(HEALTHY)
            self.assertEqual(watching.end()[0], 0)
            self.assertEqual(os.stat(os.path.join(folder, 'kept')).st_uid, 4321)

    def test_root_stays_for_what_only_root_may_write_but_without_rights(self):
        with tempfile.TemporaryDirectory() as folder:
            watching = Watching('--no-state', '--for', '0', '-w', os.path.join(folder, 'kept'))
            self.assert_none_left(watching.status())
            replay(HEALTHY)
            code, _, err = watching.end()
            self.assertEqual((code, err), (0, ''))
            self.assertEqual(os.listdir(folder), ['kept'])

    def test_two_capabilities_are_enough(self):
        watching = Watching('--no-state', '--for', '0', '--format', 'json', preexec_fn=keep_only(CAP_NET_RAW, CAP_NET_ADMIN))
        self.assert_none_left(watching.status())
        replay(HEALTHY)
        code, out, _ = watching.end()
        self.assertEqual(code, 0, out)

    def test_without_the_right_to_capture_it_says_which(self):
        result = subprocess.run([LVSDIAG, '-i', 'eth0', '--no-state', '--for', '1', '--format', 'json'], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
                                preexec_fn=keep_only(CAP_NET_ADMIN))
        self.assertEqual(result.returncode, 3, result)
        self.assertIn('CAP_NET_RAW', result.stderr)
        self.assertIn('CAP_NET_RAW', ' '.join(json.loads(result.stdout)['notes']))

    def test_never_promiscuous_unless_asked(self):
        def promiscuous():
            text = subprocess.run(['ip', '-d', 'link', 'show', 'eth0'], stdout=subprocess.PIPE, text=True, check=True).stdout
            return int(re.search(r'promiscuity (\d+)', text).group(1))
        watching = Watching('--no-state', '--for', '0')
        self.assertEqual(promiscuous(), 0)
        watching.end()
        watching = Watching('--no-state', '--for', '0', '-p')
        self.assertEqual(promiscuous(), 1)
        watching.end()
        self.assertEqual(promiscuous(), 0)


class Links(unittest.TestCase):
    def test_one_that_came_later_is_told(self):
        watching = Watching('--no-state', '--for', '0', '--format', 'json')
        subprocess.run(['ip', 'link', 'add', 'late0', 'type', 'veth', 'peer', 'name', 'late1'], check=True)
        try:
            replay(HEALTHY)
            _, out, _ = watching.end()
        finally:
            subprocess.run(['ip', 'link', 'del', 'late0'], check=True)
        self.assertIn('late0', ' '.join(json.loads(out)['notes']))


class View(unittest.TestCase):
    def shown(self, *arguments):
        main, terminal = pty.openpty()
        fcntl.ioctl(terminal, 0x5414, struct.pack('HHHH', 30, 100, 0, 0))  # TIOCSWINSZ
        watching = Watching('--no-state', '--for', '0', *arguments, stderr=terminal, environment={'TERM': 'xterm'})
        os.close(terminal)
        replay(BROKEN)
        text = b''
        end = time.monotonic() + PATIENCE
        while b'broken' not in text and time.monotonic() < end and '-q' not in arguments:
            if select.select([main], [], [], 1)[0]:
                text += os.read(main, 65536)
        watching.end()
        try:
            while True:
                more = os.read(main, 65536)
                if not more:
                    break
                text += more
        except OSError:
            pass
        os.close(main)
        return text.decode()

    def test_legs_light_up(self):
        text = self.shown('--color', 'never')
        self.assertIn('watching eth0, eth1: ', text)
        self.assertIn('connect from a client now', text)
        self.assertRegex(text, r'10\.1\.1\.2:80 +1 2 3 4')
        self.assertRegex(text, r'10\.1\.1\.3:80 +1 2 - -')
        self.assertNotRegex(text, r'\x1b\[[0-9;]*m')
        # What is drawn is taken away: the report stands alone.
        self.assertTrue(text.endswith('\x1b[J'), repr(text[-80:]))

    def test_colours_are_for_those_who_want_them(self):
        self.assertIn('\x1b[32m1', self.shown('--color', 'always'))

    def test_quiet_is_quiet(self):
        self.assertEqual(self.shown('-q'), '')


if __name__ == '__main__':
    enter_namespace()
    make_interfaces()
    unittest.main()
