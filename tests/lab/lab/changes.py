"""Scenarios in which the table of the director changes while it is watched, as it does on any day: real servers are drained,
taken out, replaced; and a service goes by mistake."""
from table import OK2, healthy, longs, scn, tcp

WHEN = 1.4  # seconds into the traffic: connections are open, others have ended, others are to come


def clients(n):
    """Three that are open all the time, one for each real server, and short ones before and after the change."""
    later = [tcp(n, WHEN + 0.4 + 0.3 * i, kind='later') for i in range(4)]
    return longs(n, reqs=6, gap=0.5) + [tcp(n, 0.3 * i) for i in range(4)] + later


@scn('230', 'two-net', 'none', 'none-drained-meanwhile')
def _(S, n):
    S.traffic = {'client': clients(n)}
    S.events = [(WHEN, 'director', 'ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.3:80 -m -w 0')]
    healthy(S, OK2, 'A real server is drained: its weight becomes 0, its connections go on, new ones go to the others.')


@scn('231', 'two-net', 'none', 'none-replaced-meanwhile')
def _(S, n):
    n.ipvs = ['-A -t 192.168.1.110:80 -s rr'] + [f'-a -t 192.168.1.110:80 -r {r}:80 -m -w 1' for r in n.rips[:2]]
    S.traffic = {'client': [tcp(n, 0.15 * i) for i in range(6)] + [tcp(n, WHEN + 0.6 + 0.3 * i, kind='later') for i in range(6)]}
    S.events = [
        (WHEN, 'director', 'ipvsadm -d -t 192.168.1.110:80 -r 10.1.1.3:80'),
        (WHEN + 0.2, 'director', 'ipvsadm -a -t 192.168.1.110:80 -r 10.1.1.4:80 -m -w 1'),
    ]
    healthy(S, OK2, 'A service moves from one real server to another when nobody is connected to the first.')


@scn('232', 'two-net', 'destination-removed')
def _(S, n):
    S.traffic = {'client': clients(n)}
    S.events = [(WHEN, 'director', 'ipvsadm -d -t 192.168.1.110:80 -r 10.1.1.3:80')]
    S.culprit = 'director'
    S.cure = (
        'director# drain before removing: ipvsadm -e -t 192.168.1.110:80 -r 10.1.1.3:80 -m -w 0 until ActiveConn is 0; '
        'or sysctl -w net.ipv4.vs.expire_nodest_conn=1, so that clients hear of it'
    )


@scn('233', 'two-net', 'service-deleted')
def _(S, n):
    S.traffic = {'client': clients(n)}
    S.events = [(WHEN, 'director', 'ipvsadm -D -t 192.168.1.110:80')]
    S.culprit = 'director'
    S.cure = 'director# restore the service (ipvsadm -R < saved rules)'
