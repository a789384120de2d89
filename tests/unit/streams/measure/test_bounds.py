"""What a lane holds in memory is bounded, whatever arrives, and letting go of it changes no row."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from touchstream.schemas.codec import WriterSchemas
from touchstream.schemas.journey import Journeys
from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.touchpoint import NUMBER_COLUMNS
from touchstream.streams.measure.definitions import Definitions
from touchstream.streams.measure.duplicates import CountedIds, Seen
from touchstream.streams.measure.lane import PENDING_ROW_BYTES, Lane
from touchstream.streams.measure.panes import LABELS_MAX, Panes
from touchstream.streams.measure.records import Records

JOURNEY = '{"format": 1, "journeys": [{"id": "shop", "stages": [{"id": "use"}]}]}'
DEFINITIONS = Definitions("v", Journeys(JOURNEY), 60_000, 86_400_000, 0)
NOW_MS = 1_790_000_000_000
TEN_SECONDS_MS = 10_000


def lane(definitions: Definitions = DEFINITIONS) -> Lane:
    return Lane(LaneRow("touchpoints", 0, "log", 1, 0, 0, 0, "v"), definitions, WriterSchemas(None), lambda keys: keys)


def records(values: Iterable[bytes], first: int = 0) -> Records:
    held = list(values)
    size = len(held)
    return Records(
        np.arange(first, first + size), np.full(size, NOW_MS), [b"k"] * size, held, [()] * size
    )  # fmt: skip


def touched(panes: Panes, names: Iterable[str], offset: int, at_ms: int, **changes: Any) -> None:
    """One touch of each name."""
    series = panes.series(("shop", "use", "web", name, "") for name in names)
    size = len(series)
    columns: dict[str, Any] = {
        "log_offset": range(offset, offset + size), "series": series, "occurred_at": [at_ms] * size,
        "counted": [True] * size, "conflicting": [False] * size,
        "late": [False] * size, "action": ["contact"] * size, "outcome": [""] * size,
        "currency": [""] * size, "instrument": ["stars"] * size, **dict.fromkeys(NUMBER_COLUMNS, [None] * size),
    } | changes  # fmt: skip
    numbers = dict.fromkeys(("log_offset", *NUMBER_COLUMNS), pl.Int64)
    panes.apply(pl.DataFrame(columns, schema_overrides=numbers | {"series": pl.UInt32}))


def written(panes: Panes) -> pa.Table:
    rows = panes.changed()
    panes.acknowledged()
    return rows


def test_names_made_up_anew_for_each_event_are_forgotten_with_their_panes() -> None:
    panes, offset = Panes(), 0
    for batch in range(20):
        touched(panes, (f"{batch}-{n}" for n in range(500)), offset, NOW_MS + batch * TEN_SECONDS_MS)
        offset += 500
        written(panes)
        panes.evict(900, LABELS_MAX)
    assert (len(panes), panes.names <= 2 * 900 + 1_000) == (900, True)


def test_panes_that_stay_keep_their_names_and_sums_when_others_are_forgotten() -> None:
    panes = Panes()
    touched(panes, (f"old-{n}" for n in range(3_000)), 0, NOW_MS - 86_400_000)
    touched(panes, ("kept",), 3_000, NOW_MS)
    written(panes)
    panes.evict(3, LABELS_MAX)
    assert panes.names == 1
    touched(panes, ("new", "kept"), 3_001, NOW_MS)
    rows = written(panes).to_pylist()
    found = {(row["touchpoint"], row["resolution_s"]): row["touches"] for row in rows}
    assert found == {("kept", s): 2 for s in (10, 300, 3600)} | {("new", s): 1 for s in (10, 300, 3600)}


def test_sketches_with_many_buckets_leave_with_the_oldest_panes() -> None:
    panes = Panes()
    for batch in range(10):
        durations = [3**n for n in range(20)]
        touched(panes, ["slow"] * 20, batch * 20, NOW_MS + batch * TEN_SECONDS_MS, duration_ms=durations)
        written(panes)
    held = len(panes)
    panes.evict(1_000, labels_max=100)
    kept = panes.changed().num_rows
    assert (0 < len(panes) < held, kept) == (True, 0)
    assert sum(map(len, panes._maps.values())) <= 100


def test_panes_that_wait_for_an_insert_stay_whatever_the_limits() -> None:
    panes = Panes()
    touched(panes, (f"n{n}" for n in range(50)), 0, NOW_MS, duration_ms=list(range(50)))
    panes.changed()
    panes.evict(0, labels_max=0)
    assert (len(panes), panes.names) == (150, 50)


def test_events_and_dead_letters_count_by_their_size_while_they_wait() -> None:
    one = lane()
    event = (
        b'{"event_id":"e%d","occurred_at":%d,"customer_id":"c","channel":"a","touchpoint":"t","attributes":{"a":"%s"}}'
    )
    one.take(records(event % (n, NOW_MS, b"") for n in range(10)))
    assert one.pending_rows == 10
    one.take(records([event % (99, NOW_MS, b"x" * 50 * PENDING_ROW_BYTES)], 10))
    assert 60 <= one.pending_rows <= 70
    one.take(records([b"\x00" * 30 * PENDING_ROW_BYTES], 11))
    assert 91 <= one.pending_rows <= 101
    one.flush_rows()
    assert one.pending_rows == 0


def test_panes_of_duplicates_alone_count_as_waiting() -> None:
    one = lane()
    event = b'{"event_id":"e","occurred_at":%d,"customer_id":"c","channel":"web","touchpoint":"t%d"}'
    one.take(records(event % (NOW_MS, n) for n in range(100)))
    assert one.outcomes["duplicate"] == 99
    assert one.pending_rows == 100


def test_whatever_comes_a_lane_remembers_the_ids_of_no_more_than_so_many_events() -> None:
    one = lane(replace(DEFINITIONS, duplicate_ids_max=1_000))
    event = b'{"event_id":"e%d","occurred_at":%d,"customer_id":"c","channel":"web","touchpoint":"t"}'
    for first in range(0, 10_000, 500):
        one.take(records((event % (n, NOW_MS) for n in range(first, first + 500)), first))
        one.flush_rows()
        one.flushed(panes_max=100)
        assert len(one.counted_ids) <= 2 * 1_000
    assert one.row.ids_from == 9_000
    one.take(records([event % (n, NOW_MS) for n in (9_001, 8_998, 9_999)], 10_000))
    assert (one.outcomes["counted"], one.outcomes["duplicate"]) == (10_001, 2)


def test_after_a_burst_of_ids_its_memory_is_given_back() -> None:
    ids = CountedIds()
    numbers, zeros = np.arange(100_000), np.zeros(100_000, np.int64)
    says = zeros.astype(np.uint64)
    ids.count(pl.Series([f"e{n}" for n in range(100_000)]), Seen(numbers, numbers, zeros, zeros, says))
    ids.forget(clocks_from=99_000, offsets_from=0)
    index = ids._index
    arrays = (index._high, index._low, index._slots, ids._clocks, ids._offsets, ids._contents)
    assert (len(ids), sum(array.nbytes for array in arrays) < 60 * 1_000) == (1_000, True)
    now = np.array([100_000] * 2)
    where = Seen(now, now, zeros[:2], zeros[:2], says[:2])
    assert ids.count(pl.Series(["e1", "e99500"]), where).duplicate.tolist() == [False, True]


def test_a_lane_tells_how_many_labels_its_panes_hold() -> None:
    panes = Panes()
    currencies = ["EUR", "USD"]
    touched(panes, ["a", "a"], 0, NOW_MS, duration_ms=[1, 1], revenue_minor=[1, 2], currency=currencies)
    assert panes.labels == 3 * (1 + len(currencies))
