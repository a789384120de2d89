"""A partition full of what can't be used does not hold up the others, and costs no worker its life."""

import json
from pathlib import Path

import pytest
from kafka import KafkaProducer

from tests.support.stack import running_stack
from touchstream.schemas.codec import encode_single_object
from touchstream.schemas.times import now_ms
from touchstream.schemas.touchpoint import Touchpoint
from touchstream.streams.process.connection import KafkaConnection

pytestmark = [pytest.mark.stack, pytest.mark.long]

POISON, GOOD = 3_000, 200
LANES = range(1, 4)


def good(event_id: str) -> bytes:
    fields = {"event_id": event_id, "occurred_at": now_ms(), "customer_id": "ann"}
    return json.dumps(fields | {"channel": "web", "touchpoint": "checkout"}).encode()


def poison() -> list[bytes]:
    """Each of another kind: cut, of no schema, no text, deeply nested, as large as may be."""
    avro = encode_single_object(
        Touchpoint(event_id="cut", occurred_at=0, customer_id="ann", channel="web", touchpoint="checkout")
    )
    no_text = avro.replace(b"checkout", b"\xff\xfe\xfd\xfcckou")
    return [avro[:20], avro[:-1], no_text, b"\xc3\x01" + b"\x01" * 60, b"[" * 10_000, b"{" + b'"a":{' * 5_000, b"\x00"]


def test_a_partition_of_nothing_but_bad_events_does_not_hold_up_the_others(tmp_path: Path) -> None:
    kinds = poison()
    with running_stack(tmp_path, workers=1) as stack:
        pids = stack.addresses["worker_pids"]
        connection = KafkaConnection.from_url(stack.addresses["kafka"])
        with KafkaProducer(**connection.client_options(), max_request_size=2 * 2**20) as producer:
            for number in range(POISON):
                producer.send("touchpoints", kinds[number % len(kinds)], partition=0)
            producer.send("touchpoints", b"x" * 2**20, partition=0)
            for number in range(GOOD):
                for partition in LANES:
                    producer.send("touchpoints", good(f"{partition}-{number}"), partition=partition)
        stack.command("wait", "--timeout", "300")
        assert stack.metrics("none")[()]["touches"] == GOOD * len(LANES)
        letters = json.loads(stack.command("dead-letters", "list", "--limit", str(2 * POISON), "--json"))
        assert len(letters) == POISON + 1
        assert stack.addresses["worker_pids"] == pids
