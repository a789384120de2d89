"""Evidence is an e-value: under the baseline its exponential has a mean of at most 1."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.streams.watch.evidence.effect import Effect
from touchstream.streams.watch.evidence.likelihood import AnswerLikelihood, CountLikelihood

SIZES = st.floats(0.05, 0.7)


def negative_binomial(mean: float, dispersion: float, upto: int) -> np.ndarray:
    """Logarithms of the probabilities of 0 … upto events by their recursion; Poisson's for φ = 1. Not code of ours."""
    logs = np.empty(upto + 1)
    if dispersion == 1.0:
        logs[0] = -mean
        logs[1:] = -mean + np.cumsum(np.log(mean) - np.log(np.arange(1, upto + 1)))
        return logs
    shape, share = mean / (dispersion - 1), 1 - 1 / dispersion
    k = np.arange(1, upto + 1)
    logs[0] = -shape * np.log(dispersion)
    logs[1:] = logs[0] + np.cumsum(np.log((shape + k - 1) / k * share))
    return logs


@settings(max_examples=40)
@given(st.floats(0.5, 300), st.sampled_from([1.0, 1.5, 2.0, 4.0]), SIZES, st.booleans())
def test_the_evidence_of_a_count_has_mean_one_under_its_baseline(
    mean: float, dispersion: float, size: float, falls: bool
) -> None:
    likelihood = CountLikelihood.of(Effect(size, falls), np.array([dispersion]))
    counts = np.arange(30_000)
    chances = negative_binomial(mean, dispersion, 29_999)
    for k in range(5):
        logs = likelihood.tilt[k, 0] * counts + likelihood.offset[k, 0] * mean
        # What lies above 30,000 events is left out: the sum can only be too small.
        assert 0.5 < np.exp(chances + logs).sum() <= 1 + 1e-6


@given(
    st.lists(st.integers(0, 500), min_size=2, max_size=11).filter(lambda bins: sum(bins) > 20),
    st.floats(0.01, 1.0),
    st.floats(1.0, 5.0),
    st.booleans(),
)
def test_the_evidence_of_an_answer_has_a_mean_of_at_most_one_under_its_reference(
    bins: list[int], size: float, dispersion: float, falls: bool
) -> None:
    values, histogram = np.arange(len(bins), dtype=float), np.array(bins, dtype=float)[:, None]
    slack = np.array([0.01])
    likelihood = AnswerLikelihood.of(Effect(size, falls), values, histogram, slack, np.array([dispersion]))
    shares = (histogram[:, 0] + 0.5) / (histogram[:, 0] + 0.5).sum()
    each = np.stack([likelihood.evidence(np.array([value]), np.ones(1))[:, 0] for value in values])
    assert np.all(shares @ np.exp(each) <= 1 + 1e-9)


def test_a_change_of_the_effect_makes_evidence_and_none_speaks_for_the_way_back() -> None:
    likelihood = CountLikelihood.of(Effect(0.2), np.array([1.0]))
    assert likelihood.evidence(np.array([800.0]), np.array([1000.0]))[0, 0] > 20
    assert likelihood.evidence(np.array([1000.0]), np.array([1000.0]))[0, 0] < -20
    assert likelihood.recovery(np.array([1000.0]), np.array([1000.0]))[0] > 20
    assert abs(likelihood.recovery(np.array([896.0]), np.array([1000.0]))[0]) < 1  # half of the effect: neither
