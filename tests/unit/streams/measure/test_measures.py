"""Sketch buckets and sentiment as integers."""

import math

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from touchstream.schemas.touchpoint import DURATION_MS_MAX
from touchstream.streams.measure.measures import ZERO_BUCKET, millionths, sketch_buckets

GAMMA = 1.01 / 0.99


@given(st.lists(st.integers(1, DURATION_MS_MAX)))
def test_a_bucket_stands_for_its_durations_within_one_per_cent(durations: list[int]) -> None:
    for duration, bucket in zip(durations, sketch_buckets(np.array(durations, np.int64)).tolist(), strict=True):
        estimate = 2 * GAMMA**bucket / (GAMMA + 1)
        assert abs(estimate - duration) <= 0.01 * duration + 1e-6


def test_buckets_are_the_logarithm_and_zero_has_its_own() -> None:
    durations = np.array([0, 1, 2, 10, 1_000, DURATION_MS_MAX], np.int64)
    expected = [ZERO_BUCKET, *(math.ceil(math.log(ms) / math.log(GAMMA)) for ms in durations[1:].tolist())]
    assert sketch_buckets(durations).tolist() == expected


@given(st.lists(st.none() | st.floats(-1, 1)))
def test_sentiment_becomes_millionths_and_nothing_stays_nothing(values: list[float | None]) -> None:
    micro = millionths(pl.Series(values, dtype=pl.Float64)).to_list()
    assert micro == [None if value is None else round(value * 1e6) for value in values]
