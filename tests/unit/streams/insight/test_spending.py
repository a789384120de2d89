"""What happier customers spend: the published estimator, the planted slope, and no slope where spending came first."""

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest

from tests.bench.insight.spending import simulate_spending, spenders
from tests.support.numbers import how_many
from touchstream.streams.insight.spending.model import (
    BUYERS_MIN,
    PEOPLE_MIN,
    SEGMENT_MIN,
    Spenders,
    TooFewBuyersError,
    bands,
    spending,
)
from touchstream.streams.insight.spending.poisson import NotSettledError, fit


def test_two_groups_differ_by_the_ratio_of_their_means_with_the_errors_of_means() -> None:
    random = np.random.default_rng(1)
    group = np.repeat([0.0, 1.0], [40, 60])
    amounts = np.round(random.exponential(np.where(group == 1, 3000, 2000)))
    found = fit(np.column_stack([group, np.ones(100)]), amounts)
    one, other = amounts[group == 1], amounts[group == 0]
    assert found.slopes == pytest.approx([log(one.mean() / other.mean()), log(other.mean())])
    # Leverage is 1/n in a group, so that its variance is that of a mean, times n ÷ (n - 1) once more.
    variance = sum(part.var(ddof=1) / (len(part) - 1) / part.mean() ** 2 for part in (one, other))
    assert sqrt(found.covariance[0, 0]) == pytest.approx(sqrt(variance))


def test_the_slopes_leave_residuals_that_go_with_no_column() -> None:
    random = np.random.default_rng(2)
    columns = np.column_stack([random.normal(size=(200, 2)), np.ones(200)])
    amounts = random.exponential(np.exp(columns @ [0.5, -1.0, 8.0])) * (random.random(200) < 0.5)
    residuals = amounts - np.exp(columns @ fit(columns, amounts).slopes)
    assert columns.T @ residuals == pytest.approx(np.zeros(3), abs=1e-6 * amounts.sum())


def test_a_fit_without_a_maximum_is_refused() -> None:
    group = np.repeat([0.0, 1.0], 50)
    with pytest.raises(NotSettledError, match="grow without end"):
        fit(np.column_stack([group, np.ones(100)]), 1 - group)
    with pytest.raises(NotSettledError, match="depend on each other"):
        fit(np.column_stack([group, group, np.ones(100)]), 1 + group)
    with pytest.raises(NotSettledError, match="all amounts are 0"):
        fit(np.ones((100, 1)), np.zeros(100))


def test_too_few_people_or_buyers_are_refused_with_how_many_are_needed() -> None:
    some = spenders(PEOPLE_MIN, 0.1, np.random.default_rng(1))
    assert spending(some).people == PEOPLE_MIN
    with pytest.raises(TooFewBuyersError, match="299 answered long enough ago"):
        spending(spenders(PEOPLE_MIN - 1, 0.1, np.random.default_rng(1)))
    buyers = np.flatnonzero(some.after)
    after = some.after.copy()
    after[buyers[BUYERS_MIN:]] = 0
    assert spending(replace(some, after=after)).buyers == BUYERS_MIN
    after[buyers[0]] = 0
    with pytest.raises(TooFewBuyersError, match="99 of them bought afterwards; 300 and 100 are needed"):
        spending(replace(some, after=after))


def test_scores_that_are_all_alike_are_refused() -> None:
    some = spenders(400, 0.1, np.random.default_rng(1))
    with pytest.raises(ValueError, match="all scores are alike"):
        spending(replace(some, score=np.full(400, 4.0)))


def test_segments_with_few_buyers_are_one_and_columns_that_say_nothing_are_left_out() -> None:
    some = spenders(600, 0.1, np.random.default_rng(1))
    assert spending(some).segments == 2
    buyers = np.flatnonzero(some.after)
    names = np.array(some.segment, dtype=object)
    # Too few buyers for a mean of their own are with one of the two others; as many as needed are apart.
    names[buyers[: SEGMENT_MIN - 1]] = "rare"
    assert spending(replace(some, segment=tuple(names))).segments == 2
    names[buyers[SEGMENT_MIN - 1]] = "rare"
    assert spending(replace(some, segment=tuple(names))).segments == 3
    idle = np.where(some.after == 0, "idle", names)
    assert spending(replace(some, segment=tuple(idle.tolist()))).segments == 3
    always = replace(some, before=np.full(600, 50.0), tenure_days=np.zeros(600))
    assert np.isfinite(spending(always).adjusted.percent)


def test_money_in_other_units_changes_no_percentage() -> None:
    some = spenders(500, 0.1, np.random.default_rng(1))
    found, larger = spending(some), spending(replace(some, after=some.after * 100, returned=some.returned * 100))
    assert larger.adjusted.percent == pytest.approx(found.adjusted.percent)
    assert larger.adjusted.p == pytest.approx(found.adjusted.p)
    assert larger.per_point == pytest.approx(100 * found.per_point)
    assert larger.returned == pytest.approx(found.returned)


def test_bands_are_plain_means_by_score() -> None:
    score, after, before = np.array([[4, 4.4, 2], [10, 20, 5], [1, 2, 3]])
    found = bands(Spenders(score, after, before, np.zeros(3), np.ones(3), ("", "", "")))
    assert [(band.score, band.people, band.mean_after, band.mean_before) for band in found] == [
        (2, 1, 5, 3), (4, 2, 15, 1.5),
    ]  # fmt: skip


@pytest.mark.parametrize("slope", [0.0, 0.15])
def test_a_planted_slope_is_found_and_spending_that_came_first_is_not_taken_for_one(slope: float) -> None:
    found = simulate_spending(people=1_000, slope=slope, runs=how_many(400, 1_000), seed=5)
    assert 0.93 <= found.covered <= 0.97
    assert abs(found.bias) < 2
    assert found.called <= 0.064 if slope == 0 else found.called >= 0.8
    assert found.called_plain > 0.9, "the negative control: without holding earlier spending all is a slope"
