"""The rhythm of days: how many events there are at a time, whatever each customer does."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.simulated import HOUR_MS, START_MS, hour, scenario
from touchstream.streams.channels.simulate.customers import Oddity
from touchstream.streams.channels.simulate.rhythm import WEEK_SECONDS, BusyTime, intensity
from touchstream.streams.channels.simulate.scenario import Rhythm


@cache
def busy_time() -> BusyTime:
    return BusyTime(scenario().rhythm, START_MS)


@settings(deadline=None)
@given(st.integers(0, 10 * WEEK_SECONDS * 1_000), st.integers(-WEEK_SECONDS, WEEK_SECONDS))
def test_busy_time_has_an_inverse_and_a_mean_of_one(since_ms: int, busy: int) -> None:
    time = busy_time()
    assert time.moment(time.busy(START_MS + since_ms)) == pytest.approx(START_MS + since_ms, abs=1)
    assert time.busy(time.moment(busy)) == pytest.approx(busy, abs=0.002)
    assert time.busy(START_MS + since_ms + WEEK_SECONDS * 1_000) - time.busy(START_MS + since_ms) == pytest.approx(
        WEEK_SECONDS
    )


def test_busy_hours_and_days_have_more_events_than_others() -> None:
    rhythm = Rhythm(hours=(1.0,) * 12 + (3.0,) + (1.0,) * 11, weekdays=(1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0))
    monday_ms = 1_795_392_000_000  # 23 November 2026
    time = BusyTime(rhythm, monday_ms)
    per_hour = [
        time.busy(monday_ms + (hour + 1) * HOUR_MS) - time.busy(monday_ms + hour * HOUR_MS) for hour in range(72)
    ]
    assert per_hour[12] / per_hour[11] == pytest.approx(3)
    assert per_hour[48] / per_hour[24] == pytest.approx(2)
    assert intensity(rhythm, 2 * 86_400 + 12 * 3_600) == 6


def test_the_rate_is_that_of_the_scenario_in_the_rhythm_of_the_hour() -> None:
    expected = scenario().rate * busy_time().busy(START_MS + HOUR_MS)
    copies = sum(one.oddity is Oddity.DUPLICATE for one in hour())
    assert len(hour()) - copies == pytest.approx(expected, rel=0.03)
