"""Which events count once and which count each, through the real broker and the real tables; what is wrong is said."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from tests.support.clickhouse_rows import NOON_MS
from tests.support.measuring import NEW, Stand, measure, standing
from touchstream.sinks.clickhouse.metrics.exact import metrics as measured
from touchstream.sinks.clickhouse.upkeep.placing import Placing, placing
from touchstream.streams.channels.partitioner import lane_of
from touchstream.streams.cli.main import app
from touchstream.streams.upkeep.init import prepare

pytestmark = pytest.mark.stack

HOUR_MS = 3_600_000


@pytest.fixture
def stand(clickhouse_url: str, kafka_url: str, tmp_path: Path) -> Iterator[Stand]:
    with standing(clickhouse_url, kafka_url, tmp_path) as made:
        yield made


def order(number: int, touchpoint: str, **changes: Any) -> dict[str, Any]:
    event = {"event_id": str(number), "customer_id": f"c{number}", "channel": "web", "touchpoint": touchpoint}
    return event | {"occurred_at": NOON_MS + number} | changes


def send(stand: Stand, *records: tuple[bytes | None, int, dict[str, Any]]) -> None:
    """As a producer that chooses key and partition itself."""
    producer = KafkaProducer(**stand.settings.kafka_connection().client_options(), acks="all")
    for key, partition, event in records:
        producer.send(stand.settings.topic, key=key, value=json.dumps(event).encode(), partition=partition)
    producer.close()


def counts(stand: Stand) -> dict[str, tuple[int, int]]:
    """By touchpoint: touches and duplicates."""
    text = """
        SELECT touchpoint, sum(touches), sum(duplicates) FROM stage_panes FINAL
        WHERE resolution_s = 3600 GROUP BY touchpoint
    """
    return {name: (touches, duplicates) for name, touches, duplicates in stand.in_force.query(text).result_rows}


def conflicting(stand: Stand) -> dict[str, int]:
    """By touchpoint, exact, over the hour."""
    found = measured(stand.in_force, NOON_MS, NOON_MS + HOUR_MS, by=("touchpoint",), topic=stand.settings.topic)
    return {row["touchpoint"]: row["conflicting"] for row in found}


def placed(stand: Stand) -> Placing:
    return placing(stand.in_force, stand.settings.topic, NOON_MS, NOON_MS + HOUR_MS)


def test_events_that_two_sources_number_alike_are_two_also_once_the_lanes_are_taken_over(stand: Stand) -> None:
    list(prepare(stand.with_journey(NEW)))
    shops = [order(n, f"shop {shop}", source=shop) for shop in ("a", "b") for n in range(40)]
    channels = [order(n, channel, channel=channel) for channel in ("mail", "phone") for n in range(40)]
    numbered = [order(n, "serial", source="survey", customer_id=f"other{n % 7}") for n in range(40)]
    stand.publish(*shops, *channels, *numbered)
    measure(stand.settings)
    expected = ("shop a", "shop b", "mail", "phone", "serial")
    assert counts(stand) == dict.fromkeys(expected, (40, 0))
    stand.publish(*shops, *channels, *numbered)
    measure(stand.settings)
    assert counts(stand) == dict.fromkeys(expected, (40, 40))
    assert placed(stand) == Placing()


def test_an_id_under_two_keys_or_in_two_partitions_is_listed_and_what_is_misrouted_is_counted(stand: Stand) -> None:
    list(prepare(stand.with_journey(NEW)))
    two_customers = [order(n, "first") for n in range(5)] + [order(n, "second", customer_id=f"d{n}") for n in range(5)]
    stand.publish(*two_customers)
    alone, right = order(100, "no key"), lane_of(b"c100", 2)
    send(stand, (None, 0, alone), (None, 1, alone), (None, 0, alone))
    elsewhere = order(101, "elsewhere"), lane_of(b"c101", 2)
    send(stand, (b"c101", elsewhere[1], elsewhere[0]), (b"c101", 1 - elsewhere[1], elsewhere[0]))
    send(stand, (b"\xff\x00", 0, order(102, "bytes")), (b"device", lane_of(b"c103", 2), order(103, "another key")))
    measure(stand.settings)
    assert counts(stand) == {
        "first": (5, 0), "second": (5, 0), "no key": (2, 1), "elsewhere": (2, 0), "bytes": (1, 0),
        "another key": (1, 0),
    }  # fmt: skip
    found = placed(stand)
    assert (found.misrouted, found.twins) == (2 + 1 + 1 + 1, 5 + 1 + 1)
    by_id = {one.event_id: one.places for one in found.examples}
    assert set(by_id) == {"0", "1", "2", "3", "4", "100", "101"}
    assert {(partition, key) for partition, _, key in by_id["100"]} == {(right, ""), (1 - right, "")}
    assert {key for _, _, key in by_id["0"]} == {"c0", "d0"}

    environment = {
        f"TOUCHSTREAM_{name.upper()}": str(getattr(stand.settings, name))
        for name in ("kafka_url", "topic", "clickhouse_url")
    }
    said = CliRunner().invoke(app, ["reconcile"], env=environment)
    assert said.exit_code == 0, said.output
    assert "5 events are outside of their customer's partition" in " ".join(said.output.split())
    assert "7 ids count more than once" in " ".join(said.output.split())


def test_copies_that_say_something_else_are_counted_apart_also_once_the_lanes_are_taken_over(stand: Stand) -> None:
    list(prepare(stand.with_journey(NEW)))
    answers = [order(n, "survey", action="survey", nps=n % 11) for n in range(20)]
    other = [one | {"nps": 10 - one["nps"]} for one in answers]  # 5 stays 5, of number 5 and 16
    honest = [one | {"received_at": NOON_MS + 9, "attributes": {"retry": "1"}} for one in answers]
    stand.publish(*answers, *other, *honest)
    measure(stand.settings)
    assert counts(stand) == {"survey": (20, 40)}
    assert conflicting(stand) == {"survey": 18}
    stand.publish(*other, *honest)
    measure(stand.settings)
    assert counts(stand) == {"survey": (20, 80)}
    assert conflicting(stand) == {"survey": 36}
