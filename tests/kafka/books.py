"""What the log and the tables of a stand hold, for the account of a run; lane by lane, so that memory is enough."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from clickhouse_connect.driver.client import Client

from tests.kafka.account import Account, Logged, account, first_places
from tests.kafka.stand import TOPIC, Stand
from tests.support.stack import eventually
from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.columns import decode_batch
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import LogPosition, log_identity
from touchstream.streams.measure.records import CONTROL_HEADER
from touchstream.streams.process.connection import KafkaConnection

_RECORDS_AT_ONCE: Final = 50_000
_FETCH_BYTES_MAX: Final = 4 * 2**20
_RAW: Final = (
    "SELECT partition, log_offset FROM touchpoints FINAL"
    " WHERE touchpoint = {touchpoint:String} AND partition = {partition:UInt32}"
)
_PANES: Final = (
    "SELECT resolution_s, sum(touches) FROM stage_panes FINAL"
    " WHERE touchpoint = {touchpoint:String} AND partition = {partition:UInt32} GROUP BY resolution_s"
)
_RESOLUTIONS_S: Final = (10, 300, 3600)


def log_ends(stand: Stand) -> dict[int, LogPosition]:
    """Where the log of each lane begins and ends; waits for partitions whose leader has just been killed."""
    found: dict[int, LogPosition] = {}

    def answered() -> bool:
        try:
            found.update(log_identity(KafkaConnection.from_url(stand.kafka_url), TOPIC))
        except TopicError:
            return False
        return True

    eventually(answered)
    return found


def account_of(stand: Stand, begins: dict[int, LogPosition], touchpoint: str) -> Account:
    """Of the events of one load, by the name of their touchpoint. begins: `log_ends` from before it."""
    with closing(connect(stand.clickhouse_url)) as client:
        found = [
            _account_of_lane(stand, client, partition, begins[partition].end_offset, touchpoint) for partition in begins
        ]
    return Account(*(sum(getattr(one, name) for one in found) for name in ("events", "lost", "doubled")))


def _account_of_lane(stand: Stand, client: Client, partition: int, begin: int, touchpoint: str) -> Account:
    parameters = {"touchpoint": touchpoint, "partition": partition}
    raw = client.query(_RAW, parameters).result_rows
    touches = {resolution_s: {partition: 0} for resolution_s in _RESOLUTIONS_S}
    for resolution_s, total in client.query(_PANES, parameters).result_rows:
        touches[resolution_s][partition] = total
    expected = first_places(_logged(stand, partition, begin, touchpoint))
    return account(expected, [(lane, offset) for lane, offset in raw], touches)


def _logged(stand: Stand, partition: int, begin: int, touchpoint: str) -> Iterator[Logged]:
    for records in _log(stand, partition, begin):
        events = [record for record in records if CONTROL_HEADER not in dict(record.headers)]
        frame, refused = decode_batch([event.value for event in events], WriterSchemas())
        assert refused == [], "the log holds what is no event"
        for position, event_id, name in frame.select("position", "event_id", "touchpoint").iter_rows():
            if name == touchpoint:
                yield Logged(partition, events[position].offset, event_id)


def _log(stand: Stand, partition: int, begin: int) -> Iterator[list[Any]]:
    end, place = log_ends(stand)[partition].end_offset, TopicPartition(TOPIC, partition)
    with asyncio.Runner() as runner:
        # aiokafka's records are made by compiled code: the log of a soak has millions.
        consumer = runner.run(_reading(stand, place, begin))
        try:
            while begin < end:
                polled = runner.run(consumer.getmany(place, timeout_ms=1000, max_records=_RECORDS_AT_ONCE))
                if records := polled.get(place):
                    begin = records[-1].offset + 1
                    yield records
        finally:
            runner.run(consumer.stop())


async def _reading(stand: Stand, place: TopicPartition, begin: int) -> AIOKafkaConsumer:
    connection = KafkaConnection.from_url(stand.kafka_url)
    consumer = AIOKafkaConsumer(
        enable_auto_commit=False, max_partition_fetch_bytes=_FETCH_BYTES_MAX, **connection.async_client_options()
    )
    await consumer.start()
    consumer.assign([place])
    consumer.seek(place, begin)
    return consumer
