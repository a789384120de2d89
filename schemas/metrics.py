"""The catalogue of metrics: what every field that is shown, stored or sent means, as declared in `metrics.yaml`."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from touchstream.schemas.definitions import (
    Definition,
    DefinitionError,
    Finding,
    Source,
    model_of,
    read_source,
)

METRICS_MAX: Final = 500
DEFAULT_FILE: Final = Path(__file__).with_name("metrics.yaml")

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Metric(Definition):
    """One metric. `n` is the field that says how many answers, events or customers it rests on; a count has none."""

    name: FieldName
    formula: Words
    source: Words | None = None
    unit: Literal["points", "percent", "share", "score", "milliseconds", "events", "customers", "minor_units"]
    """points: −100 to 100. percent: 0 to 100. share: 0 to 1. score: on the instrument's own scale."""
    direction: Literal["higher", "lower", "neither"]
    """Which way is better."""
    category: Literal["quality", "satisfaction", "effort", "loyalty", "advocacy", "operations", "business"]
    is_cx: bool
    """Whether it measures a benefit to the customer: revenue does not."""
    owner: Words | None = None
    target: float | None = None
    freshness_seconds: Annotated[int, Field(ge=1)]
    """How old a shown value may be at most."""
    n: FieldName | None = None
    interval: bool = False
    """Whether it comes with `<name>_low` and `<name>_high`, its 95 % interval."""
    n_min: Annotated[int, Field(ge=0)] = 0
    """The smallest n to be shown as reliable."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a result that this metric accounts for: itself, its n, its interval."""
        bounds = (f"{self.name}_low", f"{self.name}_high") if self.interval else ()
        return (self.name, *((self.n,) if self.n else ()), *bounds)


class MetricsFile(Definition):
    """All of `metrics.yaml`. `format` is the version of the file's form, not of its content."""

    format: Literal[1]
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=METRICS_MAX)]


class Catalogue:
    """The metrics of a file, by name, in its order."""

    def __init__(self, text: str, name: str = "metrics.yaml") -> None:
        """Raises DefinitionError, with the line of each error; `name` is the file's name in it."""
        self._source = read_source(text, name)
        declared = model_of(MetricsFile, self._source).metrics
        errors = list(_clashes(self._source, declared))
        if errors:
            raise DefinitionError(*errors)
        self.metrics = MappingProxyType({metric.name: metric for metric in declared})

    @classmethod
    def load(cls, path: Path = DEFAULT_FILE) -> "Catalogue":
        """Reads a file. Raises DefinitionError, OSError."""
        try:
            return cls(path.read_text(encoding="utf-8"), path.name)
        except UnicodeDecodeError as error:
            raise DefinitionError(Source(path.name, None, {}).error((), f"is not in UTF-8: {error}")) from error

    @property
    def fields(self) -> frozenset[str]:
        """Every field that the metrics account for."""
        return frozenset(field for metric in self.metrics.values() for field in metric.fields)

    def check(self) -> list[Finding]:
        """What is left open in a file that can be used: metrics without an owner, or without a target to be held to."""
        gaps = []
        for number, metric in enumerate(self.metrics.values()):
            if metric.owner is None:
                gaps.append(self._source.gap(("metrics", number), f"{metric.name} has no owner; name one"))
            if metric.target is None and metric.direction != "neither":
                gaps.append(self._source.gap(("metrics", number), f"{metric.name} has no target; say what is good"))
        return gaps


def _clashes(source: Source, metrics: tuple[Metric, ...]) -> Iterator[Finding]:
    """Names that stand twice, and statistics that don't say what they rest on."""
    first: dict[str, int] = {}
    for number, metric in enumerate(metrics):
        if metric.name in first:
            yield source.error(("metrics", number, "name"), f"{metric.name} stands here again; remove one")
        first.setdefault(metric.name, number)
        if metric.unit not in ("events", "customers") and metric.n is None:
            yield source.error(("metrics", number), f"{metric.name} has no n; name the field it rests on")
