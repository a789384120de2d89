"""What ours is compared with, each a process of its own.

A peer is a program that is given a job (`peer.Job`, as JSON, its last argument), reads the topic from its beginning,
leaves whole panes in the table `panes` (`tables.PEER_TABLE`) every half second, and prints what it did (`peer.Report`,
as JSON) as its last line. Any language will do. A peer does less than ours: no raw events, no panes of 5 minutes and an
hour, no distributions of durations, no duplicates, no recovery.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.peers import kafka_streams, quix_streams
from tests.bench.peers.kept import PeerMissingError

Command = tuple[str, ...]


@dataclass(frozen=True)
class Peer:
    """One peer. `measures`: it leaves panes, which are checked; else it only counts events."""

    name: str
    command: Callable[[], Command]
    """Fetches what the program needs, the first time. Raises PeerMissingError."""
    measures: bool = True
    slow: bool = False
    """It is given the topic with fewer events; rates are compared."""


@dataclass(frozen=True)
class Field:
    """The peers that can run here, each with its command; and of the others, by name, what they lack."""

    entered: tuple[tuple[Peer, Command], ...]
    missing: dict[str, str]


def _module(name: str) -> Callable[[], Command]:
    return lambda: (sys.executable, "-m", f"{__name__}.{name}")


PEERS: Final = (
    Peer("librdkafka", _module("librdkafka"), measures=False),
    Peer("plain_faust", _module("plain_faust"), slow=True),
    Peer("quix_streams", quix_streams.command),
    Peer("kafka_streams", kafka_streams.command),
)
"""The limit of the wire, what one would write first, and what one would pick instead."""


def field(peers: Sequence[Peer] = PEERS) -> Field:
    """Make all of them ready to run, which takes minutes where something has to be fetched."""
    entered: list[tuple[Peer, Command]] = []
    missing: dict[str, str] = {}
    for peer in peers:
        try:
            entered.append((peer, peer.command()))
        except PeerMissingError as error:
            missing[peer.name] = str(error)
    return Field(tuple(entered), missing)
