"""A feed is silent when nothing comes where something was expected, and never where nothing was."""

import numpy as np
import pytest

from touchstream.streams.watch.evidence.buckets import BUCKETS_PER_WEEK, moment_of
from touchstream.streams.watch.evidence.silence import FeedJudge, silence_evidence
from touchstream.streams.watch.evidence.threshold import silence_threshold


def test_the_evidence_of_a_silent_bucket_is_its_probability() -> None:
    assert silence_evidence(np.array([5.0]), np.array([1.0]))[0] == pytest.approx(5.0)
    # (1/φ)^(μ/(φ−1)), the probability of nothing under a negative binomial
    assert np.exp(-silence_evidence(np.array([5.0]), np.array([3.0]))[0]) == pytest.approx((1 / 3) ** 2.5)


def test_a_closed_shop_is_not_silent_and_an_open_one_is() -> None:
    hour = np.arange(BUCKETS_PER_WEEK) % 288 / 12
    opened = np.where((hour >= 9) & (hour < 20), 8.0, 0.0)
    judge, rng = FeedJudge.fresh(silence_threshold(0.5, 1), 1), np.random.default_rng(4)
    for number in range(2 * BUCKETS_PER_WEEK):
        assert not judge.step(moment_of(number), rng.poisson(opened[[number % BUCKETS_PER_WEEK]]).astype(float))[0]
    silent = [bool(judge.step(moment_of(2 * BUCKETS_PER_WEEK + slot), np.zeros(1))[0]) for slot in range(12 * 12)]
    assert 9 * 12 < silent.index(True) < 9 * 12 + 4
    assert not judge.step(moment_of(2 * BUCKETS_PER_WEEK + 144), np.ones(1))[0]
