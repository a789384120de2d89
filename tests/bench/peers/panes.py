"""The job in plain Python, for peers that are handed one event at a time."""

import io
from collections import defaultdict
from typing import Any, Final

import fastavro
from clickhouse_connect.driver.client import Client

from touchstream.schemas.codec import SCHEMA_TEXT, SINGLE_OBJECT_HEADER_BYTES, without_logical_types

FLUSH_SECONDS: Final = 0.5
_PANE_MS: Final = 10_000
_LANE: Final = 0  # all of them in one pane
_SCHEMA: Final = fastavro.parse_schema(without_logical_types(SCHEMA_TEXT))

Key = tuple[int, str, str, str, str]


class Pane:
    """Ten seconds of one stage, channel, touchpoint and segment."""

    __slots__ = (
        "ces", "counts", "csat", "customers", "duration_n", "duration_sum_ms", "nps", "outcomes", "purchases",
        "revenue", "sentiment_n", "sentiment_sum_micro", "touches",
    )  # fmt: skip

    def __init__(self) -> None:
        self.touches = self.purchases = 0
        self.duration_n = self.duration_sum_ms = self.sentiment_n = self.sentiment_sum_micro = 0
        self.outcomes = {"success": 0, "failure": 0, "abandoned": 0}
        self.nps, self.csat, self.ces = [0] * 11, [0] * 5, [0] * 7
        self.revenue: dict[str, int] = {}
        self.customers: set[str] = set()

    def add(self, event: dict[str, Any]) -> None:
        """Count one event."""
        self.touches += 1
        self.customers.add(event["customer_id"])
        if event["outcome"] is not None:
            self.outcomes[event["outcome"]] += 1
        if event["duration_ms"] is not None:
            self.duration_n += 1
            self.duration_sum_ms += event["duration_ms"]
        if event["sentiment"] is not None:
            self.sentiment_n += 1
            self.sentiment_sum_micro += round(event["sentiment"] * 1e6)
        if event["nps"] is not None:
            self.nps[event["nps"]] += 1
        if event["csat"] is not None:
            self.csat[event["csat"] - 1] += 1
        if event["ces"] is not None:
            self.ces[event["ces"] - 1] += 1
        if event["revenue_minor"] is not None:
            currency = event["currency"]
            self.revenue[currency] = self.revenue.get(currency, 0) + event["revenue_minor"]
            if event["action"] == "purchase":
                self.purchases += 1

    def row(self, key: Key, version: int) -> list[Any]:
        """Its row, in the order of the table's columns."""
        pane, stage, channel, touchpoint, segment = key
        return [
            pane * _PANE_MS, stage, channel, touchpoint, segment, _LANE, self.touches, *self.outcomes.values(),
            self.purchases, self.duration_n, self.duration_sum_ms, self.sentiment_n, self.sentiment_sum_micro,
            list(self.nps), list(self.csat), list(self.ces), dict(self.revenue), len(self.customers), version,
        ]  # fmt: skip


class Panes:
    """All panes, and which of them have changed."""

    def __init__(self) -> None:
        self.events = 0
        self._panes: defaultdict[Key, Pane] = defaultdict(Pane)
        self._changed: set[Key] = set()

    def add(self, value: bytes) -> None:
        """Count one message."""
        body = io.BytesIO(value)
        body.seek(SINGLE_OBJECT_HEADER_BYTES)
        event: Any = fastavro.schemaless_reader(body, _SCHEMA, None)
        key = (
            event["occurred_at"] // _PANE_MS,
            event["stage"],
            event["channel"],
            event["touchpoint"],
            event["segment"],
        )
        self._panes[key].add(event)
        self._changed.add(key)
        self.events += 1

    def changed_rows(self) -> list[list[Any]]:
        """The rows of the panes that changed since the last call."""
        changed, self._changed = self._changed, set()
        return [self._panes[key].row(key, self.events) for key in changed]


def write(client: Client, rows: list[list[Any]]) -> None:
    """One insert; returns when it is acknowledged."""
    if rows:
        client.insert("panes", rows)
