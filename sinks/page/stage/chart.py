"""A metric's course as a chart: lines and areas of SVG, and the words for those who don't see it. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from touchstream.schemas.annotations import Annotation
from touchstream.schemas.metrics import Metric
from touchstream.schemas.times import instant, since_epoch
from touchstream.sinks.clickhouse.course.course import TimeSpan
from touchstream.sinks.page.figures import number
from touchstream.sinks.page.trend import narrowest

WIDTH: Final = 1_000
HEIGHT: Final = 250
_TICKS: Final = 4
"""Spaces between the lines of the value axis."""
_LABELS: Final = 5
"""Times below the chart."""
_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "points": (-100, 100), "percent": (0, 100), "share": (0, 1), "milliseconds": (0, math.inf),
    "events": (0, math.inf), "customers": (0, math.inf),
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """A step of the course. few: it rests on less than the catalogue's n_min; complete: it can't change any more."""

    at_ms: int
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    few: bool
    complete: bool


@dataclass(frozen=True)
class Spot:
    """What is said where the pointer is: the place of a step in the chart, and its words."""

    x: float
    width: float
    words: str


@dataclass(frozen=True)
class Chart:
    """A chart in a box of WIDTH × HEIGHT. Paths are those of SVG; axis: values from the top, times from the left."""

    line: str
    few: str
    open: str
    band: str
    before: str
    target: float | None
    shades: tuple[tuple[float, float], ...]
    marks: tuple[Spot, ...]
    spots: tuple[Spot, ...]
    values: tuple[str, ...]
    times: tuple[datetime, ...]
    words: str


def points(rows: Sequence[Mapping[str, Any]], metric: Metric, complete_ms: int, step_ms: int) -> list[Point]:
    """The steps of a course, of one metric."""
    return [
        Point(
            at_ms=row["at_ms"],
            value=row.get(metric.name),
            low=row.get(f"{metric.name}_low"),
            high=row.get(f"{metric.name}_high"),
            n=row.get(metric.n) if metric.n else None,
            few=bool(metric.n) and (row.get(metric.n or "") or 0) < metric.n_min,
            complete=row["at_ms"] + step_ms <= complete_ms,
        )
        for row in rows
    ]


def chart(
    course: Sequence[Point],
    before: Sequence[Point],
    metric: Metric,
    span: TimeSpan,
    step_ms: int,
    shades: Sequence[TimeSpan] = (),
    noted: Sequence[Annotation] = (),
) -> Chart | None:
    """The chart of a course; None without a value. before: the course that it is compared with, moved to this span.

    shades: when alerts were firing; noted: what was noted of it.
    """
    valued = [point for point in course if point.value is not None]
    if not valued:
        return None
    low, high = _range([*valued, *before], metric)
    scale = _Scale(span, low, high, step_ms)
    return Chart(
        line=scale.path(course, lambda point: not point.few and point.complete),
        few=scale.path(course, lambda point: point.few and point.complete),
        open=scale.path(course, lambda point: not point.complete),
        band=scale.band(course),
        before=scale.path(before, lambda _: True),
        target=scale.y(metric.target) if metric.target is not None and low <= metric.target <= high else None,
        shades=tuple(scale.stretch(one) for one in shades),
        marks=tuple(scale.mark(one) for one in noted),
        spots=tuple(scale.spot(point, metric) for point in valued),
        values=tuple(number(high - place * (high - low) / _TICKS, metric.unit) for place in range(_TICKS + 1)),
        times=tuple(instant(span.from_ms + place * span.length_ms // (_LABELS - 1)) for place in range(_LABELS)),
        words=_words(valued, metric),
    )


@dataclass(frozen=True)
class _Scale:
    span: TimeSpan
    low: float
    high: float
    step_ms: int

    def x(self, at_ms: float) -> float:
        return WIDTH * (at_ms - self.span.from_ms) / self.span.length_ms

    def y(self, value: float) -> float:
        return HEIGHT - HEIGHT * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)

    def place(self, point: Point, value: float) -> str:
        """In the middle of its step, which may reach out of the span."""
        x = min(max(self.x(point.at_ms + self.step_ms / 2), 0.0), WIDTH)
        return f"{x:.1f} {self.y(value):.1f}"

    def path(self, course: Sequence[Point], wanted: Callable[[Point], bool]) -> str:
        """A line through the points that are wanted, from each to the one that follows; alone it is a dot."""
        drawn: list[str] = []
        before: Point | None = None
        for point in course:
            if point.value is None or not wanted(point):
                before = point if point.value is not None else None
                continue
            if before is not None and before.value is not None and point.at_ms - before.at_ms <= self.step_ms:
                start = f"M{self.place(before, before.value)}" if not wanted(before) or not drawn else ""
                drawn.append(f"{start}L{self.place(point, point.value)}")
            else:
                drawn.append(f"M{self.place(point, point.value)}h.1")
            before = point
        return "".join(drawn)

    def band(self, course: Sequence[Point]) -> str:
        """The intervals as areas: one for each stretch of steps that have them."""
        stretches: list[list[Point]] = []
        for point in course:
            if point.low is None or point.high is None:
                continue
            if not stretches or point.at_ms - stretches[-1][-1].at_ms > self.step_ms:
                stretches.append([])
            stretches[-1].append(point)
        areas = []
        for stretch in stretches:
            above = [self.place(point, point.high or 0.0) for point in stretch]
            below = [self.place(point, point.low or 0.0) for point in reversed(stretch)]
            areas.append("M" + "L".join([*above, *below]) + "Z")
        return "".join(areas)

    def stretch(self, one: TimeSpan) -> tuple[float, float]:
        """Where a span begins in the chart, and how wide it is."""
        start, end = (min(max(self.x(at_ms), 0.0), WIDTH) for at_ms in (one.from_ms, one.to_ms))
        return round(start, 1), round(max(end - start, 1.0), 1)

    def mark(self, one: Annotation) -> Spot:
        """Where something was noted, and what."""
        x, width = self.stretch(TimeSpan(since_epoch(one.at), since_epoch(one.end)))
        return Spot(x, width, f"{one.kind} at {one.at:%Y-%m-%d %H:%M} UTC: {one.text}")

    def spot(self, point: Point, metric: Metric) -> Spot:
        x = self.x(point.at_ms)
        words = [number(point.value or 0.0, metric.unit)]
        if point.low is not None and point.high is not None:
            words.append(f"{number(point.low, metric.unit)} to {number(point.high, metric.unit)}")
        if point.n is not None:
            words.append(f"n {point.n:,}")
        return Spot(
            round(x, 1),
            round(self.x(point.at_ms + self.step_ms) - x, 1),
            f"{instant(point.at_ms):%Y-%m-%d %H:%M} UTC: {', '.join(words)}",
        )


def _range(course: Sequence[Point], metric: Metric) -> tuple[float, float]:
    """From the least to the most, of intervals too where they aren't wild, on round numbers."""
    values = [point.value for point in course if point.value is not None]
    low, high = min(values), max(values)
    reach = max(high - low, narrowest(high, metric.unit))
    ends = [end for point in course for end in (point.low, point.high) if end is not None and point.value is not None]
    low = max(min([low, *ends]), low - reach)
    high = min(max([high, *ends]), high + reach)
    missing = max(0.0, reach - (high - low)) / 2
    least, most = _BOUNDS.get(metric.unit, (-math.inf, math.inf))
    if metric.unit in ("events", "customers", "milliseconds"):
        low = 0.0
    step = _round_step((high + missing - (low - missing)) / _TICKS)
    bottom = max(least, math.floor((low - missing) / step) * step)
    top = bottom + _TICKS * step
    while top < min(high, most):
        step = _round_step(step * 1.01)
        bottom = max(least, math.floor(low / step) * step)
        top = bottom + _TICKS * step
    if top > most:
        top, bottom = most, max(least, most - _TICKS * step)
    return bottom, top


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that isn't below."""
    power = 10.0 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next((power * one for one in (1, 2, 2.5, 5, 10) if power * one >= least * (1 - 1e-9)), power * 10)


def _words(valued: Sequence[Point], metric: Metric) -> str:
    first, last = valued[0], valued[-1]
    least = min(valued, key=lambda point: point.value or 0.0)
    most = max(valued, key=lambda point: point.value or 0.0)

    def said(point: Point) -> str:
        return f"{number(point.value or 0.0, metric.unit)} at {instant(point.at_ms):%Y-%m-%d %H:%M} UTC"

    return f"{said(first)} to {said(last)}; lowest {said(least)}, highest {said(most)}"
