"""The writer against a real ClickHouse that is slow, away, overloaded or set up wrongly."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.clickhouse_front import Answer, Front, front_of
from tests.support.clickhouse_rows import lane, pane, table, touchpoint
from tests.support.databases import migrated_database
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.errors import NAMES, Kind
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter, Writing
from touchstream.sinks.sink import Flush, SinkBusy, SinkRefused

pytestmark = pytest.mark.stack

FLUSH = Flush(
    {
        "touchpoints": table("touchpoints", [touchpoint(offset) for offset in range(8)]),
        "stage_panes": table("stage_panes", [pane(touches=8, log_offset=7)]),
        "lanes": table("lanes", [lane(next_offset=8)]),
    }
)


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def front(clickhouse_url: str) -> Iterator[Front]:
    with front_of(clickhouse_url) as front:
        yield front


@pytest.fixture
def writer(client: Client, front: Front) -> LaneWriter:
    return LaneWriter(connect(database_url(front.url, str(client.database))))


def rows(client: Client) -> list[int]:
    return [
        int(str(client.command("SELECT count() FROM {t:Identifier} FINAL", parameters={"t": name})))
        for name in FLUSH.tables
    ]


@pytest.mark.parametrize(
    "busy",
    [Answer(500, 252), Answer(500, 241), Answer(503), Answer(502), Answer(0)],
    ids=["too many parts", "memory limit", "overloaded proxy", "bad gateway", "hung up"],
)
def test_an_insert_that_was_not_taken_is_sent_again_until_it_is(
    client: Client, front: Front, writer: LaneWriter, busy: Answer
) -> None:
    front.answers.extend([busy] * 3)
    assert writer.write(FLUSH, Event()) == ()
    assert rows(client) == [8, 1, 1]
    assert front.inserts == 3 + len(FLUSH.tables)  # the same rows again, not halves of them


def test_an_insert_whose_answer_was_lost_counts_once(client: Client, front: Front, writer: LaneWriter) -> None:
    front.answers.extend([Answer(0, taken=True), Answer(503, taken=True)])
    assert writer.write(FLUSH, Event()) == ()
    assert rows(client) == [8, 1, 1]


def test_lanes_wait_for_everything_before_them(client: Client, front: Front, writer: LaneWriter) -> None:
    front.always = Answer(503)
    stop = Event()
    with ThreadPoolExecutor(1) as thread:
        written = thread.submit(writer.write, FLUSH, stop)
        assert front.answered.wait(30)
        stop.set()
        with pytest.raises(SinkBusy, match="touchpoints"):
            written.result(30)
    assert rows(client) == [0, 0, 0]


def test_a_missing_table_is_no_fault_of_its_rows_and_says_what_to_run(
    client: Client, front: Front, writer: LaneWriter
) -> None:
    client.command("DROP TABLE touchpoints")
    with pytest.raises(SinkRefused, match="touchstream init"):
        writer.write(FLUSH, Event())
    assert front.inserts == 1


@pytest.mark.parametrize("code", [516, 497, 193])
def test_a_wrong_password_makes_no_dead_letters(front: Front, writer: LaneWriter, code: int) -> None:
    front.always = Answer(403, code)
    with pytest.raises(SinkRefused, match="CLICKHOUSE_URL"):
        writer.write(FLUSH, Event())
    assert front.inserts == 1


def test_when_no_row_at_all_is_taken_the_sink_is_to_blame(front: Front, writer: LaneWriter) -> None:
    front.always = Answer(500, 469)
    with pytest.raises(SinkRefused, match="every row of touchpoints"):
        writer.write(FLUSH, Event())


def test_a_writer_that_retries_rows_that_are_never_taken_is_noticed(
    client: Client, writer: LaneWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.command("ALTER TABLE touchpoints ADD CONSTRAINT told CHECK channel != 'bad'")
    flush = Flush({"touchpoints": table("touchpoints", [touchpoint(0), touchpoint(1, channel="bad")])})
    stopped = Event()
    stopped.set()
    assert [rejected.row for rejected in writer.write(flush, stopped)] == [1]
    monkeypatch.setattr("touchstream.sinks.clickhouse.lanes.writer.kind", lambda _: Kind.BUSY)
    with pytest.raises(SinkBusy):
        writer.write(flush, stopped)


def test_gathered_inserts_are_readable_once_acknowledged(client: Client) -> None:
    assert LaneWriter(client, Writing(gather=True)).write(FLUSH, Event()) == ()
    assert rows(client) == [8, 1, 1]


def test_quorum_and_gathering_are_asked_for_in_settings() -> None:
    always = {"optimize_on_insert": 0}
    assert Writing().settings() == always | {"async_insert": 0}
    assert Writing(gather=True).settings() == always | {"async_insert": 1, "wait_for_async_insert": 1}
    quorum = {"insert_quorum": "auto", "insert_quorum_parallel": 0}
    assert Writing(quorum=True).settings() == always | {"async_insert": 0} | quorum


def test_error_codes_have_the_names_that_clickhouse_gives_them(client: Client) -> None:
    found = client.query("SELECT arrayMap(code -> errorCodeToName(code), {codes:Array(UInt16)})", {"codes": [*NAMES]})
    assert dict(zip(NAMES, found.result_rows[0][0], strict=True)) == NAMES
