"""The catalogue: what panes keep, and what every field that is shown, stored or sent means, as in `metrics.yaml`.

The file that comes with this version (`shipped`) says what is computed. A user's own file says who owns a metric
and what it is held to; what it says of the rest has to agree.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from touchstream.schemas.definitions import (
    Definition,
    DefinitionError,
    Finding,
    Source,
    model_of,
    read_source,
)
from touchstream.schemas.instruments import NONE, Instrument, Instruments, Made, in_force
from touchstream.schemas.measures import MEASURES_MAX, Computed, FieldName, Measure, Statistic
from touchstream.schemas.touchpoint import MICRO, Touchpoint

METRICS_MAX: Final = 500
PAGE_MAX: Final = 20
"""Figures of each stage on the page."""
DEFAULT_FILE: Final = Path(__file__).with_name("metrics.yaml")

_RESERVED: Final = frozenset(
    (
        *("topic", "window", "tick", "group_key", "dimensions", "other", "other_names", "design_effects", "written_at"),
        *("instruments", "answer", "undeclared", "place", "people", "counted", "effects", "names", "own", "cut"),
        *("version", "ends", "z", "value", "low", "high", "n", "now_ms", "at_ms", "total", "zones", "group", "known"),
    )
)
"""Columns of rolling rows and of the queries that make them."""

Words = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class Metric(Definition):
    """One metric. `n` is the field that says how many answers, events or customers it rests on; a count has none."""

    name: FieldName
    label: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = None
    """What the page calls it; without one, its name in words."""
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
    freshness_seconds: Annotated[int, Field(ge=1)] | None = None
    """Read from files of earlier versions and ignored: how old a value is, its window says."""
    n: FieldName | None = None
    interval: bool = False
    """Whether it comes with `<name>_low` and `<name>_high`, its 95 % interval."""
    statistic: Statistic | None = None
    """What its interval is made of; an interval without one stands in SQL of its own."""
    n_min: Annotated[int, Field(ge=0)] = 0
    """The smallest n to be shown as reliable."""
    computed: Computed | None = None
    """How it is made of measures; without it, from raw events and visits, in SQL of its own."""
    rolling: Literal["stage_metrics", "journey_metrics"] | None = None
    """The table of rolling rows that has it. One of `stage_metrics` is a gauge too, and rules may name it."""
    instrument: Annotated[Instrument | None, Field(exclude=True)] = None
    """Whose answers it is made of, where these are of a declared one; not for files."""

    @property
    def one_number(self) -> bool:
        """Whether its value is a number, not a map of currencies."""
        return self.computed is None or self.computed.by_currency is None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a rolling row that this metric accounts for: itself, its n, its interval."""
        bounds = (f"{self.name}_low", f"{self.name}_high") if self.interval else ()
        return (self.name, *((self.n,) if self.n else ()), *bounds)

    @property
    def people(self) -> str | None:
        """The field of an exact result that says how many people the n answers come from; None without one."""
        return f"{self.name}_people" if self.statistic else None


class MetricsFile(Definition):
    """All of `metrics.yaml`. `format` is the version of the file's form, not of its content."""

    format: Literal[1]
    measures: Annotated[tuple[Measure, ...], Field(max_length=MEASURES_MAX)] = ()
    page: Annotated[tuple[FieldName, ...], Field(max_length=PAGE_MAX)] = ()
    """The metrics that the page shows, in its order; without any, those of the shipped file."""
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=METRICS_MAX)]


class Catalogue:
    """The metrics of a file, by name, in its order."""

    def __init__(self, text: str, name: str = "metrics.yaml") -> None:
        """Raises DefinitionError, with the line of each error; `name` is the file's name in it."""
        self._source = read_source(text, name)
        declared = model_of(MetricsFile, self._source)
        errors = [*_clashes(self._source, declared), *_unfounded(self._source, declared)]
        if errors:
            raise DefinitionError(*errors)
        self.measures = declared.measures
        self.page = declared.page
        self._own = MappingProxyType({metric.name: metric for metric in declared.metrics})
        self._instruments: Instruments | None = None
        self._merged: tuple[Instruments, Mapping[str, Metric]] | None = None

    @classmethod
    def load(cls, path: Path = DEFAULT_FILE) -> "Catalogue":
        """Reads a file. Raises DefinitionError, OSError."""
        try:
            return cls(path.read_text(encoding="utf-8"), path.name)
        except UnicodeDecodeError as error:
            raise DefinitionError(Source(path.name, None, {}).error((), f"is not in UTF-8: {error}")) from error

    def under(self, instruments: Instruments) -> "Catalogue":
        """The same with the metrics of these instruments, whichever come into force."""
        fixed = copy(self)
        vars(fixed).update(_instruments=instruments, _merged=None)
        return fixed

    @property
    def instruments(self) -> Instruments:
        """Those whose metrics it has beside its own: in force now, unless it was made `under` others."""
        return in_force() if self._instruments is None else self._instruments

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The metrics by name: those of the file in its order, then those of instruments."""
        instruments, merged = self.instruments, self._merged
        if merged is None or merged[0] is not instruments:
            made = {metric.name: metric for one in instruments.declared for metric in metrics_of(one)}
            own = dict(self._own)
            merged = self._merged = (
                instruments,
                MappingProxyType(own | {name: made[name] for name in made if name not in own}),
            )
        return merged[1]

    @property
    def fields(self) -> frozenset[str]:
        """Every field that the metrics account for."""
        people = frozenset(metric.people for metric in self.metrics.values() if metric.people)
        return people | frozenset(field for metric in self.metrics.values() for field in metric.fields)

    @property
    def statistics(self) -> Mapping[str, Statistic]:
        """By name, the metrics whose interval counts people, in the file's order but with quantiles last."""
        found = {metric.name: metric.statistic for metric in self.metrics.values() if metric.statistic}
        return dict(sorted(found.items(), key=lambda one: one[1].kind == "quantile"))

    def check(self) -> list[Finding]:
        """What is left open in a file that can be used: metrics without an owner, or without a target to be held to."""
        gaps = []
        for number, metric in enumerate(self._own.values()):
            if metric.owner is None:
                gaps.append(self._source.gap(("metrics", number), f"{metric.name} has no owner; name one"))
            if metric.target is None and metric.direction != "neither":
                gaps.append(self._source.gap(("metrics", number), f"{metric.name} has no target; say what is good"))
        return gaps

    @property
    def instrument_fields(self) -> tuple[str, ...]:
        """Their fields in rolling rows, which keep them together in one column."""
        made = [metric for one in self.instruments.declared for metric in metrics_of(one) if metric.rolling]
        return tuple(field for metric in made for field in metric.fields)

    def of_table(self, table: str) -> tuple[Metric, ...]:
        """The metrics that a table of rolling rows keeps, in the file's order."""
        return tuple(metric for metric in self.metrics.values() if metric.rolling == table)

    def columns_of(self, table: str) -> tuple[str, ...]:
        """Their columns, each once: without those of instruments."""
        own = [metric for metric in self.of_table(table) if metric.name in self._own]
        return tuple(dict.fromkeys(field for metric in own for field in metric.fields))

    @property
    def rolling_numbers(self) -> tuple[Metric, ...]:
        """The metrics of rolling windows that are one number: gauges, and what a rule may look at."""
        return tuple(metric for metric in self.of_table("stage_metrics") if metric.one_number)

    @property
    def response_rates(self) -> tuple[str, ...]:
        """The fields of events, and instruments, that have a metric `<name>_response_rate`."""
        fields = dict.fromkeys(measure.field for measure in self.measures if measure.kind == "histogram")
        asked = [field for field in fields if field and f"{field}_response_rate" in self.metrics]
        return (*asked, *(one.id for one in self.instruments.declared))

    def title(self, name: str) -> str:
        """What the page calls a metric: its label, or the shipped one, or its name in words; also one that is gone."""
        own, known = self.metrics.get(name), shipped().metrics.get(name)
        return (own and own.label) or (known and known.label) or name.replace("_", " ").capitalize()

    def check_computed(self, computed: "Catalogue") -> list[Finding]:
        """What the file says and this version doesn't do: `computed` says what it does."""
        findings = []
        for number, metric in enumerate(self._own.values()):
            at, known = ("metrics", number), computed.metrics.get(metric.name)
            if known is None:
                message = (
                    f"nothing computes {metric.name}; correct its spelling, or remove it (docs/extend.md adds one)"
                )
                findings.append(self._source.error(at, message))
            else:
                for name in ("unit", "n", "interval"):
                    said, done = getattr(metric, name), getattr(known, name)
                    # A file of an earlier version may leave out an interval that there is now.
                    if said != done and (name, said) != ("interval", False):
                        message = f"{metric.name} has the {name} {done}, not {said}; say so"
                        findings.append(self._source.error((*at, name), message))
            if metric.freshness_seconds is not None:
                message = f"{metric.name} has freshness_seconds, which says nothing any more; remove it"
                findings.append(self._source.gap((*at, "freshness_seconds"), message))
        for number, name in enumerate(self.page):
            if name in computed.metrics and computed.metrics[name].rolling is None:
                message = f"rolling windows don't keep {name}, so the page can't show it; remove it"
                findings.append(self._source.error(("page", number), message))
        for number, measure in enumerate(self.measures):
            if measure not in computed.measures:
                findings.append(
                    self._source.error(("measures", number), f"panes don't keep {measure.name} so; remove it")
                )
        return findings

    @property
    def summed(self) -> tuple[Measure, ...]:
        """The measures that a metric rests on: the others are kept, and not added up."""
        computed = [metric.computed for metric in self.metrics.values() if metric.computed]
        named = {name for one in computed for name in one.measures}
        return tuple(measure for measure in self.measures if measure.name in named)


def metrics_of(instrument: Instrument) -> tuple[Metric, ...]:
    """The metrics that the answers to an instrument become, and its response rate."""
    return (*(_metric(instrument, made) for made in instrument.metrics), _response_rate(instrument))


def _metric(instrument: Instrument, made: Made) -> Metric:
    name, counts, good = instrument.metric(made), instrument.counts, instrument.good
    worst = (good or (0,))[0 if instrument.direction == "higher" else -1] // counts.quantum
    asked, scale = instrument.label or instrument.id.replace("_", " ").capitalize(), f"on the scale {instrument.scale}"
    parts: dict[Made, tuple[str, str, Any, Any, dict[str, Any]]] = {
        "mean": ("", f"Mean of the answers, {scale}.", "score", instrument.direction, {}),
        "top_box": (
            "" if instrument.metrics[0] == made else ", good",
            f"100 · answers that are good ({', '.join(f'{one / MICRO:g}' for one in good or ())}) ÷ answers, {scale}.",
            "percent",
            "higher",
            {"top": worst, "low": instrument.direction == "lower"},
        ),
        "net": (
            "",
            f"100 · (answers 9 and 10 − answers 0 to 6) ÷ answers, {scale}.",
            "points",
            "higher",
            {"top": 9, "bottom": 6},
        ),
    }
    behind, formula, unit, direction, statistic = parts[made]
    return Metric(
        name=name,
        label=f"{asked}{behind}"[:40],
        formula=formula,
        unit=unit,
        direction=direction,
        category=instrument.measured_category,
        is_cx=True,
        owner=instrument.owner,
        target=instrument.target if made == instrument.metrics[0] else None,
        n=f"{name}_n",
        interval=True,
        statistic=Statistic(histogram=counts.name, **statistic),
        n_min=instrument.n_min,
        computed=Computed(formula=("answer_counts",)),
        rolling="stage_metrics",
        instrument=instrument,
    )


def _response_rate(instrument: Instrument) -> Metric:
    name = f"{instrument.id}_response_rate"
    return Metric(
        name=name,
        label=f"{instrument.label or instrument.id}, response rate"[:40],
        formula=f"Customers with at least one answer to {instrument.id} ÷ customers touched, in the same interval.",
        unit="share",
        direction="higher",
        category="quality",
        is_cx=False,
        owner=instrument.owner,
        n=f"{name}_n",
        interval=True,
        n_min=30,
    )


def instruments_of(path: Path | None) -> Instruments:
    """The instruments of a user's file; without one, those that always exist. Raises DefinitionError, OSError."""
    if path is None:
        return NONE
    found = Instruments.load(path)
    taken = shipped().under(NONE).fields | set(Touchpoint.__struct_fields__) | _RESERVED
    errors = [
        found.error(one, f"{min(clash)} is another field of results; give {one.id} another id")
        for one in found.declared
        if (clash := taken & {one.id, *(field for metric in metrics_of(one) for field in metric.fields)})
    ]
    if errors:
        raise DefinitionError(*errors)
    return found


@cache
def shipped() -> Catalogue:
    """The catalogue of this version: what is computed."""
    return Catalogue.load()


def catalogue_of(path: Path | None) -> Catalogue:
    """The catalogue of a user's file; without one, the shipped one. Raises DefinitionError, OSError."""
    return Catalogue.load(path) if path else shipped()


def _clashes(source: Source, declared: MetricsFile) -> Iterator[Finding]:
    """Names that stand twice, and statistics that don't say what they rest on."""
    for part in ("measures", "metrics"):
        names = [one.name for one in getattr(declared, part)]
        for number, name in enumerate(names):
            if name in names[:number]:
                yield source.error((part, number, "name"), f"{name} stands here again; remove one")
    for number, metric in enumerate(declared.metrics):
        if metric.unit not in ("events", "customers") and metric.n is None:
            yield source.error(("metrics", number), f"{metric.name} has no n; name the field it rests on")


def _unfounded(source: Source, declared: MetricsFile) -> Iterator[Finding]:
    """Metrics of measures that are not declared, or are of another kind, and figures of unknown metrics."""
    kinds = {measure.name: measure.kind for measure in declared.measures}
    for number, metric in enumerate(declared.metrics):
        for part in ("computed", "statistic"):
            made = getattr(metric, part)
            for name, kind in made.measures.items() if made else ():
                if name not in kinds:
                    yield source.error(("metrics", number, part), f"there is no measure {name}; declare it above")
                elif kind not in ("", kinds[name]):
                    yield source.error(("metrics", number, part), f"{name} is a {kinds[name]}; name a {kind}")
    names = {metric.name for metric in declared.metrics}
    for number, name in enumerate(declared.page):
        if name not in names:
            yield source.error(("page", number), f"there is no metric {name}; declare it below")
