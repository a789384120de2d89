"""An interval is cut into panes so that every instant in it is measured once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstream.sinks.clickhouse.metrics.exact import FAR_MS, Cut, IntervalError

STEPS_MS = (1, 10_000, 300_000, 3_600_000)
# Around edges of panes, on both sides of 1970; wide and narrow.
INSTANTS = st.builds(
    lambda hour, step, off: hour * 3_600_000 + step + off,
    st.integers(-30, 30),
    st.sampled_from([0, 10_000, 300_000, 310_000, 3_590_000]),
    st.sampled_from([-1, 0, 1, 5_000]),
)


def pieces(cut: Cut) -> list[tuple[int, int, int]]:
    """(length of panes in ms, from, to), from the interval's start to its end; 1 stands for raw events."""
    bounds = list(vars(cut).values())
    return list(zip((1, 10_000, 300_000, 3_600_000, 300_000, 10_000, 1), bounds[:-1], bounds[1:], strict=True))


@given(INSTANTS, INSTANTS)
def test_the_pieces_follow_each_other_and_are_whole_panes(one: int, other: int) -> None:
    if one == other:
        return
    cut = Cut.of(min(one, other), max(one, other))
    assert (cut.raw_from, cut.raw_to) == (min(one, other), max(one, other))
    for step, start, end in pieces(cut):
        assert start <= end
        assert start == end or start % step == end % step == 0


@given(INSTANTS, INSTANTS)
def test_the_coarsest_panes_that_fit_are_used(one: int, other: int) -> None:
    if one == other:
        return
    cut = Cut.of(min(one, other), max(one, other))
    coarser = {1: 10_000, 10_000: 300_000, 300_000: 3_600_000}
    for step, start, end in pieces(cut):
        if step in coarser and start < end:
            assert -(-start // coarser[step]) * coarser[step] >= end // coarser[step] * coarser[step]


def test_an_interval_without_bounds_is_whole_hours() -> None:
    assert pieces(Cut.of(None, None))[3] == (3_600_000, -FAR_MS, FAR_MS)
    assert Cut.of(None, None).ragged_tens() == []


@pytest.mark.parametrize(
    ("start", "end", "ragged"),
    [
        (0, 10_000, []),
        (3, 20_000, [0]),
        (0, 20_003, [20_000]),
        (3, 20_003, [0, 20_000]),
        (3, 7, [0]),
        (3, 10_003, [0, 10_000]),
        (-7, 0, [-10_000]),
    ],
)
def test_ten_seconds_that_are_covered_in_part_are_known(start: int, end: int, ragged: list[int]) -> None:
    assert Cut.of(start, end).ragged_tens() == ragged


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5)])
def test_an_empty_interval_is_refused(start: int, end: int) -> None:
    with pytest.raises(IntervalError, match="empty"):
        Cut.of(start, end)
