"""Which of its states the page shows: each has another cause and another remedy."""

from sinks.clickhouse.live import Newest
from sinks.clickhouse.rolling import BY_NAME
from sinks.console.health import State, health
from sinks.sink import LaneRow

NOW_MS = 1_795_317_000_000
WINDOW = BY_NAME["5m"]
FRESH = Newest(NOW_MS, NOW_MS + 3_000, NOW_MS - 1_500)


def lane(partition: int, written_ago_ms: int = 1_000, clock_ago_ms: int = 1_000) -> LaneRow:
    clock_ms = NOW_MS - clock_ago_ms
    written_ms = NOW_MS - written_ago_ms
    return LaneRow("touchpoints", partition, "log", 1, 5, clock_ms, clock_ms, clock_ms, "v1", "", 0, 0, 0, written_ms)


def test_numbers_that_are_written_and_lanes_that_keep_up_are_live() -> None:
    found = health(WINDOW, FRESH, [lane(0), lane(1, written_ago_ms=19_000, clock_ago_ms=19_000)])
    assert (found.state, found.detail) == (State.LIVE, "written 1 s ago, again every 0.5 s")


def test_without_lanes_nothing_was_ever_measured() -> None:
    assert health(WINDOW, Newest(NOW_MS, 0, 0), []).state is State.WAITING


def test_before_the_first_numbers_it_waits() -> None:
    assert health(WINDOW, Newest(NOW_MS, 0, 0), [lane(0)]).state is State.WAITING


def test_when_no_lane_is_written_the_workers_are_away_however_old_the_numbers() -> None:
    silent = [lane(0, written_ago_ms=90_000), lane(1, written_ago_ms=25_000)]
    for newest in (FRESH, Newest(NOW_MS, NOW_MS, NOW_MS - 90_000), Newest(NOW_MS, 0, 0)):
        found = health(WINDOW, newest, silent)
        assert found.state is State.WORKERS_AWAY
        assert "25.0 s" in found.detail


def test_numbers_that_are_not_written_in_time_are_stale() -> None:
    late = Newest(NOW_MS, NOW_MS, NOW_MS - 13_000)
    assert health(WINDOW, late, [lane(0)]).state is State.STALE
    assert health(BY_NAME["28d"], late, [lane(0)]).state is State.LIVE


def test_one_lane_that_is_behind_makes_the_numbers_stale() -> None:
    found = health(WINDOW, FRESH, [lane(0), lane(1, clock_ago_ms=90_000)])
    assert (found.state, found.detail) == (State.STALE, "1 of 2 lanes are up to 1 min 30 s behind their events")
