#!/usr/bin/env python3
"""lvstrace against a real kernel: a network namespace of its own is given the faults of a real server one by one.

Needs the right to make a network namespace; without it the test is skipped and says so (exit 77).
"""
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys

LVSTRACE = os.environ['LVSTRACE']
RIP, DIP, CLIENT, OTHER = '10.1.1.2', '10.1.1.9', '203.0.113.5', '10.1.1.77'


def skip(why):
    print('SKIPPED: ' + why, file=sys.stderr)
    sys.exit(77)


def ip(*words):
    subprocess.run(['ip', *words], check=True)


def trace(*words):
    run = subprocess.run([LVSTRACE, '--format', 'json', *words], stdout=subprocess.PIPE, timeout=60)
    report = json.loads(run.stdout)
    errors = {f['code'] for f in report['findings'] if f['severity'] == 'error'}
    return run.returncode, errors, report


failures = []


def expect(what, got, want):
    print(('ok   ' if got == want else 'FAIL ') + what)
    if got != want:
        failures.append(what)
        print('     got  %r\n     want %r' % (got, want))


def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def ipv4(source, destination, payload):
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 1, 0, 64, 1, 0, socket.inet_aton(source),
                       socket.inet_aton(destination))
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def redirect():
    """An ICMP redirect from the gateway: CLIENT is better reached by OTHER. It quotes an echo reply of the kernel's own."""
    quoted = ipv4(RIP, CLIENT, struct.pack('!BBHHH', 0, 0, 0xffff, 0, 0))
    body = struct.pack('!BBH4s', 5, 1, 0, socket.inet_aton(OTHER)) + quoted
    body = body[:2] + struct.pack('!H', checksum(body)) + body[4:]
    link = json.loads(subprocess.check_output(['ip', '-j', 'link', 'show', 'dev', 'e0']))[0]['address']
    frame = bytes.fromhex(link.replace(':', '')) + bytes.fromhex('020000000009') + b'\x08\x00' + ipv4(DIP, RIP, body)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(('p0', 0))
        wire.send(frame)


def believe(value):
    """Whether redirects count."""
    for setting in ('all', 'e0'):
        with open('/proc/sys/net/ipv4/conf/%s/accept_redirects' % setting, 'w') as f:
            f.write(value)


def mac_of(dev):
    link = json.loads(subprocess.check_output(['ip', '-j', 'link', 'show', 'dev', dev]))[0]
    return bytes.fromhex(link['address'].replace(':', ''))


def segment(source, destination, sport, dport, seq, flags):
    """An IPv4 packet with a TCP segment."""
    head = struct.pack('!HHIIBBHHH', sport, dport, seq, 0, 5 << 4, flags, 64240, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack('!BBH', 0, 6, len(head))
    head = head[:16] + struct.pack('!H', checksum(pseudo + head)) + head[18:]
    packet = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(head), 7, 0, 63, 6, 0, socket.inet_aton(source),
                         socket.inet_aton(destination))
    return packet[:10] + struct.pack('!H', checksum(packet)) + packet[12:] + head


# A filter of system calls, but where a sanitizer is built in: it must start and trace processes.
SECCOMP = '2' if os.environ.get('LVSNAT_CONFINES', '1') == '1' else '0'


def rights_of(process):
    try:
        with open(f'/proc/{process}/status', encoding='utf-8') as file:
            status = dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)
    except OSError:
        return None
    return status.get('CapEff'), status.get('CapPrm'), status.get('NoNewPrivs'), status.get('Seccomp')


def watched(during, *words):
    """Runs lvstrace -i e0 and calls `during` again and again until it ends. It must have given up every right."""
    rights = None
    run = subprocess.Popen([LVSTRACE, '-i', 'e0', '--for', '4s', '--format', 'json', *words], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    while run.poll() is None:
        during()
        try:
            run.wait(0.2)
        except subprocess.TimeoutExpired:
            rights = rights_of(run.pid) or rights
    out, err = run.communicate()
    if run.returncode == 3 and not out:
        return None, err.decode()
    expect('no right is left while packets are read', rights, ('0' * 16, '0' * 16, '1', SECCOMP))
    return json.loads(out), err.decode()


def passive():
    """Requests come from the director's MAC; where do the replies go?"""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((RIP, 80))
    server.listen(16)
    own, director = mac_of('e0'), bytes.fromhex('020000000009')
    ports = iter(range(40000, 60000))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind(('p0', 0))

    def ask():
        wire.send(own + director + b'\x08\x00' + segment(CLIENT, RIP, next(ports), 80, 1000, 2))

    believe('0')
    ip('route', 'replace', 'default', 'via', DIP)
    report, err = watched(ask)
    if report is None:
        print('no capture here: ' + err.strip())
        return
    codes = {f['code'] for f in report['findings'] if f['severity'] != 'info'}
    expect('on the wire: replies to the director', (codes, report['connections']['healthy'] > 0), (set(), True))
    ip('route', 'replace', 'default', 'via', OTHER)
    report, err = watched(ask, '--no-state')
    codes = {f['code'] for f in report['findings']}
    expect('on the wire: replies to another MAC', codes, {'LVS309'})
    gateway = report['findings'][0]['subject']['gateway']
    expect('... which is named', gateway, '02:00:00:00:00:77')
    report, err = watched(ask, '--director', DIP)
    first = report['findings'][0]
    expect('the route explains them', (first['code'], 'LVS309' in [c['code'] for c in first['consequences']]), ('LVS301', True))
    ip('route', 'replace', 'default', 'via', DIP)

    # An exception that appears while it is watched: the redirect is seen, then what came of it.
    believe('1')
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((RIP, 0))
    count = iter(range(10000))

    def redirected():
        ask()
        sender.sendto(b'x', (CLIENT, 9))
        if next(count) == 7:
            redirect()

    report, err = watched(redirected, '--director', DIP)
    found = [f for f in report['findings'] if f['code'] == 'LVS304']
    expect('an exception that appears during the watch', len(found), 1)
    if found:
        expect('... is told to have appeared', any('appeared during the watch' in e['text'] for e in found[0]['evidence']), True)
        expect('... with the redirect that made it', any('redirect from ' + DIP in e['text'] for e in found[0]['evidence']), True)
        told = [n for n in report['notes'] if 'received from ' + DIP + ', the director' in n and 'believed' in n]
        expect('... and attributed', len(told), 1)
    ip('route', 'flush', 'cache')
    believe('0')


def main():
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:  # CLONE_NEWNET
        skip('no right to make a network namespace (run as root, or with CAP_SYS_ADMIN)')
    try:
        ip('link', 'add', 'e0', 'type', 'veth', 'peer', 'name', 'p0')
        ip('link', 'add', 'e1', 'type', 'veth', 'peer', 'name', 'p1')
    except (OSError, subprocess.CalledProcessError):
        skip('veth devices cannot be made here')
    for dev in ('lo', 'e0', 'p0', 'e1', 'p1'):
        ip('link', 'set', dev, 'up')
    ip('addr', 'add', RIP + '/24', 'dev', 'e0')
    ip('neigh', 'add', DIP, 'lladdr', '02:00:00:00:00:09', 'dev', 'e0')
    ip('neigh', 'add', OTHER, 'lladdr', '02:00:00:00:00:77', 'dev', 'e0')
    ask = ('--director', DIP, '--client', CLIENT)

    status, errors, report = trace(*ask)
    expect('no route', (status, errors), (2, {'LVS302'}))
    ip('route', 'add', 'default', 'via', DIP)
    status, errors, report = trace(*ask)
    expect('the director as gateway', (status in (0, 1), errors), (True, set()))
    expect('the host is told', bool(report['host']), True)
    expect('any client', trace('--director', DIP)[1], set())

    ip('rule', 'add', 'from', RIP, 'lookup', '100', 'priority', '1000')
    ip('route', 'add', 'default', 'via', OTHER, 'table', '100')
    expect('a policy rule', trace(*ask)[1], {'LVS305'})
    expect('a policy rule, any client', trace('--director', DIP)[1], {'LVS305'})
    ip('rule', 'del', 'priority', '1000')

    ip('route', 'replace', 'default', 'via', OTHER)
    expect('another gateway', trace(*ask)[1], {'LVS301'})
    ip('route', 'del', 'default')
    ip('route', 'add', 'default', 'via', DIP, 'metric', '200')
    ip('route', 'add', 'default', 'via', OTHER, 'metric', '100')
    status, errors, report = trace(*ask)
    expect('a second default route by metric', errors, {'LVS301'})
    expect('the metric is explained', 'better metric' in report['findings'][0]['cause'], True)
    ip('route', 'del', 'default', 'via', OTHER)

    ip('addr', 'add', '203.0.113.2/24', 'dev', 'e1')
    expect('a second NIC in the client network', trace(*ask)[1], {'LVS303'})
    with open('/proc/sys/net/ipv4/conf/e0/rp_filter', 'w') as setting:
        setting.write('1')
    expect('... and strict rp_filter', trace(*ask)[1], {'LVS206', 'LVS303'})
    status, errors, report = trace('--director', DIP)
    left_over = [f['subject']['client'] for f in report['findings'] if f['code'] == 'LVS303']
    expect('its network is named when every client is looked at', left_over, ['203.0.113.0/24'])
    with open('/proc/sys/net/ipv4/conf/e0/rp_filter', 'w') as setting:
        setting.write('0')
    ip('addr', 'del', '203.0.113.2/24', 'dev', 'e1')

    ip('route', 'add', 'blackhole', '203.0.113.0/25')
    expect('a blackhole', trace(*ask)[1], {'LVS302'})
    ip('route', 'del', 'blackhole', '203.0.113.0/25')

    believe('1')
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((RIP, 0))
    sender.sendto(b'x', (CLIENT, 9))
    redirect()
    sender.sendto(b'x', (CLIENT, 9))
    status, errors, report = trace(*ask)
    expect('a redirect that was believed', errors, {'LVS304'})
    if errors == {'LVS304'}:
        expect('its countdown', ' s more' in report['findings'][0]['title'], True)
    expect('the exception is found without naming the client', trace('--director', DIP)[1], {'LVS304'})
    ip('route', 'flush', 'cache')

    passive()

    # A VRF takes the RIP's routes with it; a mark in a rule is not the reply's.
    ip('rule', 'add', 'fwmark', '7', 'lookup', '200', 'priority', '900')
    ip('route', 'add', 'default', 'via', OTHER, 'table', '200')
    expect('a rule for marked packets alone', trace(*ask)[1], set())
    ip('rule', 'del', 'priority', '900')
    ip('route', 'replace', 'default', 'nexthop', 'via', DIP, 'dev', 'e0', 'nexthop', 'via', OTHER, 'dev', 'e0')
    expect('one of two next hops', trace(*ask)[1], {'LVS301'})
    ip('route', 'replace', 'default', 'via', DIP)
    if subprocess.run(['ip', 'link', 'add', 'red', 'type', 'vrf', 'table', '300'], stderr=subprocess.DEVNULL).returncode == 0:
        ip('link', 'set', 'red', 'up')
        ip('link', 'set', 'e0', 'master', 'red')
        ip('route', 'add', 'default', 'via', OTHER, 'table', '300')
        expect('a VRF with another gateway', bool(trace(*ask)[1] & {'LVS301', 'LVS302', 'LVS305'}), True)
        ip('link', 'set', 'e0', 'nomaster')
        ip('link', 'del', 'red')
        ip('route', 'replace', 'default', 'via', DIP)

    ip('addr', 'add', 'fd00:10::2/64', 'dev', 'e0', 'nodad')
    ask6 = ('--director', 'fd00:10::9', '--client', 'fd00:1::254')
    expect('IPv6: no route', trace(*ask6)[1], {'LVS302'})
    ip('-6', 'route', 'add', 'default', 'via', 'fd00:10::9')
    expect('IPv6: the director', trace(*ask6)[1], set())
    ip('-6', 'route', 'add', 'fd00:1::/64', 'dev', 'e1')
    expect('IPv6: a direct route', trace(*ask6)[1], {'LVS303'})

    # Without rights the routes can still be checked.
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
        expect('as nobody', trace(*ask)[1], set())
    return 1 if failures else 0


sys.exit(main())
