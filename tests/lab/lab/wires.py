"""Scenarios about wires: those that lose, repeat and reorder packets, and two that are bonded to one. Nobody is guilty."""
from table import OK2, healthy, longs, scn, tcp


def clients(n):
    return longs(n) + [tcp(n, 0.2 * i) for i in range(8)]


@scn('240', 'two-net', 'none', 'none-lossy-wire')
def _(S, n):
    n.wire_delay = '200us loss 4%'
    S.traffic = {'client': clients(n)}
    S.settle = 3  # for what is sent again
    healthy(S, OK2, 'Every wire loses one packet in 25, each way; TCP sends it again.')


@scn('241', 'two-net', 'none', 'none-reordering-wire')
def _(S, n):
    n.wire_delay = '4ms reorder 25% 50% duplicate 10%'
    S.traffic = {'client': clients(n)}
    healthy(S, OK2, 'Every wire lets one packet in four overtake those before it, and brings one in ten twice.')


@scn('242', 'two-net', 'none', 'none-bond')
def _(S, n):
    d = n['director']
    inside = d.ifs.pop('eth1')['addrs']
    d.nic('eth1', 'in').nic('eth2', 'in')
    d.nic('bond0', None, *inside)
    # A bond of two ports on one switch, one of them idle: what is broadcast inside comes by both.
    S.modules = ['bonding']
    d.pre = ['link add bond0 type bond mode active-backup miimon 100'] + [f'link set {i} master bond0' for i in ('eth1', 'eth2')]
    S.traffic = {'client': clients(n)}
    healthy(S, {'eth0': OK2['eth0'], 'bond0': OK2['eth1']}, 'The inside of the director is a bond of two ports, one idle.')
