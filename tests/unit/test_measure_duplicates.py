"""Which events count: the verdict depends on ids and lane clocks alone."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from streams.measure.duplicates import CountedIds

HORIZON_MS = 10
events = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 4)), max_size=60)


def plain(log: list[tuple[str, int]]) -> list[bool]:
    """The definition, one event after the other; the second number is how far the clock moves on."""
    verdicts, last, clock = [], dict[str, int](), 0
    for event_id, step in log:
        clock += step
        duplicate = event_id in last and last[event_id] >= clock - HORIZON_MS
        verdicts.append(duplicate)
        if not duplicate:
            last[event_id] = clock
    return verdicts


@given(events, st.data())
def test_an_id_counts_once_within_the_horizon_wherever_batches_are_cut(
    log: list[tuple[str, int]], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=5)))
    clocks = np.cumsum([step for _, step in log], dtype=np.int64)
    ids, found = CountedIds(), list[bool]()
    for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        batch = pl.Series([event_id for event_id, _ in log[start:end]], dtype=pl.String)
        found += ids.count(batch, clocks[start:end], clocks[start:end] - HORIZON_MS).tolist()
        if data.draw(st.booleans()) and end:
            ids.forget(int(clocks[end - 1]) - HORIZON_MS)
    assert found == plain(log)


@given(events)
def test_ids_loaded_after_a_take_over_judge_as_those_that_were_remembered(log: list[tuple[str, int]]) -> None:
    clocks = np.cumsum([step for _, step in log], dtype=np.int64)
    names = pl.Series([event_id for event_id, _ in log], dtype=pl.String)
    half = len(log) // 2
    remembered, loaded = CountedIds(), CountedIds()
    counted = ~remembered.count(names[:half], clocks[:half], clocks[:half] - HORIZON_MS)
    loaded.load(names[:half].filter(pl.Series(counted)), clocks[:half][counted])
    rest = (names[half:], clocks[half:], clocks[half:] - HORIZON_MS)
    assert loaded.count(*rest).tolist() == remembered.count(*rest).tolist()
