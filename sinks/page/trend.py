"""A metric's course over the last ticks as a small line. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from touchstream.schemas.metrics import Metric
from touchstream.sinks.page.figures import number

WIDTH: Final = 100
HEIGHT: Final = 24
_MARGIN: Final = 2

_NARROWEST: Final = {"points": 20.0, "percent": 10.0, "share": 0.1, "score": 0.5}
"""The least that the line's height stands for, in the metric's unit: noise shall not look like news."""
_NARROWEST_PART: Final = 0.2
"""The least height for counts and durations, as a fraction of the largest value."""


@dataclass(frozen=True)
class Trend:
    """Two paths of SVG in a box of WIDTH × HEIGHT: ticks that are complete, and those that may still change."""

    complete: str
    open: str
    words: str


@dataclass(frozen=True)
class _Point:
    at_ms: int
    value: float
    complete: bool


def trend(rows: Sequence[Mapping[str, Any]], metric: Metric, until_ms: int, step_ms: int, ticks: int) -> Trend | None:
    """The course of a metric over the ticks up to `until_ms`; None with fewer than two values."""
    points = [_Point(row["at_ms"], row[metric.name], row["completeness"] >= 1) for row in rows if _known(row, metric)]
    if len(points) < 2:
        return None
    low, high = _range([point.value for point in points], metric.unit)
    from_ms = until_ms - (ticks - 1) * step_ms

    def place(point: _Point) -> str:
        x = WIDTH * (point.at_ms - from_ms) / ((ticks - 1) * step_ms)
        y = HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * (point.value - low) / (high - low)
        return f"{x:.0f} {y:.1f}"

    paths, ends = {True: "", False: ""}, dict[bool, _Point]()
    for before, point in pairwise(points):
        if point.at_ms - before.at_ms > step_ms:
            continue  # nothing is known of what lies between
        complete = point.complete
        start = "" if ends.get(complete) is before else f"M{place(before)}"
        paths[complete] += f"{start}L{place(point)}"
        ends[complete] = point
    return Trend(paths[True], paths[False], _words(points, metric))


def narrowest(high: float, unit: str) -> float:
    """The least that a line's height stands for, where `high` is the largest value."""
    return _NARROWEST.get(unit, _NARROWEST_PART * abs(high)) or 1.0


def _known(row: Mapping[str, Any], metric: Metric) -> bool:
    return row.get(metric.name) is not None


def _range(values: Sequence[float], unit: str) -> tuple[float, float]:
    low, high = min(values), max(values)
    missing = max(0.0, narrowest(high, unit) - (high - low)) / 2
    return low - missing, high + missing


def _words(points: Sequence[_Point], metric: Metric) -> str:
    values = [point.value for point in points]
    first, last, least, most = (
        number(value, metric.unit) for value in (values[0], values[-1], min(values), max(values))
    )
    return f"from {first} to {last}, lowest {least}, highest {most}"
