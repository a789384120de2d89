"""A rule over simulated traffic, as it would run live; and what its states say of planted changes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.bench.alerts.traffic import Changes, Traffic
from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_HOUR, BUCKETS_PER_WEEK, Bools, Floats, moment_of
from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.judges import AnswerJudge, CountJudge
from touchstream.streams.watch.evidence.states import AlertState


@dataclass(frozen=True)
class Run:
    """states (buckets, series) of what was judged, from bucket `first` on."""

    states: np.ndarray[Any, np.dtype[np.int8]]
    first: int

    @property
    def firings(self) -> Bools:
        """Where an alert began to fire; shape (buckets, series)."""
        firing = self._firing
        began = firing.copy()
        began[1:] &= ~firing[:-1]
        return began

    @property
    def _firing(self) -> Bools:
        found: Bools = (self.states == AlertState.FIRING) | (self.states == AlertState.RECOVERING)
        return found

    @property
    def series_weeks(self) -> float:
        return float(self.states.size) / BUCKETS_PER_WEEK

    @property
    def false_per_ten(self) -> float:
        """Firings per ten series-weeks."""
        return 10 * float(self.firings.sum()) / self.series_weeks


def judge_of(traffic: Traffic, effect: Effect, h: float) -> CountJudge | AnswerJudge:
    series = len(traffic.hourly)
    if traffic.answers is None:
        return CountJudge.fresh(effect, h, series, -1)
    return AnswerJudge.fresh(effect, h, traffic.answers[0], np.ones(series), -1)


def simulate(traffic: Traffic, effect: Effect, h: float, weeks: tuple[int, int], seed: int) -> Run:
    """weeks: of history, and then judged. Baseline and dispersion are estimated by the judge alone, as live."""
    judge, (history, judged) = judge_of(traffic, effect, h), weeks
    first = history * BUCKETS_PER_WEEK
    states = np.zeros((judged * BUCKETS_PER_WEEK, len(traffic.hourly)), dtype=np.int8)
    for number, bucket in enumerate(traffic.buckets(np.random.default_rng(seed), history + judged)):
        state = judge.step(moment_of(number), bucket).state
        if number >= first:
            states[number - first] = state
    return Run(states, first)


@dataclass(frozen=True)
class Outcomes:
    """What became of each planted change; shapes (changes,). delay: buckets from start to firing, NaN where none."""

    found: Bools
    delay: Floats
    again: Bools
    resolved_within: Bools
    late: Bools
    end_delay: Floats
    false: int


def outcomes(run: Run, changes: Changes, after: int = 24 * BUCKETS_PER_HOUR) -> Outcomes:
    """found: fired between start and end. late: fired only within an hour of the end. false: any other firing."""
    began, number = run.firings, len(changes.series)
    found, again, resolved, late = (np.zeros(number, dtype=bool) for _ in range(4))
    delay, end_delay = np.full(number, np.nan), np.full(number, np.nan)
    excused = np.zeros_like(began)
    for at in range(number):
        series, start, end = changes.series[at], changes.start[at] - run.first, changes.end[at] - run.first
        fired = np.flatnonzero(began[start : end + after, series])
        excused[start : end + BUCKETS_PER_HOUR, series] = True
        within = fired[fired < end - start]
        found[at] = len(within) > 0
        late[at] = not found[at] and bool(np.any(fired < end - start + BUCKETS_PER_HOUR))
        if not found[at]:
            continue
        delay[at] = within[0] + 1
        again[at] = len(fired) > 1
        ended = np.flatnonzero(run.states[start + within[0] : end + after, series] == AlertState.RESOLVED) + within[0]
        resolved[at] = bool(np.any(ended < end - start))
        back = ended[ended >= end - start]
        if len(back):
            end_delay[at] = back[0] + 1 - (end - start)
    return Outcomes(found, delay, again, resolved, late, end_delay, int((began & ~excused).sum()))


def planted(rng: np.random.Generator, run: tuple[int, int], choices: tuple[Floats, Floats], series: int) -> Changes:
    """A change of each series in each judged week, on a day by chance, at working hours; sizes and lengths by chance.

    run: first and last bucket. choices: sizes, and lengths in hours.
    """
    day = 24 * BUCKETS_PER_HOUR
    weeks = np.arange(run[0], run[1], BUCKETS_PER_WEEK)
    which = np.tile(np.arange(series), len(weeks))
    length = rng.choice(choices[1], len(which)) * BUCKETS_PER_HOUR
    start = (
        np.repeat(weeks, series)
        + rng.integers(0, 6, len(which)) * day
        + rng.integers(9 * BUCKETS_PER_HOUR, 13 * BUCKETS_PER_HOUR, len(which))
    )
    return Changes(which, start, start + length.astype(np.int64), rng.choice(choices[0], len(which)))
