"""The three programs under test, run and watched; and a namespace of their own where a test needs one.

LVSDIAG, LVSTRACE and LVSTOP in the environment are the programs. Nothing here is timed: what is waited for is the thing itself,
bounded by a patience that only a hang exhausts.
"""
import json
import os
import signal
import struct
import subprocess
import sys
import time

LVSDIAG, LVSTRACE, LVSTOP = (os.environ.get(name, '') for name in ('LVSDIAG', 'LVSTRACE', 'LVSTOP'))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = os.path.join(ROOT, 'tests', 'corpus')
HEALTHY = os.path.join(CORPUS, '01-two-net-none', 'director-any.pcap.xz')
BROKEN = os.path.join(CORPUS, '30-two-net-router-rs-default-gw-not-director-one', 'director-any.pcap.xz')
CONFINES = os.environ.get('LVSNAT_CONFINES', '1') == '1'
PATIENCE = float(os.environ.get('LVSNAT_PATIENCE', '120'))
SKIPPED = 77


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if k not in ('NO_COLOR', 'SUDO_UID', 'SUDO_GID')}
    return {**kept, **more}


def run(*command, **options):
    options.setdefault('stdin', subprocess.DEVNULL)
    options.setdefault('env', environment())
    return subprocess.run([str(c) for c in command], stdout=options.pop('stdout', subprocess.PIPE), stderr=subprocess.PIPE,
                          text=True, timeout=PATIENCE, check=False, **options)


def enter(*how):
    """This process goes on in namespaces of its own (options of unshare), by a user namespace where it is not root."""
    if os.environ.get('LVSNAT_FAULTS_INSIDE'):
        return
    for user in ([], ['-r']):
        if (os.geteuid() == 0 or user) and run('unshare', *user, *how, 'true').returncode == 0:
            os.environ['LVSNAT_FAULTS_INSIDE'] = '1'
            os.execvp('unshare', ['unshare', *user, *how, sys.executable, '-B', *sys.argv])
    print('skipped: no such namespaces can be made here:', *how)
    sys.exit(SKIPPED)


def wait_for(condition, what='what is waited for', process=None):
    end = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        if process is not None and process.poll() is not None:
            raise AssertionError(f'{what}: the program ended with {process.returncode}')
        if time.monotonic() > end:
            raise AssertionError(f'{what} never came')
        time.sleep(0.02)


class Running:
    """A program that goes on until it is ended."""

    def __init__(self, *command, **options):
        options.setdefault('stdin', subprocess.DEVNULL)
        options.setdefault('env', environment())
        options.setdefault('stdout', subprocess.PIPE)
        options.setdefault('stderr', subprocess.PIPE)
        self.process = subprocess.Popen([str(c) for c in command], text=True, **options)

    def status(self):
        try:
            with open(f'/proc/{self.process.pid}/status', encoding='utf-8') as file:
                return dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)
        except (FileNotFoundError, ProcessLookupError):
            return {}

    def threads(self):
        """(state, processor time) of each."""
        found = []
        try:
            for task in sorted(os.listdir(f'/proc/{self.process.pid}/task')):
                with open(f'/proc/{self.process.pid}/task/{task}/stat', encoding='utf-8') as file:
                    words = file.read().rsplit(')', 1)[1].split()
                found.append((words[0], words[11], words[12]))
        except (FileNotFoundError, ProcessLookupError):
            pass
        return found

    def confined(self):
        """Every file and interface is open by now; nothing was read yet, or little."""
        def there():
            status = self.status()
            return status.get('NoNewPrivs') == '1' and (status.get('Seccomp') == '2' or not CONFINES)
        wait_for(there, 'the step down', self.process)
        return self

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        return self.result()

    def result(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def report(text):
    return json.loads(text)


def codes(text):
    return {f['code'] for f in json.loads(text)['findings']}


def pcap(frames, link=1):
    """A capture of (seconds, bytes)."""
    out = struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, link)
    for at, data in frames:
        out += struct.pack('<IIII', int(at), int(at % 1 * 1_000_000), len(data), len(data)) + data
    return out
