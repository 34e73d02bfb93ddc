"""Servers and clients; every function runs in a thread that has already entered the host's namespace."""
import errno, socket, struct, threading, time, select, ftplib, io

STOP = threading.Event()
IPPROTO_SCTP = 132


def fam(ip):
    return socket.AF_INET6 if ':' in ip else socket.AF_INET


def _lsock(port, v6, proto=0, typ=socket.SOCK_STREAM, ip=''):
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, typ, proto)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((ip, port))
    if typ == socket.SOCK_STREAM:
        s.listen(64)
    s.settimeout(0.5)
    return s


def body(name, n):
    line = ('%s 0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.' % name).ljust(79)[:79] + '\n'
    return (line * (n // 80 + 1))[:n].encode()


def http_conn(name, s):
    s.settimeout(60)
    try:
        buf = b''
        while not STOP.is_set():
            while b'\r\n\r\n' not in buf:
                d = s.recv(65536)
                if not d:
                    return
                buf += d
            head, buf = buf.split(b'\r\n\r\n', 1)
            lines = head.decode('latin1').split('\r\n')
            meth, path = lines[0].split()[:2]
            q = dict(x.split('=', 1) for x in path.split('?', 1)[1].split('&')) if '?' in path else {}
            cl = 0
            for l in lines[1:]:
                if l.lower().startswith('content-length:'):
                    cl = int(l.split(':')[1])
            while len(buf) < cl:
                d = s.recv(65536)
                if not d:
                    return
                buf += d
            buf = buf[cl:]
            if 'delay' in q:
                time.sleep(float(q['delay']))
            b = body(name, int(q.get('size', 3000)))
            s.sendall(
                (
                    'HTTP/1.1 200 OK\r\nServer: lab\r\nX-RS: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n'
                    % (name, len(b))
                ).encode()
                + b
            )
    except Exception:
        pass
    finally:
        try:
            s.close()
        except Exception:
            pass


def serve_tcp(name, port, v6=False, proto=0):
    try:
        L = _lsock(port, v6, proto)
    except OSError as e:
        print('server %s %s: %s' % (name, port, e), flush=True)
        return
    while not STOP.is_set():
        try:
            c, _ = L.accept()
        except socket.timeout:
            continue
        except OSError:
            break
        threading.Thread(target=http_conn, args=(name, c), daemon=True).start()


def dns_query(i):
    return (
        struct.pack('!HHHHHH', 0x1000 + i, 0x0100, 1, 0, 0, 0) + b'\x03www\x07example\x03com\x00' + struct.pack('!HH', 1, 1)
    )


def serve_udp(name, port, v6=False):
    s = _lsock(port, v6, typ=socket.SOCK_DGRAM)
    while not STOP.is_set():
        try:
            d, a = s.recvfrom(4096)
        except socket.timeout:
            continue
        except OSError:
            break
        if len(d) < 12:
            continue
        q = d[12:]
        ans = d[:2] + struct.pack('!HHHHH', 0x8180, 1, 2, 0, 0) + q
        ans += b'\xc0\x0c' + struct.pack('!HHIH', 1, 1, 60, 4) + socket.inet_aton('203.0.113.80')
        t = name.encode()
        ans += b'\xc0\x0c' + struct.pack('!HHIH', 16, 1, 60, len(t) + 1) + bytes([len(t)]) + t
        s.sendto(ans, a)


def serve_ftp(name, port, ip):
    L = _lsock(port, False)

    def sess(c):
        c.settimeout(20)
        f = c.makefile('rwb', buffering=0)

        def say(x):
            f.write((x + '\r\n').encode())

        say('220 %s FTP ready' % name)
        data, dl = None, None
        try:
            while True:
                l = f.readline()
                if not l:
                    return
                l = l.decode().strip()
                cmd, _, arg = l.partition(' ')
                cmd = cmd.upper()
                if cmd == 'USER':
                    say('331 password please')
                elif cmd == 'PASS':
                    say('230 logged in')
                elif cmd == 'SYST':
                    say('215 UNIX Type: L8')
                elif cmd == 'TYPE':
                    say('200 ok')
                elif cmd == 'PWD':
                    say('257 "/"')
                elif cmd in ('PASV', 'EPSV'):
                    dl = _lsock(0, False, ip=ip)
                    dl.settimeout(8)
                    p = dl.getsockname()[1]
                    if cmd == 'PASV':
                        say('227 Entering Passive Mode (%s,%d,%d).' % (ip.replace('.', ','), p >> 8, p & 255))
                    else:
                        say('229 Entering Extended Passive Mode (|||%d|)' % p)
                elif cmd == 'PORT':
                    a = arg.split(',')
                    data = ('.'.join(a[:4]), int(a[4]) * 256 + int(a[5]))
                    say('200 PORT command successful')
                elif cmd in ('RETR', 'LIST'):
                    say('150 Opening data connection')
                    try:
                        if dl:
                            ds, _ = dl.accept()
                        else:
                            ds = socket.socket()
                            ds.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                            ds.bind((ip, 20))
                            ds.settimeout(5)
                            ds.connect(data)
                        ds.sendall(body(name, 4000))
                        ds.close()
                        say('226 Transfer complete')
                    except OSError as e:
                        say('425 Cannot open data connection: %s' % e)
                    if dl:
                        dl.close()
                        dl = None
                elif cmd == 'QUIT':
                    say('221 bye')
                    return
                else:
                    say('502 not implemented')
        except Exception:
            pass
        finally:
            c.close()

    while not STOP.is_set():
        try:
            c, _ = L.accept()
        except socket.timeout:
            continue
        threading.Thread(target=sess, args=(c,), daemon=True).start()


# ---------------------------------------------------------------- clients
def _classify(e, connected):
    if isinstance(e, socket.timeout) or getattr(e, 'errno', 0) == errno.ETIMEDOUT:
        return 'stalled' if connected else 'connect-timeout'
    n = getattr(e, 'errno', 0)
    if n == errno.ECONNREFUSED:
        return 'refused'
    if n in (errno.ECONNRESET, errno.EPIPE):
        return 'reset'
    if n in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOPROTOOPT, errno.EPROTO, errno.EACCES):
        return 'unreachable'
    return 'error:' + repr(e)


def op_tcp(o, r):
    s = socket.socket(fam(o['dst']), socket.SOCK_STREAM, o.get('proto', 0))
    to = o.get('timeout', 4.0)
    s.settimeout(to)
    connected = False
    try:
        if o.get('src') or o.get('sport'):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((o.get('src', ''), o.get('sport', 0)))
        t = time.time()
        try:
            s.connect((o['dst'], o['dport']))
        finally:
            try:
                r['cport'] = s.getsockname()[1]
                if s.getsockname()[0] not in ('0.0.0.0', '::'):
                    r['cip'] = s.getsockname()[0]
            except OSError:
                pass
        r['connect_ms'] = int((time.time() - t) * 1000)
        connected = True
        for i in range(o.get('reqs', 1)):
            if i:
                time.sleep(o.get('gap', 0.5))
            path = '/item%d?size=%d' % (i, o.get('size', 3000))
            if o.get('delay'):
                path += '&delay=%s' % o['delay']
            up = o.get('upload', 0)
            req = '%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: lab-client/1.0\r\nAccept: */*\r\n' % (
                'POST' if up else 'GET',
                path,
                o['dst'],
            )
            if up:
                req += 'Content-Length: %d\r\n' % up
            s.sendall(req.encode() + b'\r\n' + (body('upload', up) if up else b''))
            buf = b''
            end = time.time() + to
            while True:
                s.settimeout(max(0.05, end - time.time()))
                d = s.recv(65536)
                if not d:
                    r['outcome'] = 'closed-early'
                    return
                buf += d
                if b'\r\n\r\n' in buf:
                    h, b = buf.split(b'\r\n\r\n', 1)
                    hd = dict(x.split(': ', 1) for x in h.decode('latin1').split('\r\n')[1:])
                    r['server'] = hd.get('X-RS')
                    if len(b) >= int(hd['Content-Length']):
                        break
            r['bytes'] = r.get('bytes', 0) + len(buf)
            r['requests_done'] = i + 1
        r['outcome'] = 'worked'
    except Exception as e:
        r['outcome'] = _classify(e, connected)
        r['error'] = repr(e)
    finally:
        if o.get('hold'):
            time.sleep(o['hold'])
        s.close()


def op_udp(o, r):
    s = socket.socket(fam(o['dst']), socket.SOCK_DGRAM)
    if o.get('sport'):
        s.bind(('', o['sport']))
    got = 0
    try:
        s.connect((o['dst'], o['dport'])) if o.get('connect', True) else None
        r['cport'] = s.getsockname()[1]
        if s.getsockname()[0] not in ('0.0.0.0', '::'):
            r['cip'] = s.getsockname()[0]
        for i in range(o.get('reqs', 2)):
            if i:
                time.sleep(o.get('gap', 0.2))
            for _ in range(o.get('tries', 2)):
                s.settimeout(o.get('timeout', 1.0))
                s.send(dns_query(i))
                try:
                    d = s.recv(4096)
                    got += 1
                    if len(d) > 50:
                        r['server'] = d[-3:].decode('latin1')
                    break
                except socket.timeout:
                    continue
        r['answers'] = got
        r['outcome'] = 'worked' if got == o.get('reqs', 2) else ('stalled' if got else 'no-answer')
    except Exception as e:
        r['answers'] = got
        r['outcome'] = _classify(e, True)
        r['error'] = repr(e)
    s.close()


def op_ftp(o, r):
    r['mode'] = 'passive' if o.get('passive', True) else 'active'
    f = ftplib.FTP()
    f.trust_server_pasv_ipv4_address = True
    stage = 'control-connect'
    try:
        f.connect(o['dst'], o.get('dport', 21), timeout=o.get('timeout', 4.0))
        r['cport'] = f.sock.getsockname()[1]
        r['cip'] = f.sock.getsockname()[0]
        stage = 'login'
        f.login('anonymous', 'lab@')
        f.set_pasv(o.get('passive', True))
        stage = 'data'
        b = io.BytesIO()
        f.retrbinary('RETR file', b.write)
        r['bytes'] = len(b.getvalue())
        r['server'] = b.getvalue()[:3].decode()
        stage = 'quit'
        f.quit()
        r['outcome'] = 'worked'
    except Exception as e:
        r['outcome'] = _classify(e, stage != 'control-connect')
        if r['outcome'].startswith('error:'):
            r['outcome'] = 'stalled'
        r['error'] = '%s at stage %s' % (repr(e), stage)
        r['stage'] = stage
    try:
        f.close()
    except Exception:
        pass


OPS = {'tcp': op_tcp, 'udp': op_udp, 'ftp': op_ftp}


def run_ops(host, ops, t0, rnd=0):
    """ops: list of dicts with 'op','t',...; returns the list of results."""
    res, ths = [], []
    for k, o in enumerate(ops):
        r = dict(
            id='%s-%d' % (host, k + 1) + ('.%d' % rnd if rnd else ''),
            client=host,
            op=o['op'],
            dst='%s:%d' % (o['dst'], o.get('dport', 21)),
            outcome='?',
        )
        if o.get('kind'):
            r['kind'] = o['kind']
        if o.get('proto') == IPPROTO_SCTP:
            r['op'] = 'sctp'
        res.append(r)

        def go(o=o, r=r):
            d = t0 + o.get('t', 0) - time.time()
            if d > 0:
                time.sleep(d)
            r['start'] = round(time.time(), 3)
            try:
                OPS[o['op']](o, r)
            except Exception as e:
                r['outcome'] = 'error:' + repr(e)
            r['elapsed'] = round(time.time() - r['start'], 2)

        th = threading.Thread(target=go, daemon=True)
        th.start()
        ths.append(th)
    for th in ths:
        th.join(60)
    return res
