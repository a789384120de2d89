"""A dead-letter topic that takes nothing: the lane of the bad event waits, others go on, and nothing is dropped."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from tests.kafka.choice import about_apache_kafka
from tests.support.stack import RunningStack, eventually, running_stack
from touchstream.schemas.times import now_ms
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.streams.broker.progress import behind, reached
from touchstream.streams.broker.topics import log_identity
from touchstream.streams.process.connection import KafkaConnection

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.kafka, about_apache_kafka]

TOPIC, LETTERS = "touchpoints", "touchpoints.dead-letter"
GOOD_OF_EACH_LANE = 200


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("stack"), workers=2) as running:
        yield running


def event(event_id: str) -> bytes:
    fields = {"event_id": event_id, "occurred_at": now_ms(), "customer_id": "ann"}
    return json.dumps(fields | {"channel": "web", "touchpoint": "checkout"}).encode()


def lanes_of(metrics_url: str) -> set[int]:
    lines = httpx.get(metrics_url, timeout=10).text.splitlines()
    return {int(line.split('"')[1]) for line in lines if line.startswith("touchstream_lag_records{")}


def behind_now(stack: RunningStack) -> set[int]:
    """The partitions whose tables are not where their log ends."""
    connection = KafkaConnection.from_url(stack.addresses["kafka"])
    with closing(connect(stack.addresses["clickhouse"])) as client:
        return {one.partition for one in behind(log_identity(connection, TOPIC), reached(lanes(client, TOPIC)))}


def cleanup(stack: RunningStack, policy: str) -> None:
    """Compacted, the topic refuses every message without a key, as the letter of a record without one is."""
    connection = KafkaConnection.from_url(stack.addresses["kafka"])
    with closing(KafkaAdminClient(**connection.client_options())) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, LETTERS, {"cleanup.policy": policy})])


def letters(stack: RunningStack) -> list[bytes]:
    connection = KafkaConnection.from_url(stack.addresses["kafka"])
    ends = log_identity(connection, LETTERS)
    with closing(KafkaConsumer(enable_auto_commit=False, **connection.client_options())) as consumer:
        places = [TopicPartition(LETTERS, partition) for partition in ends]
        consumer.assign(places)
        consumer.seek_to_beginning()
        found: list[bytes] = []
        while len(found) < sum(position.end_offset for position in ends.values()):
            for records in consumer.poll(timeout_ms=1000).values():
                found += [record.value for record in records]
    return found


def test_while_the_dead_letter_topic_refuses_the_lane_waits_others_go_on_and_nothing_is_dropped(
    stack: RunningStack, tmp_path: Path
) -> None:
    mine, others = (lanes_of(url) for url in stack.addresses["workers_metrics"])
    pids = stack.addresses["worker_pids"]
    poisoned = min(mine)
    cleanup(stack, "compact")
    connection = KafkaConnection.from_url(stack.addresses["kafka"])
    with KafkaProducer(**connection.client_options()) as producer:
        bad = producer.send(TOPIC, b"what is no event", partition=poisoned).get(30).offset
        for number in range(GOOD_OF_EACH_LANE):
            for partition in mine | others:
                producer.send(TOPIC, event(f"{partition}-{number}"), partition=partition)
    assert len(mine) > 1
    eventually(lambda: behind_now(stack) == {poisoned})
    assert letters(stack) == []
    with closing(connect(stack.addresses["clickhouse"])) as client:
        rows = {row.partition: row.next_offset for row in lanes(client, TOPIC)}
        assert rows.get(poisoned, 0) <= bad, "the lane row passed an event of which there is no letter"
        assert client.query("SELECT count() FROM dead_letters").result_rows == [(0,)]

    cleanup(stack, "delete")
    stack.command("wait", "--timeout", "300")
    assert letters(stack) == [b"what is no event"]
    assert stack.metrics("none")[()]["touches"] == GOOD_OF_EACH_LANE * len(mine | others)
    assert [letter["reason"] for letter in json.loads(stack.command("dead-letters", "list", "--json"))] == [
        "undecodable"
    ]
    assert stack.addresses["worker_pids"] == pids
