"""The rules of alerts: when an operator is to be told, as declared in `alerts.yaml`. What they do: docs/alerts.md."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, StringConstraints, field_validator, model_validator

from touchstream.schemas.alert_notifying import HowTold, Quiet, SeverityName, namespace_of_file
from touchstream.schemas.bins import bins_of
from touchstream.schemas.definitions import (
    Definition,
    DefinitionError,
    Finding,
    Source,
    model_of,
    read_source,
)
from touchstream.schemas.definitions import Path as Place
from touchstream.schemas.groups import name_of
from touchstream.schemas.journey import UNDECLARED, Journey, Name, Timeout
from touchstream.schemas.measures import FieldName
from touchstream.schemas.metrics import Catalogue, Metric, Words, shipped
from touchstream.schemas.silence import FEED_RULE, Budget, Silence

RULES_MAX: Final = 200
DEFAULT_FILE: Final = Path(__file__).with_name("alerts.yaml")

DIMENSIONS: Final = ("journey", "stage", "channel", "segment")
_HOUR_MS: Final = 3_600_000
_WITHIN_MIN: Final = timedelta(hours=1)
_WITHIN_MAX: Final = timedelta(days=7)
_RANGES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "points": (-100, 100),
        "percent": (0, 100),
        "share": (0, 1),
        "milliseconds": (0, float("inf")),
        "events": (0, float("inf")),
        "customers": (0, float("inf")),
    }
)
"""Range of a metric's values by unit; other units have none."""

_UNITS: Final = MappingProxyType({"d": 86_400, "h": 3_600, "m": 60, "s": 1})
Number = Annotated[float, Field(allow_inf_nan=False)]
Step = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Dimension = Literal["journey", "stage", "channel", "segment"]
RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


def rolling() -> frozenset[str]:
    """The metrics that rolling rows have as one number: what a rule may look at."""
    return frozenset(metric.name for metric in shipped().rolling_numbers)


class Difference(Definition):
    """How much against the window before: in the metric's own unit (`points`), or in per cent of what it was."""

    points: Step | None = None
    percent: Step | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Difference":
        if (self.points is None) == (self.percent is None):
            raise ValueError("give either points or percent")
        return self

    def __str__(self) -> str:
        return f"{self.points:g}" if self.points is not None else f"{self.percent:g} %"


class Where(Definition):
    """Which rows a rule looks at. A missing stage, channel or segment is `*`: all together (schemas/groups.py).

    Rows never add up journeys: without one, a rule looks at each journey on its own.
    """

    journey: Name | None = None
    stage: Name = "*"
    channel: Name = "*"
    segment: Name = "*"

    def name(self, dimension: str) -> str | None:
        """The name that is looked at; None: all together, or each journey on its own."""
        written: str | None = getattr(self, dimension)
        return None if written is None else name_of(written)


class Rule(HowTold):
    """When to tell an operator: a metric over a window, below or above a threshold, or fallen or risen.

    Of `below`, `above`, `drop` and `rise` one is given. `each` makes an alert of its own for each value of a dimension.
    A rule has a `window`; or, for a drop or a rise that is judged by evidence, `within` instead.
    """

    name: RuleName
    summary: Words
    metric: FieldName
    window: str = ""
    """The rolling window; empty for a rule by evidence."""
    within: Timeout | None = None
    """By evidence: the longest span over which it is added up."""
    where: Where = Where()
    each: Annotated[tuple[Dimension, ...], Field(max_length=4)] = ()
    below: Number | None = None
    above: Number | None = None
    drop: Difference | None = None
    rise: Difference | None = None
    min_n: Annotated[int, Field(ge=0)] | None = None
    """The smallest n to judge by, in both windows; without one, the metric's own. A count's n is what it was before."""
    for_: Annotated[Timeout | None, Field(alias="for")] = None
    """Event time for which it has to be so before the alert fires; without it, the first window is enough."""
    hold: Timeout = timedelta(days=1)
    """For how long a drop is held against what was before it; then it has become the norm."""
    keep_firing_for: Timeout = timedelta(minutes=15)
    """By evidence: the shortest recovery."""
    recover: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """By evidence: the share of the change that it must come back to."""
    severity: SeverityName = "warning"
    owner: Words | None = None

    @model_validator(mode="after")
    def _has_one_condition(self) -> "Rule":
        given = [name for name in ("below", "above", "drop", "rise") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of below, above, drop and rise, not {' and '.join(given) or 'none'}")
        return self

    @model_validator(mode="after")
    def _has_one_span(self) -> "Rule":
        if self.within is None:
            if not self.window:
                raise ValueError("give a window, or, for a drop or a rise that is judged by evidence, within: 6h")
            if only := {"keep_firing_for", "recover"} & self.model_fields_set:
                raise ValueError(f"{min(only)} is for rules by evidence; remove it, or give within instead of window")
        else:
            if self.window:
                raise ValueError("give window or within, not both: within judges by evidence")
            if self.difference is None:
                raise ValueError("within is for drop and rise; give a window with below and above")
            if "hold" in self.model_fields_set:
                raise ValueError("hold is for windows; by evidence a change is the norm after a week of firing")
        return self

    @property
    def is_by_evidence(self) -> bool:
        """Whether it is judged by evidence in disjoint buckets (docs/alerts-judgement.md), not by rolling windows."""
        return self.within is not None

    @property
    def span(self) -> str:
        """What it is judged over, such as `5m` or `6h`: the window, or `within`."""
        return self.window or short(self.within or timedelta())

    @property
    def difference(self) -> Difference | None:
        """How much it has to fall or rise; None for a threshold."""
        return self.drop or self.rise

    @property
    def for_ms(self) -> int:
        """`for` in milliseconds."""
        return _milliseconds(self.for_) if self.for_ else 0

    @property
    def hold_ms(self) -> int:
        """`hold` in milliseconds."""
        return _milliseconds(self.hold)

    @property
    def condition(self) -> str:
        """In words, such as `csat below 60 over 5m`."""
        if self.difference is not None:
            over = "within" if self.is_by_evidence else "over"
            return f"{self.metric} {'drop' if self.drop else 'rise'} of {self.difference} {over} {self.span}"
        bound = f"below {self.below:g}" if self.below is not None else f"above {self.above:g}"
        return f"{self.metric} {bound} over {self.window}"

    def is_each(self, dimension: str) -> bool:
        """Whether each value of a dimension has an alert of its own."""
        return dimension in self.each or (dimension == "journey" and self.where.name("journey") is None)

    def minimum(self, metric: Metric) -> int:
        """The smallest n to judge by."""
        return metric.n_min if self.min_n is None else self.min_n


class AlertsFile(Definition):
    """All of `alerts.yaml`. `format` is the version of the file's form, not of its content."""

    format: Literal[1]
    namespace: RuleName | None = None
    """Whose alerts these are where several files are judged; without one, the file's name without its ending."""
    budget: Budget = Budget()
    silence: Silence | Literal[False] = Silence()
    """How it is told that a feed has stopped; false: it isn't, and then such a stop may read as a drop."""
    zone: str = "UTC"
    """In whose local week counts have their rhythm, for rules by evidence: Europe/Berlin."""
    quiet: Quiet | None = None
    """The quiet hours of rules that have none of their own."""
    rules: Annotated[tuple[Rule, ...], Field(max_length=RULES_MAX)]

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"there is no time zone {zone}; write one such as Europe/Berlin")
        return zone


@dataclass(frozen=True)
class Known:
    """The names that rules may use. windows: name to length in milliseconds."""

    journeys: Collection[Journey]
    catalogue: Catalogue
    windows: Mapping[str, int]


class Rules:
    """The rules of a file, in its order."""

    def __init__(self, text: str, name: str = "alerts.yaml") -> None:
        """Raises DefinitionError, with the line of each error; `name` is the file's name in it."""
        self._source = read_source(text, name)
        declared = model_of(AlertsFile, self._source)
        self.rules, self.zone = declared.rules, ZoneInfo(declared.zone)
        self._quiet = declared.quiet
        self.namespace = declared.namespace or namespace_of_file(name)
        """What keeps its alerts apart from those of other files."""
        self.silence = declared.silence or None
        self._false_alarms_per_week = declared.budget.false_alarms_per_week
        errors = list(_twice(self._source, self.rules))
        if errors:
            raise DefinitionError(*errors)

    @classmethod
    def load(cls, path: Path = DEFAULT_FILE) -> "Rules":
        """Reads a file. Raises DefinitionError, OSError."""
        try:
            return cls(path.read_text(encoding="utf-8"), path.name)
        except UnicodeDecodeError as error:
            raise DefinitionError(Source(path.name, None, {}).error((), f"is not in UTF-8: {error}")) from error

    @cached_property
    def named(self) -> Mapping[str, Rule]:
        """The rules by their names."""
        return {rule.name: rule for rule in self.rules}

    @property
    def by_window(self) -> tuple[Rule, ...]:
        """Those that are judged by rolling windows."""
        return tuple(rule for rule in self.rules if not rule.is_by_evidence)

    @property
    def by_evidence(self) -> tuple[Rule, ...]:
        """Those that are judged by evidence."""
        return tuple(rule for rule in self.rules if rule.is_by_evidence)

    def is_quiet(self, rule: Rule, at_ms: int) -> bool:
        """Whether people are not told of a rule's alerts at an instant, in milliseconds since 1970."""
        quiet = rule.quiet or self._quiet
        return quiet is not None and rule.severity not in quiet.passes and quiet.is_at(at_ms, self.zone)

    @property
    def false_alarms_per_week(self) -> float:
        """How often each rule by evidence may be wrong, over all its groups, and all feeds together.

        An equal share of the file's budget.
        """
        return self._false_alarms_per_week / max(1, len(self.by_evidence) + (self.silence is not None))

    def check(self, known: Known) -> list[Finding]:
        """Rules that can't be judged or can never fire (errors), and what is left open (gaps)."""
        return [
            finding
            for number, rule in enumerate(self.rules)
            for finding in _findings(self._source, ("rules", number), rule, known)
        ]


def _twice(source: Source, rules: tuple[Rule, ...]) -> Iterator[Finding]:
    known: set[str] = set()
    for number, rule in enumerate(rules):
        if rule.name in known:
            yield source.error(("rules", number, "name"), f"{rule.name} stands here again; rename one")
        if rule.name.startswith(FEED_RULE):
            yield source.error(("rules", number, "name"), f"{rule.name} is a name for silent feeds; take another one")
        known.add(rule.name)


def _findings(source: Source, at: Place, rule: Rule, known: Known) -> Iterator[Finding]:
    for key, message in _place_errors(rule, known.journeys):
        yield source.error((*at, *key), message)
    if not rule.is_by_evidence and rule.window not in known.windows:
        yield source.error((*at, "window"), f"there is no window {rule.window}; take one of {', '.join(known.windows)}")
    metric = known.catalogue.metrics.get(rule.metric)
    if metric is None:
        yield source.error((*at, "metric"), f"metrics.yaml has no metric {rule.metric}; correct its spelling")
    else:
        errors = _evidence_errors if rule.is_by_evidence else _metric_errors
        for name, message in errors(rule, metric, known.windows.get(rule.window, 0)):
            yield source.error((*at, name), message)
    if rule.difference is not None and not rule.is_by_evidence:
        yield source.gap(
            (*at, "drop" if rule.drop else "rise"),
            f"{rule.name} is held against the window before, which fires on noise too; "
            f"write within: {'6h' if known.windows.get(rule.window, 0) <= 6 * _HOUR_MS else '24h'} instead of window",
        )
    if rule.owner is None:
        yield source.gap(at, f"{rule.name} has no owner; name who is to act")


def _place_errors(rule: Rule, journeys: Collection[Journey]) -> Iterator[tuple[Place, str]]:
    """A place in the journey that doesn't exist, or that rolling rows don't have."""
    for dimension in rule.each:
        if rule.where.name(dimension) is not None:
            yield ("each",), f"{dimension} stands in where, too; keep one"
    alone = [one for one in ("channel", "segment") if rule.where.name(one) is not None or rule.is_each(one)]
    journey, stage = rule.where.name("journey"), rule.where.name("stage")
    if alone and stage is None and not rule.is_each("stage"):
        message = f"rolling rows have a {alone[0]} within a stage only; name a stage, or add stage to each"
        yield ("each" if alone[0] in rule.each else "where",), message
    looked_at = [one for one in journeys if journey in (None, one.id)]
    if not looked_at:
        yield ("where", "journey"), f"journey.yaml has no journey {journey}; correct its spelling"
    elif stage not in {None, UNDECLARED, *(one.id for journey_ in looked_at for one in journey_.stages)}:
        yield ("where", "stage"), f"journey.yaml has no stage {stage}; correct its spelling"


def _metric_errors(rule: Rule, metric: Metric, length_ms: int) -> Iterator[tuple[str, str]]:
    """A condition that the metric can't be held to, or that it can never meet."""
    if metric.name not in rolling():
        yield "metric", f"rolling windows don't have {metric.name}; choose another metric"
    if metric.name == "customers" and length_ms > _HOUR_MS:
        yield "window", "customers are not counted in windows longer than an hour; choose a shorter one"
    if rule.min_n is not None and metric.n is None and rule.difference is None:
        yield "min_n", f"{metric.name} is a count, which has no n; remove min_n"
    low, high = _RANGES.get(metric.unit, (float("-inf"), float("inf")))
    if rule.below is not None and rule.below <= low:
        yield "below", f"can never fire: {metric.name} is never below {low:g}"
    if rule.above is not None and rule.above >= high:
        yield "above", f"can never fire: {metric.name} is never above {high:g}"
    if rule.difference is not None:
        yield from _difference_errors(rule, metric, rule.difference, (low, high))


def _evidence_errors(rule: Rule, metric: Metric, _length_ms: int) -> Iterator[tuple[str, str]]:
    """A change that evidence can't be gathered for."""
    bins, difference = bins_of(metric), rule.difference
    key = "drop" if rule.drop else "rise"
    if bins is None:
        message = f"panes have no distribution of {metric.name}, which evidence needs; give window instead of within"
        yield "metric", message
    elif difference is not None and bins.is_count and difference.percent is None:
        yield key, f"{metric.name} is a count, whose change is relative to what is expected; give percent"
    elif difference is not None and not bins.is_count and difference.points is None:
        yield key, f"a change of {metric.name} is in its own unit, {metric.unit}; give points"
    elif bins.is_count and rule.drop and difference is not None and (difference.percent or 0) >= 100:
        yield key, f"can never fire: {metric.name} can't drop by more than 100 %; give less than that"
    elif difference is not None and bins.values and (difference.points or 0) > max(bins.values) - min(bins.values):
        low, high = min(bins.values), max(bins.values)
        yield key, f"can never fire: {metric.name} lies between {low:g} and {high:g}"
    if rule.within is not None and not _WITHIN_MIN <= rule.within <= _WITHIN_MAX:
        yield "within", "evidence is added up over an hour at least and 7d at most"


def _difference_errors(
    rule: Rule, metric: Metric, difference: Difference, bounds: tuple[float, float]
) -> Iterator[tuple[str, str]]:
    key = "drop" if rule.drop else "rise"
    low, high = bounds
    if difference.percent is not None and metric.unit in ("points", "score"):
        yield (
            key,
            f"per cent are for shares, counts, money and durations, {metric.name} is in {metric.unit}; give points",
        )
    elif difference.percent is not None and rule.drop and low >= 0 and difference.percent > 100:
        yield key, f"can never fire: {metric.name} never drops by more than 100 %"
    elif difference.points is not None and difference.points > high - low:
        yield key, f"can never fire: {metric.name} lies between {low:g} and {high:g}"


def short(duration: timedelta) -> str:
    """As files have it: 90m, 6h, 2d."""
    seconds = duration // timedelta(seconds=1)
    unit, length = next((unit, one) for unit, one in _UNITS.items() if seconds % one == 0)
    return f"{seconds // length}{unit}"


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
