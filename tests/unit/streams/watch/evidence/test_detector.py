"""The detector remembers the span that explains most, and no more than it may."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from touchstream.streams.watch.evidence.detector import Detector

EVIDENCE = st.lists(st.tuples(st.integers(-40, 30), st.integers(-40, 30)), min_size=1, max_size=60)


@settings(max_examples=200)
@given(EVIDENCE, st.integers(1, 9), st.integers(0, 30))
def test_the_detector_has_the_largest_sum_of_the_last_buckets(
    evidence: list[tuple[int, int]], within: int, first: int
) -> None:
    detector = Detector.fresh(within, 2, 1, first - 1)
    seen = np.array(evidence, dtype=float)
    for at, pair in enumerate(seen):
        number = first + at
        detector.add(number, pair[:, None], np.array([1.0]), np.array([2.0]))
        spans = [seen[at + 1 - length : at + 1].sum(axis=0) for length in range(min(within, at + 1) + 1)]
        best = np.max(spans, axis=0)
        assert detector.strongest(number)[0] == best.max()
        onset, change, base = detector.since_onset(number, np.array([0]))
        length = number - onset[0]
        assert spans[length].max() == best.max()
        assert (change[0], base[0]) == (length, 2 * length)


def test_a_restart_forgets_one_series_only() -> None:
    detector = Detector.fresh(5, 1, 2, -1)
    for number in range(4):
        detector.add(number, np.ones((1, 2)), np.ones(2), np.ones(2))
    detector.restart(3, np.array([True, False]))
    assert detector.strongest(3).tolist() == [0.0, 4.0]
    detector.add(4, np.ones((1, 2)), np.ones(2), np.ones(2))
    assert detector.strongest(4).tolist() == [1.0, 5.0]
