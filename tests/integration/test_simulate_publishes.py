"""Simulated customers on a real broker: published, survived, measured."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.kafka.choice import APACHE, own_broker
from tests.support.stack import eventually, running_stack
from touchstream.deploy.local.process import running
from touchstream.schemas import times
from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.columns import decode_batch
from touchstream.streams.broker.topics import ensure_topics, log_identity, topic_specs
from touchstream.streams.channels.bulk import BulkDestination, LaneBatches
from touchstream.streams.channels.encoding import Encoder
from touchstream.streams.channels.in_flight import DeliveryFailed
from touchstream.streams.channels.partitioner import lane_of
from touchstream.streams.channels.simulate.clocks import LeapingClock
from touchstream.streams.channels.simulate.runner import BEHIND_MS_MAX, Runner, SimulationSummary
from touchstream.streams.channels.simulate.scenario import load_scenario
from touchstream.streams.channels.simulate.simulator import Simulator
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings

SCENARIO = load_scenario().model_copy(update={"rate": 20.0, "customers": 400})
START_MS = 1_795_339_800_000
MINUTE_MS = 60_000


def made(kafka_url: str, topic: str) -> BulkDestination:
    connection = KafkaConnection.from_url(kafka_url)
    ensure_topics(connection, topic_specs(Settings(topic=topic)))
    return BulkDestination(connection, topic)


@pytest.fixture
def destination(kafka_url: str, unique_name: str) -> BulkDestination:
    return made(kafka_url, unique_name)


def arrived(destination: BulkDestination) -> pl.DataFrame:
    """All events of the topic, lane by lane in the order of the log, with the columns `lane` and `key`."""
    consumer = KafkaConsumer(enable_auto_commit=False, **destination.connection.client_options())
    frames = []
    try:
        for lane, position in log_identity(destination.connection, destination.topic).items():
            consumer.assign([TopicPartition(destination.topic, lane)])
            consumer.seek(TopicPartition(destination.topic, lane), 0)
            records: list[Any] = []
            while len(records) < position.end_offset:
                for polled in consumer.poll(timeout_ms=1000).values():
                    records += polled
            frame, refused = decode_batch([record.value for record in records], WriterSchemas())
            assert refused == []
            keys = pl.Series([record.key for record in records], dtype=pl.Binary)
            frames.append(frame.with_columns(lane=pl.lit(lane), key=keys))
    finally:
        consumer.close()
    return pl.concat(frames)


class StallingClock(LeapingClock):
    """Stands still for a while at a moment, as a machine does that sleeps."""

    def __init__(self, at_ms: int, stalls_at_ms: int, for_ms: int) -> None:
        super().__init__(at_ms)
        self._stalls_at_ms, self._for_ms = stalls_at_ms, for_ms

    async def sleep_until(self, at_ms: int) -> None:
        await super().sleep_until(at_ms + self._for_ms if at_ms == self._stalls_at_ms else at_ms)


class ForgetfulBatches(LaneBatches):
    """Learns of no acknowledgement the first time."""

    async def flush(self) -> None:
        await super().flush()
        if not hasattr(self, "forgot"):
            self.forgot = True
            raise DeliveryFailed(1, TimeoutError())


def run(
    destination: BulkDestination,
    clock: LeapingClock,
    until_ms: int,
    kind: type[LaneBatches] = LaneBatches,
    tick_ms: int = 5_000,
) -> SimulationSummary:
    async def published() -> SimulationSummary:
        async with kind.to(destination) as batches:
            return await Runner(Simulator(SCENARIO, 1, START_MS), batches, Encoder()).run(clock, until_ms, tick_ms)

    return asyncio.run(published())


def test_all_events_of_the_simulation_arrive_in_order_each_in_its_customers_lane(destination: BulkDestination) -> None:
    until_ms = START_MS + 5 * MINUTE_MS
    summary = run(destination, LeapingClock(START_MS), until_ms)
    expected = Simulator(SCENARIO, 1, START_MS).planned(START_MS, until_ms)
    frame = arrived(destination)
    assert summary.published == frame.height == len(expected) > 5_000
    assert (summary.unacknowledged, summary.refused, summary.left_out_seconds) == (0, 0, 0)
    assert summary.by_stage == {stage.id: sum(one.stage == stage.id for one in expected) for stage in SCENARIO.stages}
    assert {summary.duplicates, summary.late, summary.out_of_scale}.isdisjoint({0})
    for lane, events in frame.group_by("lane"):
        ours = [one.event for one in expected if lane_of(one.event.key, 4) == lane[0]]
        assert events["event_id"].to_list() == [event.event_id for event in ours]
        assert events["key"].to_list() == [event.key for event in ours]
        assert events["occurred_at"].to_list() == [event.occurred_at for event in ours]
        assert events["nps"].to_list() == [event.nps for event in ours]


def test_simulated_events_that_kafka_did_not_acknowledge_are_sent_again_and_counted_once(
    destination: BulkDestination,
) -> None:
    until_ms = START_MS + MINUTE_MS
    summary = run(destination, LeapingClock(START_MS), until_ms, ForgetfulBatches)
    assert (summary.published, summary.unacknowledged) == (len(due := expected_ids(until_ms)), 0)
    first_tick = len(expected_ids(START_MS + 5_000))
    assert first_tick > 0
    assert arrived(destination).height == len(due) + first_tick


def expected_ids(until_ms: int) -> list[str]:
    return [event.event_id for event in Simulator(SCENARIO, 1, START_MS).events(START_MS, until_ms)]


def test_events_that_a_short_stall_delayed_are_made_up_for(destination: BulkDestination) -> None:
    until_ms = START_MS + 5 * MINUTE_MS
    summary = run(destination, StallingClock(START_MS, START_MS + MINUTE_MS, BEHIND_MS_MAX), until_ms)
    assert summary.left_out_seconds == 0
    assert summary.published == len(Simulator(SCENARIO, 1, START_MS).planned(START_MS, until_ms))


def test_events_that_a_long_stall_delayed_are_left_out_and_reported(destination: BulkDestination) -> None:
    until_ms = START_MS + 5 * MINUTE_MS
    stall_ms = BEHIND_MS_MAX + 1
    summary = run(destination, StallingClock(START_MS, START_MS + MINUTE_MS, stall_ms), until_ms)
    assert summary.left_out_seconds == (stall_ms + 5_000) / 1_000
    simulator = Simulator(SCENARIO, 1, START_MS)
    published = simulator.planned(START_MS, START_MS + MINUTE_MS - 5_000)
    published += simulator.planned(START_MS + MINUTE_MS + stall_ms, until_ms)
    assert sorted(arrived(destination)["event_id"]) == sorted(one.event.event_id for one in published)


def command(destination: BulkDestination, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "TOUCHSTREAM_KAFKA_URL": f"kafka://{destination.connection.servers[0]}",
        "TOUCHSTREAM_TOPIC": destination.topic,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "touchstream.streams.cli", "simulate", "--json", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
    answer, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    summary: dict[str, Any] = json.loads(answer)
    return summary


def count(destination: BulkDestination) -> int:
    positions = log_identity(destination.connection, destination.topic).values()
    return sum(position.end_offset for position in positions)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_simulation_publishes_as_time_goes_by_until_it_is_stopped(number: int, destination: BulkDestination) -> None:
    before_ms = times.now_ms()
    process = command(destination, "--rate", "50")
    eventually(lambda: count(destination) > 100)
    process.send_signal(number)
    summary = ended(process)
    frame = arrived(destination)
    assert summary["published"] == sum(summary["by_stage"].values()) == frame.height
    assert frame["occurred_at"].max() <= times.now_ms()  # type: ignore[operator]
    assert frame["occurred_at"].min() > before_ms - 5 * MINUTE_MS  # type: ignore[operator]


def test_fast_publishes_the_past_at_once(destination: BulkDestination) -> None:
    summary = ended(command(destination, "--fast", "--for", "600", "--rate", "10", "--seed", "5"))
    now_ms = times.now_ms()
    frame = arrived(destination)
    assert summary["published"] == frame.height
    assert 4_000 < frame.height < 8_000
    assert summary["seconds"] < 600
    assert frame["occurred_at"].min() < now_ms - 500_000  # type: ignore[operator]
    assert frame["occurred_at"].max() < now_ms  # type: ignore[operator]


def test_a_simulation_goes_on_after_kafka_was_away(tmp_path: Path, unique_name: str) -> None:
    broker = own_broker(tmp_path)
    with running(broker.child(), tmp_path):
        destination = made(broker.url, unique_name)
        process = command(destination, "--rate", "50")
        eventually(lambda: count(destination) > 20)
    with running(broker.child(), tmp_path):
        made(broker.url, unique_name)  # the local broker forgets its log; the stack makes its topics again
        eventually(lambda: count(destination) > 100)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        summary = ended(process)
        if APACHE:  # distinct ones: what Kafka wrote, and died before it could say so, was published again
            assert summary["published"] - summary["duplicates"] == arrived(destination)["event_id"].n_unique()
        else:
            assert summary["published"] > count(destination)
        assert summary["unacknowledged"] == 0


def test_told_to_stop_while_kafka_is_away_it_ends_and_says_what_was_not_acknowledged(
    tmp_path: Path, unique_name: str
) -> None:
    broker = own_broker(tmp_path)
    with running(broker.child(), tmp_path):
        destination = made(broker.url, unique_name)
        process = command(destination, "--rate", "50")
        eventually(lambda: count(destination) > 20)
    # Until it waits for an answer: it says so.
    assert process.stderr is not None
    while "doesn't acknowledge" not in (line := process.stderr.readline()):
        assert line, "ended without a warning"
    process.send_signal(signal.SIGTERM)
    assert ended(process, code=1)["unacknowledged"] > 0


@pytest.mark.stack
@pytest.mark.long
def test_a_simulation_is_measured_and_its_incident_shows_in_the_metrics_of_its_stage(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        summary = json.loads(stack.command("simulate", "--fast", "--for", "180", "--rate", "100", "--json"))
        stack.command("wait", "--timeout", "300")
        by_stage = stack.metrics("stage")
        counted = summary["published"] - summary["duplicates"] - summary["out_of_scale"]
        assert sum(metrics["touches"] for metrics in by_stage.values()) == counted
        assert {stage for (stage,) in by_stage} == set(summary["by_stage"])
        letters = json.loads(stack.command("dead-letters", "list", "--json", "--limit", "1000"))
        assert len(letters) == summary["out_of_scale"]

        def between(low_s: int, high_s: int) -> dict[str, dict[str, Any]]:
            at = [str(summary["start_ms"] + seconds * 1_000) for seconds in (low_s, high_s)]
            groups = json.loads(stack.command("metrics", "--by", "stage", "--json", "--from", at[0], "--to", at[1]))
            return {group["stage"]: group for group in groups}

        calm, struck = between(0, 60), between(60, 135)
        for score in ("csat", "nps"):
            assert calm["support"][score] - struck["support"][score] > 25
            assert min(calm["support"][f"{score}_n"], struck["support"][f"{score}_n"]) > 100
