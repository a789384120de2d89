"""The job in columns, for a peer that is handed batches: decoded into Arrow, grouped by polars."""

import json
from collections import defaultdict
from typing import Any, Final

import polars as pl
import pyruhvro

from tests.bench.peers.peer import SCHEMA_FILE

_PANE_MS: Final = 10_000
_HEADER_BYTES: Final = 10  # of an Avro single object
_KEY: Final = ("pane_start", "stage", "channel", "touchpoint", "segment")
_SCALES: Final = {"nps": range(11), "csat": range(1, 6), "ces": range(1, 8)}
_REVENUE: Final = "revenue "
"""Before the currency, in the names of columns."""


class ColumnPanes:
    """All panes, and which of them have changed."""

    def __init__(self) -> None:
        self.events = 0
        self._schema = _plain_schema()
        self._sums = pl.DataFrame()
        self._customers: defaultdict[tuple[Any, ...], set[str]] = defaultdict(set)

    def add(self, values: list[bytes]) -> list[list[Any]]:
        """Count these messages; the rows of the panes that changed, in the order of the table's columns."""
        batch = pyruhvro.deserialize_array([value[_HEADER_BYTES:] for value in values], self._schema)
        events = pl.DataFrame(batch).with_columns(pane_start=pl.col("occurred_at") // _PANE_MS * _PANE_MS)
        self.events += len(events)
        changed = events.group_by(_KEY).agg(*_measures(events), pl.col("customer_id").unique())
        customers = changed.select(*_KEY, "customer_id").rows()
        for *key, seen in customers:
            self._customers[tuple(key)].update(seen)
        changed = changed.drop("customer_id")
        sums = pl.concat([self._sums, changed], how="diagonal") if len(self._sums) else changed
        self._sums = sums.group_by(_KEY).agg(pl.all().sum())
        return [self._row(row) for row in self._sums.join(changed, on=_KEY, how="semi").iter_rows(named=True)]

    def _row(self, pane: dict[str, Any]) -> list[Any]:
        key = tuple(pane[name] for name in _KEY)
        histograms = [[pane.pop(f"{name} {answer}") for answer in scale] for name, scale in _SCALES.items()]
        revenue = {
            name.removeprefix(_REVENUE): amount for name, amount in pane.items() if name.startswith(_REVENUE) and amount
        }
        counts = [value for name, value in pane.items() if name not in _KEY and not name.startswith(_REVENUE)]
        return [*key, 0, *counts, *histograms, revenue, len(self._customers[key]), self.events]


def _measures(events: pl.DataFrame) -> list[pl.Expr]:
    """What a pane adds up, in the order of the table's columns, with a column for each answer and each currency."""
    sentiment_micro = (pl.col("sentiment") * 1e6).round().cast(pl.Int64)
    outcome = pl.col("outcome")
    return [
        pl.len().cast(pl.Int64).alias("touches"),
        *((outcome == name).sum().cast(pl.Int64).alias(name) for name in ("success", "failure", "abandoned")),
        (pl.col("action") == "purchase").sum().cast(pl.Int64).alias("purchases"),
        pl.col("duration_ms").count().cast(pl.Int64).alias("duration_n"),
        pl.col("duration_ms").sum().alias("duration_sum_ms"),
        pl.col("sentiment").count().cast(pl.Int64).alias("sentiment_n"),
        sentiment_micro.sum().alias("sentiment_sum_micro"),
        *(
            (pl.col(name) == answer).sum().cast(pl.Int64).alias(f"{name} {answer}")
            for name, scale in _SCALES.items()
            for answer in scale
        ),
        *(
            pl.col("revenue_minor").filter(pl.col("currency") == currency).sum().alias(f"{_REVENUE}{currency}")
            for currency in events["currency"].drop_nulls().unique().sort()
        ),
    ]


def _plain_schema() -> str:
    """Without logical types, which pyruhvro doesn't read: timestamps stay milliseconds."""
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    for field in schema["fields"]:
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        plain = [kind["type"] if isinstance(kind, dict) and "logicalType" in kind else kind for kind in kinds]
        field["type"] = plain if isinstance(field["type"], list) else plain[0]
    return json.dumps(schema)
