"""Panes held against what they were made of: recomputed from raw events, in SQL, without any code of `streams.measure`.

A lane that has been flushed up to an offset has every raw event and every pane below it in the tables. What is compared
is that, as of one look at the lanes, so that it may run while events arrive: a pane that has gone on since is left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.external import ExternalData

from touchstream.schemas.touchpoint import DURATION_MS_MAX, FUTURE_LIMIT_MS
from touchstream.sinks.clickhouse.metrics.exact import FAR_MS, TOPIC, IntervalError
from touchstream.sinks.clickhouse.rows import LANES, arrow_stream
from touchstream.sinks.clickhouse.sql import query_text
from touchstream.sinks.clickhouse.upkeep.placing import Placing, placing

SLICE_TOUCHES_MAX: Final = 250_000
"""Events of one query, some seconds; never less than an hour's."""
SLICE_HOURS_MAX: Final = 24 * 31
DIFFERENCES_MAX: Final = 100
"""Most differences that are shown; all are counted."""
_HOUR_MS: Final = 3_600_000
_FLUSHED: Final = pa.schema([LANES.field(name) for name in ("log_id", "partition", "next_offset")])
_BOUNDS: Final = [
    # Ends of the sketch's buckets (Masson, Rim, Lee 2019; 1 % relative accuracy) in whole milliseconds.
    101**k // 99**k
    for k in range(1_400)
    if 101**k // 99**k <= 4 * DURATION_MS_MAX
]

Progress = Callable[[int, int], None]
"""Events that have been looked at, and all of them."""


@dataclass(frozen=True)
class PaneDifference:
    """A measure of which a pane says something else than its raw events. start_ms: of the pane, UTC."""

    resolution_s: int
    start_ms: int
    journey: str
    stage: str
    channel: str
    touchpoint: str
    segment: str
    log_id: str
    partition: int
    measure: str
    pane: str
    raw: str


@dataclass(frozen=True)
class Reconciled:
    """What was compared. from_ms, to_ms: the interval of event time, None where there was nothing to compare.

    moving: panes that had gone on since their lane was looked at, and were not compared. differing: all panes that
    differ; `differences` holds the measures of the first DIFFERENCES_MAX. left_out: what else was not, in words.
    """

    from_ms: int | None
    to_ms: int | None
    panes: int
    moving: int
    differing: int
    differences: tuple[PaneDifference, ...]
    left_out: tuple[str, ...]
    placing: Placing
    """What counts, and stands where it should not."""


@dataclass(frozen=True)
class _Slice:
    from_ms: int
    to_ms: int
    touches: int


def reconcile(
    client: Client,
    from_ms: int | None = None,
    to_ms: int | None = None,
    topic: str = TOPIC,
    progress: Progress | None = None,
) -> Reconciled:
    """Compare the panes in [from_ms, to_ms) of event time (None: no bound) with the raw events that are all there.

    Of each resolution, the panes that lie in the interval as a whole. Raises IntervalError for an empty interval.
    """
    start, end = -FAR_MS if from_ms is None else from_ms, FAR_MS if to_ms is None else to_ms
    if start >= end:
        raise IntervalError(f"the interval is empty: its start {start} isn't before its end {end} (milliseconds)")
    # An event lies at most that far ahead of its record: what occurs later was recorded and inserted later.
    kept_from = raw_inserted_since(client) + FUTURE_LIMIT_MS
    flushed, left = _flushed(client, topic)
    left_out = (*_left_out(client, topic, start, kept_from), *_behind(client, left, start, end))
    start = max(start, kept_from)
    slices = _slices(client, start, end) if start < end and flushed.num_rows else []
    compared = _Compared()
    total = sum(one.touches for one in slices)
    done = 0
    for one in slices:
        compared.add(client, flushed, one)
        compared.placing += placing(client, topic, one.from_ms, one.to_ms)
        done += one.touches
        if progress:
            progress(done, total)
    return Reconciled(
        from_ms=slices[0].from_ms if slices else None,
        to_ms=slices[-1].to_ms if slices else None,
        panes=compared.panes,
        moving=compared.moving,
        differing=compared.differing,
        differences=tuple(compared.differences),
        left_out=left_out,
        placing=compared.placing,
    )


def raw_inserted_since(client: Client) -> int:
    """Every raw row that was inserted since then (ms) is still there; −FAR_MS where none was ever deleted."""
    ((kept_since_ms, made_ms),) = client.query(query_text("reconcile_raw_kept")).result_rows
    return -FAR_MS if made_ms > kept_since_ms else int(kept_since_ms)


def touches_in(client: Client, from_ms: int, to_ms: int) -> int:
    """How many events panes of ten seconds count in an interval."""
    return int(client.query(query_text("reconcile_busy"), {"from_ms": from_ms, "to_ms": to_ms}).result_rows[0][0])


class _Compared:
    """What has been found so far."""

    def __init__(self) -> None:
        self.panes = self.moving = self.differing = 0
        self.placing = Placing()
        self.differences: list[PaneDifference] = []
        self._shown = 0

    def add(self, client: Client, flushed: pa.Table, one: _Slice) -> None:
        parameters = {
            "from_ms": one.from_ms, "to_ms": one.to_ms, "bounds": _BOUNDS, "examples_max": DIFFERENCES_MAX,
        }  # fmt: skip
        found = _ask(client, "reconcile", parameters, flushed)[0]
        del parameters["bounds"]
        duplicates = _ask(client, "reconcile_duplicates", parameters, flushed)
        self.panes += found["compared"]
        self.moving += found["moving"]
        self.differing += found["differing"] + len(duplicates)
        self._show(found["examples"])
        self._show(tuple(row.values()) for row in duplicates)

    def _show(self, examples: Iterable[Sequence[Any]]) -> None:
        for *place, wrong in examples:
            if self._shown == DIFFERENCES_MAX:
                return
            self._shown += 1
            self.differences += [PaneDifference(*place, *one) for one in wrong]


def _slices(client: Client, start: int, end: int) -> list[_Slice]:
    """Whole hours together, as many as hold SLICE_TOUCHES_MAX events; the first and the last may be parts of hours."""
    hours = client.query(query_text("reconcile_hours"), {"from_ms": start, "to_ms": end}).result_rows
    slices: list[_Slice] = []
    for hour, touches in hours:
        first, last = max(start, hour), min(end, hour + _HOUR_MS)
        before = slices[-1] if slices else None
        if (
            before
            and before.touches + touches <= SLICE_TOUCHES_MAX
            and last - before.from_ms <= SLICE_HOURS_MAX * _HOUR_MS
        ):
            slices[-1] = _Slice(before.from_ms, last, before.touches + touches)
        else:
            slices.append(_Slice(first, last, touches))
    return slices


def _flushed(client: Client, topic: str) -> tuple[pa.Table, pa.Table]:
    """How far each log of each partition is in the tables, and where those were left that have a next one."""
    rows = client.query(query_text("lane_history"), {"topic": topic, "partitions": []}).named_results()
    flushed, left = {}, {}
    for row in rows:
        flushed[row["log_id"], row["partition"]] = row["next_offset"]
        if row["predecessor_log_id"]:
            left[row["predecessor_log_id"], row["partition"]] = row["predecessor_next_offset"]
    # Where a log was lost before its last flush was done, its lane row stays behind.
    return _offsets({lane: max(at, left.get(lane, 0)) for lane, at in flushed.items()}), _offsets(left)


def _offsets(by_lane: Mapping[tuple[str, int], int]) -> pa.Table:
    rows = [dict(zip(_FLUSHED.names, (*lane, offset), strict=True)) for lane, offset in by_lane.items()]
    return pa.Table.from_pylist(rows, _FLUSHED)


def _behind(client: Client, left: pa.Table, start: int, end: int) -> tuple[str, ...]:
    """What is wrong with logs that have been left, in words."""
    if not left.num_rows:
        return ()
    behind = _ask(client, "reconcile_behind", {"from_ms": start, "to_ms": end}, left)[0]["events"]
    if not behind:
        return ()
    return (
        f"{behind} events of a lost log were written after the next one was begun: those that came again count twice",
    )


def _ask(client: Client, query: str, parameters: dict[str, Any], flushed: pa.Table) -> list[dict[str, Any]]:
    sent = ExternalData(
        file_name="flushed",
        fmt="ArrowStream",
        structure="log_id LowCardinality(String), partition UInt32, next_offset UInt64",
        data=arrow_stream(flushed),
    )
    return list(client.query(query_text(query), parameters=parameters, external_data=sent).named_results())


def _left_out(client: Client, topic: str, start: int, kept_from: int) -> tuple[str, ...]:
    said = []
    if max(start, -FAR_MS + FUTURE_LIMIT_MS) < kept_from:
        said.append("panes from before the retention of raw events: some of those are deleted")
    rejected = client.query(query_text("reconcile_rejected"), {"topic": topic}).result_rows[0][0]
    if rejected:
        said.append(f"not left out: {rejected} events that panes count and ClickHouse refused as rows differ")
    return tuple(said)
