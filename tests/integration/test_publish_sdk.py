from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer as LibrdkafkaProducer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from tests.kafka.choice import own_broker
from touchstream.deploy.local.process import running
from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.columns import decode_batch
from touchstream.schemas.times import now_ms
from touchstream.schemas.touchpoint import EVENT_BYTES_MAX, SCALES, Reason
from touchstream.streams.broker.topic_error import TopicError
from touchstream.streams.broker.topics import ensure_topics, log_identity, topic_specs
from touchstream.streams.channels import BufferFull, DeliveryFailed, Producer, Refused
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings

EVENT: dict[str, Any] = {"customer_id": "42", "channel": "web", "touchpoint": "checkout"}
NAMES = ["42", "müller", "客户编号", "😀", "ÿÿÿÿ", "a" * 1000, *map(str, range(100, 300))]


@pytest.fixture
def topic(kafka_url: str, unique_name: str) -> str:
    ensure_topics(KafkaConnection.from_url(kafka_url), topic_specs(Settings(topic=unique_name, partitions=7)))
    return unique_name


def records(kafka_url: str, topic: str) -> Iterator[Any]:
    """All records of a topic, lane by lane."""
    connection = KafkaConnection.from_url(kafka_url)
    ends = log_identity(connection, topic)
    consumer = KafkaConsumer(auto_offset_reset="earliest", enable_auto_commit=False, **connection.client_options())
    try:
        for lane, position in ends.items():
            if position.end_offset == 0:
                continue
            consumer.assign([TopicPartition(topic, lane)])
            consumer.seek_to_beginning()
            for record in consumer:
                yield record
                if record.offset + 1 >= position.end_offset:
                    break
    finally:
        consumer.close()


def published(kafka_url: str, topic: str) -> list[dict[str, Any]]:
    frame, refused = decode_batch([record.value for record in records(kafka_url, topic)], WriterSchemas())
    assert refused == []
    return frame.to_dicts()


def test_an_event_in_three_lines(kafka_url: str, topic: str) -> None:
    before = now_ms()
    with Producer(kafka_url, topic=topic) as producer:
        delivery = producer.publish(
            customer_id="42",
            channel="web",
            touchpoint="checkout",
            action="purchase",
            revenue_minor=1999,
            currency="EUR",
        )
    assert delivery.done
    (record,) = records(kafka_url, topic)
    assert delivery.wait() == (record.partition, record.offset)
    assert record.key == b"42"
    assert before <= record.timestamp <= now_ms()
    (event,) = published(kafka_url, topic)
    assert event["event_id"] == delivery.event_id
    assert before <= event["occurred_at"] <= record.timestamp
    assert (event["customer_id"], event["action"], event["revenue_minor"]) == ("42", "purchase", 1999)


def test_every_field_arrives(kafka_url: str, topic: str) -> None:
    fields: dict[str, Any] = {
        "event_id": "e1",
        "occurred_at": datetime(2009, 12, 1, 7, 45, tzinfo=UTC),
        "customer_id": "c",
        "anonymous_id": "a",
        "channel": "web",
        "touchpoint": "t",
        "stage": "s",
        "journey": "j",
        "segment": "g",
        "action": "survey",
        "outcome": "success",
        "duration_ms": 5,
        "nps": 9,
        "csat": 4,
        "ces": 7,
        "sentiment": -0.5,
        "revenue_minor": -3,
        "currency": "EUR",
        "instrument": "stars",
        "score": 4.0,
        "amends": "r",
        "attributes": {"x": "y"},
    }
    fields |= {name: highest for name, (_, highest) in SCALES.items() if name not in fields}
    with Producer(kafka_url, topic=topic) as producer:
        producer.publish(**fields)
    (event,) = published(kafka_url, topic)
    expected = fields | {
        "occurred_at": 1259653500000,
        "received_at": None,
        "position": 0,
        "source": None,
        "sent_by": None,
    }
    assert event | {"attributes": dict(fields["attributes"])} == expected
    assert "x" in str(event["attributes"])


def test_an_event_without_customer_is_keyed_by_its_anonymous_id(kafka_url: str, topic: str) -> None:
    with Producer(kafka_url, topic=topic) as producer:
        producer.publish(anonymous_id="ä", channel="web", touchpoint="t")
    (record,) = records(kafka_url, topic)
    assert record.key == "ä".encode()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"nps": 11}, Reason.OUT_OF_SCALE),
        ({"nps": True}, Reason.WRONG_TYPE),
        ({"csat": "5"}, Reason.WRONG_TYPE),
        ({"customer_id": None}, Reason.NO_CUSTOMER),
        ({"channel": ""}, Reason.MISSING_FIELD),
        ({"channel": None}, Reason.MISSING_FIELD),
        ({"occurred_at": "2299-01-01"}, Reason.FROM_THE_FUTURE),
        ({"occurred_at": datetime(2009, 12, 1)}, Reason.WRONG_TYPE),  # noqa: DTZ001  whose clock?
        ({"occurred_at": "yesterday"}, Reason.WRONG_TYPE),
        ({"attributes": {"a": 1}}, Reason.WRONG_TYPE),
        ({"attributes": {"a": "x" * EVENT_BYTES_MAX}}, Reason.TOO_LARGE),
        ({"segment": "\ud800"}, Reason.WRONG_TYPE),
    ],
)
def test_an_event_that_cannot_be_used_is_refused_and_not_sent(
    fields: dict[str, Any], reason: Reason, kafka_url: str, topic: str
) -> None:
    with Producer(kafka_url, topic=topic) as producer:
        with pytest.raises(Refused) as caught:
            producer.publish(**(EVENT | fields))
        assert caught.value.reason == reason
        assert str(caught.value).startswith(reason)
    assert list(records(kafka_url, topic)) == []


def test_an_event_of_exactly_one_mebibyte_is_sent_and_one_of_a_byte_more_refused(kafka_url: str, topic: str) -> None:
    with Producer(kafka_url, topic=topic) as producer:
        producer.publish(**EVENT, event_id="1", attributes={"a": "x" * 500_000}).wait()
        (half,) = records(kafka_url, topic)
        fits = 500_000 + EVENT_BYTES_MAX - len(half.value)
        producer.publish(**EVENT, event_id="1", attributes={"a": "x" * fits}).wait()
        with pytest.raises(Refused, match="too_large: 1048577 bytes"):
            producer.publish(**EVENT, event_id="1", attributes={"a": "x" * (fits + 1)})
    assert [len(record.value) for record in records(kafka_url, topic)] == [len(half.value), EVENT_BYTES_MAX]


def test_every_client_puts_a_customer_into_the_same_lane(kafka_url: str, topic: str) -> None:
    connection = KafkaConnection.from_url(kafka_url)
    with Producer(kafka_url, topic=topic) as producer:
        for name in NAMES:
            producer.publish(customer_id=name, channel="web", touchpoint="t")
    python = KafkaProducer(**connection.client_options())
    for name in NAMES:
        python.send(topic, b"kafka-python", key=name.encode())
    python.close()
    librdkafka = LibrdkafkaProducer({"bootstrap.servers": connection.servers[0], "partitioner": "murmur2_random"})
    for name in NAMES:
        librdkafka.produce(topic, b"librdkafka", key=name.encode())
    assert librdkafka.flush(30) == 0
    lanes: dict[bytes, list[int]] = {}
    for record in records(kafka_url, topic):
        lanes.setdefault(record.key, []).append(record.partition)
    assert {len(where) for where in lanes.values()} == {3}
    assert {len(set(where)) for where in lanes.values()} == {1}
    assert len({where[0] for where in lanes.values()}) == 7


def test_the_order_of_events_is_kept(kafka_url: str, topic: str) -> None:
    with Producer(kafka_url, topic=topic) as producer:
        for number in range(3000):
            producer.publish(customer_id=f"c{number % 5}", channel="web", touchpoint="t", event_id=str(number))
    by_customer: dict[str, list[int]] = {}
    for event in published(kafka_url, topic):
        by_customer.setdefault(event["customer_id"], []).append(int(event["event_id"]))
    assert by_customer == {f"c{customer}": list(range(customer, 3000, 5)) for customer in range(5)}


def test_a_topic_that_is_missing_is_an_error_at_once_and_not_created(kafka_url: str, unique_name: str) -> None:
    for _ in range(2):
        with pytest.raises(TopicError, match="touchstream init"):
            Producer(kafka_url, topic=unique_name)


def test_a_kafka_that_went_away_is_told_and_not_waited_for_without_end(tmp_path: Path, unique_name: str) -> None:
    broker = own_broker(tmp_path)
    with running(broker.child(), tmp_path):
        connection = KafkaConnection.from_url(broker.url)
        ensure_topics(connection, topic_specs(Settings(topic=unique_name)))
        producer = Producer(
            connection, topic=unique_name, buffer_bytes_max=10_000, max_block_seconds=0.5, delivery_seconds=3
        )
        producer.publish(**EVENT).wait()
    sent = 0
    with pytest.raises(BufferFull, match="is it up"):
        for sent in range(100):  # noqa: B007
            producer.publish(**EVENT)
    assert 0 < sent < 100
    with pytest.raises(DeliveryFailed) as caught:
        producer.close()
    assert caught.value.failed == sent
