"""The local broker does what Touchstream needs of Kafka."""

import socket
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from tests.kafka.choice import about_the_local_broker
from touchstream.deploy.local.broker import Broker
from touchstream.deploy.local.ports import LOOPBACK, free_port
from touchstream.deploy.local.process import running

pytestmark = [pytest.mark.stack, about_the_local_broker]


def servers(kafka_url: str) -> str:
    return kafka_url.removeprefix("kafka://")


def create(bootstrap: str, topic: str, partitions: int) -> str:
    """Create a topic; its id."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(topic, partitions, 1)])
        return str(admin.describe_topics([topic])[0]["topic_id"])
    finally:
        admin.close()


def read(bootstrap: str, topic: str, partition: int, count: int) -> list:  # type: ignore[type-arg]
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=50, enable_auto_commit=False)
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    found: list = []  # type: ignore[type-arg]
    while len(found) < count:
        answer = consumer.poll(10_000)
        assert answer, f"{len(found)} of {count} records came"
        found += answer[place]
    consumer.close()
    return found


def test_records_keep_order_key_value_headers_and_the_producers_time(kafka_url: str, unique_name: str) -> None:
    create(servers(kafka_url), unique_name, 3)
    producer = KafkaProducer(bootstrap_servers=servers(kafka_url), acks="all")
    for number in range(100):
        producer.send(
            unique_name, b"%d" % number, b"key", [("h", b"1"), ("h", b"")], partition=2, timestamp_ms=1_000 + number
        )
    producer.flush()
    producer.close()
    found = read(servers(kafka_url), unique_name, 2, 100)
    assert [(record.offset, record.value, record.timestamp) for record in found] == [
        (number, b"%d" % number, 1_000 + number) for number in range(100)
    ]
    assert {(record.key, tuple(record.headers)) for record in found} == {(b"key", (("h", b"1"), ("h", b"")))}


@pytest.mark.parametrize("compression", [None, "gzip", "lz4", "zstd"])
def test_a_record_of_two_mebibytes_passes(kafka_url: str, unique_name: str, compression: str | None) -> None:
    create(servers(kafka_url), unique_name, 1)
    producer = KafkaProducer(
        bootstrap_servers=servers(kafka_url), max_request_size=4 << 20, compression_type=compression, acks="all"
    )
    producer.send(unique_name, b"x" * (2 << 20))
    producer.send(unique_name, None, b"a tombstone")
    producer.flush()
    producer.close()
    assert [record.value and len(record.value) for record in read(servers(kafka_url), unique_name, 0, 2)] == [
        2 << 20,
        None,
    ]


def test_the_log_of_a_restarted_broker_is_another_one(tmp_path: Path) -> None:
    broker = Broker(free_port())
    ids = []
    for _ in range(2):
        with running(broker.child(), tmp_path):
            ids.append(create(broker.bootstrap, "touchpoints", 2))
    assert ids[0] != ids[1]


def test_only_something_that_speaks_kafka_counts_as_a_broker(kafka_url: str, clickhouse_url: str) -> None:
    assert Broker(int(kafka_url.rpartition(":")[2])).answers()
    assert not Broker(int(clickhouse_url.rpartition(":")[2].partition("/")[0])).answers()
    assert not Broker(free_port()).answers()


def test_the_broker_listens_on_loopback_only(kafka_url: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; says which address this machine has outside
        except OSError:
            pytest.skip("this machine has no address but loopback")
        outside = probe.getsockname()[0]
    if outside == LOOPBACK:
        pytest.skip("this machine has no address but loopback")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((outside, int(kafka_url.rpartition(":")[2])), 5)
