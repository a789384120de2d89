"""Panes: what one lane saw in one slice of event time, for one (journey, stage, channel, touchpoint, segment)."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Row = dict[str, Any]
PaneKey = tuple[int, int, str, str, str, str, str]  # resolution_s, pane_start (ms), then the five names

RESOLUTIONS_S = (10, 300, 3600)
TIMES = ("duration",)
"""What of an event is a time: `NAME_ms`, kept as its count, its sum and its sketch."""


def pane_keys(row: Mapping[str, Any]) -> list[PaneKey]:
    """The three panes that an event belongs to."""
    names = (row["journey"], row["stage"], row["channel"], row["touchpoint"], row["segment"])
    # Python's // rounds down, before 1970 too
    return [(s, row["occurred_at"] // (s * 1000) * (s * 1000), *names) for s in RESOLUTIONS_S]


def empty_pane() -> Row:
    """A pane that has seen nothing."""
    sums = (
        "log_offset touches duplicates conflicting late success failure abandoned purchases "
        "sentiment_n sentiment_sum_micro"
    )
    times: Row = {}
    for name in TIMES:
        times |= {f"{name}_n": 0, f"{name}_sum_ms": 0, f"{name}_sketch": {}}
    return (
        dict.fromkeys(sums.split(), 0)
        | times
        | {
            "nps_counts": [0] * 11,
            "csat_counts": [0] * 5,
            "ces_counts": [0] * 7,
            "revenue_minor_by_currency": {},
            "purchase_revenue_minor_by_currency": {},
            "answer_counts": {},
        }
    )


def touch(pane: Row, row: Mapping[str, Any], times: int = 1) -> None:
    """Count one event; -1 times where it does not count any more."""
    pane["touches"] += times
    pane["late"] += times * row["late"]
    if row["outcome"]:
        pane[row["outcome"]] += times
    if row["action"] == "purchase":
        pane["purchases"] += times
    for survey, lowest in (("nps", 0), ("csat", 1), ("ces", 1)):
        if row[survey] is not None:
            pane[f"{survey}_counts"][row[survey] - lowest] += times
    if row["sentiment_micro"] is not None:
        pane["sentiment_n"] += times
        pane["sentiment_sum_micro"] += times * row["sentiment_micro"]
    for name in TIMES:
        spend(pane, name, row[f"{name}_ms"], times)
    if row["score_micro"] is not None:
        add(pane["answer_counts"], f"{row['instrument']} {row['score_micro']}", times)
    if row["revenue_minor"] is not None:
        add(pane["revenue_minor_by_currency"], row["currency"], times * row["revenue_minor"])
        if row["action"] == "purchase":
            add(pane["purchase_revenue_minor_by_currency"], row["currency"], times * row["revenue_minor"])


def spend(pane: Row, name: str, ms: int | None, times: int) -> None:
    """Count a time that an event took, where it says one."""
    if ms is not None:
        pane[f"{name}_n"] += times
        pane[f"{name}_sum_ms"] += times * ms
        add(pane[f"{name}_sketch"], sketch_bucket(ms), times)


def add(sums: dict[Any, int], key: object, amount: int) -> None:
    """Add to one entry of a map of sums."""
    sums[key] = sums.get(key, 0) + amount


@lru_cache(100_000)
def sketch_bucket(duration_ms: int) -> int:
    """DDSketch's bucket at 1 %: the smallest i ≥ 0 with (101/99)^i ≥ duration_ms, in whole numbers; -1 for 0 ms."""
    if duration_ms == 0:
        return -1
    bucket, power, bound = 0, 1, duration_ms
    while power < bound:  # 101^bucket < duration_ms · 99^bucket
        bucket, power, bound = bucket + 1, power * 101, bound * 99
    return bucket


def micro(fraction: float | None) -> int | None:
    """Micro-units of a sentiment or a score: the product in double precision, halves to the even neighbour."""
    return None if fraction is None else round(fraction * 1e6)
