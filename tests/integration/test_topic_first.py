"""A producer that outlives the broker, and the log with it."""

import asyncio
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from tests.kafka.choice import about_the_local_broker
from touchstream.deploy.local.broker import Broker
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import running
from touchstream.streams.broker.log_reader import log_reader
from touchstream.streams.broker.topics import log_identity
from touchstream.streams.channels.bulk import BulkDestination, LaneBatches
from touchstream.streams.process.connection import KafkaConnection

pytestmark = [pytest.mark.stack, about_the_local_broker]

TOPIC, PARTITIONS = "touchpoints", 3


def make_topic(broker: Broker) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    admin.close()


def topics(broker: Broker) -> list[str]:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        return list(admin.list_topics())
    finally:
        admin.close()


async def write(batches: LaneBatches, numbers: range) -> None:
    await batches.add([b"%d" % number for number in numbers], [b"%d" % number for number in numbers], 1)
    await batches.flush()


def test_a_batch_that_is_written_while_the_topic_is_missing_waits_and_stands_in_the_log_once_it_is_made(
    tmp_path: Path,
) -> None:
    broker = Broker(free_port())
    connection = KafkaConnection.from_url(broker.url)

    async def outlive() -> None:
        first = running(broker.child(), tmp_path)
        first.__enter__()
        make_topic(broker)
        async with LaneBatches.to(BulkDestination(connection, TOPIC)) as batches:
            await write(batches, range(100))
            await asyncio.to_thread(first.__exit__, None, None, None)
            with running(broker.child(), tmp_path):
                waits = asyncio.ensure_future(write(batches, range(100, 200)))
                await asyncio.sleep(2)
                assert (batches.acknowledged, topics(broker)) == (100, [])
                made_at = time.monotonic()
                await asyncio.to_thread(make_topic, broker)
                await waits
                assert time.monotonic() - made_at < 10
                await write(batches, range(200, 300))
                assert batches.acknowledged == 300
                assert await asyncio.to_thread(in_the_log) == set(range(100, 300))

    def in_the_log() -> set[int]:
        ends = {partition: at.end_offset for partition, at in log_identity(connection, TOPIC).items()}
        assert len(ends) == PARTITIONS and sum(ends.values()) == 200  # no offset is skipped, and none is there twice
        with log_reader(connection, TOPIC) as reader:
            reader.seek(dict.fromkeys(ends, 0))
            return {
                int(value or b"")
                for polled, _ in reader.until(ends)
                for records in polled.values()
                for value in records.values
            }

    asyncio.run(outlive())
