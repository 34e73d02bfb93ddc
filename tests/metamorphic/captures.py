"""Captures as lists of packets, and what can be done to them without changing what they show."""
import gzip
import ipaddress
import lzma
import random
import struct

ETHERNET, RAW, SLL, SLL2 = 1, 101, 113, 276
MULTICAST_OR_NONE = (0, 127, 255)


class Packet:
    __slots__ = ('time', 'wire', 'data')

    def __init__(self, time, wire, data):
        self.time, self.wire, self.data = time, wire, data  # nanoseconds, bytes on the wire, bytes captured

    def of(self, data, gone=0):
        """This packet with other bytes; `gone`: how many fewer its headers have."""
        return Packet(self.time, self.wire - gone, data)


class Capture:
    def __init__(self, link, packets):
        self.link, self.packets = link, packets

    def of(self, packets):
        return Capture(self.link, list(packets))


def read(path):
    """A pcap file, plain or compressed."""
    opened = {'.xz': lzma.open, '.gz': gzip.open}.get(path.suffix, open)
    with opened(path, 'rb') as stream:
        data = stream.read()
    order = '<' if data[:4] in (b'\xd4\xc3\xb2\xa1', b'\x4d\x3c\xb2\xa1') else '>'
    unit = 1 if data[:4] in (b'\x4d\x3c\xb2\xa1', b'\xa1\xb2\x3c\x4d') else 1000
    link = struct.unpack_from(order + 'I', data, 20)[0] & 0xFFFF
    packets, at = [], 24
    while at + 16 <= len(data):
        seconds, part, captured, wire = struct.unpack_from(order + 'IIII', data, at)
        packets.append(Packet(seconds * 1_000_000_000 + part * unit, wire, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return Capture(link, packets)


def write(path, capture, order='<'):
    """A pcap file with nanoseconds."""
    with open(path, 'wb') as out:
        out.write(struct.pack(order + 'IHHiIII', 0xA1B23C4D, 2, 4, 0, 0, 262144, capture.link))
        for p in capture.packets:
            out.write(
                struct.pack(order + 'IIII', p.time // 1_000_000_000, p.time % 1_000_000_000, len(p.data), p.wire)
                + p.data
            )


def write_pcapng(path, capture):
    def block(kind, body):
        size = struct.pack('<I', 12 + len(body))
        return struct.pack('<I', kind) + size + body + size

    with open(path, 'wb') as out:
        out.write(block(0x0A0D0D0A, struct.pack('<IHHq', 0x1A2B3C4D, 1, 0, -1)))
        out.write(block(1, struct.pack('<HHI', capture.link, 0, 0) + struct.pack('<HHBxxxHH', 9, 1, 9, 0, 0)))
        for p in capture.packets:
            out.write(
                block(
                    6,
                    struct.pack('<IIIII', 0, p.time >> 32, p.time & 0xFFFFFFFF, len(p.data), p.wire)
                    + p.data
                    + b'\0' * (-len(p.data) % 4),
                )
            )


# ---- changes


def dropped(capture, share, chance):
    return capture.of(p for p in capture.packets if chance.random() >= share)


def without(capture, count, chance):
    gone = set(chance.sample(range(len(capture.packets)), min(count, len(capture.packets))))
    return capture.of(p for i, p in enumerate(capture.packets) if i not in gone)


def shifted(capture, nanoseconds):
    return capture.of(Packet(p.time + nanoseconds, p.wire, p.data) for p in capture.packets)


def cut(capture, snaplen):
    return capture.of(Packet(p.time, p.wire, p.data[:snaplen]) for p in capture.packets)


def doubled(capture):
    """Every packet twice, as on a bridge and its port: the copy a microsecond later."""
    return capture.of(q for p in capture.packets for q in (p, Packet(p.time + 1000, p.wire, p.data)))


def wire_of(packet, link):
    """What tells packets of one direction of one conversation on one wire: they pass by one receive queue, in order."""
    at, kind = (14, packet.data[12:14]) if link == ETHERNET else (20, packet.data[:2])
    if kind == b'\x08\x00':
        return packet.data[:at] + packet.data[at + 12 : at + 24]
    if kind == b'\x86\xdd':
        return packet.data[:at] + packet.data[at + 8 : at + 44]
    return packet.data[:at]


def jumbled(capture, chance):
    """The order inside a millisecond is anyone's, as with several receive queues, but inside a direction of a conversation;
    times go with the place, not the packet."""
    packets = list(capture.packets)
    out, start = [], 0
    while start < len(packets):
        end = start
        while end < len(packets) and packets[end].time - packets[start].time < 1_000_000:
            end += 1
        end = max(end, start + 1)
        group = packets[start:end]
        times = [p.time for p in group]
        queues = {}
        for p in group:
            queues.setdefault(wire_of(p, capture.link), []).append(p)
        turns = [wire for wire, queue in queues.items() for _ in queue]
        chance.shuffle(turns)
        group = [queues[wire].pop(0) for wire in turns]
        out += [Packet(t, p.wire, p.data) for t, p in zip(times, group)]
        start = end
    return capture.of(out)


def split(capture, chance):
    at = chance.randrange(1, max(2, len(capture.packets)))
    return capture.of(capture.packets[:at]), capture.of(capture.packets[at:])


def cooked(capture, version, director_macs):
    """An Ethernet capture as `any` would have it: only the source's address stays."""
    out = []
    for p in capture.packets:
        if len(p.data) < 14:
            continue
        to, source, kind = p.data[:6], p.data[6:12], p.data[12:14]
        way = (
            4
            if source in director_macs
            else 1
            if to == b'\xff' * 6
            else 2
            if to[0] & 1
            else 0
            if to in director_macs
            else 3
        )
        if version == SLL:
            head = struct.pack('>HHH', way, 1, 6) + source + b'\0\0' + kind
        else:
            head = kind + struct.pack('>HIHBB', 0, 2, 1, way, 6) + source + b'\0\0'
        out.append(p.of(head + p.data[14:], 14 - len(head)))
    return Capture(version, out)


def raw(capture):
    return Capture(
        RAW, [p.of(p.data[14:], 14) for p in capture.packets if p.data[12:14] in (b'\x08\x00', b'\x86\xdd')]
    )


def unrelated(capture, chance):
    """Besides: hosts that have nothing to do with the cluster, on the same wire."""
    if not capture.packets:
        return capture
    begin, end = capture.packets[0].time, capture.packets[-1].time

    def frame(source, to, payload, protocol):
        header = struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(payload), chance.getrandbits(16), 0, 64, protocol, 0)
        header += bytes([203, 0, 113, source]) + bytes([198, 18, 0, to])
        header = header[:10] + struct.pack('>H', checksum(header)) + header[12:]
        ip = header + payload
        if capture.link == ETHERNET:
            return bytes([2, 0xEE, 0, 0, 0, to]) + bytes([2, 0xEE, 0, 0, 1, source]) + b'\x08\x00' + ip
        return b'\x08\x00' + struct.pack('>HIHBB', 0, 2, 1, 3, 6) + bytes([2, 0xEE, 0, 0, 1, source]) + b'\0\0' + ip

    more = []
    for i in range(200):
        a, b, t = chance.randrange(1, 250), chance.randrange(1, 250), chance.randint(begin, end)
        if i % 2:
            segment = struct.pack(
                '>HHIIBBHHH',
                chance.randrange(1024, 65536),
                9000 + i % 7,
                chance.getrandbits(32),
                chance.getrandbits(32),
                0x50,
                (2, 0x10, 0x18, 4)[i // 2 % 4],
                1000,
                0,
                0,
            )
            data = frame(a, b, segment, 6)
        else:
            data = frame(
                a,
                b,
                struct.pack('>HHHH', chance.randrange(1024, 65536), 514, 8 + 20, 0) + b'unrelated to anyone!',
                17,
            )
        more.append(Packet(t, len(data), data))
    return capture.of(sorted(capture.packets + more, key=lambda p: p.time))


def checksum(data):
    total = sum(struct.unpack(f'>{len(data) // 2}H', data[: len(data) // 2 * 2]))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Renaming:
    """Other IPv4 networks (by /24) and other MAC addresses, one for one, everywhere."""

    def __init__(self):
        self.networks = {}

    def address(self, four):
        if four[0] in MULTICAST_OR_NONE or four[0] >= 224 or four[:2] == b'\xa9\xfe':
            return four
        network = self.networks.setdefault(four[:3], bytes([172, 20, 200 - len(self.networks)]))
        return network + four[3:]

    def text(self, words):
        """An address in words, or one with a port."""
        try:
            return str(ipaddress.IPv4Address(self.address(ipaddress.IPv4Address(words).packed)))
        except ValueError:
            return words

    @staticmethod
    def mac(six):
        return six if six[0] & 1 or six == b'\0' * 6 else six[:3] + bytes(b ^ 0x5A for b in six[3:])

    @staticmethod
    def patch(data, at, before, after):
        """Mends the checksum at `at` for bytes that changed (RFC 1624)."""
        if at + 2 > len(data):
            return
        total = ~struct.unpack_from('>H', data, at)[0] & 0xFFFF
        for i in range(0, len(before), 2):
            total += (~(before[i] << 8 | before[i + 1]) & 0xFFFF) + (after[i] << 8 | after[i + 1])
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        struct.pack_into('>H', data, at, ~total & 0xFFFF)

    def ip(self, data, at):
        if at + 20 > len(data) or data[at] >> 4 != 4:
            return
        payload = at + (data[at] & 15) * 4
        for i in (at + 12, at + 16):
            before = bytes(data[i : i + 4])
            after = self.address(before)
            data[i : i + 4] = after
            self.patch(data, at + 10, before, after)
            first = struct.unpack_from('>H', data, at + 6)[0] & 0x1FFF == 0
            if first and data[at + 9] == 6:
                self.patch(data, payload + 16, before, after)
            if first and data[at + 9] == 17:
                self.patch(data, payload + 6, before, after)
        if data[at + 9] == 1 and payload + 8 <= len(data) and data[payload] in (3, 5, 11, 12):
            if data[payload] == 5:
                data[payload + 4 : payload + 8] = self.address(bytes(data[payload + 4 : payload + 8]))
            self.ip(data, payload + 8)

    def __call__(self, capture):
        out = []
        for p in capture.packets:
            data = bytearray(p.data)
            if capture.link == ETHERNET:
                data[:6], data[6:12] = self.mac(bytes(data[:6])), self.mac(bytes(data[6:12]))
                at, kind = 14, bytes(data[12:14])
            else:
                data[12:18] = self.mac(bytes(data[12:18]))
                at, kind = 20, bytes(data[:2])
            if kind == b'\x08\x06' and len(data) >= at + 28:
                for i in (at + 8, at + 18):
                    data[i : i + 6] = self.mac(bytes(data[i : i + 6]))
                for i in (at + 14, at + 24):
                    data[i : i + 4] = self.address(bytes(data[i : i + 4]))
            elif kind == b'\x08\x00':
                self.ip(data, at)
            out.append(p.of(bytes(data)))
        return capture.of(out)


def chance_of(*what):
    return random.Random(' '.join(map(str, what)))
