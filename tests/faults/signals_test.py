#!/usr/bin/env python3
"""Every signal that a terminal, a shell or a service manager sends, at every phase: what was seen until then is told, or the
program ends as the signal says; files are whole or not there."""
import array
import fcntl
import lzma
import os
import pty
import random
import select
import signal
import subprocess
import tempfile
import termios
import time
import unittest

from programs import BROKEN, LVSDIAG, LVSTOP, LVSTRACE, Running, environment, report, run, wait_for

with lzma.open(BROKEN) as packed:
    CAPTURE = packed.read()
ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        # Whoever the program turns into writes here.
        os.chmod(self.folder.name, 0o777)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def reading(self, program, *words, text=CAPTURE, **options):
        """The program with a capture on its standard input that goes on; it has taken all that there is."""
        source, sink = os.pipe()
        running = Running(program, '-r', '-', *words, stdin=source, **options)
        self.addCleanup(running.kill)
        os.close(source)
        running.confined()
        os.write(sink, text)
        self.addCleanup(os.close, sink)
        before = None

        def waits():
            """The pipe is empty, and no thread has done anything since the last look."""
            nonlocal before
            left = array.array('i', [0])
            fcntl.ioctl(sink, termios.FIONREAD, left)
            now = running.threads()
            idle = left[0] == 0 and now == before and all(state == 'S' for state, *_ in now)
            before = now
            return idle
        wait_for(waits, 'reading', running.process)
        return running


class WhileReading(Folder):
    def test_what_was_seen_is_told(self):
        for how in ASKED:
            with self.subTest(how):
                running = self.reading(LVSDIAG, '--format', 'json', '-o', self.path('report'), '-w', self.path('kept'),
                                       '--connections', self.path('lines'))
                code, out, err = running.end(how)
                self.assertEqual((code, out, err), (2, '', ''))
                with open(self.path('report'), encoding='utf-8') as file:
                    answer = report(file.read())
                self.assertIn('LVS101', {f['code'] for f in answer['findings']})
                kept = report(run(LVSDIAG, '-r', self.path('kept'), '--format', 'json').stdout)
                self.assertEqual(kept['packets']['total'], answer['packets']['total'])
                self.assertEqual(sorted(os.listdir(self.folder.name)), ['kept', 'lines', 'report'])
                for name in ('kept', 'lines', 'report'):
                    os.unlink(self.path(name))

    def test_lvstrace_and_lvstop_too(self):
        for program, words in ((LVSTRACE, ('--client', '192.168.1.254', '-w', self.path('kept'))),
                               (LVSTOP, ('--once', '-w', self.path('kept'))),
                               (LVSTOP, ('--format', 'ndjson', '-w', self.path('kept')))):
            for how in ASKED:
                with self.subTest((program, words, how)):
                    code, out, err = self.reading(program, *words).end(how)
                    self.assertIn(code, (0, 1, 2), err)
                    self.assertNotEqual(out, '')
                    self.assertEqual(os.listdir(self.folder.name), ['kept'])
                    kept = report(run(LVSDIAG, '-r', self.path('kept'), '--format', 'json').stdout)
                    self.assertGreater(kept['packets']['total'], 0)
                    os.unlink(self.path('kept'))

    def test_those_that_end_a_program_leave_nothing_behind(self):
        running = self.reading(LVSDIAG, '-o', self.path('report'), '-w', self.path('kept'), '--connections', self.path('lines'))
        code, out, err = running.end(signal.SIGQUIT)
        self.assertEqual((code, out, err), (-signal.SIGQUIT, '', ''))
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_hangup_is_ignored_under_nohup(self):
        running = self.reading(LVSDIAG, '--format', 'json', preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        running.process.send_signal(signal.SIGHUP)
        code, out, _ = running.end(signal.SIGINT)
        self.assertEqual(code, 2)
        self.assertIn('LVS101', {f['code'] for f in report(out)['findings']})

    # In a process group of its own, whose parent is of the same session: in an orphaned one, as under nohup, nothing stops.
    def test_stopped_and_continued(self):
        running = self.reading(LVSDIAG, '--format', 'json', preexec_fn=os.setpgrp)
        for _ in range(20):
            running.process.send_signal(signal.SIGTSTP)
            wait_for(lambda: running.status().get('State', '').startswith('T'), 'the stop', running.process)
            running.process.send_signal(signal.SIGCONT)
            wait_for(lambda: not running.status().get('State', '').startswith('T'), 'going on', running.process)
        code, out, err = running.end()
        self.assertEqual((code, err), (2, ''))
        self.assertIn('LVS101', {f['code'] for f in report(out)['findings']})

    def test_lvstrace_and_lvstop_stopped_and_continued(self):
        for program, words in ((LVSTRACE, ('--client', '192.168.1.254')), (LVSTOP, ('--once',)),
                               (LVSTOP, ('--format', 'ndjson'))):
            with self.subTest((os.path.basename(program), words)):
                plain = run(program, '-r', BROKEN, *words)
                running = self.reading(program, *words, preexec_fn=os.setpgrp)
                for _ in range(5):
                    running.process.send_signal(signal.SIGTSTP)
                    wait_for(lambda: running.status().get('State', '').startswith('T'), 'the stop', running.process)
                    running.process.send_signal(signal.SIGCONT)
                    wait_for(lambda: not running.status().get('State', '').startswith('T'), 'going on', running.process)
                code, out, err = running.end()
                self.assertEqual(code, plain.returncode, err)
                self.assertNotEqual(out, '')

    def test_those_that_mean_nothing_here_end_it_as_everywhere(self):
        for how in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            self.assertEqual(self.reading(LVSDIAG).end(how)[0], -how)


class WhileWriting(Folder):
    def stuck(self, *words):
        """The program at its answer, which nobody takes."""
        source, sink = os.pipe()
        # A pipe of one page is full at once.
        fcntl.fcntl(sink, 1031, 4096)  # F_SETPIPE_SZ
        running = Running(LVSDIAG, '-r', BROKEN, '--format', 'ndjson', '-w', self.path('kept'), '--evidence', self.path('proof'),
                          *words, stdout=sink)
        self.addCleanup(running.kill)
        os.close(sink)

        def writing():
            return select.select([source], [], [], 0)[0] and running.status().get('State', '').startswith('S')
        wait_for(writing, 'the answer', running.process)
        return running, source

    def test_it_can_be_ended(self):
        for how in ASKED + (signal.SIGQUIT,):
            with self.subTest(how):
                running, source = self.stuck()
                code, _, err = running.end(how)
                os.close(source)
                self.assertEqual((code, err), (-how, ''))
                # Complete by then: the answer comes last.
                self.assertEqual(sorted(os.listdir(self.folder.name)), ['kept', 'proof'])
                for name in ('kept', 'proof'):
                    os.unlink(self.path(name))

    def test_a_reader_that_leaves(self):
        running, source = self.stuck()
        os.close(source)
        code, _, err = running.result()
        self.assertEqual((code, err), (2, ''))
        self.assertEqual(sorted(os.listdir(self.folder.name)), ['kept', 'proof'])

    def test_head(self):
        for words in (f'{LVSDIAG} -r {BROKEN} --format ndjson', f'{LVSDIAG} explain LVS101', f'{LVSDIAG} rules',
                      f'{LVSDIAG} --help', f'{LVSTOP} -r {BROKEN} --once', f'{LVSTOP} -r {BROKEN} --format ndjson',
                      f'{LVSTRACE} -r {BROKEN} --client 192.168.1.254'):
            with self.subTest(words):
                done = run('bash', '-c', f'{words} | head -1; exit ${{PIPESTATUS[0]}}')
                self.assertIn(done.returncode, (0, 1, 2), done)
                self.assertEqual(done.stderr, '')


class AtAnyMoment(Folder):
    """Ended at whatever moment it happens to be: nothing but whole files under their names, and no word of a crash."""

    def test_fifty_moments(self):
        lottery = random.Random(7)
        for number in range(50):
            how = ASKED[number % len(ASKED)]
            process = subprocess.Popen([LVSDIAG, '-r', BROKEN, '-o', self.path('report'), '-w', self.path('kept'), '--evidence',
                                        self.path('proof')], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env=environment())
            time.sleep(lottery.random() * 0.08)  # any moment will do: this waits for nothing
            process.send_signal(how)
            _, err = process.communicate(timeout=120)
            self.assertIn(process.returncode, (0, 1, 2, 3, -how), err)
            self.assertFalse([name for name in os.listdir(self.folder.name) if name.startswith('.')], how)
            for name in os.listdir(self.folder.name):
                if name != 'report':
                    again = run(LVSDIAG, '-r', self.path(name), '--format', 'json')
                    self.assertFalse(report(again.stdout)['sources'][0].get('problem'), again.stdout)
                os.unlink(self.path(name))


class Screen(Folder):
    """lvstop on a terminal."""

    def start(self, *words):
        main, terminal = pty.openpty()
        running = Running(LVSTOP, '-r', BROKEN, *words, stdin=terminal, stdout=terminal, env=environment(TERM='xterm'),
                          start_new_session=True)
        self.addCleanup(running.kill)
        os.close(terminal)
        seen = b''

        def drawn():
            nonlocal seen
            while select.select([main], [], [], 0)[0]:
                seen += os.read(main, 65536)
            return b'Overview' in seen
        wait_for(drawn, 'the screen', running.process)
        return running, main

    def test_signals_end_it_and_the_terminal_is_as_before(self):
        for how in ASKED:
            with self.subTest(how):
                running, main = self.start('-w', self.path('kept'))
                running.process.send_signal(how)
                seen = b''

                def over():
                    nonlocal seen
                    try:
                        while select.select([main], [], [], 0)[0]:
                            more = os.read(main, 65536)
                            if not more:
                                break
                            seen += more
                    except OSError:
                        pass
                    return running.process.poll() is not None
                wait_for(over, 'the end')
                over()
                os.close(main)
                self.assertIn(b'\x1b[?1049l', seen)
                self.assertEqual(os.listdir(self.folder.name), ['kept'])
                self.assertIn(running.process.returncode, (2, 0) if how == signal.SIGINT else (-how, 128 + how))
                os.unlink(self.path('kept'))

    def test_a_terminal_that_goes_away(self):
        running, main = self.start('-w', self.path('kept'))
        os.close(main)
        wait_for(lambda: running.process.poll() is not None, 'the end')
        self.assertEqual(os.listdir(self.folder.name), ['kept'])


if __name__ == '__main__':
    unittest.main()
