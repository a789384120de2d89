"""How long a worker needs for its first flush of a lane that another had: many customers, many panes, many ids.

    TEST_KAFKA=apache python -m tests.kafka.takeover --customers 1000000 --panes 100000

Fills one lane through the log as everything else does, ends its owner, and waits for the other worker to take over and
flush events that came meanwhile. Exits with 1 if the first flush took longer than it may.
"""

import argparse
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import confluent_kafka
import numpy as np

from tests.bench.events import generate
from tests.kafka.books import log_ends
from tests.kafka.failures import measured
from tests.kafka.faults import until
from tests.kafka.stand import TOPIC, Layout, Stand, running_stand
from touchstream.schemas import times
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.channels import Producer
from touchstream.streams.process.connection import KafkaConnection

FLUSHED_SECONDS_MAX: Final = 5.0
_PLACES: Final = 4
_PANE_MS: Final = 10_000
_NEW_EVENTS: Final = 100
_CALM_SECONDS: Final = 3.0
_SENT_SECONDS_MAX: Final = 120.0
_ONE_LANE: Final = Layout(partitions=1)


@dataclass(frozen=True)
class TakeOver:
    """What the lane had, and how long after its owner's end it had another, and that one's first flush was in."""

    customers: int
    panes: int
    ids: int
    owned_seconds: float
    flushed_seconds: float


def fill(stand: Stand, customers: int, panes: int) -> None:
    """One event of each customer, spread over so many panes of ten seconds; returns when all of it is in the tables."""
    number, slots = np.arange(customers), max(1, panes // _PLACES)
    now_ms = times.now_ms()
    events = replace(
        generate(customers, now_ms),
        customer=number,
        occurred_at=now_ms - number % slots * _PANE_MS,
        place=number // slots % _PLACES,
        segment=np.zeros(customers, np.int64),
    )
    servers = ",".join(KafkaConnection.from_url(stand.kafka_url).servers)
    # librdkafka: a million takes the SDK minutes.
    producer = confluent_kafka.Producer({"bootstrap.servers": servers, "queue.buffering.max.messages": 10_000_000})
    for key, value in zip(events.record_keys(), events.record_values(), strict=True):
        producer.produce(TOPIC, value, key, partition=0)
    assert producer.flush(_SENT_SECONDS_MAX) == 0, "Kafka did not take all events"
    assert measured(stand, log_ends(stand), time.monotonic()) is not None, "the lane was not filled in time"


def taken_over(stand: Stand) -> TakeOver:
    """End the worker that has the lane, let events come, and wait for the other one's first flush."""
    owners = [number for number, worker in enumerate(stand.workers) if worker.lanes]
    assert len(owners) == 1, f"the lane had {len(owners)} owners"
    other = stand.workers[1 - owners[0]]
    with closing(connect(stand.clickhouse_url)) as client:
        customers, ids = client.query("SELECT uniqExact(customer_id), count() FROM touchpoints FINAL").result_rows[0]
        panes = client.query("SELECT count() FROM stage_panes FINAL").result_rows[0][0]
    time.sleep(_CALM_SECONDS)
    ended = stand.end_worker(owners[0])
    with Producer(stand.kafka_url) as producer:
        for number in range(_NEW_EVENTS):
            producer.publish(customer_id=f"customer-{number}", channel="web", touchpoint="landing")
    ends = log_ends(stand)
    until(lambda: other.lanes == 1, "nobody took the lane over")
    owned_seconds = time.monotonic() - ended
    flushed_seconds = measured(stand, ends, ended)
    assert flushed_seconds is not None, "the new owner flushed nothing"
    return TakeOver(customers, panes, ids, owned_seconds, flushed_seconds)


def main() -> int:
    """One take-over on a stand of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.kafka.takeover", description="a lane's new owner")
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--panes", type=int, default=100_000, help="of ten seconds")
    parser.add_argument("--within", type=float, default=FLUSHED_SECONDS_MAX, help="seconds for the first flush")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, running_stand(Path(directory), _ONE_LANE) as stand:
        fill(stand, options.customers, options.panes)
        found = taken_over(stand)
    print("| customers | panes | event ids | lane taken over after | first flush after |\n|--:|--:|--:|--:|--:|")
    print(
        f"| {found.customers:,} | {found.panes:,} | {found.ids:,} |"
        f" {found.owned_seconds:.1f} s | {found.flushed_seconds:.1f} s |"
    )
    return 0 if found.flushed_seconds <= options.within else 1


if __name__ == "__main__":
    sys.exit(main())
