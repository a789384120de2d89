"""What ours is compared with, each a process of its own.

A peer is a program that is given a job (`peer.Job`, as JSON, its last argument), reads the topic from its beginning,
leaves whole panes in the table `panes` (`tables.PEER_TABLE`) every half second, and prints what it did (`peer.Report`,
as JSON) as its last line. Any language will do. A peer does less than ours: no raw events, no panes of 5 minutes and an
hour, no distributions of durations, no duplicates, no recovery.
"""

import sys
from typing import Final

import msgspec


class Peer(msgspec.Struct, frozen=True):
    """One peer. `measures`: it leaves panes, which are checked; else it only counts events."""

    name: str
    command: tuple[str, ...]
    measures: bool
    slow: bool
    """It is given the topic with fewer events; rates are compared."""


PEERS: Final = (
    Peer("librdkafka", (sys.executable, "-m", "tests.bench.peers.librdkafka"), measures=False, slow=False),
    Peer("plain_faust", (sys.executable, "-m", "tests.bench.peers.plain_faust"), measures=True, slow=True),
)
"""The limit of the wire, and what one would write first."""
