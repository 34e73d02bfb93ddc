#!/usr/bin/env python3
"""Texts that programs read (services, state, reports, command lines), mean or broken: what is said of them, and where it stands.
LVSDIAG in the environment is the program. Nothing here may hang, crash, use memory without bound or print what steers a
terminal."""
import json
import os
import pathlib
import resource
import signal
import struct
import subprocess
import tempfile
import unicodedata
import unittest

LVSDIAG = os.environ['LVSDIAG']
SANITIZED = os.environ.get('SANITIZED', '') not in ('', 'OFF')
MEBIBYTES = 256
HANG = 240
BELL = '\x1b]0;owned\x07\x9b31m\u202e'

# What the text is, the text, and what must be said of it: a place as LINE:COLUMN or LINE, and words.
# None: it is good, as far as it goes.
IPVSADM = [
    ('nothing', '', 'no services|empty|not known|neither'),
    ('one line', '-A -t 10.0.0.1:80 -s rr\n', None),
    ('no line end', '-A -t 10.0.0.1:80 -s rr', None),
    ('CR LF', '-A -t 10.0.0.1:80 -s rr\r\n-a -t 10.0.0.1:80 -r 10.1.1.2:80 -m\r\n', None),
    ('byte-order mark', '\ufeff-A -t 10.0.0.1:80 -s rr\n', None),
    ('no port', '-A -t 10.0.0.1:80 -s rr\n-A -t host: -s rr\n', ':2:'),
    ('no host', '-A -t :80 -s rr\n', ':1:'),
    ('port too large', '-A -t 10.0.0.1:99999 -s rr\n', ':1:'),
    ('no address', '-A -t 1.2.3:80 -s rr\n', ':1:'),
    ('percent', '-A -t %n%s:80 -s rr\n', ':1:'),
    ('no such flag', '-A -t 10.0.0.1:80 -s rr --no-such-flag\n', ':1:'),
    ('no value', '-A -t\n', ':1:'),
    ('mark 0', '-A -f 0 -s rr\n', ':1:'),
    ('mark too large', '-A -f 4294967296 -s rr\n', ':1:'),
    ('negative weight', '-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.1.2 -m -w -1\n', ':2:'),
    ('real server first', '-a -t 10.0.0.1:80 -r 10.1.1.2:80 -m\n', ':1:'),
    ('controls', '-A -t ' + BELL + ':80 -s rr\n', ':1:'),
    ('NUL', '-A -t 10.0.0.1:80 -s rr\n-A -t 10.0\0.0.1:80 -s rr\n', ':2:'),
    ('one long line', '-A -t 10.0.0.1:80 ' + 'x' * (1 << 20) + '\n', ':1:'),
    (
        'a hundred thousand',
        '-A -t 10.0.0.1:80 -s rr\n'
        + ''.join(f'-a -t 10.0.0.1:80 -r 10.{i >> 16}.{i >> 8 & 255}.{i & 255}:80 -m\n' for i in range(100_000)),
        None,
    ),
    ('one twice', '-A -t 10.0.0.1:80 -s rr\n' + '-a -t 10.0.0.1:80 -r 10.1.1.2:80 -m\n' * 2, ':3:'),
    ('too many services', '\n'.join(f'-A -f {i} -s rr' for i in range(1, 200_003)) + '\n', ':200001:'),
    ('too large', '-A -t 10.0.0.1:80 -s rr\n' * 400_000, 'larger than|more than'),
]
KEEPALIVED = [
    ('sound', 'virtual_server 10.0.0.1 80 {\n lb_kind NAT\n real_server 10.1.1.2 80 {\n }\n}\n', None),
    ('never closed', 'virtual_server 10.0.0.1 80 {\n', ':1'),
    ('closed twice', 'virtual_server 10.0.0.1 80 {\n}\n}\n', ':3'),
    ('deep', 'virtual_server 10.0.0.1 80 {\n' + 'x {\n' * 10_000, 'deeper'),
    ('no address', 'virtual_server nobody.invalid 80 {\n}\n', ':1'),
    ('no port', 'virtual_server 10.0.0.1 99999 {\n}\n', ':1'),
    (
        'doubling',
        '$A=xxxxxxxx\n'
        + ''.join(f'${chr(66 + i)}=${chr(65 + i)}${chr(65 + i)}\n' for i in range(24))
        + 'virtual_server 10.0.0.1 80 {\n lb_algo $Y\n}\n',
        'longer than',
    ),
    ('of itself', '$A=$A$A\nvirtual_server 10.0.0.1 80 {\n lb_algo $A\n}\n', None),
    ('a long sequence', '~SEQ(x, 1, 1000000000) virtual_server 10.0.0.$x 80 {\n}\n', ''),
    ('controls', 'virtual_server 10.0.0.1 80 {\n lb_algo "' + BELL + '\n}\n', ''),
    ('include of a device', 'include /dev/zero\nvirtual_server 10.0.0.1 80 {\n}\n', None),
    ('include of all', 'include /*/*\nvirtual_server 10.0.0.1 80 {\n}\n', ''),
    ('include of itself', 'include input\nvirtual_server 10.0.0.1 80 {\n}\n', 'deeper|include'),
    ('include of a FIFO', 'include fifo\nvirtual_server 10.0.0.1 80 {\n}\n', ''),
    ('NUL', 'virtual_server 10.0.0.1 80 {\n lb_kind N\0AT\n}\n', ''),
    ('quote without end', 'virtual_server 10.0.0.1 80 {\n lb_algo "rr\n}\n', ''),
    (
        'a hundred thousand definitions',
        ''.join(f'$A{i}=1\n' for i in range(20_000)) + 'virtual_server 10.0.0.1 80 {\n}\n',
        'more than',
    ),
]
LVS_CONF = [
    ('sound', 'LVS_TYPE=VS_NAT\nVIP=192.168.1.110 eth0:110\nSERVICE=t 192.168.1.110 rr telnet 10.1.1.2\n', ''),
    ('controls', 'LVS_TYPE=VS_NAT\nSERVICE=t ' + BELL + ' rr 80 10.1.1.2\n', ''),
    ('no such name', 'LVS_TYPE=VS_NAT\nSERVICE=t nobody.invalid rr 80 10.1.1.2\n', ':2'),
    ('half a line', 'LVS_TYPE=VS_NAT\nSERVICE=t\n', ':2'),
    ('a command', 'LVS_TYPE=VS_NAT\nSERVICE=t $(reboot) rr 80 10.1.1.2\n', ':2'),
]
# --state: files of a directory; what must be said somewhere in the answer, or None where the file is good.
STATE = [
    (
        'ip_vs',
        'IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\nTCP  XYZ:0050 rr\n',
    ),
    (
        'ip_vs',
        'IP Virtual Server version 1.2.1 (size=4096)\n'
        + 'TCP  C0A8016E:0050 rr\n  -> 0A010102:0050 Masq 1 0 0\n' * 60_000,
    ),
    (
        'ip_vs_conn',
        'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n'
        + 'TCP C0A801FE 8000 C0A8016E 0050 0A010102 0050 ESTABLISHED 4294967296 '
        + BELL
        + '\n' * 3,
    ),
    ('ip_vs_conn', 'TCP short\n' * 50_000),
    ('proc-net-route', 'Iface\tDestination\n' + BELL + '\t0\n'),
    ('proc-net-arp', 'IP address HW type Flags\n' + 'x' * 100_000 + '\n'),
    ('sysctl.txt', 'net.ipv4.ip_forward = 99999999999999999999\n' + BELL + ' = 1\n'),
    ('sysctl.txt', 'net.ipv4.conf.' + 'x' * 1_000_000 + '.rp_filter = 1\n'),
    ('addr.json', '[' * 100_000),
    (
        'addr.json',
        '[{"ifname": "'
        + 'e' * 100
        + '\\u001b[31m\\u202e", "addr_info": [{"local": "10.0.0.1", "prefixlen": 1e999}]}]',
    ),
    ('addr.json', '[{"ifname": 3, "addr_info": {"a": []}}, null, 7]'),
    ('addr.json', '[' + '{},' * 2_000_000 + '{}]'),
    ('route.json', '{"dst": "default"'),
    ('rule.json', '[{"priority": -1, "src": "all", "table": {}}]'),
    ('nft.json', '{"nftables": [{"rule": ' + '{"match": ' * 5_000),
    ('nft.txt', 'table ip x {\n' * 20_000),
    ('nft.txt', 'table ip nat { chain ' + BELL + ' { type nat hook postrouting priority 100; masquerade } }\n'),
    ('modules', 'ip_vs 1 2 3 Live 0x0 ' * 50_000 + '\n'),
    ('ipvsadm-save.txt', '-A -t %s -s rr\n' * 3),
    ('conntrack.txt', 'tcp 6 ' + 'src=10.0.0.1 ' * 100_000 + '\n'),
    ('snmp', 'Ip: ' + 'a ' * 100_000 + '\nIp: 1\n'),
]
WITH = [
    ('no JSON', 'nonsense', 'JSON|is no|line'),
    ('cut', '{"schema": 1, "tool": "lvstrace", "findings": [', 'JSON|line|is no'),
    ('deep', '[' * 100_000, 'deep|nest|JSON'),
    ('deep objects', '{"a":' * 100_000, 'deep|nest|JSON'),
    ('huge number', '{"schema": 1e999}', ''),
    ('another schema', '{"schema": 2}', 'schema 2'),
    ('two schemas', '{"schema": 1, "schema": 1}', ''),
    (
        'another tool',
        '{"schema":1,"tool":"lvsdiag","verdict":"ok","sources":[],"topology":{},"findings":[]}',
        'lvsdiag',
    ),
    ('controls', '{"schema": 1, "tool": "' + json.dumps(BELL)[1:-1] + '"}', ''),
    ('many values', '{"schema":1,"notes":[' + '0,' * 1_100_000 + '0]}', ''),
    ('too large', ' ' * (17 << 20), 'larger than|limit'),
]
COMMAND_LINES = [
    ['--no-such'],
    ['-r'],
    ['-r', ''],
    ['--format', BELL],
    ['--service', 'tcp:' + '9' * 5000],
    ['--service', 'tcp:10.0.0.1:80=' + '1,' * 5000],
    ['--service', 'tcp:10.0.0.1:99999'],
    ['--service', BELL],
    ['--name', '=' * 1000],
    ['--for', '1e9999'],
    ['--for', 'nan'],
    ['--for', '-1'],
    ['--max-connections', '-1'],
    ['--max-connections', '99999999999999999999'],
    ['-s', '-1'],
    ['-B', '0x10'],
    ['-B', ''],
    ['@input'],
    ['--client', BELL],
    ['--client', '10.0.0.0/99'],
    ['--config', ''],
    ['--state', ''],
    ['explain', 'x' * 100_000],
    ['check', 'check'],
    ['-F', '(' * 3000],
    ['-F', BELL],
    ['--color', 'x' * 100_000],
    ['--with', ''],
    ['-o', '/nonexistent/' + 'x' * 300],
    ['--', BELL],
    ['snapshot', 'a', 'b'],
    ['probe', BELL],
    ['probe', '10.0.0.1.2'],
    ['-qv'],
    ['--config', '/dev/zero'],
    ['--config', '/dev/tty'],
    ['--state', '/dev/zero'],
    ['--with', '/dev/zero'],
    ['-r', '/dev/zero'],
    ['--config', '/'],
    ['--with', '/'],
    ['-r', '/'],
]


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Of no use under a sanitizer, which maps terabytes.
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (4 * MEBIBYTES << 20, 4 * MEBIBYTES << 20))


def unclean(data):
    """The first character that could steer a terminal, or None."""
    for character in data.decode('utf-8'):
        if character != '\n' and unicodedata.category(character) in ('Cc', 'Cf', 'Zl', 'Zp', 'Cs'):
            return f'U+{ord(character):04X}'
    return None


class Texts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.capture = self.folder / 'capture.pcap'
        self.capture.write_bytes(struct.pack('<IHHiIII', 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        self.input = self.folder / 'input'

    def run_with(self, *arguments):
        """Runs lvsdiag; returns (status, output, errors) after what must hold of every run."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [LVSDIAG, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                preexec_fn=limits,
                cwd=self.folder,
                env=dict(os.environ, NO_COLOR='1', LC_ALL='C.UTF-8'),
            )
            previous = signal.signal(signal.SIGALRM, lambda *_: process.kill())
            signal.alarm(HANG)
            _, status, usage = os.wait4(process.pid, 0)
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            said, complained = out.read(), err.read()
        shown = [a[:60] for a in map(str, arguments)]
        self.assertIn(process.returncode, (0, 1, 2, 3), (shown, complained[-500:]))
        for text in (said, complained):
            self.assertIsNone(unclean(text), (shown, text[:300]))
        self.assertLess(len(complained), 20_000, shown)
        if not SANITIZED:
            self.assertLess(usage.ru_maxrss / 1024, MEBIBYTES, shown)
        return process.returncode, said.decode(), complained.decode()

    def refuses(self, option, content, words):
        """The text as a file behind an option. words: what must be said, '' for anything at all or nothing."""
        self.input.write_bytes(content.encode('utf-8', 'surrogatepass'))
        status, said, complained = self.run_with('--no-state', '-r', self.capture, option, self.input)
        refused = str(self.input) in complained
        if words is None:
            self.assertFalse(refused, complained)
        elif words:
            self.assertTrue(refused, (said[:300], complained))
            self.assertEqual(status, 3)
            self.assertEqual(complained.count('\n'), 1, complained)
            self.assertRegex(complained.replace(str(self.input), 'input', 1), f'input.*({words})')

    def test_services_of_ipvsadm(self):
        for what, content, words in IPVSADM:
            with self.subTest(what):
                self.refuses('--config', content, words)

    def test_keepalived(self):
        os.mkfifo(self.folder / 'fifo')
        for what, content, words in KEEPALIVED:
            with self.subTest(what):
                self.refuses('--config', content, words)

    def test_lvs_conf(self):
        for what, content, words in LVS_CONF:
            with self.subTest(what):
                self.refuses('--config', content, words)

    def test_reports(self):
        for what, content, words in WITH:
            with self.subTest(what):
                self.refuses('--with', content, words)

    def test_state_directories(self):
        for number, (name, content) in enumerate(STATE):
            with self.subTest(f'{name} {number}'):
                state = self.folder / f'state{number}'
                state.mkdir()
                (state / name).write_bytes(content.encode('utf-8'))
                self.run_with('check', '--state', state)
                self.run_with('check', '--state', state, '--format', 'json')

    def test_snapshots(self):
        state = self.folder / 'state'
        state.mkdir()
        (state / 'sysctl.txt').write_text('net.ipv4.ip_forward = 1\n', encoding='utf-8')
        (state / 'addr.json').write_text(
            '[{"ifname":"eth0","addr_info":[{"family":"inet","local":"10.0.0.1","prefixlen":8}]}]'
        )
        self.run_with('snapshot', self.folder / 'snapshot', '--state', state)
        sound = (
            (self.folder / 'snapshot').read_bytes()
            if (self.folder / 'snapshot').exists()
            else b'{"lvsnat_snapshot": 1}'
        )
        sound = sound.rstrip()
        for end in [*range(0, len(sound), max(1, len(sound) // 25)), len(sound) - 1]:
            self.input.write_bytes(sound[:end])
            status, _, complained = self.run_with('check', '--state', self.input)
            self.assertEqual(status, 3, complained)
            self.assertIn(str(self.input), complained)
        for content in (
            b'[' * 200_000,
            b'{"a":' * 200_000,
            sound.replace(b'10.0.0.1', b'\\u001b[2J'),
            sound.replace(b'eth0', b'\\u202e'),
        ):
            self.input.write_bytes(content)
            self.run_with('check', '--state', self.input)

    def test_what_is_no_regular_file_is_refused_at_once(self):
        os.mkfifo(self.folder / 'fifo')
        os.symlink('/dev/zero', self.folder / 'link')
        os.symlink('loop', self.folder / 'loop')
        for path in ('fifo', 'link', 'loop', '.'):
            for option in ('--config', '--with', '--state'):
                if (path, option) == ('.', '--state'):
                    continue
                status, said, complained = self.run_with('-r', self.capture, option, path)
                self.assertEqual(status, 3, (path, option, said, complained))
                self.assertIn(path, complained)
            status, _, complained = self.run_with('--no-state', '-r', path)
            self.assertEqual(status, 3, path)
            self.assertIn(path, complained)
        state = self.folder / 'state'
        state.mkdir()
        os.mkfifo(state / 'addr.json')
        os.symlink('/dev/zero', state / 'sysctl.txt')
        os.mkdir(state / 'route.json')
        self.run_with('check', '--state', state)

    def test_command_lines(self):
        self.input.write_text('--format json', encoding='utf-8')
        for arguments in COMMAND_LINES:
            with self.subTest(arguments[:2]):
                source = (
                    []
                    if arguments[0] in ('-r', 'check', 'explain', 'snapshot', 'probe', '-i')
                    else ['-r', 'capture.pcap']
                )
                status, _, complained = self.run_with(*arguments, *source)
                self.assertEqual(status, 3, complained)
                self.assertNotEqual(complained, '')


if __name__ == '__main__':
    unittest.main()
