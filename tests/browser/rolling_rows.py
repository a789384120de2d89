"""Rolling rows and lanes as workers write them, without workers."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from touchstream.schemas import times
from touchstream.schemas.windows import BY_NAME

ALL = None


STAYS_FRESH = -3_600_000
"""Written in an hour: what doesn't grow old however slow a test is."""
DECLARED = ["awareness", "consideration", "purchase", "delivery", "use", "support", "loyalty"]


def row(stage: str | None, channel: str | None = None, segment: str | None = None, **metrics: Any) -> dict[str, Any]:
    """A row of `stage_metrics`: answers to every instrument, enough to be relied on."""
    answered = {
        "touches": 4211, "duplicates": 0, "late": 0, "customers": 1873,
        "nps": 12.25, "nps_n": 400, "nps_low": 4.5, "nps_high": 19.75,
        "csat": 81.5, "csat_n": 200, "csat_low": 75.5, "csat_high": 86.25,
        "csat_mean_n": 200, "ces": 5.25, "ces_n": 100, "ces_low": 5.0, "ces_high": 5.5, "ces_easy_n": 100,
        "success_rate": 0.875, "success_rate_n": 800, "success_rate_low": 0.85, "success_rate_high": 0.9,
        "duration_ms_p50": 84_000.0, "duration_ms_n": 3900, "sentiment_n": 0, "purchases": 0,
        "average_order_minor_n": 0,
    }  # fmt: skip
    place = {"journey": "customer", "stage": stage, "channel": channel, "segment": segment}
    return place | answered | metrics


def journey() -> list[dict[str, Any]]:
    """Every declared stage and the whole journey; two channels of support, and a segment."""
    return [
        row(ALL, touches=29_477),
        *(row(stage, nps=10.5 + place, touches=1000 + place) for place, stage in enumerate(DECLARED)),
        row("support", "chat", touches=605, nps=44.5),
        row("support", "call_centre", touches=400),
        row("support", segment="business", touches=77, nps=-3.5),
    ]


def write_rows(
    client: Client, rows: Sequence[dict[str, Any]], window: str = "5m", ticks: int = 1, ago_ms: int = STAYS_FRESH
) -> None:
    """Write rows at the live tick of a window, and at `ticks` - 1 complete ticks before it, written so long ago."""
    now_ms = times.now_ms()
    tick_ms, step_ms = BY_NAME[window].live_tick(now_ms), BY_NAME[window].step_ms
    place = {"topic": "touchpoints", "window": window, "written_at": _instant(now_ms - ago_ms)}
    written = [
        place | in_group(one) | {"tick": _instant(tick_ms - back * step_ms), "completeness": 1.0 if back else 0.0}
        for back in range(ticks)
        for one in rows
    ]
    names = sorted({name for one in written for name in one})
    client.insert("stage_metrics", [[one[name] for name in names] for one in written], names)


def in_group(one: dict[str, Any]) -> dict[str, Any]:
    """A row as the tables have it: its names in the key of its group, unless it brings one."""
    if "group_key" in one:
        return {name: value for name, value in one.items() if name not in ("journey", "stage", "channel", "segment")}
    names = {name: one[name] for name in ("journey", "stage", "channel", "segment") if name in one}
    key = [(dimension, name) for dimension, name in names.items() if name is not None]
    return {name: value for name, value in one.items() if name not in names} | {"group_key": key}


def write_visits(client: Client, stages: Sequence[str] = DECLARED, window: str = "5m") -> None:
    """Write what became of the visits to stages, with the largest numbers that a card has to hold."""
    now_ms = times.now_ms()
    visits = {
        "topic": "touchpoints", "window": window, "tick": _instant(BY_NAME[window].live_tick(now_ms)),
        "watermark": _instant(now_ms), "entered": 1_234_567, "progressed": 234_567,
        "dropped": 345_678, "open": 654_322, "recovered": 12, "conversion": 0.4042, "conversion_n": 580_245,
        "conversion_low": 0.4029, "conversion_high": 0.4055, "dwell_ms_p50": 187_399_000, "dwell_ms_p95": 987_399_000,
        "dwell_ms_n": 580_245, "dwell_open": 654_322,
    }  # fmt: skip
    keys = [[("journey", "customer"), ("stage", stage)] for stage in stages]
    client.insert("journey_metrics", [[*visits.values(), key] for key in keys], [*visits, "group_key"])


def write_lanes(client: Client, lanes: int = 4, ago_ms: int = STAYS_FRESH, clock_ago_ms: int = STAYS_FRESH) -> None:
    """Lanes that were written so long ago, when they had applied everything up to so long ago."""
    now_ms = times.now_ms()
    at, clock = _instant(now_ms - ago_ms), _instant(now_ms - clock_ago_ms)
    names = ("topic", "partition", "log_id", "generation", "next_offset", "lane_clock", "occurred_max", "watermark")
    rest = ("definitions", "predecessor_log_id", "predecessor_next_offset", "written_at")
    offset = time.time_ns()  # the newest row of a lane is that with the highest offset
    rows = [["touchpoints", lane, "log", 1, offset, clock, clock, clock, "v1", "", 0, at] for lane in range(lanes)]
    client.insert("lanes", rows, [*names, *rest])


def write_round(client: Client, ago_ms: int = STAYS_FRESH, judged_ago_ms: int = STAYS_FRESH, rules: int = 8) -> None:
    """A round of `watch`, written so long ago, that had judged what was complete so long ago."""
    now_ms = times.now_ms()
    row = ["touchpoints", rules, 10_000, _instant(now_ms - judged_ago_ms), _instant(now_ms - ago_ms)]
    client.insert("watch_rounds", [row], ["topic", "rules", "step_ms", "judged_to", "written_at"])


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
