"""A topic, and the tables that are measured of it in this process: events by the hundred, of several journeys."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from kafka import KafkaProducer

from tests.support.clickhouse_rows import NOON_MS
from tests.support.databases import lent_database
from touchstream.sinks.clickhouse.client import connect_directly, database_url
from touchstream.sinks.clickhouse.database import connect
from touchstream.streams.broker.log_reader import log_reader
from touchstream.streams.broker.topics import log_identity
from touchstream.streams.process.settings import Settings
from touchstream.streams.upkeep.init import prepare
from touchstream.streams.worker.lanes import Limits
from touchstream.streams.worker.store import WorkerTables

DERIVED = (
    "touchpoints", "stage_panes", "journey_touches", "identities", "superseded", "dead_letters", "erasures", "lanes",
)  # fmt: skip
OLD = {"product": "discover", "checkout": "buy"}
NEW = {"product": "browse", "checkout": "buy", "cart": "buy"}
EVENTS = 600


def journey(stages: dict[str, str]) -> str:
    """A journey.yaml: touchpoint to stage."""
    by_stage: dict[str, list[str]] = {}
    for touchpoint, stage in stages.items():
        by_stage.setdefault(stage, []).append(touchpoint)
    found = [{"id": one, "touchpoints": [{"touchpoint": names}]} for one, names in by_stage.items()]
    return json.dumps({"format": 1, "journeys": [{"id": "shop", "stages": found}]})


@dataclass
class Stand:
    """A topic, the tables that are measured of it, and other tables for other journeys."""

    settings: Settings
    directory: Path

    def with_journey(self, stages: dict[str, str], database: str | None = None) -> Settings:
        file = self.directory / f"{abs(hash(tuple(stages.items())))}.yaml"
        file.write_text(journey(stages))
        url = self.settings.clickhouse_url
        url = database_url(url, database) if database else url
        return self.settings.model_copy(update={"journey_file": file, "clickhouse_url": url})

    def publish(self, *events: dict[str, Any], stamped: bool = False) -> None:
        """stamped: each record as if it had been written when its event occurred."""
        producer = KafkaProducer(**self.settings.kafka_connection().client_options(), acks="all")
        for event in events:
            key = str(event.get("customer_id", event.get("anonymous_id"))).encode()
            at_ms = event["occurred_at"] if stamped else None
            producer.send(self.settings.topic, key=key, value=json.dumps(event).encode(), timestamp_ms=at_ms)
        producer.close()

    def init(self, stages: dict[str, str], database: str | None = None) -> Settings:
        settings = self.with_journey(stages, database)
        assert list(prepare(settings))
        return settings

    def fresh(self, stages: dict[str, str]) -> Client:
        """Tables that had this journey from the beginning."""
        settings = self.init(stages, f"{connect_directly(self.settings.clickhouse_url).database}_fresh")
        measure(settings)
        return connect(settings.clickhouse_url)

    @property
    def in_force(self) -> Client:
        return connect(self.settings.clickhouse_url)


@contextmanager
def standing(clickhouse_url: str, kafka_url: str, directory: Path) -> Iterator[Stand]:
    """A topic of a name of its own, which doesn't exist yet, and a database with tables and no rows."""
    with lent_database(clickhouse_url) as name:
        url = database_url(clickhouse_url, name)
        topic = f"test_{uuid4().hex}"
        yield Stand(
            Settings(kafka_url=kafka_url, clickhouse_url=url, topic=topic, partitions=2, data_dir=directory), directory
        )


def events(first: int = 0, count: int = EVENTS, start_ms: int = NOON_MS) -> list[dict[str, Any]]:
    """Touches of fifty people over three hours, some with a stage of their own, some twice, some that are refused."""
    found: list[dict[str, Any]] = []
    for n in range(first, first + count):
        event: dict[str, Any] = {
            "event_id": f"e{n}", "occurred_at": start_ms + n % 180 * 60_000, "channel": "web",
            "touchpoint": ("product", "cart", "checkout")[n % 3], "nps": n % 11, "revenue_minor": n, "currency": "EUR",
        }  # fmt: skip
        event["customer_id" if n % 4 else "anonymous_id"] = f"p{n % 50}"
        if n % 10 == 0:
            event["stage"] = "product" if n % 20 else "discover"
        if n % 41 == 0:
            event |= {"action": "identify", "customer_id": f"p{n % 50 + 1}", "anonymous_id": f"p{n % 50}"}
        if n % 59 == 0:
            event["nps"] = 77
        if n % 43 == 7 and n >= 100:
            event["amends"] = f"e{n - 100}"
        found += [event] * (2 if n % 37 == 0 else 1)
    return found


def rows(client: Client, table: str) -> list[dict[str, Any]]:
    """All rows that stand, without what the server's clock says."""
    found = client.query("SELECT * FROM {table:Identifier} FINAL", {"table": table}).named_results()
    clocks = ("inserted_at", "written_at")
    return sorted(({name: row[name] for name in row if name not in clocks} for row in found), key=repr)


def measure(settings: Settings) -> None:
    """Take over every lane of the topic, measure all that its log holds, and write it."""
    tables = WorkerTables(settings)
    connection, topic = settings.kafka_connection(), settings.topic
    positions = log_identity(connection, topic)
    lanes = {partition: tables.load(partition) for partition in positions}
    with log_reader(connection, topic) as reader:
        reader.seek({partition: lane.row.next_offset for partition, lane in lanes.items()})
        for polled, _ in reader.until({partition: at.end_offset for partition, at in positions.items()}):
            for partition, records in polled.items():
                tables.take(lanes[partition], records)
    changed = [lane for lane in lanes.values() if lane.changed]
    if changed:
        tables.write([lane.flush_rows() for lane in changed])
    for lane in changed:
        lane.flushed(Limits.panes_max)
