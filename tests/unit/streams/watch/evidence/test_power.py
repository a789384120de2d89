"""Stated power is what a simulation finds."""

import math

import numpy as np
import pytest

from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.likelihood import CountLikelihood
from touchstream.streams.watch.evidence.power import (
    Answers,
    Change,
    answer_power,
    answers_needed,
    count_power,
    crossing,
    smallest_answer_change,
    smallest_count_change,
)
from touchstream.streams.watch.evidence.threshold import silence_threshold, threshold

H = threshold(0.1, 1)


@pytest.mark.parametrize(("u", "h"), [(8.0, 10.0), (14.0, 11.5), (20.0, 11.5), (18.0, 17.9)])
def test_a_motion_crosses_as_often_as_the_formula_says(u: float, h: float) -> None:
    rng, steps = np.random.default_rng(3), 2000
    paths = rng.normal(u / steps, math.sqrt(2 * u / steps), (2000, steps)).cumsum(axis=1)
    assert abs((paths.max(axis=1) >= h).mean() - crossing(u, 2 * u, h)) < 0.05


def test_the_answers_that_a_survey_needs_do_not_depend_on_the_window() -> None:
    assert answers_needed(78, 10, 17.7) == pytest.approx(3114, rel=0.01)
    assert answers_needed(78, 20, 11.3) == pytest.approx(answers_needed(78, 10, 11.3) / 4)
    assert answers_needed(78, 10, 11.3, deff=2.0) == pytest.approx(2 * answers_needed(78, 10, 11.3))
    with pytest.raises(ValueError, match="change of 0"):
        answers_needed(78, 0, 11.3)


@pytest.mark.parametrize(("hourly", "size", "hours"), [(200, 0.3, 3), (200, 0.4, 2), (1000, 0.2, 1), (100, 0.4, 3)])
def test_stated_power_of_a_count_is_within_a_tenth_of_what_is_simulated(hourly: int, size: float, hours: int) -> None:
    effect, rng, runs = Effect(0.2, min_n=10), np.random.default_rng(11), 2000
    likelihood = CountLikelihood.of(effect, np.ones(runs))
    mean, best, fired = np.full(runs, hourly / 12), np.zeros((5, runs)), np.zeros(runs, dtype=bool)
    for _ in range(12 * hours):
        best = np.maximum(best + likelihood.evidence(rng.poisson(mean * (1 - size)).astype(float), mean), 0)
        fired |= best.max(axis=0) >= H
    stated = count_power(effect, H, float(hourly * hours), 1.0, Change(size, 12 * hours))
    assert abs(stated - fired.mean()) < 0.1


def test_too_few_events_have_no_power_and_more_have_more() -> None:
    effect = Effect(0.2, min_n=50)
    assert count_power(effect, H, 49.0, 1.0, Change(1.0, 12)) == 0.0
    powers = [count_power(effect, H, events, 1.0, Change(0.3, 36)) for events in (100.0, 300.0, 900.0)]
    assert powers == sorted(powers)
    answers = [answer_power(Effect(10.0), H, Answers(n, 80.0), Change(20.0, 36)) for n in (100.0, 400.0, 1600.0)]
    assert answers == sorted(answers)


def test_the_smallest_change_that_a_rule_sees_shrinks_with_traffic_and_is_infinite_without() -> None:
    effect = Effect(0.1)
    little, much = (smallest_count_change(effect, H, events, 1.25) for events in (300.0, 3000.0))
    assert effect.size < much < little < 1
    assert smallest_count_change(effect, H, 10.0, 1.0) == math.inf
    assert smallest_answer_change(Effect(10.0), H, Answers(10.0, 80.0)) == math.inf
    assert 15 < smallest_answer_change(Effect(10.0), H, Answers(600.0, 78.0)) < 30


def test_thresholds_follow_from_the_budget() -> None:
    assert threshold(0.1, 1) == pytest.approx(11.5, abs=0.05)
    assert threshold(0.5, 3000) == pytest.approx(17.9, abs=0.05)
    assert silence_threshold(0.5, 1000) == pytest.approx(math.log(2016 * 1000 / 0.5))
    with pytest.raises(ValueError, match="above 0"):
        threshold(0.0, 10)
