"""Journeys: which stage of which journey a touchpoint belongs to, as declared in `journey.yaml`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from touchstream.schemas.definitions import (
    Definition,
    DefinitionError,
    Finding,
    Source,
    content_version,
    model_of,
    read_source,
)
from touchstream.schemas.touchpoint import NAME_BYTES_MAX, shown

if TYPE_CHECKING:
    # Loaded where frames are resolved: rules of alerts and commands read journeys without any.
    import polars as pl

UNDECLARED: Final = "undeclared"
"""The stage of an event that names none and that no entry of its journey matches."""

JOURNEYS_MAX: Final = 100
STAGES_MAX: Final = 200
TOUCHPOINTS_MAX: Final = 1_000
"""Entries of a stage. Each name that is new to a worker is held against all entries of its journey."""

RESOLVED_MAX: Final = 20_000
"""Remembered answers, of up to 5 kB each; beyond it all are forgotten.

Names made up anew for each event must not fill the memory.
"""

DEFAULT_FILE: Final = Path(__file__).with_name("journey.yaml")

ATTRIBUTES_MAX: Final = 20
"""Attributes that an entry may ask for."""

_Key = tuple[str | None, ...]
_KEYS = ("journey", "stage", "channel", "touchpoint", "action")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_TIMEOUT_SECONDS_MAX = 3_653 * _UNITS["d"]


def _duration(value: object) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", value) if isinstance(value, str) else None
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= _TIMEOUT_SECONDS_MAX:
        raise ValueError("write a duration such as 30m, 12h, 30d or 4w, of at most ten years")
    return timedelta(seconds=seconds)


def _alternatives(value: object) -> object:
    if not isinstance(value, str | tuple):
        raise ValueError("write a name or a list of names")  # noqa: TRY004 - pydantic collects no TypeErrors
    return (value,) if isinstance(value, str) else value


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    """Actions are read in any case."""
    return tuple(name.lower() for name in names)


Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_BYTES_MAX)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_alternatives), Field(min_length=1, max_length=TOUCHPOINTS_MAX)]
Timeout = Annotated[timedelta, BeforeValidator(_duration)]

_ANY: Final = ("*",)


@dataclass(frozen=True)
class Pattern:
    """Alternatives with `*` for any characters, sorted by how they are compared.

    A new name is held against hundreds.
    """

    exact: frozenset[str]
    prefixes: tuple[str, ...]
    others: tuple[str, ...]

    @classmethod
    def of(cls, names: tuple[str, ...]) -> "Pattern":
        """The pattern of the names that an entry gives."""
        exact = frozenset(name for name in names if "*" not in name)
        prefixes = tuple(name[:-1] for name in names if name.find("*") == len(name) - 1)
        return cls(exact, prefixes, tuple(n for n in names if n not in exact and n[:-1] not in prefixes))

    def matches(self, value: str) -> bool:
        """Whether one of the alternatives stands for the value."""
        if value in self.exact or value.startswith(self.prefixes):
            return True
        return any(_matches(name, value) for name in self.others)


class Entry(Definition):
    """Touchpoints that belong to a stage.

    Those whose channel, touchpoint and action all match one of the alternatives, and each of the attributes too.
    `planned`: whether we made this contact, or it happened to the customer (a complaint on social media, say).
    """

    channel: Names = _ANY
    touchpoint: Names = _ANY
    action: Annotated[Names, AfterValidator(_lower)] = _ANY
    attributes: Annotated[dict[Name, Names], Field(max_length=ATTRIBUTES_MAX)] = Field(default_factory=dict)
    planned: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> "Entry":
        if not self.model_fields_set - {"planned"}:
            raise ValueError("an entry names at least one of channel, touchpoint, action and attributes")
        return self

    @property
    def patterns(self) -> tuple["Pattern", "Pattern", "Pattern"]:
        """What channel, touchpoint and action must match."""
        return Pattern.of(self.channel), Pattern.of(self.touchpoint), Pattern.of(self.action)

    def covers(self, other: "Entry") -> bool:
        """Whether it matches all that the other matches: then no other one is needed.

        A `*` in the other's names is held to be a character, which only a `*` of our own matches.
        """
        theirs = other.channel, other.touchpoint, other.action
        return all(
            ours.matches(name) for ours, names in zip(self.patterns, theirs, strict=True) for name in names
        ) and all(
            name in other.attributes and all(map(Pattern.of(names).matches, other.attributes[name]))
            for name, names in self.attributes.items()
        )


Stages = Annotated[tuple[Name, ...], BeforeValidator(_alternatives), Field(max_length=STAGES_MAX)]


class Stage(Definition):
    """A phase of a journey.

    `timeout`: how long after entering a customer may take to reach a later stage before the stage counts as left
    without progress. `next`: the stages that may follow, where a journey is a graph and not a line; the stages that can
    be reached from there are the later ones.
    """

    id: Name
    name: str | None = None
    description: str | None = None
    owner: Name | None = None
    timeout: Timeout | None = None
    next: Annotated[tuple[Name, ...], Field(max_length=STAGES_MAX)] | None = None
    touchpoints: Annotated[tuple[Entry, ...], Field(max_length=TOUCHPOINTS_MAX)] = ()


class Journey(Definition):
    """A path of customers: its stages in the order in which they are meant to be passed.

    A customer passes it once, and again. A new pass begins with the first touch after `new_after` without any, and
    with a touch in one of `starts` (without those: in any stage) after a visit to one of `ends`. A customer who is
    silent for `lost_after` is lost.
    """

    id: Name
    name: str | None = None
    description: str | None = None
    owner: Name | None = None
    starts: Stages = ()
    ends: Stages = ()
    new_after: Timeout | None = None
    lost_after: Timeout | None = None
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=STAGES_MAX)]


class JourneyFile(Definition):
    """All of `journey.yaml`. `format` is the version of the file's form, not of its content."""

    format: Literal[1]
    journeys: Annotated[tuple[Journey, ...], Field(min_length=1, max_length=JOURNEYS_MAX)]


class Journeys:
    """The journeys of a file, ready to resolve events.

    `journeys` are the models, `default` is the id of the journey of events that name none, `version` identifies the
    content.
    """

    def __init__(self, text: str, name: str = "journey.yaml") -> None:
        """Raises DefinitionError, with the line of each error; `name` is the file's name in it."""
        self._source = read_source(text, name)
        self.journeys = model_of(JourneyFile, self._source).journeys
        ambiguous = list(_ambiguous(self._source, self.journeys))
        if ambiguous:
            raise DefinitionError(*ambiguous)
        self.default = self.journeys[0].id
        self.version = content_version(text, name)
        entries = {
            journey.id: [(stage.id, one) for stage in journey.stages for one in stage.touchpoints]
            for journey in self.journeys
        }
        self._attributes = tuple(sorted({name for of in entries.values() for _, one in of for name in one.attributes}))
        self._entries = {
            journey: [(stage, *one.patterns, self._asked(one)) for stage, one in of] for journey, of in entries.items()
        }
        self._planned = {journey: [one.planned for _, one in of] for journey, of in entries.items()}
        self._resolved: dict[_Key, tuple[str, str, bool]] = {}

    @classmethod
    def load(cls, path: Path = DEFAULT_FILE) -> "Journeys":
        """Reads a file. Raises DefinitionError, OSError."""
        try:
            return cls(path.read_text(encoding="utf-8"), path.name)
        except UnicodeDecodeError as error:
            raise DefinitionError(Source(path.name, None, {}).error((), f"is not in UTF-8: {error}")) from error

    @property
    def remembered(self) -> int:
        """Answers of `resolve` that are remembered, at most RESOLVED_MAX."""
        return len(self._resolved)

    @property
    def attribute_columns(self) -> tuple[str, ...]:
        """The columns that `with_attributes` adds: one for each attribute that an entry asks for."""
        return tuple(f"attributes.{name}" for name in self._attributes)

    def with_attributes(self, frame: "pl.DataFrame") -> "pl.DataFrame":
        """Adds what `resolve` needs of the column `attributes` (a map of text), null where an event has none."""
        if not self._attributes:
            return frame
        import polars as pl

        return frame.with_columns(
            pl.col("attributes").map.get(name).alias(column)
            for name, column in zip(self._attributes, self.attribute_columns, strict=True)
        )

    def resolve(self, frame: "pl.DataFrame") -> "pl.DataFrame":
        """Says of each event in which journey and stage it counts.

        Needs the text columns journey, stage, channel, touchpoint, action and `attribute_columns`; fills `journey` and
        `stage` and adds the Boolean `declared`. A missing journey is the default one. An event's own stage always
        stays; a missing one is that of the first entry of its journey that matches, else `undeclared`. `declared`: an
        entry of that very stage matches the event.
        """
        keys = [*_KEYS, *self.attribute_columns]
        events = frame.select(keys)
        distinct = events.unique()
        answers = distinct.hstack(self.answers(distinct))
        resolved = events.join(answers, on=keys, how="left", nulls_equal=True, maintain_order="left")
        return frame.with_columns(
            resolved["to_journey"].alias("journey"), resolved["to_stage"].alias("stage"), resolved["declared"]
        )

    def answers(self, distinct: "pl.DataFrame") -> "pl.DataFrame":
        """As `resolve`, of each row in its order: columns to_journey, to_stage, declared. For few rows."""
        import polars as pl

        return pl.DataFrame(
            [self._answer(key) for key in distinct.select(*_KEYS, *self.attribute_columns).iter_rows()],
            schema={"to_journey": pl.String, "to_stage": pl.String, "declared": pl.Boolean},
            orient="row",
        )

    def planned(self, journey: str, stage: str, channel: str, touchpoint: str) -> bool | None:
        """Whether a touchpoint of a stage (of any, for `undeclared`) is planned; None where no entry has it.

        For some action and attributes: whether a single event is declared is said by `resolve`.
        """
        entries = zip(self._entries.get(journey, ()), self._planned.get(journey, ()), strict=True)
        return next(
            (
                planned
                for (stage_id, channels, touchpoints, *_), planned in entries
                if stage in (stage_id, UNDECLARED) and channels.matches(channel) and touchpoints.matches(touchpoint)
            ),
            None,
        )

    def check(self) -> list[Finding]:
        """What to mend in a file that can be used: entries that never match (errors), and what is left open (gaps)."""
        findings: list[Finding] = []
        for number, journey in enumerate(self.journeys):
            findings += _gaps(self._source, journey, ("journeys", number))
            findings += _shadowed(self._source, journey, ("journeys", number))
        return findings

    def _answer(self, key: _Key) -> tuple[str, str, bool]:
        answer = self._resolved.get(key)
        if answer is None:
            if len(self._resolved) >= RESOLVED_MAX:
                self._resolved.clear()
            journey, stage, *values = key
            answer = self._resolved[key] = self._look_up(journey, stage, values)
        return answer

    def _look_up(self, journey: str | None, stage: str | None, values: Sequence[str | None]) -> tuple[str, str, bool]:
        """values: channel, touchpoint, action, and each attribute that an entry asks for."""
        journey = journey or self.default
        for stage_id, *patterns, asked in self._entries.get(journey, ()):
            if (not stage or stage == stage_id) and all(map(_matches_pattern, (*patterns, *asked), values)):
                return journey, stage_id, True
        return journey, stage or UNDECLARED, False

    def _asked(self, entry: Entry) -> tuple[Pattern | None, ...]:
        """What each attribute must match; None where the entry doesn't ask."""
        asked = entry.attributes
        return tuple(Pattern.of(asked[name]) if name in asked else None for name in self._attributes)


def _matches_pattern(pattern: Pattern | None, value: str | None) -> bool:
    return pattern is None or (value is not None and pattern.matches(value))


def _matches(name: str, value: str) -> bool:
    """Whether a value is what a name with `*` for any characters stands for. Linear in the value, whatever the name."""
    first, *rest = name.split("*")
    if not rest:
        return value == first
    *middle, last = rest
    at, end = len(first), len(value) - len(last)
    if at > end or not value.startswith(first) or not value.endswith(last):
        return False
    for part in middle:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _ambiguous(source: Source, journeys: tuple[Journey, ...]) -> Iterator[Finding]:
    """Ids that don't tell one thing from another: with them, no event can be resolved."""
    known: set[str] = set()
    for number, journey in enumerate(journeys):
        if journey.id in known:
            yield source.error(("journeys", number, "id"), f"journey {shown(journey.id)} stands here again; rename one")
        known.add(journey.id)
        stages = {UNDECLARED}
        for place, stage in enumerate(journey.stages):
            path = ("journeys", number, "stages", place, "id")
            if stage.id == UNDECLARED:
                yield source.error(path, f"{UNDECLARED} is the stage of what no entry matches; choose another id")
            elif stage.id in stages:
                yield source.error(path, f"stage {shown(stage.id)} stands here again in its journey; rename one")
            stages.add(stage.id)
        yield from _unknown_stages(source, journey, ("journeys", number))


def _unknown_stages(source: Source, journey: Journey, path: tuple[str | int, ...]) -> Iterator[Finding]:
    """Stages that something names and nothing declares."""
    declared = {stage.id for stage in journey.stages}
    named: list[tuple[tuple[str | int, ...], tuple[str, ...]]]
    named = [(("starts",), journey.starts), (("ends",), journey.ends)]
    named += [(("stages", place, "next"), stage.next or ()) for place, stage in enumerate(journey.stages)]
    for at, names in named:
        for place, name in enumerate(names):
            if name not in declared:
                yield source.error((*path, *at, place), f"{at[-1]}: journey {journey.id} has no stage {shown(name)}")


def _gaps(source: Source, journey: Journey, path: tuple[str | int, ...]) -> Iterator[Finding]:
    """What a journey leaves open."""
    if not journey.owner:
        yield source.gap(path, f"journey {journey.id} has no owner; name who answers for it")
    for place, stage in enumerate(journey.stages):
        at = (*path, "stages", place)
        if not stage.owner:
            yield source.gap(at, f"stage {stage.id} has no owner; name who answers for it")
        if not stage.description:
            yield source.gap(at, f"stage {stage.id} has no description; say what the customer does in it")
        if not stage.timeout:
            yield source.gap(at, f"stage {stage.id} has no timeout; without one no customer is ever counted as dropped")
        if not stage.touchpoints:
            yield source.gap(at, f"stage {stage.id} has no touchpoints; only events that name it are counted in it")


def _shadowed(source: Source, journey: Journey, path: tuple[str | int, ...]) -> Iterator[Finding]:
    """Entries of which all that they match is already taken by one entry before them."""
    before: list[tuple[str, Entry, str]] = []
    for place, stage in enumerate(journey.stages):
        for number, entry in enumerate(stage.touchpoints):
            at = (*path, "stages", place, "touchpoints", number)
            by = next((earlier for earlier in before if earlier[1].covers(entry)), None)
            if by:
                yield source.error(
                    at, f"never matches: {by[2]} (stage {by[0]}) takes all of it; move it up or remove it"
                )
            before.append((stage.id, entry, source.where(at)))
