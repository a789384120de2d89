"""What can never fire is known beforehand, with its reason; what can is left alone."""

from dataclasses import replace

import numpy as np
import pytest

from tests.bench.alerts.traffic import NPS_VALUES
from touchstream.streams.watch.evidence.ability import most_expected, reason, unable
from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_WEEK
from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.judges import AnswerJudge, CountJudge
from touchstream.streams.watch.evidence.reference import LEARNING

DROP = Effect(0.2)


def counts(*per_bucket: float, effect: Effect = DROP) -> CountJudge:
    """Series of so many events in each bucket of the third hour of each day, which it knows."""
    judge = CountJudge.fresh(effect, 12.0, len(per_bucket), 0)
    history = judge.baseline.season.history
    history[:] = 0
    opened = (np.arange(BUCKETS_PER_WEEK) % 288) // 12 == 2
    history[:, opened] = per_bucket
    judge.baseline.season.buckets[:] = 4 * BUCKETS_PER_WEEK
    judge.baseline.season.weeks[:] = 4
    return judge


def answers(histogram: list[float], effect: Effect = Effect(10.0)) -> AnswerJudge:  # noqa: B008 - it is frozen
    judge = AnswerJudge.fresh(effect, 12.0, NPS_VALUES, np.ones(1), 0)
    judge.reference.hours[:] = np.array(histogram)[None, :, None] / 336
    judge.reference.histogram = np.array(histogram)[:, None]
    judge.reference.buckets[:] = LEARNING
    judge.recompute()
    return judge


def test_the_busiest_span_counts_and_too_little_traffic_can_never_fire() -> None:
    judge = counts(0.0, 1.0, 5.0, 50.0)
    assert most_expected(judge).tolist() == [0.0, 12.0, 60.0, 600.0]
    assert unable(judge).tolist() == [True, True, False, False]
    assert reason(judge, 0) == "there were no events in the weeks that it learns from"
    assert reason(judge, 1) == "12 events are expected in 6 h at the most, and min_n is 50"
    small = counts(1.0, effect=replace(DROP, min_n=1.0))
    assert unable(small).tolist() == [True]
    assert reason(small, 0) == "12 events in 6 h at the most are too few to find even the largest change"


def test_a_series_that_has_not_learnt_yet_is_not_called_unable() -> None:
    judge = counts(0.0)
    judge.baseline.season.buckets[:] = 10
    assert unable(judge).tolist() == [False]


@pytest.mark.parametrize(
    ("histogram", "can", "why"),
    [
        ([9000.0, 9000.0, 18000.0], True, ""),
        ([36000.0, 0.0, 30.0], False, "the metric is too near to the end of its scale"),
        ([900.0, 900.0, 1800.0], True, ""),
        ([90.0, 90.0, 180.0], False, "min_n is 50"),
        ([0.0, 0.0, 0.0], False, "there were no answers"),
    ],
)
def test_answers_are_too_few_or_too_near_to_the_end_of_their_scale(histogram: list[float], can: bool, why: str) -> None:
    judge = answers(histogram)
    assert bool(unable(judge)[0]) is not can
    assert can or why in reason(judge, 0)
