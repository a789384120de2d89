"""The detector of series: what it tells, what it leaves alone, and that nothing breaks it."""

import math
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.noise import NOISE, STEP_SECONDS, false_alarms
from tests.support.numbers import how_many
from touchstream.streams.watch.series.detector import (
    LEARNING,
    QUIET,
    THRESHOLD,
    VALUE_MAX,
    SeriesDetector,
    SeriesVerdict,
)

SEED = 20261130


def verdicts(values: Sequence[float | None], start: float = 1_700_000_000.0) -> list[SeriesVerdict]:
    detector = SeriesDetector()
    return [detector.see(start + place * STEP_SECONDS, value) for place, value in enumerate(values)]


def told(values: Sequence[float | None]) -> list[int]:
    return [place for place, verdict in enumerate(verdicts(values)) if verdict.told]


def noise(values: int, seed: int = SEED) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).normal(100, 5, size=values)]


@pytest.mark.parametrize("kind", NOISE)
def test_noise_is_told_at_most_twice_in_a_thousand_values(kind: str) -> None:
    assert false_alarms(kind, how_many(3, 30), how_many(3_000, 6_000), SEED) <= 2


def test_a_spike_is_told_at_its_value_and_once() -> None:
    values = noise(1_500)
    values[1_000] += 60

    found = told(values)

    assert 1_000 in found
    assert not [place for place in found if 1_000 < place < 1_000 + QUIET]


def test_a_much_worse_value_is_told_though_another_was_just_told() -> None:
    values = noise(1_500)
    values[1_000], values[1_020], values[1_040] = 160.0, 165.0, 2_000.0

    assert [place for place in told(values) if 1_000 <= place < 1_064] == [1_000, 1_040]


@pytest.mark.parametrize("change", [-6.0, 6.0])
def test_a_level_that_shifts_is_told_though_no_value_is_far_out(change: float) -> None:
    values = noise(2_000)
    shifted = values[:1_500] + [value + change for value in values[1_500:]]

    assert max(abs(value - 100) for value in shifted[1_500:1_564]) < 3.5 * 5
    assert [place for place in told(shifted) if 1_500 <= place < 1_564]
    assert not [place for place in told(values) if 1_500 <= place < 1_564]


def test_unrest_is_told_where_the_level_stays() -> None:
    values = noise(2_000)
    restless = values[:1_500] + [100 + 3 * (value - 100) for value in values[1_500:]]

    found = {verdict.why for verdict in verdicts(restless)[1_500:1_564] if verdict.score >= 0.5}

    assert found & {"unrest of 16", "unrest of 64"}


def test_stillness_is_not_told() -> None:
    values = noise(1_500) + [100 + (value - 100) / 50 for value in noise(300)]

    assert not [place for place in told(values) if place >= 1_500]


def test_a_way_back_to_what_is_usual_is_not_unusual() -> None:
    sunk = noise(1_200) + [value - min(place, 60) for place, value in enumerate(noise(200, 1))]

    back = sunk + noise(100)

    assert [place for place in told(back) if 1_200 <= place < 1_400]
    assert max(verdict.score for verdict in verdicts(back)[1_400:1_404]) < 0.5


def test_a_series_that_hardly_changes_is_never_stuck() -> None:
    assert "stuck" not in {verdict.why for verdict in verdicts([5.0] * 100 + [6.0] * 1_000)}


def test_a_stuck_meter_is_told_once_and_a_series_that_often_stands_still_is_not() -> None:
    stuck = noise(1_500) + [101.5] * 300
    assert [place for place in told(stuck) if place >= 1_500] == [1_563]

    standing = [round(value / 5) * 5.0 for value in noise(400) for _ in range(20)]
    assert "stuck" not in {verdict.why for verdict in verdicts([*standing, *[100.0] * 79])}
    assert "stuck" in {verdict.why for verdict in verdicts([*standing, *[77.0] * 1_000])}


def test_the_hour_that_is_missing_from_a_day_is_told() -> None:
    day = [10.0] * 100 + [80.0] * 88 + [10.0] * 100
    random = np.random.default_rng(SEED)
    values = [value + float(random.normal()) for value in day * 10]
    closed = values.copy()
    closed[8 * 288 + 100 : 8 * 288 + 188] = [10.0 + float(random.normal()) for _ in range(88)]

    assert [place for place in told(closed) if 8 * 288 + 100 <= place < 8 * 288 + 104]
    assert not [place for place in told(values) if place >= 6 * 288]


def test_a_spike_like_one_of_late_is_not_told() -> None:
    values = noise(2_500)
    values[900] = 200.0
    for place in range(1_100, 2_500, 200):
        values[place] = 190.0

    assert [place for place in told(values) if values[place] >= 190] == [900]


def test_nothing_is_told_while_it_learns() -> None:
    values = noise(LEARNING + 1)
    values[50] = 500.0
    values[LEARNING - 1] = 5_000.0
    values[LEARNING] = 50_000.0

    assert told(values) == [LEARNING]
    assert {verdict.why for verdict in verdicts(values)[:LEARNING]} == {"learning"}


def test_a_value_outside_its_band_is_unusual_and_the_band_holds_most() -> None:
    seen = [(verdict, value) for value, verdict in zip(noise(4_000), verdicts(noise(4_000)), strict=True)]
    judged = [(verdict, value) for verdict, value in seen if verdict.low is not None and verdict.high is not None]

    outside = [verdict for verdict, value in judged if not verdict.low <= value <= verdict.high]  # type: ignore[operator]

    assert len(judged) == 4_000 - LEARNING
    assert all(verdict.score >= 0.5 for verdict in outside)
    assert len(outside) < 20


@pytest.mark.parametrize("gap", [None, math.nan, math.inf, -math.inf, VALUE_MAX * 2])
def test_a_gap_changes_no_verdict_after_it(gap: float | None) -> None:
    values = noise(600)
    values[500] += 60
    with_gap: list[float | None] = [*values[:450], gap, *values[450:]]
    detector, other = SeriesDetector(), SeriesDetector()

    plain = [detector.see(None, value) for value in values]
    holed = [other.see(None, value) for value in with_gap]

    assert holed.pop(450) == SeriesVerdict(0.0, told=False, why="no value")
    assert holed == plain


def test_a_constant_series_is_never_told_and_its_first_change_is() -> None:
    assert told([45.0] * 1_000) == []
    assert told([0.0] * 1_000 + [0.001]) == [1_000]
    assert told([1e9] * 1_000 + [1e9 + 1]) == [1_000]


def test_an_absurd_value_blinds_for_no_longer_than_the_memory() -> None:
    values = noise(3_000)
    values[300] = VALUE_MAX
    values[2_900] = 200.0

    assert {300, 2_900} <= set(told(values))


@settings(max_examples=how_many(40, 400), deadline=None)
@given(
    st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=300),
    st.none() | st.floats(allow_nan=True, allow_infinity=True),
)
def test_any_values_at_any_time_give_a_score_between_0_and_1(values: list[float | None], seconds: float | None) -> None:
    detector = SeriesDetector()
    for value in [*range(150), *values, *values]:
        verdict = detector.see(seconds, value)
        assert 0 <= verdict.score < 1
        assert not verdict.told or verdict.score >= 0.5
        assert verdict.low is None or verdict.high is None or verdict.low <= verdict.high


@settings(max_examples=how_many(10, 100), deadline=None)
@given(st.integers(-60, 60), st.integers(0, 2**32 - 1))
def test_a_unit_that_is_a_power_of_two_changes_no_score(power: int, seed: int) -> None:
    values = noise(700, seed)
    values[600] += 40

    ours = [(verdict.score, verdict.told, verdict.why) for verdict in verdicts(values)]
    scaled = [
        (verdict.score, verdict.told, verdict.why) for verdict in verdicts([value * 2.0**power for value in values])
    ]

    assert scaled == ours


@settings(max_examples=how_many(10, 100), deadline=None)
@given(st.integers(-(10**6), 10**6), st.integers(0, 2**32 - 1))
def test_an_origin_changes_no_score_but_by_rounding(origin: int, seed: int) -> None:
    values = noise(700, seed)
    values[600] += 40

    moved = [verdict.score for verdict in verdicts([value + origin for value in values])]

    # A record that is met to the last digit may be one or none.
    differences = [abs(ours.score - theirs) for ours, theirs in zip(verdicts(values), moved, strict=True)]
    assert sum(difference > 1e-3 for difference in differences) <= 2


def test_two_runs_say_the_same_to_the_last_bit() -> None:
    values = noise(1_000)

    assert verdicts(values) == verdicts(values)


def test_memory_does_not_grow_with_the_series() -> None:
    detector = SeriesDetector()
    for place, value in enumerate(noise(3_000)):
        detector.see(place * STEP_SECONDS, value)
    after_days = _bytes(detector)
    for place, value in enumerate(noise(20_000), 3_000):
        detector.see(place * STEP_SECONDS, value)

    assert _bytes(detector) <= after_days + 200
    assert after_days < 32_000


def test_the_threshold_is_one_and_it_is_half_of_the_score() -> None:
    assert {verdict.score >= 0.5 for verdict in verdicts(noise(3_000)) if verdict.told} <= {True}
    assert THRESHOLD == 3.5


def _bytes(thing: object) -> int:
    """Bytes of an object with all that it holds."""
    seen: set[int] = set()

    def size(one: object) -> int:
        if id(one) in seen or isinstance(one, type):
            return 0
        seen.add(id(one))
        slots = [getattr(one, name) for name in getattr(type(one), "__slots__", ())]
        held = [*getattr(one, "__dict__", {}).values(), *slots, *(one if isinstance(one, list | tuple) else ())]
        return sys.getsizeof(one) + sum(map(size, held))

    return size(thing)
