"""Design effects of rolling windows: by how much answers of the same people widen intervals (docs/decisions/0025).

Panes don't know people. How alike the answers of a person are changes slowly, so that it is measured seldom, from raw
events: in windows of the same length, because the longer a window, the more answers of a person are in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from touchstream.schemas.instruments import in_force
from touchstream.schemas.metrics import Catalogue, shipped
from touchstream.schemas.times import instant
from touchstream.schemas.windows import Window
from touchstream.sinks.clickhouse.client import READ_SECONDS
from touchstream.sinks.clickhouse.intervals import SPREAD, mean_scale
from touchstream.sinks.clickhouse.sql import query_text

TOUCHES_MAX: Final = 1_000_000
"""Touches that a statement looks at: of more, those of some people only. A few seconds of one core."""
PARENT_PEOPLE: Final = 20
"""A group's design effect counts as that of its people, and its parent's as that of so many more."""
SMALLEST: Final = 1.005
"""Design effects below are 1: a quarter of a per cent of an interval's width."""
_DAY_MS: Final = 86_400_000
_LAST_MS: Final = 7 * _DAY_MS
"""Windows of up to a day are looked at over the last week, longer ones over the length of the longest."""
_LONG_MS: Final = 28 * _DAY_MS
_HOUR_MS: Final = 3_600_000
_SETTINGS: Final = {"os_thread_priority": 10, "max_execution_time": READ_SECONDS, "max_threads": 2}

Key = tuple[tuple[str, str], ...]
"""(dimension, name) as in `stage_metrics`; empty: all events together."""


@dataclass(frozen=True)
class Answered:
    """What was measured of a metric in a group: people with answers, design effect, mean and variance of an answer."""

    people: float
    deff: float
    mean: float
    variance: float


@dataclass(frozen=True)
class Measured:
    """What was measured of a window. history_ms: how far back the oldest answer lies."""

    measured_ms: int
    history_ms: int


def measure_effects(client: Client, topic: str, window: Window, now_ms: int) -> int:
    """Measure a window's design effects as of now, and keep them; of how many groups. Idempotent."""
    to_ms = now_ms // _HOUR_MS * _HOUR_MS + _HOUR_MS
    from_ms = to_ms - (_LAST_MS if window.length_ms <= _DAY_MS else _LONG_MS)
    lanes, sampled = _sample(
        client.query(query_text("touches_of_lanes"), {"from_ms": from_ms, "to_ms": to_ms}).result_rows
    )
    parameters = {
        "topic": topic, "from_ms": from_ms, "to_ms": to_ms, "length_ms": window.length_ms, "lanes": lanes,
        "sampled": sampled,
    }  # fmt: skip
    known = in_force()
    text = query_text("effects_of_series", known, people="people_by_series")
    rows = list(client.query(text, parameters, settings=_SETTINGS).named_results())
    measured = {tuple(map(tuple, row["group_key"])): _answered(row) for row in rows}
    history = {tuple(map(tuple, row["group_key"])): row for row in rows}
    columns = ("topic", "window", "group_key", "effects", "people", "measured_from", "measured_to")
    kept = [
        [topic, window.name, list(key), effects, history[key]["people_in_windows"],
         instant(history[key]["measured_from_ms"]), instant(now_ms)]
        for key, effects in effects_of(measured, shipped().under(known)).items()
    ]  # fmt: skip
    if kept:
        client.insert("design_effects", kept, column_names=columns)
    return len(kept)


def effects_measured(client: Client, topic: str) -> dict[str, Measured]:
    """By window, when its design effects were measured last, by whichever worker led then."""
    rows = client.query(query_text("effects_measured"), {"topic": topic}).result_rows
    return {str(window): Measured(int(measured_ms), int(history_ms)) for window, measured_ms, history_ms in rows}


def effects_of(measured: Mapping[Key, Sequence[Answered]], catalogue: Catalogue) -> dict[Key, dict[str, float]]:
    """The design effects to keep of each group: its own, the fewer its people the more its parent's.

    measured: by group, in the order of `Catalogue.statistics`. Metrics whose design effect is 1 are left out.
    """
    found: dict[Key, tuple[dict[str, float], dict[str, float]]] = {}
    for key in sorted(measured, key=len):
        above = next((found[key[:end]] for end in range(len(key) - 1, -1, -1) if key[:end] in found), ({}, {}))
        deffs, spreads = dict(above[0]), dict(above[1])
        for name, one in zip(catalogue.statistics, measured[key], strict=True):
            if one.people > 1 and one.variance > 0:
                parent = above[0].get(name, one.deff)
                deffs[name] = ((one.people - 1) * one.deff + PARENT_PEOPLE * parent) / (one.people - 1 + PARENT_PEOPLE)
                largest = _largest_variance(name, one.mean, catalogue)
                if largest:
                    spread = one.variance / largest
                    parent = above[1].get(name, spread)
                    spreads[name] = (one.people * spread + PARENT_PEOPLE * parent) / (one.people + PARENT_PEOPLE)
        found[key] = deffs, spreads
    return {
        key: {name: deff for name, deff in deffs.items() if deff >= SMALLEST}
        | {name + SPREAD: spread for name, spread in spreads.items() if spread > 0}
        for key, (deffs, spreads) in found.items()
    }


def _largest_variance(name: str, mean: float, catalogue: Catalogue) -> float:
    """What a spread is relative to, where panes don't tell the variance; 0 where they do."""
    scale = mean_scale(catalogue, name)
    if scale is None:
        return 0.0
    low, high = scale
    return mean * mean if low == high else (mean - low) * (high - mean)


def _sample(touches: Iterable[Sequence[Any]]) -> tuple[list[int], int]:
    """Which lanes to look at, and one of how many people."""
    by_lane: dict[int, int] = dict(tuple(one) for one in touches)
    lanes = sorted(by_lane, key=lambda lane: (by_lane[lane], lane))
    too_many = sum(by_lane.values()) / TOUCHES_MAX
    if too_many <= 1:
        return lanes, 1
    chosen = lanes[len(lanes) // 2 :][: max(1, round(len(lanes) / too_many))]
    return chosen, max(1, round(sum(by_lane[lane] for lane in chosen) / TOUCHES_MAX))


def _answered(row: Mapping[str, Any]) -> list[Answered]:
    parts = (row[name] for name in ("people_", "deffs_", "means_", "variances_"))
    return [Answered(*one) for one in zip(*parts, strict=True)]
