"""A log is read whatever its producers compress with, by every reader: the client for offsets and the worker's."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from touchstream.streams.broker.log_reader import log_reader
from touchstream.streams.broker.topics import ensure_topics, log_identity, topic_specs
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings

pytestmark = pytest.mark.stack

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
EVENTS = 2_000


def produced(connection: KafkaConnection, topic: str, codec: str) -> None:
    """Batches of librdkafka, of up to 2 MB before they are compressed: no codec's reader may stop at a megabyte."""
    producer = Producer(
        {
            "bootstrap.servers": connection.servers[0],
            "compression.type": codec,
            "linger.ms": 500,
            "batch.size": 900_000 if codec == "none" else 2_000_000,  # the topic takes a megabyte
            "message.max.bytes": 4_000_000,
        }
    )
    failed: list[Any] = []

    def delivered(error: Any, _: Any) -> None:
        if error is not None:
            failed.append(error)

    for number in range(EVENTS):
        event = {"event_id": f"{codec}-{number}", "attributes": {"words": f"{codec} {number} " * 60}}
        producer.produce(topic, json.dumps(event).encode(), f"{codec}-{number}", partition=0, on_delivery=delivered)
    assert (producer.flush(30), failed) == (0, [])


def by_offsets(connection: KafkaConnection, topic: str, end: int) -> list[bytes]:
    with log_reader(connection, topic) as reader:
        reader.seek({0: 0})
        return [value or b"" for polled, _ in reader.until({0: end}) for value in polled[0].values]


async def by_poll(connection: KafkaConnection, topic: str, end: int) -> list[bytes]:
    place = TopicPartition(topic, 0)
    found: list[bytes] = []
    async with AIOKafkaConsumer(**connection.async_client_options()) as consumer:
        consumer.assign([place])
        consumer.seek(place, 0)
        while len(found) < end:
            polled = await consumer.getmany(timeout_ms=10_000)
            assert polled, f"{len(found)} of {end} records came"
            found += [record.value or b"" for records in polled.values() for record in records]
    return found


def test_every_codec_through_every_reader(kafka_url: str, unique_name: str) -> None:
    connection = KafkaConnection.from_url(kafka_url)
    ensure_topics(connection, topic_specs(Settings(topic=unique_name, partitions=1))[:1])
    for codec in CODECS:
        produced(connection, unique_name, codec)
    end = log_identity(connection, unique_name)[0].end_offset
    assert end == len(CODECS) * EVENTS
    expected = {f"{codec}-{number}" for codec in CODECS for number in range(EVENTS)}
    for found in (by_offsets(connection, unique_name, end), asyncio.run(by_poll(connection, unique_name, end))):
        assert {json.loads(value)["event_id"] for value in found} == expected
