#!/usr/bin/env python3
"""Interfaces that go away while they are watched, rings that overflow, rights that are missing, and a /proc that is not there:
the user is told what could not be seen, nothing is concluded from it, and the other interfaces go on.

A network namespace of its own; nothing outside it is touched.
"""
import ctypes
import json
import lzma
import os
import resource
import signal
import socket
import struct
import subprocess
import tempfile
import unittest

from programs import HEALTHY, LVSDIAG, LVSTOP, LVSTRACE, Running, enter, environment, report, run, wait_for

LIBC = ctypes.CDLL(None, use_errno=True)
CAP_NET_ADMIN, CAP_NET_RAW = 12, 13


def ip(*words):
    subprocess.run(['ip', *words], check=True)


def pair(name):
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', f'far-{name}')
    for end in (name, f'far-{name}'):
        with open(f'/proc/sys/net/ipv6/conf/{end}/disable_ipv6', 'w', encoding='ascii') as setting:
            setting.write('1')
        ip('link', 'set', end, 'up')


def healthy_frames():
    """(time, interface, frame) of a healthy cluster, in order: as both of the director's interfaces had them."""
    frames = []
    for name in ('eth0', 'eth1'):
        with lzma.open(os.path.join(os.path.dirname(HEALTHY), f'director-{name}.pcap.xz')) as packed:
            data = packed.read()
        at = 24
        while at + 16 <= len(data):
            seconds, fraction, kept, _ = struct.unpack_from('<IIII', data, at)
            frames.append((seconds, fraction, name, data[at + 16:at + 16 + kept]))
            at += 16 + kept
    return sorted(frames)


def packet_sockets():
    with open('/proc/net/packet', encoding='ascii') as table:
        return len(table.readlines()) - 1


def keep_only(*capabilities):
    def drop():
        for capability in range(64):
            if capability not in capabilities:
                LIBC.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    return drop


class Links(unittest.TestCase):
    def setUp(self):
        for name in ('eth0', 'eth1'):
            pair(name)
        self.addCleanup(self.remove)

    @staticmethod
    def remove():
        for name in ('eth0', 'eth1', 'other0'):
            subprocess.run(['ip', 'link', 'del', name], check=False, stderr=subprocess.DEVNULL)

    def watching(self, *words, program=LVSDIAG):
        running = Running(program, '-i', 'eth0', '-i', 'eth1', '--no-state', *words)
        self.addCleanup(running.kill)
        wait_for(lambda: packet_sockets() >= 2, 'the capture', running.process)
        return running.confined()

    def sources(self, out):
        return {source['interface']: source for source in report(out)['sources']}

    def test_one_that_is_removed(self):
        running = self.watching('--for', '0', '--format', 'json')
        ip('link', 'del', 'eth1')
        code, out, _ = running.end()
        self.assertEqual(code, 3, out)
        sources = self.sources(out)
        self.assertRegex(sources['eth1']['problem'], 'disappeared|removed|down')
        self.assertTrue(sources['eth1']['gaps'])
        self.assertIsNone(sources['eth0']['problem'])

    def test_all_that_are_removed_end_it(self):
        for program, words in ((LVSDIAG, ('--for', '0', '--format', 'json')), (LVSTOP, ('--format', 'ndjson')),
                               (LVSTRACE, ('--client', '192.168.1.254', '--for', '0'))):
            with self.subTest(os.path.basename(program)):
                running = self.watching(*words, program=program)
                ip('link', 'del', 'eth0')
                ip('link', 'del', 'eth1')
                code, out, err = running.result()
                self.assertEqual(code, 3, (out, err))
                self.assertRegex(out + err, 'removed|disappeared')
                for name in ('eth0', 'eth1'):
                    pair(name)

    def test_one_that_is_made_anew_is_not_taken_for_the_old_one(self):
        running = self.watching('--for', '0', '--format', 'json')
        ip('link', 'del', 'eth1')
        pair('eth1')
        code, out, _ = running.end()
        self.assertEqual(code, 3, out)
        self.assertIsNotNone(self.sources(out)['eth1']['problem'])

    def test_an_overflow_withdraws_absence(self):
        running = Running(LVSDIAG, '-i', 'eth0', '-B', '1', '-s', '2000', '--no-state', '--for', '0', '--format', 'json',
                          '--service', 'tcp:192.168.1.110:80=10.1.1.2:80')
        self.addCleanup(running.kill)
        wait_for(lambda: packet_sockets() >= 1, 'the capture', running.process)
        running.confined()
        running.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: running.status().get('State', '').startswith('T'), 'the stop', running.process)
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        wire.bind(('far-eth0', 0))
        for number in range(8000):
            tcp = struct.pack('!HHIIBBHHH', 1024 + number % 60000, 80, number, 0, 0x50, 2, 1024, 0, 0) + bytes(1000)
            head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, socket.inet_aton('192.168.1.254'),
                               socket.inet_aton('192.168.1.110'))
            wire.send(bytes(12) + b'\x08\x00' + head + tcp)
        wire.close()
        running.process.send_signal(signal.SIGCONT)
        code, out, _ = running.end()
        answer = report(out)
        self.assertGreater(answer['sources'][0]['dropped'], 0)
        self.assertIn('LVS901', {f['code'] for f in answer['findings']})
        self.assertFalse([f for f in answer['findings'] if f['severity'] == 'error'], answer['findings'])
        self.assertIn(code, (1, 3))

    def test_a_processor_that_others_have(self):
        """Whoever gets next to no time loses packets and says so, or is late: nobody is accused of what it did not see."""
        frames = healthy_frames()
        processor = min(os.sched_getaffinity(0))
        service = 'tcp:192.168.1.110:80=' + ','.join(f'10.1.1.{n}:80' for n in (2, 3, 4))
        for program, words in ((LVSDIAG, ('--for', '0', '--format', 'json')), (LVSTOP, ('--format', 'ndjson'))):
            with self.subTest(os.path.basename(program)):
                running = self.watching('-B', '1', '--service', service, *words, program=program)
                wires = {}
                for name in ('eth0', 'eth1'):
                    wires[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
                    wires[name].bind((f'far-{name}', 0))
                busy = [subprocess.Popen(['sh', '-c', 'while :; do :; done']) for _ in range(2)]
                try:
                    tasks = [int(task) for task in os.listdir(f'/proc/{running.process.pid}/task')]
                    for pid in [one.pid for one in busy] + tasks:
                        os.sched_setaffinity(pid, {processor})
                    for task in os.listdir(f'/proc/{running.process.pid}/task'):
                        os.sched_setscheduler(int(task), os.SCHED_IDLE, os.sched_param(0))
                    for _ in range(40):
                        for _, _, name, frame in frames:
                            wires[name].send(frame)
                finally:
                    for one in busy:
                        one.kill()
                        one.wait()
                    for wire in wires.values():
                        wire.close()
                code, out, err = running.end()
                self.assertEqual(err, '')
                answer = report(out if program == LVSDIAG else out.splitlines()[-1])
                self.assertEqual([f for f in answer['findings'] if f['severity'] == 'error'], [])
                sources = answer['sources']
                lost = sum(source['dropped'] or 0 for source in sources)
                # What is still in the ring at the end is neither here nor there.
                self.assertLessEqual(sum(source['packets'] for source in sources) + lost, 40 * len(frames))
                self.assertEqual('LVS901' in {f['code'] for f in answer['findings']}, lost != 0)
                self.assertIn(code, (0, 1, 3))

    def test_three_at_once_on_one_interface(self):
        """None takes packets, the ring or the files of another."""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            words = ('-i', 'eth0', '--no-state', '--service', 'tcp:192.168.1.110:80=10.1.1.2:80')
            kept = [os.path.join(folder, name) for name in ('a', 'b')]
            watching = [Running(LVSDIAG, *words, '--for', '0', '--format', 'json', '-w', path) for path in kept]
            watching.append(Running(LVSTOP, *words, '--format', 'ndjson'))
            for running in watching:
                self.addCleanup(running.kill)
            wait_for(lambda: packet_sockets() >= 3, 'three captures', watching[0].process)
            for running in watching:
                running.confined()
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            wire.bind(('far-eth0', 0))
            for number in range(100):
                tcp = struct.pack('!HHIIBBHHH', 1024 + number, 80, number, 0, 0x50, 2, 1024, 0, 0)
                head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 40, 1, 0, 64, 6, 0, socket.inet_aton('192.168.1.254'),
                                   socket.inet_aton('192.168.1.110'))
                wire.send(bytes(12) + b'\x08\x00' + head + tcp)
            wire.close()
            for running in watching:
                code, out, err = running.end()
                self.assertIn(code, (0, 1, 2), err)
                answer = report(out.splitlines()[-1] if running is watching[-1] else out)
                self.assertEqual(answer['packets']['total'], 100, answer['sources'])
            for path in kept:
                again = report(run(LVSDIAG, '-r', path, '--format', 'json').stdout)
                self.assertEqual(again['packets']['total'], 100)

    def test_a_ring_that_cannot_be_had_is_made_smaller_and_that_is_said(self):
        def tight():
            resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
        words = ('-i', 'eth0', '--no-state', '--for', '1', '-B', '2000', '--max-connections', '1000')
        for program, more in ((LVSDIAG, ('--format', 'json')), (LVSTOP, ('--once', '--format', 'ndjson')),
                              (LVSTRACE, ('--client', '10.0.0.1', '--format', 'json'))):
            with self.subTest(os.path.basename(program)):
                done = run(program, *words, *more, preexec_fn=tight)
                self.assertEqual(done.returncode, 3, done)
                self.assertRegex(done.stdout + done.stderr, "the kernel's ring is only [0-9]+ MiB: it refused more")
                self.assertNotIn('out of memory', done.stderr)

    def test_no_ring_at_all(self):
        def none():
            resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
        done = run(LVSDIAG, '-i', 'eth0', '-i', 'eth1', '--no-state', '--for', '1', preexec_fn=none)
        self.assertEqual(done.returncode, 3, done)
        self.assertIn('oo many open files', done.stderr)

    def test_a_namespace_that_is_deleted(self):
        subprocess.run(['mount', '-t', 'tmpfs', 'none', '/run'], check=True)
        self.addCleanup(subprocess.run, ['umount', '-l', '/run'], check=True)
        for program, words in ((LVSDIAG, ('--for', '0', '--format', 'json')), (LVSTOP, ('--format', 'ndjson')),
                               (LVSTRACE, ('--client', '10.0.0.1', '--for', '0', '--format', 'json'))):
            with self.subTest(os.path.basename(program)):
                name = f'lvsnat-{os.getpid()}'
                ip('netns', 'add', name)
                ip('netns', 'exec', name, 'ip', 'link', 'set', 'lo', 'up')
                running = Running('ip', 'netns', 'exec', name, program, '-i', 'lo', '--no-state', *words)
                self.addCleanup(running.kill)
                running.confined()
                wait_for(lambda: int(running.status().get('SigCgt', '0'), 16) >> (signal.SIGINT - 1) & 1, 'the handler',
                         running.process)
                ip('netns', 'del', name)
                before = running.threads()
                code, out, _ = running.end()
                self.assertIn(code, (0, 1, 3), out)
                self.assertTrue(before)
                self.assertEqual(report(out.splitlines()[-1] if program == LVSTOP else out)['sources'][0]['interface'], 'lo')


class Rights(unittest.TestCase):
    def setUp(self):
        pair('eth0')
        self.addCleanup(ip, 'link', 'del', 'eth0')

    def test_each_capability_alone_and_none(self):
        for kept, missing in (((CAP_NET_RAW,), ('CAP_NET_ADMIN',)), ((CAP_NET_ADMIN,), ('CAP_NET_RAW',)),
                              ((), ('CAP_NET_RAW', 'CAP_NET_ADMIN'))):
            with self.subTest(kept):
                done = run(LVSDIAG, '-i', 'eth0', '--for', '1', '--format', 'json', preexec_fn=keep_only(*kept))
                notes = ' '.join(report(done.stdout)['notes']) + done.stderr
                for name in ('CAP_NET_RAW', 'CAP_NET_ADMIN'):
                    self.assertEqual(f'without {name}' in notes, name in missing, notes)
                if CAP_NET_RAW not in kept:
                    self.assertTrue(report(done.stdout)['sources'][0]['refused'])
                    self.assertIn('sudo', done.stderr)
                    for program, words in ((LVSTOP, ('--once', '--for', '1')),
                                           (LVSTRACE, ('--client', '10.0.0.1', '--for', '1'))):
                        other = run(program, '-i', 'eth0', *words, preexec_fn=keep_only(*kept))
                        self.assertIn('CAP_NET_RAW', other.stderr, other)

    def test_the_static_check_of_lvstrace_needs_none(self):
        words = ('--client', '10.0.0.1', '--director', '10.0.0.9', '--format', 'json')
        ip('addr', 'add', '10.0.0.2/24', 'dev', 'eth0')
        self.addCleanup(ip, 'addr', 'flush', 'dev', 'eth0')
        whole = run(LVSTRACE, *words)
        for kept in ((CAP_NET_RAW,), (CAP_NET_ADMIN,), ()):
            with self.subTest(kept):
                done = run(LVSTRACE, *words, preexec_fn=keep_only(*kept))
                self.assertEqual(done.returncode, whole.returncode, done)
                self.assertEqual({f['code'] for f in report(done.stdout)['findings']},
                                 {f['code'] for f in report(whole.stdout)['findings']})
                probed = run(LVSTRACE, *words, '--probe', preexec_fn=keep_only(*kept))
                if CAP_NET_RAW not in kept:
                    self.assertEqual(probed.returncode, 3, probed)
                    self.assertIn('CAP_NET_RAW', probed.stderr)

    def test_captures_need_none(self):
        from programs import HEALTHY
        for program, words in ((LVSDIAG, ()), (LVSTOP, ('--once',))):
            self.assertEqual(run(program, '-r', HEALTHY, *words, preexec_fn=keep_only()).returncode, 0)


class Nothing(unittest.TestCase):
    """No /proc, no /sys."""

    def test_what_is_not_there_is_a_gap_and_no_verdict(self):
        pair('eth0')
        self.addCleanup(ip, 'link', 'del', 'eth0')
        hide = 'mount -t tmpfs none /sys && mount -t tmpfs none /proc && exec "$@"'
        done = run('unshare', '-m', 'sh', '-c', hide, 'sh', LVSDIAG, 'snapshot')
        self.assertEqual(done.returncode, 0, done.stderr)
        state = json.loads(done.stdout)
        self.assertTrue(state['gaps'])
        self.assertFalse(state['known'].get('sysctls'))
        self.assertTrue(state['known']['links'])
        # Without /proc nobody knows whether there is IPVS.
        done = run('unshare', '-m', 'sh', '-c', hide, 'sh', LVSDIAG, '-i', 'eth0', '--for', '1', '--format', 'json')
        answer = report(done.stdout)
        self.assertEqual([f for f in answer['findings'] if f['severity'] == 'error'], [])
        self.assertIn('whether there is IPVS', json.dumps(answer))
        self.assertEqual(done.returncode, 3, done)
        for program, words in ((LVSTOP, ('-i', 'eth0', '--once', '--for', '1')), (LVSTRACE, ('--client', '10.0.0.1'))):
            done = run('unshare', '-m', 'sh', '-c', hide, 'sh', program, *words, env=environment(TERM='xterm'))
            self.assertEqual(done.returncode, 3, done)
            self.assertNotIn('LVS212', done.stdout)

    def test_each_alone(self):
        pair('eth0')
        self.addCleanup(ip, 'link', 'del', 'eth0')
        for what in ('/proc', '/sys'):
            for program, words in ((LVSDIAG, ('check',)), (LVSTOP, ('-i', 'eth0', '--once', '--for', '1')),
                                   (LVSTRACE, ('--client', '10.0.0.1', '--director', '10.0.0.9'))):
                with self.subTest((what, os.path.basename(program))):
                    hide = f'mount -t tmpfs none {what} && exec "$@"'
                    done = run('unshare', '-m', 'sh', '-c', hide, 'sh', program, *words)
                    self.assertIn(done.returncode, (0, 1, 2, 3), done)
                    if what == '/proc':
                        self.assertNotIn('LVS212', done.stdout)
                        if program != LVSTOP:
                            self.assertRegex(done.stdout + done.stderr, '(?i)settings')


if __name__ == '__main__':
    enter('-n', '-m')
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    unittest.main()
