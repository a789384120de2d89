"""How long a flush takes by the panes that changed, and a step of `roll` by its groups, on a local ClickHouse."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from threading import Event
from typing import Final

import numpy as np
from clickhouse_connect.driver.client import Client

from tests.bench.events import PLACES, SEGMENTS, _hexadecimal, generate
from tests.bench.growth import Growth, lines
from tests.bench.growth_memory import _END_MS, _records
from tests.bench.stages import _lane
from tests.bench.truth import require_equal
from tests.support.clickhouse_rows import lane, table
from touchstream.deploy.local.clickhouse.server import ClickHouse
from touchstream.deploy.local.ports import free_port
from touchstream.deploy.local.process import running
from touchstream.schemas import times
from touchstream.schemas.metrics import DEFAULT_FILE, Catalogue
from touchstream.schemas.windows import BY_NAME, Window
from touchstream.sinks.clickhouse.client import connect_directly
from touchstream.sinks.clickhouse.database import connect
from touchstream.sinks.clickhouse.lanes.writer import LaneWriter
from touchstream.sinks.clickhouse.metrics.exact import TOPIC
from touchstream.sinks.clickhouse.migrations.migrate import Migrating, migrate
from touchstream.sinks.prometheus import RollingGauges
from touchstream.sinks.sink import Flush
from touchstream.streams.measure.lane import Lane
from touchstream.streams.rolling.roll import Roll
from touchstream.streams.rolling.series import Admission
from touchstream.streams.worker.flush import flush_of

PANES: Final = (100, 1_000, 10_000, 100_000)
GROUPS: Final = (10, 100, 1_000, 10_000)
TIMES: Final = 3
_SERIES: Final = len(PLACES) * len(SEGMENTS)
_BATCH: Final = 50_000
_EVERY: Final = 100_000
_SHORT: Final = tuple(BY_NAME[name] for name in ("1m", "5m", "15m", "1h"))
_DAY: Final = (BY_NAME["24h"],)
RAW_EVENTS: Final = (10_000, 100_000, 1_000_000)
_RAW_EVENTS: Final = 100_000
_GROUPS: Final = 100
_SLOTS: Final = {10: 30, 300: 12, 3600: 24}
"""Panes of each group at each resolution (seconds): of five minutes, an hour, a day; in each something happened."""


@contextmanager
def clickhouse_in(directory: Path) -> Iterator[ClickHouse]:
    """A local ClickHouse in a process of its own, with its data in the directory."""
    clickhouse = ClickHouse(directory / "clickhouse", free_port())
    with running(clickhouse.child(), directory):
        yield clickhouse


def _database(clickhouse: ClickHouse, name: str) -> Client:
    migrate(connect_directly(clickhouse.url(name)), Migrating())
    return connect(clickhouse.url(name))


def flushes(clickhouse: ClickHouse, panes: Sequence[int], times: int = TIMES) -> Growth:
    """Seconds of a flush by how many panes have changed in it, each by one event; medians."""
    client = _database(clickhouse, "growth_flush")
    rows = []
    for wanted in panes:
        measured = [_flush_seconds(client, wanted) for _ in range(times)]
        changed = measured[0][0]
        parts = [median(one[1][part] for one in measured) for part in range(3)]
        rows.append({"panes changed": changed, "rows made s": parts[0], "panes inserted s": parts[1],
                     "raw events inserted s": parts[2], "panes s": parts[0] + parts[1]})  # fmt: skip
    return Growth("flush", "A flush by the panes that changed, seconds", rows, lines(rows, "panes s"))


def _flush_seconds(client: Client, panes: int) -> tuple[int, list[float]]:
    """The panes that changed; seconds to make rows of them, to insert them, and to insert the events beside them."""
    lane = _lane(0)
    _spread(lane, panes)
    started = time.perf_counter()
    flush = flush_of([lane.flush_rows()])
    seconds = [time.perf_counter() - started]
    tables, writer = dict(flush.tables), LaneWriter(client)
    raw = Flush({"touchpoints": tables.pop("touchpoints")})
    for part in (Flush(tables), raw):
        started = time.perf_counter()
        require_equal("the flush", "rejected", writer.write(part, Event()), ())
        seconds.append(time.perf_counter() - started)
    return tables["stage_panes"].num_rows, seconds


def _spread(lane: Lane, panes: int) -> None:
    """One event for each pane of ten seconds, back from the newest, until about so many panes have changed in all."""
    random, number = np.random.default_rng(1), 0
    while lane.panes.unwritten < panes:
        size = min(_BATCH, max(1, (panes - lane.panes.unwritten) // 3))  # each changes up to three
        series = np.arange(number, number + size)
        fresh = replace(
            generate(size, _END_MS),
            occurred_at=_END_MS - 10_000 * (1 + series // _SERIES),
            record_at=np.full(size, _END_MS),
            place=series % len(PLACES),
            segment=series // len(PLACES) % len(SEGMENTS),
            event_id=_hexadecimal(random, size),
        )
        lane.take(_records(fresh, lane.row.next_offset))
        number += size


def rolls(clickhouse: ClickHouse, groups: Sequence[int], times: int = TIMES) -> Growth:
    """Seconds of a step of `roll` by how many groups (journey, stage, channel, segment) there are; medians.

    Each group has a pane in each slot of ten seconds of five minutes, of five minutes of an hour, and of each hour of a
    day; 100,000 raw events of an hour are spread over them, of 30,000 customers, whom the short windows count.
    """
    rows = []
    for count in groups:
        client = _database(clickhouse, f"growth_roll_{count}")
        now_ms = _fill_groups(client, count, _RAW_EVENTS)
        short, day = (_step_seconds(client, windows, now_ms, times) for windows in (_SHORT, _DAY))
        written = client.query("SELECT uniqExact(group_key) FROM stage_metrics").result_rows
        rows.append({"groups": count, "rolling groups": int(written[0][0]), "short windows s": short, "24h s": day})
    title = "A step of roll by groups of panes, seconds (short windows: 1m, 5m, 15m and 1h in one statement)"
    return Growth("roll", title, rows, lines(rows, "short windows s", "24h s"))


def rolls_by_events(clickhouse: ClickHouse, events: Sequence[int], times: int = TIMES) -> Growth:
    """The same by the raw events of the last hour, in a hundred groups: the short windows count customers exactly."""
    rows = []
    for count in events:
        client = _database(clickhouse, f"growth_roll_of_{count}_events")
        now_ms = _fill_groups(client, _GROUPS, count)
        seconds = _step_seconds(client, _SHORT, now_ms, times)
        rows.append({"raw events in the hour": count, "short windows s": seconds})
    title = "A step of roll by the raw events of the last hour, seconds"
    return Growth("roll_events", title, rows, lines(rows, "short windows s"))


def _step_seconds(
    client: Client, windows: tuple[Window, ...], now_ms: int, times: int, series_max: int = _EVERY
) -> float:
    """The first step of a leader that has these windows, and knows who has rows of its own: all of them are due."""
    seconds = []
    admission = Admission(client, TOPIC, series_max)
    admission.decide(now_ms)
    for _ in range(times):
        # More partitions than lane rows: nothing has become complete, and only what is live is written.
        roll = Roll(client, TOPIC, 2, RollingGauges(Catalogue.load(DEFAULT_FILE)), windows, admission=admission)
        started = time.perf_counter()
        require_equal("roll", "windows", roll.step(now_ms), len(windows))
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def _fill_groups(client: Client, groups: int, events: int) -> int:
    """Panes and raw events up to now, by ClickHouse itself; now, in ms."""
    now_ms = times.now_ms()
    channels = max(1, round(groups**0.5))
    names = {"groups": groups, "channels": channels, "stages": min(10, max(1, groups // channels)), "now_ms": now_ms}
    for resolution_s, slots in _SLOTS.items():
        client.command(_PANES, names | {"resolution_s": resolution_s, "slots": slots})
    client.command(_EVENTS, names | {"events": events})
    client.insert_arrow("lanes", table("lanes", [lane(watermark=now_ms, lane_clock=now_ms, occurred_max=now_ms)]))
    return now_ms


_NAMES: Final = """
    'customer' AS journey,
    concat('stage-', toString(group % {stages:UInt32})) AS stage,
    concat('channel-', toString(intDiv(group, {stages:UInt32}) % {channels:UInt32})) AS channel,
    'page' AS touchpoint,
    concat('segment-', toString(intDiv(group, {stages:UInt32} * {channels:UInt32}))) AS segment
"""
_PANES: Final = """
INSERT INTO stage_panes
    (log_id, partition, resolution_s, pane_start, journey, stage, channel, touchpoint, segment, log_offset,
     touches, duplicates, late, success, failure, abandoned, purchases, duration_n, duration_sum_ms, sentiment_n,
     sentiment_sum_micro, nps_counts, csat_counts, ces_counts, duration_sketch, revenue_minor_by_currency,
     purchase_revenue_minor_by_currency)
WITH number % {groups:UInt32} AS group, intDiv(number, {groups:UInt32}) AS back
SELECT
    'log', 0, {resolution_s:UInt32},
    fromUnixTimestamp64Milli(
        (intDiv({now_ms:Int64}, 1000 * {resolution_s:UInt32}) - back) * 1000 * {resolution_s:UInt32}, 'UTC'),
    {_NAMES}, number,
    4, 0, 0, 3, 1, 0, 0, 4, 40000, 0, 0,
    arrayResize([0, 1], 11), arrayResize([0, 1], 5), arrayResize([0, 1], 7),
    map(400 + group % 50, 2, 500 + group % 50, 2), map('EUR', 1000), map('EUR', 1000)
FROM numbers({slots:UInt32} * {groups:UInt32})
""".replace("{_NAMES}", _NAMES)
_EVENTS: Final = """
INSERT INTO touchpoints
    (log_id, partition, log_offset, record_at, lane_clock, definitions, event_id, occurred_at, customer_id,
     anonymous_id, journey, stage, channel, touchpoint, segment, declared, late, action, outcome, currency, attributes)
WITH
    number % {groups:UInt32} AS group,
    fromUnixTimestamp64Milli({now_ms:Int64} - intDiv(number * 3600000, {events:UInt32}), 'UTC') AS at
SELECT
    'log', 0, number, at, at, 'v1', toString(number), at, concat('c', toString(cityHash64(number) % 30000)), '',
    {_NAMES}, true, false, 'view', '', '', map()
FROM numbers({events:UInt32})
""".replace("{_NAMES}", _NAMES)
