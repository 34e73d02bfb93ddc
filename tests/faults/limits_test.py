#!/usr/bin/env python3
"""Too little of something: memory, descriptors, threads, room in files; and clocks that go backwards. Each is told as what it
is."""
import gzip
import lzma
import os
import re
import resource
import struct
import tempfile
import unittest

from programs import BROKEN, CONFINES, CORPUS, HEALTHY, LVSDIAG, LVSTOP, LVSTRACE, report, run

with lzma.open(BROKEN) as packed:
    CAPTURE = packed.read()


def limited(what, value):
    return lambda: resource.setrlimit(what, (value, value))


def records(data):
    at = 24
    while at + 16 <= len(data):
        head = struct.unpack_from('<IIII', data, at)
        yield list(head), data[at + 16:at + 16 + head[2]]
        at += 16 + head[2]


class Memory(unittest.TestCase):
    @unittest.skipUnless(CONFINES, 'a sanitizer needs all the address space there is')
    def test_whatever_there_is_it_is_never_a_crash_and_never_the_fault_of_the_input(self):
        told = set()
        for program, words in ((LVSDIAG, ()), (LVSTRACE, ('--client', '192.168.1.254')), (LVSTOP, ('--once',))):
            for mebibytes in range(24, 160, 8):
                with self.subTest((os.path.basename(program), mebibytes)):
                    done = run(program, '-r', BROKEN, *words, preexec_fn=limited(resource.RLIMIT_AS, mebibytes << 20))
                    if done.returncode == 127:
                        continue  # the loader had not enough for the libraries
                    self.assertIn(done.returncode, (0, 1, 2, 3), done)
                    self.assertNotIn('damaged', done.stderr)
                    self.assertNotIn('bad_alloc', done.stderr)
                    if done.returncode == 3:
                        self.assertRegex(done.stderr, 'memory')
                        told.add(program)
        self.assertEqual(told, {LVSDIAG, LVSTRACE, LVSTOP})



@unittest.skipUnless(CONFINES, 'a sanitizer needs descriptors of its own')
class Descriptors(unittest.TestCase):
    def test_the_message_is_of_descriptors(self):
        for program, words in ((LVSDIAG, ()), (LVSTRACE, ('--client', '192.168.1.254')), (LVSTOP, ('--once',))):
            enough = False
            for most in range(4, 24):
                with self.subTest((os.path.basename(program), most)):
                    done = run(program, '-r', BROKEN, *words, preexec_fn=limited(resource.RLIMIT_NOFILE, most))
                    if done.returncode in (0, 1, 2):
                        enough = True
                        continue
                    self.assertEqual(done.returncode, 3, done)
                    # A libstdc++ that cannot be loaded for want of descriptors is the loader's word.
                    self.assertIn('oo many open files', done.stderr, done)
            self.assertTrue(enough)


@unittest.skipUnless(CONFINES, 'a sanitizer starts threads of its own')
class Threads(unittest.TestCase):
    def test_lvstop_without_its_thread(self):
        with open('/proc/self/uid_map', encoding='ascii') as table:
            if os.geteuid() != 0 or int(table.read().split()[2]) <= 65534:
                self.skipTest('the limit holds for other users than root')

        def alone():
            # Of a user who has nothing else running.
            os.setgroups([])
            os.setgid(54321)
            os.setuid(54321)
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(CAPTURE)
            copy.flush()
            os.chmod(copy.name, 0o644)
            for words in (('--once',), ('--format', 'ndjson')):
                done = run(LVSTOP, '-r', copy.name, *words, preexec_fn=alone)
                self.assertEqual(done.returncode, 3, done)
                self.assertIn('Resource temporarily unavailable', done.stderr)
                self.assertEqual(done.stderr.count('\n'), 1)
            # The others need none.
            self.assertEqual(run(LVSDIAG, '-r', copy.name, preexec_fn=alone).returncode, 2)
            self.assertIn(run(LVSTRACE, '-r', copy.name, '--client', '192.168.1.254', preexec_fn=alone).returncode, (0, 1, 2))


class FileSize(unittest.TestCase):
    def test_a_limit_on_files_is_a_full_disk(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            for program, words in ((LVSDIAG, ()), (LVSTRACE, ('--client', '192.168.1.254')), (LVSTOP, ('--once',))):
                kept = os.path.join(folder, os.path.basename(program))
                done = run(program, '-r', BROKEN, '-w', kept, *words, preexec_fn=limited(resource.RLIMIT_FSIZE, 4096))
                self.assertEqual(done.returncode, 3, done)
                self.assertIn('File too large', done.stderr)
                self.assertNotEqual(done.stdout, '')
                self.assertFalse(report(run(LVSDIAG, '-r', kept, '--format', 'json').stdout)['sources'][0].get('problem'))
            self.assertEqual(len(os.listdir(folder)), 3)


class Clocks(unittest.TestCase):
    """A clock that is set while capturing: nobody is accused whom the packets do not accuse; nothing lasts less than no time."""

    def judged(self, shift):
        out = CAPTURE[:24]
        for number, (head, data) in enumerate(records(CAPTURE)):
            head[0] = max(0, min(0xffffffff, head[0] + shift(number)))
            out += struct.pack('<IIII', *head) + data
        with tempfile.NamedTemporaryFile(suffix='.pcap') as file:
            file.write(out)
            file.flush()
            os.chmod(file.name, 0o644)
            done = run(LVSDIAG, '-r', file.name, '--format', 'json')
        self.assertIn(done.returncode, (0, 1, 2, 3), done)
        return report(done.stdout)

    @staticmethod
    def accused(answer):
        return {f['subject'].get('real_server') for f in answer['findings'] if f['severity'] == 'error'}

    def durations(self, answer):
        def walk(node):
            if isinstance(node, dict):
                for key, value in node.items():
                    if key.endswith(('_ms', '_s', 'seconds', 'duration')) and isinstance(value, (int, float)):
                        yield key, value
                    yield from walk(value)
            elif isinstance(node, list):
                for value in node:
                    yield from walk(value)
        return list(walk(answer))

    def test_set_while_capturing(self):
        proved = self.accused(self.judged(lambda n: 0))
        self.assertEqual(proved, {'10.1.1.3'})
        middle = sum(1 for _ in records(CAPTURE)) // 2
        for name, shift in (('an hour back', lambda n: -3600 if n > middle else 0),
                            ('an hour on', lambda n: 3600 if n > middle else 0),
                            ('68 years on', lambda n: 2**31 if n > middle else 0), ('year 2106', lambda n: 2**32),
                            ('no clock at all', lambda n: -2**32)):
            with self.subTest(name):
                answer = self.judged(shift)
                self.assertLessEqual(self.accused(answer), proved)
                self.assertEqual([(k, v) for k, v in self.durations(answer) if v < 0], [])


class Legs(unittest.TestCase):
    """Two captures of one director, on machines whose clocks differ a little."""

    def answer(self, folder, shift):
        with tempfile.TemporaryDirectory() as scratch:
            os.chmod(scratch, 0o755)
            words = []
            for name in ('director-eth0', 'director-eth1'):
                with lzma.open(os.path.join(CORPUS, folder, f'{name}.pcap.xz')) as packed:
                    data = packed.read()
                if name == 'director-eth1':
                    unit = 10**9 if data[:4] in (b'\x4d\x3c\xb2\xa1', b'\xa1\xb2\x3c\x4d') else 10**6
                    first = next(records(data))[0][:2]
                    out = data[:24]
                    for head, packet in records(data):
                        since = (head[0] - first[0]) * unit + head[1] - first[1]
                        time = first[0] * unit + first[1] + since + int(shift(since / unit) * unit)
                        head[0], head[1] = divmod(time, unit)
                        out += struct.pack('<IIII', *head) + packet
                    data = out
                words += ['-r', os.path.join(scratch, f'{name}.pcap')]
                with open(words[-1], 'wb') as file:
                    file.write(data)
            done = run(LVSDIAG, *words, '--format', 'json')
        self.assertIn(done.returncode, (0, 1, 2, 3), done)
        return report(done.stdout)

    def test_skewed_and_drifting(self):
        for folder in ('01-two-net-none', '30-two-net-router-rs-default-gw-not-director-one', '42-two-net-ip-forward-off'):
            proved = Clocks.accused(self.answer(folder, lambda t: 0))
            # By seconds: leg 4 then comes before leg 3, or leg 2 before leg 1, which tells that it is the clocks.
            for name, shift in (('0.4 s on', lambda t: 0.4), ('0.4 s back', lambda t: -0.4), ('1.1 s on', lambda t: 1.1),
                                ('2 s back', lambda t: -2), ('5 s on', lambda t: 5), ('60 s on', lambda t: 60),
                                ('60 s back', lambda t: -60),
                                ('500 ppm fast', lambda t: t * 500e-6), ('500 ppm slow', lambda t: -t * 500e-6)):
                with self.subTest((folder, name)):
                    self.assertLessEqual(Clocks.accused(self.answer(folder, shift)), proved)

    def said_of_clocks(self, folder, shift):
        return [re.sub(r'\S*/', '', note) for note in self.answer(folder, shift)['notes'] if 'clock' in note]

    def test_what_is_said_of_it(self):
        eth0, eth1 = 'director-eth0.pcap', 'director-eth1.pcap'
        for folder in ('01-two-net-none', '30-two-net-router-rs-default-gw-not-director-one'):
            for shift in (0, 0.0004, -0.0004):
                self.assertEqual(self.said_of_clocks(folder, lambda t, by=shift: by), [], (folder, shift))
            for shift in (0.4, -0.4, 1.1, -1.1, 60, -60):
                said = self.said_of_clocks(folder, lambda t, by=shift: by)
                self.assertEqual(len(said), 1, (folder, shift))
                behind, ahead = (eth1, eth0) if shift < 0 else (eth0, eth1)
                expected = f'{behind} was timed by a clock that is behind that of {ahead}, by about '
                self.assertTrue(said[0].startswith(expected), said)
                moved = re.search(r'editcap -t (\d+\.\d{3}) ' + re.escape(behind), said[0])
                # Less by what the director took at most, in an emulated machine a few hundredths of a second.
                self.assertLessEqual(abs(shift) - float(moved[1]), 0.05)
                self.assertLessEqual(float(moved[1]), abs(shift) + 0.001)


class Compressed(unittest.TestCase):
    def test_too_little_memory_to_unpack_is_not_damage(self):
        if not CONFINES:
            self.skipTest('a sanitizer needs all the address space there is')
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            # A dictionary of 64 MiB must be there at once.
            path = os.path.join(folder, 'capture.xz')
            with lzma.open(path, 'wb', filters=[{'id': lzma.FILTER_LZMA2, 'dict_size': 64 << 20}]) as file:
                file.write(CAPTURE)
            done = run(LVSDIAG, '-r', path, preexec_fn=limited(resource.RLIMIT_AS, 90 << 20))
            self.assertEqual(done.returncode, 3, done)
            self.assertIn('memory', done.stderr)
            self.assertNotIn('damaged', done.stderr)
            path = os.path.join(folder, 'capture.gz')
            with gzip.open(path, 'wb') as file:
                file.write(CAPTURE)
            self.assertEqual(run(LVSDIAG, '-r', path).returncode, 2)


if __name__ == '__main__':
    unittest.main()
