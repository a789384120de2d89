"""A database of any earlier version, with rows in it, becomes what one of this version would be."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from tests.support.clickhouse_rows import HOUR_MS, NOON_MS, Row, dead_letter, lane, panes_of, table, touchpoint
from tests.support.databases import empty_database
from touchstream.schemas.instruments import NONE, Instruments, put_in_force
from touchstream.schemas.journey import Journeys
from touchstream.schemas.paths import stage_paths
from touchstream.schemas.times import now_ms
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.lanes.definitions import record_definitions
from touchstream.sinks.clickhouse.lanes.reader import ClickHouseLanes
from touchstream.sinks.clickhouse.metrics.journeys import portfolio, record_stages
from touchstream.sinks.clickhouse.migrations.migrate import Migrating, known_migrations, migrate
from touchstream.sinks.clickhouse.rolling.effects import measure_effects
from touchstream.sinks.clickhouse.rolling.store import rolling_at, write_rolling
from touchstream.sinks.clickhouse.upkeep.reconcile import reconcile
from touchstream.streams.measure.panes import Panes

pytestmark = pytest.mark.stack

VERSIONS = known_migrations()
JOURNEY = '{"format": 1, "journeys": [{"id": "default", "stages": [{"id": "use"}, {"id": "leave"}]}]}'
EVENTS = [
    touchpoint(
        n,
        occurred_at=NOON_MS + n * 1_000,
        customer_id="" if n % 3 else f"c{n % 5}",
        anonymous_id=f"a{n % 7}",
        action="identify" if n % 15 == 0 else "contact",
        stage=("use", "leave")[n % 2],
        nps=n % 11,
    )
    for n in range(60)
]
ROWS: dict[str, list[Row]] = {
    "touchpoints": EVENTS,
    "stage_panes": panes_of(EVENTS),
    "dead_letters": [dead_letter(60)],
    "lanes": [lane(next_offset=61, watermark=NOON_MS + 60_000)],
}


def fill(client: Client) -> None:
    """The rows of a worker of that version: without the columns that came later."""
    record_definitions(client, "v1", "{}", in_force=True)
    insert(client, ROWS)


def insert(client: Client, filled: Mapping[str, list[Row]]) -> None:
    """Rows, without the columns that came later."""
    for name, rows in filled.items():
        there = {column for (column, *_) in client.query(f"DESCRIBE TABLE {name}").result_rows}
        whole = table(name, rows)
        client.insert_arrow(name, whole.select([column for column in whole.column_names if column in there]))


def tables(client: Client) -> dict[str, list[dict[str, Any]]]:
    """Every row that stands of every table, without when it was written."""
    clocks = {"inserted_at", "written_at", "applied_at", "in_force_since"}
    there = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Replacing%'"
    )
    found = {}
    for (name,) in there.result_rows:
        rows = client.query("SELECT * FROM {name:Identifier} FINAL", {"name": name}).named_results()
        found[name] = sorted(({k: v for k, v in row.items() if k not in clocks} for row in rows), key=repr)
    return found


@pytest.fixture(scope="module")
def whole(clickhouse_url: str) -> Iterator[Client]:
    """A database that was of this version from the beginning."""
    with empty_database(clickhouse_url) as client:
        migrate(client, Migrating())
        fill(client)
        record_stages(client, "v1", stage_paths(Journeys(JOURNEY).journeys))
        yield client


def earlier() -> Iterator[Any]:
    """Every version before this one; soon tried are the first, that of before the groups, and the last."""
    soon = {VERSIONS[0].name, "0016_identity", VERSIONS[-2].name}
    assert soon <= {one.name for one in VERSIONS}
    for one in VERSIONS[:-1]:
        yield pytest.param(one, id=one.name, marks=() if one.name in soon else pytest.mark.long)


@pytest.mark.parametrize("version", earlier())
def test_each_earlier_version_with_rows_in_it_becomes_this_one(
    clickhouse_url: str, whole: Client, version: Any
) -> None:
    with empty_database(clickhouse_url) as client:
        migrate(client, Migrating(), VERSIONS[: version.number])
        fill(client)
        assert migrate(client, Migrating()) == [one.name for one in VERSIONS[version.number :]]
        record_stages(client, "v1", stage_paths(Journeys(JOURNEY).journeys))
        assert tables(client) == tables(whole)
        assert portfolio(client, by=("stage",)) == portfolio(whole, by=("stage",))
        compared = reconcile(client)
        assert (compared.differing, compared.panes > 0) == (0, True)


def test_rolling_rows_of_before_design_effects_stay_as_they_were_until_they_are_written_again(
    clickhouse_url: str,
) -> None:
    window, before = BY_NAME["24h"], tuple(one for one in VERSIONS if one.name < "0022")
    tick_ms = now_ms() // HOUR_MS * HOUR_MS
    events = [row | {"occurred_at": tick_ms - 1, "sentiment_micro": row["nps"] * 50_000} for row in EVENTS]
    with empty_database(clickhouse_url) as client:
        migrate(client, Migrating(), before)
        insert(client, {"touchpoints": events, "stage_panes": panes_of(events)})
        old: Row = {"topic": "touchpoints", "window": window.name, "tick": datetime.fromtimestamp(tick_ms / 1000, UTC),
                    "group_key": [("journey", "default")], "completeness": 1.0, "nps": 12.0, "nps_n": 60,
                    "nps_low": -8.0, "nps_high": 32.0}  # fmt: skip
        client.insert("stage_metrics", [list(old.values())], column_names=list(old))
        migrate(client, Migrating())
        (kept,) = rolling_at(client, "touchpoints", window, tick_ms)
        assert (kept["nps"], kept["nps_low"], kept["nps_high"]) == (12.0, -8.0, 32.0)
        assert (kept["sentiment_low"], kept["design_effects"]) == (None, {})
        measure_effects(client, "touchpoints", window, tick_ms)
        write_rolling(client, "touchpoints", [(window, tick_ms)])
        written = rolling_at(client, "touchpoints", window, tick_ms)[0]
        assert written["nps_n"] == 60
        assert -70 < written["nps_low"] < written["nps"] < written["nps_high"] < -28
        assert written["design_effects"]["sentiment_spread"] > 0
        assert written["sentiment_low"] < written["sentiment"] < written["sentiment_high"]


def test_panes_and_rolling_rows_of_before_instruments_go_on_with_answers(clickhouse_url: str) -> None:
    window, before = BY_NAME["24h"], tuple(one for one in VERSIONS if one.name < "0029")
    tick_ms = now_ms() // HOUR_MS * HOUR_MS
    old = [row | {"occurred_at": tick_ms - 1} for row in EVENTS]
    answers = [
        touchpoint(100 + n, occurred_at=tick_ms - 1, stage="use", customer_id=f"c{n}", instrument="stars",
                   score_micro=1_000_000 * (1 + n % 5))
        for n in range(20)
    ]  # fmt: skip
    with empty_database(clickhouse_url) as client:
        migrate(client, Migrating(), before)
        insert(client, {"touchpoints": old, "stage_panes": panes_of(old), "lanes": ROWS["lanes"]})
        rolled = {"topic": "touchpoints", "window": window.name, "tick": datetime.fromtimestamp(tick_ms / 1000, UTC),
                  "group_key": [("journey", "default")], "completeness": 1.0, "nps": 12.0, "nps_n": 60}  # fmt: skip
        client.insert("stage_metrics", [list(rolled.values())], column_names=list(rolled))
        migrate(client, Migrating())
        was = portfolio(client, by=("stage",))
        put_in_force(Instruments("format: 1\ninstruments:\n  - {id: stars, kind: stars}\n"))
        try:
            (kept,) = rolling_at(client, "touchpoints", window, tick_ms)
            assert (kept["nps"], kept["stars"], kept["stars_n"]) == (12.0, None, 0)
            # A new owner loads panes of before, and adds to them.
            panes = Panes()
            panes.admit(ClickHouseLanes(client).newest_panes("log", 0, 3600, 100))
            assert panes.labels == len({row["duration_ms"] for row in old if row["duration_ms"]})
            client.insert_arrow("touchpoints", table("touchpoints", answers))
            client.insert_arrow("stage_panes", table("stage_panes", panes_of([*old, *answers])))
            client.insert_arrow("lanes", table("lanes", [lane(next_offset=121, watermark=tick_ms)]))
            now = {row["stage"]: row for row in portfolio(client, by=("stage",))}
            for row in was:
                assert {name: now[row["stage"]][name] for name in ("nps", "nps_n", "nps_low", "nps_high", "csat")} == {
                    name: row[name] for name in ("nps", "nps_n", "nps_low", "nps_high", "csat")
                }
            assert (now["use"]["stars"], now["use"]["stars_n"], now["leave"]["stars"]) == (3.0, 20, None)
            compared = reconcile(client)
            assert (compared.differing, compared.panes > 0) == (0, True)
        finally:
            put_in_force(NONE)
