"""Clocks that lie: no producer's timestamp moves a lane's clock for good, and one that was moved comes back."""

import json
import os
import signal
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from tests.kafka.choice import APACHE
from tests.support.stack import RunningStack, eventually, running_stack
from touchstream.schemas import times
from touchstream.schemas.touchpoint import FUTURE_LIMIT_MS
from touchstream.sinks.clickhouse.database import connect

pytestmark = [pytest.mark.stack, pytest.mark.long]

HOUR_MS = 60 * 60 * 1_000
AHEAD_OR_NONE = (2**53, -1, 10_413_791_999_999, 2**62, -5)
LONG_AGO = (0, 1)
"""By these an event of today is from the future: a dead letter."""


def now_ms() -> int:
    return times.now_ms()


def event(event_id: str) -> bytes:
    fields = {"event_id": event_id, "occurred_at": now_ms(), "customer_id": "ann", "channel": "web"}
    return json.dumps(fields | {"touchpoint": "checkout"}).encode()


def trust_producers(stack: RunningStack) -> None:
    """Take producers' timestamps for those of the log, as topics do that `init` has not made."""
    if APACHE:  # the local broker does so anyway
        admin = KafkaAdminClient(bootstrap_servers=stack.addresses["kafka"].removeprefix("kafka://"))
        configs = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "touchpoints", configs)])
        admin.close()


def test_no_timestamp_of_a_record_moves_the_clock_of_its_lane_far(tmp_path: Path) -> None:
    with running_stack(tmp_path, workers=1) as stack:
        trust_producers(stack)
        client = connect(stack.addresses["clickhouse"])

        def furthest(column: str = "lane_clock") -> int:
            return int(str(client.command(f"SELECT toUnixTimestamp64Milli(max({column})) FROM lanes FINAL")))  # noqa: S608

        with KafkaProducer(bootstrap_servers=stack.addresses["kafka"].removeprefix("kafka://")) as producer:
            for number, timestamp_ms in enumerate(AHEAD_OR_NONE + LONG_AGO):
                for again in range(2):  # each twice: the second is the first's duplicate
                    value = event(f"at-{number}").replace(b"checkout", b"checkout%d" % again)
                    producer.send("touchpoints", value, b"ann", timestamp_ms=timestamp_ms).get(30)
            stack.command("wait", "--timeout", "300")
            assert furthest() <= now_ms() + FUTURE_LIMIT_MS
            assert furthest("watermark") <= now_ms() + FUTURE_LIMIT_MS
            assert stack.metrics("none")[()]["touches"] == len(AHEAD_OR_NONE)

            # As an earlier release left it.
            (worker,) = stack.addresses["worker_pids"]
            os.kill(worker, signal.SIGSTOP)
            poisoned = "toDateTime64('2299-12-31 00:00:00', 3, 'UTC')"
            columns = ("lane_clock", "occurred_max", "watermark")
            replaced = [f"{poisoned} AS {column}" for column in columns]
            replaced.append(f"{poisoned} - INTERVAL 1 DAY AS ids_since")
            client.command(f"INSERT INTO lanes SELECT * REPLACE ({', '.join(replaced)}) FROM lanes FINAL")  # noqa: S608
            assert furthest() > now_ms() + 100 * HOUR_MS
            stack.kill_a_worker(0)
            for event_id in ("at-0", "new"):
                producer.send("touchpoints", event(event_id), b"ann").get(30)
            stack.command("wait", "--timeout", "300")
            eventually(lambda: furthest() <= now_ms() + FUTURE_LIMIT_MS)
            assert furthest("occurred_max") <= now_ms() + FUTURE_LIMIT_MS
            assert stack.metrics("none")[()]["touches"] == len(AHEAD_OR_NONE) + 1
