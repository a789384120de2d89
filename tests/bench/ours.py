"""Ours: workers as production runs them, from Kafka to acknowledged rows in all tables of ClickHouse.

The clock runs from the last look at which no worker owned a lane yet, so that none could read anything, to the moment
in which ClickHouse wrote the lane row that completes the last lane: everything before it is durable.
"""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from clickhouse_connect.driver.client import Client
from prometheus_client.parser import text_string_to_metric_families

from tests.bench import truth
from tests.bench.arena import Arena, Topic
from tests.bench.run import Run
from tests.bench.tables import pane_sums
from tests.bench.usage import cpu_seconds, rss_peak_bytes
from touchstream.deploy.local.ports import LOOPBACK, free_port
from touchstream.deploy.local.process import Child
from touchstream.deploy.local.supervisor import Supervisor
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.streams.broker.progress import Reached, behind
from touchstream.streams.broker.topics import LogPosition, log_identity
from touchstream.streams.process.connection import KafkaConnection

NAME: Final = "ours"
_MEASURED_SECONDS_MAX: Final = 600.0
_LOOK_SECONDS: Final = 1.0
_RESOLUTIONS_S: Final = (10, 300, 3600)
COMMAND: Final = (sys.executable, "-m", "touchstream.streams.cli")


@dataclass(frozen=True)
class Ours:
    """One way to run it. journeys: whether touches are written."""

    name: str
    workers: int = 1
    journeys: bool = True


CONTESTANTS: Final = (
    Ours(NAME),
    Ours("ours_two_workers", workers=2),
    Ours("ours_without_journeys", journeys=False),
)


def run(arena: Arena, topic: Topic, number: int, ours: Ours) -> Run:
    """Over the whole topic, into new tables. Raises WrongError."""
    name = f"{ours.name}_{number}"
    with arena.database(name) as (url, client):
        environment = prepared(arena, topic, url, name)
        if not ours.journeys:
            for feed in ("journey_touches_feed", "identities_feed"):
                client.command("DROP VIEW {feed:Identifier}", {"feed": feed})
        ends = log_identity(KafkaConnection.from_url(arena.broker.url), topic.name)
        measured = _timed(arena, client, topic, ends, ours, environment)
        _check(client, topic, journeys=ours.journeys)
        return msgspec.structs.replace(measured, touch_bytes=_touch_bytes(client) if ours.journeys else None)


def prepared(arena: Arena, topic: Topic, clickhouse_url: str, group: str) -> dict[str, str]:
    """The settings of a worker of the topic, for which `init` has made the tables.

    group: a new one, for the broker would wait for the last round's member.
    """
    environment = {
        "TOUCHSTREAM_KAFKA_URL": arena.broker.url,
        "TOUCHSTREAM_CLICKHOUSE_URL": clickhouse_url,
        "TOUCHSTREAM_TOPIC": topic.name,
        "TOUCHSTREAM_GROUP": group,
        "TOUCHSTREAM_DATA_DIR": str(arena.logs),
    }
    subprocess.run((*COMMAND, "init"), env=os.environ | environment, check=True, capture_output=True)
    return environment


def _touch_bytes(client: Client) -> float:
    found = client.query(
        "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = 'journey_touches'"
    )
    return float(found.result_rows[0][0])


def _timed(
    arena: Arena,
    client: Client,
    topic: Topic,
    ends: Mapping[int, LogPosition],
    ours: Ours,
    environment: Mapping[str, str],
) -> Run:
    gates = {f"{environment['TOUCHSTREAM_GROUP']}-{number}": Gate(free_port()) for number in range(ours.workers)}
    load_average, inserts, launched_at = os.getloadavg()[0], arena.inserts(), time.time()
    with Supervisor(arena.logs) as supervisor:
        for name, gate in gates.items():
            own = {**environment, "TOUCHSTREAM_METRICS_PORT": str(gate.metrics_port)}
            supervisor.add(Child(name, (*COMMAND, "worker"), ready=gate.open, env=own))
        supervisor.start(*gates)
        pids = [_pid(supervisor, name) for name in gates]
        before = arena.cpu_seconds() | {"contestant": sum(map(cpu_seconds, pids))}
        _wait(client, topic, ends)
        after = arena.cpu_seconds() | {"contestant": sum(map(cpu_seconds, pids))}
        started_at = min(gate.closed_at for gate in gates.values())
        return Run(
            contestant=ours.name,
            events=len(topic.events),
            seconds=max(row.written_at_ms for row in lanes(client, topic.name)) / 1000 - started_at,
            startup_seconds=started_at - launched_at,
            cpu_seconds={process: used - before[process] for process, used in after.items()},
            rss_peak_bytes=sum(map(rss_peak_bytes, pids)),
            inserts=arena.inserts() - inserts,
            load_average=load_average,
        )


def _pid(supervisor: Supervisor, worker: str) -> int:
    pid = supervisor.pid(worker)
    assert pid is not None, f"{worker} ended"
    return pid


def _wait(client: Client, topic: Topic, ends: Mapping[int, LogPosition]) -> None:
    """Until the lane rows say that all is measured; looks seldom, for a look costs ClickHouse some milliseconds."""
    deadline = time.monotonic() + _MEASURED_SECONDS_MAX
    while waiting := behind(
        ends, {row.partition: Reached(row.log_id, row.next_offset) for row in lanes(client, topic.name)}
    ):
        if time.monotonic() > deadline:
            raise truth.WrongError(f"{NAME}: not measured after {_MEASURED_SECONDS_MAX:g} s: {waiting}")
        time.sleep(_LOOK_SECONDS)


@dataclass
class Gate:
    """Looks at a worker's metrics until it owns a lane. closed_at: when it was last seen to own none, epoch seconds."""

    metrics_port: int
    closed_at: float = 0.0

    def open(self) -> bool:
        asked_at = time.time()
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.metrics_port}/metrics", timeout=5) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
        except OSError:
            self.closed_at = asked_at
            return False
        samples = (sample for family in families for sample in family.samples)
        if any(sample.value for sample in samples if sample.name == "touchstream_lanes_owned"):
            return True
        self.closed_at = asked_at
        return False


def _check(client: Client, topic: Topic, *, journeys: bool) -> None:
    """Every event is in the raw table, in the panes of each resolution, and among the touches."""
    expected = truth.sums(topic.events)
    for resolution_s in _RESOLUTIONS_S:
        found = pane_sums(client, "stage_panes", f"resolution_s = {resolution_s}", ("late",))
        truth.require_equal(NAME, f"panes of {resolution_s} s", found, expected)
    rows = client.query("SELECT count(), uniqExact(customer_id) FROM touchpoints FINAL").result_rows
    truth.require_equal(NAME, "touchpoints, customers", rows[0], (len(topic.events), truth.customers(topic.events)))
    touches = client.query("SELECT count() FROM journey_touches FINAL").result_rows[0][0]
    truth.require_equal(NAME, "journey_touches", touches, len(topic.events) if journeys else 0)
