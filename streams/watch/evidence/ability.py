"""Which series can never fire, and why: what they see is too little, or the metric can't move as far as that."""

from math import sqrt
from typing import Final

import numpy as np

from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_HOUR, Bools, Floats
from touchstream.streams.watch.evidence.effect import ESTIMATE_SHARE, Effect
from touchstream.streams.watch.evidence.judges import AnswerJudge, CountJudge
from touchstream.streams.watch.evidence.likelihood import moments
from touchstream.streams.watch.evidence.power import Answers, Change, answer_power, count_power
from touchstream.streams.watch.evidence.reference import LEARNING

NEVER: Final = 0.1
"""A series whose largest possible change would be found with less than this probability can't be judged."""
_HIGHEST_RISE: Final = 100.0  # times the effect of a rule on counts that rise


def most_expected(judge: CountJudge | AnswerJudge) -> Floats:
    """Events or answers expected in the busiest span of `within`; shape (series,)."""
    if isinstance(judge, CountJudge):
        history = judge.baseline.season.history
        known = np.maximum((~np.isnan(history)).sum(axis=0), 1)
        return _busiest(np.nansum(history, axis=0, dtype=np.float64) / known, judge.effect.within)
    return _busiest(judge.reference.hours.sum(axis=1), -(-judge.effect.within // BUCKETS_PER_HOUR))


def unable(judge: CountJudge | AnswerJudge) -> Bools:
    """Which series can never fire in their traffic; those that have not learnt for long enough can. Shape (series,)."""
    most = most_expected(judge)
    learnt = _has_looked(judge)
    found = np.zeros(len(most), dtype=bool)
    for place in np.flatnonzero(learnt):
        found[place] = _power(judge, int(place), float(most[place])) < NEVER
    return found


def reason(judge: CountJudge | AnswerJudge, place: int) -> str:
    """Why a series that is unable can't be judged."""
    most = float(most_expected(judge)[place])
    of, effect = ("events", judge.effect) if isinstance(judge, CountJudge) else ("answers", judge.effect)
    if most <= 0:
        return f"there were no {of} in the weeks that it learns from"
    span = f"{effect.within / BUCKETS_PER_HOUR:g} h"
    if most < effect.min_n:
        return f"{most:,.0f} {of} are expected in {span} at the most, and min_n is {effect.min_n:g}"
    if isinstance(judge, AnswerJudge) and _room(judge, place) < ESTIMATE_SHARE * effect.size:
        return "the metric is too near to the end of its scale to change by that much"
    return f"{most:,.0f} {of} in {span} at the most are too few to find even the largest change"


def _busiest(sums: Floats, length: int) -> Floats:
    """The largest sum over `length` rows in a row, around the end; sums (rows, series)."""
    length = min(length, len(sums))
    running = np.concatenate([np.zeros((1, sums.shape[1])), np.concatenate([sums, sums[:length]]).cumsum(axis=0)])
    busiest: Floats = (running[length:] - running[:-length]).max(axis=0)
    return busiest


def _has_looked(judge: CountJudge | AnswerJudge) -> Bools:
    if isinstance(judge, CountJudge):
        return ~judge.baseline.season.learning
    looked: Bools = judge.reference.buckets >= LEARNING
    return looked


def _room(judge: AnswerJudge, place: int) -> float:
    """How far the mean can move in the direction of the rule."""
    _, mean, _ = moments(judge.values, judge.reference.histogram[:, [place]])
    ends = float(mean[0] - judge.values.min()), float(judge.values.max() - mean[0])
    return ends[0] if judge.effect.falls else ends[1]


def _power(judge: CountJudge | AnswerJudge, place: int, most: float) -> float:
    effect: Effect = judge.effect
    if most < effect.min_n or most <= 0:
        return 0.0
    if isinstance(judge, CountJudge):
        largest = 1.0 if effect.falls else _HIGHEST_RISE * effect.size
        return count_power(effect, judge.h, most, float(judge.baseline.spread[place]), Change(largest, effect.within))
    _, _, variance = moments(judge.values, judge.reference.histogram[:, [place]])
    answers = Answers(most, sqrt(float(variance[0])), float(judge.spread[place]))
    return answer_power(effect, judge.h, answers, Change(_room(judge, place), effect.within))
