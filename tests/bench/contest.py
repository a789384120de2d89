"""All contestants, one after the other, several rounds of them."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from clickhouse_connect.driver.client import Client

from tests.bench import ours, truth
from tests.bench.arena import PARTITIONS, Arena, Topic, Topics
from tests.bench.peers import Command, Field, Peer
from tests.bench.peers.peer import Job, Report
from tests.bench.run import Run
from tests.bench.tables import PEER_TABLE, pane_sums

_PEER_SECONDS_MAX: Final = 600


class PeerFailedError(RuntimeError):
    """A peer ended without a report; the message holds what it said."""


def rounds(arena: Arena, topics: Topics, field: Field, count: int, say: Callable[[str], None]) -> Iterator[list[Run]]:
    """Each round: every peer that is in the field and each of ours, once. Raises WrongError, PeerFailedError."""
    for number in range(1, count + 1):
        runs = []
        for peer, command in field.entered:
            say(f"round {number} of {count}: {peer.name}")
            runs.append(_run(arena, peer, command, topics.slow if peer.slow else topics.peers, number))
        for contestant in ours.CONTESTANTS:
            say(f"round {number} of {count}: {contestant.name}")
            runs.append(ours.run(arena, topics.ours, number, contestant))
        yield runs


def _run(arena: Arena, peer: Peer, command: Command, topic: Topic, number: int) -> Run:
    name = f"{peer.name}_{number}"
    with arena.database(name) as (url, client), tempfile.TemporaryDirectory(dir=arena.logs) as directory:
        client.command(PEER_TABLE)
        job = Job(name, arena.broker.bootstrap, topic.name, PARTITIONS, len(topic.events), url, directory)
        load_average, inserts, used = os.getloadavg()[0], arena.inserts(), arena.cpu_seconds()
        launched_at = time.time()
        report = _report(peer, command, job)
        used = {name: (seconds - used[name]) / report.passes for name, seconds in arena.cpu_seconds().items()}
        truth.require_equal(peer.name, "events", report.events, len(topic.events))
        if peer.measures:
            _check(peer, client, topic)
        return Run(
            contestant=peer.name,
            events=report.events,
            seconds=report.ended_at - report.started_at,
            startup_seconds=report.started_at - launched_at,
            cpu_seconds=used | {"contestant": report.cpu_seconds},
            rss_peak_bytes=report.rss_peak_bytes,
            inserts=(arena.inserts() - inserts) // report.passes,
            load_average=load_average,
        )


def _report(peer: Peer, command: Command, job: Job) -> Report:
    told = (*command, msgspec.json.encode(job).decode())
    ended = subprocess.run(told, capture_output=True, text=True, timeout=_PEER_SECONDS_MAX, check=False)
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        raise PeerFailedError(f"{peer.name} ended with status {ended.returncode}:\n{ended.stderr[-2000:]}")
    return msgspec.json.decode(lines[-1], type=Report)


def _check(peer: Peer, client: Client, topic: Topic) -> None:
    expected = {
        stage: {name: value for name, value in measures.items() if name != "late"}  # not in a peer's job
        for stage, measures in truth.sums(topic.events).items()
    }
    truth.require_equal(peer.name, "panes", pane_sums(client, "panes", "true"), expected)
    customers = client.query("SELECT sum(customers) FROM panes FINAL").result_rows[0][0]
    truth.require_equal(peer.name, "customers of panes", customers, truth.pane_customers(topic.events))
