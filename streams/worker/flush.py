"""The rows of a flush, and the messages of the dead-letter topic."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from touchstream.schemas.lane_row import LaneRow
from touchstream.schemas.touchpoint import TIME_MS_MIN
from touchstream.sinks.clickhouse.rows import (
    CONTROL_RECORDS,
    DEAD_LETTERS,
    DEFINITIONS,
    ERASURES,
    LANES,
    conform,
)
from touchstream.sinks.sink import REJECTED, Flush, Rejected
from touchstream.streams.measure.events import DeadLetter
from touchstream.streams.measure.lane import LaneRows
from touchstream.streams.measure.panes import Panes

_INSTANT: Final = pa.timestamp("ms", tz="UTC")


def flush_of(lanes: Sequence[LaneRows]) -> Flush:
    """One table each of all lanes' rows, columns as in `sinks.clickhouse.rows`."""
    tables = {
        "touchpoints": [_touchpoints(lane, frame) for lane in lanes if (frame := lane.touchpoints) is not None],
        "stage_panes": [of_lane(lane.panes, lane.row) for lane in lanes],
        "dead_letters": [_dead_letters(lane.row, lane.letters) for lane in lanes if lane.letters],
        "erasures": [_erasures(lane) for lane in lanes if lane.erasures],
        "control_records": [_control_records(lane) for lane in lanes if lane.controls],
        "definitions": [_definitions(lane) for lane in lanes if lane.definitions],
        "lanes": [_lane(lane) for lane in lanes],
    }
    return Flush({name: pa.concat_tables(rows) for name, rows in tables.items() if rows})


def first_rows(row: LaneRow, lateness_ms: int) -> LaneRows:
    """The first flush of a log: its lane row, and nothing measured."""
    return LaneRows(None, Panes().changed(), (), row, row.watermark(lateness_ms))


def without(flush: Flush, rejected: Iterable[Rejected], rows: Sequence[LaneRows]) -> Flush:
    """The flush without the rows that the sink can't take, which become dead letters instead."""
    bad = {(refusal.table, refusal.row): refusal for refusal in rejected}
    touchpoints = flush.tables["touchpoints"]
    mask = np.ones(touchpoints.num_rows, np.bool_)
    letters = []
    for (_, row), refusal in bad.items():
        mask[row] = False
        event = touchpoints.slice(row, 1).to_pylist()[0]
        topic = next(lane.row.topic for lane in rows if lane.row.log_id == event["log_id"])
        letters.append(
            {name: event[name] for name in ("log_id", "partition", "log_offset", "record_at")}
            | {"topic": topic, "reason": REJECTED, "detail": f"ClickHouse {refusal.code}: {refusal.message}"}
            # JSON, for whoever takes the lane over reads the event's id from it.
            | {"key": None, "value": msgspec.json.encode(event), "headers": []}
        )
    tables = dict(flush.tables) | {"touchpoints": touchpoints.filter(pa.array(mask))}
    added = pa.Table.from_pylist(letters, DEAD_LETTERS)
    tables["dead_letters"] = pa.concat_tables([tables["dead_letters"], added]) if "dead_letters" in tables else added
    return Flush(tables)


def _touchpoints(lane: LaneRows, frame: pl.DataFrame) -> pa.Table:
    rows = frame.to_arrow()
    times = {name: rows[name].cast(_INSTANT) for name in ("occurred_at", "record_at", "lane_clock", "received_at")}
    for name, column in times.items():
        rows = rows.set_column(rows.column_names.index(name), name, column)
    return of_lane(rows, lane.row, "touchpoints")


def of_lane(rows: pa.Table, row: LaneRow, table: str = "stage_panes") -> pa.Table:
    """Rows of a table, with where their lane is."""
    size = rows.num_rows
    rows = rows.append_column("log_id", pa.repeat(pa.scalar(row.log_id), size))
    rows = rows.append_column("partition", pa.repeat(pa.scalar(row.partition, pa.uint32()), size))
    return conform(table, rows)


def _dead_letters(row: LaneRow, letters: Sequence[DeadLetter]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "log_id": row.log_id,
                "partition": row.partition,
                "log_offset": letter.log_offset,
                "topic": row.topic,
                "record_at": letter.record_at,
                "reason": letter.reason.value,
                "detail": letter.detail,
                "key": letter.key,
                "value": letter.value,
                "headers": [{"name": name.encode(), "value": value or b""} for name, value in letter.headers],
            }
            for letter in letters
        ],
        DEAD_LETTERS,
    )


def _erasures(lane: LaneRows) -> pa.Table:
    place = {"log_id": lane.row.log_id, "partition": lane.row.partition}
    return pa.Table.from_pylist([place | asdict(one) for one in lane.erasures], ERASURES)


def _control_records(lane: LaneRows) -> pa.Table:
    place = {"log_id": lane.row.log_id, "partition": lane.row.partition, "topic": lane.row.topic}
    return pa.Table.from_pylist([place | asdict(one) for one in lane.controls], CONTROL_RECORDS)


def _definitions(lane: LaneRows) -> pa.Table:
    """Known, which is all that a lane row asks for. Since when they are in force `touchstream init` says."""
    rows = [{"version": one.version, "content": one.content, "in_force_since": 0} for one in lane.definitions]
    return pa.Table.from_pylist(rows, DEFINITIONS)


def _lane(lane: LaneRows) -> pa.Table:
    return pa.Table.from_pylist([lane.row.columns | {"watermark": max(lane.watermark, TIME_MS_MIN)}], LANES)
