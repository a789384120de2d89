"""The incident of the default scenario: to be seen beyond doubt, in its stage and in its time only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from statistics import fmean
from typing import Any

import pytest

from tests.support.simulated import MINUTE_MS, START_MS, answers, hour, scenario
from touchstream.streams.channels.simulate.customers import Oddity, Planned
from touchstream.streams.channels.simulate.scenario import load_scenario
from touchstream.streams.channels.simulate.simulator import Simulator


def nps(found: Sequence[int]) -> tuple[float, float]:
    """The score and its variance."""
    promoters, detractors = (sum(map(true, found)) / len(found) for true in (lambda a: a >= 9, lambda a: a <= 6))
    score = promoters - detractors
    return 100 * score, 100**2 * (promoters + detractors - score**2) / len(found)


def csat(found: Sequence[int]) -> tuple[float, float]:
    share = sum(answer >= 4 for answer in found) / len(found)
    return 100 * share, 100**2 * share * (1 - share) / len(found)


def without_values(planned: Planned) -> tuple[Any, ...]:
    event = planned.event
    return planned.due_ms, planned.stage, planned.oddity, event.event_id, event.occurred_at, event.touchpoint


def test_an_incident_changes_values_of_its_stage_in_its_time_and_nothing_else() -> None:
    (incident,) = scenario().incidents
    began, ended = START_MS + incident.after, START_MS + incident.after + incident.lasts
    changed = 0
    for calm, struck in zip(hour(incidents=False), hour(), strict=True):
        assert without_values(calm) == without_values(struck)
        if calm.stage != incident.stage or not began <= calm.event.occurred_at < ended:
            assert calm == struck
        changed += calm != struck
    assert changed > 100


@cache
def five_minutes() -> list[Planned]:
    """Of the demo."""
    default = load_scenario()
    return Simulator(default, default.seed, START_MS).planned(START_MS, START_MS + 5 * MINUTE_MS)


@pytest.mark.parametrize(("instrument", "score"), [("nps", nps), ("csat", csat)])
def test_at_the_default_rate_the_incident_is_beyond_doubt_in_windows_of_a_minute(
    instrument: str, score: Callable[[Sequence[int]], tuple[float, float]]
) -> None:
    (incident,) = load_scenario().incidents
    windows = [
        answers(
            [one for one in five_minutes() if 0 <= one.event.occurred_at - START_MS - at < MINUTE_MS],
            instrument,
            "support",
        )
        for at in (0, incident.after, 3 * MINUTE_MS, 4 * MINUTE_MS)
    ]
    assert min(map(len, windows)) >= 150
    (before, variance), (during, variance_during), *after = map(score, windows)
    assert before - during > 30
    assert (before - during) / math.sqrt(variance + variance_during) > 6
    assert all(abs(before - value) < 20 for value, _ in after)


def test_failures_and_durations_of_the_stage_rise_in_the_incident() -> None:
    (incident,) = scenario().incidents
    means = []
    for planned in (hour(incidents=False), hour()):
        events = [
            one.event
            for one in planned
            if one.stage == incident.stage
            and incident.after <= one.event.occurred_at - START_MS < incident.after + incident.lasts
            and one.oddity is not Oddity.OUT_OF_SCALE
        ]
        failed = fmean(event.outcome == "failure" for event in events if event.outcome)
        lasted = fmean(event.duration_ms for event in events if event.duration_ms)
        felt = fmean(event.sentiment for event in events if event.sentiment is not None)
        means.append((failed, lasted, felt))
    (failed, lasted, felt), (failed_then, lasted_then, felt_then) = means
    assert failed_then - failed > 0.2
    assert lasted_then / lasted == pytest.approx(incident.effects.duration_factor, rel=0.01)
    assert felt - felt_then > 0.3
