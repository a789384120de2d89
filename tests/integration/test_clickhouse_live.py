"""What the page reads of the rolling rows: the newest ones, no more than a screen holds, and what was left out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.browser.rolling_rows import DECLARED, journey, row, write_rows
from tests.support.databases import migrated_database
from touchstream.schemas.journey import DEFAULT_FILE as DEFAULT_JOURNEY
from touchstream.schemas.journey import Journeys
from touchstream.schemas.metrics import DEFAULT_FILE as DEFAULT_METRICS
from touchstream.schemas.metrics import Catalogue
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.client import database_url
from touchstream.sinks.clickhouse.rolling import live
from touchstream.sinks.clickhouse.rolling.live import LiveTick
from touchstream.sinks.clickhouse.rolling.store import rolling_now
from touchstream.sinks.page.board import Board
from touchstream.sinks.page.reader import Reader
from touchstream.sinks.page.selection import Selection
from touchstream.sinks.page.surroundings import Surroundings

ALL = None


pytestmark = pytest.mark.stack

WINDOW = BY_NAME["5m"]
NAUGHTY = ["\\'; DROP TABLE lanes", "\t\n\r\\N", "{stage:String}", "%s", "", "🧑‍🚀\u202e", "'", '"', "[]"]


@pytest.fixture(scope="module")
def database(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture
def tables(database: Client) -> Client:
    database.command("TRUNCATE TABLE stage_metrics")
    return database


def newest_tick(client: Client, journey: str = "customer") -> LiveTick:
    return LiveTick("touchpoints", WINDOW, live.newest(client, "touchpoints", WINDOW).tick_ms, journey)


def by_stage(groups: live.Groups) -> dict[str, Any]:
    return {row["stage"]: row for row in groups.rows}


def test_without_rows_there_is_no_newest_tick(tables: Client) -> None:
    found = live.newest(tables, "touchpoints", WINDOW)
    assert found.now_ms > 0
    assert (found.tick_ms, found.written_at_ms) == (0, 0)


def test_rolling_now_has_all_groups_unless_told_which(tables: Client) -> None:
    write_rows(tables, journey(), ticks=3)
    every = rolling_now(tables, "touchpoints", "5m")
    assert len(every) == len(journey())
    together = rolling_now(tables, "touchpoints", "5m", {"stage": None})
    assert together == [one for one in every if one["stage"] is None] != []


def test_stages_are_those_of_rolling_now(tables: Client) -> None:
    write_rows(tables, journey(), ticks=3)
    write_rows(tables, [one | {"touches": one["touches"] + 1} for one in journey()], ago_ms=-7_200_000)
    found = by_stage(live.stages(tables, newest_tick(tables), ALL, ALL, DECLARED, 30))
    said = rolling_now(tables, "touchpoints", "5m", {"channel": ALL, "segment": ALL})
    assert len(said) == 8
    for one in said:
        assert {name: found[one["stage"]][name] for name in one if name in found[one["stage"]]} == {
            name: value for name, value in one.items() if name not in ("window", "tick", "journey")
        }


def test_rows_written_again_for_a_tick_are_newer(tables: Client) -> None:
    write_rows(tables, journey(), ago_ms=0)
    before = live.newest(tables, "touchpoints", WINDOW)
    write_rows(tables, journey(), ago_ms=-60_000)
    after = live.newest(tables, "touchpoints", WINDOW)
    assert after.written_at_ms > before.written_at_ms


def test_no_more_stages_than_asked_for_the_declared_first_then_the_busiest(tables: Client) -> None:
    write_rows(tables, [row(ALL), row("use", touches=1), *(row(f"s{n}", touches=n) for n in range(2, 9))])
    tick = newest_tick(tables)
    found = live.stages(tables, tick, ALL, ALL, ["support", "use"], 3)
    assert [row["stage"] for row in found.rows] == [ALL, "use", "s8", "s7"]
    assert (found.names, found.touches) == (8, 1 + sum(range(2, 9)))


def test_of_one_channel_there_is_no_row_of_the_whole_journey_and_the_bound_holds(tables: Client) -> None:
    write_rows(tables, [row(ALL), *(row(f"s{n}", "web", touches=n) for n in range(9))])
    found = live.stages(tables, newest_tick(tables), "web", ALL, [], 3)
    assert [row["stage"] for row in found.rows] == ["s8", "s7", "s6"]
    assert found.names == 9


def test_channels_are_the_busiest_of_their_stage(tables: Client) -> None:
    write_rows(tables, [row("use"), *(row("use", f"c{n}", touches=n) for n in range(9)), row("support", "chat")])
    found = live.channels(tables, newest_tick(tables), "use", ALL, 2)
    assert [row["channel"] for row in found.rows] == ["c8", "c7"]
    assert (found.names, found.touches) == (9, sum(range(9)))


def test_a_trend_has_the_last_ticks_and_no_others(tables: Client) -> None:
    write_rows(tables, journey(), ticks=12)
    tick = newest_tick(tables)
    found = live.trend(tables, tick, ["use", "support"], ALL, ALL, 10, ("touches", "nps"))
    assert sorted(found) == ["support", "use"]
    first_ms = tick.tick_ms - 9 * WINDOW.step_ms
    assert [one["at_ms"] for one in found["use"]] == list(range(first_ms, tick.tick_ms + 1, WINDOW.step_ms))
    assert [one["completeness"] for one in found["use"]] == [1.0] * 9 + [0.0]
    assert set(found["use"][0]) == {"stage", "at_ms", "completeness", "touches", "nps"}


def test_names_are_the_busiest_and_the_others_are_counted(tables: Client) -> None:
    rows = [row("use", f"c{n}", touches=n) for n in range(9)] + [row("use", segment="", touches=3)]
    write_rows(tables, [row(ALL), row("use"), *rows, row(ALL) | {"journey": "another"}])
    found = live.names(tables, newest_tick(tables), 2)
    assert found == {
        "journey": live.Names(("another", "customer"), 2),
        "channel": live.Names(("c7", "c8"), 9),
        "segment": live.Names(("",), 1),
    }
    assert live.names(tables, replace(newest_tick(tables), journey="nowhere"), 2)["channel"] == live.Names((), 0)


def test_a_new_channel_can_be_chosen_with_its_first_numbers(tables: Client, clickhouse_url: str) -> None:
    boards: list[Board] = []

    def draw(board: Board) -> str:
        boards.append(board)
        return "drawn"

    journeys, catalogue = Journeys.load(DEFAULT_JOURNEY).journeys, Catalogue.load(DEFAULT_METRICS)
    surroundings = Surroundings(database_url(clickhouse_url, str(tables.database)), "touchpoints")
    reader = Reader(surroundings, journeys, catalogue, draw)
    for ago_ms, channels in ((0, ["web"]), (-1, ["web", "kiosk"])):
        rows = [row("use", touches=len(channels)), *(row("use", channel) for channel in channels)]
        write_rows(tables, [one | {"journey": journeys[0].id} for one in rows], "15m", ago_ms=ago_ms)
        reader.view(Selection(window="15m"), None)
    assert [sorted(board.channels.names) for board in boards] == [["web"], ["kiosk", "web"]]


@pytest.mark.parametrize("name", NAUGHTY)
def test_any_name_finds_its_own_rows(tables: Client, name: str) -> None:
    write_rows(tables, [row(name), row(name, name, touches=5), row(name, name, name, touches=7), row("use", touches=9)])
    tick = newest_tick(tables)
    assert by_stage(live.stages(tables, tick, name, name, [name], 5))[name]["touches"] == 7
    assert [one["touches"] for one in live.channels(tables, tick, name, ALL, 5).rows] == [5]
    assert len(live.trend(tables, tick, [name], name, name, 5, ["touches"])[name]) == 1
