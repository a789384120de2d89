"""Scenario files: who the simulated customers are, what they do, how often, and what goes wrong meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from touchstream.schemas.definitions import (
    Definition,
    DefinitionError,
    Finding,
    Source,
    model_of,
    read_source,
)
from touchstream.schemas.journey import Name
from touchstream.schemas.touchpoint import DURATION_MS_MAX, REVENUE_MINOR_MAX

DEFAULT_FILE: Final = Path(__file__).with_name("scenario.yaml")
STAGES_MAX: Final = 50
TOUCHPOINTS_MAX: Final = 100
INCIDENTS_MAX: Final = 1_000
CONTACTS_MAX: Final = 100  # a customer's whole life is planned at once
CUSTOMERS_MAX: Final = 50_000  # those under way are kept in memory, some 10 kB each
EVENTS_PER_SECOND_MIN: Final = 0.001
EVENTS_PER_SECOND_MAX: Final = 100_000.0  # more than one process can encode
SEED_MAX: Final = 2**63 - 1
SPREAD_MAX: Final = 3.0  # of a log-normal: one value in forty lies beyond 360 times the median
LATE_MS_MAX: Final = 3_600_000
IDENTIFY: Final = "identify"
UNSUBSCRIBE: Final = "unsubscribe"

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds_of(value: object) -> int:
    """`250ms`, `1.5s`, `30m`, `12h` or `2d`. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)", value) if isinstance(value, str) else None
    milliseconds = round(float(match[1]) * _UNITS_MS[match[2]]) if match else -1
    if not 0 <= milliseconds <= DURATION_MS_MAX:
        raise ValueError("write a duration such as 250ms, 45s, 5m or 2h")
    return milliseconds


def _some_weight(weights: tuple[float, ...]) -> tuple[float, ...]:
    if not any(weights):
        raise ValueError("one weight at least must be above 0")
    return weights


Duration = Annotated[int, BeforeValidator(milliseconds_of)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1e9)]
Positive = Annotated[float, Field(gt=0, le=1e6)]
Mean = Annotated[float, Field(ge=0, le=CONTACTS_MAX)]
Deviation = Annotated[float, Field(ge=0, le=SPREAD_MAX)]
Weights = Annotated[tuple[Weight, ...], AfterValidator(_some_weight)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Shift = Annotated[float, Field(ge=-10, le=10)]


class LogNormal(Definition):
    """Durations: half of them are shorter than `median`; `spread` is the standard deviation of their logarithm."""

    median: Duration
    spread: Deviation = 0.0


class Amount(Definition):
    """Money, log-normal: `median` in minor units of whichever currency the customer has."""

    median: Annotated[int, Field(ge=1, le=REVENUE_MINOR_MAX // 10**4)]
    spread: Deviation = 0.0


class Mood(Definition):
    """Sentiment, normal, clipped to the scale from -1 to 1."""

    mean: Annotated[float, Field(ge=-1, le=1)]
    deviation: Annotated[float, Field(ge=0, le=2)] = 0.0


class Outcomes(Definition):
    """Weights of how a contact ends."""

    success: Weight = 0.0
    failure: Weight = 0.0
    abandoned: Weight = 0.0

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        _some_weight((self.success, self.failure, self.abandoned))
        return self


class Contact(Definition):
    """A touchpoint of a stage.

    With a `weight` it is one of those that a visit's contacts are drawn from; with a `chance` it happens once in a
    visit with that probability. `revenue` of the action `return` is what is paid back of the last purchase.
    """

    channel: Name
    touchpoint: Name
    action: Name = "contact"
    weight: Weight | None = None
    chance: Share | None = None
    outcomes: Outcomes | None = None
    duration: LogNormal | None = None
    sentiment: Mood | None = None
    revenue: Amount | None = None

    @model_validator(mode="after")
    def _is_drawn_in_one_way(self) -> Self:
        if (self.weight is None) == (self.chance is None):
            raise ValueError("give either a weight or a chance")
        if self.action in (IDENTIFY, UNSUBSCRIBE) and self.chance is None:
            raise ValueError(f"{self.action} happens once: give a chance")
        return self


class Survey(Definition):
    """The question after a contact: `rate` of them are answered. A `*` in `touchpoint` is the contact's channel.

    `nps`, `csat`, `ces`: weights of the answers from the lowest to the highest (0-10, 1-5, 1-7).
    """

    rate: Share
    touchpoint: Name
    channel: Name = "survey"
    nps: Annotated[Weights, Field(min_length=11, max_length=11)] | None = None
    csat: Annotated[Weights, Field(min_length=5, max_length=5)] | None = None
    ces: Annotated[Weights, Field(min_length=7, max_length=7)] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.nps is None and self.csat is None and self.ces is None:
            raise ValueError("give the weights of the answers to nps, csat or ces")
        return self


class ScenarioStage(Definition):
    """A stage: which share of those who were in the stage before come here, and what they do.

    Those who don't come leave; those who don't come to an `optional` stage go on to the next. `contacts`: how many
    there are in a visit on average, drawn by weight. A visit's contacts come in the order of `touchpoints`.
    """

    id: Name
    visited_by: Share
    optional: bool = False
    contacts: Mean = 0.0
    touchpoints: Annotated[tuple[Contact, ...], Field(min_length=1, max_length=TOUCHPOINTS_MAX)]
    survey: Survey | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.contacts and not any(contact.weight for contact in self.touchpoints):
            raise ValueError("contacts are drawn by weight: give a touchpoint a weight, or set contacts to 0")
        if any(contact.action == UNSUBSCRIBE for contact in self.touchpoints[:-1]):
            raise ValueError(f"nothing happens after {UNSUBSCRIBE}: put it last")
        return self

    @property
    def events_per_visit(self) -> float:
        """The mean number of events of a visit, answers to surveys included."""
        once = sum(contact.chance or 0.0 for contact in self.touchpoints if surveyed(contact))
        others = sum(contact.chance or 0.0 for contact in self.touchpoints if not surveyed(contact))
        return (self.contacts + once) * (1 + (self.survey.rate if self.survey else 0)) + others

    @property
    def lost_per_visit(self) -> float:
        """The share of visits that end the relationship."""
        return sum(contact.chance or 0.0 for contact in self.touchpoints if contact.action == UNSUBSCRIBE)


class Segment(Definition):
    """A kind of customer. `spends`: a factor of all amounts."""

    id: Name
    weight: Weight
    spends: Positive = 1.0


class Wave(Definition):
    """A slow sine over the rhythm of the day, so that charts move: by ± `amplitude` within `period`."""

    period: Annotated[Duration, Field(ge=60_000)]
    amplitude: Annotated[float, Field(ge=0, lt=1)]


class Rhythm(Definition):
    """How busy it is, relatively: by hour (from 0:00 UTC) and by weekday (from Monday). `rate` is the week's mean."""

    hours: Annotated[tuple[Positive, ...], Field(min_length=24, max_length=24)] = (1.0,) * 24
    weekdays: Annotated[tuple[Positive, ...], Field(min_length=7, max_length=7)] = (1.0,) * 7
    wave: Wave | None = None


class Disorder(Definition):
    """Shares of all events.

    Those that are sent twice, that are sent late (after `late_by`, shortest and longest), and that carry a value out of
    scale, which become dead letters.
    """

    duplicates: Share = 0.0
    late: Share = 0.0
    late_by: tuple[Duration, Duration] = (120_000, 300_000)
    out_of_scale: Share = 0.0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.duplicates + self.late + self.out_of_scale > 1:
            raise ValueError("the shares add up to more than 1")
        if not 0 < self.late_by[0] <= self.late_by[1] <= LATE_MS_MAX:
            raise ValueError("late_by: give the shortest and the longest delay, of at most 1h")
        return self


class Effects(Definition):
    """What an incident does.

    Points that are added to each answer and to sentiment (below 0: worse), the share of contacts that fail in addition
    to those that do anyway, and a factor of durations.
    """

    nps: Shift = 0.0
    csat: Shift = 0.0
    ces: Shift = 0.0
    sentiment: Shift = 0.0
    failure_rate: Share = 0.0
    duration_factor: Positive = 1.0


class Incident(Definition):
    """Something that goes wrong in a stage, `after` the start, `for` a while."""

    after: Duration
    lasts: Annotated[Duration, Field(gt=0)] = Field(alias="for")
    stage: Name
    effects: Effects


class Scenario(Definition):
    """A scenario file.

    `rate`: events a second; `customers`: how many are under way at the same time; `known`: the share of customers who
    are identified from the start.
    """

    format: Literal[1]
    rate: Annotated[float, Field(ge=EVENTS_PER_SECOND_MIN, le=EVENTS_PER_SECOND_MAX)]
    customers: Annotated[int, Field(ge=1, le=CUSTOMERS_MAX)]
    seed: Annotated[int, Field(ge=0, le=SEED_MAX)] = 1
    known: Share = 0.0
    currencies: dict[Currency, Weight] = Field(default_factory=lambda: {"EUR": 1.0}, min_length=1, max_length=20)
    segments: Annotated[tuple[Segment, ...], Field(min_length=1, max_length=100)] = (Segment(id="customer", weight=1),)
    rhythm: Rhythm = Rhythm()
    disorder: Disorder = Disorder()
    stages: Annotated[tuple[ScenarioStage, ...], Field(min_length=1, max_length=STAGES_MAX)]
    incidents: Annotated[tuple[Incident, ...], Field(max_length=INCIDENTS_MAX)] = ()

    @property
    def events_by_stage(self) -> dict[str, float]:
        """How many events of each stage a customer has on average."""
        reached, means = 1.0, {}
        for stage in self.stages:
            visits = reached * stage.visited_by
            means[stage.id] = visits * stage.events_per_visit
            reached = (reached if stage.optional else visits) - visits * stage.lost_per_visit
        return means

    @property
    def events_per_customer(self) -> float:
        """The mean over all customers."""
        return sum(self.events_by_stage.values())


def load_scenario(path: Path = DEFAULT_FILE) -> Scenario:
    """Read a scenario file. Raises DefinitionError with the line of each error, OSError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DefinitionError(Source(path.name, None, {}).error((), f"is not in UTF-8: {error}")) from error
    return read_scenario(text, path.name)


def read_scenario(text: str, name: str = "scenario.yaml") -> Scenario:
    """The same for its text; `name` is the file's name in errors. Raises DefinitionError."""
    source = read_source(text, name)
    scenario = model_of(Scenario, source)
    findings = list(_inconsistent(source, scenario))
    if findings:
        raise DefinitionError(*findings)
    return scenario


def surveyed(contact: Contact) -> bool:
    """Whether a survey may follow it."""
    return contact.action not in (IDENTIFY, UNSUBSCRIBE)


def _inconsistent(source: Source, scenario: Scenario) -> Iterator[Finding]:
    """What is right in itself, and doesn't fit the rest of the file."""
    stages: set[str] = set()
    for number, stage in enumerate(scenario.stages):
        if stage.id in stages:
            yield source.error(("stages", number, "id"), f"stage {stage.id} stands here again; rename one")
        stages.add(stage.id)
    for number, incident in enumerate(scenario.incidents):
        if incident.stage not in stages:
            known = ", ".join(stage.id for stage in scenario.stages)
            yield source.error(
                ("incidents", number, "stage"), f"no stage is called {incident.stage}; name one of {known}"
            )
    for path, weights in (
        ("currencies", scenario.currencies.values()),
        ("segments", [segment.weight for segment in scenario.segments]),
    ):
        if not any(weights):
            yield source.error((path,), f"{path}: one weight at least must be above 0")
    if not scenario.events_per_customer:
        yield source.error(("stages",), "stages: no customer does anything; give a stage contacts and visitors")
