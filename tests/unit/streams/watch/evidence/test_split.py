"""The split of a change is exact, and names what explains it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstream.streams.watch.evidence.split import split

GROUPS = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 500), st.floats(-100, 100), st.floats(-100, 100)),
    min_size=1,
    max_size=50,
).filter(lambda rows: sum(row[0] for row in rows) > 0 and sum(row[1] for row in rows) > 0)


@given(GROUPS)
def test_rate_and_mix_sum_to_the_change_also_where_groups_appear_and_vanish(
    rows: list[tuple[int, int, float, float]],
) -> None:
    before, after, mean0, mean1 = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = split((before * mean0, before), (after * mean1, after))
    change = (after * mean1).sum() / after.sum() - (before * mean0).sum() / before.sum()
    assert abs(found.change - change) < 1e-9
    assert abs(found.contribution.sum() - change) < 1e-9


def test_a_group_that_appears_is_mix_and_one_that_got_worse_is_rate() -> None:
    sums0, counts0 = np.array([80.0, 80.0, 0.0]), np.array([100.0, 100.0, 0.0])
    sums1, counts1 = np.array([80.0, 40.0, 20.0]), np.array([100.0, 100.0, 100.0])
    found = split((sums0, counts0), (sums1, counts1))
    assert found.rate[0] == found.rate[2] == 0
    assert found.rate[1] < 0
    assert found.mix[2] < 0


def test_the_groups_that_make_four_fifths_are_named_and_no_others() -> None:
    counts = np.full(10, 100.0)
    worse = np.full(10, 50.0)
    worse[3], worse[7] = 10.0, 30.0
    assert split((np.full(10, 50.0), counts), (worse, counts)).explaining() == [3, 7]
    assert split((np.full(10, 50.0), counts), (np.full(10, 50.0), counts)).explaining() == []


def test_one_planted_cause_among_fifty_groups_is_named_first() -> None:
    rng, named, runs = np.random.default_rng(7), 0, 100
    counts = np.full(50, 1600.0)
    for _ in range(runs):
        cause, shares = rng.integers(50), np.full(50, 0.7)
        before = rng.binomial(1600, shares).astype(float)
        shares[cause] = 0.35
        after = rng.binomial(1600, shares).astype(float)
        named += split((before, counts), (after, counts)).explaining()[:1] == [cause]
    assert named >= 95


def test_a_period_without_a_denominator_has_nothing_to_split() -> None:
    empty, one = np.zeros(1), np.ones(1)
    with pytest.raises(ValueError, match="without a denominator"):
        split((empty, empty), (one, one))
