"""Which events count: the verdict depends on ids, lane clocks and offsets alone."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from touchstream.streams.measure.duplicates import CountedIds, Seen, Verdicts

HORIZON_MS = 10
OFFSETS_MAX = 7
Event = tuple[str, int, int]
"""An id, how far the clock moves on, and what the event says."""
events = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 4), st.integers(0, 2)), max_size=60)


def plain(log: list[Event]) -> list[tuple[bool, bool]]:
    """The definition, one event after the other: whether it is a duplicate, and whether it says something else."""
    verdicts, last, clock = [], dict[str, tuple[int, int, int]](), 0
    for offset, (event_id, step, says) in enumerate(log):
        clock += step
        counted_clock, counted_at, said = last.get(event_id, (-1_000, -1_000, says))
        duplicate = counted_clock >= clock - HORIZON_MS and counted_at >= offset - OFFSETS_MAX
        verdicts.append((duplicate, duplicate and said != says))
        if not duplicate:
            last[event_id] = clock, offset, says
    return verdicts


def seen(log: list[Event], first: int = 0) -> Seen:
    """Where the events of a log stand that begins at an offset."""
    clocks = np.cumsum([step for _, step, _ in log], dtype=np.int64)
    offsets = np.arange(first, first + len(log))
    says = np.array([says for _, _, says in log], np.uint64)
    return Seen(clocks, offsets, clocks - HORIZON_MS, offsets - OFFSETS_MAX, says)


def pairs(verdicts: Verdicts) -> list[tuple[bool, bool]]:
    return list(zip(verdicts.duplicate.tolist(), verdicts.conflicting.tolist(), strict=True))


@given(events, st.sampled_from([0, -5, 2**31 - 3, 2**40]), st.data())
def test_an_id_counts_once_within_both_bounds_wherever_batches_are_cut(
    log: list[Event], first: int, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=5)))
    where = seen(log, first)
    ids, found = CountedIds(), list[tuple[bool, bool]]()
    for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        batch = pl.Series([event_id for event_id, _, _ in log[start:end]], dtype=pl.String)
        found += pairs(ids.count(batch, where[start:end]))
        if data.draw(st.booleans()) and end:
            ids.forget(int(where.clocks_from[end - 1]), int(where.offsets_from[end - 1]))
    assert found == plain(log)


@given(events)
def test_ids_loaded_after_a_take_over_judge_as_those_that_were_remembered(log: list[Event]) -> None:
    names = pl.Series([event_id for event_id, _, _ in log], dtype=pl.String)
    half = len(log) // 2
    before, after = seen(log)[:half], seen(log)[half:]
    remembered, loaded = CountedIds(), CountedIds()
    counted = ~remembered.count(names[:half], before).duplicate
    kept = before[counted]
    loaded.load(names[:half].filter(pl.Series(counted)), kept.clocks, kept.offsets, kept.contents)
    assert pairs(loaded.count(names[half:], after)) == pairs(remembered.count(names[half:], after))


@given(st.lists(st.sampled_from([1, 2**20, 2**30 - 1, 2**30, 2**30 + 1, 2**31, 2**33]), max_size=30))
def test_offsets_further_apart_than_32_bits_are_told_apart(gaps: list[int]) -> None:
    offsets_max = 2**30
    ids, last, at = CountedIds(), dict[str, int](), 0
    for number, gap in enumerate(gaps):
        at += gap
        name, zero = f"e{number % 2}", np.zeros(1, np.int64)
        place = np.array([at])
        where = Seen(zero, place, zero, place - offsets_max, zero.astype(np.uint64))
        duplicate = ids.count(pl.Series([name]), where).duplicate[0]
        assert duplicate == (name in last and last[name] >= at - offsets_max)
        if not duplicate:
            last[name] = at
