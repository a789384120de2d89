from __future__ import annotations

from pathlib import Path

import pytest
from kafka import KafkaProducer

from tests.kafka.choice import own_broker
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import running
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import (
    EVENT_MESSAGE_BYTES_MAX,
    TopicSpec,
    ensure_topics,
    log_identity,
    partition_count,
    topic_specs,
)
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings


@pytest.fixture
def connection(kafka_url: str) -> KafkaConnection:
    return KafkaConnection.from_url(kafka_url)


def specs(name: str, partitions: int = 4) -> tuple[TopicSpec, ...]:
    """Of the topic and its dead letters; the others are shared, and other tests may have made them before."""
    both = (name, f"{name}.dead-letter")
    return tuple(spec for spec in topic_specs(Settings(topic=name, partitions=partitions)) if spec.name in both)


def test_topics_are_created_once_and_left_alone_after(connection: KafkaConnection, unique_name: str) -> None:
    first = ensure_topics(connection, specs(unique_name))
    assert [report.name for report in first] == [unique_name, f"{unique_name}.dead-letter"]
    assert all(report.created and report.partitions == 4 and report.warnings == () for report in first)
    second = ensure_topics(connection, specs(unique_name))
    assert [(report.created, report.log_id) for report in second] == [(False, report.log_id) for report in first]


def test_topics_of_what_comes_out_are_created_too() -> None:
    assert [spec.name for spec in topic_specs(Settings())][2:] == ["stage-metrics", "alerts", "annotations"]


def test_another_number_of_partitions_is_said_and_not_changed(connection: KafkaConnection, unique_name: str) -> None:
    ensure_topics(connection, specs(unique_name, partitions=3))
    events, dead_letters = ensure_topics(connection, specs(unique_name, partitions=8))
    assert events.partitions == 3
    (warning,) = events.warnings
    assert "3 partitions, not 8" in warning
    assert "TOUCHSTREAM_PARTITIONS=3" in warning
    assert dead_letters.warnings == ()  # nobody has a lane there


def test_a_topic_with_the_producers_clock_or_too_little_room_is_said(
    connection: KafkaConnection, unique_name: str
) -> None:
    wrong = {"message.timestamp.type": "CreateTime", "max.message.bytes": "1000"}
    ensure_topics(connection, [TopicSpec(unique_name, 4, 1, wrong)])
    events = ensure_topics(connection, specs(unique_name))[0]
    clock, room = events.warnings
    assert "message.timestamp.type=CreateTime" in clock
    assert f"max.message.bytes=1000: messages up to {EVENT_MESSAGE_BYTES_MAX} bytes" in room


def test_a_log_tells_its_identity_and_its_ends(connection: KafkaConnection, unique_name: str) -> None:
    created = ensure_topics(connection, specs(unique_name, partitions=2))[0]
    producer = KafkaProducer(**connection.client_options())
    for _ in range(5):
        producer.send(unique_name, b"x", partition=1)
    producer.close()
    positions = log_identity(connection, unique_name)
    assert {partition: (at.begin_offset, at.end_offset) for partition, at in positions.items()} == {
        0: (0, 0),
        1: (0, 5),
    }
    assert {at.log_id for at in positions.values()} == {created.log_id}
    assert partition_count(connection, unique_name) == 2


def test_a_broker_that_lost_its_log_has_another_one(tmp_path: Path, unique_name: str) -> None:
    def log_id(directory: Path) -> str:
        own = own_broker(directory)
        with running(own.child(), directory):
            return ensure_topics(KafkaConnection.from_url(own.url), specs(unique_name))[0].log_id

    assert log_id(tmp_path / "before") != log_id(tmp_path / "after")


def test_a_topic_that_is_missing_is_named_with_what_creates_it(connection: KafkaConnection, unique_name: str) -> None:
    for ask in (log_identity, partition_count):
        with pytest.raises(TopicError, match=f"topic {unique_name}: UnknownTopic.*touchstream init"):
            ask(connection, unique_name)


def test_asking_for_a_topic_does_not_create_it(connection: KafkaConnection, unique_name: str) -> None:
    for _ in range(2):
        with pytest.raises(TopicError):
            log_identity(connection, unique_name)


def test_a_kafka_that_does_not_answer_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("touchstream.streams.broker.topics.CONNECT_TIMEOUT_MS", 200)
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(TopicError, match=f"Kafka doesn't answer at {nobody}") as caught:
        log_identity(KafkaConnection((nobody,)), "any")
    assert "\n" not in str(caught.value)
