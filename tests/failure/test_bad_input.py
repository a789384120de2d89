"""Whatever stands on the topic: each bad message is a dead letter with its reason, the good ones around it count."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer
from kafka import KafkaProducer

from tests.support.real_data import DATA, needs_data
from tests.support.stack import RunningStack, running_stack
from touchstream.schemas.codec import encode_single_object
from touchstream.schemas.touchpoint import Touchpoint
from touchstream.schemas.void_ids import VoidIds
from touchstream.sinks.clickhouse.database import connect

pytestmark = [pytest.mark.stack, needs_data]

CONFORMANCE = DATA / "conformance"
SUITE = CONFORMANCE / "json_test_suite" / "test_parsing"
BLNS = CONFORMANCE / "naughty_strings" / "blns.json"
NAUGHTY = [text for text in json.loads(BLNS.read_text()) if text] if BLNS.exists() else []
VOID = [text for text in NAUGHTY if not VoidIds.of().is_person(text)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("stack"), workers=1) as running:
        yield running


def event(event_id: str, **fields: Any) -> bytes:
    plain = {"event_id": event_id, "occurred_at": int(time.time() * 1000), "customer_id": "ann"}
    return json.dumps(plain | {"channel": "web", "touchpoint": "checkout"} | fields).encode()


def bad_messages() -> list[tuple[str, bytes | None]]:
    """Reason and bytes of messages of every bad kind."""
    avro = encode_single_object(
        Touchpoint(event_id="cut", occurred_at=0, customer_id="ann", channel="web", touchpoint="checkout")
    )
    tomorrow = int(time.time() * 1000) + 86_400_000
    return [
        *(("undecodable", path.read_bytes()) for path in sorted(SUITE.glob("n_*.json"))),
        *(("undecodable", avro[:size]) for size in range(10, len(avro))),
        ("undecodable", b""),
        ("undecodable", None),
        ("undecodable", b"\xff\xfe\x00"),
        ("unknown_schema", b"\xc3\x01" + b"\x01" * 8 + avro[10:]),
        ("unknown_schema", b"\x00\x00\x00\x00\x07" + avro[10:]),
        ("out_of_scale", event("b1", nps=11)),
        ("out_of_scale", event("b2", csat=0)),
        ("out_of_scale", event("b3", ces=8)),
        ("out_of_scale", event("b4", sentiment=1.5)),
        ("out_of_scale", event("b5", duration_ms=-1)),
        ("from_the_future", event("b6", occurred_at=tomorrow)),
        ("missing_field", b'{"event_id":"b7","occurred_at":1,"customer_id":"ann","channel":"web"}'),
        ("wrong_type", event("b8", nps="ten")),
        ("no_customer", event("b9", customer_id=None)),
        ("too_large", event("b10", attributes={"a": "x" * 2**20})),  # which the topic still has room for
    ]  # fmt: skip


def test_bad_messages_become_dead_letters_and_the_good_ones_around_them_count(stack: RunningStack) -> None:
    pids = stack.addresses["worker_pids"]
    bad = bad_messages()
    server = stack.addresses["kafka"].removeprefix("kafka://")
    producer = KafkaProducer(bootstrap_servers=server, max_request_size=8 * 2**20)
    for number, (_, value) in enumerate(bad):
        producer.send("touchpoints", key=b"ann", value=event(f"good-{number}"))
        producer.send("touchpoints", key=b"ann", value=value)
    producer.flush()
    stack.command("wait", "--timeout", "300")

    assert stack.metrics("none")[()]["touches"] == len(bad)
    letters = json.loads(stack.command("dead-letters", "list", "--limit", "10000", "--json"))
    assert Counter(letter["reason"] for letter in letters) == Counter(reason for reason, _ in bad)
    assert all(letter["detail"] for letter in letters)
    assert stack.addresses["worker_pids"] == pids


def test_records_of_any_size_stop_no_worker_and_stand_whole_in_the_table(stack: RunningStack) -> None:
    """A topic's limit is of compressed batches: what is well compressed may be of any size."""
    pids = stack.addresses["worker_pids"]
    large = b"x" * (5 * 2**20)
    odd: list[dict[str, Any]] = [
        {"value": event("whole", attributes={"a": "x" * (5 * 2**20)})},
        {"value": large},
        {"value": b"{", "key": large},
        {"value": b"{", "headers": [("large", large)]},
        {"value": b"{", "headers": [("n" * (5 * 2**20), b"")]},
        {"value": b"{", "headers": [(f"h{number}", b"v" * 40) for number in range(20_000)]},
        {"value": b"x" * (4 * 2**20 - 200)},  # with what the letter says of itself, a little too large
        {"value": b"{", "headers": [("empty", b""), ("empty", b""), ("", b"nameless")]},
        {"value": b"x" * (32 * 2**20)},
    ]
    server = stack.addresses["kafka"].removeprefix("kafka://")
    client = connect(stack.addresses["clickhouse"])
    before = client.command("SELECT count() FROM dead_letters FINAL")
    with KafkaProducer(bootstrap_servers=server, max_request_size=64 * 2**20, compression_type="gzip") as producer:
        for number, record in enumerate(odd):
            producer.send("touchpoints", **{"key": b"ann"} | record).get(60)
            producer.send("touchpoints", key=b"ann", value=event(f"beside-{number}")).get(60)
    stack.command("wait", "--timeout", "300")
    rows = client.query(
        "SELECT length(value), length(key), length(headers),"
        " arraySum(one -> length(one.name) + length(one.value), headers)"
        " FROM dead_letters FINAL ORDER BY inserted_at, partition, log_offset LIMIT 100000 OFFSET {before:UInt32}",
        {"before": before},
    ).result_rows
    whole: list[tuple[int, ...]] = [
        (
            len(record["value"]),
            len(record.get("key", b"ann")),
            len(record.get("headers", [])),
            sum(len(name) + len(value) for name, value in record.get("headers", [])),
        )
        for record in odd
    ]
    found = [tuple(int(size) for size in row) for row in rows]
    assert sorted(found) == sorted(whole)
    beside = "SELECT count() FROM touchpoints FINAL WHERE startsWith(event_id, 'beside-')"
    assert client.command(beside) == len(odd)
    assert stack.addresses["worker_pids"] == pids


@pytest.mark.parametrize("key", [None, b"", b"ann"])
@pytest.mark.parametrize("value", [None, b""])
def test_a_flood_of_nothing_stops_no_worker_and_each_is_in_the_table(
    stack: RunningStack, key: bytes | None, value: bytes | None
) -> None:
    """kafka-python and aiokafka send nothing that has neither key nor value; librdkafka does."""
    client = connect(stack.addresses["clickhouse"])
    letters = "SELECT count() FROM dead_letters FINAL"
    before = client.query(letters).result_rows[0][0]
    producer = Producer({"bootstrap.servers": stack.addresses["kafka"].removeprefix("kafka://")})
    for _ in range(500):
        producer.produce("touchpoints", value, key, partition=0)
    assert producer.flush(60) == 0
    stack.command("wait", "--timeout", "60")
    assert client.query(letters).result_rows[0][0] == before + 500


def test_naughty_strings_as_names_and_ids_are_measured_under_their_own_name_or_refused(stack: RunningStack) -> None:
    server = stack.addresses["kafka"].removeprefix("kafka://")
    producer = KafkaProducer(bootstrap_servers=server)
    for number, text in enumerate(NAUGHTY):
        names = {"channel": text, "touchpoint": text, "stage": text, "segment": text, "customer_id": text}
        fields = names | {"event_id": f"naughty-{number}", "occurred_at": 1_600_000_000_000}
        producer.send("touchpoints", key=text.encode(), value=json.dumps(fields).encode())
    producer.flush()
    stack.command("wait", "--timeout", "300")
    interval = ("--from", "1600000000000", "--to", "1600000000001")
    groups = json.loads(stack.command("metrics", "--by", "stage,channel,touchpoint,segment", "--json", *interval))
    found = [{group[name] for name in ("stage", "channel", "touchpoint", "segment")} for group in groups]
    assert all(len(one) == 1 for one in found)
    assert Counter(text for one in found for text in one) == Counter(set(NAUGHTY) - set(VOID))
    assert sum(group["touches"] for group in groups) == len(NAUGHTY) - len(VOID)
    refused = json.loads(stack.command("dead-letters", "list", "--reason", "no_customer", "--limit", "1000", "--json"))
    assert len([one for one in refused if "customer_id is" in one["detail"] and "no id" in one["detail"]]) == len(VOID)
