"""What the transport takes from aiokafka: records as its parser made them."""

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.measure.records import Records
from streams.transport import ParsedRecords

GZIP = 1
GIVEN = [
    (7_000, b"key", b"value", ()),
    (7_001, None, b"{}", ()),
    (7_001, b"", None, ()),
    (6_999, None, b"", (("touchstream-control", b"heartbeat"), ("trace", None))),
]


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
