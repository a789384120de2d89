"""The purchases of `cdnow_sample`, summarised plainly: what the SQL and the models are held against."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np

from tests.support.real_data import events_file
from touchstream.streams.insight.clv.history import RepeatPurchases

DAY_MS = 86_400_000
CALIBRATION_END_MS = 875_664_000_000
"""1997-10-01: 39 weeks after the first purchases."""
END_MS = 899_251_200_000
"""1998-07-01: after the last."""

Purchase = tuple[str, int, int]
"""Customer, milliseconds since 1970, minor units."""


@cache
def purchases() -> tuple[Purchase, ...]:
    with gzip.open(events_file("cdnow_sample"), "rt") as lines:
        events = [json.loads(line) for line in lines]
    return tuple((event["customer_id"], event["occurred_at"], event["revenue_minor"]) for event in events)


def by_day(found: Iterable[Purchase]) -> dict[str, dict[int, int]]:
    """Customer to day (since 1970, UTC) to what was spent on it."""
    days: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for customer, at_ms, minor in found:
        days[customer][at_ms // DAY_MS] += minor
    return days


def summary(days: Mapping[str, Mapping[int, int]], until_ms: int) -> tuple[list[str], RepeatPurchases]:
    """Who has bought before the day of `until_ms`, and what the models know of them."""
    last_day = until_ms // DAY_MS - 1
    rows = []
    for customer, spent in sorted(days.items()):
        seen = sorted(day for day in spent if day <= last_day)
        if seen:
            first, *again = seen
            mean = sum(spent[day] for day in again) / len(again) if again else 0.0
            rows.append((customer, len(again), (seen[-1] - first) / 7, (last_day - first) / 7, mean))
    customers, *columns = zip(*rows, strict=True)
    return list(customers), RepeatPurchases(*(np.array(column, dtype=float) for column in columns))
