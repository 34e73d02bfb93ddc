#include "rules/catalog.h"

namespace lvsnat::rules {

constinit const Rule packet_loss{
    .code = 125,
    .id = "packet-loss",
    .severity = Severity::warning,
    .where = "P",
    .title = "Packets are lost on the way",
    .page = R"md(
## What it means

Packets are retransmitted, often enough to be felt, and by comparing the legs
the loss can be placed: outside (between client and director), inside (between
director and real server), or in the director itself.

## How it looks

Retransmissions with the legs in between:

- Request seen twice on leg 1, each time on leg 2, one reply: lost inside, or
  the reply was late.
- Request twice on leg 1, once on leg 2: lost in the director.
- Reply once on legs 3 and 4, then again on 3 and 4: lost outside.
- Reply twice on leg 3, once on leg 4: lost in the director.
- A hole in the sequence on leg 1 that is filled later: lost before the
  director.

## How it comes about

Outside: clients' lines, radio, congestion. Inside: duplex or cable errors, full
switch buffers, a real server that drops (receive ring, checksum errors). In the
director: a full ring or backlog, one CPU at 100 % (one flow, one queue), a full
conntrack table, a qdisc that drops.

## How to check by hand

    ip -s link show eth0; ethtool -S eth0 | grep -iE 'drop|miss|err|fifo'
    awk '{print $2, $3}' /proc/net/softnet_stat      # dropped, squeezed (hex)
    tc -s qdisc show dev eth1
    nstat -az TcpRetransSegs TcpInCsumErrors         # real server
    dmesg | grep -i 'table full'

"Incorrect checksum" of packets captured on their sender is offload, not loss.

## Cure

By place. Cable, duplex and buffers first. On the director larger rings and more
queues:

    ethtool -G eth1 rx 4096; ethtool -L eth1 combined 4
    sysctl -w net.core.netdev_max_backlog=5000
    sysctl -w net.netfilter.nf_conntrack_max=1048576

Persistent: `.link` file of systemd (`RxBufferSize=`, `CombinedChannels=`) or a
udev rule; /etc/sysctl.d.

## Nearest look-alikes

- LVS121: only full-size packets, always.
- LVS106, LVS103: nothing passes at all.
- LVS126: late answers, no loss. LVS901: the capture lost them, not the network.
- Spurious retransmissions (the answer was late; D-SACK says that both came),
  keep-alives and zero-window probes are no loss.

## What this tool needs to see to say so

Retransmissions that are not shown to be spurious, in a share that matters (not
one packet), and both sides of the place that it names. With one side captured
it says no more than "beyond this interface". With packets dropped by the
capture it is withdrawn.
)md",
    .check = nullptr,
};

}  // namespace lvsnat::rules
