"""What the transport takes from aiokafka: records as its parser made them."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.transport.consumer import Fetcher
from faust.transport.drivers import aiokafka as driver

from touchstream.streams.measure.records import Records
from touchstream.streams.worker.transport import (
    BatchConsumer,
    FaustProducer,
    LibraryError,
    ParsedRecords,
    Transport,
    check_libraries,
)

GZIP = 1
GIVEN = [
    (7_000, b"key", b"value", ()),
    (7_001, None, b"{}", ()),
    (7_001, b"", None, ()),
    (6_999, None, b"", (("touchstream-control", b"heartbeat"), ("trace", None))),
]


def batch(first: int, records: int) -> bytes:
    """As the broker has it; the builder numbers from 0."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 65_536)
    for number in range(records):
        builder.append(number, 7_000, None, b"%d" % (first + number), [])
    return first.to_bytes(8, "big") + bytes(builder.build())[8:]


def fetched(partition: str, *batches: bytes, at: int) -> tuple[list[int], int]:
    """The offsets that are handed on, and where the next fetch begins."""
    read = fetcher.PartitionRecords(
        TopicPartition(partition, 0), MemoryRecords(b"".join(batches)), [], at, None, None, True, 0
    )
    return [record.offset for record in read], read.next_fetch_offset


def test_a_batch_that_is_seen_before_the_one_below_it_is_waited_for() -> None:
    below, late, above = batch(0, 3), batch(3, 2), batch(5, 2)
    assert fetched("late", below, above, at=0) == ([0, 1, 2], 3)
    assert fetched("late", above, at=3) == ([], 3)
    assert fetched("late", late, above, at=3) == ([3, 4, 5, 6], 7)
    assert fetched("late", late, above, at=4) == ([4, 5, 6], 7)  # a batch may begin below what was asked for


def test_a_hole_that_stays_is_passed_after_a_few_looks() -> None:
    looks = [fetched("hole", batch(5, 2), at=3) for _ in range(11)]
    assert looks == [([], 3)] * 10 + [([5, 6], 7)]
    assert fetched("hole", batch(9, 1), at=7) == ([], 7)


@pytest.mark.parametrize("compression", [0, GZIP])
def test_records_come_as_they_were_written(compression: int) -> None:
    batch = DefaultRecordBatchBuilder(2, compression, False, -1, -1, -1, 65_536)
    for number, (timestamp_ms, key, value, headers) in enumerate(GIVEN):
        batch.append(number, timestamp_ms, key, value, list(headers))
    written = MemoryRecords(bytes(batch.build()))
    found = list(fetcher.PartitionRecords(TopicPartition("t", 0), written, [], 1, None, None, True, 0))
    assert not any(isinstance(one, ConsumerRecord) for one in found)
    records = Records.of(found, now_ms=8_000)
    assert records.offsets.tolist() == [1, 2, 3]  # what stands before the offset that was asked for is left out
    read = zip(records.timestamps_ms.tolist(), records.keys, records.values, records.headers, strict=True)
    assert list(read) == GIVEN[1:]


def test_the_fetcher_makes_them() -> None:
    assert fetcher.PartitionRecords is ParsedRecords


class Silent(BatchConsumer):
    """A consumer to whom Kafka sends nothing."""

    should_stop = False
    flow_active = True

    def __init__(self) -> None:
        self._thread = cast(Any, SimpleNamespace(fetch=asyncio.Event().wait))


def test_a_worker_that_is_told_to_stop_amid_a_rebalance_ends_without_an_error() -> None:
    async def crashed() -> bool:
        reading = Fetcher(cast(Any, SimpleNamespace(consumer=Silent(), rebalancing=True)))
        reading.shutdown_timeout = 0.1
        await reading.start()
        await asyncio.sleep(0.01)
        await reading.stop()
        return bool(reading.crashed)

    assert not asyncio.run(crashed())


def test_installed_libraries_have_every_part_that_is_overridden() -> None:
    check_libraries()
    with pytest.raises(LibraryError, match=r"the installed faust has no _renamed in Consumer: install"):
        check_libraries({driver.Consumer: ("ack", "_renamed")})


def test_faust_reads_and_writes_through_our_classes() -> None:
    assert (Transport.Consumer, Transport.Producer) == (BatchConsumer, FaustProducer)
