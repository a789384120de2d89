"""The journey as the page draws it: stages from left to right, each with its figures. Pure: rows in, a board out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from touchstream.schemas.journey import Journey, Stage
from touchstream.schemas.metrics import Catalogue
from touchstream.sinks.clickhouse.rolling.live import NO_GROUPS, OTHER, Groups, Names, Newest
from touchstream.sinks.page.figures import Figure, figures, instant, shown
from touchstream.sinks.page.selection import Selection
from touchstream.sinks.page.trend import Trend, trend

STAGES_MAX: Final = 30
CHANNELS_MAX: Final = 50
NAMES_MAX: Final = 50
"""Most names offered in each selection list."""
ALERTS_MAX: Final = 10
TREND_TICKS: Final = 60

_NO_NAMES: Final = Names((), 0)
_PLURALS: Final = {
    "journey": "journeys",
    "stage": "stages",
    "channel": "channels of a stage",
    "segment": "segments of a stage",
}


@dataclass(frozen=True)
class Alert:
    """An alert that is firing. stage and channel: None for all together; `since_ms`: milliseconds since 1970.

    address: of its page, below `alerts/`; empty without one.
    """

    rule: str
    stage: str | None
    channel: str | None
    text: str
    since_ms: int
    handled: str = ""
    """Who acknowledged or silenced it."""
    address: str = ""

    @property
    def since(self) -> datetime:
        """When it began to fire, in event time; UTC."""
        return datetime.fromtimestamp(self.since_ms / 1_000, UTC)


@dataclass(frozen=True)
class Readings:
    """What ClickHouse said for one selection at one tick."""

    newest: Newest
    stages: Groups = NO_GROUPS
    channels: Groups = NO_GROUPS
    trend: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    names: Mapping[str, Names] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    journeys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By stage, what became of its visits; nothing where a channel or a segment is chosen."""
    last_touched_ms: Mapping[str, int] = field(default_factory=dict)
    """The hour in which a stage without rows was last touched; one that never was is left out."""


@dataclass(frozen=True)
class Other:
    """What has no place on the screen: how many names, and their touches."""

    names: int
    touches: int
    shown: int


@dataclass(frozen=True)
class Folded:
    """What has no rolling rows of its own: how many names, about, and their touches."""

    names: int
    touches: int


@dataclass(frozen=True)
class ChannelCard:
    """A channel of the opened stage."""

    name: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class StageCard:
    """A stage; `heard` is false where no row knows it, and `silence` says since when.

    `completeness` is a share, None without a row.
    """

    id: str
    declared: bool
    heard: bool
    silence: str
    description: str | None
    owner: str | None
    completeness: float | None
    figures: tuple[Figure, ...]
    trends: Mapping[str, Trend]
    alerts: tuple[str, ...]
    """The rules that are firing."""
    opened: bool
    address: str
    """The query of the page with this stage opened, or closed again."""
    channels: tuple[ChannelCard, ...] = ()
    other_channels: Other | None = None
    folded_channels: Folded | None = None


@dataclass(frozen=True)
class Choice:
    """A list to choose from; chosen None: all together. `left_out`: names that have no place in it."""

    names: tuple[str, ...]
    chosen: str | None
    left_out: int


@dataclass(frozen=True)
class Board:
    """All that the page shows of one selection."""

    selection: Selection
    journey: str
    whole: tuple[Figure, ...]
    """The figures of the whole journey; empty if a channel or a segment is selected."""
    alerts: tuple[Alert, ...]
    other_alerts: int
    stages: tuple[StageCard, ...]
    other_stages: Other | None
    folded: tuple[tuple[int, str], ...]
    """How many names have no rolling rows of their own, and of what."""
    journeys: Choice
    channels: Choice
    segments: Choice
    unknown: tuple[tuple[str, str], ...]
    """Names in the address that nothing is known of: the kind of name (channel, stage, …), and the name."""
    until: datetime | None
    complete_until: datetime | None
    """The newest tick of the trend that every lane has passed."""

    @property
    def rows(self) -> int:
        """Figures of the stage that has most of them."""
        return max((len(stage.figures) for stage in self.stages), default=1)


def board(journeys: Sequence[Journey], catalogue: Catalogue, selection: Selection, readings: Readings) -> Board:
    """Put together what the page shows."""
    journey = journey_of(journeys, selection.journey)
    declared = declared_stages(journeys, journey)
    rows = {row["stage"]: row for row in readings.stages.rows}
    whole = rows.pop(None, None)
    shown = shown_stages(declared, rows)
    return Board(
        selection=selection,
        journey=journey,
        whole=figures(whole, catalogue) if whole else (),
        alerts=readings.alerts[:ALERTS_MAX],
        other_alerts=len(readings.alerts[ALERTS_MAX:]),
        stages=tuple(
            _stage_card(name, declared.get(name), rows.get(name), catalogue, selection, readings) for name in shown
        ),
        other_stages=_other(readings.stages, [rows[name] for name in shown if name in rows]),
        folded=tuple((readings.names[key].total, _PLURALS[of]) for key, of in OTHER.items() if key in readings.names),
        journeys=choice_of(journey_names(journeys, readings.names), journey),
        channels=choice_of(readings.names.get("channel"), selection.channel),
        segments=choice_of(readings.names.get("segment"), selection.segment),
        unknown=_unknown(journeys, selection, shown, readings),
        until=_instant(readings.newest.tick_ms),
        complete_until=_instant(_complete_until(readings)),
    )


def journey_of(journeys: Sequence[Journey], chosen: str | None) -> str:
    """The journey that is looked at: the first one declared, unless another is chosen."""
    return journeys[0].id if chosen is None else chosen


def declared_stages(journeys: Sequence[Journey], journey: str) -> dict[str, Stage]:
    """The stages that a journey declares, in its order; none of an undeclared journey."""
    return next(({stage.id: stage for stage in one.stages} for one in journeys if one.id == journey), {})


def shown_stages(declared: Mapping[str, Stage], heard: Mapping[str, Any]) -> list[str]:
    """The stages on the screen, at most STAGES_MAX: the declared in their order, then the others by name."""
    undeclared = sorted(name for name in heard if name not in declared)
    return [*declared, *undeclared][:STAGES_MAX]


def _stage_card(
    name: str,
    stage: Stage | None,
    row: Mapping[str, Any] | None,
    catalogue: Catalogue,
    selection: Selection,
    readings: Readings,
) -> StageCard:
    values = figures(row, catalogue)
    if name in readings.journeys:
        values += figures(readings.journeys[name], catalogue, shown(catalogue).visits)
    opened = selection.opened == name
    until_ms, step_ms = readings.newest.tick_ms, selection.rolling.step_ms
    rows = readings.trend.get(name, ())
    lines = {
        figure.metric: trend(rows, catalogue.metrics[figure.metric], until_ms, step_ms, TREND_TICKS)
        for figure in values
    }
    channels = readings.channels if opened else NO_GROUPS
    return StageCard(
        id=name,
        declared=stage is not None,
        heard=row is not None,
        silence=_silence(name, selection, readings),
        description=stage.description if stage else None,
        owner=stage.owner if stage else None,
        completeness=row["completeness"] if row else None,
        figures=values,
        trends={metric: line for metric, line in lines.items() if line is not None},
        alerts=tuple(dict.fromkeys(alert.rule for alert in readings.alerts if alert.stage == name))[:ALERTS_MAX],
        opened=opened,
        address=selection.opening(None if opened else name).query,
        channels=tuple(
            ChannelCard(row["channel"], figures(row, catalogue))
            for row in sorted(channels.rows, key=lambda row: str(row["channel"]))
        ),
        other_channels=_other(channels, channels.rows),
        folded_channels=Folded(*channels.folded) if channels.folded[0] else None,
    )


def _silence(stage: str, selection: Selection, readings: Readings) -> str:
    """What is known of a stage without rows: of all time, where nothing narrows the choice."""
    chosen = {"channel_other": selection.channel, "segment_other": selection.segment}
    if any(name is not None and key in readings.names for key, name in chosen.items()):
        return "No row of this choice: none of its touches here within a week, or they are counted as other"
    if (selection.channel, selection.segment) != (None, None):
        return "No touches of this choice within a week"
    last_ms = readings.last_touched_ms.get(stage)
    if last_ms is None:
        return "Never touched so far"
    return f"Last touched in the hour of {instant(last_ms, readings.newest.now_ms)}"


def _unknown(
    journeys: Sequence[Journey], selection: Selection, shown: Sequence[str], readings: Readings
) -> tuple[tuple[str, str], ...]:
    if not readings.newest.tick_ms:
        return ()
    chosen = {"channel": selection.channel, "segment": selection.segment}
    found = {
        kind: name
        for kind, name in chosen.items()
        if name is not None and name not in readings.names.get(kind, _NO_NAMES).shown and not readings.stages.rows
    }
    if selection.journey is not None and selection.journey not in journey_names(journeys, readings.names).shown:
        found |= {"journey": selection.journey} if not readings.stages.rows else {}
    if selection.opened is not None and selection.opened not in shown:
        found["stage"] = selection.opened
    return tuple(found.items())


def _other(groups: Groups, shown: Sequence[Mapping[str, Any]]) -> Other | None:
    names = groups.names - len(shown)
    touches = groups.touches - sum(row["touches"] for row in shown)
    return Other(names, touches, len(shown)) if names > 0 else None


def journey_names(journeys: Sequence[Journey], names: Mapping[str, Names]) -> Names:
    """The declared journeys, then those that were heard of, at most NAMES_MAX."""
    heard = names.get("journey", _NO_NAMES)
    declared = tuple(journey.id for journey in journeys)
    both = (*declared, *(name for name in heard.shown if name not in declared))
    return Names(both[:NAMES_MAX], max(heard.total, len(both)))


def choice_of(names: Names | None, chosen: str | None) -> Choice:
    """A list of names to choose from. What is chosen is in it, also when it is silent."""
    names = names or _NO_NAMES
    absent = () if chosen is None or chosen in names.shown else (chosen,)
    return Choice((*absent, *names.shown), chosen, max(0, names.total - len(names.shown)))


def _complete_until(readings: Readings) -> int:
    ticks = (row["at_ms"] for rows in readings.trend.values() for row in rows if row["completeness"] >= 1)
    return max(ticks, default=0)


def _instant(at_ms: int) -> datetime | None:
    return datetime.fromtimestamp(at_ms / 1_000, UTC) if at_ms else None
