"""What a lane keeps in memory of a customer, and of an event id that it remembers, each measured in a fresh process.

A lane keeps nothing of a customer: unique customers are counted from raw events, visits from touches, both in
ClickHouse. So a lane that has met a million people once is compared with one that has met one person a million times.
"""

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from tests.bench.events import Events, _hexadecimal, generate
from tests.bench.growth import Growth, lines
from tests.bench.stages import _lane
from touchstream.streams.measure.duplicates import CountedIds, Seen
from touchstream.streams.measure.hash_index import HashIndex
from touchstream.streams.measure.records import Records

SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000)
CUSTOMER_BYTES_AIM: Final = 200
ID_BYTES_AIM: Final = 40
_BATCH: Final = 50_000
_PANES_MAX: Final = 200_000
_END_MS: Final = 1_790_000_000_000
_PAGE_BYTES: Final = 4096


def memory_of_ids(sizes: Sequence[int]) -> Growth:
    """Bytes of the memory of event ids, by how many are in it."""
    rows = []
    for size in sizes:
        resident, arrays = _measured("ids", size, size)
        rows.append({"event ids": size, "resident MiB": resident / 2**20, "bytes each": resident / size,
                     "of arrays": arrays / size})  # fmt: skip
    title = f"Memory of remembered event ids (aim: at most {ID_BYTES_AIM} bytes each)"
    return Growth("memory_of_ids", title, rows, lines(rows, "resident MiB"))


def memory_of_customers(sizes: Sequence[int]) -> Growth:
    """What a lane's memory grows by with so many events, of as many customers and of one, by how many they are."""
    rows = []
    for size in sizes:
        (many, _), (one, _) = _measured("lane", size, size), _measured("lane", size, 1)
        rows.append({"customers": size, "lane MiB": many / 2**20, "of one customer MiB": one / 2**20,
                     "bytes each": (many - one) / size})  # fmt: skip
    title = (
        f"Memory of a lane by known customers, one event each; beside it as many events of one"
        f" (aim: at most {CUSTOMER_BYTES_AIM} bytes for each customer)"
    )
    return Growth("memory_of_customers", title, rows)


def _measured(subject: str, events: int, customers: int) -> tuple[int, int]:
    """By a process of its own: the growth of its resident memory, and the arrays of its remembered ids, in bytes."""
    command = (sys.executable, "-m", __name__, subject, str(events), str(customers))
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} ended with status {ended.returncode}:\n{ended.stderr[-2000:]}")
    resident, arrays = json.loads(ended.stdout)
    return int(resident), int(arrays)


def _ids(events: int, _customers: int) -> tuple[int, int]:
    """Remember so many ids."""
    random = np.random.default_rng(1)
    CountedIds().count(pl.Series(_hexadecimal(random, _BATCH)), _seen(0, _BATCH))  # what is loaded once
    before = _resident_bytes()
    counted = CountedIds()
    for first in range(0, events, _BATCH):
        size = min(_BATCH, events - first)
        counted.count(pl.Series(_hexadecimal(random, size)), _seen(first, size))
    return _resident_bytes() - before, _array_bytes(counted)


def _seen(first: int, size: int) -> Seen:
    clocks, offsets = np.full(size, _END_MS), np.arange(first, first + size)
    return Seen(clocks, offsets, clocks - 1, np.zeros(size, np.int64), offsets.astype(np.uint64))


def _lane_of(events: int, customers: int) -> tuple[int, int]:
    """Measure so many events of so many customers in one lane, with a flush after each batch that nobody writes."""
    random = np.random.default_rng(1)
    batch = generate(_BATCH, _END_MS)
    lane = _lane(0)
    before = 0
    for first in range(-_BATCH, events, _BATCH):  # the first batch is for what is loaded once
        if first == 0:
            before = _resident_bytes()
        size = _BATCH if first < 0 else min(_BATCH, events - first)
        people = np.zeros(size, np.int64) if first < 0 else np.arange(first, first + size) % customers
        fresh = replace(batch[:size], customer=people, event_id=_hexadecimal(random, size))
        lane.take(_records(fresh, lane.row.next_offset))
        lane.flush_rows()
        lane.flushed(_PANES_MAX)
    return _resident_bytes() - before, _array_bytes(lane.counted_ids)


def _records(events: Events, first: int) -> Records:
    return Records(
        offsets=np.arange(first, first + len(events)),
        timestamps_ms=events.record_at,
        keys=list(events.record_keys()),
        values=list(events.record_values()),
        headers=[()] * len(events),
    )


def _array_bytes(ids: CountedIds) -> int:
    index: HashIndex = ids._index
    arrays = (index._high, index._low, index._slots, ids._clocks, ids._offsets)
    # What an array is a view of is held as a whole.
    return sum(array.nbytes if array.base is None else array.base.nbytes for array in arrays)


def _resident_bytes() -> int:
    """Of this process, without what allocators hold back for the next request."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


if __name__ == "__main__":
    measure = {"ids": _ids, "lane": _lane_of}[sys.argv[1]]
    print(json.dumps(measure(int(sys.argv[2]), int(sys.argv[3]))))
