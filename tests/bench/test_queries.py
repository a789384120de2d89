from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from tests.bench.filled import LANES, WEEK_MS, Filled, fill
from tests.bench.queries import Answered, Question, measure_queries
from tests.support.databases import migrated_database
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.metrics.exact import TOPIC, metrics
from touchstream.sinks.clickhouse.rolling.live import newest
from touchstream.sinks.clickhouse.rolling.store import rolling_now

EVENTS = 20_000


@pytest.fixture(scope="module")
def database(clickhouse_url: str) -> Iterator[Client]:
    with migrated_database(clickhouse_url) as client:
        yield client


@pytest.fixture(scope="module")
def filled(database: Client) -> Filled:
    return fill(database, EVENTS)


@pytest.mark.stack
def test_panes_touches_and_rolling_rows_of_the_tables_are_those_of_their_raw_events(
    database: Client, filled: Filled
) -> None:
    assert (filled.rows["touchpoints"], filled.rows["journey_touches"]) == (EVENTS, EVENTS)
    found = database.query(
        "SELECT sum(touches), sum(arraySum(mapValues(duration_sketch))), sum(duration_n), uniqExact(partition)"
        " FROM stage_panes FINAL WHERE resolution_s = 3600"
    ).result_rows[0]
    given = database.query("SELECT count(), count(duration_ms), count(duration_ms) FROM touchpoints").result_rows[0]
    assert found == (*given, LANES)
    (rolling,) = rolling_now(database, TOPIC, "7d", {"stage": None})
    exact = metrics(database, filled.end_ms - WEEK_MS, filled.end_ms)[0]
    # People aren't counted in a window of a week.
    assert {name: rolling[name] for name in ("touches", "nps", "ces", "duration_ms_p50")} == {
        name: exact[name] for name in ("touches", "nps", "ces", "duration_ms_p50")
    }
    assert exact["touches"] == EVENTS
    assert 1_000 < exact["customers"] < EVENTS


@pytest.mark.stack
def test_every_tick_of_a_trend_has_rows(database: Client, filled: Filled) -> None:
    window = BY_NAME["7d"]
    assert newest(database, TOPIC, window).tick_ms == filled.end_ms
    ticks = database.query("SELECT uniqExact(tick) FROM stage_metrics WHERE window = '7d'").result_rows[0][0]
    assert ticks == 60


@pytest.mark.stack
def test_each_question_is_timed_and_says_how_many_rows_it_read(tmp_path: Path) -> None:
    report = measure_queries(tmp_path, 2_000, 2, lambda _: None).document()
    asked = report["questions"]
    assert {"stages", "channels of a stage", "trend lines", "the whole page"} <= asked.keys()
    for name, one in asked.items():
        assert 0 < one["median_ms"] <= one["p99_ms"], name
        assert one["times"] == 2
    assert asked["exact, one total"]["exact_uniques"]
    assert asked["exact, one total"]["rows_read"] >= asked["panes by stage and channel"]["rows_read"] + 2_000
    assert asked["the whole page"]["rows_read"] > asked["stages"]["rows_read"] + asked["trend lines"]["rows_read"]


def test_only_what_the_page_asks_can_be_too_slow() -> None:
    def ask() -> None:
        pass

    assert Answered(Question("page", ask), 1, (99.0, 101.0, 120.0)).misses
    assert not Answered(Question("page", ask), 1, (99.0, 99.0, 900.0)).misses
    assert not Answered(Question("exact", ask, of_page=False, exact_uniques=True), 1, (900.0, 900.0)).misses
