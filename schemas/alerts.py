"""The rules of alerts: when an operator is to be told, as declared in `alerts.yaml`. What they do: docs/alerts.md."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

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

RULES_MAX: Final = 200
DEFAULT_FILE: Final = Path(__file__).with_name("alerts.yaml")

DIMENSIONS: Final = ("journey", "stage", "channel", "segment")
ROLLING: Final = frozenset(metric.name for metric in shipped().rolling_numbers)
"""The metrics that rolling rows have as one number: what a rule may look at."""

_HOUR_MS: Final = 3_600_000
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

Number = Annotated[float, Field(allow_inf_nan=False)]
Step = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Dimension = Literal["journey", "stage", "channel", "segment"]
RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


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


class Rule(Definition):
    """When to tell an operator: a metric over a window, below or above a threshold, or fallen or risen.

    Of `below`, `above`, `drop` and `rise` one is given. `each` makes an alert of its own for each value of a dimension.
    """

    name: RuleName
    summary: Words
    metric: FieldName
    window: str
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
    severity: Literal["critical", "warning", "info"] = "warning"
    owner: Words | None = None
    # Room for `confidence`: gates of evidence beside those of effect and volume.

    @model_validator(mode="after")
    def _has_one_condition(self) -> "Rule":
        given = [name for name in ("below", "above", "drop", "rise") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of below, above, drop and rise, not {' and '.join(given) or 'none'}")
        return self

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
            return f"{self.metric} {'drop' if self.drop else 'rise'} of {self.difference} over {self.window}"
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
    rules: Annotated[tuple[Rule, ...], Field(max_length=RULES_MAX)]


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
        self.rules = model_of(AlertsFile, self._source).rules
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
        known.add(rule.name)


def _findings(source: Source, at: Place, rule: Rule, known: Known) -> Iterator[Finding]:
    for key, message in _place_errors(rule, known.journeys):
        yield source.error((*at, *key), message)
    if rule.window not in known.windows:
        yield source.error((*at, "window"), f"there is no window {rule.window}; take one of {', '.join(known.windows)}")
    metric = known.catalogue.metrics.get(rule.metric)
    if metric is None:
        yield source.error((*at, "metric"), f"metrics.yaml has no metric {rule.metric}; correct its spelling")
    else:
        for name, message in _metric_errors(rule, metric, known.windows.get(rule.window, 0)):
            yield source.error((*at, name), message)
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
    if metric.name not in ROLLING:
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


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
