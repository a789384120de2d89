"""Points 1 and 2: what a pane says of customers, and timers."""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl
from pytest import MonkeyPatch

from tests.model.controls.control import Control
from tests.model.tables import MemoryTables, Row
from tests.oracle.log import Record
from tests.oracle.panes import touch
from tests.oracle.recompute import _Oracle
from touchstream.streams.measure.lane import Lane
from touchstream.streams.measure.panes import Panes
from touchstream.streams.measure.records import Records
from touchstream.streams.worker import takeover

SILENCE_MS = 60_000
Customer = tuple[str, str]


def panes_count_what_is_new_to_the_row_of_the_customer(patch: MonkeyPatch) -> None:
    """Customers' rows stand in the tables as their events do, and may be there before the panes are."""
    take_over, apply = takeover.take_over, Panes.apply
    known: WeakKeyDictionary[Panes, dict[Customer, int]] = WeakKeyDictionary()

    def load(*given: Any) -> Lane:
        loaded: Lane = take_over(*given)
        tables: MemoryTables = given[3]
        rows = [row for (log_id, _), row in tables.touchpoints.items() if log_id == loaded.row.log_id]
        known[loaded.panes] = {_customer(row): row["log_offset"] for row in sorted(rows, key=_offset)}
        return loaded

    def count(self: Panes, events: pl.DataFrame, retracted: pl.DataFrame | None = None) -> None:
        if "customer_id" not in events.columns:  # of a log that is lost
            apply(self, events, retracted)
            return
        seen = known.get(self, {})
        new = [_offset(row) > seen.get(_customer(row), -1) for row in events.rows(named=True)]
        apply(self, events.filter(pl.Series(new, dtype=pl.Boolean)), retracted)

    patch.setattr(takeover, "take_over", load)
    patch.setattr(Panes, "apply", count)


def a_timer_counts_again_who_fell_silent(patch: MonkeyPatch) -> None:
    """In the lane and in the recomputation; but a lane has a timer only for whom it saw itself."""
    _timer_of_the_recomputation(patch)
    take = Lane.take
    last_seen: WeakKeyDictionary[Lane, dict[Customer, tuple[int, pl.DataFrame]]] = WeakKeyDictionary()

    def take_one_by_one(self: Lane, records: Records) -> None:
        waiting = last_seen.setdefault(self, {})
        records = records.since(self.row.next_offset)
        for at in range(len(records)):
            counted = len(self._touchpoints)
            take(self, records[at : at + 1])
            for customer in _silent({one: seen_at for one, (seen_at, _) in waiting.items()}, self.row.lane_clock_ms):
                _, event = waiting.pop(customer)
                _count(self, event.with_columns(log_offset=pl.Series(records.offsets[at : at + 1])))
            for event in self._touchpoints[counted:]:
                waiting[_customer(event.row(0, named=True))] = self.row.lane_clock_ms, event

    patch.setattr(Lane, "take", take_one_by_one)


def _timer_of_the_recomputation(patch: MonkeyPatch) -> None:
    take = _Oracle.take
    last_seen: WeakKeyDictionary[_Oracle, dict[Customer, tuple[int, Row]]] = WeakKeyDictionary()

    def take_and_look(self: _Oracle, record: Record) -> None:
        waiting = last_seen.setdefault(self, {})
        take(self, record)
        for customer in _silent({one: seen_at for one, (seen_at, _) in waiting.items()}, self.clock):
            _, row = waiting.pop(customer)
            for pane in self.panes_of(row | {"log_offset": record.offset}):
                touch(pane, row)
        row_now = self.tables.touchpoints.get(record.offset)
        if row_now is not None:
            waiting[_customer(row_now)] = self.clock, row_now

    patch.setattr(_Oracle, "take", take_and_look)


def _silent(last_seen: Mapping[Customer, int], clock: int) -> list[Customer]:
    return [customer for customer, seen_at in last_seen.items() if seen_at <= clock - SILENCE_MS]


def _count(lane: Lane, events: pl.DataFrame) -> None:
    missing = lane.panes.missing(events)
    if missing is not None:
        lane.panes.admit(lane._load_panes(missing))
    lane.panes.apply(events)


def _customer(event: Mapping[str, Any]) -> Customer:
    return event["customer_id"], event["anonymous_id"]


def _offset(event: Mapping[str, Any]) -> int:
    return int(event["log_offset"])


CUSTOMER_STATE: tuple[Control, ...] = (panes_count_what_is_new_to_the_row_of_the_customer,)
TIMERS: tuple[Control, ...] = (a_timer_counts_again_who_fell_silent,)
