"""A stage's page: what an address says, the chart of a course, and how far a metric has moved."""

import math
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.course.course import STEPS_MAX, TimeSpan, step_of
from touchstream.sinks.page.selection import SelectionError
from touchstream.sinks.page.stage.chart import HEIGHT, WIDTH, Chart, chart, points
from touchstream.sinks.page.stage.difference import moved
from touchstream.sinks.page.stage.selection import LASTS, StageSelection

METRICS = Catalogue.load().metrics
NPS, CSAT, TOUCHES = METRICS["nps"], METRICS["csat"], METRICS["touches"]
STEP_MS = 60_000
SPAN = TimeSpan(0, 100 * STEP_MS)
NAMES = st.text(min_size=1, max_size=20)


def row(step: int, value: float | None, n: int = 400, reach: float = 5) -> dict[str, Any]:
    low, high = (None, None) if value is None else (max(-100, value - reach), min(100, value + reach))
    return {"at_ms": step * STEP_MS, "nps": value, "nps_low": low, "nps_high": high, "nps_n": n}


def drawn(*rows: dict[str, Any], complete_ms: int = 10**12) -> Chart:
    found = chart(points(rows, NPS, complete_ms, STEP_MS), (), NPS, SPAN, STEP_MS)
    assert found is not None
    return found


@given(
    st.builds(
        StageSelection,
        stage=st.just("support"),
        metric=st.none() | st.sampled_from(sorted(METRICS)),
        journey=st.none() | NAMES,
        channel=st.none() | NAMES | st.just(""),
        segment=st.none() | NAMES | st.just("*"),
        last=st.sampled_from(list(LASTS)),
        compare=st.sampled_from(["before", "week"]),
        by=st.sampled_from(["channel", "touchpoint", "segment"]),
    )
)
def test_any_choice_survives_its_address(selection: StageSelection) -> None:
    query = dict(parse_qsl(selection.query, keep_blank_values=True))
    assert StageSelection.of("support", query) == selection


def test_an_interval_survives_its_address_and_is_utc_unless_it_says_otherwise() -> None:
    asked = StageSelection.of("use", {"from": "2026-11-30T10:00", "to": "2026-11-30T12:00+01:00"})
    assert asked.last is None
    assert (asked.from_ms, asked.to_ms) == (1_796_032_800_000, 1_796_036_400_000)
    assert StageSelection.of("use", dict(parse_qsl(asked.query))) == asked


@pytest.mark.parametrize(
    "query",
    [
        {"last": "2h"}, {"by": "journey"}, {"compare": "nothing"}, {"from": "noon", "to": "2026-11-30"},
        {"from": "2026-11-30", "to": "2026-11-29"}, {"from": "0001-01-01", "to": "2026-11-29"},
        {"from": "9999-12-31T23:59:59-12:00", "to": "2026-11-29"}, {"channel": "c" * 2_000},
    ],
)  # fmt: skip
def test_an_address_that_asks_for_what_there_is_not_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(SelectionError):
        StageSelection.of("use", query)


@given(st.integers(1, 15 * 365 * 86_400_000))
def test_no_span_up_to_fifteen_years_has_more_steps_than_a_chart_holds(length_ms: int) -> None:
    assert length_ms / step_of(TimeSpan(0, length_ms)) <= STEPS_MAX


def test_steps_with_few_answers_and_those_that_may_change_are_drawn_apart() -> None:
    found = drawn(row(1, 10), row(2, 20), row(3, 30, n=3), row(4, 40), complete_ms=4 * STEP_MS)
    assert (found.line.count("L"), found.few.count("L"), found.open.count("L")) == (1, 1, 1)


def test_nothing_is_drawn_over_a_gap() -> None:
    found = drawn(row(1, 10), row(2, 20), row(9, 20), row(10, 30))
    assert found.line.count("M") == 2
    assert found.band.count("Z") == 2


def test_noise_stays_flat() -> None:
    found = drawn(*(row(step, 10 + step % 2, reach=0) for step in range(50)))
    heights = [float(one) for one in re.findall(r"[ML][\d.]+ ([\d.]+)", found.line)]
    assert max(heights) - min(heights) <= HEIGHT / 15


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-100, 100), st.integers(0, 500), st.floats(0, 50)), min_size=1, max_size=100))
def test_everything_is_drawn_inside_of_the_box(values: list[tuple[float, int, float]]) -> None:
    found = drawn(*(row(step, value, n, reach) for step, (value, n, reach) in enumerate(values)), complete_ms=STEP_MS)
    for path in (found.line, found.few, found.open, found.band):
        for x, y in re.findall(r"[ML]([\d.-]+) ([\d.-]+)", path):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT
    assert len(found.spots) == len(values)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=50))
def test_the_axis_holds_every_count_on_round_numbers(counts: list[int]) -> None:
    rows = [{"at_ms": step * STEP_MS, "touches": count} for step, count in enumerate(counts)]
    found = chart(points(rows, TOUCHES, 0, STEP_MS), (), TOUCHES, SPAN, STEP_MS)
    assert found is not None
    assert len(found.values) == 5


def test_without_a_value_there_is_no_chart() -> None:
    assert chart(points([row(1, None)], NPS, 0, STEP_MS), (), NPS, SPAN, STEP_MS) is None


def test_a_difference_has_the_interval_of_two_independent_values() -> None:
    now, before = (
        {"csat": 50.0, "csat_low": 44.0, "csat_high": 56.0},
        {"csat": 80.0, "csat_low": 72.0, "csat_high": 86.0},
    )
    found = moved(now, before, CSAT)
    assert found is not None
    assert (found.text, found.verdict) == ("−30.0 %", "worse")
    low, high = -30 - math.hypot(6, 6), -30 + math.hypot(6, 8)
    assert found.interval == f"−{-low:.1f} % to −{-high:.1f} %"


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [(80, 60, "better"), (60, 80, "worse"), (62, 60, "unclear"), (60, 60, "unclear")],
)
def test_only_a_difference_beyond_chance_is_called_one(now: float, before: float, verdict: str) -> None:
    one, other = ({"csat": one, "csat_low": one - 5, "csat_high": one + 5} for one in (now, before))
    found = moved(one, other, CSAT)
    assert found is not None
    assert found.verdict == verdict


def test_counts_are_compared_in_per_cent_and_never_judged() -> None:
    found = moved({"touches": 50}, {"touches": 100}, TOUCHES)
    assert found is not None
    assert (found.text, found.interval, found.verdict) == ("−50 %", None, "unclear")
    assert moved({"touches": 5}, {"touches": 0}, TOUCHES) is not None
    assert moved(None, {"touches": 5}, TOUCHES) is None
