#!/usr/bin/env python3
"""Ten connections, some of which go wrong, inside a storm of packets that belong to nobody: what is said of the ten is what is
said without the storm, and memory stays bounded.

Without options as an ordinary test: 100,000 tuples in 300,000 packets, and the lesser storms. The whole size:

    tests/load/flood_test.py --tuples 5000000 --packets 10000000 --storm syn --mebibytes 512

Then --crowd: a flood that fills the table many times over. Half-open connections make room, what was said of them stays; of legs
that a connection did not live to see, nothing is said (`?`).

LVSDIAG and LVSNAT_GENERATE in the environment, or --build FOLDER.
"""
import argparse
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time

STORMS = ('syn', 'rst', 'icmp', 'fragments', 'reuse')
SECOND = 1_000_000_000


def records(path):
    """(nanoseconds, frame) of what lvsnat-generate wrote."""
    with open(path, 'rb') as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        seconds, rest, kept, _ = struct.unpack_from('<IIII', data, at)
        yield seconds * SECOND + rest, data[at + 16:at + 16 + kept]
        at += 16 + kept


def ethernet_ipv4(protocol, source, destination, size, fragment=0):
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + size, 7, fragment, 64, protocol, 0)
    return bytes(12) + b'\x08\x00' + head + source + destination


class Storm:
    """Frames of strangers, in the order of their tuples, again and again. A SYN crosses the director: it comes, and goes on."""

    def __init__(self, kind, tuples, vip, rip):
        self.kind, self.tuples, self.vip, self.rip = kind, tuples, vip, rip

    def frame(self, number):
        number, leg = divmod(number, 2)
        tuple_number = number % self.tuples
        # 24 bits of address and the port tell 2^40 of them apart.
        source = struct.pack('!I', 0x0b000000 | (tuple_number * 2654435761 & 0xffffff))
        port = 1024 + tuple_number % 60000
        to, to_port = (self.vip, 80) if leg == 0 else (self.rip, 8080)
        if self.kind == 'reuse':
            # One client port, ever again with another sequence number.
            source, port = b'\x0b\x00\x00\x01', 1024 + tuple_number % 10
        if self.kind in ('syn', 'reuse'):
            tcp = struct.pack('!HHIIBBHHH', port, to_port, number * 2_000_003 & 0xffffffff, 0, 0x50, 0x02, 1024, 0, 0)
            return ethernet_ipv4(6, source, to, 20) + tcp
        if self.kind == 'rst':
            return ethernet_ipv4(6, source, to, 20) + struct.pack('!HHIIBBHHH', port, to_port, number, 0, 0x50, 0x04, 0, 0, 0)
        if self.kind == 'icmp':
            inner = ethernet_ipv4(6, self.vip, source, 20)[14:] + struct.pack('!HHI', 80, port, number & 0xffffffff)
            return ethernet_ipv4(1, source, self.vip, 8 + len(inner)) + struct.pack('!BBHI', 3, 1, 0, 0) + inner
        return ethernet_ipv4(17, source, self.vip, 16, fragment=0x2000 | (number % 64)) + bytes(16)


def write(path, ours, storm, count):
    """The storm, evenly over the time of our connections, and these in it."""
    first, last = ours[0][0], ours[-1][0]
    step = max(1, (last - first) // max(count, 1))
    at, waiting = 0, iter(ours)
    mine = next(waiting)
    with open(path, 'wb', buffering=1 << 20) as file:
        file.write(struct.pack('<IHHiIII', 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))

        def put(when, frame):
            file.write(struct.pack('<IIII', when // SECOND, when % SECOND, len(frame), len(frame)) + frame)
        for number in range(count):
            when = first + at
            while mine is not None and mine[0] <= when:
                put(*mine)
                mine = next(waiting, None)
            put(when, storm.frame(number))
            at += step
        while mine is not None:
            put(*mine)
            mine = next(waiting, None)


def diagnosis(program, folder, capture, more=()):
    lines = os.path.join(folder, 'lines')
    begin = time.monotonic()
    process = subprocess.Popen([program, '-r', capture, '--no-state', '--config', os.path.join(folder, 'services'), '--format',
                                'json', '--connections', lines, *more], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    answer = json.loads(process.stdout.read())
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    with open(lines, encoding='utf-8') as file:
        connections = [json.loads(line) for line in file if '"11.' not in line]
    os.unlink(lines)
    return {'status': process.returncode, 'answer': answer, 'kib': usage.ru_maxrss, 'seconds': time.monotonic() - begin,
            'cpu': usage.ru_utime + usage.ru_stime,
            'legs': {(c['client'], c['client_port']): c['legs'] for c in connections}}


def as_far_as_seen(found, calm):
    """The same legs, but for those for which a full table had no time."""
    return found.keys() == calm.keys() and all(
        len(found[c]) == 4 and all(f in (w, '?' if w == '-' else w) for f, w in zip(found[c], calm[c])) for c in calm)


def accused(answer):
    return {(f['code'], f['subject'].get('real_server')) for f in answer['findings'] if f['severity'] == 'error'}


def total_connections(found):
    return found['answer']['connections']['total']


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build')
    parser.add_argument('--tuples', type=int, default=100_000)
    parser.add_argument('--packets', type=int, default=300_000)
    parser.add_argument('--storm', choices=STORMS, action='append')
    parser.add_argument('--max-connections', type=int, help="lvsdiag's")
    parser.add_argument('--crowd', type=int, default=[1000, 20_000], nargs='*', help='tables that are too small for a flood')
    parser.add_argument('--mebibytes', type=int, default=256, help='of resident memory that are too many')
    options = parser.parse_args()
    lvsdiag = os.path.join(options.build, 'tools/lvsdiag/lvsdiag') if options.build else os.environ['LVSDIAG']
    generate = os.path.join(options.build, 'tests/truth/lvsnat-generate') if options.build else os.environ['LVSNAT_GENERATE']
    more = ('--max-connections', str(options.max_connections)) if options.max_connections else ()
    failures = 0

    def expect(right, what):
        nonlocal failures
        if not right:
            failures += 1
            print('  WRONG:', what)

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        alone = os.path.join(folder, 'alone.pcap')
        subprocess.run([generate, '-q', '-o', alone, '--config', os.path.join(folder, 'services'), '--conns', '10',
                        '--concurrency', '5', '--faulty', '50', '--udp', '0', '--vips', '1', '--rips', '4', '--pps', '5',
                        '--seed', '3'], check=True)
        ours = list(records(alone))
        calm = diagnosis(lvsdiag, folder, alone, more)
        expect(len(calm['legs']) == 10, f"ten connections: {calm['legs']}")
        expect(any(legs != '1234' for legs in calm['legs'].values()), 'some of which go wrong')
        vip, rip = ours[0][1][30:34], None
        for _, frame in ours:
            if frame[26:30] != vip and frame[30:34] not in (vip, ours[0][1][26:30]) and frame[30:31] != ours[0][1][26:27]:
                rip = frame[30:34]
                break
        storms = [(kind, options.max_connections) for kind in options.storm or STORMS]
        storms += [(kind, crowd) for kind in ('syn', 'rst') if kind in (options.storm or STORMS) for crowd in options.crowd]
        for kind, most in storms:
            more = ('--max-connections', str(most)) if most else ()
            size = options.packets if kind == 'syn' else min(options.packets, 100_000)
            capture = os.path.join(folder, 'storm.pcap')
            write(capture, ours, Storm(kind, min(options.tuples, size), vip, rip or vip), size)
            found = diagnosis(lvsdiag, folder, capture, more)
            os.unlink(capture)
            total = found['answer']['packets']['total']
            print(f"{kind}: {total} packets, peak {found['kib'] / 1024:.0f} MiB, {found['cpu']:.2f} s of processor time, "
                  f"{total / found['cpu']:.0f} packets/s, connections {found['answer']['connections']['total']}")
            expect(total == size + len(ours), f'{size + len(ours)} packets')
            crowded = found['answer']['connections']['table']['evicted_half_open'] != 0
            same = as_far_as_seen(found['legs'], calm['legs']) if crowded else found['legs'] == calm['legs']
            expect(same, f"the ten as without: {found['legs']} and {calm['legs']}")
            expect(accused(calm['answer']) == accused(found['answer']),
                   f"as without: {accused(calm['answer'])} and {accused(found['answer'])}")
            tally = found['answer']['connections']
            expect(tally['total'] == tally['healthy'] + tally['broken'] + tally['undecided'], f'a sum: {tally}')
            if kind == 'syn':
                expect(total_connections(found) >= min(options.tuples, size // 2), 'all are counted, those that left too')
                expect('LVS124' in {f['code'] for f in found['answer']['findings']}, 'a flood')
            expect(found['kib'] <= options.mebibytes << 10, f'at most {options.mebibytes} MiB')
            if kind in ('icmp', 'fragments'):
                expect(found['answer']['connections']['total'] < 100, 'strangers make no connections')
    return 1 if failures else 0


if __name__ == '__main__':
    random.seed(1)
    sys.exit(main())
