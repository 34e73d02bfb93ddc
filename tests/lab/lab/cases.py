"""What each program must say in each scenario: the table of tests/lab/run.

A case is a scenario with one or more asks: one host, one command, what it must say and with which exit status. All that is
expected must be said, about these real servers and no others; nothing worse than a note may be said besides, except what
`besides` lists, with the reason beside it.
"""
import collections

Claim = collections.namedtuple('Claim', 'codes server')
Claim.__str__ = lambda claim: '|'.join(claim.codes) + (f' {claim.server}' if claim.server else '')
# when: 'during' watches while clients connect and is then interrupted; 'before' and 'after' run to their end.
Ask = collections.namedtuple('Ask', 'label host command when status expect besides')
Case = collections.namedtuple('Case', 'scenario asks ci')

DIAG = 'lvsdiag --for 0'
# As an admin types it who knows the client and the director; on every interface that has an address.
STATIC = 'lvstrace --client $LAB_CIP --director $LAB_DIP'
TRACE = STATIC + ' --for 0 $(printf -- "-i %s " $LAB_INTERFACES)'
# Who knows nothing learns the director from the requests.
LEARN = 'lvstrace --for 0 -i eth0'

# Packets of our own: echo requests through the real servers and back, and the hops of their replies.
WAY_BACK = 'lvsdiag probe'
PROBE = STATIC + ' --probe'

TWO_NET = {'rs1': '10.1.1.2', 'rs2': '10.1.1.3', 'rs3': '10.1.1.4'}
ONE_NET = {'rs1': '192.168.1.2', 'rs2': '192.168.1.3', 'rs3': '192.168.1.4'}
BELLIS = dict(ONE_NET)  # the same addresses, and clients behind a router
IPV6 = {'rs1': 'fd00:10::2', 'rs2': 'fd00:10::3', 'rs3': 'fd00:10::4'}


def claims(text):
    """'LVS101 10.1.1.2, LVS302|LVS303': a code, or any one of several, and the real server that is accused."""
    out = []
    for part in filter(None, map(str.strip, text.split(','))):
        codes, _, server = part.partition(' ')
        out.append(Claim(tuple(codes.split('|')), server or None))
    return tuple(out)


def each(code, servers):
    """The same claim about every one of them."""
    return ', '.join(f'{code} {server}' for server in servers.values())


def ask(host, command, status, expect, besides='', when='during', label=''):
    return Ask(label or ('lvsdiag' if host == 'director' else host), host, command, when, status, claims(expect), besides.split())


def diag(status, expect='', besides='', command=DIAG):
    return ask('director', command, status, expect, besides)


def trace(servers, guilty=(), command=TRACE, **more):
    """lvstrace on every real server: `guilty` says of which host what is expected; the others are innocent. Where clients and
    real servers share a wire, that these would believe a redirect is worth a warning (LVS306): nobody told them otherwise."""
    asks = []
    for host, rip in servers.items():
        if host in guilty:
            asks.append(ask(host, command, 2, guilty[host], besides='LVS306', **more))
        elif servers is ONE_NET:
            asks.append(ask(host, command, 1, f'LVS306 {rip}', **more))
        else:
            asks.append(ask(host, command, 0, '', **more))
    return asks


def clean(servers):
    """lvstrace on real servers that refuse redirects: nothing to say."""
    return [ask(host, TRACE, 0, '') for host in servers]


def probe(status, expect='', besides='', command=WAY_BACK):
    """The way-back test, after the clients: a real server that was asked before has asked for its gateway's MAC before, too, and
    the proof of that would be missing from what lvsdiag watches."""
    return ask('director', command, status, expect, besides, when='after', label='way back')


def hops(host, rip, status, expect, besides=''):
    """The hop trace with TCP of the service. What redirects taught while clients were there is forgotten first."""
    command = (
        "sh -c 'ip route flush cache; exec lvstrace --probe --client $LAB_CIP --director $LAB_DIP "
        f"--service tcp:$LAB_VIP:$LAB_VPORT={rip}:$LAB_VPORT \"$@\"' lvstrace"
    )
    return ask(host, command, status, expect, besides, when='after', label=f'{host} hops')


def testimony(host, status, expect):
    """lvstrace on a real server before anybody connects; its report is kept for the director."""
    script = STATIC + ' "$@" >/run/cap/testimony.json; status=$?; cat /run/cap/testimony.json; exit $status'
    command = f"sh -c '{script}' lvstrace"
    return ask(host, command, status, expect, when='before', label=f'{host} testimony')


# The director hears what that real server said, and watches.
HEARS = DIAG + ' --with /run/cap/testimony.json'


def case(scenario, *asks, ci=False):
    flat = []
    for one in asks:
        flat += one if isinstance(one, list) else [one]
    return Case(scenario, tuple(flat), ci)


CASES = [
    # ---- healthy
    case('01', diag(0), trace(TWO_NET), probe(0), ask('rs1', PROBE, 0, '', when='after', label='rs1 hops'), ci=True),
    # The client answers a real server's own packets straight over the wire that they share: a note.
    case(
        '03',
        diag(0),
        trace(ONE_NET),
        probe(0),
        ask('rs1', PROBE, 1, 'LVS306 192.168.1.2, LVS308 192.168.1.2', when='after', label='rs1 hops'),
        ci=True,
    ),
    case('05', diag(0)),
    case('06', diag(0), trace(TWO_NET)),
    case('07', diag(0), trace(BELLIS)),
    case('08', diag(0)),
    case('09', diag(0), trace(IPV6), probe(0), ci=True),
    case('10', diag(0)),
    case('11', diag(0), ci=True),
    case('13', diag(0), probe(0), ci=True),
    case('14', diag(0)),
    case('19', diag(0)),
    case('20', diag(0)),
    case('24', diag(0, 'LVS127'), probe(0), ci=True),
    case('28', diag(0), ci=True),
    case('223', diag(0)),
    case('224', diag(0)),
    # The table changes while it is watched, and the wires are what wires are.
    case('230', diag(0), ci=True),
    case('231', diag(0)),
    case('240', diag(0), trace(TWO_NET)),
    case('241', diag(0), ci=True),
    case('242', diag(0), ci=True),
    # Redirects are sent, and nobody listens.
    case('39', diag(1, each('LVS111', ONE_NET) + ', LVS202'), clean(ONE_NET), hops('rs1', ONE_NET['rs1'], 0, 'LVS308')),
    # ---- a real server's way back
    case(
        '30',
        diag(2, 'LVS101 10.1.1.3'),
        trace(TWO_NET, {'rs2': 'LVS301 10.1.1.3, LVS309 10.1.1.3'}),
        ask('rs2', LEARN, 2, 'LVS301 10.1.1.3', 'LVS306', label='rs2 learns'),
        ask('rs2', LEARN + ' --no-state', 2, 'LVS309 10.1.1.3', label='rs2 wire'),
        probe(2, 'LVS214 10.1.1.3'),
        ask('rs2', PROBE, 2, 'LVS301 10.1.1.3, LVS307 10.1.1.3', 'LVS306', when='after', label='rs2 hops'),
        ci=True,
    ),
    case('31', diag(2, each('LVS101', TWO_NET)), trace(TWO_NET, {h: f'LVS301 {r}' for h, r in TWO_NET.items()})),
    case('12', diag(2, 'LVS101 fd00:10::4'), trace(IPV6, {'rs3': 'LVS301 fd00:10::4'})),
    case('16', diag(2, 'LVS101 10.1.1.4'), trace(TWO_NET, {'rs3': 'LVS301 10.1.1.4'})),
    case('56', diag(2, 'LVS101 10.1.1.3'), trace(TWO_NET, {'rs2': 'LVS301 10.1.1.3'})),
    case('32', diag(2, 'LVS102 10.1.1.2'), trace(TWO_NET, {'rs1': 'LVS302 10.1.1.2'}), probe(2, 'LVS214 10.1.1.2'), ci=True),
    case('51', diag(2, 'LVS102 fd00:10::2'), trace(IPV6, {'rs1': 'LVS302 fd00:10::2'})),
    case('52', diag(2, 'LVS102 10.1.1.2'), trace(TWO_NET, {'rs1': 'LVS302 10.1.1.2'})),
    case(
        '33',
        diag(2, 'LVS101 192.168.1.4'),
        trace(ONE_NET, {'rs3': 'LVS303 192.168.1.4'}),
        probe(2, 'LVS214 192.168.1.4'),
        ci=True,
    ),
    case('34', diag(2, each('LVS101', ONE_NET)), trace(ONE_NET, {h: f'LVS303 {r}' for h, r in ONE_NET.items()})),
    case('36', diag(2, 'LVS101|LVS102 10.1.1.2'), trace(TWO_NET, {'rs1': 'LVS303 10.1.1.2'})),
    case('68', diag(2, 'LVS101|LVS102 10.1.1.3'), trace(TWO_NET, {'rs2': 'LVS303 10.1.1.3'})),
    case('15', diag(2, 'LVS101 10.1.1.3'), trace(TWO_NET, {'rs2': 'LVS303 10.1.1.3'})),
    case(
        '82',
        testimony('rs1', 2, 'LVS305 10.1.1.2'),
        diag(2, 'LVS101 10.1.1.2, LVS305 10.1.1.2', command=HEARS),
        trace(TWO_NET, {'rs1': 'LVS305 10.1.1.2'}),
        ci=True,
    ),
    case('26', diag(2, 'LVS102 10.1.1.2'), trace(TWO_NET, {'rs1': 'LVS206 10.1.1.2'})),
    case('201', diag(2, 'LVS101 10.1.1.2'), trace(TWO_NET, {'rs1': 'LVS301 10.1.1.2'})),
    case('202', diag(2, 'LVS101|LVS102 10.1.1.2'), trace(TWO_NET, {'rs1': 'LVS309 10.1.1.2'})),
    # The exceptions appear while it runs: seen on the wire, and by who looks afterwards.
    case(
        '216',
        diag(2, each('LVS111', ONE_NET), besides='LVS202 LVS101'),
        trace(ONE_NET, {h: f'LVS304|LVS309 {r}' for h, r in ONE_NET.items()}),
    ),
    case(
        '37',
        diag(2, each('LVS111', ONE_NET), besides='LVS202 LVS101'),
        trace(ONE_NET, {h: f'LVS304|LVS309 {r}' for h, r in ONE_NET.items()}),
        ask('rs1', STATIC, 2, 'LVS304 192.168.1.2', 'LVS306', when='after', label='rs1 after'),
        # The default route is right, and that is what a test in the name of nobody tells.
        probe(0),
        hops('rs1', ONE_NET['rs1'], 2, 'LVS304 192.168.1.2, LVS307 192.168.1.2', 'LVS306'),
        ci=True,
    ),
    # The real servers know the clients' MACs already: nothing on the director's wire proves where replies go.
    case(
        '38',
        diag(2, each('LVS101|LVS102', ONE_NET)),
        trace(ONE_NET, {h: f'LVS304 {r}' for h, r in ONE_NET.items()}),
        ask('rs2', 'lvstrace', 2, 'LVS304 192.168.1.3', 'LVS306', when='after', label='rs2 after'),
        probe(2, each('LVS214', ONE_NET), command='lvsdiag probe --client $LAB_CIP'),
    ),
    # Two networks on one wire: redirects name a gateway of a foreign network, and shared_media lets it pass.
    case(
        '49',
        diag(2, each('LVS111', TWO_NET), besides='LVS202 LVS101'),
        trace(TWO_NET, {h: f'LVS304|LVS309 {r}' for h, r in TWO_NET.items()}),
        ask('rs3', STATIC, 2, 'LVS304 10.1.1.4', 'LVS306', when='after', label='rs3 after'),
    ),
    # ---- the director
    case('17', diag(2, 'LVS104, LVS211')),
    case('22', diag(2, 'LVS109')),
    case('23', diag(2, 'LVS109')),
    case('25', diag(2, 'LVS116')),
    case('27', diag(2, 'LVS112')),
    case('29', diag(2, 'LVS122', besides='LVS108')),
    case('40', diag(2, 'LVS204')),
    case('41', diag(2, 'LVS204')),
    case('42', diag(2, 'LVS201', besides='LVS103'), ci=True),
    case('43', diag(2, 'LVS203', besides='LVS103')),
    case('44', diag(2, 'LVS203', besides='LVS103'), ci=True),
    case('45', diag(2, 'LVS105', besides='LVS207 LVS112 LVS212 LVS110 LVS104'), ci=True),
    case('50', diag(2, 'LVS109')),
    case('53', diag(2, 'LVS116'), ci=True),
    case('60', diag(2, 'LVS206', besides='LVS106 LVS202'), ci=True),
    case('62', diag(2, 'LVS205', besides='LVS103'), ci=True),
    # The other director's answer goes to the client alone: from here only its silence can be seen, from there both answers.
    case(
        '65',
        diag(0, 'LVS903'),
        ask('client', DIAG + ' --no-state -i eth0 --service tcp:$LAB_VIP:$LAB_VPORT=10.1.1.2:80', 2, 'LVS117', label='on client'),
    ),
    case('66', diag(2, 'LVS112', besides='LVS210 LVS103')),
    case('67', diag(2, 'LVS112|LVS104', besides='LVS210 LVS103 LVS112 LVS104')),
    case('70', diag(2, each('LVS122', TWO_NET)), ci=True),
    case('73', diag(2, 'LVS209, LVS123'), ci=True),
    case('86', diag(1, 'LVS110')),
    case('92', diag(2, 'LVS208|LVS118', besides='LVS101 LVS102 LVS118 LVS208')),
    case('94', diag(1, 'LVS215'), ci=True),
    case('95', diag(2, 'LVS213', besides='LVS103 LVS104 LVS125 LVS112'), ci=True),
    case('96', diag(2, 'LVS119', besides='LVS101 LVS102')),
    case('203', diag(2, 'LVS103'), trace(TWO_NET)),
    case('204', diag(2, each('LVS107', BELLIS), besides='LVS202')),
    case('206', diag(2, 'LVS110')),
    case('208', diag(2, each('LVS101', TWO_NET)), trace(TWO_NET, {h: f'LVS301 {r}' for h, r in TWO_NET.items()})),
    case('212', diag(2, 'LVS116', besides='LVS903')),
    case('214', diag(2, 'LVS201', besides='LVS103')),
    case('221', diag(2, 'LVS106', besides='LVS125')),
    case('222', diag(2, 'LVS110'), ci=True),
    case('225', diag(2, 'LVS201', besides='LVS103')),
    case('229', diag(2, 'LVS203', besides='LVS103')),
    case('232', diag(2, 'LVS112'), ci=True),
    case('233', diag(2, 'LVS112|LVS212', besides='LVS112 LVS212 LVS110 LVS104'), trace(TWO_NET)),
    # ---- real servers that do not answer, clients that go astray, the wire
    case('21', diag(2, 'LVS108 10.1.1.3')),
    case('46', diag(2, 'LVS107 10.1.1.3'), probe(2, 'LVS107 10.1.1.3'), ci=True),
    case('47', diag(2, 'LVS108 10.1.1.3'), ci=True),
    case('48', diag(2, 'LVS102 10.1.1.3'), trace(TWO_NET), probe(0)),
    case('57', diag(2, 'LVS107 fd00:10::3')),
    case('61', diag(2, 'LVS108 fd00:10::3')),
    case('54', diag(1, each('LVS113', ONE_NET))),
    case('55', diag(2, 'LVS113', besides='LVS104 LVS103')),
    case('58', diag(2, 'LVS114', besides='LVS101 LVS102 LVS115')),
    case('59', diag(2, 'LVS115', besides='LVS101 LVS102')),
    case('63', diag(2, 'LVS121')),
    case('76', diag(1, 'LVS124', besides='LVS101 LVS102')),
    case('77', diag(1, 'LVS126 10.1.1.4')),
]
