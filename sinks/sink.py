"""One flush in, and one of three outcomes: what the lanes' store promises (`tests/contract/test_lane_tables.py`).

The store is ClickHouse (`sinks.clickhouse.lanes`), and nothing else can take its place: a lane's new owner goes on from
what its tables hold.

1. `write` returns `()`: every table is acknowledged, the lanes last.
2. `write` returns `Rejected` rows: these touchpoints can't be written, whatever is tried; the other touchpoints are,
   and **nothing after them has been sent**. Record the rejected rows as dead letters, take them out, and write the
   flush again (rows are absolute: those already there change nothing).
3. `write` raises, and no lane has moved. `SinkBusy`: the sink was slow or away and the caller asked to stop; the flush
   is still the caller's, to be written again or to be computed again from the log. `SinkRefused`: no retry can help.
   `LogsLeft`: the logs of some lanes have been left for next ones. **Nothing after their raw events has
   been sent**: take those lanes out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa


@dataclass(frozen=True)
class Flush:
    """Every row that changed since the last flush: table name to rows, columns as in `sinks.clickhouse.rows.TABLES`.

    Committed in this order, each step acknowledged before the next begins:

    0. (the caller) outbound messages, dead letters to Kafka among them;
    1. `touchpoints`: raw events before the panes that count them, so that raw rows are never fewer than touches;
    2. `stage_panes`;
    3. `dead_letters`;
    4. `erasures`, `control_records`;
    5. `definitions`: what the lane rows name is there before them;
    6. `lanes`: only now may a new owner resume behind these events;
    7. (the caller) the commit to Kafka, which only tells lag tools.

    A crash between any two steps leaves rows that are written again, equal or more advanced, after a resume from the
    old lane row.
    """

    tables: Mapping[str, pa.Table]


REJECTED: Final = "rejected"
"""The reason of the dead letter of a row that the sink can't take; queries name it, too."""


@dataclass(frozen=True)
class Rejected:
    """One row that the sink can't take: its table, its index in the flush's table, ClickHouse's code and words."""

    table: str
    row: int
    code: int
    message: str


class SinkBusy(Exception):  # noqa: N818 (an outcome, named as the field names it)
    """The sink did not take the flush before the caller's stop event was set. Nothing is lost: write it again."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class SinkRefused(Exception):  # noqa: N818 (the same)
    """The sink can't take the flush and won't later: a missing table, a wrong password, a row of a lane or a pane."""


class LogsLeft(Exception):  # noqa: N818 (the same)
    """Lanes of the flush go on in next logs, which know as counted only what was there when they were begun."""

    def __init__(self, lanes: Collection[tuple[str, int]]) -> None:
        """lanes: log id and partition of each."""
        super().__init__(f"logs that have been left for next ones: {sorted(lanes)}")
        self.lanes = frozenset(lanes)
