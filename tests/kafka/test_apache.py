"""What Apache Kafka does otherwise than the local broker, and Touchstream relies on or has to bear."""

import json
import os
import re
import signal
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from tests.kafka.choice import about_apache_kafka, own_broker
from tests.support.stack import RunningStack, running_stack
from touchstream.deploy.local.process import running
from touchstream.schemas import times
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.broker.log_reader import log_reader
from touchstream.streams.broker.topics import (
    DEAD_LETTER_MESSAGE_BYTES_MAX,
    ensure_topics,
    log_identity,
    topic_specs,
)
from touchstream.streams.process.connection import KafkaConnection
from touchstream.streams.process.settings import Settings

pytestmark = [pytest.mark.kafka, about_apache_kafka]


def event(event_id: str, occurred_at: int) -> bytes:
    fields = {"event_id": event_id, "occurred_at": occurred_at, "customer_id": "ann", "channel": "web"}
    return json.dumps(fields | {"touchpoint": "checkout"}).encode()


def counter(stack: RunningStack, name: str) -> float:
    """Of the stack's only worker."""
    with urlopen(stack.addresses["metrics"]) as answer:  # noqa: S310 - our own worker
        (line,) = re.findall(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(line)


def test_a_broker_that_was_killed_has_the_same_log_when_it_is_back(tmp_path: Path, unique_name: str) -> None:
    broker = own_broker(tmp_path)
    connection = KafkaConnection.from_url(broker.url)
    with running(broker.child(), tmp_path) as process:
        ensure_topics(connection, topic_specs(Settings(topic=unique_name)))
        with KafkaProducer(**connection.client_options(), acks="all") as producer:
            for number in range(100):
                producer.send(unique_name, b"%d" % number, key=b"%d" % number)
        before = log_identity(connection, unique_name)
        process.kill()
    assert sum(position.end_offset for position in before.values()) == 100
    with running(broker.child(), tmp_path):
        assert log_identity(connection, unique_name) == before


def test_the_topic_of_events_has_no_room_for_a_message_that_no_event_may_have(kafka_url: str, unique_name: str) -> None:
    connection = KafkaConnection.from_url(kafka_url)
    ensure_topics(connection, topic_specs(Settings(topic=unique_name)))
    large = b"x" * 2 * 2**20

    def send(topic: str) -> None:
        # One for each: kafka-python's idempotent producer takes nothing more once a message was refused.
        with KafkaProducer(**connection.client_options(), max_request_size=DEAD_LETTER_MESSAGE_BYTES_MAX) as producer:
            producer.send(topic, large).get(30)

    with pytest.raises(MessageSizeTooLargeError):
        send(unique_name)
    send(f"{unique_name}.dead-letter")


@pytest.mark.stack
def test_the_brokers_clock_counts_and_not_the_producers(tmp_path: Path) -> None:
    now_ms = times.now_ms()
    with running_stack(tmp_path, workers=1) as stack:
        connection = KafkaConnection.from_url(stack.addresses["kafka"])
        with KafkaProducer(**connection.client_options()) as producer:
            # By these clocks the event would come from the future, or the lane clock would be ahead for ever.
            producer.send("touchpoints", event("slow", now_ms), timestamp_ms=1_000)
            producer.send("touchpoints", event("fast", now_ms), timestamp_ms=now_ms + 30 * 60_000)
        stack.command("wait", "--timeout", "300")
        assert stack.metrics("none")[()]["touches"] == 2
        client = connect(stack.addresses["clickhouse"])
        ((earliest, latest),) = client.query(
            "SELECT toUnixTimestamp64Milli(min(record_at)), toUnixTimestamp64Milli(max(lane_clock)) FROM touchpoints"
        ).result_rows
        assert now_ms <= earliest <= latest <= times.now_ms()


@pytest.mark.stack
def test_of_transactions_only_what_was_committed_counts_and_none_holds_up_a_wait(tmp_path: Path) -> None:
    with running_stack(tmp_path, workers=1) as stack:
        servers = stack.addresses["kafka"].removeprefix("kafka://")

        def written(name: str, events: int) -> Producer:
            """Events of a transaction that is still open."""
            producer = Producer(
                {"bootstrap.servers": servers, "transactional.id": name, "partitioner": "murmur2_random"}
            )
            producer.init_transactions(30)
            producer.begin_transaction()
            for number in range(events):
                producer.produce("touchpoints", event(f"{name}-{number}", times.now_ms()), b"ann")
            producer.flush(30)
            return producer

        def touches() -> int:
            stack.command("wait", "--timeout", "30")
            found: int = stack.metrics("none")[()]["touches"]
            return found

        written("aborted", 20).abort_transaction(30)
        stack.command("wait", "--timeout", "30")
        written("committed", 30).commit_transaction(30)
        assert touches() == 30
        with KafkaProducer(bootstrap_servers=servers) as plain:
            plain.send("touchpoints", event("plain-1", times.now_ms()), b"ann").get(30)
        opened = written("opened", 40)
        aborted = written("interleaved", 50)
        assert touches() == 31
        aborted.abort_transaction(30)
        opened.commit_transaction(30)
        assert touches() == 71
        # The aborted ones, and the ends of the three transactions that something was read behind of.
        assert counter(stack, "touchstream_skipped_offsets_total") >= 20 + 50 + 3
        connection = KafkaConnection.from_url(stack.addresses["kafka"])
        positions = log_identity(connection, "touchpoints")
        with log_reader(connection, "touchpoints") as reader:
            reader.seek(dict.fromkeys(positions, 0))
            ends = {partition: at.end_offset for partition, at in positions.items()}
            read = [
                value for polled, _ in reader.until(ends) for records in polled.values() for value in records.values
            ]
        assert len([value for value in read if value]) == 71


@pytest.mark.stack
def test_records_that_were_deleted_before_they_were_measured_are_said_to_be_lost(tmp_path: Path) -> None:
    with running_stack(tmp_path, workers=1) as stack:
        servers = stack.addresses["kafka"].removeprefix("kafka://")
        admin = AdminClient({"bootstrap.servers": servers})

        def send(name: str, events: int) -> None:
            with KafkaProducer(bootstrap_servers=servers) as producer:
                for number in range(events):
                    producer.send("touchpoints", event(f"{name}-{number}", times.now_ms()), b"ann", partition=0)

        def delete_all() -> None:
            end = log_identity(KafkaConnection.from_url(f"kafka://{servers}"), "touchpoints")[0].end_offset
            for deleted in admin.delete_records([TopicPartition("touchpoints", 0, end)]).values():
                deleted.result(30)

        (worker,) = stack.addresses["worker_pids"]
        send("first", 5)
        stack.command("wait", "--timeout", "300")
        for run in range(1, 3):  # the second time the lane has been loaded again before
            os.kill(worker, signal.SIGSTOP)
            time.sleep(0.5)  # for what it had asked Kafka to be answered
            send(f"lost-{run}", 10)
            delete_all()
            send(f"behind-{run}", 7)
            os.kill(worker, signal.SIGCONT)
            stack.command("wait", "--timeout", "300")
            assert stack.metrics("none")[()]["touches"] == 5 + run * 7
            assert counter(stack, "touchstream_lost_records_total") >= run * 10
        assert stack.addresses["worker_pids"] == [worker]
