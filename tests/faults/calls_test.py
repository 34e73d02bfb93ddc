#!/usr/bin/env python3
"""Every call of the system that the programs make, failing: none crashes, hangs, leaves a half file under a name, ends with a
status that is not documented, or takes what it did not read for something that is not there.

failing_calls.cc is loaded in front of libc; the Nth call of a function fails as the table below says. What the program answers is
held against its answer without a fault:

  - a call that was merely interrupted, or transferred less than was asked for, changes nothing at all;
  - whatever else happens, status 0, 1 or 2 goes with the same findings, or with a word that something was not read, and is never
    better than the status without a fault;
  - status 3 goes with a reason on standard error;
  - files are whole or not there.

    calls_test.py [CLASS...]       the first, the second, the last, and some between, by a lottery with a known seed (CI)
    LVSNAT_EVERY_CALL=1 calls_test.py [CLASS...]       each of them, and each allocation: some minutes
"""
import ctypes
import errno
import json
import lzma
import mmap
import os
import pty
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from programs import BROKEN, CONFINES, CORPUS, LVSDIAG, LVSTOP, LVSTRACE, PATIENCE, ROOT, enter, environment, run

INTERPOSER = os.environ['LVSNAT_FAILING_CALLS']
EVERY = os.environ.get('LVSNAT_EVERY_CALL', '0') == '1'
MOST_A_CALL, MOST_ALLOCATIONS = 5, 24  # of one function in one mode, where not every call is tried
STATE = os.path.join(ROOT, 'tests', 'state', 'data')

_library = ctypes.CDLL(INTERPOSER)
_library.lvsnat_failing_calls.restype = ctypes.c_char_p
_library.lvsnat_plan_size.restype = _library.lvsnat_plan_calls.restype = ctypes.c_size_t
CALLS = _library.lvsnat_failing_calls().decode().split()
PLAN_SIZE, PLAN_CALLS = _library.lvsnat_plan_size(), _library.lvsnat_plan_calls()

E = errno
LESS = 0  # transfers less than was asked for
# How each may fail. Others: EIO.
ERRORS = {
    'open': (E.EINTR, E.EACCES, E.EMFILE), 'openat': (E.EMFILE,), 'opendir': (E.EMFILE,), 'fopen': (E.EMFILE,),
    'read': (LESS, E.EINTR, E.EIO), 'write': (LESS, E.EINTR, E.EAGAIN, E.ENOSPC), 'close': (E.EIO,), 'fsync': (E.EIO,),
    'mmap': (E.ENOMEM,), 'memory': (E.ENOMEM,), 'fork': (E.ENOMEM,), 'pthread_create': (E.EPERM,), 'pipe2': (E.EMFILE,),
    'eventfd': (E.EMFILE,), 'socket': (E.EMFILE, E.EPERM), 'socketpair': (E.EMFILE,), 'bind': (E.ENOBUFS,),
    'send': (LESS, E.EINTR, E.ENOBUFS), 'sendto': (E.ENOBUFS,), 'sendmsg': (E.ENOBUFS,), 'recv': (LESS, E.EINTR, E.ECONNRESET),
    'recvfrom': (E.ENOBUFS,), 'recvmsg': (E.EINTR, E.ENOBUFS, E.ENOMEM), 'poll': (E.EINTR, E.ENOMEM), 'prctl': (E.EPERM,),
    'syscall': (E.EPERM, E.ENOSYS), 'getrandom': (E.ENOSYS,), 'setgroups': (E.EPERM,), 'setresuid': (E.EPERM,),
    'setresgid': (E.EPERM,), 'seteuid': (E.EPERM,), 'setegid': (E.EPERM,), 'rename': (E.ENOSPC,), 'unlink': (E.EIO,),
    'fcntl': (E.EMFILE,), 'ioctl': (E.ENODEV,), 'getsockopt': (E.ENOBUFS,), 'setsockopt': (E.ENOMEM,),
    'if_nameindex': (E.ENOBUFS,), 'getifaddrs': (E.ENOBUFS,), 'stat': (E.EIO,), 'lstat': (E.EIO,), 'fstat': (E.EIO,),
}
# Only of calls that transfer something or open it.
NOTHING_LOST = (LESS, E.EINTR, E.EAGAIN)


class Plan:
    """What is to fail, in a file that the program maps; how often each was called, afterwards."""

    def __init__(self, folder, call=None, error=0, first=0, failures=0):
        self.path = os.path.join(folder, 'plan')
        number = CALLS.index(call) if call else len(CALLS)
        head = struct.pack('@IiQQ', number, error, first, failures)
        with open(self.path, 'wb') as file:
            file.write(head + bytes(PLAN_SIZE - len(head)))
        os.chmod(self.path, 0o666)

    def environment(self, **more):
        return environment(LD_PRELOAD=INTERPOSER, LVSNAT_FAULT=self.path,
                           ASAN_OPTIONS='exitcode=99:verify_asan_link_order=0:allocator_may_return_null=1:detect_leaks=0',
                           UBSAN_OPTIONS='halt_on_error=1:exitcode=99', **more)

    def told(self):
        with open(self.path, 'rb') as file:
            data = file.read()
        counts = struct.unpack_from(f'@{len(CALLS)}Q', data, PLAN_CALLS)
        return struct.unpack_from('@Q', data, 24)[0], dict(zip(CALLS, counts))


class Answer:
    """How a program ended, and what it left."""

    def __init__(self, status, out, err, files):
        self.status, self.out, self.err, self.files = status, out, err, files
        self.text = files.get('answer', out.encode()).decode(errors='replace')

    @property
    def report(self):
        lines = [line for line in self.text.splitlines() if line.strip()]
        for text in (self.text, *reversed(lines)):
            try:
                value = json.loads(text)
            except ValueError:
                continue
            if isinstance(value, dict) and ('findings' in value or 'gaps' in value):
                return value
        return None

    def comparable(self):
        """Without what a second run would change."""
        text = re.sub(r'lvsnat-[a-z0-9_]+', 'FOLDER', self.text)
        text = re.sub(r'"(taken|began|ended|written|now|first|last|expires|used|age)[a-z_]*": ?-?[0-9.]+', '', text)
        return text

    def findings(self):
        report = self.report
        if report is None:
            return None
        if 'findings' not in report:
            return set()
        return {(f['code'], f['severity'], json.dumps(f['subject'], sort_keys=True)) for f in report['findings']}

    def words(self):
        """All that tells of something missing."""
        report = self.report or {}
        gaps = (report.get('not_read') or []) + (report.get('gaps') or [])
        told = list(report.get('notes') or []) + [json.dumps(gap) for gap in gaps]
        told += re.findall('.*LVS901.*', self.text)
        told += [s['problem'] for s in report.get('sources') or [] if s.get('problem')]
        return set(told) | set(self.err.splitlines())


class Mode:
    """One way of using one program. FOLDER in its words is a folder of its own."""

    def __init__(self, name, *command, status=2, keeps=(), keys=None, compare=True):
        self.name, self.command, self.status = name, command, status
        self.keeps, self.keys, self.compare = keeps, keys, compare

    def run(self, **fault):
        # Whoever the program turns into writes here.
        with tempfile.TemporaryDirectory(prefix='lvsnat-') as above:
            os.chmod(above, 0o755)
            folder = os.path.join(above, 'out')
            os.mkdir(folder)
            os.chmod(folder, 0o777)
            plan = Plan(above, **fault)
            words = [str(word).replace('FOLDER', folder) for word in self.command]
            if self.keys:
                status, out, err = self.on_terminal(words, plan)
            else:
                done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env=plan.environment(), timeout=PATIENCE, check=False)
                status, out, err = done.returncode, done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace')
            files = {}
            for name in sorted(os.listdir(folder)):
                with open(os.path.join(folder, name), 'rb') as file:
                    files[name] = file.read()
            return Answer(status, out, err, files), *plan.told()

    def on_terminal(self, words, plan):
        main, terminal = pty.openpty()
        process = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=subprocess.PIPE, start_new_session=True,
                                   env=plan.environment(TERM='xterm'))
        os.close(terminal)
        seen, err, typed, idle, end = b'', b'', 0, 0, time.monotonic() + PATIENCE
        try:
            while process.poll() is None:
                if time.monotonic() > end:
                    raise subprocess.TimeoutExpired(words, PATIENCE)
                ready, _, _ = select.select([main, process.stderr], [], [], 0.02)
                if main in ready:
                    try:
                        seen += os.read(main, 65536)
                    except OSError:
                        break
                if process.stderr in ready:
                    err += os.read(process.stderr.fileno(), 65536)
                # Each key when the screen shows what the one before did; the last one, which ends it, also when nothing comes.
                idle = 0 if main in ready else idle + 1
                if typed < len(self.keys) and re.search(self.keys[typed][0], seen):
                    os.write(main, self.keys[typed][1])
                    typed, seen, idle = typed + 1, b'', 0
                elif idle >= 25:
                    os.write(main, self.keys[-1][1])
                    idle = 0
            status = process.wait(timeout=PATIENCE)
            err += process.stderr.read()
            return status, seen.decode(errors='replace'), err.decode(errors='replace')
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stderr.close()
            os.close(main)


def moments(calls, call, lottery):
    """Which calls are to fail, of so many."""
    if EVERY and (call != 'memory' or calls <= 2000):
        return list(range(1, calls + 1))
    most = MOST_ALLOCATIONS if call == 'memory' else MOST_A_CALL
    if EVERY:
        most = 2000
    if calls <= most:
        return list(range(1, calls + 1))
    chosen = {1, 2, calls}
    while len(chosen) < most:
        chosen.add(lottery.randint(1, calls))
    return sorted(chosen)


class Faults(unittest.TestCase):
    """What all modes have in common."""
    ONLY = os.environ.get('LVSNAT_ONLY_CALL', '').split()
    tried = failed = 0

    def sweep(self, mode):
        plain, _, counts = mode.run()
        self.assertEqual(plain.status, mode.status, plain.err)
        again, _, _ = mode.run()
        if mode.compare:
            self.assertEqual(plain.comparable(), again.comparable(), f'{mode.name} does not answer twice alike')
        lottery = random.Random(f'{mode.name} of lvsnat')
        tasks = []
        for call, calls in counts.items():
            if calls == 0 or (self.ONLY and call not in self.ONLY) or (call == 'memory' and not CONFINES):
                continue
            # Of lvstop's some are known to be told wrongly (README.md): one by one, where somebody reads what comes.
            if call == 'memory' and mode.command[0] == LVSTOP and not EVERY:
                continue
            for error in ERRORS.get(call, (E.EIO,)):
                for first in moments(calls, call, lottery):
                    tasks.append((call, error, first, 1))
            if call == 'memory':
                # Where there is none, there is none for what comes after either.
                tasks += [(call, E.ENOMEM, first, 1 << 40) for first in moments(calls, call, lottery)]
            if call in ('open', 'write', 'mmap', 'socket'):
                tasks += [(call, ERRORS[call][-1], first, 1 << 40) for first in moments(calls, call, lottery)[:3]]
        happened, wrong = 0, []
        with ThreadPoolExecutor(max_workers=2) as pool:
            for task, (outcome, count) in zip(tasks, pool.map(lambda task: self.one(mode, plain, task), tasks)):
                happened += count > 0
                if outcome:
                    call, error, first, failures = task
                    name = errno.errorcode.get(error, 'LESS')
                    wrong.append(f'{call} {first}{"" if failures == 1 else " and all later"}: {name}: {outcome}')
        print(f'{mode.name}: {len(tasks)} runs, in {happened} a call failed', file=sys.stderr, flush=True)
        if wrong:
            self.fail(f'{mode.name}: {len(wrong)} of {len(tasks)}\n' + '\n'.join(wrong))
        # The faults did reach the program.
        self.assertGreater(happened, len(tasks) // 2)

    def one(self, mode, plain, task):
        """What is wrong, or None; and how many calls failed."""
        call, error, first, failures = task
        try:
            answer, failed, _ = mode.run(call=call, error=error, first=first, failures=failures)
        except subprocess.TimeoutExpired:
            return 'it hangs', 1
        return self.judge(mode, plain, answer, task, failed), failed

    def judge(self, mode, plain, answer, task, failed):
        call, error, _, failures = task
        about = f'status {answer.status}, said {answer.err[-300:]!r}'
        missed = answer.words() - plain.words()
        mute = call == 'write' and failures > 1  # standard error takes nothing either
        # An assertion of the JSON library, in debug builds only, that its own state is whole while std::bad_alloc passes by.
        if call == 'memory' and re.search(r'assert_invariant|Unexpected error\.$', answer.err):
            return None
        # ncurses and its terminfo do not look at what malloc() gave them (_nc_tiparm, _nc_find_type_entry, _nc_setupterm).
        if call == 'memory' and mode.keys and answer.status == -signal.SIGSEGV:
            return None
        if re.search(r'terminate called|Sanitizer|runtime error:|stack smashing|Assertion', answer.err) or answer.status == 99:
            return f'it breaks: {about}'
        if answer.status not in (0, 1, 2, 3):
            return f'it ends as nobody documented: {about}'
        parts = [name for name in answer.files if name.startswith('.')]
        if parts and call != 'unlink':
            return f'{parts} are left behind: {about}'
        if 'answer' in answer.files and plain.report is not None and answer.report is None:
            return f'half an answer has a name: {about}'
        for name in mode.keeps:
            if name in answer.files and answer.files[name] != plain.files.get(name) and not missed and not mute:
                return f'{name} is not what it would be, and nothing is said: {about}'
        if not failed:
            return None
        # libnftables gives up where a call of its own is interrupted.
        if answer.status == 3 and 'libnftables ended the program' in answer.err:
            return None
        if error in NOTHING_LOST and failures == 1:
            if answer.status != plain.status or (mode.compare and answer.comparable() != plain.comparable()):
                return f'nothing was lost, but the answer is another: {about}'
        if answer.status == 3:
            silent = not answer.err.strip() and not mute
            return f'it does not say why: {about}' if silent else None
        if mode.keys:
            return None
        # What was read until then is told; that it is not all makes it a warning at least.
        # A file of a saved state that may not be read is one that was not saved: said, and nothing concluded from it.
        partly = answer.status == 1 or (call, error) == ('open', E.EACCES)
        if answer.status < plain.status and not (partly and missed):
            return f'the verdict is better than the truth: {about}'
        if mode.compare and answer.findings() != plain.findings() and not missed:
            return f'the findings are others, and nothing is said: {about}, {answer.findings()}'
        if mode.compare and not missed and answer.report is None and answer.comparable() != plain.comparable():
            return f'the answer is another, and nothing is said: {about}, {answer.text[:500]}'
        invented = (answer.findings() or set()) - (plain.findings() or set())
        if [f for f in invented if f[1] == 'error']:
            return f'somebody is accused whom nothing proves guilty: {invented}'
        return None


class Files(Faults):
    """Captures and saved state, for anybody."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix='lvsnat-')
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        cls.plain = os.path.join(folder.name, 'broken.pcap')
        with lzma.open(BROKEN) as packed, open(cls.plain, 'wb') as file:
            file.write(packed.read())
        # A director that does not forward.
        cls.state = os.path.join(folder.name, 'state')
        shutil.copytree(os.path.join(STATE, 'director'), cls.state)
        path = os.path.join(cls.state, 'sysctl.txt')
        with open(path, encoding='utf-8') as file:
            settings = re.sub(r'(?m)^(net\.ipv4\.(ip_forward|conf\..*\.forwarding)) = .*$', r'\1 = 0', file.read())
        with open(path, 'w', encoding='utf-8') as file:
            file.write(settings)
        cls.snapshot = os.path.join(folder.name, 'snapshot.json')
        done = run(LVSDIAG, 'snapshot', '--state', cls.state, '-')
        assert done.returncode == 0, done.stderr
        with open(cls.snapshot, 'w', encoding='utf-8') as file:
            file.write(done.stdout)

    def test_lvsdiag_with_every_output(self):
        self.sweep(Mode('lvsdiag -r, all outputs', LVSDIAG, '-r', self.plain, '--format', 'json', '-o', 'FOLDER/answer', '-w',
                        'FOLDER/kept', '--evidence', 'FOLDER/proof', '--connections', 'FOLDER/lines',
                        keeps=('kept', 'proof', 'lines')))

    def test_lvsdiag_packed(self):
        self.sweep(Mode('lvsdiag -r, packed', LVSDIAG, '-r', BROKEN, '--format', 'json'))

    def test_lvsdiag_check(self):
        self.sweep(Mode('lvsdiag check, a folder', LVSDIAG, 'check', '--state', self.state, '--format', 'json'))
        self.sweep(Mode('lvsdiag check, a snapshot', LVSDIAG, 'check', '--state', self.snapshot, '--config',
                        os.path.join(self.state, 'ipvsadm-save.txt'), '--format', 'json'))

    def test_lvsdiag_snapshot(self):
        self.sweep(Mode('lvsdiag snapshot', LVSDIAG, 'snapshot', '--state', self.state, 'FOLDER/answer', status=0))

    def test_lvstrace(self):
        self.sweep(Mode('lvstrace --state', LVSTRACE, '--state', os.path.join(STATE, 'rs-no-route'), '--client', '192.168.1.254',
                        '--format', 'json'))
        capture = os.path.join(CORPUS, '34-one-net-hub-rs-link-route-all', 'rs1-eth0.pcap.xz')
        self.sweep(Mode('lvstrace -r', LVSTRACE, '-r', capture, '--client', '192.168.1.254', '--format', 'json', '-w',
                        'FOLDER/kept', keeps=('kept',)))

    def test_lvstop(self):
        self.sweep(Mode('lvstop --once', LVSTOP, '-r', self.plain, '--once', '-w', 'FOLDER/kept', keeps=('kept',)))
        self.sweep(Mode('lvstop ndjson', LVSTOP, '-r', self.plain, '--format', 'ndjson'))

    def test_lvstop_screen(self):
        self.sweep(Mode('lvstop, a screen', LVSTOP, '-r', self.plain, keys=((rb'Overview', b'3'), (rb'LVS101', b'q')),
                        status=0, compare=False))


class Live(Faults):
    """This host's kernel and its interfaces, in a network namespace of its own."""

    def test_snapshot(self):
        self.sweep(Mode('lvsdiag snapshot, live', LVSDIAG, 'snapshot', 'FOLDER/answer', status=0, compare=False))


if __name__ == '__main__':
    if 'Live' in sys.argv:
        enter('-n')
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    unittest.main(argv=[sys.argv[0], *(sys.argv[1:] or ['Files'])])
