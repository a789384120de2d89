"""Which of its states the page shows: each has another cause and another remedy."""

from touchstream.schemas.lane_row import WrittenLaneRow
from touchstream.schemas.windows import BY_NAME
from touchstream.sinks.clickhouse.alerts.rounds import Round
from touchstream.sinks.clickhouse.rolling.live import Newest
from touchstream.sinks.page.health import Absent, JudgedAlerts, State, health

NOW_MS = 1_795_317_000_000
WINDOW = BY_NAME["5m"]
FRESH = Newest(NOW_MS, NOW_MS + 3_000, NOW_MS - 1_500)


JUDGED = JudgedAlerts(Round(8, 10_000, NOW_MS, NOW_MS - 1_000, NOW_MS), 0)


def lane(partition: int, written_ago_ms: int = 1_000, clock_ago_ms: int = 1_000) -> WrittenLaneRow:
    clock_ms = NOW_MS - clock_ago_ms
    written_ms = NOW_MS - written_ago_ms
    return WrittenLaneRow(
        "touchpoints", partition, "log", 1, 5, clock_ms, clock_ms, "v1", watermark_ms=clock_ms, written_at_ms=written_ms
    )


def test_numbers_that_are_written_and_lanes_that_keep_up_are_live() -> None:
    found = health(WINDOW, FRESH, [lane(0), lane(1, written_ago_ms=19_000, clock_ago_ms=19_000)], JUDGED)
    assert (found.state, found.detail) == (State.LIVE, "written 1 s ago, again every 0.5 s")


def test_without_lanes_nothing_was_ever_measured() -> None:
    assert health(WINDOW, Newest(NOW_MS, 0, 0), [], JUDGED).state is State.WAITING


def test_before_the_first_numbers_it_waits() -> None:
    assert health(WINDOW, Newest(NOW_MS, 0, 0), [lane(0)], JUDGED).state is State.WAITING


def test_when_no_lane_is_written_the_workers_are_away_however_old_the_numbers() -> None:
    silent = [lane(0, written_ago_ms=90_000), lane(1, written_ago_ms=25_000)]
    for newest in (FRESH, Newest(NOW_MS, NOW_MS, NOW_MS - 90_000), Newest(NOW_MS, 0, 0)):
        found = health(WINDOW, newest, silent, JUDGED)
        assert found.state is State.WORKERS_AWAY
        assert "25.0 s" in found.detail


def test_numbers_that_are_not_written_in_time_are_stale() -> None:
    late = Newest(NOW_MS, NOW_MS, NOW_MS - 13_000)
    assert health(WINDOW, late, [lane(0)], JUDGED).state is State.STALE
    assert health(BY_NAME["28d"], late, [lane(0)], JUDGED).state is State.LIVE


def test_one_lane_that_is_behind_makes_the_numbers_stale() -> None:
    found = health(WINDOW, FRESH, [lane(0), lane(1, clock_ago_ms=90_000)], JUDGED)
    assert (found.state, found.detail) == (State.STALE, "1 of 2 lanes are up to 1 min 30 s behind their events")


def test_the_first_numbers_are_not_on_their_way_for_ever() -> None:
    waiting = health(WINDOW, Newest(NOW_MS, 0, 0), [lane(0)], JUDGED, Absent(NOW_MS, 29_000))
    assert (waiting.state, waiting.title) == (State.WAITING, "No numbers yet")
    given_up = health(WINDOW, Newest(NOW_MS, 0, 0), [lane(0)], JUDGED, Absent(NOW_MS, 31_000))
    assert (given_up.state, given_up.title) == (State.STALE, "No numbers")
    assert "lane 0" in given_up.detail


def test_where_all_events_are_old_the_rows_are_not_called_late() -> None:
    old = Absent(NOW_MS - 400 * 86_400_000, 90_000)
    for newest in (Newest(NOW_MS, 0, 0), Newest(NOW_MS, NOW_MS, NOW_MS - 90_000)):
        found = health(WINDOW, newest, [lane(0)], JUDGED, old)
        assert (found.state, found.title) == (State.WAITING, "No events lately")
        assert "2025-10-18" in found.detail


def test_live_says_up_to_when_alerts_were_judged() -> None:
    assert health(WINDOW, FRESH, [lane(0)], JUDGED).alerts == "alerts: none firing, judged up to 03:10:00 UTC"
    firing = JudgedAlerts(Round(8, 10_000, NOW_MS - 86_400_000, NOW_MS, NOW_MS), 2)
    assert health(WINDOW, FRESH, [lane(0)], firing).alerts.startswith("alerts: 2 firing, judged up to 2026-11-21")
    none = JudgedAlerts(Round(0, 0, 0, NOW_MS, NOW_MS), 0)
    assert health(WINDOW, FRESH, [lane(0)], none).alerts == "alerts: there is no rule"
    assert health(WINDOW, FRESH, [lane(0)], none).state is State.LIVE


def test_without_a_judgement_of_now_nothing_is_live() -> None:
    never = health(WINDOW, FRESH, [lane(0)], JudgedAlerts(None, 0))
    silent = health(WINDOW, FRESH, [lane(0)], JudgedAlerts(Round(8, 10_000, NOW_MS, NOW_MS - 21_000, NOW_MS), 0))
    late = health(WINDOW, FRESH, [lane(0)], JudgedAlerts(Round(8, 10_000, NOW_MS - 90_000, NOW_MS, NOW_MS), 0))
    first = health(WINDOW, FRESH, [lane(0)], JudgedAlerts(Round(8, 10_000, 0, NOW_MS, NOW_MS), 0))
    assert {never.state, silent.state, late.state, first.state} == {State.UNJUDGED}
    assert first.detail == "watch has judged no window yet"
    hourly = JudgedAlerts(Round(1, 3_600_000, NOW_MS // 3_600_000 * 3_600_000, NOW_MS, NOW_MS), 0)
    assert health(WINDOW, FRESH, [lane(0)], hourly).state is State.LIVE


def test_numbers_that_are_late_hide_no_watch_that_is_dead() -> None:
    found = health(WINDOW, Newest(NOW_MS, NOW_MS, NOW_MS - 13_000), [lane(0)], JudgedAlerts(None, 0))
    assert found.state is State.STALE
    assert "start touchstream watch" in found.detail
