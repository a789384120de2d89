"""A stage as its page shows it. Pure: rows in, a view out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from touchstream.schemas.alert_state import AlertRow
from touchstream.schemas.annotations import Annotation
from touchstream.schemas.journey import Journey
from touchstream.schemas.metrics import Catalogue, Metric, shipped
from touchstream.schemas.times import instant
from touchstream.sinks.clickhouse.course.course import Parts, TimeSpan, step_of
from touchstream.sinks.clickhouse.rolling.live import Names
from touchstream.sinks.page.board import Choice, choice_of, declared_stages, journey_names, journey_of
from touchstream.sinks.page.figures import Figure, figures
from touchstream.sinks.page.stage.chart import Chart, chart, points
from touchstream.sinks.page.stage.difference import Moved, moved
from touchstream.sinks.page.stage.selection import StageSelection

_NO_PARTS: Final = Parts((), {}, {}, 0)
_UNSHOWN: Final = frozenset({"customers"})
"""Metrics that panes don't tell."""
_BAR: Final = 100


@dataclass(frozen=True)
class StageReadings:
    """What ClickHouse said of a stage. `at_ms`: when; span: of the course."""

    at_ms: int
    span: TimeSpan
    metric: str
    complete_ms: int = 0
    course: Sequence[Mapping[str, Any]] = ()
    course_before: Sequence[Mapping[str, Any]] = ()
    whole: Parts = _NO_PARTS
    parts: Parts = _NO_PARTS
    names: Mapping[str, Names] = field(default_factory=dict)
    firing: Sequence[AlertRow] = ()
    alerts: Sequence[AlertRow] = ()
    """Changes of alerts in the span, and those that are firing."""
    noted: Sequence[Annotation] = ()
    """What was noted of the group in the span, the newest first."""


@dataclass(frozen=True)
class Bar:
    """An interval among others: places from 0 to 100."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class Part:
    """A part of the stage: now, before, and how much of its touches."""

    name: str
    now: Figure
    before: Figure
    moved: Moved | None
    bar: Bar | None
    share: float


@dataclass(frozen=True)
class TableRow:
    """A step of the course in words."""

    at: datetime
    figure: Figure


@dataclass(frozen=True)
class StageView:
    """All that the page of a stage shows. stages: of the journey, in its order, to go to from here."""

    selection: StageSelection
    journey: str
    stages: tuple[str, ...]
    declared: bool
    owner: str | None
    description: str | None
    metric: Metric
    label: str
    metrics: tuple[tuple[str, str], ...]
    journeys: Choice
    channels: Choice
    segments: Choice
    now: Figure
    before: Figure
    moved: Moved | None
    others: tuple[tuple[Figure, Moved | None], ...]
    """The other metrics of the stage in the span."""
    chart: Chart | None
    table: tuple[TableRow, ...]
    parts: tuple[Part, ...]
    parts_left_out: int
    firing: tuple[AlertRow, ...]
    noted: tuple[Annotation, ...]
    start: datetime
    end: datetime
    step_minutes: int


def metrics_of_course(catalogue: Catalogue) -> tuple[str, ...]:
    """The metrics that a course can show, those of the page first."""
    known = [metric.name for metric in shipped().rolling_numbers if metric.name not in _UNSHOWN]
    names = [name for name in known if name in catalogue.metrics]
    first = [name for name in catalogue.page or shipped().page if name in names]
    return tuple(dict.fromkeys([*first, *names]))


def stage_view(
    journeys: Sequence[Journey], catalogue: Catalogue, selection: StageSelection, readings: StageReadings
) -> StageView:
    """Put together what the page shows."""
    journey = journey_of(journeys, selection.journey)
    declared = declared_stages(journeys, journey)
    stage = declared.get(selection.stage) if selection.stage is not None else None
    metric = catalogue.metrics[readings.metric]
    span, step_ms = readings.span, step_of(readings.span)
    now, before = (one.get("") for one in (readings.whole.now, readings.whole.before))
    of_course = metrics_of_course(catalogue)
    back_ms = span.from_ms - selection.before(span).from_ms
    moved_rows = [row | {"at_ms": row["at_ms"] + back_ms} for row in map(dict, readings.course_before)]
    return StageView(
        selection=selection,
        journey=journey,
        stages=tuple(declared),
        declared=stage is not None or selection.stage is None,
        owner=stage.owner if stage else None,
        description=stage.description if stage else None,
        metric=metric,
        label=catalogue.title(metric.name),
        metrics=tuple((name, catalogue.title(name)) for name in of_course),
        journeys=choice_of(journey_names(journeys, readings.names), journey),
        channels=choice_of(readings.names.get("channel"), selection.channel),
        segments=choice_of(readings.names.get("segment"), selection.segment),
        now=_figure(now, catalogue, metric.name),
        before=_figure(before, catalogue, metric.name),
        moved=moved(now, before, metric),
        others=tuple(
            (figure, moved(now, before, catalogue.metrics[figure.metric]))
            for figure in figures(now, catalogue, [name for name in of_course if name != metric.name])
            if figure.value is not None
        ),
        chart=chart(
            points(readings.course, metric, readings.complete_ms, step_ms),
            points(moved_rows, metric, readings.complete_ms, step_ms),
            metric,
            span,
            step_ms,
            _shades(readings, selection.stage, metric.name),
            readings.noted,
        ),
        table=tuple(
            TableRow(instant(row["at_ms"]), _figure(row, catalogue, metric.name)) for row in reversed(readings.course)
        ),
        parts=_parts(readings.parts, metric, catalogue),
        parts_left_out=readings.parts.left_out,
        firing=tuple(alert for alert in readings.firing if alert.group.stage == selection.stage),
        noted=tuple(readings.noted),
        start=instant(span.from_ms),
        end=instant(span.to_ms),
        step_minutes=step_ms // 60_000,
    )


def _figure(row: Mapping[str, Any] | None, catalogue: Catalogue, metric: str) -> Figure:
    return figures(row, catalogue, [metric])[0]


def _parts(parts: Parts, metric: Metric, catalogue: Catalogue) -> tuple[Part, ...]:
    touches = sum(row["touches"] for row in parts.now.values())
    ends = [
        end
        for row in parts.now.values()
        for end in (row.get(f"{metric.name}_low"), row.get(f"{metric.name}_high"), row.get(metric.name))
        if end is not None
    ]
    low, high = (min(ends), max(ends)) if ends else (0.0, 0.0)
    if metric.unit in ("events", "customers"):
        low = 0.0
    return tuple(
        Part(
            name=name,
            now=_figure(parts.now.get(name), catalogue, metric.name),
            before=_figure(parts.before.get(name), catalogue, metric.name),
            moved=moved(parts.now.get(name), parts.before.get(name), metric),
            bar=_bar(parts.now.get(name, {}), metric, low, high),
            share=parts.now[name]["touches"] / touches if name in parts.now and touches else 0.0,
        )
        for name in parts.names
    )


def _bar(row: Mapping[str, Any], metric: Metric, low: float, high: float) -> Bar | None:
    value = row.get(metric.name)
    if value is None or high <= low:
        return None
    ends = [row.get(f"{metric.name}_{end}") for end in ("low", "high")]
    places = [_BAR * ((value if one is None else one) - low) / (high - low) for one in (ends[0], value, ends[1])]
    return Bar(*(round(place, 1) for place in places))


def _shades(readings: StageReadings, stage: str | None, metric: str) -> list[TimeSpan]:
    """When alerts on the metric were firing in the stage."""
    began: dict[tuple[str, str, Any], int] = {}
    spans: list[TimeSpan] = []
    watched = [one for one in readings.alerts if one.about.metric == metric and one.group.stage == stage]
    for alert in sorted(watched, key=lambda one: one.tick_ms):
        place = alert.namespace, alert.rule, alert.group
        if alert.state == "firing":
            began.setdefault(place, alert.since_ms)
        elif alert.state == "resolved":
            spans.append(TimeSpan(began.pop(place, readings.span.from_ms), alert.tick_ms))
    spans += [TimeSpan(since_ms, readings.span.to_ms) for since_ms in began.values()]
    return [one for one in spans if one.to_ms > readings.span.from_ms and one.from_ms < readings.span.to_ms]
