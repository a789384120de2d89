"""A rule over many series: what fires, what ends it, and that a stored state goes on as if nothing had happened."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.alerts.simulation import outcomes, simulate
from tests.bench.alerts.traffic import NPS_SHARES, NPS_VALUES, Changes, Traffic
from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_DAY, BUCKETS_PER_WEEK, Floats, moment_of
from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.judges import AnswerJudge, CountJudge, Flags
from touchstream.streams.watch.evidence.reference import share_above
from touchstream.streams.watch.evidence.states import AlertState
from touchstream.streams.watch.evidence.stored import grow, packed, unpack
from touchstream.streams.watch.evidence.threshold import threshold

H = threshold(0.1, 1)
DROP, POINTS = Effect(0.2), Effect(10.0)
FIRST = 4 * BUCKETS_PER_WEEK


def steady(effect: Effect = DROP, per_bucket: float = 50.0) -> tuple[CountJudge, int]:
    """A judge that knows one flat series well, and the next bucket's number."""
    judge = CountJudge.fresh(effect, H, 1, FIRST - 1)
    judge.baseline.season.history[:] = per_bucket
    judge.baseline.season.buckets[:] = FIRST
    judge.baseline.season.level_counts[:] = judge.baseline.season.level_slots[:] = 1000 * per_bucket
    return judge, FIRST


def states(judge: CountJudge, first: int, counts: list[float], flags: Flags | None = None) -> list[AlertState]:
    return [AlertState(judge.step(moment_of(first + at), np.array([x]), flags).state[0]) for at, x in enumerate(counts)]


def surveyed() -> tuple[AnswerJudge, int]:
    judge = AnswerJudge.fresh(POINTS, H, NPS_VALUES, np.ones(1), FIRST - 1)
    judge.reference.hours[:] = (480 * NPS_SHARES)[None, :, None]
    judge.reference.histogram = judge.reference.hours.sum(axis=0)
    judge.reference.buckets[:] = FIRST
    judge.recompute()
    return judge, FIRST


def test_a_drop_fires_recovers_by_evidence_and_is_resolved() -> None:
    judge, first = steady()
    found = states(judge, first, [50.0] * 3 + [30.0] * 6 + [50.0] * 10)
    assert found[:4] == [AlertState.OK] * 4
    fired = found.index(AlertState.FIRING)
    assert 4 <= fired < 9
    recovering, resolved = found.index(AlertState.RECOVERING), found.index(AlertState.RESOLVED)
    assert 9 <= recovering < resolved
    assert set(found[resolved + 1 :]) == {AlertState.OK}


def test_a_lasting_drop_is_not_resolved_by_time_alone_and_expires_as_the_new_norm() -> None:
    judge, first = steady(replace(DROP, expires=BUCKETS_PER_DAY))
    found = states(judge, first, [35.0] * (BUCKETS_PER_DAY + 40))
    assert AlertState.RESOLVED not in found
    assert found.index(AlertState.EXPIRED) == found.index(AlertState.FIRING) + BUCKETS_PER_DAY
    assert set(found[-20:]) == {AlertState.OK}


def test_a_drop_that_comes_half_way_back_goes_on_firing() -> None:
    judge, first = steady()
    found = states(judge, first, [25.0] * 6 + [42.0] * 100)
    assert found[-1] == AlertState.FIRING
    assert AlertState.RESOLVED not in found


def test_evidence_that_must_last_is_pending_first() -> None:
    judge, first = steady(replace(DROP, pending_for=3))
    found = states(judge, first, [20.0] * 8)
    pending = found.index(AlertState.PENDING)
    assert found[pending : pending + 4] == [AlertState.PENDING] * 3 + [AlertState.FIRING]


def test_a_change_below_three_quarters_of_the_effect_never_fires_however_long() -> None:
    judge, first = steady(per_bucket=5000.0)
    assert set(states(judge, first, [5000 * 0.87] * 200)) == {AlertState.OK}


def test_too_few_expected_events_never_fire_and_total_silence_does() -> None:
    few, first = steady(replace(DROP, min_n=500, within=9))
    assert set(states(few, first, [0.0] * 30)) == {AlertState.OK}
    enough, first = steady()
    assert AlertState.FIRING in states(enough, first, [0.0] * 2)


def test_a_muted_series_is_judged_neither_worse_nor_better() -> None:
    muted, able = np.array([True]), np.array([False])
    judge, first = steady()
    assert set(states(judge, first, [0.0] * 50, Flags(muted, able, able))) == {AlertState.NO_DATA}
    assert set(states(judge, first + 50, [50.0] * 20)) == {AlertState.OK}
    assert states(judge, first + 70, [0.0] * 4, Flags(able, able, muted))[-1] == AlertState.UNABLE


def test_a_firing_series_does_not_move_its_baseline() -> None:
    judge, first = steady()
    states(judge, first, [30.0] * 150)
    assert float(judge.baseline.season.level[0]) > 0.98
    survey, first = surveyed()
    before = survey.reference.histogram.copy()
    for at in range(150):
        survey.step(moment_of(first + at), np.array([[20.0], [10.0], [10.0]]))
    assert survey.lifecycle.state[0] == AlertState.FIRING
    assert np.array_equal(survey.reference.histogram, before)


def test_an_nps_that_falls_fires_and_one_that_stays_does_not() -> None:
    judge, first = surveyed()
    usual, fallen = np.array([[10.0], [10.0], [20.0]]), np.array([[14.0], [10.0], [16.0]])
    assert all(judge.step(moment_of(first + at), usual).state[0] == AlertState.OK for at in range(100))
    found = [AlertState(judge.step(moment_of(first + 100 + at), fallen).state[0]) for at in range(30)]
    assert AlertState.FIRING in found
    found = [AlertState(judge.step(moment_of(first + 130 + at), usual).state[0]) for at in range(60)]
    assert AlertState.RESOLVED in found


def test_durations_are_the_share_above_the_references_95th_percentile() -> None:
    reference = np.full(100, 10.0)
    counts, share = share_above(reference, np.full((100, 3), 2.0))
    assert share == pytest.approx(0.05)
    assert counts[1].tolist() == [10.0, 10.0, 10.0]
    with pytest.raises(ValueError, match="no durations"):
        share_above(np.zeros(5), np.zeros((5, 1)))


def copied(judge: Any, fresh: Any) -> Any:
    """A new judge with every series of another, by way of what is stored."""
    unpack(fresh, packed(judge))
    fresh.recompute()
    return fresh


def same(one: Any, other: Any) -> bool:
    return packed(one) == packed(other)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 2**32))
def test_counts_judged_from_a_stored_state_are_judged_as_if_in_one_go(stops: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole, first = CountJudge.fresh(DROP, H, 2, FIRST - 1), FIRST
    whole.baseline.season.history[:] = 20.0
    whole.baseline.season.buckets[:] = FIRST
    parts = copied(whole, CountJudge.fresh(DROP, H, 2, FIRST - 1))
    number = first
    for stop in stops:
        for _ in range(stop):
            counts = rng.poisson([20.0, 5.0 if number % 50 > 10 else 20.0]).astype(float)
            moment = moment_of(number)
            one, other = whole.step(moment, counts), parts.step(moment, counts)
            assert one.state.tolist() == other.state.tolist()
            number += 1
        parts = copied(parts, CountJudge.fresh(DROP, H, 2, number - 1))
        assert same(whole, parts)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 2**32))
def test_answers_judged_from_a_stored_state_are_judged_as_if_in_one_go(stops: list[int], seed: int) -> None:
    rng, deff = np.random.default_rng(seed), np.array([1.0, 1.3])
    whole = AnswerJudge.fresh(POINTS, H, NPS_VALUES, deff, FIRST - 1)
    whole.reference.hours[:] = (300 * NPS_SHARES)[None, :, None]
    whole.reference.buckets[:] = FIRST
    whole.reference.histogram = whole.reference.hours.sum(axis=0)
    whole.recompute()
    parts, number = copied(whole, AnswerJudge.fresh(POINTS, H, NPS_VALUES, np.ones(2), FIRST - 1)), FIRST
    for stop in stops:
        for _ in range(stop):
            low = 0.25 + 0.3 * (number % 60 > 20)
            answers = rng.multinomial(30, [low, 0.25, 0.75 - low], 2).T.astype(float)
            one, other = whole.step(moment_of(number), answers), parts.step(moment_of(number), answers)
            assert one.state.tolist() == other.state.tolist()
            number += 1
        parts = copied(parts, AnswerJudge.fresh(POINTS, H, NPS_VALUES, np.ones(2), number - 1))
        assert same(whole, parts)


def test_a_stored_state_of_another_rule_is_refused() -> None:
    content = packed(steady()[0])
    with pytest.raises(ValueError, match="has the shape"):
        unpack(CountJudge.fresh(replace(DROP, within=12), H, 1, FIRST - 1), content)
    with pytest.raises(ValueError, match="has other parts"):
        unpack(AnswerJudge.fresh(POINTS, H, NPS_VALUES, np.ones(1), FIRST - 1), content)


def test_a_series_that_joins_later_is_judged_as_one_that_was_alone() -> None:
    rng = np.random.default_rng(3)
    both, alone = CountJudge.fresh(DROP, H, 1, FIRST - 1), CountJudge.fresh(DROP, H, 1, FIRST + 499)
    for number in range(FIRST, FIRST + 1500):
        count = float(rng.poisson(20))
        if number == FIRST + 500:
            grow(both, CountJudge.fresh(DROP, H, 1, number - 1))
            both.recompute()
        if number < FIRST + 500:
            both.step(moment_of(number), np.array([count]))
        else:
            both.step(moment_of(number), np.array([count, count + 1]))
            alone.step(moment_of(number), np.array([count + 1]))
    joined, own = both.baseline, alone.baseline
    assert np.array_equal(joined.season.history[..., 1:], own.season.history, equal_nan=True)
    assert joined.season.buckets[1] == own.season.buckets[0] == 1_000


def test_a_thin_reference_has_a_slack_of_two_standard_errors() -> None:
    judge, _ = surveyed()
    deviation = np.sqrt(6875.0)  # of one answer: 100² · 0.75 − 25²
    for answers, errors in ((100_000.0, 1), (400.0, 2)):
        judge.reference.histogram = answers * NPS_SHARES[:, None]
        slack = judge.reference.slack(POINTS, NPS_VALUES, np.ones(1))
        assert slack[0] == pytest.approx(errors * deviation / np.sqrt(answers), rel=0.01)


def rates(*hourly: float) -> Floats:
    return np.repeat(hourly, 3).astype(float)


def test_nothing_planted_nothing_fires() -> None:
    counts = simulate(Traffic(rates(100, 1000), np.resize([1.0, 3.0], 6)), DROP, threshold(0.1, 6), (2, 1), 20261130)
    answers = Traffic(rates(100, 1000), answers=(NPS_VALUES, NPS_SHARES))
    assert counts.firings.sum() == 0
    assert simulate(answers, POINTS, threshold(0.1, 6), (2, 1), 20261130).firings.sum() == 0


def test_a_planted_drop_is_found_once_and_its_alert_ends_after_it() -> None:
    series = np.arange(3)
    start = np.full(3, 2 * BUCKETS_PER_WEEK + 9 * 12)
    changes = Changes(series, start, start + 36, np.full(3, -0.4))
    found = outcomes(simulate(Traffic(rates(1000), changes=changes), DROP, H, (2, 1), 1), changes)
    assert found.found.all()
    assert not found.again.any()
    assert not found.resolved_within.any()
    assert (found.end_delay < 24).all()
    assert found.false == 0
