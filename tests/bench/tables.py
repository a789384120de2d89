"""What a contestant has left in ClickHouse, held against the events."""

from typing import Final

from clickhouse_connect.driver.client import Client

from tests.bench.events import CURRENCIES
from tests.bench.truth import ANSWERS

_COUNTS: Final = (
    "touches",
    "success",
    "failure",
    "abandoned",
    "purchases",
    "duration_n",
    "duration_sum_ms",
    "sentiment_n",
    "sentiment_sum_micro",
)
PEER_TABLE: Final = f"""
CREATE TABLE panes
(
    pane_start DateTime64(3, 'UTC'),
    stage LowCardinality(String),
    channel LowCardinality(String),
    touchpoint LowCardinality(String),
    segment LowCardinality(String),
    lane UInt32,
    {", ".join(f"{name} Int64" for name in _COUNTS)},
    nps_counts Array(Int64),
    csat_counts Array(Int64),
    ces_counts Array(Int64),
    revenue_minor_by_currency Map(LowCardinality(String), Int64),
    customers UInt64,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (pane_start, stage, channel, touchpoint, segment, lane)
"""
"""Where every peer writes its panes of ten seconds, each row whole: the one with the highest version stands.

A peer may have a pane for each partition, as ours has: the topic is keyed by customer, so that they add up.
"""


def pane_sums(client: Client, table: str, where: str, counts: tuple[str, ...] = ()) -> dict[str, dict[str, int]]:
    """Measures of `truth.sums` by stage, added up over a table of panes; `counts`: more columns than peers have."""
    names = (*_COUNTS, *counts)
    rows = client.query(
        f"SELECT stage, {', '.join(f'sum({name})' for name in names)},"  # noqa: S608 - names of our own
        f" {', '.join(f'sumForEach({name}_counts)' for name in ANSWERS)}, sumMap(revenue_minor_by_currency)"
        f" FROM {table} FINAL WHERE {where} GROUP BY stage"
    ).result_rows
    found = {}
    for stage, *values, revenue in rows:
        histograms = zip(ANSWERS.items(), values[len(names) :], strict=True)
        found[stage] = (
            dict(zip(names, values[: len(names)], strict=True))
            | {f"{name}_{answer}": n for (name, scale), ns in histograms for answer, n in zip(scale, ns, strict=True)}
            | {f"revenue_{currency}": revenue.get(currency, 0) for currency in CURRENCIES}
        )
    return found
