#!/usr/bin/env python3
"""Where output cannot go: full disks, and paths that are not what they should be. What was found out is told all the same, what
was written is whole, nothing is overwritten unasked and nothing is left behind."""
import errno
import os
import pty
import re
import select
import stat
import subprocess
import unittest

from programs import BROKEN, CONFINES, HEALTHY, LVSDIAG, LVSTOP, LVSTRACE, enter, environment, report, run, wait_for


class FullDisk(unittest.TestCase):
    """A file system of 64 KiB on /mnt, in a mount namespace of its own."""

    def setUp(self):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k,mode=777', 'none', '/mnt'], check=True)
        self.addCleanup(subprocess.run, ['umount', '/mnt'], check=True)

    def fill(self, leave):
        """All but so many pages of 4 KiB."""
        with open('/mnt/fill', 'wb') as file:
            file.write(bytes(65536 - 4096 * leave))

    def left(self):
        return sorted(os.listdir('/mnt'))

    def test_the_packets_that_fitted_are_kept_and_the_diagnosis_is_told(self):
        self.fill(leave=2)
        for program in (LVSDIAG, LVSTRACE, LVSTOP):
            with self.subTest(os.path.basename(program)):
                more = {LVSTRACE: ('--client', '192.168.1.254'), LVSTOP: ('--once',)}.get(program, ())
                done = run(program, '-r', HEALTHY, '-w', '/mnt/kept', *more)
                self.assertEqual(done.returncode, 3, done)
                self.assertIn('/mnt/kept: No space left on device; it ends after the last packet that fitted', done.stderr)
                self.assertEqual(done.stderr.count('No space left'), 1, done.stderr)
                self.assertNotIn('.lvsnat-', done.stderr)
                self.assertIn('onnections', done.stdout)
                self.assertEqual(self.left(), ['fill', 'kept'])
                again = run(LVSDIAG, '-r', '/mnt/kept', '--format', 'json')
                source = report(again.stdout)['sources'][0]
                self.assertGreater(source['packets'], 0)
                self.assertNotIn('problem', {k: v for k, v in source.items() if v})
                os.unlink('/mnt/kept')
                # The kernel lets go of what Landlock knew of a file a moment after its program has ended.
                wait_for(lambda: os.statvfs('/mnt').f_bavail >= 2, 'room')

    def test_nothing_is_kept_of_nothing(self):
        self.fill(leave=0)
        done = run(LVSDIAG, '-r', HEALTHY, '-w', '/mnt/kept')
        self.assertEqual(done.returncode, 3)
        self.assertIn('No space left', done.stderr)
        self.assertIn('healthy', done.stdout)
        self.assertEqual(self.left(), ['fill'])

    def test_what_a_key_of_the_screen_saves(self):
        self.fill(leave=0)
        main, terminal = pty.openpty()
        process = subprocess.Popen([LVSTOP, '-r', BROKEN], stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, cwd='/mnt',
                                   env=environment(TERM='xterm'), start_new_session=True)
        os.close(terminal)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        seen = b''

        def sees(words):
            nonlocal seen

            def shown():
                nonlocal seen
                while select.select([main], [], [], 0)[0]:
                    seen += os.read(main, 65536)
                return re.search(words, seen)
            wait_for(shown, words, process)
            seen = b''
        sees(rb'Overview')
        down = b'\x1bOB'
        for moves, name in ((b'', rb'\.pcapng'), (down, rb'\.ndjson'), (down + down, rb'\.txt')):
            os.write(main, b'w')
            sees(rb'this.{0,8}view,.{0,8}text')
            os.write(main, moves + b'\r')
            sees(name)
            os.write(main, b'\r')
            # And it goes on.
            sees(rb'No.{0,8}space.{0,8}left')
        os.write(main, b'q')

        def over():
            while process.poll() is None and select.select([main], [], [], 0)[0]:
                try:
                    os.read(main, 65536)
                except OSError:
                    break
            return process.poll() is not None
        wait_for(over, 'the end')
        self.assertEqual((process.wait(), process.stderr.read()), (0, b''))
        os.close(main)
        # Nothing can be removed any more; what has a name is empty, and that was said.
        names = [name for name in self.left() if name != 'fill']
        self.assertEqual([os.path.getsize(f'/mnt/{name}') for name in names], [0] * len(names))

    def test_evidence(self):
        self.fill(leave=0)
        done = run(LVSDIAG, '-r', BROKEN, '--evidence', '/mnt/proof')
        self.assertEqual(done.returncode, 3)
        self.assertIn('/mnt/proof: No space left', done.stderr)
        self.assertIn('LVS101', done.stdout)
        self.assertEqual(self.left(), ['fill'])

    def test_what_must_be_whole_is_not_there_at_all(self):
        self.fill(leave=0)
        for words in (('-r', HEALTHY, '--format', 'json', '-o'), ('-r', HEALTHY, '--connections'), ('snapshot',)):
            with self.subTest(words):
                done = run(LVSDIAG, *words, '/mnt/file')
                self.assertEqual(done.returncode, 3, done)
                self.assertIn('/mnt/file: No space left', done.stderr)
                self.assertEqual(self.left(), ['fill'])
        done = run(LVSDIAG, '-r', HEALTHY, '--connections', '/mnt/file')
        self.assertIn('healthy', done.stdout)

    def test_a_report_that_was_there_stays(self):
        with open('/mnt/report', 'w', encoding='ascii') as file:
            file.write('of yesterday')
        self.fill(leave=1)
        done = run(LVSDIAG, '-r', BROKEN, '-o', '/mnt/report')
        self.assertEqual(done.returncode, 3, done)
        with open('/mnt/report', encoding='ascii') as file:
            self.assertEqual(file.read(), 'of yesterday')

    def test_no_inode_left(self):
        subprocess.run(['mount', '-o', 'remount,nr_inodes=2', '/mnt'], check=True)
        with open('/mnt/last', 'wb'):
            pass
        done = run(LVSDIAG, '-r', HEALTHY, '-w', '/mnt/kept')
        self.assertEqual((done.returncode, done.stdout), (3, ''), done)
        self.assertIn('/mnt/kept', done.stderr)

    def test_read_only(self):
        subprocess.run(['mount', '-o', 'remount,ro', '/mnt'], check=True)
        for option in ('-o', '-w', '--evidence', '--connections'):
            done = run(LVSDIAG, '-r', HEALTHY, option, '/mnt/file')
            self.assertEqual((done.returncode, done.stdout), (3, ''), done)
            self.assertIn('Read-only file system', done.stderr)


@unittest.skipUnless(CONFINES, 'a sanitizer needs more')
class MemoryGroup(unittest.TestCase):
    """A control group of its own, inside the one that this runs in."""

    def setUp(self):
        with open('/proc/self/cgroup', encoding='ascii') as groups:
            mine = {name: path for _, name, path in (line.rstrip('\n').split(':', 2) for line in groups)}
        if 'memory' in mine:
            self.group, self.limit = f"/sys/fs/cgroup/memory{mine['memory'].rstrip('/')}", 'memory.limit_in_bytes'
        else:
            self.group, self.limit = f"/sys/fs/cgroup{mine.get('', '/').rstrip('/')}", 'memory.max'
        self.group += f'/lvsnat-{os.getpid()}'
        try:
            os.mkdir(self.group)
        except OSError as error:
            self.skipTest(f'no control group can be made here: {error}')
        self.addCleanup(self.remove)
        if not os.path.exists(f'{self.group}/{self.limit}'):
            self.skipTest('no control of memory here')
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'mode=777', 'none', '/mnt'], check=True)
        self.addCleanup(subprocess.run, ['umount', '/mnt'], check=True)

    def remove(self):
        # A group is empty a moment after its last process has ended.
        def gone():
            try:
                os.rmdir(self.group)
            except OSError as error:
                return error.errno == errno.ENOENT
            return True
        wait_for(gone, 'the end of the group')

    def limited(self, mebibytes):
        with open(f'{self.group}/{self.limit}', 'w', encoding='ascii') as file:
            file.write(str(mebibytes << 20))

        def inside():
            with open(f'{self.group}/cgroup.procs', 'w', encoding='ascii') as file:
                file.write(str(os.getpid()))
        return inside

    def test_64_mebibytes_are_enough_and_too_little_leaves_nothing_half_done(self):
        for program, words in ((LVSDIAG, ()), (LVSTRACE, ('--client', '192.168.1.254')), (LVSTOP, ('--once',))):
            with self.subTest(os.path.basename(program)):
                plain = run(program, '-r', BROKEN, *words)
                done = run(program, '-r', BROKEN, *words, preexec_fn=self.limited(64))
                self.assertEqual((done.returncode, done.stdout), (plain.returncode, plain.stdout))
                # The kernel kills it, and says nothing; whatever has a name then is whole.
                killed = run(program, '-r', BROKEN, *words, '-w', '/mnt/kept', preexec_fn=self.limited(1))
                self.assertIn(killed.returncode, (-9, plain.returncode), killed)
                for name in os.listdir('/mnt'):
                    again = run(LVSDIAG, '-r', f'/mnt/{name}', '--format', 'json')
                    self.assertFalse(report(again.stdout)['sources'][0].get('problem'), again.stdout)
                    os.unlink(f'/mnt/{name}')


class Paths(unittest.TestCase):
    def setUp(self):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'mode=777', 'none', '/mnt'], check=True)
        self.addCleanup(subprocess.run, ['umount', '/mnt'], check=True)

    def refused(self, words, *command):
        done = run(*command)
        self.assertEqual((done.returncode, done.stdout), (3, ''), done)
        self.assertEqual(done.stderr.count('\n'), 1, done.stderr)
        self.assertIn(words, done.stderr)

    def captures(self, path):
        yield LVSDIAG, '-r', BROKEN, '-w', path
        yield LVSDIAG, '-r', BROKEN, '--evidence', path
        yield LVSTOP, '-r', BROKEN, '--once', '-w', path
        yield LVSTRACE, '-r', BROKEN, '--client', '192.168.1.254', '-w', path

    def test_links_are_not_followed(self):
        with open('/mnt/theirs', 'w', encoding='ascii') as file:
            file.write('theirs')
        for target in ('/mnt/theirs', '/mnt/nowhere'):
            os.symlink(target, '/mnt/link')
            for command in (*self.captures('/mnt/link'), (LVSDIAG, '-r', BROKEN, '-o', '/mnt/link'),
                            (LVSDIAG, 'snapshot', '/mnt/link'), (LVSDIAG, '-r', BROKEN, '--connections', '/mnt/link')):
                with self.subTest((target, command)):
                    self.refused('', *command)
            os.unlink('/mnt/link')
        with open('/mnt/theirs', encoding='ascii') as file:
            self.assertEqual(file.read(), 'theirs')
        self.assertEqual(os.listdir('/mnt'), ['theirs'])

    def test_a_fifo_that_nobody_reads_is_no_file(self):
        os.mkfifo('/mnt/fifo', 0o666)
        for command in self.captures('/mnt/fifo'):
            with self.subTest(command):
                self.refused('', *command)

    def test_no_such_folder(self):
        for command in self.captures('/mnt/no/such'):
            with self.subTest(command):
                self.refused('/mnt/no/such', *command)

    def test_what_is_somebody_elses_stays_theirs(self):
        with open('/proc/self/uid_map', encoding='ascii') as table:
            if int(table.read().split()[2]) <= 65534:
                self.skipTest('only one user exists here')
        with open('/mnt/theirs', 'w', encoding='ascii') as file:
            file.write('theirs')
        os.chown('/mnt/theirs', 4321, 4321)
        for command in ((LVSDIAG, '-r', BROKEN, '-o', '/mnt/theirs'), (LVSDIAG, '-r', BROKEN, '--connections', '/mnt/theirs'),
                        *list(self.captures('/mnt/theirs'))):
            with self.subTest(command):
                self.refused('/mnt/theirs', *command)
        with open('/mnt/theirs', encoding='ascii') as file:
            self.assertEqual(file.read(), 'theirs')

    def test_what_is_kept_of_packets_is_private(self):
        os.umask(0)
        try:
            for number, command in enumerate(self.captures('/mnt/private')):
                with self.subTest(command):
                    done = run(*command)
                    self.assertNotEqual(done.returncode, 3, done)
                    self.assertEqual(stat.S_IMODE(os.stat('/mnt/private').st_mode), 0o600)
                    os.unlink('/mnt/private')
            self.assertEqual(run(LVSDIAG, 'snapshot', '/mnt/state').returncode, 0)
            self.assertEqual(stat.S_IMODE(os.stat('/mnt/state').st_mode), 0o600)
        finally:
            os.umask(0o022)

    def test_two_at_once_to_one_file(self):
        """Whoever comes last has the file, whole: neither ever writes into the other's."""
        for command in self.captures('/mnt/kept'):
            with self.subTest(command):
                both = [subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, env=environment(), text=True) for _ in range(2)]
                for process in both:
                    _, err = process.communicate()
                    # The second may be told that the file is there by now: a capture is not replaced unasked.
                    self.assertIn(process.returncode, (0, 1, 2, 3))
                    if process.returncode == 3:
                        self.assertIn('/mnt/kept', err)
                self.assertTrue([process for process in both if process.returncode != 3])
                self.assertEqual(os.listdir('/mnt'), ['kept'])
                again = report(run(LVSDIAG, '-r', '/mnt/kept', '--format', 'json').stdout)
                self.assertFalse(again['sources'][0].get('problem'))
                self.assertGreater(again['packets']['total'], 0)
                os.unlink('/mnt/kept')

    def test_a_snapshot_is_not_replaced_unasked(self):
        self.assertEqual(run(LVSDIAG, 'snapshot', '/mnt/state').returncode, 0)
        before = os.stat('/mnt/state').st_ino
        self.refused('--force', LVSDIAG, 'snapshot', '/mnt/state')
        self.assertEqual(os.stat('/mnt/state').st_ino, before)
        self.assertEqual(run(LVSDIAG, 'snapshot', '/mnt/state', '--force').returncode, 0)
        self.assertNotEqual(os.stat('/mnt/state').st_ino, before)


if __name__ == '__main__':
    enter('-m')
    unittest.main()
