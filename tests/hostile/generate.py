#!/usr/bin/env python3
"""Makes hostile and odd capture files, and says what a reader must make of each. The same bytes every time.

  tests/hostile/generate.py FOLDER       writes them there, with a MANIFEST.tsv (file, packets, problem)

Where a format allows it, many hostile frames stand in one file, so that few runs of a program see much. Around them goes a
healthy connection through a director: what is odd must not cost what is sound.

Formats: pcap https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html, pcapng
https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html, gzip RFC 1952, zstd RFC 8878, xz
https://tukaani.org/xz/xz-file-format.txt; headers RFC 791, 8200, 9293, 768, 792, 4443, 826, 4861, 2784, 7348."""
import gzip
import ipaddress
import itertools
import json
import lzma
import os
import pathlib
import random
import struct
import sys
import zlib

SOUND, TRUNCATED, DAMAGED, REFUSED = 'sound', 'truncated', 'damaged', 'refused'
NOW = 1_700_000_000
# What a terminal would obey, or a reader be led astray by.
EVIL = [
    '\x1b[2J\x1b]0;owned\x07',
    '\u202egnp.exe',
    'a\rb\nc\td',
    '\x9b31m\x85',
    '\u200b\ufeff\u2066x\u2069',
    '%s%n%999999d',
    '$(reboot)`id`;|&',
    '"],"a":["',
    '<script>',
    '\x00hidden',
    '\x7f\x08\x08',
    'x' * 5000,
]


# ---- frames


def checksum(data):
    total = sum(struct.unpack(f'>{len(data) // 2}H', data[: len(data) // 2 * 2])) + (
        data[-1] << 8 if len(data) % 2 else 0
    )
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text):
    return ipaddress.ip_address(text).packed


def ether(payload, kind=0x0800, source='020000000001', to='020000000002'):
    return bytes.fromhex(to) + bytes.fromhex(source) + struct.pack('>H', kind) + payload


def ip4(
    payload,
    protocol=6,
    source='192.0.2.1',
    to='198.51.100.1',
    ttl=64,
    options=b'',
    length=None,
    words=None,
    version=4,
    fragment=0x4000,
    number=1,
):
    header_words = 5 + len(options) // 4 if words is None else words
    whole = 20 + len(options) + len(payload) if length is None else length
    header = struct.pack('>BBHHHBBH', version << 4 | header_words, 0, whole, number, fragment, ttl, protocol, 0)
    header += address(source) + address(to) + options
    return header[:10] + struct.pack('>H', checksum(header)) + header[12:] + payload


def ip6(payload, following=6, source='2001:db8::1', to='2001:db8:1::1', length=None, limit=64, version=6):
    return (
        struct.pack('>IHBB', version << 28, len(payload) if length is None else length, following, limit)
        + address(source)
        + address(to)
        + payload
    )


def tcp(source=40000, to=80, sequence=1, acknowledged=0, flags=2, options=b'', payload=b'', words=None):
    return (
        struct.pack(
            '>HHIIBBHHH',
            source,
            to,
            sequence & 0xFFFFFFFF,
            acknowledged & 0xFFFFFFFF,
            (5 + len(options) // 4 if words is None else words) << 4,
            flags,
            64240,
            0,
            0,
        )
        + options
        + payload
    )


def udp(source=40000, to=53, payload=b'', length=None):
    return struct.pack('>HHHH', source, to, 8 + len(payload) if length is None else length, 0) + payload


def icmp(kind, code, rest=b'\0\0\0\0', quoted=b''):
    body = struct.pack('>BBH', kind, code, 0) + rest + quoted
    return body[:2] + struct.pack('>H', checksum(body)) + body[4:]


def healthy(port=40000, server_port=80, payload=b'', says=b''):
    """A connection with all four legs on one wire: (client to VIP, client to RIP, RIP to client, VIP to client)."""
    client, vip, rip = '192.0.2.1', '198.51.100.1', '10.0.0.2'
    out = []

    def pair(request, flags, sequence, acknowledged, data=b''):
        number = len(out) + 1
        if request:
            segment = tcp(port, server_port, sequence, acknowledged, flags, payload=data)
            out.append(
                ether(ip4(segment, source=client, to=vip, number=number), source='020000000001', to='020000000002')
            )
            out.append(
                ether(
                    ip4(segment, source=client, to=rip, number=number, ttl=63),
                    source='020000000002',
                    to='020000000003',
                )
            )
        else:
            segment = tcp(server_port, port, sequence, acknowledged, flags, payload=data)
            out.append(
                ether(ip4(segment, source=rip, to=client, number=number), source='020000000003', to='020000000002')
            )
            out.append(
                ether(
                    ip4(segment, source=vip, to=client, number=number, ttl=63),
                    source='020000000002',
                    to='020000000001',
                )
            )

    pair(True, 2, 100, 0)
    pair(False, 0x12, 500, 101)
    pair(True, 0x10, 101, 501)
    if says:
        pair(False, 0x18, 501, 101, says)
    if payload:
        pair(True, 0x18, 101, 501 + len(says), payload)
    pair(True, 0x11, 101 + len(payload), 501 + len(says))
    pair(False, 0x11, 501 + len(says), 102 + len(payload))
    return out


# ---- containers


def pcap_header(link=1, order='<', magic=0xA1B2C3D4, snaplen=262144, version=(2, 4)):
    return struct.pack(order + 'IHHiIII', magic, *version, 0, 0, snaplen, link)


def record(frame, at=0, order='<', captured=None, wire=None, seconds=None, fraction=None, extra=b''):
    seconds = NOW + at // 1000 if seconds is None else seconds
    fraction = at % 1000 * 1000 if fraction is None else fraction
    return (
        struct.pack(
            order + 'IIII',
            seconds,
            fraction,
            len(frame) if captured is None else captured,
            len(frame) if wire is None else wire,
        )
        + extra
        + frame
    )


def pcap(frames, link=1, order='<', snaplen=262144, magic=0xA1B2C3D4, version=(2, 4)):
    extra = b'\0' * 8 if magic == 0xA1B2CD34 else b''
    return pcap_header(link, order, magic, snaplen, version) + b''.join(
        record(frame[:snaplen] if snaplen else frame, at, order, wire=len(frame), extra=extra)
        for at, frame in enumerate(frames)
    )


def option(code, value, length=None, order='<'):
    return (
        struct.pack(order + 'HH', code, len(value) if length is None else length) + value + b'\0' * (-len(value) % 4)
    )


def block(kind, body, order='<', length=None, trailer=None):
    whole = 12 + len(body) if length is None else length
    return (
        struct.pack(order + 'II', kind, whole)
        + body
        + struct.pack(order + 'I', whole if trailer is None else trailer)
    )


def section(order='<', options=b'', length=-1, version=(1, 0), mark=0x1A2B3C4D):
    return block(0x0A0D0D0A, struct.pack(order + 'IHHq', mark, *version, length) + options, order)


def interface(link=1, snaplen=0, options=b'', order='<'):
    return block(1, struct.pack(order + 'HHI', link, 0, snaplen) + options, order)


def enhanced(frame, number=0, ticks=NOW * 1_000_000, captured=None, wire=None, options=b'', order='<'):
    body = struct.pack(
        order + 'IIIII',
        number,
        ticks >> 32 & 0xFFFFFFFF,
        ticks & 0xFFFFFFFF,
        len(frame) if captured is None else captured,
        len(frame) if wire is None else wire,
    )
    return block(6, body + frame + b'\0' * (-len(frame) % 4) + options, order)


def simple(frame, wire=None):
    return block(3, struct.pack('<I', len(frame) if wire is None else wire) + frame + b'\0' * (-len(frame) % 4))


def zstd(data, window=0x50):
    """A frame of raw blocks. window: RFC 8878, 3.1.1.1.2: exponent << 3 | mantissa."""
    out = bytes.fromhex('28b52ffd') + bytes([0, window])
    pieces = [data[i : i + 65536] for i in range(0, len(data), 65536)] or [b'']
    for i, piece in enumerate(pieces):
        out += struct.pack('<I', (i + 1 == len(pieces)) | len(piece) << 3)[:3] + piece
    return out


def xz_with_dictionary(data, size):
    """An xz file whose block header claims a dictionary of 2 or 3 times 2^n bytes (size: as coded, 0 to 40)."""
    packed = bytearray(lzma.compress(data, format=lzma.FORMAT_XZ))
    header = (packed[12] + 1) * 4
    at = packed.index(b'\x21\x01', 12) + 2
    packed[at] = size
    packed[12 + header - 4 : 12 + header] = struct.pack('<I', zlib.crc32(packed[12 : 12 + header - 4]))
    return bytes(packed)


# ---- what is made: each yields (name, bytes, packets, problem)


def pcap_containers():
    sound = healthy()
    whole = pcap(sound)
    yield 'empty.pcap', b'', 0, REFUSED
    for size in (1, 4, 8, 23):
        yield f'header-of-{size}.pcap', whole[:size], 0, REFUSED
    yield 'header-alone.pcap', whole[:24], 0, SOUND
    for order, word in (('<', 'little'), ('>', 'big')):
        for magic in (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34):
            yield f'{word}-{magic:x}.pcap', pcap(sound, order=order, magic=magic), len(sound), SOUND
    yield 'version-2.3.pcap', pcap(sound, version=(2, 3)), len(sound), SOUND
    yield 'version-9.9.pcap', pcap(sound, version=(9, 9)), 0, REFUSED
    yield 'text.pcap', b'This is no capture, however long it goes on.\n' * 9, 0, REFUSED
    yield 'nuls.pcap', b'\0' * 4096, 0, REFUSED
    for snaplen in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        yield f'snaplen-claims-{snaplen:x}.pcap', pcap_header(snaplen=snaplen) + b''.join(
            record(f, i) for i, f in enumerate(sound)
        ), len(sound), SOUND
    for snaplen in (1, 13, 14, 15, 33, 34, 38, 53, 54, 96):
        yield f'cut-at-{snaplen}.pcap', pcap(healthy(payload=b'x' * 200), snaplen=snaplen), len(sound) + 2, SOUND
    odd = [
        record(b''),
        record(b'', wire=1500),
        record(sound[0], wire=0),
        record(sound[0], wire=10),
        record(sound[0], wire=0xFFFFFFFF),
        record(b'\xff' * 262144),
    ]
    yield 'odd-lengths.pcap', whole + b''.join(odd), len(sound) + len(odd), SOUND
    for captured in (262145, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF):
        yield f'record-claims-{captured:x}.pcap', whole + record(b'xyz', captured=captured) + whole[24:], len(
            sound
        ), DAMAGED
    for missing in (1, 5, 53):
        yield f'{missing}-missing.pcap', whole[:-missing], len(sound) - 1, TRUNCATED
    for more in (1, 15):
        yield f'{more}-too-many.pcap', whole + b'\1' * more, len(sound), TRUNCATED
    times = [
        (0, 0),
        (0xFFFFFFFF, 999999),
        (NOW, 0xFFFFFFFF),
        (5, 0x80000000),
        (NOW, 1_000_000),
        (0x7FFFFFFF, 0),
        (0x80000000, 0),
    ]
    odd = [
        record(sound[i % len(sound)], seconds=seconds, fraction=part) for i, (seconds, part) in enumerate(times * 3)
    ]
    yield 'times.pcap', whole + b''.join(odd), len(sound) + len(odd), SOUND
    yield 'backwards.pcap', pcap_header() + b''.join(record(f, 10_000 - i) for i, f in enumerate(sound)), len(
        sound
    ), SOUND
    yield 'nothing-many-times.pcap.gz', gzip.compress(pcap_header() + record(b'') * 300_000, mtime=0), 300_000, SOUND
    for link in (0, 12, 101, 105, 108, 113, 127, 192, 228, 229, 276, 999, 65535, 0x04000001, 0xF4000001):
        yield f'link-{link:x}.pcap', pcap([f[14:] for f in sound] + [b'', b'\x45', b'\x60', b'\xff' * 40], link), len(
            sound
        ) + 4, SOUND


def pcapng_containers():
    sound = healthy()
    packets = b''.join(enhanced(f, ticks=(NOW * 1000 + i) * 1000) for i, f in enumerate(sound))
    head = section() + interface(options=option(2, b'eth0') + option(0, b''))
    count = len(sound)
    yield 'sound.pcapng', head + packets, count, SOUND
    yield 'big-endian.pcapng', section('>') + interface(order='>') + b''.join(
        enhanced(f, order='>', ticks=(NOW * 1000 + i) * 1000) for i, f in enumerate(sound)
    ), count, SOUND
    yield 'no-interface.pcapng', section() + packets, 0, REFUSED
    yield 'interface-first.pcapng', interface() + head + packets, 0, REFUSED
    yield 'no-mark.pcapng', section(mark=0x12345678) + interface() + packets, 0, REFUSED
    yield 'version-7.0.pcapng', section(version=(7, 0)) + interface() + packets, 0, REFUSED
    yield 'section-length-lies.pcapng', section(length=12) + interface() + packets, count, SOUND
    yield 'nothing-but-sections.pcapng', section() * 2000, 0, SOUND
    for number in (1, 7, 0xFFFFFFFF):
        yield f'of-interface-{number:x}.pcapng', head + packets + enhanced(sound[0], number) + packets, count, DAMAGED
    for length in (0, 4, 8, 15, 0x01000004, 0x7FFFFFFC, 0xFFFFFFFC, 0xFFFFFFFF):
        yield f'block-of-{length:x}.pcapng', head + packets + block(
            6, b'\0' * 40, length=length
        ) + packets, count, DAMAGED
    yield 'two-lengths.pcapng', head + packets + block(6, b'\0' * 40, trailer=60) + packets, count, DAMAGED
    for captured in (100, 4000, 0x80000000, 0xFFFFFFFD, 0xFFFFFFFF):
        yield f'claims-{captured:x}.pcapng', head + packets + enhanced(
            b'x' * 20, captured=captured
        ) + packets, count, DAMAGED
    yield 'no-time.pcapng', head + b''.join(simple(f) for f in sound), count, SOUND
    yield 'no-time-no-interface.pcapng', section() + simple(sound[0]), 0, REFUSED
    yield 'no-time-claims.pcapng', head + packets + simple(b'x' * 20, wire=0xFFFFFFFF) + packets, count, DAMAGED
    for resolution in (0, 6, 9, 19, 0x80, 0xBF):
        yield f'ticks-{resolution:x}.pcapng', section() + interface(
            options=option(9, bytes([resolution]))
        ) + b''.join(
            enhanced(f, ticks=t) for f, t in zip(sound, itertools.cycle((0, 1, 1 << 63, (1 << 64) - 1)))
        ), count, SOUND
    for resolution in (20, 0x7F, 0xC0, 0xFF):
        yield f'ticks-{resolution:x}.pcapng', head + packets + interface(
            options=option(9, bytes([resolution]))
        ), count, DAMAGED
    for offset in (-(1 << 63), (1 << 63) - 1, -1):
        yield f'offset-{offset}.pcapng', section() + interface(
            options=option(14, struct.pack('<q', offset))
        ) + b''.join(
            enhanced(f, ticks=t) for f, t in zip(sound, itertools.cycle((0, (1 << 64) - 1, NOW * 1_000_000)))
        ), count, SOUND
    bad = [
        option(2, b'x', length=0xFFFF),
        option(2, b'abc'),
        b'\2\0\0\0',
        struct.pack('<HH', 9, 0),
        option(9, b''),
        option(14, b'short'),
    ]
    yield 'options.pcapng', section(options=bad[0]) + interface() + b''.join(
        interface(options=o) for o in bad
    ) + b''.join(enhanced(sound[i % count], i, options=o) for i, o in enumerate(bad)), len(bad), SOUND
    every = (
        section()
        + b''.join(interface(link) for link in range(300))
        + b''.join(enhanced(f, link) for link in range(300) for f in (sound[0], sound[0][14:], b'', b'\xff' * 3))
    )
    yield 'every-link-type.pcapng', every, 1200, SOUND
    yield 'interfaces-5000.pcapng', section() + b''.join(
        interface(options=option(2, b'eth%d' % i)) for i in range(5000)
    ) + b''.join(enhanced(f, 4999) for f in sound), count, SOUND
    yield 'interfaces-65537.pcapng.gz', gzip.compress(head + packets + interface() * 65_537, mtime=0), count, DAMAGED
    yield 'order-changes.pcapng', (
        head + packets + section('>') + interface(order='>') + enhanced(sound[0], order='>')
    ) * 50, (count + 1) * 50, SOUND
    other = [block(kind, b'\x1b' * 40) for kind in (0, 4, 5, 9, 10, 0xBAD, 0x40000BAD, 0x7FFFFFFF, 0xFFFFFFFF)]
    yield 'other-blocks.pcapng', head + b''.join(other) + packets + b''.join(other), count, SOUND
    yield 'drops.pcapng', head + packets + block(
        5, struct.pack('<III', 0, 0, 0) + option(5, b'\xff' * 8) + option(7, b'\xff' * 8)
    ), count, None
    yield 'largest-block.pcapng.gz', gzip.compress(
        head + packets + block(0x777, b'\0' * ((16 << 20) - 12)), mtime=0
    ), count, SOUND
    evil = [text.encode('utf-8', 'surrogatepass') for text in EVIL] + [
        b'\xff\xfe\x80',
        b'\xed\xa0\x80',
        b'\xf4\x90\x80\x80',
    ]
    for i, text in enumerate(evil):
        told = option(2, text) + option(3, text) + option(1, text)
        yield f'words-{i}.pcapng', section(options=option(1, text) + option(3, text) + option(4, text)) + interface(
            options=told
        ) + interface(113, options=told) + block(
            4, struct.pack('<HH', 1, 4 + len(text)) + b'\x0a\0\0\1' + text + b'\0' * (-len(text) % 4) + b'\0\0\0\0'
        ) + b''.join(
            enhanced(f, options=option(1, text)) for f in sound
        ), count, SOUND


def packed():
    sound = healthy()
    whole, count = pcap(sound), len(sound)
    yield 'sound.pcap.gz', gzip.compress(whole, mtime=0), count, SOUND
    yield 'in-parts.pcap.gz', b''.join(
        gzip.compress(whole[i : i + 100], mtime=0) for i in range(0, len(whole), 100)
    ), count, SOUND
    yield 'cut.pcap.gz', gzip.compress(whole, mtime=0)[:-30], None, TRUNCATED
    yield 'cut-early.pcap.gz', gzip.compress(whole, mtime=0)[:12], 0, REFUSED
    spoilt = bytearray(gzip.compress(random.Random(1).randbytes(70) + whole, mtime=0))
    spoilt[10] ^= 0xFF
    yield 'spoilt.pcap.gz', bytes(spoilt), 0, REFUSED
    yield 'wrong-sum.pcap.gz', gzip.compress(whole, mtime=0)[:-8] + b'\0' * 8, count, DAMAGED
    yield 'twice.pcap.gz', gzip.compress(gzip.compress(whole, mtime=0), mtime=0), 0, REFUSED
    yield 'bomb.pcap.gz', gzip.compress(pcap_header() + record(b'\0' * 262_144) * 256, mtime=0), 256, SOUND
    yield 'bomb-of-nothing.gz', gzip.compress(b'\0' * (32 << 20), mtime=0), 0, REFUSED
    yield 'sound.pcap.zst', zstd(whole), count, SOUND
    yield 'cut.pcap.zst', zstd(whole)[:-30], None, TRUNCATED
    yield 'window-2-TiB.pcap.zst', zstd(whole, 0xFF), 0, REFUSED
    yield 'sound.pcap.xz', lzma.compress(whole), count, SOUND
    yield 'cut.pcap.xz', lzma.compress(whole)[:-40], None, None
    yield 'dictionary-4-GiB.pcap.xz', xz_with_dictionary(whole, 40), 0, REFUSED
    for name, magic in (('bz2', b'BZh91AY&SY'), ('lz4', b'\x04\x22\x4d\x18'), ('zip', b'PK\x03\x04')):
        yield f'foreign.{name}', magic + b'\0' * 64, 0, REFUSED


def frame_groups():
    """Groups of hostile frames: name, link type, frames."""
    segment = tcp(payload=b'GET / HTTP/1.0\r\n\r\n')
    plain = ip4(segment)

    def tags(count, kind=0x8100, last=0x0800):
        return struct.pack('>H', kind) + b''.join(
            struct.pack('>HH', i & 0xFFF, kind if i + 1 < count else last) for i in range(count)
        )

    macs = bytes(11) + b'\1'
    yield 'runts', 1, [ether(plain)[:n] for n in range(0, 60)]
    yield 'vlan', 1, [
        macs + tags(n, k) + plain for n in (1, 2, 3, 8, 9, 64, 1000, 60000) for k in (0x8100, 0x88A8)
    ] + [(macs + tags(4) + plain)[:n] for n in range(12, 40)]
    yield 'llc', 1, [macs + struct.pack('>H', n) + b'\xaa\xaa\3\0\0\0\x08\0' + plain for n in (0, 1, 8, 60, 1500)] + [
        macs + b'\0\x40' + b'\xff' * n for n in range(8)
    ]
    yield 'mpls-pppoe', 1, [
        ether(struct.pack('>I', 0x10040) * n + struct.pack('>I', 0x10140) + plain, 0x8847)
        for n in (0, 1, 7, 8, 9, 5000)
    ] + [
        ether(struct.pack('>BBHHH', v, c, 1, length, p) + plain, k)
        for v in (0x11, 0, 0xFF)
        for c in (0, 9)
        for length in (0, 1, 60, 0xFFFF)
        for p in (0x21, 0x57, 0xC021)
        for k in (0x8864, 0x8863)
    ]
    sll = struct.pack('>HHH8sH', 0, 1, 6, b'\2\0\0\0\0\1\0\0', 0x0800)
    yield 'sll', 113, [(sll + plain)[:n] for n in range(60)] + [
        struct.pack('>HHH8sH', 9, 0xFFFF, n, b'\xff' * 8, k) + plain
        for n in (0, 8, 9, 255, 65535)
        for k in (0x0800, 0x86DD, 1, 4, 0)
    ]
    sll2 = struct.pack('>HHIHBB8s', 0x0800, 0, 3, 1, 0, 6, b'\2\0\0\0\0\1\0\0')
    yield 'sll2', 276, [(sll2 + plain)[:n] for n in range(64)] + [
        struct.pack('>HHIHBB8s', k, 0xFFFF, i, 0xFFFF, 7, n, b'\xff' * 8) + plain
        for n in (0, 9, 255)
        for k in (0x0800, 0x86DD, 0)
        for i in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF)
    ]
    yield 'raw', 101, [bytes([v << 4 | n]) + plain[1:] for v in range(16) for n in (0, 5, 15)] + [
        plain[:n] for n in range(45)
    ]
    yield 'null', 0, [
        struct.pack(o + 'I', family) + plain for o in '<>' for family in (0, 2, 10, 24, 28, 30, 0xFFFFFFFF)
    ] + [(b'\2\0\0\0' + plain)[:n] for n in range(10)]
    lengths = (0, 1, 19, 20, 21, 39, 40, 41, len(plain), len(plain) + 1, 65535)
    yield 'ip4', 1, [ether(ip4(segment, length=n, words=w)) for n in lengths for w in range(16)] + [
        ether(ip4(segment, version=v)) for v in range(16)
    ] + [ether(ip4(segment, protocol=p)) for p in range(256)]
    ip_options = [
        b'\0\0\0\0',
        b'\1\1\1\1',
        b'\7\0\0\0',
        b'\7\1\0\0',
        b'\7\xff\4\0',
        b'\x83\3\0\0',
        b'\x44\x28\5\0' + bytes(36),
        b'\x94\4\0\0',
        b'\xff\xff\xff\xff',
        b'\1' * 40,
        b'\0\7\7\7',
    ]
    yield 'ip4-options', 1, [ether(ip4(segment, options=o, protocol=p)) for o in ip_options for p in (1, 6, 17)]
    yield 'ip4-addresses', 1, [
        ether(ip4(tcp(p, q), source=a, to=b))
        for a, b in (
            ('192.0.2.1', '192.0.2.1'),
            ('0.0.0.0', '0.0.0.0'),
            ('255.255.255.255', '198.51.100.1'),
            ('127.0.0.1', '10.0.0.1'),
            ('224.0.0.1', '198.51.100.1'),
            ('198.51.100.1', '255.255.255.255'),
        )
        for p in (0, 80, 65535)
        for q in (0, 80, 65535)
    ]
    yield 'fragments', 1, [
        ether(ip4((segment * 4)[i * 8 : i * 8 + n], fragment=i | m, number=7 + d, protocol=p))
        for d in range(2)
        for p in (6, 17, 1)
        for i in (0, 1, 2, 8191)
        for n in (0, 1, 8, 24)
        for m in (0, 0x2000, 0x4000, 0x6000, 0x8000)
    ] + [ether(ip4(segment[:8], fragment=0x2000, number=n & 0xFFFF)) for n in range(6000)]
    yield 'tcp', 1, [
        ether(ip4(tcp(words=w, flags=f, payload=b'x' * n)))
        for w in range(16)
        for f in (0, 2, 3, 6, 0x29, 0x3F, 0xFF)
        for n in (0, 1, 40)
    ] + [ether(ip4(segment[:n])) for n in range(21)]
    tcp_options = [
        b'\0\0\0\0',
        b'\2\0\0\0',
        b'\2\1\0\0',
        b'\2\3\5\0',
        b'\2\4\0\0',
        b'\2\xff\5\xb4',
        b'\3\3\xff\0',
        b'\5\2\1\1',
        b'\5\x0b\0\0\0\1\0\0\0\2\1\1',
        b'\x08\4\0\0',
        b'\x08\x0a\xff',
        b'\1' * 40,
        b'\xfe\0\0\0',
        b'\x1e\xff\0\0',
        b'\x1d\1\0\0',
        b'\5\x22' + b'\xff' * 32 + b'\1\1',
    ]
    yield 'tcp-options', 1, [
        ether(ip4(tcp(options=o + b'\0' * (-len(o) % 4), flags=f))) for o in tcp_options for f in (2, 0x10, 0x12)
    ]
    yield 'sequences', 1, [
        ether(ip4(tcp(sequence=s, acknowledged=a, flags=0x18, payload=b'x' * 100)))
        for s in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFCE, 0xFFFFFFFF)
        for a in (0, 1, 0x80000000, 0xFFFFFFFF)
    ]
    yield 'udp-sctp', 1, [
        ether(ip4(udp(length=n, payload=b'x' * m), protocol=17)) for n in (0, 1, 7, 8, 9, 65535) for m in (0, 1, 40)
    ] + [ether(ip4(udp()[:n], protocol=17)) for n in range(8)] + [
        ether(ip4((struct.pack('>HHII', 1, 2, 3, 4) + struct.pack('>BBH', k, 0, n) + b'x' * 20)[:m], protocol=132))
        for k in (0, 1, 6, 255)
        for n in (0, 1, 4, 0xFFFF)
        for m in (0, 1, 11, 12, 13, 15, 40)
    ]
    quote = ip4(segment)
    yield 'icmp', 1, [
        ether(ip4(icmp(k, c, rest, quote[:n]), protocol=1))
        for k in (3, 5, 11, 12, 0, 8, 255)
        for c in (0, 3, 4, 13, 255)
        for rest in (b'\0\0\0\0', b'\xff' * 4)
        for n in (0, 1, 19, 20, 21, 24, 27, 28, 40)
    ] + [ether(ip4(icmp(3, 1)[:n], protocol=1)) for n in range(9)] + [
        ether(ip4(icmp(3, 1, quoted=ip4(segment, words=15)), protocol=1)),
        ether(ip4(icmp(3, 1, quoted=ip4(segment, fragment=5)), protocol=1)),
        ether(ip4(icmp(5, 1, quoted=ip6(segment)), protocol=1)),
    ]
    nested = quote
    inside = []
    for _ in range(6):
        nested = ip4(icmp(3, 1, quoted=nested), protocol=1)
        inside.append(ether(nested))
    yield 'icmp-in-icmp', 1, inside
    gre = [
        struct.pack('>HH', flags, kind)
        for flags in (0, 0x8000, 0x2000, 0xB000, 0x4000, 0x0001, 0xFFFF)
        for kind in (0x0800, 0x86DD, 0x6558, 0x88BE, 0)
    ]
    vxlan = [
        udp(to=port, payload=struct.pack('>II', flags << 24, 7 << 8) + ether(plain))
        for port in (4789, 8472, 6081, 4790)
        for flags in (8, 0, 255)
    ]
    yield 'tunnels', 1, [ether(ip4(g + b'\0' * n + plain, protocol=47)) for g in gre for n in (0, 4, 12)] + [
        ether(ip4((gre[0] + plain)[:n], protocol=47)) for n in range(30)
    ] + [ether(ip4(v, protocol=17)) for v in vxlan] + [ether(ip4(plain, protocol=p)) for p in (4, 41, 94, 137)]
    deep = []
    for depth in (1, 3, 4, 5, 6, 60, 2000):
        inner = plain
        for _ in range(depth):
            inner = (
                struct.pack('>BBHHHBBH', 0x45, 0, min(65535, 20 + len(inner)), 1, 0, 64, 4, 0)
                + b'\xc0\0\2\1\xc6\x33\x64\1'
                + inner
            )
        deep.append(ether(inner))
        inner = plain
        for _ in range(depth):
            inner = ip4(b'\0\0\x08\0' + inner, protocol=47, length=min(65535, 24 + len(inner)))
        deep.append(ether(inner))
    yield 'tunnels-deep', 1, deep
    six = ip6(segment)
    headers = []
    for kind in (0, 43, 60, 135, 139, 140, 51):
        for length in (0, 1, 4, 255):
            headers.append(ip6(bytes([6, length]) + b'\0' * 6 + segment, kind))
    for count in (1, 8, 16, 17, 200):
        for kind in (0, 60, 43):
            headers.append(ip6((bytes([kind, 0]) + b'\0' * 6) * count + bytes([6, 0]) + b'\0' * 6 + segment, kind))
    headers += [ip6(struct.pack('>BBHI', 6, 0, o, 9) + segment, 44) for o in (0, 1, 8, 9, 0xFFF8, 0xFFFF)]
    headers += [ip6(segment, 59), ip6(segment, 50), ip6(segment, 255)]
    yield 'ip6', 1, [ether(six[:n], 0x86DD) for n in range(64)] + [ether(h, 0x86DD) for h in headers] + [
        ether(ip6(segment, length=n), 0x86DD) for n in (0, 1, 19, 20, 65535)
    ] + [ether(plain, 0x86DD), ether(six, 0x0800)] + [ether(ip6(ip4(ip6(ip4(segment), 4), 41), 4), 0x86DD)]
    quote6 = ip6(segment)
    nd = [b'\1\0' + b'\2' * 6, b'\1\1' + b'\2' * 6, b'\1\xff' + b'\2' * 6, b'\2\1' + b'\xff' * 6, b'\4\2', b'']
    yield 'icmp6', 1, [
        ether(ip6(struct.pack('>BBHI', k, c, 0, m) + quote6[:n], 58), 0x86DD)
        for k in (1, 2, 3, 4, 128, 137)
        for c in (0, 1, 255)
        for m in (0, 1280, 0xFFFFFFFF)
        for n in (0, 1, 39, 40, 41, 47, 48, 60)
    ] + [
        ether(ip6(struct.pack('>BBHI', k, 0, 0, 0xE0000000) + address('2001:db8::9') + o * n, 58, limit=h), 0x86DD)
        for k in (133, 134, 135, 136, 137)
        for o in nd
        for n in (1, 2, 50)
        for h in (255, 64)
    ]
    arp = struct.pack('>HHBBH', 1, 0x0800, 6, 4, 1) + b'\2' * 6 + b'\xc0\0\2\1' + b'\0' * 6 + b'\xc6\x33\x64\1'
    yield 'arp', 1, [ether(arp[:n], 0x0806) for n in range(29)] + [
        ether(struct.pack('>HHBBH', h, p, a, b, o) + arp[8:], 0x0806)
        for h in (0, 1, 6, 65535)
        for p in (0x0800, 0)
        for a in (0, 6, 255)
        for b in (0, 4, 255)
        for o in (0, 1, 2, 3, 65535)
    ]


def frames():
    around = healthy(41000)
    for name, link, hostile in frame_groups():
        if link == 1:
            hostile = around[:6] + hostile + around[6:]
        yield f'{name}.pcap', pcap(hostile, link), len(hostile), SOUND
        if link == 1:
            yield f'{name}-cut-at-60.pcap', pcap(hostile, link, snaplen=60), len(hostile), SOUND


def conversations():
    """What is said inside connections that are diagnosed, and in numbers."""
    spoken = [
        b'227 Entering Passive Mode (10,0,0,2,4,1)\r\n',
        b'227 Entering Passive Mode (999,1,1,1,1,1)\r\n',
        b'227 ' + b'(' * 900,
        b'227 (\x1b[31m,0,0,2,4,1)\r\n',
        b'229 Entering Extended Passive Mode (|||99999|)\r\n',
        b'229 (|||1\r\n',
        b'229 (|2|2001:db8::2|1024|)\r\n',
        b'227',
        b'\xff' * 1200,
    ]
    asked = [
        b'PORT 10,0,0,9,255,255\r\n',
        b'PORT 1,2,3,4,5,' + b'9' * 900,
        b'EPRT |1|10.0.0.9|70000|\r\n',
        b'EPRT \x1b|\r\n',
        b'',
    ]
    mixed = [f for i, (a, b) in enumerate(itertools.product(spoken, asked)) for f in healthy(42000 + i, 21, b, a)]
    yield 'ftp.pcap', pcap(mixed), len(mixed), SOUND
    again = [f for _ in range(300) for f in healthy(43000)]
    yield 'port-reuse.pcap', pcap(again), len(again), SOUND
    storm = [
        ether(
            ip4(
                tcp(1024 + i % 60000, 80, i * 7919, flags=flags),
                source=str(ipaddress.ip_address(0x0A000000 + i * 2654435761 % (1 << 24))),
            )
        )
        for i in range(6000)
        for flags in ((2,), (4,), (2, 4))[i % 3]
    ]
    yield 'storm.pcap', pcap(storm + healthy()), len(storm) + len(healthy()), SOUND


def random_frames():
    """Layers put on top of one another by chance, fields spoilt by chance."""
    for seed in range(8):
        chance = random.Random(f'hostile {seed}')

        def number(bits, chance=chance):
            return chance.choice((0, 1, (1 << bits) - 1, 1 << bits - 1, chance.getrandbits(bits)))

        def layer(inner, chance=chance, number=number):
            kind = chance.randrange(9)
            if kind == 0:
                return ip4(
                    inner,
                    protocol=chance.choice((1, 4, 6, 17, 41, 47, 132, number(8))),
                    fragment=chance.choice((0, 0x4000, number(16))),
                    length=chance.choice((None, number(16))),
                    words=chance.choice((None, None, number(4))),
                )
            if kind == 1:
                return ip6(
                    inner,
                    chance.choice((0, 4, 6, 17, 41, 43, 44, 58, 60, number(8))),
                    length=chance.choice((None, number(16))),
                )
            if kind == 2:
                return tcp(
                    number(16),
                    number(16),
                    number(32),
                    number(32),
                    number(8),
                    chance.randbytes(chance.randrange(11) * 4),
                    inner,
                    chance.choice((None, None, number(4))),
                )
            if kind == 3:
                return udp(
                    number(16), chance.choice((4789, 53, number(16))), inner, chance.choice((None, number(16)))
                )
            if kind == 4:
                return icmp(
                    chance.choice((3, 5, 11, 1, 2, 4, 128, 135, 136, 137)), number(4), chance.randbytes(4), inner
                )
            if kind == 5:
                return (
                    struct.pack(
                        '>HH', chance.choice((0, 0x8000, 0x2000, number(16))), chance.choice((0x0800, 0x86DD, 0x6558))
                    )
                    + inner
                )
            if kind == 6:
                return struct.pack('>HH', number(12), chance.choice((0x0800, 0x86DD, 0x8100, 0x0806))) + inner
            if kind == 7:
                return bytes([chance.choice((6, 17, 58, 0, 43, 44, 60)), number(8)]) + chance.randbytes(6) + inner
            return chance.randbytes(chance.randrange(64))

        made = []
        for _ in range(1500):
            inner = chance.randbytes(chance.randrange(40))
            for _ in range(chance.randrange(1, 6)):
                inner = layer(inner)[:65535]
            frame = bytearray(
                ether(inner, chance.choice((0x0800, 0x0800, 0x86DD, 0x8100, 0x8847, 0x8864, 0x0806, number(16))))
            )
            for _ in range(chance.choice((0, 0, 0, 1, 3))):
                frame[chance.randrange(len(frame))] = number(8)
            made.append(bytes(frame[: chance.choice((len(frame), len(frame), chance.randrange(len(frame) + 1)))]))
        yield f'chance-{seed}.pcap', pcap(made), len(made), SOUND


def names():
    """Sound captures under names that are not: what is printed must be."""
    sound = pcap(healthy())
    for i, text in enumerate(EVIL):
        text = text.replace('\0', '').replace('/', '_')[:200]
        yield f'{i}-{text}.pcap', sound, len(healthy()), SOUND
        yield f'{i}-cut-{text}.pcap', sound[:-3], len(healthy()) - 1, TRUNCATED
    yield os.fsdecode(b'bytes-\xff\xfe\x80.pcap'), sound, len(healthy()), SOUND


def write(folder):
    """Writes all files; returns (name, packets or None, problem or None) of each."""
    made = []
    for kind in (pcap_containers, pcapng_containers, packed, frames, conversations, random_frames, names):
        for name, data, packets, problem in kind():
            name = f'{kind.__name__}-{name}'
            (pathlib.Path(folder) / name).write_bytes(data)
            made.append((name, packets, problem))
    if len({name for name, _, _ in made}) != len(made):
        raise ValueError('two files have one name')
    return made


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / 'MANIFEST.tsv', 'w', encoding='ascii') as manifest:
        manifest.write('file\tpackets\tproblem\n')
        for name, packets, problem in write(folder):
            shown = name if name.isascii() and name.isprintable() and not name.startswith('"') else json.dumps(name)
            manifest.write(f'{shown}\t{"" if packets is None else packets}\t{problem or ""}\n')


if __name__ == '__main__':
    main()
