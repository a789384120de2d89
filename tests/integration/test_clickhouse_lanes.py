"""Reading lanes from a real ClickHouse, where it comes in several answers; dead letters, as people ask for them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from clickhouse_connect.driver.client import Client

from tests.support.clickhouse_rows import NOON_MS, PANE_KEY, Row, dead_letter, lane, pane, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.lanes.reader import KEYS_AT_ONCE, ClickHouseLanes
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter
from touchstream.sinks.clickhouse.metrics.exact import lanes
from touchstream.sinks.clickhouse.upkeep.dead_letters import dead_letters
from touchstream.sinks.sink import Flush

pytestmark = pytest.mark.stack


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


def write(client: Client, name: str, rows: list[Row]) -> None:
    assert LaneWriter(client).write(Flush({name: table(name, rows)}), Event()) == ()


@pytest.mark.parametrize("at_once", [1, 3, 4, 100])
def test_event_ids_come_once_each_and_in_order_however_many_answers_it_takes(client: Client, at_once: int) -> None:
    write(client, "touchpoints", [touchpoint(offset) for offset in range(0, 18, 2)])
    client.command("INSERT INTO touchpoints SELECT * REPLACE (inserted_at - 86400 AS inserted_at) FROM touchpoints")
    found = list(ClickHouseLanes(client, event_ids_at_once=at_once).counted_event_ids("log", 0, (0, 17), 0))
    assert pa.concat_tables(found)["log_offset"].to_pylist() == list(range(0, 18, 2))
    assert all(ids.num_rows <= at_once for ids in found)


@pytest.mark.parametrize("at_once", [1, 3, 4, 100])
def test_ids_of_refused_events_come_among_the_others(client: Client, at_once: int) -> None:
    write(client, "touchpoints", [touchpoint(offset) for offset in range(2, 18, 2)])
    content = json.dumps({"event_id": "refused", "lane_clock": datetime.fromtimestamp(NOON_MS / 1000, UTC).isoformat()})
    letters = [dead_letter(offset, reason="rejected", value=content.encode()) for offset in (1, 7, 9, 17, 18)]
    write(client, "dead_letters", [*letters, dead_letter(3, reason="rejected", value=None), dead_letter(5)])
    found = pa.concat_tables(ClickHouseLanes(client, event_ids_at_once=at_once).counted_event_ids("log", 0, (0, 18), 0))
    assert found["log_offset"].to_pylist() == [1, 2, 4, 6, 7, 8, 9, 10, 12, 14, 16, 17]
    assert found.filter(pc.equal(found["event_id"], "refused"))["log_offset"].to_pylist() == [1, 7, 9, 17]


def test_more_keys_than_one_request_holds_are_asked_for_in_several(client: Client) -> None:
    there = [pane(pane_start=hour * 3_600_000) for hour in (0, KEYS_AT_ONCE - 1, KEYS_AT_ONCE, KEYS_AT_ONCE + 5)]
    write(client, "stage_panes", there)
    keys = table("stage_panes", [pane(pane_start=hour * 3_600_000) for hour in range(KEYS_AT_ONCE + 6)])
    found = ClickHouseLanes(client).panes_by_key("log", 0, keys)
    assert sorted(found["pane_start"].cast(pa.int64()).to_pylist()) == [row["pane_start"] for row in there]


def test_keys_may_be_of_the_types_that_polars_has(client: Client) -> None:
    write(client, "stage_panes", [pane()])
    keys = pa.Table.from_pylist([{name: pane()[name] for name in PANE_KEY}])
    names = [name for name in PANE_KEY if keys[name].type == pa.string()]
    for name in names:
        keys = keys.set_column(keys.column_names.index(name), name, keys[name].cast(pa.large_string()))
    assert len(names) == 5
    assert ClickHouseLanes(client).panes_by_key("log", 0, keys).num_rows == 1


def test_sequential_reads_are_a_setting_of_every_read(client: Client) -> None:
    write(client, "lanes", [lane()])
    reader = ClickHouseLanes(client, sequential=True)
    assert reader.lane_history("touchpoints", 0)[0].log_id == "log"
    assert reader.newest_panes("log", 0, 10, 1).num_rows == 0


def test_the_lanes_of_a_topic_are_the_newest_log_of_each_partition(client: Client) -> None:
    rows = [
        lane(next_offset=90),
        lane(log_id="new", generation=2, next_offset=3),
        lane(partition=1, next_offset=5),
        lane(topic="another", partition=2),
    ]
    write(client, "lanes", rows)
    found = [(row.partition, row.log_id, row.next_offset) for row in lanes(client, "touchpoints")]
    assert found == [(0, "new", 3), (1, "log", 5)]


def test_dead_letters_come_newest_first_with_their_bytes(client: Client) -> None:
    old = dead_letter(1, record_at=1, reason="out_of_scale", key=None, value=None)
    new = dead_letter(2, record_at=2, headers=[{"name": b"\xfe", "value": b""}], key=b"\x00\xff", detail="ü")
    write(client, "dead_letters", [old, new])
    found = dead_letters(client)
    assert [letter.log_offset for letter in found] == [2, 1]
    assert (found[0].key, found[0].value, found[0].headers, found[0].detail) == (
        b"\x00\xff",
        b"\xff\x00",
        ((b"\xfe", b""),),
        "ü",
    )
    assert (found[1].key, found[1].value) == (None, None)


def test_dead_letters_can_be_asked_for_by_reason_and_number(client: Client) -> None:
    write(client, "dead_letters", [dead_letter(offset, reason="ab"[offset % 2]) for offset in range(6)])
    assert {letter.log_offset for letter in dead_letters(client, reason="b")} == {1, 3, 5}
    assert len(dead_letters(client, limit=2)) == 2
    assert dead_letters(client, reason="'; DROP TABLE lanes") == []
