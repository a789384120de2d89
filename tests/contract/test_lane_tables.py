"""What ClickHouse promises as the lanes' store (`sinks.sink`)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Event
from typing import Any

import pyarrow as pa
import pytest

from tests.support.clickhouse_front import Answer, front_of
from tests.support.clickhouse_rows import dead_letter, lane, pane, panes_of, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.schemas.lane_row import LaneRow
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.lanes.reader import ClickHouseLanes
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter
from touchstream.sinks.clickhouse.rows import TABLES, conform
from touchstream.sinks.sink import Flush, LogsLeft, SinkBusy, SinkRefused
from touchstream.streams.worker.flush import first_rows, without

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Subject:
    """The store, what it has kept, and how to make it fail."""

    sink: LaneWriter
    reader: ClickHouseLanes
    kept: Callable[[str], pa.Table]
    """The rows of a table that stand."""
    refuse: Callable[[str, str, str], None]
    """From now on, refuse rows of a table whose column has a value."""
    go_away: Callable[[], None]
    come_back: Callable[[], None]


@pytest.fixture
def subject(clickhouse_url: str) -> Iterator[Subject]:
    with migrated_database(clickhouse_url) as client, front_of(clickhouse_url) as front:

        def kept(name: str) -> pa.Table:
            found = client.query_arrow("SELECT * FROM {n:Identifier} FINAL", parameters={"n": name}, use_strings=False)
            return conform(name, found).sort_by([(key, "ascending") for key in TABLES[name].key])

        def refuse(name: str, column: str, value: str) -> None:
            client.command(f"ALTER TABLE {name} ADD CONSTRAINT told CHECK {column} != '{value}'")

        def set_away(away: bool) -> None:
            front.always = Answer(503) if away else None

        yield Subject(
            sink=LaneWriter(connect(database_url(front.url, str(client.database)))),
            reader=ClickHouseLanes(client),
            kept=kept,
            refuse=refuse,
            go_away=lambda: set_away(True),
            come_back=lambda: set_away(False),
        )


def flush_of(**rows: list[dict[str, Any]]) -> Flush:
    return Flush({name: table(name, found) for name, found in rows.items()})


EVERYTHING = flush_of(
    touchpoints=[
        touchpoint(1, event_id="ü 🛫 \x00 '\\\n", attributes=[("a", "1"), ("a", "2"), ("", "")], occurred_at=-1),
        touchpoint(2, duration_ms=2**62, nps=10, revenue_minor=-(2**62), currency="EUR", late=True, received_at=5),
    ],
    stage_panes=panes_of([touchpoint(2, csat=5, duration_ms=0, revenue_minor=7, currency="EUR")]),
    dead_letters=[dead_letter(3, key=None, value=b"\xff\x00\n", headers=[{"name": b"\xfe", "value": b""}])],
    lanes=[lane(next_offset=4)],
)
STOPPED = Event()
STOPPED.set()


def test_a_flush_is_kept_to_the_last_byte(subject: Subject) -> None:
    assert subject.sink.write(EVERYTHING, Event()) == ()
    for name, rows in EVERYTHING.tables.items():
        assert (
            subject.kept(name).to_pylist() == rows.sort_by([(key, "ascending") for key in TABLES[name].key]).to_pylist()
        )


def test_a_flush_written_again_changes_nothing(subject: Subject) -> None:
    subject.sink.write(EVERYTHING, Event())
    before = [subject.kept(name) for name in TABLES]
    subject.sink.write(EVERYTHING, Event())
    assert [subject.kept(name) for name in TABLES] == before


def test_the_most_advanced_row_stands_in_whatever_order_rows_come(subject: Subject) -> None:
    for offset, touches in ((5, 2), (9, 3), (7, 2)):
        subject.sink.write(flush_of(stage_panes=[pane(log_offset=offset, touches=touches)]), Event())
        subject.sink.write(flush_of(lanes=[lane(next_offset=offset)]), Event())
    assert [(row["log_offset"], row["touches"]) for row in subject.kept("stage_panes").to_pylist()] == [(9, 3)]
    assert subject.kept("lanes")["next_offset"].to_pylist() == [9]


def test_a_flush_of_nothing_is_done_at_once_even_when_the_store_is_away(subject: Subject) -> None:
    subject.go_away()
    assert subject.sink.write(Flush({}), STOPPED) == ()


def test_a_store_that_is_away_takes_nothing_and_says_so_once_told_to_stop(subject: Subject) -> None:
    subject.go_away()
    with pytest.raises(SinkBusy) as busy:
        subject.sink.write(EVERYTHING, STOPPED)
    assert busy.value.retry_after_seconds > 0
    subject.come_back()
    assert [subject.kept(name).num_rows for name in TABLES] == [0] * len(TABLES)
    assert subject.sink.write(EVERYTHING, Event()) == ()
    assert subject.kept("lanes").num_rows == 1


def test_events_that_cannot_be_written_come_back_one_by_one_and_nothing_after_them_is_sent(subject: Subject) -> None:
    subject.refuse("touchpoints", "channel", "bad")
    events = [touchpoint(offset, channel="bad" if offset in (0, 3, 6) else "web") for offset in range(7)]
    flush = flush_of(touchpoints=events, stage_panes=[pane()], dead_letters=[dead_letter()], lanes=[lane()])
    rejected = subject.sink.write(flush, Event())
    assert [(row.table, row.row) for row in rejected] == [("touchpoints", 0), ("touchpoints", 3), ("touchpoints", 6)]
    assert all(row.message for row in rejected)
    assert subject.kept("touchpoints")["log_offset"].to_pylist() == [1, 2, 4, 5]
    assert [subject.kept(name).num_rows for name in ("stage_panes", "dead_letters", "lanes")] == [0, 0, 0]


def test_without_the_events_that_came_back_the_flush_is_taken(subject: Subject) -> None:
    subject.refuse("touchpoints", "channel", "bad")
    events = table("touchpoints", [touchpoint(0), touchpoint(1, channel="bad"), touchpoint(2)])
    flush = Flush({"touchpoints": events, "lanes": table("lanes", [lane()])})
    bad = subject.sink.write(flush, Event())
    assert [row.row for row in bad] == [1]
    good = events.filter(pa.array([index != bad[0].row for index in range(events.num_rows)]))
    assert subject.sink.write(Flush({**flush.tables, "touchpoints": good}), Event()) == ()
    assert subject.kept("lanes").num_rows == 1


@pytest.mark.parametrize(
    ("name", "column"), [("stage_panes", "channel"), ("dead_letters", "reason"), ("lanes", "log_id")]
)
def test_other_rows_that_cannot_be_written_stop_the_flush_before_its_lanes(
    subject: Subject, name: str, column: str
) -> None:
    good: dict[str, Any] = {"stage_panes": pane(), "dead_letters": dead_letter(), "lanes": lane()}
    subject.refuse(name, column, "bad")
    rows = {table_name: [row | ({column: "bad"} if table_name == name else {})] for table_name, row in good.items()}
    with pytest.raises(SinkRefused, match=name):
        subject.sink.write(flush_of(**rows), Event())
    assert subject.kept("lanes").num_rows == 0


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (table("lanes", [lane()]).drop_columns(["watermark"]), "lack the column watermark"),
        (table("lanes", [lane()]).set_column(1, "partition", pa.array([-1])), "lanes.partition"),
        (table("lanes", [lane()]).set_column(1, "partition", pa.array([None], pa.uint32())), "takes no nulls"),
    ],
)
def test_rows_that_are_not_of_their_table_are_refused_before_anything_is_sent(
    subject: Subject, broken: pa.Table, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        subject.sink.write(Flush({"touchpoints": table("touchpoints", [touchpoint()]), "lanes": broken}), Event())
    assert subject.kept("touchpoints").num_rows == 0


def test_a_table_that_no_flush_has_is_refused(subject: Subject) -> None:
    with pytest.raises(ValueError, match="customers"):
        subject.sink.write(Flush({"customers": table("lanes", [lane()])}), Event())


def test_a_new_owner_reads_every_log_of_its_lane_from_the_oldest_on(subject: Subject) -> None:
    rows = [
        lane(log_id="new", generation=2, next_offset=1, predecessor_log_id="log", predecessor_next_offset=7),
        lane(next_offset=7, watermark=-5),
        lane(next_offset=6),
        lane(partition=1, log_id="other"),
        lane(topic="another"),
    ]
    subject.sink.write(flush_of(lanes=rows), Event())
    old, new = subject.reader.lane_history("touchpoints", 0)
    assert (old.log_id, old.generation, old.next_offset, old.watermark_ms) == ("log", 1, 7, -5)
    assert (new.log_id, new.predecessor_log_id, new.predecessor_next_offset) == ("new", "log", 7)
    assert subject.reader.lane_history("touchpoints", 2) == []


def test_a_new_owner_reads_the_newest_panes_of_its_lane_first(subject: Subject) -> None:
    starts = [pane(pane_start=hour * 3_600_000, log_offset=hour) for hour in range(5)]
    others = [pane(partition=1), pane(log_id="other"), pane(resolution_s=300)]
    subject.sink.write(flush_of(stage_panes=[*starts, *others]), Event())
    after = [starts[4] | {"log_offset": 9, "touches": 3}, starts[3] | {"log_offset": 1, "touches": 7}]
    subject.sink.write(flush_of(stage_panes=after), Event())
    found = subject.reader.newest_panes("log", 0, 3600, 3).to_pylist()
    assert [(row["log_offset"], row["touches"]) for row in found] == [(9, 3), (3, 0), (2, 0)]


def test_a_lane_reads_panes_by_their_keys_and_misses_none_that_is_there(subject: Subject) -> None:
    panes = panes_of(
        touchpoint(n, occurred_at=n * 7_000, stage=f"'s{n % 3}", segment="ü\x00"[: n % 3]) for n in range(40)
    )
    subject.sink.write(
        flush_of(stage_panes=[*panes, *(row | {"partition": 1, "touches": 99} for row in panes)]), Event()
    )
    wanted = [*panes[::3], pane(stage="nowhere"), pane(pane_start=-10_000)]
    found = subject.reader.panes_by_key("log", 0, table("stage_panes", wanted))
    assert found.schema == TABLES["stage_panes"].schema
    order = [(key, "ascending") for key in TABLES["stage_panes"].key]
    assert found.sort_by(order).to_pylist() == table("stage_panes", panes[::3]).sort_by(order).to_pylist()
    assert subject.reader.panes_by_key("log", 0, table("stage_panes", [])).num_rows == 0


def test_a_new_owner_reads_ids_of_counted_events_below_its_offset_and_within_the_horizon(subject: Subject) -> None:
    events = [touchpoint(offset, lane_clock=1_000 * offset) for offset in range(10)]
    others = [touchpoint(5, partition=1, event_id="other"), touchpoint(6, log_id="other", event_id="other")]
    subject.sink.write(flush_of(touchpoints=[*reversed(events), *others]), Event())
    found = pa.concat_tables(subject.reader.counted_event_ids("log", 0, (0, 8), 3_000))
    assert found["event_id"].to_pylist() == [f"event-{offset}" for offset in range(3, 8)]
    assert found["lane_clock"].cast(pa.int64()).to_pylist() == [1_000 * offset for offset in range(3, 8)]
    fewer = pa.concat_tables(subject.reader.counted_event_ids("log", 0, (6, 8), 3_000))
    assert fewer["log_offset"].to_pylist() == [6, 7]


def test_a_new_owner_reads_ids_of_events_that_were_counted_and_refused_as_rows(subject: Subject) -> None:
    subject.refuse("touchpoints", "channel", "bad")
    events = [
        touchpoint(offset, lane_clock=1_000 * offset, channel="bad" if offset in (2, 6) else "web")
        for offset in range(10)
    ]
    flush = flush_of(touchpoints=events)
    lane_rows = first_rows(LaneRow("touchpoints", 0, "log", 1, 0, 0, 0, "v1"), lateness_ms=0)
    rest = without(flush, subject.sink.write(flush, Event()), [lane_rows])
    assert subject.sink.write(rest, Event()) == ()
    assert subject.kept("touchpoints").num_rows == 8
    assert subject.kept("dead_letters").select(["log_offset", "reason"]).to_pylist() == [
        {"log_offset": 2, "reason": "rejected"},
        {"log_offset": 6, "reason": "rejected"},
    ]
    found = pa.concat_tables(subject.reader.counted_event_ids("log", 0, (0, 8), 3_000))
    assert found["event_id"].to_pylist() == [f"event-{offset}" for offset in range(3, 8)]
    assert found["lane_clock"].cast(pa.int64()).to_pylist() == [1_000 * offset for offset in range(3, 8)]


def test_a_new_owner_reads_raw_events_of_its_lane_from_an_offset_on(subject: Subject) -> None:
    events = [touchpoint(offset, stage=f"stage-{offset}", nps=offset) for offset in range(6)]
    others = [touchpoint(5, partition=1, nps=0), touchpoint(6, log_id="other", nps=0)]
    subject.sink.write(flush_of(touchpoints=[*reversed(events), *others]), Event())
    found = subject.reader.raw_events("log", 0, 3)
    assert found.select(["log_offset", "stage", "nps"]).to_pylist() == [
        {"log_offset": offset, "stage": f"stage-{offset}", "nps": offset} for offset in (3, 4, 5)
    ]
    assert subject.reader.raw_events("log", 0, 6).num_rows == 0


def test_a_log_that_was_left_for_a_next_one_takes_no_flush(subject: Subject) -> None:
    subject.sink.write(flush_of(lanes=[lane(log_id="next", generation=2, predecessor_log_id="log")]), Event())
    events = [touchpoint(), touchpoint(partition=1), touchpoint(log_id="next")]
    with pytest.raises(LogsLeft) as left:
        subject.sink.write(flush_of(touchpoints=events, lanes=[lane(next_offset=9)]), Event())
    assert left.value.lanes == {("log", 0)}
    assert subject.kept("touchpoints").num_rows == 0
    assert subject.kept("lanes")["log_id"].to_pylist() == ["next"]
    assert subject.sink.write(flush_of(touchpoints=events[1:]), Event()) == ()
